"""A strict embeddings server on 127.0.0.1, in a thread or as a process of its own.

It answers as OpenRouter does, checks every request and records what is wrong with it, plays faults
at the requests it is told to, and keeps a ledger, so that a test can prove what was sent: no text
asked twice, nothing after a stop, no request before a stated wait has passed.

    python tests/loopback.py --port 0        prints the base URL and serves until it is killed
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import re
import socket
import ssl
import struct
import sys
import threading
import time
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, NoReturn, Self

from loopback_faults import FAULTS, PAGE, Fault, error_body, spoil
from loopback_inquiries import Inquiries, answer_question
from loopback_models import MODELS, Model, encoded, tokens_of, vector_of
from loopback_pictures import PictureError, Seen, seen_in
from loopback_rerank import Reranks, answer_rerank

__all__ = [
    "FAULTS",
    "Fault",
    "Inquiries",
    "Ledger",
    "LoopbackServer",
    "Model",
    "Quirks",
    "Reranks",
    "tokens_of",
    "vector_of",
]

KEY = "sk-or-v1-loopback-0123456789abcdef"


@dataclass(slots=True, kw_only=True)
class Quirks:
    """How this server deviates from the schema; all of it occurs in the field."""

    # Or "float" or "base64", whatever was asked; "swapped" is base64 in the wrong order of bytes.
    encoding: str = "asked"
    omits_index: bool = False
    omits_usage: bool = False
    omits_cost: bool = False
    omits_id: bool = False
    shuffles: bool = False
    ignores_dimensions: bool = False
    unit_length: bool = True
    drifts: float = 0.0  # how far a vector is from that of the request before
    routes: dict[str, float] = field(default_factory=dict)  # providers, and how far off each is
    answers_from: dict[int, str] = field(default_factory=dict)  # who answers from which request on
    adds_fields: bool = False
    compresses: bool = False
    too_many_status: int = 400
    too_many_message: str = "at most {limit} requests can be in one batch, got {count}"
    latency_s: float = 0.0
    latency_per_token_s: float = 0.0
    max_body_bytes: int = 2_000_000
    reads_tokens: int | None = None  # cuts longer texts without a word
    fails_over_inputs: int | None = None  # more texts are too much for it, which it does not say
    reads_pictures_as_text: bool = False
    usd_per_picture: Decimal = Decimal(0)
    takes_pictures: bool = False  # whatever the model's listing says
    no_pictures_status: int = 404
    no_pictures_message: str = "No endpoints found that support image input"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One embeddings request, as the ledger has it; times on the monotonic clock."""

    number: int
    started_s: float
    ended_s: float
    status: int
    inputs: int
    tokens: int
    cost_usd: Decimal
    fault: str | None
    body: bytes
    headers: Mapping[str, str]


@dataclass(slots=True)
class Ledger:
    """All that was asked and answered."""

    requests: list[Request] = field(default_factory=list)
    answered: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    tokens: int = 0
    cost_usd: Decimal = Decimal(0)
    in_flight: int = 0
    max_in_flight: int = 0
    connections: int = 0

    def as_json(self) -> dict[str, object]:
        """Totals, for those in another process."""
        return {
            "requests": len(self.requests),
            "inputs": sum(self.answered.values()),
            "answered_twice": sum(count > 1 for count in self.answered.values()),
            "bytes": sum(len(request.body) for request in self.requests),
            "tokens": self.tokens,
            "cost_usd": str(self.cost_usd),
            "max_in_flight": self.max_in_flight,
            "connections": self.connections,
            "violations": self.violations,
        }


class LoopbackServer:
    """The server; ``with LoopbackServer() as server`` runs it in a thread.

    Attributes:
        base_url: Up to and without ``/embeddings``.
        ledger: What was asked and answered.
        quirks: How it deviates, to be changed at will.
        faults: Fault by number of the embeddings request, from 1.
        inquiries: How it answers GET, to be changed at will, and what was asked.
        reranks: The same for ``POST /rerank``.
        refused_words: A text with one of these is refused with 400, unnamed.
        addresses: Pictures that the server can load, by URL; an empty one is not there.
    """

    def __init__(self, *, port: int = 0, key: str | None = KEY) -> None:
        self.key = key
        self.ledger = Ledger()
        self.quirks = Quirks()
        self.inquiries = Inquiries()
        self.reranks = Reranks()
        self.faults: dict[int, Fault] = {}
        self.always: Fault | None = None
        self.credit_usd: Decimal | None = None
        self.refused_words: set[str] = set()
        self.unusable_words: set[str] = set()
        self.addresses: dict[str, bytes] = {}
        self.lock = threading.Lock()
        self.number = 0
        self.not_before: dict[bytes, float] = {}
        self.hopeless: set[bytes] = set()
        self._http = _Http(("127.0.0.1", port), _Handler)
        self._http.loopback = self
        self.base_url = f"http://127.0.0.1:{self._http.server_port}/api/v1"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._http.shutdown()
        self._http.server_close()

    def script(self, fault: str | Fault, *, at: Sequence[int]) -> None:
        """Play a fault at these embeddings requests, counted from 1 over the server's life."""
        for number in at:
            self.faults[number] = FAULTS[fault] if isinstance(fault, str) else fault

    def wrap(self, context: ssl.SSLContext) -> None:
        """Speak TLS from now on."""
        self._http.socket = context.wrap_socket(self._http.socket, server_side=True)

    def serve(self) -> None:
        """Serve in this thread until it is interrupted."""
        self._http.serve_forever()


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256
    loopback: LoopbackServer

    def handle_error(self, request: object, client_address: object) -> None:
        """Connections that a client or a fault cut are part of the game."""


class _RefusalError(Exception):
    def __init__(self, status: int, message: str, **more: object) -> None:  # keys of the error
        super().__init__(message)
        self.status = status
        self.body = error_body(status, message, **more)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Http

    def setup(self) -> None:
        super().setup()
        with self.server.loopback.lock:
            self.server.loopback.ledger.connections += 1

    def parse_request(self) -> bool:
        """As the base; a request as a proxy gets it, with the whole URL, is one for this server."""
        understood = super().parse_request()
        if understood and self.path.startswith("http://"):
            self.path = "/" + self.path.split("/", 3)[3]
        return understood

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base's name
        """Silence."""

    def do_GET(self) -> None:
        if self.path == "/ledger":
            self._answer(200, json.dumps(self.server.loopback.ledger.as_json()).encode())
        elif self.path == "/api/v1/embeddings":
            self._answer(405, error_body(405, "Method Not Allowed"))
        else:
            sent = {name.lower(): value for name, value in self.headers.items()}
            status, body, headers = answer_question(self.server.loopback, self.path, sent)
            self._answer(status, body, headers)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if self.path == "/api/v1/rerank":
            named = {name.lower(): value for name, value in self.headers.items()}
            self._answer(*answer_rerank(self.server.loopback, named, body))
            return
        if self.path != "/api/v1/embeddings":
            self._answer(404, PAGE, {"Content-Type": "text/html"})
            return
        loopback, ledger = self.server.loopback, self.server.loopback.ledger
        started_s = time.monotonic()
        with loopback.lock:
            loopback.number += 1
            number = loopback.number
            ledger.in_flight += 1
            ledger.max_in_flight = max(ledger.max_in_flight, ledger.in_flight)
            _check_discipline(loopback, body, started_s)
        fault = loopback.faults.get(number, loopback.always)
        sent = {name.lower(): value for name, value in self.headers.items()}
        exchange = _Exchange(loopback, sent, body, number)
        try:
            status, reply = exchange.reply(fault)
        except _RefusalError as error:
            status, reply, fault = error.status, error.body, None
        time.sleep(
            loopback.quirks.latency_s + exchange.tokens * loopback.quirks.latency_per_token_s
        )
        with loopback.lock:
            ledger.in_flight -= 1
            request = Request(
                number=number,
                started_s=started_s,
                ended_s=time.monotonic(),
                status=status,
                inputs=len(exchange.texts),
                tokens=exchange.tokens,
                cost_usd=exchange.cost_usd if status == 200 else Decimal(0),
                fault=fault.kind if fault is not None else None,
                body=body,
                headers=sent,
            )
            _note(loopback, request, fault, exchange.texts)
        self._send(status, reply, fault)

    def _send(self, status: int, reply: bytes, fault: Fault | None) -> None:
        kind = fault.kind if fault is not None else ""
        headers = dict(fault.headers) if fault is not None else {}
        if kind in ("reset before", "closed before"):
            self._cut(reset=kind == "reset before")
        elif kind == "reset within":
            self._answer(status, reply[: len(reply) // 2], length=len(reply))
            self._cut(reset=True)
        elif kind == "drip":
            self._drip(reply, fault.seconds if fault is not None else 0.0)
        elif kind == "broken gzip":
            self._answer(status, reply, {"Content-Encoding": "gzip"})
        else:
            if kind == "stall" and fault is not None:
                time.sleep(fault.seconds)
            if self.server.loopback.quirks.compresses:
                reply, headers["Content-Encoding"] = gzip.compress(reply, 1), "gzip"
            self._answer(status, reply, headers)

    def _answer(
        self,
        status: int,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        length: int | None = None,
    ) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def _cut(self, *, reset: bool) -> None:
        if reset:
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.close_connection = True
        self.connection.close()

    def _drip(self, body: bytes, seconds: float) -> None:
        self._answer(200, b"", length=len(body))
        for position in range(40):
            self.wfile.write(body[position : position + 1])
            self.wfile.flush()
            time.sleep(seconds / 40)
        self._cut(reset=False)


class _Exchange:
    """One request, checked, and its reply."""

    def __init__(
        self, loopback: LoopbackServer, headers: Mapping[str, str], body: bytes, number: int
    ) -> None:
        self.loopback = loopback
        self.number = number
        self.headers = headers
        self.raw = body
        self.seen: list[Seen] = []
        self.tokens = 0
        self.cost_usd = Decimal(0)

    @property
    def texts(self) -> list[str]:
        """What is asked for, as the ledger has it."""
        return [seen.name for seen in self.seen]

    def reply(self, fault: Fault | None) -> tuple[int, bytes]:
        """Status and body; raises for requests that the server refuses."""
        request, model = self._checked()
        if fault is not None and fault.kind == "status":
            return fault.status, fault.body
        most = self.loopback.quirks.fails_over_inputs
        if most is not None and len(self.texts) > most:
            raise _RefusalError(500, "internal error")
        if any(word in text for text in self.texts for word in self.loopback.refused_words):
            raise _RefusalError(400, "the provider could not process the input")
        quirks = self.loopback.quirks
        asked = None if quirks.ignores_dimensions else request.get("dimensions")
        vectors = [self._vector(seen, request, asked) for seen in self.seen]
        encoding = request.get("encoding_format", "float")
        if quirks.encoding == "swapped":
            encoding = "swapped" if encoding == "base64" else encoding
        elif quirks.encoding != "asked":
            encoding = quirks.encoding
        data: list[dict[str, Any]] = [
            {"object": "embedding", "index": index, "embedding": encoded(vector, encoding)}
            for index, vector in enumerate(vectors)
        ]
        pictures = sum(seen.has_picture for seen in self.seen)
        self.cost_usd = self.tokens * model.usd_per_token + pictures * quirks.usd_per_picture
        document = self._document(request, data)
        if fault is not None:
            spoil(document, fault.kind)
        body = json.dumps(document).encode()
        return 200, body[: len(body) * 2 // 3] if fault and fault.kind == "truncated" else body

    def _read(self, text: str) -> str:
        limit = self.loopback.quirks.reads_tokens
        return text if limit is None else text.encode()[: 4 * limit].decode(errors="ignore")

    def _vector(self, seen: Seen, request: Mapping[str, Any], asked: int | None) -> array[float]:
        text = self._read(seen.words)
        if any(word in text for word in self.loopback.unusable_words):
            return array("f", bytes(4 * (asked or MODELS[request["model"]].dimensions)))
        vector = vector_of(
            text,
            model=request["model"],
            dimensions=asked,
            input_type=request.get("input_type"),
            own=seen.own,
        )
        vector[0] += self.loopback.quirks.drifts * self.loopback.number
        vector[0] += self.loopback.quirks.routes.get(self.provider, 0.0)
        factor = 1.0 if self.loopback.quirks.unit_length else 7.5
        return array("f", (value * factor for value in vector))

    def _document(self, request: Mapping[str, Any], data: list[dict[str, Any]]) -> dict[str, Any]:
        quirks = self.loopback.quirks
        usage: dict[str, Any] = {"prompt_tokens": self.tokens, "total_tokens": self.tokens}
        images = sum(seen.image_tokens for seen in self.seen)
        if 0 < images < self.tokens:
            details = {"text_tokens": self.tokens - images, "image_tokens": images}
            usage["prompt_tokens_details"] = details
        if not quirks.omits_cost:
            usage["cost"] = float(self.cost_usd)
        document: dict[str, Any] = {"object": "list", "data": data, "model": request["model"]}
        document |= {"provider": self.provider} if self.provider else {}
        if not quirks.omits_usage:
            document["usage"] = usage
        if not quirks.omits_id:
            document["id"] = "embd-loopback"
        if quirks.shuffles:
            data[:] = data[len(data) // 2 :] + data[: len(data) // 2][::-1]
        if quirks.omits_index:
            for item in data:
                del item["index"]
        if quirks.adds_fields:
            document |= {"provider": "Loopback", "new_field": {"deep": [1, None]}}
            for item in data:
                item["note"] = "new"
        return document

    def _checked(self) -> tuple[dict[str, Any], Model]:
        self._check_headers()
        if len(self.raw) > self.loopback.quirks.max_body_bytes:
            raise _RefusalError(413, "payload too large")
        request = self._parsed()
        model = MODELS.get(request.get("model", ""))
        if model is None:
            message = f"Model {request.get('model')} does not exist"
            raise _RefusalError(400, message, availability={"code": "model_not_found"})
        if not model.embeds:
            raise _RefusalError(400, "use /chat", availability={"code": "wrong_endpoint"})
        self._read_input(request.get("input"), request["model"])
        self._check_input(request["model"], request.get("input_type"))
        self._check_parameters(request, model)
        self.provider = self._routed(request)
        return request, model

    def _routed(self, request: Mapping[str, Any]) -> str:
        """Who answers: the provider that is pinned, or the one whose turn it is."""
        quirks = self.loopback.quirks
        pinned = (request.get("provider") or {}).get("only")
        if pinned and quirks.routes:
            if pinned[0] not in quirks.routes:
                raise _RefusalError(404, f"No endpoints found for {pinned[0]}")
            return str(pinned[0])
        since = [number for number in quirks.answers_from if number <= self.number]
        return quirks.answers_from[max(since)] if since else next(iter(quirks.routes), "")

    def _check_headers(self) -> None:
        authorization = self.headers.get("authorization", "")
        key = self.loopback.key
        if key is not None and not re.fullmatch(r"Bearer \S+", authorization):
            raise _RefusalError(401, "Missing Authentication header")
        if key is not None and authorization != f"Bearer {key}":
            raise _RefusalError(401, f"No auth credentials found for {authorization[7:]}")
        credit = self.loopback.credit_usd
        if credit is not None and self.loopback.ledger.cost_usd >= credit:
            raise _RefusalError(402, "Insufficient credits")
        for name in ("http-referer", "x-title", "x-openrouter-title", "x-openrouter-categories"):
            if name in self.headers:
                self._violated(f"attribution header {name}")
        if key is not None and key.encode() in self.raw:
            self._violated("the key is in the body")
        if self.headers.get("content-type") != "application/json":
            self._violated("Content-Type is not application/json")

    def _parsed(self) -> dict[str, Any]:
        def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
            if len(dict(pairs)) != len(pairs):
                self._violated("a key stands twice in the body")
            return dict(pairs)

        try:
            request = json.loads(self.raw.decode(), object_pairs_hook=unique, parse_constant=float)
        except ValueError:
            self._violated("the body is no JSON")
        if not isinstance(request, dict):
            self._violated("the body is no object")
        checked: dict[str, Any] = request
        return checked

    def _read_input(self, inputs: object, name: str) -> None:
        if not isinstance(inputs, list) or not inputs:
            self._violated("input is no list with inputs")
        if len({isinstance(item, str) for item in inputs}) > 1:
            self._violated("texts and objects in one input")
        for item in inputs:
            if isinstance(item, str):
                self._check_text(item)
                tokens = tokens_of(self._read(item), name)
                self.seen.append(Seen(name=item, words=item, text_tokens=tokens))
            elif isinstance(item, dict) and set(item) == {"content"}:
                self.seen.append(self._seen(item["content"], name))
            else:
                self._violated("an input that is neither a text nor an object with content")

    def _check_text(self, text: str) -> None:
        if not text.strip():
            self._violated("a blank text")
        if re.match(r"\s*data:[^,]*;base64,[A-Za-z0-9+/=]*$", text):
            self._violated("a data URL as text")

    def _seen(self, parts: Any, name: str) -> Seen:  # noqa: ANN401 - JSON may be anything
        loopback = self.loopback
        try:
            return seen_in(
                parts,
                addresses=loopback.addresses,
                as_text=loopback.quirks.reads_pictures_as_text,
                count=lambda text: tokens_of(text, name),
                violated=self._violated,
            )
        except PictureError as error:
            metadata = {"error_type": error.kind}
            raise _RefusalError(error.status, str(error), metadata=metadata) from error

    def _check_input(self, name: str, input_type: object) -> None:
        model, quirks = MODELS[name], self.loopback.quirks
        if any(seen.has_picture for seen in self.seen):
            takes = "image" in model.modalities or quirks.takes_pictures
            if not takes and not quirks.reads_pictures_as_text:
                raise _RefusalError(quirks.no_pictures_status, quirks.no_pictures_message)
            allowed = model.picture_input_types
            if allowed is not None and input_type not in allowed:
                raise _RefusalError(400, f"input_type {input_type!r} is not for images")
        counts = [seen.text_tokens + seen.image_tokens for seen in self.seen]
        self.tokens = sum(counts)
        if len(counts) > model.max_inputs:
            message = quirks.too_many_message.format(limit=model.max_inputs, count=len(counts))
            raise _RefusalError(quirks.too_many_status, message)
        if max(counts) > model.max_text_tokens and not quirks.reads_pictures_as_text:
            message = f"maximum context length is {model.max_text_tokens} tokens"
            raise _RefusalError(400, message)
        if self.tokens > model.max_request_tokens:
            limit = model.max_request_tokens
            message = f"Requested {self.tokens} tokens, max {limit} tokens per request"
            raise _RefusalError(400, message)

    def _check_parameters(self, request: Mapping[str, Any], model: Model) -> None:
        known = {
            "model",
            "input",
            "dimensions",
            "encoding_format",
            "input_type",
            "provider",
            "user",
        }
        if set(request) - known:
            self._violated(f"unknown keys {sorted(set(request) - known)}")
        if request.get("encoding_format") not in ("float", "base64"):
            self._violated("encoding_format is not stated")
        dimensions = request.get("dimensions")
        if "dimensions" in request:
            if type(dimensions) is not int or not 1 <= dimensions <= model.dimensions:
                raise _RefusalError(400, f"dimensions {dimensions!r} is out of range")
            if not model.can_be_cut and not self.loopback.quirks.ignores_dimensions:
                raise _RefusalError(400, "the model does not support matryoshka representation")
        kind = request.get("input_type")
        if kind is not None and model.input_types is not None and kind not in model.input_types:
            raise _RefusalError(400, f"Unsupported input_type {kind!r}")

    def _violated(self, what: str) -> NoReturn:
        self.loopback.ledger.violations.append(what)
        raise _RefusalError(400, what)


def _check_discipline(loopback: LoopbackServer, body: bytes, now_s: float) -> None:
    digest = _digest(body)
    if now_s < loopback.not_before.get(digest, 0.0):
        loopback.ledger.violations.append("repeated before the stated wait had passed")
    if digest in loopback.hopeless:
        loopback.ledger.violations.append("repeated although it was refused for good")


def _note(
    loopback: LoopbackServer, request: Request, fault: Fault | None, texts: list[str]
) -> None:
    ledger = loopback.ledger
    ledger.requests.append(request)
    ledger.asked.update(texts)
    if request.status == 200 and fault is None:
        ledger.answered.update(texts)
    ledger.tokens += request.tokens if request.cost_usd else 0
    ledger.cost_usd += request.cost_usd
    if request.status in (400, 401, 402, 403):
        loopback.hopeless.add(_digest(request.body))
    wait_ms = fault.headers.get("retry-after-ms") if fault is not None else None
    if wait_ms is not None:
        loopback.not_before[_digest(request.body)] = request.ended_s + int(wait_ms) / 1000


def _digest(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=16).digest()


def main() -> None:
    """Serve as a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--key", default=KEY, help="the key to ask for; empty asks for none")
    parser.add_argument("--latency-s", type=float, default=0.0)
    parser.add_argument("--latency-per-token-s", type=float, default=0.0)
    parser.add_argument("--max-body-bytes", type=int, default=2_000_000)
    parser.add_argument("--fault", action="append", default=[], metavar="NUMBER:NAME")
    arguments = parser.parse_args()
    server = LoopbackServer(port=arguments.port, key=arguments.key or None)
    server.quirks.latency_s = arguments.latency_s
    server.quirks.latency_per_token_s = arguments.latency_per_token_s
    server.quirks.max_body_bytes = arguments.max_body_bytes
    for text in arguments.fault:
        number, _, name = text.partition(":")
        server.script(name, at=[int(number)])
    sys.stdout.write(server.base_url + "\n")
    sys.stdout.flush()
    server.serve()


if __name__ == "__main__":
    main()
