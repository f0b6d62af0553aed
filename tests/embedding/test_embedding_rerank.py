"""What a reranker promises: a score on its document or none, in time, and what it cost."""

from __future__ import annotations

import json
import time
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loopback import FAULTS, KEY, Fault, LoopbackServer
from loopback_faults import PAGE, in_reply, refusal
from loopback_rerank import MODEL, score_of

from ragkit.config import OPENROUTER_URL, Secret
from ragkit.embedding.failures import BadReply, ServerError
from ragkit.embedding.rerank_seam import RerankAnswer
from ragkit.embedding.rerank_text import fitted
from ragkit.embedding.rerank_wire import RerankForm, RerankReply, build_rerank, parse_rerank
from ragkit.embedding.reranker import OpenRouterReranker
from ragkit.errors import (
    AuthenticationFailed,
    ConfigurationError,
    EmbeddingError,
    MalformedReply,
    MissingKey,
    ModelUnavailable,
    OutOfCredit,
    RequestRejected,
    ServerUnreachable,
)
from ragkit.models.rerankers import reranker_max_tokens
from ragkit.models.tokens import count_tokens

QUERY = "who holds the spare key"
TEXTS = ["The soup is hot.", "The duty officer holds the spare key.", "A key.", "Keys and locks."]


def reranker(server: LoopbackServer, *, timeout_s: float = 5.0) -> OpenRouterReranker:
    return OpenRouterReranker(api_key=KEY, base_url=server.base_url, timeout_s=timeout_s)


def asked(server: LoopbackServer, *, timeout_s: float = 5.0) -> RerankAnswer:
    with reranker(server, timeout_s=timeout_s) as one:
        return one.rerank(QUERY, TEXTS, model=MODEL)


def expected() -> dict[int, float]:
    return {place: score_of(QUERY, text) for place, text in enumerate(TEXTS)}


def test_scores_by_document(embedding_server: LoopbackServer) -> None:
    """Each document gets its own score, in one request, with what it cost and who answered."""
    answer = asked(embedding_server)
    assert answer.scores == expected()
    assert (answer.error, answer.requests) == (None, 1)
    assert answer.cost_usd == embedding_server.reranks.cost_usd == Decimal("0.002")
    assert answer.provider == "Loopback"
    (request,) = embedding_server.reranks.asked
    assert request == {"model": MODEL, "query": QUERY, "documents": TEXTS, "top_n": 4}


@pytest.mark.parametrize("shape", ["plain", "voyage", "tei"])
def test_every_servers_own_shape(embedding_server: LoopbackServer, shape: str) -> None:
    """``score``, ``data`` and bare lists are read; ``texts`` is sent where it is wanted."""
    embedding_server.reranks.shape = shape
    with reranker(embedding_server) as one:
        answers = [one.rerank(QUERY, TEXTS, model="test/rerank") for _ in range(2)]
    assert [answer.scores for answer in answers] == [expected()] * 2
    assert [answer.cost_usd for answer in answers] == [None, None]
    # What a server wants is asked for once, and known from then on.
    assert len(embedding_server.reranks.asked) == (3 if shape == "tei" else 2)


def test_a_server_that_has_another_word_for_top_n(embedding_server: LoopbackServer) -> None:
    """It is left out where it is refused."""
    embedding_server.reranks.refuses_top_n = True
    assert asked(embedding_server).scores == expected()
    assert "top_n" not in embedding_server.reranks.asked[-1]


def test_a_server_that_takes_few_documents(embedding_server: LoopbackServer) -> None:
    """The rest goes in further requests, each score to its own document."""
    embedding_server.reranks.max_documents = 3
    embedding_server.reranks.shape = "tei"
    with reranker(embedding_server) as one:
        answer = one.rerank(QUERY, TEXTS * 2, model="test/rerank")
    assert answer.scores == {place: expected()[place % 4] for place in range(8)}
    sizes = [len(request.get("texts", [])) for request in embedding_server.reranks.asked]
    assert sizes == [0, 8, 3, 3, 2]
    assert answer.requests == 5


def test_fewer_results_are_legal(embedding_server: LoopbackServer) -> None:
    """What the server leaves out has no score."""
    embedding_server.reranks.returns = 1
    assert asked(embedding_server).scores == {1: expected()[1]}


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (refusal(400, "bad request"), RequestRejected),
        (refusal(401, "no"), AuthenticationFailed),
        (refusal(402, "no credits"), OutOfCredit),
        (refusal(404, "no endpoints"), ModelUnavailable),
        (refusal(429, "slow", {"retry-after-ms": "1"}), ServerUnreachable),
        (refusal(500, "down", {"retry-after-ms": "1"}), ServerUnreachable),
        (refusal(524, "edge", {"retry-after-ms": "1"}), ServerUnreachable),
        (Fault(kind="status", body=PAGE), MalformedReply),
        (Fault(kind="no results"), MalformedReply),
    ],
)
def test_failures_are_told_not_raised(
    embedding_server: LoopbackServer, fault: Fault, kind: type[EmbeddingError]
) -> None:
    """Each failure comes back as the error it would be, with no score at all."""
    embedding_server.reranks.always = fault
    answer = asked(embedding_server)
    assert answer.scores == {}
    assert type(answer.error) is kind
    assert answer.requests == len(embedding_server.reranks.asked)


@pytest.mark.parametrize("name", ["429", "500", "502", "200 with 502", "empty body"])
def test_passing_failures_heal(embedding_server: LoopbackServer, name: str) -> None:
    """The next attempt is taken as if nothing had been."""
    embedding_server.reranks.faults = {1: FAULTS[name]}
    answer = asked(embedding_server)
    assert (answer.scores, answer.requests) == (expected(), 2)


def test_replies_in_vain_are_paid(embedding_server: LoopbackServer) -> None:
    """What the server charged for answers that fail a check is on the bill."""
    embedding_server.reranks.always = Fault(kind="index twice")
    answer = asked(embedding_server)
    assert isinstance(answer.error, MalformedReply)
    assert answer.cost_usd == embedding_server.reranks.cost_usd == 3 * Decimal("0.002")


def test_time_is_kept(embedding_server: LoopbackServer) -> None:
    """All attempts together take no longer than allowed, and stated waits are not cut short."""
    embedding_server.reranks.latency_s = 0.6
    started_s = time.monotonic()
    slow = asked(embedding_server, timeout_s=0.3)
    assert isinstance(slow.error, ServerUnreachable)
    embedding_server.reranks.latency_s = 0.0
    embedding_server.reranks.always = refusal(503, "later", {"retry-after": "2"})
    refused = asked(embedding_server, timeout_s=1.0)
    assert isinstance(refused.error, ServerUnreachable)
    assert refused.requests == 1
    embedding_server.reranks.always = refusal(500, "down")
    assert asked(embedding_server, timeout_s=0.4).requests == 1
    assert time.monotonic() - started_s < 2.0


def test_no_server_at_all() -> None:
    """It is told at once."""
    with OpenRouterReranker(base_url="http://127.0.0.1:9/v1") as one:
        answer = one.rerank(QUERY, TEXTS, model=MODEL)
    assert isinstance(answer.error, ServerUnreachable)


def test_the_key_stays_secret(embedding_server: LoopbackServer) -> None:
    """No part of it is in an answer or a repr, whatever a server quotes and wherever it is cut."""
    quotes = [f"{'x' * length} {KEY} is no key" for length in (0, 150, 185)]
    faults = [refusal(status, quote) for status in (400, 401) for quote in quotes]
    with reranker(embedding_server, timeout_s=0.5) as one:
        for fault in [*faults, *(in_reply(400, quote) for quote in quotes)]:
            embedding_server.reranks.always = fault
            answer = one.rerank(QUERY, TEXTS, model=MODEL)
            assert answer.error is not None
            assert KEY[:14] not in repr(one) + repr(answer)
    assert KEY not in json.dumps(embedding_server.reranks.asked)


def test_what_cannot_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing key, a wrong URL and a wrong routing object are errors before anything is sent."""
    monkeypatch.delenv("OPENROUTER_API_KEY", raising=False)
    with pytest.raises(MissingKey, match="or search without rerank"):
        OpenRouterReranker()
    with pytest.raises(ConfigurationError, match="no base URL"):
        OpenRouterReranker(base_url="localhost")
    with pytest.raises(ConfigurationError, match="provider has no key 'speed'"):
        OpenRouterReranker(api_key="k", provider={"speed": 1})
    with pytest.raises(ConfigurationError, match="timeout_s=0"):
        OpenRouterReranker(api_key="k", timeout_s=0)
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-or-v1-from-the-environment")
    assert repr(OpenRouterReranker()) == f"OpenRouterReranker(base_url='{OPENROUTER_URL}')"


def test_who_pays_is_told(embedding_server: LoopbackServer) -> None:
    """Each answer is handed over with its model, failed ones too."""
    bills: list[tuple[str, Decimal | None]] = []
    one = OpenRouterReranker(
        api_key=Secret(KEY),
        base_url=embedding_server.base_url,
        spent=lambda model, answer: bills.append((model, answer.cost_usd)),
    )
    one.rerank(QUERY, TEXTS, model=MODEL)
    embedding_server.reranks.always = refusal(402, "no")
    one.rerank(QUERY, TEXTS, model=MODEL)
    one.close()
    assert bills == [(MODEL, Decimal("0.002")), (MODEL, Decimal(0))]


# --- the wire


def parsed(body: object, expected: int = 3) -> object:
    return parse_rerank(200, {}, json.dumps(body).encode(), expected=expected)


@given(
    scores=st.dictionaries(
        st.integers(0, 2), st.floats(allow_nan=False, allow_infinity=False), min_size=1
    ),
    name=st.sampled_from(["relevance_score", "score"]),
    shape=st.sampled_from(["results", "data", None]),
)
def test_right_replies_are_read(scores: dict[int, float], name: str, shape: str | None) -> None:
    """Any finite score, in any order, of any of the documents."""
    results = [{"index": place, name: score} for place, score in scores.items()]
    reply = parsed(results if shape is None else {shape: results})
    assert isinstance(reply, RerankReply)
    assert reply.scores == scores


@pytest.mark.parametrize(
    "wrong",
    [
        {"index": 3, "relevance_score": 0.5},
        {"index": -1, "relevance_score": 0.5},
        {"index": True, "relevance_score": 0.5},
        {"index": "1", "relevance_score": 0.5},
        {"index": 0.5, "relevance_score": 0.5},
        {"relevance_score": 0.5},
        {"index": 1},
        {"index": 1, "relevance_score": None},
        {"index": 1, "relevance_score": "0.5"},
        {"index": 1, "relevance_score": float("nan")},
        {"index": 1, "relevance_score": float("inf")},
        {"index": 0, "relevance_score": 0.4},
    ],
)
def test_a_reply_with_a_flaw_is_discarded_whole(wrong: object) -> None:
    """No score is taken from a reply in which any is wrong, or which has none."""
    right = {"index": 0, "relevance_score": 0.9}
    assert isinstance(parsed({"results": [right]}), RerankReply)
    assert isinstance(parsed({"results": [right, wrong]}), BadReply)
    nothings: tuple[object, ...] = (None, [], {}, 7)
    for nothing in nothings:
        assert isinstance(parsed({"results": nothing}), BadReply)


@given(st.binary(max_size=60))
@settings(max_examples=200)
def test_no_bytes_make_it_raise(body: bytes) -> None:
    """Whatever comes is an answer, an error or a bad reply."""
    found = parse_rerank(200, {}, body, expected=1)
    assert isinstance(found, (RerankReply, ServerError, BadReply))


def test_equal_requests_are_equal_bytes() -> None:
    """Keys are sorted and routing is sent where it is given, so that a cache can know them."""
    form = RerankForm(model="m", provider={"zdr": True})
    body = build_rerank("q", ["a", "ä"], form)
    assert body.decode() == (
        '{"documents":["a","ä"],"model":"m","provider":{"zdr":true},"query":"q","top_n":2}'
    )


# --- what a model reads


@pytest.mark.parametrize(
    ("model", "tokens"),
    [
        ("cohere/rerank-v3.5", 4096),
        ("voyageai/rerank-2.5-lite", 32_000),
        ("voyageai/rerank-2-lite", 8000),
        ("nvidia/llama-nemotron-rerank-vl-1b-v2:free", 8192),
        ("BAAI/bge-reranker-v2-m3", 8192),
        ("cross-encoder/ms-marco-MiniLM-L-6-v2", 512),
        ("anything", 512),
    ],
)
def test_what_models_take(model: str, tokens: int) -> None:
    """Known families by their makers' words, others as little as the oldest."""
    assert reranker_max_tokens(model) == tokens


@given(
    query=st.text(min_size=1, max_size=3000),
    documents=st.lists(st.text(max_size=6000), min_size=1, max_size=3),
)
@settings(deadline=None, max_examples=40)
def test_texts_are_cut_to_fit(query: str, documents: list[str]) -> None:
    """Query and document fit together as beginnings of what was given; what fits is left alone."""
    cut_query, cut = fitted(query, documents, 512)
    assert query.startswith(cut_query)
    for before, after in zip(documents, cut, strict=True):
        assert before.startswith(after)
        assert count_tokens(cut_query) + count_tokens(after) <= 504
        if len((query + before).encode()) <= 500:
            assert (cut_query, after) == (query, before)


def test_a_long_passage_keeps_its_beginning() -> None:
    """Prose is cut near the limit and not far below it, and the query keeps its half."""
    prose = "Signing keys are rotated every ninety days by the duty officer. " * 100
    query, (text,) = fitted("how often?", [prose], 512)
    assert query == "how often?"
    assert prose.startswith(text)
    assert 350 <= count_tokens(text) <= 504
    query, (text,) = fitted(prose, [prose], 512)
    assert 180 <= count_tokens(query) <= 256
    assert 150 <= count_tokens(text) <= 256


def test_what_no_request_can_carry() -> None:
    """Half of a surrogate pair does not keep the others from being asked about."""
    query, (text,) = fitted("a\ud800", ["b\udfff"], 512)
    assert (query, text) == ("a?", "b?")
