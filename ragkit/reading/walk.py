"""A folder becomes a list of files, by names and ``stat``: nothing is opened but ignore files.

Left out are hidden files and folders, what .gitignore and .ragignore name, folders of packages and
caches, what is no regular file, and files over the size cap. A symbolic link is followed only to
something inside the root that the walk does not reach by itself, so nothing is taken twice, nothing
loops and nothing leads out. Ignore files above the root are not consulted: a root is asked for.
"""

from __future__ import annotations

import os
import re
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ragkit.errors import PathNotFound
from ragkit.reading.ignoring import IGNORE_FILES, Rules, load_rules, parse_rules
from ragkit.reading.names import source_from_raw

__all__ = ["FoundFile", "SkippedFile", "walk"]

_MIB = 1024 * 1024
_PACKAGE_FOLDERS = frozenset({"node_modules", "bower_components", "__pycache__", "__pypackages__"})
# A file that marks its folder as something other than documents.
_MARKER_FILES = {
    "pyvenv.cfg": "a Python environment, not documents",
    "CACHEDIR.TAG": "marked as a cache by CACHEDIR.TAG",
}
_HIDDEN = "{count} hidden file{plural} or folder{plural}"
_VERSION_CONTROL = frozenset({".git", ".hg", ".svn", ".bzr", ".jj"})
_COLLECTION_MATRIX = re.compile(r"vectors(-[0-9]+)?\.f32")


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file to read.

    Attributes:
        source: Path inside the root, valid Unicode with ``/``.
        location: Where it lies, absolute; for a symbolic link its target.
        raw_name: Path inside the root as the file system's bytes.
        size: In bytes.
        mtime_ns: Time of the last modification.
        inode: Its number on its device.
    """

    source: str
    location: str
    raw_name: bytes
    size: int
    mtime_ns: int
    inode: int

    @property
    def path(self) -> Path:
        """``location`` as a path, made when asked for: it costs as much as all the rest."""
        return Path(self.location)


@dataclass(frozen=True, slots=True)
class SkippedFile:
    """Something that is not to be indexed, and why.

    Hidden things and those that rules leave out are counted, not listed one by one: their source is
    the ignore file, or ``.`` for the root.

    Attributes:
        source: Path inside the root; that of a folder ends with ``/``.
        reason: One line for the report.
        leaves_open: What there is behind it is not known: hidden things, folders that cannot be
            listed. That a document was not found there does not say that it is gone.
    """

    source: str
    reason: str
    leaves_open: bool = False


def walk(
    root: Path,
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    max_file_bytes: int,
) -> Iterator[FoundFile | SkippedFile]:
    """List the files of a root in the order of their sources.

    Args:
        root: A folder, or a single file, which is taken whatever its name is.
        include: Patterns in .gitignore syntax; if there are any, only matching files are taken.
        exclude: Patterns in .gitignore syntax of files and folders to leave out.
        max_file_bytes: Larger files are skipped.

    Raises:
        PathNotFound: The root is not there, or it is neither a folder nor a file.
    """
    try:
        real = root.resolve(strict=True)
        kind = real.stat().st_mode
    except (OSError, RuntimeError) as error:
        raise PathNotFound(f"{str(root)!r} is not there: check the path") from error
    if stat.S_ISDIR(kind):
        found = _Walk(os.fspath(real), include, exclude, max_file_bytes).run()
    elif stat.S_ISREG(kind):
        found = [_single(root, real, max_file_bytes)]
    else:
        raise PathNotFound(f"{str(root)!r} is neither a folder nor a regular file")
    yield from found


def _single(root: Path, real: Path, max_file_bytes: int) -> FoundFile | SkippedFile:
    raw_name = os.fsencode(root.name or real.name)
    status = real.stat()
    source = source_from_raw(raw_name)
    if status.st_size > max_file_bytes:
        return SkippedFile(source, _too_large(max_file_bytes))
    return FoundFile(
        source, os.fspath(real), raw_name, status.st_size, status.st_mtime_ns, status.st_ino
    )


def _too_large(max_file_bytes: int) -> str:
    return f"larger than {max_file_bytes // _MIB} MiB"


class _Walk:
    """The state of one walk: what was found, what is left out, which folders were seen."""

    def __init__(
        self, root: str, include: Sequence[str], exclude: Sequence[str], max_file_bytes: int
    ) -> None:
        self.root = root
        self.include = parse_rules(include, origin="--include", base=0) if include else None
        self.exclude = parse_rules(exclude, origin="--exclude", base=0) if exclude else None
        self.max_file_bytes = max_file_bytes
        self.found: list[FoundFile] = []
        self.skipped: list[SkippedFile] = []
        self.left_out: Counter[tuple[str, str]] = Counter()
        # Real path to the source under which the walk took it.
        self.taken: dict[str, str] = {}
        self.links: list[tuple[str, str, tuple[Rules, ...]]] = []

    def run(self) -> list[FoundFile | SkippedFile]:
        """Walk the real folders, then the links that lead to what they did not reach."""
        self._folders(self.root, "", ())
        while self.links:
            batch, self.links = sorted(self.links, key=lambda link: link[1]), []
            for path, relative, rules in batch:
                self._link(path, relative, rules)
        for (origin, reason), count in self.left_out.items():
            plural = "" if count == 1 else "s"
            hidden = reason == _HIDDEN
            self._skip(origin, reason.format(count=count, plural=plural), leaves_open=hidden)
        everything: list[FoundFile | SkippedFile] = [*self._without_collisions(), *self.skipped]
        return sorted(everything, key=lambda item: item.source)

    def _without_collisions(self) -> Iterator[FoundFile]:
        """Where two names become one source, the one that is spelt so stays."""
        taken: set[str] = set()
        spelt: list[FoundFile] = []
        others: list[FoundFile] = []
        for item in self.found:
            (spelt if item.source.encode() == item.raw_name else others).append(item)
        for item in [*spelt, *sorted(others, key=lambda item: item.raw_name)]:
            if item.source in taken:
                reason = f"another file has this name already: rename {item.raw_name!r}"
                self.skipped.append(SkippedFile(item.source, reason))
                continue
            taken.add(item.source)
            yield item

    def _folders(self, top: str, prefix: str, rules: tuple[Rules, ...]) -> None:
        """Walk a folder and those below it, without recursion: trees may be deep."""
        waiting = [(top, prefix, rules)]
        while waiting:
            folder, below, inherited = waiting.pop()
            if folder in self.taken:
                self._skip(below, f"a link to {self._name_of(folder)}")
                continue
            self.taken[folder] = below or "."
            try:
                with os.scandir(folder) as listing:
                    entries = list(listing)
            except OSError as error:
                listing_error = f"cannot be listed: {error.strerror}"
                self._skip(below or ".", listing_error, leaves_open=True)
                continue
            reason = _not_documents({entry.name for entry in entries}) if below else None
            if reason is not None:
                self._skip(below, reason)
                continue
            active = (*inherited, *self._own_rules(entries, below))
            for entry in entries:
                if self._wanted(entry, below, active):
                    waiting.append((entry.path, f"{below}{entry.name}/", active))

    def _wanted(self, entry: os.DirEntry[str], below: str, rules: tuple[Rules, ...]) -> bool:
        """Deal with one entry; True if it is a folder to walk."""
        name = entry.name
        if name.startswith("."):
            if name not in IGNORE_FILES:
                self.left_out[".", _HIDDEN] += 1
            return False
        is_link = entry.is_symlink()
        is_folder = not is_link and entry.is_dir(follow_symlinks=False)
        relative = f"{below}{name}/" if is_folder else below + name
        if (rules or self.exclude) and self._ignored(relative, rules):
            return False
        if is_link:
            self.links.append((entry.path, relative, rules))
        elif is_folder and name in _PACKAGE_FOLDERS:
            self._skip(relative, "holds packages or caches, not documents")
        elif not is_folder:
            try:
                self._file(entry.path, relative, entry.stat(follow_symlinks=False))
            except OSError as error:
                reason = f"cannot be looked at: {error.strerror}"
                self._skip(relative, reason, leaves_open=True)
        return is_folder and name not in _PACKAGE_FOLDERS

    def _ignored(self, path: str, rules: tuple[Rules, ...]) -> bool:
        if self.exclude is not None and self.exclude.decide(path):
            self.left_out[".", "{count} file{plural} or folder{plural} left out by --exclude"] += 1
            return True
        for level in reversed(rules):
            decision = level.decide(path)
            if decision is not None:
                if decision:
                    reason = "its rules leave out {count} file{plural} or folder{plural}"
                    self.left_out[level.origin, reason] += 1
                return decision
        return False

    def _file(self, path: str, relative: str, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            self._skip(relative, "not a regular file")
            return
        if self.include is not None and not self.include.decide(relative):
            self.left_out[".", "{count} file{plural} not matched by --include"] += 1
            return
        if path in self.taken:
            self._skip(relative, f"a link to {self._name_of(path)}")
            return
        self.taken[path] = relative
        if status.st_size > self.max_file_bytes:
            self._skip(relative, _too_large(self.max_file_bytes))
            return
        raw_name = os.fsencode(relative)
        source = relative if relative.isascii() else source_from_raw(raw_name)
        self.found.append(
            FoundFile(source, path, raw_name, status.st_size, status.st_mtime_ns, status.st_ino)
        )

    def _link(self, path: str, relative: str, rules: tuple[Rules, ...]) -> None:
        try:
            real = os.path.realpath(path, strict=True)
            status = Path(real).stat()
        except (OSError, RuntimeError):
            self._skip(relative, "a link that leads nowhere")
            return
        inside = real.removeprefix(self.root.rstrip("/")).split("/")
        if real != self.root and (inside[0] or not real.startswith(self.root)):
            self._skip(relative, "a link that leads out of the folder")
        elif real in self.taken:
            self._skip(relative, f"a link to {self._name_of(real)}")
        elif not _VERSION_CONTROL.isdisjoint(inside):
            self._skip(relative, "a link to version control data")
        elif stat.S_ISDIR(status.st_mode):
            self._folders(real, relative + "/", rules)
        else:
            self._file(real, relative, status)

    def _own_rules(self, entries: list[os.DirEntry[str]], below: str) -> list[Rules]:
        rules: list[Rules] = []
        # A link or a FIFO of that name is no ignore file; opening the latter would block.
        here = {
            entry.name: entry.path
            for entry in entries
            if entry.name in IGNORE_FILES and entry.is_file(follow_symlinks=False)
        }
        for name in IGNORE_FILES:
            if name not in here:
                continue
            try:
                found = load_rules(here[name], origin=below + name, base=len(below))
            except OSError as error:
                self._skip(
                    below + name, f"cannot be read, so its rules do not count: {error.strerror}"
                )
                continue
            if found is not None:
                rules.append(found)
        return rules

    def _name_of(self, path: str) -> str:
        return source_from_raw(os.fsencode(self.taken[path]))

    def _skip(self, relative: str, reason: str, *, leaves_open: bool = False) -> None:
        source = source_from_raw(os.fsencode(relative))
        self.skipped.append(SkippedFile(source, reason, leaves_open))


def _not_documents(names: set[str]) -> str | None:
    for marker, reason in _MARKER_FILES.items():
        if marker in names:
            return reason
    is_collection = "collection.db" in names and any(map(_COLLECTION_MATRIX.fullmatch, names))
    return "a ragkit collection" if is_collection else None
