"""One generation of a collection, as a reader sees it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np

from ragkit.errors import CollectionDamaged
from ragkit.reports import DocumentSpending, ModelSpending
from ragkit.storage.conditions import fitting
from ragkit.storage.document_reader import DocumentReader
from ragkit.storage.expenses import expenses_by_model
from ragkit.storage.generation import PICTURES
from ragkit.storage.ledger import Rate, rate_of, spending_by_document, spending_by_model
from ragkit.storage.neighbours import NeighbourMap, read_neighbours
from ragkit.storage.rows import (
    image_from_value,
    passage_from_row,
    unpack_text,
)
from ragkit.storage.seam import IdArray, StoredPassage
from ragkit.storage.sums import SUMS_SCHEMA, holds

__all__ = ["PictureState", "Snapshot"]

_JOINED = """passages JOIN documents ON documents.id = passages.document_id
    JOIN roots ON roots.id = documents.root_id"""
_VARIABLES = 500


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


class Snapshot(DocumentReader):
    """What the collection holds at one generation; valid inside its read transaction.

    Fulfils ``PassageStore``, and answers what a sync and a status ask.
    """

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
        if not self._is_of(PICTURES):
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
        tests = [fitting(key, glob) for key, glob in where.items()]
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

    # --- vectors by key, and money

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
