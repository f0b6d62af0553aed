"""The command line: parse, call one public function, print."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line.

    Args:
        arguments: Without the program's name; None takes the process's own.

    Returns:
        The exit code: 0 done, 1 error, 2 usage, 3 done but some files failed, 4 stopped by budget
        or missing credit, 130 interrupted.
    """
    try:
        # Inside, so that Ctrl-C while modules load ends as quietly as it does later.
        from ragkit.cli.application import run  # noqa: PLC0415

        return run(arguments)
    except KeyboardInterrupt:
        sys.stderr.write("ragkit: interrupted\n")
        return 130
