"""Bytes to text: BOM, then UTF-8, then what the file declares, then detection.

The text is the file unchanged: line ends, control characters and normalisation forms stay; only a
BOM goes. Whatever was guessed or replaced is said in a warning.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from ragkit.errors import DocumentSkipped

__all__ = ["Decoded", "decode"]

BINARY = "binary file"
# UTF-32 before UTF-16, whose little-endian mark begins its own.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Control bytes that no text file has many of: all but tab, line ends, form feed and escape.
_CONTROL = bytes(sorted({*range(9), 0x0B, *range(0x0E, 0x1B), *range(0x1C, 0x20), 0x7F}))
_CONTROL_TEXT = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f\x80-\x84\x86-\x9f\ufffe\uffff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_HIGH_BYTE = re.compile(rb"[\x80-\xff]")
# Python codecs that are no charsets of documents, or that run over plain ASCII.
_NO_CHARSET = {"idna", "punycode", "unicode_escape", "raw_unicode_escape", "utf_7", "undefined"}
# Charsets that look like ASCII: only a declaration tells them.
_SEVEN_BIT = ("iso2022", "iso-2022", "iso_2022", "hz")
# On the web, these names have always meant Windows-1252.
_LATIN_NAMES = {"iso8859-1", "ascii"}
# What Windows-1252 puts at 0x80..0xff and Western text really holds beside letters.
_WESTERN_SIGNS = frozenset("€‚„…‹›‘’“”•–—™«»°§©®·±²³µ¿¡£¥\xa0")
_DETECTION_BYTES = 64 * 1024
# Statistics over fewer high bytes than this find a language in any noise.
_LEAST_EVIDENCE_BYTES = 16
# An ending is cut mid-character if at most this many bytes of it are left.
_LONGEST_TAIL_BYTES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """Text, the name of its encoding, and what the user should know about how it was found."""

    text: str
    encoding: str
    warnings: tuple[str, ...] = ()


def decode(data: bytes, declared: str | None = None) -> Decoded:
    """Turn the bytes of a text file into text, without any surrogate in it.

    Args:
        data: The whole file.
        declared: Charset that the file itself names, if it does.

    Raises:
        DocumentSkipped: These bytes are not text.
    """
    marked = _by_mark(data)
    if marked is not None:
        return marked
    if declared is not None and declared.lower().startswith(_SEVEN_BIT):
        by_declaration = _strict(data, declared)
        if by_declaration is not None:
            return Decoded(text=by_declaration, encoding=declared)
    if b"\0" in data:
        return _with_nul(data)
    text = _strict(data, "utf-8")
    if text is not None:
        return Decoded(text=text, encoding="utf-8")
    if _control_share(data) > 0.02:
        raise DocumentSkipped(BINARY)
    if declared is not None:
        by_declaration = _by_declaration(data, declared)
        if by_declaration is not None:
            return Decoded(text=by_declaration, encoding=declared)
    return _damaged_or_legacy(data)


def _by_mark(data: bytes) -> Decoded | None:
    for mark, encoding in _MARKS:
        if not data.startswith(mark):
            continue
        if encoding == "utf-32-le" and _strict(data, encoding) is None:
            # The same four bytes are UTF-16 whose first character is a NUL.
            continue
        return _marked(data[len(mark) :], encoding)
    return None


def _marked(data: bytes, encoding: str) -> Decoded:
    text = data.decode(encoding, errors="replace")
    # A U+FFFD that the file itself holds is no replacement of ours.
    genuine = data.count("\ufffd".encode(encoding)) if "\ufffd" in text else 0
    replaced = max(0, text.count("\ufffd") - genuine)
    if text and replaced / len(text) > 0.1:
        raise DocumentSkipped(BINARY)
    return Decoded(text=text, encoding=encoding, warnings=_replacement_warning(replaced))


def _strict(data: bytes, encoding: str) -> str | None:
    try:
        text = data.decode(encoding)
    except (LookupError, ValueError):
        return None
    # Some codecs (UTF-7) can make surrogates; nothing later could store them.
    return None if _SURROGATE.search(text) else text


def _by_declaration(data: bytes, declared: str) -> str | None:
    try:
        name = codecs.lookup(declared).name
    except (LookupError, ValueError):
        return None
    if name.replace("-", "_") in _NO_CHARSET or name.startswith(("utf-16", "utf-32")):
        # The bytes hold no NUL, so a declared UTF-16 or UTF-32 is a lie.
        return None
    if name in _LATIN_NAMES:
        western = _strict(data, "cp1252")
        return western if western is not None else _strict(data, "latin-1")
    return _strict(data, declared)


def _with_nul(data: bytes) -> Decoded:
    """Text may hold a few NULs; where it holds many, it may be UTF-16 or UTF-32 without a mark."""
    zeros = data.count(0)
    if zeros <= len(data) // 5:
        text = _strict(data, "utf-8")
        if text is not None and _control_share(data.replace(b"\0", b"")) <= 0.02:
            plural = "" if zeros == 1 else "s"
            return Decoded(
                text=text, encoding="utf-8", warnings=(f"{zeros} NUL character{plural} in it",)
            )
    if not _zeros_in_columns(data, zeros):
        raise DocumentSkipped(BINARY)
    for encoding, width in (("utf-32-le", 4), ("utf-32-be", 4), ("utf-16-le", 2), ("utf-16-be", 2)):
        if len(data) % width:
            continue
        text = _strict(data, encoding)
        if text is not None and _looks_written(text):
            return Decoded(
                text=text,
                encoding=encoding,
                warnings=(f"no byte order mark; read as {encoding}",),
            )
    raise DocumentSkipped(BINARY)


def _zeros_in_columns(data: bytes, zeros: int) -> bool:
    """Whether the NULs stand at one parity, as in UTF-16, or are many, as in UTF-32."""
    even = data[::2].count(0)
    columns = max(even, zeros - even) >= 0.9 * zeros or zeros >= len(data) // 2
    return zeros >= 3 and columns


def _looks_written(text: str) -> bool:
    """Whether a decoding without a mark made text: no control characters, and words of one script.

    The wrong byte order turns line ends and blanks into U+0A00, U+2000 and the like, so plain
    white space is the telling sign.
    """
    sample = text[:10_000]
    if _CONTROL_TEXT.search(sample):
        return False
    blanks = sum(sample.count(blank) for blank in " \n\t")
    swapped = sum(sample.count(blank) for blank in "\u2000\u0a00\u0900")
    return blanks > 0 and blanks >= 4 * swapped


def _control_share(data: bytes) -> float:
    sample = data if len(data) <= 4 * _DETECTION_BYTES else data[: 4 * _DETECTION_BYTES]
    return (len(sample) - len(sample.translate(None, _CONTROL))) / max(1, len(sample))


def _damaged_or_legacy(data: bytes) -> Decoded:
    """Neither marked nor UTF-8: UTF-8 with a few bad bytes, or an older encoding."""
    loose = data.decode("utf-8", errors="surrogateescape")
    invalid = len(_SURROGATE.findall(loose))
    valid = sum(1 for _ in re.finditer("[^\x00-\x7f\ud800-\udfff]", loose[: 8 * _DETECTION_BYTES]))
    tail_only = invalid <= _LONGEST_TAIL_BYTES and _SURROGATE.search(loose[:-invalid]) is None
    if tail_only or valid > 2 * invalid:
        return _repaired(loose, invalid)
    western = _western(data)
    if western is not None:
        return Decoded(
            text=western, encoding="cp1252", warnings=("encoding guessed: windows-1252",)
        )
    enough = invalid + valid >= _LEAST_EVIDENCE_BYTES
    detected = _detected(data) if enough else None
    if detected is not None:
        return detected
    if invalid > len(data) * (0.05 if enough else 0.3):
        raise DocumentSkipped(BINARY)
    return _repaired(loose, invalid)


def _repaired(loose: str, invalid: int) -> Decoded:
    text = _SURROGATE.sub("\ufffd", loose)
    return Decoded(text=text, encoding="utf-8", warnings=_replacement_warning(invalid))


def _replacement_warning(replaced: int) -> tuple[str, ...]:
    if replaced == 0:
        return ()
    noun = "byte" if replaced == 1 else "bytes"
    return (f"{replaced} invalid {noun} replaced by U+FFFD",)


def _western(data: bytes) -> str | None:
    """Windows-1252 where its high bytes are letters inside words, or quotes and dashes.

    Statistical detection needs a page of text; a README with three accents has none.
    """
    text = _strict(data, "cp1252")
    if text is None:
        return None
    letters = signs = 0
    for match in re.finditer("[^\x00-\x7f]", text[: 8 * _DETECTION_BYTES]):
        character, at = match.group(), match.start()
        if character in _WESTERN_SIGNS:
            signs += 1
            continue
        beside = text[max(0, at - 1) : at] + text[at + 1 : at + 2]
        if not character.isalpha() or not any(c.isascii() and c.isalpha() for c in beside):
            return None
        letters += 1
    ascii_letters = len(re.findall("[A-Za-z]", text[: 8 * _DETECTION_BYTES]))
    return text if 3 * letters <= ascii_letters and letters + signs <= ascii_letters else None


def _detected(data: bytes) -> Decoded | None:
    # 42 ms of import that UTF-8 folders never pay.
    from charset_normalizer import from_bytes  # noqa: PLC0415

    first = _HIGH_BYTE.search(data)
    start = max(0, (first.start() if first else 0) - 1024)
    best = from_bytes(data[start : start + _DETECTION_BYTES]).best()
    if best is None or best.encoding in {"utf_8", "utf_7", "ascii"} or best.percent_chaos > 10:
        return None
    text = _strict(data, best.encoding)
    if text is None or _CONTROL_TEXT.search(text):
        return None
    return Decoded(
        text=text, encoding=best.encoding, warnings=(f"encoding guessed: {best.encoding}",)
    )
