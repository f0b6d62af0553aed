"""Which embedder a collection uses, and whether it may."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING

from ragkit.config import DEFAULT_MODEL, DEFAULT_PASSAGE_TOKENS, OPENROUTER_URL, Settings, key_for
from ragkit.embedding.knowledge import Knowledge
from ragkit.embedding.rerank_seam import RerankAnswer, Reranker
from ragkit.embedding.seam import Embedder
from ragkit.errors import (
    CollectionDamaged,
    ConfigurationError,
    FingerprintMismatch,
    UnknownModel,
)
from ragkit.models.catalogue import ModelProfile, fingerprint, profile
from ragkit.models.described import profile_from, profile_table
from ragkit.models.fingerprint import Fingerprint
from ragkit.screening.screen import Screen
from ragkit.storage.servers import is_named
from ragkit.storage.snapshot import Snapshot
from ragkit.sync.pricing import Pricing

if TYPE_CHECKING:
    from ragkit.embedding.routing import Attribution

__all__ = [
    "agreed_settings",
    "check_model",
    "check_server",
    "fingerprint_of",
    "is_local",
    "make_embedder",
    "make_reranker",
    "screen_of",
    "stored_settings",
]


def is_local(settings: Settings) -> bool:
    """Whether the model is the embedded one, so that nothing leaves the machine."""
    return settings.base_url is None and (settings.model or DEFAULT_MODEL).startswith("local/")


def screen_of(settings: Settings) -> Screen | None:
    """What is masked before a text leaves; None where none does, or where nothing is to be.

    Raises:
        ConfigurationError: A kind that is not known.
    """
    screen = Screen(settings.mask)
    return None if is_local(settings) or not screen.kinds else screen


def fingerprint_of(settings: Settings) -> Fingerprint:
    """What the settings' model makes vectors by.

    Raises:
        UnknownModel: No such embedded model.
        ConfigurationError: The model does not have these dimensions.
    """
    return fingerprint(
        settings.profile,
        dimensions=settings.dimensions,
        provider=settings.provider,
        input_type=settings.input_type,
    )


def agreed_settings(
    directory: Path,
    snapshot: Snapshot,
    defaults: Settings,
    given: Settings,
    *,
    key_is_given: bool,
) -> Settings:
    """The settings that a collection is used with: its own, where it has decided.

    A collection decides with its first sync; until then another model may be named.

    Args:
        directory: For messages.
        snapshot: The collection as it is.
        defaults: From environment and files; they never contradict a collection.
        given: The same with the call's arguments over them, which may.
        key_is_given: Whether the key is an argument; one from the environment goes to its own
            server only.

    Raises:
        FingerprintMismatch: The arguments ask for other vectors than the collection has.
    """
    stored = snapshot.fingerprint
    if stored is None:
        return given
    own = _fingerprint_from(stored, directory)
    has: dict[str, object] = {
        "model": own.model,
        "base_url": snapshot.setting("base_url", "") or None,
        "dimensions": own.dimensions,
        "provider": _provider(snapshot.setting("provider", None), directory),
        "input_type": _pair(snapshot.setting("input_type", None), directory),
    }
    named = {
        name: getattr(given, name)
        for name in has
        if getattr(given, name) is not None and getattr(given, name) != getattr(defaults, name)
    }
    wrong = [name for name, value in named.items() if value != has[name]]
    if wrong:
        raise FingerprintMismatch(
            f"the collection at {directory} has {_spelled(own.model, has, wrong)}, not"
            f" {_spelled(given.model or own.model, named, wrong)}: {_why(wrong)}; leave the option"
            f" out, {_migrate(named, wrong)}, or index into another collection with -c"
        )
    url = str(has["base_url"]) if has["base_url"] else None
    is_known = url is None or url == given.base_url or is_named(url)
    key = given.api_key if key_is_given else key_for(url)
    # Another size of passages only matters to a sync, which refuses it.
    size = given.passage_tokens or snapshot.setting("passage_tokens", DEFAULT_PASSAGE_TOKENS)
    stored_profile: object = snapshot.setting("profile", None)
    agreed = replace(
        given,
        api_key=key if is_known else None,
        server_is_named=is_known,
        passage_tokens=size,
        dialect=given.dialect or _word(snapshot.setting("dialect", None), directory),
        models=_with_stored(given.models, own.model, stored_profile, directory),
        **has,  # type: ignore[arg-type]
    )
    if fingerprint_of(agreed) != own:
        says = stored_profile is not None or agreed.profile != profile(own.model)
        raise FingerprintMismatch(
            f"the collection at {directory} was made with other prompts for {own.model} than"
            f" {'ragkit.toml says' if says else 'this ragkit uses'}:"
            f" {'restore its entry there' if says else 'use the ragkit that made it'},"
            " or index into another collection with -c"
        )
    return agreed


def check_model(directory: Path, snapshot: Snapshot, settings: Settings) -> None:
    """See that a collection, which others may have filled meanwhile, has vectors of this model.

    Raises:
        FingerprintMismatch: It has others.
    """
    if snapshot.fingerprint not in (None, fingerprint_of(settings).json):
        raise FingerprintMismatch(
            f"the collection at {directory} was given model {snapshot.setting('model', '?')}"
            f" meanwhile, not {settings.model or DEFAULT_MODEL}: open it again"
        )


def stored_settings(settings: Settings) -> dict[str, object]:
    """What a collection keeps of its settings; never the key."""
    model, described = settings.model or DEFAULT_MODEL, settings.profile
    return {
        "fingerprint": fingerprint_of(settings).json,
        "model": model,
        "base_url": settings.base_url or "",
        "provider": settings.provider,
        "input_type": settings.input_type,
        "passage_tokens": settings.passage_tokens or DEFAULT_PASSAGE_TOKENS,
        "dialect": settings.dialect,
        # What the user says of the model must hold without the file that says it.
        "profile": profile_table(described) if described != profile(model) else None,
    }


def _with_stored(
    models: Mapping[str, ModelProfile], model: str, stored: object, directory: Path
) -> Mapping[str, ModelProfile]:
    """What files say of models, and of the collection's, where they are silent, its own word."""
    if stored is None or profile(model, models) != profile(model):
        return models
    try:
        return {**models, escape(model): profile_from(stored, f"the collection at {directory}")}
    except ConfigurationError as error:
        raise _unreadable("profile", directory) from error


def _word(value: object, directory: Path) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise _unreadable("dialect", directory)


def _fingerprint_from(stored: str, directory: Path) -> Fingerprint:
    try:
        return Fingerprint.from_json(stored)
    except (ValueError, TypeError, RecursionError) as error:
        raise _unreadable("fingerprint", directory) from error


def _provider(value: object, directory: Path) -> dict[str, object] | None:
    if value is None or isinstance(value, dict):
        return value
    raise _unreadable("provider", directory)


def _pair(value: object, directory: Path) -> tuple[str, str] | None:
    if value is None:
        return None
    if isinstance(value, list) and list(map(type, value)) == [str, str]:
        return (value[0], value[1])
    raise _unreadable("input_type", directory)


def _unreadable(what: str, directory: Path) -> CollectionDamaged:
    return CollectionDamaged(
        f"the {what} of the collection at {directory} cannot be read: it is damaged or was tampered"
        " with; restore it from a copy"
    )


def _spelled(model: str, values: dict[str, object], wrong: list[str]) -> str:
    rest = [_said(name, values[name]) for name in wrong if name != "model"]
    return ", ".join([f"model {model}", *rest])


def _said(name: str, value: object) -> str:
    if value is None:
        return "its own dimensions" if name == "dimensions" else f"no {name}"
    return f"{name} {value}"


def _why(wrong: list[str]) -> str:
    if wrong == ["base_url"]:
        return "its texts go to that server and no other"
    return "its vectors cannot be mixed with others"


def _migrate(values: dict[str, object], wrong: list[str]) -> str:
    """The way out that keeps the collection."""
    if wrong == ["base_url"]:
        return f"move it with `ragkit migrate --base-url {values['base_url']}`, which keeps vectors"
    if not {"model", "base_url", "dimensions"}.issuperset(wrong):
        return f"embed all of it anew with Collection.migrate({', '.join(f'{w}=…' for w in wrong)})"
    options = " ".join(f"--{name.replace('_', '-')} {values[name]}" for name in wrong)
    return f"embed all of it anew with `ragkit migrate {options}`"


def check_server(settings: Settings) -> None:
    """See that the user knows where questions and texts go; a key goes along.

    Raises:
        ConfigurationError: Only the collection names the server.
    """
    url = settings.base_url
    if url is not None and not settings.server_is_named:
        raise ConfigurationError(
            f"the collection has its questions sent to {url}, which you have never named on this"
            f" machine: if you trust that server, name it once, as RAGKIT_BASE_URL={url} in the"
            " environment or base_url= in Python; a search by words asks no server"
        )


def make_embedder(
    settings: Settings,
    max_cost_usd: Decimal | None = None,
    listed: Pricing | None = None,
    *,
    takes_images: bool | None = None,
    knowledge: Knowledge | None = None,
) -> Embedder:
    """The embedder of these settings; nothing is sent.

    Args:
        settings: Of the collection.
        max_cost_usd: Most that the embedder may spend in its life; the embedded one costs nothing.
        listed: What the server's list says, for that limit; None where nothing is known.
        takes_images: Whether the model takes pictures, where that is known.
        knowledge: What was found out about the server before.

    Raises:
        MissingKey: A remote model without its key.
        UnknownModel: No such embedded model.
        ConfigurationError: Settings that cannot work.
    """
    check_server(settings)
    model = settings.model or DEFAULT_MODEL
    if is_local(settings):
        if model != DEFAULT_MODEL:
            raise UnknownModel(f"there is no embedded model {model!r}: the one is {DEFAULT_MODEL}")
        from ragkit.embedding.local import LocalEmbedder  # noqa: PLC0415 - loads a model's runtime

        return LocalEmbedder()
    if settings.base_url is None and "/" not in model:
        raise UnknownModel(
            f"there is no model {model!r}: the embedded one is {DEFAULT_MODEL}, those of OpenRouter"
            " are called author/name, and any other needs the base_url of its server"
        )
    from ragkit.embedding.budget import Budget  # noqa: PLC0415
    from ragkit.embedding.openrouter import OpenRouterEmbedder  # noqa: PLC0415 - loads httpx
    from ragkit.embedding.screened import ScreenedEmbedder  # noqa: PLC0415

    embedder = OpenRouterEmbedder(
        model,
        api_key=settings.api_key,
        base_url=settings.base_url,
        dimensions=settings.dimensions,
        provider=settings.provider,
        input_type=settings.input_type,
        timeout_s=settings.request_timeout_s,
        concurrency=settings.concurrency,
        requests_per_minute=settings.requests_per_minute,
        tokens_per_minute=settings.tokens_per_minute,
        user=settings.user,
        dialect=settings.dialect,
        profile=settings.profile,
        attribution=_attribution(settings),
        takes_images=takes_images,
        knowledge=knowledge,
    )
    if max_cost_usd is not None:
        budget = Budget(
            max_cost_usd,
            usd_per_token=None if listed is None else listed.usd_per_token,
            usd_per_picture=None if listed is None else listed.usd_per_picture,
        )
        embedder = embedder.with_budget(budget)
    screen = screen_of(settings)
    return embedder if screen is None else ScreenedEmbedder(embedder, screen)


def _attribution(settings: Settings) -> Attribution | None:
    """Who asks, where that was said; for OpenRouter's own address and no other."""
    from ragkit.embedding.routing import Attribution  # noqa: PLC0415

    if settings.app_url is None:
        if settings.app_title is not None:
            raise ConfigurationError("app_title without app_url names nobody: set both, or neither")
        return None
    if settings.base_url is not None and settings.base_url.rstrip("/") != OPENROUTER_URL:
        return None
    return Attribution(url=settings.app_url, title=settings.app_title)


# What says where texts may go holds for all of them; which provider makes vectors does not.
_OF_EVERY_TEXT = ("data_collection", "zdr")


def make_reranker(settings: Settings, spent: Callable[[str, RerankAnswer], None]) -> Reranker:
    """The reranker at the collection's server, or at OpenRouter; nothing is sent.

    Args:
        settings: Of the collection; its model need not be a remote one.
        spent: Told of each answer.

    Raises:
        MissingKey: OpenRouter without a key.
        ConfigurationError: Settings that cannot work.
    """
    check_server(settings)
    from ragkit.embedding.reranker import OpenRouterReranker  # noqa: PLC0415 - loads httpx
    from ragkit.embedding.screened import ScreenedReranker  # noqa: PLC0415

    routing = {
        name: value for name, value in (settings.provider or {}).items() if name in _OF_EVERY_TEXT
    }
    reranker = OpenRouterReranker(
        api_key=settings.api_key,
        base_url=settings.base_url,
        provider=routing if routing and settings.base_url in (None, OPENROUTER_URL) else None,
        timeout_s=settings.rerank_timeout_s,
        dialect=settings.dialect,
        spent=spent,
    )
    return ScreenedReranker(reranker, Screen(settings.mask)) if settings.mask else reranker
