"""Secrets: what is found, what is passed over, and what is left of a text."""

from __future__ import annotations

import base64
import random
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragkit.screening.findings import Finding, apart, masked
from ragkit.screening.screen import MASKABLE, Screen
from ragkit.screening.secrets import find_secrets

CORPUS = Path(__file__).parents[2] / "sample_corpus"
LETTERS = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
LOWER = "abcdefghijkmnpqrstuvwxyz23456789"


def made(length: int, letters: str = LETTERS, seed: int = 5) -> str:
    """A made-up value: no line of this file may look like a key to those who look for keys."""
    return "".join(random.Random(seed).choices(letters, k=length))  # noqa: S311


HEXES = "0123456789abcdef"
TOKENS = {
    "AWS access key": "AKIA" + made(16, "ABCDEFGH234567"),
    "GitHub token": "ghp_" + made(36),
    "GitLab token": "glpat-" + made(20),
    "Slack token": "xoxb-" + made(12, "123456789") + "-" + made(24),
    "Stripe key": "sk_live_" + made(24),
    "OpenAI key": "sk-proj-" + made(60),
    "Anthropic key": "sk-ant-api03-" + made(80),
    "OpenRouter key": "sk-or-v1-" + made(64, HEXES),
    "Hugging Face token": "hf_" + made(34, "abcdefGHIJK"),
    "Google key": "AIza" + made(35),
    "SendGrid key": "SG." + made(22) + "." + made(43),
    "Twilio key": "SK" + made(32, HEXES),
    "Telegram token": made(9, "123456789") + ":A" + made(34),
    "npm token": "npm_" + made(36),
    "PyPI token": "pypi-AgEIcHlwaS5vcmc" + made(60),
    "Databricks token": "dapi" + made(32, HEXES),
    "Vault token": "hvs." + made(24),
    "Discord token": "M" + made(23) + "." + made(6) + "." + made(27),
    "JSON web token": "eyJ" + made(30) + ".eyJ" + made(60) + "." + made(43),
    "age key": "AGE-SECRET-KEY-1" + made(58, "QPZRY9X8GF2TVDW0"),
}


def private_key(lines: int = 12, kind: str = "RSA ") -> str:
    """A block in the form of a key; its bytes are random."""
    body = base64.encodebytes(random.Random(7).randbytes(48 * lines)).decode()  # noqa: S311
    body = "\n".join(body.replace("\n", "")[at : at + 64] for at in range(0, 64 * lines, 64))
    return f"-----BEGIN {kind}PRIVATE KEY-----\n{body}\n-----END {kind}PRIVATE KEY-----"


@pytest.mark.parametrize(("kind", "token"), TOKENS.items(), ids=TOKENS)
def test_a_token_is_known_by_its_shape(kind: str, token: str) -> None:
    """Wherever it stands in a text, exactly the token is found, and what it is is told."""
    for before, after in (("use ", " for it."), ('"', '",'), ("=", "\n"), ("(", ")"), ("", "")):
        (found,) = find_secrets(before + token + after)
        assert (found.start, found.end) == (len(before), len(before) + len(token))
        assert found.kind == kind


def test_a_token_inside_a_longer_word_is_none() -> None:
    """A name that only begins or ends like a token is left alone."""
    assert find_secrets("x" + TOKENS["AWS access key"]) == []
    assert find_secrets(TOKENS["AWS access key"] + "X") == []


@pytest.mark.parametrize("kind", ["RSA ", "EC ", "OPENSSH ", "", "ENCRYPTED "])
def test_a_private_key_is_found_from_its_first_line_to_its_last(kind: str) -> None:
    """Nothing of the block is left, and the text around it is."""
    text = f"Our key:\n\n{private_key(kind=kind)}\n\nKeep it safe."
    assert masked(text, find_secrets(text)) == "Our key:\n\n[private key]\n\nKeep it safe."


def test_a_private_key_that_was_cut_is_masked_as_far_as_it_goes() -> None:
    """Without its last line the block ends where the lines stop looking like one."""
    head = private_key().rpartition("\n")[0]
    rest = "The rest is lost, as far as we know.\n\nNote: that is so."
    text = f"{head}\n\n{rest}"
    assert masked(text, find_secrets(text)).split("\n\n", 1) == ["[private key]", rest]


def test_the_inside_of_a_key_is_masked_where_a_text_may_begin_in_it() -> None:
    """A passage from the middle of a key has nothing of it left, line by line."""
    inside = "\n".join(private_key().splitlines()[3:6])
    assert find_secrets(inside) == []
    assert masked(inside, find_secrets(inside, is_fragment=True)) == "\n".join(
        ["[private key]"] * 3
    )


@pytest.mark.parametrize(
    "setting",
    [
        "DB_PASSWORD={}",
        'password = "{}"',
        "password: '{}'",
        '"apiKey": "{}",',
        'os.putenv("SERVICE_API_KEY", "{}")',
        "export CLIENT_SECRET={}",
        "auth-token: {}",
        "Passwort: {}",
        "пароль: {}",
        "密码：{}",
        "Authorization: Bearer {}",
        "curl -H 'Authorization: Basic {}'",
        "https://storage.example/x?sv=1&sig=" + made(43) + "{}",
        "postgres://admin:{}@db.internal:5432/app",
        "curl -u admin:{} https://api.internal/",
        "machine ftp.internal login deploy password {}",
        "<password>{}</password>",
        "The password is {}",
        "token={}",
        "redis://:{}@cache/0",
    ],
)
def test_a_password_is_known_by_what_it_is_set_to(setting: str) -> None:
    """The value is masked and the words around it stay."""
    value = made(14) + "7a"
    before, _, after = setting.partition("{}")
    left = masked(setting.format(value), find_secrets(setting.format(value)))
    assert value not in left
    assert left.endswith(after)
    assert left.startswith(before.removesuffix(made(43)))


@pytest.mark.parametrize(
    "text",
    [
        "DB_PASSWORD=${DB_PASSWORD}",
        'password = "your-password-1"',
        'password: "<password>"',
        'api_key = os.environ["API_KEY_1"]',
        "password = request.form.get('p1')",
        "token = self._token2.value",
        "The password: at least 12 characters, one digit.",
        "Passwords: see chapter 3, access-control2.",
        '"password": "Kennwort"',
        "password=changeme123",
        "SECRET_KEY=xxxxxxxx1",
        "https://user:password@example.com/",
        "http://[2001:db8::1]:8080/a@b",
        "see https://example.com:443/@person",
        "https://example.com/user:name/x@y",
        "the digest is " + made(64, HEXES),
        "sk-learn is a library; so is sk-image",
        "the tokens of a text, key: value",
        'max_tokens="4096-tokens"',
    ],
)
def test_what_only_looks_like_a_secret_is_passed_over(text: str) -> None:
    """Placeholders, code, prose, digests and addresses hold no secret."""
    assert find_secrets(text) == []


def test_a_company_s_documents_hold_no_secret() -> None:
    """In the sample corpus, its code and its API manual included, nothing is masked."""
    for path in sorted(CORPUS.rglob("*")):
        if path.is_file() and path.suffix != ".pdf":
            assert find_secrets(path.read_text(encoding="utf-8"), is_fragment=True) == [], path


PIECES = st.lists(
    st.one_of(
        st.sampled_from([*TOKENS.values(), private_key(3), f"password={made(12)}9", "a@b.example"]),
        st.text(st.sampled_from("ab1 \n=:-.\"'[]"), max_size=8),
    ),
    max_size=8,
)


@given(pieces=PIECES, kinds=st.sets(st.sampled_from(MASKABLE)))
def test_a_masked_text_has_nothing_left_to_mask(pieces: list[str], kinds: set[str]) -> None:
    """Masking twice is masking once, whatever stands beside whatever."""
    screen = Screen(sorted(kinds))
    once = screen.clean(" ".join(pieces))
    assert screen.clean(once) == once


@given(
    text=st.text(st.sampled_from("abcdefghij"), max_size=40),
    spans=st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9)), max_size=5),
    cuts=st.lists(st.integers(0, 40), max_size=4),
)
def test_masking_stretch_by_stretch_hides_the_same(
    text: str, spans: list[tuple[int, int]], cuts: list[int]
) -> None:
    """However a text is cut into passages, what is outside of the findings stays, nothing else."""
    findings = apart(
        Finding(start=start, end=min(start + length, len(text)), kind="X")
        for start, length in spans
        if start < len(text)
    )
    places = sorted({0, *(min(cut, len(text)) for cut in cuts), len(text)})
    stretches = [masked(text[start:end], findings, offset=start) for start, end in pairwise(places)]
    hidden = {at for one in findings for at in range(one.start, one.end)}
    kept = "".join(sign for at, sign in enumerate(text) if at not in hidden)
    assert "".join(stretches).replace("[X]", "") == kept
    assert masked(text, findings).replace("[X]", "") == kept


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "unit",
    ["eyJ", "-----BEGIN PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----\nAB\n", "://a:", "+49 ",
     "password: \"", "M" * 24 + ".", "a@", "a.", "0 12 ", "1234 ", "A" * 64 + "\n", "ya29."],
)  # fmt: skip
def test_a_hostile_text_is_looked_through_in_time(unit: str) -> None:
    """A quarter of a megabyte of beginnings without ends takes seconds at most."""
    Screen(MASKABLE).findings(unit * (250_000 // len(unit)), is_fragment=True)
