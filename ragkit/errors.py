"""Every error that ragkit raises on purpose.

RagkitError
├── InvalidArgument (ValueError)   a value that no call could use: k=0, a blank query
├── ConfigurationError             settings that cannot work
│   ├── MissingKey                 a remote model without its key
│   └── UnknownModel               a model name that nobody serves
├── CollectionError
│   ├── CollectionNotFound         no collection there, and none may be made
│   ├── NotACollection             a directory with something else in it
│   ├── CollectionLocked           another writer holds it
│   ├── CollectionDamaged          its files contradict each other
│   ├── SchemaTooNew               written by a newer ragkit
│   ├── FingerprintMismatch        vectors of another model or recipe
│   ├── GenerationGone             a reader of what was purged or reclaimed meanwhile
│   ├── NothingStaged              no migration holds a generation ready
│   ├── RootVanished               an indexed folder is gone: nothing is removed unasked
│   ├── SourceNotFound             no such document in the collection
│   └── AmbiguousSource            several roots hold it
├── ReadingError
│   ├── PathNotFound               a file or folder to index that is not there
│   ├── DocumentSkipped            a file that is not to be indexed, with the reason
│   └── DocumentUnreadable         a file that its parser could not read
└── EmbeddingError
    ├── AuthenticationFailed       the key is missing, wrong or disabled (401, 403)
    ├── OutOfCredit                the account has no money left (402)
    │   └── AllowanceSpent         what it permits in a day is used up (429)
    ├── BudgetSpent                max_cost_usd would be passed
    ├── ModelUnavailable           the server does not serve that model (404)
    ├── RequestRejected            the server will never take this request (400, 413, 422)
    ├── InputRejected              one text or picture that the model will never take
    ├── ServerUnreachable          no answer, after all retries
    └── MalformedReply             an answer that fails a check, after all retries

Each message says what happened, where, and what to do. None of them carries a secret.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "AmbiguousSource",
    "AuthenticationFailed",
    "BudgetSpent",
    "CollectionDamaged",
    "CollectionError",
    "CollectionLocked",
    "CollectionNotFound",
    "ConfigurationError",
    "DocumentSkipped",
    "DocumentUnreadable",
    "EmbeddingError",
    "FingerprintMismatch",
    "GenerationGone",
    "InputRejected",
    "InvalidArgument",
    "MalformedReply",
    "MissingKey",
    "ModelUnavailable",
    "NotACollection",
    "NothingStaged",
    "OutOfCredit",
    "PathNotFound",
    "RagkitError",
    "ReadingError",
    "RequestRejected",
    "RootVanished",
    "SchemaTooNew",
    "ServerUnreachable",
    "SourceNotFound",
    "UnknownModel",
    "remedy",
]


def remedy(error: OSError) -> str:
    """What to do about the system's refusal to write, as the end of a sentence."""
    number = error.errno
    if number in (errno.ENOSPC, errno.EDQUOT):
        return "make room and run the same command again"
    if number in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "see that it may be written and run the same command again"
    if number == errno.EIO:
        return "see to the disk, which may be failing, and run the same command again"
    return "see to it and run the same command again"


class RagkitError(Exception):
    """The root of the tree: catching it catches every error that ragkit raises on purpose."""


class InvalidArgument(RagkitError, ValueError):
    """A value that no call could use."""


class ConfigurationError(RagkitError):
    """Settings that cannot work."""


class MissingKey(ConfigurationError):
    """A remote model was named and no key was given."""


class UnknownModel(ConfigurationError):
    """A model name that nobody serves."""


class CollectionError(RagkitError):
    """Something about the collection as a whole."""


class CollectionNotFound(CollectionError):
    """There is no collection at the path, and the call may not make one."""


class NotACollection(CollectionError):
    """The directory holds something else."""


class CollectionLocked(CollectionError):
    """Another process writes to the collection."""


class CollectionDamaged(CollectionError):
    """The files of the collection contradict each other."""


class SchemaTooNew(CollectionError):
    """The collection was written by a newer version of ragkit."""


class FingerprintMismatch(CollectionError):
    """The collection's vectors were made by another model, or in another way."""


class GenerationGone(CollectionError):
    """The generation that a reader holds was purged or reclaimed: search again for the newest."""


class NothingStaged(CollectionError):
    """No migration holds a generation ready to be compared or switched to."""


class RootVanished(CollectionError):
    """An indexed folder is gone or empty; nothing is removed unless it is allowed."""


class SourceNotFound(CollectionError):
    """The collection has no such document."""


class AmbiguousSource(CollectionError):
    """More than one root holds a document of that name."""

    def __init__(self, source: str, candidates: Sequence[str]) -> None:
        listed = " or ".join(candidates)
        super().__init__(f"{source!r} is in more than one root: ask for {listed}")
        self.source = source
        self.candidates = tuple(candidates)


class ReadingError(RagkitError):
    """Something about a file or folder to be indexed."""


class PathNotFound(ReadingError):
    """The file or folder is not there."""


class DocumentSkipped(ReadingError):
    """The file is not to be indexed; the message is the reason, as the report lists it."""


class DocumentUnreadable(ReadingError):
    """The file's parser could not read it; the message is the reason, as the report lists it."""


class EmbeddingError(RagkitError):
    """Something between a text and its vector."""


class AuthenticationFailed(EmbeddingError):
    """The server refuses the key."""


class OutOfCredit(EmbeddingError):
    """The account or the key has no money left; what was bought is kept."""


class AllowanceSpent(OutOfCredit):
    """The requests that the server permits in a day, or the like, are used up; work is kept."""


class BudgetSpent(EmbeddingError):
    """The next request would pass max_cost_usd; what was bought is kept."""


class ModelUnavailable(EmbeddingError):
    """The server does not serve the model, or not on these terms."""


class RequestRejected(EmbeddingError):
    """The server will never take this request as it stands."""


class InputRejected(EmbeddingError):
    """The model will never take this text or picture.

    Attributes:
        index: Position in the inputs of the call.
        reason: What is wrong with it.
    """

    def __init__(self, index: int, reason: str, *, what: str | None = None) -> None:
        super().__init__(f"{what or f'input {index}'} cannot be embedded: {reason}")
        self.index = index
        self.reason = reason


class ServerUnreachable(EmbeddingError):
    """The server gave no usable answer, however often it was asked."""


class MalformedReply(EmbeddingError):
    """The server's answer fails a check that guards against wrong vectors."""
