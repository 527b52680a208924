from __future__ import annotations

import warnings
from typing import Any

import pytest

from circuits import Event, handler
from circuits.core._signatures import misfit
from circuits.core.errors import HandlerWarning


class Nothing(Event):
    def __init__(self) -> None:
        super().__init__()


class Two(Event):
    host: str
    port: int


class Any_(Event):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)


def exact(self: Any, host: str, port: int) -> None: ...
def with_event(self: Any, event: Two, host: str, port: int) -> None: ...
def endless(self: Any, *args: Any) -> None: ...
def optional(self: Any, host: str, port: int = 0, more: int = 0) -> None: ...
def short(self: Any, host: str) -> None: ...
def long(self: Any, host: str, port: int, more: int, most: int) -> None: ...


@pytest.mark.parametrize("function", [exact, with_event, endless, optional])
def test_what_fits(function: Any) -> None:
    handler("two")(function)
    assert misfit(function, Two) is None


def test_a_parameter_too_few() -> None:
    assert misfit(short, Two) == (
        "short(self: 'Any', host: 'str') -> 'None' cannot handle Two(host, port): "
        "add the parameter port, or *args"
    )


def test_parameters_too_many() -> None:
    problem = misfit(long, Two)
    assert problem is not None
    assert problem.endswith(
        "cannot handle Two(host, port): the event has no 2 parameters more, most"
    )


@pytest.mark.parametrize("function", [exact, short, long])
def test_nothing_is_said_of_an_event_with_any_arguments(function: Any) -> None:
    assert misfit(function, Any_) is None


def test_a_typed_handler_that_cannot_be_called_is_a_warning_at_declaration() -> None:
    with pytest.warns(HandlerWarning, match="add the parameter port"):

        class _App:
            @handler(Two)
            def on_two(self, host: str) -> None: ...

    with pytest.warns(HandlerWarning, match="the event has no parameter x"):
        handler(Nothing)(lambda self, x: None)


def test_a_handler_by_name_is_not_checked() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        handler("two")(lambda self: None)
        handler(Event)(lambda self, x: None)
