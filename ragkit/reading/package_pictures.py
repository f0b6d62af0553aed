"""The pictures of Word documents and presentations, which drawings refer to by relation."""

from __future__ import annotations

from collections.abc import Iterator

from ragkit.errors import DocumentUnreadable
from ragkit.reading.album import Album
from ragkit.reading.open_xml import Package, Relation
from ragkit.reading.xml_tree import Element
from ragkit.records import Image

__all__ = ["PackagePictures"]

_DESCRIBED = ("wp:docPr", "p:cNvPr", "pic:cNvPr")


class PackagePictures:
    """Finds what the drawings of a package show.

    Args:
        package: The package.
        album: Where pictures go; None where nobody asked for them.
    """

    def __init__(self, package: Package, album: Album | None) -> None:
        self._package = package
        self._album = album
        self._relations: dict[str, Relation] = {}

    def of_part(self, part: str) -> None:
        """The drawings that come are of this part."""
        self._relations = {} if self._album is None else self._package.relations(part)

    def shown_in(self, parent: Element) -> Iterator[tuple[str, Image]]:
        """(alternative text, picture) of the drawings in an element; each picture once."""
        if self._album is None:
            return
        described = ""
        for item in parent.iter():
            if item.tag in _DESCRIBED:
                described = item.get("descr", "") or described
            elif item.tag == "a:blip":
                image = self._picture(item.get("r:embed", ""), self._album)
                if image is not None:
                    yield described, image
                described = ""

    def _picture(self, key: str, album: Album) -> Image | None:
        relation = self._relations.get(key)
        if relation is None or relation.part not in self._package.archive:
            return None
        try:
            return album.add(self._package.archive.read(relation.part), relation.part)
        except DocumentUnreadable:
            return None
