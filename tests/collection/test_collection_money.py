"""What is promised of money: said before it is spent, never passed, and accounted for after."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from loopback import KEY, LoopbackServer
from loopback_faults import refusal

import ragkit
from ragkit.config import Secret, Settings

LISTING = "/embeddings/models"
EXACT = "openai/text-embedding-3-large"


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in ("OPENROUTER_API_KEY", "RAGKIT_API_KEY", "RAGKIT_MODEL", "RAGKIT_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    """Prose, German, code and a table, so that no two have as many tokens in a byte."""
    folder = tmp_path / "docs"
    folder.mkdir()
    prose = "".join(f"Pump {number} moves water uphill at night. " for number in range(150))
    german = "".join(f"Die Wasserpumpe {n} fördert über Nacht größere Mengen. " for n in range(120))
    code = "\n".join(
        f"def step_{n}(flow_m3_s: float) -> float: return flow_m3_s * {n}.25" for n in range(80)
    )
    table = "\n".join(f"| {n} | 0x{n * 7919:08x} | {n * 31 % 97} |" for n in range(120))
    for name, text in (("a.md", prose), ("b.md", german), ("c.txt", code), ("d.md", table)):
        (folder / name).write_text(f"# Of {name}\n\n{text}\n", encoding="utf-8")
    return folder


def open_remote(path: Path, server: LoopbackServer, model: str) -> ragkit.Collection:
    settings = Settings(model=model, base_url=server.base_url, api_key=Secret(KEY), workers=1)
    return ragkit.open(path, settings=settings)


def within(share: str, planned: Decimal | None, spent: Decimal) -> bool:
    return planned is not None and abs(planned - spent) <= spent * Decimal(share)


def test_the_plan_prices_a_model_whose_vocabulary_is_known(
    tmp_path: Path, docs: Path, embedding_server: LoopbackServer
) -> None:
    """The dollars of a plan are within 3 % of what the sync then spends, and no text is sent."""
    with open_remote(tmp_path / "kb", embedding_server, EXACT) as collection:
        plan = collection.plan(docs)
        assert embedding_server.ledger.requests == []
        report = collection.sync(docs)
    assert report.cost_usd == embedding_server.ledger.cost_usd > 0
    assert within("0.03", plan.cost_usd, report.cost_usd)
    assert abs(plan.tokens - report.tokens) <= report.tokens * 0.03
    assert plan.basis.startswith("tokens counted with the model's own vocabulary; price of the")


def test_the_first_run_teaches_the_next_plan(
    tmp_path: Path, docs: Path, embedding_server: LoopbackServer
) -> None:
    """For an unknown vocabulary the ledger's tokens correct the count: within 3 % from then on."""
    with open_remote(tmp_path / "kb", embedding_server, "test/small") as collection:
        first = collection.plan(docs)
        assert "another model's vocabulary" in first.basis
        report = collection.sync(docs)
        more = docs.parent / "more"
        more.mkdir()
        for path in docs.iterdir():
            text = path.read_text(encoding="utf-8").replace("Of ", "About ")
            (more / path.name).write_text(text.replace("9", "8").replace("5", "4"), "utf-8")
        plan = collection.plan(more)
        again = collection.sync(more)
    assert "earlier runs were billed for" in plan.basis
    assert again.embedded > 20
    assert within("0.03", plan.cost_usd, again.cost_usd)
    assert not within("0.03", first.cost_usd, report.cost_usd)


def test_an_unchanged_folder_asks_for_no_price(
    tmp_path: Path, docs: Path, embedding_server: LoopbackServer
) -> None:
    """The list is asked for when there is something to price, and once for all plans of a day."""
    with open_remote(tmp_path / "kb", embedding_server, EXACT) as collection:
        collection.plan(docs)
        collection.plan(docs)
        collection.sync(docs, max_cost_usd=1)
        assert embedding_server.inquiries.asked == [LISTING]
    with open_remote(tmp_path / "kb", embedding_server, EXACT) as collection:
        assert collection.plan(docs).cost_usd == 0
        assert collection.sync(docs, max_cost_usd=1).unchanged == 4
        (docs / "new.md").write_text("# New\n\nQuite another text.\n")
        # The sync kept the price in the collection.
        assert collection.plan(docs).cost_usd
    assert embedding_server.inquiries.asked == [LISTING]


def test_without_a_list_the_plan_says_so(
    tmp_path: Path, docs: Path, embedding_server: LoopbackServer
) -> None:
    """No price is guessed: None and the reason, until an earlier run's bill tells."""
    embedding_server.inquiries.faults = dict.fromkeys((LISTING, "/models"), refusal(404, "no"))
    with open_remote(tmp_path / "kb", embedding_server, EXACT) as collection:
        plan = collection.plan(docs)
        assert plan.cost_usd is None
        assert "price not known: the list of models is not served" in plan.basis
        assert plan.tokens > 0
        collection.sync(docs)
        (docs / "new.md").write_text("# New\n\nQuite another text.\n")
        plan = collection.plan(docs)
        report = collection.sync(docs)
    assert "price as earlier runs were charged" in plan.basis
    assert within("0.03", plan.cost_usd, report.cost_usd)


def test_a_budget_holds_for_texts_of_every_kind(
    tmp_path: Path, docs: Path, embedding_server: LoopbackServer
) -> None:
    """The limit is never passed, not by requests in flight either, and the work is kept."""
    with open_remote(tmp_path / "kb", embedding_server, EXACT) as collection:
        planned = collection.plan(docs).cost_usd
        assert planned is not None
        limit = planned / 2
        report = collection.sync(docs, max_cost_usd=limit)
        assert report.stopped is not None
        assert limit * Decimal("0.9") < embedding_server.ledger.cost_usd <= limit
        rest = collection.sync(docs, max_cost_usd=planned)
        assert rest.stopped is None
    assert max(embedding_server.ledger.answered.values()) == 1


def test_nothing_may_be_spent_on_a_free_model(
    tmp_path: Path, docs: Path, embedding_server: LoopbackServer
) -> None:
    """max_cost_usd=0 indexes with a model that is listed as free, and stops before any other."""
    free = "nvidia/nemotron-3-embed-1b:free"
    with open_remote(tmp_path / "free", embedding_server, free) as collection:
        report = collection.sync(docs, max_cost_usd=0)
        assert (report.added, report.cost_usd, report.stopped) == (4, Decimal(0), None)
    sent = len(embedding_server.ledger.requests)
    with open_remote(tmp_path / "paid", embedding_server, EXACT) as collection:
        assert collection.sync(docs, max_cost_usd=0).stopped is not None
    assert len(embedding_server.ledger.requests) == sent


def test_the_embedded_model_is_free_and_counted(tmp_path: Path, docs: Path) -> None:
    """The plan for the embedded model counts its tokens exactly, and asks nobody for a price."""
    with ragkit.open(tmp_path / "kb", settings=Settings(workers=1)) as collection:
        plan = collection.plan(docs)
        report = collection.sync(docs)
        status = collection.status()
    assert (plan.cost_usd, plan.basis) == (Decimal(0), "")
    assert plan.tokens == report.tokens
    assert [(item.model, item.cost_usd, item.saved_usd) for item in status.spent] == [
        ("local/all-minilm-l6-v2", Decimal(0), Decimal(0))
    ]
