"""Opening a collection: its own settings and the call's, and what to do where they differ."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from ragkit.collection.collection import Collection, StrPath
from ragkit.collection.models import (
    agreed_settings,
    fingerprint_of,
    make_embedder,
    screen_of,
)
from ragkit.config import Settings, key_for, load_settings
from ragkit.storage.servers import name_server
from ragkit.storage.store import Store

__all__ = ["open_collection"]


def open_collection(
    path: StrPath,
    *,
    model: str | None = None,
    base_url: str | None = None,
    api_key: str | None = None,
    dimensions: int | None = None,
    provider: Mapping[str, object] | None = None,
    input_type: tuple[str, str] | None = None,
    create: bool = True,
    read_only: bool = False,
    settings: Settings | None = None,
) -> Collection:
    """Open a collection, or make one.

    Nothing is sent and no model is loaded. A collection remembers its model and base URL, never
    the key.

    Args:
        path: Its directory.
        model: ``local/all-minilm-l6-v2`` (the default: no key, no network), a model at OpenRouter
            as ``author/slug``, or with *base_url* any name that server knows.
        base_url: Root of an OpenAI-compatible API, such as ``http://localhost:11434/v1``.
        api_key: Instead of OPENROUTER_API_KEY, or of RAGKIT_API_KEY for another server.
        dimensions: Width of the vectors, for models whose vectors can be cut.
        provider: OpenRouter's routing preferences; a pinned route is part of the fingerprint.
        input_type: (query, document), for models that the catalogue does not know.
        create: Make it if there is none.
        read_only: Refuse to write.
        settings: Instead of what environment and ``ragkit.toml`` say.

    Raises:
        CollectionNotFound: There is none, and none may be made.
        NotACollection: The directory holds something else.
        FingerprintMismatch: It has vectors of another model.
        ConfigurationError: The arguments cannot work together.
    """
    directory = Path(os.path.abspath(path))  # noqa: PTH100 - links stay as the user wrote them
    defaults = load_settings(directory.parent) if settings is None else settings
    given = defaults.with_arguments(
        model=model,
        base_url=base_url,
        api_key=api_key,
        dimensions=dimensions,
        provider=provider,
        input_type=input_type,
    )
    if api_key is None and base_url is not None:
        given = given.with_key(key_for(given.base_url))
    screen_of(given)
    if given.base_url is not None:
        name_server(given.base_url)
    exists = Store.exists(directory)
    if not exists and create and not read_only:
        # What cannot work must fail before a directory is made for it.
        fingerprint_of(given)
        make_embedder(given).close()
    store = Store(directory, create=create, read_only=read_only)
    with store.snapshot() as snapshot:
        agreed = agreed_settings(
            directory,
            snapshot,
            defaults,
            given,
            key_is_given=api_key is not None
            or (settings is not None and settings.api_key is not None),
        )
    fingerprint_of(agreed)
    return Collection(store, agreed, read_only=read_only, is_new=not exists)
