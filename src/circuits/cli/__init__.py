"""The program ``circuits``: one command for each module of this package.

A command is a line of :data:`COMMANDS` and a module of that name with two functions:

- ``make_parser()`` returns the :class:`argparse.ArgumentParser`, whose ``prog`` is ``circuits NAME``;
- ``main(argv)`` runs the command with the arguments after its name, and returns the exit status.

A module is imported when its command is asked for, and not before: ``circuits --help`` brings
nothing in.
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from typing import TYPE_CHECKING, cast

from circuits._version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    class Command(Protocol):
        """What a module of this package is."""

        def make_parser(self) -> argparse.ArgumentParser:
            """The options of the command."""

        def main(self, argv: Sequence[str] | None = None) -> int:
            """Run it."""


__all__ = ["COMMANDS", "command", "main"]

#: The commands and what ``--help`` says of them, in this order.
COMMANDS: dict[str, str] = {
    "new": "make a starter project, whose tests pass",
    "web": "serve a folder, or an application, over HTTP",
    "inspect": "show a live page of a running process in a browser",
    "sniff": "watch the events of a running process in the terminal",
    "graph": "show the components of an application as a tree",
    "bench": "measure how many events circuits passes here, and how fast",
}


def command(name: str) -> Command:
    """The module of a command.

    Raises:
        KeyError: There is no such command.
    """
    if name not in COMMANDS:
        raise KeyError(name)
    return cast("Command", import_module(f"circuits.cli.{name}"))


def _make_parser() -> argparse.ArgumentParser:
    width = max(map(len, COMMANDS))
    table = "\n".join(f"  {name:<{width}}  {summary}" for name, summary in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="circuits",
        usage="%(prog)s [-h] [--version] COMMAND ...",
        description="Run, watch and measure applications made with circuits.",
        epilog=f"commands:\n{table}\n\n'circuits COMMAND --help' tells more of one of them.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"circuits {__version__}")
    parser.add_argument("command", nargs="?", metavar="COMMAND", help=argparse.SUPPRESS)
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program.

    Args:
        argv: The arguments; ``None`` takes those of the process.

    Returns:
        The exit status.
    """
    parser = _make_parser()
    given = list(sys.argv[1:] if argv is None else argv)
    # What stands after the command is for that alone, ``--help`` and ``--version`` included.
    name = next(iter(given), None)
    if name is None or name.startswith("-"):
        options = parser.parse_args(given)
        name, given = options.command, [options.command, *options.arguments]
        if name is None:
            parser.print_help()
            return 2
    if name not in COMMANDS:
        parser.error(f"there is no command {name!r}; there are {', '.join(COMMANDS)}")
    return command(name).main(given[1:])
