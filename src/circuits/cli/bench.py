"""``circuits bench``: what the program ``circuits.bench`` does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from circuits import bench as program

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

__all__ = ["main", "make_parser"]

_PROG = "circuits bench"


def make_parser() -> argparse.ArgumentParser:
    """The options of ``circuits.bench``."""
    return program.make_parser(_PROG)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure."""
    return program.main(argv, _PROG)
