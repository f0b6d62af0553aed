"""What archives become: one document with a section for each member that holds text."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ragkit.errors import DocumentSkipped, DocumentUnreadable
from ragkit.reading.composing import Composer
from ragkit.reading.content import RawFile, Reading
from ragkit.reading.members import read_member, shown_name

__all__ = ["read_members"]

_MOST_NAMED = 200
_MOST_WARNINGS = 20

Member = tuple[str, Callable[[], bytes]]


def read_members(raw: RawFile, members: Iterable[Member]) -> Reading:
    """Read the members of an archive; those that hold no text are named at the end.

    Hidden members are left out, as in folders. At most 10,000 members and 256 MiB are read, those
    of archives within counted, which go three deep.

    Args:
        raw: The archive.
        members: Name and content of each, the content asked for once, and before the next member.

    Raises:
        DocumentSkipped: No member holds text.
        DocumentUnreadable: None of the members can be read.
    """
    folder = _Folder(raw)
    count = 0
    try:
        for name, content in members:
            count += 1
            if _is_hidden(name):
                continue
            if not raw.allowance.take_member():
                folder.composer.warnings.append("it has more members than are read (10,000)")
                break
            folder.add(name, content)
    except DocumentUnreadable as error:
        # What was read of an archive that is cut off is kept.
        folder.problems.append(str(error))
    if not folder.composer.blocks:
        if folder.problems:
            raise DocumentUnreadable(folder.problems[0])
        plural = "" if count == 1 else "s"
        raise DocumentSkipped(f"no text in the {count} member{plural} of the archive")
    return folder.reading()


class _Folder:
    """Writes members one after the other."""

    def __init__(self, raw: RawFile) -> None:
        self.composer = Composer()
        self.problems: list[str] = []
        self._raw = raw
        self._others: list[str] = []

    def add(self, name: str, content: Callable[[], bytes]) -> None:
        """Write a member, or remember why it cannot be."""
        shown = shown_name(name)
        try:
            reading = read_member(self._raw, name, content())
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


def _is_hidden(name: str) -> bool:
    parts = name.replace("\\", "/").split("/")
    return parts[0] == "__MACOSX" or any(
        part.startswith(".") and part not in (".", "..") for part in parts
    )
