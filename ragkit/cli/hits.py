"""Hits as people read them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ragkit.answers import Explanation, Hit, ScorePart
from ragkit.cli.looks import Looks, Span, inline, marked, named, printable, shortened, wrap
from ragkit.records import Image, Passage
from ragkit.retrieval.snippets import matched_spans

__all__ = ["explanation_lines", "hit_lines", "hits_text"]

_INDENT = "    "
# A screen of 10 hits stays readable; the rest of a passage is one --json or one click away.
_MOST_LINES = 6
_MOST_PLACES = 3


def hits_text(hits: Sequence[Hit], query: str, roots: Mapping[str, str], looks: Looks) -> str:
    """All hits, best first, with a blank line between."""
    blocks = ["\n".join(hit_lines(hit, query, roots, looks)) for hit in hits]
    return "\n\n".join(blocks)


def hit_lines(hit: Hit, query: str, roots: Mapping[str, str], looks: Looks) -> list[str]:
    """One hit: rank, score and headings; its place; its text.

    Args:
        hit: What was found.
        query: Whose words are shown in bold.
        roots: Path of each root by name.
        looks: What the stream can show. On a terminal the text is wrapped, and cut to the lines
            with most matches; elsewhere it is whole.
    """
    score = f"{hit.score:.3f}"
    start = f"{hit.rank:>2}  {score}"
    path = _headings(hit, looks)
    room = None if looks.width is None else looks.width - len(start) - 2
    title = shortened(path, room, looks.ellipsis)
    first = f"{looks.bold(f'{hit.rank:>2}')}  {looks.dim(score)}"
    lines = [
        f"{first}  {looks.bold(title)}" if title else first,
        _INDENT + _place(hit.passage, roots, looks),
    ]
    if hit.also_in:
        lines.append(_INDENT + _other_places(hit.also_in, roots, looks))
    if hit.passage.image is not None:
        lines += [_INDENT + line for line in _picture_lines(hit, hit.passage.image, looks)]
    lines += [_INDENT + line if line else "" for line in _text_lines(hit.text, query, looks)]
    if hit.explanation is not None:
        lines += [_INDENT + looks.dim(line) for line in explanation_lines(hit, hit.explanation)]
    return lines


def _picture_lines(hit: Hit, image: Image, looks: Looks) -> Iterator[str]:
    """What kind of passage it is, and where its small picture lies."""
    sign = "×" if looks.unicode else "x"
    name = "" if image.path == hit.source else f" {named(image.path)}"
    yield looks.dim(f"picture{name}, {image.width_px:,} {sign} {image.height_px:,} px")
    if image.thumbnail is not None:
        path = Path(image.thumbnail)
        yield looks.link(looks.dim(f"thumbnail {_from_here(path)}"), path.as_uri())


def explanation_lines(hit: Hit, explanation: Explanation) -> list[str]:
    """What the score is made of, which words matched, and which conditions were met."""
    parts = " + ".join(_part_text(part) for part in explanation.parts)
    lines = [f"why: {parts} = {hit.scores.get('fused', hit.score):.3f}"]
    if "fused_rank" in hit.scores:
        lines[0] += f" at rank {hit.scores['fused_rank']:,.0f}"
        lines.append(f"     {_rerank_text(explanation.rerank)}")
    if hit.relevance is not None:
        lines[0] += f"; relevance {hit.relevance:.2f}"
    kinds = (
        ("words in it", explanation.matched),
        ("not in it", explanation.missing),
        ("too common to count", explanation.common),
    )
    said = [f"{name}: {inline(', '.join(words))}" for name, words in kinds if words]
    if said:
        lines.append("     " + "; ".join(said))
    if explanation.where:
        met = " and ".join(f"{key}={glob}" for key, glob in explanation.where.items())
        lines.append(f"     fulfils {inline(met)}")
    return lines


def _part_text(part: ScorePart) -> str:
    if part.score is None:
        return f"{part.name} 0 (not in that list)"
    rank = "" if part.rank is None else f", rank {part.rank:,}"
    if part.weight == 1.0 and part.scaled == part.score:
        return f"{part.name} {part.score:.3f}{rank}".replace(", rank", " at rank")
    if part.name == "context":
        return f"{part.weight:.2g} x {part.scaled:.3f} neighbours"
    return (
        f"{part.weight:.2g} x {part.scaled:.3f} {part.name}"
        f" ({part.score:.3f} of {part.lowest:.3f} to {part.highest:.3f}{rank})"
    )


def _rerank_text(part: ScorePart | None) -> str:
    if part is None or part.score is None:
        return "not scored by the reranking model"
    return (
        f"reranked {part.score:.3f} at rank {part.rank}"
        f" ({part.lowest:.3f} to {part.highest:.3f} among the passages it was given)"
    )


def _headings(hit: Hit, looks: Looks) -> str:
    title, headings = inline(hit.title or ""), [inline(heading) for heading in hit.headings]
    if title and title not in headings[:1]:
        headings.insert(0, title)
    return looks.arrow.join(heading for heading in headings if heading)


def _place(passage: Passage, roots: Mapping[str, str], looks: Looks) -> str:
    """Where it stands: the path from here where that is a file, else the name in the collection."""
    path, page = _file_of(passage, roots), passage.page
    name = passage.source if path is None else _from_here(path)
    position = f":{passage.line}" if page is None else f" p.{page}"
    if passage.image is not None and passage.image.path == passage.source:
        position = ""
    url = None if path is None else path.as_uri() + (f"#page={page}" if page else "")
    return looks.link(looks.tinted(named(name) + position), url)


def _other_places(others: Sequence[Passage], roots: Mapping[str, str], looks: Looks) -> str:
    places = [_place(other, roots, looks) for other in others[:_MOST_PLACES]]
    if len(others) > _MOST_PLACES:
        places.append(f"{len(others) - _MOST_PLACES} more places")
    return looks.dim("also in ") + ", ".join(places)


def _file_of(passage: Passage, roots: Mapping[str, str]) -> Path | None:
    if passage.root not in roots:
        return None
    root = Path(roots[passage.root])
    for path in (root / passage.source, root):
        if path.is_file():
            return path
    return None


def _from_here(path: Path) -> str:
    """The shorter way to say it, of those that work from the working directory."""
    relative = os.path.relpath(path)
    return os.fspath(path) if relative.startswith(os.pardir) else relative


def _text_lines(text: str, query: str, looks: Looks) -> list[str]:
    if looks.width is None:
        return text.splitlines()
    text = printable(text)
    width = looks.width - len(_INDENT) - 1
    lines = [line for span in _source_lines(text) for line in wrap(text, span, width)]
    matches = matched_spans(text, query)
    shown = _window(lines, matches)
    out = [marked(text, lines[index], matches, looks) for index in shown]
    if shown and shown[0] > 0:
        out[0] = f"{looks.ellipsis} {out[0]}"
    if shown and shown[-1] < len(lines) - 1:
        out[-1] = f"{out[-1]} {looks.ellipsis}"
    return out


def _source_lines(text: str) -> list[Span]:
    """The lines that are not blank; blank ones cost room on a screen and say nothing."""
    spans: list[Span] = []
    start = 0
    for line in text.split("\n"):
        if line.strip():
            spans.append((start, start + len(line)))
        start += len(line) + 1
    return spans


def _window(lines: Sequence[Span], matches: Sequence[Span]) -> range:
    """The neighbouring lines that hold most of the matches; the first such."""
    if len(lines) <= _MOST_LINES:
        return range(len(lines))
    counts = [
        sum(1 for match in matches if start < match[1] and match[0] < end) for start, end in lines
    ]
    starts = range(len(lines) - _MOST_LINES + 1)
    best = max(starts, key=lambda start: (sum(counts[start : start + _MOST_LINES]), -start))
    return range(best, best + _MOST_LINES)
