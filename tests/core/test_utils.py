from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from circuits import Component, Manager
from circuits.core.utils import (
    findchannel,
    findcmp,
    findroot,
    findtype,
    flatten,
    safeimport,
    uncamel,
)


@pytest.mark.parametrize(
    ("camel", "plain"),
    [
        ("FooBar", "foo_bar"),
        ("WritePID", "write_pid"),
        ("Foo2Bar", "foo2_bar"),
        ("Foo_Bar", "foo_bar"),
        ("GET", "get"),
        ("HTTPRequest", "httprequest"),
        ("MyHTTPEvent", "my_httpevent"),
        ("hello", "hello"),
        ("helloWorld", "hello_world"),
        ("MySpecialEvent", "my_special_event"),
        ("", ""),
        ("A", "a"),
        ("_Foo", "_foo"),
    ],
)
def test_uncamel(camel: str, plain: str) -> None:
    assert uncamel(camel) == plain


class One(Component):
    channel = "one"


class Two(Component):
    channel = "two"


class Three(Two):
    pass


def tree() -> tuple[Manager, One, Two, Three, Two]:
    root = Manager()
    one = One().register(root)
    two = Two().register(one)
    three = Three().register(one)
    last = Two().register(root)
    return root, one, two, three, last


def test_flatten_walks_in_pre_order_and_meets_each_once() -> None:
    root, one, two, three, last = tree()
    assert list(flatten(root)) == [root, one, two, three, last]
    assert list(flatten(one)) == [one, two, three]


def test_flatten_leaves_out_what_was_visited_and_notes_what_it_meets() -> None:
    root, one, two, three, last = tree()
    visited: set[Manager] = {one}
    assert list(flatten(root, visited=visited)) == [root, last]
    assert visited == {root, one, last}
    assert two not in visited
    assert three not in visited


def test_findchannel() -> None:
    root, one, two, three, last = tree()
    assert findchannel(root, "two") is two
    assert findchannel(root, "two", all=True) == [two, three, last]
    assert findchannel(one, "one") is one
    assert findchannel(root, "none") is None
    assert findchannel(root, "none", all=True) == []


@pytest.mark.parametrize("find", [findtype, findcmp])
def test_findtype_counts_subclasses_and_the_root(find: Any) -> None:
    root, one, two, three, last = tree()
    assert find(root, Two) is two
    assert find(root, Two, all=True) == [two, three, last]
    assert find(root, Three) is three
    assert find(root, Manager) is root
    assert find(one, int) is None
    assert find(one, int, all=True) == []


def test_findcmp_is_another_name_of_findtype() -> None:
    assert findcmp is findtype


def test_findroot() -> None:
    root, one, two, _, _ = tree()
    assert findroot(two) is findroot(one) is findroot(root) is root


def test_safeimport_imports_and_reloads(modules: Path) -> None:
    (modules / "si_one.py").write_text("value = 1\n")
    module = safeimport("si_one")
    assert module is not None
    assert module.value == 1
    (modules / "si_one.py").write_text("value = 2\n")
    again = safeimport("si_one")
    assert again is module
    assert again.value == 2


@pytest.mark.parametrize("source", ["1 / 0", "syntax error here", "import si_no_such_module"])
def test_safeimport_of_a_broken_module_leaves_no_trace(modules: Path, source: str) -> None:
    (modules / "si_other.py").write_text("pass\n")
    (modules / "si_broken.py").write_text(f"import si_other\n{source}\n")
    assert safeimport("si_broken") is None
    assert "si_broken" not in sys.modules
    assert "si_other" not in sys.modules


def test_safeimport_of_nothing() -> None:
    assert safeimport("si_no_such_module") is None


def test_safeimport_gives_nothing_when_a_reload_fails(modules: Path) -> None:
    (modules / "si_two.py").write_text("value = 1\n")
    assert safeimport("si_two") is not None
    (modules / "si_two.py").write_text("1 / 0 # longer than before\n")
    assert safeimport("si_two") is None
