"""``ragkit eval`` as a shell sees it."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from cli_runs import Shell
from loopback import LoopbackServer
from loopback_faults import refusal
from loopback_rerank import MODEL

LEXICAL = ("--mode", "lexical")
QUESTIONS = [
    {"question": "rotated signing keys", "source": "guides/keys.md", "answer": "every ninety days"},
    {"question": "how long are backups kept?", "source": "guides/backups.md"},
    {"question": "is the soup hot?", "source": "guides/keys.md"},
]


@pytest.fixture
def questions(tmp_path: Path) -> str:
    """A query set with one question that cannot be answered as it says."""
    path = tmp_path / "questions.jsonl"
    path.write_text("\n".join(map(json.dumps, QUESTIONS)))
    return str(path)


def test_the_table(indexed: Shell, questions: str) -> None:
    """Figures with intervals by source and by answer, then the miss with what came instead."""
    done = indexed.run("eval", questions, *LEXICAL)
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0].startswith("3 questions to ")
    assert "(test/small, lexical) in " in lines[0]
    recall = next(line for line in lines if "recall@1 " in line)
    assert recall.split()[:2] == ["recall@1", "0.667"]
    assert recall.endswith("0.000 to 1.000")
    assert "A hit that overlaps the answer (1 question)  mean and 95 % interval" in lines
    assert "  1,000 tokens 1.000  ━━━━━━━━━━━━━━━━━━━━  1.000 to 1.000" in lines
    assert lines[-3:] == [
        "1 miss in the first 10 hits",
        "  is the soup hot?",
        "      guides/keys.md: the document was not found; first came notes/lunch.txt:1",
    ]


def test_json(indexed: Shell, questions: str) -> None:
    """One object with measures, misses and the ranks of each question."""
    done = indexed.run("eval", questions, *LEXICAL, "-k", "2", "--json")
    assert (done.code, done.err, done.out.count("\n")) == (0, "", 1)
    answer = done.json
    assert (answer["mode"], answer["k"]) == ("lexical", [2])
    assert answer["measures"][0]["name"] == "recall@2"
    assert answer["measures"][0]["mean"] == pytest.approx(2 / 3)
    assert answer["misses"] == QUESTIONS[2:]
    ranks = [(one["source_rank"], one["answer_rank"]) for one in answer["outcomes"]]
    assert ranks == [(1, 1), (1, None), (None, None)]


def test_reports(indexed: Shell, questions: str, tmp_path: Path) -> None:
    """A page and a picture beside the table, which stays as it is; a bad name is said at once."""
    names = [str(tmp_path / "eval.html"), str(tmp_path / "eval.png")]
    plain = indexed.run("eval", questions, *LEXICAL)
    done = indexed.run("eval", questions, *LEXICAL, "--report", names[0], "--report", names[1])
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[1:] == plain.out.splitlines()[1:]
    page = Path(names[0]).read_text()
    assert "<h1>2 of 3 questions answered by the first 10 hits</h1>" in page
    assert "notes/lunch.txt:1" in page
    assert Path(names[1]).read_bytes().startswith(b"\x89PNG")
    wrong = indexed.run("eval", "none.jsonl", "--report", "eval.pdf")
    assert (wrong.code, "an .html or a .png file" in wrong.err) == (2, True)


def test_other_settings_are_a_side(shell: Shell, questions: str) -> None:
    """--compare takes weights, a mode and reranking; what the model costs and fails at is told."""
    with LoopbackServer() as server:
        remote = ("--model", "test/small", "--base-url", server.base_url)
        assert shell.run("index", "docs", *remote).code == 0
        sides = "semantic-weight=0,context-weight=0.5"
        done = shell.run("eval", questions, "--compare", sides, "--json")
        assert done.json["settings"] == {}
        weights = {"semantic_weight": 0.0, "context_weight": 0.5}
        assert done.json["compared_with"]["settings"] == weights
        done = shell.run("eval", questions, "--rerank", MODEL, "--compare", "rerank=none")
        assert done.code in (0, 1)
        assert f"(test/small, hybrid, reranked by {MODEL}) in " in done.out
        assert "3 questions reranked for $0.006000, " in done.out
        assert server.reranks.cost_usd == Decimal("0.006")
        server.reranks.always = refusal(401, "no such key")
        failed = shell.run("eval", questions, "--rerank", MODEL, "--json")
        assert (failed.code, failed.json["not_reranked"]) == (3, 3)
        assert "3 of 3 questions not reranked: " in failed.err
    for wrong in ("semantic-weight=2", "size=3", "mode=fast", "rerank", "context-weight=x"):
        assert shell.run("eval", questions, "--compare", wrong + ",mode=lexical").code == 2


def test_a_worse_collection_is_exit_code_1(indexed: Shell, shell: Shell, tmp_path: Path) -> None:
    """A collection that lacks a document is worse than one that has it, and not the other way."""
    path = tmp_path / "one.jsonl"
    path.write_text(json.dumps(QUESTIONS[0]))
    with LoopbackServer() as server:
        remote = ("--model", "test/small", "--base-url", server.base_url)
        assert shell.run("index", "docs/notes", *remote).code == 0
    whole = str(indexed.directory / ".ragkit")
    worse = shell.run("eval", str(path), *LEXICAL, "--compare", whole)
    assert (worse.code, worse.err) == (1, "")
    assert "This is worse: by nDCG@10 of the source, -1.000 (-1.000 to -1.000)." in worse.out
    assert "  none here,    1 there  rotated signing keys" in worse.out
    assert "the collection has no document 'guides/keys.md'" in worse.out
    better = shell.run("eval", str(path), *LEXICAL, "-c", whole, "--compare", ".ragkit", "--json")
    assert (better.code, better.json["verdict"]) == (0, "better")
    same = shell.run("eval", str(path), *LEXICAL, "--compare", "lexical")
    assert (same.code, "No difference that could not be luck" in same.out) == (0, True)


def test_drafts(indexed: Shell, tmp_path: Path) -> None:
    """--make writes a set that eval takes, says that it is drafted, and overwrites nothing."""
    path = tmp_path / "drafts.jsonl"
    done = indexed.run("eval", str(path), "--make", "10")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("Wrote 2 drafted questions to ")
    assert "They are drafts" in done.out
    drafted = [json.loads(line) for line in path.read_text().splitlines()]
    assert "Keys: Rotation" in {one["question"] for one in drafted}
    again = indexed.run("eval", str(path), *LEXICAL, "--json")
    assert (again.code, again.json["misses"]) == (0, [])
    assert indexed.run("eval", str(path), "--make", "10").code == 2


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("none.jsonl",), 1, "there is no query set at"),
        (("none.jsonl", "--make", "0"), 2, "number=0"),
        (("none.jsonl", "--make", "3", "--compare", "kb"), 2, "two commands"),
        ((".ragkit/collection.db",), 2, "is not UTF-8"),
    ],
)
def test_errors(indexed: Shell, arguments: tuple[str, ...], code: int, said: str) -> None:
    """What cannot be measured is one sentence on stderr."""
    done = indexed.run("eval", *arguments)
    assert (done.code, done.out) == (code, "")
    assert said in done.err
