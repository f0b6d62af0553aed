"""An evaluation as one HTML file: no script, no network, readable by day and by night."""

from __future__ import annotations

from collections.abc import Iterator

from ragkit.evaluation.html_style import STYLE
from ragkit.evaluation.markup import Markup, joined, page, quoted, tag
from ragkit.evaluation.results import (
    Comparison,
    Difference,
    Evaluation,
    Excerpt,
    Measure,
    Outcome,
    compare,
)
from ragkit.evaluation.wording import (
    ABOUT,
    GROUPS,
    difference_name,
    fate,
    group_of,
    headline,
    headline_measures,
    many,
    measure_name,
    percent,
    rank_classes,
    rank_name,
    signed,
    verdict_text,
)

__all__ = ["html_report"]

_WIDTH = 1000
# A file of more is slow to open, and nobody reads on.
_MOST_QUESTIONS = 500
_QUOTED_CHARACTERS = 300
_TICK = 6


def html_report(evaluation: Evaluation, other: Evaluation | None = None, *, made: str = "") -> str:
    """The whole file.

    Args:
        evaluation: What was measured.
        other: What it is compared with, of the same questions.
        made: When, in words; left out where it is empty.

    Raises:
        InvalidArgument: The two are of different questions.
    """
    comparison = None if other is None else compare(evaluation, other)
    parts = [_head(evaluation, made)]
    if other is not None and comparison is not None:
        parts.append(_verdict(other, comparison))
    parts += [_tiles(evaluation), _ranks(evaluation), _measures(evaluation)]
    if comparison is not None:
        parts += _changes(comparison)
    parts += [_misses(evaluation), _faults(evaluation), _all(evaluation), _foot(evaluation)]
    return page(f"ragkit: {headline(evaluation)}", STYLE, tag("main", *parts))


def _head(evaluation: Evaluation, made: str) -> Markup:
    said = [evaluation.collection, evaluation.model, evaluation.way, made]
    facts = [tag("span", quoted(one)) for one in said if one]
    return tag("header", tag("h1", headline(evaluation)), tag("div", *facts, css="facts"))


def _verdict(other: Evaluation, comparison: Comparison) -> Markup:
    said, reason = verdict_text(comparison)
    css = {"better": " good", "worse": " bad"}.get(comparison.verdict, "")
    against = joined(
        [
            "Compared with ",
            quoted(other.collection),
            " (",
            quoted(f"{other.model}, {other.way}"),
            ")",
        ]
    )
    return tag(
        "section",
        tag("h2", said),
        tag("p", f"{reason}, 95 % interval of the paired difference."),
        tag("p", against, css="soft small"),
        css=f"verdict{css}",
    )


def _tiles(evaluation: Evaluation) -> Markup:
    tiles = [
        tag(
            "div",
            tag("b", percent(measure.mean)),
            tag("span", about),
            tag("div", f"{percent(measure.low)} to {percent(measure.high)}", css="soft small"),
            css="tile",
        )
        for about, measure in headline_measures(evaluation)
    ]
    return tag("section", tag("div", *tiles, css="tiles"))


def _ranks(evaluation: Evaluation) -> Markup:
    """How many questions are answered by which hit, as a strip."""
    classes = rank_classes(evaluation)
    total = len(evaluation.outcomes)
    pieces, keys, start = [], [], 0.0
    for number, (name, count) in enumerate(classes, 1):
        width = _WIDTH * count / total
        if count:
            pieces.append(_rect(start, 0, width, 20, f"c{number}"))
        start += width
        swatch = _svg(_rect(0, 0, 10, 10, f"c{number}"), viewbox="0 0 10 10", css="")
        keys.append(tag("li", swatch, f"{rank_name(name)} ", tag("b", f"{count:,}")))
    words = ", ".join(f"{rank_name(name)}: {count}" for name, count in classes)
    return tag(
        "section",
        tag("h2", "Where the first right hit stands"),
        _svg(*pieces, viewbox=f"0 0 {_WIDTH} 20", css="strip", label=words),
        tag("ul", *keys, css="legend small"),
    )


def _measures(evaluation: Evaluation) -> Markup:
    tables = []
    for group in GROUPS:
        measures = [one for one in evaluation.measures if group_of(one) == group]
        if measures:
            rows = [_measure_row(one) for one in measures]
            about = f"  {many(measures[0].questions, 'question')}, mean and 95 % interval"
            caption = tag("caption", ABOUT[group], tag("span", about, css="soft small"))
            tables.append(tag("table", caption, *rows, css="measures"))
    return tag("section", tag("h2", "Measures"), *tables)


def _measure_row(measure: Measure) -> Markup:
    interval = f"{measure.low:.3f} to {measure.high:.3f}"
    low, high, mean = (_WIDTH * one for one in (measure.low, measure.high, measure.mean))
    bar = _svg(
        _rect(0, 7, _WIDTH, 2, "rail"),
        _rect(low, 3, max(high - low, 1), 10, "band"),
        _rect(min(max(mean - _TICK / 2, 0), _WIDTH - _TICK), 0, _TICK, 16, "mean"),
        viewbox=f"0 0 {_WIDTH} 16",
        css="bar",
        label=f"{measure.mean:.3f}, {interval}",
    )
    return tag(
        "tr",
        tag("th", measure_name(measure.name), attributes={"scope": "row"}),
        tag("td", f"{measure.mean:.3f}", css="number"),
        tag("td", bar),
        tag("td", interval, css="interval"),
    )


def _changes(comparison: Comparison) -> Iterator[Markup]:
    reach = max(max(abs(one.low), abs(one.high)) for one in comparison.differences)
    rows = [_difference_row(one, max(reach, 0.05)) for one in comparison.differences]
    caption = tag(
        "caption", "This less the other", tag("span", "  95 % intervals", css="soft small")
    )
    table = tag("table", caption, *rows, css="measures differences")
    yield tag("section", tag("h2", "Differences"), table)
    for title, pairs in (("worse", comparison.worse), ("better", comparison.better)):
        if pairs:
            items = [
                tag(
                    "li",
                    tag("span", f"{_rank(one)} here, {_rank(two)} there", css="soft"),
                    quoted(one.question.question),
                    css="moved",
                )
                for one, two in pairs[:_MOST_QUESTIONS]
            ]
            heading = tag("h2", f"{many(len(pairs), 'question')} answered {title}")
            shown = tag("ul", *items, css="questions")
            yield tag("section", heading, shown, _rest(len(pairs)))


def _difference_row(one: Difference, reach: float) -> Markup:
    def place(value: float) -> float:
        return _WIDTH / 2 * (1 + value / reach)

    interval = f"{signed(one.low)} to {signed(one.high)}"
    low, high, mean = place(one.low), place(one.high), place(one.difference)
    bar = _svg(
        _rect(0, 7, _WIDTH, 2, "rail"),
        _rect(low, 3, max(high - low, 1), 10, "band"),
        _rect(_WIDTH / 2 - 1, 0, 2, 16, "zero"),
        _rect(mean - _TICK / 2, 0, _TICK, 16, "mean"),
        viewbox=f"0 0 {_WIDTH} 16",
        css="bar",
        label=f"{signed(one.difference)}, {interval}",
    )
    css = "up" if one.low > 0 else "down" if one.high < 0 else ""
    return tag(
        "tr",
        tag("th", difference_name(one), attributes={"scope": "row"}),
        tag("td", signed(one.difference), css="number"),
        tag("td", bar),
        tag("td", interval, css="interval"),
        css=css,
    )


def _misses(evaluation: Evaluation) -> Markup:
    misses, most = evaluation.misses, evaluation.k[-1]
    if not misses:
        return tag(
            "section",
            tag("h2", "No misses"),
            tag("p", f"Each is answered by the first {most} hits."),
        )
    title = f"{many(len(misses), 'miss', 'misses')} in the first {most} hits"
    items = [_miss(one) for one in misses[:_MOST_QUESTIONS]]
    about = tag("p", "What was wanted, and what was found instead.", css="soft small")
    shown = tag("ul", *items, css="questions")
    return tag("section", tag("h2", title), about, shown, _rest(len(misses)))


def _miss(outcome: Outcome) -> Markup:
    question = outcome.question
    places = ", ".join(question.sources)
    if question.page is not None:
        places += f", page {question.page}"
    parts = [
        tag("h3", quoted(question.question)),
        tag("p", "Wanted ", tag("b", quoted(places)), f": {fate(outcome)}.", css="wanted"),
    ]
    if question.answer:
        parts.append(tag("blockquote", quoted(_cut(question.answer))))
    if outcome.hits:
        found = [_found(one) for one in outcome.hits]
        parts.append(tag("ol", *found, css="instead"))
    else:
        parts.append(tag("p", "Nothing was found.", css="wanted"))
    return tag("li", *parts)


def _found(hit: Excerpt) -> Markup:
    path = " › ".join(hit.headings)
    return tag(
        "li",
        quoted(hit.place, css="place"),
        *([" ", quoted(path, css="soft")] if path else []),
        tag("p", quoted(hit.text)),
    )


def _faults(evaluation: Evaluation) -> Markup:
    """What is wrong with questions, and with the reranking."""
    parts: list[str] = []
    if evaluation.not_reranked:
        number = many(evaluation.not_reranked, "question")
        parts.append(tag("h2", f"{number} not reranked"))
        parts.append(tag("p", quoted(evaluation.why_not_reranked)))
    noted = [one for one in evaluation.outcomes if one.note]
    if noted:
        parts.append(tag("h2", f"{many(len(noted), 'question')} to look at"))
        items = [
            tag("li", tag("h3", quoted(one.question.question)), tag("p", quoted(one.note)))
            for one in noted[:_MOST_QUESTIONS]
        ]
        parts += [tag("ul", *items, css="questions"), _rest(len(noted))]
    return tag("section", *parts) if parts else Markup("")


def _all(evaluation: Evaluation) -> Markup:
    heads = [tag("th", name) for name in ("Question", "Document", "At", "Answer at")]
    rows = [
        tag(
            "tr",
            tag("td", quoted(one.question.question)),
            tag("td", quoted(", ".join(one.question.sources))),
            tag("td", str(one.source_rank or "–"), css="rank"),
            tag("td", str(one.answer_rank or "–") if one.has_answer else "", css="rank"),
        )
        for one in evaluation.outcomes
    ]
    table = tag("table", tag("tr", *heads), *rows, css="all")
    summary = tag("summary", f"All {many(len(rows), 'question')}")
    return tag("section", tag("details", summary, table))


def _foot(evaluation: Evaluation) -> Markup:
    cost = "" if not evaluation.cost_usd else f" Reranking cost ${evaluation.cost_usd:.4f}."
    return tag(
        "footer",
        tag(
            "p",
            "recall@k: the share of the right documents, or whether the answer, is among the first"
            " k hits. MRR: the mean of 1 / rank of the first right hit. nDCG@10: the same idea with"
            " a gentler discount, over ten hits. An answer counts as found where a passage overlaps"
            " it. Intervals are 95 % bootstrap intervals over the questions: where two overlap, a"
            " paired comparison (--compare) still tells.",
        ),
        tag("p", f"A search took {evaluation.search_ms:.0f} ms in the mean.{cost} Made by ragkit."),
    )


def _rest(number: int) -> Markup:
    left = number - _MOST_QUESTIONS
    return tag("p", f"and {left:,} more", css="soft small") if left > 0 else Markup("")


def _rank(outcome: Outcome) -> str:
    return "none" if outcome.rank is None else str(outcome.rank)


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _QUOTED_CHARACTERS else f"{text[:_QUOTED_CHARACTERS].rstrip()}…"


def _svg(*children: str, viewbox: str, css: str, label: str = "") -> Markup:
    """A drawing that fills its place; without a label it says nothing to who listens."""
    told: dict[str, str | float] = (
        {"role": "img", "aria-label": label} if label else {"aria-hidden": "true"}
    )
    return tag(
        "svg",
        *children,
        css=css,
        attributes={"viewBox": viewbox, "preserveAspectRatio": "none", **told},
    )


def _rect(x: float, y: float, width: float, height: float, css: str) -> Markup:
    return tag("rect", css=css, attributes={"x": x, "y": y, "width": width, "height": height})
