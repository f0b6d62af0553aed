"""Passages a second over HTTP, against the server's own time, and against two common clients.

    python benchmarks/embedding_throughput.py [--passages 100000] [--peer PYTHON]

The server takes 0.15 s and 15 microseconds a token, 64 requests at once. PYTHON is an environment
with the peers, in their best documented settings: ``pip install langchain-openai
llama-index-embeddings-openai``. They embed a tenth, for the time that they take.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import time
from pathlib import Path

from embedding_server import ledger, serving

from ragkit.embedding.openrouter import OpenRouterEmbedder

MODEL = "openai/text-embedding-3-small"
SERVER = ("--latency-s", "0.15", "--latency-per-token-s", "15e-6")
PEERS = {
    "langchain-openai": """
from langchain_openai import OpenAIEmbeddings
model = OpenAIEmbeddings(model="m", base_url=url, api_key="k", check_embedding_ctx_length=False,
                         chunk_size=1000)
asyncio.run(model.aembed_documents(texts))
""",
    "llama-index": """
from llama_index.embeddings.openai import OpenAIEmbedding
model = OpenAIEmbedding(model_name="text-embedding-3-small", api_base=url, api_key="k",
                        embed_batch_size=1000, num_workers=64)
asyncio.run(model.aget_text_embedding_batch(texts))
""",
}
PEER = "import asyncio, sys\nurl = sys.argv[1]\ntexts = {texts}\n{body}"


def passages(count: int) -> list[str]:
    """Texts of about a hundred tokens by the server's rule, all different."""
    return [f"passage {number} " + "word " * 78 for number in range(count)]


async def echo_only(url: str, count: int) -> None:
    """The same requests by sockets that only read: what this machine can do at all."""
    host, port = url.split("/")[2].split(":")
    texts = '","'.join(passages(96))
    body = f'{{"input":["{texts}"],"encoding_format":"base64"}}'.encode()
    head = f"POST /v1/embeddings HTTP/1.1\r\nHost: h\r\nContent-Length: {len(body)}\r\n\r\n"
    left = count // 96

    async def one() -> None:
        nonlocal left
        reader, writer = await asyncio.open_connection(host, int(port), limit=1 << 22)
        while left > 0:
            left -= 1
            writer.write(head.encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            start = answer.index(b"Content-Length: ") + 16
            await reader.readexactly(int(answer[start : answer.index(b"\r", start)]))
        writer.close()

    await asyncio.gather(*(one() for _ in range(64)))


def main() -> None:
    """Print one line for each client."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--passages", type=int, default=100_000)
    parser.add_argument("--peer", type=Path)
    arguments = parser.parse_args()
    count: int = arguments.passages
    texts = passages(count)
    with serving(*SERVER) as url:
        begin_s = time.perf_counter()
        asyncio.run(echo_only(url, count))
        report("sockets that only read", count, begin_s, url)
    for name, concurrency in (("ragkit, 64 at once", 64), ("ragkit, by default", None)):
        with serving(*SERVER) as url:
            client = OpenRouterEmbedder(
                MODEL, api_key="key-of-the-test", base_url=url, concurrency=concurrency
            )
            # As at OpenRouter.
            client._server.limits.inputs = 96
            begin_s, cpu_s, rows = time.perf_counter(), time.process_time(), 0
            for batch in client.embed(iter(texts), role="document"):
                rows += len(batch.indexes)
            assert rows == count
            report(name, count, begin_s, url, time.process_time() - cpu_s)
    if arguments.peer is None:
        print("peers not measured: give --peer PYTHON")
        return
    part = count // 10
    for name, body in PEERS.items():
        with serving(*SERVER) as url:
            script = PEER.format(
                texts=f"[f'passage {{n}} ' + 'word ' * 78 for n in range({part})]", body=body
            )
            begin_s = time.perf_counter()
            subprocess.run([arguments.peer, "-c", script, url], check=True)
            report(name, part, begin_s, url)


def report(name: str, count: int, begin_s: float, url: str, cpu_s: float | None = None) -> None:
    """One line; the limit is the server's own time at 64 requests at once."""
    wall_s = time.perf_counter() - begin_s
    seen = ledger(url)
    limit_s = seen["server_s"] / 64
    cpu = "" if cpu_s is None else f", client's CPU {cpu_s:.2f} s"
    sys.stdout.write(
        f"{name:24} {count} passages in {wall_s:.2f} s ({count / wall_s:.0f}/s), limit"
        f" {limit_s:.2f} s, ratio {wall_s / limit_s:.2f}, {seen['requests']} requests, up to"
        f" {seen['most_in_flight']} at once{cpu}\n"
    )
    sys.stdout.flush()


if __name__ == "__main__":
    main()
