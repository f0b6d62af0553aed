"""Addresses and numbers of people, by choice."""

from __future__ import annotations

import pytest

from ragkit.errors import ConfigurationError
from ragkit.screening.screen import Screen


@pytest.mark.parametrize(
    ("kind", "text", "left"),
    [
        ("email", "to jo.doe+x@mail.example.org, please", "to [e-mail address], please"),
        ("email", "<müller@bücher.example>", "<[e-mail address]>"),
        ("phone", "call +49 30 901820-0 today", "call [phone number] today"),
        ("phone", "Tel. 030/901820", "Tel. [phone number]"),
        ("phone", "(415) 555-2671 or 415-555-2671", "[phone number] or [phone number]"),
        ("phone", "+1 (415) 555 2671.", "[phone number]."),
        ("iban", "to DE89 3704 0044 0532 0130 00 by May", "to [account number] by May"),
        ("iban", "GB82WEST12345698765432", "[account number]"),
        ("card", "card 4111 1111 1111 1111 expires", "card [card number] expires"),
    ],
)  # fmt: skip
def test_what_was_chosen_is_masked(kind: str, text: str, left: str) -> None:
    """Each kind is masked where it was chosen, and stays where it was not."""
    assert Screen([kind]).clean(text) == left
    assert Screen(["secrets"]).clean(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "GB82WEST12345698765433",  # its check digits are wrong
        "4111 1111 1111 1112",
        "from 2019 to 2024, 1.234.567 pieces at 12.50",
        "version 10.0.19041.1288 of 2021-10-12",
        "part 0417-22 and page 100",
        "@decorator and a@b and user@localhost",
        "13:45:10.123456, 0.123456789",
    ],
)
def test_numbers_of_things_are_passed_over(text: str) -> None:
    """Dates, versions, amounts, parts and wrong check digits belong to nobody."""
    assert Screen(["email", "phone", "iban", "card"]).clean(text) == text


def test_nothing_chosen_lets_everything_through() -> None:
    """An empty choice masks nothing, secrets included."""
    assert Screen([]).clean("DB_PASSWORD=Tr0ub4dor&3") == "DB_PASSWORD=Tr0ub4dor&3"


@pytest.mark.parametrize("kinds", [["secrets", "names"], "secrets"])
def test_an_unknown_kind_is_named(kinds: list[str]) -> None:
    """What cannot be masked is refused with what can be."""
    with pytest.raises(ConfigurationError, match="secrets, email, phone, iban, card"):
        Screen(kinds)
