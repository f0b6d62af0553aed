"""The records of what a sync would do, what it did, and what a collection holds and lacks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

__all__ = [
    "Change",
    "CollectionStatus",
    "CompactReport",
    "DocumentSpending",
    "ExportReport",
    "Fault",
    "ForgetReport",
    "ImportReport",
    "ModelSpending",
    "PurgeReport",
    "SyncPlan",
    "SyncReport",
    "Use",
    "VerifyReport",
    "WatchEvent",
]

# What a model was asked for: vectors of documents, vectors of questions, an order of hits, or an
# examination of its server.
Use = Literal["index", "query", "rerank", "check"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One line of a plan.

    Attributes:
        kind: ``added``, ``updated``, ``moved`` or ``removed``.
        root: Name of the root.
        source: Path inside the root.
        previous: Where a moved document was, as ``root:source``; else None.
    """

    kind: Literal["added", "updated", "moved", "removed"]
    root: str
    source: str
    previous: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncPlan:
    """What a sync would do, before anything is sent or written.

    Attributes:
        added: Documents that the collection does not have.
        updated: Documents whose content changed.
        moved: Documents found under another name.
        removed: Documents gone from their folder.
        unchanged: Documents that stay as they are.
        passages: Passages of the added and updated documents.
        to_embed: Texts among them whose vectors are not in the collection yet.
        tokens: Length of those texts, by the model's count or an upper bound.
        cost_usd: Their price; None when the model's price is unknown.
        changes: Which documents, in the order (root, source).
        failed: (source, reason) of files that could not be read.
        skipped: (source, reason) of files that are not to be indexed.
        warnings: (source, remark).
        basis: How sure tokens and price are, in words; empty for the embedded model.
        requests: About so many are sent; 0 for the embedded model.
        seconds: How long they take at least, at the limits of rate that the server is known to
            have; None where none is known.
        pace: The same in words.
    """

    added: int = 0
    updated: int = 0
    moved: int = 0
    removed: int = 0
    unchanged: int = 0
    passages: int = 0
    to_embed: int = 0
    tokens: int = 0
    cost_usd: Decimal | None = Decimal(0)
    changes: tuple[Change, ...] = ()
    failed: tuple[tuple[str, str], ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    warnings: tuple[tuple[str, str], ...] = ()
    basis: str = ""
    requests: int = 0
    seconds: float | None = None
    pace: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncReport:
    """What a sync did.

    Attributes:
        added: Documents new to the collection.
        updated: Documents whose content changed.
        moved: Documents found under another name; nothing was embedded for them.
        removed: Documents gone from their folder.
        unchanged: Documents that stayed as they are.
        passages: Passages of the added and updated documents.
        embedded: Texts that were sent to the model.
        reused: Passages whose vector the collection already had.
        tokens: Tokens embedded, as the model reported or counted them.
        requests: Requests sent to a server; 0 with the embedded model.
        cost_usd: What the server charged.
        seconds: Wall time.
        failed: (source, reason) of files that could not be read or embedded.
        skipped: (source, reason) of files that are not to be indexed.
        warnings: (source, remark).
        stopped: Why the sync ended early (interrupted, budget, credit); None when it is complete.
        saved_tokens: cl100k tokens of the reused passages.
        saved_usd: Their price at what the model has cost so far; None when that is not known.
    """

    added: int = 0
    updated: int = 0
    moved: int = 0
    removed: int = 0
    unchanged: int = 0
    passages: int = 0
    embedded: int = 0
    reused: int = 0
    tokens: int = 0
    requests: int = 0
    cost_usd: Decimal = Decimal(0)
    seconds: float = 0.0
    failed: tuple[tuple[str, str], ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    warnings: tuple[tuple[str, str], ...] = ()
    stopped: str | None = None
    saved_tokens: int = 0
    saved_usd: Decimal | None = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchEvent:
    """Something that whoever watches folders is told: exactly one of the two is set.

    Attributes:
        report: What a sync did.
        trouble: What is in the way of one, for as long as nothing else is told.
    """

    report: SyncReport | None = None
    trouble: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpending:
    """What one use of one model cost a collection.

    Attributes:
        model: Its name.
        use: What for; what the cache saved is known of ``index`` alone.
        runs: Syncs that embedded or reused.
        tokens: Billed, or counted by the embedded model.
        requests: Sent to a server.
        cost_usd: Charged.
        reused: Passages of those runs whose vector was there already.
        saved_tokens: Their cl100k tokens.
        saved_usd: Their price at what the model has cost so far; None when that is not known.
    """

    model: str
    runs: int
    tokens: int
    requests: int
    cost_usd: Decimal
    reused: int = 0
    saved_tokens: int = 0
    saved_usd: Decimal | None = Decimal(0)
    use: Use = "index"


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentSpending:
    """A document's part of what one sync spent; by its tokens where a request had several.

    Attributes:
        run: Number of the sync in the ledger.
        model: Name of the model.
        root: Name of the document's root; empty, with *source*, for what belongs to no document.
        source: Path inside the root.
        texts: Texts that were sent for it.
        tokens: Its part of the tokens billed.
        cost_usd: Its part of what was charged.
    """

    run: int
    model: str
    root: str
    source: str
    texts: int
    tokens: int
    cost_usd: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionStatus:
    """What a collection holds.

    Attributes:
        collection: Its directory.
        model: Name of its model.
        dimensions: Width of its vectors; None before the first one.
        roots: Path of each root by name.
        documents: Documents in it.
        passages: Passages in it.
        vectors: Vectors in it, those of earlier texts included.
        bytes: Size of all its files.
        generation: Counts the syncs that changed something.
        measured_recall: Of search against exact search on its own vectors; 1.0 where search is
            exact.
        spent_usd: What was spent on it so far: on vectors, queries, reranking and checks.
        failed: (source, reason) of files that are not in it, or not whole.
        skipped: (source, reason) of files that are not to be in it.
        spent: By model and use, with what the cache saved.
        staged: Model of the generation that a migration holds ready; None without one.
        migration: Command line that goes on with a migration that has not switched; None without.
        tuned: How it is searched because tuning chose so, or why it is not; None without that.
    """

    collection: str
    model: str
    dimensions: int | None
    roots: Mapping[str, str]
    documents: int
    passages: int
    vectors: int
    bytes: int
    generation: int
    measured_recall: float
    spent_usd: Decimal
    failed: tuple[tuple[str, str], ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    spent: tuple[ModelSpending, ...] = ()
    staged: str | None = None
    migration: str | None = None
    tuned: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something in a collection that is not as it must be.

    Attributes:
        law: What it breaks: ``database``, ``rows``, ``spans``, ``keys``, ``vectors``, ``ids``,
            ``counts``, ``orphans``, ``derived`` or ``sources``.
        place: Where: a document as ``root:source``, a passage, a file.
        problem: What is wrong there.
    """

    law: str
    place: str
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    """What a look at every byte of a collection found.

    Attributes:
        ok: Whether nothing is wrong, or everything was mended.
        problems: What was found, and not mended; of one kind at most 1,000, and how many more.
        notes: What is not wrong, and worth knowing.
        mended: What a repair did.
        to_embed: Texts that the next index must embed again, as their vectors were damaged.
        tokens: Their length by our own count.
        cost_usd: Their price; None when it is not known.
        documents: Documents that were looked at.
        passages: Passages.
        vectors: Vectors.
        seconds: Wall time.
    """

    ok: bool
    problems: tuple[Fault, ...] = ()
    notes: tuple[str, ...] = ()
    mended: tuple[str, ...] = ()
    to_embed: int = 0
    tokens: int = 0
    cost_usd: Decimal | None = Decimal(0)
    documents: int = 0
    passages: int = 0
    vectors: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CompactReport:
    """What a compaction gave back.

    Attributes:
        before_bytes: Size of all files of the collection.
        after_bytes: The same afterwards; readers of the old files keep theirs until they let go.
        vectors: Vectors that belonged to no passage any more and were dropped.
        generation: That is now the newest.
        seconds: Wall time.
    """

    before_bytes: int
    after_bytes: int
    vectors: int = 0
    generation: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PurgeReport:
    """What was taken out of every file of a collection.

    Attributes:
        root: Name of the root.
        source: Path inside it.
        documents: Versions of the document that were there; 0 when it was gone already, and only
            what was left of it has been removed.
        passages: Passages of them.
        vectors: Vectors that were dropped: those of its texts that no other document has, and
            those that belonged to no passage any more.
        path: Where its file still is, which the next index would read again; None where it is not.
        migration: Command line of a migration that had begun: it has to begin anew, and to buy all
            of its vectors again. None without one.
        seconds: Wall time.
    """

    root: str
    source: str
    documents: int = 0
    passages: int = 0
    vectors: int = 0
    path: str | None = None
    migration: str | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetReport:
    """What went with a root.

    Attributes:
        root: Its name.
        path: Where its folder or file is, or was.
        documents: Documents that are not found any more.
        passages: Passages of them.
        seconds: Wall time.
    """

    root: str
    path: str
    documents: int
    passages: int
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """What was written into one file.

    Attributes:
        file: Its path.
        bytes: Its size.
        documents: Documents in it.
        passages: Passages.
        vectors: Vectors; those that belong to no passage are left out.
        seconds: Wall time.
    """

    file: str
    bytes: int
    documents: int
    passages: int
    vectors: int
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What was taken in out of one file.

    Attributes:
        collection: Where it is now.
        model: That made its vectors.
        base_url: Of the server that is asked for the vector of a query, and is sent
            RAGKIT_API_KEY; empty for OpenRouter and for the embedded model.
        documents: Documents in it.
        passages: Passages.
        vectors: Vectors.
        seconds: Wall time.
    """

    collection: str
    model: str
    base_url: str = ""
    documents: int
    passages: int
    vectors: int
    seconds: float = 0.0
