"""Commands whose options arrive as one record, and the options that many of them share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import click

__all__ = [
    "EXAMPLES",
    "RecordCommand",
    "collection_option",
    "dimensions_option",
    "json_option",
    "min_relevance_option",
    "mode_option",
    "parse_where",
    "query_argument",
    "rerank_option",
    "wait_option",
    "where_option",
]

# \b keeps click from filling the lines.
EXAMPLES = "\b\nExamples:\n  {}"
_MODES = ("hybrid", "semantic", "lexical")

Options = TypeVar("Options")


class RecordCommand(click.Command, Generic[Options]):
    """A command that is a function from one record to an exit code.

    A dozen options would otherwise be a dozen parameters, and the function could not be called
    without the parser.

    Args:
        name: As it is typed.
        options: The record's class; its fields are named like the parameters.
        run: Does it.
        params: What the parser takes.
        about: The help text.
        examples: Command lines, one per line.
    """

    def __init__(
        self,
        *,
        name: str,
        options: Callable[..., Options],
        run: Callable[[Options], int],
        params: Sequence[click.Parameter],
        about: str,
        examples: Sequence[str],
    ) -> None:
        super().__init__(
            name,
            params=list(params),
            help=about,
            epilog=EXAMPLES.format("\n  ".join(examples)),
        )
        self._options = options
        self._run = run

    def invoke(self, ctx: click.Context) -> int:
        """Called by click once the arguments are parsed."""
        return self._run(self._options(**ctx.params))


def collection_option() -> click.Option:
    """``-c``, which each command that needs a collection takes."""
    return click.Option(
        ["-c", "--collection"],
        metavar="DIR",
        help="The collection; without it RAGKIT_COLLECTION, or the nearest .ragkit upward.",
    )


def json_option() -> click.Option:
    """``--json``."""
    return click.Option(["--json", "as_json"], is_flag=True, help="One JSON object on stdout.")


def dimensions_option() -> click.Option:
    """``--dimensions``."""
    return click.Option(
        ["--dimensions"], type=click.IntRange(min=1), metavar="N", help="Width to cut vectors to."
    )


def query_argument() -> click.Argument:
    """What is asked, or ``-``."""
    return click.Argument(["query"], metavar="QUERY")


def mode_option() -> click.Option:
    """``--mode``."""
    return click.Option(
        ["--mode"],
        type=click.Choice(_MODES),
        default="hybrid",
        show_default=True,
        help="By meaning and words together, or by one of them.",
    )


def wait_option() -> click.Option:
    """``--wait``, of each command that writes."""
    return click.Option(
        ["--wait"],
        type=click.FloatRange(min=0),
        default=0.0,
        metavar="SECONDS",
        help="How long to wait for another writer.",
    )


def min_relevance_option() -> click.Option:
    """``--min-relevance``."""
    return click.Option(
        ["--min-relevance"],
        type=float,
        metavar="X",
        help="Leave out hits that are less likely to answer, from 0 to 1.",
    )


def where_option() -> click.Option:
    """``--where``, which may be given many times."""
    return click.Option(
        ["--where"],
        metavar="KEY=GLOB",
        multiple=True,
        help="Only documents whose source, root or metadata fits; all conditions must hold.",
    )


def rerank_option() -> click.Option:
    """``--rerank``."""
    return click.Option(
        ["--rerank"],
        metavar="MODEL",
        help="Let this model, such as cohere/rerank-v3.5, order the first 100 hits: they are sent"
        " to the collection's server, or to OpenRouter; `none` for none where tuning chose one.",
    )


def parse_where(conditions: Sequence[str]) -> dict[str, str]:
    """``KEY=GLOB`` pairs as a mapping.

    Raises:
        click.BadParameter: A condition has no ``=``, no name, or a name that was already given.
    """
    parsed: dict[str, str] = {}
    for condition in conditions:
        key, equals, glob = condition.partition("=")
        if not equals or not key:
            raise click.BadParameter(f"{condition!r} is not KEY=GLOB", param_hint="--where")
        if key in parsed:
            raise click.BadParameter(f"{key!r} is given twice", param_hint="--where")
        parsed[key] = glob
    return parsed
