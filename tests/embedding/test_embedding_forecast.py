"""How long work takes at the limits that are known, and what happens when a day's is used up."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from loopback import KEY, LoopbackServer
from loopback_faults import refusal

import ragkit
from ragkit.config import Settings
from ragkit.embedding.openrouter import OpenRouterEmbedder
from ragkit.embedding.waits import spoken_s


def embedder(server: LoopbackServer, *, requests_per_minute: float) -> OpenRouterEmbedder:
    return OpenRouterEmbedder(
        "test/small",
        api_key=KEY,
        base_url=server.base_url,
        concurrency=2,
        requests_per_minute=requests_per_minute,
    )


@pytest.mark.parametrize(
    ("texts", "free_tier", "said", "seconds"),
    [
        (1, True, "about 1 request at 20 requests a minute and 50 a day: at least 4 seconds", 3),
        (5_000, False, "at 20 requests a minute and 1,000 a day: at least 40 seconds", 39),
        (60_000, True, "at 20 requests a minute and 50 a day: at least 2 days", 2 * 86_400),
    ],
)
def test_free_models_are_foretold_honestly(
    texts: int, free_tier: bool, said: str, seconds: float, embedding_server: LoopbackServer
) -> None:
    """Large requests, twenty a minute, and as many a day as the account is permitted."""
    embedding_server.inquiries.is_free_tier = free_tier
    client = embedder(embedding_server, requests_per_minute=20)
    client._is_free = True  # as at OpenRouter for names that end in :free
    assert "a day" not in client.forecast(texts, 100 * texts, asks=False).said
    forecast = client.forecast(texts, 100 * texts)
    assert said in forecast.said
    assert forecast.seconds == pytest.approx(seconds, rel=0.1)
    client.forecast(texts, 100 * texts)
    assert embedding_server.inquiries.asked == ["/key"]
    client.close()


def test_a_forecast_comes_true(embedding_server: LoopbackServer) -> None:
    """As many requests are sent as were foretold, within a tenth, and they take as long."""
    texts = [f"passage {number} " + "word " * 40 for number in range(1500)]
    with embedder(embedding_server, requests_per_minute=120) as client:
        forecast = client.forecast(len(texts), 52 * len(texts))
        began_s = time.monotonic()
        client.embed_documents(texts)
        took_s = time.monotonic() - began_s
    sent = len(embedding_server.ledger.requests)
    assert abs(sent - forecast.requests) <= 2
    assert forecast.seconds is not None
    assert 0.5 * forecast.seconds - 1.0 < took_s < forecast.seconds + 3.0


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.2, "1 second"),
        (59, "59 seconds"),
        (119, "2 minutes"),
        (32_400, "9 hours"),
        (2e5, "2 days"),
    ],
)
def test_lengths_of_time_are_said_as_people_do(seconds: float, said: str) -> None:
    """In the largest unit of which there are about two."""
    assert spoken_s(seconds) == said


def test_a_spent_allowance_ends_the_run_with_its_work_kept(
    embedding_server: LoopbackServer, tmp_path: Path
) -> None:
    """A 429 whose reset is hours away is told at once, and the next run continues."""
    docs = tmp_path / "docs"
    docs.mkdir()
    for number in range(12):
        (docs / f"{number:02}.md").write_text(f"# Part {number}\n\n" + f"Word {number}. " * 150)
    reset_ms = (time.time() + 9 * 3600) * 1000
    spent = refusal(
        429, "Rate limit exceeded: free-models-per-day", {"X-RateLimit-Reset": f"{reset_ms:.0f}"}
    )
    embedding_server.script(spent, at=range(4, 40))
    settings = Settings(workers=1, concurrency=1)
    with ragkit.open(
        tmp_path / "kb",
        model="test/tight",
        base_url=embedding_server.base_url,
        api_key=KEY,
        settings=settings,
    ) as collection:
        report = collection.sync(docs)
        assert report.stopped is not None
        assert "permits no more requests for 9 hours" in report.stopped
        assert 0 < report.added < 12
        embedding_server.faults.clear()
        rest = collection.sync(docs)
        assert report.added + rest.added == 12
        (docs / "new.md").write_text("# New\n\nA word.")
        plan = collection.plan(docs)
        assert (plan.requests, plan.seconds, plan.pace) == (1, None, "")
    assert set(embedding_server.ledger.answered.values()) == {1}
    with ragkit.open(
        tmp_path / "kb", api_key=KEY, settings=Settings(workers=1, requests_per_minute=30)
    ) as collection:
        plan = collection.plan(docs)
        assert plan.pace == "about 1 request at 30 requests a minute: at least 3 seconds"
