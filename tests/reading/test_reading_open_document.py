from __future__ import annotations

import zipfile

import pytest
from reading_packages import packed

from ragkit.errors import DocumentSkipped, DocumentUnreadable
from ragkit.reading.content import Reading
from ragkit.reading.files import read_bytes
from ragkit.records import Document

NAMES = ("office", "text", "table", "draw", "style", "meta", "presentation")
SPACES = "".join(
    f' xmlns:{n}="urn:oasis:names:tc:opendocument:xmlns:{n}:1.0"' for n in NAMES
) + ' xmlns:dc="http://purl.org/dc/elements/1.1/"'  # fmt: skip
META = (
    "<office:meta><dc:title>Lamps</dc:title><meta:initial-creator>Ida</meta:initial-creator>"
    "<meta:keyword>oil</meta:keyword><meta:keyword>wick</meta:keyword></office:meta>"
)


def odf(kind: str, body: str, *, styles: str = "", common: str = "", meta: str = META) -> bytes:
    def root(name: str, content: str) -> str:
        return f"<office:{name}{SPACES}>{content}</office:{name}>"

    return packed(
        {
            "mimetype": f"application/vnd.oasis.opendocument.{kind}",
            "content.xml": root(
                "document-content",
                f"<office:automatic-styles>{styles}</office:automatic-styles>"
                f"<office:body><office:{kind}>{body}</office:{kind}></office:body>",
            ),
            "styles.xml": root("document-styles", common),
            "meta.xml": root("document-meta", meta),
        },
        method=zipfile.ZIP_STORED,
    )


def read(name: str, data: bytes) -> Reading:
    return read_bytes(data, source=name)


def sections(document: Document) -> list[tuple[int, str]]:
    for section in document.sections:
        assert document.text.startswith(section.title, section.start)
    return [(section.level, section.title) for section in document.sections]


STYLES = (
    '<style:style style:family="paragraph" style:name="P1" style:parent-style-name="Title"/>'
    '<text:list-style style:name="L1"><text:list-level-style-number text:level="1"'
    ' style:num-format="a" style:num-suffix=")"/><text:list-level-style-bullet text:level="2"/>'
    "</text:list-style>"
)
OUTLINE = (
    '<text:outline-style><text:outline-level-style text:level="1" style:num-format="1"/>'
    '<text:outline-level-style text:level="2" style:num-format="1" text:display-levels="2"/>'
    "</text:outline-style>"
)


def test_text_has_headings_lists_tables_and_notes() -> None:
    """A text reads as on paper: numbered headings, labelled items, notes after the paragraph."""
    body = (
        "<text:tracked-changes><text:p>gone</text:p></text:tracked-changes>"
        '<text:p text:style-name="P1">All lamps</text:p>'
        '<text:h text:outline-level="1">Parts</text:h>'
        '<text:h text:outline-level="2">Wick</text:h><text:h text:outline-level="2">Font</text:h>'
        '<text:p>Of <text:span>brass</text:span>,<text:s text:c="2"/>mostly<text:note>'
        "<text:note-citation>1</text:note-citation><text:note-body><text:p>Or tin.</text:p>"
        "</text:note-body></text:note>.<text:line-break/>Next<text:tab/>line"
        "<office:annotation><dc:creator>Bo</dc:creator><text:p>Sure?</text:p></office:annotation>"
        "<draw:frame><draw:text-box><text:p>In a box</text:p></draw:text-box></draw:frame></text:p>"
        '<text:h text:outline-level="1">Care</text:h>'
        '<text:list text:style-name="L1"><text:list-item><text:p>Fill it</text:p>'
        "<text:list><text:list-item><text:p>slowly</text:p></text:list-item></text:list>"
        "</text:list-item><text:list-item><text:p>Light it</text:p></text:list-item></text:list>"
        "<table:table><table:table-header-rows><table:table-row><table:table-cell>"
        "<text:p>Part</text:p></table:table-cell><table:table-cell><text:p>7</text:p>"
        "</table:table-cell></table:table-row></table:table-header-rows><table:table-row>"
        '<table:table-cell table:number-columns-repeated="2"><text:p>wick</text:p>'
        "<text:p>2</text:p></table:table-cell></table:table-row></table:table>"
    )
    found = read("a.odt", odf("text", body, styles=STYLES, common=OUTLINE)).document
    assert found.text == (
        "All lamps\n\n1 Parts\n\n1.1 Wick\n\n1.2 Font\n\nOf brass, mostly[1].\nNext line\n\n"
        "[1] Or tin.\n\n[Comment by Bo: Sure?]\n\nIn a box\n\n2 Care\n\n"
        "a) Fill it\n  - slowly\nb) Light it\n\nPart | 7\nwick 2"
    )
    assert sections(found) == [
        (1, "All lamps"), (2, "1 Parts"), (3, "1.1 Wick"), (3, "1.2 Font"), (2, "2 Care"),
    ]  # fmt: skip
    assert [block.kind for block in found.blocks][-5:] == ["list", "list", "list", "table", "row"]
    assert found.title == "Lamps"
    assert found.metadata == {"author": "Ida", "keywords": "oil, wick"}


def cells(*words: str) -> str:
    return "<table:table-row>" + "".join(
        f"<table:table-cell><text:p>{word}</text:p></table:table-cell>" for word in words
    ) + "</table:table-row>"  # fmt: skip


def test_sheets_are_sections_and_repeats_are_bounded() -> None:
    """Sheets read as shown; a million repeated blanks cost nothing, repeated words are cut."""
    body = (
        '<table:table table:name="Prices">' + cells("Part", "Price") + cells("wick", "2.00 €")
        + '<table:table-row table:number-rows-repeated="1048000"><table:table-cell'
        ' table:number-columns-repeated="16384"/></table:table-row>'
        + '<table:table-row table:number-rows-repeated="2">'
        '<table:table-cell table:number-columns-repeated="16000"/><table:table-cell>'
        "<office:annotation><text:p>Far</text:p></office:annotation><text:p>end</text:p>"
        "</table:table-cell></table:table-row></table:table>"
        '<table:table table:name="Blank"><table:table-row/></table:table>'
        '<table:table table:name="Many"><table:table-row table:number-rows-repeated="1000000">'
        '<table:table-cell table:number-columns-repeated="1000000"><text:p>x</text:p>'
        "</table:table-cell></table:table-row></table:table>"
    )  # fmt: skip
    found = read("a.ods", odf("spreadsheet", body)).document
    assert found.text.startswith(
        "Prices\n\nPart | Price\nwick | 2.00 €\n\nend\nend\n\n[Comment: Far]\n\nMany\n\nx | x"
    )
    assert [title for _, title in sections(found)] == ["Prices", "Many"]
    assert len(found.text) < 6_000_000


def test_slides_are_pages_with_notes() -> None:
    """Slides are pages; the title heads them wherever its frame stands."""
    slide = (
        "<draw:page><draw:frame presentation:class='outline'><draw:text-box><text:list>"
        "<text:list-item><text:p>Fill it</text:p></text:list-item></text:list></draw:text-box>"
        "</draw:frame><draw:frame presentation:class='title'><draw:text-box><text:p>Care</text:p>"
        "</draw:text-box></draw:frame><presentation:notes><draw:frame presentation:class='notes'>"
        "<draw:text-box><text:p>Slowly.</text:p></draw:text-box></draw:frame></presentation:notes>"
        "</draw:page>"
    )
    shape = "<draw:page><draw:custom-shape><text:p>End</text:p></draw:custom-shape></draw:page>"
    found = read("a.odp", odf("presentation", slide + "<draw:page/>" + shape, meta="")).document
    assert found.text == "Slide 1: Care\n\n- Fill it\n\nNotes: Slowly.\n\nSlide 3\n\nEnd"
    assert len(found.pages) == 3
    assert found.text[found.pages[2] :].startswith("Slide 3")
    assert sections(found) == [(1, "Slide 1: Care"), (1, "Slide 3")]
    assert found.title == "Care"


def test_hostile_open_documents_are_refused() -> None:
    """Encrypted, damaged and nested files are told, an empty one is skipped."""
    locked = packed(
        {"META-INF/manifest.xml": "<m><e><encryption-data/></e></m>", "content.xml": "noise"}
    )
    for name, data, says in (
        ("a.odt", locked, "encrypted"),
        ("a.ods", packed({"a": "b"}), "lacks its part 'content.xml'"),
        ("a.odp", odf("text", "<text:p>"), "not well-formed"),
        ("a.odt", odf("text", "<text:section>" * 2000 + "</text:section>" * 2000), "too deeply"),
    ):
        with pytest.raises(DocumentUnreadable, match=says):
            read(name, data)
    with pytest.raises(DocumentSkipped, match="empty"):
        read("a.odt", odf("text", "<text:p/>"))


def test_an_open_document_is_known_by_its_first_member() -> None:
    """Without its extension it is read as what it says it is."""
    assert read("letter", odf("text", "<text:p>lamp</text:p>")).document.text == "lamp"
