"""The server of the embedding benchmarks: a process of its own, as cheap as Python allows.

    python benchmarks/embedding_server.py --latency-s 0.15     prints its URL, serves until killed

It answers as OpenRouter does, with vectors out of a pool made before (``vector_of`` tells which
text gets which), so that a measurement is of the client and not of this process. It allows so many
requests at once, keeps limits of rate, plays faults by chance, and ``GET /ledger`` tells what came.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import random
import subprocess
import sys
import time
import urllib.request
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import numpy as np

__all__ = ["FAULTS", "ledger", "pool_of", "serving", "vector_of"]

POOL: Final = 1024
FAULTS: Final = (
    "429", "500", "503", "529", "524", "reset", "truncated", "error in 200", "short", "shuffled",
    "duplicate index", "wrong width", "NaN",
)  # fmt: skip


def pool_of(dimensions: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """The unit vectors that the server gives, float32 (POOL, dimensions)."""
    rows = np.random.default_rng(7).standard_normal((POOL, dimensions), dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def place_of(text: str) -> int:
    """Which vector of the pool a text gets."""
    return zlib.crc32(text.encode()) % POOL


def vector_of(
    text: str, pool: np.ndarray[Any, np.dtype[np.float32]]
) -> np.ndarray[Any, np.dtype[np.float32]]:
    """The vector that the server gives to a text."""
    row: np.ndarray[Any, np.dtype[np.float32]] = pool[place_of(text)]
    return row


class Asked(msgspec.Struct):
    """What a request holds."""

    input: list[str] | str
    encoding_format: str = "float"
    dimensions: int | None = None


_ON_THE_WAY_S: Final = 0.05
ASKED: Final = msgspec.json.Decoder(Asked)


@dataclass(slots=True)
class Bucket:
    """A limit of rate that fills evenly; ``capacity`` may be spent at once."""

    per_s: float
    capacity: float
    level: float = field(init=False)
    filled_s: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.level = self.capacity

    def wait_s(self, amount: float) -> float:
        """0 when the amount was taken; otherwise how long until it may be."""
        now_s = time.monotonic()
        self.level = min(self.capacity, self.level + (now_s - self.filled_s) * self.per_s)
        self.filled_s = now_s
        if self.level >= amount or (amount > self.capacity and self.level >= self.capacity):
            self.level -= amount
            return 0.0
        return (min(amount, self.capacity) - self.level) / self.per_s


@dataclass(slots=True)
class Window:
    """A limit of rate that begins anew every minute, as simple gateways keep it."""

    most: float
    seconds: float = 60.0
    began_s: float = field(default_factory=time.monotonic)
    used: float = 0.0

    def wait_s(self, amount: float) -> float:
        """0 when the amount was taken; otherwise how long until the next window."""
        now_s = time.monotonic()
        if now_s - self.began_s >= self.seconds:
            self.began_s += (now_s - self.began_s) // self.seconds * self.seconds
            self.used = 0.0
        if self.used + amount <= self.most:
            self.used += amount
            return 0.0
        return self.began_s + self.seconds - now_s


@dataclass(slots=True)
class Seen:
    """What came."""

    requests: int = 0
    refused: int = 0
    too_early: int = 0
    twice: int = 0
    in_flight: int = 0
    most_in_flight: int = 0
    server_s: float = 0.0
    began_s: float | None = None
    ended_s: float = 0.0
    events: list[tuple[float, int, int]] = field(default_factory=list)
    answered: Counter[int] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)


class Server:
    """State and answers; ``connected`` speaks HTTP."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        pool = pool_of(arguments.dimensions)
        self.base64 = [b'"' + base64.b64encode(row.tobytes()) + b'"' for row in pool]
        self.floats: list[bytes] = []
        self.pool = pool
        self.seen = Seen()
        self.chance = random.Random(5)  # noqa: S311 - chooses faults
        self.requests: Bucket | Window | None = None
        self.tokens: Bucket | Window | None = None
        self.closed_until_s = self.told_s = 0.0
        kind, burst_s = arguments.limit, arguments.burst_s
        for name in ("requests", "tokens"):
            most = getattr(arguments, f"{name}_per_minute")
            if most:
                limit = Window(most) if kind == "window" else Bucket(most / 60, most / 60 * burst_s)
                setattr(self, name, limit)

    @property
    def refusal(self) -> bytes:
        """In OpenAI's words, or in words that do not say what is counted."""
        words = "tokens per min (TPM)" if self.tokens else "requests per min (RPM)"
        said = "rate limited" if self.arguments.unnamed else f"Rate limit reached on {words}"
        return b'{"error":{"code":429,"message":"%s"}}' % said.encode()

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, for as long as the client keeps it."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lower = head.lower()
                start = lower.find(b"content-length:")
                length = int(lower[start + 15 : lower.index(b"\r", start)]) if start >= 0 else 0
                body = await reader.readexactly(length)
                if head.startswith(b"GET"):
                    self.send(writer, 200, json.dumps(self.ledger()).encode())
                elif not await self.embed(body, reader, writer):
                    writer.transport.abort()
                    return
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def send(
        self, writer: asyncio.StreamWriter, status: int, body: bytes, headers: str = ""
    ) -> None:
        """One reply."""
        writer.write(
            f"HTTP/1.1 {status} OK\r\nContent-Type: application/json\r\n{headers}"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
        )
        writer.write(body)

    async def embed(
        self, body: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Answer one request; whether the connection stays."""
        asked = ASKED.decode(body)
        texts = [asked.input] if isinstance(asked.input, str) else asked.input
        tokens = sum(-(-len(text.encode()) // 4) for text in texts)
        seen, arguments = self.seen, self.arguments
        now_s = time.monotonic()
        seen.began_s = now_s if seen.began_s is None else seen.began_s
        seen.requests += 1
        wait_s = self.limited(tokens, now_s)
        if wait_s > 0:
            seen.events.append((now_s - seen.began_s, 0, 0))
            self.send(writer, 429, self.refusal, self.told(wait_s))
            return True
        seen.events.append((now_s - seen.began_s, 1, tokens))
        fault = ""
        if arguments.faults and self.chance.random() < arguments.faults * len(FAULTS):
            fault = self.chance.choice(FAULTS)
            seen.faults[fault] += 1
        seen.in_flight += 1
        seen.most_in_flight = max(seen.most_in_flight, seen.in_flight)
        service_s = arguments.latency_s + tokens * arguments.latency_per_token_s
        seen.server_s += service_s
        reply = self.reply(texts, tokens, asked.encoding_format, fault)
        # What this process took to answer counts as part of the latency, not on top of it.
        await asyncio.sleep(max(0.0, now_s + service_s - time.monotonic()))
        seen.in_flight -= 1
        seen.ended_s = time.monotonic()
        # Who was killed meanwhile has no answer.
        if arguments.remember and fault in ("", "shuffled") and not reader.at_eof():
            self.remember(texts)
        return self.play(writer, reply, fault)

    def remember(self, texts: list[str]) -> None:
        """Count those that were answered before."""
        before = len(self.seen.answered)
        self.seen.answered.update(zlib.crc32(text.encode()) for text in texts)
        self.seen.twice += len(texts) - (len(self.seen.answered) - before)

    def limited(self, tokens: int, now_s: float) -> float:
        """How long the client must wait; 0 when it may go on."""
        # Those that were on their way when it was told could not know.
        if self.told_s + _ON_THE_WAY_S < now_s < self.closed_until_s:
            self.seen.too_early += 1
        waits = [self.requests.wait_s(1)] if self.requests else []
        waits += [self.tokens.wait_s(tokens)] if self.tokens else []
        if self.seen.in_flight >= self.arguments.at_once:
            waits.append(0.05)
        wait_s = max(waits, default=0.0)
        if wait_s > 0:
            self.seen.refused += 1
        return wait_s

    def told(self, wait_s: float) -> str:
        """The header of a refusal; who comes before it is noted from then on."""
        if self.arguments.silent:
            return ""
        now_s = time.monotonic()
        self.told_s = now_s if now_s >= self.closed_until_s else self.told_s
        self.closed_until_s = max(self.closed_until_s, now_s + wait_s)
        return f"Retry-After-Ms: {int(wait_s * 1000) + 1}\r\n"

    def reply(self, texts: list[str], tokens: int, encoding: str, fault: str) -> bytes:
        """The body of a reply of 200."""
        if encoding != "base64" and not self.floats:
            self.floats = [json.dumps(row.tolist()).encode() for row in self.pool]
        vectors = self.base64 if encoding == "base64" else self.floats
        places = [place_of(text) for text in texts]
        items = [b'{"object":"embedding","index":%d,"embedding":' % n for n in range(len(texts))]
        parts = [item + vectors[place] + b"}" for item, place in zip(items, places, strict=True)]
        if fault == "shuffled":
            parts.reverse()
        elif fault == "short":
            parts.pop()
        elif fault == "duplicate index":
            parts[-1] = (
                (items[0] if len(items) > 1 else items[0].replace(b"0", b"1"))
                + vectors[places[-1]]
                + b"}"
            )
        elif fault in ("wrong width", "NaN"):
            row = self.pool[places[-1]][: 8 if fault == "wrong width" else None].copy()
            row[0] = np.nan if fault == "NaN" else row[0]
            parts[-1] = items[-1] + b'"' + base64.b64encode(row.tobytes()) + b'"}'
        cost = tokens * 2e-8
        return (
            b'{"object":"list","data":['
            + b",".join(parts)
            + b'],"model":"m","usage":{"prompt_tokens":%d,"total_tokens":%d,"cost":%.10f}}'
            % (tokens, tokens, cost)
        )

    def play(self, writer: asyncio.StreamWriter, reply: bytes, fault: str) -> bool:
        """Send it, or what goes wrong instead; whether the connection stays."""
        if fault == "reset":
            return False
        if fault.isdigit():
            headers = "Retry-After-Ms: 30\r\n" if fault in ("429", "503") else ""
            self.send(writer, int(fault), b'{"error":{"code":1,"message":"fault"}}', headers)
        elif fault == "error in 200":
            self.send(writer, 200, b'{"error":{"code":502,"message":"Provider returned error"}}')
        else:
            self.send(writer, 200, reply[: len(reply) // 2] if fault == "truncated" else reply)
        return True

    def ledger(self) -> dict[str, object]:
        """Totals; events are (seconds since the first request, accepted, tokens)."""
        seen = self.seen
        return {
            "requests": seen.requests,
            "refused": seen.refused,
            "texts": len(seen.answered),
            "twice": seen.twice,
            "too_early": seen.too_early,
            "most_in_flight": seen.most_in_flight,
            "server_s": seen.server_s,
            "wall_s": seen.ended_s - (seen.began_s or seen.ended_s),
            "events": seen.events if self.arguments.events else [],
            "faults": dict(seen.faults),
        }


@contextmanager
def serving(*options: str) -> Iterator[str]:
    """The base URL of a server in a process of its own, with these options."""
    with subprocess.Popen(
        [sys.executable, __file__, *options], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def ledger(url: str) -> dict[str, Any]:
    """What the server at the base URL has seen."""
    with urllib.request.urlopen(url + "/ledger") as reply:  # noqa: S310 - this machine
        document: dict[str, Any] = json.load(reply)
    return document


async def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--dimensions", type=int, default=1536)
    parser.add_argument("--latency-s", type=float, default=0.0)
    parser.add_argument("--latency-per-token-s", type=float, default=0.0)
    parser.add_argument("--at-once", type=int, default=64)
    parser.add_argument("--requests-per-minute", type=float, default=0.0)
    parser.add_argument("--tokens-per-minute", type=float, default=0.0)
    parser.add_argument("--limit", choices=["bucket", "window"], default="bucket")
    parser.add_argument("--burst-s", type=float, default=1.0, help="what a bucket holds, in time")
    parser.add_argument("--silent", action="store_true", help="refuse without Retry-After")
    parser.add_argument("--unnamed", action="store_true", help="refuse without saying what for")
    parser.add_argument("--faults", type=float, default=0.0, help="chance of each fault")
    parser.add_argument("--remember", action="store_true", help="count texts answered twice")
    parser.add_argument("--events", action="store_true", help="list each request in the ledger")
    server = Server(parser.parse_args())
    listener = await asyncio.start_server(server.connected, "127.0.0.1", 0, limit=1 << 20)
    port = listener.sockets[0].getsockname()[1]
    sys.stdout.write(f"http://127.0.0.1:{port}/v1\n")
    sys.stdout.flush()
    await listener.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
