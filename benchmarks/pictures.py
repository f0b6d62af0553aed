"""A folder of photographs through an embeddings server, again unchanged, again under other names.

    python benchmarks/pictures.py [--photographs 120] [--megapixels 12] [--latency-s 0.2]

The photographs are JPEG files of smooth light with grain, each another. The server is the one of
the tests; it decodes every picture, in a process of its own. The floor is what a script without any
toolkit would do: send each file as it is, six to a request, four at once.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from index_folder import RAGKIT, USAGE, serving, step

MODEL = "test/pictures"
LARGE = ("--max-body-bytes", "40000000")
COLUMNS = ("what", "wall s", "CPU s", "MB", "worker MB", "requests", "pictures", "MB sent")

FLOOR = (
    USAGE
    + """
begin = time.perf_counter()
import base64
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import httpx, numpy as np
folder, place, model, url, key = sys.argv[1:]
paths = sorted(Path(folder).rglob("*.jpg"))
client = httpx.Client(timeout=600, headers={"Authorization": "Bearer " + key})
def content(path):
    data = "data:image/jpeg;base64," + base64.b64encode(path.read_bytes()).decode()
    return {"content": [{"type": "image_url", "image_url": {"url": data}}]}
def embed(start):
    contents = [content(path) for path in paths[start : start + 6]]
    body = {"model": model, "input": contents, "encoding_format": "float"}
    reply = client.post(url + "/embeddings", json=body).raise_for_status().json()
    return np.array([row["embedding"] for row in reply["data"]], dtype=np.float32)
with ThreadPoolExecutor(4) as pool:
    vectors = np.concatenate(list(pool.map(embed, range(0, len(paths), 6))))
np.save(place + ".npy", vectors)
used(begin)
"""
)


def write_folder(folder: Path, photographs: int, megapixels: float) -> float:
    """So many photographs of so many megapixels, 3:2; how many MB they are."""
    import numpy as np
    import PIL.Image

    height = round((megapixels * 1e6 / 1.5) ** 0.5)
    size, rng = (height * 3 // 2, height), np.random.default_rng(3)
    folder.mkdir()
    for number in range(photographs):
        light = rng.integers(0, 256, (6, 9, 3), dtype=np.uint8)
        canvas = np.asarray(PIL.Image.fromarray(light).resize(size, PIL.Image.Resampling.BICUBIC))
        grain = rng.integers(0, 12, canvas.shape, dtype=np.uint8)
        photograph = PIL.Image.fromarray(np.minimum(canvas, 243) + grain)
        photograph.save(folder / f"{number:04}.jpg", quality=90)
    return sum(path.stat().st_size for path in folder.iterdir()) / 1e6


def print_row(what: str, used: Mapping[str, float]) -> None:
    """One row of the table."""
    cells = [
        what,
        *(f"{used[name]:.2f}" for name in ("wall_s", "cpu_s")),
        *(f"{used[name]:.0f}" for name in ("own_mb", "worker_mb")),
        *(f"{used[name]:,}" for name in ("requests", "inputs")),
        f"{used['bytes'] / 1e6:.1f}",
    ]
    sys.stdout.write("| " + " | ".join(cells) + " |\n")
    sys.stdout.flush()


def main() -> None:
    """Measure, and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photographs", type=int, default=120)
    parser.add_argument("--megapixels", type=float, default=12)
    parser.add_argument("--latency-s", type=float, default=0.2)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder, place = Path(scratch) / "docs", Path(scratch) / "kb"
        # In another process: what this one holds would be counted with those that it starts.
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            written = pool.submit(write_folder, folder, arguments.photographs, arguments.megapixels)
            written_mb = written.result()
        sys.stdout.write(f"{arguments.photographs} photographs, {written_mb:.0f} MB\n\n")
        sys.stdout.write(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}\n")
        with serving(arguments.latency_s, *LARGE) as base_url:
            print_row("floor", step(FLOOR, folder, place, MODEL, base_url))
        with serving(arguments.latency_s, *LARGE) as base_url:
            print_row("index", step(RAGKIT, folder, place, MODEL, base_url))
            print_row("again, unchanged", step(RAGKIT, folder, place, MODEL, base_url))
            for path in list(folder.iterdir()):
                path.rename(folder / f"renamed-{path.name}")
            print_row("again, renamed", step(RAGKIT, folder, place, MODEL, base_url))


if __name__ == "__main__":
    main()
