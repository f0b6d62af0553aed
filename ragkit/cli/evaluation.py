"""Evaluations and comparisons as people read them."""

from __future__ import annotations

from collections.abc import Sequence

from ragkit.cli.looks import Looks, inline, named, shortened
from ragkit.cli.report import dollars
from ragkit.evaluation.querysets import question_json
from ragkit.evaluation.results import Comparison, Difference, Evaluation, Measure, Outcome
from ragkit.evaluation.wording import (
    ABOUT,
    GROUPS,
    fate,
    group_of,
    many,
    measure_name,
    signed,
    verdict_text,
)

__all__ = ["comparison_text", "evaluation_json", "evaluation_text"]

_MISSES = 10
_BAR_COLUMNS = 20


def evaluation_text(evaluation: Evaluation, looks: Looks, *, verbose: bool) -> str:
    """The measures in groups, then the misses, then what is wrong with the questions.

    Args:
        evaluation: What was measured.
        looks: What the stream can show.
        verbose: List every miss, not the first ten.
    """
    asked = len(evaluation.outcomes)
    lines = [
        f"{looks.bold(many(asked, 'question'))} to {inline(evaluation.collection)}"
        f" ({inline(evaluation.model)}, {inline(evaluation.way)}) in {evaluation.seconds:.1f} s"
    ]
    if evaluation.settings.rerank is not None:
        lines.append(looks.dim(_reranking(evaluation)))
    for group in GROUPS:
        measures = [one for one in evaluation.measures if group_of(one) == group]
        if measures:
            number = measures[0].questions
            of = "" if number == asked else f" ({many(number, 'question')})"
            lines += ["", looks.bold(ABOUT[group]) + of + looks.dim("  mean and 95 % interval")]
            lines += [_measure_line(one, looks) for one in measures]
    return "\n".join(lines + _misses(evaluation, looks, verbose) + _notes(evaluation, verbose))


def comparison_text(
    second: Evaluation, comparison: Comparison, looks: Looks, *, verbose: bool
) -> str:
    """The paired differences, the questions that changed places, and the verdict."""
    lines = [
        f"{looks.bold('Compared with')} {inline(second.collection)}"
        f" ({inline(second.model)}, {inline(second.way)})",
        looks.dim(f"  {'':<21}{'this':>7}{'other':>8}{'differs by':>13}  95 % interval"),
    ]
    lines += [_difference_line(one, looks) for one in comparison.differences]
    for title, pairs in (("worse", comparison.worse), ("better", comparison.better)):
        if pairs:
            lines += ["", looks.bold(f"{many(len(pairs), 'question')} answered {title}")]
            lines += _changed(pairs, looks, verbose)
    said, reason = verdict_text(comparison)
    return "\n".join([*lines, "", f"{looks.bold(said)}: {reason}."])


def evaluation_json(evaluation: Evaluation) -> dict[str, object]:
    """The fields, with each question's ranks and without its part of every mean."""
    return {
        "collection": evaluation.collection,
        "model": evaluation.model,
        "mode": evaluation.mode,
        "k": evaluation.k,
        "settings": evaluation.settings.json,
        "seconds": round(evaluation.seconds, 6),
        "search_ms": round(evaluation.search_ms, 3),
        "tokens": evaluation.tokens,
        **_reranking_json(evaluation),
        "measures": evaluation.measures,
        "misses": [question_json(one.question) for one in evaluation.misses],
        "outcomes": [
            {
                **question_json(one.question),
                "source_rank": one.source_rank,
                "answer_rank": one.answer_rank,
                "found": one.found,
                "hits": one.hits,
                "note": one.note,
            }
            for one in evaluation.outcomes
        ],
    }


def _reranking(evaluation: Evaluation) -> str:
    cost = "at a cost that the server does not state"
    if evaluation.cost_usd is not None:
        cost = f"for {dollars(evaluation.cost_usd)}"
    done = len(evaluation.outcomes) - evaluation.not_reranked
    return f"{many(done, 'question')} reranked {cost}, {evaluation.search_ms:,.0f} ms each"


def _reranking_json(evaluation: Evaluation) -> dict[str, object]:
    """What reranking cost, and where it failed; nothing where it was not asked for."""
    if evaluation.settings.rerank is None:
        return {}
    return {
        "cost_usd": evaluation.cost_usd,
        "not_reranked": evaluation.not_reranked,
        "why_not_reranked": evaluation.why_not_reranked,
    }


def _measure_line(measure: Measure, looks: Looks) -> str:
    full, empty = ("━", "─") if looks.unicode else ("#", "-")
    filled = round(measure.mean * _BAR_COLUMNS)
    bar = looks.tinted(full * filled) + looks.dim(empty * (_BAR_COLUMNS - filled))
    interval = looks.dim(f"{measure.low:.3f} to {measure.high:.3f}")
    return f"  {measure_name(measure.name):<13}{measure.mean:.3f}  {bar}  {interval}"


def _difference_line(difference: Difference, looks: Looks) -> str:
    name = f"{difference.by} {measure_name(difference.name)}"
    line = (
        f"  {name:<21}{difference.first:>7.3f}{difference.second:>8.3f}"
        f"{signed(difference.difference):>13}  "
    )
    interval = f"{signed(difference.low)} to {signed(difference.high)}"
    is_sure = difference.low > 0 or difference.high < 0
    return line + (looks.bold(interval) if is_sure else looks.dim(interval))


def _misses(evaluation: Evaluation, looks: Looks, verbose: bool) -> list[str]:
    misses = evaluation.misses
    if not misses:
        return ["", f"No misses: every question is answered by the first {evaluation.k[-1]} hits."]
    head = f"{many(len(misses), 'miss', 'misses')} in the first {evaluation.k[-1]} hits"
    lines = ["", looks.bold(head)]
    shown = misses if verbose else misses[:_MISSES]
    for one in shown:
        lines.append(f"  {_line(one.question.question, looks)}")
        lines.append(looks.dim(f"      {_line(_fate(one), looks)}"))
    return lines + _rest(len(misses) - len(shown))


def _fate(outcome: Outcome) -> str:
    wanted = ", ".join(map(named, outcome.question.sources))
    instead = f"; first came {named(outcome.found)}" if outcome.found else "; nothing was found"
    return f"{wanted}: {fate(outcome)}{instead}"


def _notes(evaluation: Evaluation, verbose: bool) -> list[str]:
    noted = [one for one in evaluation.outcomes if one.note]
    if not noted:
        return []
    lines = ["", f"{many(len(noted), 'question')} to look at"]
    shown = noted if verbose else noted[:_MISSES]
    lines += [f"  {inline(one.question.question)}: {inline(one.note)}" for one in shown]
    return lines + _rest(len(noted) - len(shown))


def _changed(pairs: Sequence[tuple[Outcome, Outcome]], looks: Looks, verbose: bool) -> list[str]:
    shown = pairs if verbose else pairs[:_MISSES]
    lines = [
        f"  {_rank(one):>4} here, {_rank(other):>4} there  {_line(one.question.question, looks)}"
        for one, other in shown
    ]
    return lines + _rest(len(pairs) - len(shown))


def _rest(number: int) -> list[str]:
    return [f"  and {number:,} more: -v lists them"] if number > 0 else []


def _rank(outcome: Outcome) -> str:
    return "none" if outcome.rank is None else str(outcome.rank)


def _line(text: str, looks: Looks) -> str:
    room = None if looks.width is None else max(20, looks.width - 24)
    return shortened(inline(text), room, looks.ellipsis)
