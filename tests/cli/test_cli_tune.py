"""``ragkit tune`` as a shell sees it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_runs import Shell

ASKED = [
    ("how often are signing keys rotated?", "guides/keys.md", "every ninety days"),
    ("how long are backups kept?", "guides/backups.md", "35 days"),
    ("when is lunch?", "notes/lunch.txt", "at noon"),
    ("is the soup hot?", "notes/lunch.txt", "The soup is always hot"),
]


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A user with three documents in a collection by the embedded model, and twelve questions."""
    from cli_runs import write_documents

    directory = tmp_path_factory.mktemp("tune") / "work"
    write_documents(directory / "docs")
    lines = [
        json.dumps({"question": f"{question} {n}", "source": source, "answer": answer})
        for n in range(3)
        for question, source, answer in ASKED
    ]
    (directory / "questions.jsonl").write_text("\n".join(lines))
    shell = Shell(directory=directory)
    assert shell.run("index", "docs").code == 0
    return shell


def test_the_report(user: Shell) -> None:
    """The front, the number of hits, the verdict on held-out questions, and what was not tried."""
    done = user.run("tune", "questions.jsonl")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == (
        "12 ways to search tried on 12 questions, measured by the share of the answer in contexts"
        " of 500 and 1,500 tokens"
    )
    now = next(line for line in lines if line.endswith("(now)"))
    assert "100 tokens, defaults" in now
    assert "How many hits" in lines
    assert "  passages of 400 tokens: the model's longest text makes that 158" in lines
    assert any(line.startswith("No gain beyond luck: ") for line in lines)
    assert any(line.startswith("Recommended: passages of 100 tokens, 3 hits") for line in lines)
    assert lines[-1] == "Nothing is changed yet: the same command with --apply does that."
    assert len(user.run("search", "backups", "--json").json["hits"]) > 3


def test_json_applied_and_reset(user: Shell) -> None:
    """One object with everything; --apply holds for later searches, until --reset."""
    done = user.run("tune", "questions.jsonl", "--passage-tokens", "60", "--apply", "--json")
    assert (done.code, done.err, done.out.count("\n")) == (0, "", 1)
    answer = done.json
    assert (answer["verdict"], answer["settings"]) == ("within noise", {"k": 3})
    assert (answer["applied"], answer["questions"], len(answer["trials"])) == (True, 12, 12)
    assert {one["passage_tokens"] for one in answer["trials"]} == {60, 100}
    assert answer["depths"][0]["k"] == 3
    assert len(user.run("search", "backups", "--json").json["hits"]) == 3
    assert len(user.run("search", "backups", "-k", "5", "--json").json["hits"]) > 3
    assert user.run("status", "--json").json["tuned"].startswith("3 hits (12 questions, ")
    reset = user.run("tune", "--reset", "--json")
    assert (reset.code, reset.json["settings"]) == (0, {})
    assert user.run("status", "--json").json["tuned"] is None


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 2, "give a FILE of questions, or --reset, and not both"),
        (("questions.jsonl", "--reset"), 2, "and not both"),
        (("none.jsonl",), 1, "there is no query set at"),
        (("few.jsonl",), 2, "1 questions are too few"),
    ],
)
def test_errors(user: Shell, arguments: tuple[str, ...], code: int, said: str) -> None:
    """What cannot be tuned is one sentence on stderr."""
    question = json.dumps({"question": "when?", "source": "notes/lunch.txt"})
    Path(user.directory / "few.jsonl").write_text(question)
    done = user.run("tune", *arguments)
    assert (done.code, done.out) == (code, "")
    assert said in done.err
