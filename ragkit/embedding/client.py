"""One stream of inputs through one server: batches out, checked vectors back, failures decided.

All state of a stream belongs to the thread that reads it; worker threads only send one request and
parse one reply. So no lock guards a stream, and what happens next is decided in one place.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from functools import partial
from queue import Empty
from typing import Final

from ragkit.embedding.batches import Batcher
from ragkit.embedding.budget import Budget
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
from ragkit.embedding.failures import (
    BadReply,
    Failure,
    NoReply,
    ServerError,
    is_by_chance,
    is_slow,
    way_of,
)
from ragkit.embedding.jobs import Bill, Halves, Job
from ragkit.embedding.mending import Mender
from ragkit.embedding.picture_proof import refused_pictures
from ragkit.embedding.purse import Purse
from ragkit.embedding.remainder import Remainder
from ragkit.embedding.results import batch_of, report_of
from ragkit.embedding.seam import EmbeddedBatch
from ragkit.embedding.server import Outcome, Server
from ragkit.embedding.wire import Reply, RequestForm
from ragkit.embedding.workers import Workers
from ragkit.errors import RagkitError

__all__ = ["Stream"]

# Requests in flight when a stream is abandoned are waited for so long, and then left to themselves.
_GRACE_S: Final = 2.0
# The first request tells how the server answers: small, so that what it tells is soon known.
_FIRST_INPUTS: Final = 8
_MONEY_POLL_S: Final = 0.05
# Refusals that name no text, in a row, until the server is taken to refuse everything.
_SUSPECTS_UNPROVEN: Final = 8
_SUSPECTS_PROVEN: Final = 64
# Pictures that are read and not sent, until somebody is told.
_POSTPONED_AT_ONCE: Final = 64


class Stream:
    """The answers to one stream of inputs, as ``Embedder.embed`` promises them.

    Args:
        server: Who is asked.
        form: Of requests with texts.
        picture_form: Of requests with pictures.
        batcher: Gives the inputs.
        budget: Of the run; None without a limit.
    """

    def __init__(
        self,
        server: Server,
        *,
        form: RequestForm,
        picture_form: RequestForm,
        batcher: Batcher,
        budget: Budget | None,
    ) -> None:
        self._server = server
        server.pictures.begin()
        self._form = form
        self._picture_form = picture_form
        self._batcher = batcher
        self._purse = Purse(budget, server.pictures)
        self._workers: Workers[Job, Outcome] = Workers()
        self._in_flight: set[Job] = set()
        self._ends_at_s = _end_s(server.policy.patience.run_s)
        self._mender = Mender(server.watch, server.limits, batcher.prompt)
        self._again: list[Job] = []
        self._held: list[tuple[Job, Reply]] = []
        self._remainder = Remainder()
        self._stop: Exception | None = None
        self._exhausted = False
        self._short_of_money = False

    def batches(self) -> Iterator[EmbeddedBatch]:
        """Answered batches, in any order.

        When the work must stop, answers in flight are waited for and yielded first: they are paid.

        Raises:
            EmbeddingError: The rest cannot be embedded.
            ConfigurationError: The budget cannot be kept, since the server states no cost.
        """
        try:
            while True:
                self._fill()
                yield from self._refused()
                if not self._in_flight and (self._stop is not None or not self._has_work()):
                    if not self._held:
                        break
                    self._server.election.close()
                    yield from self._release()
                    continue
                job, outcome = self._next_outcome()
                if job is None or outcome is None:
                    continue
                for batch in self._settle(job, outcome):
                    # Before the consumer has it: the server works while the consumer does.
                    self._fill()
                    yield batch
            yield from self._last()
            if self._stop is not None:
                raise self._stop
        finally:
            self._close()

    def _has_work(self) -> bool:
        return bool(self._again) or not self._exhausted

    def _fill(self) -> None:
        self._short_of_money = False
        if self._stop is None and time.monotonic() > self._ends_at_s and self._has_work():
            self._stop = self._server.policy.out_of_time()
        while self._stop is None and len(self._in_flight) < self._server.at_once:
            if self._server.pace.wait_s() > 0:
                return
            job = self._next_job()
            if job is None:
                return
            if self._server.pace.wait_s() > 0:
                # Reading the inputs takes its time, and a refusal may have come meanwhile.
                self._again.insert(0, job)
                return
            if job.is_pictures and self._server.pictures.refusal is not None:
                self._remainder.postpone(job, self._server.pictures.refusal)
                if self._remainder.postponed >= _POSTPONED_AT_ONCE:
                    return
                continue
            if not self._purse.reserve(job):
                self._out_of_budget(job)
                return
            self._send(job)
            if not self._workers.done.empty():
                # Whoever reads texts slowly would keep answers waiting, and a kill would lose them.
                return

    def _next_job(self) -> Job | None:
        now_s = time.monotonic()
        for position, job in enumerate(self._again):
            if job.ready_at_s <= now_s:
                return self._again.pop(position)
        if not self._has_room():
            return None
        most = _FIRST_INPUTS if self._server.encoding.is_open else self._server.next_inputs
        most_pictures = self._server.pictures.most
        if not self._purse.is_open:
            most = most_pictures = 1
        try:
            entries = self._batcher.next_batch(most, most_pictures)
        except Exception as error:  # noqa: BLE001 - the caller's own error, raised to the caller
            # once the answers in flight, which are paid for, have been handed over.
            self._stop = error
            return None
        self._exhausted = not entries
        return Job(entries=entries) if entries else None

    def _has_room(self) -> bool:
        # Batches that wait for another attempt are bounded too, or a failing server would be read
        # ahead of without end.
        return not self._exhausted and len(self._again) < self._server.at_once

    def _out_of_budget(self, job: Job) -> None:
        alone = not self._in_flight and not self._purse.has_promises
        if alone and len(job.entries) > 1:
            # What is left may still pay for fewer texts: their true price is below the promise.
            self._again[:0] = job.parts((len(job.entries) + 1) // 2, keep_failures=True)
            return
        self._again.insert(0, job)
        self._short_of_money = True
        if alone:
            self._stop = self._purse.spent()

    def _send(self, job: Job) -> None:
        server = self._server
        form = server.prepare(job, self._picture_form if job.is_pictures else self._form)
        job.bill.requests += 1
        width = server.dimensions if server.width is None else server.width
        inputs = [entry.wire for entry in job.entries]
        task = partial(server.ask, inputs, form, width)
        self._workers.start(job, task, under_way=len(self._in_flight))
        self._in_flight.add(job)

    def _next_outcome(self) -> tuple[Job | None, Outcome | None]:
        try:
            job, outcome = self._workers.done.get(timeout=self._idle_s())
        except Empty:
            return None, None
        self._in_flight.remove(job)
        if isinstance(outcome, Exception):
            raise outcome
        return job, outcome

    def _idle_s(self) -> float | None:
        """How long nothing can be sent; None when only an answer can change that."""
        full = len(self._in_flight) >= self._server.at_once
        if self._in_flight and (full or self._stop is not None or self._short_of_money):
            return None
        if self._short_of_money:
            # Another stream of the same budget has requests in flight, whose cost is not known yet.
            return _MONEY_POLL_S
        waits = [job.ready_at_s - time.monotonic() for job in self._again]
        if self._has_room():
            waits.append(0.0)
        if not waits:
            return None
        idle_s = max(min(waits), self._server.pace.wait_s(), 0.001)
        return min(idle_s, max(self._ends_at_s - time.monotonic(), 0.001))

    def _settle(self, job: Job, outcome: Outcome) -> list[EmbeddedBatch]:
        self._charge(job, outcome)
        if isinstance(outcome, Reply):
            if job.is_pictures:
                reason = self._server.pictures.judge(job, outcome.tokens)
                if reason is not None:
                    self._remainder.postpone(job, reason)
                    return []
            full = len(self._in_flight) + 1 >= self._server.pace.at_once
            if not self._server.learn(job, outcome, full=full):
                batch = self._fail(job, BadReply(reason="base64 of other bytes than float32"))
                return [] if batch is None else [batch]
            self._held.append((job, outcome))
            decided = self._server.election.vote(outcome.vectors.shape[1])
            return self._release() if decided else []
        batch = self._fail(job, outcome)
        return [] if batch is None else [batch]

    def _release(self) -> list[EmbeddedBatch]:
        """The answers that were held back until the width was decided; others are discarded."""
        held, self._held = self._held, []
        batches = []
        for job, reply in held:
            width = reply.vectors.shape[1]
            if width == self._server.width:
                ready, again = self._mender.take(job, reply)
                self._again[:0] = again
                for done in ready:
                    failed = self._remainder.take_suspects()
                    batches.append(batch_of(done, reply.provider, failed))
            else:
                reason = f"vectors of {width} numbers instead of {self._server.width}"
                self._fail(job, BadReply(reason=reason, width=width))
        return batches

    def _fail(self, job: Job, failure: Failure) -> EmbeddedBatch | None:
        server = self._server
        if job.is_pictures:
            server.pictures.failed()
        if self._stop is not None:
            self._remainder.write_off(job)
            return None
        explained = job.is_pictures and refused_pictures(failure) is not None
        if server.encoding.failed(job.encoding, failure, is_explained=explained):
            self._again.insert(0, job)
            return None
        if job.encoding == "base64" and isinstance(failure, BadReply):
            # Routers may go to a provider that has not proven anything.
            job.asks_numbers = True
        way = way_of(failure)
        if is_slow(failure):
            server.pace.slowed()
        job.failures[way] += 1
        attempt = Attempt(
            number=job.failures[way],
            limited=job.limited,
            size=len(job.entries),
            size_bytes=job.size_bytes,
            waited_s=job.waited_s,
            dimensions=server.dimensions,
            dimensions_sent=job.dimensions_sent,
            reached=server.election.has_answers,
            pictures=job.is_pictures,
            now_s=time.time(),
        )
        decision = server.policy.decide(failure, attempt)
        if job.tries_more:
            decision = self._tried(decision, job, failure)
        return self._obey(decision, job, failure)

    def _tried(self, decision: Decision, job: Job, failure: Failure) -> Decision:
        """What follows where a larger request than any before was not answered."""
        job.tries_more = False
        self._server.limits.failed(by_chance=is_by_chance(failure))
        if isinstance(decision, Wait) and not decision.everyone:
            # At the size that is proven, as if it had not been tried.
            job.failures.clear()
            return Split(seconds=decision.seconds, size=self._server.limits.inputs)
        return decision

    def _charge(self, job: Job, outcome: Outcome) -> None:
        if not self._purse.settle(job, outcome) and self._stop is None:
            self._stop = self._server.policy.target.states_no_cost()

    def _obey(self, decision: Decision, job: Job, failure: Failure) -> EmbeddedBatch | None:
        now_s = time.monotonic()
        match decision:
            case Wait(seconds=seconds, everyone=everyone):
                if everyone:
                    self._server.pace.refused(
                        seconds,
                        sent_s=job.sent_s,
                        tokens=job.tokens_expected,
                        about=decision.about,
                        stated_s=decision.stated_s,
                    )
                    job.limited += 1
                    job.failures[way_of(failure)] -= 1
                else:
                    job.limited = 0
                job.waited_s += seconds
                job.ready_at_s = now_s + seconds
                self._again += self._in_slices(job) if everyone else [job]
            case Split():
                self._split(decision, job, failure)
            case Shrink(limit=limit, counts=counts):
                if job.is_pictures and counts == "texts":
                    self._server.pictures.at_most(limit)
                else:
                    self._server.limits.at_most(limit, counts)
                half = (len(job.entries) + 1) // 2
                self._again += job.parts(limit if counts == "texts" else half)
            case DropDimensions():
                self._server.sends_dimensions = False
                job.failures.clear()
                self._again.append(job)
            case Reject():
                return self._rejected(decision, job)
            case RefusePictures(reason=reason):
                self._server.pictures.refuse(reason)
                self._remainder.postpone(job, reason)
            case Stop(error=error):
                self._halt(error, failure, job)
        return None

    def _in_slices(self, job: Job) -> list[Job]:
        most = None if job.is_pictures or job.mending else self._server.slice_inputs
        if most is None or most >= len(job.entries):
            return [job]
        return job.parts(most, keep_failures=True, ready_at_s=job.ready_at_s)

    def _split(self, decision: Split, job: Job, failure: Failure) -> None:
        job.waited_s += decision.seconds
        if job.halves is not None:
            job.halves.is_refused = True
        refused = isinstance(failure, ServerError) and job.mending is None
        job.halves = Halves(waiting=len(job.entries)) if refused else None
        if is_slow(failure):
            self._server.limits.fell_to((len(job.entries) + 1) // 2)
        # In front: the one text at fault is found before other batches are begun.
        self._again[:0] = job.parts(
            decision.size or (len(job.entries) + 1) // 2,
            keep_failures=decision.keep_attempts,
            ready_at_s=time.monotonic() + decision.seconds,
        )

    def _rejected(self, decision: Reject, job: Job) -> EmbeddedBatch | None:
        if job.halves is not None:
            job.halves.is_refused = True
        if job.mending is not None:
            if job.mending.is_over:
                # Another of its windows was refused, and the text is reported once.
                self._remainder.write_off(job)
                return None
            job.mending.is_over = True
        if decision.reads_tokens is not None:
            self._server.watch.learn(decision.reads_tokens)
        if decision.certain:
            refused = (job.entries[0].index, decision.reason)
            return report_of(job.bill.take(), (refused,), self._server.width)
        self._remainder.suspect(job, decision.reason, decision.otherwise)
        proven = self._server.election.has_answers
        if self._remainder.suspects >= (_SUSPECTS_PROVEN if proven else _SUSPECTS_UNPROVEN):
            self._stop = decision.otherwise
        return None

    def _halt(self, error: RagkitError, failure: Failure, job: Job) -> None:
        self._remainder.write_off(job)
        self._stop = error
        if isinstance(failure, NoReply):
            error.__cause__ = failure.cause

    def _refused(self) -> Iterator[EmbeddedBatch]:
        refused, self._batcher.refused = tuple(self._batcher.refused), []
        postponed = self._remainder.take_postponed()
        if refused or postponed:
            yield report_of(Bill(), refused, self._server.width, postponed=postponed)

    def _last(self) -> Iterator[EmbeddedBatch]:
        for job in self._again:
            self._remainder.write_off(job)
        rest = self._remainder
        if self._stop is None and rest.suspects and not self._server.election.has_answers:
            # Every text was refused, and not one was named as the cause.
            self._stop = rest.suspicion
        suspects = rest.take_suspects() if self._stop is None else ()
        bill = rest.bill.take()
        if suspects or bill.requests or bill.cost_usd:
            yield report_of(bill, suspects, self._server.width)

    def _close(self) -> None:
        self._workers.close()
        ends_at_s = time.monotonic() + _GRACE_S
        while self._in_flight:
            try:
                left_s = max(ends_at_s - time.monotonic(), 0.0)
                job, outcome = self._workers.done.get(timeout=left_s)
            except Empty:
                break
            self._in_flight.remove(job)
            if not isinstance(outcome, Exception):
                self._charge(job, outcome)
            else:
                self._purse.give_back(job)
        for job in self._in_flight:
            self._purse.give_back(job)
        self._in_flight.clear()


def _end_s(run_s: float | None) -> float:
    return math.inf if run_s is None else time.monotonic() + run_s
