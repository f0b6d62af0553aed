"""How many texts go into a request: what is stated, what is tried, what is given up."""

from __future__ import annotations

import loopback
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from loopback import LoopbackServer
from loopback_models import vector_of

from ragkit.embedding.limits import BatchLimits
from ragkit.embedding.openrouter import OpenRouterEmbedder
from ragkit.embedding.waits import Patience

TEXTS = [f"passage {number}" for number in range(1500)]


def sizes(server: LoopbackServer, model: str = "test/small") -> list[int]:
    """Texts in each request that was sent for all of the texts, whose vectors must be right."""
    with OpenRouterEmbedder(
        model,
        api_key=loopback.KEY,
        base_url=server.base_url,
        concurrency=4,
        patience=Patience(first_s=0.004, longest_s=0.02),
    ) as client:
        vectors = client.embed_documents(TEXTS)
    truth = np.array([vector_of(text, model=model) for text in TEXTS], np.float32)
    np.testing.assert_allclose(vectors, truth, atol=1e-6)
    assert set(server.ledger.answered.values()) == {1}
    return [request.inputs for request in server.ledger.requests]


def test_requests_grow_while_the_server_is_quick(embedding_server: LoopbackServer) -> None:
    """8, then 32, then twice as many at a time: less than half of the requests, each text once."""
    sent = sizes(embedding_server)
    assert sent[0] == 8
    assert max(sent) >= 256
    assert len(sent) < 24


@pytest.mark.parametrize("most", [40, 64, 200])
def test_a_server_that_fails_at_large_requests_loses_few(
    most: int, embedding_server: LoopbackServer
) -> None:
    """Those that tried more are sent again at the size that is proven, and then no other tries."""
    embedding_server.quirks.fails_over_inputs = most
    sent = sizes(embedding_server)
    assert 1 <= len([size for size in sent if size > most]) <= 3
    assert max(sent) <= 2 * max(size for size in sent if size <= most)


def test_a_stated_limit_ends_the_trying(embedding_server: LoopbackServer) -> None:
    """What it says it takes is obeyed from the next request on."""
    sent = sizes(embedding_server, "test/tight")
    assert len([size for size in sent if size > 10]) <= 4  # those that were on their way together
    assert sent.count(10) >= 140


def test_a_failure_by_chance_does_not_end_the_trying(embedding_server: LoopbackServer) -> None:
    """A reset connection says nothing about the size."""
    embedding_server.script("reset before", at=[3, 4])
    assert max(sizes(embedding_server)) >= 256


def test_a_slow_server_is_not_asked_for_more() -> None:
    """Twice the texts would take twice the time, towards the timeout; few requests may."""
    limits = BatchLimits(inputs=32)
    assert limits.next_inputs(at_once=8, width=64, few_permitted=False) == 32  # nothing is known
    limits.answered(32, 1.5)
    assert limits.next_inputs(at_once=8, width=64, few_permitted=False) == 32
    assert limits.next_inputs(at_once=8, width=64, few_permitted=True) == 64
    limits.answered(32, 0.5)
    assert limits.next_inputs(at_once=8, width=64, few_permitted=False) == 64


def test_replies_in_flight_have_room_in_memory() -> None:
    """The wider the vectors and the more at once, the fewer texts in each request."""
    limits = BatchLimits(inputs=96, most_inputs=2048)
    limits.answered(96, 0.1)
    assert limits.next_inputs(at_once=64, width=4096, few_permitted=False) == 96
    assert limits.next_inputs(at_once=64, width=1536, few_permitted=False) == 192
    limits.answered(192, 0.1)
    assert limits.next_inputs(at_once=64, width=1536, few_permitted=False) == 217
    assert limits.next_inputs(at_once=8, width=64, few_permitted=False) == 384


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("answered"), st.integers(1, 600), st.floats(0, 5)),
            st.tuples(st.just("failed"), st.booleans(), st.none()),
            st.tuples(st.just("at most"), st.integers(1, 600), st.none()),
        )
    )
)
def test_what_is_tried_stays_within_what_is_allowed(
    events: list[tuple[str, int | bool, float | None]],
) -> None:
    """Whatever happens, one request at a time tries more, never above what the server stated."""
    limits, stated = BatchLimits(inputs=32), 512
    for kind, amount, seconds in events:
        if kind == "answered":
            limits.answered(int(amount), seconds or 0.0)
        elif kind == "failed":
            limits.failed(by_chance=bool(amount))
        else:
            stated = min(stated, int(amount))
            limits.at_most(int(amount))
        tried = limits.next_inputs(at_once=4, width=64, few_permitted=False)
        assert 1 <= limits.inputs <= tried <= min(stated, 2 * limits.inputs)
        if limits.sent(tried):
            assert limits.next_inputs(at_once=4, width=64, few_permitted=False) == limits.inputs
