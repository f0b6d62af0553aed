"""The edge: the one place that speaks HTTP, and the one that knows httpx."""

from __future__ import annotations

import contextlib
import importlib.metadata
import ipaddress
import os
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit

import httpx

from ragkit.config import Secret
from ragkit.embedding.failures import BadReply, NoReply, excerpt
from ragkit.errors import ConfigurationError

__all__ = ["RawReply", "Transport", "checked_base_url", "checked_key"]

_CONNECT_TIMEOUT_S: Final = 10.0
# 4096 numbers of 25 characters, twice over; a body beyond that is no answer.
_LARGEST_VECTOR_BYTES: Final = 262_144
_LARGEST_REST_BYTES: Final = 1_048_576
# A thousand models of 8 kB each, twice over.
_LARGEST_LISTING_BYTES: Final = 16_777_216


@dataclass(frozen=True, slots=True, kw_only=True)
class RawReply:
    """A reply as it came, uncompressed; ``Transport.masked`` takes the key out of it."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport:
    """Pooled connections to one server. Any thread may post; a fork gets connections of its own.

    The client of httpx in threads measured faster than its asynchronous one, and one client for
    each request in flight faster than one for all: the pool inside a client looks at every
    connection for every request, under a lock, which took a third of the time at 64 requests at
    once. Redirects are not followed: texts and key go to the base URL and nowhere else.

    Args:
        base_url: Root of the API.
        key: For the Authorization header; None sends none.
        timeout_s: Longest wait for one reply.
        most_at_once: Most connections that are kept open between requests.
        headers: Sent with each request, beside the usual ones.
    """

    def __init__(
        self,
        base_url: str,
        *,
        key: Secret | None,
        timeout_s: float,
        most_at_once: int,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._base_url = base_url
        self._key = key
        self._timeout_s = timeout_s
        self._most_at_once = most_at_once
        self._headers = dict(headers or {})
        self._idle: list[httpx.Client] = []
        self._certificates: ssl.SSLContext | None = None
        self._process = os.getpid()
        self._lock = threading.Lock()

    def post(
        self, path: str, body: bytes, *, expected: int, timeout_s: float | None = None
    ) -> RawReply | NoReply | BadReply:
        """Send one request and read its reply; foreign errors end here.

        Args:
            path: Behind the base URL.
            body: JSON.
            expected: How many vectors the reply may hold, which bounds its size.
            timeout_s: Longest wait for this reply; None for that of all.
        """
        most_bytes = _LARGEST_REST_BYTES + expected * _LARGEST_VECTOR_BYTES
        return self._asked("POST", path, body, most_bytes, timeout_s or self._timeout_s)

    def get(self, path: str) -> RawReply | NoReply | BadReply:
        """Ask for what the server tells of itself; the path may end in a query."""
        reply = self._asked("GET", path, None, _LARGEST_LISTING_BYTES, self._timeout_s)
        return self.masked(reply) if isinstance(reply, RawReply) else reply

    def _asked(
        self, method: str, path: str, body: bytes | None, most_bytes: int, timeout_s: float
    ) -> RawReply | NoReply | BadReply:
        try:
            return self._exchange(method, path, body, most_bytes, timeout_s)
        except httpx.DecodingError as error:
            return BadReply(reason=f"a reply that cannot be uncompressed ({_words(error)})")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return self._no_reply(error, timeout_s)

    def _exchange(
        self, method: str, path: str, body: bytes | None, most_bytes: int, timeout_s: float
    ) -> RawReply | NoReply | BadReply:
        client = self._taken()
        try:
            request = client.build_request(
                method, self._base_url + path, content=body, timeout=_timeout(timeout_s)
            )
            return self._received(client, request, most_bytes, timeout_s)
        finally:
            self._give_back(client)

    def _received(
        self, client: httpx.Client, request: httpx.Request, most_bytes: int, timeout_s: float
    ) -> RawReply | NoReply | BadReply:
        ends_at_s = time.monotonic() + timeout_s
        with contextlib.closing(client.send(request, stream=True)) as response:
            parts: list[bytes] = []
            size_bytes = 0
            for part in response.iter_bytes():
                parts.append(part)
                size_bytes += len(part)
                if size_bytes > most_bytes:
                    return BadReply(reason=f"a reply of over {most_bytes} bytes")
                # Each byte resets the timeout of httpx: a slow drip would never end.
                if time.monotonic() > ends_at_s:
                    return NoReply(kind="timeout", reason=_too_slow(timeout_s))
            return self._reply(response, b"".join(parts))

    def _no_reply(self, error: httpx.HTTPError | httpx.InvalidURL, timeout_s: float) -> NoReply:
        match error:
            case httpx.ConnectTimeout():
                reason = f"no connection in {_CONNECT_TIMEOUT_S:g} s"
                return NoReply(kind="refused", reason=reason, cause=error)
            case httpx.TimeoutException():
                return NoReply(kind="timeout", reason=_too_slow(timeout_s), cause=error)
            case httpx.ConnectError() | httpx.ProxyError():
                return NoReply(kind="refused", reason=_words(error), cause=error)
            case httpx.UnsupportedProtocol() | httpx.LocalProtocolError() | httpx.InvalidURL():
                return NoReply(kind="invalid", reason=_words(error), cause=error)
        return NoReply(kind="broken", reason=_words(error), cause=error)

    def close(self) -> None:
        """Close the connections; the next request would open new ones."""
        with self._lock:
            clients, self._idle = self._idle, []
        if self._process == os.getpid():
            for client in clients:
                client.close()

    def _reply(self, response: httpx.Response, body: bytes) -> RawReply:
        headers = {name.lower(): value for name, value in response.headers.items()}
        reply = RawReply(status=response.status_code, headers=headers, body=body)
        # Not in an answer, where a short key may stand by chance in the base64 of a vector.
        return reply if reply.status == 200 else self.masked(reply)

    def masked(self, reply: RawReply) -> RawReply:
        """The reply without the key: servers quote the one they refuse, and errors quote them."""
        if self._key is None:
            return reply
        return replace(reply, body=reply.body.replace(self._key.reveal().encode(), b"***"))

    def _taken(self) -> httpx.Client:
        """A client that no other thread uses, the one used last first, so that few stay open."""
        with self._lock:
            # A connection used by two processes would mix up their replies.
            if self._process != os.getpid():
                self._process, self._idle = os.getpid(), []
            if self._idle:
                return self._idle.pop()
            if self._certificates is None:
                # One for all clients: reading the certificates takes longer than a request.
                self._certificates = httpx.create_ssl_context(trust_env=self._goes_out())
            return self._new_client(self._certificates)

    def _give_back(self, client: httpx.Client) -> None:
        with self._lock:
            if self._process == os.getpid() and len(self._idle) < self._most_at_once:
                self._idle.append(client)
                return
        client.close()

    def _goes_out(self) -> bool:
        # No proxy can reach a server on this very machine.
        return not _is_loopback(urlsplit(self._base_url).hostname or "")

    def _new_client(self, certificates: ssl.SSLContext) -> httpx.Client:
        headers = {
            "Accept": "application/json",
            "Content-Type": "application/json",
            "User-Agent": f"ragkit/{_version()}",
            **self._headers,
        }
        if self._key is not None:
            headers["Authorization"] = f"Bearer {self._key.reveal()}"
        return httpx.Client(
            headers=headers,
            timeout=_timeout(self._timeout_s),
            limits=httpx.Limits(max_connections=1, max_keepalive_connections=1),
            follow_redirects=False,
            verify=certificates,
            trust_env=self._goes_out(),
        )


def checked_base_url(base_url: str) -> str:
    """The root of an API, without a slash at its end.

    Raises:
        ConfigurationError: It is no such URL; the message says what it should be.
    """
    url = base_url.strip().rstrip("/")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ConfigurationError(
            f"{excerpt(base_url)!r} is no base URL: it should look like https://host:port/v1"
        )
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError(
            f"the base URL of {parts.hostname} holds a name or password: put the key into "
            "RAGKIT_API_KEY instead"
        )
    if parts.query or parts.fragment:
        raise ConfigurationError(
            f"the base URL of {parts.hostname} should end with its path: leave out what follows"
        )
    if parts.path.endswith("/embeddings"):
        raise ConfigurationError(
            f"the base URL {url!r} should end before /embeddings, which is added to it"
        )
    if "/v1/v1" in parts.path:
        raise ConfigurationError(f"the base URL {url!r} holds /v1 twice: leave one out")
    return url


def checked_key(key: Secret) -> Secret:
    """A key that can stand in a header.

    Raises:
        ConfigurationError: It cannot; the message does not show it.
    """
    value = key.reveal().strip()
    if not value or not value.isascii() or not value.isprintable() or " " in value:
        raise ConfigurationError(
            "the API key is empty, or has blanks or other characters that no key has: copy it again"
        )
    return Secret(value)


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _timeout(timeout_s: float) -> httpx.Timeout:
    return httpx.Timeout(timeout_s, connect=min(timeout_s, _CONNECT_TIMEOUT_S))


def _too_slow(timeout_s: float) -> str:
    return f"no answer in {timeout_s:.3g} s"


def _version() -> str:
    try:
        return importlib.metadata.version("ragkit-search")
    except importlib.metadata.PackageNotFoundError:
        return "0"


def _words(error: Exception) -> str:
    return excerpt(str(error)) or type(error).__name__
