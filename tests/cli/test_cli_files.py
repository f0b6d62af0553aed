"""``ragkit read`` and ``chunk``, help, and what is loaded when."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields

import pytest
from cli_runs import DOCUMENTS, Shell

import ragkit
from ragkit.records import Document, Passage

KEYS = DOCUMENTS["guides/keys.md"]


def test_read_shows_outline_and_text(shell: Shell) -> None:
    """Title, media type and headings with their lines, then the text itself."""
    done = shell.run("read", "docs/guides/keys.md")
    assert (done.code, done.err) == (0, "")
    outline, _, text = done.out.partition("\n\n")
    assert outline.splitlines() == ["Keys", "  text/markdown", "     1  Keys", "     5    Rotation"]
    assert text == KEYS


def test_read_json_is_the_document(shell: Shell) -> None:
    """All fields of the record, with its sections as objects."""
    document = shell.run("read", "docs/guides/keys.md", "--json").json
    assert set(document) == {item.name for item in fields(Document)}
    assert (document["text"], document["title"]) == (KEYS, "Keys")
    assert [(each["title"], each["level"]) for each in document["sections"]] == [
        ("Keys", 1),
        ("Rotation", 2),
    ]


def test_chunk_shows_passages(shell: Shell) -> None:
    """Each passage under a rule with its line, tokens and headings."""
    done = shell.run("chunk", "docs/guides/keys.md", "--max-tokens", "20")
    assert (done.code, done.err) == (0, "")
    rules = [line for line in done.out.splitlines() if line.startswith("── ")]
    assert len(rules) >= 2
    assert rules[0].startswith("── 1, line 1, ")
    assert rules[-1].endswith(" tokens  Keys › Rotation")


def test_chunk_json_has_the_passages(shell: Shell) -> None:
    """All fields of each passage; the spans are those of the text; stdin is a file too."""
    answer = shell.run("chunk", "docs/guides/keys.md", "--max-tokens", "20", "--json").json
    assert answer["max_tokens"] == 20
    assert set(answer["passages"][0]) == {item.name for item in fields(Passage)}
    assert all(each["text"] == KEYS[each["start"] : each["end"]] for each in answer["passages"])
    piped = shell.run("chunk", "-", "--json", stdin=b"One sentence.").json
    assert [each["text"] for each in piped["passages"]] == ["One sentence."]


@pytest.mark.parametrize("command", ["read", "chunk"])
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nowhere.md", "'nowhere.md' is not there"),
        ("docs", "'docs' is a folder"),
        ("empty.md", "'empty.md' would not be indexed: empty"),
        ("deep.json", "'deep.json' cannot be read: JSON nested too deeply"),
    ],
)
def test_files_that_cannot_be_read(shell: Shell, command: str, name: str, said: str) -> None:
    """One sentence that names the file, and exit code 1."""
    (shell.directory / "empty.md").touch()
    (shell.directory / "deep.json").write_text("[" * 100_000)
    done = shell.run(command, name)
    assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
    assert said in done.err


def test_help_and_version(shell: Shell) -> None:
    """Every command explains itself with examples; the version is the package's."""
    assert shell.run("--version").out == f"ragkit, version {ragkit.__version__}\n"
    overview = shell.run("--help").out
    for command in ("index", "search", "context", "status", "read", "chunk"):
        assert f"\n  {command} " in overview
        page = shell.run(command, "--help")
        assert page.code == 0
        assert f"\n  Examples:\n    ragkit {command}" in page.out


def loaded_by(shell: Shell, *arguments: str) -> set[str]:
    """Modules that a command line imports."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "ragkit", *arguments],
        cwd=shell.directory,
        env=shell.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}


def test_help_loads_no_library(shell: Shell) -> None:
    """Help needs the parser and nothing else."""
    assert not {"numpy", "sqlite3", "msgspec", "httpx", "ragkit.records"} & loaded_by(
        shell, "index", "--help"
    )


def test_words_load_no_model(indexed: Shell) -> None:
    """A search by words starts neither a model, nor a network, nor a vector index."""
    loaded = loaded_by(indexed, "search", "keys", "--mode", "lexical")
    assert "tantivy" in loaded
    assert not {"httpx", "onnxruntime", "tokenizers", "faiss", "tiktoken", "pypdf"} & loaded


def test_the_embedded_model_needs_no_network(shell: Shell) -> None:
    """Without a model's name index and search run offline, and load nothing that could ask."""
    done = shell.run("index", "docs", "--json")
    assert (done.code, done.json["model"]) == (0, "local/all-minilm-l6-v2")
    assert (done.json["requests"], done.json["cost_usd"]) == (0, 0)
    question = ("search", "when do we eat?", "-k", "1")
    assert "notes/lunch.txt:1" in shell.run(*question, "--mode", "semantic").out
    loaded = loaded_by(shell, *question)
    assert "onnxruntime" in loaded
    assert not {"httpx", "socketserver", "requests", "torch", "tiktoken", "pypdf"} & loaded
