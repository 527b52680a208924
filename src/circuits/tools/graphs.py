"""The shape of a tree, as text and for graphviz."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from circuits.core.manager import Manager

__all__ = ["edges", "graph", "graph_ascii", "graph_dot", "walk"]

#: Seconds that graphviz may take for a picture.
_DOT_SECONDS = 30


def walk(
    x: Manager, f: Callable[[int, Manager], Any], d: int = 0, v: set[Any] | None = None
) -> Iterator[Any]:
    """Call a function for each component in pre-order, and yield what it returns.

    Args:
        x: Where to begin.
        f: Called with the depth and the component.
        d: Depth of ``x``.
        v: Components to leave out; those met are added.
    """
    seen: set[Any] = set() if v is None else v
    if x in seen:
        return
    seen.add(x)
    yield f(d, x)
    for child in list(x.components):
        yield from walk(child, f, d + 1, seen)


def edges(x: Manager) -> set[tuple[Manager, Manager]]:
    """The pairs of parent and child in a tree."""
    return {
        (node, child) for node in walk(x, lambda _, node: node) for child in list(node.components)
    }


def graph_ascii(x: Manager) -> str:
    """A line for each component, indented by its depth.

    .. versionadded:: 2.1
       From the 3.x line.
    """
    return "\n".join(walk(x, lambda depth, node: f"{' ' * depth}* {node!r}"))


def graph_dot(x: Manager) -> str:
    """The tree in the language of graphviz.

    .. versionadded:: 2.1
       From the 3.x line.
    """
    lines = ["digraph circuits {"]
    lines += [f'    "{_label(node)}";' for node in walk(x, lambda _, node: node)]
    for parent in walk(x, lambda _, node: node):
        lines += [f'    "{_label(parent)}" -> "{_label(c)}";' for c in list(parent.components)]
    return "\n".join([*lines, "}"]) + "\n"


def _label(node: Manager) -> str:
    return f"{type(node).__name__}-{id(node) >> 4 & 0xFFFF:04x}"


def graph(x: Manager, name: str | None = None) -> str:
    """Show a tree as text; with a name, also draw it where graphviz is installed.

    Args:
        x: Top of what is shown.
        name: Write ``<name>.dot`` and ``<name>.png``. That they cannot be written is no error.
    """
    if name is not None and shutil.which("dot") is not None:
        try:
            with open(f"{name}.dot", "w", encoding="utf-8") as file:
                file.write(graph_dot(x))
            subprocess.run(
                ["dot", "-Tpng", f"-o{name}.png", f"{name}.dot"],
                check=False,
                capture_output=True,
                timeout=_DOT_SECONDS,
            )
        except (OSError, subprocess.SubprocessError):
            pass  # the text is what was asked for
    return graph_ascii(x)
