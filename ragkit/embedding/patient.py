"""Who is examined: a model at its server, and what a collection knows of both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ragkit.config import OPENROUTER_URL, Secret
from ragkit.embedding.dialects import Dialect, dialect_of
from ragkit.embedding.seam import FloatVector
from ragkit.embedding.transport import checked_base_url
from ragkit.models.catalogue import ModelProfile, profile

__all__ = ["Canary", "Patient"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """A text whose vector a collection has: embedded again, it tells whether the route is the same.

    Attributes:
        text: As it was embedded, without the model's prompt.
        vector: float32 (d,), unit length.
    """

    text: str = field(repr=False)
    vector: FloatVector = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """Who is examined.

    Attributes:
        model: As requests call it.
        base_url: Root of the API; None for OpenRouter.
        api_key: None for servers without one.
        dimensions: Width that is asked for.
        provider: OpenRouter's routing object.
        input_type: (query, document).
        dialect: Whose ways the server has, where its address does not tell.
        profile: What is known of the model; None for what the catalogue says.
        stored_width: Width of the vectors that a collection has already.
        canaries: Texts of the collection.
        made_by: Who made their vectors, where that is known.
        timeout_s: Longest wait for one reply.
    """

    model: str
    base_url: str | None = None
    api_key: Secret | None = field(default=None, repr=False)
    dimensions: int | None = None
    provider: Mapping[str, object] | None = None
    input_type: tuple[str, str] | None = None
    dialect: str | None = None
    profile: ModelProfile | None = None
    stored_width: int | None = None
    canaries: tuple[Canary, ...] = ()
    made_by: str = ""
    timeout_s: float = 120.0

    @property
    def known(self) -> ModelProfile:
        """What is known of the model."""
        return self.profile or profile(self.model)

    @property
    def ways(self) -> Dialect:
        """Of its server.

        Raises:
            ConfigurationError: There is no such dialect.
        """
        return dialect_of(self.url, self.dialect)

    @property
    def at_openrouter(self) -> bool:
        """Whether it is OpenRouter that is asked."""
        return self.url == OPENROUTER_URL

    @property
    def url(self) -> str:
        """Root of the API.

        Raises:
            ConfigurationError: It is none.
        """
        return OPENROUTER_URL if self.base_url is None else checked_base_url(self.base_url)

    @property
    def key_variable(self) -> str:
        """Environment variable of the key."""
        return "OPENROUTER_API_KEY" if self.at_openrouter else "RAGKIT_API_KEY"
