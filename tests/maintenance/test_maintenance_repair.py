"""What a repair makes right, and what it says of the rest."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from cli_runs import Shell, remote
from kill_points import killed_everywhere, state_of
from loopback import KEY, LoopbackServer
from made_collection import SETTINGS, crafted, make, opened

import ragkit
from ragkit.config import Secret, Settings
from ragkit.reports import VerifyReport
from ragkit.storage.sums import seal_rows


def repaired(kb: Path) -> VerifyReport:
    with opened(kb) as collection:
        return collection.verify(repair=True)


def flip(path: Path, offset: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 0x10]))


def test_nothing_is_done_where_nothing_is_wrong(kb: Path) -> None:
    """A sound collection is left as it is, to its generation."""
    before = state_of(kb)
    report = repaired(kb)
    assert (report.ok, report.mended) == (True, ())
    with opened(kb) as collection:
        assert collection.status().generation == 1
    assert state_of(kb) == before


@pytest.mark.parametrize(
    "damage",
    [
        lambda kb: shutil.rmtree(kb / "derived"),
        lambda kb: flip(max((kb / "derived/words-1").glob("*.store")), 60),
        lambda kb: flip(kb / "derived/words-1/manifest.json", 90),
        lambda kb: (kb / "derived/words-1/meta.json").unlink(),
    ],
)
def test_what_is_derived_is_made_anew(kb: Path, damage: Callable[[Path], None]) -> None:
    """At no cost, and every answer is what it was."""
    before = state_of(kb)
    damage(kb)
    report = repaired(kb)
    assert (report.ok, report.problems, report.notes) == (True, (), ())
    assert report.mended == ("the lexical index was made anew",)
    assert state_of(kb) == before


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE passages SET text = text || ' not' WHERE id = 2",
        "UPDATE passages SET headings = '[]' WHERE id = 3",
        "UPDATE documents SET text = x'00' WHERE id = 2",
        "UPDATE documents SET pages = '[7]' WHERE id = 3",
        "DELETE FROM passages WHERE id = 4",
        "UPDATE passages SET ordinal = 9 WHERE id = 5",
    ],
)
def test_a_damaged_document_is_read_again(kb: Path, statement: str) -> None:
    """From its file; what had a vector has it, and every text is found as before."""
    with opened(kb) as collection:
        before = [(one.source, one.start, one.text) for one in collection.passages()]
    with crafted(kb) as database:
        assert database.execute(statement).rowcount
    report = repaired(kb)
    assert report.problems == ()
    assert "1 documents were read again from their files" in report.mended
    assert report.to_embed == 0
    assert report.cost_usd == Decimal(0)
    with opened(kb) as collection:
        assert [(one.source, one.start, one.text) for one in collection.passages()] == before
        plan = collection.plan(kb.parent / "docs")
        assert (plan.added, plan.updated, plan.removed, plan.to_embed) == (0, 0, 0, 0)


def test_unchanged_passages_keep_their_ids(kb: Path) -> None:
    """Of a document that is read again only the passage that was damaged may get another id."""
    with opened(kb) as collection:
        before = {one.text: one.id for one in collection.passages()}
    with crafted(kb) as database:
        database.execute("UPDATE passages SET line = line + 1 WHERE id = 5")
    repaired(kb)
    with opened(kb) as collection:
        after = {one.text: one.id for one in collection.passages()}
    assert after == before


@pytest.mark.parametrize("is_there", [True, False])
def test_a_document_whose_file_is_gone_is_taken_out(kb: Path, *, is_there: bool) -> None:
    """What cannot be read again is not shown; a file that changed is read by the next index."""
    lunch = kb.parent / "docs/notes/lunch.txt"
    lunch.write_text("Dinner is at eight.\n") if is_there else lunch.unlink()
    with crafted(kb) as database:
        database.execute("UPDATE passages SET text = 'Poison.' WHERE id = 16")
    report = repaired(kb)
    assert report.ok
    assert any(line.startswith("1 documents were taken out") for line in report.mended)
    with opened(kb) as collection:
        assert "notes/lunch.txt" not in {one.source for one in collection.documents()}
        assert collection.sync(kb.parent / "docs").added == is_there


def test_nothing_is_taken_out_while_a_disk_is_not_attached(kb: Path) -> None:
    """A folder that is gone as a whole may come back: the fault stays, and is told."""
    (kb.parent / "docs").rename(kb.parent / "away")
    with crafted(kb) as database:
        database.execute("UPDATE passages SET text = 'Poison.' WHERE id = 16")
    report = repaired(kb)
    assert {fault.law for fault in report.problems} == {"rows", "spans"}
    (kb.parent / "away").rename(kb.parent / "docs")
    assert repaired(kb).ok
    with opened(kb) as collection:
        assert collection.search("soup at noon", mode="lexical")[0].source == "notes/lunch.txt"


def test_a_document_whose_name_is_damaged_is_taken_out(kb: Path) -> None:
    """Nothing tells what its file was called; the next index reads it at no cost."""
    with crafted(kb) as database:
        database.execute("UPDATE documents SET source = 'guides/vales.md' WHERE id = 2")
    report = repaired(kb)
    assert report.ok
    with opened(kb) as collection:
        done = collection.sync(kb.parent / "docs")
        assert (done.added, done.embedded) == (1, 0)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE passages SET slot = (slot + 1) % 17", "name the row of their vector again"),
        ("DELETE FROM documents WHERE id = 2", "rows that named nothing were removed"),
        ("UPDATE ledger SET started = 'never'", "about money and models"),
        ("UPDATE spending SET tokens = tokens + 64", "about money and models"),
        ("UPDATE problems SET reason = 'because'", "rows that named nothing were removed"),
        ("UPDATE settings SET value = '999' WHERE key = 'next_passage_id'", "next_passage_id"),
        ("UPDATE settings SET value = '\"words-8\"' WHERE key = 'words'", "made anew"),
    ],
)
def test_rows_of_all_kinds_are_mended(shell: Shell, statement: str, said: str) -> None:
    """Each is right again, and what was done is said in a line."""
    (shell.directory / "docs/empty.txt").write_text("")
    shell.run("index", "docs")
    kb = shell.directory / ".ragkit"
    with crafted(kb) as database:
        database.execute(statement.replace("% 17", "% 4"))
    assert shell.run("verify").code == 1
    done = shell.run("verify", "--repair", "--json")
    assert said in " ".join(done.json["mended"])
    # What a document cost is not known any more, and that it does not add up stays a fault.
    left = {fault["law"] for fault in done.json["problems"]}
    assert left == ({"counts"} if "SET tokens" in statement else set())


def test_what_a_writer_needs_is_mended_first(kb: Path) -> None:
    """A generation that is not what was written is told by the rows."""
    before = state_of(kb)
    with crafted(kb) as database:
        database.execute("UPDATE settings SET value = '64' WHERE key = 'generation'")
    environment = Shell(directory=kb.parent)
    assert environment.run("verify", "-c", str(kb)).code == 1
    done = environment.run("verify", "-c", str(kb), "--repair")
    assert "settings were made again" in done.out
    # The other installation made its own index of words.
    with opened(kb) as collection:
        assert collection.verify(repair=True).ok
    assert state_of(kb) == before


def test_what_nothing_tells_is_said(kb: Path) -> None:
    """Without its fingerprint nothing of a collection can be trusted."""
    with crafted(kb) as database:
        database.execute("UPDATE settings SET value = '\"x\"' WHERE key = 'fingerprint'")
    done = Shell(directory=kb.parent).run("verify", "-c", str(kb), "--repair")
    assert done.code == 1
    assert "fingerprint" in done.out


def test_an_index_of_the_database_is_made_anew(kb: Path) -> None:
    """What SQLite finds wrong with an index, it makes anew from the table."""
    before = state_of(kb)
    with crafted(kb) as database:
        root = database.execute(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'passages_by_id'"
        ).fetchone()[0]
        size = database.execute("PRAGMA page_size").fetchone()[0]
    flip(kb / "collection.db", root * size - 5)
    assert {fault.law for fault in repaired_report(kb).problems} >= {"database"}
    report = repaired(kb)
    assert (report.ok, report.problems) == (True, ())
    assert state_of(kb) == before


def repaired_report(kb: Path) -> VerifyReport:
    with opened(kb) as collection:
        return collection.verify()


# --- vectors, and what they cost


@pytest.fixture
def paid(tmp_path: Path, embedding_server: LoopbackServer) -> Path:
    """A collection whose vectors were bought."""
    make(tmp_path)
    shutil.rmtree(tmp_path / "kb")
    with bought(tmp_path / "kb", embedding_server) as collection:
        collection.sync(tmp_path / "docs")
    return tmp_path / "kb"


def bought(kb: Path, server: LoopbackServer, *, key: bool = True) -> ragkit.Collection:
    settings = Settings(
        model="test/small",
        base_url=server.base_url,
        api_key=Secret(KEY) if key else None,
        workers=1,
    )
    return ragkit.open(kb, settings=settings)


@pytest.mark.parametrize("cut", [True, False])
def test_damaged_vectors_are_bought_again_and_no_others(
    paid: Path, embedding_server: LoopbackServer, *, cut: bool
) -> None:
    """A repair asks nobody and says the price; the next index buys what was damaged."""
    matrix, width = paid / "vectors.f32", 4 * 64
    rows = matrix.stat().st_size // width
    if cut:
        os.truncate(matrix, (rows - 3) * width)
    else:
        for row in (1, 4, 6):
            flip(matrix, row * width + 1)
    asked = len(embedding_server.ledger.requests)
    with bought(paid, embedding_server, key=False) as collection:
        report = collection.verify(repair=True)
        assert (report.ok, report.to_embed) == (True, 3)
        assert report.tokens > 30
        assert isinstance(report.cost_usd, Decimal)
        assert report.cost_usd > 0
        assert len(collection.search("station", mode="lexical", k=20)) == 12
    embeds = [one for one in embedding_server.ledger.requests[asked:] if one.body]
    assert embeds == []
    with bought(paid, embedding_server) as collection:
        done = collection.sync(paid.parent / "docs")
        assert done.embedded == 3
        assert abs(done.tokens - report.tokens) <= report.tokens * 0.4
        assert collection.verify().ok
        assert collection.sync(paid.parent / "docs").embedded == 0


# --- sources


def test_sources_are_read_again(kb: Path) -> None:
    """Every document equals a fresh read; files that changed or went are told and no faults."""
    docs = kb.parent / "docs"
    with opened(kb) as collection:
        report = collection.verify(sources=True)
        assert (report.ok, report.notes) == (True, ())
        (docs / "notes/lunch.txt").write_text("Dinner is at eight.\n")
        (docs / "guides/pumps.md").unlink()
        report = collection.verify(sources=True)
    assert report.ok
    assert [note.split(":")[0] for note in report.notes] == [
        "of 1 documents the file changed since",
        "of 1 documents the file is not there",
    ]


def test_a_text_that_is_not_its_files_is_found(kb: Path) -> None:
    """Though every row is what was written, and every passage a span: the reader erred once."""
    from ragkit.storage.rows import pack_text

    with crafted(kb) as database:
        text = "Lunch is at noon, and the soup is always wet.\n"
        database.execute(
            "UPDATE documents SET text = ? WHERE source = 'notes/lunch.txt'", (pack_text(text),)
        )
        database.execute("UPDATE passages SET text = ? WHERE id = 16", (text.strip(),))
        for table in ("documents", "passages"):
            seal_rows(database, table)
    with opened(kb) as collection:
        report = collection.verify(sources=True)
        assert {fault.law for fault in report.problems} == {"keys", "sources"}
        assert collection.verify(sources=True, repair=True).ok
        assert "always hot" in collection.search("soup", mode="lexical")[0].text


@pytest.mark.parametrize("reads", [False, pytest.param(True, marks=pytest.mark.long)])
def test_a_repair_may_be_killed_at_every_step(kb: Path, tmp_path: Path, *, reads: bool) -> None:
    """Killed before each write and begun again, it mends what one that was left alone mends."""
    with crafted(kb) as database:
        if reads:
            database.execute("UPDATE passages SET text = 'Poison.' WHERE id = 16")
        else:
            database.execute("UPDATE documents SET source = 'notes/dinner.txt' WHERE id = 5")
    shutil.rmtree(kb / "derived")
    made = tmp_path / "made"
    made.mkdir()
    shutil.move(kb, made / "kb")
    shutil.move(tmp_path / "docs", made / "docs")
    (tmp_path / "scratch").mkdir()
    outcome = killed_everywhere("repair", made, tmp_path / "scratch", every=10**6)
    assert outcome.failures == []
    assert outcome.kills >= 15


def test_the_command(shell: Shell, embedding_server: LoopbackServer) -> None:
    """It says what was mended and what the next index costs; the exit code is of what is left."""
    shell.run("index", "docs", *remote(embedding_server.base_url))
    flip(shell.directory / ".ragkit/vectors.f32", 7)
    done = shell.run("verify", "--repair", "--sources")
    assert (done.code, done.err) == (0, "")
    assert "mended  1 vectors were not what was stored and are forgotten" in done.out
    assert "The next index embeds 1 texts again" in done.out
    assert done.out.splitlines()[-1].endswith("nothing is wrong.")
    assert SETTINGS.workers == 1
