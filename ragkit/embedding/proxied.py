"""Exchanges by httpx, which knows the ways of proxies."""

from __future__ import annotations

import ssl
import time
from collections.abc import Mapping

import httpx

from ragkit.embedding.channels import (
    Exchange,
    RawReply,
    bare,
    too_large,
    words_of,
)
from ragkit.embedding.failures import BadReply, NoReply

__all__ = ["ProxiedChannel"]


class ProxiedChannel:
    """A ``Channel`` through the proxy that the environment names.

    One client of httpx for each: the pool inside a shared one looks at every connection for every
    request, under a lock, which took a third of the time at 64 requests at once.

    Args:
        origin: Scheme, host and port of the server.
        headers: Of each request.
        certificates: Whom to trust.
    """

    def __init__(
        self, origin: str, headers: Mapping[str, str], certificates: ssl.SSLContext
    ) -> None:
        self._origin = origin
        self._client = httpx.Client(
            headers=headers,
            limits=httpx.Limits(max_connections=1, max_keepalive_connections=1),
            follow_redirects=False,
            verify=certificates,
        )

    def ask(self, exchange: Exchange) -> RawReply | NoReply | BadReply:
        """As ``Channel.ask``."""
        try:
            return self._received(exchange)
        except httpx.DecodingError as error:
            return BadReply(reason=f"a reply that cannot be uncompressed ({words_of(error)})")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return _no_reply(error, exchange)

    def close(self) -> None:
        """As ``Channel.close``; it cannot be used again."""
        self._client.close()

    def _received(self, exchange: Exchange) -> RawReply | NoReply | BadReply:
        ends_at_s = time.monotonic() + exchange.timeout_s
        with self._client.stream(
            exchange.method,
            self._origin + exchange.path,
            content=exchange.body,
            timeout=httpx.Timeout(exchange.timeout_s, connect=exchange.connect_timeout_s),
        ) as response:
            parts: list[bytes] = []
            size_bytes = 0
            for part in response.iter_bytes():
                parts.append(part)
                size_bytes += len(part)
                if size_bytes > exchange.most_bytes:
                    return too_large(exchange.most_bytes)
                # Each byte resets the timeout of httpx: a slow drip would never end.
                if time.monotonic() > ends_at_s:
                    return NoReply(kind="timeout", reason="the reply takes too long")
            headers = {name.lower(): value for name, value in response.headers.items()}
            return RawReply(status=response.status_code, headers=headers, body=b"".join(parts))


def _no_reply(error: httpx.HTTPError | httpx.InvalidURL, exchange: Exchange) -> NoReply:
    reason = words_of(error)
    match error:
        case httpx.ConnectTimeout():
            reason = f"no connection in {exchange.connect_timeout_s:.3g} s"
            return NoReply(kind="refused", reason=reason, cause=bare(error))
        case httpx.TimeoutException():
            return NoReply(kind="timeout", reason=reason, cause=bare(error))
        case httpx.ConnectError() | httpx.ProxyError():
            return NoReply(kind="refused", reason=reason, cause=bare(error))
        case httpx.UnsupportedProtocol() | httpx.LocalProtocolError() | httpx.InvalidURL():
            return NoReply(kind="invalid", reason=reason, cause=bare(error))
    return NoReply(kind="broken", reason=reason, cause=bare(error))
