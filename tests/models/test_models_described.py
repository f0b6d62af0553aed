"""Models that a user describes in a file, over what the catalogue knows."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from loopback import KEY, LoopbackServer

import ragkit
from ragkit.config import load_settings
from ragkit.errors import ConfigurationError, FingerprintMismatch
from ragkit.models.catalogue import _families, fingerprint, profile
from ragkit.models.described import described, profile_from, profile_table


@pytest.mark.parametrize("pattern", [*_families(), ""])
def test_a_profile_survives_being_written_down(pattern: str) -> None:
    """As JSON and back, every family is what it was: workers and collections keep profiles so."""
    known = replace(_families()[pattern], name="x") if pattern else profile("nobody/knows")
    assert profile_from(json.loads(json.dumps(profile_table(known))), "here") == known


def test_a_described_model_wins_over_its_family() -> None:
    """By name or pattern, whatever the case; others keep what the catalogue says."""
    own = described(
        {
            "acme/*": {"query_prompt": "q: ", "document_prompt": "d: ", "max_tokens": 300},
            "bge-m3": {"like": "bge-m3", "dimension_range": [64, 1024], "dimensions": 1024},
        },
        "ragkit.toml",
    )
    acme = profile("ACME/embed-7b", own)
    assert (acme.name, acme.query_prompt, acme.max_tokens) == ("ACME/embed-7b", "q: ", 300)
    assert not acme.is_known  # its width is nobody's to check
    mark = fingerprint(acme, dimensions=123)
    assert (mark.document_prompt, mark.dimensions) == ("d: ", 123)
    assert fingerprint(profile("bge-m3", own), dimensions=64).dimensions == 64
    with pytest.raises(ConfigurationError, match="choose from 64 to 1024"):
        fingerprint(profile("bge-m3", own), dimensions=32)
    assert profile("BAAI/bge-m3", own) == profile("BAAI/bge-m3")


def test_a_model_like_another_takes_over_what_is_not_said() -> None:
    """``like`` brings prompts, limits and input types; an empty input type is not sent."""
    own = described({"mine": {"like": "voyage-4", "query_input_type": ""}}, "ragkit.toml")
    mine = profile("mine", own)
    assert (mine.dimensions, mine.batch_inputs) == (1024, 1000)
    assert (mine.query_input_type, mine.document_input_type) == (None, "document")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("models = 3", "models are tables"),
        ("[models]\nx = 3", r"models.'x' is 3, and must be a table"),
        ('[models."x"]\nprompt = "q"', r"models.'x' sets 'prompt'; of a model one may set like, "),
        ('[models."x"]\nmax_tokens = 0', "max_tokens = 0 must be a whole number from 1 on"),
        ('[models."x"]\nmax_tokens = true', "must be a whole number"),
        ('[models."x"]\ndimensions = "1024"', "must be a whole number"),
        ('[models."x"]\ndimension_range = [9, 3]', "the smallest and the largest width"),
        ('[models."x"]\ndimension_range = [9]', "the smallest and the largest width"),
        ('[models."x"]\ndimension_choices = [9, 0]', "must be a list of widths"),
        ('[models."x"]\nquery_prompt = 3', "must be a text"),
        ('[models."x"]\ntokenizer = "gpt"', "must be one of minilm, cl100k, bound"),
        ('[models."x"]\ntakes_images = 1', "must be true or false"),
        ('[models."x"]\nlike = "nobody/knows"', "must name a model that ragkit knows"),
        ('[models."x"]\nlike = "local/other"', "must name a model that ragkit knows"),
        ('[models."x"]\nlike = 3', "must name a model that ragkit knows"),
    ],
)
def test_what_makes_no_sense_is_told_with_the_file(text: str, words: str, tmp_path: Path) -> None:
    """One sentence with the file, the model, the value and what may stand there."""
    (tmp_path / "ragkit.toml").write_text(text)
    with pytest.raises(ConfigurationError, match=words) as caught:
        load_settings(tmp_path, {})
    assert str(tmp_path / "ragkit.toml") in str(caught.value)


def test_a_collection_keeps_what_was_said_of_its_model(
    embedding_server: LoopbackServer, tmp_path: Path
) -> None:
    """Prompts reach the server, stay without the file, and may not change under the vectors."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("# Pumps\n\nThe pump is in the cellar.\n")
    file = tmp_path / "ragkit.toml"
    text = (
        f'model = "test/small"\nbase_url = "{embedding_server.base_url}"\nworkers = 1\n'
        '[models."test/small"]\nquery_prompt = "Q> "\ndocument_prompt = "D> "\nmax_tokens = 400\n'
    )
    file.write_text(text)
    with ragkit.open(tmp_path / "kb", api_key=KEY) as collection:
        assert collection.sync(tmp_path / "docs").failed == ()
    file.unlink()
    with ragkit.open(tmp_path / "kb", api_key=KEY) as collection:
        assert collection.search("pump", mode="semantic")[0].source == "a.md"
    assert sorted(embedding_server.ledger.asked) == [
        "D> # Pumps\n\nThe pump is in the cellar.",
        "Q> pump",
    ]
    file.write_text(text.replace("D> ", "E> "))
    with pytest.raises(FingerprintMismatch, match=r"than ragkit\.toml says: restore its entry"):
        ragkit.open(tmp_path / "kb", api_key=KEY)
