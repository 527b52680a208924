"""``circuits migrate``: what changed since 2.1 and 3.x, in the source of a program."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from typing import TYPE_CHECKING

from circuits.tools.migration import find_idioms

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["main", "make_parser"]

#: Folders that are nobody's source.
_SKIPPED = frozenset({"__pycache__", "node_modules", "venv", "build", "dist", "site-packages"})


def make_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(
        prog="circuits migrate",
        description="Report what a program of circuits 2.1 or 3.x does that is done differently now: "
        "a line for each place, with the cure. What works as it did is not reported. The program is "
        "read, and neither run nor changed.",
        epilog="Exit status: 0 if nothing was found, 1 if something was, 2 if a file cannot be read.",
    )
    add = parser.add_argument
    add("paths", nargs="+", metavar="PATH", help="a file, or a folder whose *.py are read")
    add("--json", action="store_true", help="print a list of JSON instead of lines")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Print what was found."""
    options = make_parser().parse_args(argv)
    found, has_failed, files = [], False, 0
    for path in _files(options.paths):
        try:
            with open(path, "rb") as file:
                source = file.read()
        except OSError as problem:
            print(f"circuits migrate: {problem}", file=sys.stderr)
            has_failed = True
            continue
        files += 1
        found += find_idioms(source, path)
    if options.json:
        print(json.dumps([dataclasses.asdict(idiom) for idiom in found], indent=2))
    else:
        for idiom in found:
            # A name on disk need not be text.
            print(str(idiom).encode("utf-8", "backslashreplace").decode())
        counted = (_count(files, "file"), _count(len(found), "place"))
        print(f"{', '.join(counted)} that changed", file=sys.stderr)
    return 2 if has_failed else 1 if found else 0


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _files(paths: Sequence[str]) -> Iterator[str]:
    for path in paths:
        if not os.path.isdir(path):
            yield path
            continue
        for folder, folders, files in os.walk(path):
            folders[:] = sorted(f for f in folders if f not in _SKIPPED and f[0] != ".")
            for file in sorted(files):
                full = os.path.join(folder, file)
                if file.endswith((".py", ".pyw")) and (
                    os.path.isfile(full) or os.path.islink(full)
                ):
                    yield full
