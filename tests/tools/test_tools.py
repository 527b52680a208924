"""circuits.tools: the shape of a tree, and its end."""

from __future__ import annotations

import os
import sys
import warnings
from typing import TYPE_CHECKING

import pytest

from circuits import Component, Manager, handler, tools
from circuits.tools import graphs

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


def test_the_depth_of_a_tree_has_no_limit() -> None:
    top = node = Component()
    for _ in range(3000):
        node = Component().register(node)
    assert list(tools.walk(top, lambda d, c: d)) == [*range(3001)]
    assert tools.graph_ascii(top).count("\n") == 3000


def test_graph_dot_has_a_node_per_instance_and_an_edge_per_pair() -> None:
    lines = tools.graph_dot(tree()[0]).splitlines()
    assert len([line for line in lines if "->" in line]) == 2
    assert len({line for line in lines if "->" not in line and line.endswith(";")}) == 3


def test_labels_are_unique_even_if_addresses_are_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    top = tree()[0]
    monkeypatch.setattr(graphs, "id", lambda thing: 0xABCDEF0, raising=False)
    lines = tools.graph_dot(top).splitlines()
    assert lines[1:4] == ['    "A-cdef";'] + [f'    "B-{digits}";' for digits in ("cdf0", "cdf1")]
    assert lines[4:6] == ['    "A-cdef" -> "B-cdf0";', '    "B-cdf0" -> "B-cdf1";']


def test_names_are_quoted() -> None:
    odd = type('A"\\', (Component,), {"channel": 'say "hi" & <go>'})()
    assert tools.graph_dot(odd, 'the "graph"').startswith('digraph "the \\"graph\\"" {\n')
    assert '"A\\"\\\\-' in tools.graph_dot(odd)
    assert tools.graph_mermaid(odd) == (
        'graph TD\n    n0["A#quot;\\/say #quot;hi#quot; #amp; <go>"]\n'
    )


def test_mermaid_has_a_node_per_component_and_an_edge_per_pair() -> None:
    assert tools.graph_mermaid(tree()[0]) == (
        'graph TD\n    n0["A/*"]\n    n1["B/b"]\n    n2["B/b"]\n    n0 --> n1\n    n1 --> n2\n'
    )


def test_a_picture_that_cannot_be_written_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: os.path.join("nowhere", name))
    top = tree()[0]
    missing = tmp_path / "missing" / "picture"
    assert tools.graph(top, str(missing)) == tools.graph(top)
    assert not missing.parent.exists()


def install_dot(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Put a program in the place of graphviz."""
    program = folder / "dot"
    program.write_text(f"#!{sys.executable}\nimport sys\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


@pytest.mark.process
@pytest.mark.skipif(os.name == "nt", reason="needs scripts that can be run")
def test_graphviz_draws_the_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_dot(
        tmp_path,
        monkeypatch,
        "format, out, source = sys.argv[1:]\nopen(out[2:], 'w').write(format + open(source).read())",
    )
    top = tree()[0]
    path = tools.graph_png(top, str(tmp_path / "picture"))
    assert path == str(tmp_path / "picture.png")
    dot = (tmp_path / "picture.dot").read_text()
    assert dot == tools.graph_dot(top, "picture")
    assert (tmp_path / "picture.png").read_text() == "-Tpng" + dot
    monkeypatch.chdir(tmp_path)
    assert tools.graph_png(top) == "A.png"
    assert tools.graph(top, "B") == tools.graph_ascii(top)
    assert (tmp_path / "B.png").exists()


@pytest.mark.process
@pytest.mark.skipif(os.name == "nt", reason="needs scripts that can be run")
def test_graphviz_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    top = tree()[0]
    install_dot(tmp_path, monkeypatch, "sys.exit('out of ink')")
    with pytest.raises(tools.GraphvizError, match="status 1: out of ink"):
        tools.graph_png(top, str(tmp_path / "picture"))
    assert tools.graph(top, str(tmp_path / "picture")) == tools.graph_ascii(top)


def test_graphviz_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(tools.GraphvizError, match="install graphviz"):
        tools.graph_png(tree()[0], str(tmp_path / "picture"))
    assert list(tmp_path.iterdir()) == []


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
