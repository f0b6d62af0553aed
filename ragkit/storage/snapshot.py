"""One generation of a collection, as a reader sees it."""

from __future__ import annotations

import contextlib
import fnmatch
import json
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import TypeVar

import numpy as np

from ragkit.errors import AmbiguousSource, CollectionDamaged, InvalidArgument, SourceNotFound
from ragkit.records import Document
from ragkit.reports import DocumentSpending, ModelSpending
from ragkit.storage.database import Origin
from ragkit.storage.expenses import expenses_by_model
from ragkit.storage.ledger import Rate, rate_of, spending_by_document, spending_by_model
from ragkit.storage.matrix import FIRST_MATRIX
from ragkit.storage.neighbours import NeighbourMap, read_neighbours
from ragkit.storage.rows import (
    DocumentState,
    FileFacts,
    Problem,
    Root,
    StoredDocument,
    document_columns,
    document_from_row,
    image_from_value,
    links_from_value,
    metadata_of,
    parsed,
    passage_columns,
    passage_from_row,
    path_from_value,
    unpack_text,
)
from ragkit.storage.schema import schema_version
from ragkit.storage.seam import IdArray, StoredPassage
from ragkit.storage.staging import STAGED_SETTING, Staged
from ragkit.storage.sums import SUMS_SCHEMA, holds
from ragkit.storage.thumbnails import Thumbnails

__all__ = ["PictureState", "Snapshot"]

_T = TypeVar("_T")

_JOINED = """passages JOIN documents ON documents.id = passages.document_id
    JOIN roots ON roots.id = documents.root_id"""
_VARIABLES = 500
_MATRICES = 3
_PICTURES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureState:
    """What it takes to make the thumbnail of a picture again.

    Attributes:
        digest: Of the picture as it was sent.
        path: ``Image.path``.
        root: Of the document that shows it.
        source: The same.
        raw_name: The name's bytes below the root.
        file_digest: sha256 of the file.
    """

    digest: str
    path: str
    root: str
    source: str
    raw_name: bytes
    file_digest: bytes


class Snapshot:
    """What the collection holds at one generation; valid inside its read transaction.

    Fulfils ``PassageStore``, and answers what a sync and a status ask.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        *,
        coming: bool = False,
        origin: Origin = (),
        thumbnails: Thumbnails | None = None,
    ) -> None:
        self._connection = connection
        self._schema = schema_version(connection)
        self._thumbnails = thumbnails
        self._passage_columns = passage_columns(self._schema)
        self.origin = origin
        self._settings = self._read_settings()
        self.generation: int = self.setting("generation", 0)
        self._stands: Staged | None = None
        if coming:
            self.generation += 1
            self._stands = self.staged
        if self._stands is not None:
            self._settings.update(self._stands.settings)

    def setting(self, key: str, default: _T) -> _T:
        """A setting of the collection, or the default.

        Raises:
            CollectionDamaged: It is of another type than the default, unless that is None.
        """
        value = self._settings.get(key, default)
        if default is not None and not isinstance(value, type(default)):
            raise CollectionDamaged(
                f"the collection's setting {key!r} is no {type(default).__name__}: it is damaged or"
                " was tampered with; restore it from a copy"
            )
        return value  # type: ignore[return-value]

    @property
    def connection(self) -> sqlite3.Connection:
        """What it is read through; for the rest of this room."""
        return self._connection

    @property
    def staged(self) -> Staged | None:
        """What a migration holds ready beside this generation."""
        value: dict[str, object] = self.setting(STAGED_SETTING, {})
        return Staged.from_json(value) if value else None

    @property
    def matrix(self) -> int:
        """Number of the matrix that its vectors lie in."""
        return self.setting("matrix", FIRST_MATRIX)

    @property
    def width(self) -> int:
        """Dimensions of its vectors; 0 before the first one."""
        if not self._is_of(_MATRICES):
            return self.setting("width", 0)
        query = "SELECT width FROM matrices WHERE number = ?"
        row = self._connection.execute(query, (self.matrix,)).fetchone()
        return 0 if row is None else row[0] or 0

    @property
    def fingerprint(self) -> str | None:
        """The fingerprint that its vectors have, as JSON; None until it has decided for one.

        A collection decides with its first vectors or its first generation.
        """
        decided = self.generation > 0 or self.matrix_rows() > 0
        return (self.setting("fingerprint", "") or None) if decided else None

    # --- passages

    def passages(self, ids: Sequence[int]) -> dict[int, StoredPassage]:
        """Those of the passages that are alive, by id."""
        found: dict[int, StoredPassage] = {}
        for start in range(0, len(ids), _VARIABLES):
            some = [int(id_) for id_ in ids[start : start + _VARIABLES]]
            marks = ",".join("?" * len(some))
            query = f"""SELECT {self._passage_columns} FROM {_JOINED}
                WHERE passages.id IN ({marks}) AND {self._alive("passages")}"""  # noqa: S608
            for row in self._connection.execute(query, some):
                found[row[0]] = passage_from_row(row, self._thumbnails)
        return found

    def siblings(self, document_id: int, first: int, last: int) -> list[StoredPassage]:
        """Passages of a document with ordinals from first to last inclusive, in order."""
        query = f"""SELECT {self._passage_columns} FROM {_JOINED}
            WHERE passages.document_id = ? AND passages.ordinal BETWEEN ? AND ?
            AND {self._alive("passages")} ORDER BY passages.ordinal"""  # noqa: S608
        rows = self._connection.execute(query, (document_id, first, last))
        return [passage_from_row(row, self._thumbnails) for row in rows]

    def neighbours(self, ids: IdArray) -> tuple[IdArray, IdArray]:
        """The living passages before and after each of some; -1 for none."""
        return read_neighbours(self._connection, ids, self._alive, schema=self._schema)

    def neighbour_map(self) -> NeighbourMap:
        """What ``neighbours`` says of all living passages, to be asked often."""
        return NeighbourMap.read(self._connection, self._alive, schema=self._schema)

    def span(self, document_id: int, start: int, end: int) -> str:
        """``document.text[start:end]``."""
        sound = holds("documents.text_checksum") if self._is_of(SUMS_SCHEMA) else "1"
        query = f"SELECT text, {sound} FROM documents WHERE id = ?"  # noqa: S608
        text, is_sound = self._connection.execute(query, (document_id,)).fetchone()
        if not is_sound:
            raise CollectionDamaged(
                f"the text of document {document_id} is not what was written: `ragkit verify` says"
                " where, and what to do"
            )
        return unpack_text(text)[start:end]

    def pictures(self) -> list[PictureState]:
        """Every living passage that is a picture."""
        if not self._is_of(_PICTURES):
            return []
        query = f"""SELECT passages.image, roots.name, documents.source, raw_name, digest
            FROM {_JOINED} WHERE passages.image IS NOT NULL AND {self._alive("passages")}
            ORDER BY passages.row"""  # noqa: S608
        found = []
        for value, root, source, raw_name, file_digest in self._connection.execute(query):
            image = image_from_value(value, source, None)
            found.append(
                PictureState(
                    digest=image.digest,
                    path=image.path,
                    root=root,
                    source=source,
                    raw_name=raw_name,
                    file_digest=file_digest,
                )
            )
        return found

    def ids_and_slots(self) -> tuple[IdArray, IdArray]:
        """Sorted ids of the living passages that have a vector, and its row in the matrix."""
        query = f"""SELECT id, slot FROM passages
            WHERE slot IS NOT NULL AND {self._alive("passages")} ORDER BY id"""  # noqa: S608
        numbers = chain.from_iterable(self._connection.execute(query))
        pairs = np.fromiter(numbers, np.int64).reshape(-1, 2)
        return np.ascontiguousarray(pairs[:, 0]), np.ascontiguousarray(pairs[:, 1])

    def some_slots(self, most: int) -> IdArray:
        """Rows of the matrix of so many of them, each once, in the order of their keys.

        That is an order of chance, which depends on the texts alone.
        """
        # From the vectors, which lie in that order: sorting the passages would read all of them.
        query = f"""SELECT slot FROM vectors WHERE {self._in_matrix("slot IS NOT NULL")}
            ORDER BY key"""  # noqa: S608
        living = np.unique(self.ids_and_slots()[1])
        slots = (row[0] for row in self._connection.execute(query))
        alive = (slot for slot in slots if slot in living[living.searchsorted(slot) :][:1])
        return np.fromiter(islice(alive, most), np.int64)

    def vector_sums(self, ids: Sequence[int]) -> Iterator[tuple[int, int, int, int]]:
        """(id, its slot, slot of its key, checksum of that row) of passages that have a vector."""
        for start in range(0, len(ids), _VARIABLES):
            some = ids[start : start + _VARIABLES]
            query = f"""SELECT passages.id, passages.slot, coalesce(vectors.slot, -1),
                coalesce(vectors.checksum, -1)
                FROM passages LEFT JOIN vectors ON vectors.key = passages.key
                WHERE passages.id IN ({",".join("?" * len(some))})
                AND passages.slot IS NOT NULL AND {self._alive("passages")}"""  # noqa: S608
            yield from self._connection.execute(query, some)

    def all_passages(
        self, root: str | None = None, source: str | None = None
    ) -> Iterator[StoredPassage]:
        """The living passages in the order (root, source, start); of one source if given."""
        conditions, values = [self._alive("passages")], []
        for column, value in (("roots.name", root), ("documents.source", source)):
            if value is not None:
                conditions.append(f"{column} = ?")
                values.append(value)
        query = f"""SELECT {self._passage_columns} FROM {_JOINED} WHERE {" AND ".join(conditions)}
            ORDER BY roots.name, documents.source, passages.ordinal"""  # noqa: S608
        rows = self._connection.execute(query, values)
        return (passage_from_row(row, self._thumbnails) for row in rows)

    def matching(self, where: Mapping[str, str]) -> IdArray | None:
        """Sorted ids of the living passages whose document fits every condition; None for all."""
        if not where:
            return None
        tests = [_condition(key, glob) for key, glob in where.items()]
        query = f"""SELECT documents.id, roots.name, source, title, media_type, metadata
            FROM documents JOIN roots ON roots.id = root_id
            WHERE {self._alive("documents")}"""  # noqa: S608
        chosen = [
            row[0]
            for row in self._connection.execute(query)
            if all(test(row[1:]) for test in tests)
        ]
        return self._ids_of_documents(chosen)

    def _ids_of_documents(self, documents: Sequence[int]) -> IdArray:
        found: list[int] = []
        for start in range(0, len(documents), _VARIABLES):
            some = documents[start : start + _VARIABLES]
            marks = ",".join("?" * len(some))
            query = f"""SELECT id FROM passages
                WHERE document_id IN ({marks}) AND {self._alive("passages")}"""  # noqa: S608
            found.extend(row[0] for row in self._connection.execute(query, some))
        return np.array(sorted(found), np.int64)

    # --- documents

    def document_states(self) -> Iterator[DocumentState]:
        """Every living document, as far as a sync needs it."""
        # What an earlier schema kept is not all that a document is cut by: it is read again.
        chunker = "chunker_version" if self._is_of(_MATRICES) else "0"
        links = "links" if self._is_of(_PICTURES) else "NULL"
        query = f"""SELECT documents.id, roots.name, source, digest, size, mtime_ns, media_type,
            reader_version, {chunker}, {links} FROM documents JOIN roots ON roots.id = root_id
            WHERE {self._alive("documents")}"""  # noqa: S608
        for row in self._connection.execute(query):
            yield DocumentState(
                id=row[0],
                root=row[1],
                source=row[2],
                digest=row[3],
                size=row[4],
                mtime_ns=row[5],
                media_type=row[6],
                reader_version=row[7],
                chunker_version=row[8],
                links=links_from_value(row[9]),
            )

    def locate(self, name: str) -> tuple[str, str]:
        """Root and source of the document that ``SOURCE`` or ``ROOT:SOURCE`` names.

        Raises:
            SourceNotFound: No living document is called that.
            AmbiguousSource: Documents of several roots are.
        """
        query = f"""SELECT roots.name, source FROM documents JOIN roots ON roots.id = root_id
            WHERE (source = ?1 OR roots.name || ':' || source = ?1) AND {self._alive("documents")}
            ORDER BY roots.name"""  # noqa: S608
        found: list[tuple[str, str]] = []
        # A name with half of a surrogate pair is no text, and no document is called so.
        with contextlib.suppress(UnicodeEncodeError):
            found = self._connection.execute(query, (name,)).fetchall()
        if not found:
            raise SourceNotFound(
                f"the collection has no document {name!r}: check the name, and that it was indexed"
            )
        if len(found) > 1:
            raise AmbiguousSource(name, [f"{root}:{source}" for root, source in found])
        return found[0]

    def documents(self) -> Iterator[Document]:
        """Every living document in the order (root, source)."""
        query = f"""SELECT {document_columns(self._schema)}
            FROM documents JOIN roots ON roots.id = root_id
            WHERE {self._alive("documents")} ORDER BY roots.name, source"""  # noqa: S608
        return map(document_from_row, self._connection.execute(query))

    def document_ids(self) -> list[tuple[int, int]]:
        """(id, size of its file in bytes) of every living document, in the order (root, source)."""
        query = f"""SELECT documents.id, size FROM documents JOIN roots ON roots.id = root_id
            WHERE {self._alive("documents")} ORDER BY roots.name, source"""  # noqa: S608
        return self._connection.execute(query).fetchall()

    def stored_document(self, document_id: int) -> StoredDocument:
        """A document with all that is kept of it."""
        links = "links" if self._is_of(_PICTURES) else "NULL"
        query = f"""SELECT {document_columns(self._schema)}, raw_name, digest, size, mtime_ns,
            reader_version, chunker_version, language, {links}
            FROM documents JOIN roots ON roots.id = root_id WHERE documents.id = ?"""  # noqa: S608
        row = self._connection.execute(query, (document_id,)).fetchone()
        columns, file = row[:10], row[10:]
        facts = FileFacts(
            raw_name=file[0],
            digest=file[1],
            size=file[2],
            mtime_ns=file[3],
            reader_version=file[4],
            chunker_version=file[5],
            language=file[6],
            links=links_from_value(file[7]),
        )
        shows_pictures = self._shows_pictures(document_id)
        return StoredDocument(
            id=document_id,
            facts=facts,
            document=document_from_row(columns),
            whole=columns[-2] is not None and not shows_pictures,
            shows_pictures=shows_pictures,
        )

    def _shows_pictures(self, document_id: int) -> bool:
        """Whether some of its passages are pictures, which are not kept themselves."""
        if not self._is_of(_PICTURES):
            return False
        query = "SELECT 1 FROM passages WHERE document_id = ? AND image IS NOT NULL LIMIT 1"
        return self._connection.execute(query, (document_id,)).fetchone() is not None

    def document(self, root: str, source: str) -> Document | None:
        """A living document; None when there is none of that name."""
        query = f"""SELECT {document_columns(self._schema)}
            FROM documents JOIN roots ON roots.id = root_id
            WHERE source = ? AND roots.name = ? AND {self._alive("documents")}"""  # noqa: S608
        row = self._connection.execute(query, (source, root)).fetchone()
        return None if row is None else document_from_row(row)

    def roots(self) -> list[Root]:
        """The roots by name; those of a sync that has not committed are none."""
        coming = set(self.setting("coming_roots", list[str]()))
        sound = holds("roots") if self._is_of(SUMS_SCHEMA) else "1"
        query = f"SELECT id, name, path, is_file, {sound} FROM roots ORDER BY name"  # noqa: S608
        rows = self._connection.execute(query).fetchall()
        if not all(row[4] for row in rows):
            raise CollectionDamaged(
                "a root of the collection is not what was written: `ragkit verify` says where, and"
                " what to do"
            )
        return [
            Root(id=row[0], name=row[1], path=path_from_value(row[2]), is_file=bool(row[3]))
            for row in rows
            if row[1] not in coming
        ]

    def problems(self, kinds: Iterable[str] = ("failed", "skipped", "warning")) -> list[Problem]:
        """What is not in the collection, or not whole, in the order (root, source)."""
        of_model = "of_model" if self._is_of(_MATRICES) else "0"
        query = f"""SELECT roots.name, source, kind, reason, size, mtime_ns, reading_version,
            {of_model} FROM problems JOIN roots ON roots.id = root_id
            ORDER BY roots.name, source, kind"""  # noqa: S608
        wanted = set(kinds)
        found = [
            Problem(
                root=row[0],
                source=row[1],
                kind=row[2],
                reason=row[3],
                size=row[4],
                mtime_ns=row[5],
                reading_version=row[6],
                of_model=bool(row[7]),
            )
            for row in self._connection.execute(query)
        ]
        if self._stands is not None:
            found = [problem for problem in found if not problem.of_model]
            found += self._stands.problems
            found.sort(key=lambda problem: (problem.root, problem.source, problem.kind))
        return [problem for problem in found if problem.kind in wanted]

    # --- counts

    def count(self, table: str) -> int:
        """Living rows of ``documents`` or ``passages``; all ``vectors`` of its matrix."""
        condition = (
            self._in_matrix("slot IS NOT NULL") if table == "vectors" else self._alive(table)
        )
        query = f"SELECT count(*) FROM {table} WHERE {condition}"  # noqa: S608
        number: int = self._connection.execute(query).fetchone()[0]
        return number

    def all_vectors(self) -> int:
        """Vectors of every matrix, those of earlier models and of a migration included."""
        query = "SELECT count(*) FROM vectors WHERE slot IS NOT NULL"
        number: int = self._connection.execute(query).fetchone()[0]
        return number

    def matrix_rows(self) -> int:
        """Rows of its matrix that are committed."""
        query = f"SELECT coalesce(max(slot) + 1, 0) FROM vectors WHERE {self._in_matrix('1')}"  # noqa: S608
        rows: int = self._connection.execute(query).fetchone()[0]
        return rows

    def unknown_keys(self, keys: Iterable[bytes]) -> set[bytes]:
        """Those of the keys whose vector the collection does not have."""
        wanted = set(keys)
        listed = list(wanted)
        for start in range(0, len(listed), _VARIABLES):
            some = listed[start : start + _VARIABLES]
            query = f"SELECT key FROM vectors WHERE key IN ({','.join('?' * len(some))})"  # noqa: S608
            wanted.difference_update(row[0] for row in self._connection.execute(query, some))
        return wanted

    def slots(self, keys: Iterable[bytes]) -> dict[bytes, int]:
        """Rows of its matrix that hold the vectors of these keys, of a few keys at most."""
        wanted = list(keys)
        marks = ",".join("?" * len(wanted))
        condition = self._in_matrix(f"slot IS NOT NULL AND key IN ({marks})")
        query = f"SELECT key, slot FROM vectors WHERE {condition}"  # noqa: S608
        return dict(self._connection.execute(query, wanted).fetchall())

    def new_ids(self, keys: Iterable[bytes]) -> dict[bytes, int]:
        """Ids of passages that this generation brought, for a few keys of embedded texts."""
        wanted = list(keys)
        marks = ",".join("?" * len(wanted))
        query = f"""SELECT key, min(id) FROM passages WHERE born = ? AND key IN ({marks})
            GROUP BY key"""  # noqa: S608
        return dict(self._connection.execute(query, (self.generation, *wanted)).fetchall())

    def spent(self) -> list[tuple[str, int, int, str]]:
        """(model, tokens, requests, cost_usd) of each run of the ledger."""
        query = "SELECT model, tokens, requests, cost_usd FROM ledger ORDER BY run"
        return self._connection.execute(query).fetchall()

    def rate(self, model: str) -> Rate:
        """What the earlier runs of a model say about its next one."""
        return rate_of(self._connection, model)

    def spent_by_model(self) -> list[ModelSpending]:
        """Totals of each model and use, by name."""
        found = [*spending_by_model(self._connection), *expenses_by_model(self._connection)]
        return sorted(found, key=lambda spending: spending.model)

    def spent_by_document(self) -> list[DocumentSpending]:
        """Each document's part of each run, in the order (run, root, source)."""
        return spending_by_document(self._connection)

    def _is_of(self, schema: int) -> bool:
        """Whether it has what that schema brought; a reader takes older collections as they are."""
        return self._schema >= schema

    def _read_settings(self) -> dict[str, object]:
        sound = holds("settings") if self._is_of(SUMS_SCHEMA) else "1"
        query = f"SELECT key, value, {sound} FROM settings"  # noqa: S608
        read: dict[str, object] = {}
        for key, value, is_sound in self._connection.execute(query):
            if not is_sound:
                raise CollectionDamaged(
                    f"the collection's setting {key!r} is not what was written: `ragkit verify`"
                    " says what to do"
                )
            read[str(key)] = parsed(value, object)
        return read

    def _in_matrix(self, condition: str) -> str:
        if not self._is_of(_MATRICES):
            return condition
        return f"{condition} AND matrix = {int(self.matrix)}"

    def _alive(self, table: str) -> str:
        # The generation is our own integer, so that it may stand in the statement.
        g = int(self.generation)
        return f"({table}.born <= {g} AND ({table}.died IS NULL OR {table}.died > {g}))"


_PLACES = {"root": 0, "source": 1, "title": 2, "media_type": 3}


def _condition(key: str, glob: str) -> Callable[[Sequence[object]], bool]:
    if not key or not glob:
        raise InvalidArgument(f"where needs a key and a glob, as source=guides/*, not {key}={glob}")
    flags = 0 if key == "source" else re.IGNORECASE
    matches = re.compile(fnmatch.translate(glob), flags).match

    def fits(row: Sequence[object]) -> bool:
        value = row[_PLACES[key]] if key in _PLACES else _inner(metadata_of(row[4]), key)
        values = value if isinstance(value, list) else [value]
        return any(item is not None and matches(_spelled(item)) is not None for item in values)

    return fits


def _inner(metadata: object, key: str) -> object:
    if isinstance(metadata, dict) and key in metadata:
        return metadata[key]
    for part in key.split("."):
        metadata = metadata.get(part) if isinstance(metadata, dict) else None
    return metadata


def _spelled(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
