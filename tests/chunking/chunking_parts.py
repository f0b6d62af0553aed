"""What the chunking tests share: the checker of law 1, and texts of many kinds."""

from __future__ import annotations

import random
import re
import textwrap
from collections.abc import Callable, Sequence

from ragkit.models.tokens import count_tokens
from ragkit.records import Document, Passage

OPENAI = "openai/text-embedding-3-small"
WORDS = [
    *("the", "of", "and", "to", "in", "is", "that", "for", "it", "with", "as", "was", "on", "be"),
    *("at", "by", "this", "had", "not", "are", "but", "from", "or", "have", "they", "which", "one"),
    *("were", "all", "her", "there", "would", "their", "him", "been", "when", "who", "will", "no"),
    *("more", "if", "out", "so", "up", "said", "what", "about", "than", "into", "them", "can"),
    *(
        "other",
        "time",
        "new",
        "some",
        "could",
        "these",
        "two",
        "first",
        "then",
        "do",
        "any",
        "like",
    ),
    *("Berlin", "Monday", "Kubernetes", "rotation", "certificate", "gateway", "replica", "latency"),
]
KINDS = (
    "prose",
    "wrapped",
    "markdown",
    "chat",
    "csv",
    "code",
    "one_paragraph",
    "words",
    "cjk",
    "dna",
)


def seeded(seed: str | int) -> random.Random:
    """A generator that gives the same texts in every run."""
    return random.Random(seed)  # noqa: S311  - texts, not secrets


def document(text: str, **fields: object) -> Document:
    """A document that has nothing but its text, unless more is said."""
    return Document(source="document", text=text, **fields)  # type: ignore[arg-type]


def assert_spans(of: Document, passages: Sequence[Passage]) -> None:
    """Law 1: passages are spans, in order, apart, trimmed, and hold all that is not blank."""
    last = 0
    for passage in passages:
        assert passage.text == of.text[passage.start : passage.end]
        assert passage.text
        assert passage.text == passage.text.strip()
        assert passage.start >= last
        assert not of.text[last : passage.start].strip()
        assert passage.tokens == count_tokens(passage.text)
        assert passage.line == 1 + len(re.findall(r"\r\n|\r|\n", of.text[: passage.start]))
        assert (passage.root, passage.source) == (of.root, of.source)
        last = passage.end
    assert not of.text[last:].strip()


def units(kind: str, generator: random.Random, count: int) -> tuple[list[str], str]:
    """Paragraphs or lines of a kind of text, and what stands between them."""
    make: dict[str, Callable[[], str]] = {
        "prose": lambda: " ".join(sentence(generator) for _ in range(generator.randint(1, 7))),
        "wrapped": lambda: textwrap.fill(
            " ".join(sentence(generator) for _ in range(generator.randint(2, 12))), 76
        ),
        "markdown": lambda: _markdown(generator),
        "chat": lambda: f"{generator.choice(('ann', 'bob'))}: {_words(generator, 1, 30)}",
        "csv": lambda: f"2024-01-{generator.randint(1, 28)},{generator.random():.4f},shipped,EUR",
        "code": lambda: (
            f"def f{generator.randint(0, 999)}(x):\n    y = {generator.randint(0, 99)} * x\n"
            f"    return y + {generator.randint(0, 9)}"
        ),
        "one_paragraph": lambda: sentence(generator),
        "words": lambda: generator.choice(WORDS),
        "cjk": lambda: "".join(chr(generator.randint(0x4E00, 0x5E00)) for _ in range(20)),
        "dna": lambda: "".join(generator.choices("ACGT", k=60)),
    }
    between = {"chat": "\n", "csv": "\n", "one_paragraph": " ", "words": " ", "cjk": "", "dna": ""}
    return [make[kind]() for _ in range(count)], between.get(kind, "\n\n")


def sentence(generator: random.Random) -> str:
    """Four to twenty-five words and a point."""
    return _words(generator, 4, 25).capitalize() + "."


def _words(generator: random.Random, fewest: int, most: int) -> str:
    return " ".join(generator.choices(WORDS, k=generator.randint(fewest, most)))


def _markdown(generator: random.Random) -> str:
    kind = generator.random()
    if kind < 0.25:
        return "#" * generator.randint(1, 3) + " " + _words(generator, 1, 5)
    if kind < 0.5:
        return "\n".join(f"- {sentence(generator)}" for _ in range(generator.randint(1, 5)))
    return " ".join(sentence(generator) for _ in range(generator.randint(1, 5)))
