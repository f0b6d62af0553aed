"""Scores from OpenRouter's rerank API, or from any other server with one."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from types import TracebackType
from typing import Final, Self

from ragkit.config import OPENROUTER_URL, Secret, key_for
from ragkit.embedding.complaints import Target
from ragkit.embedding.dialects import dialect_of
from ragkit.embedding.failures import BadReply, Failure, NoReply, ServerError
from ragkit.embedding.inquiry import error_of, patiently
from ragkit.embedding.jobs import Bill
from ragkit.embedding.rerank_seam import RerankAnswer
from ragkit.embedding.rerank_text import fitted
from ragkit.embedding.rerank_wire import (
    RerankForm,
    RerankReply,
    adapted,
    build_rerank,
    parse_rerank,
)
from ragkit.embedding.routing import checked_routing
from ragkit.embedding.transport import RawReply, Transport, checked_base_url, checked_key
from ragkit.embedding.wordings import stated_limit
from ragkit.errors import ConfigurationError, EmbeddingError, MissingKey
from ragkit.models.rerankers import reranker_max_tokens

__all__ = ["OpenRouterReranker"]

_MOST_DOCUMENTS: Final = 1000
_MOST_AT_ONCE: Final = 8


class OpenRouterReranker:
    """A ``Reranker`` over HTTP, for many threads and after a fork.

    Args:
        api_key: Instead of the one in the environment.
        base_url: Root of another API, up to and without ``/rerank``; None for OpenRouter.
        provider: OpenRouter's routing object.
        timeout_s: Longest that one call may take, all attempts included.
        dialect: Whose ways the server has, where its address does not tell.
        spent: Told of each answer, with the model's name, as soon as it is known.

    Raises:
        MissingKey: OpenRouter without a key.
        ConfigurationError: A value that no server could take.
    """

    def __init__(
        self,
        *,
        api_key: str | Secret | None = None,
        base_url: str | None = None,
        provider: Mapping[str, object] | None = None,
        timeout_s: float = 30.0,
        dialect: str | None = None,
        spent: Callable[[str, RerankAnswer], None] | None = None,
    ) -> None:
        self._url = OPENROUTER_URL if base_url is None else checked_base_url(base_url)
        at_openrouter = self._url == OPENROUTER_URL
        self._key_variable = "OPENROUTER_API_KEY" if at_openrouter else "RAGKIT_API_KEY"
        if at_openrouter and provider is not None:
            checked_routing(provider)
        if not timeout_s > 0:
            raise ConfigurationError(f"timeout_s={timeout_s!r} of a reranker must be above 0")
        self._provider = provider
        self._timeout_s = timeout_s
        self._spent = spent
        self._transport = Transport(
            self._url,
            key=_key(api_key, base_url, needed=at_openrouter),
            timeout_s=timeout_s,
            most_at_once=_MOST_AT_ONCE,
            key_header=dialect_of(self._url, dialect).key_header,
        )
        # What a server was found to want, by model.
        self._learnt: dict[str, tuple[RerankForm, int]] = {}

    def __repr__(self) -> str:
        return f"OpenRouterReranker(base_url={self._url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; twice is as good as once."""
        self._transport.close()

    def rerank(self, query: str, documents: Sequence[str], *, model: str) -> RerankAnswer:
        """Scores of all of the documents; see ``Reranker.rerank``.

        Query and documents are cut to what the model reads. More than 1,000 documents, or more than
        a server says it takes, go in several requests: scores for one query can be compared.
        """
        query, documents = fitted(query, documents, reranker_max_tokens(model))
        run = _Run(
            transport=self._transport,
            target=Target(model=model, url=self._url, key_variable=self._key_variable),
            query=query,
            documents=documents,
            ends_at_s=time.monotonic() + self._timeout_s,
        )
        first = RerankForm(model=model, provider=self._provider)
        form, most = self._learnt.get(model, (first, _MOST_DOCUMENTS))
        answer, self._learnt[model] = run.finish(form, most)
        if self._spent is not None:
            self._spent(model, answer)
        return answer


class _Run:
    """One call: as many requests as it takes, and what they cost together."""

    def __init__(
        self,
        *,
        transport: Transport,
        target: Target,
        query: str,
        documents: Sequence[str],
        ends_at_s: float,
    ) -> None:
        self._transport = transport
        self._target = target
        self._query = query
        self._documents = documents
        self._ends_at_s = ends_at_s
        self._bill = Bill()
        self._attempts = 0
        self._states_cost = True
        self._provider: str | None = None

    def finish(self, form: RerankForm, most: int) -> tuple[RerankAnswer, tuple[RerankForm, int]]:
        """The answer, and with which form and how many documents it was got."""
        scores: dict[int, float] = {}
        start = 0
        while start < len(self._documents):
            part = self._documents[start : start + most]
            outcome = self._ask(part, form)
            if isinstance(outcome, RerankReply):
                scores |= {start + place: score for place, score in outcome.scores.items()}
                self._provider = outcome.provider or self._provider
                start += len(part)
                continue
            other, fewer = _otherwise(outcome, form, len(part))
            if other is None and fewer is None:
                error = error_of(outcome, self._target, self._attempts)
                return self._answer({}, error), (form, most)
            form, most = other or form, fewer or most
        return self._answer(scores, None), (form, most)

    def _ask(self, documents: Sequence[str], form: RerankForm) -> RerankReply | Failure:
        body = build_rerank(self._query, documents, form)
        self._attempts = 0

        def once() -> RerankReply | Failure:
            left_s = self._ends_at_s - time.monotonic()
            if left_s <= 0:
                return NoReply(kind="timeout", reason="no time left for an answer")
            self._attempts += 1
            self._bill.requests += 1
            raw = self._transport.post("/rerank", body, expected=len(documents), timeout_s=left_s)
            outcome = _read(self._transport, raw, len(documents))
            if isinstance(outcome, RerankReply | BadReply):
                self._charge(outcome)
            return outcome

        return patiently(once, ends_at_s=self._ends_at_s)

    def _charge(self, outcome: RerankReply | BadReply) -> None:
        self._bill.tokens += outcome.tokens or 0
        self._bill.cost_usd += outcome.cost_usd or Decimal(0)
        if outcome.cost_usd is None and isinstance(outcome, RerankReply):
            self._states_cost = False

    def _answer(self, scores: Mapping[int, float], error: EmbeddingError | None) -> RerankAnswer:
        return RerankAnswer(
            scores=scores,
            error=error,
            tokens=self._bill.tokens,
            requests=self._bill.requests,
            cost_usd=self._bill.cost_usd if self._states_cost else None,
            provider=self._provider,
        )


def _read(
    transport: Transport, raw: RawReply | NoReply | BadReply, expected: int
) -> RerankReply | Failure:
    if not isinstance(raw, RawReply):
        return raw
    outcome = parse_rerank(raw.status, raw.headers, raw.body, expected=expected)
    if isinstance(outcome, RerankReply):
        return outcome
    # What is wrong with a reply is quoted, so that the key must not stand in it.
    masked = transport.masked(raw)
    return parse_rerank(masked.status, masked.headers, masked.body, expected=expected)


def _otherwise(
    failure: Failure, form: RerankForm, size: int
) -> tuple[RerankForm | None, int | None]:
    """Another form, or fewer documents, that a server may take which refused these."""
    if not isinstance(failure, ServerError):
        return None, None
    other = adapted(form, failure)
    limit = stated_limit(failure.message, size) if failure.status in (400, 413, 422) else None
    fewer = limit.limit if limit is not None and limit.counts == "texts" else None
    return other, None if other is not None else fewer


def _key(given: str | Secret | None, base_url: str | None, *, needed: bool) -> Secret | None:
    key = Secret(given) if isinstance(given, str) else given
    key = key_for(base_url) if key is None else key
    if key is not None:
        return checked_key(key)
    if needed:
        raise MissingKey(
            "reranking at OpenRouter needs a key: set OPENROUTER_API_KEY, or search without rerank"
        )
    return None
