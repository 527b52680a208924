"""Types that both sides know, and whether a value fits an annotation."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest

from circuits import Event
from circuits.node._known import Known, fits


@dataclass
class Leaf:
    x: int


@dataclass
class Branch:
    leaves: list[Leaf]
    made: int = field(default=5, init=False)


class Grow(Event):
    branch: Branch | None
    note: str = ""


@dataclass
class Checked:
    x: int

    def __post_init__(self) -> None:
        if self.x < 0:
            raise ValueError("negative")


@pytest.mark.parametrize(
    ("value", "kind", "good"),
    [
        (1, int, True), (True, int, False), (1.5, int, False), (1, float, True), (True, float, False),
        ("x", str, True), (None, str, False), (None, None, True), (None, str | None, True),
        (5, int | str, True), (b"", int | str, False), (5, Any, True), (5, object, True),
        ([1], list, True), ([1], list[int], True), (["x"], list[int], False), ((1,), list[int], False),
        ({"a": 1}, dict[str, int], True), ({1: 1}, dict[str, int], False), ({"a": "b"}, dict[str, int], False),
        ((1, "x"), tuple[int, str], True), ((1,), tuple[int, str], False), ((1, 2), tuple[int, ...], True),
        ((1, "x"), tuple[int, ...], False), ((), tuple[()], True), ((1,), tuple[()], False),
        ({1}, set[int], True), ({"x"}, set[int], False), (frozenset([1]), frozenset[int], True),
        ("a", Literal["a", "b"], True), ("c", Literal["a", "b"], False), (True, Literal[1], False),
        (5, Annotated[int, "units"], True), ("x", Annotated[int, "units"], False),
        (Leaf(1), Leaf, True), (5, Leaf, False), (Decimal(1), Decimal, True),
        (datetime.datetime(2026, 1, 1), datetime.date, True), (5, "unknown", True),
        (len, type[int], False),
    ],
)  # fmt: skip
def test_what_fits(value: Any, kind: Any, good: bool) -> None:
    assert fits(value, kind) is good


def test_dataclasses_of_annotations_are_known_with_what_they_contain() -> None:
    known = Known()
    branch = Branch([Leaf(1)])
    assert known.describe(branch) == ("Branch", {"leaves": [Leaf(1)]})
    assert known.describe(Leaf(1)) == ("Leaf", {"x": 1})
    assert known.make("Branch", {"leaves": [Leaf(2)]}) == Branch([Leaf(2)])
    assert known.describe(Checked(1)) is None
    assert known.describe(5) is None
    assert known.describe(Leaf) is None


@pytest.mark.parametrize(
    ("name", "fields", "text"),
    [
        ("Leaf", {"x": "y"}, "'x' of Leaf must be int, not str"),
        ("Leaf", {}, "missing"),
        ("Leaf", {"x": 1, "y": 2}, "no field 'y'"),
        ("Leaf", {"__class__": 1}, "no field '__class__'"),
        ("Branch", {"leaves": [], "made": 1}, "no field 'made'"),
        ("Branch", {"leaves": [5]}, "'leaves' of Branch must be list"),
        ("Grow", {}, "'Grow' is not known"),
        ("int", {}, "'int' is not known"),
        ("os.system", {}, "not known"),
        ("Checked", {"x": -1}, "negative"),
    ],
)
def test_what_cannot_be_made_is_a_type_error(name: str, fields: Any, text: str) -> None:
    known = Known([Checked])
    with pytest.raises(TypeError, match=text):
        known.make(name, fields)


def test_types_must_be_dataclasses_of_different_names() -> None:
    with pytest.raises(TypeError, match="dataclasses"):
        Known([int])

    def other() -> type:
        @dataclass
        class Leaf: ...

        return Leaf

    with pytest.raises(ValueError, match="two dataclasses of the name 'Leaf'"):
        Known([Leaf, other()])


def test_an_event_class_that_is_made_later_is_known() -> None:
    known = Known()
    assert known.event_class("made_late") is None

    class MadeLate(Event):
        x: int

    assert known.event_class("made_late") is MadeLate
    assert known.event_class("grow") is Grow
    assert known.event_class("greet_nobody") is None
    event = known.make_event(MadeLate, [5], {})
    assert event.x == 5  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match="missing"):
        known.make_event(MadeLate, [], {})
    with pytest.raises(TypeError, match="no field 'self'"):
        known.make_event(MadeLate, [5], {"self": 1})


def test_annotations_that_only_type_checkers_see_are_not_checked() -> None:
    class Odd(Event):
        x: NotThere  # type: ignore[name-defined]  # noqa: F821
        y: int

    known = Known()
    assert known.make_event(Odd, ["anything", 5], {}).args == ["anything", 5]
    with pytest.raises(TypeError, match="'y'"):
        known.make_event(Odd, ["anything", "x"], {})
