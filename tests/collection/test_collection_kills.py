"""A sync that is killed again and again ends as one that was left alone."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
from loopback import KEY, LoopbackServer
from loopback_pictures import picture

import ragkit
from ragkit.config import Secret, Settings
from ragkit.models.catalogue import fingerprint, profile
from ragkit.models.fingerprint import Fingerprint

SYNC = """
import sys
import ragkit
from ragkit.config import Secret, Settings
kb, docs, base_url, key, model = sys.argv[1:]
if base_url:
    settings = Settings(model=model, base_url=base_url, api_key=Secret(key), workers=2)
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


def draw(docs: Path, *, pictures: int, edition: int) -> None:
    """Pictures of which each edition changes a third, and a page that shows them all."""
    for number in range(pictures):
        changed = edition if number % 3 == edition % 3 else 0
        content = picture("red", number=changed * 100 + number + 1)
        (docs / f"{number:03}.png").write_bytes(content)
    shown = "".join(f'<img src="{n:03}.png" alt="number {n}">' for n in range(pictures))
    (docs / "page.html").write_text(f"<h1>All</h1><p>They are red.</p>{shown}")


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


def killed_until_done(
    arguments: list[str], longest_s: float, seed: int, after_kill: Callable[[], None]
) -> int:
    """Run the sync, killed at random moments, each time a little later; how often it was."""
    dice = random.Random(seed)  # noqa: S311 - no secret
    for kills in range(200):
        process = subprocess.Popen([sys.executable, "-c", SYNC, *arguments])
        try:
            code = process.wait(timeout=dice.uniform(0.05, longest_s) * (1 + kills / 10))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            after_kill()
        else:
            assert code == 0
            after_kill()
            return kills
    raise AssertionError("it never ended")


class Purchases:
    """Holds every request against the vectors that lay in the database when its buyer began."""

    def __init__(self, kb: Path, server: LoopbackServer, mark: Fingerprint) -> None:
        self._database = kb / "collection.db"
        self._server = server
        self._mark = mark
        self._stored: set[bytes] = set()
        self._seen = 0
        self.checked = 0
        self.recognised = 0
        self.pictures = 0

    def begin(self) -> None:
        """What was asked up to now was asked by others."""
        self._seen = len(self._server.ledger.requests)

    def check(self) -> None:
        """No text that was asked since the last look had its vector then."""
        requests = self._server.ledger.requests[self._seen :]
        self._seen += len(requests)
        inputs = [one for request in requests for one in json.loads(request.body)["input"]]
        keys = [self._key(one) for one in inputs]
        assert [one for one, key in zip(inputs, keys, strict=True) if key in self._stored] == []
        self.checked += len(inputs) if self._stored else 0
        self._stored = self._keys()
        # Were the keys made in another way than the collection's, the check above would be empty.
        self.recognised += sum(key in self._stored for key in keys)
        self.pictures += sum(
            key in self._stored and not isinstance(one, str)
            for one, key in zip(inputs, keys, strict=True)
        )

    def _key(self, asked: str | dict[str, Any]) -> bytes:
        if isinstance(asked, str):
            return self._mark.key(asked)
        parts = {part["type"]: part for part in asked["content"]}
        content = base64.b64decode(parts["image_url"]["image_url"]["url"].partition(",")[2])
        words = parts.get("text", {"text": ""})["text"]
        return self._mark.key_of_image(hashlib.sha256(content).hexdigest(), words)

    def _keys(self) -> set[bytes]:
        if not self._database.exists():
            return set()
        with contextlib.closing(sqlite3.connect(self._database)) as connection:
            if not connection.execute(
                "SELECT 1 FROM sqlite_schema WHERE name = 'vectors'"
            ).fetchone():
                return set()
            return {row[0] for row in connection.execute("SELECT key FROM vectors")}


def loop(
    tmp_path: Path,
    settings: Settings,
    *,
    documents: int,
    rounds: int,
    pictures: int = 0,
    purchases: Purchases | None = None,
) -> int:
    docs, kills = tmp_path / "docs", 0
    remote = [settings.base_url or "", KEY, settings.model or ""]
    for edition in range(rounds):
        write(docs, documents=documents, edition=edition)
        if pictures:
            draw(docs, pictures=pictures, edition=edition)
        begun = time.monotonic()
        with ragkit.open(tmp_path / "whole", settings=settings) as whole:
            whole.sync(docs)
        taken = time.monotonic() - begun + 0.5
        arguments = [str(tmp_path / "kb"), str(docs), *remote]
        if purchases is not None:
            purchases.begin()
        check = (lambda: None) if purchases is None else purchases.check
        kills += killed_until_done(arguments, taken, edition, check)
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
    """The same with a server; no text is asked for again whose vector a killed sync had stored."""
    embedding_server.quirks.latency_s = 0.05
    settings = Settings(
        model="test/small", base_url=embedding_server.base_url, api_key=Secret(KEY), workers=2
    )
    mark = fingerprint(profile("test/small"))
    purchases = Purchases(tmp_path / "kb", embedding_server, mark)
    kills = loop(tmp_path, settings, documents=60, rounds=8, purchases=purchases)
    assert kills >= 10
    assert purchases.checked >= 100
    assert purchases.recognised >= 100


@pytest.mark.long
@pytest.mark.timeout(900)
def test_kills_with_pictures(tmp_path: Path, embedding_server: LoopbackServer) -> None:
    """No picture is bought again either, and the thumbnails are those of the other collection."""
    embedding_server.quirks.latency_s = 0.05
    settings = Settings(
        model="test/pictures", base_url=embedding_server.base_url, api_key=Secret(KEY), workers=2
    )
    purchases = Purchases(tmp_path / "kb", embedding_server, fingerprint(profile("test/pictures")))
    kills = loop(tmp_path, settings, documents=10, rounds=5, pictures=40, purchases=purchases)
    assert kills >= 6
    assert purchases.checked >= 30
    assert purchases.pictures >= 60
    kept = [
        sorted(path.name for path in (tmp_path / kb / "derived/thumbnails").rglob("*.jpg"))
        for kb in ("kb", "whole")
    ]
    assert kept[0] == kept[1] != []
