"""Reading a reply of 2048 x 1536: every check included, against json.loads of the same numbers.

python benchmarks/embedding_decode.py
"""

from __future__ import annotations

import base64
import json
import sys
import time
from collections.abc import Callable

import numpy as np

from ragkit.embedding.wire import Reply, parse_reply

ROWS, WIDTH, ROUNDS = 2048, 1536, 5


def fastest_ms(work: Callable[[], object]) -> float:
    """The best of a few rounds."""
    times = []
    for _ in range(ROUNDS):
        begin_s = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin_s)
    return min(times) * 1000


def main() -> None:
    """Print milliseconds and the ratio."""
    rows = np.random.default_rng(3).standard_normal((ROWS, WIDTH), dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    bodies = {}
    for name, vectors in (
        ("float", [[round(float(value), 8) for value in row] for row in rows]),
        ("base64", [base64.b64encode(row.tobytes()).decode() for row in rows]),
    ):
        data = [{"index": index, "embedding": vector} for index, vector in enumerate(vectors)]
        bodies[name] = json.dumps({"object": "list", "data": data, "model": "m"}).encode()

    def parsed(name: str) -> None:
        reply = parse_reply(200, {}, bodies[name], expected=ROWS, width=WIDTH)
        assert isinstance(reply, Reply)
        assert np.abs(reply.vectors - rows).max() < 1e-6

    def read(name: str) -> Reply:
        reply = parse_reply(200, {}, bodies[name], expected=ROWS, width=WIDTH)
        assert isinstance(reply, Reply)
        return reply

    for name in bodies:
        parsed(name)
    json_ms = fastest_ms(lambda: json.loads(bodies["float"]))
    float_ms, base64_ms = fastest_ms(lambda: read("float")), fastest_ms(lambda: read("base64"))
    sys.stdout.write(
        f"json.loads of floats {json_ms:.0f} ms; read and checked: floats {float_ms:.0f} ms, base64"
        f" {base64_ms:.0f} ms, {json_ms / base64_ms:.1f} times faster\n"
    )


if __name__ == "__main__":
    main()
