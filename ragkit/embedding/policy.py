"""What to do about an answer that is none: a table from failure to decision, without I/O or clock.

==========================  ====================================================================
failure                     decision
==========================  ====================================================================
400, 422                    obey "at most N"; drop dimensions; halve; refuse the one text
"too long", for one text    its parts, each in the text's place; refuse it where they are too
400, 404 about a picture    halve; refuse the one picture, or all where it takes none
401, 403                    stop: the key (403 of moderation: halve, then refuse the text)
402, quota of 429           stop: no credit
404, 405, model's 400       stop: the model is not served
404 in a reply of 200       wait a few times, drop dimensions, stop
408, 524, timeout           wait; from the second on halve as well
413                         fewer bytes from now on; refuse the one text
"max N tokens per request"  fewer tokens from now on; refuse the one text
429                         wait as told, for all workers; stop when told to wait too long
409, 424, 425, 5xx          wait, a limited number of times, and longer where the server says 529;
                            from the third 500 on halve as well
"no use trying again"       stop, whatever the status; and wait where it says the contrary
answer that fails a check   ask again twice, at once at first, then halve, then refuse the text
no connection, broken       wait, a limited number of times
==========================  ====================================================================
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from ragkit.embedding import wordings
from ragkit.embedding.complaints import Target
from ragkit.embedding.decisions import (
    Attempt,
    Decision,
    DropDimensions,
    RefusePictures,
    Reject,
    Shrink,
    Split,
    Stop,
    Wait,
)
from ragkit.embedding.failures import BadReply, Failure, NoReply, ServerError
from ragkit.embedding.picture_proof import refused_pictures
from ragkit.embedding.waits import Patience, backoff_s, stated_wait_s
from ragkit.errors import EmbeddingError

__all__ = ["Policy", "stated_s"]

_TRIES_OF_BAD_REPLIES: Final = 3
_TRIES_WITHOUT_PROVIDER: Final = 4
# An overloaded provider needs more than the moment that others need.
_OVERLOADED: Final = 2.0


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
        if wordings.never_fits(error):
            return self._halve_or_reject(error, attempt, is_too_long=True)
        if wordings.has_no_vector(error):
            return self._halve_or_reject(error, attempt)
        wait = self._wait(error, attempt)
        # Some servers have no better word for a request that is too large for them.
        again = error.status == 500 and attempt.number >= _TRIES_OF_BAD_REPLIES
        if isinstance(wait, Wait) and again and attempt.size > 1:
            return Split(seconds=wait.seconds, keep_attempts=True)
        return wait

    def _too_large(self, error: ServerError, attempt: Attempt) -> Decision:
        if attempt.size == 1:
            return self._halve_or_reject(error, attempt, is_too_long=True)
        return Shrink(limit=wordings.stated_bytes(error, attempt.size_bytes), counts="bytes")

    def _refused(self, error: ServerError, attempt: Attempt) -> Decision:
        if error.moderated:
            return self._halve_or_reject(error, attempt)
        if wordings.is_not_served(error):
            return Stop(error=self.target.unavailable(error))
        shrink = wordings.stated_limit(error.message, attempt.size)
        if shrink is not None:
            return shrink
        if wordings.is_about_text(error):
            is_too_long = wordings.is_about_length(error)
            return self._halve_or_reject(error, attempt, is_too_long=is_too_long)
        return self._refused_for_settings(error, attempt)

    def _refused_for_settings(self, error: ServerError, attempt: Attempt) -> Decision:
        if wordings.names_dimensions(error) and attempt.dimensions_sent:
            return DropDimensions()
        if wordings.names_dimensions(error) or wordings.names_parameter(error):
            return Stop(error=self.target.rejected(error))
        return self._halve_or_reject(error, attempt, certain=False)

    def _picture(self, error: ServerError, attempt: Attempt) -> Decision | None:
        """What a refusal of pictures means; None where it is about something else."""
        match refused_pictures(error):
            case "one":
                return self._halve_or_reject(error, attempt)
            case "all":
                return RefusePictures(reason=self.target.takes_no_pictures(error))
        return None

    def _halve_or_reject(
        self,
        error: ServerError,
        attempt: Attempt,
        *,
        certain: bool = True,
        is_too_long: bool = False,
    ) -> Decision:
        if attempt.size > 1:
            return Split()
        reason = f"refused by the server ({error.status}): {error.message}"
        return Reject(
            reason=reason,
            certain=certain,
            otherwise=self.target.rejected(error),
            is_too_long=is_too_long,
            reads_tokens=wordings.stated_length(error),
        )

    def _slow(self, error: ServerError, attempt: Attempt) -> Decision:
        wait = self._wait(error, attempt)
        # The same batch would most likely take as long again.
        if isinstance(wait, Wait) and attempt.size > 1 and attempt.number >= 2:
            return Split(seconds=wait.seconds, keep_attempts=True)
        return wait

    def _wait(self, error: ServerError, attempt: Attempt) -> Wait | Stop:
        stated = stated_s(error, now_s=attempt.now_s)
        limited = error.status == 429 or (error.status in (503, 529) and stated is not None)
        is_last = not limited and attempt.number >= self.patience.attempts
        if is_last or error.retryable is False:
            return Stop(error=self._given_up(error, attempt))
        seconds = backoff_s(attempt.number + attempt.limited, self.patience, self.jitter)
        seconds *= _OVERLOADED if error.status == 529 else 1.0
        if stated is not None:
            # Never earlier than told; the jitter on top keeps workers from coming back at once.
            seconds = stated + min(seconds, 0.1 * stated + 0.05)
        if attempt.waited_s + seconds > self.patience.waiting_s:
            return Stop(error=self.target.waits_too_long(error, stated, attempt.waited_s))
        return Wait(
            seconds=seconds, everyone=limited, stated_s=stated, about=wordings.limited(error)
        )

    def _given_up(self, error: ServerError, attempt: Attempt) -> EmbeddingError:
        if error.availability is not None:
            return self.target.unavailable(error)
        return self.target.gave_up(attempt.number, f"{error.status}: {error.message}")

    def _bad_reply(self, reply: BadReply, attempt: Attempt) -> Decision:
        error = self.target.malformed(reply)
        if attempt.number < _TRIES_OF_BAD_REPLIES:
            # At once at first: the server has answered, and no overload is in it.
            number = attempt.number - 1
            return Wait(seconds=backoff_s(number, self.patience, self.jitter) if number else 0.0)
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


def stated_s(error: ServerError, *, now_s: float) -> float | None:
    """The wait that a refusal asks for, in its body or its headers; None where it asks for none.

    Args:
        error: The refusal.
        now_s: Seconds since the epoch, for dates.
    """
    if error.retry_after_s is not None:
        return error.retry_after_s
    return stated_wait_s(error.headers, now_s=now_s)


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
