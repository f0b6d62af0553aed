"""The edge: connections to one server for all threads, its address, and its key."""

from __future__ import annotations

import importlib.metadata
import ipaddress
import os
import re
import ssl
import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Final
from urllib.parse import urlsplit

from ragkit.config import Secret, names_proxy
from ragkit.embedding.channels import Channel, Exchange, RawReply
from ragkit.embedding.dialects import dialect_of
from ragkit.embedding.direct import DirectChannel
from ragkit.embedding.failures import BadReply, NoReply, excerpt
from ragkit.errors import ConfigurationError

__all__ = ["RawReply", "Transport", "checked_base_url", "checked_key"]

# 4096 numbers of 25 characters, twice over; a body beyond that is no answer.
_LARGEST_VECTOR_BYTES: Final = 262_144
_LARGEST_REST_BYTES: Final = 1_048_576
# A thousand models of 8 kB each, twice over.
_LARGEST_LISTING_BYTES: Final = 16_777_216
_LARGEST_MESSAGE_BYTES: Final = 65_536
# Of a key: fewer are worth nothing, and stand in other texts too.
_PART_BYTES: Final = 10
_VERSION: Final = re.compile(r"api-version=[\w.-]+")


class Transport:
    """Pooled connections to one server. Any thread may post; a fork gets connections of its own.

    Threads measured faster than an event loop, and a connection that belongs to one thread at a
    time faster than a pool that all requests lock. Redirects are not followed: texts and key go to
    the base URL and nowhere else.

    Args:
        base_url: Root of the API; what stands in its query is sent with each request.
        key: For the header that is named; None sends none.
        timeout_s: Longest wait for one reply.
        most_at_once: Most connections that are kept open between requests.
        headers: Sent with each request, beside the usual ones.
        key_header: ``Authorization`` carries the key as a bearer's, any other as it is; None for
            what the address tells.
    """

    def __init__(
        self,
        base_url: str,
        *,
        key: Secret | None,
        timeout_s: float,
        most_at_once: int,
        headers: Mapping[str, str] | None = None,
        key_header: str | None = None,
    ) -> None:
        self._address = urlsplit(base_url)
        self._key_header = key_header or dialect_of(base_url).key_header
        self._key = key
        self._timeout_s = timeout_s
        self._most_at_once = most_at_once
        self._headers = dict(headers or {})
        self._idle: list[Channel] = []
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
        return self._asked(
            Exchange(
                method="POST",
                path=self._target(path),
                body=body,
                most_bytes=_LARGEST_REST_BYTES + expected * _LARGEST_VECTOR_BYTES,
                timeout_s=timeout_s or self._timeout_s,
            )
        )

    def get(self, path: str) -> RawReply | NoReply | BadReply:
        """Ask for what the server tells of itself; the path may end in a query."""
        reply = self._asked(
            Exchange(
                method="GET",
                path=self._target(path),
                most_bytes=_LARGEST_LISTING_BYTES,
                timeout_s=self._timeout_s,
            )
        )
        return self.masked(reply) if isinstance(reply, RawReply) else reply

    def _target(self, path: str) -> str:
        whole, query = self._address.path + path, self._address.query
        return f"{whole}{'&' if '?' in whole else '?'}{query}" if query else whole

    def _asked(self, exchange: Exchange) -> RawReply | NoReply | BadReply:
        channel = self._taken()
        try:
            answer = channel.ask(exchange)
        finally:
            self._give_back(channel)
        match answer:
            case NoReply(kind="timeout"):
                return replace(answer, reason=f"no answer in {exchange.timeout_s:.3g} s")
            case RawReply() if answer.status != 200:
                return self.masked(answer)
        # Nothing is masked in an answer, where a short key may stand by chance in the base64.
        return answer

    def close(self) -> None:
        """Close the connections; the next request would open new ones."""
        with self._lock:
            channels, self._idle = self._idle, []
        for channel in channels:
            channel.close()

    def masked(self, reply: RawReply) -> RawReply:
        """The reply without the key: servers quote the one they refuse, and errors quote them."""
        if self._key is None:
            return reply
        return replace(reply, body=_without(self._key.reveal().encode(), reply.body))

    def _taken(self) -> Channel:
        """A channel that no other thread uses, the one used last first, so that few stay open."""
        with self._lock:
            if self._process != os.getpid():
                # A connection used by two processes would mix up their replies. Closed here, it
                # stays open there: no goodbye is sent.
                self._process, inherited = os.getpid(), self._idle
                self._idle = []
                for channel in inherited:
                    channel.close()
            if self._idle:
                return self._idle.pop()
            return self._new_channel()

    def _give_back(self, channel: Channel) -> None:
        with self._lock:
            if self._process == os.getpid() and len(self._idle) < self._most_at_once:
                self._idle.append(channel)
                return
        channel.close()

    def _new_channel(self) -> Channel:
        headers = {
            "Accept": "application/json",
            "Accept-Encoding": "gzip, deflate",
            "Content-Type": "application/json",
            "User-Agent": f"ragkit/{_version()}",
            **self._headers,
        }
        if self._key is not None:
            bearer = "Bearer " if self._key_header == "Authorization" else ""
            headers[self._key_header] = bearer + self._key.reveal()
        origin = f"{self._address.scheme}://{self._address.netloc}"
        # No proxy can reach a server on this very machine.
        goes_out = not _is_loopback(self._address.hostname or "")
        if goes_out and names_proxy(origin):
            from ragkit.embedding.proxied import ProxiedChannel  # noqa: PLC0415 - loads httpx

            return ProxiedChannel(origin, headers, self._trusted())
        is_secure = self._address.scheme == "https"
        return DirectChannel(origin, headers, self._trusted() if is_secure else None)

    def _trusted(self) -> ssl.SSLContext:
        if self._certificates is None:
            import httpx  # noqa: PLC0415 - takes longer to load than a local server to answer

            # One for all connections: reading the certificates takes longer than a request.
            self._certificates = httpx.create_ssl_context()
        return self._certificates


def _without(key: bytes, body: bytes) -> bytes:
    """The body without the key, and in what is short enough to be a message without its parts."""
    body = body.replace(key, b"***")
    if len(body) > _LARGEST_MESSAGE_BYTES:
        return body
    hidden = bytearray(len(body))
    for start in range(len(key) - _PART_BYTES + 1):
        part, place = key[start : start + _PART_BYTES], -1
        while (place := body.find(part, place + 1)) >= 0:
            hidden[place : place + _PART_BYTES] = b"*" * _PART_BYTES
    return bytes(mark or byte for mark, byte in zip(hidden, body, strict=True))


def checked_base_url(base_url: str) -> str:
    """The root of an API, without a slash at its end; ``api-version`` may stand behind it.

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
    if (parts.query and not _VERSION.fullmatch(parts.query)) or parts.fragment:
        raise ConfigurationError(
            f"the base URL of {parts.hostname} should end with its path: leave out what follows"
        )
    if parts.path.rstrip("/").endswith("/embeddings"):
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


def _version() -> str:
    try:
        return importlib.metadata.version("ragkit-search")
    except importlib.metadata.PackageNotFoundError:
        return "0"
