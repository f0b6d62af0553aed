"""Vectors from OpenRouter, or from any other server with an OpenAI-compatible embeddings API."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from types import TracebackType
from typing import Final, Self

from ragkit.config import Secret
from ragkit.embedding.account import KeyFacts, fetch_key
from ragkit.embedding.assembly import Options
from ragkit.embedding.batches import Batcher
from ragkit.embedding.budget import Budget
from ragkit.embedding.client import Stream
from ragkit.embedding.forecast import FREE_A_DAY, PAID_A_DAY, Forecast, foretell
from ragkit.embedding.images import EmbedInput
from ragkit.embedding.knowledge import Knowledge
from ragkit.embedding.routing import Attribution
from ragkit.embedding.seam import (
    EmbeddedBatch,
    FloatMatrix,
    FloatVector,
    Role,
    embed_all,
    embed_one,
)
from ragkit.embedding.waits import Patience
from ragkit.errors import InvalidArgument
from ragkit.models.catalogue import ModelProfile, fingerprint
from ragkit.models.fingerprint import Fingerprint

__all__ = ["OpenRouterEmbedder"]

# Around a text, where a server counts them.
_MARKERS: Final = 3


class OpenRouterEmbedder:
    """An ``Embedder`` over HTTP, for many threads, inside a running event loop, and after a fork.

    Args:
        model: ``author/slug`` at OpenRouter, or the name that the server at *base_url* knows.
        api_key: Instead of the one in the environment.
        base_url: Root of another API, up to and without ``/embeddings``; None for OpenRouter.
        dimensions: Width to cut vectors to, for models that can be cut; None for the native width.
        provider: OpenRouter's routing object. Pin a provider for vectors that never vary.
        input_type: (query, document) values of ``input_type``; None for what the catalogue says.
        user: The end user's identifier, for the server's logs.
        timeout_s: Longest wait for one reply.
        concurrency: Most requests in flight at once, and as many as it begins with; None begins
            with 16 and goes up to 64 as long as that brings more.
        requests_per_minute: What the server permits; None learns it, and knows it of free models.
        tokens_per_minute: The same for tokens.
        attribution: Names the application to OpenRouter; None sends nothing.
        max_cost_usd: Most that this embedder may spend in its life; ``with_budget`` for one run.
        patience: How long to go on trying when the server fails.
        dialect: Whose ways the server has (``dialects.DIALECTS``), where its address does not tell:
            a gateway in front of Azure, say.
        profile: What is known of the model; None for what the catalogue says.
        knowledge: What was found out about the server before; None for nothing.
        takes_images: Whether the model takes pictures, as its server's list says; None for what the
            catalogue says, and for models that it does not know the server is asked.

    Raises:
        MissingKey: OpenRouter without a key.
        ConfigurationError: A value that no server could take.
    """

    def __init__(
        self,
        model: str,
        *,
        api_key: str | Secret | None = None,
        base_url: str | None = None,
        dimensions: int | None = None,
        provider: Mapping[str, object] | None = None,
        input_type: tuple[str, str] | None = None,
        user: str | None = None,
        timeout_s: float = 120.0,
        concurrency: int | None = None,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        attribution: Attribution | None = None,
        max_cost_usd: Decimal | float | None = None,
        patience: Patience | None = None,
        takes_images: bool | None = None,
        dialect: str | None = None,
        profile: ModelProfile | None = None,
        knowledge: Knowledge | None = None,
    ) -> None:
        options = Options(
            model=model,
            api_key=Secret(api_key) if isinstance(api_key, str) else api_key,
            base_url=base_url,
            dimensions=dimensions,
            provider=provider,
            input_type=input_type,
            user=user,
            timeout_s=timeout_s,
            concurrency=concurrency,
            requests_per_minute=requests_per_minute,
            tokens_per_minute=tokens_per_minute,
            attribution=attribution,
            patience=patience,
            takes_images=takes_images,
            dialect=dialect,
            profile=profile,
            knowledge=knowledge,
        )
        self._is_free = options.is_free
        self._a_day: int | None = None
        self._profile = options.known
        self._fingerprint = fingerprint(
            self._profile, dimensions=dimensions, provider=provider, input_type=input_type
        )
        self._form = options.form()
        self._budget = None if max_cost_usd is None else Budget(Decimal(str(max_cost_usd)))
        self._server = options.server()

    def __repr__(self) -> str:
        target = self._server.policy.target
        return f"OpenRouterEmbedder({target.model!r}, base_url={target.url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def fingerprint(self) -> Fingerprint:
        """What decides the vectors; two embedders with equal ones make the same vectors."""
        return self._fingerprint

    @property
    def max_tokens(self) -> int:
        """Most tokens of this model that one text may have, prompts not counted.

        Less than the model takes, where its server was found to cut texts.
        """
        reads, prompt = self._server.watch.limit, self._fingerprint.document_prompt
        if reads is None:
            return self._profile.max_tokens
        return max(1, min(self._profile.max_tokens, reads - len(prompt.encode()) - _MARKERS))

    @property
    def budget(self) -> Budget | None:
        """What this embedder may still spend."""
        return self._budget

    @property
    def knowledge(self) -> Knowledge | None:
        """What was found out about the server so far; None before anything was answered."""
        server = self._server
        if not server.election.has_answers:
            return None
        return Knowledge.of(
            server.limits, base64=server.encoding.finding, reads_tokens=server.watch.limit
        )

    def forecast(self, texts: int, tokens: int, *, asks: bool = True) -> Forecast:
        """How long so many texts with so many tokens in all take at least.

        Args:
            texts: To be embedded.
            tokens: Of all of them.
            asks: Whether the server may be asked, once, what a free model's account is permitted in
                a day.
        """
        if not texts:
            return Forecast()
        if self._is_free and self._a_day is None and asks:
            key = fetch_key(self._server.transport)
            has_paid = isinstance(key, KeyFacts) and not key.is_free_tier
            self._a_day = PAID_A_DAY if has_paid else FREE_A_DAY
        requests = self._server.requests_for(texts, tokens)
        return foretell(self._server.pace, requests, tokens, a_day=self._a_day)

    def with_budget(self, budget: Budget | None) -> Self:
        """The same embedder, with its connections and all it has learnt, on another budget."""
        other = copy.copy(self)
        other._budget = budget
        return other

    def pinned_to(self, provider: str) -> Self:
        """The same embedder, asking one provider and no other; see ``RemoteEmbedder``."""
        other = copy.copy(self)
        chosen = {"only": [provider], "allow_fallbacks": False}
        kept = {key: value for key, value in (self._form.provider or {}).items() if key != "order"}
        other._form = replace(self._form, provider={**kept, **chosen})
        return other

    def embed(self, inputs: Iterable[EmbedInput], *, role: Role) -> Iterator[EmbeddedBatch]:
        """Embed a stream of texts and pictures; see ``Embedder.embed``.

        Pictures are embedded as documents are, in a query too: a picture has one vector, and some
        models take none as a query.

        A batch without rows may come: it reports refused texts, or costs of requests in vain.

        Raises:
            AuthenticationFailed: The server refuses the key.
            OutOfCredit: The account has no money left.
            BudgetSpent: The next request would pass the budget.
            ModelUnavailable: The server does not serve the model, or not on these terms.
            RequestRejected: The server takes no such request, whatever the text.
            ServerUnreachable: No answer, after all attempts.
            MalformedReply: No usable answer, after all attempts.
            ConfigurationError: A budget was set and the server does not say what it charges.
        """
        if isinstance(inputs, str):
            raise InvalidArgument("embed takes several texts: put the one text into a list")
        mark = self._fingerprint
        query = role == "query"
        prompt = mark.query_prompt if query else mark.document_prompt
        input_type = mark.query_input_type if query else mark.document_input_type
        stream = Stream(
            self._server,
            form=replace(self._form, input_type=input_type),
            picture_form=replace(self._form, input_type=mark.document_input_type),
            batcher=Batcher(inputs, prompt=prompt, limits=self._server.limits),
            budget=self._budget,
        )
        return stream.batches()

    def embed_documents(self, texts: Sequence[EmbedInput]) -> FloatMatrix:
        """float32 (n, d), unit rows in the order of *texts*; raises InputRejected."""
        return embed_all(self, texts, "document")

    def embed_query(self, text: EmbedInput) -> FloatVector:
        """float32 (d,), unit length; raises InputRejected."""
        return embed_one(self, text)

    def close(self) -> None:
        """Close the connections; twice is as good as once."""
        self._server.transport.close()
