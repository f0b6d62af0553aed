"""What to do about an answer that is none: a table from failure to decision, without I/O or clock.

==========================  ====================================================================
failure                     decision
==========================  ====================================================================
400, 422                    obey "at most N"; drop dimensions; halve; refuse the one text
400, 404 about a picture    halve; refuse the one picture, or all where it takes none
401, 403                    stop: the key (403 of moderation: halve, then refuse the text)
402, quota of 429           stop: no credit
404, 405, model's 400       stop: the model is not served
404 in a reply of 200       wait a few times, drop dimensions, stop
408, 524, timeout           wait; from the second on halve as well
413                         fewer bytes from now on; refuse the one text
"max N tokens per request"  fewer tokens from now on; refuse the one text
429                         wait as told, for all workers; stop when told to wait too long
409, 424, 425, 5xx          wait, a limited number of times; from the third 500 on halve as well
answer that fails a check   ask again twice, then halve, then refuse the text
no connection, broken       wait, a limited number of times
==========================  ====================================================================
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from ragkit.embedding.complaints import Target
from ragkit.embedding.failures import BadReply, NoReply, ServerError
from ragkit.embedding.limits import Counts
from ragkit.embedding.picture_proof import refused_pictures
from ragkit.embedding.waits import Patience, backoff_s, stated_wait_s
from ragkit.errors import EmbeddingError

__all__ = ["Attempt", "Decision", "DropDimensions", "Failure", "Policy", "Reject", "Shrink"]
__all__ += ["RefusePictures", "Split", "Stop", "Wait", "is_by_chance", "is_slow"]
__all__ += ["stated_limit", "way_of"]

Failure = ServerError | BadReply | NoReply


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Send the same batch again, after so many seconds.

    Attributes:
        seconds: How long.
        everyone: Whether the refusal was about the rate, so that all workers wait.
        stated_s: What the server asked for; None when it asked for nothing.
        about: What the limit counts.
    """

    seconds: float
    everyone: bool = False
    stated_s: float | None = field(default=None, compare=False)
    about: Literal["requests", "tokens"] = "requests"


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
        reads_tokens: Most tokens of a text that the server takes, where it says so.
    """

    reason: str
    certain: bool
    otherwise: EmbeddingError
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Decides what follows a failure.

    Attributes:
        target: Who is asked for what.
        patience: How long to go on trying.
        jitter: Source of randomness.
    """

    target: Target
    patience: Patience
    jitter: random.Random

    def decide(self, failure: Failure, attempt: Attempt) -> Decision:
        """What to do about a failure."""
        match failure:
            case NoReply():
                return self._no_reply(failure, attempt)
            case BadReply():
                return self._bad_reply(failure, attempt)
            case ServerError():
                # What the body says about another try is worth more than the status.
                if failure.retryable is True:
                    return self._wait(failure, attempt)
                if attempt.pictures and (decision := self._picture(failure, attempt)):
                    return decision
                otherwise = Policy._failed if failure.status >= 500 else Policy._hopeless
                return _BY_STATUS.get(failure.status, otherwise)(self, failure, attempt)

    def out_of_time(self) -> EmbeddingError:
        """What ends a run that has gone on for as long as it may."""
        return self.target.out_of_time(self.patience.run_s or 0.0)

    def _hopeless(self, error: ServerError, _: Attempt) -> Decision:
        return Stop(error=self.target.rejected(error))

    def _forbidden(self, error: ServerError, attempt: Attempt) -> Decision:
        if error.moderated:
            return self._halve_or_reject(error, attempt)
        return Stop(error=self.target.forbidden(error))

    def _no_credit(self, error: ServerError, _: Attempt) -> Decision:
        return Stop(error=self.target.no_credit(error))

    def _unavailable(self, error: ServerError, attempt: Attempt) -> Decision:
        if not error.in_reply:
            return Stop(error=self.target.unavailable(error))
        # "No successful provider responses" in a reply of 200 passes, most of the time.
        if attempt.number < _TRIES_WITHOUT_PROVIDER:
            return self._wait(error, attempt)
        if attempt.dimensions_sent:
            return DropDimensions()
        return Stop(error=self.target.unavailable(error))

    def _limited(self, error: ServerError, attempt: Attempt) -> Decision:
        if "insufficient_quota" in (error.code, error.kind):
            return self._no_credit(error, attempt)
        return self._wait(error, attempt)

    def _failed(self, error: ServerError, attempt: Attempt) -> Decision:
        # llama.cpp says 500 to a text that will never fit.
        if _TOO_LARGE.search(error.message):
            return self._halve_or_reject(error, attempt)
        wait = self._wait(error, attempt)
        # Some servers have no better word for a request that is too large for them.
        again = error.status == 500 and attempt.number >= _TRIES_OF_BAD_REPLIES
        if isinstance(wait, Wait) and again and attempt.size > 1:
            return Split(seconds=wait.seconds, keep_attempts=True)
        return wait

    def _too_large(self, error: ServerError, attempt: Attempt) -> Decision:
        if attempt.size == 1:
            return self._halve_or_reject(error, attempt)
        stated = [int(number) for number in _NUMBER.findall(error.message)]
        fitting = [number for number in stated if 1_000 <= number < attempt.size_bytes]
        limit = max(fitting, default=max(1, attempt.size_bytes // 2))
        return Shrink(limit=limit, counts="bytes")

    def _refused(self, error: ServerError, attempt: Attempt) -> Decision:
        if error.moderated:
            return self._halve_or_reject(error, attempt)
        if error.availability in _NOT_SERVED or error.code in _NOT_SERVED:
            return Stop(error=self.target.unavailable(error))
        shrink = stated_limit(error.message, attempt.size)
        if shrink is not None:
            return shrink
        about_text = error.kind in _ABOUT_TEXT or bool(_TEXT_WORDS.search(error.message))
        if not about_text and _DIMENSION_WORDS.search(error.message):
            return (
                DropDimensions()
                if attempt.dimensions_sent
                else Stop(error=self.target.rejected(error))
            )
        if not about_text and _PARAMETER_WORDS.search(error.message):
            return Stop(error=self.target.rejected(error))
        return self._halve_or_reject(error, attempt, certain=about_text)

    def _picture(self, error: ServerError, attempt: Attempt) -> Decision | None:
        """What a refusal of pictures means; None where it is about something else."""
        match refused_pictures(error):
            case "one":
                return self._halve_or_reject(error, attempt)
            case "all":
                return RefusePictures(reason=self.target.takes_no_pictures(error))
        return None

    def _halve_or_reject(
        self, error: ServerError, attempt: Attempt, *, certain: bool = True
    ) -> Decision:
        if attempt.size > 1:
            return Split()
        reason = f"refused by the server ({error.status}): {error.message}"
        return Reject(
            reason=reason,
            certain=certain,
            otherwise=self.target.rejected(error),
            reads_tokens=_stated_length(error.message),
        )

    def _slow(self, error: ServerError, attempt: Attempt) -> Decision:
        wait = self._wait(error, attempt)
        # The same batch would most likely take as long again.
        if isinstance(wait, Wait) and attempt.size > 1 and attempt.number >= 2:
            return Split(seconds=wait.seconds, keep_attempts=True)
        return wait

    def _wait(self, error: ServerError, attempt: Attempt) -> Wait | Stop:
        stated = error.retry_after_s
        if stated is None:
            stated = stated_wait_s(error.headers, now_s=attempt.now_s)
        limited = error.status == 429 or (error.status in (503, 529) and stated is not None)
        if not limited and attempt.number >= self.patience.attempts:
            return Stop(
                error=self.target.gave_up(attempt.number, f"{error.status}: {error.message}")
            )
        seconds = backoff_s(attempt.number + attempt.limited, self.patience, self.jitter)
        if stated is not None:
            # Never earlier than told; the jitter on top keeps workers from coming back at once.
            seconds = stated + min(seconds, 0.1 * stated + 0.05)
        if attempt.waited_s + seconds > self.patience.waiting_s:
            return Stop(error=self.target.waits_too_long(error, stated, attempt.waited_s))
        return Wait(seconds=seconds, everyone=limited, stated_s=stated, about=_limit_about(error))

    def _bad_reply(self, reply: BadReply, attempt: Attempt) -> Decision:
        error = self.target.malformed(reply)
        if attempt.number < _TRIES_OF_BAD_REPLIES:
            return Wait(seconds=backoff_s(attempt.number, self.patience, self.jitter))
        if reply.width is not None and attempt.dimensions:
            return Stop(error=self.target.ignores_dimensions(reply.width, attempt.dimensions))
        # No text makes a server send a page, or change its model: all others would fare alike.
        if reply.is_page or reply.width is not None:
            return Stop(error=error)
        if attempt.size > 1:
            return Split(keep_attempts=True)
        return Reject(reason=f"no usable vector: {reply.reason}", certain=False, otherwise=error)

    def _no_reply(self, failure: NoReply, attempt: Attempt) -> Decision:
        if failure.kind == "invalid":
            return Stop(error=self.target.unsendable(failure.reason))
        tries = self.patience.attempts if attempt.reached else self.patience.unreached_attempts
        if attempt.number >= tries:
            return Stop(error=self.target.gave_up(attempt.number, failure.reason))
        seconds = backoff_s(attempt.number, self.patience, self.jitter)
        if failure.kind == "timeout" and attempt.size > 1 and attempt.number >= 2:
            return Split(seconds=seconds, keep_attempts=True)
        return Wait(seconds=seconds)


def is_by_chance(failure: Failure) -> bool:
    """Whether requests fail in this way whatever their size, too."""
    return not isinstance(failure, ServerError) or failure.in_reply or failure.status >= 429


def is_slow(failure: Failure) -> bool:
    """Whether the server had too much to do."""
    if isinstance(failure, ServerError):
        return failure.status in (408, 504, 524, 529) and not failure.in_reply
    return isinstance(failure, NoReply) and failure.kind == "timeout"


def _limit_about(error: ServerError) -> Literal["requests", "tokens"]:
    if error.headers.get("x-ratelimit-remaining-tokens", "").strip() == "0":
        return "tokens"
    return "tokens" if _ABOUT_TOKENS.search(error.message) else "requests"


def way_of(failure: Failure) -> str:
    """The kind of trouble; each is counted apart, so that different mishaps do not add up."""
    if isinstance(failure, ServerError):
        return "error in reply" if failure.in_reply else "error"
    return type(failure).__name__


_BY_STATUS: Final[Mapping[int, Callable[[Policy, ServerError, Attempt], Decision]]] = {
    400: Policy._refused,
    401: Policy._forbidden,
    402: Policy._no_credit,
    403: Policy._forbidden,
    404: Policy._unavailable,
    405: Policy._unavailable,
    408: Policy._slow,
    409: Policy._wait,
    413: Policy._too_large,
    422: Policy._refused,
    424: Policy._wait,
    425: Policy._wait,
    429: Policy._limited,
    524: Policy._slow,
}
_TRIES_OF_BAD_REPLIES: Final = 3
_TRIES_WITHOUT_PROVIDER: Final = 4

_NOT_SERVED: Final = frozenset(
    {
        "model_not_found",
        "wrong_endpoint",
        "no_endpoints",
        "model_deprecated",
        "model_unavailable_upstream",
        "constraint_filtered",
        "free_variant_ended",
        "privacy_restricted",
        "region_restricted",
    }
)
_ABOUT_TEXT: Final = frozenset(
    {
        "context_length_exceeded",
        "max_tokens_exceeded",
        "token_limit_exceeded",
        "string_too_long",
        "invalid_prompt",
    }
)
_TEXT_WORDS: Final = re.compile(
    r"too (long|large|many tokens)|context length|max\w* (allowed )?(token|context|sequence)|"
    r"token limit|tokens? per",
    re.IGNORECASE,
)
# Ollama cannot write the vector of some texts, which has no numbers: "unsupported value: NaN".
_TOO_LARGE: Final = re.compile(
    r"too large to process|physical batch size|unsupported value: nan", re.IGNORECASE
)
_ABOUT_TOKENS: Final = re.compile(r"tokens? per|\bTPM\b", re.IGNORECASE)
_NUMBER: Final = re.compile(r"\d+")
# "max 300000 tokens per request", "max allowed tokens per submitted batch is 120000"
_TOKENS_PER_REQUEST: Final = re.compile(
    r"(?:max\w*|limit of) (\d+) tokens per (?:request|batch)"
    r"|tokens per (?:submitted )?(?:request|batch) is (\d+)",
    re.IGNORECASE,
)
# "maximum context length is 8192 tokens", "must have less than 512 tokens", "maximum allowed token
# size 512", "increase the physical batch size (current batch size: 512)"
_TOKENS_OF_TEXT: Final = re.compile(
    r"context (?:length|window)(?: is| of|:)? (\d+)|(?:less|fewer) than (\d+) tokens"
    r"|max\w* (?:allowed )?(?:token size|tokens?)(?: is| of|:)? (\d+)|current batch size: (\d+)",
    re.IGNORECASE,
)
_DIMENSION_WORDS: Final = re.compile(r"dimension|matryoshka", re.IGNORECASE)
_PARAMETER_WORDS: Final = re.compile(
    r"input_type|encoding_format|unrecognized|unknown (field|parameter|key)", re.IGNORECASE
)
# "at most 100 requests can be in one batch", "should not be larger than 10", "maximum allowed batch
# size 32": a number is taken for a count of texts only where texts, inputs or batches are named.
_LIMIT: Final = re.compile(
    r"(?:at most|no more than|not (?:be )?(?:larger|greater|more) than|not exceed|max(?:imum)?"
    r"(?: allowed)?(?: client)?(?: batch)?(?: size)?(?: of| is|:)?|up to)\s+(\d+)",
    re.IGNORECASE,
)
_COUNTS_TEXTS: Final = re.compile(
    r"batch|inputs|texts|requests|items|instance|array", re.IGNORECASE
)
_TOO_MANY: Final = re.compile(
    r"too many (inputs|texts|items)|batch (is |size )?(too|exceed)", re.IGNORECASE
)


def _stated_length(message: str) -> int | None:
    """Most tokens of one text, in a refusal of a longer one."""
    found = _TOKENS_OF_TEXT.search(message)
    return int(next(filter(None, found.groups()))) if found else None


def stated_limit(message: str, size: int) -> Shrink | None:
    """What the server takes; half as many texts as it refused where it names no number."""
    tokens = _TOKENS_PER_REQUEST.search(message)
    if tokens is not None and size > 1:
        return Shrink(limit=int(tokens.group(1) or tokens.group(2)), counts="tokens")
    if not _COUNTS_TEXTS.search(message) or re.search("token", message, re.IGNORECASE):
        return None
    found = _LIMIT.search(message)
    limit = max(1, size // 2) if _TOO_MANY.search(message) else 0
    limit = int(found.group(1)) if found else limit
    return Shrink(limit=limit) if 1 <= limit < size else None
