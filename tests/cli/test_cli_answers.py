"""``ragkit search``, ``context`` and ``status`` as a shell sees them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import get_args

import click
import pytest
from cli_runs import DOCUMENTS, Shell, remote
from loopback import LoopbackServer

from ragkit.cli.command import mode_option
from ragkit.cli.commands.context import command as context_command
from ragkit.retrieval.excerpts import Format
from ragkit.retrieval.retriever import Mode

LEXICAL = ("--mode", "lexical")
HIT_FIELDS = ["rank", "score", "relevance", "scores", "root", "source", "title", "headings"]
HIT_FIELDS += ["page", "line", "start", "end", "text", "metadata", "image"]
STATUS_FIELDS = ["collection", "model", "dimensions", "roots", "documents", "passages"]
STATUS_FIELDS += ["vectors", "bytes", "generation", "measured_recall", "spent_usd", "failed"]
STATUS_FIELDS += ["spent", "staged", "migration", "tuned"]


def test_search_prints_hits(indexed: Shell) -> None:
    """Rank, score and headings, then path:line from here, then the passage; nothing on stderr."""
    done = indexed.run("search", "how are keys rotated?", *LEXICAL, "-k", "1")
    assert (done.code, done.err) == (0, "")
    first, place, *text = done.out.splitlines()
    assert first.split()[0] == "1"
    assert float(first.split()[1]) > 0
    assert first.endswith("  Keys › Rotation")
    assert place == "    docs/guides/keys.md:5"
    assert text[0] == "    ## Rotation"
    assert text[2] == "    Signing keys are rotated every ninety days by the duty officer."
    assert "\x1b" not in done.out


def test_search_json(indexed: Shell) -> None:
    """The object has the contract's fields, and the span is that of the file."""
    done = indexed.run("search", "rotated keys", *LEXICAL, "--json")
    assert (done.code, done.err, done.out.count("\n")) == (0, "", 1)
    answer = done.json
    assert list(answer) == ["query", "model", "seconds", "relevant", "hits"]
    assert (answer["query"], answer["model"]) == ("rotated keys", "test/small")
    assert answer["relevant"] is True
    assert 0 < answer["seconds"] < 30
    best = answer["hits"][0]
    assert list(best) == HIT_FIELDS
    assert (best["rank"], best["root"], best["source"]) == (1, "docs", "guides/keys.md")
    assert (best["headings"], best["page"], best["line"]) == (["Keys", "Rotation"], None, 5)
    assert best["text"] == DOCUMENTS["guides/keys.md"][best["start"] : best["end"]]
    assert best["scores"] == {"lexical": best["score"], "lexical_rank": 1}


def test_copies_are_one_hit(shell: Shell) -> None:
    """The same text in two files is printed once, with its other place, and so in JSON."""
    for name in ("one.md", "two.md"):
        (shell.directory / "docs" / name).write_text("Walnuts are cracked on Fridays.\n")
    assert shell.run("index", "docs", "--model", "local/all-minilm-l6-v2").code == 0
    printed = shell.run("search", "walnuts", "-k", "1").out.splitlines()
    assert printed[1:3] == ["    docs/one.md:1", "    also in docs/two.md:1"]
    (hit,) = shell.run("search", "walnuts", "-k", "1", "--json").json["hits"]
    place = {"root": "docs", "source": "two.md", "page": None, "line": 1, "start": 0, "end": 31}
    assert (list(hit), hit["also_in"]) == ([*HIT_FIELDS, "also_in"], [place])


def test_hybrid_search_asks_the_model(shell: Shell, embedding_server: LoopbackServer) -> None:
    """Without --mode both lists count, and the query is embedded once."""
    assert shell.run("index", "docs", *remote(embedding_server.base_url)).code == 0
    sent = len(embedding_server.ledger.requests)
    done = shell.run("search", "soup at noon", "--json")
    assert len(embedding_server.ledger.requests) == sent + 1
    assert done.json["hits"][0]["source"] == "notes/lunch.txt"
    assert {"semantic", "lexical"} <= set(done.json["hits"][0]["scores"])


def test_where_restricts(indexed: Shell) -> None:
    """Conditions hold together; no hit is not an error."""
    one = indexed.run("search", "the", *LEXICAL, "--where", "source=notes/*", "--json").json
    assert {hit["source"] for hit in one["hits"]} == {"notes/lunch.txt"}
    none = indexed.run(
        "search", "the", *LEXICAL, "--where", "source=notes/*", "--where", "root=other"
    )
    assert (none.code, none.out, none.err) == (0, "Nothing found.\n", "")


def test_a_query_from_stdin(indexed: Shell) -> None:
    """A dash reads the query from stdin."""
    done = indexed.run("search", "-", *LEXICAL, "--json", stdin="\ufeffsoup\n".encode())
    assert done.json["query"] == "soup"
    assert done.json["hits"][0]["source"] == "notes/lunch.txt"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("search", "  "), "the query is blank"),
        (("search", "-"), "the query is blank"),
        (("search", "x", "-k", "0"), "k=0: ask for 1 hit or more"),
        (("search", b"\xff"), "not valid UTF-8"),
        (("search", "x", "--where", "source"), "is not KEY=GLOB"),
        (("search", "x", "--where", "a=1", "--where", "a=2"), "'a' is given twice"),
        (("search", "x", "--mode", "psychic"), "psychic"),
        (("search",), "give a QUERY, or --image FILE"),
        (("context", " "), "the query is blank"),
        (("context", "x", "--max-tokens", "0"), "max_tokens=0"),
        (("chunk", "docs/guides/keys.md", "--max-tokens", "0"), "max_tokens=0"),
        (("index", "docs", "--dimensions", "0"), "0 is not in the range x>=1"),
        (("watch", "docs", "--dimensions", "-1"), "-1 is not in the range x>=1"),
        (("migrate", "--dimensions", "0"), "0 is not in the range x>=1"),
        (("index", "docs", "--max-cost", "nan"), "give an amount in dollars"),
        (("index", "docs", "--max-cost", "inf"), "give an amount in dollars"),
        (("compact", "--wait", "nan"), "wait_s=nan: give a time in seconds, 0 or more"),
        (("watch", "docs", "--quiet", "nan"), "quiet_s=nan: give a time"),
        (("watch", "docs", "--quiet", "inf"), "quiet_s=inf: give a time in seconds, from 0 to 864"),
        (("find", "x"), "No such command 'find'"),
    ],
)
def test_usage_errors(indexed: Shell, arguments: tuple[str | bytes, ...], said: str) -> None:
    """What no call could use is exit code 2, with a sentence on stderr and nothing on stdout."""
    done = indexed.run(*arguments)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("command", [("search", "x"), ("context", "x"), ("status",)])
def test_a_missing_collection(tmp_path: Path, command: tuple[str, ...]) -> None:
    """No collection here or above, or none where -c points: one sentence, and none is made."""
    shell = Shell(directory=tmp_path)
    for options in ((), ("-c", "kb"), ("--json",)):
        done = shell.run(*command, *options)
        assert (done.code, done.out) == (1, "")
        assert done.err.startswith("ragkit: there is no ")
        assert (done.err.count("\n"), "ragkit index" in done.err) == (1, True)
    assert not (tmp_path / "kb").exists()
    assert not (tmp_path / ".ragkit").exists()


def test_which_collection(indexed: Shell, tmp_path: Path) -> None:
    """The nearest .ragkit upward, or RAGKIT_COLLECTION, or -c, each over the one before."""
    own = str(indexed.directory / ".ragkit")
    below = Shell(directory=indexed.directory / "docs/guides")
    assert below.run("status", "--json").json["collection"] == own
    away = Shell(directory=tmp_path, variables={"RAGKIT_COLLECTION": own})
    assert away.run("status", "--json").json["collection"] == own
    assert away.run("status", "-c", "kb").code == 1
    hit = below.run("search", "soup", *LEXICAL).out.splitlines()[1]
    assert hit == f"    {indexed.directory}/docs/notes/lunch.txt:1"


def test_context(indexed: Shell) -> None:
    """The text as it goes into a prompt; the JSON has the same with its citations."""
    plain = indexed.run("context", "rotated keys", *LEXICAL, "--max-tokens", "400")
    answer = indexed.run("context", "rotated keys", *LEXICAL, "--max-tokens", "400", "--json").json
    assert (plain.code, plain.err) == (0, "")
    assert list(answer) == ["query", "text", "tokens", "citations"]
    assert plain.out.rstrip("\n") == answer["text"].rstrip("\n")
    assert 0 < answer["tokens"] <= 400
    assert answer["citations"][0]["source"] == "guides/keys.md"
    assert "Signing keys are rotated every ninety days" in answer["text"]
    xml = indexed.run("context", "rotated keys", *LEXICAL, "--format", "xml").out
    assert xml != plain.out
    assert "<" in xml


def test_status(indexed: Shell) -> None:
    """The JSON has the contract's fields, and people get the same facts."""
    status = indexed.run("status", "--json").json
    assert list(status) == STATUS_FIELDS
    assert status["roots"] == {"docs": str(indexed.directory / "docs")}
    assert (status["documents"], status["model"]) == (len(DOCUMENTS), "test/small")
    assert (status["generation"], status["measured_recall"]) == (1, 1.0)
    assert status["spent_usd"] > 0
    assert [item["cost_usd"] for item in status["spent"]] == [status["spent_usd"]]
    people = indexed.run("status").out
    assert f"  model       test/small ({status['dimensions']} dimensions)\n" in people
    assert f"  root docs   {indexed.directory}/docs\n" in people


def test_searching_writes_nothing(indexed: Shell) -> None:
    """Reading commands leave every file of the collection as it was, SQLite's -shm excepted."""

    def files() -> dict[str, int]:
        return {
            str(path): path.stat().st_mtime_ns
            for path in (indexed.directory / ".ragkit").rglob("*")
            if not path.name.endswith(("-shm", "-wal")) and path.is_file()
        }

    before = files()
    indexed.run("search", "keys", *LEXICAL)
    indexed.run("status")
    assert files() == before


def test_a_reader_that_has_enough(indexed: Shell) -> None:
    """A pipe that is closed early ends the command quietly, with its own exit code."""
    command = [sys.executable, "-m", "ragkit", "search", "keys", *LEXICAL, "-k", "50"]
    with subprocess.Popen(
        command,
        cwd=indexed.directory,
        env=indexed.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_a_full_disk_is_one_sentence(indexed: Shell) -> None:
    """Output that cannot be written is an error, never a traceback."""
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "ragkit", "status"],
            cwd=indexed.directory,
            env=indexed.environment,
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert (done.returncode, done.stderr) == (1, b"ragkit: No space left on device\n")


def test_an_output_that_lacks_a_character(indexed: Shell) -> None:
    """An ASCII stdout gets question marks, and JSON that says the same as ever."""
    ascii_shell = Shell(directory=indexed.directory, variables={"PYTHONIOENCODING": "ascii"})
    people = ascii_shell.run("search", "keys rotated", *LEXICAL, "-k", "1")
    assert people.out.splitlines()[0].endswith("  Keys > Rotation")
    echo = ascii_shell.run("search", "schlüssel ☃ keys", *LEXICAL, "--json")
    assert (echo.code, echo.out.isascii()) == (0, True)
    assert echo.json["query"] == "schlüssel ☃ keys"


def test_choices_are_those_of_the_library() -> None:
    """The parser offers exactly the modes and formats that there are."""
    mode = mode_option().type
    assert isinstance(mode, click.Choice)
    assert tuple(mode.choices) == get_args(Mode)
    formats = next(item for item in context_command().params if item.name == "format").type
    assert isinstance(formats, click.Choice)
    assert tuple(formats.choices) == get_args(Format)


def test_nothing_relevant_is_said(shell: Shell) -> None:
    """Hits that chance found come with that remark; with --min-relevance there is nothing."""
    for number, topic in enumerate(("pumps", "valves", "gauges", "masts", "probes", "radios") * 3):
        text = f"How {topic} of series {number} are mounted, wired and cleaned in spring.\n"
        (shell.directory / "docs" / f"{number}.md").write_text(text)
    assert shell.run("index", "docs", "--model", "local/all-minilm-l6-v2").code == 0
    foreign = "who composed the opera about a barber?"
    printed = shell.run("search", foreign, "-k", "1")
    assert printed.out.startswith("Nothing here seems to answer that; the nearest passages are")
    assert shell.run("search", foreign, "-k", "1", "--json").json["relevant"] is False
    empty = shell.run("search", foreign, "--min-relevance", "0.5")
    assert (empty.code, empty.out) == (0, "Nothing relevant found: no hit reaches 0.5.\n")
    asked = shell.run(
        "search", "how are radios cleaned in spring?", "--min-relevance", "0.5", "--json"
    )
    assert asked.json["relevant"] is True
    assert {hit["relevance"] >= 0.5 for hit in asked.json["hits"]} == {True}
    wrong = shell.run("search", foreign, "--min-relevance", "5")
    assert (wrong.code, "from 0 to 1" in wrong.err) == (2, True)
