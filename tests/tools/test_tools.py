"""circuits.tools: the shape of a tree, and its end."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING

import pytest

from circuits import Component, Manager, handler, tools

if TYPE_CHECKING:
    from pathlib import Path


class A(Component):
    def foo(self) -> None: ...


class B(Component):
    channel = "b"


def tree() -> tuple[A, B, B]:
    top, middle, low = A(), B(), B()
    middle.register(top)
    low.register(middle)
    while len(top):
        top.flush()
    return top, middle, low


def test_graph_indents_by_depth() -> None:
    top, middle, low = tree()
    assert tools.graph(top) == f"* {top!r}\n * {middle!r}\n  * {low!r}"
    assert tools.graph_ascii(top) == tools.graph(top)


def test_walk_and_edges_visit_the_whole_tree() -> None:
    top, middle, low = tree()
    assert list(tools.walk(top, lambda d, c: (d, c))) == [(0, top), (1, middle), (2, low)]
    assert tools.edges(top) == {(top, middle), (middle, low)}
    assert tools.findroot(low) is top


def test_graph_dot_has_a_node_per_instance_and_an_edge_per_pair() -> None:
    lines = tools.graph_dot(tree()[0]).splitlines()
    assert len([line for line in lines if "->" in line]) == 2
    assert len({line for line in lines if "->" not in line and line.endswith(";")}) == 3


def test_a_picture_that_cannot_be_written_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: os.path.join("nowhere", name))
    top = tree()[0]
    missing = tmp_path / "missing" / "picture"
    assert tools.graph(top, str(missing)) == tools.graph(top)
    assert not missing.parent.exists()


def test_inspect_lists_children_and_handlers() -> None:
    top, middle, _ = tree()
    text = tools.inspect(top)
    assert text.startswith(f" Components: 1\n  {middle!r}\n\n Event Handlers: 3\n")
    names = [line.split(";")[0].strip() for line in text.splitlines() if ";" in line]
    assert names == ["unregister", "foo", "prepare_unregister_complete"]
    assert "   <listener[*.foo] (A.foo)>\n" in text
    assert text.endswith("\n")


def test_inspect_shows_nameless_handlers_under_a_star() -> None:
    class Nosy(Component):
        @handler(channel="*")
        def _on_all(self, *args: object) -> None: ...

    assert "  *; 1\n   <listener[*.] (Nosy._on_all)>\n" in tools.inspect(Nosy())


def test_kill_leaves_every_component_alone() -> None:
    top, middle, low = tree()
    tools.kill(top)
    while len(top):
        top.flush()
    for component in (top, middle, low):
        assert component.root is component
        assert not component.components


def test_tryimport_takes_the_first_that_is_there() -> None:
    assert tools.tryimport(("no_such_module_here", "os")) is os
    assert tools.tryimport("os", "sep") == os.sep
    assert tools.tryimport("no_such_module_here") is None
    with pytest.warns(UserWarning, match="get it"):
        assert tools.tryimport("no_such_module_here", message="get it") is None


def test_deprecated_warns_at_each_call_and_keeps_the_name() -> None:
    @tools.deprecated
    def old(x: int) -> int:
        return x + 1

    assert old.__name__ == "old"
    for _ in range(2):
        with pytest.warns(DeprecationWarning, match="old"):
            assert old(1) == 2


def test_looking_at_a_plain_manager_works() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert tools.inspect(Manager()) == " Components: 0\n\n Event Handlers: 0\n"
