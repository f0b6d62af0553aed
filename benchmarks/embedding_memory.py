"""Memory while 200,000 passages of 1536 dimensions pass through ``embed``.

python benchmarks/embedding_memory.py [--passages 200000]
"""

from __future__ import annotations

import argparse
import resource
import sys

from embedding_server import serving

from ragkit.embedding.openrouter import OpenRouterEmbedder


def peak_mb() -> float:
    """Most memory that this process ever had, in MB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def main() -> None:
    """Print the growth of the peak."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--passages", type=int, default=200_000)
    arguments = parser.parse_args()
    with serving("--latency-s", "0.1") as url:
        client = OpenRouterEmbedder(
            "openai/text-embedding-3-small",
            api_key="key-of-the-test",
            base_url=url,
            concurrency=64,
            dialect="openrouter",
        )
        begin_mb, rows = peak_mb(), 0
        texts = (f"passage {n} " + "word " * 78 for n in range(arguments.passages))
        for batch in client.embed(texts, role="document"):
            rows += len(batch.indexes)
    sys.stdout.write(
        f"{rows} passages: {peak_mb() - begin_mb:.0f} MB over the {begin_mb:.0f} MB at the start\n"
    )
    assert peak_mb() - begin_mb < 400


if __name__ == "__main__":
    main()
