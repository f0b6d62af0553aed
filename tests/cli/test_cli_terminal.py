"""What a person at a terminal sees: colours, links, the progress bar, Ctrl-C."""

from __future__ import annotations

import re

import pytest
from cli_runs import DOCUMENTS, Shell, remote, write_documents
from loopback import LoopbackServer

LEXICAL = ("--mode", "lexical")
KEYS = ("search", "how are keys rotated?", *LEXICAL, "-k", "1")


def test_matches_are_bold_and_places_are_links(indexed: Shell) -> None:
    """Matched words are bold by their stems, and path:line leads to the file."""
    done = indexed.run_at_terminal(*KEYS)
    assert done.code == 0
    url = (indexed.directory / "docs/guides/keys.md").as_uri()
    assert f"\x1b]8;;{url}\x1b\\\x1b[36mdocs/guides/keys.md:5\x1b[39m\x1b]8;;\x1b\\" in done.screen
    assert "Signing \x1b[1mkeys\x1b[22m are \x1b[1mrotated\x1b[22m every" in done.screen
    assert "    docs/guides/keys.md:5\n" in done.plain


@pytest.mark.parametrize(
    ("variables", "bold", "links"),
    [({"NO_COLOR": "1"}, False, True), ({"TERM": "dumb"}, False, False)],
)
def test_plain_terminals(
    indexed: Shell, variables: dict[str, str], *, bold: bool, links: bool
) -> None:
    """NO_COLOR takes the colours away, a dumb terminal the links too."""
    shell = Shell(directory=indexed.directory, variables=variables)
    screen = shell.run_at_terminal(*KEYS).screen
    assert ("\x1b[1m" in screen, "\x1b]8;;" in screen) == (bold, links)
    assert "docs/guides/keys.md:5" in screen


def test_lines_fit(indexed: Shell) -> None:
    """Text is wrapped to the terminal's width."""
    lines = indexed.run_at_terminal(*KEYS, columns=30).plain.splitlines()
    assert max(map(len, lines)) <= 30
    assert " ".join(" ".join(lines[3:]).split()).startswith(
        "Signing keys are rotated every ninety days by the duty officer."
    )


def test_documents_cannot_steer_the_terminal(
    shell: Shell, embedding_server: LoopbackServer
) -> None:
    """Escape sequences in a document, its heading or its name are shown, not obeyed."""
    hostile = "\x1b]52;c;aGk=\x07 \x1b[2J zebra \x9b31m"
    write_documents(
        shell.directory / "docs", {"a\x1b[2Jb.md": f"# Top {hostile}\n\nText {hostile} here.\n"}
    )
    assert shell.run("index", "docs", *remote(embedding_server.base_url)).code == 0
    for command in (("search", "zebra", *LEXICAL), ("context", "zebra", *LEXICAL)):
        screen = shell.run_at_terminal(*command).screen
        assert "zebra" in screen
        own = re.sub(r"\x1b\[(1|2|22|36|39)m|\x1b\]8;;[!-~]*\x1b\\", "", screen)
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", own)


def test_the_bar_grows_and_goes(shell: Shell) -> None:
    """The share never falls, the line never wraps, and nothing of the bar stays."""
    write_documents(
        shell.directory / "docs",
        {f"many/{n}.txt": f"Document {n} speaks of thing {n}.\n" * 40 for n in range(60)},
    )
    with LoopbackServer() as server:
        server.quirks.latency_s = 0.25
        done = shell.run_at_terminal("index", "docs", *remote(server.base_url), columns=60)
    assert done.code == 0
    shares = [int(share) for share in re.findall(r"(\d+)%", done.plain)]
    assert len(shares) >= 2
    assert shares == sorted(shares)
    assert shares[-1] <= 100
    frames = done.plain.split("\r")
    assert all(len(frame.splitlines()[0]) < 60 for frame in frames[1:-1] if frame)
    assert done.screen.rpartition("\r\x1b[K")[2].startswith("\x1b[1mIndexed\x1b[22m in ")


def test_no_bar_with_json(shell: Shell, embedding_server: LoopbackServer) -> None:
    """With --json nothing but the object appears, on a terminal too."""
    done = shell.run_at_terminal("index", "docs", *remote(embedding_server.base_url), "--json")
    assert done.screen.startswith("{\n")
    assert done.screen.endswith("}\n")


def test_ctrl_c_keeps_the_work(shell: Shell) -> None:
    """The first Ctrl-C lets what is in flight come in; the same command does only the rest."""
    write_documents(
        shell.directory / "docs",
        {f"many/{n}.txt": f"Document {n} speaks of thing {n}.\n" * 60 for n in range(200)},
    )
    with LoopbackServer() as server:
        server.quirks.latency_s = 0.5
        command = ("index", "docs", *remote(server.base_url))
        done = shell.run_at_terminal(*command, interrupt_after=["%"])
        assert done.code == 130
        assert "stopping: finishing what is in flight; Ctrl-C again to abort\n" in done.plain
        assert "ragkit: interrupted; the work is kept, and the same command continues" in done.plain
        server.quirks.latency_s = 0.0
        assert shell.run(*command).code == 0
        status = shell.run("status", "--json").json
        assert status["documents"] == len(DOCUMENTS) + 200
        assert server.ledger.violations == []
        assert max(server.ledger.answered.values()) == 1


def test_a_second_ctrl_c_aborts(shell: Shell) -> None:
    """It does not wait for a commit, prints no traceback, and the same command continues."""
    with LoopbackServer() as server:
        server.quirks.latency_s = 1.0
        command = ("index", "docs", *remote(server.base_url))
        done = shell.run_at_terminal(*command, interrupt_after=["%", "abort"])
        assert done.code == 130
        assert "ragkit: aborted; " in done.plain
        assert "Traceback" not in done.screen
        server.quirks.latency_s = 0.0
        assert shell.run(*command).code == 0
