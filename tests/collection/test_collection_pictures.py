"""Pictures in folders: found by what they show, bought once, priced, and left out where needed."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import PIL.Image
import pytest
from loopback import KEY, LoopbackServer
from loopback_pictures import picture

import ragkit
from ragkit.config import Settings
from ragkit.errors import InputRejected, InvalidArgument

SETTINGS = Settings(workers=1, request_timeout_s=30)
COLOURS = {"red": "png", "blue": "jpg", "green": "gif", "yellow": "webp"}
KINDS = {"png": "PNG", "jpg": "JPEG", "gif": "GIF", "webp": "WEBP"}
NO_MODEL = "a picture, and the model is not known to take any"


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    """A picture of each format and colour, and a text that names none."""
    folder = tmp_path / "docs"
    (folder / "img").mkdir(parents=True)
    for colour, extension in COLOURS.items():
        content = picture(colour, (200, 150), kind=KINDS[extension])
        (folder / "img" / f"{colour}.{extension}").write_bytes(content)
    (folder / "lunch.txt").write_text("Lunch is at noon. The soup is always hot.\n")
    return folder


def opened(
    tmp_path: Path, server: LoopbackServer, model: str = "test/pictures", name: str = "kb"
) -> ragkit.Collection:
    return ragkit.open(
        tmp_path / name, model=model, base_url=server.base_url, api_key=KEY, settings=SETTINGS
    )


@pytest.fixture
def kb(tmp_path: Path, docs: Path, embedding_server: LoopbackServer) -> Iterator[ragkit.Collection]:
    """The folder, indexed with a model that takes images."""
    with opened(tmp_path, embedding_server) as collection:
        collection.sync(docs)
        yield collection


def asked_pictures(server: LoopbackServer) -> int:
    return sum(number for name, number in server.ledger.asked.items() if "[picture" in name)


def test_a_text_finds_what_a_picture_shows(kb: ragkit.Collection, docs: Path) -> None:
    """Each format is a document of one passage without words; the hit has its size."""
    for colour, extension in COLOURS.items():
        hit = kb.search(f"something {colour}", k=1)[0]
        source = f"img/{colour}.{extension}"
        assert (hit.source, hit.text, hit.start, hit.end) == (source, "", 0, 0)
        image = hit.passage.image
        assert image is not None
        assert (image.path, image.width_px, image.height_px) == (source, 200, 150)
        assert image.thumbnail is not None
        with PIL.Image.open(image.thumbnail) as small:
            assert (small.format, small.size) == ("JPEG", (200, 150))
    assert kb.search("when is lunch?", k=1)[0].source == "lunch.txt"
    # By its name too, as any document.
    assert kb.search("yellow", mode="lexical", k=1)[0].source == "img/yellow.webp"
    assert [passage.source for passage in kb.passages("img/red.png")] == ["img/red.png"]


def test_a_picture_finds_itself_and_its_like(kb: ragkit.Collection, docs: Path) -> None:
    """By path or bytes; words beside it count too, and alone it is looked for by meaning."""
    image = docs / "img" / "blue.jpg"
    hits = kb.search(image=image, k=2)
    assert hits[0].source == "img/blue.jpg"
    assert hits[0].score == pytest.approx(1.0, abs=1e-6)
    assert kb.search(image=image.read_bytes(), k=1)[0].source == "img/blue.jpg"
    assert kb.search(image=picture("green", (90, 90)), k=1)[0].source == "img/green.gif"
    both = kb.search("soup", image=picture("green", (90, 90)), k=5)
    assert {hit.source for hit in both if "lexical" in hit.scores} == {"lunch.txt"}
    with pytest.raises(InvalidArgument, match="a picture has no words to look up"):
        kb.search(image=image, mode="lexical")
    with pytest.raises(InvalidArgument, match="there is no query"):
        kb.search()
    with pytest.raises(InputRejected, match="damaged picture"):
        kb.search(image=image.read_bytes()[:99])


def test_without_such_a_model_they_are_listed_and_another_model_indexes_them(
    tmp_path: Path, docs: Path, embedding_server: LoopbackServer
) -> None:
    """Skipped with the reason, never sent; with a model that takes images they are documents."""
    with opened(tmp_path, embedding_server, "test/small") as collection:
        report = collection.sync(docs)
        assert report.skipped == tuple(
            (f"img/{name}", NO_MODEL)
            for name in ("blue.jpg", "green.gif", "red.png", "yellow.webp")
        )
        assert (report.added, report.failed) == (1, ())
        said = "the query cannot be embedded: a picture, and test/small takes text only"
        with pytest.raises(InputRejected, match=said):
            collection.search(image=docs / "img" / "red.png")
        gets = list(embedding_server.inquiries.asked)
        assert collection.sync(docs).unchanged == 1
        # Asked once, and kept.
        assert embedding_server.inquiries.asked == gets
        # The server's list says more now: the next plan sees it, and the sync after it obeys.
        embedding_server.inquiries.overrides["test/small"] = {
            "architecture": {"input_modalities": ["text", "image"]}
        }
    # Nor is a picture sent to a model that is listed as one of text.
    assert asked_pictures(embedding_server) == 0
    with opened(tmp_path, embedding_server, name="other") as collection:
        assert collection.sync(docs).added == 5
    with ragkit.open(tmp_path / "local", settings=SETTINGS) as collection:
        assert len(collection.sync(docs).skipped) == 4
        with pytest.raises(InputRejected, match="takes text only"):
            collection.search(image=docs / "img" / "red.png")


def test_a_list_that_changes_is_obeyed(
    tmp_path: Path, docs: Path, embedding_server: LoopbackServer
) -> None:
    """What was skipped becomes a document once the model is known to take it."""
    with opened(tmp_path, embedding_server) as collection:
        listed = {"architecture": {"input_modalities": ["text"]}}
        embedding_server.inquiries.overrides["test/pictures"] = listed
        assert len(collection.sync(docs).skipped) == 4
    embedding_server.inquiries.overrides.clear()
    with opened(tmp_path, embedding_server) as collection:
        collection._pricer._fetch()
        report = collection.sync(docs)
        assert (report.added, report.unchanged, report.skipped) == (4, 1, ())
        assert collection.search("red", k=1)[0].source == "img/red.png"


def test_pictures_are_bought_once(
    kb: ragkit.Collection, docs: Path, embedding_server: LoopbackServer
) -> None:
    """Renames, moves and copies buy nothing, and an unchanged folder makes no request at all."""
    requests = len(embedding_server.ledger.requests)
    generation = kb.status().generation
    report = kb.sync(docs)
    assert (report.unchanged, kb.status().generation) == (5, generation)
    (ids,) = ([p.id for p in kb.passages("img/blue.jpg")],)
    (docs / "img" / "blue.jpg").rename(docs / "azure.jpg")
    shutil.copy(docs / "img" / "red.png", docs / "img" / "crimson.png")
    report = kb.sync(docs)
    assert (report.moved, report.added, report.embedded, report.requests) == (1, 1, 0, 0)
    moved = kb.passages("azure.jpg")[0]
    assert [moved.id] == ids
    assert moved.image is not None
    assert moved.image.path == "azure.jpg"
    os.utime(docs / "azure.jpg", (1, 1))
    assert kb.sync(docs).unchanged == 6
    assert len(embedding_server.ledger.requests) == requests
    assert kb.verify().ok


def test_a_bad_picture_costs_its_own_line(
    tmp_path: Path, docs: Path, embedding_server: LoopbackServer
) -> None:
    """Damaged, huge, tiny and moving ones are told; all others are indexed."""
    (docs / "broken.png").write_bytes(picture("red", (200, 150))[:90])
    (docs / "fake.jpg").write_bytes(b"no picture at all")
    (docs / "dot.png").write_bytes(picture("red", (20, 20)))
    PIL.Image.new("1", (30_000, 30_000)).save(docs / "bomb.png")
    frames = [PIL.Image.new("RGB", (80, 80), colour) for colour in ("red", "blue")]
    frames[0].save(docs / "film.gif", save_all=True, append_images=frames[1:])
    with opened(tmp_path, embedding_server) as collection:
        report = collection.sync(docs)
        assert report.failed == (
            ("bomb.png", "a picture of more than 89 megapixels: make it smaller"),
            ("broken.png", "damaged picture: image file is truncated"),
            ("fake.jpg", "damaged picture, or none of PNG, JPEG, WebP and GIF"),
        )
        assert report.skipped == (("dot.png", "a picture of less than 32 pixels on a side"),)
        assert report.warnings == (("film.gif", "it moves: its first frame stands for it"),)
        assert report.added == 6


def test_a_large_photograph_is_sent_small(tmp_path: Path, embedding_server: LoopbackServer) -> None:
    """Twenty megabytes become at most 512 KiB, and the hit names the size of the original."""
    folder = tmp_path / "photos"
    folder.mkdir()
    noise = PIL.Image.effect_noise((4800, 3600), 120).convert("RGB")
    noise.save(folder / "large.jpg", quality=100, subsampling=0)
    assert (folder / "large.jpg").stat().st_size > 20_000_000
    with opened(tmp_path, embedding_server) as collection:
        assert collection.sync(folder).added == 1
        image = collection.passages()[0].image
    assert image is not None
    assert (image.width_px, image.height_px) == (4800, 3600)
    assert max(len(request.body) for request in embedding_server.ledger.requests) < 720_000


def test_what_a_server_refuses_is_quarantined(
    tmp_path: Path, docs: Path, embedding_server: LoopbackServer
) -> None:
    """Reported with the server's words, findable by name, and not asked again."""
    (docs / "thin.png").write_bytes(picture("red", (9000, 40)))
    with opened(tmp_path, embedding_server) as collection:
        report = collection.sync(docs)
        ((source, reason),) = report.failed
        assert source == "thin.png"
        assert "1 passage has no vector, at line 1: refused by the server (400)" in reason
        assert report.added == 6
        requests = len(embedding_server.ledger.requests)
        assert collection.sync(docs).failed == report.failed
        assert len(embedding_server.ledger.requests) == requests
        assert collection.search("thin", mode="lexical", k=1)[0].source == "thin.png"


def test_a_model_that_takes_none_after_all_is_tried_again(
    tmp_path: Path, docs: Path, embedding_server: LoopbackServer
) -> None:
    """One request tells; nothing is remembered against the pictures once the server takes them."""
    embedding_server.inquiries.overrides["test/small"] = {
        "architecture": {"input_modalities": ["text", "image"]}
    }
    with opened(tmp_path, embedding_server, "test/small") as collection:
        report = collection.sync(docs)
        assert [source for source, _ in report.failed] == [
            f"img/{name}" for name in ("blue.jpg", "green.gif", "red.png", "yellow.webp")
        ]
        assert (
            "takes no pictures (404: No endpoints found that support image" in report.failed[0][1]
        )
        assert asked_pictures(embedding_server) == 1
        assert collection.search("when is lunch?", k=1)[0].source == "lunch.txt"
        embedding_server.quirks.takes_pictures = True
        report = collection.sync(docs)
        assert (report.updated, report.embedded, report.failed) == (4, 4, ())
        assert collection.search("red", k=1)[0].source == "img/red.png"
        assert collection.verify().ok


def test_pages_show_pictures_and_follow_them(
    tmp_path: Path, docs: Path, embedding_server: LoopbackServer
) -> None:
    """A page's picture has its caption; it is read again when the file changes, goes or comes."""
    page = '<h1>Pumps</h1><p>Water.</p><figure><img src="img/{}.png" alt="The pump"></figure>'
    (docs / "page.html").write_text(page.format("red"))
    with opened(tmp_path, embedding_server) as collection:
        collection.sync(docs)

        def shown() -> list[tuple[str, str]]:
            found = [item for item in collection.passages("page.html") if item.image is not None]
            return [(item.image.path, item.text) for item in found if item.image is not None]

        assert shown() == [("img/red.png", "The pump")]
        passage = collection.passages("page.html")[-1]
        assert passage.headings == ("Pumps",)
        assert collection.search("a red pump", k=1)[0].passage == passage
        (docs / "img" / "red.png").write_bytes(picture("green", (300, 200)))
        report = collection.sync(docs)
        assert report.updated == 2
        assert collection.search("a green pump", k=1)[0].passage.image is not None
        assert collection.sync(docs).unchanged == 6
        (docs / "img" / "red.png").unlink()
        assert (collection.sync(docs).updated, shown()) == (1, [])
        assert collection.sync(docs).unchanged == 5
        (docs / "img" / "red.png").write_bytes(picture("green", (300, 200)))
        report = collection.sync(docs)
        assert (report.updated, report.embedded, shown()) == (1, 0, [("img/red.png", "The pump")])
        # Moved away from its pictures it shows none, and its text keeps its id.
        kept = collection.passages("page.html")[0].id
        (docs / "below").mkdir()
        (docs / "page.html").rename(docs / "below" / "page.html")
        report = collection.sync(docs)
        assert report.embedded == 0
        assert [item.id for item in collection.passages("below/page.html")] == [kept]
        assert collection.verify().ok


def test_a_page_follows_a_picture_that_changed_behind_its_time(
    kb: ragkit.Collection, docs: Path
) -> None:
    """Where contents are compared, a page's picture is that of the file, whatever its time says."""
    page = '<h1>A page</h1><p>Water.</p><figure><img src="img/patch.png" alt="A patch"></figure>'
    (docs / "page.html").write_text(page)
    path = docs / "img" / "patch.png"
    # The same size in bytes, so that nothing but the content tells them apart.
    size = max(len(picture(colour, (96, 64))) for colour in ("black", "grey"))
    os.utime(docs / "page.html", (1, 1))
    for colour in ("black", "grey"):
        path.write_bytes(picture(colour, (96, 64)).ljust(size, b"\0"))
        os.utime(path, (2, 2))
        kb.sync(docs, checksum=True)
        shown = {passage.image.digest for passage in kb.passages("page.html") if passage.image}
        own = {passage.image.digest for passage in kb.passages("img/patch.png") if passage.image}
        assert len(own) == 1
        assert shown == own


def test_pictures_that_are_left_out_are_not_shown_by_pages(
    tmp_path: Path, docs: Path, embedding_server: LoopbackServer
) -> None:
    """What rules, options or a link leading elsewhere keep out is not sent through a page."""
    secret = tmp_path / "secret.png"
    secret.write_bytes(picture("red", (200, 200)))
    (docs / "out.png").symlink_to(secret)
    (docs / "img" / ".hidden.png").write_bytes(picture("red", (201, 200)))
    references = ("img/red.png", "out.png", "../secret.png", "img/.hidden.png", str(secret))
    images = "".join(f'<img src="{reference}">' for reference in references)
    (docs / "page.html").write_text(f"<h1>Pumps</h1><p>Water.</p>{images}")
    (docs / ".ragignore").write_text("img/red.png\n")
    with opened(tmp_path, embedding_server) as collection:
        collection.sync(docs, exclude=["img/blue.jpg"])
        sources = {item.source for item in collection.passages() if item.image is not None}
        assert sources == {"img/green.gif", "img/yellow.webp"}
        assert asked_pictures(embedding_server) == 2
        assert collection.sync(docs, exclude=["img/blue.jpg"]).unchanged == 4
        (docs / ".ragignore").unlink()
        collection.sync(docs, exclude=["img/blue.jpg"])
        sources = {item.source for item in collection.passages() if item.image is not None}
        assert sources == {"img/green.gif", "img/red.png", "img/yellow.webp", "page.html"}


def test_thumbnails_are_derived(kb: ragkit.Collection, docs: Path, tmp_path: Path) -> None:
    """Deleted they are made again without a request or a generation; those of the dead go."""
    folder = kb.path / "derived" / "thumbnails"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert len(before) == 4
    shutil.rmtree(folder)
    image = kb.search("red", k=1)[0].passage.image
    assert image is not None
    assert image.thumbnail is None
    assert not folder.exists()
    generation = kb.status().generation
    kb.sync(docs)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert kb.status().generation == generation
    # With all that is derived, and while a file changes: one sync makes them.
    shutil.rmtree(kb.path / "derived")
    (docs / "lunch.txt").write_text("Lunch is at one.\n")
    kb.sync(docs)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    (docs / "img" / "red.png").unlink()
    kb.sync(docs)
    assert len(list(folder.iterdir())) == 3
    # A link in the folder's place leads nothing out.
    shutil.rmtree(folder)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    folder.symlink_to(elsewhere)
    kb.sync(docs)
    assert list(elsewhere.iterdir()) == []


def test_a_context_names_the_pictures(kb: ragkit.Collection) -> None:
    """A line says what and how large it is; its citation is a span like any other."""
    for layout in ("markdown", "xml", "json"):
        context = kb.context("something red", max_tokens=800, format=layout)
        assert "img/red.png, 200 x 150 px" in context.text
        assert {(c.source, c.start, c.end) for c in context.citations} >= {("img/red.png", 0, 0)}
    assert json.loads(context.text)["excerpts"][0]["picture"] == "img/red.png, 200 x 150 px"
    checks = kb.verify_quotes('It is red [1], as "nobody" says.', context=context)
    assert [check.found for check in checks] == [True, False]


def test_a_plan_prices_pictures(
    tmp_path: Path, docs: Path, embedding_server: LoopbackServer
) -> None:
    """A guess by size at first, which says so; then what a picture was billed as, to the token."""
    with opened(tmp_path, embedding_server) as collection:
        plan = collection.plan(docs)
        assert (plan.to_embed, plan.passages) == (5, 5)
        assert "4 pictures counted as 172 tokens, estimated from size" in plan.basis
        report = collection.sync(docs)
        for number in range(3):
            content = picture("red", (200, 150), number=number + 1)
            (docs / "img" / f"more-{number}.png").write_bytes(content)
        plan = collection.plan(docs)
        assert plan.tokens == 3 * 258
        assert "3 pictures counted as 774 tokens, as earlier ones were billed" in plan.basis
        spent = collection.sync(docs)
        assert (spent.tokens, spent.cost_usd) == (plan.tokens, plan.cost_usd)
        assert report.tokens == 4 * 258 + 11


def test_a_price_for_each_picture_counts(
    tmp_path: Path, docs: Path, embedding_server: LoopbackServer
) -> None:
    """A model that charges by the picture is planned and limited by that."""
    pricing = {"prompt": "0.00000002", "completion": "0", "image": "0.001"}
    embedding_server.inquiries.overrides["test/pictures"] = {"pricing": pricing}
    with opened(tmp_path, embedding_server) as collection:
        plan = collection.plan(docs)
        assert plan.cost_usd is not None
        assert Decimal("0.004") < plan.cost_usd < Decimal("0.00402")
        assert "and 0.001 dollars for each" in plan.basis
        embedding_server.quirks.usd_per_picture = Decimal("0.001")
        report = collection.sync(docs, max_cost_usd=0.0035)
        assert report.stopped is not None
        assert asked_pictures(embedding_server) == 3


def test_pictures_await(tmp_path: Path, docs: Path, embedding_server: LoopbackServer) -> None:
    """The asynchronous collection searches by picture too."""

    async def run() -> str:
        collection = ragkit.AsyncCollection(opened(tmp_path, embedding_server))
        async with collection:
            await collection.sync(docs)
            return (await collection.search(image=docs / "img" / "green.gif"))[0].source

    assert asyncio.run(run()) == "img/green.gif"


def test_the_application_is_named_to_openrouter_alone(
    tmp_path: Path, docs: Path, embedding_server: LoopbackServer
) -> None:
    """Settings name user and application; another server sees the user and no attribution."""
    settings = Settings(workers=1, user="someone", app_url="https://example.org", app_title="Notes")
    with ragkit.open(
        tmp_path / "kb",
        model="test/pictures",
        base_url=embedding_server.base_url,
        api_key=KEY,
        settings=settings,
    ) as collection:
        collection.sync(docs)
    bodies = [json.loads(request.body) for request in embedding_server.ledger.requests]
    assert {body["user"] for body in bodies} == {"someone"}
    # The server counts attribution headers as a violation, which the fixture would show.


def test_a_picture_expands_into_the_text_around_it(
    tmp_path: Path, docs: Path, embedding_server: LoopbackServer
) -> None:
    """It is still named; text never grows into pictures, which stand behind all of it."""
    lines = [f"Pump number {n} stands in a yard of its own and moves water." for n in range(60)]
    image = '<img src="img/red.png" alt="The red pump">'
    body = "".join(f"<p>{line}</p>{image if n == 30 else ''}" for n, line in enumerate(lines))
    (docs / "page.html").write_text(f"<h1>Pumps</h1>{body}")
    with opened(tmp_path, embedding_server) as collection:
        collection.sync(docs)
        hit = next(
            hit for hit in collection.search("a red pump", k=20)
            if hit.source == "page.html" and hit.passage.image is not None
        )  # fmt: skip
        text = next(item for item in collection.documents() if item.source == "page.html").text
        wide = hit.expand(tokens=300)
        assert wide.image == hit.passage.image
        assert wide.text == text[wide.start : wide.end]
        assert lines[30] in wide.text
        assert "The red pump" in wide.text
        assert wide.tokens > 150
        last = [item for item in collection.passages("page.html") if item.image is None][-1]
        found = next(h for h in collection.search(lines[59], k=50) if h.passage.id == last.id)
        assert found.expand(tokens=3000).image is None


def test_relevance_is_not_told_of_pictures(kb: ragkit.Collection, docs: Path) -> None:
    """Neither to a picture nor of one: it was fitted on words."""
    hits = kb.search("something red", k=3)
    assert hits[0].passage.image is not None
    assert hits[0].relevance is None
    by_picture = kb.search(image=docs / "img" / "red.png", k=3)
    assert by_picture.relevant is None
    assert {hit.relevance for hit in by_picture} == {None}
    with pytest.raises(InvalidArgument, match="the relevance to a picture is not known"):
        kb.search(image=docs / "img" / "red.png", min_relevance=0.5)


def test_a_purged_picture_leaves_no_thumbnail(kb: ragkit.Collection, tmp_path: Path) -> None:
    """Nor its vector, nor its name; those of the others stay."""
    there = {hit.source: hit.passage.image for hit in kb.search("red", k=5) if hit.passage.image}
    image = there["img/red.png"]
    assert image is not None
    assert image.thumbnail is not None
    with kb._store.snapshot() as snapshot:
        (own,) = [item.passage.id for item in snapshot.all_passages("docs", "img/red.png")]
        ids, slots = snapshot.ids_and_slots()
        row = kb._store.rows(snapshot)[slots[ids.tolist().index(own)]].tobytes()
    small = Path(image.thumbnail).read_bytes()
    kb.purge("img/red.png")
    files = [path for path in (tmp_path / "kb").rglob("*") if path.is_file()]
    assert sum(path.suffix == ".jpg" for path in files) == 3
    for path in files:
        content = path.read_bytes()
        assert not [trace for trace in (small, row, b"red.png", b"red.") if trace in content], path
    assert kb.verify().ok
