"""Settings that cannot work: one clear error each, before anything is sent where that can be."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
from loopback import FAULTS, KEY, LoopbackServer

import ragkit
from ragkit.errors import (
    ConfigurationError,
    MalformedReply,
    ModelUnavailable,
    RequestRejected,
    ServerUnreachable,
)

SMALL = "openai/text-embedding-3-small"


def made(path: Path, **arguments: Any) -> None:  # noqa: ANN401 - whatever a user may pass
    """A folder of one document becomes a collection."""
    (path / "docs").mkdir()
    (path / "docs" / "a.md").write_text("# Pumps\n\nThe pump is in the cellar.\n")
    with ragkit.open(path / "kb", api_key=KEY, **arguments) as collection:
        collection.sync(path / "docs")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"provider": {"onyl": ["deepinfra"]}}, r"provider has no key 'onyl': the keys are allow_"),
        ({"provider": {"sort": "cheapest"}}, r"provider\['sort'\] is 'cheapest', and must be 'pri"),
        ({"provider": {"max_price": {"prompt": "low"}}}, "must be dollars per million tokens"),
        ({"dimensions": 0}, "dimensions=0 must be a whole number from 1 on"),
        ({"dimensions": 1537}, "has no vectors of 1537 dimensions: choose from 1 to 1536"),
        ({"base_url": "https://host/v1/v1"}, "holds /v1 twice: leave one out"),
        ({"base_url": "https://host/v1/embeddings"}, "should end before /embeddings"),
        ({"base_url": "host:8080/v1"}, "is no base URL: it should look like https://host:port/v1"),
        ({"base_url": "https://me:word@host/v1"}, "put the key into RAGKIT_API_KEY instead"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_sent(
    arguments: dict[str, object], words: str, tmp_path: Path
) -> None:
    """The message names the value and what may stand there; no directory is left behind."""
    with pytest.raises(ConfigurationError, match=words) as caught:
        made(tmp_path, model=SMALL, **arguments)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "kb").exists()


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"dimensions": 9999}, RequestRejected, "answers with 64 dimensions where 9999 were asked"),
        ({"model": "test/nothing"}, ModelUnavailable, "test/nothing is not served at http"),
        ({"model": "test/chat"}, ModelUnavailable, "test/chat is not served at http"),
    ],
)
def test_what_only_the_server_can_tell_is_told_in_its_words(
    arguments: dict[str, object],
    error: type[ragkit.RagkitError],
    words: str,
    embedding_server: LoopbackServer,
    tmp_path: Path,
) -> None:
    """A width beyond an unknown model, and names that are nobody's or no embedding model's."""
    settings = {"model": "test/small", "base_url": embedding_server.base_url, **arguments}
    with pytest.raises(error, match=words) as caught:
        made(tmp_path, **settings)
    assert "\n" not in str(caught.value)
    assert len(embedding_server.ledger.requests) <= 5


def test_a_server_that_answers_with_pages(embedding_server: LoopbackServer, tmp_path: Path) -> None:
    """The page's title is shown, since it often says whose it is."""
    embedding_server.always = FAULTS["page"]
    told = r"gave no usable vectors .*\(a web page, 'Not Found \| OpenRouter'\).*base URL"
    with pytest.raises(MalformedReply, match=told):
        made(tmp_path, model="test/small", base_url=embedding_server.base_url)


def test_a_wrong_path_and_a_server_that_is_down(
    embedding_server: LoopbackServer, tmp_path: Path
) -> None:
    """A web page for a missing path is no model's fault, and a closed port is named."""
    with pytest.raises(
        ModelUnavailable, match=r"/v1 has no embeddings API \(404: a web page.*check the base URL"
    ):
        made(
            tmp_path,
            model="test/small",
            base_url=embedding_server.base_url.replace("/api/v1", "/v1"),
        )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}/v1"
    with (
        ragkit.open(tmp_path / "kb2", model="m", base_url=url) as collection,
        pytest.raises(ServerUnreachable, match=f"no answer from {url} .*Connection refused"),
    ):
        collection.sync(tmp_path / "docs")
