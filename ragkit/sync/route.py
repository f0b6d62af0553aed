"""Who makes a collection's vectors: noticed when it is somebody else, and held against a few texts.

A collection remembers which of its passages are its canaries, and who made their vectors. When a
provider answers that was never compared, it is asked for these texts, and its vectors are held
against those that the collection has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Final

import numpy as np

from ragkit.chunking.recipe import embedded_text
from ragkit.embedding.route import SAME_COSINE, drift_of, lowest_cosine, pin_of
from ragkit.embedding.seam import (
    EmbeddedBatch,
    Embedder,
    EmbedInput,
    FloatMatrix,
    FloatVector,
    RemoteEmbedder,
    Role,
)
from ragkit.errors import EmbeddingError, InputRejected
from ragkit.models.fingerprint import Fingerprint
from ragkit.screening.findings import masked
from ragkit.storage.expenses import Expense
from ragkit.storage.snapshot import Snapshot
from ragkit.storage.store import Store
from ragkit.storage.writer import Writer
from ragkit.sync.pipeline import Outcome

__all__ = ["KnownText", "Route", "RouteWatch", "chosen_texts", "known_texts", "stored_route"]
__all__ += ["watch_route"]

_SETTING: Final = "route"
_CANARIES: Final = 3
# Shorter ones are headings and the like, whose vectors say little.
_SHORTEST_CHARACTERS: Final = 20
_LOOKED_AT: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What a collection knows of the way to its model.

    Attributes:
        made_by: Provider of the canaries' vectors; empty where nobody said.
        answered_by: Provider of the latest vectors; empty where nobody said.
        canaries: (id, key) of passages. Not their texts: whoever purges a document from the
            collection must find it in one place.
        providers: Lowest cosine of each provider's vectors of the canaries with those that the
            collection has; None while that was not found out.
    """

    made_by: str = ""
    answered_by: str = ""
    canaries: tuple[tuple[int, bytes], ...] = ()
    providers: Mapping[str, float | None] = field(default_factory=dict)

    def setting(self, of: Fingerprint) -> dict[str, object]:
        """As the collection keeps it, for one fingerprint."""
        return {
            _SETTING: {
                "of": of.json,
                "made_by": self.made_by,
                "answered_by": self.answered_by,
                "canaries": [[id_, key.hex()] for id_, key in self.canaries],
                "providers": dict(self.providers),
            }
        }

    def with_cosine(self, provider: str, cosine: float | None) -> Route:
        """With what was found of a provider; one whose vectors are the same may have made them."""
        is_same = cosine is not None and cosine >= SAME_COSINE
        return replace(
            self,
            made_by=self.made_by or (provider if is_same else ""),
            providers={**self.providers, provider: cosine},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownText:
    """A text with the vector that the collection has of it.

    Attributes:
        key: Names both.
        text: As it was embedded, without the model's prompt.
        vector: float32 (d,), unit length.
        id: Of a passage; 0 where it is not committed yet.
    """

    key: bytes
    text: str
    vector: FloatVector
    id: int = 0


def stored_route(snapshot: Snapshot, of: Fingerprint) -> Route:
    """What the collection knows of the way to this model; nothing of another one's."""
    kept: dict[str, Any] = snapshot.setting(_SETTING, {})
    try:
        if kept["of"] != of.json:
            return Route()
        return Route(
            made_by=str(kept["made_by"]),
            answered_by=str(kept["answered_by"]),
            canaries=tuple((int(id_), bytes.fromhex(key)) for id_, key in kept["canaries"]),
            providers={
                str(name): None if cosine is None else float(cosine)
                for name, cosine in kept["providers"].items()
            },
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        # None yet, or one that somebody else wrote.
        return Route()


def known_texts(route: Route, snapshot: Snapshot, store: Store, of: Fingerprint) -> list[KnownText]:
    """The canaries that are still in the collection, with their vectors."""
    return _known(dict(route.canaries), snapshot, store, of)


def chosen_texts(snapshot: Snapshot, store: Store, of: Fingerprint) -> list[KnownText]:
    """Canaries for a collection without any: the shortest of its first passages."""
    ids, _ = snapshot.ids_and_slots()
    sent = _sent(ids[:_LOOKED_AT].tolist(), snapshot, of)
    best = _shortest((id_, text) for id_, (_, text) in sent.items())
    return _known({id_: sent[id_][0] for id_ in best}, snapshot, store, of)


def _sent(ids: Sequence[int], snapshot: Snapshot, of: Fingerprint) -> dict[int, tuple[bytes, str]]:
    """Key and text of passages, exactly as they were embedded; pictures are left out."""
    stored = snapshot.passages(ids)
    found: dict[int, tuple[bytes, str]] = {}
    for id_, one in stored.items():
        text = masked(embedded_text(one.title, one.passage), one.masks)
        if of.key(text) == one.text_key:
            found[id_] = (one.text_key, text)
    return found


def _known(
    keys: Mapping[int, bytes], snapshot: Snapshot, store: Store, of: Fingerprint
) -> list[KnownText]:
    slots = snapshot.slots(keys.values())
    sent = _sent(list(keys), snapshot, of)
    living = {id_: text for id_, (key, text) in sent.items() if key == keys[id_] and key in slots}
    if not living:
        return []
    rows = store.rows(snapshot)
    return [
        KnownText(
            id=id_, key=keys[id_], text=text, vector=np.array(rows[slots[keys[id_]]], np.float32)
        )
        for id_, text in sorted(living.items())
    ]


def _shortest(texts: Iterable[tuple[int, str]]) -> list[int]:
    """The numbers of a few short texts that say something, the first ones among equals."""
    long_enough = [(len(text), n) for n, text in texts if len(text) >= _SHORTEST_CHARACTERS]
    return [number for _, number in sorted(long_enough)[:_CANARIES]]


def watch_route(embedder: Embedder, writer: Writer, store: Store) -> RouteWatch:
    """The embedder, watched from what the collection knows of its route."""
    snapshot, of = writer.snapshot(), embedder.fingerprint
    route = stored_route(snapshot, of)
    return RouteWatch(
        embedder,
        route=route,
        canaries=known_texts(route, snapshot, store, of),
        noted=lambda changed: writer.set(changed.setting(of)),
    )


class RouteWatch:
    """An ``Embedder`` that remembers who answered, and can compare those that are new.

    Args:
        embedder: Does the work.
        route: What is known so far.
        canaries: Those of it that still live; without any, texts of the first answer become them.
        noted: Told of the route when it has changed, so that no interruption forgets a provider.
    """

    def __init__(
        self,
        embedder: Embedder,
        *,
        route: Route,
        canaries: Sequence[KnownText],
        noted: Callable[[Route], None],
    ) -> None:
        self._embedder = embedder
        self._noted = noted
        self._answered: dict[str, None] = {}
        self._texts: dict[int, str] = {}
        self.route = route
        self.canaries = list(canaries)
        self.requests = 0
        self.tokens = 0
        self.cost_usd = Decimal(0)

    @property
    def fingerprint(self) -> Fingerprint:
        """As ``Embedder.fingerprint``."""
        return self._embedder.fingerprint

    @property
    def max_tokens(self) -> int:
        """As ``Embedder.max_tokens``."""
        return self._embedder.max_tokens

    def embed(self, inputs: Iterable[EmbedInput], *, role: Role) -> Iterator[EmbeddedBatch]:
        """As ``Embedder.embed``."""
        for batch in self._embedder.embed(self._remembered(inputs), role=role):
            self._see(batch)
            yield batch

    def embed_documents(self, texts: Sequence[EmbedInput]) -> FloatMatrix:
        """As ``Embedder.embed_documents``."""
        return self._embedder.embed_documents(texts)

    def embed_query(self, text: EmbedInput) -> FloatVector:
        """As ``Embedder.embed_query``."""
        return self._embedder.embed_query(text)

    def close(self) -> None:
        """As ``Embedder.close``."""
        self._embedder.close()

    def _remembered(self, inputs: Iterable[EmbedInput]) -> Iterator[EmbedInput]:
        for index, item in enumerate(inputs):
            if not self.canaries and isinstance(item, str):
                self._texts[index] = item
            yield item

    def _see(self, batch: EmbeddedBatch) -> None:
        provider = batch.provider or ""
        if not self.canaries:
            self._choose(batch, provider)
        for index in (*batch.indexes, *(index for index, _ in (*batch.failed, *batch.postponed))):
            self._texts.pop(index, None)
        if not len(batch.indexes) or not provider:
            return
        self._answered[provider] = None
        self.route = replace(self.route, answered_by=provider)
        if provider not in self.route.providers:
            self.route = self.route.with_cosine(provider, None)
            self._noted(self.route)

    def _choose(self, batch: EmbeddedBatch, provider: str) -> None:
        """Take the canaries from the first answer with texts in it: one provider made them all."""
        texts = {index: self._texts[index] for index in batch.indexes if index in self._texts}
        rows = {index: row for row, index in enumerate(batch.indexes)}
        self.canaries = [
            KnownText(
                key=self.fingerprint.key(texts[index]),
                text=texts[index],
                vector=np.array(batch.vectors[rows[index]], np.float32),
            )
            for index in _shortest(texts.items())
        ]
        if self.canaries:
            self._texts.clear()
            # What others of them are like was found with other texts, if at all.
            providers: dict[str, float | None] = dict.fromkeys(self.route.providers)
            providers |= {provider: 1.0} if provider else {}
            self.route = Route(made_by=provider, answered_by=provider, providers=providers)
            self._noted(self.route)

    def compare(self) -> list[str]:
        """Ask those who were never compared for the canaries; what is wrong, a sentence each."""
        said = []
        for provider, cosine in list(self.route.providers.items()):
            if cosine is None and self.canaries:
                reason = self._ask(provider)
                if reason:
                    whose = self.route.made_by or "those before"
                    said.append(
                        f"{provider} answered too, and its vectors could not be compared with"
                        f" {whose}: {reason}"
                    )
        for provider, cosine in self.route.providers.items():
            if cosine is not None and cosine < SAME_COSINE and provider in self._answered:
                earlier = self.route.made_by
                said.append(
                    f"{drift_of(cosine, earlier=earlier, now=provider)}: embed a new collection"
                    f" with one provider pinned, {pin_of(earlier or provider)}"
                )
        return said

    def _ask(self, provider: str) -> str:
        """Compare one provider; why that could not be done, or nothing."""
        embedder = self._embedder
        if isinstance(embedder, RemoteEmbedder):
            embedder = embedder.pinned_to(provider)
        stored = np.stack([canary.vector for canary in self.canaries])
        fresh, by = np.zeros_like(stored), ""
        try:
            for batch in embedder.embed([one.text for one in self.canaries], role="document"):
                self.requests += batch.requests
                self.tokens += batch.tokens
                self.cost_usd += batch.cost_usd
                for index, reason in (*batch.failed, *batch.postponed):
                    raise InputRejected(index, reason)
                fresh[list(batch.indexes)] = batch.vectors
                by = batch.provider or by
        except EmbeddingError as error:
            return str(error)
        if by != provider:
            return f"{by or 'somebody'} answered in its place"
        self.route = self.route.with_cosine(provider, lowest_cosine(stored, fresh))
        return ""

    def settle(self, writer: Writer, outcome: Outcome) -> list[str]:
        """Compare, and put what it cost into the ledger and the outcome of the run."""
        said = self.compare()
        if self.requests:
            expense = Expense(
                use="check",
                model=self.fingerprint.model,
                requests=self.requests,
                tokens=self.tokens,
                cost_usd=self.cost_usd,
            )
            writer.note([expense])
        outcome.requests += self.requests
        outcome.tokens += self.tokens
        outcome.cost_usd += self.cost_usd
        return said

    def keep(self, writer: Writer) -> None:
        """Write the route down with the ids of its canaries, which the commit has given."""
        snapshot = writer.snapshot()
        ids = {one.key: one.id for one in self.canaries if one.id}
        ids |= snapshot.new_ids(one.key for one in self.canaries if not one.id)
        route = replace(self.route, canaries=tuple((id_, key) for key, id_ in ids.items()))
        if route != stored_route(snapshot, self.fingerprint):
            writer.set(route.setting(self.fingerprint))
