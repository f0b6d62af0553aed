"""Exchanges over a connection of our own: read by http.client, with a deadline that holds.

httpx hands a reply through several layers in parts of 64 kB, which takes 2.8 ms of the
interpreter's lock for a reply of 0.8 MB, where this takes 0.4: with 64 requests at once that was
what the client could do at all. Requests that a proxy must carry stay with httpx.
"""

from __future__ import annotations

import http.client
import io
import select
import socket
import ssl
import time
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit

from ragkit.embedding.channels import (
    Exchange,
    RawReply,
    bare,
    too_large,
    words_of,
)
from ragkit.embedding.failures import BadReply, NoReply

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

__all__ = ["DirectChannel"]

# Servers close connections that are idle for five seconds or more.
_IDLE_S: Final = 4.0
_PART_BYTES: Final = 1 << 20
# What a path may hold as it is; the rest is written as %XX.
_PATH_CHARACTERS: Final = "!$%&'()*+,/:;=?@[]~"
_GZIP, _DEFLATE, _RAW_DEFLATE = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS


class DirectChannel:
    """A ``Channel`` straight to the server.

    Args:
        origin: Scheme, host and port of the server.
        headers: Of each request.
        certificates: Whom to trust; None where the server is spoken to in the clear.
    """

    def __init__(
        self, origin: str, headers: Mapping[str, str], certificates: ssl.SSLContext | None
    ) -> None:
        parts = urlsplit(origin)
        self._host = parts.hostname or ""
        self._headers = dict(headers)
        self._certificates = certificates
        self._http = (
            http.client.HTTPConnection(self._host, parts.port)
            if certificates is None
            else http.client.HTTPSConnection(self._host, parts.port, context=certificates)
        )
        # A connection is opened here or not at all.
        self._http.auto_open = 0
        self._wire: _Wire | None = None
        self._used_s = 0.0

    def ask(self, exchange: Exchange) -> RawReply | NoReply | BadReply:
        """As ``Channel.ask``."""
        ends_at_s = time.monotonic() + exchange.timeout_s
        wire = self._kept() or self._connected(exchange.connect_timeout_s)
        if isinstance(wire, NoReply):
            return wire
        wire.ends_at_s = ends_at_s
        answer: RawReply | NoReply | BadReply | None = None
        try:
            answer = self._answer(exchange)
        except TimeoutError as error:
            answer = NoReply(kind="timeout", reason=words_of(error), cause=bare(error))
        except (OSError, http.client.HTTPException) as error:
            answer = NoReply(kind="broken", reason=words_of(error), cause=bare(error))
        except ValueError as error:
            answer = NoReply(kind="invalid", reason=words_of(error))
        finally:
            # What is left of a reply would be taken for the next one.
            if not isinstance(answer, RawReply):
                self.close()
        self._used_s = time.monotonic()
        return answer

    def close(self) -> None:
        """As ``Channel.close``."""
        self._http.close()
        if self._wire is not None:
            self._wire.was_read()
            self._wire = None

    def _kept(self) -> _Wire | None:
        """The open connection, as far as one can tell without using it that it still is."""
        wire = self._wire if self._http.sock is not None else None
        if wire is None or time.monotonic() - self._used_s > _IDLE_S or wire.has_news():
            return None
        return wire

    def _connected(self, timeout_s: float) -> _Wire | NoReply:
        self.close()
        try:
            self._wire = _Wire(self._opened(timeout_s))
        except TimeoutError as error:
            reason = f"no connection in {timeout_s:.3g} s"
            return NoReply(kind="refused", reason=reason, cause=bare(error))
        except UnicodeError as error:
            return NoReply(kind="invalid", reason=words_of(error), cause=bare(error))
        except OSError as error:
            return NoReply(kind="refused", reason=words_of(error), cause=bare(error))
        # It has all that http.client uses of a socket.
        self._http.sock = self._wire
        return self._wire

    def _opened(self, timeout_s: float) -> socket.socket:
        plain = socket.create_connection((self._host, self._http.port), timeout_s)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._certificates is None:
            return plain
        try:
            return self._certificates.wrap_socket(plain, server_hostname=self._host)
        except BaseException:
            plain.close()
            raise

    def _answer(self, exchange: Exchange) -> RawReply | BadReply:
        path = quote(exchange.path, safe=_PATH_CHARACTERS)
        self._http.request(exchange.method, path, exchange.body, self._headers)
        with self._http.getresponse() as response:
            body = _body(response, exchange.most_bytes)
            if body is None:
                return too_large(exchange.most_bytes)
            headers = {name.lower(): value for name, value in response.headers.items()}
            packing = headers.get("content-encoding", "").strip().lower()
            if packing not in ("", "identity"):
                unpacked = _unpacked(body, packing, exchange.most_bytes)
                if isinstance(unpacked, BadReply):
                    return unpacked
                body = unpacked
            return RawReply(status=response.status, headers=headers, body=body)


class _Wire:
    """A socket as http.client uses one, with a moment at which all waiting ends.

    A timeout alone begins anew with each byte, so that a slow drip would never end.
    """

    def __init__(self, plain: socket.socket) -> None:
        self.ends_at_s = 0.0
        self._socket = plain
        self._is_read = self._is_done = False

    def sendall(self, data: ReadableBuffer) -> None:
        self._socket.settimeout(self._left_s())
        self._socket.sendall(data)

    def receive(self, buffer: WriteableBuffer) -> int:
        self._socket.settimeout(self._left_s())
        return self._socket.recv_into(buffer)

    def makefile(self, _: str) -> io.BufferedReader:
        self._is_read = True
        return io.BufferedReader(_Reader(self))

    def has_news(self) -> bool:
        """Whether something came unasked: the server's goodbye, or what belongs to no request."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(0))

    def close(self) -> None:
        """Close it once its reply is read: http.client is done with it before that."""
        self._is_done = True
        if not self._is_read:
            self._socket.close()

    def was_read(self) -> None:
        """The reply is read, or given up."""
        self._is_read = False
        if self._is_done:
            self._socket.close()

    def _left_s(self) -> float:
        left_s = self.ends_at_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("the reply takes too long")
        return left_s


class _Reader(io.RawIOBase):
    """What http.client reads a reply from."""

    def __init__(self, wire: _Wire) -> None:
        self._wire = wire

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        return self._wire.receive(buffer)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._wire.was_read()


def _body(response: http.client.HTTPResponse, most_bytes: int) -> bytes | None:
    """All of it; None when it is larger than it may be."""
    if response.length is not None:
        expected = response.length
        if expected > most_bytes:
            return None
        body = response.read(expected)
        if len(body) < expected:
            raise http.client.IncompleteRead(body, expected - len(body))
        return body
    parts: list[bytes] = []
    size_bytes = 0
    while part := response.read(_PART_BYTES):
        parts.append(part)
        size_bytes += len(part)
        if size_bytes > most_bytes:
            return None
    return b"".join(parts)


def _unpacked(body: bytes, packing: str, most_bytes: int) -> bytes | BadReply:
    ways = {"gzip": (_GZIP,), "x-gzip": (_GZIP,), "deflate": (_DEFLATE, _RAW_DEFLATE)}
    reason = f"in a form that was not asked for, {packing}"
    for way in ways.get(packing, ()):
        unpacker = zlib.decompressobj(way)
        try:
            unpacked = unpacker.decompress(body, most_bytes + 1)
        except zlib.error as error:
            reason = words_of(error)
            continue
        if len(unpacked) > most_bytes:
            return too_large(most_bytes)
        if unpacker.eof:
            return unpacked
        reason = "it ends early"
    return BadReply(reason=f"a reply that cannot be uncompressed ({reason})")
