"""What may come in: the names of the framework's own events are not for others."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

import pytest

from circuits.core.events import BaseEvent
from circuits.core.utils import uncamel
from circuits.node import RESERVED
from circuits.node._accept import Acceptance
from circuits.node._reserved import KERNEL


def events_of(*packages: str) -> Iterator[type[BaseEvent]]:
    """The event classes that the modules of some packages have."""
    for name in packages:
        package = importlib.import_module(f"circuits.{name}")
        modules = [package]
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not found.name.endswith("__main__"):
                modules.append(importlib.import_module(found.name))
        for module in modules:
            for thing in vars(module).values():
                if isinstance(thing, type) and issubclass(thing, BaseEvent):
                    if thing.__module__.startswith("circuits."):
                        yield thing


def test_the_list_is_that_of_the_framework() -> None:
    names = {cls.name for cls in events_of("core", "net", "io", "web", "app", "node")}
    missing = {name for name in names if not name.startswith("_")} - RESERVED
    assert missing == set()
    # What has no class: the event of 3.x, and two commands of Startup.
    assert RESERVED - names == {"exception", "rehash", "restart"}
    assert "exception" in KERNEL
    assert KERNEL < RESERVED


def spellings(name: str) -> set[str]:
    words = name.split("_")
    camel = "".join(word.capitalize() for word in words)
    return {
        name, name.upper(), name.title(), camel, camel[:1].lower() + camel[1:], name.capitalize(),
        camel.upper(), name.replace("_", ""),
    }  # fmt: skip


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_a_reserved_name_does_not_come_in_however_spelt(name: str) -> None:
    takes = Acceptance().takes
    for spelling in spellings(name):
        assert not takes(spelling)
        assert not takes(f"{spelling}_success")
        assert not takes(f"{spelling}ValueChanged")
        assert not takes(uncamel(spelling))


@pytest.mark.parametrize(
    "name", ["order", "order_complete", "OrderPlaced", "greet", "x", "reader", "download_success"]
)
def test_others_do(name: str) -> None:
    assert Acceptance().takes(name)


@pytest.mark.parametrize("name", ["_", "_read", "__class__", "_Order"])
def test_what_begins_with_an_underscore_never_does(name: str) -> None:
    assert not Acceptance().takes(name)
    with pytest.raises(ValueError, match="kernel"):
        Acceptance([name])


def test_what_is_named_is_all_that_does() -> None:
    class OrderPlaced(BaseEvent): ...

    accept = Acceptance(["load", OrderPlaced])
    assert [accept.takes(n) for n in ("load", "Load", "order_placed", "OrderPlaced")] == [True] * 4
    assert [accept.takes(n) for n in ("order_placed_success", "x", "task")] == [False] * 3


@pytest.mark.parametrize("name", sorted(KERNEL))
def test_the_kernel_cannot_be_named(name: str) -> None:
    for spelling in spellings(name):
        with pytest.raises(ValueError, match="kernel"):
            Acceptance([spelling])


def test_what_is_remembered_is_bounded() -> None:
    accept = Acceptance()
    for n in range(3000):
        assert accept.takes(f"name{n}")
    assert len(accept._judged) <= 1000
