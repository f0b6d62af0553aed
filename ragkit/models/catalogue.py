"""What is known of each family of models: limits, dimensions, prompts. No prices: those are asked.

Families are told by the name alone, since the same model is ``baai/bge-m3`` at OpenRouter,
``BAAI/bge-m3`` on one server and ``bge-m3:latest`` on another. A model that no family knows gets
its texts raw and the limit that every embedding model in use can take.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Literal

from ragkit.errors import ConfigurationError, UnknownModel
from ragkit.models.fingerprint import Fingerprint

__all__ = ["LOCAL_MODELS", "ModelProfile", "TokenizerName", "fingerprint", "profile"]

# ``minilm`` counts for every model with BERT's uncased vocabulary; ``bound`` is an upper bound.
TokenizerName = Literal["minilm", "cl100k", "bound"]

LOCAL_MODELS = ("local/all-minilm-l6-v2",)

# Smallest window among the models that servers commonly offer.
_UNKNOWN_MAX_TOKENS = 512

# As the cards of instruction-tuned models have it; a blank or none follows.
_INSTRUCTION = (
    "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"
)
_DOT_PRODUCT = (
    "it was trained for the dot product of vectors of any length, and ragkit compares by cosine:"
    " hits come in another order than its authors meant; choose its sibling for cosine"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelProfile:
    """What a model takes and how it wants its texts.

    Attributes:
        name: As the user names it; the profile of a family carries the name that was asked for.
        max_tokens: Most tokens of one text, without prompt and markers.
        dimensions: Native width; None when unknown, or when the family has several.
        dimension_range: Smallest and largest width that may be asked for; None when the native one
            is the only one, or when ``dimension_choices`` lists them.
        dimension_choices: The widths that may be asked for, where only some may.
        query_prompt: Put before a query.
        document_prompt: Put before a passage.
        query_input_type: Value of ``input_type`` for queries; None when it is not to be sent.
        document_input_type: The same for passages.
        batch_inputs: Most texts in one request; None when no limit is known.
        tokenizer: What counts its tokens.
        languages: ISO 639-1 codes of the languages that it was trained for; empty for many, or
            when unknown.
        takes_images: Whether it embeds pictures into the same space.
        caveat: What one should know before choosing it; empty for most.
        is_known: Whether a family was recognised; the dimensions of an unknown one are not checked.
    """

    name: str = ""
    max_tokens: int = _UNKNOWN_MAX_TOKENS
    dimensions: int | None = None
    dimension_range: tuple[int, int] | None = None
    dimension_choices: tuple[int, ...] = ()
    query_prompt: str = ""
    document_prompt: str = ""
    query_input_type: str | None = None
    document_input_type: str | None = None
    batch_inputs: int | None = None
    tokenizer: TokenizerName = "bound"
    languages: tuple[str, ...] = ()
    takes_images: bool = False
    caveat: str = ""
    is_known: bool = True


def profile(model: str, described: Mapping[str, ModelProfile] | None = None) -> ModelProfile:
    """What is known of a model.

    Args:
        model: ``local/…``, ``author/slug`` with or without ``:free``, or a server's own name.
        described: What the user says of models, by name or pattern; the first that fits wins over
            the families.

    Raises:
        UnknownModel: A ``local/`` name that is not shipped.
    """
    if model.startswith("local/") and model not in LOCAL_MODELS:
        raise UnknownModel(
            f"there is no embedded model {model!r}: the embedded one is {', '.join(LOCAL_MODELS)}"
        )
    for pattern, own in ({} if model in LOCAL_MODELS else described or {}).items():
        if fnmatchcase(model.casefold(), pattern.casefold()):
            return replace(own, name=model)
    plain = model.rsplit("/", 1)[-1].casefold().replace("_", "-")
    for pattern, family in _families().items():
        if re.search(pattern, plain):
            return replace(family, name=model)
    return ModelProfile(name=model, is_known=False)


def fingerprint(
    of: ModelProfile,
    *,
    dimensions: int | None = None,
    provider: Mapping[str, object] | None = None,
    input_type: tuple[str, str] | None = None,
) -> Fingerprint:
    """What decides the vectors of a model with these choices.

    Args:
        of: The model.
        dimensions: Width asked for; None for the native one.
        provider: OpenRouter's routing object.
        input_type: (query, document), over what the profile says.

    Raises:
        ConfigurationError: The model has no vectors of that width.
    """
    _check_dimensions(of, dimensions)
    query_type, document_type = input_type or (of.query_input_type, of.document_input_type)
    return Fingerprint(
        model=of.name,
        dimensions=dimensions,
        query_prompt=of.query_prompt,
        document_prompt=of.document_prompt,
        query_input_type=query_type,
        document_input_type=document_type,
        provider=json.dumps(provider, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        if provider
        else "",
    )


def _check_dimensions(of: ModelProfile, dimensions: int | None) -> None:
    if dimensions is None or (dimensions == of.dimensions and dimensions > 0):
        return
    if isinstance(dimensions, bool) or dimensions < 1:
        raise ConfigurationError(f"dimensions={dimensions!r} must be a whole number from 1 on")
    if not of.is_known:
        return
    if of.dimension_choices:
        if dimensions not in of.dimension_choices:
            listed = ", ".join(map(str, of.dimension_choices))
            raise ConfigurationError(
                f"{of.name} has no vectors of {dimensions} dimensions: choose among {listed}"
            )
    elif of.dimension_range is None:
        width = "its own" if of.dimensions is None else f"{of.dimensions}"
        raise ConfigurationError(
            f"{of.name} has vectors of {width} dimensions that cannot be cut to {dimensions}:"
            " leave dimensions out"
        )
    elif not of.dimension_range[0] <= dimensions <= of.dimension_range[1]:
        low, high = of.dimension_range
        raise ConfigurationError(
            f"{of.name} has no vectors of {dimensions} dimensions: choose from {low} to {high}"
        )


def _bert(dimensions: int | None, max_tokens: int = 510) -> ModelProfile:
    """A model of English with BERT's uncased vocabulary; two of its 512 tokens are markers."""
    return ModelProfile(
        max_tokens=max_tokens, dimensions=dimensions, tokenizer="minilm", languages=("en",)
    )


def _matryoshka(native: int, low: int, max_tokens: int) -> ModelProfile:
    """A model trained so that its vectors can be cut anywhere from *low* on."""
    return ModelProfile(max_tokens=max_tokens, dimensions=native, dimension_range=(low, native))


def _families() -> dict[str, ModelProfile]:
    """Profiles by pattern over the name in lower case, without its author; the first match wins."""
    return {**_of_openai_and_google(), **_of_bert_kind(), **_of_others()}


def _of_openai_and_google() -> dict[str, ModelProfile]:
    openai = ModelProfile(max_tokens=8191, tokenizer="cl100k", batch_inputs=2048)
    # One text a prompt: the words around it take up to 16 of the 8192 tokens.
    gemini_2 = replace(
        _matryoshka(3072, 128, 8176),
        query_prompt="task: search result | query: ",
        document_prompt="title: none | text: ",
        batch_inputs=100,
        takes_images=True,
    )
    return {
        r"^text-embedding-3-small": replace(openai, dimensions=1536, dimension_range=(1, 1536)),
        r"^text-embedding-3-large": replace(openai, dimensions=3072, dimension_range=(1, 3072)),
        r"^text-embedding-ada-002": replace(openai, dimensions=1536),
        r"^gemini-embedding-2": gemini_2,
        # 2048 by its maker, whatever a listing says. Its task types have no name in this API.
        r"^gemini-embedding-001": replace(_matryoshka(3072, 128, 2048), batch_inputs=100),
        r"^embedding-?gemma": replace(
            _matryoshka(768, 128, 2032),
            query_prompt="task: search result | query: ",
            document_prompt="title: none | text: ",
        ),
    }


def _of_bert_kind() -> dict[str, ModelProfile]:
    bge_prompt = "Represent this sentence for searching relevant passages: "
    nomic = replace(
        # Servers cut this model at 2048 unless they are told otherwise.
        _bert(768, 2040),
        query_prompt="search_query: ",
        document_prompt="search_document: ",
    )
    # With one prompt of three tokens beside the two markers.
    e5 = replace(_bert(None, 506), query_prompt="query: ", document_prompt="passage: ")
    # XLM-RoBERTa's vocabulary is not shipped.
    e5_multilingual = replace(e5, tokenizer="bound", languages=())
    return {
        r"^(all|paraphrase|multi-qa|msmarco)-minilm.*(l12|33m)": _bert(384, 126),
        r"^paraphrase-minilm": _bert(384, 126),
        r"^all-minilm": _bert(384, 254),
        r"^all-mpnet-base-v2": _bert(768, 382),
        r"^multi-qa-mpnet-base-cos": _bert(768),
        r"^multi-qa-mpnet-base": replace(_bert(768), caveat=_DOT_PRODUCT),
        r"^(multi-qa|msmarco)-.*-dot": replace(_bert(None), caveat=_DOT_PRODUCT),
        r"^gte-large($|:)": _bert(1024),
        r"^gte-base($|:)": _bert(768),
        r"^gte-small($|:)": _bert(384),
        r"^bge-m3": ModelProfile(max_tokens=8190, dimensions=1024),
        r"^bge-large(-en|$|:)": replace(_bert(1024, 498), query_prompt=bge_prompt),
        r"^bge-base(-en|$|:)": replace(_bert(768, 498), query_prompt=bge_prompt),
        r"^bge-small(-en|$|:)": replace(_bert(384, 498), query_prompt=bge_prompt),
        r"^mxbai-embed-large": replace(
            _bert(1024, 498), query_prompt=bge_prompt, dimension_range=(64, 1024)
        ),
        r"^multilingual-e5-large-instruct": ModelProfile(
            max_tokens=480, dimensions=1024, query_prompt=f"{_INSTRUCTION} "
        ),
        r"^multilingual-e5-large": replace(e5_multilingual, dimensions=1024),
        r"^e5-mistral-7b-instruct": ModelProfile(
            max_tokens=4000, dimensions=4096, query_prompt=f"{_INSTRUCTION} "
        ),
        r"^multilingual-e5-base": replace(e5_multilingual, dimensions=768),
        r"^multilingual-e5-small": replace(e5_multilingual, dimensions=384),
        r"^e5-large": replace(e5, dimensions=1024),
        r"^e5-base": replace(e5, dimensions=768),
        r"^e5-small": replace(e5, dimensions=384),
        r"^nomic-embed-text-v1($|:)": nomic,
        r"^nomic-embed-text($|:|-v1\.5)": replace(nomic, dimension_range=(64, 768)),
        r"^nomic-embed-text-v2": replace(
            nomic,
            max_tokens=504,
            dimension_range=(256, 768),
            tokenizer="bound",
            languages=(),
        ),
        r"^(snowflake-)?arctic-embed(2|-[lm]-v2)": ModelProfile(
            max_tokens=8180, dimension_range=(256, 1024), query_prompt="query: "
        ),
        r"^(snowflake-)?arctic-embed-m-v1\.5": replace(
            _bert(768, 498), query_prompt=bge_prompt, dimension_range=(256, 768)
        ),
        r"^(snowflake-)?arctic-embed": replace(_bert(None, 498), query_prompt=bge_prompt),
    }


def _of_others() -> dict[str, ModelProfile]:
    voyage = ModelProfile(
        max_tokens=32_000,
        dimensions=1024,
        dimension_choices=(256, 512, 1024, 2048),
        query_input_type="query",
        document_input_type="document",
        batch_inputs=1000,
    )
    nemotron = ModelProfile(
        max_tokens=8192,
        dimensions=2048,
        query_input_type="query",
        document_input_type="passage",
    )
    cohere = ModelProfile(
        max_tokens=510,
        query_input_type="search_query",
        document_input_type="search_document",
        batch_inputs=96,
    )
    jina = replace(
        _matryoshka(1024, 32, 8180),
        query_input_type="retrieval.query",
        document_input_type="retrieval.passage",
    )
    dashscope = ModelProfile(max_tokens=8180, dimensions=1024, batch_inputs=10)
    qwen_prompt = _INSTRUCTION
    return {
        r"^qwen3-embedding[-:]8b": replace(_matryoshka(4096, 32, 32_000), query_prompt=qwen_prompt),
        r"^qwen3-embedding[-:]4b": replace(_matryoshka(2560, 32, 32_000), query_prompt=qwen_prompt),
        r"^qwen3-embedding[-:]0\.6b": replace(
            _matryoshka(1024, 32, 32_000), query_prompt=qwen_prompt
        ),
        # Without a size in the name the width is the server's to know.
        r"^qwen3-embedding": replace(
            _matryoshka(4096, 32, 32_000), dimensions=None, query_prompt=qwen_prompt
        ),
        r"^codestral-embed": ModelProfile(
            max_tokens=8192, dimensions=1536, dimension_range=(1, 3072), batch_inputs=512
        ),
        r"^mistral-embed": ModelProfile(max_tokens=8192, dimensions=1024, batch_inputs=512),
        r"^llama-.*nemo.*-embed-vl": replace(
            nemotron, dimension_choices=(384, 512, 768, 1024, 2048), takes_images=True
        ),
        r"^llama-.*nemo.*-embed": replace(nemotron, dimension_choices=(384, 512, 768, 1024, 2048)),
        r"^nemotron-3-embed": nemotron,
        r"^llama-.*nv-embed": replace(nemotron, dimension_choices=(384, 512, 768, 1024, 2048)),
        r"^nv-embedqa-e5": replace(nemotron, max_tokens=508, dimensions=1024),
        r"^nv-embed": replace(nemotron, max_tokens=508, dimensions=None),
        r"^lfm-.*-embedding": ModelProfile(max_tokens=510, dimensions=1024, batch_inputs=20),
        r"^pplx-embed-v1-0\.6b": _matryoshka(1024, 128, 32_000),
        r"^pplx-embed-v1-4b": _matryoshka(2560, 128, 32_000),
        r"^voyage-multimodal-3\.5": replace(voyage, takes_images=True),
        r"^voyage-(3\.5|3-large|4|code-3)": voyage,
        r"^voyage-": replace(voyage, max_tokens=4000, dimensions=None, dimension_choices=()),
        r"^jina-embeddings-v3": jina,
        r"^jina-embeddings-v4": replace(
            jina, dimensions=2048, dimension_range=(128, 2048), takes_images=True
        ),
        r"^jina-embeddings-v2-base": ModelProfile(max_tokens=8180, dimensions=768),
        r"^jina-embeddings-v2-small": ModelProfile(max_tokens=8180, dimensions=512),
        r"^text-embedding-v3$": replace(
            dashscope, dimension_choices=(64, 128, 256, 512, 768, 1024)
        ),
        r"^text-embedding-v4$": replace(
            dashscope, dimension_choices=(64, 128, 256, 512, 768, 1024, 1536, 2048)
        ),
        r"^embed-v4": replace(
            cohere, max_tokens=32_000, dimensions=1536, dimension_choices=(256, 512, 1024, 1536)
        ),
        r"^embed-(english|multilingual)-light-v3": replace(cohere, dimensions=384),
        r"^embed-(english|multilingual)-v3": replace(cohere, dimensions=1024),
    }
