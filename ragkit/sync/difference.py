"""What changed between a collection and its folders, file by file, before anything is read.

Content decides; size and time of change are only a cheap sign that nothing did.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Literal

from ragkit.errors import PathNotFound, RootVanished
from ragkit.reading.freshness import UNSETTLED, is_fresh
from ragkit.reading.registry import is_picture_name, reader_version, reading_version
from ragkit.reading.walk import FoundFile, SkippedFile
from ragkit.storage.states import DocumentState, Link, Problem
from ragkit.sync.roots import Scope

__all__ = ["Difference", "Move", "Rules", "ToRead", "compare", "linked"]

Walk = Callable[[Scope], Iterator[FoundFile | SkippedFile]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToRead:
    """A file that must be read.

    Attributes:
        kind: ``added``, or ``updated`` where ``state`` is the version it takes the place of.
    """

    kind: Literal["added", "updated"]
    root: str
    file: FoundFile
    state: DocumentState | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A document that is found under another name."""

    state: DocumentState
    root: str
    file: FoundFile


@dataclass(slots=True, kw_only=True)
class Difference:
    """The steps that make a collection mirror its folders.

    Attributes:
        reads: In the order (root, source).
        moves: In the order (root, source) of the new names.
        removed: Documents whose file is gone.
        touched: Documents whose file has a new time and the old content.
        unchanged: How many documents stay as they are.
        problems: Of files that are skipped, and those remembered of files that did not change.
        pictures: Whether pictures are documents too.
        known: By root the files that may be read: those found, and those of documents elsewhere.
    """

    reads: list[ToRead] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)
    removed: list[DocumentState] = field(default_factory=list)
    touched: list[tuple[DocumentState, FoundFile]] = field(default_factory=list)
    unchanged: int = 0
    problems: list[Problem] = field(default_factory=list)
    pictures: bool = False
    known: dict[str, set[str]] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether the documents are as the files are."""
        return not (self.reads or self.moves or self.removed or self.touched)

    def may_show(self, *, is_known: bool) -> bool:
        """Whether it matters to what there is to read that a model takes pictures.

        Args:
            is_known: Whether the catalogue knows the model, and as one that takes none: then it
                matters only where there are picture files.
        """
        names = (change.file.source for change in self.reads)
        if any(map(is_picture_name, names)):
            return True
        if any(is_picture_name(problem.source) for problem in self.problems):
            return True
        return bool(self.reads) and not is_known


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What counts as a change.

    Attributes:
        checksum: Compare contents even where size and time are the same.
        allow_empty: A root that is gone or empty loses its documents.
    """

    checksum: bool = False
    allow_empty: bool = False


def compare(
    scopes: Sequence[Scope],
    *,
    walk: Walk,
    states: Iterable[DocumentState],
    problems: Iterable[Problem],
    chunker_version: int,
    rules: Rules,
    pictures: bool = False,
) -> Difference:
    """Walk the folders and say what changed.

    Args:
        scopes: The parts of roots to look at; everything else stays as it is.
        walk: Lists the files of a part.
        states: The living documents.
        problems: What is remembered of files from earlier syncs.
        chunker_version: Documents cut by another one are read again.
        rules: What counts as a change.
        pictures: Whether the model takes pictures, so that they are documents too.

    Raises:
        RootVanished: A root that has documents is gone or empty, and that was not allowed.
        PathNotFound: A part of a root that does not exist and never did.
    """
    comparison = _Comparison(states, problems, chunker_version, rules, pictures=pictures)
    for scope in scopes:
        comparison.add(scope, walk)
    return comparison.finish()


class _Comparison:
    def __init__(
        self,
        states: Iterable[DocumentState],
        problems: Iterable[Problem],
        chunker_version: int,
        rules: Rules,
        *,
        pictures: bool,
    ) -> None:
        self._chunker_version = chunker_version
        self._rules = rules
        self._pictures = pictures
        self._reading_version = reading_version(pictures=pictures)
        self._states: defaultdict[str, dict[str, DocumentState]] = defaultdict(dict)
        for state in states:
            self._states[state.root][state.source] = state
        self._problems: defaultdict[tuple[str, str], list[Problem]] = defaultdict(list)
        for problem in problems:
            # What the walk skips it says each time.
            if problem.kind != "skipped" or problem.size is not None:
                self._problems[problem.root, problem.source].append(problem)
        self._added: list[tuple[str, FoundFile]] = []
        self._gone: list[DocumentState] = []
        self._read: set[tuple[str, str]] = set()
        self._difference = Difference(pictures=pictures)

    def add(self, scope: Scope, walk: Walk) -> None:
        states = self._states[scope.name]
        expected = {source for source in states if scope.covers(source)}
        found: dict[str, FoundFile] = {}
        skipped: list[SkippedFile] = []
        exists = os.path.exists(scope.path)  # noqa: PTH110 - it answers where a Path raises
        for item in walk(scope) if exists else ():
            if isinstance(item, SkippedFile):
                skipped.append(item)
                self._skip(scope.name, item)
            else:
                found[item.source] = item
        # Pages after the pictures that they show, of which it is then known whether they changed.
        shows = {source for source, state in states.items() if state.links}
        for source in sorted(found, key=shows.__contains__):
            self._look(scope, found[source], states.get(source), found)
        if not found and all(item.leaves_open for item in skipped):
            self._guard(scope, len(expected), exists=exists)
        self._difference.known.setdefault(scope.name, states.keys() - expected).update(found)
        gone = expected - found.keys()
        kept = {source for source in gone if _is_open(source, skipped)}
        self._difference.unchanged += len(kept)
        for source in kept:
            self._difference.problems.extend(self._problems.get((scope.name, source), ()))
        self._gone.extend(states[source] for source in sorted(gone - kept))

    def _guard(self, scope: Scope, expected: int, *, exists: bool) -> None:
        """Stop before an unmounted disk or a mistyped name empties the collection."""
        if scope.prefix and not expected:
            path = scope.path / scope.prefix
            if os.path.lexists(path):
                raise PathNotFound(
                    f"what is at {path} is hidden, or left out by its folder's rules"
                )
            raise PathNotFound(f"there is no file or folder at {path}")
        whole = not scope.prefix or not exists
        if whole and expected and not self._rules.allow_empty:
            raise RootVanished(
                f"{scope.path} is gone or empty, or cannot be read, and the collection holds"
                f" {expected:,} of its documents; nothing was removed: if they are to go, use"
                " --allow-empty"
            )

    def _skip(self, root: str, item: SkippedFile) -> None:
        self._difference.problems.append(
            Problem(root=root, source=item.source, kind="skipped", reason=item.reason)
        )

    def _look(
        self,
        scope: Scope,
        file: FoundFile,
        state: DocumentState | None,
        found: Mapping[str, FoundFile],
    ) -> None:
        root = scope.name
        remembered = self._problems.get((root, file.source), [])
        if state is None:
            current = [item for item in remembered if self._still_holds(item, file)]
            if current and not self._rules.checksum:
                self._difference.problems.extend(current)
            else:
                self._added.append((root, file))
            return
        changed, touched = self._changed(file, state)
        again = _is_unsettled(remembered) or self._shows_others(scope, state, found)
        if changed or again:
            self._difference.reads.append(ToRead(kind="updated", root=root, file=file, state=state))
            self._read.add((root, file.source))
            return
        self._difference.unchanged += 1
        self._difference.problems.extend(remembered)
        if touched:
            self._difference.touched.append((state, file))

    def _still_holds(self, problem: Problem, file: FoundFile) -> bool:
        return (
            problem.kind in {"failed", "skipped"}
            and (problem.size, problem.mtime_ns) == (file.size, file.mtime_ns)
            and problem.reading_version == self._reading_version
        )

    def _changed(self, file: FoundFile, state: DocumentState) -> tuple[bool, bool]:
        """Whether to read the file again, and whether only its time is another."""
        if not self._is_current(state):
            return True, False
        same_stat = (file.size, file.mtime_ns) == (state.size, state.mtime_ns)
        if same_stat and not self._rules.checksum:
            return False, False
        fresh = is_fresh(file.mtime_ns, time.time_ns())
        if file.size == state.size and _digest(file.path) == state.digest:
            # Another write may still follow in the same tick: its time is not to be trusted yet.
            return False, not same_stat and not fresh
        return True, False

    def _shows_others(
        self, scope: Scope, state: DocumentState, found: Mapping[str, FoundFile]
    ) -> bool:
        """Whether a picture file that a page shows has come, gone or changed."""
        if not self._pictures or not state.links:
            return False
        for source, size, mtime_ns in linked(state.source, state.links):
            if not scope.covers(source):
                continue
            file = found.get(source)
            now = (-1, 0) if file is None else (file.size, file.mtime_ns)
            if now != (size, mtime_ns) or (scope.name, source) in self._read:
                return True
        return False

    def _is_current(self, state: DocumentState) -> bool:
        return (
            state.chunker_version == self._chunker_version
            and state.reader_version == reader_version(state.media_type, pictures=self._pictures)
        )

    def finish(self) -> Difference:
        difference = self._difference
        moved = self._find_moves()
        gone = {move.state.id for move in moved.values()}
        for root, file in self._added:
            move = moved.get((root, file.source))
            if move is None:
                difference.reads.append(ToRead(kind="added", root=root, file=file))
                continue
            state = move.state
            remembered = self._problems.get((state.root, state.source), [])
            # From another place it may show other pictures.
            if state.links or _is_unsettled(remembered):
                difference.reads.append(ToRead(kind="updated", root=root, file=file, state=state))
            else:
                difference.moves.append(move)
                difference.problems.extend(
                    replace(item, root=root, source=file.source) for item in remembered
                )
        difference.removed = [state for state in self._gone if state.id not in gone]
        difference.reads.sort(key=lambda item: (item.root, item.file.source))
        difference.moves.sort(key=lambda item: (item.root, item.file.source))
        return difference

    def _find_moves(self) -> Mapping[tuple[str, str], Move]:
        """New files whose content is that of a vanished document, each used once."""
        by_size: defaultdict[int, list[DocumentState]] = defaultdict(list)
        for state in self._gone:
            if self._is_current(state):
                by_size[state.size].append(state)
        moved: dict[tuple[str, str], Move] = {}
        for root, file in sorted(self._added, key=lambda item: (item[0], item[1].source)):
            candidates = by_size.get(file.size)
            if is_fresh(file.mtime_ns, time.time_ns()):
                file = replace(file, mtime_ns=UNSETTLED)  # noqa: PLW2901
            digest = _digest(file.path) if candidates else None
            for state in candidates or ():
                # Another extension may mean another reader: then it is read like a new file.
                if state.digest == digest and _extension(state.source) == _extension(file.source):
                    moved[root, file.source] = Move(state=state, root=root, file=file)
                    candidates.remove(state)  # type: ignore[union-attr]
                    break
        return moved


def linked(source: str, links: Iterable[Link]) -> Iterator[Link]:
    """The picture files that a page shows, by their sources.

    Args:
        source: Of the page.
        links: As the page names them, from its folder.
    """
    folder = posixpath.dirname(source)
    for path, size, mtime_ns in links:
        yield posixpath.normpath(posixpath.join(folder, path)), size, mtime_ns


def _is_unsettled(problems: Iterable[Problem]) -> bool:
    """Whether another try may mend one of them, such as a passage that the server did not take."""
    return any(item.kind == "failed" and item.size is None for item in problems)


def _is_open(source: str, skipped: Iterable[SkippedFile]) -> bool:
    """Whether a document may still be there, in a folder that could not be looked into."""
    return any(
        item.leaves_open
        and (
            source == item.source or (item.source.endswith("/") and source.startswith(item.source))
        )
        for item in skipped
    )


def _extension(source: str) -> str:
    name = PurePosixPath(source)
    return name.suffix.lower() or name.name


def _digest(path: Path) -> bytes | None:
    """sha256 of the file's bytes; None when it cannot be read, which its reader will report."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError:
        return None
