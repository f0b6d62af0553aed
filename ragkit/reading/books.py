"""E-books (``.epub``): the chapters in reading order, named by the table of contents."""

from __future__ import annotations

import posixpath
from functools import partial
from urllib.parse import unquote

from ragkit.errors import DocumentUnreadable
from ragkit.reading.archive import Archive
from ragkit.reading.composing import Composer, one_line
from ragkit.reading.content import Beside, RawFile, Reading
from ragkit.reading.html import read_chapter
from ragkit.reading.properties import stated_metadata, stated_title
from ragkit.reading.xml_tree import Element, child, children, parse_tree, text_at

__all__ = ["read_book"]

_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
_CHAPTERS = frozenset({"application/xhtml+xml", "text/html", "application/x-dtbook+xml"})
_PROPERTIES = (
    ("author", "dc:creator"),
    ("language", "dc:language"),
    ("publisher", "dc:publisher"),
    ("date", "dc:date"),
    ("subject", "dc:subject"),
    ("description", "dc:description"),
)


def read_book(raw: RawFile) -> Reading:
    """Read an e-book.

    Raises:
        DocumentUnreadable: It is damaged, encrypted or a bomb.
    """
    book = _Book(raw)
    composer = Composer()
    for path, kind in book.spine:
        if kind == "nav":
            continue
        try:
            chapter = read_chapter(
                RawFile(
                    source=path,
                    root="",
                    media_type="text/html",
                    data=book.archive.read(path),
                    album=raw.album,
                    beside=partial(book.picture, path),
                )
            )
        except DocumentUnreadable as error:
            composer.warnings.append(f"chapter {path!r} could not be read: {error}")
            continue
        name = book.labels.get(path, "")
        named = bool(chapter.document.sections)
        if name and not named and chapter.document.text.strip():
            composer.heading(name, 1)
        composer.include(chapter, level=0, name=path)
    if composer.warnings and not composer.blocks:
        raise DocumentUnreadable(composer.warnings[0])
    information = child(book.package, "metadata")
    metadata = {
        key: ", ".join(one_line(text_at(item)) for item in children(information, name))
        for key, name in _PROPERTIES
    }
    title = stated_title(text_at(information, "dc:title"))
    return composer.reading(raw, title=title, metadata=stated_metadata(metadata))


class _Book:
    """The parts of an e-book.

    Attributes:
        archive: All of them.
        package: The root of the package document.
        spine: Path and kind (``nav`` or ``""``) of each chapter, in reading order.
        labels: What the table of contents calls a chapter, by path.
    """

    def __init__(self, raw: RawFile) -> None:
        self.archive = Archive(raw.data, raw.allowance)
        path = self._package_path()
        self._folder = posixpath.dirname(path)
        self.package = parse_tree(self.archive.read(path), path)
        manifest = {
            item.get("id", ""): item for item in children(child(self.package, "manifest"), "item")
        }
        self.spine: list[tuple[str, str]] = []
        for reference in children(child(self.package, "spine"), "itemref"):
            item = manifest.get(reference.get("idref", ""))
            if item is not None and item.get("media-type") in _CHAPTERS:
                is_nav = "nav" in item.get("properties", "").split()
                self.spine.append((self._path(item.get("href", "")), "nav" if is_nav else ""))
        self._refuse_encrypted()
        self.labels: dict[str, str] = {}
        for item in manifest.values():
            self._read_contents(item)

    def _package_path(self) -> str:
        if _CONTAINER in self.archive:
            root = parse_tree(self.archive.read(_CONTAINER), _CONTAINER)
            for item in root.iter():
                if item.tag.endswith("rootfile") and item.get("full-path"):
                    return item.get("full-path", "")
        names = [member.filename for member in self.archive.members]
        packages = [name for name in names if name.endswith(".opf")]
        if not packages:
            raise DocumentUnreadable(f"damaged: it lacks its part {_CONTAINER!r}")
        return packages[0]

    def _path(self, reference: str, folder: str | None = None) -> str:
        """The member that a reference means, without its fragment."""
        base = self._folder if folder is None else folder
        return posixpath.normpath(posixpath.join(base, unquote(reference.partition("#")[0])))

    def picture(self, chapter: str, reference: str) -> Beside | None:
        """What a chapter shows by a relative URL; None where the book does not have it."""
        name = self._path(reference, posixpath.dirname(chapter))
        try:
            return Beside(name=name, data=self.archive.read(name))
        except DocumentUnreadable:
            return None

    def _refuse_encrypted(self) -> None:
        """Fonts may be scrambled; chapters that are make the book unreadable."""
        if _ENCRYPTION not in self.archive:
            return
        chapters = {path for path, _ in self.spine}
        for item in parse_tree(self.archive.read(_ENCRYPTION), _ENCRYPTION).iter():
            hidden = unquote(item.get("URI", "")).lstrip("/")
            if item.tag.endswith("CipherReference") and hidden in chapters:
                raise DocumentUnreadable("encrypted: its chapters are protected (DRM)")

    def _read_contents(self, item: Element) -> None:
        """Take the labels from the table of contents, be it of EPUB 2 or 3."""
        path = self._path(item.get("href", ""))
        is_nav = "nav" in item.get("properties", "").split()
        is_ncx = item.get("media-type") == "application/x-dtbncx+xml"
        if not (is_nav or is_ncx) or path not in self.archive:
            return
        try:
            root = parse_tree(self.archive.read(path), path)
        except DocumentUnreadable:
            return
        folder = posixpath.dirname(path)
        for entry in root.iter("navPoint" if is_ncx else "a"):
            target = child(entry, "content") if is_ncx else entry
            label = text_at(entry, "navLabel") if is_ncx else text_at(entry)
            reference = target.get("src" if is_ncx else "href", "") if target is not None else ""
            if label.strip() and reference:
                self.labels.setdefault(self._path(reference, folder), one_line(label))
