"""Pictures on the command line: indexed, searched for and by, and shown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_runs import Shell, write_documents
from loopback import LoopbackServer
from loopback_pictures import picture


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A folder with pictures, indexed with a model that takes them."""
    directory = tmp_path_factory.mktemp("pictures") / "work"
    write_documents(directory / "docs")
    images = directory / "docs" / "img"
    images.mkdir()
    for colour in ("red", "blue"):
        (images / f"{colour}.png").write_bytes(picture(colour, (1200, 800)))
    (directory / "docs" / "page.html").write_text(
        '<h1>Pumps</h1><p>They move water.</p><img src="img/red.png" alt="The red pump">'
    )
    shell = Shell(directory=directory)
    with LoopbackServer() as server:
        where = ("--model", "test/pictures", "--base-url", server.base_url)
        done = shell.run("index", "docs", *where)
        assert (done.code, done.err) == (0, "")
        yield shell
    assert server.ledger.violations == []


def test_a_picture_is_a_query(shown: Shell) -> None:
    """Alone or beside words; what it is and its thumbnail stand under its path."""
    done = shown.run("search", "--image", "docs/img/blue.png", "-k", "1")
    assert (done.code, done.err) == (0, "")
    rank, place, what, thumbnail = done.out.splitlines()[:4]
    assert rank.split() == ["1", "1.000"]
    assert place == "    docs/img/blue.png"
    assert what == "    picture, 1,200 × 800 px"
    path = Path(thumbnail.removeprefix("    thumbnail "))
    assert (shown.directory / path).is_file()
    assert path.parts[:3] == (".ragkit", "derived", "thumbnails")
    done = shown.run("search", "pump", "--image", "docs/img/red.png", "-k", "1", "--explain")
    assert "    picture img/red.png, 1,200 × 800 px" in done.out.splitlines()
    assert "why: " in done.out


def test_a_picture_is_read_from_stdin(shown: Shell) -> None:
    """``-`` is what was piped in, as it is for a question."""
    done = shown.run("search", "--image", "-", "-k", "1", stdin=picture("red", (90, 60)))
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[1] == "    docs/img/red.png"


def test_the_json_of_a_hit_has_its_picture(shown: Shell) -> None:
    """Null for text; the object names what was asked with only where it was."""
    answer = shown.run("search", "something red", "--json").json
    assert "image" not in answer
    by_source = {hit["source"]: hit["image"] for hit in answer["hits"]}
    assert by_source["notes/lunch.txt"] is None
    image = by_source["img/red.png"]
    assert list(image) == ["path", "width_px", "height_px", "thumbnail"]
    assert (image["path"], image["width_px"], image["height_px"]) == ("img/red.png", 1200, 800)
    assert Path(image["thumbnail"]).is_absolute()
    answer = shown.run("search", "--image", "docs/img/red.png", "--json").json
    assert (answer["query"], answer["image"]) == (None, "docs/img/red.png")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 2, "give a QUERY, or --image FILE"),
        (("--image", "docs/img/red.png", "--mode", "lexical"), 2, "a picture has no words"),
        (("--image", "docs/img/gone.png"), 1, "'docs/img/gone.png' cannot be opened: No such file"),
        (
            ("--image", "docs/notes/lunch.txt"),
            1,
            "ragkit: the query cannot be embedded: 'docs/notes/lunch.txt': damaged picture, or none"
            " of PNG, JPEG, WebP",
        ),
        (("--image", "https://example.org/gone.png"), 1, "(400): cannot download https://example"),
        (("--image", "http://example.org/a.png"), 1, "give an https URL, or a file"),
        (("-", "--image", "-"), 2, "query and picture cannot both be read from stdin"),
        (("--image", "docs/img/red.png", "--rerank", "a/b"), 2, "is not reranked: add a query"),
    ],
)
def test_what_cannot_be_searched_says_why(
    shown: Shell, arguments: tuple[str, ...], code: int, said: str
) -> None:
    """One sentence, and the exit code of its kind."""
    done = shown.run("search", *arguments)
    assert (done.code, done.out) == (code, "")
    assert said in done.err


def test_reading_and_cutting_show_pictures(shown: Shell) -> None:
    """``read`` says how large they are, ``chunk`` cuts them into passages of their own."""
    assert "  1,200 x 800 px" in shown.run("read", "docs/img/red.png").out.splitlines()
    assert "  picture img/red.png: 1,200 x 800 px" in shown.run("read", "docs/page.html").out
    done = shown.run("read", "docs/page.html", "--json").json
    assert [figure["image"]["width_px"] for figure in done["figures"]] == [1200]
    done = shown.run("chunk", "docs/img/red.png", "--json").json
    assert [passage["image"]["height_px"] for passage in done["passages"]] == [800]
    assert "picture red.png, 1,200 x 800 px" in shown.run("chunk", "docs/img/red.png").out


def test_why_a_picture_was_not_returned(shown: Shell) -> None:
    """It is ranked like any other document."""
    done = shown.run("why-not", "img/blue.png", "red")
    assert done.code == 0
    assert "holds no text" not in done.out


def test_status_and_verify_count_pictures(shown: Shell) -> None:
    """A picture is a document and a passage; all laws hold with it."""
    status = shown.run("status", "--json").json
    assert (status["documents"], status["vectors"]) == (6, status["passages"])
    done = shown.run("verify", "--json")
    assert (done.code, done.json["ok"]) == (0, True)
