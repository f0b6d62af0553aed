from __future__ import annotations

import pytest
from reading_packages import docx, opc, packed, pptx, xlsx

from ragkit.errors import DocumentSkipped, DocumentUnreadable
from ragkit.reading.content import Allowance, RawFile, Reading
from ragkit.reading.files import read_bytes
from ragkit.reading.registry import load_reader, media_type
from ragkit.reading.sheet_values import shown
from ragkit.reading.word_styles import spelled
from ragkit.records import Document


def read(name: str, data: bytes) -> Reading:
    return read_bytes(data, source=name)


def sections(document: Document) -> list[tuple[int, str]]:
    for section in document.sections:
        assert document.text.startswith(section.title, section.start)
    return [(section.level, section.title) for section in document.sections]


def pieces(document: Document) -> list[tuple[str, str]]:
    return [(b.kind, document.text[b.start : b.end]) for b in document.blocks]


def p(text: str, properties: str = "") -> str:
    return f"<w:p><w:pPr>{properties}</w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>"


def styled(text: str, style: str) -> str:
    return p(text, f'<w:pStyle w:val="{style}"/>')


def numbered(text: str, list_id: int, level: int = 0) -> str:
    return p(text, f'<w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="{list_id}"/></w:numPr>')


STYLES = (
    "<w:styles>"
    '<w:style w:styleId="T"><w:name w:val="Title"/></w:style>'
    '<w:style w:styleId="berschrift1"><w:name w:val="heading 1"/><w:pPr>'
    '<w:numPr><w:numId w:val="1"/></w:numPr></w:pPr></w:style>'
    '<w:style w:styleId="Own"><w:name w:val="Own"/><w:basedOn w:val="berschrift1"/>'
    '<w:pPr><w:outlineLvl w:val="1"/><w:numPr><w:ilvl w:val="1"/></w:numPr></w:pPr></w:style>'
    '<w:style w:styleId="Q"><w:name w:val="Quote"/></w:style>'
    "</w:styles>"
)
NUMBERING = (
    "<w:numbering>"
    '<w:abstractNum w:abstractNumId="0">'
    '<w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="upperRoman"/><w:lvlText w:val="%1."/>'
    '</w:lvl><w:lvl w:ilvl="1"><w:numFmt w:val="decimal"/><w:lvlText w:val="%1.%2"/></w:lvl>'
    "</w:abstractNum>"
    '<w:abstractNum w:abstractNumId="1">'
    '<w:lvl w:ilvl="0"><w:numFmt w:val="lowerLetter"/><w:lvlText w:val="%1)"/></w:lvl>'
    '<w:lvl w:ilvl="1"><w:numFmt w:val="bullet"/><w:lvlText w:val="&#xF0B7;"/></w:lvl>'
    "</w:abstractNum>"
    '<w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num>'
    '<w:num w:numId="2"><w:abstractNumId w:val="1"/></w:num>'
    '<w:num w:numId="3"><w:abstractNumId w:val="1"/><w:lvlOverride w:ilvl="0">'
    '<w:startOverride w:val="5"/></w:lvlOverride></w:num>'
    "</w:numbering>"
)


def test_word_headings_and_lists_have_the_numbers_that_word_shows() -> None:
    """Headings by style, built on another or outlined, are numbered, and lists count as shown."""
    body = (
        styled("The lamp", "T")
        + styled("Parts", "berschrift1")
        + styled("Wick", "Own")
        + styled("Font", "Own")
        + p("Brass.")
        + styled("Care", "berschrift1")
        + numbered("Fill it", 2)
        + numbered("slowly", 2, 1)
        + numbered("Light it", 2)
        + numbered("Later", 3)
        + styled("Never alone.", "Q")
    )
    found = read("a.docx", docx(body, parts={"styles": STYLES, "numbering": NUMBERING})).document
    assert found.text == (
        "The lamp\n\nI. Parts\n\nI.1 Wick\n\nI.2 Font\n\nBrass.\n\nII. Care\n\n"
        "a) Fill it\n  - slowly\nb) Light it\ne) Later\n\nNever alone."
    )
    assert found.title == "The lamp"
    assert sections(found) == [
        (1, "The lamp"), (2, "I. Parts"), (3, "I.1 Wick"), (3, "I.2 Font"), (2, "II. Care"),
    ]  # fmt: skip
    assert [kind for kind, _ in pieces(found)][-5:] == ["list"] * 4 + ["quote"]
    assert found.media_type.endswith("wordprocessingml.document")


def cell(text: str, properties: str = "") -> str:
    return f"<w:tc><w:tcPr>{properties}</w:tcPr>{p(text)}</w:tc>"


def test_word_tables_are_rows_with_a_header() -> None:
    """A row is a line; a spanned cell leaves a gap, and one over rows is said in each."""
    start, wide = '<w:vMerge w:val="restart"/>', '<w:gridSpan w:val="2"/>'
    table = (
        "<w:tbl>"
        f"<w:tr>{cell('Part')}{cell('Price')}{cell('Where')}</w:tr>"
        f"<w:tr>{cell('wick', start)}{cell('2 coins')}{cell('here')}</w:tr>"
        f"<w:tr>{cell('', '<w:vMerge/>')}{cell('free', wide)}</w:tr>"
        f"<w:tr>{cell('oil', wide)}{cell('there')}</w:tr>"
        "</w:tbl>"
    )
    frame = f"<w:tbl><w:tr><w:tc>{styled('Framed', 'heading1')}{p('words')}</w:tc></w:tr></w:tbl>"
    found = read("a.docx", docx(p("Before") + table + frame)).document
    assert pieces(found) == [
        ("paragraph", "Before"),
        ("table", "Part | Price | Where"),
        ("row", "wick | 2 coins | here"),
        ("row", "wick | free"),
        ("row", "oil | | there"),
        ("heading", "Framed"),
        ("paragraph", "words"),
    ]
    assert "Price | Where\nwick" in found.text


def test_word_asides_follow_their_paragraph() -> None:
    """Notes, comments and text boxes stand after the paragraph; deleted words and twins go."""
    box = "<wps:txbx><w:txbxContent>" + p("In a box") + "</w:txbxContent></wps:txbx>"
    body = (
        '<w:p><w:r><w:t xml:space="preserve">Lit </w:t></w:r><w:ins><w:r><w:t>at nine</w:t></w:r>'
        "</w:ins><w:del><w:r><w:delText>ten</w:delText><w:t>ten</w:t></w:r></w:del>"
        '<w:r><w:footnoteReference w:id="2"/></w:r><w:r><w:commentReference w:id="0"/></w:r>'
        f"<w:r><mc:AlternateContent><mc:Choice>{box}</mc:Choice><mc:Fallback>{box}</mc:Fallback>"
        '</mc:AlternateContent><wp:inline><wp:docPr descr="A lamp"/></wp:inline></w:r></w:p>'
        "<w:p><m:oMath><m:f><m:num><m:r><m:t>a+b</m:t></m:r></m:num><m:den><m:r><m:t>2</m:t></m:r>"
        "</m:den></m:f></m:oMath><w:r><w:tab/><w:t>is it</w:t><w:br/><w:t>or not</w:t></w:r></w:p>"
    )
    parts = {
        "footnotes": '<w:footnotes><w:footnote w:id="0" w:type="separator"/>'
        f'<w:footnote w:id="2">{p("By the clock.")}</w:footnote></w:footnotes>',
        "comments": f'<w:comments><w:comment w:id="0" w:author="Ida">{p("Sure?")}</w:comment>'
        "</w:comments>",
        "header1": f"<w:hdr>{p('On every page')}</w:hdr>",
    }
    found = read("a.docx", docx(body, parts=parts)).document
    assert found.text == (
        "Lit at nine[2] A lamp\n\n[2] By the clock.\n\n[Comment by Ida: Sure?]\n\nIn a box\n\n"
        "(a+b)/2 is it\nor not"
    )
    only_header = read("a.docx", docx("<w:p/>", parts={"header1": parts["header1"]})).document
    assert only_header.text == "On every page"


def test_properties_become_title_and_metadata() -> None:
    """The stated title is the author's, never a program's; empty properties are left out."""
    said = (
        "<dc:title>Lamps</dc:title><dc:creator>Ida Berg</dc:creator><cp:keywords> </cp:keywords>"
        "<dcterms:modified>2026-01-02T03:04:05Z</dcterms:modified>"
    )
    found = read("a.docx", docx(p("x"), properties=said)).document
    assert found.title == "Lamps"
    assert found.metadata == {"author": "Ida Berg", "date": "2026-01-02T03:04:05Z"}
    said = "<dc:title>Microsoft Word - a.doc</dc:title>"
    assert read("a.docx", docx(p("x"), properties=said)).document.title is None


def shape(*texts: str, kind: str | None = None) -> str:
    place = "" if kind is None else f'<p:ph type="{kind}"/>'
    lines = "".join(
        f'<a:p><a:pPr lvl="{len(t) - len(t.lstrip())}"/><a:r><a:t>{t.strip()}</a:t></a:r></a:p>'
        for t in texts
    )
    return (
        f"<p:sp><p:nvSpPr><p:cNvPr/><p:nvPr>{place}</p:nvPr></p:nvSpPr>"
        f"<p:txBody>{lines}</p:txBody></p:sp>"
    )


def test_slides_are_pages_and_sections() -> None:
    """Slides come in the order shown, each with its title, lists, tables, charts and notes."""
    grid = "".join(
        "<a:tr>" + "".join(f"<a:tc><a:txBody><a:p><a:r><a:t>{word}</a:t></a:r></a:p></a:txBody>"
                           "</a:tc>" for word in row) + "</a:tr>"
        for row in (("Part", "Price"), ("wick", "2"))
    )  # fmt: skip
    frame = (
        "<p:graphicFrame><a:graphic><a:graphicData><a:tbl>" + grid + "</a:tbl></a:graphicData>"
        "</a:graphic></p:graphicFrame>"
    )
    drawn = (
        '<p:graphicFrame><a:graphic><a:graphicData><c:chart r:id="chart"/></a:graphicData>'
        "</a:graphic></p:graphicFrame>"
    )
    points = '<c:pt idx="0"><c:v>{}</c:v></c:pt><c:pt idx="1"><c:v>{}</c:v></c:pt>'
    chart = (
        "<c:chartSpace><c:chart><c:title><c:tx><a:p><a:r><a:t>Sold</a:t></a:r></a:p></c:tx>"
        "</c:title><c:ser><c:tx><c:pt idx='0'><c:v>Lamps</c:v></c:pt></c:tx>"
        f"<c:cat>{points.format('May', 'June')}</c:cat><c:val>{points.format(3, 5)}</c:val>"
        "</c:ser></c:chart></c:chartSpace>"
    )
    data = pptx(
        [
            shape("by Ida", kind="subTitle") + shape("Lamps", kind="ctrTitle"),
            shape("Care", kind="title")
            + shape("Fill it", " slowly", "Light it", kind="body")
            + shape("7", kind="sldNum"),
            "<p:grpSp>" + frame + "</p:grpSp>" + drawn + shape("A box", "Another line"),
        ],
        notes={2: shape("Do not hurry.", kind="body") + shape("2", kind="sldNum")},
        chart=chart,
    )
    found = read("a.pptx", data).document
    assert found.text == (
        "Slide 1: Lamps\n\nby Ida\n\n"
        "Slide 2: Care\n\n- Fill it\n  - slowly\n- Light it\n\nNotes: Do not hurry.\n\n"
        "Slide 3\n\nPart | Price\nwick | 2\n\nSold\n\n| Lamps\nMay | 3\nJune | 5\n\n"
        "A box\n\nAnother line"
    )
    assert found.title == "Lamps"
    assert sections(found) == [(1, "Slide 1: Lamps"), (1, "Slide 2: Care"), (1, "Slide 3")]
    assert [found.text[start : start + 7] for start in found.pages] == [
        "Slide 1", "Slide 2", "Slide 3",
    ]  # fmt: skip


def test_empty_slides_keep_their_page_numbers() -> None:
    """A slide without words has no section, and those after it keep their numbers."""
    found = read("a.pptx", pptx([shape("One"), "", shape("Three")])).document
    assert found.text == "Slide 1\n\nOne\n\nSlide 3\n\nThree"
    assert len(found.pages) == 3
    assert found.text[found.pages[2] :].startswith("Slide 3")
    with pytest.raises(DocumentSkipped, match="empty"):
        read("a.pptx", pptx(["", ""]))


def test_sheets_are_sections_of_rows() -> None:
    """Values read as shown, captions stand above their table, blank columns go."""
    strings = "<si><t>Part</t></si><si><r><t>Pri</t></r><r><t>ce</t></r><rPh><t>no</t></rPh></si>"
    styles = (
        '<numFmts><numFmt numFmtId="170" formatCode="yyyy\\-mm\\-dd\\ hh:mm"/>'
        '<numFmt numFmtId="171" formatCode="[Red]#,##0.00 &quot;days&quot;"/></numFmts>'
        '<cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="10"/><xf numFmtId="170"/>'
        '<xf numFmtId="171"/></cellXfs>'
    )
    rows = (
        '<row><c r="B1" t="inlineStr"><is><t>Prices of lamps</t></is></c></row>'
        '<row><c r="B2" t="s"><v>0</v></c><c r="D2" t="s"><v>1</v></c>'
        '<c r="E2" t="str"><v>Since</v></c><c r="F2" t="str"><v>Share</v></c></row>'
        '<row><c r="B3" t="str"><v>wick</v></c><c r="D3"><f>1+1</f><v>0.30000000000000004</v></c>'
        '<c r="E3" s="1"><v>45000</v></c><c r="F3" s="2"><v>0.125</v></c></row>'
        '<row><c r="B4" t="str"><v>oil</v></c><c r="E4" s="3"><v>45000.5</v></c>'
        '<c r="F4" s="4"><v>12</v></c></row>'
        '<row/><row><c r="B6" t="str"><v>All prices in coins.</v></c></row>'
    )
    note = '<comment ref="D3"><text><r><t>Was more.</t></r></text></comment>'
    data = xlsx({"Lamps": rows, "None": "", "Yes": '<row><c t="b"><v>1</v></c></row>'},
                strings=strings, styles=styles, extra=note)  # fmt: skip
    found = read("a.xlsx", data).document
    assert found.text == (
        "Lamps\n\nPrices of lamps\n\nPart | Price | Since | Share\n"
        "wick | 0.3 | 2023-03-15 | 12.5%\noil | | 2023-03-15 12:00 | 12\n\n"
        "All prices in coins.\n\n[Comment on D3: Was more.]\n\nYes\n\nTRUE"
    )
    assert sections(found) == [(1, "Lamps"), (1, "Yes")]
    assert [kind for kind, _ in pieces(found)][:5] == [
        "heading", "paragraph", "table", "row", "row",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        ("1", "date", "1900-01-01"),
        ("59", "date", "1900-02-28"),
        ("61", "date", "1900-03-01"),
        ("0.75", "time", "18:00"),
        ("1e300", "date", "1e+300"),
        ("-5", "date", "-5"),
        ("2958466", "date", "2958466"),
        ("nan", "", "nan"),
        ("1234567890123456789", "", "1.23456789012346e+18"),
        ("", "date", ""),
    ],
)
def test_stored_numbers_read_as_shown(value: str, kind: str, expected: str) -> None:
    """Dates count from 1900 with the day that never was; what is no date is a number."""
    assert shown(value, kind) == expected


def test_counts_are_spelled() -> None:
    """Letters repeat after z, and Roman numbers end where they do."""
    assert [spelled(n, "lowerLetter") for n in (1, 26, 27)] == ["a", "z", "aa"]
    assert [spelled(n, "upperRoman") for n in (4, 1994, 4000)] == ["IV", "MCMXCIV", "4000"]


def test_a_sparse_sheet_stays_small() -> None:
    """Cells at the far end of a sheet, each in a column of its own, cost what they hold."""

    def letters(column: int) -> str:
        name = ""
        while column >= 0:
            name = chr(ord("A") + column % 26) + name
            column = column // 26 - 1
        return name

    far = '<row><c r="XFD1048576" t="str"><v>far</v></c></row>'
    assert read("a.xlsx", xlsx({"S": far})).document.text == "S\n\nfar"
    rows = "".join(
        f'<row><c r="{letters(n)}{n + 1}" t="str"><v>x</v></c></row>' for n in range(2000)
    )
    assert len(read("a.xlsx", xlsx({"S": rows})).document.text) < 200_000


LAUGHS = '<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>'


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("text.docx", b"just words", "not what its name says"),
        ("half.docx", docx(p("lamp"))[:300], "damaged or cut off"),
        ("older.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(3000), "encrypted, or of an"),
        ("none.pptx", packed({}), "lacks its part"),
        ("types.xlsx", packed({"[Content_Types].xml": "<a/>"}), "lacks its part"),
        ("sheet.xlsx", packed({"xl/workbook.xml": "<workbook"}), "not well-formed"),
        ("deep.docx", docx("<w:sdt>" * 3000 + p("x") + "</w:sdt>" * 3000), "nested too deeply"),
        ("bomb.docx", docx(p("A" * 20_000_000)), "more than 200 times"),
        (
            "laughs.docx",
            packed({"word/document.xml": LAUGHS + "<w>&b;</w>"}),
            "declares entities",
        ),
        (
            "outside.docx",
            packed({"word/document.xml": '<!DOCTYPE l [<!ENTITY a SYSTEM "/etc/passwd">]><w/>'}),
            "declares entities",
        ),
    ],
)  # fmt: skip
def test_hostile_packages_are_refused_with_a_reason(name: str, data: bytes, says: str) -> None:
    """What is no package, cut off, encrypted, nested or a bomb is reported as what it is."""
    with pytest.raises(DocumentUnreadable, match=says):
        read(name, data)


def test_encrypted_members_are_reported() -> None:
    """A set encryption flag is told from damage."""
    data = bytearray(packed({"word/document.xml": "<w/>"}))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.rfind(mark) + offset] |= 1
    with pytest.raises(DocumentUnreadable, match="encrypted"):
        read("a.docx", bytes(data))


def test_a_package_may_unpack_only_what_it_is_allowed() -> None:
    """All parts of a file draw on one allowance."""
    data = docx(p("lamp"))
    kind = media_type("a.docx", data)
    raw = RawFile(source="a.docx", root="", media_type=kind, data=data,
                  allowance=Allowance(inflated_bytes=100))  # fmt: skip
    with pytest.raises(DocumentUnreadable, match="unpacks to more than"):
        load_reader(kind)(raw)


def test_a_broken_slide_or_sheet_costs_a_warning() -> None:
    """The rest of a damaged presentation or workbook is read, and the report says what is not."""
    slide = opc(
        "ppt/presentation.xml",
        {
            "ppt/presentation.xml": '<p:presentation><p:sldIdLst><p:sldId r:id="a"/>'
            '<p:sldId r:id="b"/></p:sldIdLst></p:presentation>',
            "ppt/a.xml": "<p:sld>",
            "ppt/b.xml": f"<p:sld><p:cSld><p:spTree>{shape('lamp')}</p:spTree></p:cSld></p:sld>",
        },
        related={"ppt/presentation.xml": {"a": ("slide", "a.xml"), "b": ("slide", "b.xml")}},
    )
    reading = read("a.pptx", slide)
    assert reading.document.text == "Slide 2\n\nlamp"
    assert reading.document.pages == (0, 0)
    assert reading.warnings[0].startswith("slide 1 could not be read: damaged")


def test_a_package_is_known_by_its_parts() -> None:
    """A document under another name, or an older format's, is read as what it is."""
    for name in ("letter", "letter.doc", "letter.bin", "letter.txt"):
        assert read(name, docx(p("lamp"))).document.text == "lamp"
    with pytest.raises(DocumentUnreadable, match="damaged or cut off"):
        read("letter.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
