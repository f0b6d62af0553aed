"""Small in-memory parts behind the seams that retrieval is built from."""

from __future__ import annotations

import fnmatch
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal

import numpy as np

from ragkit.embedding.rerank_seam import RerankAnswer
from ragkit.embedding.seam import (
    EmbeddedBatch,
    EmbedInput,
    FloatMatrix,
    FloatVector,
    Role,
    embed_all,
    embed_one,
)
from ragkit.errors import EmbeddingError
from ragkit.indexing.seam import IdArray, Ranking
from ragkit.models.fingerprint import Fingerprint
from ragkit.records import Document, Passage
from ragkit.storage.seam import StoredPassage


class MemoryStore:
    """A ``PassageStore`` over documents cut at given offsets; ``dead`` ids are of the past."""

    def __init__(self) -> None:
        self.documents: list[Document] = []
        self.stored: dict[int, StoredPassage] = {}
        self.dead: set[int] = set()

    def add(
        self,
        document: Document,
        spans: Iterable[tuple[int, int]],
        headings: Sequence[tuple[str, ...]] = (),
    ) -> list[int]:
        """Cut a document into passages; their ids."""
        document_id = len(self.documents)
        self.documents.append(document)
        ids = []
        for ordinal, (start, end) in enumerate(spans):
            passage = Passage(
                id=len(self.stored) + 1,
                root=document.root,
                source=document.source,
                start=start,
                end=end,
                text=document.text[start:end],
                headings=headings[ordinal] if headings else (),
                line=document.text.count("\n", 0, start) + 1,
            )
            ids.append(passage.id)
            self.stored[passage.id] = StoredPassage(
                passage=passage,
                title=document.title,
                document_id=document_id,
                ordinal=ordinal,
                text_key=hashlib.sha256(passage.text.encode("utf-8", "surrogatepass")).digest(),
            )
        return ids

    def passages(self, ids: Sequence[int]) -> dict[int, StoredPassage]:
        """As ``PassageStore.passages``."""
        return {one: self.stored[one] for one in ids if one in self.stored and one not in self.dead}

    def matching(self, where: Mapping[str, str]) -> IdArray | None:
        """As ``PassageStore.matching``, for the source alone."""
        return np.array(
            sorted(
                one
                for one, stored in self.stored.items()
                if one not in self.dead
                and fnmatch.fnmatchcase(stored.passage.source, where["source"])
            ),
            np.int64,
        )

    def siblings(self, document_id: int, first: int, last: int) -> list[StoredPassage]:
        """As ``PassageStore.siblings``."""
        return [
            stored
            for stored in self.stored.values()
            if stored.document_id == document_id and first <= stored.ordinal <= last
        ]

    def neighbours(self, ids: IdArray) -> tuple[IdArray, IdArray]:
        """As ``PassageStore.neighbours``."""
        alive = {one: self.stored[one] for one in self.stored if one not in self.dead}
        place = {(one.document_id, one.ordinal): one for one in alive.values()}
        found = []
        for id_ in ids.tolist():
            here = alive.get(id_)
            for step in (-1, 1):
                beside = here and place.get((here.document_id, here.ordinal + step))
                same = beside and here and beside.passage.headings == here.passage.headings
                found.append(beside.passage.id if beside and same else -1)
        pairs = np.array(found, np.int64).reshape(-1, 2)
        return pairs[:, 0], pairs[:, 1]

    def span(self, document_id: int, start: int, end: int) -> str:
        """As ``PassageStore.span``."""
        return self.documents[document_id].text[start:end]


def _best(ids: IdArray, scores: FloatVector, k: int, among: IdArray | None) -> Ranking:
    """The k best by score, then id; the range is of all of them."""
    lowest, highest = (float(scores.min()), float(scores.max())) if len(scores) else (0.0, 0.0)
    if among is not None:
        kept = np.isin(ids, among)
        ids, scores = ids[kept], scores[kept]
    order = np.lexsort((ids, -scores))[:k]
    return Ranking(ids=ids[order], scores=scores[order], lowest=lowest, highest=highest)


class MatrixVectors:
    """A ``VectorRanker`` over rows in memory."""

    def __init__(self, ids: Sequence[int], matrix: FloatMatrix) -> None:
        self.ids = np.array(ids, np.int64)
        self.matrix = matrix

    def rank(self, vector: FloatVector, k: int, *, among: IdArray | None = None) -> Ranking:
        """As ``VectorRanker.rank``."""
        return _best(self.ids, self.matrix @ vector, k, among)

    def scores(self, vector: FloatVector, ids: IdArray) -> FloatVector:
        """As ``VectorRanker.scores``."""
        known = dict(zip(self.ids.tolist(), (self.matrix @ vector).tolist(), strict=True))
        return np.array([known.get(one, np.nan) for one in ids.tolist()], np.float32)

    def estimates(self, vector: FloatVector, ids: IdArray) -> tuple[FloatVector, float]:
        """As ``VectorRanker.estimates``: nearly as far off as they may be, up and down in turn."""
        off = np.where(ids % 2, np.float32(0.009), np.float32(-0.009))
        return self.scores(vector, ids) + off, 0.01

    def sample(self) -> IdArray:
        """As ``VectorRanker.sample``: all of them."""
        return self.ids

    def copies(self, id_: int) -> IdArray:
        """As ``VectorRanker.copies``: rows that are equal to the bit."""
        same = (self.matrix == self.matrix[self.ids == id_]).all(axis=1)
        return self.ids[same] if len(same) == len(self.ids) else self.ids[:0]


class CountedWords:
    """A ``WordRanker`` that scores by how often a passage has the query's words."""

    def __init__(self, texts: Mapping[int, str]) -> None:
        self.words = {one: words_of(text) for one, text in texts.items()}

    def languages(self) -> Mapping[str, float]:
        """As ``WordRanker.languages``."""
        return {"en": 1.0}

    def _score(self, query: str) -> dict[int, float]:
        asked = set(words_of(query))
        return {
            one: sum(word in asked for word in words) / (1 + len(words) / 10)
            for one, words in self.words.items()
        }

    def rank(self, query: str, k: int, *, among: IdArray | None = None) -> Ranking:
        """As ``WordRanker.rank``."""
        found = {one: score for one, score in self._score(query).items() if score > 0}
        ids = np.array(list(found), np.int64)
        ranking = _best(ids, np.array(list(found.values()), np.float32), k, among)
        return Ranking(ids=ranking.ids, scores=ranking.scores, lowest=0.0, highest=ranking.highest)

    def scores(self, query: str, ids: IdArray) -> FloatVector:
        """As ``WordRanker.scores``."""
        found = self._score(query)
        return np.array([found.get(one, 0.0) for one in ids.tolist()], np.float32)


class HashedEmbedder:
    """An ``Embedder`` that ranks: each word is a fixed random direction."""

    max_tokens = 1000
    fingerprint = Fingerprint(model="test/hashed-words")

    def __init__(self, dimensions: int = 32) -> None:
        self.dimensions = dimensions
        self.calls: list[list[str]] = []

    def embed(self, inputs: Iterable[EmbedInput], *, role: Role) -> Iterator[EmbeddedBatch]:  # noqa: ARG002
        """As ``Embedder.embed``, in one batch."""
        texts = [item if isinstance(item, str) else item.text for item in inputs]
        self.calls.append(texts)
        rows = np.stack([self._row(text) for text in texts])
        yield EmbeddedBatch(indexes=tuple(range(len(texts))), vectors=rows, tokens=len(texts))

    def _row(self, text: str) -> FloatVector:
        total = np.full(self.dimensions, 1e-3, np.float32)
        for word in words_of(text):
            seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "little")
            total += np.random.default_rng(seed).standard_normal(self.dimensions, np.float32)
        return np.asarray(total / np.linalg.norm(total), np.float32)

    def embed_documents(self, texts: Sequence[EmbedInput]) -> FloatMatrix:
        """As ``Embedder.embed_documents``."""
        return embed_all(self, texts, "document")

    def embed_query(self, text: EmbedInput) -> FloatVector:
        """As ``Embedder.embed_query``."""
        return embed_one(self, text)

    def close(self) -> None:
        """Nothing to give back."""


def words_of(text: str) -> list[str]:
    """The words, in lower case."""
    return re.findall(r"\w+", text.lower())


class LengthReranker:
    """A ``Reranker`` that likes long texts, but for ``unscored`` positions; ``error`` fails."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, list[str], str]] = []
        self.unscored: set[int] = set()
        self.error: EmbeddingError | None = None

    def rerank(self, query: str, documents: Sequence[str], *, model: str) -> RerankAnswer:
        """As ``Reranker.rerank``."""
        self.asked.append((query, list(documents), model))
        if self.error is not None:
            return RerankAnswer(error=self.error, requests=3, cost_usd=Decimal("0.001"))
        scores = {
            place: len(text) / 1000
            for place, text in enumerate(documents)
            if place not in self.unscored
        }
        return RerankAnswer(scores=scores, tokens=7, requests=1, cost_usd=Decimal("0.002"))

    def close(self) -> None:
        """Nothing to give back."""
