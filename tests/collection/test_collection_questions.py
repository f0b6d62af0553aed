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


# About nothing that a maker of irrigation controllers writes of.
FOREIGN = """
    Which court decided the appeal in 1954?
    How did the painter mix her blues?
    What causes bipolar disorder in adolescents?
    Who scored the last goal of the final?
    How are stocks of preferred shares taxed?
    When was the cathedral's organ restored?
    What does the sonata's second movement quote?
    Which enzyme splits lactose in infants?
    How many senators voted against the treaty?
    Why did the dynasty move its capital?
    What is the plot of the novel's third part?
    Which dialect is spoken on the southern islands?
    How does the telescope correct its mirror?
    What rank did the admiral hold at his death?
    Is ibuprofen safe with anticoagulants?
    How is puff pastry folded?
    Which gods were worshipped at the temple?
    What do the critics say about the film's ending?
    How fast do tectonic plates drift?
    Who inherits if there is no will?
"""


def area(high: list[float], low: list[float]) -> float:
    """Share of pairs in the right order: the area under the ROC curve."""
    pairs = [(one > other) + (one == other) / 2 for one in high for other in low]
    return sum(pairs) / len(pairs)


@pytest.mark.parametrize(("mode", "least"), [("hybrid", 0.97), ("semantic", 0.9), ("lexical", 0.8)])
def test_answered_questions_are_told_from_foreign_ones(
    collection: ragkit.Collection, mode: str, least: float
) -> None:
    """The best relevance tells the corpus's questions from others, and one half is a fair line."""
    asked = [item["question"] for item in questions()]
    foreign = [line.strip() for line in FOREIGN.strip().splitlines()]
    own, others = (
        collection.search_many(some, mode=mode)  # type: ignore[arg-type]
        for some in (asked, foreign)
    )
    best, worst = (
        [max((hit.relevance or 0 for hit in hits), default=0) for hits in some]
        for some in (own, others)
    )
    assert area(best, worst) >= least
    if mode == "hybrid":
        assert sum(hits.relevant is True for hits in own) >= 0.8 * len(own)
        assert sum(hits.relevant is True for hits in others) <= 0.1 * len(others)


def test_a_context_for_a_foreign_question_says_so(collection: ragkit.Collection) -> None:
    """It doubts its excerpts, or with a least relevance has none."""
    foreign = FOREIGN.strip().splitlines()[3].strip()
    doubtful = collection.context(foreign, max_tokens=500)
    assert doubtful.relevant is False
    assert "None of them seems to answer" in doubtful.text
    nothing = collection.context(foreign, max_tokens=500, min_relevance=0.5)
    assert (nothing.citations, nothing.relevant) == ((), False)
    assert collection.context(questions()[0]["question"], max_tokens=500).relevant is True


def test_relevance_does_not_depend_on_the_way_there(
    collection: ragkit.Collection, tmp_path: Path
) -> None:
    """A collection that grew and shrank on its way judges as one that was indexed at once."""
    folder = tmp_path / "sample_corpus"
    shutil.copytree(CORPUS / "handbook", folder / "handbook")
    (folder / "gone.md").write_text("# Gone\n\nA page about glaciers that is not kept.\n")
    with ragkit.open(tmp_path / "kb") as other:
        other.sync(folder)
        (folder / "gone.md").unlink()
        shutil.copytree(CORPUS, folder, dirs_exist_ok=True)
        other.sync(folder)
        for item in questions()[::12]:
            told = {hit.text: hit.relevance for hit in other.search(item["question"])}
            for hit in collection.search(item["question"]):
                assert told[hit.text] == pytest.approx(hit.relevance, abs=0.02)
