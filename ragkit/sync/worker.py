"""The worker that reads and cuts: ``python -m ragkit.sync.worker SETTINGS``.

It sends the document and the places of the cuts, not the passages: their texts are spans of the
document's, and would cross the pipe twice.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ragkit.chunking import Chunker
from ragkit.models.catalogue import ModelProfile
from ragkit.models.described import profile_from, profile_table
from ragkit.reading.files import read_file
from ragkit.reading.messages import ReadReply, ReadRequest
from ragkit.reading.worker import serve
from ragkit.records import Box, Document, Image, Passage

__all__ = ["CutReply", "cut_passages", "worker_arguments"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A passage without what its document already says."""

    start: int
    end: int
    headings: tuple[str, ...]
    page: int | None
    line: int
    tokens: int
    table_header: str
    boxes: tuple[Box, ...]
    encoded: tuple[tuple[int, int], ...]
    image: Image | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CutReply:
    """A file, read and cut."""

    read: ReadReply
    cuts: tuple[Cut, ...] = ()


def worker_arguments(
    *, model: ModelProfile, max_tokens: int, passage_tokens: int
) -> tuple[str, ...]:
    """What the worker is started with, so that it cuts as the collection was cut."""
    settings = {
        "model": profile_table(model),
        "max_tokens": max_tokens,
        "passage_tokens": passage_tokens,
    }
    return (json.dumps(settings),)


def cut_passages(document: Document, cuts: Sequence[Cut]) -> list[Passage]:
    """The passages of a reply."""
    return [
        Passage(
            root=document.root,
            source=document.source,
            start=cut.start,
            end=cut.end,
            text=document.text[cut.start : cut.end],
            headings=cut.headings,
            page=cut.page,
            line=cut.line,
            tokens=cut.tokens,
            metadata=document.metadata,
            image=cut.image,
            table_header=cut.table_header,
            boxes=cut.boxes,
            encoded=cut.encoded,
        )
        for cut in cuts
    ]


def main(arguments: Sequence[str]) -> None:
    """Serve until the other side closes the pipe."""
    settings = json.loads(arguments[0])
    chunker: Chunker | None = None

    def handle(request: ReadRequest) -> CutReply | None:
        nonlocal chunker
        reply = read_file(request)
        if reply is None:
            return None
        if reply.document is None:
            return CutReply(read=reply)
        if chunker is None:
            chunker = Chunker(
                model=profile_from(settings["model"], "the worker's settings"),
                max_tokens=settings["max_tokens"],
                passage_tokens=settings["passage_tokens"],
            )
        return CutReply(
            # The lines' boxes are in the passages' now.
            read=replace(reply, document=replace(reply.document, boxes=())),
            cuts=tuple(
                Cut(
                    start=passage.start,
                    end=passage.end,
                    headings=passage.headings,
                    page=passage.page,
                    line=passage.line,
                    tokens=passage.tokens,
                    table_header=passage.table_header,
                    boxes=passage.boxes,
                    encoded=passage.encoded,
                    image=passage.image,
                )
                for passage in chunker.split(reply.document)
            ),
        )

    serve(handle)


if __name__ == "__main__":
    main(sys.argv[1:])
