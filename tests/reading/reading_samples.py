"""Files that a reader meets on real disks and in bad dreams, each with what must become of it."""

from __future__ import annotations

import base64
import json
import random
import zlib
from dataclasses import dataclass

__all__ = ["SAMPLES", "Sample", "pdf_bytes", "pdf_pages"]


@dataclass(frozen=True, slots=True)
class Sample:
    """A file: ``outcome`` is ``read``, ``skipped`` or ``failed``; ``says`` must be in the result.

    For a file that is read, ``says`` stands in its text, else in the reason.
    """

    name: str
    data: bytes
    outcome: str
    says: str = ""


def pdf_bytes(objects: list[bytes], *, trailer: bytes = b"") -> bytes:
    """A PDF of these objects, numbered from 1, the first being its catalogue."""
    out = b"%PDF-1.7\n"
    offsets = []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n" % number + body + b"\nendobj\n"
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    count = len(objects) + 1
    return (
        out
        + b"xref\n0 %d\n0000000000 65535 f \n" % count
        + table
        + b"trailer\n<</Size %d/Root 1 0 R%s>>\n" % (count, trailer)
        + b"startxref\n%d\n%%%%EOF\n" % len(out)
    )


def pdf_pages(texts: list[list[str]], *, outline: list[tuple[str, int]] | None = None) -> bytes:
    """A PDF with the given lines on each page and an outline of (title, page index)."""
    count = len(texts)
    first_page = 4
    catalogue = b"<</Type/Catalog/Pages 2 0 R"
    if outline:
        catalogue += b"/Outlines %d 0 R" % (first_page + 2 * count)
    kids = b" ".join(b"%d 0 R" % (first_page + 2 * index) for index in range(count))
    objects = [
        catalogue + b">>",
        b"<</Type/Pages/Kids[" + kids + b"]/Count %d>>" % count,
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    for index, lines in enumerate(texts):
        shown = b"".join(b"(%s) Tj 0 -20 Td " % line.encode() for line in lines)
        content = b"BT /F1 12 Tf 72 700 Td " + shown + b"ET"
        objects += [
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Resources<</Font<</F1 3 0 R>>>>"
            b"/Contents %d 0 R>>" % (first_page + 2 * index + 1),
            b"<</Length %d>>stream\n%s\nendstream" % (len(content), content),
        ]
    if outline:
        root = len(objects) + 1
        objects.append(
            b"<</Type/Outlines/First %d 0 R/Last %d 0 R/Count %d>>"
            % (root + 1, root + len(outline), len(outline))
        )
        for index, (title, page) in enumerate(outline):
            following = b"/Next %d 0 R" % (root + index + 2) if index + 1 < len(outline) else b""
            objects.append(
                b"<</Title(%s)/Parent %d 0 R/Dest[%d 0 R/Fit]%s>>"
                % (title.encode(), root, first_page + 2 * page, following)
            )
    objects.append(b"<</Title(The Lamp Handbook)/Author(Ida Berg)>>")
    return pdf_bytes(objects, trailer=b"/Info %d 0 R" % len(objects))


def _with_content(stream: bytes, filters: bytes = b"") -> bytes:
    return pdf_bytes(
        [
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Kids[4 0 R]/Count 1>>",
            b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Resources<</Font<</F1 3 0 R>>>>"
            b"/Contents 5 0 R>>",
            b"<</Length %d%s>>stream\n%s\nendstream" % (len(stream), filters, stream),
        ]
    )


_LAMP = "Turn the lamp off before you change the bulb. "
_NOISE = random.Random(7).randbytes(20_000)  # noqa: S311 - repeatable noise, not a secret
_PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
_LAUGHS = (
    b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY e0 "ha">'
    + b"".join(b'<!ENTITY e%d "%s">' % (i, b"&e%d;" % (i - 1) * 10) for i in range(1, 10))
    + b"]><a>&e9;</a>"
)
_ALIASES = "---\na0: &a0 [x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 9)
)
_BIG_PICTURE = {"output_type": "display_data", "data": {"image/png": "A" * 500_000}}
_PICTURE_NOTEBOOK = {
    "cells": [{"cell_type": "code", "source": ["lamp()"], "outputs": [_BIG_PICTURE]}],
    "metadata": {},
    "nbformat": 4,
}

SAMPLES: tuple[Sample, ...] = (
    # Nothing in it.
    Sample("empty.txt", b"", "skipped", "empty"),
    Sample("blank.md", b" \n\t\r\n\xc2\xa0\n", "skipped", "empty"),
    Sample("mark-alone.txt", b"\xef\xbb\xbf", "skipped", "empty"),
    Sample("newlines.txt", b"\n" * 300_000, "skipped", "empty"),
    Sample("scripts.html", b"<html><script>var a = 1</script></html>", "skipped", "empty"),
    # Not text.
    Sample("zeros.txt", bytes(5000), "skipped", "binary file"),
    Sample("noise.txt", _NOISE, "skipped", "binary file"),
    Sample("picture.md", _PNG, "skipped", "a picture, and the model is not known"),
    Sample("program", b"\x7fELF\x02\x01\x01" + bytes(500), "skipped", "binary file"),
    Sample("letter.doc", b"\xd0\xcf\x11\xe0rest", "failed", "damaged or cut off"),
    Sample("letter.docx", b"PK\x03\x04rest", "failed", "damaged or cut off"),
    Sample("packed.bin", b"PK\x03\x04rest", "skipped", "format not read yet: zip"),
    Sample("bundle.min.js", b"var a=1;", "skipped", "minified"),
    Sample("bundle.css", b"a{b:c}" * 5000, "skipped", "minified"),
    # Encodings.
    Sample("sixteen.txt", "lampe à huile".encode("utf-16"), "read", "lampe à huile"),
    Sample("sixteen-bare.txt", "die große Lampe\n".encode("utf-16-le"), "read", "große Lampe"),
    Sample("western.txt", ("Die Lampe flackert übel. " * 9).encode("cp1252"), "read", "übel"),
    Sample("damaged.txt", b"a lamp \xff\xfe\xc3\x28 and an oil can", "read", "oil can"),
    Sample("cut.txt", "lamp oil for the caf\xe9".encode()[:-1], "read", "lamp oil"),
    Sample("surrogates.txt", b"a lone \xed\xa0\x80 in a lamp\n", "read", "in a lamp"),
    Sample("few-nuls.log", b"lamp\0 lit at nine, out at ten\n", "read", "out at ten"),
    Sample("cookie.py", b"# -*- coding: latin-1 -*-\ns = '\xe9'\n", "read", "s = 'é'"),
    # Shapes.
    Sample("one-line.txt", (_LAMP * 20_000).encode(), "read", "change the bulb"),
    Sample("one-word.txt", b"a" * 500_000, "read", "aaaa"),
    Sample("short-lines.txt", b"x\n" * 200_000, "read", "x\nx"),
    # Markdown.
    Sample("quotes.md", b">" * 5000 + b" deep lamp\n", "read", "deep lamp"),
    Sample("lists.md", b"".join(b"  " * i + b"- %d\n" % i for i in range(800)), "read", "- 799"),
    Sample("brackets.md", b"[" * 50_000 + b" lamp", "read", "lamp"),
    Sample("ticks.md", b"`" * 50_000 + b"x`\nlamp", "read", "lamp"),
    Sample("closing-marks.md", b"# " + b" " * 50_000 + b"x\nlamp", "read", "lamp"),
    Sample("emphasis.md", b"# " + b"*a **a " * 20_000, "read", "*a **a"),
    Sample("rules.md", b"- " * 30_000 + b"x\n" + b"|-" * 30_000, "read", "- x"),
    Sample("aliases.md", (_ALIASES + "---\nlamp\n").encode(), "read", "lamp"),
    Sample("tag.md", b"---\nx: !!python/object/apply:os.getcwd []\n---\nlamp\n", "read", "lamp"),
    Sample("open-front.md", b"---\ntitle: x\nlamp\n", "read", "title: x\nlamp"),
    # Markup.
    Sample("deep.html", b"<div>" * 8000 + b"lamp", "read", "lamp"),
    Sample("soup.html", b"<p>one<p>two<table><tr><td>lamp", "read", "lamp"),
    Sample("lying.html", b'<meta charset="utf-16">plain lamp', "read", "plain lamp"),
    Sample("entities.html", b"<p>" + b"&amp;" * 50_000 + b"&#0; lamp</p>", "read", "lamp"),
    Sample("laughs.xml", _LAUGHS, "failed", "entities"),
    Sample(
        "outside.xml",
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x; lamp</a>',
        "read",
        "lamp",
    ),
    Sample("broken.xml", b"<a><b>lamp</a>", "read", "<b>lamp</a>"),
    Sample("deep.xml", b"<a>" * 50_000 + b"lamp" + b"</a>" * 50_000, "read", "lamp"),
    # Data.
    Sample("deep.json", b"[" * 100_000 + b"]" * 100_000, "failed", "nested too deeply"),
    Sample("comma.json", b'{"lamp": 1,}', "read", '{"lamp": 1,}'),
    Sample("digits.json", b'{"a": ' + b"9" * 10_000 + b"}", "read", "999"),
    Sample("surrogate.json", b'{"a": NaN, "b": "\\ud800"}', "read", "\\ud800"),
    Sample("lines.jsonl", b'{"a": 1}\nlamp\n', "read", "lamp"),
    Sample("open-quote.csv", b'a,b\n1,"lamp\n' + b"2,3\n" * 5000, "read", "lamp"),
    Sample("field.csv", b'a,b\n1,"' + b"x" * 200_000 + b'"\n', "read", "xxx"),
    Sample("types.ipynb", b'{"cells": [{"source": 1}, null]}', "failed", "damaged notebook"),
    Sample("no.ipynb", b"[1]", "failed", "not a notebook"),
    Sample("picture.ipynb", json.dumps(_PICTURE_NOTEBOOK).encode(), "read", "lamp()"),
    # PDF.
    Sample("good.pdf", pdf_pages([["The lamp is lit"]]), "read", "The lamp is lit"),
    Sample("tail.pdf", pdf_pages([["A lamp"]]) + bytes(3000), "read", "A lamp"),
    Sample("page-error.pdf", b"<html>404</html>", "failed", "not a PDF"),
    Sample("head.pdf", b"%PDF-1.4\n", "failed", "damaged PDF"),
    Sample("noise.pdf", b"%PDF-1.4\n" + _NOISE, "failed", "damaged PDF"),
    Sample("scan.pdf", _with_content(b"q 1 0 0 1 0 0 cm Q"), "skipped", "likely scanned images"),
    Sample(
        "bomb.pdf",
        _with_content(
            zlib.compress(zlib.compress(b" " * 50_000_000, 9), 9),
            b"/Filter[/FlateDecode/FlateDecode]",
        ),
        "skipped",
        "no text",
    ),
    Sample(
        "loop.pdf",
        pdf_bytes([b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[2 0 R]/Count 1>>"]),
        "failed",
        "damaged PDF",
    ),
    Sample(
        "count.pdf",
        pdf_bytes([b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[]/Count 1000000000>>"]),
        "skipped",
        "no text",
    ),
    Sample(
        "locked.pdf",
        pdf_bytes(
            [b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[]/Count 0>>"],
            trailer=b"/Encrypt<</Filter/Standard/V 1/R 2/P -4/O<%s>/U<%s>>>/ID[<00><00>]"
            % (b"28" * 32, b"4e" * 32),
        ),
        "failed",
        "encrypted",
    ),
)
