"""``ragkit doctor`` as a shell runs it."""

from __future__ import annotations

import json

from cli_runs import Shell, remote
from loopback import LoopbackServer

from ragkit.storage.store import Store


def test_the_embedded_model_needs_no_network(shell: Shell) -> None:
    """Without a collection or a model the embedded one is examined, and all is well."""
    done = shell.run("doctor")
    assert (done.code, done.err) == (0, "")
    assert [line.split()[:2] for line in done.out.splitlines()] == [
        ["ok", "model.onnx"],
        ["ok", "tokenizer.json"],
        ["ok", "vector"],
        ["ok", "route"],
        ["All", "is"],
    ]


def test_a_server_and_its_remedies(shell: Shell, embedding_server: LoopbackServer) -> None:
    """One line for each check, the remedy under the one that is not well, and exit code 1."""
    url = embedding_server.base_url
    done = shell.run("doctor", "--model", "test/smal", "--base-url", url)
    assert done.code == 1
    lines = done.out.splitlines()
    assert lines[1].startswith("FAIL  model    test/smal is not among the server's models")
    assert "did you mean test/small" in lines[2]
    assert lines[-1] == "2 of 3 not well."
    healthy = shell.run("doctor", *remote(url), "--json")
    assert (healthy.code, healthy.json["ok"]) == (0, True)
    assert set(healthy.json["checks"][0]) == {"name", "ok", "detail", "remedy"}


def test_what_is_found_is_kept_with_the_collection(
    shell: Shell, embedding_server: LoopbackServer
) -> None:
    """The collection's own model is examined with its index, and a later plan knows the price."""
    shell.run("index", "docs", *remote(embedding_server.base_url))
    done = shell.run("doctor", "--json")
    assert done.code == 0, done.out
    names = [check["name"] for check in done.json["checks"]]
    assert names[-4:] == ["generation", "vectors", "lexical index", "kept"]
    store = Store(shell.directory / ".ragkit", create=False)
    with store.snapshot() as snapshot:
        probe: dict[str, object] = snapshot.setting("probe", {})
    store.close()
    assert probe == done.json["learnt"]
    assert (probe["dimensions"], probe["base64"]) == (64, True)
    asked = len(embedding_server.inquiries.asked)
    (shell.directory / "docs" / "new.txt").write_text("Something quite new.\n")
    plan = shell.run("index", "docs", "--dry-run", "--json").json
    assert plan["cost_usd"] > 0
    assert "price of the server's list of" in plan["basis"]
    assert len(embedding_server.inquiries.asked) == asked


def test_a_damaged_index_is_found(shell: Shell) -> None:
    """Derived files that were changed, and a matrix that was cut short, are not well."""
    shell.run("index", "docs")
    collection = shell.directory / ".ragkit"
    (words,) = (collection / "derived").glob("words-*")
    largest = max(words.iterdir(), key=lambda path: path.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 1
    largest.write_bytes(content)
    done = shell.run("doctor", "--json")
    assert done.code == 1
    assert [check["name"] for check in done.json["checks"] if not check["ok"]] == ["lexical index"]
    matrix = collection / "vectors.f32"
    matrix.write_bytes(matrix.read_bytes()[:-4])
    done = shell.run("doctor", "--json")
    broken = {check["name"]: check for check in done.json["checks"] if not check["ok"]}
    assert set(broken) == {"lexical index", "vectors"}
    assert "restore" in broken["vectors"]["remedy"]


def test_a_terminal_sees_green_and_red(shell: Shell, embedding_server: LoopbackServer) -> None:
    """The words are coloured where colours are wanted."""
    embedding_server.inquiries.overrides["test/small"] = {"expiration_date": "2001-01-01"}
    seen = shell.run_at_terminal("doctor", *remote(embedding_server.base_url))
    assert seen.code == 1
    assert "\x1b[32mok  \x1b[39m" in seen.screen
    assert "\x1b[31mFAIL\x1b[39m" in seen.screen


def test_what_is_kept_holds_no_key(shell: Shell, embedding_server: LoopbackServer) -> None:
    """Neither the answer nor the collection contains the key."""
    shell.run("index", "docs", *remote(embedding_server.base_url))
    done = shell.run("doctor", "--json")
    key = str(embedding_server.key)
    assert key not in json.dumps(done.json) + done.err
    files = (shell.directory / ".ragkit").rglob("*")
    assert all(key.encode() not in path.read_bytes() for path in files if path.is_file())
