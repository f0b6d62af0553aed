"""What is promised of secrets: none leaves the machine, and each that was kept back is told of."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest
from loopback import KEY, LoopbackServer
from loopback_rerank import MODEL

import ragkit
from ragkit.chunking.recipe import embedded_text
from ragkit.config import Secret, Settings
from ragkit.errors import ConfigurationError
from ragkit.screening.findings import masked
from ragkit.storage.store import Store

# Put together here, so that no line of this file looks like one to those who look for them.
AWS = "AKIA" + "QW7Z2XCVBNMKJH5T"
PASSWORD = "hV8" + "-quartz-41"
KEY_LINES = [f"{'MIIEowIBAAKCAQEAx7Tq' if n == 0 else 'q9Zr4LpX2wVb8nYc'}{n:03}" + "Ab3" * 14
             for n in range(24)]  # fmt: skip
BLOCK = "-----BEGIN RSA PRIVATE " + "KEY-----\n{}\n-----END RSA PRIVATE " + "KEY-----"
MAIL = "jo.doe@mail.example.org"


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in ("OPENROUTER_API_KEY", "RAGKIT_API_KEY", "RAGKIT_MODEL", "RAGKIT_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    """Documents with a token in a heading, a password in front matter, a long key, an address."""
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "cloud.md").write_text(
        f"# Access {AWS}\n\nThe bucket is opened with the key above, by {MAIL}.\n"
    )
    (folder / "db.md").write_text(
        f"---\ntitle: Databases\ndb_password: {PASSWORD}\n---\n\n# Connections\n\n"
        f"Use postgres://app:{PASSWORD}@db.internal/main for reports.\n"
    )
    (folder / "key.md").write_text(
        "# Server\n\nThe key of the server:\n\n" + BLOCK.format("\n".join(KEY_LINES)) + "\n"
    )
    (folder / "plain.md").write_text("# Lunch\n\nLunch is at noon.\n")
    return folder


def open_remote(
    path: Path, server: LoopbackServer, mask: tuple[str, ...] = ("secrets",)
) -> ragkit.Collection:
    settings = Settings(
        model="test/small", base_url=server.base_url, api_key=Secret(KEY), workers=1, mask=mask
    )
    return ragkit.open(path, settings=settings)


def sent_to(server: LoopbackServer) -> str:
    return "\n".join(server.ledger.asked)


def test_no_secret_leaves_and_each_is_listed(
    tmp_path: Path, docs: Path, embedding_server: LoopbackServer
) -> None:
    """Not a line of a key that many passages share is sent; the report says what and where."""
    with open_remote(tmp_path / "kb", embedding_server) as collection:
        plan = collection.plan(docs)
        report = collection.sync(docs)
        texts = {one.source: one.text for one in collection.documents()}
    sent = sent_to(embedding_server)
    for secret in (AWS, PASSWORD, *KEY_LINES):
        assert secret not in sent
        assert not any(secret[:12] in text for text in embedding_server.ledger.asked)
        assert secret not in str(report)
    assert MAIL in sent
    assert report.warnings == (
        ("cloud.md", "AWS access key masked in what is sent, at line 1"),
        ("db.md", "password masked in what is sent, at lines 3, 8"),
        ("key.md", "private key masked in what is sent, at line 5"),
    )
    assert plan.warnings == report.warnings
    assert (plan.to_embed, report.failed, report.skipped) == (report.embedded, (), ())
    # What is stored and shown is the document.
    assert AWS in texts["cloud.md"]
    assert KEY_LINES[7] in texts["key.md"]


def test_masked_passages_are_found_and_shown_whole(
    tmp_path: Path, docs: Path, embedding_server: LoopbackServer
) -> None:
    """Searching by words knows the secret; a question that holds one is masked where it is sent."""
    with open_remote(tmp_path / "kb", embedding_server) as collection:
        collection.sync(docs)
        before = set(embedding_server.ledger.asked)
        hits = collection.search(f"who uses {AWS} now?", k=3)
    assert hits[0].source == "cloud.md"
    assert AWS in hits[0].text
    (query,) = set(embedding_server.ledger.asked) - before
    assert query == "who uses [AWS access key] now?"


def test_every_key_is_the_digest_of_exactly_what_was_sent(
    tmp_path: Path, docs: Path, embedding_server: LoopbackServer
) -> None:
    """The kept masks make the text again that each key names, from the stored passage alone."""
    with open_remote(tmp_path / "kb", embedding_server) as collection:
        collection.sync(docs)
        key = collection.fingerprint.key
    with contextlib.closing(Store(tmp_path / "kb")) as store, store.snapshot() as snapshot:
        stored = list(snapshot.all_passages())
        for one in stored:
            text = masked(embedded_text(one.title, one.passage), one.masks)
            assert key(text) == one.text_key
            assert text in embedding_server.ledger.answered
        assert 3 <= sum(bool(one.masks) for one in stored) < len(stored)
    with open_remote(tmp_path / "kb", embedding_server) as collection:
        assert collection.verify().ok


def test_secrets_of_different_lengths_share_a_vector(
    tmp_path: Path, embedding_server: LoopbackServer
) -> None:
    """What is sent is the same for both; each passage knows what of it was masked."""
    docs = tmp_path / "docs"
    docs.mkdir()
    for name, length in (("a", 40), ("b", 60)):
        token = "ghp_" + ("aB3dE5gH7j" * 6)[:length]
        (docs / f"{name}.txt").write_text(f"The build uses {token} and nothing else.\n")
    with open_remote(tmp_path / "kb", embedding_server) as collection:
        report = collection.sync(docs)
        assert (report.embedded, report.reused) == (1, 1)
        assert collection.verify().problems == ()


def test_nothing_is_bought_twice_for_masks(
    tmp_path: Path, docs: Path, embedding_server: LoopbackServer
) -> None:
    """A second sync sends nothing, and an edit elsewhere in a document buys no masked text anew."""
    with open_remote(tmp_path / "kb", embedding_server) as collection:
        first = collection.sync(docs)
        again = collection.sync(docs)
        path = docs / "key.md"
        path.write_text(path.read_text() + "\n# More\n\nThe server is in the cellar.\n")
        edited = collection.sync(docs)
    assert (again.embedded, again.requests, again.unchanged) == (0, 0, 4)
    assert again.warnings == first.warnings == edited.warnings
    assert edited.embedded == 1
    assert max(embedding_server.ledger.answered.values()) == 1


def test_what_is_masked_is_the_user_s_choice(
    tmp_path: Path, docs: Path, embedding_server: LoopbackServer
) -> None:
    """Addresses are masked where that was chosen, and with an empty choice everything is sent."""
    with open_remote(tmp_path / "all", embedding_server, ("secrets", "email")) as collection:
        report = collection.sync(docs)
    assert MAIL not in sent_to(embedding_server)
    assert ("cloud.md", "e-mail address masked in what is sent, at line 3") in report.warnings
    with open_remote(tmp_path / "none", embedding_server, ()) as collection:
        assert collection.sync(docs).warnings == ()
    assert MAIL in sent_to(embedding_server)
    assert AWS in sent_to(embedding_server)


def test_the_choice_stands_in_the_file_beside_the_collection(
    tmp_path: Path, embedding_server: LoopbackServer
) -> None:
    """``mask`` in ragkit.toml is read; an unknown kind is named before anything is made."""
    toml = tmp_path / "ragkit.toml"
    toml.write_text('mask = ["secrets", "phone"]\n')
    opened = ragkit.open(tmp_path / "kb", model="m", base_url=embedding_server.base_url)
    assert opened._settings.mask == ("secrets", "phone")
    toml.write_text('mask = ["names"]\n')
    with pytest.raises(ConfigurationError, match="secrets, email, phone, iban, card"):
        ragkit.open(tmp_path / "other")
    assert not (tmp_path / "other").exists()
    toml.write_text('mask = "secrets"\n')
    with pytest.raises(ConfigurationError, match="mask"):
        ragkit.open(tmp_path / "other")


def test_with_the_embedded_model_nothing_is_masked(tmp_path: Path, docs: Path) -> None:
    """Nothing leaves, so the text is embedded as it is, and there is nothing to report."""
    with ragkit.open(tmp_path / "kb", settings=Settings(workers=1)) as collection:
        assert collection.sync(docs).warnings == ()
        assert collection.search(AWS, k=1, mode="lexical")[0].source == "cloud.md"
    with contextlib.closing(sqlite3.connect(tmp_path / "kb" / "collection.db")) as database:
        masks = database.execute("SELECT count(*) FROM passages WHERE masks IS NOT NULL").fetchone()
    assert masks == (0,)


def test_a_reranking_model_reads_masked_passages(
    tmp_path: Path, docs: Path, embedding_server: LoopbackServer
) -> None:
    """What a reranking model is given holds no secret, be it in question, heading or passage."""
    with open_remote(tmp_path / "kb", embedding_server) as collection:
        collection.sync(docs)
        hits = collection.search(f"who uses {AWS} now?", k=3, rerank=MODEL)
    assert hits.rerank is not None
    assert hits.rerank.applied
    (asked,) = embedding_server.reranks.asked
    assert AWS in hits[0].text
    assert "[AWS access key]" in str(asked)
    assert "[private key]" in str(asked)
    assert not any(secret[:12] in str(asked) for secret in (AWS, PASSWORD, *KEY_LINES))


def test_a_migration_to_a_remote_model_masks_and_calibrates(
    tmp_path: Path, docs: Path, embedding_server: LoopbackServer
) -> None:
    """A local collection goes to a remote model without its secrets, and is judged anew."""
    for number in range(12):
        (docs / f"{number}.md").write_text(f"# Pump {number}\n\nPump {number} lifts water.\n")
    with ragkit.open(tmp_path / "kb", settings=Settings(workers=1)) as collection:
        collection.sync(docs)
        report = collection.migrate(
            model="test/small", base_url=embedding_server.base_url, api_key=KEY
        )
        assert ("key.md", "private key masked in what is sent, at line 5") in report.warnings
        assert collection.search("pump water")[0].relevance is not None
        assert collection.verify().ok
    sent = sent_to(embedding_server)
    assert "Pump 3 lifts water." in sent
    assert not any(secret[:12] in sent for secret in (AWS, PASSWORD, *KEY_LINES))
