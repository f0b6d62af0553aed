"""The house: which room may import what, and what is only done where."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import ragkit

PACKAGE = Path(ragkit.__file__).parent
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "recipe" not in path.parts[:-1])

# The way of the data; a room may use those before it.
GROUND = ("records", "answers", "reports", "errors", "config", "models")
STAGES = (
    "reading",
    "screening",
    "chunking",
    "embedding",
    "storage",
    "indexing",
    "retrieval",
    "evaluation",
    "sync",
    "maintenance",
    "collection",
    "cli",
)
# What only one room may touch.
OWNERS = {
    "http": "embedding",
    "httpx": "embedding",
    "sqlite3": "storage",
    "faiss": "indexing",
    "tantivy": "indexing",
    "Stemmer": "indexing",
    "pypdf": "reading",
    "pypdfium2": "reading",
    "selectolax": "reading",
    "olefile": "reading",
    "PIL": "reading",
    "tree_sitter": "reading",
    "click": "cli",
    "watchfiles": "sync",
    "fcntl": "storage",
}
# Decoding strangers' pictures is the reader's; drawing one's own is not decoding.
DRAWN_BY = {"PIL": ("ragkit/evaluation/sheet.py",)}


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and name of every import of a module, those inside functions included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.lineno, node.module


def named(path: Path) -> str:
    return str(path.relative_to(PACKAGE.parent))


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_imports_go_one_way(path: Path) -> None:
    """A stage imports earlier stages and the ground, never a later one."""
    own = room(path)
    if own in ("__init__", "__main__"):
        return
    allowed = set(GROUND)
    if own in STAGES:
        allowed |= set(STAGES[: STAGES.index(own) + 1])
    for line, name in imports(path):
        parts = name.split(".")
        if parts[0] == "ragkit" and len(parts) > 1:
            assert parts[1] in allowed, f"{named(path)}:{line} imports {name}"


def test_the_rooms_are_described_as_they_are() -> None:
    """CONTRIBUTING has a row for each room, in the order of the way; READMEs name real files."""
    text = (PACKAGE.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    told = [re.findall(r"`(\w+)(?:\.py|/)`", row) for row in rows]
    assert sorted(told[0]) == sorted(GROUND)
    assert [name for row in told[1:] for name in row] == list(STAGES)
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert rooms == {*STAGES, "models"}
    for readme in PACKAGE.glob("*/README.md"):
        for name in re.findall(r"`([\w/]+\.py)`", readme.read_text(encoding="utf-8")):
            places = (readme.parent, PACKAGE, PACKAGE.parent)
            assert any((place / name).is_file() for place in places), f"{readme} names {name}"


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_each_library_has_its_room(path: Path) -> None:
    """HTTP, SQL, indexes, parsers and the command line stay where they belong; no pickle at all."""
    for line, name in imports(path):
        library = name.split(".")[0]
        assert library != "pickle", f"{named(path)}:{line}"
        if named(path) in DRAWN_BY.get(library, ()):
            continue
        assert OWNERS.get(library, room(path)) == room(path), f"{named(path)}:{line} uses {library}"


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_printing_and_the_environment_have_their_places(path: Path) -> None:
    """Only the command line prints, and only config.py reads the environment."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Name) and node.id == "print":
            assert room(path) == "cli", f"{named(path)}:{node.lineno} prints"
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv"):
            assert room(path) == "config", f"{named(path)}:{node.lineno} reads the environment"


def test_the_public_face_is_complete() -> None:
    """Every public name loads, the list is sorted, and nothing else is offered."""
    assert sorted(ragkit.__all__) == ragkit.__all__
    for name in ragkit.__all__:
        assert getattr(ragkit, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        ragkit.nonsense  # noqa: B018


def test_errors_need_no_import_of_their_own() -> None:
    """``ragkit.errors`` is there after ``import ragkit`` alone, as help and dir() say."""
    script = "import ragkit; print(ragkit.errors.RagkitError is ragkit.RagkitError)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "True\n"


def test_importing_loads_nothing_heavy() -> None:
    """``import ragkit`` loads none of the libraries that cost time."""
    script = "import sys, ragkit; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    heavy = {
        "PIL",
        "numpy",
        "faiss",
        "httpx",
        "onnxruntime",
        "tokenizers",
        "tiktoken",
        "tantivy",
        "click",
    }
    assert heavy & set(done.stdout.split()) == set()


def test_every_test_states_its_promise() -> None:
    """Each test has a docstring."""
    for path in sorted(Path(__file__).parent.rglob("test_*.py")):
        functions = (
            node
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        )
        for node in functions:
            if node.name.startswith("test_"):
                assert ast.get_docstring(node), f"{path.name}:{node.lineno} {node.name}"
