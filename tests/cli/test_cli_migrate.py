"""``ragkit migrate`` as a shell sees it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli_runs import Shell, remote
from loopback import LoopbackServer


@pytest.fixture
def user(shell: Shell, embedding_server: LoopbackServer) -> Shell:
    """A user with a collection by the model test/small."""
    assert shell.run("index", "docs", *remote(embedding_server.base_url)).code == 0
    return shell


def test_from_plan_to_switch_and_back(user: Shell, tmp_path: Path) -> None:
    """Plan, stage, compare, switch and go back, each in one line and with its exit code."""
    to = ("--model", "test/fixed")
    plan = user.run("migrate", *to, "--dry-run", "--json")
    assert (plan.code, plan.err) == (0, "")
    assert (plan.json["updated"], plan.json["to_embed"]) == (3, plan.json["passages"])
    assert plan.json["cost_usd"] > 0
    staged = user.run("migrate", *to, "--stage")
    assert (staged.code, staged.err) == (0, "")
    assert staged.out.startswith("Staged in ")
    assert "test/fixed" in staged.out.splitlines()[0]
    assert "staged      test/fixed: `ragkit migrate --model test/fixed` switches to it" in (
        user.run("status").out
    )
    compacted = user.run("compact")
    assert (compacted.code, compacted.out) == (1, "")
    assert "give it up with `ragkit migrate --model test/small`" in compacted.err
    questions = tmp_path / "q.jsonl"
    questions.write_text('{"question": "is the soup hot?", "source": "notes/lunch.txt"}\n')
    compared = user.run("eval", str(questions), "--compare", "staged", "--json")
    assert (compared.code, compared.err) == (0, "")
    assert compared.json["compared_with"]["model"] == "test/fixed"
    assert compared.json["verdict"] == "no difference"
    done = user.run("migrate", *to, "--json")
    assert (done.code, done.err) == (0, "")
    assert (done.json["model"], done.json["embedded"], done.json["staged"]) == (
        "test/fixed",
        0,
        None,
    )
    assert user.run("status", "--json").json["model"] == "test/fixed"
    back = user.run("migrate", "--back", "--json")
    assert (back.code, back.json["model"], back.json["embedded"]) == (0, "test/small", 0)


def test_without_a_target(user: Shell) -> None:
    """A call for nothing is a matter of usage, and a way back that is none an error."""
    done = user.run("migrate")
    assert (done.code, done.out) == (2, "")
    assert "there is nothing to migrate to: name a model" in done.err
    done = user.run("migrate", "--back")
    assert done.code == 1
    assert "there is no way back" in done.err


def test_a_budget_is_exit_code_4(user: Shell) -> None:
    """A spent budget says so, keeps what arrived and leaves the collection as it is."""
    done = user.run("migrate", "--model", "test/fixed", "--max-cost", "0")
    assert done.code == 4
    assert "Stopped in " in done.out
    assert user.run("status", "--json").json["model"] == "test/small"


def test_another_model_names_it(user: Shell) -> None:
    """Who asks an index for another model is told the command that changes it."""
    done = user.run("index", "docs", "--model", "test/fixed")
    assert done.code == 1
    assert "with `ragkit migrate --model test/fixed`" in done.err


def test_ctrl_c_keeps_what_arrived(user: Shell, embedding_server: LoopbackServer) -> None:
    """An interrupted migration exits with 130, changes nothing, and then buys nothing twice."""
    embedding_server.quirks.latency_s = 1.5
    embedding_server.ledger.answered.clear()
    command = [sys.executable, "-m", "ragkit", "migrate", "--model", "test/fixed"]
    process = subprocess.Popen(
        command, cwd=user.directory, env=user.environment, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 30
    while not embedding_server.ledger.in_flight:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, complaint = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted; vectors that arrived are kept" in complaint
    assert user.run("status", "--json").json["model"] == "test/small"
    embedding_server.quirks.latency_s = 0.0
    assert user.run("migrate", "--model", "test/fixed").code == 0
    assert user.run("status", "--json").json["model"] == "test/fixed"
    assert set(embedding_server.ledger.answered.values()) == {1}


def test_another_address_says_that_vectors_stay(user: Shell) -> None:
    """The same model elsewhere is no empty report, and a plan's first line says where it leads."""
    with LoopbackServer() as moved:
        plan = user.run("migrate", "--base-url", moved.base_url, "--dry-run")
        assert plan.code == 0
        assert f"with test/small to the server at {moved.base_url}" in plan.out
        done = user.run("migrate", "--base-url", moved.base_url)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("Migrated: ")
    assert done.out.endswith(f"with test/small at {moved.base_url}; its vectors stay\n")


def test_a_purge_names_the_migration_that_it_ends(user: Shell) -> None:
    """Whoever purges in the middle of one is told that it has to be bought anew."""
    assert user.run("migrate", "--model", "test/fixed", "--stage").code == 0
    purged = user.run("purge", "guides/backups.md")
    assert purged.code == 0
    assert "to buy its vectors again: `ragkit migrate --model test/fixed`." in purged.out
    assert "staged" not in user.run("status").out
