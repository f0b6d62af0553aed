"""Pictures become passages of their own, after those of the text."""

from __future__ import annotations

import numpy as np

from ragkit.chunking.outline import paths_at
from ragkit.models.tokens import count_tokens
from ragkit.records import Document, Image, Passage

__all__ = ["LONGEST_CAPTION", "picture_passages"]

# Of a longer caption the first so many characters are embedded with the picture.
LONGEST_CAPTION = 500


def picture_passages(document: Document) -> list[Passage]:
    """A passage for each picture in a document, or for the document that is one.

    Its text is the caption, which lies in a passage of text as well; it is empty without one.
    """
    if document.image is not None:
        end = len(document.text.rstrip())
        start = min(end, len(document.text) - len(document.text.lstrip()))
        return [_passage(document, (start, end), document.image, ())]
    if not document.figures:
        return []
    # One that stands behind the last word belongs to what is before it.
    last = max(len(document.text) - 1, 0)
    starts = np.array([min(figure.start, last) for figure in document.figures], np.int64)
    paths = paths_at(document.sections, starts)
    return [
        _passage(document, (figure.start, figure.end), figure.image, path)
        for figure, path in zip(document.figures, paths, strict=True)
    ]


def _passage(
    document: Document, span: tuple[int, int], image: Image, headings: tuple[str, ...]
) -> Passage:
    start, end = span
    end = min(end, start + LONGEST_CAPTION)
    text = document.text[start:end]
    page = None
    if document.pages:
        page = max(int(np.searchsorted(np.array(document.pages), start, side="right")), 1)
    return Passage(
        root=document.root,
        source=document.source,
        start=start,
        end=end,
        text=text,
        headings=headings,
        page=page,
        line=_line(document.text, start),
        tokens=count_tokens(text) if text else 0,
        metadata=document.metadata,
        image=image,
    )


def _line(text: str, position: int) -> int:
    """Counted from 1; lines end as they do for passages of text."""
    before = text[:position]
    return 1 + before.count("\n") + before.count("\r") - before.count("\r\n")
