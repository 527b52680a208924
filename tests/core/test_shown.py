"""How things look in messages."""

from __future__ import annotations

import pytest

from circuits import Event
from circuits.core._shown import brief_repr, describe, safe_repr, safe_str


class Rude(Exception):
    def __repr__(self) -> str:
        raise KeyError

    __str__ = __repr__


def test_what_cannot_be_shown_is_named_by_its_type() -> None:
    assert safe_repr(3) == "3"
    assert safe_repr(Rude()) == "<Rude whose repr raised KeyError>"
    assert safe_str(ValueError("why")) == "why"
    assert safe_str(Rude()) == "<KeyError while showing it>"


@pytest.mark.parametrize(
    ("argument", "shown"),
    [
        ("short", "'short'"),
        ("x" * 201, f"'{'x' * 200}'... (201 in all)"),
        ([0] * 201, "<list of 201>"),
        (Rude(), "<Rude whose repr raised KeyError>"),
    ],
)
def test_of_an_argument_no_more_is_shown_than_helps(argument: object, shown: str) -> None:
    assert brief_repr(Event.create("asks", argument)) == f"<asks[.asks] ({shown} )>"
    assert brief_repr(Event.create("asks", key=argument)) == f"<asks[.asks] ( key={shown})>"


def test_of_many_arguments_only_the_first_are_shown() -> None:
    text = brief_repr(Event.create("asks", *["x" * 100] * 100))
    assert len(text) == 1004
    assert text.endswith("...>")


def test_a_function_is_called_by_its_module_and_name() -> None:
    assert describe(Rude.__repr__) == f"{__name__}.Rude.__repr__"
    assert describe(3) == "3"
