"""``ragkit models``: what a server offers, and at what price."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ragkit.cli.command import RecordCommand, json_option
from ragkit.cli.output import out_looks, write_error, write_json, write_text

if TYPE_CHECKING:
    from decimal import Decimal

    from ragkit.cli.looks import Looks
    from ragkit.embedding.listing import ListedModel

__all__ = ["ModelsOptions", "command", "models_text", "run"]

_HEAD = ("model", "$ per 1M tokens", "context", "takes", "expires")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelsOptions:
    """What was typed."""

    pattern: str | None = None
    base_url: str | None = None
    as_json: bool = False


def command() -> click.Command:
    """The parser of ``models``."""
    return RecordCommand(
        name="models",
        options=ModelsOptions,
        run=run,
        params=[
            click.Argument(["pattern"], required=False, metavar="[FILTER]"),
            click.Option(["--base-url"], metavar="URL", help="Root of an OpenAI-compatible API."),
            json_option(),
        ],
        about=(
            "List the embedding models of OpenRouter, or of another server, with their prices.\n\n"
            "FILTER is a part of the name, or a glob. OpenRouter is asked without a key."
        ),
        examples=[
            "ragkit models",
            "ragkit models qwen",
            "ragkit models '*:free' --json",
            "ragkit models --base-url http://localhost:11434/v1",
        ],
    )


def run(options: ModelsOptions) -> int:
    """Print the models; the embedded one also when the server gives none."""
    from ragkit.cli.application import exit_code_of  # noqa: PLC0415
    from ragkit.config import OPENROUTER_URL, key_for, load_settings  # noqa: PLC0415
    from ragkit.embedding.listing import embedded_model, list_models  # noqa: PLC0415 - httpx
    from ragkit.errors import EmbeddingError  # noqa: PLC0415

    base_url = options.base_url or load_settings(Path.cwd()).base_url
    models, code = [embedded_model()], 0
    try:
        models += list_models(base_url, api_key=key_for(base_url))
    except EmbeddingError as error:
        write_error(str(error))
        code = exit_code_of(error)
    models = sorted(
        (model for model in models if _fits(model.id, options.pattern)),
        key=lambda model: model.id,
    )
    if options.as_json:
        listed = [_fields(model) for model in models]
        write_json({"base_url": base_url or OPENROUTER_URL, "models": listed})
    elif models:
        write_text(models_text(models, looks=out_looks(), today=date.today()))
    elif code == 0:
        write_text(f"no model fits {options.pattern!r}")
    return code


def models_text(models: list[ListedModel], *, looks: Looks, today: date) -> str:
    """The models as people read them, one on a line, under one head."""
    from ragkit.cli.looks import columns, inline  # noqa: PLC0415

    rows = [
        (
            inline(model.id),
            _price(model.usd_per_million_tokens),
            "" if model.context_length is None else f"{model.context_length:,}",
            " ".join(map(inline, model.input_modalities)),
            _expiry(model, today),
        )
        for model in models
    ]
    widths = [max(columns(row[place]) for row in (_HEAD, *rows)) for place in range(len(_HEAD))]
    lines = []
    for row in (_HEAD, *rows):
        cells = [
            # Numbers stand under each other by their last digit.
            " " * (width - columns(cell)) + cell if place in (1, 2) else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join([looks.bold(lines[0]), *lines[1:]])


def _fits(name: str, pattern: str | None) -> bool:
    if not pattern:
        return True
    folded, wanted = name.casefold(), pattern.casefold()
    is_glob = any(sign in wanted for sign in "*?[")
    return fnmatch.fnmatchcase(folded, wanted) if is_glob else wanted in folded


def _price(usd: Decimal | None) -> str:
    if usd is None:
        return "not stated"
    return "free" if usd == 0 else f"{usd.normalize():f}"


def _expiry(model: ListedModel, today: date) -> str:
    if model.expires_on is None:
        return ""
    return f"{model.expires_on}{' (over)' if model.expires_on < today else ''}"


def _fields(model: ListedModel) -> dict[str, object]:
    token_usd = model.usd_per_token
    return {
        "id": model.id,
        "name": model.name,
        # A string, since JSON's readers round numbers, and this is money.
        "usd_per_token": None if token_usd is None else f"{token_usd:f}",
        "usd_per_million_tokens": model.usd_per_million_tokens,
        "context_length": model.context_length,
        "input_modalities": model.input_modalities,
        "expires_on": None if model.expires_on is None else model.expires_on.isoformat(),
    }
