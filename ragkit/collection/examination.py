"""``ragkit doctor`` as a function: the server or the embedded model, and a collection's health."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

from ragkit.collection.health import index_checks
from ragkit.collection.models import agreed_settings, is_local
from ragkit.config import DEFAULT_MODEL, Settings, key_for, load_settings
from ragkit.embedding.checks import Check, Examination
from ragkit.errors import CollectionError
from ragkit.storage.installation import installation_key
from ragkit.storage.store import Store
from ragkit.sync.pricing import LISTING_SETTING

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
            width = snapshot.width or None
        if not own:
            settings = settings.with_arguments(model=model, base_url=base_url)
            settings = settings.with_key(key_for(settings.base_url))
        found = _server(settings, stored_width=width if own else None)
        checks = (*found.checks, *index_checks(store, installation_key()))
        if own and found.learnt:
            checks = (*checks, _keep(store, found.learnt))
    return Examination(checks=checks, learnt=found.learnt)


def _server(settings: Settings, *, stored_width: int | None = None) -> Examination:
    if is_local(settings):
        from ragkit.embedding.self_test import examine_embedded  # noqa: PLC0415

        return examine_embedded()
    from ragkit.embedding.doctor import examine_server  # noqa: PLC0415 - loads httpx
    from ragkit.embedding.patient import Patient  # noqa: PLC0415

    return examine_server(
        Patient(
            model=settings.model or DEFAULT_MODEL,
            base_url=settings.base_url,
            api_key=settings.api_key,
            dimensions=settings.dimensions,
            provider=settings.provider,
            input_type=settings.input_type,
            stored_width=stored_width,
            timeout_s=settings.request_timeout_s,
        )
    )


def _keep(store: Store, learnt: Mapping[str, object]) -> Check:
    """Write what was learnt into the settings; that it cannot be is no illness."""
    listing = {name: learnt[name] for name in ("date", "model", "usd_per_token")}
    values: dict[str, object] = {PROBE_SETTING: dict(learnt)}
    if learnt["usd_per_token"] is not None:
        values[LISTING_SETTING] = listing
    try:
        with store.writing() as writer:
            writer.set(values)
    except CollectionError as error:
        return Check(name="kept", ok=True, detail=f"nothing: {error}")
    return Check(name="kept", ok=True, detail="what was found, with the collection")
