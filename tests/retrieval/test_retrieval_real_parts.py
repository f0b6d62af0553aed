"""The retriever over the parts that a collection gives it: the model and both indexes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from retrieval_parts import MemoryStore

from ragkit.embedding.local import LocalEmbedder
from ragkit.indexing.vectors import MatrixIndex
from ragkit.indexing.wordbuild import WordEntry, build_words
from ragkit.indexing.words import WordIndex
from ragkit.records import Document
from ragkit.retrieval.context import pack
from ragkit.retrieval.retriever import Mode, Retriever

SENTENCES = [
    "The cat sits on the mat.",
    "Python is a popular programming language.",
    "Dogs are loyal companions.",
    "Machine learning models learn from data.",
    "The weather is sunny today.",
    "The cat sits on the mat.",
]
KEY = bytes(32)


@pytest.fixture(scope="module")
def store() -> MemoryStore:
    """A document for each sentence."""
    store = MemoryStore()
    for number, text in enumerate(SENTENCES):
        store.add(Document(source=f"{number}.txt", text=text), [(0, len(text))])
    return store


@pytest.fixture(scope="module")
def retriever(store: MemoryStore, tmp_path_factory: pytest.TempPathFactory) -> Retriever:
    """Exact vectors of the embedded model, and a word index on disk."""
    folder: Path = tmp_path_factory.mktemp("derived") / "words"
    ids = np.array(list(store.stored), np.int64)
    entries = [WordEntry(id=int(one), text=SENTENCES[one - 1]) for one in ids]
    build_words(folder, previous=None, removed_ids=(), added=entries, key=KEY)
    embedder = LocalEmbedder()
    matrix = embedder.embed_documents(SENTENCES)
    return Retriever(
        store=store,
        embedder=embedder,
        vectors=MatrixIndex(ids=ids, slots=ids - 1, matrix=matrix),
        words=WordIndex.open(folder, key=KEY),
    )


def test_meaning_finds_what_no_word_does(retriever: Retriever) -> None:
    """Asked for pets and animals, the cats and the dogs come before everything else."""
    hits = retriever.search("pets and animals", k=3)
    assert {hit.source for hit in hits[:2]} == {"0.txt", "2.txt"}
    assert all("lexical" not in hit.scores for hit in hits)
    assert retriever.search("pets and animals", mode="lexical") == []


@pytest.mark.parametrize("mode", ["hybrid", "semantic", "lexical"])
def test_equal_texts_are_one_hit(retriever: Retriever, mode: Mode) -> None:
    """Of two documents of the same text the older id is the hit, and names the other."""
    (hit,) = retriever.search("cat on a mat", k=1, mode=mode)
    assert (hit.source, [one.source for one in hit.also_in]) == ("0.txt", ["5.txt"])


def test_equal_texts_have_equal_scores(retriever: Retriever) -> None:
    """Asked for all there is, every copy is a hit, of the same score to the bit, ties by id."""
    first, second, *others = retriever.search("cat on a mat", k=9)
    assert (first.source, second.source, len(others)) == ("0.txt", "5.txt", 4)
    assert first.score == second.score > 0.9
    assert first.also_in == ()


def test_hybrid_is_the_combination_of_both_modes(retriever: Retriever) -> None:
    """The score of each hit follows from the cosines and BM25 scores of the modes alone."""
    query = "popular programming of models"
    semantic = {h.passage.id: h.score for h in retriever.search(query, mode="semantic")}
    lexical = {h.passage.id: h.score for h in retriever.search(query, mode="lexical")}
    lowest, highest = min(semantic.values()), max(semantic.values())
    # "popular", "programming" and "models" once each; the best has two of the three.
    full = retriever.words.rank(query, 1).full
    assert full > max(lexical.values())
    expected = {
        one: 0.5 * (cosine - lowest) / (highest - lowest) + 0.5 * lexical.get(one, 0.0) / full
        for one, cosine in semantic.items()
    }
    hits = retriever.search(query)
    assert {h.passage.id: h.score for h in hits} == pytest.approx(expected, abs=1e-6)
    assert [h.passage.id for h in hits] == sorted(expected, key=lambda i: (-expected[i], i))


def test_a_context_quotes_the_hits(store: MemoryStore, retriever: Retriever) -> None:
    """The best hit's text is in the context, once, under its citation."""
    context = pack(retriever.search("loyal animals", k=2), store=store, max_tokens=300)
    assert context.citations[0].source == "2.txt"
    assert context.text.count("Dogs are loyal companions.") == 1
