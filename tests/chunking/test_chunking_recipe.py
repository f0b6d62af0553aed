"""What is embedded: the prefix, what it leaves out, and front matter."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from chunking_parts import OPENAI, assert_spans, document, seeded, sentence

from ragkit.chunking import CHUNKER_VERSION, Chunker
from ragkit.chunking.recipe import RECIPE_VERSION, embedded_text, front_matter_end
from ragkit.models.catalogue import profile
from ragkit.models.fingerprint import Fingerprint
from ragkit.models.tokens import BoundCounter, BytePairCounter, TokenCounter, count_tokens
from ragkit.models.wordpiece import WordPieceCounter
from ragkit.records import Passage

BODY = "Keys are rotated on the first Monday of each quarter by the platform team."


def passage(text: str = BODY, *headings: str, start: int = 100) -> Passage:
    return Passage(
        source="guide.md", start=start, end=start + len(text), text=text, headings=headings
    )


def test_without_title_and_headings_the_text_stands_alone() -> None:
    """A passage of a document that states nothing is embedded as it is."""
    assert embedded_text(None, passage()) == BODY
    assert embedded_text("  ", passage(BODY, "")) == BODY


def test_title_and_headings_stand_in_front() -> None:
    """Title first, then the headings, outermost first, on a line of their own."""
    text = embedded_text("Handbook", passage(BODY, "Security", "Key  rotation"))
    assert text == f"Handbook > Security > Key rotation\n{BODY}"


def test_nothing_is_said_twice() -> None:
    """The title that is the first heading, and headings that the passage shows, appear once."""
    shown = f"## Key rotation\n\n{BODY}"
    assert embedded_text("Security", passage(shown, "Security", "Key rotation")) == (
        f"Security\n{shown}"
    )
    underlined = f"Key *rotation*\n------------\n\n{BODY}"
    assert embedded_text("Key rotation", passage(underlined, "Key rotation")) == underlined
    assert embedded_text("Keys", passage(BODY)) == f"Keys\n{BODY}"


@pytest.mark.parametrize(
    "headings",
    [
        ("Platform handbook of the company", "Security and compliance", "Key rotation in detail"),
        ("A heading that goes on and on " * 9,),
        ("东京都的天气预报与明天的温度以及降水概率", "湿度"),
        ("internationalization", "authentication", "Kubernetes", "observability", "x"),
        ("Überprüfung der Geschäftsführung", "Größenänderung für Häuser"),
    ],
)
def test_the_prefix_is_small(headings: tuple[str, ...]) -> None:
    """The prefix takes about 15 tokens at most, and gives up the outermost words first."""
    prefix, _, text = embedded_text("A title of some length", passage(BODY, *headings)).partition(
        "\n"
    )
    assert text == BODY
    assert 0 < count_tokens(prefix) <= 22
    assert headings[-1].split()[0] in prefix


def test_a_prefix_never_drowns_its_text() -> None:
    """A text of a few characters gets a prefix of three times its length at most."""
    assert len(embedded_text("Title", passage("No.", "Heading", "Sub"))) <= 4 * len("No.") + 1


def test_front_matter_is_not_embedded() -> None:
    """The block at a document's head stays out of the vector, and in the passage."""
    matter = "---\ntitle: Keys\ntags:\n  - a\n  - b\n---\n"
    assert embedded_text(None, passage(f"{matter}\n{BODY}", start=0)) == BODY
    assert embedded_text(None, passage(f"{matter}\n{BODY}", start=7)) == f"{matter}\n{BODY}"
    assert embedded_text(None, passage(matter.strip(), start=0)) == matter.strip()


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("---\ntitle: a\n---\nbody", 17),
        ("---\r\ntitle: a\r\n---\r\nbody", 20),
        ("---\rtitle: a\r---\rbody", 17),
        ("---\ntitle: a\n...\nbody", 17),
        ("---\ntitle: a\n---", 16),
        ("---\n# comment\ntitle: >\n  folded\n\nlist:\n- a\n---\n", 47),
        ("---\ntitle: a\n", 0),
        ("---\n---\nbody", 0),
        ("---\nJust a sentence.\n---\nbody", 0),
        ("---\n\n---\n", 0),
        ("----\ntitle: a\n---\n", 0),
        ("\n---\ntitle: a\n---\n", 0),
        ("---\nurl: http://x\nA line of prose here\n---\n", 0),
        ("", 0),
    ],
)
def test_front_matter_is_told_by_its_look(text: str, end: int) -> None:
    """Only a closed block of lines that look like a mapping, at the very start, is front matter."""
    assert front_matter_end(text) == end


def test_front_matter_search_is_bounded() -> None:
    """A megabyte that looks like front matter and never ends is text."""
    assert front_matter_end("---\n" + "a: b\n" * 200_000 + "---\n") == 0


def counter(model: str) -> TokenCounter:
    counters: dict[str, TokenCounter] = {
        "minilm": WordPieceCounter(),
        "cl100k": BytePairCounter(),
        "bound": BoundCounter(),
    }
    return counters[profile(model).tokenizer]


@pytest.mark.parametrize(
    ("model", "limit"),
    [
        ("local/all-minilm-l6-v2", None),
        ("local/all-minilm-l6-v2", 40),
        (OPENAI, 60),
        ("someone/unheard-of", None),
        ("intfloat/multilingual-e5-large", 200),
    ],
)
def test_the_hard_limit_holds_for_what_is_embedded(model: str, limit: int | None) -> None:
    """Prompt, prefix and text together keep the limit, in the model's own tokens."""
    generator = seeded(3)
    paragraphs = [" ".join(sentence(generator) for _ in range(4)) for _ in range(40)]
    paragraphs += ["https://example.org/" + "a1b2c3/" * 60, "Ⅷ ﷺ " * 80, "字" * 300, "x" * 5000]
    text = "".join(f"## Über Häuser {n}\n\n{part}\n\n" for n, part in enumerate(paragraphs))
    of = document(text, title="Handbuch der Geschäftsführung", media_type="text/markdown")
    chunker = Chunker(model=model, max_tokens=limit)
    passages = chunker.split(of)
    assert_spans(of, passages)
    prompt = profile(model).document_prompt
    texts = [prompt + embedded_text(of.title, each) for each in passages]
    counts = counter(model).count(texts)
    assert max(counts) <= chunker.max_tokens
    assert max(map(len, texts)) <= 8 * chunker.max_tokens
    assert chunker.max_tokens == min(limit or 10**6, profile(model).max_tokens)


def test_passages_do_not_depend_on_the_model() -> None:
    """Where no limit is passed, every model gets the same passages."""
    generator = seeded(5)
    of = document("\n\n".join(sentence(generator) for _ in range(200)))
    assert Chunker(model=OPENAI).split(of) == Chunker().split(of)


def test_the_recipe_is_part_of_the_fingerprint() -> None:
    """The versions are what the stored records name."""
    assert Fingerprint(model="m").recipe == RECIPE_VERSION
    assert CHUNKER_VERSION >= 1


def test_the_recipe_loads_neither_numpy_nor_a_tokenizer() -> None:
    """Those who only rebuild embedded texts pay for no chunker."""
    code = (
        "import json, sys, ragkit.chunking.recipe\n"
        "print(json.dumps([m for m in ('numpy', 'tiktoken', 'tokenizers') if m in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert json.loads(done.stdout) == []
