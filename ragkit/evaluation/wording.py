"""What measures and outcomes are called, wherever people read them."""

from __future__ import annotations

from types import MappingProxyType

from ragkit.evaluation.results import By, Comparison, Difference, Evaluation, Measure, Outcome

__all__ = [
    "ABOUT",
    "GROUPS",
    "difference_name",
    "fate",
    "group_of",
    "headline",
    "headline_measures",
    "many",
    "measure_name",
    "percent",
    "rank_classes",
    "rank_name",
    "signed",
    "verdict_text",
]

GROUPS = ("source", "answer", "budget")
ABOUT = MappingProxyType(
    {
        "source": "A hit of the right document",
        "answer": "A hit that overlaps the answer",
        "budget": "Share of the answer in a context of N tokens",
    }
)
_NAMES = MappingProxyType({"mrr": "MRR", "ndcg@10": "nDCG@10"})
_VERDICTS = MappingProxyType(
    {
        "worse": "This is worse",
        "better": "This is better",
        "no difference": "No difference that could not be luck",
    }
)
_RANK_CLASSES = (1, 3, 5, 10)


def group_of(measure: Measure | Difference) -> str:
    """``source``, ``answer`` or ``budget``: which of ``ABOUT`` it is about."""
    return "budget" if measure.name.startswith("budget") else measure.by


def measure_name(name: str) -> str:
    """``1,000 tokens`` for ``budget@1000`` and so on."""
    if name.startswith("budget@"):
        return f"{int(name.partition('@')[2]):,} tokens"
    return _NAMES.get(name, name)


def difference_name(one: Difference) -> str:
    """``answer nDCG@10``, ``1,000 tokens``."""
    name = measure_name(one.name)
    return name if group_of(one) == "budget" else f"{one.by} {name}"


def rank_name(name: str) -> str:
    """A class of ranks, in a sentence."""
    return f"rank {name}" if name[0].isdigit() else name


def verdict_text(comparison: Comparison) -> tuple[str, str]:
    """The verdict, and by what: the measure with its difference and interval."""
    decisive = comparison.decisive
    reason = (
        f"by {measure_name(decisive.name)} of the {decisive.by}, {signed(decisive.difference)}"
        f" ({signed(decisive.low)} to {signed(decisive.high)})"
    )
    return _VERDICTS[comparison.verdict], reason


def headline(evaluation: Evaluation) -> str:
    """What came out of it, in one sentence."""
    asked = len(evaluation.outcomes)
    answered = asked - len(evaluation.misses)
    return (
        f"{answered:,} of {many(asked, 'question')} answered by the first {_hits(evaluation.k[-1])}"
    )


def headline_measures(evaluation: Evaluation) -> list[tuple[str, Measure]]:
    """Up to four measures that say most, and what they say."""
    known = {(one.by, one.name): one for one in evaluation.measures}
    least, most = evaluation.k[0], evaluation.k[-1]
    by: By = "answer" if ("answer", "mrr") in known else "source"
    what = "answer" if by == "answer" else "document"
    wanted: list[tuple[str, By, str]] = [
        (f"{what} in the first {_hits(least)}", by, f"recall@{least}"),
        (f"{what} in the first {_hits(most)}", by, f"recall@{most}"),
        (f"document in the first {_hits(most)}", "source", f"recall@{most}"),
        ("of the answer in 1,000 tokens", "answer", "budget@1000"),
    ]
    found: dict[tuple[By, str], str] = {}
    for about, side, name in wanted:
        if (side, name) in known:
            found.setdefault((side, name), about)
    return [(about, known[key]) for key, about in found.items()]


def _hits(number: int) -> str:
    return "hit" if number == 1 else f"{number} hits"


def percent(share: float) -> str:
    """``86 %``."""
    return f"{100 * share:.0f} %"


def fate(outcome: Outcome) -> str:
    """At which rank the answer came, and the document where that is not the same."""
    what = "the answer" if outcome.has_answer else "the document"
    rank = "was not found" if outcome.rank is None else f"came at {outcome.rank}"
    beside = ""
    if outcome.has_answer and outcome.source_rank is not None:
        beside = f" (the document at {outcome.source_rank})"
    return f"{what} {rank}{beside}"


def rank_classes(evaluation: Evaluation) -> list[tuple[str, int]]:
    """How many questions have their first right hit at which ranks, the last class for none."""
    ranks = [one.rank for one in evaluation.outcomes]
    classes, after = [], 0
    for upto in _RANK_CLASSES:
        name = f"{upto}" if upto == after + 1 else f"{after + 1} to {upto}"
        classes.append((name, sum(rank is not None and after < rank <= upto for rank in ranks)))
        after = upto
    classes.append(("later", sum(rank is not None and rank > after for rank in ranks)))
    classes.append(("not found", ranks.count(None)))
    return classes


def signed(number: float) -> str:
    """With its sign and three digits."""
    return f"{number:+.3f}"


def many(number: int, thing: str, things: str = "") -> str:
    """``1 question``, ``2 questions``."""
    return f"{number:,} {thing if number == 1 else things or thing + 's'}"
