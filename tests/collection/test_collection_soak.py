"""One writer and four readers for a long time: no wrong answer, and nothing grows."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from loopback import LoopbackServer
from soak import READERS, soak


def test_readers_beside_a_busy_writer(tmp_path: Path, embedding_server: LoopbackServer) -> None:
    """Each answer is that of brute force over one whole generation, through compact and purge."""
    writer, *readers = soak(tmp_path, embedding_server.base_url, seconds=4)
    assert writer.rounds >= 1
    assert len(readers) == READERS
    assert all(reader.rounds >= 1 for reader in readers)


@pytest.mark.long
@pytest.mark.timeout(1500)
def test_ten_minutes_leave_nothing_behind(tmp_path: Path, embedding_server: LoopbackServer) -> None:
    """The same for long: memory, open files and the collection's files are what they were."""
    writer, *readers = soak(tmp_path, embedding_server.base_url, seconds=600)
    sys.stdout.write("".join(f"{own}\n" for own in (writer, *readers)))
    assert writer.rounds >= 50
    assert all(reader.generations >= 30 for reader in readers)
    for own in (writer, *readers):
        assert own.memory_mib[-1] < own.memory_mib[0] * 1.1 + 10
        assert own.handles[-1] <= own.handles[0] + 4
    (files, size_bytes), (last_files, last_size_bytes) = writer.files
    assert last_files <= files + 4
    assert last_size_bytes < size_bytes * 2
