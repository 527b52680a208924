"""The shape of a tree, as text, for graphviz and for Mermaid."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

from circuits.core.errors import CircuitsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from circuits.core.manager import Manager

__all__ = [
    "GraphvizError",
    "edges",
    "graph",
    "graph_ascii",
    "graph_dot",
    "graph_mermaid",
    "graph_png",
    "walk",
]

#: Seconds that graphviz may take for a picture.
_DOT_SECONDS = 30


class GraphvizError(CircuitsError):
    """A picture could not be drawn: graphviz is not installed, or failed."""


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
    stack = [(d, x)]
    while stack:
        depth, node = stack.pop()
        if node not in seen:
            seen.add(node)
            yield f(depth, node)
            stack.extend((depth + 1, child) for child in reversed(list(node.components)))


def _nodes(x: Manager) -> list[Manager]:
    return list(walk(x, lambda _, node: node))


def edges(x: Manager) -> set[tuple[Manager, Manager]]:
    """The pairs of parent and child in a tree."""
    return {(node, child) for node in _nodes(x) for child in list(node.components)}


def graph_ascii(x: Manager) -> str:
    """A line for each component, indented by its depth.

    .. versionadded:: 2.1
       From the 3.x line.
    """
    return "\n".join(walk(x, lambda depth, node: f"{' ' * depth}* {node!r}"))


def graph_dot(x: Manager, name: str | None = None) -> str:
    """The tree in the language of graphviz.

    Args:
        x: Top of what is shown.
        name: Name of the graph; by default that of ``x``.

    .. versionadded:: 2.1
       From the 3.x line.
    """
    labels = _labels(x)
    lines = [f"digraph {_quote(x.name if name is None else name)} {{"]
    lines += [f"    {_quote(label)};" for label in labels.values()]
    lines += [
        f"    {_quote(labels[parent])} -> {_quote(labels[child])};"
        for parent in labels
        for child in list(parent.components)
        if child in labels
    ]
    return "\n".join([*lines, "}"]) + "\n"


def _labels(x: Manager) -> dict[Manager, str]:
    """For each component the name of its class and four digits that no other one there has."""
    labels: dict[Manager, str] = {}
    taken: set[int] = set()
    for node in _nodes(x):
        digits = id(node) >> 4 & 0xFFFF
        while digits in taken and len(taken) < 0x10000:
            digits = (digits + 1) & 0xFFFF
        taken.add(digits)
        labels[node] = f"{type(node).__name__}-{digits:04x}"
    return labels


def _quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def graph_mermaid(x: Manager) -> str:
    """The tree as a Mermaid flow chart, which many places that show Markdown can draw.

    .. versionadded:: 2.1
    """
    nodes = {node: f"n{number}" for number, node in enumerate(_nodes(x))}
    lines = ["graph TD"]
    for node, key in nodes.items():
        channel = f"/{node._tree_channels[0]}" if hasattr(node, "channel") else ""
        text = f"{type(node).__name__}{channel}".replace("&", "#amp;").replace('"', "#quot;")
        lines.append(f'    {key}["{" ".join(text.split())}"]')
    lines += [
        f"    {key} --> {nodes[child]}"
        for node, key in nodes.items()
        for child in list(node.components)
        if child in nodes
    ]
    return "\n".join(lines) + "\n"


def graph_png(x: Manager, name: str | None = None) -> str:
    """Draw a tree, with graphviz.

    Args:
        x: Top of what is shown.
        name: Path of the files ``<name>.dot`` and ``<name>.png``; by default the name of ``x``.

    Returns:
        Path of the picture.

    Raises:
        GraphvizError: The program ``dot`` is not installed, or could not draw it.
        OSError: The file cannot be written.

    .. versionadded:: 2.1
       From the 3.x line.
    """
    program = shutil.which("dot")
    if program is None:
        raise GraphvizError(
            "a picture needs the program dot: install graphviz, or use graph_dot or graph_mermaid"
        )
    path = x.name if name is None else name
    with open(f"{path}.dot", "w", encoding="utf-8") as file:
        file.write(graph_dot(x, os.path.basename(path)))
    try:
        subprocess.run(
            [program, "-Tpng", f"-o{path}.png", f"{path}.dot"],
            check=True,
            capture_output=True,
            timeout=_DOT_SECONDS,
        )
    except subprocess.CalledProcessError as problem:
        reason = problem.stderr.decode(errors="replace").strip()
        raise GraphvizError(f"dot failed with status {problem.returncode}: {reason}") from problem
    except (OSError, subprocess.SubprocessError) as problem:
        raise GraphvizError(f"dot failed: {problem}") from problem
    return f"{path}.png"


def graph(x: Manager, name: str | None = None) -> str:
    """Show a tree as text; with a name, also draw it where graphviz is installed.

    Args:
        x: Top of what is shown.
        name: Write ``<name>.dot`` and ``<name>.png``. That they cannot be written is no error;
            use :func:`graph_png` to be told.
    """
    if name is not None:
        try:
            graph_png(x, name)
        except (GraphvizError, OSError):
            pass  # the text is what was asked for
    return graph_ascii(x)
