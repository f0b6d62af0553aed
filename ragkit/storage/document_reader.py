"""What one generation of a collection says of its documents, their files and their roots."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

from ragkit.errors import AmbiguousSource, CollectionDamaged, SourceNotFound
from ragkit.records import Document
from ragkit.storage.generation import MATRICES, PICTURES, Generation
from ragkit.storage.rows import (
    document_columns,
    document_from_row,
    links_from_value,
    path_from_value,
)
from ragkit.storage.states import DocumentState, FileFacts, Problem, Root, StoredDocument
from ragkit.storage.sums import SUMS_SCHEMA, holds

__all__ = ["DocumentReader"]


class DocumentReader(Generation):
    """The part of ``Snapshot`` that asks for whole documents."""

    def document_states(self) -> Iterator[DocumentState]:
        """Every living document, as far as a sync needs it."""
        # What an earlier schema kept is not all that a document is cut by: it is read again.
        chunker = "chunker_version" if self._is_of(MATRICES) else "0"
        links = "links" if self._is_of(PICTURES) else "NULL"
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
        links = "links" if self._is_of(PICTURES) else "NULL"
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
        if not self._is_of(PICTURES):
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
        of_model = "of_model" if self._is_of(MATRICES) else "0"
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
