"""What decides a vector besides its text."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache

__all__ = ["Fingerprint"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """Vectors of different fingerprints never meet in one index (law 2).

    Attributes:
        model: As the user names it.
        dimensions: Width that is asked for; None for the model's native width.
        query_prompt: Put before a query; empty for models without one.
        document_prompt: Put before a passage.
        query_input_type: Value of ``input_type`` for queries; None when it is not sent.
        document_input_type: The same for passages.
        provider: The pinned route as canonical JSON; empty when it is left to the server.
        recipe: Version of the rule that makes the embedded text from a passage.
    """

    model: str
    dimensions: int | None = None
    query_prompt: str = ""
    document_prompt: str = ""
    query_input_type: str | None = None
    document_input_type: str | None = None
    provider: str = ""
    recipe: int = 1

    @property
    def json(self) -> str:
        """Canonical: sorted keys, no blanks."""
        return _canonical(self)

    @classmethod
    def from_json(cls, text: str) -> Fingerprint:
        """The inverse of ``json``."""
        values: Mapping[str, object] = json.loads(text)
        return cls(**values)  # type: ignore[arg-type]

    def key(self, text: str) -> bytes:
        """32 bytes that name a text's vector: sha256 over length-prefixed fingerprint and text.

        The lengths keep two different pairs from ever running together into the same bytes.
        """
        return self._key(text.encode("utf-8", "surrogatepass"))

    def key_of_image(self, image_digest: str, text: str) -> bytes:
        """32 bytes that name the vector of a picture with its words; never those of a text.

        Args:
            image_digest: ``Image.digest``.
            text: What is embedded with it; empty for the picture alone.
        """
        words = text.encode("utf-8", "surrogatepass")
        return self._key(b"image", image_digest.encode(), words)

    def _key(self, *parts: bytes) -> bytes:
        digest = _begun(self).copy()
        for part in parts:
            digest.update(len(part).to_bytes(8, "little"))
            digest.update(part)
        return digest.digest()


# A key is made for each passage, and nine tenths of it would be spent on the fingerprint.
@lru_cache(maxsize=16)
def _canonical(fingerprint: Fingerprint) -> str:
    return json.dumps(
        asdict(fingerprint), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )


@lru_cache(maxsize=16)
def _begun(fingerprint: Fingerprint) -> hashlib._Hash:
    own = fingerprint.json.encode()
    digest = hashlib.sha256(len(own).to_bytes(8, "little"))
    digest.update(own)
    return digest
