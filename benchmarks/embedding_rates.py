"""Limits of rate that nobody told the client: how much of them it uses, and how often it errs.

    python benchmarks/embedding_rates.py [--minutes 5] [--limit bucket|window] [--unnamed]

600 requests a minute, and separately 500,000 tokens a minute. Counted after the first 10 s. Whether
a request went out before the wait of a refusal had passed is told by the client's own clock, since
on a busy machine one that is on its way already may take its time to arrive.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import threading
import time
from collections.abc import Callable

from embedding_server import ledger, serving

from ragkit.embedding.channels import RawReply
from ragkit.embedding.openrouter import OpenRouterEmbedder
from ragkit.embedding.transport import Transport
from ragkit.embedding.waits import Patience
from ragkit.errors import ServerUnreachable

# Between a reply and the moment in which the client knows of it.
KNOWN_AFTER_S = 0.05


class Watched:
    """Notes when requests go out, and when they may not."""

    def __init__(self) -> None:
        self.sent: list[float] = []
        self.closed: list[tuple[float, float]] = []

    def post(self, transport: Transport) -> Callable[..., object]:
        """The transport's ``post``, looked at."""
        inner = transport.post

        def post(path: str, body: bytes, *, expected: int) -> object:
            self.sent.append(time.monotonic())
            answer = inner(path, body, expected=expected)
            now_s = time.monotonic()
            if isinstance(answer, RawReply) and answer.status == 429:
                wait_s = float(answer.headers["retry-after-ms"]) / 1000
                self.closed.append((now_s + KNOWN_AFTER_S, now_s + wait_s))
            return answer

        return post

    @property
    def too_early(self) -> int:
        """Requests that went out although the client had been told to wait."""
        return sum(any(begin < at < end for begin, end in self.closed) for at in self.sent)


def measure(name: str, options: list[str], seconds: float, words: int, per_s: float) -> None:
    """Embed without end for so long, and print what the server saw."""
    with serving("--dimensions", "64", "--latency-s", "0.1", "--events", *options) as url:
        client = OpenRouterEmbedder(
            "m", api_key="key-of-the-test", base_url=url, patience=Patience(run_s=seconds)
        )
        watched = Watched()
        client._server.transport.post = watched.post(client._server.transport)  # type: ignore[assignment, method-assign]
        stop = time.monotonic() + seconds
        texts = (f"{n} " + "word " * words for n in iter(lambda: time.monotonic() < stop, False))
        with contextlib.suppress(ServerUnreachable):  # of the end that was asked for
            for _ in client.embed(texts, role="document"):
                pass
        seen = ledger(url)
    later = [event for event in seen["events"] if 10.0 < event[0] < seconds]
    amount = sum(tokens if "token" in name else ok for _, ok, tokens in later)
    refused = sum(not ok for _, ok, _ in later)
    used = amount / ((seconds - 10.0) * per_s)
    sys.stdout.write(
        f"{name:10} {' '.join(options):60} {len(seen['events'])} requests in {seconds:.0f} s; after"
        f" 10 s: {used:.1%} of the rate used, {refused} of {len(later)} refused"
        f" ({refused / max(1, len(later)):.2%}), {watched.too_early} too early\n"
    )
    sys.stdout.flush()


def main() -> None:
    """Both limits at the same time, in a thread each: they sleep most of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--limit", choices=["bucket", "window"], default="bucket")
    parser.add_argument("--unnamed", action="store_true", help="refusals do not say what for")
    arguments = parser.parse_args()
    limit = ["--limit", arguments.limit] + ["--unnamed"] * arguments.unnamed
    seconds = arguments.minutes * 60.0
    runs = [
        ("requests", ["--requests-per-minute", "600", *limit], 4, 10.0),
        ("tokens", ["--tokens-per-minute", "500000", *limit], 80, 500_000 / 60),
    ]
    threads = [
        threading.Thread(target=measure, args=(name, options, seconds, words, per_s))
        for name, options, words, per_s in runs
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
