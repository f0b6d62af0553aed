"""The sample corpus answers its questions, with the embedded model."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import ragkit
from ragkit.evaluation.metrics import recall_at_k

CORPUS = Path(__file__).parents[2] / "sample_corpus"


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ragkit.Collection]:
    """The sample corpus, indexed offline."""
    folder = tmp_path_factory.mktemp("questions")
    shutil.copytree(CORPUS, folder / "sample_corpus")
    with ragkit.open(folder / "kb") as opened:
        assert opened.sync(folder / "sample_corpus").failed == ()
        yield opened


def questions() -> list[dict[str, str]]:
    lines = (CORPUS / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def recall_at_5(collection: ragkit.Collection, mode: str) -> float:
    asked = questions()
    answers = collection.search_many([item["question"] for item in asked], k=5, mode=mode)  # type: ignore[arg-type]
    found = [
        recall_at_k([hit.source for hit in hits], {item["source"]}, 5)
        for item, hits in zip(asked, answers, strict=True)
    ]
    return sum(found) / len(found)


def test_hybrid_finds_the_right_document(collection: ragkit.Collection) -> None:
    """At least 95 % of the questions find their document in five hits; no mode alone is better."""
    hybrid = recall_at_5(collection, "hybrid")
    assert hybrid >= 0.95
    assert recall_at_5(collection, "semantic") <= hybrid
    assert recall_at_5(collection, "lexical") <= hybrid


def test_a_batch_of_questions_is_answered_like_each(collection: ragkit.Collection) -> None:
    """Asking many at once gives the hits of asking each by itself."""
    asked = [item["question"] for item in questions()[:6]]
    together = collection.search_many(asked, k=5)
    for query, hits in zip(asked, together, strict=True):
        alone = collection.search(query, k=5)
        assert [hit.passage.id for hit in hits] == [hit.passage.id for hit in alone]
        assert [hit.score for hit in hits] == pytest.approx([hit.score for hit in alone], abs=1e-4)


def test_every_document_is_found_by_its_middle(collection: ragkit.Collection) -> None:
    """A phrase from the middle of each document finds it, among all 37, by words alone."""
    for document in collection.documents():
        passages = collection.passages(document.source)
        middle = passages[len(passages) // 2]
        hits = collection.search(middle.text[:200], k=3, mode="lexical")
        assert document.source in {hit.source for hit in hits}


def test_a_filter_gives_k_hits(collection: ragkit.Collection) -> None:
    """With a filter there are k hits whenever k passages match it, in every mode."""
    inside = [item for item in collection.passages() if item.source.startswith("runbooks/")]
    for mode in ("hybrid", "semantic"):
        hits = collection.search("water", k=len(inside), mode=mode, where={"source": "runbooks/*"})
        assert sorted(hit.passage.id for hit in hits) == [item.id for item in inside]


def test_a_context_cites_what_it_quotes(collection: ragkit.Collection) -> None:
    """Each citation's span is in the document and in the context, within the budget."""
    texts = {item.source: item.text for item in collection.documents()}
    context = collection.context("how do I get a valve to close?", max_tokens=1200)
    assert 0 < context.tokens <= 1200
    assert [citation.number for citation in context.citations] == [
        *range(1, len(context.citations) + 1)
    ]
    for citation in context.citations:
        quoted = texts[citation.source][citation.start : citation.end]
        assert quoted.strip()
        assert all(line in context.text for line in quoted.splitlines())


def test_a_hit_expands_into_its_document(collection: ragkit.Collection) -> None:
    """More around a hit is a span of its document; a hit can be pickled and outlives a sync."""
    (hit,) = collection.search("how do I get a valve to close?", k=1)
    text = next(item.text for item in collection.documents() if item.source == hit.source)
    wide = pickle.loads(pickle.dumps(hit)).expand(tokens=400)  # noqa: S301 - made on this line
    assert wide == hit.expand(tokens=400)
    assert hit.passage.tokens < wide.tokens <= 400
    assert wide.text == text[wide.start : wide.end]
    assert hit.text in wide.text
    assert collection.retriever.search("valve", k=1)[0].expand(tokens=300).tokens <= 300
