"""What is promised of money spent beside syncs: noted without the lock, or said why not."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from decimal import Decimal
from pathlib import Path

from schema_fixtures import restore

from ragkit.reports import ModelSpending, Use
from ragkit.storage.expenses import EXPENSES_SCHEMA, Expense
from ragkit.storage.store import Store


def expense(use: Use, model: str, cost: str, *, requests: int = 1, tokens: int = 5) -> Expense:
    return Expense(use=use, model=model, requests=requests, tokens=tokens, cost_usd=Decimal(cost))


def spent(store: Store) -> dict[tuple[str, str], ModelSpending]:
    with store.snapshot() as snapshot:
        return {(item.model, item.use): item for item in snapshot.spent_by_model()}


def test_expenses_add_up_by_model_and_use(tmp_path: Path) -> None:
    """Sums are exact over calls and days, and kinds are kept apart."""
    store = Store(tmp_path / "kb")
    with contextlib.closing(
        sqlite3.connect(tmp_path / "kb" / "collection.db", isolation_level=None)
    ) as database:
        database.execute(
            """INSERT INTO expenses (day, use, model, requests, tokens, cost_usd)
            VALUES ('2026-01-01', 'query', 'a/b', 1, 5, '0.1')"""
        )
        both = [expense("query", "a/b", "0.0000001"), expense("rerank", "c", "0.002")]
        assert store.note(both) == ""
        assert store.note([expense("query", "a/b", "0.0000002", requests=2, tokens=9)]) == ""
        rows = database.execute("SELECT cost_usd FROM expenses WHERE use = 'query' ORDER BY day")
        assert [row[0] for row in rows] == ["0.1", "0.0000003"]
    found = spent(store)
    assert set(found) == {("a/b", "query"), ("c", "rerank")}
    query = found["a/b", "query"]
    assert (query.requests, query.tokens, query.cost_usd) == (4, 19, Decimal("0.1000003"))
    assert (query.runs, query.saved_tokens) == (0, 0)


def test_the_writers_lock_is_not_needed(tmp_path: Path) -> None:
    """A search beside a sync notes what it cost at once, and the sync goes on."""
    store, other = Store(tmp_path / "kb"), Store(tmp_path / "kb", create=False)
    with store.writing() as writer:
        writer.note([expense("check", "m", "0.5")])
        assert other.note([expense("rerank", "m", "0.25")]) == ""
        writer.set({"something": 1})
        writer.note([expense("check", "m", "0.5")])
    found = spent(store)
    assert found["m", "check"].cost_usd == Decimal(1)
    assert found["m", "rerank"].cost_usd == Decimal("0.25")


def test_a_transaction_of_the_writer_is_waited_for_briefly(tmp_path: Path) -> None:
    """What cannot be noted now is said, in the time that it may take, and nothing is written."""
    store = Store(tmp_path / "kb")
    with contextlib.closing(
        sqlite3.connect(tmp_path / "kb" / "collection.db", isolation_level=None)
    ) as database:
        database.execute("BEGIN IMMEDIATE")
        started_s = time.monotonic()
        reason = store.note([expense("rerank", "m", "1")], patience_s=0.1)
        assert 0.1 <= time.monotonic() - started_s < 5
        database.execute("ROLLBACK")
    assert reason == f"{tmp_path / 'kb'} is being written: database is locked"
    assert spent(store) == {}
    assert store.note([expense("rerank", "m", "1")]) == ""


def test_a_read_only_collection_is_not_written(tmp_path: Path) -> None:
    """Whoever opens it read-only is told that nothing is noted."""
    Store(tmp_path / "kb").close()
    before = (tmp_path / "kb" / "collection.db").read_bytes()
    store = Store(tmp_path / "kb", read_only=True)
    reason = store.note([expense("rerank", "m", "1")])
    store.close()
    assert reason == f"{tmp_path / 'kb'} was opened read-only"
    assert (tmp_path / "kb" / "collection.db").read_bytes() == before


def test_an_older_collection_is_not_migrated_for_it(tmp_path: Path) -> None:
    """A search changes no schema; it says when there will be a place for what it cost."""
    restore(EXPENSES_SCHEMA - 1, tmp_path / "kb")
    store = Store(tmp_path / "kb", create=False)
    reason = store.note([expense("query", "m", "1")])
    assert reason.endswith("is of an older version until it is indexed again")
    assert ("m", "query") not in spent(store)
    with store.writing() as writer:
        writer.note([expense("query", "m", "1")])
    assert spent(store)["m", "query"].cost_usd == 1
