"""``ragkit index`` as a shell sees it."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
from cli_runs import DOCUMENTS, Shell, remote, write_documents
from loopback import LoopbackServer
from loopback_faults import refusal

from ragkit.reports import SyncPlan, SyncReport


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def test_json_is_the_report(shell: Shell, embedding_server: LoopbackServer) -> None:
    """One JSON object with the report's fields, collection and model; a second run does nothing."""
    done = shell.run("index", "docs", *remote(embedding_server.base_url), "--json")
    assert (done.code, done.err) == (0, "")
    report = done.json
    assert set(report) == {item.name for item in fields(SyncReport)} | {"collection", "model"}
    assert (report["added"], report["unchanged"]) == (len(DOCUMENTS), 0)
    assert report["embedded"] == report["passages"] >= len(DOCUMENTS)
    assert report["collection"] == str(shell.directory / ".ragkit")
    assert report["model"] == "test/small"
    assert isinstance(report["cost_usd"], float)
    assert report["cost_usd"] == pytest.approx(float(embedding_server.ledger.cost_usd))
    assert (report["failed"], report["stopped"]) == ([], None)

    sent = len(embedding_server.ledger.requests)
    again = shell.run("index", "docs", "--json")
    assert (again.code, again.json["unchanged"], again.json["embedded"]) == (0, len(DOCUMENTS), 0)
    assert len(embedding_server.ledger.requests) == sent


def test_summary_for_people(shell: Shell, embedding_server: LoopbackServer) -> None:
    """The summary counts what was done, and says nothing on stderr without a terminal."""
    done = shell.run("index", "docs", *remote(embedding_server.base_url))
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("Indexed in ")
    assert ".ragkit with test/small\n" in done.out
    assert "  documents  3 added\n" in done.out
    assert " embedded, 0 reused)\n" in done.out

    (shell.directory / "docs/notes/lunch.txt").unlink()
    write_documents(shell.directory / "docs", {"guides/new.md": "# New\n\nA new thing.\n"})
    changed = shell.run("index", "docs")
    assert "  documents  1 added, 1 removed, 2 unchanged\n" in changed.out
    assert shell.run("index", "docs").out.startswith("Nothing changed in ")


def test_failed_files_are_listed(shell: Shell, embedding_server: LoopbackServer) -> None:
    """A broken file is listed with its reason and makes the exit code 3, or 1 with --strict."""
    (shell.directory / "docs/broken.pdf").write_bytes(b"%PDF-1.7\nnothing of a PDF follows\n")
    done = shell.run("index", "docs", *remote(embedding_server.base_url), "--json")
    assert (done.code, done.json["added"]) == (3, len(DOCUMENTS))
    ((source, reason),) = done.json["failed"]
    assert (source, bool(reason)) == ("broken.pdf", True)

    for_people = shell.run("index", "docs")
    assert for_people.code == 3
    assert f"  failed     1\n        1  {reason}: broken.pdf\n" in for_people.out
    assert shell.run("index", "docs", "--strict").code == 1


def test_a_name_of_two_lines_is_told_whole(shell: Shell, tmp_path: Path) -> None:
    """It is quoted wherever people read it, and itself in JSON; it is not the name with a blank."""
    folder = tmp_path / "odd"
    folder.mkdir()
    for name in ("new\nline.txt", "new line.txt", "two  blanks.txt"):
        (folder / name).write_text(f"Soup of {name!r}.")
    (folder / "no\ntext.bin").write_bytes(bytes(range(256)))
    plan = shell.run("index", str(folder), "--dry-run")
    assert plan.out.count("  added    new line.txt\n") == 1
    assert "  added    'new\\nline.txt'\n" in plan.out
    assert "  added    'two  blanks.txt'\n" in plan.out
    done = shell.run("index", str(folder))
    assert (done.code, ": 'no\\ntext.bin'\n" in done.out) == (0, True)
    query = ("search", "soup", "--mode", "lexical")
    found = shell.run(*query, "--json").json["hits"]
    assert {hit["source"] for hit in found} >= {"new\nline.txt", "new line.txt"}
    assert "/odd/new\\nline.txt':1\n" in shell.run(*query).out


def test_skipped_files_are_grouped(shell: Shell, embedding_server: LoopbackServer) -> None:
    """Skipped files stand together by reason with examples; -v lists each of them."""
    for number in range(5):
        (shell.directory / f"docs/picture-{number}.mobi").write_bytes(b"PK\x03\x04")
    done = shell.run("index", "docs", *remote(embedding_server.base_url))
    assert done.code == 0
    assert (
        "        5  format not read yet: .mobi:"
        " picture-0.mobi, picture-1.mobi, picture-2.mobi and 2 more\n" in done.out
    )
    listed = shell.run("index", "docs", "-v").out
    assert all(f"           picture-{number}.mobi\n" in listed for number in range(5))


def test_a_dry_run_writes_nothing(shell: Shell, embedding_server: LoopbackServer) -> None:
    """The plan counts what the index then does; it makes no collection and no request."""
    options = remote(embedding_server.base_url)
    plan = shell.run("index", "docs", *options, "--dry-run", "--json")
    assert (plan.code, names(shell.directory)) == (0, {"docs"})
    assert embedding_server.ledger.requests == []
    assert set(plan.json) == {item.name for item in fields(SyncPlan)} | {"collection", "model"}
    assert plan.json["collection"] == str(shell.directory / ".ragkit")
    assert [change["source"] for change in plan.json["changes"]] == sorted(DOCUMENTS)
    report = shell.run("index", "docs", *options, "--json").json
    for name in ("added", "passages"):
        assert plan.json[name] == report[name]
    assert plan.json["to_embed"] == report["embedded"]

    (shell.directory / "docs/notes/lunch.txt").rename(shell.directory / "docs/notes/dinner.txt")
    people = shell.run("index", "docs", "--dry-run")
    assert people.out.startswith("Would index: .ragkit with test/small\n")
    assert "  moved    notes/dinner.txt (was docs:notes/lunch.txt)\n" in people.out
    assert shell.run("search", "soup", "--mode", "lexical").out.count("lunch.txt") == 1


def test_a_spent_budget_keeps_the_work(shell: Shell, embedding_server: LoopbackServer) -> None:
    """Past --max-cost the exit code is 4, one sentence says so, and the next run continues."""
    options = remote(embedding_server.base_url)
    done = shell.run("index", "docs", *options, "--max-cost", "0.0000001", "--json")
    assert done.code == 4
    assert done.err.count("\n") == 1
    assert done.err.startswith("ragkit: stopped before passing max_cost_usd")
    assert done.json["stopped"] in done.err
    rest = shell.run("index", "docs", *options, "--json")
    assert rest.code == 0
    assert shell.run("status", "--json").json["documents"] == len(DOCUMENTS)


def test_missing_credit_keeps_the_work(shell: Shell) -> None:
    """A server that answers 402 makes the exit code 4."""
    with LoopbackServer() as server:
        server.script(refusal(402, "Insufficient credits"), at=range(1, 50))
        done = shell.run("index", "docs", *remote(server.base_url))
    assert done.code == 4
    assert "no credit left" in done.err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("index", "nowhere"), 1, "there is no file or folder at "),
        (("index", "docs", "-c", "docs"), 1, "is not empty and holds no collection"),
        (("index", "docs", "--model", "local/nope"), 1, "there is no embedded model 'local/nope'"),
        (("index", "docs", "--model", "openai/text-embedding-3-small"), 1, "OPENROUTER_API_KEY"),
        (("index", "docs", "--model", "local/all-minilm-l6-v2", "--dimensions", "9"), 1, "384"),
        (("index", "docs", "--max-cost", "-1"), 2, "give an amount in dollars"),
    ],
)
def test_what_cannot_work_changes_nothing(
    shell: Shell, arguments: tuple[str, ...], code: int, said: str
) -> None:
    """Each is one sentence on stderr, nothing on stdout, and no collection is left behind."""
    if "--model" not in arguments:
        arguments += ("--model", "any", "--base-url", "http://127.0.0.1:9/v1")
    for options in ((), ("--json",)):
        done = shell.run(*arguments, *options)
        assert (done.code, done.out) == (code, "")
        assert done.err.startswith("ragkit: ")
        assert (done.err.count("\n"), said in done.err) == (1, True)
        assert names(shell.directory) == {"docs"}
        assert names(shell.directory / "docs") == {"guides", "notes"}


def test_a_wrong_key_changes_nothing(shell: Shell, embedding_server: LoopbackServer) -> None:
    """The server's refusal is one sentence without the key in it."""
    wrong = Shell(directory=shell.directory, variables={"RAGKIT_API_KEY": "sk-wrong-key"})
    done = wrong.run("index", "docs", *remote(embedding_server.base_url))
    assert (done.code, done.out, names(shell.directory)) == (1, "", {"docs"})
    assert (done.err.count("\n"), "RAGKIT_API_KEY" in done.err) == (1, True)
    assert "sk-wrong-key" not in done.err


def test_include_and_exclude(shell: Shell, embedding_server: LoopbackServer) -> None:
    """Both may be given many times, and reach the walk."""
    options = remote(embedding_server.base_url)
    globs = ("--include", "*.md", "--include", "*.txt", "--exclude", "backups.md")
    assert shell.run("index", "docs", *options, *globs, "--json").json["added"] == 2


def test_a_vanished_folder_removes_nothing(shell: Shell, embedding_server: LoopbackServer) -> None:
    """An indexed folder that is gone is an error, unless --allow-empty says that it may be."""
    shell.run("index", "docs", *remote(embedding_server.base_url))
    (shell.directory / "docs").rename(shell.directory / "elsewhere")
    gone = shell.run("index", "docs")
    assert (gone.code, gone.out, gone.err.count("\n")) == (1, "", 1)
    assert shell.run("status", "--json").json["documents"] == len(DOCUMENTS)
    allowed = shell.run("index", "docs", "--allow-empty", "--json")
    assert (allowed.code, allowed.json["removed"]) == (0, len(DOCUMENTS))
