"""What was spent, by run, model and document, and what the cache saved.

The rows of ``spending`` of a run add up to its row of ``ledger`` to the last digit: what belongs to
no text, such as a request in vain, stands under the root and source ``''``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import accumulate
from typing import Final

from ragkit.reports import DocumentSpending, ModelSpending
from ragkit.storage.schema import schema_version
from ragkit.storage.sums import seal_rows

__all__ = ["LedgerWriter", "Rate", "Share", "plain_dollars", "rate_of", "spending_by_document"]
__all__ += ["spending_by_model"]

# Documents are charged in steps of this; what is left over by rounding goes to the last of them.
_QUANTUM_USD: Final = Decimal("1e-15")
_LEDGER_OF_DOCUMENTS: Final = 2
_PICTURES: Final = 4
# Fewer tokens than these say more about the texts than about the model's tokenizer.
_TELLING_TOKENS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A document's part of a batch.

    Attributes:
        root: Name of its root.
        source: Path inside the root.
        texts: Texts that were sent for it.
        counted: Their tokens by our own count.
    """

    root: str
    source: str
    texts: int
    counted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What a model's earlier runs say about its next one.

    Attributes:
        billed_per_counted: Tokens billed for one token of our own count; None when nothing tells.
        usd_per_token: What one billed token cost in the latest run; None when nothing tells.
        tokens_per_picture: Billed; None when nothing tells.
        usd_per_picture: Charged; None when nothing tells.
    """

    billed_per_counted: Decimal | None = None
    usd_per_token: Decimal | None = None
    tokens_per_picture: Decimal | None = None
    usd_per_picture: Decimal | None = None


class LedgerWriter:
    """The row of one run, made when there is something to write in it.

    Its methods belong inside the caller's transaction.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._run: int | None = None

    def charge(
        self,
        spent: tuple[str, int, int, Decimal],
        texts: int,
        shares: Sequence[Share],
        *,
        are_pictures: bool = False,
    ) -> None:
        """Add a batch to the run, and to its documents in proportion to their tokens.

        Args:
            spent: (model, tokens, requests, cost_usd).
            texts: Texts that got a vector.
            shares: Of the documents; without any the charge belongs to none.
            are_pictures: Whether it is all for pictures, whose tokens nobody can count before.
        """
        model, tokens, requests, cost = spent
        run = self._run_of(model)
        counted = sum(share.counted for share in shares)
        before = self._connection.execute(
            "SELECT cost_usd FROM ledger WHERE run = ?", (run,)
        ).fetchone()[0]
        self._connection.execute(
            """UPDATE ledger SET texts = texts + ?, tokens = tokens + ?, requests = requests + ?,
            cost_usd = ?, counted = counted + ? WHERE run = ?""",
            (
                texts,
                tokens,
                requests,
                plain_dollars(Decimal(before) + cost),
                0 if are_pictures else counted,
                run,
            ),
        )
        if are_pictures:
            self._note_pictures(run, texts, tokens, cost)
        seal_rows(self._connection, "ledger", "run = ?", (run,))
        if tokens or cost or shares:
            self._charge_documents(run, tokens, cost, shares)

    def _note_pictures(self, run: int, number: int, tokens: int, cost: Decimal) -> None:
        before = self._connection.execute(
            "SELECT picture_usd FROM ledger WHERE run = ?", (run,)
        ).fetchone()[0]
        self._connection.execute(
            """UPDATE ledger SET pictures = pictures + ?, picture_tokens = picture_tokens + ?,
            picture_usd = ? WHERE run = ?""",
            (number, tokens, plain_dollars(Decimal(before) + cost), run),
        )

    def save(self, model: str, passages: int, tokens: int) -> None:
        """Note the passages whose vector was there already, with their cl100k tokens."""
        run = self._run_of(model)
        self._connection.execute(
            """UPDATE ledger SET reused = reused + ?, reused_tokens = reused_tokens + ?
            WHERE run = ?""",
            (passages, tokens, run),
        )
        seal_rows(self._connection, "ledger", "run = ?", (run,))

    def _run_of(self, model: str) -> int:
        if self._run is None:
            row = self._connection.execute(
                "INSERT INTO ledger (started, model) VALUES (?, ?) RETURNING run",
                (datetime.now(UTC).isoformat(timespec="seconds"), model),
            ).fetchone()
            self._run = int(row[0])
        return self._run

    def _charge_documents(
        self, run: int, tokens: int, cost: Decimal, shares: Sequence[Share]
    ) -> None:
        listed = shares or [Share(root="", source="", texts=0, counted=0)]
        parts = apportioned(tokens, cost, [share.counted or share.texts for share in listed])
        for share, (part_tokens, part_cost) in zip(listed, parts, strict=True):
            key = (run, share.root, share.source)
            add_spending(self._connection, key, (share.texts, part_tokens, part_cost))


def add_spending(
    connection: sqlite3.Connection, key: tuple[int, str, str], part: tuple[int, int, Decimal]
) -> None:
    """Add (texts, tokens, cost_usd) to what a document cost in a run.

    Args:
        connection: Inside a transaction.
        key: (run, root, source).
        part: What is added.
    """
    texts, tokens, cost = part
    row = connection.execute(
        "SELECT cost_usd FROM spending WHERE run = ? AND root = ? AND source = ?", key
    ).fetchone()
    total = cost + (Decimal(row[0]) if row else Decimal(0))
    connection.execute(
        """INSERT INTO spending (run, root, source, texts, tokens, cost_usd)
        VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (run, root, source) DO UPDATE SET
        texts = texts + excluded.texts, tokens = tokens + excluded.tokens,
        cost_usd = excluded.cost_usd""",
        (*key, texts, tokens, plain_dollars(total)),
    )
    seal_rows(connection, "spending", "run = ? AND root = ? AND source = ?", key)


def apportioned(tokens: int, cost: Decimal, weights: Sequence[int]) -> list[tuple[int, Decimal]]:
    """Tokens and dollars in proportion to the weights; the parts add up to the whole exactly."""
    whole = sum(weights)
    if not whole:
        return [(0, Decimal(0))] * (len(weights) - 1) + [(tokens, cost)]
    parts: list[tuple[int, Decimal]] = []
    told_tokens, told_cost = 0, Decimal(0)
    for reached in accumulate(weights):
        to_tokens = tokens * reached // whole
        exact = reached == whole
        to_cost = cost if exact else (cost * reached / whole).quantize(_QUANTUM_USD)
        parts.append((to_tokens - told_tokens, to_cost - told_cost))
        told_tokens, told_cost = to_tokens, to_cost
    return parts


def rate_of(connection: sqlite3.Connection, model: str) -> Rate:
    """What the earlier runs of a model say about its next one."""
    if schema_version(connection) < _LEDGER_OF_DOCUMENTS:
        return Rate()
    pictures = "pictures, picture_tokens, picture_usd"
    if schema_version(connection) < _PICTURES:
        pictures = "0, 0, '0'"
    # Replies out of a server's cache are billed as 0 tokens, and say nothing of the inputs.
    runs = [
        (tokens - of_pictures, Decimal(cost) - Decimal(usd), counted, number, of_pictures, usd)
        for tokens, cost, counted, number, of_pictures, usd in connection.execute(
            f"""SELECT tokens, cost_usd, counted, {pictures} FROM ledger
            WHERE model = ? AND tokens > 0 AND requests > 0 ORDER BY run""",  # noqa: S608
            (model,),
        )
    ]
    billed = sum(run[0] for run in runs if run[2] > 0)
    counted = sum(run[2] for run in runs)
    latest = next((run for run in reversed(runs) if run[0] > 0), None)
    shown = next((run for run in reversed(runs) if run[3] > 0), None)
    return Rate(
        billed_per_counted=Decimal(billed) / counted if counted >= _TELLING_TOKENS else None,
        usd_per_token=None if latest is None else latest[1] / latest[0],
        tokens_per_picture=None if shown is None else Decimal(shown[4]) / shown[3],
        usd_per_picture=None if shown is None else Decimal(shown[5]) / shown[3],
    )


def spending_by_model(connection: sqlite3.Connection) -> list[ModelSpending]:
    """Totals of each model, by name."""
    new = schema_version(connection) >= _LEDGER_OF_DOCUMENTS
    more = "counted, reused, reused_tokens" if new else "0, 0, 0"
    rows = connection.execute(
        f"SELECT model, tokens, requests, cost_usd, {more} FROM ledger ORDER BY model, run"  # noqa: S608
    ).fetchall()
    found = []
    for model in dict.fromkeys(row[0] for row in rows):
        own = [row for row in rows if row[0] == model]
        cost = sum((Decimal(row[3]) for row in own), Decimal(0))
        tokens, counted, reused_tokens = (sum(row[at] for row in own) for at in (1, 4, 6))
        found.append(
            ModelSpending(
                model=model,
                runs=len(own),
                tokens=tokens,
                requests=sum(row[2] for row in own),
                cost_usd=cost,
                reused=sum(row[5] for row in own),
                saved_tokens=reused_tokens,
                saved_usd=_saved(cost, counted or tokens, reused_tokens),
            )
        )
    return found


def spending_by_document(connection: sqlite3.Connection) -> list[DocumentSpending]:
    """Each document's part of each run, in the order (run, root, source)."""
    if schema_version(connection) < _LEDGER_OF_DOCUMENTS:
        return []
    rows = connection.execute(
        """SELECT run, model, root, source, spending.texts, spending.tokens, spending.cost_usd
        FROM spending JOIN ledger USING (run) ORDER BY run, root, source"""
    )
    return [
        DocumentSpending(
            run=row[0],
            model=row[1],
            root=row[2],
            source=row[3],
            texts=row[4],
            tokens=row[5],
            cost_usd=Decimal(row[6]),
        )
        for row in rows
    ]


def _saved(cost: Decimal, tokens: int, reused_tokens: int) -> Decimal | None:
    """What the reused passages would have cost at what the model has cost so far."""
    if not reused_tokens or not cost:
        return Decimal(0)
    return (cost / tokens * reused_tokens).quantize(_QUANTUM_USD) if tokens else None


def plain_dollars(amount: Decimal) -> str:
    """As the database keeps it."""
    # 0E-15 and 2E-8 are numbers to Decimal and riddles to whoever opens the database.
    return f"{amount.normalize():f}" if amount else "0"
