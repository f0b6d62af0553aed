"""What a reader of the edition tests does, in whatever way its process was begun."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import ragkit
from ragkit.config import Settings

__all__ = ["DOCUMENTS", "follow", "write_edition"]

DOCUMENTS = 6


def write_edition(docs: Path, edition: int) -> None:
    """Files that all say which edition they are of; every third edition has one more."""
    docs.mkdir(parents=True, exist_ok=True)
    for number in range(DOCUMENTS):
        text = f"Harbour report {number} of edition {edition}: the harbour is open."
        (docs / f"{number}.txt").write_text(text)
    extra = docs / "extra.txt"
    extra.unlink(missing_ok=True)
    if edition % 3 == 0:
        extra.write_text(f"Harbour supplement of edition {edition}: the harbour is open.")


def edition_of(texts: list[str]) -> int:
    """The one edition that all of them are of, each of its documents once."""
    found = {int(text.partition("edition ")[2].partition(":")[0]) for text in texts}
    assert len(found) == 1, texts
    (edition,) = found
    assert len(texts) == len(set(texts)) == DOCUMENTS + (edition % 3 == 0), texts
    return edition


def follow(kb: str, last: int) -> list[int]:
    """Search in every mode until the last edition is seen; the editions in order, none mixed."""
    seen, deadline = [0], time.monotonic() + 120
    with ragkit.open(kb, settings=Settings()) as collection:
        while seen[-1] < last:
            assert time.monotonic() < deadline, seen
            for mode in ("lexical", "semantic", "hybrid"):
                hits = collection.search("harbour report", mode=mode, k=50)
                edition = edition_of([hit.text for hit in hits])
                assert edition >= seen[-1], (edition, seen)
                seen += [edition] if edition > seen[-1] else []
            seen_now = edition_of([document.text for document in collection.documents()])
            assert seen_now >= seen[-1]
            assert edition_of([item.text for item in collection.passages()]) >= seen_now
    return seen


if __name__ == "__main__":
    follow(sys.argv[1], int(sys.argv[2]))
