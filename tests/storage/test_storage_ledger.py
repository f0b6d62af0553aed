"""What the ledger promises: every token and dollar has a document, and the sums agree."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragkit.storage import schema
from ragkit.storage.ledger import Rate, Share, apportioned
from ragkit.storage.store import Store
from ragkit.storage.writer import Writer


def charge(
    writer: Writer, tokens: int, cost: str, shares: Sequence[Share], *, name: bytes = b"k"
) -> None:
    """One batch of one text per share."""
    keys = [name + bytes([number]) * 31 for number in range(len(shares))]
    writer.vectors.add(
        keys,
        np.eye(8, dtype=np.float32)[: len(keys)],
        refused={},
        spent=("test/small", tokens, 1, Decimal(cost)),
        shares=shares,
    )


def share(source: str, counted: int) -> Share:
    return Share(root="docs", source=source, texts=1, counted=counted)


def make_schema_1(directory: Path) -> None:
    """A collection as the first version made it, with one run in its ledger."""
    directory.mkdir()
    path = directory / "collection.db"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        schema.m001_initial(database)
        database.execute("PRAGMA user_version = 1")
        database.execute(f"PRAGMA application_id = {0x7261676B}")
        database.execute(
            "INSERT INTO ledger VALUES (1, '2026-01-01T00:00:00+00:00', 'test/small', 3, 40, 2, ?)",
            ("0.0000008",),
        )


def test_a_batch_is_charged_to_its_documents(tmp_path: Path) -> None:
    """Documents that share a request share its bill by their tokens."""
    store = Store(tmp_path / "kb")
    with store.writing() as writer:
        charge(writer, 400, "0.000008", [share("a.md", 75), share("b.md", 25)])
        charge(writer, 100, "0.000002", [share("b.md", 80)], name=b"l")
    with store.snapshot() as snapshot:
        rows = [
            (row.source, row.texts, row.tokens, row.cost_usd)
            for row in snapshot.spent_by_document()
        ]
        assert rows == [
            ("a.md", 1, 300, Decimal("0.000006")),
            ("b.md", 2, 200, Decimal("0.000004")),
        ]
        (total,) = snapshot.spent_by_model()
        assert (total.tokens, total.requests, total.cost_usd) == (500, 2, Decimal("0.00001"))


def test_a_charge_without_texts_belongs_to_no_document(tmp_path: Path) -> None:
    """Requests in vain that cost money are in the ledger, so that its sums agree."""
    store = Store(tmp_path / "kb")
    with store.writing() as writer:
        charge(writer, 10, "0.000001", [share("a.md", 10)])
        charge(writer, 7, "0.0000007", [])
    with store.snapshot() as snapshot:
        rows = [(row.root, row.source, row.tokens) for row in snapshot.spent_by_document()]
        assert rows == [("", "", 7), ("docs", "a.md", 10)]
        assert snapshot.spent_by_model()[0].cost_usd == Decimal("0.0000017")


def test_what_is_reused_is_priced(tmp_path: Path) -> None:
    """Reused tokens are worth what the model has cost for as many of the same count."""
    store = Store(tmp_path / "kb")
    with store.writing() as writer:
        charge(writer, 600, "0.00006", [share("a.md", 300)])
        writer.vectors.save("test/small", 5, 150)
    with store.snapshot() as snapshot:
        (total,) = snapshot.spent_by_model()
        assert (total.reused, total.saved_tokens) == (5, 150)
        assert total.saved_usd == Decimal("0.00003")


def test_earlier_runs_tell_the_rate(tmp_path: Path) -> None:
    """Tokens billed for one counted, over all runs; dollars per token, of the latest."""
    store = Store(tmp_path / "kb")
    with store.writing() as writer:
        charge(writer, 600, "0.00006", [share("a.md", 500)])
    with store.writing() as writer:
        charge(writer, 600, "0.00012", [share("a.md", 300)], name=b"l")
    with store.snapshot() as snapshot:
        assert snapshot.rate("test/small") == Rate(
            billed_per_counted=Decimal("1.5"), usd_per_token=Decimal("0.0000002")
        )
        assert snapshot.rate("test/other") == Rate()


def test_a_collection_of_schema_1_is_read_as_it_is(tmp_path: Path) -> None:
    """Readers change nothing: what the older schema lacks is empty."""
    make_schema_1(tmp_path / "kb")
    before = (tmp_path / "kb" / "collection.db").read_bytes()
    store = Store(tmp_path / "kb", create=False, read_only=True)
    with store.snapshot() as snapshot:
        (total,) = snapshot.spent_by_model()
        assert (total.tokens, total.cost_usd, total.saved_tokens) == (40, Decimal("0.0000008"), 0)
        assert snapshot.spent_by_document() == []
        assert snapshot.rate("test/small") == Rate()
    store.close()
    assert (tmp_path / "kb" / "collection.db").read_bytes() == before


def test_a_collection_of_schema_1_is_brought_forward(tmp_path: Path) -> None:
    """The first writer migrates it, and what was spent before stays in the sums."""
    make_schema_1(tmp_path / "kb")
    store = Store(tmp_path / "kb", create=False)
    with store.snapshot() as snapshot:
        assert snapshot.spent_by_document() == []
    with store.writing() as writer:
        charge(writer, 10, "0.0000002", [share("a.md", 10)])
    with store.snapshot() as snapshot:
        (total,) = snapshot.spent_by_model()
        assert (total.runs, total.tokens, total.cost_usd) == (2, 50, Decimal("0.000001"))
        assert [row.run for row in snapshot.spent_by_document()] == [2]
    with contextlib.closing(sqlite3.connect(tmp_path / "kb" / "collection.db")) as database:
        assert schema.schema_version(database) == schema.SCHEMA_VERSION >= 2


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 10**9),
    st.decimals(0, 100, places=12, allow_nan=False),
    st.lists(st.integers(0, 10**6), min_size=1, max_size=40),
)
def test_parts_add_up(tokens: int, cost: Decimal, weights: list[int]) -> None:
    """However a bill is shared, the parts add up to it exactly and none is negative."""
    parts = apportioned(tokens, cost, weights)
    assert sum(part[0] for part in parts) == tokens
    assert sum((part[1] for part in parts), Decimal(0)) == cost
    assert all(part[0] >= 0 and part[1] >= 0 for part in parts)


@pytest.mark.parametrize("cost", ["0.00000002", "0"])
def test_dollars_are_written_plainly(tmp_path: Path, cost: str) -> None:
    """The database holds amounts as people write them, without exponents."""
    store = Store(tmp_path / "kb")
    with store.writing() as writer:
        charge(writer, 1, cost, [share("a.md", 1)])
    with contextlib.closing(sqlite3.connect(tmp_path / "kb" / "collection.db")) as database:
        assert database.execute("SELECT cost_usd FROM ledger").fetchone()[0] == cost
        assert database.execute("SELECT cost_usd FROM spending").fetchone()[0] == cost
