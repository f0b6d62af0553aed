"""Exchanges over real connections, straight and through a proxy: replies of every form."""

from __future__ import annotations

import contextlib
import shutil
import socket
import ssl
import subprocess
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import loopback
import numpy as np
import pytest
from loopback import LoopbackServer
from loopback_models import vector_of

from ragkit.config import Secret, names_proxy
from ragkit.embedding.channels import Exchange, RawReply
from ragkit.embedding.direct import DirectChannel
from ragkit.embedding.failures import BadReply, NoReply
from ragkit.embedding.openrouter import OpenRouterEmbedder
from ragkit.embedding.transport import Transport
from ragkit.embedding.waits import Patience

TEXTS = [f"passage {number} of the handbook" for number in range(40)]
ELSEWHERE = "http://embeddings.example/api/v1"
OK = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture(params=["direct", "proxied"])
def base_url(
    request: pytest.FixtureRequest,
    embedding_server: LoopbackServer,
    monkeypatch: pytest.MonkeyPatch,
) -> str:
    """The server's own URL, or a foreign one that it is the proxy for."""
    if request.param == "direct":
        return embedding_server.base_url
    monkeypatch.setenv("http_proxy", embedding_server.base_url.removesuffix("/api/v1"))
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    return ELSEWHERE


class Scripted:
    """A server that answers each connection with given bytes, whatever it is asked, and closes."""

    def __init__(self, answers: list[bytes], *, pause_s: float = 0.0) -> None:
        self._answers = answers
        self._pause_s = pause_s
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.base_url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1"
        self.asked: list[bytes] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Listen no longer."""
        self._listener.close()
        self._thread.join(5)

    def _serve(self) -> None:
        step = 1 if self._pause_s else 4096
        for answer in self._answers:
            # The client may go before it has heard all.
            with contextlib.suppress(OSError):
                connection, _ = self._listener.accept()
                with connection:
                    request = connection.recv(65536)
                    # Closing with something unread would reset the connection.
                    while not request.endswith(b"{}"):
                        if request.startswith(b"GET") or not (part := connection.recv(65536)):
                            break
                        request += part
                    self.asked.append(request)
                    for position in range(0, len(answer), step):
                        connection.sendall(answer[position : position + step])
                        time.sleep(self._pause_s)


@pytest.fixture
def scripted() -> Iterator[Callable[..., Scripted]]:
    """Makes scripted servers and closes them."""
    made: list[Scripted] = []

    def make(*answers: bytes, pause_s: float = 0.0) -> Scripted:
        made.append(Scripted(list(answers), pause_s=pause_s))
        return made[-1]

    yield make
    for server in made:
        server.close()


def asked(url: str, *, most_bytes: int = 1_000_000, seconds: float = 5.0) -> object:
    """What one exchange comes to: the body of a reply, or the failure."""
    channel = DirectChannel(url, {"Accept": "application/json"}, None)
    answer = channel.ask(
        Exchange(
            method="POST",
            path="/embeddings",
            body=b"{}",
            most_bytes=most_bytes,
            timeout_s=seconds,
        )
    )
    channel.close()
    return answer.body if isinstance(answer, RawReply) else answer


@pytest.mark.parametrize(
    "fault",
    ["502 page", "empty body", "truncated", "broken gzip", "reset before", "reset within",
     "closed before", "stall", "drip"],
)  # fmt: skip
def test_faults_of_the_connection_are_overcome_by_either_way(
    fault: str, base_url: str, embedding_server: LoopbackServer
) -> None:
    """Straight or through a proxy, vectors are right and no answered text is asked again."""
    embedding_server.script(fault, at=[2, 3])
    with OpenRouterEmbedder(
        "test/small",
        api_key=loopback.KEY,
        base_url=base_url,
        timeout_s=0.5 if fault in ("stall", "drip") else 5.0,
        concurrency=2,
        patience=Patience(first_s=0.004, longest_s=0.02),
    ) as client:
        vectors = client.embed_documents(TEXTS)
    truth = np.array([vector_of(text) for text in TEXTS], np.float32)
    np.testing.assert_allclose(vectors, truth, atol=1e-6)
    assert set(embedding_server.ledger.answered.values()) == {1}


@pytest.mark.parametrize("compresses", [False, True])
def test_connections_are_kept_open(
    compresses: bool, base_url: str, embedding_server: LoopbackServer
) -> None:
    """Requests one after another share a connection, compressed replies or not."""
    embedding_server.quirks.compresses = compresses
    with OpenRouterEmbedder("test/small", api_key=loopback.KEY, base_url=base_url) as client:
        for number in range(5):
            client.embed_query(f"question {number}")
    assert embedding_server.ledger.connections == 1


def test_a_connection_that_the_server_closed_is_replaced_unnoticed(
    scripted: Callable[..., Scripted],
) -> None:
    """The goodbye of an idle connection is seen before the next request goes out on it."""
    answer = OK + b"Content-Length: 2\r\n\r\n{}"
    server = scripted(answer, answer)
    channel = DirectChannel(server.base_url, {}, None)
    for _ in range(2):
        exchange = Exchange(method="GET", path="/models", most_bytes=9, timeout_s=5)
        reply = channel.ask(exchange)
        assert isinstance(reply, RawReply)
        assert reply.body == b"{}"
        time.sleep(0.05)
    channel.close()
    assert len(server.asked) == 2


def _deflated(data: bytes, form: int) -> bytes:
    packer = zlib.compressobj(wbits=form)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        pytest.param(OK + b"Content-Length: 4\r\n\r\n{  }", b"{  }", id="length"),
        pytest.param(OK + b"Connection: close\r\n\r\n{}", b"{}", id="until it closes"),
        pytest.param(b"HTTP/1.0 200 OK\r\n\r\n{}", b"{}", id="HTTP/1.0"),
        pytest.param(
            OK + b"Connection: close\r\nContent-Length: 2\r\n\r\n{}", b"{}", id="length and close"
        ),
        pytest.param(
            OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1;x=y\r\n}\r\n0\r\nT: x\r\n\r\n",
            b"{}",
            id="chunks",
        ),
        pytest.param(
            b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\n{}", b"{}", id="100"
        ),
        *(
            pytest.param(
                OK + b"Connection: close\r\nContent-Encoding: " + name + b"\r\n\r\n" + packed,
                b"{}" * 1000,
                id=f"{name.decode()} {form}",
            )
            for name, form, packed in (
                (name, form, _deflated(b"{}" * 1000, form))
                for name, form in ((b"gzip", 31), (b"deflate", 15), (b"deflate", -15))
            )
        ),
    ],
)
def test_replies_are_read_however_they_are_framed(
    answer: bytes, body: bytes, scripted: Callable[..., Scripted]
) -> None:
    """By length, by chunks, to the end of the connection, and in each compression."""
    assert asked(scripted(answer).base_url) == body


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        pytest.param(OK + b"Content-Length: 9\r\n\r\n{}", "broken", id="too short"),
        pytest.param(
            OK + b"Transfer-Encoding: chunked\r\n\r\n9\r\n{}", "broken", id="half a chunk"
        ),
        pytest.param(OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}", "broken", id="no chunk"),
        pytest.param(b"", "broken", id="nothing"),
        pytest.param(b"what?\r\n\r\n", "broken", id="no HTTP"),
        pytest.param(OK + b"X: " + b"y" * 70_000 + b"\r\n\r\n", "broken", id="endless header"),
        pytest.param(OK + b"X: y\r\n" * 300 + b"\r\n", "broken", id="endless headers"),
    ],
)
def test_what_is_no_reply_is_a_broken_connection(
    answer: bytes, kind: str, scripted: Callable[..., Scripted]
) -> None:
    """Whatever bytes come, the failure is a value, and is worth another try."""
    failure = asked(scripted(answer).base_url)
    assert isinstance(failure, NoReply)
    assert failure.kind == kind


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (OK + b"Content-Length: 2000000\r\n\r\n", "over 1000000 bytes"),
        (OK + b"Connection: close\r\n\r\n" + b"x" * 1_000_001, "over 1000000 bytes"),
        (
            OK + b"Content-Encoding: gzip\r\n\r\n" + _deflated(b"x" * 1_000_001, 31),
            "over 1000000 bytes",
        ),
        (OK + b"Content-Encoding: gzip\r\n\r\n" + _deflated(b"x" * 99, 31)[:-9], "it ends early"),
        (OK + b"Content-Encoding: br\r\n\r\nxx", "was not asked for, br"),
    ],
)
def test_replies_that_are_too_large_or_packed_wrongly_are_discarded(
    answer: bytes, reason: str, scripted: Callable[..., Scripted]
) -> None:
    """No reply takes more memory than an answer may need, unpacked or not."""
    failure = asked(scripted(answer).base_url)
    assert isinstance(failure, BadReply)
    assert reason in failure.reason


@pytest.mark.parametrize("answer", [OK, OK + b"Content-Length: 99\r\n\r\n" + b"x" * 99])
def test_a_slow_drip_ends_with_the_deadline(
    answer: bytes, scripted: Callable[..., Scripted]
) -> None:
    """A byte now and then does not begin the wait anew, in the head as in the body."""
    began_s = time.monotonic()
    failure = asked(scripted(answer * 3, pause_s=0.02).base_url, seconds=0.3)
    assert isinstance(failure, NoReply)
    assert failure.kind == "timeout"
    assert time.monotonic() - began_s < 1.5


def test_after_a_failure_the_next_reply_is_not_the_last_one(
    scripted: Callable[..., Scripted],
) -> None:
    """A connection with an unread rest is given up, so that replies never shift by one."""
    server = scripted(
        OK + b"Content-Length: 2000000\r\n\r\n" + b"x" * 4096, OK + b"Content-Length: 2\r\n\r\n{}"
    )
    transport = Transport(server.base_url, key=None, timeout_s=5, most_at_once=1)
    assert isinstance(transport.post("/embeddings", b"{}", expected=1), BadReply)
    reply = transport.post("/embeddings", b"{}", expected=1)
    transport.close()
    assert isinstance(reply, RawReply)
    assert reply.body == b"{}"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate that nobody trusts yet, for 127.0.0.1, and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl, which makes the certificate, is not installed")
    place = tmp_path_factory.mktemp("tls")
    made, key = place / "certificate.pem", place / "key.pem"
    command = f"{openssl} req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    options = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(made)]
    subprocess.run([*command.split(), *options], check=True, capture_output=True)
    return made, key


@pytest.mark.parametrize("trusted", [True, False])
def test_certificates_are_verified(
    trusted: bool, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server with a certificate that is not trusted gets neither text nor key."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    with LoopbackServer() as server:
        server.wrap(context)
        url = server.base_url.replace("http://", "https://")
        transport = Transport(url, key=Secret(loopback.KEY), timeout_s=5, most_at_once=1)
        body = b'{"encoding_format":"float","input":["x"],"model":"test/small"}'
        replies = [transport.post("/embeddings", body, expected=1) for _ in range(2)]
        transport.close()
        assert len(server.ledger.requests) == (2 if trusted else 0)
        assert not trusted or server.ledger.connections == 1
    for reply in replies:
        if trusted:
            assert isinstance(reply, RawReply)
            assert reply.status == 200
        else:
            assert isinstance(reply, NoReply)
            assert reply.kind == "refused"
            assert "CERTIFICATE_VERIFY_FAILED" in reply.reason


@pytest.mark.parametrize(
    ("variables", "url", "named"),
    [
        ({}, ELSEWHERE, False),
        ({"http_proxy": "http://proxy:1"}, ELSEWHERE, True),
        ({"https_proxy": "http://proxy:1"}, ELSEWHERE, False),
        ({"all_proxy": "http://proxy:1"}, ELSEWHERE, True),
        ({"http_proxy": "http://proxy:1", "no_proxy": "embeddings.example"}, ELSEWHERE, False),
        ({"http_proxy": "http://proxy:1", "no_proxy": "other.example"}, ELSEWHERE, True),
    ],
)
def test_a_proxy_is_used_where_the_environment_names_one(
    variables: dict[str, str], url: str, named: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By scheme or for all, and not for the hosts that are excepted."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert names_proxy(url) is named
