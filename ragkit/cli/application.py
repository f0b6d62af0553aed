"""The program as a whole: its commands, and what each way of ending means."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import cast

import click

import ragkit
from ragkit.cli.command import EXAMPLES
from ragkit.cli.output import flush, write_error
from ragkit.errors import BudgetSpent, InvalidArgument, OutOfCredit, RagkitError

__all__ = ["application", "exit_code_of", "run"]

DONE, FAILED, USAGE, STOPPED, INTERRUPTED = 0, 1, 2, 4, 130

# In the order of a first meeting, which the help keeps.
_COMMANDS = (
    "index",
    "search",
    "context",
    "why-not",
    "eval",
    "tune",
    "status",
    "verify",
    "compact",
    "purge",
    "forget",
    "export",
    "import",
    "migrate",
    "watch",
    "models",
    "doctor",
    "read",
    "chunk",
)

# Where a command is called as no module can be.
_MODULES = {"import": "take_in"}


class _Commands(click.Group):
    """Commands whose modules are loaded when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """In the order of the help."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """None where there is no such command, which click makes an error of."""
        if cmd_name not in _COMMANDS:
            return None
        name = _MODULES.get(cmd_name, cmd_name.replace("-", "_"))
        module = importlib.import_module(f"ragkit.cli.commands.{name}")
        return cast("click.Command", module.command())


def application() -> click.Group:
    """The parser of all commands."""
    group = _Commands(
        name="ragkit",
        help=(
            "Point it at a folder of documents and ask: search by meaning and by words, offline"
            " with the model inside, or with any embeddings API."
        ),
        epilog=EXAMPLES.format(
            "ragkit index docs/\n"
            '  ragkit search "how are keys rotated?"\n'
            '  ragkit context "how are keys rotated?" --max-tokens 2000'
        ),
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
        no_args_is_help=True,
    )
    version = click.version_option(ragkit.__version__, prog_name="ragkit")
    return version(group)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code; every expected error is one line."""
    given = None if arguments is None else list(arguments)
    try:
        code = application().main(args=given, prog_name="ragkit", standalone_mode=False)
        flush()
    except click.Abort:
        write_error("interrupted")
        return INTERRUPTED
    except click.ClickException as error:
        error.show(sys.stderr)
        return error.exit_code
    except RagkitError as error:
        write_error(str(error))
        return exit_code_of(error)
    except OSError as error:
        # A full disk, a folder without permission: the system's words, and no traceback.
        where = f": {error.filename}" if isinstance(error.filename, str) else ""
        write_error(f"{error.strerror or type(error).__name__}{where}")
        return FAILED
    return code if isinstance(code, int) else DONE


def exit_code_of(error: RagkitError) -> int:
    """What the shell is told of an error."""
    if isinstance(error, InvalidArgument):
        return USAGE
    if isinstance(error, (OutOfCredit, BudgetSpent)):
        return STOPPED
    return FAILED
