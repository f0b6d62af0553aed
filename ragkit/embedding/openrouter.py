"""Vectors from OpenRouter, or from any other server with an OpenAI-compatible embeddings API."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from types import TracebackType
from typing import Final, Self

from ragkit.config import OPENROUTER_URL, Secret, key_for
from ragkit.embedding.account import KeyFacts, fetch_key
from ragkit.embedding.batches import Batcher
from ragkit.embedding.budget import Budget
from ragkit.embedding.client import Stream
from ragkit.embedding.complaints import Target
from ragkit.embedding.dialects import Dialect, dialect_of
from ragkit.embedding.encoding import EncodingProof
from ragkit.embedding.forecast import FREE_A_DAY, PAID_A_DAY, Forecast, foretell
from ragkit.embedding.images import EmbedInput
from ragkit.embedding.knowledge import Knowledge
from ragkit.embedding.limits import BatchLimits
from ragkit.embedding.pace import Pace
from ragkit.embedding.picture_proof import PictureProof
from ragkit.embedding.policy import Policy
from ragkit.embedding.routing import Attribution, checked_routing
from ragkit.embedding.seam import (
    EmbeddedBatch,
    FloatMatrix,
    FloatVector,
    Role,
    embed_all,
    embed_one,
)
from ragkit.embedding.server import Server
from ragkit.embedding.transport import Transport, checked_base_url, checked_key
from ragkit.embedding.waits import Patience
from ragkit.embedding.width import WidthElection
from ragkit.embedding.wire import RequestForm
from ragkit.errors import ConfigurationError, InvalidArgument, MissingKey
from ragkit.models.catalogue import ModelProfile, fingerprint
from ragkit.models.catalogue import profile as profile_of
from ragkit.models.fingerprint import Fingerprint

__all__ = ["OpenRouterEmbedder"]

# Free models take twenty requests a minute: the documented limit, which no reply states.
_FREE_REQUESTS_PER_MINUTE: Final = 20.0
_MOST_AT_ONCE: Final = 64
# Around a text, where a server counts them.
_MARKERS: Final = 3
_BEGINS_AT: Final = 16


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
        url = OPENROUTER_URL if base_url is None else checked_base_url(base_url)
        # The very URL that the environment's key is for: see config.key_for.
        at_openrouter = url == OPENROUTER_URL
        _check(model, dimensions, provider if at_openrouter else None, user)
        _check_numbers(
            {
                "concurrency": concurrency,
                "timeout_s": timeout_s,
                "requests_per_minute": requests_per_minute,
                "tokens_per_minute": tokens_per_minute,
            }
        )
        if attribution is not None and not at_openrouter:
            raise ConfigurationError(f"attribution is for OpenRouter alone: leave it out for {url}")
        self._is_free = at_openrouter and model.endswith(":free")
        if requests_per_minute is None and self._is_free:
            requests_per_minute = _FREE_REQUESTS_PER_MINUTE
        most_at_once = concurrency or _MOST_AT_ONCE
        ways = dialect_of(url, dialect)
        self._profile = profile or profile_of(model)
        self._a_day: int | None = None
        self._fingerprint = fingerprint(
            self._profile, dimensions=dimensions, provider=provider, input_type=input_type
        )
        self._form = RequestForm(
            model=model,
            provider=provider,
            user=user,
            dimensions_field=ways.dimensions_field,
            input_type_field=ways.input_type_field,
        )
        self._budget = None if max_cost_usd is None else Budget(Decimal(str(max_cost_usd)))
        key_variable = "OPENROUTER_API_KEY" if at_openrouter else "RAGKIT_API_KEY"
        self._server = Server(
            transport=Transport(
                url,
                key=_key(api_key, base_url, key_variable, needed=at_openrouter),
                timeout_s=timeout_s,
                most_at_once=most_at_once,
                headers=None if attribution is None else attribution.headers(),
                key_header=ways.key_header,
            ),
            policy=Policy(
                target=Target(model=model, url=url, key_variable=key_variable),
                patience=patience or Patience(),
                jitter=random.Random(),  # noqa: S311 - spreads retries, guards nothing
            ),
            pace=Pace(
                most_at_once,
                begins_at=concurrency or _BEGINS_AT,
                requests_per_minute=requests_per_minute,
                tokens_per_minute=tokens_per_minute,
            ),
            limits=_limits(ways, self._profile, knowledge),
            election=WidthElection(dimensions or self._profile.dimensions),
            dimensions=dimensions,
            # Servers refuse it for models that cannot be cut, even when it states their width.
            sends_dimensions=dimensions != self._profile.dimensions,
            encoding=EncodingProof(
                offers_base64=ways.offers_base64,
                states_float=ways.states_float,
                was_proven=None if knowledge is None else knowledge.base64,
            ),
            pictures=PictureProof(_picture_refusal(self._profile, takes_images)),
        )
        if knowledge is not None and knowledge.reads_tokens is not None:
            self._server.watch.learn(knowledge.reads_tokens)

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


def _check(
    model: str, dimensions: int | None, provider: Mapping[str, object] | None, user: object
) -> None:
    if not model.strip():
        raise ConfigurationError("the model's name is blank: name one, such as baai/bge-m3")
    if dimensions is not None and (isinstance(dimensions, bool) or dimensions < 1):
        raise ConfigurationError(f"dimensions={dimensions!r} must be a whole number from 1 on")
    if provider is not None:
        checked_routing(provider)
    if user is not None and not (isinstance(user, str) and user.strip()):
        raise ConfigurationError(f"user={user!r} must be the identifier of an end user, a text")


def _check_numbers(numbers: Mapping[str, float | None]) -> None:
    for name, value in numbers.items():
        if value is not None and not value > 0:
            raise ConfigurationError(f"{name}={value!r} of an embedder must be above 0")


def _picture_refusal(known: ModelProfile, takes_images: bool | None) -> str | None:
    takes = takes_images if takes_images is not None else known.takes_images or not known.is_known
    if takes:
        return None
    return f"a picture, and {known.name} takes text only: choose a model that takes images"


def _limits(ways: Dialect, known: ModelProfile, earlier: Knowledge | None) -> BatchLimits:
    most = ways.most_inputs if known.batch_inputs is None else known.batch_inputs
    most = min(most, ways.most_inputs)
    limits = BatchLimits(inputs=min(ways.inputs, most), most_inputs=most, tokens=ways.tokens)
    if earlier is not None:
        earlier.begin(limits)
    return limits


def _key(
    given: str | Secret | None, base_url: str | None, variable: str, *, needed: bool
) -> Secret | None:
    key = Secret(given) if isinstance(given, str) else given
    key = key_for(base_url) if key is None else key
    if key is not None:
        return checked_key(key)
    if needed:
        raise MissingKey(f"OpenRouter needs a key: set {variable}, or use the embedded model")
    return None
