"""The shipped vocabularies, exact counts, and the bound for unknown tokenizers."""

from __future__ import annotations

import hashlib
import lzma
import runpy
import subprocess
import sys
import time
from base64 import b64encode
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ragkit.models
from ragkit.errors import InvalidArgument
from ragkit.models.tokenizers import counter_of, tokenizer_of
from ragkit.models.tokens import (
    SLAB_CHARACTERS,
    BoundCounter,
    BytePairCounter,
    TokenCounter,
    count_tokens,
    encode_slabs,
    encoding,
    token_bound,
    token_lengths,
)

PACKAGE = Path(ragkit.models.__file__).parent
PUBLISHED_SHA256 = {
    "cl100k_base": "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
    "o200k_base": "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
}
SCRIPTS = "naïve café Größe 東京都の天気 한국어 문장 العربية हिन्दी ไทย 👩‍👩‍👧 ﷺ ㌖ İstanbul ǖ"


def tiktoken_file(name: str) -> bytes:
    """The published file, rebuilt from the encoding that was made of the shipped one."""
    tokens = [encoding(name).decode_single_token_bytes(i) for i in range(token_lengths(name).size)]
    return b"".join(b64encode(token) + b" %d\n" % rank for rank, token in enumerate(tokens))


@pytest.mark.parametrize("name", sorted(PUBLISHED_SHA256))
def test_shipped_vocabulary_is_the_published_one(name: str) -> None:
    """Rebuilt line by line, the shipped file has the sum that OpenAI publishes."""
    assert hashlib.sha256(tiktoken_file(name)).hexdigest() == PUBLISHED_SHA256[name]


def test_recipe_makes_the_shipped_file(tmp_path: Path) -> None:
    """The committed recipe turns the published file into what the package ships."""
    source = tmp_path / "cl100k_base.tiktoken"
    source.write_bytes(tiktoken_file("cl100k_base"))
    script = PACKAGE / "recipe" / "make_vocab.py"
    subprocess.run(
        [sys.executable, script, source, "--directory", tmp_path], check=True, capture_output=True
    )
    made = lzma.decompress((tmp_path / "cl100k_base.xz").read_bytes())
    assert made == lzma.decompress((PACKAGE / "vocab" / "cl100k_base.xz").read_bytes())


def test_recipe_refuses_another_file(tmp_path: Path) -> None:
    """A file whose sum differs is not made into a vocabulary."""
    source = tmp_path / "cl100k_base.tiktoken"
    source.write_bytes(b"IQ== 0\n")
    make = runpy.run_path(str(PACKAGE / "recipe" / "make_vocab.py"))["make"]
    with pytest.raises(ValueError, match="sha256 differs"):
        make(source, tmp_path)


def test_known_ids() -> None:
    """Ids are those that the models were trained with."""
    assert encoding().encode_ordinary("hello world") == [15339, 1917]
    assert encoding("o200k_base").encode_ordinary("hello world") == [24912, 2375]
    assert len(encoding("o200k_base").encode_ordinary("It's")) == 1
    assert len(encoding().encode_ordinary("It's")) == 2


def test_special_token_text_is_ordinary() -> None:
    """A document that speaks of <|endoftext|> is counted like any other."""
    assert count_tokens("<|endoftext|>") == 7
    assert [slab.ids.size for slab in encode_slabs("<|endoftext|>")] == [7]


def test_lone_surrogates_count_as_replacement_characters() -> None:
    """A lone surrogate is three bytes like U+FFFD, whichever way it is counted."""
    text = "a \ud800 b \udfff\ud800"
    expected = count_tokens(text.replace("\ud800", "\ufffd").replace("\udfff", "\ufffd"))
    assert count_tokens(text) == expected
    assert sum(slab.ids.size for slab in encode_slabs(text)) == expected
    assert token_bound(text) >= expected


def test_unknown_vocabulary_is_named() -> None:
    """An unknown name is an error that lists what there is."""
    with pytest.raises(InvalidArgument, match="cl100k_base and o200k_base"):
        count_tokens("text", "p50k_base")


def test_lengths_are_those_of_the_tokens() -> None:
    """The lengths of a text's tokens add up to its bytes."""
    ids = encoding().encode_to_numpy(SCRIPTS, disallowed_special=())
    assert int(token_lengths()[ids].sum()) == len(SCRIPTS.encode())


@pytest.mark.parametrize(
    "text",
    [
        "The quick brown fox, it's said, jumps.\n\n" * 12_000,
        "word " * 60_000,
        "x  \n\n   y\t\n" * 30_000,
        '"Oh!"\n\n"Ah?"\r\n' * 20_000,
        "über Größe\u2028 señor " * 20_000,
    ],
)
def test_slabs_have_the_tokens_of_the_whole(text: str) -> None:
    """Parting a long text at word ends changes no token."""
    slabs = list(encode_slabs(text))
    assert len(slabs) > 1
    assert [slab.start for slab in slabs[1:]] == [slab.end for slab in slabs[:-1]]
    whole = encoding().encode_to_numpy(text, disallowed_special=())
    assert np.array_equal(np.concatenate([slab.ids for slab in slabs]), whole)
    assert count_tokens(text) == whole.size


def test_partings_of_unbroken_text_move_with_it() -> None:
    """A character put in front of a megabyte without blanks moves nearly every parting by one."""
    generator = np.random.default_rng(7)
    text = "".join(map(chr, generator.integers(0x4E00, 0x9FA0, 600_000)))
    before = {slab.end for slab in encode_slabs(text)}
    after = {slab.end - 1 for slab in encode_slabs("字" + text)}
    assert len(before) >= 5
    assert len(before - after) <= 1


@pytest.mark.parametrize("character", ["a", " ", "\n", "字", "é", "\u3000", "\u0301", "=", "😀"])
def test_a_megabyte_of_one_character_is_counted_soon(character: str) -> None:
    """No run of equal characters makes counting slow or impossible."""
    text = character * (1_200_000 // len(character.encode())) + "x"
    began = time.process_time()
    tokens = count_tokens(text)
    assert time.process_time() - began < 2.0
    assert 1 < tokens <= len(text.encode())


@settings(deadline=None, max_examples=100)
@given(st.text(max_size=200))
def test_bound_is_never_below_the_count(text: str) -> None:
    """On any text, the bound is at or above the count of both vocabularies."""
    bound = token_bound(text)
    assert bound >= count_tokens(text)
    assert bound >= count_tokens(text, "o200k_base")


def test_bound_covers_what_normalisation_expands() -> None:
    """One character that normalises to eighteen counts as what it becomes, in bytes."""
    assert token_bound("ﷺ") == len("صلى الله عليه وسلم".encode()) + 3
    assert token_bound("abc") == 6


def test_counters_keep_the_order() -> None:
    """Both counters answer for each text in its place."""
    exact: TokenCounter = BytePairCounter()
    bound: TokenCounter = BoundCounter()
    texts = ["one two three", "", "one"]
    assert exact.count(texts) == [3, 0, 1]
    assert bound.count(texts) == [16, 3, 6]


def test_slab_size_stays_below_what_the_pattern_takes() -> None:
    """The pattern gives up at a million blanks; a slab is far below."""
    assert SLAB_CHARACTERS < 500_000


def test_importing_loads_no_tokenizer() -> None:
    """Importing the module loads neither tiktoken nor numpy."""
    code = (
        "import sys, ragkit.models.tokens\n"
        "print([name for name in ('tiktoken', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("llm", "tokenizer"),
    [
        ("cl100k", "cl100k"),
        ("o200k_base", "o200k"),
        ("gpt-4o", "o200k"),
        ("openai/gpt-4.1-mini", "o200k"),
        ("GPT-5", "o200k"),
        ("openai/gpt-oss-120b:free", "o200k"),
        ("gpt-4-turbo", "cl100k"),
        ("anthropic/claude-sonnet-4", "bound"),
        ("llama-3.3-70b", "bound"),
        ("davinci", "bound"),
        ("bound", "bound"),
    ],
)
def test_an_llm_is_counted_in_its_own_tokens(llm: str, tokenizer: str) -> None:
    """OpenAI's models by their vocabulary, every other by the bound that no tokenizer passes."""
    assert tokenizer_of(llm) == tokenizer
    count = token_bound(SCRIPTS) if tokenizer == "bound" else None
    expected = count or count_tokens(SCRIPTS, f"{tokenizer}_base")
    assert counter_of(llm).count([SCRIPTS]) == [expected]


def test_an_llm_without_a_name_is_refused() -> None:
    """A blank name is a mistake, and is said to be one."""
    with pytest.raises(InvalidArgument, match="tokenizer"):
        tokenizer_of(" ")
