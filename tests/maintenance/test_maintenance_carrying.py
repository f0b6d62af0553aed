"""A collection that is carried away: as one file, or as its directory."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import sqlite3
import struct
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_runs import Shell
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kill_points import killed_everywhere, state_of
from made_collection import SETTINGS, copied, crafted, opened
from schema_fixtures import restore, write_documents

import ragkit
from ragkit.errors import (
    CollectionDamaged,
    CollectionError,
    CollectionLocked,
    NotACollection,
    PathNotFound,
    RagkitError,
    SchemaTooNew,
)
from ragkit.storage.lock import writer_lock
from ragkit.storage.schema import SCHEMA_VERSION
from ragkit.storage.sums import SUMS, seal_rows


@pytest.fixture
def away(kb: Path, tmp_path: Path) -> Path:
    """The collection, exported."""
    with opened(kb) as collection:
        collection.export(tmp_path / "away.ragkit")
    return tmp_path / "away.ragkit"


def test_what_is_carried_away_is_what_was_there(kb: Path, away: Path, tmp_path: Path) -> None:
    """Ids, texts, vectors and answers are the same, every law holds, nothing is embedded."""
    with opened(kb) as collection:
        report = ragkit.import_collection(away, tmp_path / "elsewhere/kb")
        status = collection.status()
        assert (report.documents, report.passages) == (status.documents, status.passages)
        assert (report.vectors, report.model) == (status.vectors, collection.model)
        spent = collection.spending()
    assert state_of(tmp_path / "elsewhere/kb") == state_of(kb)
    with opened(tmp_path / "elsewhere/kb") as collection:
        assert collection.verify().ok
        assert collection.spending() == spent
    names = sorted(path.name for path in (tmp_path / "elsewhere").rglob("*") if path.is_file())
    assert {"collection.db", "vectors.f32", "lock", "manifest.json"} <= set(names)
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["kb"]


def test_the_folder_is_found_again_by_its_name(kb: Path, away: Path, tmp_path: Path) -> None:
    """Indexed at its new place it is the same root, and costs nothing; then it stays there."""
    far = tmp_path / "far/away/docs"
    shutil.copytree(kb.parent / "docs", far)
    (far / "new.md").write_text("# New\n\nSomething that was not there before.\n")
    ragkit.import_collection(away, tmp_path / "other/kb")
    with opened(tmp_path / "other/kb") as collection:
        assert collection.roots == {"docs": str(tmp_path / "other/docs")}
        report = collection.sync(far)
        assert (report.added, report.unchanged, report.embedded) == (1, 6, 1)
        assert collection.roots == {"docs": str(far)}
        (tmp_path / "third/docs").mkdir(parents=True)
        (tmp_path / "third/docs/one.md").write_text("Another folder of that name.\n")
        collection.sync(tmp_path / "third/docs")
        assert set(collection.roots) == {"docs", "docs-2"}
        assert collection.verify().ok


def test_an_archive_holds_no_path_and_opens_anywhere(kb: Path, away: Path, tmp_path: Path) -> None:
    """Any unpacker opens it; of folders that do not lie beside the collection only names are in."""
    (tmp_path / "hidden place/manuals").mkdir(parents=True)
    (tmp_path / "hidden place/manuals/one.md").write_text("Something.\n")
    shutil.move(kb, tmp_path / "deep")
    (tmp_path / "x/y").mkdir(parents=True)
    shutil.move(tmp_path / "deep", tmp_path / "x/y/kb")
    with opened(tmp_path / "x/y/kb") as collection:
        collection.sync(tmp_path / "hidden place/manuals")
        assert str(tmp_path) in collection.roots["manuals"]
        collection.export(away)
    assert b"hidden place" not in away.read_bytes()
    assert os.fsencode(tmp_path) not in away.read_bytes()
    with zipfile.ZipFile(away) as archive:
        assert archive.namelist() == ["manifest.json", "collection.db", "vectors.f32"]
        assert archive.testzip() is None
        manifest = json.loads(archive.read("manifest.json"))
    assert manifest["documents"] == 7
    assert manifest["files"]["vectors.f32"]["bytes"] == manifest["vectors"] * 384 * 4
    ragkit.import_collection(away, tmp_path / "z/kb")
    with opened(tmp_path / "z/kb") as collection:
        assert collection.roots["manuals"] == str(tmp_path / "z/manuals")


def test_only_what_lives_goes_along(kb: Path, away: Path, tmp_path: Path) -> None:
    """Of a document that was removed nothing is in the file, nor its vectors."""
    before = away.stat().st_size
    secret = (kb.parent / "docs/guides/stations.md").read_bytes()[200:260]
    (kb.parent / "docs/guides/stations.md").unlink()
    with opened(kb) as collection:
        collection.sync(kb.parent / "docs")
        report = collection.export(away)
    assert (report.vectors, report.bytes) == (5, away.stat().st_size)
    assert away.stat().st_size < before - 12 * 384 * 4
    assert secret not in away.read_bytes()


def test_the_same_collection_makes_the_same_archive(kb: Path, away: Path) -> None:
    """To the byte, so that backups can be compared."""
    before = away.read_bytes()
    with opened(kb) as collection:
        collection.export(away)
    assert away.read_bytes() == before


def test_what_is_damaged_is_not_exported(kb: Path, away: Path) -> None:
    """It says what breaks which law, and the file that was there stays."""
    before = away.read_bytes()
    with crafted(kb) as database:
        database.execute("UPDATE passages SET text = 'Poison.' WHERE id = 16")
    with opened(kb) as collection, pytest.raises(CollectionDamaged, match="passage 16"):
        collection.export(away)
    assert away.read_bytes() == before
    assert sorted(path.name for path in away.parent.iterdir()) == ["away.ragkit", "docs", "kb"]


def test_nothing_is_overwritten(kb: Path, away: Path, tmp_path: Path) -> None:
    """A place with something in it is refused; an empty folder is taken."""
    with pytest.raises(NotACollection, match="already"):
        ragkit.import_collection(away, kb)
    with pytest.raises(PathNotFound, match="no file"):
        ragkit.import_collection(tmp_path / "none", tmp_path / "x")
    (tmp_path / "empty").mkdir()
    ragkit.import_collection(away, tmp_path / "empty")
    (tmp_path / ".x.importing").mkdir()
    with writer_lock(tmp_path / ".x.importing"), pytest.raises(CollectionLocked):
        ragkit.import_collection(away, tmp_path / "x")


# --- hostile archives


def rezipped(away: Path, change: Callable[[zipfile.ZipFile, dict[str, bytes]], None]) -> None:
    """The archive made again by somebody else."""
    with zipfile.ZipFile(away) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(away, "w") as archive:
        change(archive, files)


def with_manifest(**values: object) -> Callable[[zipfile.ZipFile, dict[str, bytes]], None]:
    def change(archive: zipfile.ZipFile, files: dict[str, bytes]) -> None:
        manifest = {**json.loads(files["manifest.json"]), **values}
        for name, content in {**files, "manifest.json": json.dumps(manifest).encode()}.items():
            archive.writestr(name, content)

    return change


def packed(archive: zipfile.ZipFile, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        archive.writestr(name, content, zipfile.ZIP_DEFLATED)


def escaping(archive: zipfile.ZipFile, files: dict[str, bytes]) -> None:
    archive.writestr("manifest.json", files["manifest.json"])
    archive.writestr("../../evil", files["collection.db"])
    archive.writestr("vectors.f32", files["vectors.f32"])


def lacking(archive: zipfile.ZipFile, files: dict[str, bytes]) -> None:
    for name in ("manifest.json", "collection.db"):
        archive.writestr(name, files[name])


def exchanged(archive: zipfile.ZipFile, files: dict[str, bytes]) -> None:
    vectors = bytes(len(files["vectors.f32"]))
    for name, content in {**files, "vectors.f32": vectors}.items():
        archive.writestr(name, content)


def long_manifest(archive: zipfile.ZipFile, files: dict[str, bytes]) -> None:
    archive.writestr("manifest.json", b" " * 70_000 + files["manifest.json"])


@pytest.mark.parametrize(
    "change",
    [
        packed,
        escaping,
        lacking,
        exchanged,
        long_manifest,
        with_manifest(format=2),
        with_manifest(files={}),
        with_manifest(documents="many"),
        with_manifest(files={"collection.db": {"bytes": 2**60, "sha256": ""}}),
    ],
)
def test_strange_archives_are_refused(
    away: Path, tmp_path: Path, change: Callable[[zipfile.ZipFile, dict[str, bytes]], None]
) -> None:
    """Packed, escaping, incomplete or exchanged: refused, and nothing is left behind."""
    rezipped(away, change)
    with pytest.raises(CollectionDamaged, match="no collection that ragkit exported"):
        ragkit.import_collection(away, tmp_path / "x")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["away.ragkit", "docs", "kb"]


def test_a_size_that_is_not_there_makes_no_room(away: Path, tmp_path: Path) -> None:
    """Whatever size an archive claims, it takes no more than it has."""
    data = bytearray(away.read_bytes())
    place = data.index(b"collection.db", data.index(b"PK\x03\x04", 4))
    data[place - 12 : place - 4] = struct.pack("<II", 2**31, 2**31)
    away.write_bytes(data)
    with pytest.raises(CollectionDamaged):
        ragkit.import_collection(away, tmp_path / "x")


def test_a_manifest_is_not_believed(kb: Path, away: Path, tmp_path: Path) -> None:
    """What is reported is what was taken in, its server too, whatever the manifest says of it."""
    with crafted(kb, sealed=True) as database:
        server = json.dumps("https://elsewhere.example/v1")
        database.execute("UPDATE settings SET value = ? WHERE key = 'base_url'", (server,))
    with opened(kb) as collection:
        collection.export(away)
    rezipped(away, with_manifest(model="an honest one", documents=99))
    report = ragkit.import_collection(away, tmp_path / "x")
    assert (report.model, report.documents) == ("local/all-minilm-l6-v2", 6)
    assert report.base_url == "https://elsewhere.example/v1"


def test_a_newer_schema_is_refused(away: Path, tmp_path: Path) -> None:
    """Politely: it names both versions."""
    rezipped(away, with_manifest(schema=10_000))
    with pytest.raises(SchemaTooNew, match="10000"):
        ragkit.import_collection(away, tmp_path / "x")


@pytest.mark.parametrize("schema", [1, 3, SCHEMA_VERSION - 1])
def test_an_archive_of_an_earlier_schema_is_brought_forward(tmp_path: Path, schema: int) -> None:
    """What an earlier ragkit exported is taken in; its own collection is indexed before that."""
    kb = tmp_path / "kb"
    restore(schema, kb)
    with opened(kb) as collection, pytest.raises(CollectionError, match="brings it forward"):
        collection.export(tmp_path / "away")
    write_documents(tmp_path / "docs")
    with opened(kb) as collection:
        expected = [(one.id, one.text) for one in collection.passages()]
    with contextlib.closing(sqlite3.connect(kb / "collection.db")) as database:
        database.execute("PRAGMA journal_mode = DELETE")
    packed_as_exported(tmp_path / "old", kb, schema)
    report = ragkit.import_collection(tmp_path / "old", tmp_path / "new/kb")
    assert report.collection == str(tmp_path / "new/kb")
    with opened(tmp_path / "new/kb") as collection:
        assert [(one.id, one.text) for one in collection.passages()] == expected
        assert collection.verify().ok
        assert collection.search("rotated", mode="lexical")[0].source == "keys.md"


def packed_as_exported(file: Path, kb: Path, schema: int) -> None:
    files = {name: (kb / name).read_bytes() for name in ("collection.db", "vectors.f32")}
    counts = dict.fromkeys(("dimensions", "documents", "passages", "vectors"), 3)
    sums = {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in files.items()
    }
    manifest = {"format": 1, "ragkit": "0", "schema": schema, "model": "m", "files": sums, **counts}
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("manifest.json", json.dumps(manifest))
        for name, content in files.items():
            archive.writestr(name, content)


def test_what_breaks_a_law_is_not_taken_in(kb: Path, away: Path, tmp_path: Path) -> None:
    """Where all sums of a forger fit, a passage that is none of its document is found."""
    with zipfile.ZipFile(away) as archive:
        archive.extractall(tmp_path / "forged")
    with crafted(tmp_path / "forged") as database:
        database.execute("UPDATE passages SET text = 'Poison.' WHERE id = 16")
        for table in {table for table, _ in SUMS}:
            seal_rows(database, table)
    content = (tmp_path / "forged/collection.db").read_bytes()
    manifest = json.loads((tmp_path / "forged/manifest.json").read_text())
    manifest["files"]["collection.db"] = {
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    with zipfile.ZipFile(away, "w") as archive:
        archive.writestr("manifest.json", json.dumps(manifest))
        archive.writestr("collection.db", content)
        archive.write(tmp_path / "forged/vectors.f32", "vectors.f32")
    with pytest.raises(CollectionDamaged, match="breaks a law"):
        ragkit.import_collection(away, tmp_path / "x")
    assert not (tmp_path / "x").exists()


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_bytes_are_refused_or_right(away: Path, tmp_path: Path, data: st.DataObject) -> None:
    """Changed anywhere, cut anywhere: the archive is refused, or what is taken in is sound."""
    whole = away.read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    piece = data.draw(st.binary(min_size=0, max_size=40))
    cut = data.draw(st.booleans())
    changed = whole[:place] + piece + (b"" if cut else whole[place + len(piece) :])
    (tmp_path / "changed").write_bytes(changed)
    target = tmp_path / "any"
    try:
        ragkit.import_collection(tmp_path / "changed", target)
    except RagkitError:
        assert not target.exists()
    else:
        with opened(target) as collection:
            assert collection.verify().ok
        shutil.rmtree(target)


# --- as a directory


def copied_by_cp(kb: Path, target: Path) -> None:
    subprocess.run(["cp", "-r", kb, target], check=True)


def archived_by_tar(kb: Path, target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    packed_up = target.with_suffix(".tar")
    subprocess.run(["tar", "-cf", packed_up, "-C", kb.parent, kb.name], check=True)
    target.mkdir()
    subprocess.run(["tar", "-xf", packed_up, "-C", target, "--strip-components=1"], check=True)


@pytest.mark.parametrize("carry", [copied_by_cp, archived_by_tar, shutil.move])
def test_a_directory_may_be_carried(
    made: Path, tmp_path: Path, carry: Callable[[Path, Path], None]
) -> None:
    """Copied, packed or moved while nobody writes, it is the same collection at another place."""
    kb = copied(made, tmp_path / "here")
    before = state_of(kb)
    (tmp_path / "the other pläce").mkdir()
    target = tmp_path / "the other pläce/kb"
    carry(kb, target)
    shutil.copytree(made / "docs", tmp_path / "the other pläce/docs")
    assert state_of(target) == before
    with opened(target) as collection:
        assert collection.verify().ok
        assert collection.roots == {"docs": str(tmp_path / "the other pläce/docs")}
        report = collection.sync(tmp_path / "the other pläce/docs")
        assert (report.unchanged, report.embedded, report.added) == (6, 0, 0)


def test_names_are_kept_to_the_byte(tmp_path: Path) -> None:
    """A name in either form of Unicode is carried as it is, and found again as it was."""
    docs = tmp_path / "docs"
    docs.mkdir()
    for name, text in (("gr\u00f6\u00dfe.md", "Composed."), ("gro\u0308\u00dfe.md", "Decomposed.")):
        (docs / name).write_text(f"# {text}\n\nA text of its own: {text}\n")
    with ragkit.open(tmp_path / "kb", settings=SETTINGS) as collection:
        collection.sync(docs)
        collection.export(tmp_path / "away")
    ragkit.import_collection(tmp_path / "away", tmp_path / "other/kb")
    shutil.copytree(docs, tmp_path / "other/docs")
    with opened(tmp_path / "other/kb") as collection:
        names = sorted(one.source for one in collection.documents())
        assert names == ["gro\u0308\u00dfe.md", "gr\u00f6\u00dfe.md"]
        report = collection.sync(tmp_path / "other/docs")
        assert (report.unchanged, report.embedded) == (2, 0)


# --- killed


@pytest.mark.parametrize("every", [10**6, pytest.param(3, marks=pytest.mark.long)])
@pytest.mark.parametrize("action", [pytest.param("export", marks=pytest.mark.long), "import"])
def test_it_may_be_killed_at_every_step(
    action: str, every: int, kb: Path, away: Path, tmp_path: Path
) -> None:
    """Killed before each write there is no half collection, and the same command completes."""
    made = tmp_path / "made"
    made.mkdir()
    shutil.move(tmp_path / "docs", made / "docs")
    if action == "export":
        shutil.move(kb, made / "kb")
    else:
        shutil.move(away, made / "away.ragkit")
    (tmp_path / "scratch").mkdir()
    outcome = killed_everywhere(action, made, tmp_path / "scratch", every=every)
    assert outcome.failures == []
    assert outcome.kills >= 12


def test_the_commands(shell: Shell) -> None:
    """One line each; --json gives the fields; a place that is taken is refused."""
    shell.run("index", "docs")
    done = shell.run("export", "away.ragkit")
    assert (done.code, done.err) == (0, "")
    assert "3 documents, 4 passages and 4 vectors" in done.out
    taken = shell.run("import", "away.ragkit")
    assert taken.code == 1
    assert "already" in taken.err
    got = shell.run("import", "away.ragkit", "-c", "kb", "--json").json
    assert (got["documents"], got["collection"]) == (3, str(shell.directory / "kb"))
    assert shell.run("verify", "-c", "kb").code == 0
    again = shell.run("export", "-c", "kb", "away.ragkit", "--json").json
    assert again["bytes"] == (shell.directory / "away.ragkit").stat().st_size
    (shell.directory / "away.ragkit").write_bytes(b"PK\x03\x04 and nothing else at all")
    wrong = shell.run("import", "away.ragkit", "-c", "other")
    assert (wrong.code, wrong.out) == (1, "")
    assert "no collection that ragkit exported" in wrong.err
