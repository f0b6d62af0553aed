"""What a collection promises of tuning: it tells luck, costs what it may, and obeys when told."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from loopback import KEY, LoopbackServer
from loopback_faults import refusal
from loopback_rerank import MODEL, Reranks

import ragkit
from ragkit.config import Secret, Settings
from ragkit.errors import CollectionError, InvalidArgument
from ragkit.evaluation.evaluate import evaluate
from ragkit.evaluation.intervals import Interval
from ragkit.evaluation.querysets import Question
from ragkit.evaluation.tuning import Depth, Trial, Tuning
from ragkit.retrieval.settings import SearchSettings

FACTS = {
    "cat": ("Where does the feline nap?", "The cat sleeps on the sofa."),
    "soup": ("Is the broth warm?", "Lunch begins with hot soup."),
    "car": ("Who mends automobiles?", "Our mechanic repairs cars."),
    "key": ("How often do we renew cryptographic credentials?", "Signing keys rotate quarterly."),
    "doctor": ("What did the physician prescribe?", "The doctor gave her pills."),
    "sea": ("Which vessel crossed an ocean?", "A ship sailed from Europe to America."),
    "rain": ("Was there precipitation?", "It rained all weekend."),
    "pay": ("When does salary arrive?", "Wages are paid on the last Friday."),
    "fire": ("What to do if flames break out?", "In case of fire leave by the stairs."),
    "holiday": ("How long may I be on vacation?", "Everyone gets thirty days off each year."),
    "dog": ("Are puppies allowed?", "No dogs in this building, please."),
    "wine": ("Do you serve alcohol?", "We pour red wine and beer."),
}
QUESTIONS = [
    Question(question=question, sources=(f"{name}.txt",)) for name, (question, _) in FACTS.items()
]


@pytest.fixture(scope="module", autouse=True)
def _own_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENROUTER_API_KEY", "RAGKIT_API_KEY", "RAGKIT_MODEL", "RAGKIT_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A collection by the embedded model, whose questions share no word with their answers."""
    folder = tmp_path_factory.mktemp("tuning")
    (folder / "docs").mkdir()
    for name, (_, answer) in FACTS.items():
        (folder / "docs" / f"{name}.txt").write_text(answer)
    with ragkit.open(folder / "kb") as collection:
        collection.sync(folder / "docs")
    return folder


@pytest.fixture
def collection(facts: Path, tmp_path: Path) -> Iterator[ragkit.Collection]:
    """The same, to be changed."""
    shutil.copytree(facts / "kb", tmp_path / "kb")
    with ragkit.open(tmp_path / "kb") as opened:
        yield opened


def recommending(settings: SearchSettings) -> Tuning:
    """A tuning that found these settings for passages of 100 tokens."""
    sure = Interval(mean=0.5, low=0.4, high=0.6)
    trials = [
        Trial(
            passage_tokens=100,
            passages=12,
            settings=one,
            quality=sure,
            change=sure,
            search_ms=1.0,
        )
        for one in (SearchSettings(), replace(settings, k=None))
    ]
    depths = [Depth(k=k, recall=sure, tokens=1.0) for k in (settings.k or 10, 10)]
    return Tuning(
        measure="measure",
        questions=12,
        left_out=0,
        seed=0,
        folds=5,
        trials=tuple(trials),
        chosen=trials[1],
        gain=sure,
        depths=tuple(depths),
    )


def test_a_real_gain_is_found_and_taken_only_when_told(collection: ragkit.Collection) -> None:
    """Searched by words alone nothing is found; tuning says what is better, and then does it."""
    collection.apply_tuning(recommending(SearchSettings(semantic_weight=0.0)))
    blind = collection.evaluate(QUESTIONS).measure("ndcg@10").mean
    said: list[str] = []
    tuning = collection.tune(QUESTIONS, told=said.append)
    assert said[0] == "passages of 100 tokens: 7 ways to search"
    assert tuning.verdict == "better"
    assert tuning.gain.low > 0
    assert tuning.now.settings == SearchSettings(semantic_weight=0.0)
    assert tuning.now.quality.mean == pytest.approx(blind)
    assert tuning.settings.semantic_weight != 0.0
    assert collection.search_settings == SearchSettings(semantic_weight=0.0)
    collection.apply_tuning(tuning)
    assert collection.search_settings == tuning.settings
    seen = collection.evaluate(QUESTIONS).measure("ndcg@10").mean
    assert seen == pytest.approx(tuning.recommended.quality.mean)
    assert seen > blind + 0.2
    assert "nDCG@10 of the document" in str(collection.status().tuned)
    collection.reset_tuning()
    assert (collection.search_settings, collection.tuned) == (SearchSettings(), None)


def test_what_is_good_already_is_left_alone(collection: ragkit.Collection) -> None:
    """Where nothing gains beyond luck, what is recommended is what there is."""
    tuning = collection.tune(QUESTIONS, passage_tokens=())
    assert (tuning.verdict, tuning.recommended) == ("within noise", tuning.now)
    assert tuning.gain.low <= 0
    assert tuning.settings.k == 3
    again = collection.tune(QUESTIONS, passage_tokens=())
    assert [one.values for one in again.trials] == [one.values for one in tuning.trials]
    assert again.gain == tuning.gain


def test_applied_settings_hold_for_every_search_that_does_not_say_otherwise(
    collection: ragkit.Collection,
) -> None:
    """Number of hits and weights: in search, search_many, why_not, and for whoever opens it."""
    plain = collection.search("kitten bed")
    collection.apply_tuning(recommending(SearchSettings(semantic_weight=1.0, k=4)))
    hits = collection.search("kitten bed", explain=True)
    assert (len(plain), len(hits)) == (10, 4)
    assert len(collection.search("kitten bed", k=7)) == 7
    assert [len(found) for found in collection.search_many(["cat", "dog"])] == [4, 4]
    with ragkit.open(collection.path, read_only=True) as other:
        assert [hit.source for hit in other.search("kitten bed")] == [hit.source for hit in hits]
    collection.reset_tuning()
    assert [hit.score for hit in collection.search("kitten bed")] == [hit.score for hit in plain]


def test_settings_found_for_other_passages_are_not_used(collection: ragkit.Collection) -> None:
    """After a migration the collection says why, and searches in ragkit's own way."""
    collection.apply_tuning(recommending(SearchSettings(semantic_weight=1.0)))
    collection.migrate(passage_tokens=60)
    assert collection.search_settings == SearchSettings()
    tuned = collection.tuned
    assert tuned is not None
    assert "found for other passages or vectors, and is not used: tune again" in tuned.note


def test_an_abort_leaves_the_collection_as_it_was(collection: ragkit.Collection) -> None:
    """Nothing stays staged when tuning ends in the middle of another size."""

    def interrupt(said: str) -> None:
        if said == "passages of 158 tokens: 6 ways to search":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        collection.tune(QUESTIONS, told=interrupt)
    assert (collection.status().staged, collection.status().migration) == (None, None)
    assert (collection.search_settings, collection.tuned) == (SearchSettings(), None)
    assert collection.verify().ok


def test_what_cannot_be_tuned(collection: ragkit.Collection, facts: Path) -> None:
    """Too few questions are refused; a read-only collection is tuned in weights alone."""
    with pytest.raises(InvalidArgument, match="9 questions are too few to tell a gain from luck"):
        collection.tune(QUESTIONS[:9])
    with ragkit.open(facts / "kb", read_only=True) as reader:
        tuning = reader.tune(QUESTIONS)
        assert {one.passage_tokens for one in tuning.trials} == {100}
        assert any("opened read-only" in reason for reason in tuning.untried)
        with pytest.raises(CollectionError, match="opened read-only"):
            reader.apply_tuning(tuning)


# --- with a server


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LoopbackServer, Path]]:
    """A server with a known price, and a collection indexed there."""
    folder = tmp_path_factory.mktemp("tuning-remote")
    (folder / "docs").mkdir()
    for name, (_, answer) in FACTS.items():
        text = f"{answer} " + f"More is said of the {name} and of nothing else. " * 40
        (folder / "docs" / f"{name}.txt").write_text(text)
    with LoopbackServer() as server:
        with ragkit.open(folder / "kb", settings=settings(server)) as collection:
            collection.sync(folder / "docs")
        yield server, folder / "kb"
        assert server.ledger.violations == []


def settings(server: LoopbackServer) -> Settings:
    return Settings(model="test/small", base_url=server.base_url).with_key(Secret(KEY))


@pytest.fixture
def remote(base: tuple[LoopbackServer, Path], tmp_path: Path) -> Iterator[ragkit.Collection]:
    """The same, to be changed."""
    base[0].reranks = Reranks()
    shutil.copytree(base[1], tmp_path / "kb")
    with ragkit.open(tmp_path / "kb", settings=settings(base[0])) as opened:
        yield opened


def test_other_sizes_are_bought_only_within_a_limit_and_once(
    base: tuple[LoopbackServer, Path], remote: ragkit.Collection
) -> None:
    """Unasked nothing is embedded but questions, once each; a size that was bought is not again."""
    server = base[0]
    before = server.ledger.cost_usd
    tuning = remote.tune(QUESTIONS)
    assert {one.passage_tokens for one in tuning.trials} == {100}
    assert [reason.partition(": ")[0] for reason in tuning.untried] == [
        "passages of 400 tokens",
        "passages of 200 tokens",
        "passages of 320 tokens",
    ]
    assert tuning.untried[0].endswith("the model's longest text makes that 320")
    assert all("would cost $0.0" in reason for reason in tuning.untried[1:])
    questions_usd = server.ledger.cost_usd - before
    assert questions_usd < Decimal("0.00001")

    tuning = remote.tune(QUESTIONS, passage_tokens=[200], max_cost_usd=0.01)
    assert {one.passage_tokens for one in tuning.trials} == {100, 200}
    bought_usd = server.ledger.cost_usd - before - 2 * questions_usd
    assert tuning.cost_usd is not None
    assert tuning.cost_usd > 0
    assert tuning.cost_usd == pytest.approx(bought_usd)
    sizes = {one.passage_tokens: one.passages for one in tuning.trials}
    assert sizes[200] < sizes[100]
    assert remote.status().staged is None

    before = server.ledger.cost_usd
    report = remote.migrate(passage_tokens=200)
    assert (report.cost_usd, server.ledger.cost_usd) == (Decimal(0), before)


def test_a_reranking_model_is_weighed_against_the_best(
    base: tuple[LoopbackServer, Path], remote: ragkit.Collection
) -> None:
    """It is tried where it is named, at a price that is told; one that fails is not judged."""
    tuning = remote.tune(QUESTIONS, passage_tokens=(), rerank=MODEL, max_cost_usd=1)
    assert tuning.reranked is not None
    assert tuning.reranked.settings.rerank == MODEL
    assert tuning.reranked.search_usd == Decimal("0.002")
    assert tuning.cost_usd == base[0].reranks.cost_usd == Decimal("0.002") * (len(QUESTIONS) + 3)
    tuning = remote.tune(QUESTIONS, passage_tokens=(), rerank=MODEL, max_cost_usd=0.01)
    assert tuning.reranked is None
    assert "12 questions would cost $0.0240: more than is left" in tuning.untried[0]
    base[0].reranks.always = refusal(401, "no such key")
    tuning = remote.tune(QUESTIONS, passage_tokens=(), rerank=MODEL)
    assert tuning.reranked is None
    assert "12 of 12 questions were not reranked" in tuning.untried[0]


def test_what_is_spent_on_a_staged_collection_is_in_the_ledger(remote: ragkit.Collection) -> None:
    """Questions to it and reranking are noted though it is read-only itself."""
    remote.migrate(passage_tokens=200, stage_only=True)
    before = remote.status().spent_usd
    with remote.staged() as staged:
        assert staged.search("wages", rerank=MODEL).rerank is not None
        assert staged.unnoted == ""
    spent = {item.use: item.cost_usd for item in remote.status().spent}
    assert spent["rerank"] == Decimal("0.002")
    assert spent["query"] > 0
    assert remote.status().spent_usd == before + spent["rerank"] + spent["query"]


def test_a_reranking_model_that_others_chose_is_asked_only_by_name(
    base: tuple[LoopbackServer, Path], remote: ragkit.Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who tuned it is not asked again; whoever gets the collection sends nothing unasked."""
    tuning = remote.tune(QUESTIONS, passage_tokens=(), rerank=MODEL)
    assert tuning.reranked is not None
    surely = replace(tuning, rerank_gain=Interval(mean=0.2, low=0.1, high=0.3))
    remote.apply_tuning(surely)
    asked = len(base[0].reranks.asked)
    assert remote.search("wages").rerank is not None
    assert remote.search("wages", rerank="none").rerank is None
    assert len(base[0].reranks.asked) == asked + 1
    monkeypatch.setenv("XDG_STATE_HOME", str(remote.path / "elsewhere"))
    assert remote.search("wages").rerank is None
    assert len(base[0].reranks.asked) == asked + 1
    tuned = remote.tuned
    assert tuned is not None
    assert "was chosen elsewhere, and is asked only where it is named" in tuned.note


def test_targets_that_are_known_change_nothing(collection: ragkit.Collection) -> None:
    """Trials share where the answers stand; the figures are those of an evaluation on its own."""
    tuning = collection.tune(QUESTIONS, passage_tokens=())
    with collection._retrieving() as (retriever, snapshot):
        alone = evaluate(QUESTIONS, retriever=retriever, store=snapshot, k=10, mode="hybrid")
    assert tuning.now.quality.mean == pytest.approx(alone.measure("ndcg@10").mean)
