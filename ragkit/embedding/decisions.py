"""What can follow a failure, as values; ``policy`` chooses among them, ``client`` obeys."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ragkit.embedding.limits import Counts
from ragkit.errors import EmbeddingError

__all__ = ["Attempt", "Decision", "DropDimensions", "RefusePictures", "Reject", "Shrink", "Split"]
__all__ += ["Stop", "Wait"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Send the same batch again, after so many seconds.

    Attributes:
        seconds: How long.
        everyone: Whether the refusal was about the rate, so that all workers wait.
        stated_s: What the server asked for; None when it asked for nothing.
        about: What the limit counts; None where nothing says so.
    """

    seconds: float
    everyone: bool = False
    stated_s: float | None = field(default=None, compare=False)
    about: Literal["requests", "tokens"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Send the texts in smaller requests.

    Attributes:
        seconds: After so long.
        keep_attempts: Whether their attempts go on from the batch's, rather than from 0.
        size: Texts in each; None for the halves.
    """

    seconds: float = 0.0
    keep_attempts: bool = False
    size: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shrink:
    """Send at most so many texts, tokens or bytes of text in a request, from now on."""

    limit: int
    counts: Counts = "texts"


@dataclass(frozen=True, slots=True, kw_only=True)
class DropDimensions:
    """Ask without ``dimensions``; the width is checked all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """The one text of the batch is refused for good.

    Attributes:
        reason: For the report.
        certain: Whether the server named the text as the cause; if not, it may refuse every text.
        otherwise: What to raise when it does.
        is_too_long: Whether it is refused for its length, so that its parts may be taken.
        reads_tokens: Most tokens of a text that the server takes, where it says so.
    """

    reason: str
    certain: bool
    otherwise: EmbeddingError
    is_too_long: bool = False
    reads_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusePictures:
    """The server takes no pictures: none of those that are left is to be sent."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Nothing more will be answered."""

    error: EmbeddingError


Decision = Wait | Split | Shrink | DropDimensions | Reject | RefusePictures | Stop


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """Where a batch stands.

    Attributes:
        number: How often the batch has failed in this way (``way_of``), this time included and
            refusals for the rate left out.
        limited: Refusals for the rate before this attempt.
        size: Texts in the batch.
        size_bytes: Their bytes in the body of the request.
        waited_s: How long the batch has waited so far.
        dimensions: Width that the user asked for.
        dimensions_sent: Whether the request named it.
        reached: Whether this server has ever answered.
        pictures: Whether pictures are in it.
        now_s: Seconds since the epoch, for waits that are stated as dates.
    """

    number: int
    size: int
    size_bytes: int = 0
    limited: int = 0
    waited_s: float = 0.0
    dimensions: int | None = None
    dimensions_sent: bool = False
    reached: bool = True
    pictures: bool = False
    now_s: float = 0.0
