"""ZIP archives as folders."""

from __future__ import annotations

import zipfile
from functools import partial

from ragkit.reading.archive import Archive
from ragkit.reading.content import RawFile, Reading
from ragkit.reading.member_folder import read_members

__all__ = ["read_zip"]

_UTF8_NAME = 0x800


def read_zip(raw: RawFile) -> Reading:
    """Read an archive, as ``read_members`` does.

    Raises:
        DocumentSkipped: No member holds text.
        DocumentUnreadable: It is damaged or encrypted, or none of its members can be read.
    """
    archive = Archive(raw.data, raw.allowance)
    return read_members(
        raw,
        (
            (_name(member), partial(archive.read_member, member))
            for member in archive.members
            # Not is_dir(), which fails where there is no name.
            if not member.filename.endswith("/")
        ),
    )


def _name(member: zipfile.ZipInfo) -> str:
    """A member's name; many programs write UTF-8 without saying so."""
    name = member.filename
    if not member.flag_bits & _UTF8_NAME:
        try:
            name = name.encode("cp437").decode("utf-8")
        except UnicodeError:
            return name
    return name
