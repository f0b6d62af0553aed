"""Documents of the coming generation, staged: invisible until it is committed."""

from __future__ import annotations

import sqlite3
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence

from ragkit.records import Document, Passage
from ragkit.screening.findings import Finding
from ragkit.storage.connecting import atomic
from ragkit.storage.rows import (
    document_values,
    image_value,
    links_value,
    masks_value,
    passage_values,
    place_values,
)
from ragkit.storage.states import FileFacts, Root
from ragkit.storage.sums import UNSEALED, seal_rows

__all__ = ["DocumentWriter"]

_COPIED = """digest, ?, ?, media_type, reader_version, chunker_version, language, title, metadata,
    pages, sections, text, blocks, links, checksum"""
_DOCUMENT_COLUMNS = """root_id, source, raw_name, digest, size, mtime_ns, media_type,
    reader_version, chunker_version, language, title, metadata, pages, sections, text, blocks,
    links, checksum, born"""
_PASSAGE_COLUMNS = """document_id, ordinal, start, "end", text, headings, page, line, tokens, key,
    slot, image, table_header, boxes, encoded, masks, checksum"""

_PASSAGE_MARKS = ", ".join("?" * 19)


class DocumentWriter:
    """The part of ``Writer`` that stages documents.

    Attributes:
        generation: The one that readers see; what is staged is born in the next.
    """

    _connection: sqlite3.Connection
    generation: int

    def add_document(
        self,
        root: Root,
        document: Document,
        facts: FileFacts,
        passages: Sequence[tuple[Passage, bytes, int | None, Sequence[Finding]]],
        *,
        replaces: int | None,
        is_recut: bool = False,
    ) -> None:
        """Stage a document that is new or changed.

        Args:
            root: The root it belongs to.
            document: As its reader made it.
            facts: Of its file.
            passages: (passage, key, slot, masks) in order; slot None where the model refused the
                text, masks what of it was masked before it was sent.
            replaces: The living document that it takes the place of. Passages whose embedded text
                is the same keep their ids.
            is_recut: Whether that has the same text, and passages of the same span and headings
                keep their ids, whatever their keys are.
        """
        with atomic(self._connection):
            kept = self._ids_by_span(replaces) if is_recut else self._ids_by_key(replaces)
            if replaces is not None:
                self._bury(replaces)
            document_id = self._insert_document(root, document, facts)
            rows = []
            for ordinal, (passage, key, slot, masks) in enumerate(passages):
                columns = passage_values(passage, ordinal, key)
                more = (image_value(passage), *place_values(passage), masks_value(masks))
                values = (document_id, *columns, slot, *more)
                same = kept.get(_span_of(columns) if is_recut else key)
                id_ = same.popleft() if same else None
                rows.append((*values, UNSEALED, id_, self.generation + 1))
            self._connection.executemany(
                f"INSERT INTO passages ({_PASSAGE_COLUMNS}, id, born)"  # noqa: S608
                f" VALUES ({_PASSAGE_MARKS})",
                rows,
            )
            self._seal_document(document_id)

    def move_document(self, document_id: int, root: Root, source: str, facts: FileFacts) -> None:
        """Stage the same content under another name: texts, ids and vectors stay."""
        born = self.generation + 1
        with atomic(self._connection):
            self._bury(document_id)
            new = self._connection.execute(
                f"""INSERT INTO documents ({_DOCUMENT_COLUMNS})
                SELECT ?, ?, ?, {_COPIED}, ? FROM documents WHERE id = ? RETURNING id""",  # noqa: S608
                (root.id, source, facts.raw_name, facts.size, facts.mtime_ns, born, document_id),
            ).fetchone()[0]
            rows = self._connection.execute(
                f"SELECT {_PASSAGE_COLUMNS}, id FROM passages WHERE document_id = ?",  # noqa: S608
                (document_id,),
            ).fetchall()
            moved = [((new, *row[1:-2]), row[-1]) for row in rows]
            self._connection.executemany(
                f"INSERT INTO passages ({_PASSAGE_COLUMNS}, id, born)"  # noqa: S608
                f" VALUES ({_PASSAGE_MARKS})",
                [(*values, UNSEALED, id_, born) for values, id_ in moved],
            )
            self._seal_document(new)

    def remove_document(self, document_id: int) -> None:
        """Stage the end of a document."""
        with atomic(self._connection):
            self._bury(document_id)

    def touch(self, document_id: int, *, size: int, mtime_ns: int) -> None:
        """Remember that a file's time changed and its content did not."""
        with atomic(self._connection):
            self._connection.execute(
                "UPDATE documents SET size = ?, mtime_ns = ? WHERE id = ?",
                (size, mtime_ns, document_id),
            )
            seal_rows(self._connection, "documents", "id = ?", (document_id,))

    def _insert_document(self, root: Root, document: Document, facts: FileFacts) -> int:
        contents = document_values(document)
        values = (
            root.id,
            document.source,
            facts.raw_name,
            facts.digest,
            facts.size,
            facts.mtime_ns,
            document.media_type,
            facts.reader_version,
            facts.chunker_version,
            facts.language,
            *contents,
        )
        row = self._connection.execute(
            f"INSERT INTO documents ({_DOCUMENT_COLUMNS})"  # noqa: S608
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
            (
                *values,
                links_value(facts.links),
                UNSEALED,
                self.generation + 1,
            ),
        ).fetchone()
        id_: int = row[0]
        return id_

    def _seal_document(self, document_id: int) -> None:
        seal_rows(self._connection, "documents", "id = ?", (document_id,))
        seal_rows(self._connection, "passages", "document_id = ?", (document_id,))

    def _ids_by_key(self, document_id: int | None) -> Mapping[object, deque[int]]:
        kept: defaultdict[object, deque[int]] = defaultdict(deque)
        query = "SELECT key, id FROM passages WHERE document_id = ? ORDER BY ordinal"
        for key, id_ in self._connection.execute(query, (document_id,)):
            kept[key].append(id_)
        return kept

    def _ids_by_span(self, document_id: int | None) -> Mapping[object, deque[int]]:
        query = """SELECT start, "end", headings, id FROM passages WHERE document_id = ?"""
        rows = self._connection.execute(query, (document_id,))
        return {tuple(row[:3]): deque([row[3]]) for row in rows}

    def _bury(self, document_id: int) -> None:
        died = self.generation + 1
        for table, column in (("documents", "id"), ("passages", "document_id")):
            self._connection.execute(
                f"UPDATE {table} SET died = ? WHERE {column} = ? AND died IS NULL",  # noqa: S608
                (died, document_id),
            )


def _span_of(columns: Sequence[object]) -> tuple[object, ...]:
    """Start, end and headings, out of ``passage_values``."""
    return (columns[1], columns[2], columns[4])
