"""Fixtures for all rooms."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_runs import Shell, remote, write_documents
from loopback import LoopbackServer
from made_collection import copied, make


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> None:
    """A shell starts what runs in its background deaf to Ctrl-C, and children inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _compiled_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Processes share what they compile, beside the tests' files and not beside the sources."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path_factory.mktemp("pyc")))
        yield


@pytest.fixture
def embedding_server() -> Iterator[LoopbackServer]:
    """A strict embeddings server on 127.0.0.1; whatever it found wrong with a request fails."""
    with LoopbackServer() as server:
        yield server
    assert server.ledger.violations == []


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A user beside a folder ``docs`` of three documents, with no collection."""
    directory = tmp_path / "work"
    write_documents(directory / "docs")
    return Shell(directory=directory)


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """The same user after an index; the server is gone, so only words can be searched for."""
    directory = tmp_path_factory.mktemp("cli") / "work"
    write_documents(directory / "docs")
    shell = Shell(directory=directory)
    with LoopbackServer() as server:
        done = shell.run("index", "docs", *remote(server.base_url))
    assert (done.code, done.err) == (0, "")
    return shell


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A collection and its documents, to be copied and not to be touched."""
    return make(tmp_path_factory.mktemp("made"))


@pytest.fixture
def kb(made: Path, tmp_path: Path) -> Path:
    """A collection of one's own, with its documents beside it in ``docs``."""
    return copied(made, tmp_path)
