"""``circuits check``: what does not fit together in an application."""

from __future__ import annotations

import argparse
import dataclasses
import json
from importlib import import_module
from typing import TYPE_CHECKING

from circuits.tools import check

from ._application import make_application

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main", "make_parser"]


def make_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(
        prog="circuits check",
        description="Find handlers whose events nobody fires, and events that nobody handles. The "
        "application is made, not run; what is fired is looked up in the sources of its modules.",
        epilog="Exit status: 0 if nothing was found, 1 if something was, 2 if there is no such "
        "application. Names that are made up at run time are not seen.",
    )
    add = parser.add_argument
    add("application", metavar="MODULE:NAME", help="a component, or its class")
    add(
        "-m",
        "--module",
        action="append",
        default=[],
        metavar="MODULE",
        help="a module whose source counts, too; may be given several times",
    )
    add(
        "-k",
        "--kind",
        choices=("unfired", "unhandled"),
        help="only handlers that nobody fires for, or only events that nobody handles",
    )
    add("--json", action="store_true", help="print a list of JSON instead of lines")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Print what was found."""
    parser = make_parser()
    options = parser.parse_args(argv)
    app = make_application(parser, options.application)
    try:
        modules = [import_module(module) for module in options.module]
    except ModuleNotFoundError as problem:
        parser.error(str(problem))
    found = [
        finding
        for finding in check(app, *modules)
        if options.kind is None or finding.kind == options.kind
    ]
    if options.json:
        print(json.dumps([dataclasses.asdict(finding) for finding in found], indent=2))
    else:
        for finding in found:
            print(finding)
    return 1 if found else 0
