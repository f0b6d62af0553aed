"""The servers that people run, each with the ways that its documentation or its users report.

A server here refuses what the real one refuses, in the words and the form of the real one, and
ignores what that ignores. What a client must never do at any server is a violation.
"""

from __future__ import annotations

import json
import math
import threading
from array import array
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from loopback_models import encoded, vector_of

__all__ = ["PLAYS", "Play", "PlayedServer"]

KEY = "the-key-0123456789abcdef"
_KEYS = frozenset({"model", "input", "encoding_format", "dimensions", "user"})
Refusal = tuple[int, str]


def openai(code: object, message: str, kind: str = "invalid_request_error") -> str:
    """OpenAI's error body, whose code is a word or null."""
    error = {"message": message, "type": kind, "param": None, "code": code}
    return json.dumps({"error": error})


def flat(**fields: object) -> str:  # keys of the error
    """An error body without an object inside."""
    return json.dumps(fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """One server.

    Attributes:
        dialect: What a user names where the address does not tell; None where nothing is known.
        model: As requests name it.
        root: Path of the base URL.
        query: That every request must carry.
        key_header: Where the key is expected; None takes any request.
        fields: Keys that it knows.
        unknown_field: How it refuses others; None ignores them.
        encodings: Values of ``encoding_format`` that it takes; None among them is none at all.
        unknown_encoding: How it refuses others; None answers with numbers.
        dimensions_field: What it calls the width.
        cannot_cut: How it refuses a width; None cuts.
        ignores_dimensions: Whether it takes a width and does not heed it.
        most_inputs: Texts that it takes.
        too_many: How it refuses more.
        most_tokens: In a request.
        too_heavy: How it refuses more.
        reads_tokens: Of one text.
        too_long: How it refuses a longer one; None cuts it in silence.
        input_types: The values that it takes; None ignores them.
        input_type_field: What it calls them.
        has_unit_vectors: Whether it normalises.
        omits: Fields of the reply that it leaves out.
        strict_tokens: Whether token arrays are its own error, which nobody must meet.
        unready: How it answers the first request; None is ready.
    """

    dialect: str | None = None
    model: str = "test/small"
    root: str = "/v1"
    query: str = ""
    key_header: str | None = "authorization"
    fields: frozenset[str] = _KEYS
    unknown_field: Refusal | None = None
    encodings: frozenset[str | None] = frozenset({"float", "base64", None})
    unknown_encoding: Refusal | None = None
    dimensions_field: str = "dimensions"
    cannot_cut: Refusal | None = None
    ignores_dimensions: bool = False
    most_inputs: int = 2048
    too_many: Refusal = (400, openai(None, "too many inputs"))
    most_tokens: int = 300_000
    too_heavy: Refusal = (400, openai("max_tokens_per_request", "too many tokens"))
    reads_tokens: int = 8192
    too_long: Refusal | None = None
    input_types: tuple[str, str] | None = None
    input_type_field: str = "input_type"
    has_unit_vectors: bool = True
    omits: frozenset[str] = frozenset()
    unready: Refusal | None = None


@dataclass(slots=True)
class Seen:
    """What was asked of a server, and how it was answered."""

    bodies: list[dict[str, Any]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    answered: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)


class PlayedServer:
    """A server of one kind on 127.0.0.1, in a thread.

    Attributes:
        base_url: As a user would write it.
        seen: What was asked.
    """

    def __init__(self, play: Play) -> None:
        self.play = play
        self.seen = Seen()
        self.lock = threading.Lock()
        self._http = _Http(("127.0.0.1", 0), _Handler)
        self._http.played = self
        origin = f"http://127.0.0.1:{self._http.server_port}"
        self.base_url = origin + play.root + (f"?{play.query}" if play.query else "")
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


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256
    played: PlayedServer


class _RefusedError(Exception):
    def __init__(self, refusal: Refusal, **facts: object) -> None:  # places of the message
        status, body = refusal
        for name, value in facts.items():
            body = body.replace("{" + name + "}", str(value))
        super().__init__(body)
        self.status = status


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Http

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base's name
        """Silence."""

    def do_GET(self) -> None:
        self._answer(404, flat(detail="Not Found"))

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        played = self.server.played
        try:
            status, body = 200, self._embedded(played, raw)
        except _RefusedError as refused:
            status, body = refused.status, str(refused)
        with played.lock:
            played.seen.statuses.append(status)
        self._answer(status, body)

    def _answer(self, status: int, body: str) -> None:
        data = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()

    def _embedded(self, played: PlayedServer, raw: bytes) -> str:
        play, seen = played.play, played.seen
        path, _, query = self.path.partition("?")
        if path != f"{play.root}/embeddings" or query != play.query:
            raise _RefusedError((404, openai("404", "Resource not found")))
        if play.key_header is not None:
            bearer = "Bearer " if play.key_header == "authorization" else ""
            if self.headers.get(play.key_header) != bearer + KEY:
                raise _RefusedError((401, openai("401", "Access denied")))
        request: dict[str, Any] = json.loads(raw)
        with played.lock:
            first = not seen.bodies
            seen.bodies.append(request)
            seen.violations += _violations(request)
        if first and play.unready is not None:
            raise _RefusedError(play.unready)
        texts: list[str] = request["input"]
        _check(play, request, texts)
        document = _document(play, request, texts)
        with played.lock:
            seen.answered.update(texts)
        return document


def _violations(request: Mapping[str, Any]) -> list[str]:
    texts = request.get("input")
    if not isinstance(texts, list) or not texts or not all(isinstance(t, str) for t in texts):
        return ["input is no list of texts"]
    return ["a blank text"] if not all(text.strip() for text in texts) else []


def _tokens(text: str) -> int:
    return math.ceil(len(text.encode()) / 4)


def _check(play: Play, request: Mapping[str, Any], texts: list[str]) -> None:
    for name in sorted(set(request) - play.fields):
        if play.unknown_field is not None:
            raise _RefusedError(play.unknown_field, field=name)
    asked = request.get("encoding_format")
    if asked not in play.encodings and play.unknown_encoding is not None:
        raise _RefusedError(play.unknown_encoding, encoding=asked)
    width = request.get(play.dimensions_field)
    if width is not None and play.cannot_cut is not None:
        raise _RefusedError(play.cannot_cut, width=width)
    kind = request.get(play.input_type_field)
    if play.input_types is not None and kind not in play.input_types:
        raise _RefusedError((400, openai(None, f"'input_type' {kind!r} is not supported")))
    if len(texts) > play.most_inputs:
        raise _RefusedError(play.too_many, count=len(texts), limit=play.most_inputs)
    longest, total = max(map(_tokens, texts)), sum(map(_tokens, texts))
    if longest > play.reads_tokens and play.too_long is not None:
        raise _RefusedError(play.too_long, count=longest, limit=play.reads_tokens)
    if total > play.most_tokens:
        raise _RefusedError(play.too_heavy, count=total, limit=play.most_tokens)


def _document(play: Play, request: Mapping[str, Any], texts: list[str]) -> str:
    width = None if play.ignores_dimensions else request.get(play.dimensions_field)
    kind = request.get(play.input_type_field) if play.input_types is not None else None
    asked = request.get("encoding_format")
    way = "base64" if asked == "base64" and "base64" in play.encodings else "float"
    factor = 1.0 if play.has_unit_vectors else 3.5
    data = []
    for index, text in enumerate(texts):
        read = text.encode()[: 4 * play.reads_tokens].decode(errors="ignore")
        vector = vector_of(read, dimensions=width, input_type=kind)
        scaled = array("f", (value * factor for value in vector))
        item = {"object": "embedding", "index": index, "embedding": encoded(scaled, way)}
        data.append({name: value for name, value in item.items() if name not in play.omits})
    tokens = sum(min(_tokens(text), play.reads_tokens) for text in texts)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    whole = {"object": "list", "data": data, "model": request["model"], "usage": usage}
    return json.dumps({name: value for name, value in whole.items() if name not in play.omits})


_WITH_TYPE = _KEYS | {"input_type"}
_OLD_OLLAMA = _KEYS - {"dimensions", "encoding_format", "user"}
_FORBIDDEN = json.dumps(
    {"detail": [{"type": "extra_forbidden", "loc": ["body", "{field}"], "msg": "not permitted"}]}
)

PLAYS: Mapping[str, Play] = {
    "openai": Play(
        dialect="openai",
        unknown_field=(400, openai(None, "Unrecognized request argument supplied: {field}")),
        most_inputs=2048,
        too_long=(
            400,
            openai(None, "This model's maximum context length is {limit} tokens, however you "
                   "requested {count} tokens"),
        ),
        too_heavy=(
            400,
            openai("max_tokens_per_request",
                   "Requested {count} tokens, max {limit} tokens per request"),
        ),
    ),
    "azure, a deployment": Play(
        dialect="azure",
        root="/openai/deployments/mine",
        query="api-version=2024-10-21",
        key_header="api-key",
        most_inputs=16,
        too_many=(
            400,
            openai(None, "Too many inputs. The max number of inputs is {limit}. We hope to "
                   "increase the number of inputs per request soon."),
        ),
    ),
    "azure": Play(dialect="azure", root="/openai/v1", key_header="api-key"),
    "ollama": Play(
        key_header=None,
        reads_tokens=512,
        omits=frozenset({"id"}),
        unready=(500, openai(None, "model is loading", "api_error")),
    ),
    "ollama of 2024": Play(
        key_header=None, fields=_OLD_OLLAMA, encodings=frozenset({"float", None}),
        ignores_dimensions=True,
    ),
    "vllm": Play(
        cannot_cut=(
            400,
            flat(object="error", type="BadRequestError", param=None, code=400,
                 message='Model "m" does not support matryoshka representation, changing output '
                 "dimensions will lead to poor results."),
        ),
        too_long=(
            400,
            flat(object="error", type="BadRequestError", param=None, code=400,
                 message="This model's maximum context length is {limit} tokens. However, you "
                 "requested {count} tokens in the input for embedding generation."),
        ),
    ),
    "llama.cpp": Play(
        key_header=None,
        reads_tokens=512,
        too_long=(
            500,
            json.dumps({"error": {"code": 500, "type": "server_error",
                        "message": "input ({count} tokens) is too large to process. increase the "
                        "physical batch size (current batch size: {limit})"}}),
        ),
    ),
    "lm studio": Play(
        key_header=None, encodings=frozenset({"float", None}), ignores_dimensions=True,
    ),
    "text embeddings inference": Play(
        model="anything",
        key_header=None,
        most_inputs=32,
        too_many=(
            422,
            flat(message="batch size {count} > maximum allowed batch size {limit}", code=422,
                 type="Validation"),
        ),
        most_tokens=16_384,
        too_heavy=(413, flat(message="payload too large", code=413, type="Validation")),
        reads_tokens=512,
        too_long=(
            413,
            flat(message="`inputs` must have less than {limit} tokens. Given: {count}", code=413,
                 type="Validation"),
        ),
    ),
    "litellm": Play(
        fields=_KEYS - {"encoding_format", "dimensions"},
        unknown_field=(
            400,
            openai("400", "litellm.UnsupportedParamsError: Setting {field} is not supported by "
                   "this provider. To drop it from the call, set `litellm.drop_params = True`."),
        ),
        most_inputs=128,
        too_many=(400, openai("400", "batch size {count} exceeds the maximum of {limit}")),
    ),
    "gemini": Play(
        dialect="gemini",
        root="/v1beta/openai",
        most_inputs=100,
        too_many=(
            400,
            json.dumps([{"error": {"code": 400, "status": "INVALID_ARGUMENT", "message":
                        "* BatchEmbedContentsRequest.requests: at most {limit} requests can be in "
                        "one batch"}}]),
        ),
        omits=frozenset({"usage"}),
        has_unit_vectors=False,
    ),
    "vertex behind a gateway": Play(
        dialect="vertex",
        most_inputs=1,
        too_many=(
            400,
            json.dumps({"error": {"code": 400, "status": "INVALID_ARGUMENT", "message":
                        "{count} instance(s) is not supported: at most {limit} instance(s) "
                        "per request"}}),
        ),
        most_tokens=20_000,
    ),
    "voyage": Play(
        dialect="voyage",
        model="voyage-4-large",
        fields=frozenset({"model", "input", "input_type", "truncation", "output_dimension",
                          "output_dtype", "encoding_format"}),
        unknown_field=(400, flat(detail="Argument '{field}' is not supported by our API")),
        encodings=frozenset({"base64", None}),
        unknown_encoding=(400, flat(detail="The encoding_format '{encoding}' is not valid")),
        dimensions_field="output_dimension",
        input_types=("query", "document"),
        most_inputs=1000,
        most_tokens=120_000,
        too_heavy=(
            400,
            flat(detail="Request to model failed. The max allowed tokens per submitted batch is "
                 "{limit}. Your batch has {count} tokens after truncation."),
        ),
    ),
    "mistral": Play(
        dialect="mistral",
        fields=frozenset({"model", "input", "output_dimension", "output_dtype",
                          "encoding_format"}),
        unknown_field=(422, _FORBIDDEN),
        dimensions_field="output_dimension",
        most_inputs=512,
        too_many=(
            400,
            flat(object="error", message="Too many inputs in request. Split into more batches.",
                 type="invalid_request_prompt", param=None, code="3210"),
        ),
        most_tokens=16_384,
        too_heavy=(
            400,
            flat(object="error", message="Too many tokens overall, split into more batches.",
                 type="invalid_request_prompt", param=None, code="3210"),
        ),
    ),
    "cohere": Play(
        dialect="cohere",
        model="embed-v4.0",
        root="/compatibility/v1",
        fields=_WITH_TYPE,
        input_types=("search_query", "search_document"),
        most_inputs=96,
        too_many=(
            400, flat(message="invalid request: total number of texts must be at most {limit}")
        ),
    ),
    "jina": Play(
        dialect="jina",
        model="jina-embeddings-v3",
        fields=frozenset({"model", "input", "task", "dimensions", "embedding_type",
                          "encoding_format", "late_chunking", "truncate", "normalized"}),
        unknown_field=(422, flat(detail="[{'loc': ('body', '{field}'), 'msg': 'extra'}]")),
        input_types=("retrieval.query", "retrieval.passage"),
        input_type_field="task",
    ),
    "dashscope": Play(
        dialect="dashscope",
        root="/compatible-mode/v1",
        encodings=frozenset({"float", None}),
        unknown_encoding=(400, openai("invalid_parameter_error", "encoding_format is not float")),
        most_inputs=10,
        too_many=(
            400,
            openai("InvalidParameter", "<400> InternalError.Algo.InvalidParameter: Value error, "
                   "batch size is invalid, it should not be larger than {limit}.: input.contents"),
        ),
    ),
    "siliconflow": Play(
        dialect="siliconflow",
        most_inputs=32,
        too_many=(
            413,
            flat(code=20042, data=None,
                 message="input batch size {count} > maximum allowed batch size {limit}"),
        ),
    ),
    "nim": Play(
        dialect="nim",
        model="nvidia/llama-3.2-nv-embedqa-1b-v2",
        fields=_WITH_TYPE | {"truncate", "modality"},
        input_types=("query", "passage"),
        unknown_field=(422, _FORBIDDEN),
        too_long=(
            400, flat(error="Input length {count} exceeds maximum allowed token size {limit}")
        ),
    ),
    "one that says little": Play(
        key_header=None, omits=frozenset({"index", "usage", "object"}), has_unit_vectors=False
    ),
    "one that names no limit": Play(
        most_inputs=5, too_many=(400, flat(message="the request could not be processed"))
    ),
    "one that fails in a reply of 200": Play(
        unready=(200, openai(None, "the backend is not ready")),
    ),
}  # fmt: skip
