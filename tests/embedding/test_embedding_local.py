"""The embedded model: what it promises about every vector."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragkit.embedding.local import LocalEmbedder
from ragkit.embedding.seam import EmbeddedBatch
from ragkit.errors import EmbeddingError, InputRejected, InvalidArgument

SENTENCES = (
    "pets and animals",
    "The cat sat on the mat.",
    "Dogs are loyal companions.",
    "Python is a programming language.",
    "Machine learning finds patterns in data.",
    "The weather is sunny today.",
    "Wie werden die Schlüssel gewechselt?",
)
# Cosines of the sentences to the first one, by the published float32 weights on PyTorch.
COSINES = (1.0, 0.2074, 0.5133, 0.1588, 0.1492, 0.0590, 0.0514)
SENTENCE = "the key is rotated every ninety days and the old one stops working at once"
WORDS = SENTENCE.split()


@pytest.fixture(scope="module")
def embedder() -> Iterator[LocalEmbedder]:
    with LocalEmbedder(threads=2) as made:
        yield made


def texts_of_all_lengths(count: int) -> list[str]:
    return [" ".join(WORDS[(i + k) % len(WORDS)] for k in range(1 + i % 60)) for i in range(count)]


def test_vectors_agree_with_the_published_model(embedder: LocalEmbedder) -> None:
    """Cosines between sentences are those of the float32 weights, within what 8 bits cost."""
    vectors = embedder.embed_documents(SENTENCES)
    assert vectors @ vectors[0] == pytest.approx(COSINES, abs=0.02)


def test_vectors_are_unit_float32_in_the_order_of_the_texts(embedder: LocalEmbedder) -> None:
    """Sorting by length inside does not show outside."""
    texts = texts_of_all_lengths(70)
    vectors = embedder.embed_documents(texts)
    assert vectors.shape == (70, 384)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-6)
    assert vectors[42] == pytest.approx(embedder.embed_documents([texts[42]])[0], abs=1e-5)


def test_no_text_gives_no_row(embedder: LocalEmbedder) -> None:
    """An empty list is an empty matrix of the right width."""
    assert embedder.embed_documents([]).shape == (0, 384)


@settings(deadline=None, max_examples=25)
@given(st.data())
def test_a_vector_does_not_depend_on_its_company(
    embedder: LocalEmbedder, data: st.DataObject
) -> None:
    """Alone, in any batch, with any padding: equal within 1e-5 per component."""
    text = data.draw(st.text(min_size=1, max_size=80).filter(lambda drawn: drawn.isalnum()))
    company = data.draw(st.lists(st.sampled_from(texts_of_all_lengths(60)), max_size=12))
    place = data.draw(st.integers(0, len(company)))
    alone = embedder.embed_query(f"about {text}")
    together = embedder.embed_documents([*company[:place], f"about {text}", *company[place:]])
    assert np.abs(together[place] - alone).max() < 1e-5


@settings(deadline=None, max_examples=40)
@given(st.lists(st.text(max_size=40), max_size=6))
def test_any_text_is_embedded_or_named(embedder: LocalEmbedder, texts: list[str]) -> None:
    """Every index of the inputs comes back once: as a row, or with a reason."""
    batches = list(embedder.embed(texts, role="document"))
    rows = [index for batch in batches for index in batch.indexes]
    failed = [index for batch in batches for index, _ in batch.failed]
    assert sorted(rows + failed) == list(range(len(texts)))
    assert all(len(batch.indexes) == len(batch.vectors) for batch in batches)
    assert all(reason for batch in batches for _, reason in batch.failed)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "blank"),
        (" \n\t", "blank"),
        ("\u200b", "no character that the model can read"),
        ("\ud800", "no character that the model can read"),
        ("word " * 255, "255 tokens, and the model takes 254"),
        ("a" * 1_000_000, "250000 tokens, and the model takes 254"),
    ],
    ids=["empty", "blank", "invisible", "surrogate", "long", "unbroken megabyte"],
)
def test_what_cannot_be_embedded_says_why(embedder: LocalEmbedder, text: str, reason: str) -> None:
    """A passage is never cut in silence, and the other texts get their vectors."""
    with pytest.raises(InputRejected, match=reason) as caught:
        embedder.embed_documents(["fine", text])
    assert caught.value.index == 1
    batches = list(embedder.embed(["fine", text, "fine too"], role="document"))
    assert sorted(index for batch in batches for index in batch.indexes) == [0, 2]


def test_a_text_at_the_limit_is_embedded_whole(embedder: LocalEmbedder) -> None:
    """254 tokens are in: the last word still moves the vector."""
    start = "word " * 253
    one, other = embedder.embed_documents([start + "cat", start + "theorem"])
    assert np.abs(one - other).max() > 1e-4


def test_a_lone_surrogate_is_passed_over(embedder: LocalEmbedder) -> None:
    """Text that no encoder takes is embedded by what else it says."""
    one, other = embedder.embed_documents(["broken \ud83d name", "broken name"])
    assert one == pytest.approx(other, abs=1e-6)


def test_markers_in_a_text_are_words(embedder: LocalEmbedder) -> None:
    """A text that holds [SEP] cannot end itself."""
    one, other = embedder.embed_documents(["the end [SEP] of all", "the end of all"])
    assert np.abs(one - other).max() > 1e-3


def test_a_long_query_is_the_mean_of_its_parts(embedder: LocalEmbedder) -> None:
    """A query over the limit still counts from its first word to its last."""
    words = [WORDS[i % len(WORDS)] for i in range(254)]
    first, second = " ".join(words), "entirely other matters such as cooking"
    parts = embedder.embed_documents([first, second])
    weighted = parts[0] * 254 + parts[1] * 6
    vector = embedder.embed_query(f"{first} {second}")
    assert vector == pytest.approx(weighted / np.linalg.norm(weighted), abs=1e-5)


def test_a_query_of_a_book_is_refused(embedder: LocalEmbedder) -> None:
    """A mean over a whole book would find nothing, and says so."""
    with pytest.raises(InputRejected, match="9000 tokens, and the model takes 8128 in a query"):
        embedder.embed_query("word " * 9000)


def test_the_stream_reads_no_further_than_it_must(embedder: LocalEmbedder) -> None:
    """Memory stays flat: a window is read, and the next one only when its batches are in work."""
    read = 0

    def endless() -> Iterator[str]:
        nonlocal read
        while True:
            read += 1
            yield "a few words of text"

    stream = embedder.embed(endless(), role="document")
    first: list[EmbeddedBatch] = list(islice(stream, 2))
    assert all(batch.tokens == 5 * len(batch.indexes) for batch in first)
    assert read <= 1024
    stream.close()  # type: ignore[attr-defined]  # an Iterator that is a generator


def test_threads_may_share_one(embedder: LocalEmbedder) -> None:
    """Calls from several threads at once get the vectors that they get one by one."""
    texts = texts_of_all_lengths(24)
    expected = embedder.embed_documents(texts)
    found: dict[int, np.ndarray] = {}

    def work(number: int) -> None:
        found[number] = embedder.embed_documents(texts[number::4])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(4):
        assert np.abs(found[number] - expected[number::4]).max() < 1e-5


def test_closing_is_final_and_may_be_repeated() -> None:
    """Nothing is embedded by what was closed, and nothing hangs."""
    embedder = LocalEmbedder()
    embedder.embed_query("once")
    embedder.close()
    embedder.close()
    with pytest.raises(EmbeddingError, match="closed: make a new one"):
        embedder.embed_query("again")


def test_misuse_is_told() -> None:
    """A bare string and no threads are mistakes, not inputs."""
    with pytest.raises(InvalidArgument, match="put the one text into a list"):
        LocalEmbedder().embed("one text", role="document")
    with pytest.raises(InvalidArgument, match="threads=0"):
        LocalEmbedder(threads=0)


def test_a_fresh_process_embeds_in_silence() -> None:
    """Start, load and first vector print nothing, whatever the runtime has to say."""
    script = (
        "from ragkit.embedding.local import LocalEmbedder\n"
        "print(LocalEmbedder().embed_query('hello').shape)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("(384,)\n", "")


def test_an_abandoned_stream_stops(embedder: LocalEmbedder) -> None:
    """Closing the iterator gives the cores back: what was not begun is not done (CPU time)."""
    stream = embedder.embed(texts_of_all_lengths(256), role="document")
    next(stream)
    begin = time.process_time()
    stream.close()  # type: ignore[attr-defined]
    embedder.embed_query("next")
    assert time.process_time() - begin < 2
