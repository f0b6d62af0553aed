"""README's commands and code blocks do what it says they do."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

import ragkit

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
RAGKIT = [sys.executable, "-m", "ragkit"]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the sample corpus in it, as the root of a clone."""
    folder = tmp_path_factory.mktemp("clone")
    shutil.copytree(ROOT / "sample_corpus", folder / "sample_corpus")
    return folder


@pytest.fixture(scope="module")
def environment(place: Path) -> Mapping[str, str]:
    """Nothing of the user's, and no way to a server by mistake."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAGKIT_")}
    kept.pop("OPENROUTER_API_KEY", None)
    return {**kept, "XDG_STATE_HOME": str(place / "state"), "PYTHONWARNINGS": "error"}


def run(command: str, place: Path, environment: Mapping[str, str]) -> str:
    """Run one command line of the README, with this interpreter's ragkit."""
    words = shlex.split(command)
    assert words[0] == "ragkit", command
    done = subprocess.run(
        [*RAGKIT, *words[1:]],
        cwd=place,
        env=dict(environment),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def answer(place: Path, environment: Mapping[str, str]) -> str:
    """What the first command prints after the installation."""
    install, *commands = (part.strip() for part in blocks("sh")[0].split("&&"))
    assert install == "pip install ."
    return [run(command, place, environment) for command in commands][-1]


def test_the_first_command_ends_with_the_right_passage(answer: str) -> None:
    """The best hit is the passage that answers, though it has no word of the question's subject."""
    first = answer.partition("\n 2 ")[0]
    assert "sample_corpus/support/faq.md:" in first
    assert "The founders have laid down the source of the platform with a notary" in first
    assert "bankrupt" not in answer


def test_the_shown_output_is_the_real_one(answer: str) -> None:
    """Every line that the README shows of the answer is printed, scores aside."""
    match = re.search(r"<!-- begin: output.*?```text\n(.*?)```", README, re.DOTALL)
    assert match is not None
    lines = map(_without_score, match.group(1).splitlines())
    shown = [line for line in lines if line.strip() not in ("", "…")]
    assert len(shown) >= 4
    printed = set(map(_without_score, answer.splitlines()))
    assert [line for line in shown if line not in printed] == []


def _without_score(line: str) -> str:
    """Processors differ in the last digits of an 8-bit model."""
    return re.sub(r"^( ?\d+)  0\.\d+", r"\1", line)


def test_the_other_commands_work(place: Path, environment: Mapping[str, str], answer: str) -> None:
    """The commands of the section on the shell run on the collection of the first one."""
    commands = blocks("sh")[2].splitlines()
    outputs = [run(command, place, environment) for command in commands]
    assert len(outputs) == 5
    assert "signing-key-rotation.rst" in outputs[0]
    assert "HN-0417" in json.loads(outputs[1])["hits"][0]["text"]
    assert "valve" in outputs[2]


def test_the_python_blocks_run_in_order(place: Path, environment: Mapping[str, str]) -> None:
    """The blocks are one program; the guide's example puts the two animals first."""
    program = "\n".join(blocks("python"))
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=place,
        env=dict(environment),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("37 documents, ")
    assert lines[0].endswith(" passages, 0 dollars")
    quoted, cited, missing, _, measured, missed = lines[-8:-2]
    assert "-> runbooks/valve-does-not-close.md " in quoted
    assert cited.startswith("[1] -> runbooks/valve-does-not-close.md ")
    assert missing == "stay calm -> not found in the documents None"
    recall, verdict = measured.split(" ", 1)
    assert (float(recall) > 0.9, verdict) == (True, "better")
    assert missed.endswith(" questions missed by ten hits")
    animals = {re.sub(r"^\d\.\d\d  ", "", line) for line in lines[-2:]}
    assert animals == {"The cat sat on the mat.", "Dogs are loyal companions."}


def test_every_option_that_is_named_exists(environment: Mapping[str, str], place: Path) -> None:
    """The table lists every command, and its options stand in the help of the command."""
    from ragkit.cli.application import _COMMANDS

    rows = re.findall(r"^\| `ragkit ([\w-]+)[^`]*` \| (.*) \|$", README, re.MULTILINE)
    assert {command for command, _ in rows} == set(_COMMANDS)
    for command, text in rows:
        shown = run(f"ragkit {command} --help", place, environment)
        for option in re.findall(r"(?<![\w-])--?[a-z][a-z-]*", text):
            assert option in shown, f"{command} {option}"


def test_the_version_is_the_package_s() -> None:
    """The version stands in one place of the code and is the one that is built."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'version = "{ragkit.__version__}"' in text
