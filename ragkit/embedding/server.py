"""A server as all streams of an embedder see it: how to ask it, and what is learnt about it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ragkit.embedding.encoding import EncodingProof
from ragkit.embedding.failures import Failure, ServerError
from ragkit.embedding.jobs import Job
from ragkit.embedding.limits import BatchLimits
from ragkit.embedding.mending import Watch
from ragkit.embedding.pace import Pace
from ragkit.embedding.picture_proof import PictureProof
from ragkit.embedding.policy import Policy, stated_s
from ragkit.embedding.transport import RawReply, Transport
from ragkit.embedding.width import WidthElection
from ragkit.embedding.wire import Reply, RequestForm, build_request, parse_reply

__all__ = ["Outcome", "Server", "ask"]

Outcome = Reply | Failure
# A limit so low that each request should carry more than servers usually get.
_FEW_PER_MINUTE = 120.0
# Tokens for each request, as the time in which so many are permitted.
_SLICE_S = 0.5


@dataclass(slots=True, kw_only=True)
class Server:
    """A server, and what is learnt about it; shared by all streams of an embedder.

    Attributes:
        transport: Connections.
        policy: What to do about failures.
        pace: When to send, and how much at once.
        limits: When a batch is full.
        election: Decides the width that all answers must have.
        dimensions: Width that was asked for.
        sends_dimensions: Whether requests name it; servers refuse it for models of one width.
        encoding: Decides whether vectors are asked for as base64.
        watch: Knows whether texts are cut.
        pictures: Decides whether pictures may be sent.
    """

    transport: Transport
    policy: Policy
    pace: Pace
    limits: BatchLimits
    election: WidthElection
    dimensions: int | None = None
    sends_dimensions: bool = True
    encoding: EncodingProof = field(default_factory=EncodingProof)
    watch: Watch = field(default_factory=Watch)
    pictures: PictureProof = field(default_factory=PictureProof)

    @property
    def width(self) -> int | None:
        """Numbers in a vector, once that is known."""
        return self.election.width

    @property
    def at_once(self) -> int:
        """Most requests in flight now: one until the first answer, and beside the first picture."""
        alone = self.encoding.is_open or self.pictures.is_open
        return 1 if alone else self.pace.at_once

    @property
    def next_inputs(self) -> int:
        """Most texts for the next request."""
        most = self.limits.next_inputs(
            at_once=self.pace.at_once, width=self.width, few_permitted=self._few_permitted
        )
        return min(most, self.slice_inputs or most)

    @property
    def slice_inputs(self) -> int | None:
        """Texts with as many tokens as are permitted in half a second; None without such a limit.

        A request with the allowance of many seconds is refused by servers whose allowance fills up
        steadily, and what is learnt from it comes late. Where requests are few it carries all that
        it may.
        """
        per_s, mean = self.pace.tokens_per_s, self.limits.mean_tokens
        if per_s is None or mean is None or self._few_permitted:
            return None
        return max(1, int(per_s * _SLICE_S / mean))

    def requests_for(self, texts: int, tokens: int) -> int:
        """About how many requests so many texts with so many tokens in all take."""
        return self.limits.requests_for(texts, tokens, few_permitted=self._few_permitted)

    @property
    def _few_permitted(self) -> bool:
        permitted = self.pace.requests_per_minute
        return permitted is not None and permitted <= _FEW_PER_MINUTE

    def prepare(self, job: Job, form: RequestForm) -> RequestForm:
        """The form of a batch's next request; the batch remembers how it was asked."""
        job.dimensions_sent = self.dimensions is not None and self.sends_dimensions
        job.encoding = self.encoding.numbers() if job.asks_numbers else self.encoding.choose()
        job.tokens_expected = self.limits.expected_tokens(job.weight_bytes)
        if job.is_pictures:
            self.pictures.sent()
        else:
            job.tries_more = self.limits.sent(len(job.entries))
        job.sent_s = self.pace.sent(job.tokens_expected)
        return replace(
            form,
            dimensions=self.dimensions if job.dimensions_sent else None,
            encoding_format=job.encoding,
        )

    def ask(self, inputs: Sequence[object], form: RequestForm, width: int | None) -> Outcome:
        """As the function ``ask``; a wait that a refusal asks for begins before this returns.

        Other refusals and answers may be waiting to be looked at, and each lets another request go.
        A wait that no run sits out ends the run, and the next one may ask again at once: the
        allowance may have been raised meanwhile.
        """
        outcome = ask(self.transport, inputs, form, width)
        if isinstance(outcome, ServerError) and outcome.status in (429, 503, 529):
            seconds = stated_s(outcome, now_s=time.time())
            if seconds is not None and seconds <= self.policy.patience.waiting_s:
                self.pace.close(seconds)
        return outcome

    def learn(self, job: Job, reply: Reply, *, full: bool) -> bool:
        """What an answer tells: that the server bears more, and how it counts tokens.

        Args:
            job: Its batch.
            reply: Every check passed.
            full: Whether as many requests were in flight as may be.

        Returns:
            Whether its vectors can be believed; an answer that cannot be is none.
        """
        billed = 0.0 if reply.tokens is None else reply.tokens - job.tokens_expected
        self.pace.answered(amount=job.weight_bytes, full=full, tokens=billed)
        self.pace.told(reply.headers)
        is_believed = self.encoding.answered(job.encoding, reply)
        if job.is_pictures:
            return is_believed
        if not self.watch.suspects(job.size_bytes, reply.tokens, self.limits):
            self.limits.learn(reply.tokens, job.size_bytes, len(job.entries))
        self.limits.answered(len(job.entries), time.monotonic() - job.sent_s)
        if job.halves is not None and (most := job.halves.answered(len(job.entries))):
            self.limits.fell_to(most)
        return is_believed


def ask(
    transport: Transport, inputs: Sequence[object], form: RequestForm, width: int | None
) -> Outcome:
    """Send one request and read its reply. Never raises.

    Args:
        transport: Where to.
        inputs: What is to be embedded, as ``Entry.wire`` has it.
        form: The rest of the request.
        width: Width that every vector must have; None takes the width of the first.
    """
    answer = transport.post("/embeddings", build_request(inputs, form), expected=len(inputs))
    if not isinstance(answer, RawReply):
        return answer
    outcome = _read(answer, len(inputs), width)
    if isinstance(outcome, Reply):
        return outcome
    # What is wrong with a reply is quoted, so that the key must not stand in it.
    return _read(transport.masked(answer), len(inputs), width)


def _read(answer: RawReply, expected: int, width: int | None) -> Outcome:
    return parse_reply(answer.status, answer.headers, answer.body, expected=expected, width=width)
