"""Make the shipped vocabularies from OpenAI's ``.tiktoken`` files.

    python ragkit/models/recipe/make_vocab.py cl100k_base.tiktoken o200k_base.tiktoken.xz

A ``.tiktoken`` file (plain or ``.xz``) is lines of base64 token and rank. Ranks are contiguous, so
the shipped form drops them: the count (4 bytes, little-endian), one byte of length for each token,
then the tokens' bytes, both in rank order, as xz. Lengths apart from bytes pack 4 % smaller than
lengths in front of each token, and are an array as they stand.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import lzma
from pathlib import Path

VOCABULARY_DIRECTORY = Path(__file__).resolve().parents[1] / "vocab"

# Published by OpenAI in tiktoken_ext/openai_public.py.
SHA256 = {
    "cl100k_base": "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
    "o200k_base": "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
}


def compact(tiktoken_file: bytes) -> bytes:
    """The shipped form, before compression.

    Raises:
        ValueError: The ranks are not 0, 1, 2 … in the order of the lines.
    """
    tokens = []
    for line_number, line in enumerate(tiktoken_file.splitlines()):
        token, rank = line.split()
        if int(rank) != line_number:
            raise ValueError(f"line {line_number + 1} holds rank {int(rank)}, not {line_number}")
        tokens.append(base64.b64decode(token))
    return len(tokens).to_bytes(4, "little") + bytes(map(len, tokens)) + b"".join(tokens)


def make(source: Path, directory: Path) -> Path:
    """Check one ``.tiktoken`` file against its published sum and write its shipped form.

    Raises:
        ValueError: The file is not one of those published.
    """
    content = source.read_bytes()
    if source.suffix == ".xz":
        content = lzma.decompress(content)
    name = source.name.split(".")[0]
    if hashlib.sha256(content).hexdigest() != SHA256.get(name):
        raise ValueError(f"{source} is not the published {name}.tiktoken: its sha256 differs")
    filters = [
        {"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "lc": 4, "lp": 0, "pb": 0}
    ]
    packed = lzma.compress(compact(content), check=lzma.CHECK_SHA256, filters=filters)
    target = directory / f"{name}.xz"
    target.write_bytes(packed)
    return target


def main() -> None:
    """Make every file that is named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--directory", type=Path, default=VOCABULARY_DIRECTORY)
    arguments = parser.parse_args()
    for source in arguments.files:
        target = make(source, arguments.directory)
        print(f"{target}: {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
