"""How fast documents become passages, against raw tiktoken and other splitters.

    python benchmarks/chunking.py [--rounds 5] [--megabytes 0.5] [--size 100] [--longest 1000000]

Every round takes fresh documents, and all tools take the same ones in turn, so that no cache and
no load on the machine favours one of them. The figure to look at is the ratio to raw tiktoken in
the same round. The documents are made of the Markdown, reStructuredText and metadata files and the
docstrings of the installed packages, one document for each package; ``--longest 2000`` parts them
into many small ones. Splitters that are not installed are left out and named.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import random
import site
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ragkit.chunking import Chunker
from ragkit.models.tokens import encoding
from ragkit.records import Document

Split = Callable[[str], int]
MODEL = "openai/text-embedding-3-small"
_SHORTEST_CHARACTERS = 10_000
_LONGEST_CHARACTERS = 1_000_000


def documents() -> list[str]:
    """A manual for each installed package: its documentation files and its docstrings in a row.

    Manuals are cut at a megabyte; small ones are left out.
    """
    manuals: dict[str, list[str]] = {}
    for folder in map(Path, site.getsitepackages()):
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder).parts[0].partition("-")[0]
            if text := _text_of(path):
                manuals.setdefault(name, []).append(text)
    joined = ("\n\n".join(dict.fromkeys(texts))[:_LONGEST_CHARACTERS] for texts in manuals.values())
    # Some splitters fail on the name of a control token.
    plain = (manual.replace("<|", "< |") for manual in joined)
    return [manual for manual in plain if len(manual) >= _SHORTEST_CHARACTERS]


def _text_of(path: Path) -> str:
    if path.suffix not in (".md", ".rst", ".txt", ".py") and path.name != "METADATA":
        return ""
    if not path.is_file() or path.stat().st_size > _LONGEST_CHARACTERS:
        return ""
    text = path.read_text(encoding="utf-8", errors="ignore")
    return _docstrings(text) if path.suffix == ".py" else text


def _docstrings(source: str) -> str:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return ""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    found = (ast.get_docstring(node) for node in ast.walk(tree) if isinstance(node, kinds))
    return "\n\n".join(text for text in found if text)


def raw_tiktoken() -> Split:
    """Only the tokens, which every splitter by tokens needs."""
    bpe = encoding()
    return lambda text: int(bpe.encode_to_numpy(text, disallowed_special=()).size)


def ragkit_chunker(size: int) -> Split:
    """Passages of about ``size`` tokens, with their places, lines, headings and exact lengths."""
    chunker = Chunker(model=MODEL, passage_tokens=size)
    return lambda text: len(chunker.split(Document(source="", text=text)))


def chonkie_recursive(size: int) -> Split:
    """Chonkie's RecursiveChunker, counting with the same encoding."""
    module = importlib.import_module("chonkie")
    chunker = module.RecursiveChunker(tokenizer=encoding(), chunk_size=size)
    return lambda text: len(chunker.chunk(text))


def semchunk(size: int) -> Split:
    """Semchunk, counting with the same encoding; its memo of counts starts empty each time."""
    module = importlib.import_module("semchunk")
    bpe = encoding()
    return lambda text: len(
        module.chunk(text, size, lambda part: len(bpe.encode_ordinary(part)), memoize=False)
    )


def langchain_recursive(size: int) -> Split:
    """LangChain's RecursiveCharacterTextSplitter, counting with the same encoding."""
    module = importlib.import_module("langchain_text_splitters")
    bpe = encoding()
    splitter = module.RecursiveCharacterTextSplitter(
        chunk_size=size,
        chunk_overlap=0,
        length_function=lambda part: len(bpe.encode_ordinary(part)),
    )
    return lambda text: len(splitter.split_text(text))


def llama_index_sentence(size: int) -> Split:
    """llama-index's SentenceSplitter, counting with the same encoding."""
    module = importlib.import_module("llama_index.core.node_parser")
    splitter = module.SentenceSplitter(
        chunk_size=size, chunk_overlap=0, tokenizer=encoding().encode_ordinary
    )
    return lambda text: len(splitter.split_text(text))


def tools(size: int) -> dict[str, Split]:
    """What is installed, by name; what is not is printed."""
    found: dict[str, Split] = {"raw tiktoken": raw_tiktoken(), "ragkit": ragkit_chunker(size)}
    for make in (chonkie_recursive, semchunk, langchain_recursive, llama_index_sentence):
        try:
            found[make.__name__.replace("_", " ")] = make(size)
        except ImportError as error:
            print(f"left out: {make.__name__.replace('_', ' ')} ({error})")
    return found


def main() -> None:
    """Run the rounds and print megabytes per second of processor time, and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--megabytes", type=float, default=0.5)
    parser.add_argument("--size", type=int, default=100, help="tokens of a passage")
    parser.add_argument("--longest", type=int, default=_LONGEST_CHARACTERS, help="characters")
    arguments = parser.parse_args()
    splitters = tools(arguments.size)
    texts = [part for text in documents() for part in _parts(text, arguments.longest)]
    random.Random(0).shuffle(texts)  # noqa: S311  - an order, not a secret
    for split in splitters.values():
        split("Warm up: the tokenizer loads its tables on first use.\n\n" * 50)
    rates: dict[str, list[float]] = {name: [] for name in splitters}
    pieces = dict.fromkeys(splitters, 0)
    for _ in range(arguments.rounds):
        batch = _batch(texts, arguments.megabytes * 1e6)
        size_mb = sum(len(text.encode()) for text in batch) / 1e6
        for name, split in splitters.items():
            began = time.process_time()
            pieces[name] += sum(map(split, batch))
            rates[name].append(size_mb / (time.process_time() - began))
    print(f"{'tool':<24}{'MB/s':>8}{'ratio':>8}   ratio in each round         pieces")
    for name, measured in rates.items():
        ratios = np.array(measured) / np.array(rates["raw tiktoken"])
        listed = " ".join(f"{ratio:.2f}" for ratio in ratios)
        rate = statistics.median(measured)
        print(f"{name:<24}{rate:>8.1f}{np.median(ratios):>8.2f}   {listed:<27} {pieces[name]}")


def _parts(text: str, longest: int) -> list[str]:
    return [text[start : start + longest] for start in range(0, len(text), longest)]


def _batch(texts: list[str], size_bytes: float) -> list[str]:
    """Take documents off the list until they are so large together."""
    batch: list[str] = []
    taken = 0
    while texts and taken < size_bytes:
        batch.append(texts.pop())
        taken += len(batch[-1].encode())
    return batch


if __name__ == "__main__":
    main()
