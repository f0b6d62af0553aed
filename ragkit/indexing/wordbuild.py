"""Writing the word index: each generation in a directory of its own, never in place.

What was added is appended to hard links of the previous generation's files, which tantivy never
changes. BM25 counts the words of removed passages until their segment is rewritten, so removals
rewrite the whole index while it is small (law 6); the terms are stored for that, and nothing is
analysed again. 50,000 passages take 0.8 s.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tantivy
from tantivy import FieldType, Order, Query

from ragkit.errors import CollectionError, InvalidArgument, remedy
from ragkit.indexing.analysis import Analyzer, detect_language
from ragkit.indexing.manifest import (
    MANIFEST_NAME,
    DerivedUnusable,
    FileSum,
    Manifest,
    check,
    seal,
    sum_file,
    sync_directory,
    sync_file,
)
from ragkit.indexing.seam import IdArray
from ragkit.indexing.words import kind, open_searcher

__all__ = ["WordEntry", "build_words"]

# Up to this many passages, and beyond this share of them, removals rewrite the whole index.
_ALWAYS_REWRITTEN = 50_000
_REMOVED_SHARE = 0.05

_WRITER_BYTES = 64 * 2**20
_PAGE_IDS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class WordEntry:
    """A passage as the word index takes it.

    Attributes:
        id: The passage's id, 0 or more.
        text: What is searched: headings and text.
        path_words: The path inside its root, or words of it; they weigh less than the text's.
        language: ISO 639-1 code of the document's language, as ``detect_language`` tells it from
            the whole document; None to tell it from this text alone, which errs on short ones.
    """

    id: int
    text: str
    path_words: str = ""
    language: str | None = None


def build_words(
    directory: Path,
    *,
    previous: Path | None,
    removed_ids: Iterable[int],
    added: Iterable[WordEntry],
    key: bytes,
) -> None:
    """Write a generation: the previous one without some passages and with others.

    An id may be removed and added in one call: its passage is replaced. Readers of *previous* are
    not disturbed, and it may be deleted afterwards. *added* is read as it is written; memory stays
    flat. The manifest comes last: a directory without it is no index.

    Args:
        directory: Where to; files that an interrupted build left there are deleted.
        previous: The generation to start from; None for an empty one.
        removed_ids: Ids to leave out; those that are not there are passed over.
        added: Passages to put in.
        key: This installation's secret.

    Raises:
        DerivedUnusable: *previous* cannot be used: build all of it anew with ``previous=None``.
        InvalidArgument: An id is added twice, or is there and was not removed.
        CollectionError: The disk is full or refuses.
    """
    start = _Start.of(previous, np.unique(np.fromiter(removed_ids, np.int64)), key)
    try:
        _clear(directory)
        if previous is not None and not start.rewrites:
            _link(previous, directory, start.manifest)
        written = _write(directory, start, added)
        _finish(directory, start, written, key)
    except OSError as error:
        raise CollectionError(
            f"{directory} cannot be written: {error.strerror or error}; {remedy(error)}"
        ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Start:
    """What a build starts from.

    Attributes:
        searcher: Of the previous generation; None without one.
        manifest: The previous generation's; an empty one without it.
        removed_ids: Sorted ids to leave out.
        removed: Passages whose words will count though they are gone, if nothing is rewritten.
        rewrites: Whether all files are written anew.
    """

    searcher: tantivy.Searcher | None
    schema: tantivy.Schema
    manifest: Manifest
    removed_ids: IdArray
    removed: int
    rewrites: bool

    @classmethod
    def of(cls, previous: Path | None, removed_ids: IdArray, key: bytes) -> _Start:
        if previous is None:
            return cls(
                searcher=None,
                schema=_schema(),
                manifest=Manifest(kind=kind(), documents=0, removed=0, files={}),
                removed_ids=removed_ids,
                removed=0,
                rewrites=True,
            )
        manifest = check(previous, key, kind=kind())
        searcher, schema = open_searcher(previous)
        found = _count(searcher, schema, removed_ids)
        removed, left = manifest.removed + found, manifest.documents - found
        rewrites = removed > 0 and (
            left <= _ALWAYS_REWRITTEN or removed > _REMOVED_SHARE * (left + removed)
        )
        return cls(
            searcher=searcher,
            schema=schema,
            manifest=manifest,
            removed_ids=removed_ids,
            removed=removed,
            rewrites=rewrites,
        )


def _write(directory: Path, start: _Start, added: Iterable[WordEntry]) -> int:
    """Write all but the manifest; the number of passages in the new generation."""
    with _system_errors():
        with _in_unicode(directory) as path:
            index = tantivy.Index(_schema(), path=path)
        # One thread: the same passages make the same segments.
        writer = index.writer(heap_size=_WRITER_BYTES, num_threads=1)
    try:
        with _system_errors():
            _fill(writer, start, added)
            writer.commit()
    finally:
        # Also after a failure: it ends the threads and lets go of the lock.
        with contextlib.suppress(ValueError):
            writer.wait_merging_threads()
    with _system_errors():
        index.reload()
        documents: int = index.searcher().num_docs
    return documents


def _fill(writer: tantivy.IndexWriter, start: _Start, added: Iterable[WordEntry]) -> None:
    if start.rewrites:
        for document in _kept(start):
            writer.add_document(document)
    else:
        for id_ in start.removed_ids.tolist():
            writer.delete_documents_by_term("id", id_)
    ids = array("q")
    for document in _made(added, ids):
        writer.add_document(document)
    _refuse_twice(start, np.array(ids, np.int64))


@contextlib.contextmanager
def _system_errors() -> Iterator[None]:
    """Tell of the system what tantivy says in a ValueError, with the number deep in its text."""
    try:
        yield
    except ValueError as error:
        if isinstance(error, InvalidArgument):
            raise
        found = re.search(r"os error (\d+)\)|code: (\d+), kind:", str(error))
        if found is None:
            raise OSError(str(error)) from error
        number = int(found[1] or found[2])
        raise OSError(number, os.strerror(number)) from error


def _finish(directory: Path, start: _Start, documents: int, key: bytes) -> None:
    """Make everything durable, then write the manifest."""
    known = {} if start.rewrites else start.manifest.files
    files: dict[str, FileSum] = {}
    for path in sorted(directory.iterdir()):
        if path.suffix == ".lock":
            continue
        linked = known.get(path.name)
        # Segment files never change under their name; the rest is small.
        if linked is None or path.suffix == ".json":
            sync_file(path)
            linked = sum_file(path)
        files[path.name] = linked
    sync_directory(directory)
    removed = 0 if start.rewrites else start.removed
    manifest = Manifest(kind=kind(), documents=documents, removed=removed, files=files)
    seal(directory, manifest, key)
    sync_directory(directory.parent)


def _clear(directory: Path) -> None:
    """An empty directory; only plain files are deleted, so that a wrong path costs no folder."""
    directory.mkdir(parents=True, exist_ok=True)
    # The manifest first: what is left of an interrupted clearing must not look whole.
    (directory / MANIFEST_NAME).unlink(missing_ok=True)
    for path in directory.iterdir():
        if path.is_dir() and not path.is_symlink():
            raise InvalidArgument(f"{directory} holds folders: name one that is empty or new")
        path.unlink()


def _link(previous: Path, directory: Path, manifest: Manifest) -> None:
    for name in manifest.files:
        source, target = previous / name, directory / name
        # tantivy replaces its two JSON files whole; a copy costs nothing and needs no trust in it.
        if source.suffix != ".json":
            with contextlib.suppress(OSError):
                os.link(source, target)
                continue
        shutil.copyfile(source, target)


@contextlib.contextmanager
def _in_unicode(directory: Path) -> Iterator[str]:
    """The directory under a name that tantivy takes; it resolves links once, at opening."""
    try:
        str(directory).encode()
    except UnicodeEncodeError:
        with tempfile.TemporaryDirectory(prefix="ragkit-") as folder:
            link = Path(folder) / "index"
            link.symlink_to(directory.absolute(), target_is_directory=True)
            yield str(link)
    else:
        yield str(directory)


def _made(added: Iterable[WordEntry], ids: array[int]) -> Iterator[tantivy.Document]:
    analyzers: dict[str, Analyzer] = {}
    for entry in added:
        language = entry.language or detect_language(entry.text)
        if language not in analyzers:
            analyzers[language] = Analyzer(language)
        analyzer = analyzers[language]
        ids.append(entry.id)
        yield tantivy.Document(
            id=entry.id,
            text=" ".join(analyzer.terms(entry.text)),
            path=" ".join(analyzer.terms(entry.path_words)),
            language=language,
        )


def _kept(start: _Start) -> Iterator[tantivy.Document]:
    """The previous generation's passages that stay, by id, as they were analysed."""
    if start.searcher is None:
        return
    removed = frozenset(start.removed_ids.tolist())
    try:
        for id_, address in _by_id(start.searcher, start.schema):
            if id_ in removed:
                continue
            stored = start.searcher.doc(address)
            yield tantivy.Document(
                id=id_,
                text=stored.get_first("text") or "",
                path=stored.get_first("path") or "",
                language=stored.get_first("language") or "",
            )
    except (OSError, ValueError) as error:
        raise DerivedUnusable("the previous word index cannot be read: rebuild it") from error


def _by_id(
    searcher: tantivy.Searcher, schema: tantivy.Schema
) -> Iterator[tuple[int, tantivy.DocAddress]]:
    """Every passage in order of id, a page at a time."""
    first = 0
    while True:
        query = Query.range_query(schema, "id", FieldType.Integer, lower_bound=first)
        hits = searcher.search(
            query, limit=_PAGE_IDS, order_by_field="id", order=Order.Asc, count=False
        ).hits
        yield from hits
        if len(hits) < _PAGE_IDS:
            return
        first = hits[-1][0] + 1


def _count(searcher: tantivy.Searcher, schema: tantivy.Schema, ids: IdArray) -> int:
    """How many of the ids the index holds."""
    found = 0
    for start in range(0, len(ids), _PAGE_IDS):
        some = ids[start : start + _PAGE_IDS].tolist()
        query = Query.term_set_query(schema, "id", some)
        found += searcher.search(query, limit=1, count=True).count  # type: ignore[attr-defined]  # its stubs lack it
    return found


def _refuse_twice(start: _Start, added: IdArray) -> None:
    values, counts = np.unique(added, return_counts=True)
    if len(values) and values[0] < 0:
        raise InvalidArgument(f"passage {values[0]}: ids are 0 or more")
    if len(values) < len(added):
        raise InvalidArgument(f"passage {values[counts > 1][0]} is added twice: add it once")
    if start.searcher is not None:
        fresh = np.setdiff1d(values, start.removed_ids, assume_unique=True)
        if _count(start.searcher, start.schema, fresh):
            raise InvalidArgument("an added passage is in the word index already: remove it too")


def _schema() -> tantivy.Schema:
    """Terms come analysed and joined by blanks; positions are kept where phrases are looked for."""
    builder = tantivy.SchemaBuilder()
    builder.add_integer_field("id", indexed=True, fast=True)
    builder.add_text_field(
        "text", stored=True, tokenizer_name="whitespace", index_option="position"
    )
    builder.add_text_field("path", stored=True, tokenizer_name="whitespace", index_option="freq")
    builder.add_text_field("language", stored=True, tokenizer_name="raw", index_option="basic")
    return builder.build()
