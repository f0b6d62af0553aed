"""The parts of an embedder over HTTP, put together from what a user gives, once it is checked."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ragkit.config import OPENROUTER_URL, Secret, key_for
from ragkit.embedding.complaints import Target
from ragkit.embedding.dialects import Dialect, dialect_of
from ragkit.embedding.encoding import EncodingProof
from ragkit.embedding.knowledge import Knowledge
from ragkit.embedding.limits import BatchLimits
from ragkit.embedding.pace import Pace
from ragkit.embedding.picture_proof import PictureProof
from ragkit.embedding.policy import Policy
from ragkit.embedding.routing import Attribution, checked_routing
from ragkit.embedding.server import Server
from ragkit.embedding.transport import Transport, checked_base_url, checked_key
from ragkit.embedding.waits import Patience
from ragkit.embedding.width import WidthElection
from ragkit.embedding.wire import RequestForm
from ragkit.errors import ConfigurationError, MissingKey
from ragkit.models.catalogue import ModelProfile
from ragkit.models.catalogue import profile as profile_of

__all__ = ["Options"]

# Free models take twenty requests a minute: the documented limit, which no reply states.
_FREE_REQUESTS_PER_MINUTE: Final = 20.0
_MOST_AT_ONCE: Final = 64
_BEGINS_AT: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What ``OpenRouterEmbedder`` is made from; its docstring tells of each.

    Raises:
        ConfigurationError: A value that no server could take.
    """

    model: str
    api_key: Secret | None
    base_url: str | None
    dimensions: int | None
    provider: Mapping[str, object] | None
    input_type: tuple[str, str] | None
    user: str | None
    timeout_s: float
    concurrency: int | None
    requests_per_minute: float | None
    tokens_per_minute: float | None
    attribution: Attribution | None
    patience: Patience | None
    takes_images: bool | None
    dialect: str | None
    profile: ModelProfile | None
    knowledge: Knowledge | None

    def __post_init__(self) -> None:
        if not self.model.strip():
            raise ConfigurationError("the model's name is blank: name one, such as baai/bge-m3")
        width: object = self.dimensions
        user: object = self.user
        if width is not None and not _is_count(width):
            raise ConfigurationError(f"dimensions={width!r} must be a whole number from 1 on")
        if self.provider is not None and self.at_openrouter:
            checked_routing(self.provider)
        if user is not None and not (isinstance(user, str) and user.strip()):
            raise ConfigurationError(f"user={user!r} must be the identifier of an end user, a text")
        _check_pair(self.input_type)
        for name in ("concurrency", "timeout_s", "requests_per_minute", "tokens_per_minute"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigurationError(f"{name}={value!r} of an embedder must be above 0")
        if self.attribution is not None and not self.at_openrouter:
            raise ConfigurationError(
                f"attribution is for OpenRouter alone: leave it out for {self.url}"
            )

    @property
    def url(self) -> str:
        """Of the server's API."""
        return OPENROUTER_URL if self.base_url is None else checked_base_url(self.base_url)

    @property
    def at_openrouter(self) -> bool:
        """Whether it is the very URL that the environment's key is for: see ``config.key_for``."""
        return self.url == OPENROUTER_URL

    @property
    def is_free(self) -> bool:
        """Whether the model is one of OpenRouter's free ones."""
        return self.at_openrouter and self.model.endswith(":free")

    @property
    def known(self) -> ModelProfile:
        """What is known of the model."""
        return self.profile or profile_of(self.model)

    @property
    def ways(self) -> Dialect:
        """How the server likes to be spoken to."""
        return dialect_of(self.url, self.dialect)

    @property
    def key_variable(self) -> str:
        """Environment variable that holds the key."""
        return "OPENROUTER_API_KEY" if self.at_openrouter else "RAGKIT_API_KEY"

    def form(self) -> RequestForm:
        """What all requests have in common."""
        return RequestForm(
            model=self.model,
            provider=self.provider,
            user=self.user,
            dimensions_field=self.ways.dimensions_field,
            input_type_field=self.ways.input_type_field,
        )

    def server(self) -> Server:
        """The server, with all that earlier runs found out about it.

        Raises:
            MissingKey: OpenRouter without a key.
            ConfigurationError: A key that no header can carry.
        """
        ways, known, learnt = self.ways, self.known, self.knowledge
        kept_width = None if learnt is None else learnt.width
        server = Server(
            transport=self._transport(),
            policy=Policy(
                target=Target(model=self.model, url=self.url, key_variable=self.key_variable),
                patience=self.patience or Patience(),
                jitter=random.Random(),  # noqa: S311 - spreads retries, guards nothing
            ),
            pace=self._pace(),
            limits=_limits(ways, known, learnt),
            election=WidthElection(self.dimensions or known.dimensions or kept_width),
            dimensions=self.dimensions,
            # Servers refuse it for models that cannot be cut, even when it states their width.
            sends_dimensions=self.dimensions != known.dimensions,
            encoding=EncodingProof(
                offers_base64=ways.offers_base64,
                states_float=ways.states_float,
                was_proven=None if learnt is None else learnt.base64,
            ),
            pictures=PictureProof(_picture_refusal(known, self.takes_images)),
        )
        if learnt is not None and learnt.reads_tokens is not None:
            server.watch.learn(learnt.reads_tokens)
        return server

    def _transport(self) -> Transport:
        return Transport(
            self.url,
            key=self._key(),
            timeout_s=self.timeout_s,
            most_at_once=self.concurrency or _MOST_AT_ONCE,
            headers=None if self.attribution is None else self.attribution.headers(),
            key_header=self.ways.key_header,
        )

    def _key(self) -> Secret | None:
        key = key_for(self.base_url) if self.api_key is None else self.api_key
        if key is not None:
            return checked_key(key)
        if self.at_openrouter:
            raise MissingKey(
                f"OpenRouter needs a key: set {self.key_variable}, or use the embedded model"
            )
        return None

    def _pace(self) -> Pace:
        per_minute = self.requests_per_minute
        if per_minute is None and self.is_free:
            per_minute = _FREE_REQUESTS_PER_MINUTE
        return Pace(
            self.concurrency or _MOST_AT_ONCE,
            begins_at=self.concurrency or _BEGINS_AT,
            requests_per_minute=per_minute,
            tokens_per_minute=self.tokens_per_minute,
        )


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _check_pair(input_type: object) -> None:
    if input_type is None:
        return
    words = input_type if isinstance(input_type, tuple | list) else ()
    if len(words) != 2 or not all(isinstance(word, str) and word.strip() for word in words):
        raise ConfigurationError(
            f"input_type={input_type!r} must be two words, for queries and for documents, such as"
            " ('search_query', 'search_document')"
        )


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
