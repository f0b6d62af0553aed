"""Passages a second over HTTP, against the server's own time, and against two common clients.

    python benchmarks/embedding_throughput.py [--passages 100000] [--peer PYTHON] [--slower 1]

The server takes 0.15 s and 15 microseconds a token, 64 requests at once; with ``--slower 5`` five
times as long, which tells how well the client keeps a server busy on a machine that is not free:
at its true speed it gives 20,000 vectors of 1536 numbers a second, more than such a machine can
carry from one process to another. PYTHON is an environment
with the peers, in the settings of their documentation that were fastest here: ``pip install
langchain-openai llama-index-embeddings-openai``. They embed a tenth, for the time that they take;
what they need to be imported is not counted.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import time
from pathlib import Path

from embedding_server import ledger, serving

from ragkit.embedding.openrouter import OpenRouterEmbedder

MODEL = "openai/text-embedding-3-small"
PEERS = {
    "langchain-openai": """
from langchain_openai import OpenAIEmbeddings
model = OpenAIEmbeddings(model="m", base_url=url, api_key="k", check_embedding_ctx_length=False,
                         chunk_size=1000)
work = model.aembed_documents
""",
    "llama-index": """
from llama_index.embeddings.openai import OpenAIEmbedding
model = OpenAIEmbedding(model_name="text-embedding-3-small", api_base=url, api_key="k",
                        embed_batch_size=200, num_workers=64)
work = model.aget_text_embedding_batch
""",
}
PEER = """
import asyncio, sys, time
url = sys.argv[1]
texts = {texts}
{body}
begin_s = time.perf_counter()
assert len(asyncio.run(work(texts))) == len(texts)
print(time.perf_counter() - begin_s)
"""


def passages(count: int) -> list[str]:
    """Texts of about a hundred tokens by the server's rule, all different."""
    return [f"passage {number} " + "word " * 78 for number in range(count)]


async def echo_only(url: str, count: int, inputs: int) -> None:
    """Requests of so many texts by sockets that only read: what this machine can do at all."""
    host, port = url.split("/")[2].split(":")
    texts = '","'.join(passages(inputs))
    body = f'{{"input":["{texts}"],"encoding_format":"base64"}}'.encode()
    head = f"POST /v1/embeddings HTTP/1.1\r\nHost: h\r\nContent-Length: {len(body)}\r\n\r\n"
    left = count // inputs

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
    parser.add_argument("--slower", type=float, default=1.0)
    arguments = parser.parse_args()
    count: int = arguments.passages
    slower: float = arguments.slower
    server = ("--latency-s", str(0.15 * slower), "--latency-per-token-s", str(15e-6 * slower))
    for inputs in (96, 192):
        with serving(*server) as url:
            begin_s = time.perf_counter()
            asyncio.run(echo_only(url, count, inputs))
            report(f"sockets alone, {inputs} a time", count, time.perf_counter() - begin_s, url)
    rates = [ours(count, concurrency, server) for concurrency in (64, None)]
    if arguments.peer is None:
        print("peers not measured: give --peer PYTHON")
        return
    part = count // 10
    for name, body in PEERS.items():
        with serving(*server) as url:
            texts = f"[f'passage {{n}} ' + 'word ' * 78 for n in range({part})]"
            script = PEER.format(texts=texts, body=body)
            done = subprocess.run(
                [arguments.peer, "-c", script, url], check=True, capture_output=True, text=True
            )
            rate = report(name, part, float(done.stdout), url)
        print(f"{'':24} ragkit is {rates[0] / rate:.1f} times faster, by default", end=" ")
        print(f"{rates[1] / rate:.1f} times")


def ours(count: int, concurrency: int | None, server: tuple[str, ...]) -> float:
    """Passages a second."""
    texts = passages(count)
    with serving(*server) as url:
        client = OpenRouterEmbedder(
            MODEL,
            api_key="key-of-the-test",
            base_url=url,
            concurrency=concurrency,
            dialect="openrouter",
        )
        begin_s, cpu_s, rows = time.perf_counter(), time.process_time(), 0
        for batch in client.embed(iter(texts), role="document"):
            rows += len(batch.indexes)
        assert rows == count
        name = "ragkit, by default" if concurrency is None else f"ragkit, {concurrency} at once"
        wall_s = time.perf_counter() - begin_s
        return report(name, count, wall_s, url, time.process_time() - cpu_s)


def report(name: str, count: int, wall_s: float, url: str, cpu_s: float | None = None) -> float:
    """One line, and passages a second; the limit is the server's own time at 64 at once."""
    seen = ledger(url)
    limit_s = seen["server_s"] / 64
    cpu = "" if cpu_s is None else f", client's CPU {cpu_s:.2f} s"
    print(
        f"{name:24} {count} passages in {wall_s:.2f} s ({count / wall_s:.0f}/s), limit"
        f" {limit_s:.2f} s, ratio {wall_s / limit_s:.2f}, {seen['requests']} requests, up to"
        f" {seen['most_in_flight']} at once{cpu}",
        flush=True,
    )
    return count / wall_s


if __name__ == "__main__":
    main()
