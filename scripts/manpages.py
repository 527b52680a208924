"""Write the pages for man of the commands that are no programs of their own, from their parsers."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from circuits.cli import COMMANDS, command

FOLDER = Path(__file__).parents[1] / "docs" / "man"

#: These have a page by their old name, ``circuits.web``, written by hand.
PROGRAMS = frozenset({"web", "bench", "sniff"})


def page(name: str) -> str:
    """The page of a command."""
    parser = command(name).make_parser()
    title = f"circuits-{name}".upper()
    lines = [
        f'.TH {title} 1 "" "circuits" "User Commands"',
        ".SH NAME",
        rf"circuits\-{_plain(name)} \- {_plain(COMMANDS[name])}",
        ".SH SYNOPSIS",
        rf".B circuits {_plain(name)}",
        *_synopsis(parser),
        ".SH DESCRIPTION",
        _plain(parser.description or ""),
        ".SH OPTIONS",
    ]
    formatter = parser._get_formatter()
    for action in sorted(parser._actions, key=lambda action: bool(action.option_strings)):
        text = formatter._expand_help(action) if action.help else ""
        if action.choices:
            text += f" ({', '.join(map(str, action.choices))})"
        lines += [".TP", _label(action), _plain(" ".join(text.split()))]
    if parser.epilog:
        status, colon, rest = parser.epilog.partition(": ")
        if colon and status == "Exit status":
            lines += [".SH EXIT STATUS", _plain(rest)]
        else:
            lines += [".SH EXAMPLES", ".nf", *map(_plain, parser.epilog.splitlines()), ".fi"]
    lines += [".SH SEE ALSO", ".BR circuits (1)"]
    return "\n".join(lines) + "\n"


def _synopsis(parser: argparse.ArgumentParser) -> list[str]:
    parts = []
    if any(action.option_strings for action in parser._actions):
        parts.append(r"[\fIOPTION\fR]...")
    for action in parser._actions:
        if not action.option_strings:
            word = rf"\fI{_plain(_value(action))}\fR"
            shown = {"?": f"[{word}]", "+": f"{word}...", "*": f"[{word}]..."}
            parts.append(shown.get(str(action.nargs), word))
    return [" ".join(parts)]


def _value(action: argparse.Action) -> str:
    return str(action.metavar or action.dest.upper())


def _label(action: argparse.Action) -> str:
    if not action.option_strings:
        return rf"\fI{_plain(_value(action))}\fR"
    names = ", ".join(rf"\fB{_plain(name)}\fR" for name in action.option_strings)
    if action.nargs == 0:
        return names
    value = rf"\fI{_plain(_value(action))}\fR"
    return f"{names} [{value}]" if action.nargs == "?" else f"{names} {value}"


def _plain(text: str) -> str:
    text = text.replace("\\", r"\e").replace("-", r"\-")
    return text if text[:1] not in (".", "'") else rf"\&{text}"


def pages() -> dict[str, str]:
    """All of them, by the names of their files."""
    return {f"circuits-{name}.1": page(name) for name in COMMANDS if name not in PROGRAMS}


if __name__ == "__main__":
    for file, text in pages().items():
        (FOLDER / file).write_text(text, encoding="utf-8")
        print(f"docs/man/{file}", file=sys.stderr)
