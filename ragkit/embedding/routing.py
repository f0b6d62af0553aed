"""OpenRouter's routing object and attribution headers, checked before anything is sent."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from ragkit.errors import ConfigurationError

__all__ = ["Attribution", "checked_routing"]

_Check = Callable[[object], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """Who asks, for OpenRouter's public rankings: nothing of it is sent unless it is asked for.

    Attributes:
        url: Of the application.
        title: Its name.
        categories: Lower case with hyphens, such as ``cli-agent``.
    """

    url: str
    title: str | None = None
    categories: tuple[str, ...] = ()

    def headers(self) -> dict[str, str]:
        """As requests carry them.

        Raises:
            ConfigurationError: A value that no header can carry.
        """
        named = {
            "HTTP-Referer": self.url,
            "X-OpenRouter-Title": self.title or "",
            "X-OpenRouter-Categories": ",".join(self.categories),
        }
        for name, value in named.items():
            if not value.isascii() or (value and not value.isprintable()):
                raise ConfigurationError(
                    f"the attribution {value!r} cannot stand in a header: use plain ASCII"
                )
            if name.endswith("Categories") and not re.fullmatch(r"[a-z0-9,-]*", value):
                raise ConfigurationError(
                    f"the category {value!r} should be in lower case with hyphens"
                )
        return {name: value for name, value in named.items() if value}


def checked_routing(provider: Mapping[str, object]) -> None:
    """Refuse a routing object that OpenRouter would refuse.

    Raises:
        ConfigurationError: An unknown key, or a value of the wrong type; the message says which.
    """
    for key, value in provider.items():
        if key not in _RULES:
            raise ConfigurationError(
                f"provider has no key {key!r}: the keys are {', '.join(sorted(_RULES))}"
            )
        fits, wanted = _RULES[key]
        if not fits(value):
            raise ConfigurationError(f"provider[{key!r}] is {value!r}, and must be {wanted}")


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _is_number(value: object) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and value >= 0  # type: ignore[arg-type, operator]


def _is_price(value: object) -> bool:
    # OpenRouter's own form is a decimal as a string.
    return _is_number(value) or (
        isinstance(value, str) and re.fullmatch(r"\d+(\.\d+)?", value) is not None
    )


def _is_names(value: object) -> bool:
    return isinstance(value, list | tuple) and all(
        isinstance(name, str) and name.strip() for name in value
    )


def _one_of(*choices: str) -> _Check:
    return lambda value: isinstance(value, str) and value in choices


def _object_of(keys: frozenset[str], fits: _Check) -> _Check:
    return lambda value: (
        isinstance(value, Mapping)
        and bool(value)
        and set(value) <= keys
        and all(fits(part) for part in value.values())
    )


def _is_quantizations(value: object) -> bool:
    return (
        isinstance(value, list | tuple)
        and bool(value)
        and all(isinstance(name, str) and name in _QUANTIZATIONS for name in value)
    )


def _is_sort(value: object) -> bool:
    if isinstance(value, Mapping):
        return (
            set(value) <= {"by", "partition"}
            and _SORTS(value.get("by"))
            and value.get("partition", "model") in ("model", "none")
        )
    return _SORTS(value)


_SORTS: Final = _one_of("price", "throughput", "latency", "exacto")
_QUANTIZATIONS: Final = frozenset(
    {"int4", "int8", "fp4", "mxfp4", "nvfp4", "fp6", "fp8", "mxfp8", "fp16", "bf16", "fp32",
     "unknown"}
)  # fmt: skip
_PRICED: Final = frozenset({"prompt", "completion", "image", "audio", "request"})
_PERCENTILES: Final = _object_of(frozenset({"p50", "p75", "p90", "p99"}), _is_number)
_FLAG: Final = (_is_flag, "True or False")
_NAMES: Final = (_is_names, "a list of providers' names")
_PREFERENCE: Final = (
    lambda value: _is_number(value) or _PERCENTILES(value),
    "a number, or numbers by p50, p75, p90 and p99",
)
_RULES: Final[Mapping[str, tuple[_Check, str]]] = {
    "allow_fallbacks": _FLAG,
    "data_collection": (_one_of("allow", "deny"), "'allow' or 'deny'"),
    "enforce_distillable_text": _FLAG,
    "ignore": _NAMES,
    "max_price": (
        _object_of(_PRICED, _is_price),
        "dollars per million tokens by prompt, completion, image, audio and request",
    ),
    "only": _NAMES,
    "order": _NAMES,
    "preferred_max_latency": _PREFERENCE,
    "preferred_min_throughput": _PREFERENCE,
    "quantizations": (_is_quantizations, f"a list of {', '.join(sorted(_QUANTIZATIONS))}"),
    "require_parameters": _FLAG,
    "sort": (_is_sort, "'price', 'throughput', 'latency' or 'exacto'"),
    "zdr": _FLAG,
}
