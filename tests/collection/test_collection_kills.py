"""A sync that is killed again and again ends as one that was left alone."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Literal

import pytest
from loopback import KEY, LoopbackServer

import ragkit
from ragkit.config import Secret, Settings

SYNC = """
import sys
import ragkit
from ragkit.config import Secret, Settings
kb, docs, base_url, key = sys.argv[1:]
if base_url:
    settings = Settings(model="test/small", base_url=base_url, api_key=Secret(key), workers=2)
else:
    settings = Settings(workers=2)
with ragkit.open(kb, settings=settings) as collection:
    collection.sync(docs)
"""


def write(docs: Path, *, documents: int, edition: int) -> None:
    """Documents of which each edition changes a third; one of them comes, goes and moves."""
    docs.mkdir(exist_ok=True)
    for number in range(documents):
        changed = edition if number % 3 == edition % 3 else 0
        parts = [
            f"## Part {part}\n\n"
            + f"Document {number} says {changed * 7 + part} in part {part}. " * 12
            for part in range(6)
        ]
        (docs / f"{number:03}.md").write_text(f"# Title {number}\n\n" + "\n\n".join(parts))
    for path in docs.glob("moved-*.md"):
        path.unlink()
    (docs / f"moved-{edition}.md").write_text("# Wanderer\n\nIt goes from name to name.\n")


def state(kb: Path, settings: Settings) -> list[tuple[object, ...]]:
    with ragkit.open(kb, settings=settings) as collection:
        found: list[tuple[object, ...]] = [
            (item.id, item.root, item.source, item.start, item.text)
            for item in collection.passages()
        ]
        modes: tuple[Literal["lexical", "semantic"], ...] = ("lexical", "semantic")
        for mode in modes:
            hits = collection.search("Document says 14", k=5, mode=mode)
            assert all(
                (hit.passage.id, hit.source) in {(r[0], r[2]) for r in found} for hit in hits
            )
            assert hits
    return found


def killed_until_done(arguments: list[str], longest_s: float, seed: int) -> int:
    """Run the sync, killed at random moments, each time a little later; how often it was."""
    dice = random.Random(seed)  # noqa: S311 - no secret
    for kills in range(200):
        process = subprocess.Popen([sys.executable, "-c", SYNC, *arguments])
        try:
            code = process.wait(timeout=dice.uniform(0.05, longest_s) * (1 + kills / 10))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        else:
            assert code == 0
            return kills
    raise AssertionError("it never ended")


def loop(tmp_path: Path, settings: Settings, *, documents: int, rounds: int) -> int:
    docs, kills = tmp_path / "docs", 0
    remote = [settings.base_url or "", KEY]
    for edition in range(rounds):
        write(docs, documents=documents, edition=edition)
        begun = time.monotonic()
        with ragkit.open(tmp_path / "whole", settings=settings) as whole:
            whole.sync(docs)
        taken = time.monotonic() - begun + 0.5
        arguments = [str(tmp_path / "kb"), str(docs), *remote]
        kills += killed_until_done(arguments, taken, seed=edition)
        assert state(tmp_path / "kb", settings) == state(tmp_path / "whole", settings)
    return kills


@pytest.mark.long
@pytest.mark.timeout(900)
def test_kills_with_the_embedded_model(tmp_path: Path) -> None:
    """Passages, ids and texts are those of the sync that nobody disturbed."""
    kills = loop(tmp_path, Settings(workers=2), documents=120, rounds=6)
    assert kills >= 10


@pytest.mark.long
@pytest.mark.timeout(900)
def test_kills_with_a_server(tmp_path: Path, embedding_server: LoopbackServer) -> None:
    """The same with a server; what was answered before a kill is only asked again if in flight."""
    embedding_server.quirks.latency_s = 0.05
    concurrency = 16
    settings = Settings(
        model="test/small",
        base_url=embedding_server.base_url,
        api_key=Secret(KEY),
        workers=2,
        concurrency=concurrency,
    )
    kills = loop(tmp_path, settings, documents=60, rounds=8)
    assert kills >= 10
    # Each text is bought for two collections; the rest was in flight when its buyer died.
    again = sum(max(0, count - 2) for count in embedding_server.ledger.answered.values())
    assert again <= kills * 96 * concurrency
