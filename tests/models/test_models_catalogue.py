"""What is known of each model, and that the shipped files are the ones that the recipe makes."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragkit.config import DEFAULT_MODEL
from ragkit.errors import ConfigurationError, UnknownModel
from ragkit.models.catalogue import LOCAL_MODELS, fingerprint, profile
from ragkit.models.wordpiece import UNKNOWN_ID, WordPieceCounter, encode, minilm_file

# As ragkit/models/recipe/make_minilm.py prints them.
SUMS = {
    "model.onnx": "ccfe78e7d8245c9b861b5fd2b25109e81a09f2bbc703c6264398d61daf45e09f",
    "tokenizer.json": "1794bf39108c8ff307ba8e2a848dbb8746735668f368a64cc6e609dfd30c4b34",
}


@pytest.mark.parametrize("name", SUMS)
def test_shipped_files_are_those_of_the_recipe(name: str) -> None:
    """The bytes in the package are the ones that the recipe makes from the published weights."""
    content = minilm_file(name)
    assert hashlib.sha256(content).hexdigest() == SUMS[name]
    assert len(content) <= 24_500_000


def test_the_embedded_model_is_the_default() -> None:
    """The default of the settings is the model that is shipped."""
    known = profile(DEFAULT_MODEL)
    assert LOCAL_MODELS == (DEFAULT_MODEL,)
    assert (known.max_tokens, known.dimensions, known.tokenizer) == (254, 384, "minilm")


def test_an_unknown_embedded_model_names_the_known_one() -> None:
    """A misspelt local model never becomes a remote one."""
    with pytest.raises(UnknownModel, match=r"'local/minilm'.*local/all-minilm-l6-v2"):
        profile("local/minilm")


@pytest.mark.parametrize(
    ("names", "dimensions", "max_tokens", "tokenizer"),
    [
        (
            ["bge-m3", "BAAI/bge-m3", "baai/bge-m3:free", "bge-m3:latest", "bge_m3"],
            1024,
            8190,
            "bound",
        ),
        (["openai/text-embedding-3-small", "text-embedding-3-small"], 1536, 8191, "cl100k"),
        (["openai/text-embedding-ada-002"], 1536, 8191, "cl100k"),
        (["google/gemini-embedding-001", "gemini-embedding-001"], 3072, 2048, "bound"),
        (["nomic-embed-text:latest", "nomic-ai/nomic-embed-text-v1.5"], 768, 2040, "minilm"),
        (["all-minilm", "sentence-transformers/all-MiniLM-L6-v2"], 384, 254, "minilm"),
        (["all-minilm:33m", "sentence-transformers/all-minilm-l12-v2"], 384, 126, "minilm"),
        (["thenlper/gte-base"], 768, 510, "minilm"),
        (["qwen/qwen3-embedding-8b", "Qwen/Qwen3-Embedding-8B"], 4096, 32_000, "bound"),
        (["qwen3-embedding:0.6b"], 1024, 32_000, "bound"),
        (["mistralai/mistral-embed-2312"], 1024, 8192, "bound"),
        (["voyageai/voyage-4-lite"], 1024, 32_000, "bound"),
        (["nvidia/nemotron-3-embed-1b:free"], 2048, 8192, "bound"),
        (["liquid/lfm-2.5-embedding-350m:free"], 1024, 510, "bound"),
        (["snowflake-arctic-embed:22m"], None, 498, "minilm"),
        (["snowflake-arctic-embed2"], None, 8180, "bound"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_a_family_is_known_by_any_of_its_names(
    names: list[str], dimensions: int | None, max_tokens: int, tokenizer: str
) -> None:
    """One model has other names on other servers; the limits are the same."""
    for name in names:
        known = profile(name)
        assert known.name == name
        assert known.is_known
        assert (known.dimensions, known.max_tokens, known.tokenizer) == (
            dimensions,
            max_tokens,
            tokenizer,
        )


@pytest.mark.parametrize(
    ("name", "query", "document"),
    [
        ("intfloat/multilingual-e5-large", "query: ", "passage: "),
        ("nomic-embed-text", "search_query: ", "search_document: "),
        (
            "BAAI/bge-base-en-v1.5",
            "Represent this sentence for searching relevant passages: ",
            "",
        ),
        ("google/gemini-embedding-2", "task: search result | query: ", "title: none | text: "),
        ("openai/text-embedding-3-large", "", ""),
        ("some/unknown-model", "", ""),
    ],
)
def test_prompts_are_those_that_the_model_was_trained_with(
    name: str, query: str, document: str
) -> None:
    """Queries and passages are told apart where the model wants it, and left alone elsewhere."""
    known = profile(name)
    assert (known.query_prompt, known.document_prompt) == (query, document)


def test_input_types_are_sent_only_where_they_are_known() -> None:
    """A server that refuses unknown values is never sent one unasked."""
    nemotron = profile("nvidia/llama-nemotron-embed-vl-1b-v2:free")
    assert (nemotron.query_input_type, nemotron.document_input_type) == ("query", "passage")
    assert nemotron.takes_images
    assert profile("baai/bge-m3").query_input_type is None
    given_type = fingerprint(profile("baai/bge-m3"), input_type=("search_query", "search_document"))
    assert given_type.query_input_type == "search_query"
    assert given_type.document_input_type == "search_document"


def test_an_unknown_model_gets_the_smallest_window() -> None:
    """Nothing is claimed of a model that no family knows, and any width may be asked of it."""
    unknown = profile("someone/new-model")
    assert not unknown.is_known
    assert (unknown.max_tokens, unknown.tokenizer, unknown.dimensions) == (512, "bound", None)
    assert fingerprint(unknown, dimensions=7).dimensions == 7


@pytest.mark.parametrize(
    ("name", "dimensions", "message"),
    [
        ("openai/text-embedding-3-small", 0, "whole number from 1 on"),
        ("openai/text-embedding-3-small", -5, "whole number from 1 on"),
        ("openai/text-embedding-3-small", True, "whole number from 1 on"),
        ("openai/text-embedding-3-small", 1537, "choose from 1 to 1536"),
        ("qwen/qwen3-embedding-4b", 16, "choose from 32 to 2560"),
        ("baai/bge-m3", 512, "1024 dimensions that cannot be cut to 512"),
        ("local/all-minilm-l6-v2", 128, "384 dimensions that cannot be cut to 128"),
        ("voyageai/voyage-4", 768, "choose among 256, 512, 1024, 2048"),
        ("someone/new-model", 0, "whole number from 1 on"),
    ],
)
def test_impossible_dimensions_are_refused(name: str, dimensions: int, message: str) -> None:
    """What no server could give is refused before anything is sent, with what may be asked for."""
    with pytest.raises(ConfigurationError, match=message):
        fingerprint(profile(name), dimensions=dimensions)


@pytest.mark.parametrize(
    ("name", "dimensions"),
    [("openai/text-embedding-3-small", 256), ("baai/bge-m3", 1024), ("voyageai/voyage-4", 2048)],
)
def test_possible_dimensions_are_taken(name: str, dimensions: int) -> None:
    """A width that the model has is part of the fingerprint as it was asked for."""
    assert fingerprint(profile(name), dimensions=dimensions).dimensions == dimensions


def test_the_provider_is_canonical() -> None:
    """The order in which a routing object was written makes no other fingerprint."""
    model = profile("baai/bge-m3")
    one = fingerprint(model, provider={"only": ["x"], "allow_fallbacks": False})
    other = fingerprint(model, provider={"allow_fallbacks": False, "only": ["x"]})
    assert one == other
    assert one.provider == '{"allow_fallbacks":false,"only":["x"]}'
    assert fingerprint(model, provider={}) == fingerprint(model)


def test_pieces_are_those_of_the_published_tokenizer() -> None:
    """Ids of known texts, as the published tokenizer gives them between its markers."""
    assert encode(["The cat sat on the mat.", "Überholung unaffable"]) == [
        [1996, 4937, 2938, 2006, 1996, 13523, 1012],
        [19169, 14854, 5575, 14477, 20961, 3468],
    ]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.text(max_size=60), max_size=5))
def test_counts_bound_the_pieces(texts: list[str]) -> None:
    """A count is never below the number of pieces, one for each text, in order."""
    counts = WordPieceCounter().count(texts)
    pieces = [len(ids) for ids in encode(texts)]
    assert all(count >= length for count, length in zip(counts, pieces, strict=True))
    assert len(counts) == len(texts)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("the cat", 2),
        ("the " + "x" * 200 + " cat", 52),
        ("x" * 101, 26),
        ("\U0001f98a" * 40, 40),
        ("\U0001f98a the \U0001f98a", 3),
        ("a" * 1_000_000, 250_000),
    ],
    ids=["empty", "words", "long word inside", "long word", "foxes", "apart", "megabyte"],
)
def test_unknown_runs_count_by_their_bytes(text: str, count: int) -> None:
    """One unbroken megabyte is one piece to the model, and must not pass for one."""
    assert WordPieceCounter().count([text]) == [count]


@settings(deadline=None, max_examples=200)
@given(
    st.lists(
        st.one_of(
            st.sampled_from(
                ["word", "Tokenizer", "x9", " ", "\n", "\t", "[UNK]", "'s", "ß", "字", "a" * 101,
                 "\u0301", "\x00", "\x0c", "\x1c", "\x85", "\xa0", "\u2028", "İ", "😀", "\ud800"]
            ),
            st.characters(),
        ),
        max_size=20,
    ).map("".join)
)  # fmt: skip
def test_pieces_counted_by_words_are_those_of_the_whole(text: str) -> None:
    """The memo of words gives the tokenizer's own number on any text without unknown pieces."""
    (pieces,) = encode([text])
    if UNKNOWN_ID not in pieces:
        assert WordPieceCounter().count([text]) == [len(pieces)]
