"""Rows of the database to records and back."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping, Sequence
from typing import TypeVar

import msgspec

from ragkit.errors import CollectionDamaged
from ragkit.records import Block, Box, Document, Image, JsonValue, Metadata, Passage, Section
from ragkit.screening.findings import Finding
from ragkit.storage.seam import StoredPassage
from ragkit.storage.states import Link
from ragkit.storage.sums import FIRST_SUMS, SUMS, SUMS_SCHEMA, holds
from ragkit.storage.thumbnails import Thumbnails

__all__ = [
    "document_columns",
    "document_from_row",
    "document_values",
    "encoded_from_value",
    "image_from_value",
    "image_value",
    "links_from_value",
    "links_value",
    "masks_from_value",
    "masks_value",
    "metadata_of",
    "pack_text",
    "parsed",
    "passage_columns",
    "passage_from_row",
    "passage_values",
    "path_from_value",
    "path_value",
    "place_values",
    "unpack_text",
]

T = TypeVar("T")

# A crafted row of a megabyte could unpack to a gigabyte and more.
_MAX_TEXT_BYTES = 2**30
_REMEDY = ": `ragkit verify` says where, and what to do"
_NONE = type(None)
_TEXT_OR_NONE = (str, _NONE)


_PASSAGE_COLUMNS = """passages.id, roots.name, documents.source, passages.start, passages."end",
    passages.text, passages.headings, passages.page, passages.line, passages.tokens,
    documents.metadata, documents.title, passages.document_id, passages.ordinal, passages.key,
    documents.language, {image}, {table_header}, {boxes}, {encoded}, {masks}, {holds}"""
_BLOCKS, _PICTURES, _MASKS, _PLACES, _NOT_EMBEDDED = 3, 4, 6, 7, 10
_MASKS_BY_KEY = "(SELECT masks FROM vectors WHERE vectors.key = passages.key)"


_PASSAGE_TYPES = (
    *(int, str, str, int, int, str, str, (int, _NONE), int, int, str),
    *(_TEXT_OR_NONE, int, int, bytes, _TEXT_OR_NONE, _TEXT_OR_NONE),
    *(_TEXT_OR_NONE, _TEXT_OR_NONE, _TEXT_OR_NONE, _TEXT_OR_NONE, int),
)
_DOCUMENT_TYPES = (str, str, str, _TEXT_OR_NONE, str, str, str, bytes, (bytes, _NONE), int)


def passage_columns(schema: int) -> str:
    """What ``passage_from_row`` makes a record of, in a database of this schema."""
    image = "passages.image" if schema >= _PICTURES else "NULL"
    placed, is_new = schema >= _PLACES, schema >= _NOT_EMBEDDED
    sound = "1"
    if schema >= SUMS_SCHEMA:
        sound = holds("passages", "documents", "roots", sums=SUMS if is_new else FIRST_SUMS)
    masks = "passages.masks" if is_new else _MASKS_BY_KEY
    return _PASSAGE_COLUMNS.format(
        image=image,
        table_header="passages.table_header" if placed else "NULL",
        boxes="passages.boxes" if placed else "NULL",
        encoded="passages.encoded" if is_new else "NULL",
        masks=masks if schema >= _MASKS else "NULL",
        holds=sound,
    )


def document_columns(schema: int) -> str:
    """What ``document_from_row`` makes a record of, in a database of this schema."""
    blocks = "blocks" if schema >= _BLOCKS else "NULL"
    sound = "1"
    if schema >= SUMS_SCHEMA:
        sound = holds("documents", "documents.text_checksum", "roots")
    return f"""roots.name, source, media_type, title, metadata, pages, sections, text, {blocks},
        {sound}"""


def passage_from_row(row: Sequence[object], thumbnails: Thumbnails | None) -> StoredPassage:
    """The record of a row of ``passage_columns``.

    Raises:
        CollectionDamaged: It holds values that none of our rows has, or others than were written.
    """
    _check_types(row, _PASSAGE_TYPES)
    if not row[-1]:
        raise CollectionDamaged(f"passage {row[0]} is not what was written{_REMEDY}")
    (id_, root, source, start, end, text, headings, page, line, tokens, metadata) = row[:11]
    title, document_id, ordinal, key, language, image, table_header, boxes = row[11:-3]
    encoded, masks = row[-3:-1]
    passage = Passage(
        id=id_,  # type: ignore[arg-type]
        root=root,  # type: ignore[arg-type]
        source=source,  # type: ignore[arg-type]
        start=start,  # type: ignore[arg-type]
        end=end,  # type: ignore[arg-type]
        text=text,  # type: ignore[arg-type]
        headings=parsed(headings, tuple[str, ...]),
        page=page,  # type: ignore[arg-type]
        line=line,  # type: ignore[arg-type]
        tokens=tokens,  # type: ignore[arg-type]
        metadata=metadata_of(metadata),
        image=None if image is None else image_from_value(str(image), str(source), thumbnails),
        table_header=table_header or "",  # type: ignore[arg-type]
        boxes=() if boxes is None else boxes_from_value(boxes),
        encoded=encoded_from_value(encoded),
    )
    return StoredPassage(
        passage=passage,
        title=title,  # type: ignore[arg-type]
        document_id=document_id,  # type: ignore[arg-type]
        ordinal=ordinal,  # type: ignore[arg-type]
        text_key=key,  # type: ignore[arg-type]
        language=language,  # type: ignore[arg-type]
        masks=masks_from_value(masks),
    )


def path_value(path: str) -> str | bytes:
    """A path as text, so that people can read it, or as its bytes where they are no text."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return os.fsencode(path)
    return path


def path_from_value(value: str | bytes) -> str:
    """The inverse of ``path_value``."""
    return os.fsdecode(value)


def passage_values(passage: Passage, ordinal: int, key: bytes) -> tuple[object, ...]:
    """Columns ordinal … key of a passage, in the order of the table."""
    return (
        ordinal,
        passage.start,
        passage.end,
        passage.text,
        _json(list(passage.headings)),
        passage.page,
        passage.line,
        passage.tokens,
        key,
    )


def image_value(passage: Passage) -> str | None:
    """Column image of a passage."""
    image = passage.image
    if image is None:
        return None
    path = None if image.path == passage.source else image.path
    return _json([path, image.width_px, image.height_px, image.digest])


def image_from_value(value: str, source: str, thumbnails: Thumbnails | None) -> Image:
    """The inverse of ``image_value``, with the thumbnail that there is."""
    path, width_px, height_px, digest = parsed(value, tuple[str | None, int, int, str])
    return Image(
        path=source if path is None else path,
        width_px=width_px,
        height_px=height_px,
        thumbnail=None if thumbnails is None else thumbnails.find(digest),
        digest=digest,
    )


def place_values(passage: Passage) -> tuple[str | None, ...]:
    """Columns table_header, boxes and encoded of a passage."""
    boxes = [
        [box.start, box.end, box.page, box.left_pt, box.top_pt, box.right_pt, box.bottom_pt]
        for box in passage.boxes
    ]
    encoded = _json(passage.encoded) if passage.encoded else None
    return passage.table_header or None, _json(boxes) if boxes else None, encoded


def encoded_from_value(value: object) -> tuple[tuple[int, int], ...]:
    """The inverse of ``place_values``, of its third part."""
    return () if value is None else parsed(value, tuple[tuple[int, int], ...])


def boxes_from_value(value: object) -> tuple[Box, ...]:
    """The inverse of ``place_values``, of its second part."""
    kind = list[tuple[int, int, int, float, float, float, float]]
    return tuple(
        Box(
            start=start,
            end=end,
            page=page,
            left_pt=left,
            top_pt=top,
            right_pt=right,
            bottom_pt=bottom,
        )
        for start, end, page, left, top, right, bottom in parsed(value, kind)
    )


def links_value(links: Sequence[Link]) -> str | None:
    """Column links of a document."""
    return _json(links) if links else None


def links_from_value(value: str | None) -> tuple[Link, ...]:
    """The inverse of ``links_value``."""
    return parsed(value, tuple[Link, ...]) if value else ()


def document_values(document: Document) -> tuple[object, ...]:
    """Columns title … text and blocks of a document, in the order of the table."""
    blocks = [[item.start, item.end, item.kind, item.level] for item in document.blocks]
    return (
        document.title,
        _json(document.metadata),
        _json(list(document.pages)),
        _json([[item.start, item.end, item.level, item.title] for item in document.sections]),
        pack_text(document.text),
        pack_text(_json(blocks)),
    )


def document_from_row(row: Sequence[object]) -> Document:
    """The record of a row of ``document_columns``.

    Raises:
        CollectionDamaged: It holds values that none of our rows has, or others than were written.
    """
    _check_types(row, _DOCUMENT_TYPES)
    if not row[-1]:
        raise CollectionDamaged(f"document {row[0]}:{row[1]} is not what was written{_REMEDY}")
    root, source, media_type, title, metadata, pages, sections, text, blocks = row[:-1]
    return Document(
        root=root,  # type: ignore[arg-type]
        source=source,  # type: ignore[arg-type]
        media_type=media_type,  # type: ignore[arg-type]
        title=title,  # type: ignore[arg-type]
        metadata=metadata_of(metadata),
        pages=parsed(pages, tuple[int, ...]),
        sections=tuple(
            Section(start=start, end=end, level=level, title=heading)
            for start, end, level, heading in parsed(sections, list[tuple[int, int, int, str]])
        ),
        text=unpack_text(text),  # type: ignore[arg-type]
        # An earlier version kept none.
        blocks=()
        if blocks is None
        else tuple(
            Block(start=start, end=end, kind=kind, level=level)
            for start, end, kind, level in parsed(
                unpack_text(blocks),  # type: ignore[arg-type]
                list[tuple[int, int, str, int]],
            )
        ),
    )


def parsed(text: object, kind: type[T]) -> T:
    """JSON of a row, of that type.

    Raises:
        CollectionDamaged: It is none, or of another type.
    """
    try:
        return msgspec.json.decode(text, type=kind)  # type: ignore[call-overload,no-any-return]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, TypeError) as error:
        raise CollectionDamaged(f"a row holds no {kind} ({error}){_REMEDY}") from error


def masks_value(masks: Sequence[Finding]) -> str | None:
    """What was masked of an embedded text as JSON; None where nothing was."""
    return _json([[one.start, one.end, one.kind] for one in masks]) if masks else None


def masks_from_value(value: object) -> tuple[Finding, ...]:
    """The inverse of ``masks_value``.

    Raises:
        CollectionDamaged: It is no JSON of that kind.
    """
    listed = parsed(value, list[tuple[int, int, str]]) if value is not None else []
    return tuple(Finding(start=start, end=end, kind=kind) for start, end, kind in listed)


def metadata_of(text: object) -> Metadata:
    """The metadata of a row; NaN, which YAML has and JSON has not, is read too.

    Raises:
        CollectionDamaged: It is no JSON object.
    """
    try:
        metadata = json.loads(text)  # type: ignore[arg-type]
    except (ValueError, RecursionError, TypeError) as error:
        raise CollectionDamaged(f"the metadata of a document is no JSON{_REMEDY}") from error
    if not isinstance(metadata, dict):
        raise CollectionDamaged(f"the metadata of a document is no JSON object{_REMEDY}")
    return metadata


def pack_text(text: str) -> bytes:
    """UTF-8, deflated at the fastest level: a third of the size at about 100 MB/s."""
    return zlib.compress(text.encode(), 1)


def unpack_text(data: bytes) -> str:
    """The inverse of ``pack_text``.

    Raises:
        CollectionDamaged: It is none of ours, or unpacks to more than any file may hold.
    """
    unpacking = zlib.decompressobj()
    try:
        text = unpacking.decompress(data, _MAX_TEXT_BYTES)
        if unpacking.eof:
            return text.decode()
    except (zlib.error, UnicodeDecodeError, TypeError) as error:
        raise CollectionDamaged(f"a document's text is none ({error}){_REMEDY}") from error
    raise CollectionDamaged(f"a document's text has no end{_REMEDY}")


def _check_types(row: Sequence[object], kinds: tuple[type | tuple[type, ...], ...]) -> None:
    if len(row) != len(kinds) or not all(map(isinstance, row, kinds)):
        raise CollectionDamaged(f"a row holds values of other types than ragkit writes{_REMEDY}")


def _json(value: Mapping[str, JsonValue] | Sequence[object]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
