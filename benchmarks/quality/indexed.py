"""A question set in a collection of ragkit's, made as a user would make it."""

from __future__ import annotations

import contextlib
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from question_sets import QuestionSet

import ragkit

__all__ = ["indexed"]


@contextlib.contextmanager
def indexed(questions: QuestionSet, keep: Path | None) -> Iterator[ragkit.Collection]:
    """The collection of a set's files, with every default.

    Args:
        questions: Whose files are written into a folder and indexed.
        keep: Where the collection stays for the next run, which then embeds only what is new; None
            for a temporary place.
    """
    with contextlib.ExitStack() as stack:
        place = keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        place = place / questions.name.replace(", ", "-").replace(" ", "-")
        folder = place / "files"
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.rglob("*.md"):
            if path.relative_to(folder).as_posix() not in questions.files:
                path.unlink()
        for name, text in questions.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.is_file() or path.read_bytes() != text.encode():
                path.write_bytes(text.encode())
        collection = stack.enter_context(ragkit.open(place / "kb"))
        start = time.perf_counter()
        report = collection.sync(folder)
        print(
            f"{questions.name}: {report.passages:,} passages, {report.embedded:,} embedded in"
            f" {time.perf_counter() - start:.0f} s, {len(report.failed)} files failed",
            file=sys.stderr,
        )
        yield collection
