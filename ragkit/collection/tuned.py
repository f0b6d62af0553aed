"""What a collection keeps of how it is best searched."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from ragkit.config import DEFAULT_PASSAGE_TOKENS
from ragkit.errors import InvalidArgument
from ragkit.retrieval.settings import SearchSettings
from ragkit.storage.snapshot import Snapshot

__all__ = ["TUNED_SETTING", "Tuned", "passage_tokens_of", "tuned_of", "tuned_value"]

TUNED_SETTING: Final = "tuned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuned:
    """Settings that were found by tuning.

    Attributes:
        settings: How the collection is searched where a search does not say otherwise.
        basis: What they were found with, in words.
        note: Why some of what was found does not hold; empty where all of it does.
    """

    settings: SearchSettings
    basis: str = ""
    note: str = ""

    def __str__(self) -> str:
        """For people: the settings with what they were found with, or what does not hold."""
        return f"{self.settings} ({self.note or self.basis})"


def passage_tokens_of(snapshot: Snapshot) -> int:
    """The size that a generation's passages aim at."""
    return snapshot.setting("passage_tokens", DEFAULT_PASSAGE_TOKENS)


def tuned_of(snapshot: Snapshot, key: Callable[[], bytes]) -> Tuned | None:
    """What a generation is searched by; None where nothing was kept, or for other vectors.

    A reranking model is asked at a cost and sent what was found. It is asked unnamed only where
    this installation was told so, whose key is asked for then: a collection that somebody else
    tuned names it in vain.
    """
    kept: dict[str, Any] = snapshot.setting(TUNED_SETTING, {})
    if not kept:
        return None
    try:
        settings = SearchSettings.from_json(kept["settings"])
        basis, signature = str(kept["basis"]), str(kept["signature"])
        made_for = kept["fingerprint"], kept["passage_tokens"]
    except (KeyError, TypeError, AttributeError, InvalidArgument):
        # Not one that this version writes.
        return None
    if made_for != (snapshot.fingerprint, passage_tokens_of(snapshot)):
        return Tuned(
            settings=SearchSettings(),
            basis=basis,
            note=f"{settings} was found for other passages or vectors, and is not used: tune again",
        )
    if settings.rerank is not None and not _is_ours(kept, signature, key()):
        note = f"{settings.rerank} was chosen elsewhere, and is asked only where it is named"
        return Tuned(settings=replace(settings, rerank=None), basis=basis, note=note)
    return Tuned(settings=settings, basis=basis)


def tuned_value(tuned: Tuned, snapshot: Snapshot, key: bytes) -> dict[str, object]:
    """As plain JSON, for the passages and vectors of this generation."""
    kept: dict[str, object] = {
        "settings": tuned.settings.json,
        "basis": tuned.basis,
        "fingerprint": snapshot.fingerprint,
        "passage_tokens": passage_tokens_of(snapshot),
    }
    return {**kept, "signature": _signature(kept, key)}


def _is_ours(kept: dict[str, Any], signature: str, key: bytes) -> bool:
    signed = {name: value for name, value in kept.items() if name != "signature"}
    expected = _signature(signed, key)
    return hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace"))


def _signature(kept: dict[str, object], key: bytes) -> str:
    content = json.dumps(kept, sort_keys=True).encode()
    # The prefix keeps a signature from being good for anything else signed with the same key.
    return hmac.new(key, b"ragkit tuned settings\n" + content, hashlib.sha256).hexdigest()
