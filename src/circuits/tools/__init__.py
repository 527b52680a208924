"""Tools to look at a tree, and to take it apart (manual: circuits.tools)."""

from __future__ import annotations

from circuits.core.utils import findroot

from .graphs import edges, graph, graph_ascii, graph_dot, walk
from .imports import deprecated, tryimport
from .trees import inspect, kill

__all__ = [
    "deprecated",
    "edges",
    "findroot",
    "graph",
    "graph_ascii",
    "graph_dot",
    "inspect",
    "kill",
    "tryimport",
    "walk",
]
