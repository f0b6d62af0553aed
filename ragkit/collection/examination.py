"""``ragkit doctor`` as a function: the server or the embedded model, and a collection's health."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from ragkit.collection.health import index_checks
from ragkit.collection.models import agreed_settings, check_server, fingerprint_of, is_local
from ragkit.collection.remembered import knowledge_of, remembered
from ragkit.config import DEFAULT_MODEL, Settings, key_for, load_settings
from ragkit.embedding.checks import Check, Examination
from ragkit.embedding.knowledge import Knowledge
from ragkit.errors import CollectionError
from ragkit.storage.expenses import Expense
from ragkit.storage.installation import installation_key
from ragkit.storage.snapshot import Snapshot
from ragkit.storage.store import Store
from ragkit.sync.pricing import LISTED, LISTING_SETTING
from ragkit.sync.route import KnownText, Route, chosen_texts, known_texts, stored_route

__all__ = ["PROBE_SETTING", "examine"]

PROBE_SETTING = "probe"


def examine(
    directory: Path | None = None, *, model: str | None = None, base_url: str | None = None
) -> Examination:
    """Look at a model and its server, and at a collection if one is named.

    What is learnt of the server is kept with the collection, for later syncs; where that cannot be
    written, or another process writes, it is not.

    Args:
        directory: The collection; its model is examined.
        model: Another model, or the one to examine without a collection.
        base_url: Of its server.

    Raises:
        CollectionNotFound: There is no collection at the directory.
        ConfigurationError: Settings that no server could be asked with.
    """
    if directory is None:
        defaults = load_settings(Path.cwd())
        settings = defaults.with_arguments(model=model, base_url=base_url)
        if base_url is not None:
            settings = settings.with_key(key_for(base_url))
        return _server(settings)
    own = model is None and base_url is None
    with contextlib.closing(Store(directory, create=False)) as store:
        defaults = load_settings(directory.absolute().parent)
        with store.snapshot() as snapshot:
            settings = agreed_settings(directory, snapshot, defaults, defaults, key_is_given=False)
            known = _Known.of(snapshot, store, settings) if own else _Known()
        if not own:
            settings = settings.with_arguments(model=model, base_url=base_url)
            settings = settings.with_key(key_for(settings.base_url))
        found = _server(settings, known)
        checks = (*found.checks, *index_checks(store, installation_key()))
        if own and found.requests:
            checks = (*checks, _keep(store, found, known, settings))
    return replace(found, checks=checks)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What a collection has that its server can be held against.

    Attributes:
        width: Of its vectors.
        route: Who made them.
        texts: A few of its texts, with their vectors.
        server: What was found out about it before.
    """

    width: int | None = None
    route: Route = field(default_factory=Route)
    texts: tuple[KnownText, ...] = ()
    server: Knowledge | None = None

    @classmethod
    def of(cls, snapshot: Snapshot, store: Store, settings: Settings) -> _Known:
        """Of one generation; the embedded model is held against nothing."""
        if is_local(settings):
            return cls(width=snapshot.width or None)
        of = fingerprint_of(settings)
        route = stored_route(snapshot, of)
        texts = known_texts(route, snapshot, store, of)
        if not texts:
            # What others were like was found with other texts.
            route = Route(providers=dict.fromkeys(route.providers))
            texts = chosen_texts(snapshot, store, of)
        return cls(
            width=snapshot.width or None,
            route=route,
            texts=tuple(texts),
            server=knowledge_of(snapshot, settings),
        )

    def after(self, learnt: Mapping[str, object]) -> Route:
        """The route, with what an examination found."""
        drift = learnt.get("drift")
        canaries = tuple((one.id, one.key) for one in self.texts)
        route = replace(self.route, canaries=canaries)
        if not isinstance(drift, Mapping) or not drift["provider"]:
            return route
        return route.with_cosine(str(drift["provider"]), drift["cosine"])


def _server(settings: Settings, known: _Known | None = None) -> Examination:
    check_server(settings)
    if is_local(settings):
        from ragkit.embedding.self_test import examine_embedded  # noqa: PLC0415

        return examine_embedded()
    from ragkit.embedding.doctor import examine_server  # noqa: PLC0415 - loads httpx
    from ragkit.embedding.patient import Canary, Patient  # noqa: PLC0415

    known = known or _Known()
    return examine_server(
        Patient(
            model=settings.model or DEFAULT_MODEL,
            base_url=settings.base_url,
            api_key=settings.api_key,
            dimensions=settings.dimensions,
            provider=settings.provider,
            input_type=settings.input_type,
            dialect=settings.dialect,
            profile=settings.profile,
            stored_width=known.width,
            canaries=tuple(Canary(text=one.text, vector=one.vector) for one in known.texts),
            made_by=known.route.made_by,
            timeout_s=settings.request_timeout_s,
        )
    )


def _keep(store: Store, found: Examination, known: _Known, settings: Settings) -> Check:
    """Write down what it cost and what was learnt; that it cannot be done is no illness."""
    learnt, of = found.learnt, fingerprint_of(settings)
    expense = Expense(
        use="check",
        model=of.model,
        requests=found.requests,
        tokens=found.tokens,
        cost_usd=found.cost_usd,
    )
    reason = store.note([expense])
    unnoted = f"; its cost is not in the ledger: {reason}" if reason else ""
    if not learnt:
        return Check(name="kept", ok=True, detail=f"nothing was found{unnoted}")
    values: dict[str, object] = {PROBE_SETTING: dict(learnt)}
    if learnt["usd_per_token"] is not None:
        values[LISTING_SETTING] = {name: learnt[name] for name in LISTED}
    if known.texts:
        values |= known.after(learnt).setting(of)
    server = replace(known.server or Knowledge(), base64=bool(learnt["base64"]))
    values |= remembered(server, settings)
    try:
        with store.writing() as writer:
            writer.set(values)
    except CollectionError as error:
        return Check(name="kept", ok=True, detail=f"nothing: {error}{unnoted}")
    return Check(name="kept", ok=True, detail=f"what was found, with the collection{unnoted}")
