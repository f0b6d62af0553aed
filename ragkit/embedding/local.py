"""Vectors from the embedded model: no key, no network, the same on every machine."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np

from ragkit.config import DEFAULT_MODEL
from ragkit.embedding.images import EmbedInput, ImageInput
from ragkit.embedding.seam import (
    EmbeddedBatch,
    FloatMatrix,
    FloatVector,
    Role,
    check_text,
    embed_all,
    embed_one,
)
from ragkit.errors import (
    ConfigurationError,
    EmbeddingError,
    InvalidArgument,
    MalformedReply,
)
from ragkit.models.catalogue import fingerprint, profile
from ragkit.models.fingerprint import Fingerprint
from ragkit.models.wordpiece import UNKNOWN_ID, WordPieceCounter, encode, minilm_file

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

__all__ = ["LocalEmbedder"]

_BEGIN_ID, _END_ID, _PAD_ID = 101, 102, 0
# Texts that are read ahead and sorted by length: enough that neighbours differ by a piece or two.
_WINDOW_TEXTS = 256
# Pieces in one run, padding included: its activations stay in a core's cache, which is worth more
# than the larger products of a larger batch.
_BATCH_PIECES = 640
# A question of 8,000 pieces is a document by mistake; the mean of its parts finds nothing.
_MAX_QUERY_PARTS = 32


@dataclass(frozen=True, slots=True)
class _Text:
    """A text ready to run: its place in the inputs and its pieces, or parts of such."""

    index: int
    parts: tuple[list[int], ...]

    @property
    def tokens(self) -> int:
        return sum(map(len, self.parts))


class LocalEmbedder:
    """The embedded model all-MiniLM-L6-v2 as an ``Embedder``: 384 dimensions, 254 tokens a text.

    A text gets the same vector alone and in any batch, within 1e-7 per component. The model loads
    with the first text, in about a tenth of a second. Safe to share between threads.

    A passage over the limit is reported as failed, never cut in silence. A query over the limit is
    embedded in parts of 254 tokens, and its vector is their mean, weighted by their lengths.

    Args:
        threads: Texts are embedded on so many cores; None for all that the process may use.
    """

    def __init__(self, *, threads: int | None = None) -> None:
        if threads is not None and threads < 1:
            raise InvalidArgument(f"threads={threads} leaves nobody to embed: give 1 or more")
        self._threads = threads or _usable_cores()
        self._profile = profile(DEFAULT_MODEL)
        self._fingerprint = fingerprint(self._profile)
        self._lock = threading.Lock()
        self._session: InferenceSession | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._process_id = 0
        self._closed = False

    def __repr__(self) -> str:
        return f"LocalEmbedder(threads={self._threads})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def fingerprint(self) -> Fingerprint:
        """What decides the vectors; two embedders with equal ones make the same vectors."""
        return self._fingerprint

    @property
    def max_tokens(self) -> int:
        """Most tokens that one text may have, the model's markers not counted: 254."""
        return self._profile.max_tokens

    def embed(self, inputs: Iterable[EmbedInput], *, role: Role) -> Iterator[EmbeddedBatch]:
        """Embed a stream of texts; see ``Embedder.embed``.

        At most 256 texts and the batches in work are read ahead. A batch without rows may come: it
        reports texts that cannot be embedded, and pictures, none of which can.

        Raises:
            ConfigurationError: The shipped model cannot be loaded.
            EmbeddingError: The embedder is closed.
            MalformedReply: The model gave what is no vector.
        """
        if isinstance(inputs, str):
            raise InvalidArgument("embed takes several texts: put the one text into a list")
        return self._stream(iter(inputs), role)

    def embed_documents(self, texts: Sequence[EmbedInput]) -> FloatMatrix:
        """float32 (n, 384), unit rows in the order of *texts*; raises InputRejected."""
        if not texts:
            return np.empty((0, self._profile.dimensions or 0), np.float32)
        return embed_all(self, texts, "document")

    def embed_query(self, text: EmbedInput) -> FloatVector:
        """float32 (384,), unit length; raises InputRejected."""
        return embed_one(self, text)

    def close(self) -> None:
        """Give back threads and memory; twice is as good as once."""
        with self._lock:
            pool, self._pool, self._session, self._closed = self._pool, None, None, True
        if pool is not None:
            pool.shutdown(wait=False)

    def _stream(self, inputs: Iterator[EmbedInput], role: Role) -> Iterator[EmbeddedBatch]:
        session, pool = self._ready()
        working: deque[Future[EmbeddedBatch]] = deque()
        start = 0
        try:
            while window := list(islice(inputs, _WINDOW_TEXTS)):
                texts, failed = self._prepared(window, start, role)
                start += len(window)
                if failed:
                    yield _refusals(failed)
                for batch in _batches(texts):
                    working.append(_submitted(pool, session, batch))
                    # One batch waits for each core, so that none idles while the next is made.
                    if len(working) > 2 * self._threads:
                        yield working.popleft().result()
            while working:
                yield working.popleft().result()
        finally:
            for future in working:
                future.cancel()

    def _ready(self) -> tuple[InferenceSession, ThreadPoolExecutor]:
        with self._lock:
            if self._closed:
                raise EmbeddingError("this LocalEmbedder is closed: make a new one")
            if self._session is None:
                self._session = _load()
            # A forked child has the pool but none of its threads.
            if self._pool is None or self._process_id != os.getpid():
                self._pool = ThreadPoolExecutor(self._threads, "ragkit-embed")
                self._process_id = os.getpid()
            return self._session, self._pool

    def _prepared(
        self, window: list[EmbedInput], start: int, role: Role
    ) -> tuple[list[_Text], list[tuple[int, str]]]:
        texts, failed = [], []
        words = [item if isinstance(item, str) else "" for item in window]
        for index, (text, pieces) in enumerate(zip(words, encode(words), strict=True), start):
            reason = self._refusal(text, pieces, role)
            if isinstance(window[index - start], ImageInput):
                reason = _NO_PICTURES
            else:
                check_text(index, window[index - start])
            if reason is not None:
                failed.append((index, reason))
                continue
            limit = self.max_tokens
            parts = tuple(pieces[at : at + limit] for at in range(0, len(pieces), limit))
            texts.append(_Text(index, parts))
        return texts, failed

    def _refusal(self, text: str, pieces: list[int], role: Role) -> str | None:
        if not text.strip():
            return "the text is blank"
        if not pieces:
            return "the text has no character that the model can read"
        if role == "query":
            most = _MAX_QUERY_PARTS * self.max_tokens
            return None if len(pieces) <= most else _too_long(len(pieces), most, "query")
        if len(pieces) <= self.max_tokens and UNKNOWN_ID not in pieces:
            return None
        count = WordPieceCounter().count([text])[0]
        return None if count <= self.max_tokens else _too_long(count, self.max_tokens, "text")


_NO_PICTURES = f"a picture, and {DEFAULT_MODEL} takes text only: choose a model that takes images"


def _too_long(count: int, most: int, kind: str) -> str:
    return f"the text has {count} tokens, and the model takes {most} in a {kind}: split it"


def _refusals(failed: list[tuple[int, str]]) -> EmbeddedBatch:
    return EmbeddedBatch(
        indexes=(), vectors=np.empty((0, 384), np.float32), tokens=0, failed=tuple(failed)
    )


def _batches(texts: list[_Text]) -> Iterator[list[_Text]]:
    """Texts of like length together, the longest first, up to the number of pieces of one run."""
    batch: list[_Text] = []
    width = 0
    for text in sorted(texts, key=lambda text: (-text.tokens, text.index)):
        if batch and (len(batch) + 1) * width > _BATCH_PIECES:
            yield batch
            batch = []
        if not batch:
            width = text.tokens + 2
        batch.append(text)
    if batch:
        yield batch


def _submitted(
    pool: ThreadPoolExecutor, session: InferenceSession, batch: list[_Text]
) -> Future[EmbeddedBatch]:
    try:
        return pool.submit(_embedded, session, batch)
    except RuntimeError as error:
        raise EmbeddingError("the LocalEmbedder was closed while it was embedding") from error


def _embedded(session: InferenceSession, texts: list[_Text]) -> EmbeddedBatch:
    if len(texts) == 1 and len(texts[0].parts) > 1:
        vectors = _mean_of_parts(session, texts[0].parts)
    else:
        vectors = _run(session, [text.parts[0] for text in texts])
    norms = np.linalg.norm(vectors, axis=1)
    if not (np.abs(norms - 1) < 1e-3).all():
        raise MalformedReply(
            "the embedded model gave a vector that is not of unit length: its file or this"
            " processor's onnxruntime is damaged; reinstall ragkit-search and onnxruntime"
        )
    return EmbeddedBatch(
        indexes=tuple(text.index for text in texts),
        vectors=vectors,
        tokens=sum(text.tokens for text in texts),
    )


def _mean_of_parts(session: InferenceSession, parts: tuple[list[int], ...]) -> FloatMatrix:
    lengths = np.array([[len(part)] for part in parts], np.float32)
    rows = np.concatenate([_run(session, [part]) for part in parts])
    total = (rows * lengths).sum(axis=0, keepdims=True)
    mean: FloatMatrix = total / np.linalg.norm(total)
    return mean


def _run(session: InferenceSession, pieces: list[list[int]]) -> FloatMatrix:
    width = max(map(len, pieces)) + 2
    ids = np.full((len(pieces), width), _PAD_ID, np.int32)
    mask = np.zeros_like(ids)
    for row, own in enumerate(pieces):
        ids[row, : len(own) + 2] = [_BEGIN_ID, *own, _END_ID]
        mask[row, : len(own) + 2] = 1
    vectors: FloatMatrix = session.run(None, {"ids": ids, "mask": mask})[0]
    return vectors


def _load() -> InferenceSession:
    import onnxruntime  # noqa: PLC0415 - loads with the first text
    from onnxruntime.capi import onnxruntime_pybind11_state as state  # noqa: PLC0415

    # Official builds for Windows report usage to their maker unless told not to.
    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    # Batches run side by side, a thread each: no thread waits for another inside one, and none
    # spins while there is nothing to do.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        content = minilm_file("model.onnx")
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except (OSError, state.Fail, state.InvalidGraph, state.InvalidProtobuf) as error:
        raise ConfigurationError(
            f"the embedded model cannot be loaded ({type(error).__name__}): reinstall ragkit-search"
        ) from error


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
