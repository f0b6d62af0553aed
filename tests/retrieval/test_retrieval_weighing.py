"""How much meaning counts beside words, by language and by what both agree on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from retrieval_parts import CountedWords, HashedEmbedder, MatrixVectors, MemoryStore

from ragkit.answers import Hit
from ragkit.indexing.seam import FloatVector, IdArray, Ranking
from ragkit.records import Document
from ragkit.retrieval.retriever import Retriever
from ragkit.retrieval.weighing import agreement, language_weight

ENGLISH = ("en",)


@pytest.mark.parametrize(
    ("query", "spoken", "weight"),
    [
        ("how are the keys rotated?", {"en": 1.0}, 0.5),
        ("wie werden die Schlüssel gewechselt?", {"de": 1.0}, 0.2),
        ("wie werden die Schlüssel gewechselt?", {"en": 0.9, "de": 0.1}, 0.2),
        ("how are the keys rotated?", {"de": 1.0}, 0.5),
        ("钥匙怎么换？", {"en": 1.0}, 0.2),
        ("ключи меняются", {"ru": 1.0}, 0.2),
        ("Schlüsselrotation", {"de": 0.9, "en": 0.1}, 0.2),
        ("key rotation", {"en": 0.9, "de": 0.1}, 0.5),
        ("key rotation", {"en": 0.5, "de": 0.5}, 0.5),
        ("key rotation", {}, 0.5),
        # One page in a thousand may have been taken for Polish by mistake.
        ("czy jest to key", {"en": 0.999, "pl": 0.001}, 0.5),
    ],
)
def test_a_foreign_language_makes_meaning_count_less(
    query: str, spoken: dict[str, float], weight: float
) -> None:
    """The question's language decides, or that of most passages where it cannot be told."""
    assert language_weight(query, known=ENGLISH, spoken=spoken) == weight
    assert language_weight(query, known=(), spoken=spoken) == 0.5


def test_lists_that_agree_count_alike() -> None:
    """Passages with the words are far above the mean where the model knows what they say."""
    sample = np.linspace(-0.2, 0.2, 100, dtype=np.float32)
    ones = np.ones(3, np.float32)

    def of(*leaders: float) -> float:
        return agreement(np.array(leaders, np.float32), ones[: len(leaders)], sample)

    assert of(0.6, 0.5, 0.4) == 1.0
    assert of(0.0, 0.0, 0.0) == pytest.approx(0.1)
    assert of(-0.4, 0.0) == pytest.approx(0.1)
    deviation = float(sample.std())
    assert of(0.75 * deviation) == pytest.approx(0.5, abs=1e-6)
    assert of(0.75 * deviation, float("nan")) == pytest.approx(0.5, abs=1e-6)


def test_too_little_to_compare_with_is_no_disagreement() -> None:
    """Without vectors, with few of them or with equal ones nothing is said against the model."""
    leader, one = np.zeros(1, np.float32), np.ones(1, np.float32)
    for sample in (np.arange(9), np.ones(100), np.full(100, np.nan), np.empty(0)):
        assert agreement(leader, one, sample.astype(np.float32)) == 1.0
    sample = np.linspace(-1, 1, 100, dtype=np.float32)
    assert agreement(np.full(1, np.nan, np.float32), one, sample) == 1.0
    assert agreement(leader[:0], one[:0], sample) == 1.0


class LeadingWords(CountedWords):
    """Tells the best three besides, as the word index does."""

    def rank(self, query: str, k: int, *, among: IdArray | None = None) -> Ranking:
        """As ``WordRanker.rank``."""
        ranking = super().rank(query, k, among=among)
        best = super().rank(query, 3)
        return Ranking(
            ids=ranking.ids,
            scores=ranking.scores,
            lowest=0.0,
            highest=ranking.highest,
            leading=best.ids,
            leading_scores=best.scores,
        )


class Ignorant(HashedEmbedder):
    """Gives every text a vector that has nothing to do with it."""

    def _row(self, text: str) -> FloatVector:
        return super()._row(f"{text} {len(text)} {text[::-1]} " + " ".join(text))


def test_a_model_that_knows_nothing_is_hardly_asked() -> None:
    """Where it puts the passages with the words anywhere, words decide; a filter moves no score."""
    texts = [f"passage {n} of many" for n in range(200)] + ["the walnut harvest begins"]
    store = MemoryStore()
    for number, text in enumerate(texts):
        store.add(Document(source=f"{number}.txt", text=text), [(0, len(text))])
    embedder = Ignorant()
    rng = np.random.default_rng(5)
    rows = rng.standard_normal((len(texts), 32)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    query = "walnut harvest"
    # The passage that has the words lies opposite to the question.
    rows[-1] = -embedder.embed_query(query)
    ids = list(store.stored)
    retriever = Retriever(
        store=store,
        embedder=embedder,
        vectors=MatrixVectors(ids, rows),
        words=LeadingWords(dict(zip(ids, texts, strict=True))),
    )
    (best,) = retriever.search(query, k=1, explain=True)
    assert best.text == texts[-1]
    assert best.explanation is not None
    semantic, lexical, context = best.explanation.parts
    assert semantic.weight == pytest.approx(0.05 * 5 / 8)
    assert lexical.weight == pytest.approx(0.95 * 5 / 8)
    assert semantic.weight + lexical.weight + context.weight == pytest.approx(1.0)
    (alone,) = retriever.search(query, k=1, where={"source": "7.txt"})
    everything = {hit.source: hit.score for hit in retriever.search(query, k=300)}
    assert alone.score == pytest.approx(everything["7.txt"])


class QuotedWords(LeadingWords):
    """Says that the question stands in a passage as a whole."""

    def rank(self, query: str, k: int, *, among: IdArray | None = None) -> Ranking:
        """As ``WordRanker.rank``."""
        return replace(super().rank(query, k, among=among), is_quoted=True)


def test_a_quoted_question_is_looked_for_by_its_words() -> None:
    """The passage that it stands in comes before a section that is about the same; words decide."""
    texts = ["keys turn yearly", "keys and locks", "keys and doors", "the keys turn once a year"]
    store = MemoryStore()
    store.add(Document(source="about.txt", text=" ".join(texts[:3])), [(0, 16), (17, 31), (32, 46)])
    store.add(Document(source="quoted.txt", text=texts[3]), [(0, len(texts[3]))])
    embedder = HashedEmbedder()
    query = "the keys turn once a year"
    wanted = embedder.embed_query(query)
    rows = np.stack([wanted, wanted, wanted, -wanted])
    ids = list(store.stored)

    def best(words: CountedWords) -> Hit:
        vectors = MatrixVectors(ids, rows)
        retriever = Retriever(store=store, embedder=embedder, vectors=vectors, words=words)
        return retriever.search(query, k=1, explain=True)[0]

    counted = dict(zip(ids, texts, strict=True))
    assert best(LeadingWords(counted)).source == "about.txt"
    quoted = best(QuotedWords(counted))
    assert quoted.source == "quoted.txt"
    assert quoted.explanation is not None
    semantic, lexical, _ = quoted.explanation.parts
    assert semantic.weight == pytest.approx(0.1 * 5 / 8)
    assert lexical.weight == pytest.approx(0.9 * 5 / 8)
