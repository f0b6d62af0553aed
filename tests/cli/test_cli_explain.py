"""``ragkit search --explain`` and ``ragkit why-not`` as a shell sees them."""

from __future__ import annotations

from cli_runs import Shell

LEXICAL = ("--mode", "lexical")


def test_search_explains(indexed: Shell) -> None:
    """Under each hit stand its score's parts and the words that matched."""
    query = "how are soup zebras rotated?"
    done = indexed.run("search", query, *LEXICAL, "-k", "1", "--explain", "--where", "root=docs")
    assert (done.code, done.err) == (0, "")
    *_, why, words, where = done.out.splitlines()
    score = done.out.split()[1]
    known, told = why.split("; relevance ")
    assert known == f"    why: lexical {score} at rank 1 = {score}"
    assert 0 < float(told) < 1
    assert "soup" in words
    assert "zebras" in words.partition("not in it:")[2]
    assert words.endswith("too common to count: how, are")
    assert where == "         fulfils root=docs"


def test_search_explains_in_json(indexed: Shell) -> None:
    """A hit has one field more, and only when it was asked for."""
    plain = indexed.run("search", "soup", *LEXICAL, "--json").json["hits"][0]
    hit = indexed.run("search", "soup", *LEXICAL, "--explain", "--json").json["hits"][0]
    explanation = hit.pop("explanation")
    assert hit == plain
    assert explanation["matched"] == ["soup"]
    (part,) = explanation["parts"]
    assert (part["name"], part["rank"], part["scaled"]) == ("lexical", 1, hit["score"])


def test_why_not(indexed: Shell) -> None:
    """The verdict with its reason, what would lift it, and the best passage; a path will do."""
    done = indexed.run(
        "why-not", "docs/guides/backups.md", "rotated keys kept", *LEXICAL, "-k", "1"
    )
    assert (done.code, done.err) == (0, "")
    first, *lines = done.out.splitlines()
    assert first.startswith("Ranked below: guides/backups.md: its best passage is ")
    assert first.endswith(", and 1 were asked for.")
    assert any(line.startswith("  - -k ") for line in lines)
    assert "  - words of the query that are not in that passage: rotated, keys" in lines
    assert "Its best passage:" in lines
    assert "    docs/guides/backups.md:1" in lines


def test_why_not_json(indexed: Shell) -> None:
    """One object, also for a document that is not there; neither is an error."""
    there = indexed.run("why-not", "notes/lunch.txt", "soup", *LEXICAL, "--json")
    assert (there.code, there.json["verdict"], there.json["rank"]) == (0, "returned", 1)
    assert there.json["best"]["source"] == "notes/lunch.txt"
    gone = indexed.run("why-not", "notes/lunc.txt", "soup", *LEXICAL, "--json")
    assert (gone.code, gone.json["verdict"], gone.json["best"]) == (0, "not indexed", None)
    assert gone.json["advice"] == ["did you mean notes/lunch.txt?"]
