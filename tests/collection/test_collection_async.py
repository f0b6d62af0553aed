"""What programs that await are promised: the same answers, and cancellation without loss."""

from __future__ import annotations

import asyncio
import gc
import time
from pathlib import Path

import pytest

import ragkit
from ragkit.config import Settings
from ragkit.storage.lock import writer_lock
from ragkit.sync.progress import Progress

SETTINGS = Settings(workers=1)


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    for number in range(12):
        (folder / f"{number:02}.md").write_text(f"# Title {number}\n\n" + f"Text {number}. " * 300)
    return folder


def test_the_same_answers_inside_a_loop(tmp_path: Path, docs: Path) -> None:
    """Awaited calls answer like plain ones, side by side; plain ones work inside the loop too."""

    async def main() -> None:
        async with await ragkit.AsyncCollection.open(tmp_path / "kb", settings=SETTINGS) as opened:
            assert (await opened.sync(docs)).added == 12
            found, context, status, plan, many = await asyncio.gather(
                opened.search("title 7", k=3),
                opened.context("title 7"),
                opened.status(),
                opened.plan(docs),
                opened.search_many(["title 7", "title 8"], k=3),
            )
            assert found == many[0] == opened.collection.search("title 7", k=3)
            assert (status.documents, plan.unchanged, len(context.citations) > 0) == (12, 12, True)
            assert await opened.roots() == {"docs": str(docs)}
            assert (opened.path, opened.model) == (tmp_path / "kb", opened.collection.model)
            assert opened.fingerprint == opened.collection.fingerprint

    asyncio.run(main())


def test_what_is_no_collection_is_refused() -> None:
    """A path, which would seem to work up to the first call, is refused with what to write."""
    for given in ("kb", Path("kb"), None):
        with pytest.raises(ragkit.errors.InvalidArgument, match=r"AsyncCollection\.open\(path\)"):
            ragkit.AsyncCollection(given)  # type: ignore[arg-type]


def test_a_cancelled_sync_keeps_its_work(tmp_path: Path, docs: Path) -> None:
    """Cancelled in the middle, twice, a sync is over when the task is, and the next one goes on."""

    async def main() -> None:
        async with await ragkit.AsyncCollection.open(tmp_path / "kb", settings=SETTINGS) as opened:
            begun = asyncio.Event()
            loop = asyncio.get_running_loop()

            def tell(_: Progress) -> None:
                loop.call_soon_threadsafe(begun.set)

            task = asyncio.create_task(opened.sync(docs, progress=tell))
            await begun.wait()
            task.cancel()
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            with writer_lock(opened.path):
                kept = len(await opened.documents())
            report = await opened.sync(docs)
            assert (report.unchanged, report.added) == (kept, 12 - kept)

    asyncio.run(main())


def test_a_cancelled_wait_ends_at_once(tmp_path: Path, docs: Path) -> None:
    """A task that waits for another writer can be cancelled, and leaves no exception behind."""
    complaints: list[dict[str, object]] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, said: complaints.append(said))
        async with await ragkit.AsyncCollection.open(tmp_path / "kb", settings=SETTINGS) as opened:
            with writer_lock(opened.path):
                task = asyncio.create_task(opened.sync(docs, wait_s=60))
                await asyncio.sleep(1)
                begun = time.monotonic()
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert time.monotonic() - begun < 10
        del task
        gc.collect()

    asyncio.run(main())
    assert complaints == []
