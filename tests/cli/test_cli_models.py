"""``ragkit models`` as a shell runs it."""

from __future__ import annotations

from cli_runs import Shell
from loopback import LoopbackServer
from loopback_models import MODELS

LOCAL = "local/all-minilm-l6-v2"


def test_models_of_a_server(shell: Shell, embedding_server: LoopbackServer) -> None:
    """Sorted, with the embedded model among them; the one that only chats is left out."""
    embedding_server.inquiries.overrides["test/tight"] = {"expiration_date": "2001-02-03"}
    done = shell.run("models", "--base-url", embedding_server.base_url, "--json")
    assert (done.code, done.err) == (0, "")
    models = {model["id"]: model for model in done.json["models"]}
    assert list(models) == sorted([LOCAL, *(name for name, m in MODELS.items() if m.embeds)])
    assert models[LOCAL]["usd_per_token"] == "0"
    small = models["openai/text-embedding-3-small"]
    assert (small["usd_per_token"], small["usd_per_million_tokens"]) == ("0.00000002", 0.02)
    assert (small["context_length"], small["input_modalities"]) == (8192, ["text"])
    assert models["test/tight"]["expires_on"] == "2001-02-03"


def test_models_for_people(shell: Shell, embedding_server: LoopbackServer) -> None:
    """One line for each model under one head; a filter is a part of the name or a glob."""
    embedding_server.inquiries.overrides["test/tight"] = {"expiration_date": "2001-02-03"}
    url = ("--base-url", embedding_server.base_url)
    lines = shell.run("models", "T/TIG", *url).out.splitlines()
    assert [line.split() for line in lines] == [
        ["model", "$", "per", "1M", "tokens", "context", "takes", "expires"],
        ["test/tight", "0.02", "8,192", "text", "2001-02-03", "(over)"],
    ]
    free = shell.run("models", "*3-embed-1b:free", *url).out.splitlines()
    assert [line.split()[:2] for line in free[1:]] == [["nvidia/nemotron-3-embed-1b:free", "free"]]
    assert shell.run("models", "nothing", *url).out == "no model fits 'nothing'\n"


def test_a_server_without_prices(shell: Shell, embedding_server: LoopbackServer) -> None:
    """A list of names is a list all the same."""
    embedding_server.inquiries.only_models = True
    done = shell.run("models", "test/small", "--base-url", embedding_server.base_url)
    assert done.out.splitlines()[1].split() == ["test/small", "not", "stated"]


def test_without_a_server_the_embedded_model_is_left(shell: Shell) -> None:
    """The error says which server, and the model that needs none is listed still."""
    done = shell.run("models", "--base-url", "http://127.0.0.1:9/v1", "--json")
    assert done.code == 1
    assert done.err.startswith("ragkit: no answer from http://127.0.0.1:9/v1 after one attempt")
    assert [model["id"] for model in done.json["models"]] == [LOCAL]
    unknown = shell.run("models", "openai/*", "--base-url", "http://127.0.0.1:9/v1")
    assert (unknown.code, unknown.out) == (1, "")
