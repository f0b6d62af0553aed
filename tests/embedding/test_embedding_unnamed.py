"""Limits of rate that refusals do not name, and requests that are small where tokens are few."""

from __future__ import annotations

import time
from collections.abc import Iterator

import loopback
import pytest
from hypothesis import given
from hypothesis import strategies as st
from loopback import LoopbackServer
from loopback_faults import refusal

from ragkit.embedding import wordings
from ragkit.embedding.batches import Entry
from ragkit.embedding.failures import ServerError
from ragkit.embedding.jobs import Job
from ragkit.embedding.openrouter import OpenRouterEmbedder
from ragkit.embedding.unnamed import UnnamedLimit
from ragkit.embedding.wire import RequestForm
from ragkit.errors import AllowanceSpent


@pytest.mark.parametrize(
    ("message", "counts"),
    [
        ("Rate limit reached for m on tokens per min (TPM): Limit 1000", "tokens"),
        ("Rate limit reached for m on requests per min (RPM): Limit 3", "requests"),
        ("Rate limit exceeded", None),
    ],
)
def test_what_a_refusal_counts_is_read(message: str, counts: str | None) -> None:
    """Its words name it, or a header with nothing left; most name nothing."""
    assert wordings.limited(ServerError(status=429, message=message)) == counts
    if counts is None:
        left = {"x-ratelimit-remaining-requests": "7", "x-ratelimit-remaining-tokens": "0"}
        assert wordings.limited(ServerError(status=429, headers=left)) == "tokens"


@given(
    counts=st.sampled_from(["requests", "tokens"]),
    sizes=st.lists(st.floats(100.0, 50_000.0), min_size=5, max_size=30),
    per_s=st.floats(0.1, 100.0),
    noise=st.lists(st.floats(0.97, 1.03), min_size=30, max_size=30),
)
def test_what_is_counted_shows_by_requests_of_different_sizes(
    counts: str, sizes: list[float], per_s: float, noise: list[float]
) -> None:
    """Whatever stays the same for each second is it; sizes that hardly differ change nothing."""
    limit, now_s, requests, tokens = UnnamedLimit(), 0.0, 0.0, 0.0
    for size, wobble in zip(sizes, noise, strict=False):
        limit.refused(now_s, requests, tokens, is_first=True)
        now_s += wobble * (1.0 if counts == "requests" else size / 1000.0) / per_s
        requests, tokens = requests + 1.0, tokens + size
    if max(sizes[-9:-1]) < 1.01 * min(sizes[-9:-1]) or counts == "requests":
        assert limit.counts == "requests"
    elif min(sizes[:4]) * 2 < max(sizes[:4]):
        assert limit.counts == "tokens"


def test_refusals_of_requests_that_were_on_their_way_together_are_one() -> None:
    """What they had been counted as is corrected: nothing was accepted between them."""
    limit = UnnamedLimit()
    for number, size in enumerate((100.0, 200.0, 400.0, 800.0, 1600.0)):
        at_s, accepted = 2.0**number, 100.0 * 2**number
        limit.refused(at_s, number + 8.0, accepted + 8 * size, is_first=True)
        limit.refused(at_s, float(number), accepted, is_first=False)
    assert limit.counts == "tokens"


def test_a_request_has_the_tokens_of_half_a_second_where_they_are_limited() -> None:
    """A thousand in half a second and fifty in a text: twenty, also of what was refused before."""
    with OpenRouterEmbedder(
        "m", api_key=loopback.KEY, base_url="http://localhost:1/v1", tokens_per_minute=120_000
    ) as client:
        server = client._server
        assert server.next_inputs == 32  # what texts have is not known yet
        server.limits.learn(5_000, 20_000, 100)
        assert server.slice_inputs == 19
        assert server.next_inputs == 19
        entries = [Entry(index=n, text="t", size_bytes=200) for n in range(32)]
        parts = Job(entries=entries, limited=3, waited_s=2.0).parts(19, keep_failures=True)
    assert [len(part.entries) for part in parts] == [19, 13]
    assert {(part.limited, part.waited_s) for part in parts} == {(3, 2.0)}


def test_where_requests_are_few_each_carries_all_that_it_may() -> None:
    """Of twenty requests a minute none is cut for a limit of tokens."""
    with OpenRouterEmbedder(
        "m",
        api_key=loopback.KEY,
        base_url="http://localhost:1/v1",
        tokens_per_minute=60_000,
        requests_per_minute=20,
    ) as client:
        client._server.limits.learn(5_000, 20_000, 100)
        assert client._server.slice_inputs is None


def test_a_stated_wait_holds_before_anybody_looks_at_the_refusal(
    embedding_server: LoopbackServer,
) -> None:
    """Answers that wait in line must not let requests go that the server was told not to get."""
    embedding_server.script(refusal(429, "rate limited", {"retry-after": "7"}), at=[1])
    with OpenRouterEmbedder(
        "test/small", api_key=loopback.KEY, base_url=embedding_server.base_url
    ) as client:
        server = client._server
        outcome = server.ask(["pump"], RequestForm(model="test/small"), None)
        assert isinstance(outcome, ServerError)
        assert 6.0 < server.pace.wait_s() <= 7.0


def test_a_wait_of_hours_ends_the_run_and_holds_up_no_other(
    embedding_server: LoopbackServer,
) -> None:
    """The next run asks again, since the allowance may have been raised meanwhile."""
    embedding_server.script(refusal(429, "a day", {"retry-after": "36000"}), at=[1])
    with OpenRouterEmbedder(
        "test/small", api_key=loopback.KEY, base_url=embedding_server.base_url
    ) as client:
        with pytest.raises(AllowanceSpent, match="permits no more requests for 10 hours"):
            client.embed_query("pump")
        assert client.embed_query("pump").shape == (64,)


def test_a_wait_that_is_stated_while_inputs_are_read_holds(
    embedding_server: LoopbackServer,
) -> None:
    """A text that takes its time to read does not go out although the server said to wait."""
    with OpenRouterEmbedder(
        "test/small", api_key=loopback.KEY, base_url=embedding_server.base_url
    ) as client:

        def texts() -> Iterator[str]:
            yield "first"
            client._server.pace.close(0.3)
            yield "second"

        begin_s = time.monotonic()
        batches = list(client.embed(texts(), role="document"))
        assert time.monotonic() - begin_s >= 0.3
    assert sorted(index for batch in batches for index in batch.indexes) == [0, 1]
