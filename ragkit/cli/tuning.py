"""What tuning found, as people and programs read it."""

from __future__ import annotations

from collections.abc import Sequence

from ragkit.cli.looks import Looks, inline
from ragkit.cli.report import dollars
from ragkit.evaluation.intervals import Interval
from ragkit.evaluation.tuning import Depth, Trial, Tuning
from ragkit.evaluation.wording import many, signed

__all__ = ["tuning_json", "tuning_text"]


def tuning_text(tuning: Tuning, looks: Looks, *, verbose: bool) -> str:
    """The front of quality and cost, how many hits are worth it, and the verdict.

    Args:
        tuning: What was found.
        looks: What the stream can show.
        verbose: List every way that was tried, not the front.
    """
    ways = len(tuning.trials) + (tuning.reranked is not None)
    lines = [
        f"{looks.bold(many(ways, 'way'))} to search tried on"
        f" {many(tuning.questions, 'question')}, measured by the {tuning.measure}"
    ]
    if tuning.left_out:
        lines.append(f"{many(tuning.left_out, 'question')} left out: no answer is known of them")
    every = (*tuning.trials, *([tuning.reranked] if tuning.reranked else []))
    shown = sorted(every, key=lambda one: -one.quality.mean) if verbose else tuning.front
    title = "All of them, the best first" if verbose else "As good as it gets, and what is cheaper"
    lines += ["", looks.bold(title), looks.dim(_HEAD)]
    lines += [_trial_line(one, looks, is_now=one is tuning.now) for one in shown]
    if tuning.now not in shown:
        lines.append(_trial_line(tuning.now, looks, is_now=True))
    lines += [
        "",
        looks.bold("How many hits"),
        looks.dim("  hits  answered  95 % interval    tokens"),
    ]
    lines += [_depth_line(one, looks) for one in tuning.depths]
    if tuning.untried:
        lines += ["", looks.bold("Not tried"), *(f"  {inline(one)}" for one in tuning.untried)]
    return "\n".join([*lines, "", *_verdict(tuning, looks)])


_HEAD = f"  {'quality':<9}{'change now':<12}{'95 % interval':<20}{'passages':>8}  way"


def _trial_line(trial: Trial, looks: Looks, *, is_now: bool) -> str:
    way = _way(trial) + (" (now)" if is_now else "")
    change = "" if is_now else signed(trial.change.mean)
    between = "" if is_now else _between(trial.change)
    dear = ""
    if trial.settings.rerank is not None:
        price = "" if trial.search_usd is None else f", {dollars(trial.search_usd)}"
        dear = looks.dim(f"; {trial.search_ms:,.0f} ms{price} a search")
    return (
        f"  {trial.quality.mean:<9.3f}{change:<12}{looks.dim(f'{between:<20}')}"
        f"{trial.passages:>8,}  {way}{dear}"
    )


def _depth_line(depth: Depth, looks: Looks) -> str:
    recall = depth.recall
    between = f"{recall.low:.3f} to {recall.high:.3f}"
    return f"  {depth.k:>4}  {recall.mean:<8.3f}  {looks.dim(between)}  {depth.tokens:>6,.0f}"


def _verdict(tuning: Tuning, looks: Looks) -> Sequence[str]:
    gain = f"{signed(tuning.gain.mean)} (99 % interval {_between(tuning.gain)})"
    if tuning.gain.low > 0:
        said = f"{looks.bold('Better')}: questions that were held out gain {gain}."
    else:
        said = (
            f"{looks.bold('No gain beyond luck')}: questions that were held out gain {gain};"
            " weights and size stay."
        )
    lines = [said]
    if tuning.rerank_gain is not None and tuning.reranked is not None:
        more = f"{signed(tuning.rerank_gain.mean)} ({_between(tuning.rerank_gain)})"
        lines.append(f"Reranking by {inline(tuning.reranked.settings.rerank or '')} adds {more}.")
    if tuning.cost_usd is None or tuning.cost_usd > 0:
        cost = "an amount that the server does not say"
        lines.append(
            f"Tuning cost {cost if tuning.cost_usd is None else dollars(tuning.cost_usd)}."
        )
    recommended = f"passages of {tuning.passage_tokens:,} tokens, {tuning.settings}"
    return [*lines, f"{looks.bold('Recommended')}: {inline(recommended)}"]


def _way(trial: Trial) -> str:
    return inline(f"{trial.passage_tokens:,} tokens, {trial.settings}")


def _between(interval: Interval) -> str:
    return f"{signed(interval.low)} to {signed(interval.high)}"


def tuning_json(tuning: Tuning) -> dict[str, object]:
    """Everything but each question's part of every mean."""
    return {
        "measure": tuning.measure,
        "questions": tuning.questions,
        "left_out": tuning.left_out,
        "folds": tuning.folds,
        "seed": tuning.seed,
        "verdict": tuning.verdict,
        "gain": tuning.gain,
        "rerank_gain": tuning.rerank_gain,
        "passage_tokens": tuning.passage_tokens,
        "settings": tuning.settings.json,
        "now": _trial_json(tuning.now),
        "chosen": _trial_json(tuning.chosen),
        "reranked": None if tuning.reranked is None else _trial_json(tuning.reranked),
        "front": [_trial_json(one) for one in tuning.front],
        "trials": [_trial_json(one) for one in tuning.trials],
        "depths": tuning.depths,
        "untried": tuning.untried,
        "cost_usd": tuning.cost_usd,
    }


def _trial_json(trial: Trial) -> dict[str, object]:
    return {
        "passage_tokens": trial.passage_tokens,
        "passages": trial.passages,
        "settings": trial.settings.json,
        "quality": trial.quality,
        "change": trial.change,
        "search_ms": round(trial.search_ms, 3),
        "search_usd": trial.search_usd,
    }
