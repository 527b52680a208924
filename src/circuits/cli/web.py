"""``circuits web``: what the program ``circuits.web`` does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from circuits.web import _command_line
from circuits.web import main as program

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

__all__ = ["main", "make_parser"]

_PROG = "circuits web"


def make_parser() -> argparse.ArgumentParser:
    """The options of ``circuits.web``."""
    return _command_line.make_parser(_PROG)


def main(argv: Sequence[str] | None = None) -> int:
    """Serve."""
    return program.main(argv, _PROG)
