"""The main job: index a folder through an embeddings server, again unchanged, again after edits.

    python benchmarks/index_folder.py [--files 2000 10000] [--latency-s 0.2] [--no-floor]

The folder holds synthetic Markdown files of about 2 kB. The server is the one of the tests, started
as a process on loopback; it makes every vector in Python and takes a core while it does, so compare
walls with the floor of the same run and not with other machines. Each step is a process of its own:
CPU is that of the process and its workers, memory is the peak of the process and, apart, of its
largest worker. Requests and tokens are what the server counted.

The floor is what a script without any toolkit would do: read, pack paragraphs, embed over httpx
with 16 requests in flight, save. It checks nothing, cites nothing and starts over every time.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[1]
KEY = "sk-loopback-for-this-run"
EDITED_FILES = 10
COUNTED = ("requests", "inputs", "tokens", "bytes")
COLUMNS = ("files", "what", "wall s", "CPU s", "MB", "worker MB", "requests", "texts", "tokens")

USAGE = """
import json, resource, sys, time
def used(begin):
    own = resource.getrusage(resource.RUSAGE_SELF)
    workers = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(json.dumps({
        "wall_s": time.perf_counter() - begin,
        "cpu_s": own.ru_utime + own.ru_stime + workers.ru_utime + workers.ru_stime,
        "own_mb": own.ru_maxrss / 1024,
        "worker_mb": workers.ru_maxrss / 1024,
    }))
"""

RAGKIT = (
    USAGE
    + """
begin = time.perf_counter()
import ragkit
folder, place, model, url, key = sys.argv[1:]
with ragkit.open(place, model=model, base_url=url, api_key=key) as collection:
    report = collection.sync(folder)
assert not report.failed and report.stopped is None, report
used(begin)
"""
)

FLOOR = (
    USAGE
    + """
begin = time.perf_counter()
import base64
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import httpx, numpy as np
folder, place, model, url, key = sys.argv[1:]
texts = []
for path in sorted(Path(folder).rglob("*.md")):
    pack = ""
    for paragraph in path.read_text(encoding="utf-8").split("\\n\\n"):
        if pack and len(pack) + len(paragraph) > 500:
            texts.append(pack)
            pack = ""
        pack += paragraph + "\\n\\n"
    texts.append(pack)
batches = [texts[start : start + 1000] for start in range(0, len(texts), 1000)]
client = httpx.Client(timeout=600, headers={"Authorization": "Bearer " + key})
def embed(batch):
    body = {"model": model, "input": batch, "encoding_format": "base64"}
    reply = client.post(url + "/embeddings", json=body).raise_for_status().json()
    rows = [np.frombuffer(base64.b64decode(row["embedding"]), "<f4") for row in reply["data"]]
    return np.stack(rows)
with ThreadPoolExecutor(16) as pool:
    vectors = np.concatenate(list(pool.map(embed, batches)))
np.save(place + ".npy", vectors)
Path(place + ".json").write_text(json.dumps(texts), encoding="utf-8")
used(begin)
"""
)


def write_folder(folder: Path, count: int) -> None:
    """So many Markdown files with headings and paragraphs of words that nobody else has."""
    rng = random.Random(count)  # noqa: S311 - the same folder every time
    words = ["".join(rng.choices("abcdefghilmnoprstu", k=rng.randint(2, 10))) for _ in range(5000)]
    for number in range(count):
        path = folder / f"part-{number % 50}" / f"file-{number}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        blocks = [f"# Document {number}"]
        for section in range(2):
            blocks.append(f"## Section {section} of {' '.join(rng.choices(words, k=2))}")
            blocks += [" ".join(rng.choices(words, k=65)) + "." for _ in range(2)]
        path.write_text("\n\n".join(blocks) + "\n", encoding="utf-8")


def edit(folder: Path) -> None:
    """Change a paragraph in each of a few files."""
    for number, path in enumerate(sorted(folder.rglob("*.md"))[:EDITED_FILES]):
        blocks = path.read_text(encoding="utf-8").split("\n\n")
        blocks[2] = f"This paragraph was changed by edit {number}. " + blocks[2]
        path.write_text("\n\n".join(blocks), encoding="utf-8")


@contextlib.contextmanager
def serving(latency_s: float, *options: str) -> Iterator[str]:
    """The base URL of a loopback server of its own."""
    command = [sys.executable, str(REPOSITORY / "tests" / "loopback.py")]
    command += ["--port", "0", "--key", KEY, "--latency-s", str(latency_s), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def ledger(base_url: str) -> dict[str, Any]:
    """What the server has counted so far."""
    url = base_url.removesuffix("/api/v1") + "/ledger"
    with urllib.request.urlopen(url, timeout=60) as reply:  # noqa: S310 - loopback
        counted: dict[str, Any] = json.load(reply)
    assert not counted["violations"], counted["violations"]
    return counted


def step(script: str, folder: Path, place: Path, model: str, base_url: str) -> dict[str, float]:
    """Run one process; what it used, and what the server counted meanwhile."""
    before = ledger(base_url)
    command = [sys.executable, "-c", script, str(folder), str(place), model, base_url, KEY]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise SystemExit(done.stderr)
    used: dict[str, float] = json.loads(done.stdout)
    after = ledger(base_url)
    return used | {name: after[name] - before[name] for name in COUNTED}


def print_row(files: int, what: str, used: Mapping[str, float]) -> None:
    """One row of the table."""
    cells = [
        f"{files:,}",
        what,
        f"{used['wall_s']:.2f}",
        f"{used['cpu_s']:.2f}",
        f"{used['own_mb']:.0f}",
        f"{used['worker_mb']:.0f}",
        *(f"{used[name]:,}" for name in ("requests", "inputs", "tokens")),
    ]
    print("| " + " | ".join(cells) + " |", flush=True)


def measure(files: int, *, model: str, latency_s: float, with_floor: bool) -> None:
    """All steps for a folder of so many files."""
    with tempfile.TemporaryDirectory() as scratch:
        folder, place = Path(scratch) / "docs", Path(scratch) / "kb"
        write_folder(folder, files)
        if with_floor:
            with serving(latency_s) as base_url:
                print_row(files, "floor", step(FLOOR, folder, place, model, base_url))
        with serving(latency_s) as base_url:
            print_row(files, "index", step(RAGKIT, folder, place, model, base_url))
            print_row(files, "again, unchanged", step(RAGKIT, folder, place, model, base_url))
            edit(folder)
            print_row(
                files, f"{EDITED_FILES} files edited", step(RAGKIT, folder, place, model, base_url)
            )


def main() -> None:
    """Measure, and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, nargs="+", default=[2000, 10000])
    parser.add_argument("--latency-s", type=float, default=0.2)
    parser.add_argument("--model", default="openai/text-embedding-3-small")
    parser.add_argument("--no-floor", action="store_true", help="leave the floor out")
    arguments = parser.parse_args()
    print("| " + " | ".join(COLUMNS) + " |")
    print("|" + "---|" * len(COLUMNS))
    for files in arguments.files:
        measure(
            files,
            model=arguments.model,
            latency_s=arguments.latency_s,
            with_floor=not arguments.no_floor,
        )


if __name__ == "__main__":
    main()
