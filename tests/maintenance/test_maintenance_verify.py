"""Whatever is wrong in a collection is found, and named with its place."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from byte_flips import flipped
from cli_runs import Shell
from hypothesis import given
from hypothesis import strategies as st
from made_collection import crafted, opened

from ragkit.errors import CollectionDamaged
from ragkit.maintenance.documents import check_spans
from ragkit.records import Passage
from ragkit.reports import Fault, VerifyReport
from ragkit.storage.sums import seal_rows
from ragkit.sync.progress import Progress


def verified(kb: Path) -> VerifyReport:
    with opened(kb) as collection:
        return collection.verify()


def laws(report: VerifyReport) -> set[str]:
    return {fault.law for fault in report.problems}


def test_a_sound_collection_has_no_fault(kb: Path) -> None:
    """Everything is counted, nothing is wrong, nothing is written."""
    before = {path: path.stat().st_mtime_ns for path in kb.rglob("*") if path.is_file()}
    report = verified(kb)
    assert (report.ok, report.problems, report.notes) == (True, (), ())
    with opened(kb) as collection:
        status = collection.status()
    assert (report.documents, report.passages) == (status.documents, status.passages)
    assert report.vectors == status.vectors
    after = {path: path.stat().st_mtime_ns for path in kb.rglob("*") if path.is_file()}
    assert after == before


@pytest.mark.parametrize(
    ("statement", "law"),
    [
        ("UPDATE passages SET text = text || ' not' WHERE id = 2", "rows"),
        ("UPDATE passages SET start = start + 1 WHERE id = 3", "rows"),
        ("UPDATE passages SET headings = '[]' WHERE id = 3", "rows"),
        ("UPDATE documents SET title = 'Other' WHERE id = 2", "rows"),
        ("UPDATE documents SET text = x'00' WHERE id = 2", "rows"),
        ("UPDATE documents SET born = 0 WHERE id = 2", "rows"),
        ("UPDATE passages SET died = 1 WHERE id = 2", "counts"),
        ("UPDATE documents SET died = 1 WHERE id = 2", "orphans"),
        ("DELETE FROM documents WHERE id = 2", "orphans"),
        ("DELETE FROM passages WHERE id = 4", "counts"),
        ("UPDATE passages SET id = 2 WHERE id = 3", "ids"),
        ("UPDATE passages SET id = NULL WHERE id = 3", "ids"),
        ("UPDATE settings SET value = 3 WHERE key = 'next_passage_id'", "ids"),
        ("DELETE FROM roots", "orphans"),
        ("UPDATE vectors SET key = zeroblob(32) WHERE slot = 1", "keys"),
        ("UPDATE vectors SET checksum = 5 WHERE slot = 1", "vectors"),
        ("UPDATE vectors SET matrix = 7 WHERE slot = 1", "keys"),
        ("DELETE FROM ledger", "orphans"),
        ("UPDATE spending SET tokens = tokens + 1", "counts"),
        ("UPDATE ledger SET cost_usd = '1'", "counts"),
        ("UPDATE settings SET value = '\"words-9\"' WHERE key = 'words'", "notes"),
        ("DELETE FROM settings WHERE key = 'words'", "derived"),
    ],
)
def test_what_is_wrong_in_the_database_is_found(kb: Path, statement: str, law: str) -> None:
    """Each damage to a row, however small, is told under the law that it breaks."""
    with crafted(kb, sealed=statement.startswith("UPDATE settings")) as database:
        assert database.execute(statement).rowcount
    report = verified(kb)
    if law == "notes":
        assert "lexical index is not there" in report.notes[0]
    else:
        assert law in laws(report)
        assert not report.ok


def test_a_passage_of_another_text_is_found(kb: Path) -> None:
    """A row whose checksum fits and whose text is not its document's breaks law 1."""
    with crafted(kb) as database:
        database.execute("UPDATE passages SET text = replace(text, 'e', 'a') WHERE id = 3")
        seal_rows(database, "passages")
    report = verified(kb)
    assert laws(report) == {"spans", "keys"}
    assert all("passage 3" in fault.place for fault in report.problems)


def flip(path: Path, offset: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 0x10]))


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (lambda kb: flip(kb / "vectors.f32", 4 * 384 * 3 + 1), ("vectors", "vectors.f32, row 3")),
        (
            lambda kb: os.truncate(kb / "vectors.f32", 4 * 384 * 3),
            ("vectors", "vectors.f32, row 5"),
        ),
        (lambda kb: (kb / "vectors.f32").unlink(), ("vectors", "vectors.f32, row 0")),
        (lambda kb: flip(kb / "collection.db", 70), ("database", "collection.db")),
        (lambda kb: flip(kb / "derived/words-1/manifest.json", 90), ("derived", "derived/words-1")),
        (lambda kb: flip(_segment(kb), 60), ("derived", "derived/words-1")),
        (lambda kb: _segment(kb).unlink(), ("derived", "derived/words-1")),
    ],
)
def test_what_is_wrong_in_a_file_is_found(
    kb: Path, damage: Callable[[Path], None], fault: tuple[str, str]
) -> None:
    """A flipped byte, a cut end and a missing file are told with the file and the place in it."""
    damage(kb)
    report = verified(kb)
    assert fault in {(found.law, found.place) for found in report.problems}


def _segment(kb: Path) -> Path:
    return max((kb / "derived/words-1").glob("*.store"))


def test_rows_that_are_no_unit_vectors_are_found(kb: Path) -> None:
    """Though their checksum may fit."""
    import zlib

    row = np.full(384, 0.5, "<f4")
    with (kb / "vectors.f32").open("r+b") as file:
        file.seek(2 * 384 * 4)
        file.write(row.tobytes())
    with crafted(kb) as database:
        database.execute(
            "UPDATE vectors SET checksum = ? WHERE slot = 2", (zlib.crc32(row.tobytes()),)
        )
    expected = Fault(law="vectors", place="vectors.f32, row 2", problem="it is not of unit length")
    assert verified(kb).problems == (expected,)


def test_a_lexical_index_of_other_passages_is_found(kb: Path) -> None:
    """An index that is whole and ours and of another generation is not taken for this one's."""
    shutil.copytree(kb / "derived/words-1", kb.parent / "words-7")
    (kb.parent / "docs/new.md").write_text("# New\n\nSomething that was not there before.\n")
    with opened(kb) as collection:
        collection.sync(kb.parent / "docs")
    shutil.rmtree(kb / "derived/words-2")
    (kb.parent / "words-7").rename(kb / "derived/words-2")
    (fault,) = verified(kb).problems
    assert (fault.law, fault.place) == ("derived", "derived/words-2")
    assert "lacks 1 passages" in fault.problem


def test_rows_that_no_generation_shows_are_no_faults(kb: Path) -> None:
    """What an interrupted sync left behind, rows and vectors alike, is not wrong."""
    with crafted(kb) as database:
        database.execute("UPDATE documents SET born = 9, text = x'00' WHERE id = 1")
        database.execute("UPDATE passages SET born = 9, text = 'x' WHERE document_id = 1")
    with (kb / "vectors.f32").open("ab") as file:
        file.write(b"torn")
    report = verified(kb)
    # The words of what is not alive any more are in the index: that alone is told.
    assert laws(report) == {"derived"}


def test_it_tells_how_far_it_is(kb: Path) -> None:
    """The total is fixed, what is done never falls, and the end is the whole."""
    told: list[Progress] = []
    with opened(kb) as collection:
        collection.verify(progress=told.append)
    assert len({item.total_bytes for item in told}) == 1
    done = [item.done_bytes for item in told]
    assert done == sorted(done)
    assert (done[0], done[-1]) == (0, told[0].total_bytes)


def test_the_list_of_faults_is_bounded(kb: Path) -> None:
    """Of one law at most 1,000 are told, and how many more there are."""
    with crafted(kb) as database:
        database.execute(
            """WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
            INSERT INTO passages (id, document_id, ordinal, start, "end", text, headings, line,
            tokens, key, checksum, born) SELECT 1000 + i, 1, i, 0, 1, 'x', '[]', 1, 1,
            zeroblob(32), 1, 1 FROM n"""
        )
    report = verified(kb)
    rows = [fault for fault in report.problems if fault.law == "rows"]
    assert len(rows) == 1001
    assert rows[-1].problem == "and 2,000 more"


@given(text=st.text(max_size=60), cuts=st.lists(st.integers(0, 60), max_size=6))
def test_the_checker_of_spans_agrees_with_the_law(text: str, cuts: list[int]) -> None:
    """Cut anywhere, a text passes; with a piece left out it passes only if that is blank."""
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    pieces = [
        Passage(source="s", start=start, end=end, text=text[start:end])
        for start, end in itertools.pairwise(places)
    ]
    assert list(check_spans(text, pieces)) == []
    for index, piece in enumerate(pieces):
        rest = pieces[:index] + pieces[index + 1 :]
        assert bool(list(check_spans(text, rest))) == bool(piece.text.strip())


def test_the_command_says_what_is_wrong(shell: Shell) -> None:
    """Exit code 0 and one line for a sound collection, 1 and a line for each fault for another."""
    shell.run("index", "docs")
    sound = shell.run("verify")
    assert (sound.code, sound.out) == (
        0,
        "3 documents, 4 passages and 4 vectors were checked: nothing is wrong.\n",
    )
    assert "nothing is wrong" in shell.run_at_terminal("verify").plain
    flip(shell.directory / ".ragkit" / "vectors.f32", 77)
    wrong = shell.run("verify")
    assert wrong.code == 1
    assert wrong.out.splitlines()[0] == "vectors  vectors.f32, row 0: it is not what was stored"
    as_json = shell.run("verify", "--json")
    assert as_json.code == 1
    assert as_json.json["ok"] is False
    assert as_json.json["problems"] == [
        {"law": "vectors", "place": "vectors.f32, row 0", "problem": "it is not what was stored"}
    ]


def test_a_database_that_cannot_be_opened_is_a_fault(shell: Shell) -> None:
    """That nothing can be read is found, and told as any other fault."""
    shell.run("index", "docs")
    flip(shell.directory / ".ragkit" / "collection.db", 20)
    wrong = shell.run("verify", "--json")
    assert (wrong.code, wrong.json["ok"], wrong.err) == (1, False, "")
    assert [fault["law"] for fault in wrong.json["problems"]] == ["database"]


def test_a_changed_vector_ends_a_search_by_meaning(kb: Path) -> None:
    """It would rank texts as nobody meant; a search by words does not need it."""
    with opened(kb) as collection:
        before = collection.search("soup at noon", mode="semantic", k=3)
        assert before[0].source == "notes/lunch.txt"
        with collection._store.snapshot() as snapshot:
            ids, slots = snapshot.ids_and_slots()
        slot = int(slots[ids == before[0].passage.id][0])
    flip(kb / "vectors.f32", 4 * (384 * slot + 7))
    for mode in ("semantic", "hybrid"):
        with opened(kb) as collection, pytest.raises(CollectionDamaged, match="--repair"):
            collection.search("soup at noon", mode=mode, k=3)
    with opened(kb) as collection:
        assert collection.search("soup at noon", mode="lexical")[0].source == "notes/lunch.txt"


def test_a_passage_with_the_vector_of_another_ends_a_search_by_meaning(kb: Path) -> None:
    """A slot that was changed leads to a whole vector, and to the wrong one."""
    with crafted(kb) as database:
        database.execute("UPDATE passages SET slot = (slot + 1) % 17")
    with opened(kb) as collection, pytest.raises(CollectionDamaged, match="--repair"):
        collection.search("soup at noon", mode="semantic", k=3)
    assert laws(verified(kb)) == {"keys"}


def test_a_flipped_bit_is_found_or_harmless(made: Path, tmp_path: Path) -> None:
    """Wherever a bit flips, verify finds it or nothing reads it; no search shows a wrong text."""
    told = flipped(made, tmp_path, number=60, seed=1)
    assert told["failures"] == []
    assert told["found"] >= 40
    assert told["found"] + told["harmless"] == 60


@pytest.mark.long
@pytest.mark.timeout(900)
def test_many_flipped_bits_are_found_or_harmless(made: Path, tmp_path: Path) -> None:
    """The same for 1,000 of them."""
    told = flipped(made, tmp_path, number=1000, seed=2)
    assert told["failures"] == []
    assert told["found"] >= 800
