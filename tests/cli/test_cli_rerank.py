"""``--rerank`` as a shell sees it: the order, the cost, and what is said when it fails."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cli_runs import Shell, remote
from loopback import LoopbackServer
from loopback_faults import refusal
from loopback_rerank import MODEL

QUERY = "how often are signing keys rotated?"


@pytest.fixture
def served(shell: Shell, embedding_server: LoopbackServer) -> Shell:
    """The user's folder, indexed at a server that is still there."""
    done = shell.run("index", "docs", *remote(embedding_server.base_url))
    assert (done.code, done.err) == (0, "")
    return shell


def test_search_with_a_model(served: Shell, embedding_server: LoopbackServer) -> None:
    """The hits are in its order, and the last line says what it cost; so does the status."""
    done = served.run("search", QUERY, "--rerank", MODEL, "--explain", "-k", "2")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    sent = len(embedding_server.reranks.asked[0]["documents"])
    assert lines[-1] == f"Reranked by {MODEL}: {sent} passages, $0.002000"
    assert sum(line.strip().startswith("reranked 0.") for line in lines) == 2
    status = served.run("status")
    assert f"{MODEL}: $0.002000 for 1 request to rerank" in status.out
    assert "test/small: $0.000000 for 1 request with questions" in status.out
    spent = served.run("status", "--json").json
    uses = {(item["model"], item["use"]) for item in spent["spent"]}
    assert uses == {("test/small", "index"), ("test/small", "query"), (MODEL, "rerank")}
    assert spent["spent_usd"] == pytest.approx(sum(item["cost_usd"] for item in spent["spent"]))


def test_json_says_what_was_asked(served: Shell) -> None:
    """``rerank`` has the model's name and cost, and is there only where one was asked."""
    plain = served.run("search", QUERY, "--json").json
    assert "rerank" not in plain
    found = served.run("search", QUERY, "--rerank", MODEL, "--json").json
    said = {name: found["rerank"][name] for name in ("model", "applied", "cost_usd", "note")}
    assert said == {"model": MODEL, "applied": True, "cost_usd": 0.002, "note": ""}
    best = found["hits"][0]
    assert best["score"] == best["scores"]["rerank"]
    context = served.run("context", QUERY, "--rerank", MODEL, "--json").json
    assert (context["rerank"]["applied"], context["rerank"]["requests"]) == (True, 1)


def test_a_failure_is_told(served: Shell, embedding_server: LoopbackServer) -> None:
    """The hits come as without a model, exit code 0, and stderr and JSON say why."""
    embedding_server.reranks.always = refusal(401, "no such key")
    plain = served.run("search", QUERY, "--json").json
    done = served.run("search", QUERY, "--rerank", MODEL, "--json")
    assert done.code == 0
    order = [(hit["rank"], hit["source"], hit["start"]) for hit in plain["hits"]]
    assert [(hit["rank"], hit["source"], hit["start"]) for hit in done.json["hits"]] == order
    assert done.json["rerank"]["applied"] is False
    assert done.err.startswith("ragkit: not reranked, the order is that of the search: ")
    assert "set RAGKIT_API_KEY to a valid one" in done.json["rerank"]["note"]
    text = served.run("search", QUERY, "--rerank", MODEL)
    assert text.out.splitlines()[-1] == f"Not reranked by {MODEL}"
    context = served.run("context", QUERY, "--rerank", MODEL)
    assert context.err.startswith("ragkit: not reranked")
    why = served.run("why-not", "notes/lunch.txt", QUERY, "--rerank", MODEL, "--json")
    assert why.err.startswith("ragkit: not reranked")
    assert why.json["rerank"]["applied"] is False


def test_the_embedded_model_needs_a_key_for_it(shell: Shell) -> None:
    """A model at OpenRouter without a key is one clear error, and nothing is sent."""
    assert shell.run("index", "docs").code == 0
    done = shell.run("search", "soup", "--rerank", MODEL)
    assert (done.code, done.out) == (1, "")
    assert done.err == (
        "ragkit: reranking at OpenRouter needs a key: set OPENROUTER_API_KEY, or search without"
        " rerank\n"
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_that_cannot_be_written(served: Shell) -> None:
    """The search works, and its note says that the ledger lacks the cost."""
    kb: Path = served.directory / ".ragkit"
    kb.chmod(0o555)
    try:
        found = served.run("search", QUERY, "--rerank", MODEL, "--json").json
    finally:
        kb.chmod(0o755)
    assert found["rerank"]["applied"] is True
    assert found["rerank"]["note"].endswith("cannot be written")
