"""Finds what belongs to a person: addresses and numbers. Only where that was chosen."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from types import MappingProxyType

from ragkit.screening.findings import Finding, apart

__all__ = ["PERSONAL", "find_personal"]

_EMAIL = re.compile(
    r"(?<![\w.+%\-])[\w.+%\-]{1,64}@(?:[\w\-]{1,63}\.){1,8}[^\W\d_]{2,24}(?![\w\-])"
)
# With its country code, or in groups with a nought or brackets first, or as 3-3-4.
_PHONE = re.compile(
    r"(?<![\w.+/\-])(?:"
    r"(?:\+|00)[1-9]\d{0,2}(?:[ .\-/]?\(?\d{1,5}\)?){2,6}"
    r"|\(?0\d{1,5}\)?(?:[ \-/]\d{2,9}){1,5}"
    r"|\(?[2-9]\d{2}\)?[ .\-][2-9]\d{2}[.\-]\d{4}"
    r")(?![\w\-]|[.,]\d)"
)
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])")  # fmt: skip  # noqa: E501
_CARD = re.compile(r"(?<![\w.\-])\d(?:[ \-]?\d){12,18}(?![\w\-]|\.\d)")


def find_personal(text: str, kinds: Sequence[str]) -> list[Finding]:
    """Findings of the given kinds (``email``, ``phone``, ``iban``, ``card``), in order and apart.

    Account and card numbers are taken only where their check digits are right.
    """
    return apart(
        Finding(start=match.start(), end=match.end(), kind=PERSONAL[kind])
        for kind in kinds
        for match in _DETECTORS[kind](text)
    )


def _emails(text: str) -> Iterator[re.Match[str]]:
    return _EMAIL.finditer(text) if "@" in text else iter(())


def _phones(text: str) -> Iterator[re.Match[str]]:
    return (match for match in _PHONE.finditer(text) if 8 <= len(_digits(match[0])) <= 15)


def _ibans(text: str) -> Iterator[re.Match[str]]:
    return (match for match in _IBAN.finditer(text) if _is_iban(match[0].replace(" ", "")))


def _cards(text: str) -> Iterator[re.Match[str]]:
    return (match for match in _CARD.finditer(text) if _is_card(_digits(match[0])))


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)


def _is_iban(account: str) -> bool:
    """ISO 13616: the first four characters put last, letters as 10 to 35, leaves 1 by 97."""
    if not 15 <= len(account) <= 34:
        return False
    turned = account[4:] + account[:4]
    return int("".join(str(int(sign, 36)) for sign in turned)) % 97 == 1


def _is_card(number: str) -> bool:
    """Luhn's check: every second digit from the right doubled, the sum of digits ends in 0."""
    if not 13 <= len(number) <= 19 or len(set(number)) == 1:
        return False
    doubled = (int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(number)))
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


PERSONAL = MappingProxyType(
    {
        "email": "e-mail address",
        "phone": "phone number",
        "iban": "account number",
        "card": "card number",
    }
)
_DETECTORS: MappingProxyType[str, Callable[[str], Iterator[re.Match[str]]]] = MappingProxyType(
    {"email": _emails, "phone": _phones, "iban": _ibans, "card": _cards}
)
