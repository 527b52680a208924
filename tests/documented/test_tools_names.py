"""The documented names of circuits.tools, and what they give."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from circuits import Component, tools
from tests.documented.test_app_names import signature_of


class Bob(Component): ...


class Fred(Component): ...


class Pound(Component):
    """The complex component of the tutorial."""

    def __init__(self) -> None:
        super().__init__()
        self.bob = Bob().register(self)
        self.fred = Fred().register(self)


@pytest.mark.parametrize(
    "name",
    [
        "tryimport",
        "walk",
        "edges",
        "findroot",
        "kill",
        "graph",
        "inspect",
        "deprecated",
        "graph_ascii",
        "graph_dot",
        "graph_png",
    ],
)
def test_the_name_is_where_it_is_documented(name: str) -> None:
    assert callable(getattr(tools, name))


@pytest.mark.parametrize(
    ("tool", "documented"),
    [
        (tools.graph, "(x, name=None)"),
        (tools.inspect, "(x)"),
        (tools.kill, "(x)"),
        (tools.edges, "(x)"),
        (tools.walk, "(x, f, d=0, v=None)"),
        (tools.tryimport, "(modules, obj=None, message=None)"),
    ],
)
def test_signatures(tool: Any, documented: str) -> None:
    assert signature_of(tool) == documented


def test_graph_shows_the_tutorial() -> None:
    pound = Pound()
    assert tools.graph(pound).splitlines() == [
        f"* {pound!r}",
        f" * {pound.bob!r}",
        f" * {pound.fred!r}",
    ]


def test_walk_is_a_generator() -> None:
    pound = Pound()
    walk = tools.walk(pound, lambda depth, component: (depth, component))
    assert inspect.isgenerator(walk)
    assert list(walk) == [(0, pound), (1, pound.bob), (1, pound.fred)]


def test_edges_are_pairs() -> None:
    pound = Pound()
    assert tools.edges(pound) == {(pound, pound.bob), (pound, pound.fred)}


def test_findroot() -> None:
    pound = Pound()
    assert tools.findroot(pound.bob) is pound
