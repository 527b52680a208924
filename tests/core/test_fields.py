from __future__ import annotations

import inspect
from typing import Any, ClassVar

import pytest

from circuits import Component, Event
from circuits.testing import settle


class Moved(Event):
    x: int
    y: int = 5


class Turned(Moved):
    angle: float = 0.0


def test_fields_make_a_constructor() -> None:
    assert Moved(1, 2).args == [1, 2]
    assert Moved(1).args == [1, 5]
    assert Moved(y=2, x=1).args == [1, 2]
    assert Moved(1).kwargs == {}
    assert list(inspect.signature(Moved).parameters) == ["x", "y"]


@pytest.mark.parametrize("args", [(), (1, 2, 3)])
def test_the_constructor_checks_the_number_of_arguments(args: tuple[Any, ...]) -> None:
    with pytest.raises(TypeError, match=r"Moved.__init__"):
        Moved(*args)


def test_attributes_are_views_on_args() -> None:
    event = Moved(1, 2)
    assert (event.x, event.y) == (1, 2)
    event[0] = 10
    event.y = 20
    assert (event.x, event.args) == (10, [10, 20])


def test_fields_are_inherited_and_come_first() -> None:
    event = Turned(1, 2, 3.0)
    assert event.args == [1, 2, 3.0]
    assert (event.x, event.angle) == (1, 3.0)
    assert Turned(1).args == [1, 5, 0.0]
    assert Turned.name == "turned"


def test_repr_names_the_fields() -> None:
    assert repr(Moved(1, 2)) == "<Moved[.moved] (x=1, y=2 )>"


def test_handlers_get_the_fields() -> None:
    class App(Component):
        def moved(self, x: int, y: int) -> None:
            self.seen = (x, y)

    app = App()
    app.fire(Moved(1, 2))
    settle(app)
    assert app.seen == (1, 2)


@pytest.mark.parametrize("name", ["channels", "args", "kwargs", "value", "stop", "success", "name"])
def test_a_field_that_hides_an_attribute_is_refused(name: str) -> None:
    with pytest.raises(TypeError, match=f"field '{name}' of event Bad would hide"):
        type("Bad", (Event,), {"__annotations__": {name: "int"}})


def test_a_field_without_default_after_one_with_is_refused() -> None:
    with pytest.raises(TypeError, match="'b' of event Bad has no default and comes after 'a'"):
        type("Bad", (Event,), {"__annotations__": {"a": "int", "b": "int"}, "a": 1})


def test_class_variables_and_private_names_are_no_fields() -> None:
    class Odd(Event):
        channels: ClassVar[tuple[str, ...]] = ("odd",)  # type: ignore[misc]
        _private: int = 3

    assert Odd(1, 2, key=3).args == [1, 2]  # type: ignore[call-arg]
    assert Odd.channels == ("odd",)


def test_a_constructor_of_ones_own_stays() -> None:
    class Own(Event):
        x: int

        def __init__(self, x: int) -> None:
            super().__init__(x * 2)

    assert Own(2).args == [4]


def test_a_plain_subclass_keeps_the_constructor() -> None:
    class Quick(Moved):
        success = True

    assert Quick(1, 2).args == [1, 2]
    assert Quick(1, 2).x == 1
