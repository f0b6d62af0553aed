"""What a sync would cost, found out by reading and cutting, without a request or a write."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from ragkit.embedding.forecast import Forecast
from ragkit.embedding.seam import RemoteEmbedder
from ragkit.models.fingerprint import Fingerprint
from ragkit.reading.pool import WorkerFailure
from ragkit.reports import Change, SyncPlan
from ragkit.storage.snapshot import Snapshot
from ragkit.sync.arrivals import requests, shown
from ragkit.sync.counting import TokenEstimate, picture_tokens, token_estimate
from ragkit.sync.difference import Difference, ToRead
from ragkit.sync.outgoing import Outgoing
from ragkit.sync.pricing import Pricing, of_pictures, sum_usd
from ragkit.sync.synchronise import Options, Synchroniser
from ragkit.sync.worker import CutReply

__all__ = ["estimate"]


@dataclass(slots=True, kw_only=True)
class _Count:
    of: Fingerprint
    tell: TokenEstimate
    outgoing: Outgoing
    passages: int = 0
    tokens_by_key: dict[bytes, int] = field(default_factory=dict)
    # Those of the keys that are pictures'; their tokens are a guess by size.
    pictures: set[bytes] = field(default_factory=set)
    changes: list[Change] = field(default_factory=list)
    problems: list[tuple[str, str, str]] = field(default_factory=list)


def estimate(
    synchroniser: Synchroniser,
    paths: Sequence[Path],
    options: Options,
    price: Callable[[Snapshot], Pricing],
) -> SyncPlan:
    """The plan of a sync; the files are read as the sync itself would read them.

    The price is asked for only when there is something to embed.

    Raises:
        PathNotFound, RootVanished: As the sync would.
    """
    with synchroniser.store.snapshot() as snapshot:
        _, difference = synchroniser.compare(snapshot, paths, options)
        mark = synchroniser.embedder.fingerprint
        tokenizer, rate = synchroniser.settings.profile.tokenizer, snapshot.rate(mark.model)
        tell = token_estimate(mark, tokenizer, rate.billed_per_counted)
    count = _Count(of=mark, tell=tell, outgoing=Outgoing(synchroniser.screen))
    if difference.reads:
        with synchroniser.pool() as pool:
            replies = pool.run(requests(difference, synchroniser.max_file_bytes))
            for change, (_, reply) in zip(difference.reads, replies, strict=True):
                _add(count, change, reply, difference.known[change.root])
    with synchroniser.store.snapshot() as snapshot:
        unknown = snapshot.unknown_keys(count.tokens_by_key)
        pricing = price(snapshot) if unknown else Pricing(usd_per_token=Decimal(0))
    texts = tell.billed(sum(count.tokens_by_key[key] for key in unknown - count.pictures))
    guesses = [count.tokens_by_key[key] for key in unknown & count.pictures]
    pictures = of_pictures(guesses, rate, pricing)
    forecast, embedder = Forecast(), synchroniser.embedder
    if isinstance(embedder, RemoteEmbedder):
        forecast = embedder.forecast(len(unknown), texts + pictures.tokens)
    kinds = [change.kind for change in count.changes]
    problems = [(item.kind, item.source, item.reason) for item in difference.problems]
    problems += count.problems
    return SyncPlan(
        added=kinds.count("added"),
        updated=kinds.count("updated"),
        moved=len(difference.moves),
        removed=len(difference.removed) + kinds.count("removed"),
        unchanged=difference.unchanged,
        passages=count.passages,
        to_embed=len(unknown),
        tokens=texts + pictures.tokens,
        cost_usd=sum_usd(pricing.of(texts), pictures.cost_usd),
        basis=_basis(tell.said if texts else "", pictures.said, pricing.said) if unknown else "",
        requests=forecast.requests,
        seconds=forecast.seconds,
        pace=forecast.said,
        changes=_sorted([*count.changes, *_without_reading(difference)]),
        failed=_lines(problems, "failed"),
        skipped=_lines(problems, "skipped"),
        warnings=_lines(problems, "warning"),
    )


def _add(
    count: _Count, change: ToRead, reply: CutReply | WorkerFailure, known: Collection[str]
) -> None:
    source = change.file.source
    if isinstance(reply, WorkerFailure):
        count.problems.append(("failed", source, reply.reason))
        return
    read = reply.read
    count.problems += [("warning", source, warning) for warning in read.warnings]
    passages = shown(change, reply, known)
    if read.document is None or not passages:
        kind = "failed" if read.failed is not None else "skipped"
        count.problems.append((kind, source, read.failed or read.skipped or "no text"))
        if change.state is not None and read.digest is not None:
            count.changes.append(Change(kind="removed", root=change.root, source=source))
        return
    count.changes.append(Change(kind=change.kind, root=change.root, source=source))
    outgoing = count.outgoing.of(read.document, passages)
    count.problems += [("warning", source, remark) for remark in outgoing.remarks]
    count.passages += len(outgoing.texts)
    for sent in outgoing.texts:
        key = sent.key(count.of)
        if sent.is_empty or key in count.tokens_by_key:
            continue
        count.tokens_by_key[key] = count.tell.count(sent.text) if sent.text else 0
        if sent.image is not None:
            count.tokens_by_key[key] += picture_tokens(sent.image)
            count.pictures.add(key)


def _basis(*said: str) -> str:
    return "; ".join(filter(None, said))


def _without_reading(difference: Difference) -> list[Change]:
    moves = [
        Change(
            kind="moved",
            root=move.root,
            source=move.file.source,
            previous=f"{move.state.root}:{move.state.source}",
        )
        for move in difference.moves
    ]
    removed = [
        Change(kind="removed", root=state.root, source=state.source) for state in difference.removed
    ]
    return moves + removed


def _sorted(changes: Sequence[Change]) -> tuple[Change, ...]:
    return tuple(sorted(changes, key=lambda change: (change.root, change.source)))


def _lines(problems: Sequence[tuple[str, str, str]], kind: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((source, reason) for found, source, reason in problems if found == kind))
