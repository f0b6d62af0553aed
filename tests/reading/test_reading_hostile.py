from __future__ import annotations

import os
from pathlib import Path

import pytest
from reading_samples import SAMPLES

from ragkit.reading.messages import ReadReply, ReadRequest
from ragkit.reading.pool import WorkerFailure, WorkerPool
from ragkit.reading.walk import FoundFile, walk

MAX_BYTES = 16 * 1024 * 1024


@pytest.fixture(scope="module")
def replies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ReadReply | WorkerFailure]:
    """What the worker processes made of every sample, by name."""
    folder: Path = tmp_path_factory.mktemp("hostile")
    for sample in SAMPLES:
        (folder / sample.name).write_bytes(sample.data)
    found = [item for item in walk(folder, max_file_bytes=MAX_BYTES) if isinstance(item, FoundFile)]
    requests = [
        ReadRequest(path=os.fsencode(i.path), source=i.source, root="", max_file_bytes=MAX_BYTES)
        for i in found
    ]
    with WorkerPool(ReadReply, workers=2, timeout_s=30, memory_bytes=2**30) as pool:
        return {request.source: answer for request, answer in pool.run(requests)}


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_each_hostile_file_has_its_outcome(
    sample: object, replies: dict[str, ReadReply | WorkerFailure]
) -> None:
    """Each file is read, skipped or reported as failed as it should be, and costs no worker."""
    expected = next(item for item in SAMPLES if item is sample)
    reply = replies[expected.name]
    assert isinstance(reply, ReadReply), reply
    if expected.outcome == "read":
        assert reply.document is not None, reply
        assert expected.says in reply.document.text
        assert reply.skipped is None
        assert reply.failed is None
    else:
        assert reply.document is None
        assert expected.says in (getattr(reply, expected.outcome) or ""), reply


def test_text_never_holds_what_cannot_be_stored(
    replies: dict[str, ReadReply | WorkerFailure],
) -> None:
    """No text of any sample holds a lone surrogate, and all offsets lie inside, in order."""
    documents = [
        reply.document
        for reply in replies.values()
        if isinstance(reply, ReadReply) and reply.document is not None
    ]
    assert len(documents) > 30
    for document in documents:
        document.text.encode("utf-8")
        length = len(document.text)
        assert all(0 <= block.start < block.end <= length for block in document.blocks)
        ordered = zip(document.blocks, document.blocks[1:], strict=False)
        assert all(before.end <= after.start for before, after in ordered)
        assert all(0 <= section.start <= section.end <= length for section in document.sections)


def test_replacement_is_never_silent(replies: dict[str, ReadReply | WorkerFailure]) -> None:
    """Wherever a text holds U+FFFD, a warning says how often it was put there."""
    for name, reply in replies.items():
        if isinstance(reply, ReadReply) and reply.document and "\ufffd" in reply.document.text:
            assert any("U+FFFD" in warning for warning in reply.warnings), name
    damaged = replies["damaged.txt"]
    assert isinstance(damaged, ReadReply)
    assert damaged.warnings == ("3 invalid bytes replaced by U+FFFD",)


def test_front_matter_runs_nothing(replies: dict[str, ReadReply | WorkerFailure]) -> None:
    """A YAML bomb or a tag that would run code gives a warning, no metadata, and the whole text."""
    for name in ("aliases.md", "tag.md"):
        reply = replies[name]
        assert isinstance(reply, ReadReply)
        assert reply.document is not None
        assert reply.document.metadata == {}
        assert reply.document.text.startswith("---\n")
        assert any("front matter" in warning for warning in reply.warnings)


def test_no_file_content_comes_through_xml_entities(
    replies: dict[str, ReadReply | WorkerFailure],
) -> None:
    """An external entity stays unread."""
    reply = replies["outside.xml"]
    assert isinstance(reply, ReadReply)
    assert reply.document is not None
    assert reply.document.text == "lamp"
