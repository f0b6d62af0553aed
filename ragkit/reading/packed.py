"""ZIP archives as folders: one document with a section for each member that holds text."""

from __future__ import annotations

import zipfile

from ragkit.errors import DocumentSkipped, DocumentUnreadable
from ragkit.reading.archive import Archive
from ragkit.reading.composing import Composer
from ragkit.reading.content import RawFile, Reading
from ragkit.reading.members import read_member, shown_name

__all__ = ["read_zip"]

_UTF8_NAME = 0x800
_MOST_NAMED = 200
_MOST_WARNINGS = 20


def read_zip(raw: RawFile) -> Reading:
    """Read an archive; members that hold no text are named at its end.

    Hidden members are left out, as in folders. At most 10,000 members and 256 MiB are read, those
    of archives within counted, which go three deep.

    Raises:
        DocumentSkipped: No member holds text.
        DocumentUnreadable: It is damaged or encrypted, or none of its members can be read.
    """
    archive = Archive(raw.data, raw.allowance)
    folder = _Folder(raw, archive)
    members = [member for member in archive.members if not member.is_dir()]
    for member in members:
        name = _name(member)
        if _is_hidden(name):
            continue
        if not raw.allowance.take_member():
            folder.composer.warnings.append("it has more members than are read (10,000)")
            break
        folder.add(member, name)
    if not folder.composer.blocks:
        if folder.problems:
            raise DocumentUnreadable(folder.problems[0])
        plural = "" if len(members) == 1 else "s"
        raise DocumentSkipped(f"no text in the {len(members)} member{plural} of the archive")
    return folder.reading()


class _Folder:
    """Writes members one after the other."""

    def __init__(self, raw: RawFile, archive: Archive) -> None:
        self.composer = Composer()
        self.problems: list[str] = []
        self._raw = raw
        self._archive = archive
        self._others: list[str] = []

    def add(self, member: zipfile.ZipInfo, name: str) -> None:
        """Write a member, or remember why it cannot be."""
        shown = shown_name(name)
        try:
            reading = read_member(self._raw, name, self._archive.read_member(member))
        except DocumentSkipped:
            self._others.append(shown)
        except DocumentUnreadable as error:
            self.problems.append(f"member {shown!r} could not be read: {error}")
        else:
            self.composer.heading(shown, 1)
            self.composer.include(reading, level=1, name=shown)

    def reading(self) -> Reading:
        """The whole archive."""
        if self._others:
            more = len(self._others) - _MOST_NAMED
            names = ", ".join(self._others[:_MOST_NAMED])
            self.composer.heading("Other members", 1)
            self.composer.paragraph(f"{names} and {more} more" if more > 0 else names)
        warnings = self.composer.warnings
        warnings += self.problems
        if len(warnings) > _MOST_WARNINGS:
            more = len(warnings) - _MOST_WARNINGS
            warnings[_MOST_WARNINGS:] = [f"{more} more remarks on its members"]
        return self.composer.reading(self._raw, title=None)


def _name(member: zipfile.ZipInfo) -> str:
    """A member's name; many programs write UTF-8 without saying so."""
    name = member.filename
    if not member.flag_bits & _UTF8_NAME:
        try:
            name = name.encode("cp437").decode("utf-8")
        except UnicodeError:
            return name
    return name


def _is_hidden(name: str) -> bool:
    parts = name.replace("\\", "/").split("/")
    return parts[0] == "__MACOSX" or any(
        part.startswith(".") and part not in (".", "..") for part in parts
    )
