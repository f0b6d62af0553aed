"""Whether a server's base64 can be trusted: tried once, believed on proof."""

from __future__ import annotations

import threading
from typing import Final, Literal

import numpy as np

from ragkit.embedding.failures import BadReply, NoReply, ServerError
from ragkit.embedding.seam import FloatMatrix
from ragkit.embedding.wire import Reply

__all__ = ["Encoding", "EncodingProof", "names_encoding"]

# None: not stated.
Encoding = Literal["float", "base64"] | None

# Between the largest number of a vector and its median. The embedded model has at most 8. The same
# vectors as float16, float64 or swapped float32, read as float32, have 4,500, 1e19 and 1e30.
_LARGEST_RATIO: Final = 1e3
_REFUSALS: Final = frozenset({400, 415, 422})


class EncodingProof:
    """Which encoding to ask for.

    Base64 is decoded ten times faster than numbers and is half their size, but some servers refuse
    it, answer it with no vectors, or ignore it. So the first request, a small one, asks for it and
    goes alone. That it is float32 and little-endian is proven when every vector of the batch has
    length 1 as decoded: other bytes give other lengths. Models whose vectors are of another length
    prove nothing, and are asked for numbers for good. What fails is asked again with numbers, and
    where a server does not know the word for them either, without naming an encoding.

    Args:
        offers_base64: Whether it is worth the trial.
        states_float: Whether the server takes the word for numbers.
        was_proven: What an earlier run found; None without one. A proof is believed, and each
            answer is held against it.
    """

    def __init__(
        self,
        *,
        offers_base64: bool = True,
        states_float: bool = True,
        was_proven: bool | None = None,
    ) -> None:
        self._state: Literal["new", "trial", "proven", "refuted"] = "new"
        if was_proven is not None:
            self._state = "proven" if was_proven else "refuted"
        if not offers_base64:
            self._state = "refuted"
        self._numbers: Encoding = "float" if states_float else None
        self._failures = 0
        self._lock = threading.Lock()

    @property
    def is_proven(self) -> bool:
        """Whether base64 is asked for from now on."""
        return self._state == "proven"

    @property
    def finding(self) -> bool | None:
        """What the next run need not find out again; None where it is not found out yet."""
        return None if self.is_open else self.is_proven

    @property
    def is_open(self) -> bool:
        """Whether the first answer is still to come."""
        return self._state in ("new", "trial")

    def choose(self) -> Encoding:
        """What to ask for in the next request."""
        with self._lock:
            if self._state == "new":
                self._state = "trial"
                return "base64"
            return "base64" if self._state == "proven" else self._numbers

    def numbers(self) -> Encoding:
        """What asks for numbers."""
        return self._numbers

    def answered(self, asked: Encoding, reply: Reply) -> bool:
        """Learn from an answer that passed all checks; whether its vectors can be believed.

        Vectors of length 1 are right. Of any other length they may be of bytes in another order or
        of another width, which nothing in the answer says; but numbers made of such bytes are of
        any magnitude. What they stand for is asked for again with numbers.
        """
        with self._lock:
            is_good = reply.is_base64 and reply.was_unit
            if self._state == "trial" and asked == "base64":
                self._state = "proven" if is_good else "refuted"
            if is_good or not reply.is_base64 or _are_of_a_kind(reply.vectors):
                return True
            self._state = "refuted"
            return False

    def failed(
        self,
        asked: Encoding,
        failure: ServerError | BadReply | NoReply,
        *,
        is_explained: bool = False,
    ) -> bool:
        """Learn from a failure; whether the encoding may be the cause, so that it does not count.

        Failures that pass by themselves put the trial off, once; those that something else explains
        put it off and tell nothing.
        """
        with self._lock:
            if asked == "float" and names_encoding(failure):
                self._numbers = None
                return True
            if asked != "base64" or self._state != "trial":
                return False
            if is_explained:
                self._state = "new"
                return False
            self._failures += 1
            refused = isinstance(failure, ServerError) and failure.status in _REFUSALS
            refused |= isinstance(failure, BadReply) and not failure.is_page
            self._state = "refuted" if refused or self._failures > 1 else "new"
            return refused


def _are_of_a_kind(vectors: FloatMatrix) -> bool:
    """Whether the numbers are of magnitudes that a model gives."""
    magnitudes = np.abs(vectors[vectors != 0].astype(np.float64))
    return bool(magnitudes.max() <= _LARGEST_RATIO * np.median(magnitudes))


def names_encoding(failure: ServerError | BadReply | NoReply) -> bool:
    """Whether a server refuses a request for the encoding that it asks for."""
    return (
        isinstance(failure, ServerError)
        and failure.status in _REFUSALS
        and "encoding" in failure.message
    )
