"""Pictures: what is made of one, and which of those inside other files become figures."""

from __future__ import annotations

import base64
import io
import os
import zipfile
import zlib
from email.message import EmailMessage
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loopback_pictures import PALETTE, picture
from reading_packages import opc, packed, pptx
from reading_samples import pdf_bytes

from ragkit.chunking import Chunker
from ragkit.errors import DocumentSkipped, DocumentUnreadable
from ragkit.reading import read
from ragkit.reading.album import Album
from ragkit.reading.files import read_bytes, read_file
from ragkit.reading.messages import ReadRequest
from ragkit.reading.pictures import LONGEST_SIDE_PX, MOST_BYTES, prepare_picture
from ragkit.records import Document

RED = picture("red", (200, 150))
BLUE = picture("blue", (160, 120))
LOGO = picture("green", (40, 40))
PLAIN = picture("white", (300, 300))


def encoded(image: PIL.Image.Image, kind: str, **options: object) -> bytes:  # Pillow's own
    target = io.BytesIO()
    image.save(target, kind, **options)
    return target.getvalue()


def decoded(content: bytes) -> PIL.Image.Image:
    return PIL.Image.open(io.BytesIO(content))


def shown(document: Document) -> list[tuple[str, str]]:
    """Path and caption of each figure, which all keep the law of spans."""
    for figure in document.figures:
        assert 0 <= figure.start <= figure.end <= len(document.text)
    return [(f.image.path, document.text[f.start : f.end]) for f in document.figures]


def in_album(name: str, data: bytes) -> tuple[Document, Album]:
    album = Album()
    return read_bytes(data, source=name, album=album).document, album


# --- one picture


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
@pytest.mark.parametrize("size", [(40, 40), (1024, 300), (3000, 1000), (500, 2600)])
def test_each_format_is_sent_within_the_limits(kind: str, size: tuple[int, int]) -> None:
    """PNG or JPEG, RGB, in proportion, at most 1024 pixels and 512 KiB; the first size stays."""
    prepared = prepare_picture(picture("blue", size, kind=kind))
    sent = decoded(prepared.content)
    assert prepared.media_type == f"image/{(sent.format or '').lower()}"
    assert sent.mode == "RGB"
    assert (prepared.width_px, prepared.height_px) == size
    factor = min(1.0, LONGEST_SIDE_PX / max(size))
    assert sent.size == (round(size[0] * factor), round(size[1] * factor))
    assert len(prepared.content) <= MOST_BYTES
    assert max(decoded(prepared.thumbnail).size) <= 256
    assert len(prepared.thumbnail) < 40_000


def test_noise_is_pressed_until_it_fits() -> None:
    """The worst of pictures keeps to the limit too."""
    noise = PIL.Image.merge("RGB", [PIL.Image.effect_noise((1024, 1024), 250) for _ in range(3)])
    prepared = prepare_picture(encoded(noise, "PNG"))
    assert prepared.media_type == "image/jpeg"
    assert len(prepared.content) <= MOST_BYTES


@pytest.mark.parametrize("size", [(1025, 700), (2563, 1700), (3000, 2000), (5200, 900)])
def test_a_large_photograph_is_decoded_small_and_stays_the_same(size: tuple[int, int]) -> None:
    """What a JPEG loses by that is less than what anybody could see."""
    light = np.random.default_rng(3).integers(0, 256, (9, 13, 3), dtype=np.uint8)
    photograph = PIL.Image.fromarray(light).resize(size, PIL.Image.Resampling.BICUBIC)
    data = encoded(photograph, "JPEG", quality=95)
    sent = decoded(prepare_picture(data).content)
    assert max(sent.size) == LONGEST_SIDE_PX
    exact = decoded(data).resize(sent.size, PIL.Image.Resampling.LANCZOS)
    apart = np.abs(np.asarray(sent, np.int16) - np.asarray(exact, np.int16))
    assert apart.mean() < 2


@pytest.mark.parametrize("size", [(20000, 8), (8, 20000), (30000, 1)])
def test_a_ribbon_is_small_and_not_damaged(size: tuple[int, int]) -> None:
    """Scaling it down leaves a pixel at least."""
    prepared = prepare_picture(encoded(PIL.Image.new("RGB", size, "red"), "JPEG"))
    assert prepared.is_small
    assert (prepared.width_px, prepared.height_px) == size


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photograph_is_turned_upright(orientation: int) -> None:
    """As EXIF says; the corner that was up and left is where it belongs."""
    upright = PIL.Image.new("RGB", (120, 80), PALETTE["blue"])
    upright.paste(PALETTE["red"], (0, 0, 60, 40))
    undo = {
        2: [PIL.Image.Transpose.FLIP_LEFT_RIGHT],
        3: [PIL.Image.Transpose.ROTATE_180],
        4: [PIL.Image.Transpose.FLIP_TOP_BOTTOM],
        5: [PIL.Image.Transpose.TRANSPOSE],
        6: [PIL.Image.Transpose.ROTATE_90],
        7: [PIL.Image.Transpose.TRANSVERSE],
        8: [PIL.Image.Transpose.ROTATE_270],
    }
    stored = upright
    for step in undo.get(orientation, []):
        stored = stored.transpose(step)
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    prepared = prepare_picture(encoded(stored, "JPEG", exif=exif, quality=95))
    assert (prepared.width_px, prepared.height_px) == (120, 80)
    sent = decoded(prepared.content)
    red, blue = sent.getpixel((10, 10)), sent.getpixel((110, 70))
    assert isinstance(red, tuple)
    assert isinstance(blue, tuple)
    assert red[0] > 180 > red[2]
    assert blue[2] > 180 > blue[0]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16"])
def test_each_way_of_keeping_colours_is_read(mode: str) -> None:
    """Dark stays dark and light stays light, whatever a pixel is made of."""
    source = PIL.Image.new("L", (100, 100), 255)
    source.paste(20, (0, 0, 50, 100))
    if mode == "I;16":
        deep = np.full((100, 100), 65535, np.uint16)
        deep[:, :50] = 5000
        data = encoded(PIL.Image.fromarray(deep), "PNG")
    else:
        kind = "JPEG" if mode in ("CMYK", "YCbCr") else "PNG"
        data = encoded(source.convert("RGB").convert(mode), kind)
    sent = np.asarray(decoded(prepare_picture(data).content).convert("L"))
    assert sent[50, 20] < 45
    assert sent[50, 80] > 240


def test_what_is_transparent_lies_on_white() -> None:
    """And not on black, which would hide what is drawn in black."""
    clear = PIL.Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    clear.paste((0, 0, 0, 255), (20, 20, 40, 40))
    sent = decoded(prepare_picture(encoded(clear, "PNG")).content)
    assert sent.getpixel((2, 2)) == (255, 255, 255)
    assert sent.getpixel((30, 30)) == (0, 0, 0)


def test_a_moving_picture_is_its_first_frame() -> None:
    """In each of the formats that move."""
    frames = [PIL.Image.new("RGB", (64, 64), PALETTE[name]) for name in ("red", "blue", "green")]
    for kind in ("GIF", "WEBP", "PNG"):
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=80)
        prepared = prepare_picture(data)
        assert prepared.is_moving
        pixel = decoded(prepared.content).convert("RGB").getpixel((30, 30))
        assert isinstance(pixel, tuple)
        assert pixel[0] > 180 > pixel[1]
    assert not prepare_picture(RED).is_moving


def test_what_is_hidden_in_a_file_stays_there() -> None:
    """Metadata, comments and what is appended are not sent; equal pixels give equal bytes."""
    exif = PIL.Image.Exif()
    exif[0x010E] = "A pump in the yard"
    exif[0x8825] = {1: "N", 2: (52.0, 31.0, 12.0)}
    plain = PIL.Image.new("RGB", (80, 80), PALETTE["red"])
    bare = encoded(plain, "JPEG", quality=95)
    laden = encoded(plain, "JPEG", quality=95, exif=exif, comment=b"secret") + b"secret appendix"
    one, other = prepare_picture(bare), prepare_picture(laden)
    assert one.content == other.content
    assert one.digest == other.digest
    assert (one.caption, other.caption) == ("", "A pump in the yard")
    assert b"secret" not in other.content + other.thumbnail


@pytest.mark.parametrize(
    ("stated", "caption"),
    [
        ("The pump of 1921", "The pump of 1921"),
        ("OLYMPUS DIGITAL CAMERA", ""),
        ("SONY DSC", ""),
        ("DCIM\\100GOPRO", ""),
        ("x", ""),
        ("", ""),
    ],
)
def test_a_stated_description_is_a_caption(stated: str, caption: str) -> None:
    """That of a person; a camera's name says nothing of what is shown."""
    exif = PIL.Image.Exif()
    exif[0x010E] = stated
    data = encoded(PIL.Image.new("RGB", (80, 80), "red"), "JPEG", exif=exif)
    document, _ = in_album("a.jpg", data)
    assert document.text == caption
    (passage,) = Chunker().split(document)
    assert (passage.text, passage.start, passage.end) == (caption, 0, len(caption))
    assert passage.image == document.image


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_damage_is_told_and_never_raised_otherwise(data: st.DataObject) -> None:
    """Whatever is changed or cut in a file, it is a picture or it is unreadable."""
    kind = data.draw(st.sampled_from(["PNG", "JPEG", "WEBP", "GIF"]))
    content = bytearray(picture("red", (64, 48), kind=kind))
    for _ in range(data.draw(st.integers(0, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(content[: data.draw(st.integers(1, len(content)))])
    try:
        prepared = prepare_picture(cut)
    except DocumentUnreadable:
        return
    assert decoded(prepared.content).mode == "RGB"


def test_bombs_are_refused_before_they_unpack() -> None:
    """By the size that they state."""
    bomb = encoded(PIL.Image.new("1", (20_000, 20_000)), "PNG")
    assert len(bomb) < 100_000
    with pytest.raises(DocumentUnreadable, match="more than 89 megapixels"):
        prepare_picture(bomb)
    text = PIL.Image.new("1", (40, 40))
    chunk = b"zTXtComment\0\0" + zlib.compress(bytes(80_000_000))
    data = encoded(text, "PNG")
    at = data.index(b"IDAT") - 4
    head = (len(chunk) - 4).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big")
    try:
        prepare_picture(data[:at] + head + data[at:])
    except DocumentUnreadable as error:
        assert "damaged picture" in str(error)  # noqa: PT017 - either way is a way out


def test_a_picture_file_is_a_document(tmp_path: Path) -> None:
    """By its content, whatever its name is; without an album it is skipped, and a tiny one too."""
    (tmp_path / "photo.jpg").write_bytes(RED)
    document = read(tmp_path / "photo.jpg")
    assert (document.media_type, document.text, document.figures) == ("image/png", "", ())
    assert document.image is not None
    assert (document.image.path, document.image.width_px) == ("photo.jpg", 200)
    with pytest.raises(DocumentSkipped, match="a picture, and the model is not known to take any"):
        read_bytes(RED, source="a.png")
    with pytest.raises(DocumentSkipped, match="less than 32 pixels on a side"):
        in_album("a.png", picture("red", (31, 500)))


# --- pictures in other files


def html(*bodies: str) -> bytes:
    return ("<h1>Pumps</h1><p>Water.</p>" + "".join(bodies)).encode()


def as_url(data: bytes, kind: str = "png") -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def test_a_page_shows_each_picture_once() -> None:
    """With alternative text and caption; what decorates, is damaged or is far is none."""
    page = html(
        f'<p>Before <img src="{as_url(RED)}" alt="The  red\npump"> after.</p>',
        f'<figure><img src="{as_url(BLUE)}"><figcaption>Fig. 2: blue</figcaption></figure>',
        f'<img src="{as_url(RED)}" alt="again"><img src="{as_url(LOGO)}">',
        f'<img src="{as_url(PLAIN)}">',
        f'<img src="{as_url(RED[:70])}"><img src="https://example.org/a.png" alt="far">',
        '<img src="data:image/png;base64,%%%"><img><img src="data:,">',
    )
    document, album = in_album("a.html", page)
    assert shown(document) == [("picture 1", "The red pump"), ("picture 2", "Fig. 2: blue")]
    assert "Before The red pump after." in document.text
    assert list(album.remarks()) == ["1 picture in it left out: damaged or too large"]
    assert set(album.pictures) == {figure.image.digest for figure in document.figures}
    # The words are the same without pictures.
    assert read_bytes(page, source="a.html").document.text == document.text


def test_captions_join_what_they_follow() -> None:
    """Alternative text and caption are one span where they stand together."""
    figure = '<figure><img src="{}" alt="A pump"><figcaption>Figure 1.</figcaption></figure>'
    document, _ = in_album("a.html", html(figure.format(as_url(RED))))
    assert shown(document) == [("picture 1", "A pump\nFigure 1.")]


def test_pictures_are_passages_after_those_of_the_text() -> None:
    """Each under its heading, its caption a span that lies in a passage of text too."""
    page = html(
        f'<img src="{as_url(RED)}" alt="The red pump">', "<h2>Valves</h2><p>Close them.</p>",
        f'<img src="{as_url(BLUE)}">',
    )  # fmt: skip
    document, _ = in_album("a.html", page)
    passages = Chunker().split(document)
    texts = [one for one in passages if one.image is None]
    pictures = [one for one in passages if one.image is not None]
    assert passages == texts + pictures
    assert [one.text for one in pictures] == ["The red pump", ""]
    assert [one.headings for one in pictures] == [("Pumps",), ("Pumps", "Valves")]
    assert all(one.text == document.text[one.start : one.end] for one in passages)
    assert any(one.start <= pictures[0].start < one.end for one in texts)
    assert [one.text for one in Chunker().split(read_bytes(page, source="a.html").document)] == [
        one.text for one in texts
    ]


def test_files_beside_a_page_stay_in_its_root(tmp_path: Path) -> None:
    """Relative URLs, encoded or from the top; none that climbs out, none that is hidden."""
    root = tmp_path / "root"
    (root / "pages").mkdir(parents=True)
    (root / "img").mkdir()
    (tmp_path / "out.png").write_bytes(BLUE)
    (root / "img" / "a b.png").write_bytes(RED)
    os.utime(root / "img" / "a b.png", ns=(1, 10**18))
    (root / "img" / "link.png").symlink_to(tmp_path / "out.png")
    (root / "img" / ".hidden.png").write_bytes(BLUE)
    page = root / "pages" / "index.html"
    references = (
        "../img/a%20b.png?v=2#x", "../../out.png", "../img/link.png", "../img/.hidden.png",
        str(tmp_path / "out.png"), "file:///out.png", "../img/gone.png", "../img/%00.png",
    )  # fmt: skip
    page.write_bytes(html(*(f'<img src="{one}">' for one in references)))
    request = ReadRequest(
        path=str(page).encode(), source="pages/index.html", root="root",
        max_file_bytes=1 << 20, pictures=True,
    )  # fmt: skip
    reply = read_file(request)
    assert reply is not None
    assert reply.document is not None
    assert shown(reply.document) == [("img/a b.png", "")]
    links = {path: (size, mtime_ns) for path, size, mtime_ns in reply.links}
    assert links["../img/a b.png"] == (len(RED), 10**18)
    assert links["../img/gone.png"] == (-1, 0)
    assert links.keys().isdisjoint({"../../out.png", "../img/link.png", "../img/.hidden.png"})


def jpeg_object(data: bytes) -> bytes:
    size = decoded(data).size
    return (
        f"<</Type/XObject/Subtype/Image/Width {size[0]}/Height {size[1]}/ColorSpace/DeviceRGB"
        f"/BitsPerComponent 8/Filter/DCTDecode/Length {len(data)}>>stream\n"
    ).encode() + data + b"\nendstream"  # fmt: skip


def pdf_with(pictures: list[bytes], contents: list[str]) -> bytes:
    """A PDF of A4 pages with these drawing instructions; picture n is /I<n>."""
    count = len(contents)
    first_picture = 4 + 2 * count
    names = " ".join(f"/I{n} {first_picture + n} 0 R" for n in range(len(pictures)))
    resources = f"<</Font<</F 3 0 R>>/XObject<<{names}>>>>"
    kids = " ".join(f"{4 + 2 * n} 0 R" for n in range(count))
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Kids[{kids}]/Count {count}>>".encode(),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    for number, content in enumerate(contents):
        page = f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents {5 + 2 * number} 0 R"
        objects.append(f"{page}/Resources {resources}>>".encode())
        stream = content.encode()
        objects.append(b"<</Length %d>>stream\n%b\nendstream" % (len(stream), stream))
    return pdf_bytes([*objects, *map(jpeg_object, pictures)])


def line(text: str, x: int, y: int) -> str:
    return f"BT /F 11 Tf {x} {y} Td ({text}) Tj ET\n"


def place(number: int, x: int, y: int, width: int, height: int) -> str:
    return f"q {width} 0 0 {height} {x} {y} cm /I{number} Do Q\n"


def test_a_pdf_shows_pictures_with_their_captions() -> None:
    """Where they stand and with what is written below; a logo on each page comes once."""
    red, blue, logo = (
        picture(name, size, kind="JPEG")
        for name, size in (("red", (400, 300)), ("blue", (300, 200)), ("green", (120, 80)))
    )
    header = place(2, 450, 780, 90, 60)
    first = header + line("The pump is tall.", 72, 750) + place(0, 72, 400, 300, 225)
    first += line("Figure 1: The pump in red,", 72, 385) + line("seen from below.", 72, 371)
    first += line("After the figure the text goes on.", 72, 200)
    second = header + line("Valves close.", 72, 750) + place(1, 72, 500, 150, 100)
    document, album = in_album("a.pdf", pdf_with([red, blue, logo], [first, second]))
    found = dict(shown(document))
    captions = [" ".join(text.split()) for text in found.values() if text]
    assert captions == ["Figure 1: The pump in red, seen from below."]
    assert len(found) == 3
    pages = {one.image.path: one.image for one in document.figures}
    assert {(one.width_px, one.height_px) for one in pages.values()} == {
        (400, 300), (300, 200), (120, 80),
    }  # fmt: skip
    for figure in document.figures:
        sent = decoded(album.pictures[figure.image.digest].content).convert("RGB")
        pixel = sent.getpixel((sent.width // 2, sent.height // 2))
        assert isinstance(pixel, tuple)
        wanted = {400: "red", 300: "blue", 120: "green"}[figure.image.width_px]
        assert sum(abs(a - b) for a, b in zip(pixel, PALETTE[wanted], strict=True)) < 40
    passages = [one for one in Chunker().split(document) if one.image is not None]
    assert sorted({one.page for one in passages if one.page}) == [1, 2]
    assert read_bytes(pdf_with([red], [first]), source="b.pdf").document.figures == ()


def test_a_scan_is_a_picture_of_each_page() -> None:
    """Pages without a word are read as pictures where those are wanted, and are skipped else."""
    page = picture("blue", (1240, 1754), kind="JPEG")
    strip = picture("red", (1240, 300), kind="JPEG")
    whole = place(0, 0, 0, 595, 842)
    strips = "".join(place(1, 0, number * 100, 595, 100) for number in range(9))
    data = pdf_with([page, strip], [whole, strips, ""])
    document, album = in_album("scan.pdf", data)
    assert [path for path, _ in shown(document)] == ["page 1", "page 2"]
    assert document.text.strip() == ""
    assert [one.page for one in Chunker().split(document)] == [1, 2]
    for figure in document.figures:
        assert max(decoded(album.pictures[figure.image.digest].content).size) == 1024
        assert abs(figure.image.height_px - 1754) < 4
    with pytest.raises(DocumentSkipped, match="likely scanned images, 3 pages"):
        read_bytes(data, source="scan.pdf")


def test_the_paper_behind_a_text_is_no_picture() -> None:
    """A scan with a layer of text is found by its text."""
    page = picture("blue", (1240, 1754), kind="JPEG")
    content = place(0, 0, 0, 595, 842) + line("The recognised words.", 72, 700)
    document, album = in_album("a.pdf", pdf_with([page], [content]))
    assert document.figures == ()
    assert album.pictures == {}


DRAWING = (
    '<w:p><w:r><w:drawing><wp:inline><wp:docPr id="1" descr="{}"/><a:graphic><a:graphicData>'
    '<a:blip r:embed="{}"/></a:graphicData></a:graphic></wp:inline></w:drawing></w:r></w:p>'
)


def package_with(main: str, xml: str, pictures: dict[str, bytes]) -> bytes:
    """An Open XML package whose main part refers to these pictures by their keys."""
    folder = main.split("/", maxsplit=1)[0]
    related = {main: {key: ("image", f"media/{key}.png") for key in pictures}}
    data = io.BytesIO(opc(main, {main: xml}, related=related))
    with zipfile.ZipFile(data, "a") as archive:
        for key, content in pictures.items():
            archive.writestr(f"{folder}/media/{key}.png", content)
    return data.getvalue()


def test_word_documents_show_their_drawings() -> None:
    """With alternative text, else the caption below."""
    body = (
        "<w:p><w:r><w:t>Water moves.</w:t></w:r></w:p>"
        + DRAWING.format("The red pump", "r1")
        + DRAWING.format("", "r2")
        + '<w:p><w:pPr><w:pStyle w:val="Caption"/></w:pPr>'
        + "<w:r><w:t>Figure 2: blue</w:t></w:r></w:p>"
        + DRAWING.format("again", "r1")
        + "<w:p><w:r><w:t>More.</w:t></w:r></w:p>"
    )
    xml = f"<w:document><w:body>{body}</w:body></w:document>"
    data = package_with("word/document.xml", xml, {"r1": RED, "r2": BLUE, "r3": LOGO})
    document, _ = in_album("a.docx", data)
    assert shown(document) == [
        ("word/media/r1.png", "The red pump"),
        ("word/media/r2.png", "Figure 2: blue"),
    ]
    assert read_bytes(data, source="a.docx").document.text == document.text


def test_slides_show_their_pictures(tmp_path: Path) -> None:
    """Each on its slide, a slide with nothing but a picture too."""
    shape = (
        '<p:pic><p:nvPicPr><p:cNvPr id="2" name="x" descr="{}"/></p:nvPicPr>'
        '<p:blipFill><a:blip r:embed="{}"/></p:blipFill></p:pic>'
    )
    data = pptx([shape.format("A red pump", "img"), shape.format("", "img")])
    source, target = zipfile.ZipFile(io.BytesIO(data)), io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for item in source.infolist():
            content = source.read(item)
            if item.filename.endswith(".xml.rels") and "slides/_rels" in item.filename:
                number = item.filename.split("slide")[-1][0]
                relation = (
                    '<Relationship Id="img" Type="http://schemas.openxmlformats.org/officeDocument/'
                    f'2006/relationships/image" Target="../media/{number}.png"/></Relationships>'
                )
                content = content.replace(b"</Relationships>", relation.encode())
                content = content.replace(b"/>", b"/>", 1)
            archive.writestr(item.filename, content)
        archive.writestr("ppt/media/2.png", RED)
        archive.writestr("ppt/media/1.png", BLUE)
    document, _ = in_album("a.pptx", target.getvalue())
    assert shown(document) == [("ppt/media/2.png", "A red pump"), ("ppt/media/1.png", "")]
    pictures = [one for one in Chunker().split(document) if one.image is not None]
    assert [one.page for one in pictures] == [1, 2]


def test_books_letters_and_archives_show_what_is_in_them() -> None:
    """Chapters find their pictures in the book; attachments and members are pictures themselves."""
    letter = EmailMessage()
    letter["Subject"] = "Pumps"
    letter.set_content("See the picture.")
    letter.add_attachment(RED, maintype="image", subtype="png", filename="pump.png")
    letter.add_attachment(LOGO, maintype="image", subtype="png", filename="logo.png")
    document, _ = in_album("a.eml", letter.as_bytes())
    assert shown(document) == [("pump.png", "")]
    (passage,) = [one for one in Chunker().split(document) if one.image is not None]
    assert passage.headings == ("Pumps", "Attachment: pump.png")

    folder = packed(
        {"notes/a.txt": "Water moves.", "img/b.png": BLUE, "mail.eml": letter.as_bytes()}
    )
    document, _ = in_album("a.zip", folder)
    assert {path for path, _ in shown(document)} == {"img/b.png", "pump.png"}

    book = packed(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": (
                '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
                '<rootfile full-path="OPS/book.opf"/></rootfiles></container>'
            ),
            "OPS/book.opf": (
                '<package xmlns="http://www.idpf.org/2007/opf"><manifest>'
                '<item id="a" href="t/a.xhtml" media-type="application/xhtml+xml"/></manifest>'
                '<spine><itemref idref="a"/></spine></package>'
            ),
            "OPS/t/a.xhtml": html('<img src="../i/red.png" alt="The red pump"/>'),
            "OPS/i/red.png": RED,
        }
    )
    document, _ = in_album("a.epub", book)
    assert shown(document) == [("OPS/i/red.png", "The red pump")]


def test_a_file_with_endless_pictures_has_an_end() -> None:
    """The first three hundred count, and the report says how many do not."""
    images = "".join(
        f'<img src="{as_url(picture("red", (64, 64), number=number))}">' for number in range(305)
    )
    document, album = in_album("a.html", html(images))
    assert len(document.figures) == len(album.pictures) == 300
    assert list(album.remarks()) == [
        "5 pictures in it left out: beyond the number that is looked at"
    ]
