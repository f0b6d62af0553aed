"""Worker processes in numbers: many requests at once, answers in the order of the questions."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Generic, TypeVar

import msgspec

from ragkit.errors import InvalidArgument, RagkitError
from ragkit.reading.messages import Limits, ReadRequest
from ragkit.reading.process import Ended, OutOfMemory, TookTooLong, WorkerProcess

__all__ = ["WorkerFailure", "WorkerPool"]

Reply = TypeVar("Reply")

_AHEAD_PER_WORKER = 4
_QUEUED_PER_START = 2
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerFailure:
    """A file that cost its worker; ``reason`` is fit for the report."""

    reason: str


@dataclass(frozen=True, slots=True)
class _Task(Generic[Reply]):
    request: ReadRequest
    outcome: Future[Reply | WorkerFailure]
    # Set when the request is the careful one: what became of the first.
    failure: WorkerFailure | None = None


class WorkerPool(Generic[Reply]):
    """Parser processes that start when there is work, each with its own limits.

    Each process has one thread here that speaks to it, so time limits hold however slowly the
    answers are taken. A process that hangs, crashes or runs out of memory costs one file: it is
    replaced. A crash or a lack of memory is believed only of a fresh process, so that what one file
    did to a heap is not blamed on the next. The file is then asked for once more, to be read with
    care, and is given up only if there is no such way.
    """

    def __init__(
        self,
        reply_type: type[Reply],
        *,
        module: str = "ragkit.reading.worker",
        arguments: Sequence[str] = (),
        workers: int,
        timeout_s: float,
        memory_bytes: int,
    ) -> None:
        """Prepare a pool; no process starts yet.

        Args:
            reply_type: What the module's replies decode to.
            module: Run as ``__main__``; it calls ``ragkit.reading.worker.serve``.
            arguments: Its command line.
            workers: Most processes at once.
            timeout_s: Longest time for one request.
            memory_bytes: Most private memory of one process.

        Raises:
            InvalidArgument: A limit is not positive.
        """
        if workers < 1 or timeout_s <= 0 or memory_bytes < 1:
            raise InvalidArgument("workers, timeout_s and memory_bytes must be greater than 0")
        self._decoder = msgspec.msgpack.Decoder(reply_type)
        self._module = module
        self._arguments = tuple(arguments)
        self._workers = workers
        self._limits = Limits(memory_bytes=memory_bytes, timeout_s=timeout_s)
        self._queue: queue.SimpleQueue[_Task[Reply] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._processes: set[WorkerProcess] = set()
        self._lock = threading.Lock()
        self._closed = False

    def run(
        self, requests: Iterable[ReadRequest]
    ) -> Generator[tuple[ReadRequest, Reply | WorkerFailure], None, None]:
        """Answer requests in their order, reading a few of them ahead.

        Args:
            requests: Taken lazily, in the thread that iterates.

        Raises:
            ReadingError: No worker process can be started at all.
        """
        waiting: deque[tuple[ReadRequest, Future[Reply | WorkerFailure]]] = deque()
        upcoming = iter(requests)
        try:
            while True:
                while len(waiting) < _AHEAD_PER_WORKER * self._workers:
                    request = next(upcoming, None)
                    if request is None:
                        break
                    waiting.append((request, self._submit(request)))
                if not waiting:
                    return
                request, outcome = waiting[0]
                answer = outcome.result()
                waiting.popleft()
                yield request, answer
        finally:
            for _, outcome in waiting:
                outcome.cancel()

    def close(self) -> None:
        """End all processes now; a second call does nothing."""
        with self._lock:
            self._closed = True
            processes = list(self._processes)
        for _ in self._threads:
            self._queue.put(None)
        for process in processes:
            process.close()
        for thread in self._threads:
            # Ctrl-C may have come before it was started.
            if thread.ident is not None:
                thread.join()

    def __enter__(self) -> WorkerPool[Reply]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _submit(self, request: ReadRequest) -> Future[Reply | WorkerFailure]:
        if self._closed:
            raise InvalidArgument("the worker pool is closed: make a new one")
        task: _Task[Reply] = _Task(request, Future())
        self._queue.put(task)
        running = len(self._threads)
        if running == 0 or (
            running < self._workers and self._queue.qsize() > _QUEUED_PER_START * running
        ):
            # A daemon: a pool that nobody closed does not hold up the interpreter's end, and the
            # processes end with their stdin.
            thread = threading.Thread(target=self._work, name="ragkit-reading", daemon=True)
            self._threads.append(thread)
            thread.start()
        return task.outcome

    def _work(self) -> None:
        """Body of a thread: one process after another, until the queue says stop."""
        process: WorkerProcess | None = None
        while (task := self._queue.get()) is not None:
            if not task.outcome.set_running_or_notify_cancel():
                continue
            try:
                process = self._answer(task, process)
            except (RagkitError, OSError, msgspec.MsgspecError) as error:
                task.outcome.set_exception(error)
                process = None
        if process is not None:
            self._discard(process)

    def _answer(self, task: _Task[Reply], process: WorkerProcess | None) -> WorkerProcess | None:
        """Give the task its outcome; returns the process that serves the next one."""
        fresh = process is None
        current = process or self._start()
        try:
            reply = current.ask(msgspec.msgpack.encode(task.request))
        except TookTooLong:
            failure = WorkerFailure(reason=f"took longer than {self._limits.timeout_s:g} s")
        except OutOfMemory:
            failure = WorkerFailure(
                reason=f"needs more than {self._limits.memory_bytes // _MIB} MiB"
            )
            if not fresh:
                self._discard(current)
                return self._answer(task, None)
        except Ended as end:
            failure = WorkerFailure(reason=f"the parser crashed ({end.how})")
            if not fresh and not self._closed:
                self._discard(current)
                return self._answer(task, None)
        else:
            task.outcome.set_result(self._decoded(reply, task))
            return current
        self._discard(current)
        if task.failure is None and not self._closed:
            careful = replace(task.request, careful=True)
            return self._answer(_Task(careful, task.outcome, failure), None)
        task.outcome.set_result(task.failure or failure)
        return None

    def _decoded(self, reply: bytes | None, task: _Task[Reply]) -> Reply | WorkerFailure:
        if reply is None:
            return task.failure or WorkerFailure(reason="no answer")
        try:
            return self._decoder.decode(reply)
        except msgspec.MsgspecError as error:
            # A fault of ours, which costs the one file and not the run.
            return WorkerFailure(reason=f"its reader's answer has no sense ({error})")

    def _start(self) -> WorkerProcess:
        process = WorkerProcess(self._module, self._arguments, self._limits)
        with self._lock:
            self._processes.add(process)
            closed = self._closed
        if closed:
            process.close()
        return process

    def _discard(self, process: WorkerProcess) -> None:
        with self._lock:
            self._processes.discard(process)
        process.release()
