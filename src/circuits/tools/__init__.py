"""Tools to look at a tree, and to take it apart (manual: circuits.tools)."""

from __future__ import annotations

from circuits.core.utils import findroot

from .checks import Finding, check
from .graphs import (
    GraphvizError,
    edges,
    graph,
    graph_ascii,
    graph_dot,
    graph_mermaid,
    graph_png,
    walk,
)
from .imports import deprecated, tryimport
from .suspended import Suspended, TaskDump, tasks
from .trees import inspect, kill

__all__ = [
    "Finding",
    "GraphvizError",
    "Suspended",
    "TaskDump",
    "check",
    "deprecated",
    "edges",
    "findroot",
    "graph",
    "graph_ascii",
    "graph_dot",
    "graph_mermaid",
    "graph_png",
    "inspect",
    "kill",
    "tasks",
    "tryimport",
    "walk",
]
