"""Flips a bit of a collection, and looks what becomes of it.

``python byte_flips.py MADE SCRATCH NUMBER SEED`` is run by the tests: it chooses bytes over all
files of the collection, each file as likely as the others, and for each of them a child works on a
copy of its own, so that a crash of the interpreter is seen and counted.
"""

from __future__ import annotations

import importlib
import json
import os
import random
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

from kill_points import in_child

import ragkit
from ragkit.config import Settings
from ragkit.errors import RagkitError

__all__ = ["flipped"]

_MODULES = (
    *("ragkit.collection.opening", "ragkit.indexing.words", "ragkit.indexing.wordbuild"),
    *("ragkit.indexing.vectors", "ragkit.retrieval.retriever", "ragkit.maintenance.verify"),
    *("ragkit.sync.derive", "Stemmer", "ragkit.retrieval.context"),
)
_QUERIES = ("valve", "station pressure", "soup at noon", "größe", "leave in writing")


def flipped(made: Path, scratch: Path, *, number: int, seed: int) -> dict[str, Any]:
    """``found``, ``harmless`` and ``failures`` of so many flips of a bit."""
    done = subprocess.run(
        [sys.executable, __file__, str(made), str(scratch), str(number), str(seed)],
        capture_output=True,
        text=True,
        check=False,
        timeout=850,
        env={**os.environ, "PYTHONPATH": os.fspath(Path(ragkit.__file__).parents[1])},
    )
    assert done.returncode == 0, done.stderr[-4000:]
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def _look(kb: Path) -> dict[str, Any]:
    """What verify says, and what a reader is shown."""
    try:
        with ragkit.open(kb, settings=Settings(workers=1), create=False) as collection:
            report = collection.verify()
            problems = [f"{fault.law} {fault.place}" for fault in report.problems]
            return {"problems": problems, "shown": _shown(collection), "whole": _whole(collection)}
    except RagkitError as error:
        return {"problems": [str(error)], "shown": [], "whole": None}


def _shown(collection: ragkit.Collection) -> list[list[object]]:
    """Every hit of some searches by words and by vectors; what ends with an error shows none."""
    shown = []
    for query in _QUERIES:
        try:
            hits = list(collection.search(query, mode="lexical", k=4))
        except RagkitError:
            continue
        shown += [[hit.passage.id, hit.source, hit.start, hit.text] for hit in hits]
    try:
        with (
            collection._store.snapshot() as snapshot,
            collection._generations.of(snapshot) as parts,
        ):
            ranker = parts._vector_ranker(snapshot)
            _, slots = snapshot.ids_and_slots()
            rows = collection._store.rows(snapshot)
            for slot in slots.tolist()[::5]:
                found = ranker.rank(rows[slot], 4).ids
                parts._prove(snapshot, found)
                for id_, stored in snapshot.passages(found.tolist()).items():
                    one = stored.passage
                    shown.append([id_, one.source, one.start, one.text])
    except RagkitError:
        pass
    return shown


def _whole(collection: ragkit.Collection) -> list[object] | None:
    """All that can be read; None where something cannot."""
    try:
        passages = [[one.id, one.source, one.start, one.text] for one in collection.passages()]
        documents = [[one.source, one.text, one.title] for one in collection.documents()]
        status = collection.status()
        spent = [[one.source, one.tokens, str(one.cost_usd)] for one in collection.spending()]
    except RagkitError:
        return None
    return [passages, documents, status.documents, status.vectors, status.model, spent]


def _flip(path: Path, offset: int, bit: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ (1 << bit)]))


def main(made: Path, scratch: Path, number: int, seed: int) -> None:
    """Write what became of it to stdout."""
    for module in _MODULES:
        importlib.import_module(module)
    generator = random.Random(seed)  # noqa: S311 - places, not secrets
    before = json.loads(in_child(partial(_look, made / "kb"))[1])
    if before["problems"] or before["whole"] is None:
        raise SystemExit(f"it is not sound before: {before}")
    texts = [tuple(row) for row in before["whole"][0]]
    files = [path for path in sorted((made / "kb").rglob("*")) if path.is_file()]
    files = [path for path in files if path.stat().st_size]
    found, harmless, failures = 0, 0, []
    for turn in range(number):
        path = files[turn % len(files)]
        offset, bit = generator.randrange(path.stat().st_size), generator.randrange(8)
        kb = scratch / str(turn)
        shutil.copytree(made / "kb", kb)
        name = path.relative_to(made / "kb")
        _flip(kb / name, offset, bit)
        signal, said = in_child(partial(_look, kb))
        place = f"{name} at {offset}, bit {bit}"
        told = json.loads(said) if said else {}
        if signal or "error" in told:
            failures.append(f"{place}: {signal or told['error']}")
        elif not {tuple(row) for row in told["shown"]} <= set(texts):
            failures.append(f"{place}: a wrong text was shown")
        elif told["problems"]:
            found += 1
        elif told["whole"] == before["whole"] and told["shown"] == before["shown"]:
            harmless += 1
        else:
            failures.append(f"{place}: verify did not find it")
        shutil.rmtree(kb)
    told = {"found": found, "harmless": harmless, "failures": failures}
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
