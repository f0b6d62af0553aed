from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragkit.errors import DocumentSkipped
from ragkit.reading.decoding import decode

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(TEXTS)
@settings(deadline=None, max_examples=200)
def test_utf8_comes_back_unchanged(text: str) -> None:
    """Any text without NULs that is stored as UTF-8 is read as it was, without a word."""
    text = text.replace("\0", "").removeprefix("\ufeff")
    decoded = decode(text.encode())
    assert (decoded.text, decoded.encoding, decoded.warnings) == (text, "utf-8", ())


@given(TEXTS, st.sampled_from(["utf-8-sig", "utf-16", "utf-32"]))
@settings(deadline=None, max_examples=100)
def test_a_mark_decides_and_goes(text: str, encoding: str) -> None:
    """What begins with a byte order mark is read by it, and the mark is not in the text."""
    # UTF-16 that begins with a NUL begins like UTF-32; alone, it is the same file.
    text = text.lstrip("\0") or "lamp"
    assert decode(text.encode(encoding)).text == text
    assert decode(text.encode(encoding)).warnings == ()


@given(st.binary(max_size=400))
@settings(deadline=None, max_examples=300)
def test_any_bytes_become_storable_text_or_are_skipped(data: bytes) -> None:
    """No bytes crash the decoder, none become surrogates, and no U+FFFD comes without a warning."""
    try:
        decoded = decode(data)
    except DocumentSkipped:
        return
    decoded.text.encode("utf-8")
    if "\ufffd" in decoded.text and "\ufffd".encode() not in data:
        assert decoded.warnings or decoded.encoding != "utf-8"


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "Le café du théâtre est fermé – « désolé » !\n"),
        ("cp1252", "naïve"),
        ("koi8-r", "Лампа стоит на столе у окна, и свет её виден с улицы.\n" * 5),
        ("shift_jis", "ランプは窓のそばの机の上にあります。明かりが見えます。\n" * 5),
        ("gb18030", "这盏灯放在窗边的桌子上,从街上可以看到灯光。\n" * 5),
        ("utf-16-le", "The lamp stands at the window.\n"),
        ("utf-16-be", "Die Lampe – свет – 灯 am Fenster.\n"),
    ],
)
def test_older_encodings_are_found_and_said(encoding: str, text: str) -> None:
    """Unmarked text in another encoding is read right, with a warning that it was a guess."""
    decoded = decode(text.encode(encoding))
    assert decoded.text == text
    assert len(decoded.warnings) == 1


@pytest.mark.parametrize("declared", ["iso-8859-1", "windows-1252", "latin1"])
def test_a_declared_charset_is_believed(declared: str) -> None:
    """Bytes that are not UTF-8 are read by what the file says of itself, with web's meaning."""
    decoded = decode("„Öl“ für die Lampe".encode("cp1252"), declared)
    assert (decoded.text, decoded.warnings) == ("„Öl“ für die Lampe", ())


@pytest.mark.parametrize("declared", ["utf-16", "punycode", "zlib", "no-such", "idna", "utf-7"])
def test_a_false_declaration_does_no_harm(declared: str) -> None:
    """Charsets that cannot be are not tried: the bytes say more."""
    assert decode(b"a caf\xe9 with a lamp", declared).text == "a café with a lamp"


def test_seven_bit_charsets_need_their_declaration() -> None:
    """ISO-2022-JP looks like ASCII; declared, it is Japanese."""
    assert decode("灯り".encode("iso2022_jp"), "iso-2022-jp").text == "灯り"


@pytest.mark.parametrize(
    ("data", "replaced"),
    [
        ("grün ".encode() * 20 + b"\xff lamp", "1 invalid byte"),
        ("ends in é".encode()[:-1], "1 invalid byte"),
        (b"lamp \xed\xa0\x80 oil", "3 invalid bytes"),
    ],
)
def test_a_few_bad_bytes_do_not_cost_the_rest(data: bytes, replaced: str) -> None:
    """UTF-8 with some bad bytes stays UTF-8, and the warning counts them."""
    decoded = decode(data)
    assert decoded.encoding == "utf-8"
    assert decoded.warnings == (f"{replaced} replaced by U+FFFD",)


@pytest.mark.parametrize("data", [bytes(1000), bytes(range(256)) * 20, b"\x00\x01\x02lamp" * 9])
def test_binary_is_skipped(data: bytes) -> None:
    """Bytes that no text has are no text."""
    with pytest.raises(DocumentSkipped, match=r"^binary file$"):
        decode(data)


def test_line_ends_stay() -> None:
    """CR, CRLF, form feeds and Unicode separators are the file's own."""
    text = "a\r\nb\rc\nd\u2028e\x85f\x0bg\x0ch"
    assert decode(text.encode()).text == text
