"""The models that the loopback server serves, and the vectors that they give."""

from __future__ import annotations

import base64
import hashlib
import math
import re
import struct
import sys
from array import array
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

__all__ = ["MODELS", "Model", "encoded", "listing", "tokens_of", "vector_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What the server knows of a model."""

    dimensions: int = 64
    can_be_cut: bool = True
    max_inputs: int = 2048
    max_text_tokens: int = 8192
    max_request_tokens: int = 300_000
    input_types: tuple[str, ...] | None = None
    usd_per_token: Decimal = Decimal("0.00000002")
    embeds: bool = True
    vocabulary: str | None = None  # None for a token in four bytes
    modalities: tuple[str, ...] = ("text",)
    picture_input_types: tuple[str | None, ...] | None = None  # those that pictures may have


MODELS: Mapping[str, Model] = {
    "test/small": Model(),
    "test/fixed": Model(can_be_cut=False),
    "test/tight": Model(max_inputs=10),
    "test/typed": Model(input_types=("query", "passage")),
    "test/chat": Model(embeds=False),
    "test/pictures": Model(modalities=("text", "image")),
    "openai/text-embedding-3-small": Model(dimensions=1536),
    "openai/text-embedding-3-large": Model(
        dimensions=3072, usd_per_token=Decimal("0.00000013"), vocabulary="cl100k_base"
    ),
    "qwen/qwen3-embedding-8b": Model(dimensions=4096, usd_per_token=Decimal("0.00000001")),
    "baai/bge-m3": Model(dimensions=1024, can_be_cut=False, usd_per_token=Decimal("0.00000001")),
    "nvidia/nemotron-3-embed-1b:free": Model(
        dimensions=2048, input_types=("query", "passage"), usd_per_token=Decimal(0)
    ),
    "nvidia/llama-nemotron-embed-vl-1b-v2:free": Model(
        dimensions=2048,
        input_types=("query", "passage"),
        usd_per_token=Decimal(0),
        modalities=("text", "image"),
        picture_input_types=("passage", None),
    ),
    "google/gemini-embedding-2": Model(
        dimensions=3072, usd_per_token=Decimal("0.0000002"), modalities=("text", "image")
    ),
}


def tokens_of(text: str, model: str = "test/small") -> int:
    """The server's rule: one token for four bytes, or those of the model's own vocabulary."""
    vocabulary = MODELS[model].vocabulary
    if vocabulary is not None:
        from ragkit.models.tokens import count_tokens

        return count_tokens(text, vocabulary)
    return max(1, math.ceil(len(text.encode()) / 4))


def vector_of(
    text: str,
    *,
    model: str = "test/small",
    dimensions: int | None = None,
    input_type: str | None = None,
    own: str = "",
) -> array[float]:
    """The unit vector that the server gives: words hashed to signed positions, so that it ranks.

    Texts that share words are near each other; a small part of its own keeps any two texts apart.
    """
    whole = list(_native(text, model, input_type, own))
    cut = whole[: dimensions or len(whole)]
    norm = math.sqrt(math.fsum(value * value for value in cut)) or 1.0
    return array("f", (value / norm for value in cut))


@lru_cache(maxsize=4096)
def _native(text: str, model: str, input_type: str | None, own: str) -> tuple[float, ...]:
    width = MODELS[model].dimensions
    values = [0.0] * width
    words = Counter(re.findall(r"\w+", text.casefold()))
    for word, count in words.items():
        _scatter(values, f"{model}|{word}", 1.0 + math.log(count), 8)
    _scatter(values, f"{model}|text|{text}{own}", 0.2, 4)
    _scatter(values, f"{model}|type|{input_type}", 0.1, 2)
    values[0] += 1e-3
    return tuple(values)


def _scatter(values: list[float], name: str, weight: float, places: int) -> None:
    digest = hashlib.blake2b(name.encode(), digest_size=4 * places).digest()
    for (number,) in struct.iter_unpack("<I", digest):
        values[(number >> 1) % len(values)] += weight if number & 1 else -weight


def encoded(vector: array[float], encoding: str) -> list[float] | str:
    """As numbers, or as base64 of little-endian float32."""
    if encoding == "float":
        return vector.tolist()
    if (sys.byteorder == "big") is (encoding != "swapped"):
        vector.byteswap()
    return base64.b64encode(vector.tobytes()).decode()


def listing(name: str) -> dict[str, object]:
    """The model as ``GET /embeddings/models`` describes it."""
    model = MODELS[name]
    output = "embeddings" if model.embeds else "text"
    return {
        "id": name,
        "canonical_slug": name,
        "name": name,
        "expiration_date": None,
        "context_length": model.max_text_tokens,
        "architecture": {"input_modalities": list(model.modalities), "output_modalities": [output]},
        "pricing": {"prompt": str(model.usd_per_token), "completion": "0"},
        "supported_parameters": [],
    }
