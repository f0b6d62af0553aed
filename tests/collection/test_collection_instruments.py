"""What a collection says of its own answers: quotations checked, hits explained, absences too."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import ragkit
from ragkit.answers import Citation, Context, Hit
from ragkit.errors import AmbiguousSource, InvalidArgument

CORPUS = Path(__file__).parents[2] / "sample_corpus"
LONG = "\n\n".join(f"Rain and wind came on day {n} of the storm. " * 8 for n in range(12))
FILES = {
    "keys.md": (
        "# Keys\n\nSigning keys are rotated every ninety days by the duty officer. "
        "Nobody else does it,\nnot even when the officer \u2013 or his deputy \u2013 is away.\n"
    ),
    "backups.md": "# Backups\r\rBackups are kept for 35 days,\r\nand then overwritten.\r\n",
    "copy/backups.md": "# Backups\n\nCopies of the backups are kept in the cellar.\n",
    "lunch.txt": "Lunch is at noon.\nThe soup is always hot.\n",
    "storm.txt": LONG,
    "twin-a.txt": "The otter swims in the cold river at night.\n",
    "twin-b.txt": "The otter swims in the cold river at night.\n",
    "empty.txt": "  \n",
    "broken.png": "\x00\x01",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder ``docs`` of small documents with a PDF among them."""
    folder = tmp_path_factory.mktemp("instruments")
    for name, text in FILES.items():
        (folder / "docs" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "docs" / name).write_bytes(text.encode())
    shutil.copy(
        CORPUS / "manuals" / "sluice-4-installer-manual.pdf", folder / "docs" / "manual.pdf"
    )
    return folder


@pytest.fixture(scope="module")
def collection(place: Path) -> Iterator[ragkit.Collection]:
    """Those, indexed offline; one file came later."""
    with ragkit.open(place / "kb") as opened:
        opened.sync(place / "docs")
        (place / "docs" / "late.txt").write_text("Came after the index.\n")
        yield opened


def test_quotations_are_found_with_their_place(collection: ragkit.Collection) -> None:
    """Exact and retyped quotations of all kinds have source, line and span; others have none."""
    answer = (
        'The manual says "rotated every ninety days" and \u201cnobody else does it, not even when'
        " the officer - or his deputy - is away.\u201d Then \u00abThe soup is ALWAYS hot\u00bb, but"
        ' "the soup is cold" is wrong.\n\n> and then overwritten.\n> \u2014 the handbook\n\n'
        '```\nprint("lunch is at noon")\n```\n'
    )
    checks = collection.verify_quotes(answer)
    texts = {one.source: one.text for one in collection.documents()}
    said = [(one.source, one.line, one.match) for one in checks]
    assert said == [
        ("keys.md", 3, "exact"),
        ("keys.md", 3, "alike"),
        ("lunch.txt", 2, "alike"),
        (None, None, None),
        ("backups.md", 4, "exact"),
    ]
    for one in checks:
        assert one.text.split()[-1].strip(".") in answer[one.answer_start : one.answer_end]
        if one.source is not None:
            assert one.start is not None
            found = texts[one.source][one.start : one.end]
            assert len(found) == pytest.approx(len(one.text), abs=2)
            assert (one.found, one.reason) == (True, "")
    assert checks[3].reason == "not found in the documents"
    assert [one.number for one in checks] == [None] * 5


def test_a_page_is_that_of_the_quotation(collection: ragkit.Collection) -> None:
    """In a document with pages the page is the one on which the quotation begins."""
    manual = next(one for one in collection.documents() if one.source == "manual.pdf")
    assert len(manual.pages) > 1
    for page, start in enumerate(manual.pages, 1):
        lines = (line for line in manual.text[start:].splitlines() if len(line.split()) > 5)
        line = next(line for line in lines if manual.text.count(line.strip()) == 1)
        check = collection.verify_quotes(f'It reads "{line.strip()}".')[0]
        assert (check.source, check.page, check.found) == ("manual.pdf", page, True)


def test_a_quotation_across_passages_is_found(collection: ragkit.Collection) -> None:
    """A quotation that ends one passage and begins the next is in the document all the same."""
    first, second = collection.passages("storm.txt")[1:3]
    quotation = f"{first.text.rstrip()[-60:].split(' ', 1)[1]} {second.text[:40].rsplit(' ', 1)[0]}"
    check = collection.verify_quotes(f"\u201c{quotation}\u201d")[0]
    assert (check.source, check.match) == ("storm.txt", "alike")
    assert check.start is not None
    assert first.start < check.start < first.end <= second.start < (check.end or 0)


def test_citations_are_checked_against_their_context(collection: ragkit.Collection) -> None:
    """A number has the place of its excerpt; a quotation agrees only with the excerpt it is in."""
    context = collection.context("how often are keys rotated, and is the soup hot?")
    numbers = {one.source: one.number for one in context.citations}
    right, wrong = numbers["keys.md"], numbers["lunch.txt"]
    answer = (
        f'"rotated every ninety days" [{right}]. "Backups are kept for 35 days" [{wrong}]. [99]'
        f" See [{right}, {wrong}] and [{right}](https://example.org)."
    )
    checks = collection.verify_quotes(answer, context=context)
    quotes = [one for one in checks if one.kind == "quote"]
    assert [(one.source, one.number, one.agrees) for one in quotes] == [
        ("keys.md", right, True),
        ("backups.md", wrong, False),
    ]
    cited = [(one.text, one.source) for one in checks if one.kind == "citation"]
    assert cited == [
        (f"[{right}]", "keys.md"),
        (f"[{wrong}]", "lunch.txt"),
        ("[99]", None),
        (f"[{right}]", "keys.md"),
        (f"[{wrong}]", "lunch.txt"),
    ]
    assert next(one for one in checks if one.text == "[99]").reason == (
        "the context has no excerpt [99]"
    )
    old = Citation(number=1, root="docs", source="gone.md", page=None, line=1, start=0, end=9)
    stale = collection.verify_quotes("[1]", context=Context(text="", tokens=0, citations=(old,)))
    assert stale[0].reason == "gone.md is no longer in the collection as it was cited"


def test_cited_figures_are_looked_for_in_what_is_cited(collection: ragkit.Collection) -> None:
    """A figure is found in the excerpt that its sentence cites, however it is set, or said not."""
    context = collection.context("how often are keys rotated, and how long are backups kept?")
    numbers = {one.source: one.number for one in context.citations}
    backups, keys = numbers["backups.md"], numbers["keys.md"]
    answer = (
        f"1. Backups are kept for 35 days [{backups}].\n"
        f"2. Since 2019 they are kept for 36.0 or 35.0 days [{keys}][{backups}], some say 12."
        f' "Backups are kept for 35 days" [{backups}].'
    )
    checks = collection.verify_quotes(answer, context=context)
    figures = [one for one in checks if one.kind == "figure"]
    assert [(one.text, one.source, one.match, one.agrees) for one in figures] == [
        ("35", "backups.md", "exact", True),
        ("2019", None, None, False),
        ("36.0", None, None, False),
        ("35.0", "backups.md", "alike", True),
    ]
    assert figures[1].reason == f"not in [{keys}] or [{backups}]"
    texts = {one.source: one.text for one in collection.documents()}
    assert texts["backups.md"][slice(figures[0].start, figures[0].end)] == "35"
    assert figures[0].number == backups
    assert answer[figures[3].answer_start : figures[3].answer_end] == "35.0"
    assert collection.verify_quotes("35 days [1].") == []


def test_a_hostile_answer_is_bounded(collection: ragkit.Collection) -> None:
    """Thousands of quotations, signs without end and no words end soon, and are all accounted."""
    many = collection.verify_quotes(' "soup is"' * 400)
    assert len(many) == 400
    assert [one.found for one in many].count(True) == 300
    assert many[-1].reason == "not checked: 300 quotations before it"
    assert collection.verify_quotes('"?!" \u201c\u201d "')[0].reason == "it has no word to look for"
    for unit in ('"', "\u201c", "> ", "[1", "```\n", "\u00ab \n", '" "a'):
        collection.verify_quotes((unit * 200_000)[:200_000])
    with pytest.raises(InvalidArgument, match="1,000,001 characters"):
        collection.verify_quotes("a" * 1_000_001)


def shares(hit: Hit) -> float:
    assert hit.explanation is not None
    return sum(part.share for part in hit.explanation.parts)


@pytest.mark.parametrize("mode", ["hybrid", "semantic", "lexical"])
def test_an_explanation_adds_up(collection: ragkit.Collection, mode: str) -> None:
    """In each mode the shares are the score, and all else is as without an explanation."""
    query = "how often are the signing keys rotated by zebras?"
    hits = collection.search(query, k=8, mode=mode, explain=True)  # type: ignore[arg-type]
    plain = collection.search(query, k=8, mode=mode)  # type: ignore[arg-type]
    assert [hit.explanation for hit in plain] == [None] * len(plain)
    assert [(hit.passage, hit.score) for hit in hits] == [(hit.passage, hit.score) for hit in plain]
    assert [shares(hit) for hit in hits] == pytest.approx([hit.score for hit in hits], abs=1e-6)
    best = hits[0].explanation
    assert best is not None
    assert (best.matched, best.missing) == (("signing", "keys", "rotated"), ("often", "zebras"))
    assert {"how", "the"} <= set(best.common)
    names = {"hybrid": ["semantic", "lexical", "context"]}.get(mode, [mode])
    assert [part.name for part in best.parts] == names


def test_an_explanation_names_the_filter(collection: ragkit.Collection) -> None:
    """The conditions that a hit fulfils are part of it."""
    (hit,) = collection.search("soup", k=1, where={"source": "lunch*"}, explain=True)
    assert hit.explanation is not None
    assert hit.explanation.where == {"source": "lunch*"}


def test_why_a_document_is_not_indexed(collection: ragkit.Collection, place: Path) -> None:
    """Left out by rule, come too late, misspelt, or unknown: each has its reason."""
    broken = collection.why_not("broken.png", "soup")
    assert (broken.verdict, broken.reason.partition(":")[0]) == ("not indexed", "it was left out")
    late = collection.why_not("late.txt", "soup")
    assert (late.verdict, late.advice) == ("not indexed", ("run `ragkit index` again",))
    assert collection.why_not(str(place / "docs" / "late.txt"), "soup").advice == late.advice
    misspelt = collection.why_not("lunhc.txt", "soup")
    assert misspelt.advice == ("did you mean lunch.txt?",)
    assert collection.why_not("\x00" * 9000, "soup").verdict == "not indexed"
    assert collection.why_not("empty.txt", "soup").verdict in ("empty", "not indexed")


def test_why_a_document_is_filtered(collection: ragkit.Collection) -> None:
    """The condition that it fails is named, and not the one that it fulfils."""
    told = collection.why_not("lunch.txt", "soup", {"root": "docs", "source": "*.md"})
    assert (told.verdict, told.reason) == ("filtered", "it does not fulfil source=*.md")


def test_why_a_document_ranks_where_it_does(collection: ragkit.Collection) -> None:
    """Rank and score are those of a longer search; what holds it back is said."""
    query = "rain and wind of the storm"
    ranked = collection.search(query, k=99)
    rank = next(hit.rank for hit in ranked if hit.source == "lunch.txt")
    told = collection.why_not("lunch.txt", query, k=5)
    assert (told.verdict, told.rank, told.k, told.root) == ("ranked below", rank, 5, "docs")
    assert told.passages == collection.status().passages
    assert told.best is not None
    assert told.best.score == pytest.approx(ranked[rank - 1].score)
    assert shares(told.best) == pytest.approx(told.best.score)
    assert told.last is not None
    assert told.last.score == pytest.approx(ranked[4].score)
    advice = " | ".join(told.advice)
    assert f"-k {rank} would return it" in advice
    assert "none of the query's words is in that passage: rain, wind, storm" in advice
    assert "crowded out: 5 of the 5 hits are of storm.txt" in advice
    assert collection.why_not("storm.txt", query, k=5).verdict == "returned"


def test_why_a_copy_is_not_returned(collection: ragkit.Collection) -> None:
    """A document with the same text as a hit is told of it, and the hit names it."""
    told = collection.why_not("twin-b.txt", "otter in the river", k=1)
    assert (told.verdict, told.rank) == ("folded", 1)
    assert told.reason == "hit 1, twin-a.txt:1, is the same text and says that it is also here"
    (hit,) = collection.search("otter in the river", k=1)
    assert [(one.source, one.line) for one in hit.also_in] == [("twin-b.txt", 1)]


def test_why_words_alone_never_find_it(collection: ragkit.Collection) -> None:
    """Without a word of the query a search by words never returns a document; meaning does."""
    told = collection.why_not("lunch.txt", "otter", mode="lexical")
    assert (told.verdict, told.rank, told.best) == ("never ranked", None, None)
    assert told.advice == ("search by meaning too: --mode hybrid",)


def test_why_asks_for_one_document(place: Path) -> None:
    """A name that two roots have is refused, and ROOT:SOURCE is one of them."""
    for name in ("one", "two"):
        (place / name).mkdir()
        (place / name / "a.txt").write_text(f"A text of {name}.")
    with ragkit.open(place / "pair") as pair:
        pair.sync([place / "one", place / "two"])
        with pytest.raises(AmbiguousSource):
            pair.why_not("a.txt", "text")
        assert pair.why_not("two:a.txt", "text").verdict == "returned"
        assert pair.why_not(str(place / "one" / "a.txt"), "text").root == "one"


async def answered(place: Path) -> tuple[str, bool, int]:
    async with await ragkit.AsyncCollection.open(place / "kb") as collection:
        told = await collection.why_not("lunch.txt", "soup")
        checks = await collection.verify_quotes('"The soup is always hot."')
        drafted = await collection.draft_questions(3)
        found = await collection.evaluate(drafted)
        assert len(found.outcomes) == len(drafted)
        return told.verdict, checks[0].found, len(drafted)


def test_the_same_awaited(collection: ragkit.Collection, place: Path) -> None:
    """The awaited methods give what the others give."""
    import asyncio

    assert asyncio.run(answered(place)) == ("returned", True, 3)
