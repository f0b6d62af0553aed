"""What was spent beside syncs: on queries, on reranking, on checks; by day, use and model.

A search notes what it cost without the writer's lock, which a sync may hold for hours: SQLite lets
one short transaction in between two of the writer's, and no generation has these rows in it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from ragkit.reports import ModelSpending, Use
from ragkit.storage.ledger import plain_dollars
from ragkit.storage.schema import schema_version
from ragkit.storage.sums import seal_rows

__all__ = ["EXPENSES_SCHEMA", "Expense", "add_expenses", "expenses_by_model"]

EXPENSES_SCHEMA = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Expense:
    """What requests of one kind to one model cost.

    Attributes:
        use: ``query`` for the vectors of questions, ``rerank``, or ``check`` for the examinations
            of a server.
        model: Its name.
        requests: Sent to a server.
        tokens: That it billed.
        cost_usd: What it charged.
    """

    use: Use
    model: str
    requests: int
    tokens: int
    cost_usd: Decimal


def add_expenses(connection: sqlite3.Connection, expenses: Iterable[Expense]) -> None:
    """Add to the rows of today; belongs inside the caller's transaction."""
    day = datetime.now(UTC).date().isoformat()
    for expense in expenses:
        key = (day, expense.use, expense.model)
        row = connection.execute(
            "SELECT cost_usd FROM expenses WHERE day = ? AND use = ? AND model = ?", key
        ).fetchone()
        total = expense.cost_usd + (Decimal(row[0]) if row else Decimal(0))
        connection.execute(
            """INSERT INTO expenses (day, use, model, requests, tokens, cost_usd)
            VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (day, use, model) DO UPDATE SET
            requests = requests + excluded.requests, tokens = tokens + excluded.tokens,
            cost_usd = excluded.cost_usd""",
            (*key, expense.requests, expense.tokens, plain_dollars(total)),
        )
        seal_rows(connection, "expenses", "day = ? AND use = ? AND model = ?", key)


def expenses_by_model(connection: sqlite3.Connection) -> list[ModelSpending]:
    """Totals of each model and use, by name."""
    if schema_version(connection) < EXPENSES_SCHEMA:
        return []
    rows = connection.execute(
        "SELECT model, use, requests, tokens, cost_usd FROM expenses ORDER BY model, use, day"
    ).fetchall()
    found = []
    for model, use in dict.fromkeys((row[0], row[1]) for row in rows):
        own = [row for row in rows if (row[0], row[1]) == (model, use)]
        found.append(
            ModelSpending(
                model=model,
                use=use,
                runs=0,
                requests=sum(row[2] for row in own),
                tokens=sum(row[3] for row in own),
                cost_usd=sum((Decimal(row[4]) for row in own), Decimal(0)),
            )
        )
    return found
