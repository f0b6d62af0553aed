"""What a collection remembers of its server, so that no run finds it out again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from ragkit.collection.models import fingerprint_of, make_embedder
from ragkit.config import DEFAULT_MODEL, Settings
from ragkit.embedding.knowledge import Knowledge
from ragkit.embedding.seam import Embedder, RemoteEmbedder
from ragkit.storage.snapshot import Snapshot
from ragkit.storage.store import Store
from ragkit.sync.pricing import Pricer

__all__ = ["ServerMemory", "knowledge_of", "remembered"]

_SETTING: Final = "server"
# Servers are changed: what one refused then it may take now.
_GOOD_FOR: Final = timedelta(days=30)


class ServerMemory:
    """What one collection remembers, where embedders are made and syncs are committed.

    Args:
        store: Of the collection.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def made(
        self, settings: Settings, pricer: Pricer, max_cost_usd: Decimal | None = None
    ) -> Embedder:
        """An embedder that begins with what is known; with a limit on what it may spend at all."""
        with self._store.snapshot() as snapshot:
            known = knowledge_of(snapshot, settings)
            if snapshot.fingerprint == fingerprint_of(settings).json and snapshot.width:
                known = replace(known or Knowledge(), width=snapshot.width)
            listed = None if max_cost_usd is None else pricer.listed(snapshot)
            # What a list does not say is found out by asking.
            unsaid = False if pricer.is_of_text_only(snapshot) else None
            takes_images = pricer.takes_images(snapshot) or unsaid
        return make_embedder(
            settings, max_cost_usd, listed, takes_images=takes_images, knowledge=known
        )

    def learnt(
        self, embedder: RemoteEmbedder, pricer: Pricer, settings: Settings
    ) -> Mapping[str, object]:
        """Settings to be kept: prices that were listed, and what the embedder found out."""
        return {**pricer.learnt(), **remembered(embedder.knowledge, settings)}


def knowledge_of(snapshot: Snapshot, settings: Settings) -> Knowledge | None:
    """What was found out about the settings' server and model; None if nothing, or long ago."""
    kept: dict[str, Any] = snapshot.setting(_SETTING, {})
    try:
        found_on = date.fromisoformat(kept["date"])
        if (kept["model"], kept["base_url"]) != _of(settings) or found_on + _GOOD_FOR < _today():
            return None
        return Knowledge.from_json(kept["found"])
    except (KeyError, TypeError, ValueError):
        # None yet, or one that somebody else wrote.
        return None


def remembered(knowledge: Knowledge | None, settings: Settings) -> Mapping[str, object]:
    """The setting to be kept with the collection; none where nothing was found."""
    if knowledge is None:
        return {}
    model, base_url = _of(settings)
    kept = {"date": _today().isoformat(), "model": model, "base_url": base_url}
    return {_SETTING: {**kept, "found": knowledge.json}}


def _of(settings: Settings) -> tuple[str, str]:
    return settings.model or DEFAULT_MODEL, settings.base_url or ""


def _today() -> date:
    return datetime.now(UTC).date()
