"""What is known of each server before it is asked: how its API differs from OpenAI's, its limits.

Servers are told by the host of their base URL. What cannot be known so, because everybody runs them
at an address of their own (Ollama, vLLM, llama.cpp, LM Studio, Text Embeddings Inference, LiteLLM),
is learnt from what they answer. The table of what is sent to each stands in README.md beside this
file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from ragkit.errors import ConfigurationError

__all__ = ["DIALECTS", "Dialect", "dialect_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """A server's own ways.

    Attributes:
        hosts: Ends of host names that tell it.
        key_header: Where the key goes: ``Authorization`` as a bearer's, any other as it is.
        dimensions_field: What it calls the width to cut to.
        input_type_field: What it calls the kind of input.
        states_float: Whether it takes the word ``float`` for numbers; it is left out otherwise.
        offers_base64: Whether asking for base64 is worth a try.
        inputs: Texts in the first requests.
        most_inputs: Most that there may ever be.
        tokens: Most tokens in a request, by an upper bound.
    """

    hosts: tuple[str, ...] = ()
    key_header: str = "Authorization"
    dimensions_field: str = "dimensions"
    input_type_field: str = "input_type"
    states_float: bool = True
    offers_base64: bool = True
    # Text Embeddings Inference, a common server, takes 32 unless told otherwise.
    inputs: int = 32
    most_inputs: int = 512
    tokens: int = 100_000


DIALECTS: Final[Mapping[str, Dialect]] = {
    "openai-compatible": Dialect(),
    "openrouter": Dialect(hosts=("openrouter.ai",), inputs=96),
    # 300,000 tokens a request, and 2048 texts.
    "openai": Dialect(hosts=("api.openai.com",), inputs=96, most_inputs=2048, tokens=250_000),
    # Older deployments take 16 texts.
    "azure": Dialect(
        hosts=(".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com"),
        key_header="api-key",
        inputs=16,
        most_inputs=2048,
        tokens=250_000,
    ),
    "gemini": Dialect(hosts=("generativelanguage.googleapis.com",), most_inputs=100),
    # 250 texts in most regions, 5 in some, and one for gemini-embedding-001.
    "vertex": Dialect(
        hosts=("aiplatform.googleapis.com",), inputs=5, most_inputs=250, tokens=20_000
    ),
    # 120,000 tokens a request for the models that take the fewest.
    "voyage": Dialect(
        hosts=("api.voyageai.com",),
        dimensions_field="output_dimension",
        states_float=False,
        most_inputs=1000,
        tokens=110_000,
    ),
    "mistral": Dialect(
        hosts=("api.mistral.ai",),
        dimensions_field="output_dimension",
        most_inputs=512,
        tokens=16_000,
    ),
    "cohere": Dialect(hosts=("api.cohere.ai", "api.cohere.com"), inputs=96, most_inputs=96),
    "jina": Dialect(hosts=("api.jina.ai",), input_type_field="task"),
    "dashscope": Dialect(hosts=(".aliyuncs.com",), offers_base64=False, inputs=10, most_inputs=10),
    "siliconflow": Dialect(hosts=("api.siliconflow.cn", "api.siliconflow.com"), most_inputs=64),
    "nim": Dialect(hosts=("integrate.api.nvidia.com",)),
}


def dialect_of(base_url: str, name: str | None = None) -> Dialect:
    """The ways of the server at a base URL.

    Args:
        base_url: Its host tells, where nothing is named.
        name: A key of ``DIALECTS``, for gateways in front of one.

    Raises:
        ConfigurationError: There is no such name.
    """
    if name is not None:
        if name not in DIALECTS:
            raise ConfigurationError(
                f"there is no dialect {name!r}: the dialects are {', '.join(sorted(DIALECTS))}"
            )
        return DIALECTS[name]
    host = "." + (urlsplit(base_url).hostname or "")
    for known in DIALECTS.values():
        if any(host.endswith("." + end.lstrip(".")) for end in known.hosts):
            return known
    return DIALECTS["openai-compatible"]
