"""What of a text may leave the machine, by the user's choice."""

from __future__ import annotations

from collections.abc import Sequence

from ragkit.errors import ConfigurationError
from ragkit.screening.findings import Finding, apart, masked
from ragkit.screening.personal import PERSONAL, find_personal
from ragkit.screening.secrets import find_secrets

__all__ = ["MASKABLE", "Screen"]

SECRETS = "secrets"
MASKABLE = (SECRETS, *PERSONAL)


class Screen:
    """Finds what is to be masked in texts that go to a remote model.

    Args:
        kinds: ``secrets``, ``email``, ``phone``, ``iban``, ``card``; none lets everything through.

    Raises:
        ConfigurationError: A kind is not known.
    """

    def __init__(self, kinds: Sequence[str] = (SECRETS,)) -> None:
        unknown = [kind for kind in kinds if kind not in MASKABLE]
        if unknown or isinstance(kinds, str):
            raise ConfigurationError(
                f"mask = {kinds!r}: give a list of {', '.join(MASKABLE)}, or an empty one"
            )
        self.kinds = tuple(kinds)
        self._personal = tuple(kind for kind in self.kinds if kind != SECRETS)

    def findings(self, text: str, *, is_fragment: bool = False) -> list[Finding]:
        """What is to be masked, in order and apart.

        Args:
            text: A whole document, so that a key is seen from its first line to its last.
            is_fragment: Of a text that may begin inside of a key.
        """
        found: list[Finding] = []
        if SECRETS in self.kinds:
            found += find_secrets(text, is_fragment=is_fragment)
        if self._personal:
            found += find_personal(text, self._personal)
        return apart(found)

    def clean(self, text: str) -> str:
        """A text that stands alone, such as a query or a passage, with its findings masked."""
        found = self.findings(text, is_fragment=True)
        return masked(text, found) if found else text
