"""One side of a comparison as it is typed: ``mode=semantic,semantic-weight=0.7,rerank=none``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import click

from ragkit.retrieval.arguments import MODES
from ragkit.retrieval.settings import SearchSettings

if TYPE_CHECKING:
    from ragkit.retrieval.arguments import Mode

__all__ = ["Side"]

_WEIGHTS = ("semantic-weight", "context-weight")
# Takes back what is set, so that ragkit decides.
_UNSET = ("none", "auto", "default")


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """How a collection is searched for one side.

    Attributes:
        mode: As for ``search``.
        settings: Weights and reranking.
    """

    mode: Mode
    settings: SearchSettings

    def changed(self, typed: str) -> Side:
        """This side with what was typed put over it.

        Raises:
            click.BadParameter: It is no KEY=VALUE, another key, or a value that cannot be.
            InvalidArgument: A weight that is no share.
        """
        side = self
        for part in typed.split(","):
            key, equals, value = (piece.strip() for piece in part.partition("="))
            if not equals or not value:
                raise click.BadParameter(f"{part!r} is not KEY=VALUE", param_hint="--compare")
            side = side._with(key, value)
        return side

    def _with(self, key: str, value: str) -> Side:
        if key == "mode" and value in MODES:
            return replace(self, mode=value)
        if key == "rerank":
            model = None if value in _UNSET else value
            return replace(self, settings=replace(self.settings, rerank=model))
        if key in _WEIGHTS:
            weight = None if value in _UNSET else _number(key, value)
            name = key.replace("-", "_")
            return replace(self, settings=replace(self.settings, **{name: weight}))  # type: ignore[arg-type]
        known = f"mode ({', '.join(MODES)}), rerank, {' and '.join(_WEIGHTS)}"
        raise click.BadParameter(f"{key}={value}: there are {known}", param_hint="--compare")


def _number(key: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise click.BadParameter(
            f"{key}={value}: give a share from 0 to 1", param_hint="--compare"
        ) from None
