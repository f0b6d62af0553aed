"""Cut texts with the splitters of other libraries; runs in an environment that has them.

    python cut_spans.py TEXTS.json SPANS.json

TEXTS.json holds the text of each file by name. SPANS.json gets, for each splitter, the spans
[start, end] of its chunks in each file; what is not installed is left out, and a message says so. A
splitter that returns texts without offsets has them looked for in the file, from where the last one
began.
"""

# This file imports no ragkit, which is not installed where it runs.
from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import tiktoken

Spans = list[list[int]]
Split = Callable[[str], Spans]

CHROMA_SEPARATORS = ["\n\n", "\n", ".", "?", "!", " ", ""]


def langchain_default() -> Split:
    """RecursiveCharacterTextSplitter as its documentation has it; the class itself takes 4,000."""
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    splitter = RecursiveCharacterTextSplitter(chunk_size=1000, chunk_overlap=200)
    return lambda text: located(text, splitter.split_text(text))


def langchain_200() -> Split:
    """200 tokens of cl100k without overlap."""
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    splitter = RecursiveCharacterTextSplitter(
        chunk_size=200, chunk_overlap=0, length_function=tokens
    )
    return lambda text: located(text, splitter.split_text(text))


def chroma_default() -> Split:
    """The same with the separators of Chroma's chunking_evaluation, which recommends it."""
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    splitter = RecursiveCharacterTextSplitter(
        chunk_size=200, chunk_overlap=0, length_function=tokens, separators=CHROMA_SEPARATORS
    )
    return lambda text: located(text, splitter.split_text(text))


def llama_index_default() -> Split:
    """SentenceSplitter as it comes: 1,024 tokens, 200 of overlap."""
    from llama_index.core.node_parser import SentenceSplitter

    splitter = SentenceSplitter(tokenizer=encoding().encode_ordinary)
    return lambda text: located(text, splitter.split_text(text))


def semchunk_200() -> Split:
    """Semchunk at 200 tokens."""
    import semchunk

    chunker = semchunk.chunkerify(tokens, 200)

    def split(text: str) -> Spans:
        _, offsets = chunker(text, offsets=True)
        return [[start, end] for start, end in offsets]

    return split


def chonkie_recursive() -> Split:
    """Chonkie's RecursiveChunker at 512 tokens of cl100k."""
    from chonkie import RecursiveChunker

    return indexed(RecursiveChunker(tokenizer=encoding(), chunk_size=512))


def chonkie_sentence() -> Split:
    """Chonkie's SentenceChunker at 512 tokens of cl100k."""
    from chonkie import SentenceChunker

    return indexed(SentenceChunker(tokenizer=encoding(), chunk_size=512, chunk_overlap=0))


def chonkie_token_200() -> Split:
    """Chonkie's RecursiveChunker at 200 tokens."""
    from chonkie import RecursiveChunker

    return indexed(RecursiveChunker(tokenizer=encoding(), chunk_size=200))


SPLITTERS: dict[str, Callable[[], Split]] = {
    "LangChain Recursive 1000/200 (default)": langchain_default,
    "LangChain Recursive 200 tokens": langchain_200,
    "Chroma's default (Recursive 200)": chroma_default,
    "LlamaIndex Sentence 1024/200 (default)": llama_index_default,
    "semchunk 200": semchunk_200,
    "chonkie Recursive 200": chonkie_token_200,
    "chonkie Recursive 512": chonkie_recursive,
    "chonkie Sentence 512": chonkie_sentence,
}


def encoding() -> tiktoken.Encoding:
    """cl100k."""
    return tiktoken.get_encoding("cl100k_base")


def tokens(text: str) -> int:
    """Length of a text in cl100k tokens."""
    return len(encoding().encode_ordinary(text))


def indexed(chunker: Callable[[str], Iterable[Any]]) -> Split:
    """A chunker whose chunks know where they are."""
    return lambda text: [[chunk.start_index, chunk.end_index] for chunk in chunker(text)]


def located(text: str, chunks: Iterable[str]) -> Spans:
    """Where chunks stand in their text."""
    spans: Spans = []
    place = 0
    for chunk in chunks:
        start = text.find(chunk, place)
        if start < 0:
            start = text.find(chunk)
        if start < 0:
            raise ValueError(f"a chunk is not in its text: {chunk[:80]!r}")
        spans.append([start, start + len(chunk)])
        place = start + 1
    return spans


def main() -> None:
    """Cut every text with every splitter that is there."""
    texts = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    spans = {}
    for name, make in SPLITTERS.items():
        try:
            split = make()
        except ImportError as error:
            print(f"left out: {name}: {error}", file=sys.stderr)
            continue
        spans[name] = {file: split(text) for file, text in texts.items()}
    Path(sys.argv[2]).write_text(json.dumps(spans), encoding="utf-8")


if __name__ == "__main__":
    main()
