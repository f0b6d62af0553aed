"""Models that a user describes in a file of settings, over what the catalogue knows.

[models."acme/embed-7b"]          # the name that requests carry; * stands for anything
like = "bge-m3"                   # begin with what is known of another model
max_tokens = 8192
dimensions = 1024
query_prompt = "query: "
document_prompt = "passage: "
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Final, get_args

from ragkit.errors import ConfigurationError, UnknownModel
from ragkit.models.catalogue import ModelProfile, TokenizerName, profile

__all__ = ["described", "profile_from", "profile_table"]

_Check = Callable[[object], bool]


def described(tables: object, where: str) -> dict[str, ModelProfile]:
    """The models of a file, by the names or patterns that they are described under.

    Args:
        tables: The file's ``models``.
        where: The file, for messages.

    Raises:
        ConfigurationError: Something in it has no meaning; the message says what, and what has.
    """
    if not isinstance(tables, Mapping):
        raise ConfigurationError(f'{where}: models are tables such as [models."name"]')
    return {name: _profile(table, f"{where}: models.{name!r}") for name, table in tables.items()}


def profile_table(known: ModelProfile) -> dict[str, object]:
    """A model's profile as plain JSON, for ``profile_from``."""
    return asdict(known)


def profile_from(stored: object, where: str) -> ModelProfile:
    """The inverse of ``profile_table``.

    Raises:
        ConfigurationError: What is stored is no profile.
    """
    table = dict(stored) if isinstance(stored, Mapping) else {"": stored}
    name, is_known = table.pop("name", ""), table.pop("is_known", True)
    given = {key: value for key, value in table.items() if value is not None}
    made = _profile(given, where)
    return replace(made, name=str(name), is_known=is_known is True)


def _profile(table: object, where: str) -> ModelProfile:
    if not isinstance(table, Mapping):
        raise ConfigurationError(f"{where} is {table!r}, and must be a table")
    given = dict(table)
    base = _base(given.pop("like", None), where)
    for key, value in given.items():
        if key not in _RULES:
            raise ConfigurationError(
                f"{where} sets {key!r}; of a model one may set like, {', '.join(sorted(_RULES))}"
            )
        fits, wanted = _RULES[key]
        if not fits(value):
            raise ConfigurationError(f"{where}: {key} = {value!r} must be {wanted}")
        if isinstance(value, list):
            given[key] = tuple(value)
        if key.endswith("_input_type"):
            given[key] = value or None
    if not given.keys().isdisjoint({"dimensions", "dimension_range", "dimension_choices"}):
        base = replace(base, dimension_range=None, dimension_choices=(), is_known=True)
    return replace(base, **given)


def _base(name: object, where: str) -> ModelProfile:
    if name is None:
        return ModelProfile(is_known=False)
    try:
        known = profile(name) if isinstance(name, str) else None
    except UnknownModel:
        known = None
    if known is None or not known.is_known:
        raise ConfigurationError(
            f"{where}: like = {name!r} must name a model that ragkit knows, such as 'bge-m3'"
        )
    return replace(known, name="")


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_counts(value: object) -> bool:
    return isinstance(value, list | tuple) and all(_is_count(each) for each in value)


def _is_range(value: object) -> bool:
    return (
        isinstance(value, list | tuple)
        and len(value) == 2
        and _is_counts(value)
        and value[0] <= value[1]
    )


def _is_codes(value: object) -> bool:
    return isinstance(value, list | tuple) and all(
        isinstance(each, str) and len(each) == 2 and each.isascii() and each.islower()
        for each in value
    )


_COUNT: Final = (_is_count, "a whole number from 1 on")
_TEXT: Final = (lambda value: isinstance(value, str), "a text")
_TOKENIZERS: Final = get_args(TokenizerName)
_RULES: Final[Mapping[str, tuple[_Check, str]]] = {
    "max_tokens": _COUNT,
    "dimensions": _COUNT,
    "dimension_range": (_is_range, "the smallest and the largest width, such as [64, 1024]"),
    "dimension_choices": (_is_counts, "a list of widths, such as [256, 1024]"),
    "query_prompt": _TEXT,
    "document_prompt": _TEXT,
    "query_input_type": _TEXT,
    "document_input_type": _TEXT,
    "batch_inputs": _COUNT,
    "tokenizer": (lambda value: value in _TOKENIZERS, f"one of {', '.join(_TOKENIZERS)}"),
    "caveat": _TEXT,
    "languages": (_is_codes, 'a list of ISO 639-1 codes, such as ["en"], or empty for many'),
    "takes_images": (lambda value: isinstance(value, bool), "true or false"),
}
