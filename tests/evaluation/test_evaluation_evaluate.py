"""A small collection is asked, and every figure is known beforehand."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pytest

import ragkit
from ragkit.errors import InvalidArgument
from ragkit.evaluation.querysets import Question, write_questions

DOCUMENTS = {
    "keys.md": "# Keys\n\nSigning keys are rotated every ninety days by the duty officer.\n",
    "backups.md": "# Backups\n\nBackups are kept for 35 days, and then they are overwritten.\n",
    "lunch.txt": "Lunch is at noon.\nThe soup is always hot.\n",
    "cats.txt": "The cat sleeps on the sofa all day long.\n",
}
LONG = "\n\n".join(f"Paragraph {n} speaks of nothing but rain and wind. " * 6 for n in range(9))


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ragkit.Collection]:
    """Five documents, indexed with the embedded model."""
    folder = tmp_path_factory.mktemp("evaluate")
    (folder / "docs").mkdir()
    for name, text in {**DOCUMENTS, "long.txt": LONG + "\n\nThe dam broke in 1953.\n"}.items():
        (folder / "docs" / name).write_text(text)
    with ragkit.open(folder / "kb") as opened:
        opened.sync(folder / "docs")
        yield opened


def test_what_is_found_first_scores_one(collection: ragkit.Collection) -> None:
    """Every measure is 1, by source and by answer, and the interval is as narrow."""
    asked = Question(
        question="how often are signing keys rotated?",
        sources=("keys.md",),
        answer="signing keys are\nROTATED every ninety days",
    )
    found = collection.evaluate([asked], k=1)
    assert (found.k, found.mode, found.model) == ((1,), "hybrid", "local/all-minilm-l6-v2")
    names = [f"{one.by} {one.name}" for one in found.measures]
    assert names[:3] == ["source recall@1", "source mrr", "source ndcg@10"]
    assert names[3:6] == ["answer recall@1", "answer mrr", "answer ndcg@10"]
    assert names[6:] == [f"answer budget@{n}" for n in (250, 500, 1000, 2000)]
    assert {(one.mean, one.low, one.high, one.questions) for one in found.measures} == {
        (1, 1, 1, 1)
    }
    assert found.misses == ()
    assert found.outcomes[0].found == "keys.md:1"


def test_ranks_are_those_of_the_search(collection: ragkit.Collection) -> None:
    """A document that comes n-th has a reciprocal rank of 1/n and its discount as nDCG."""
    query = "the soup"
    ranks = [hit.source for hit in collection.search(query, k=40)]
    rank = ranks.index("backups.md") + 1
    assert rank > 1
    found = collection.evaluate([Question(question=query, sources=("backups.md",))], k=[rank, 1])
    assert found.outcomes[0].source_rank == rank
    assert found.measure("mrr").mean == pytest.approx(1 / rank)
    expected = 1 / math.log2(rank + 1) if rank <= 10 else 0.0
    assert found.measure("ndcg@10").mean == pytest.approx(expected)
    assert (found.measure("recall@1").mean, found.measure(f"recall@{rank}").mean) == (0.0, 1.0)


def test_several_sources_count_by_share(collection: ragkit.Collection) -> None:
    """Of two documents one among the first hits is half a recall."""
    asked = Question(question="the soup is hot at noon", sources=("lunch.txt", "keys.md"))
    assert collection.evaluate([asked], k=1).measure("recall@1").mean == 0.5


def test_the_answer_is_asked_for_more_exactly_than_the_document(
    collection: ragkit.Collection,
) -> None:
    """A hit elsewhere in the right document finds the source and not the answer."""
    asked = Question(
        question="paragraph of rain and wind",
        sources=("long.txt",),
        answer="The dam broke in 1953.",
    )
    found = collection.evaluate([asked], k=1)
    assert found.measure("recall@1", "source").mean == 1.0
    assert found.measure("recall@1", "answer").mean == 0.0
    outcome = found.misses[0]
    assert outcome.source_rank == 1
    assert outcome.rank == outcome.answer_rank != 1
    assert outcome.answer_rank is not None
    small, large = found.measure("budget@250", "answer"), found.measure("budget@2000", "answer")
    assert (small.mean, large.mean) == (0.0, 1.0)


def test_a_span_and_a_page_place_the_answer_too(collection: ragkit.Collection) -> None:
    """Offsets do as well as a quotation; a page does where the document has pages."""
    start = LONG.index("Paragraph 8")
    span = Question(question="rain", sources=("long.txt",), start=start, end=start + 10)
    assert collection.evaluate([span]).outcomes[0].has_answer
    page = Question(question="rain", sources=("long.txt",), page=3)
    outcome = collection.evaluate([page]).outcomes[0]
    assert (outcome.has_answer, outcome.note) == (False, "the document has no page 3")


def test_faults_of_the_set_are_said(collection: ragkit.Collection) -> None:
    """An answer that is not there and a document that is not there are noted, and not fatal."""
    asked = [
        Question(question="soup", sources=("lunch.txt",), answer="The soup is cold."),
        Question(question="soup", sources=("dinner.txt",)),
        Question(question="soup", sources=("long.txt",), start=1, end=10**9),
    ]
    found = collection.evaluate(asked, k=3)
    notes = [one.note for one in found.outcomes]
    assert notes[0] == "the answer is not in the document as it is quoted"
    assert "no document 'dinner.txt'" in notes[1]
    assert notes[2] == "start and end lie outside of the document"
    assert found.outcomes[1].source_rank is None
    assert [one.question.sources[0] for one in found.misses][:1] == ["dinner.txt"]
    assert all(one.by == "source" for one in found.measures)


def test_a_file_is_a_query_set(collection: ragkit.Collection, tmp_path: Path) -> None:
    """A path is read; blank batches and impossible depths are refused."""
    path = tmp_path / "set.jsonl"
    write_questions(path, [Question(question="hot soup", sources=("lunch.txt",))] * 70)
    found = collection.evaluate(path, mode="lexical")
    assert (len(found.outcomes), found.k) == (70, (1, 3, 5, 10))
    assert found.measure("recall@1").mean == 1.0
    with pytest.raises(InvalidArgument, match="no question to ask"):
        collection.evaluate([])
    for k in (0, [], [3, -1], True):
        with pytest.raises(InvalidArgument, match="whole numbers of hits"):
            collection.evaluate(path, k=k)
    with pytest.raises(InvalidArgument, match="answer mrr was not measured"):
        found.measure("mrr", "answer")
