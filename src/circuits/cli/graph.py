"""``circuits graph``: the components of an application as a tree."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from circuits.tools import GraphvizError, graph_ascii, graph_dot, graph_mermaid, graph_png

from ._application import make_application

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main", "make_parser"]

_FORMATS = {"text": graph_ascii, "dot": graph_dot, "mermaid": graph_mermaid}


def make_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(
        prog="circuits graph",
        description="Show the components of an application as a tree. It is made, not run.",
    )
    add = parser.add_argument
    add("application", metavar="MODULE:NAME", help="a component, or its class")
    add(
        "-f",
        "--format",
        choices=sorted(_FORMATS),
        default="text",
        help="dot is the language of graphviz, mermaid that of many sites (default: text)",
    )
    add(
        "-o",
        "--output",
        metavar="FILE",
        help="write to this file; one that ends in .png is a picture, for which graphviz is needed",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Print the tree, or write it."""
    parser = make_parser()
    options = parser.parse_args(argv)
    app = make_application(parser, options.application)
    output: str | None = options.output
    try:
        if output is not None and output.endswith(".png"):
            graph_png(app, output.removesuffix(".png"))
            return 0
        text = _FORMATS[options.format](app).rstrip("\n") + "\n"
        if output is None:
            sys.stdout.write(text)
        else:
            with open(output, "w", encoding="utf-8") as file:
                file.write(text)
    except (OSError, GraphvizError) as problem:
        print(f"circuits graph: {problem}", file=sys.stderr)
        return 1
    return 0
