"""Which reader takes which file: one table of media types, one of names.

A format joins by its line in ``_READERS`` and its extensions in ``_EXTENSIONS``. Raise a reader's
version whenever it makes another text, other sections or other blocks of the same bytes: documents
read by an older version are read again at the next index.
"""

from __future__ import annotations

import importlib
import zlib
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

from ragkit.errors import DocumentSkipped
from ragkit.reading.content import PICTURE_TYPES, picture_type
from ragkit.reading.structure import word_set

if TYPE_CHECKING:
    from ragkit.reading.content import Reader

__all__ = ["has_careful_reader", "is_picture_name", "load_reader", "media_type"]
__all__ += ["needs_guard", "reader_version", "reading_version"]

# More than any reader's own versions.
_WITH_PICTURES = 1000


@dataclass(frozen=True, slots=True)
class _Entry:
    module: str
    function: str
    version: int
    # A module and function that take the same files, know less and cannot be brought down.
    careful: tuple[str, str] | None = None
    # Whether pictures may stand in it, so that it is read again when those are wanted.
    shows: bool = False


_PLAIN = ("plain", "read_source")
_WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_SLIDES = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
_SHEETS = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_OLD_SHEETS = "application/vnd.ms-excel"
_OLD_WORD = "application/msword"
_OLD_SLIDES = "application/vnd.ms-powerpoint"
_TEXT = "application/vnd.oasis.opendocument.text"
_SPREADSHEET = "application/vnd.oasis.opendocument.spreadsheet"
_PRESENTATION = "application/vnd.oasis.opendocument.presentation"

_READERS = MappingProxyType(
    {
        "text/plain": _Entry("plain", "read_plain", 1),
        "text/x-source": _Entry("plain", "read_source", 2),
        "text/css": _Entry("plain", "read_source", 1),
        "text/x-python": _Entry("code", "read_code", 1, _PLAIN),
        "text/javascript": _Entry("code", "read_code", 2, _PLAIN),
        "text/x-typescript": _Entry("code", "read_code", 1, _PLAIN),
        "text/x-tsx": _Entry("code", "read_code", 1, _PLAIN),
        "text/x-java": _Entry("code", "read_code", 1, _PLAIN),
        "text/x-c": _Entry("code", "read_code", 1, _PLAIN),
        "text/x-c++": _Entry("code", "read_code", 1, _PLAIN),
        "text/x-csharp": _Entry("code", "read_code", 1, _PLAIN),
        "text/x-go": _Entry("code", "read_code", 1, _PLAIN),
        "text/x-rust": _Entry("code", "read_code", 1, _PLAIN),
        "text/x-php": _Entry("code", "read_code", 1, _PLAIN),
        "text/x-ruby": _Entry("code", "read_code", 1, _PLAIN),
        "text/x-shellscript": _Entry("code", "read_code", 1, _PLAIN),
        "text/markdown": _Entry("markdown", "read_markdown", 1),
        "text/x-rst": _Entry("restructured", "read_restructured", 2),
        "text/x-tex": _Entry("markup", "read_latex", 2),
        "text/asciidoc": _Entry("markup", "read_asciidoc", 2),
        "text/org": _Entry("markup", "read_org", 2),
        "text/vtt": _Entry("subtitles", "read_subtitles", 1),
        "application/x-subrip": _Entry("subtitles", "read_subtitles", 1),
        "text/html": _Entry("html", "read_html", 1, shows=True),
        "text/csv": _Entry("tables", "read_table", 1),
        "text/tab-separated-values": _Entry("tables", "read_table", 1),
        "application/json": _Entry("json_text", "read_json", 1),
        "application/x-ndjson": _Entry("json_text", "read_json_lines", 1),
        "application/x-ipynb+json": _Entry("notebook", "read_notebook", 1),
        "application/xml": _Entry("xml", "read_xml", 1),
        "image/svg+xml": _Entry("xml", "read_xml", 1),
        "application/pdf": _Entry("pdf", "read_pdf", 2, ("pdf", "read_pdf_with_care"), shows=True),
        _WORD: _Entry("word", "read_word", 1, shows=True),
        _SLIDES: _Entry("slides", "read_slides", 1, shows=True),
        _SHEETS: _Entry("sheets", "read_sheets", 1),
        _TEXT: _Entry("odf", "read_open_document", 1),
        _SPREADSHEET: _Entry("odf", "read_open_document", 1),
        _PRESENTATION: _Entry("odf", "read_open_document", 1),
        "application/epub+zip": _Entry("books", "read_book", 1, shows=True),
        "application/zip": _Entry("packed", "read_zip", 1, shows=True),
        "application/x-tar": _Entry("streams", "read_tar", 1, shows=True),
        "application/gzip": _Entry("streams", "read_stream", 1, shows=True),
        "application/x-bzip2": _Entry("streams", "read_stream", 1, shows=True),
        "application/x-xz": _Entry("streams", "read_stream", 1, shows=True),
        "message/rfc822": _Entry("mail", "read_mail", 1, shows=True),
        "application/vnd.ms-outlook": _Entry("outlook", "read_outlook", 1, shows=True),
        _OLD_SHEETS: _Entry("old_sheets", "read_old_sheets", 1),
        _OLD_WORD: _Entry("old_word", "read_old_word", 1),
        _OLD_SLIDES: _Entry("old_slides", "read_old_slides", 1),
        "application/rtf": _Entry("rtf", "read_rtf", 1),
        **dict.fromkeys(PICTURE_TYPES, _Entry("pictures", "read_picture", 1, shows=True)),
    }
)

_EXTENSIONS = MappingProxyType(
    {
        extension: kind
        for kind, extensions in {
            "text/plain": "txt text log",
            "text/markdown": "md markdown mdown mkd mdx qmd rmd",
            "text/x-rst": "rst rest",
            "text/x-tex": "tex latex ltx",
            "text/asciidoc": "adoc asciidoc",
            "text/org": "org",
            "text/vtt": "vtt",
            "application/x-subrip": "srt",
            "text/html": "html htm xhtml xht shtml",
            "text/csv": "csv",
            "text/tab-separated-values": "tsv tab",
            "application/json": "json geojson webmanifest",
            "application/x-ndjson": "jsonl ndjson",
            "application/x-ipynb+json": "ipynb",
            "application/xml": "xml rss atom xsd xsl xslt wsdl rdf dbk docbook opml kml gpx",
            "image/svg+xml": "svg",
            "image/png": "png",
            "image/jpeg": "jpg jpeg jpe jfif",
            "image/webp": "webp",
            "image/gif": "gif",
            "application/pdf": "pdf",
            _WORD: "docx docm dotx dotm",
            _SLIDES: "pptx pptm ppsx ppsm potx potm",
            _SHEETS: "xlsx xlsm xltx xltm",
            _TEXT: "odt ott",
            _SPREADSHEET: "ods ots",
            _PRESENTATION: "odp otp",
            "application/epub+zip": "epub",
            "application/zip": "zip",
            "application/x-tar": "tar",
            "application/gzip": "gz tgz",
            "application/x-bzip2": "bz2 tbz2 tbz",
            "application/x-xz": "xz txz",
            "message/rfc822": "eml",
            "application/vnd.ms-outlook": "msg",
            "application/rtf": "rtf",
            _OLD_SHEETS: "xls xlt",
            _OLD_WORD: "doc dot",
            _OLD_SLIDES: "ppt pps pot",
            "text/css": "css",
            "text/x-python": "py pyi",
            "text/javascript": "js mjs cjs jsx",
            "text/x-typescript": "ts mts cts",
            "text/x-tsx": "tsx",
            "text/x-java": "java",
            "text/x-c": "c",
            # A header may be either's, and what is C parses as C++.
            "text/x-c++": "h cc cpp cxx hh hpp hxx ino cu cuh",
            "text/x-csharp": "cs",
            "text/x-go": "go",
            "text/x-rust": "rs",
            "text/x-php": "php",
            "text/x-ruby": "rb rake gemspec",
            "text/x-shellscript": "sh bash zsh",
            "text/x-source": (
                "pyx kt kts scala groovy gradle"
                " m mm pl pm lua r jl swift dart zig nim hs lhs ml mli"
                " fs fsx fsi vb clj cljs cljc edn ex exs erl hrl elm lisp el scm rkt f f90 f95"
                " for pas json5 jsonc"
                " asm s v sv vhd vhdl fish ps1 psm1 bat cmd awk sed sql graphql gql"
                " proto thrift toml yaml yml ini cfg conf properties env editorconfig tf tfvars hcl"
                " nix cmake mk make dockerfile vue svelte astro scss sass less bib sty cls"
                " puml dot gv diff patch tcl coffee sol wgsl glsl hlsl"
            ),
        }.items()
        for extension in extensions.split()
    }
)

# Names without an extension, in lower case.
_NAMES = MappingProxyType(
    dict.fromkeys(
        word_set(
            "makefile gnumakefile dockerfile containerfile jenkinsfile vagrantfile rakefile gemfile"
            " procfile justfile brewfile podfile cmakelists.txt build workspace"
        ),
        "text/x-source",
    )
)

# In the first line of a script without an extension.
_INTERPRETERS = (
    (b"python", "text/x-python"),
    (b"node", "text/javascript"),
    (b"ruby", "text/x-ruby"),
    (b"php", "text/x-php"),
    (b"/sh", "text/x-shellscript"),
    (b"bash", "text/x-shellscript"),
    (b"zsh", "text/x-shellscript"),
)

# Formats whose readers are still to come, by extension: a line of the report, not noise.
_LATER = word_set(
    "xlsb mobi azw3"
    " mbox zst 7z rar bmp tif tiff heic avif"
    " ico psd mp3 mp4 m4a wav ogg flac webm mkv mov avi parquet sqlite db"
)

# Their libraries are under the LGPL (pyxlsb, py7zr), need another program (rarfile), or end the
# process at a changed byte (calamine).
_INSTEAD = MappingProxyType(
    {"xlsb": "save it as .xlsx", "7z": "pack it as .zip", "rar": "pack it as .zip"}
)

# What a file begins with says more than its name.
_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "zip container"),
    (b"PK\x05\x06", "zip container"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "OLE2 container"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"Rar!\x1a\x07", "rar"),
    (b"SQLite format 3\x00", "SQLite database"),
)
_PROGRAMS = (b"\x7fELF", b"MZ\x90\x00", b"\xca\xfe\xba\xbe", b"\xcf\xfa\xed\xfe", b"\x00asm")
_PDF_MARK_WITHIN_BYTES = 1024

# Containers: what does not open as one is damaged, whatever its bytes look like.
_CONTAINERS = frozenset(
    {
        _WORD,
        _SLIDES,
        _SHEETS,
        _TEXT,
        _SPREADSHEET,
        _PRESENTATION,
        "application/epub+zip",
        "application/zip",
        "application/x-tar",
        "application/gzip",
        "application/x-bzip2",
        "application/x-xz",
        "application/vnd.ms-outlook",
        "application/rtf",
        _OLD_SHEETS,
        _OLD_WORD,
        _OLD_SLIDES,
    }
)
_OLD_OFFICE = frozenset({_OLD_SHEETS, _OLD_WORD, _OLD_SLIDES})
_OLE2 = b"\xd0\xcf\x11\xe0"
# Where, what stands there, and what that makes of the file.
_MARKS = (
    (0, b"{\\rtf", "application/rtf"),
    (0, b"\x1f\x8b", "application/gzip"),
    (0, b"\xfd7zXZ\x00", "application/x-xz"),
    (257, b"ustar", "application/x-tar"),
)
_ZIP_MARKS = (b"PK\x03\x04", b"PK\x05\x06")
# A part that only one kind of container has.
_TELLING_PARTS = (
    (b"word/document.xml", _WORD),
    (b"ppt/presentation.xml", _SLIDES),
    (b"xl/workbook.xml", _SHEETS),
)
# Open Document and EPUB say what they are in their first member, which is not compressed.
_STATED = b"mimetype"
_STATED_AT_BYTE = 30
_LONGEST_TYPE = 100
_NAMES_WITHIN_BYTES = 256 * 1024


def media_type(source: str, data: bytes) -> str:
    """Say what a file is, by its first bytes where they are clear, else by its name.

    Args:
        source: Its path or name.
        data: The whole file; only its beginning is looked at.

    Returns:
        A media type that ``load_reader`` knows; ``text/plain`` where nothing says otherwise, and
        then the decoder decides whether it is text at all.

    Raises:
        DocumentSkipped: A format that is not read yet, or a program.
    """
    name = source.rpartition("/")[2].lower().strip()
    extension = name.rpartition(".")[2] if "." in name else ""
    by_name = _NAMES.get(name) or _EXTENSIONS.get(extension)
    if data.startswith(b"%PDF-"):
        return "application/pdf"
    by_mark = _by_mark(data)
    if by_name in _OLD_OFFICE and not data.startswith(_OLE2):
        # Web applications "export to Excel" or Word by naming a page so.
        by_content = _by_content(data, has_extension=True)
        return by_mark or (by_content if by_content != "text/plain" else by_name)
    if by_name == "application/pdf" or by_name in _CONTAINERS:
        return by_name
    if by_mark is not None:
        return by_mark
    if extension in _LATER:
        raise DocumentSkipped(f"format not read yet: .{_with_way_out(extension)}")
    if data.startswith(_PROGRAMS):
        raise DocumentSkipped("binary file: a program")
    for magic, what in _MAGIC:
        if data.startswith(magic):
            raise DocumentSkipped(f"format not read yet: {_with_way_out(what)}")
    return by_name or _by_content(data, has_extension=bool(extension))


def _with_way_out(kind: str) -> str:
    return f"{kind}; {_INSTEAD[kind]}" if kind in _INSTEAD else kind


def _by_mark(data: bytes) -> str | None:
    """The format of a container or picture that lost its extension, or has another's."""
    for at, mark, kind in _MARKS:
        if data.startswith(mark, at):
            return kind
    if not data.startswith(_ZIP_MARKS):
        return picture_type(data)
    if data.startswith(_STATED, _STATED_AT_BYTE):
        stated = data[_STATED_AT_BYTE + len(_STATED) :][:_LONGEST_TYPE]
        return next((kind for kind in _CONTAINERS if stated.startswith(kind.encode())), None)
    names = data[-_NAMES_WITHIN_BYTES:]
    return next((kind for part, kind in _TELLING_PARTS if part in names), None)


def _by_content(data: bytes, *, has_extension: bool) -> str:
    head = data[:_PDF_MARK_WITHIN_BYTES].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith((b"<!doctype html", b"<html")):
        return "text/html"
    if head.startswith(b"<?xml"):
        return "application/xml"
    if head.startswith(b"#!") and not has_extension:
        first = head.split(b"\n", 1)[0]
        return next((kind for word, kind in _INTERPRETERS if word in first), "text/x-source")
    return "text/plain"


def load_reader(kind: str, *, careful: bool = False) -> Reader:
    """The reader of a media type, or its careful one, imported now if it was not before."""
    entry = _READERS[kind]
    module, function = (careful and entry.careful) or (entry.module, entry.function)
    return cast("Reader", getattr(importlib.import_module(f"ragkit.reading.{module}"), function))


def has_careful_reader(kind: str) -> bool:
    """Whether files of a media type can be read when their reader failed on them."""
    return _READERS[kind].careful is not None


def needs_guard(kind: str) -> bool:
    """Whether a hostile file may bring down the process that reads it.

    Grammars, PDF and decoders of pictures are native code; a container may hold any of them.
    """
    entry = _READERS[kind]
    return entry.careful is not None or entry.shows


def reader_version(kind: str, *, pictures: bool = False) -> int:
    """The version of a media type's reader, to be stored with each document; 0 if there is none.

    Args:
        kind: The media type.
        pictures: Whether pictures are read too, which makes more of the files that show some.
    """
    entry = _READERS.get(kind)
    if entry is None:
        return 0
    return entry.version + (_WITH_PICTURES if pictures and entry.shows else 0)


def reading_version(*, pictures: bool = False) -> int:
    """Changes when any reader does or a format joins: a file skipped before is then tried again."""
    versions = sorted((kind, reader_version(kind, pictures=pictures)) for kind in _READERS)
    return zlib.crc32(repr((versions, sorted(_EXTENSIONS))).encode())


def is_picture_name(source: str) -> bool:
    """Whether a file is called like a picture."""
    return _EXTENSIONS.get(source.rpartition(".")[2].lower()) in PICTURE_TYPES
