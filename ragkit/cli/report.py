"""What an index did, or would do, as people read it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal

from ragkit.cli.looks import Looks, columns, inline, named
from ragkit.reports import SyncPlan, SyncReport

__all__ = [
    "bytes_text",
    "dollars",
    "plan_text",
    "problem_lines",
    "report_text",
    "saved_text",
    "table",
]

Problems = Sequence[tuple[str, str]]

_NAMES_PER_REASON = 3
_REASONS = 8
_LABEL_WIDTH = 11


def report_text(
    report: SyncReport, where: str, *, looks: Looks, verbose: bool, verb: str = "indexed"
) -> str:
    """The report of a sync, or of what else is told like one.

    Args:
        report: What was done.
        where: Collection and model, for the first line.
        looks: What the stream can show.
        verbose: List every file that failed or was skipped.
        verb: What was done.
    """
    changed = report.added + report.updated + report.moved + report.removed
    done = verb.capitalize() if changed else "Nothing changed"
    what = "Stopped" if report.stopped else done
    lines = [f"{looks.bold(what)} in {report.seconds:.1f} s: {where}", _documents(report)]
    if report.passages:
        made = f"{report.embedded:,} embedded, {report.reused:,} reused"
        lines.append(_row("passages", f"{report.passages:,} ({made})"))
    if report.tokens:
        sent = f", {_many(report.requests, 'request')}" if report.requests else ""
        lines.append(_row("tokens", f"{report.tokens:,}{sent}"))
    if report.cost_usd > 0:
        lines.append(_row("cost", dollars(report.cost_usd)))
    if report.saved_tokens:
        lines.append(_row("saved", saved_text(report.saved_tokens, report.saved_usd)))
    return "\n".join(lines + _all_problems(report, looks, verbose=verbose))


def plan_text(
    plan: SyncPlan, where: str, *, looks: Looks, verbose: bool, verb: str = "index"
) -> str:
    """What a sync would do; arguments as for ``report_text``."""
    changed = plan.added + plan.updated + plan.moved + plan.removed
    what = f"Would {verb}" if changed else "Nothing would change"
    lines = [f"{looks.bold(what)}: {where}", _documents(plan)]
    if changed:
        lines.append(_row("passages", f"{plan.passages:,} ({plan.to_embed:,} to embed)"))
        lines.append(_row("tokens", f"{plan.tokens:,}"))
        price = "not known for this model" if plan.cost_usd is None else dollars(plan.cost_usd)
        lines.append(_row("cost", price))
        if plan.basis:
            lines.append(_row("", looks.dim(plan.basis)))
        if plan.pace:
            lines.append(_row("time", plan.pace))
    shown = plan.changes if verbose else plan.changes[:20]
    for change in shown:
        came = f" (was {named(change.previous)})" if change.previous else ""
        lines.append(f"  {change.kind:<8} {named(change.source)}{came}")
    if len(plan.changes) > len(shown):
        lines.append(f"  and {len(plan.changes) - len(shown):,} more: -v lists them")
    return "\n".join(lines + _all_problems(plan, looks, verbose=verbose))


def _documents(done: SyncReport | SyncPlan) -> str:
    counts = {
        "added": done.added,
        "updated": done.updated,
        "moved": done.moved,
        "removed": done.removed,
        "unchanged": done.unchanged,
    }
    said = [f"{count:,} {name}" for name, count in counts.items() if count]
    return _row("documents", ", ".join(said) or "none")


def _all_problems(done: SyncReport | SyncPlan, looks: Looks, *, verbose: bool) -> list[str]:
    lines: list[str] = []
    kinds = (("failed", done.failed), ("skipped", done.skipped), ("warnings", done.warnings))
    for kind, problems in kinds:
        if problems:
            lines.append(_row(kind, f"{len(problems):,}"))
            lines += problem_lines(problems, looks=looks, verbose=verbose)
    return lines


def problem_lines(problems: Problems, *, looks: Looks, verbose: bool) -> list[str]:
    """(source, reason) pairs by reason, the commonest first, with examples; all when verbose."""
    sources: defaultdict[str, list[str]] = defaultdict(list)
    for source, reason in problems:
        sources[inline(reason)].append(named(source))
    reasons = sorted(sources, key=lambda reason: (-len(sources[reason]), reason))
    lines: list[str] = []
    for reason in reasons if verbose else reasons[:_REASONS]:
        names = sources[reason]
        if verbose:
            lines.append(f"    {len(names):>5,}  {reason}")
            lines += [f"           {name}" for name in names]
        else:
            lines.append(f"    {len(names):>5,}  {reason}: {looks.dim(_examples(names))}")
    if len(reasons) > _REASONS and not verbose:
        lines.append(f"           and {len(reasons) - _REASONS:,} more reasons: -v lists them")
    return lines


def _examples(named: Sequence[str]) -> str:
    said = ", ".join(named[:_NAMES_PER_REASON])
    rest = len(named) - _NAMES_PER_REASON
    return f"{said} and {rest:,} more" if rest > 0 else said


def _row(label: str, value: str) -> str:
    return f"  {label:<{_LABEL_WIDTH}}{value}"


def _many(number: int, thing: str) -> str:
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def saved_text(tokens: int, usd: Decimal | None) -> str:
    """What need not be embedded again."""
    price = f", {dollars(usd)}" if usd else ""
    return f"{tokens:,} tokens{price}"


def dollars(amount: Decimal) -> str:
    """Enough digits for what embeddings cost."""
    return f"${amount:.2f}" if amount == 0 or amount >= 1 else f"${amount:.6f}"


def bytes_text(size: int) -> str:
    """In binary units, as file managers say it."""
    amount = float(size)
    for unit in ("bytes", "KiB", "MiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "bytes" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GiB"


def table(rows: Sequence[tuple[str, str]]) -> list[str]:
    """Labels and values under each other."""
    width = max(_LABEL_WIDTH, *(columns(label) + 2 for label, _ in rows))
    return [f"  {label}{' ' * (width - columns(label))}{value}" for label, value in rows]
