"""Fixtures for all rooms."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from loopback import LoopbackServer


@pytest.fixture
def embedding_server() -> Iterator[LoopbackServer]:
    """A strict embeddings server on 127.0.0.1; whatever it found wrong with a request fails."""
    with LoopbackServer() as server:
        yield server
    assert server.ledger.violations == []
