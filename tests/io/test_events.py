"""Events of input and output: names, arguments, and whom an error reaches."""

from __future__ import annotations

from typing import Any

import pytest

from circuits import BaseComponent, Event, Manager, handler
from circuits.io import events
from circuits.testing import settle

_LOWER_CASE = [
    "eof",
    "seek",
    "read",
    "close",
    "write",
    "error",
    "open",
    "opened",
    "closed",
    "ready",
    "started",
    "stopped",
    "terminated",
    "moved",
    "created",
    "deleted",
    "accessed",
    "modified",
    "unmounted",
]


@pytest.mark.parametrize("name", _LOWER_CASE)
def test_names_of_the_3x_line(name: str) -> None:
    event = getattr(events, name)
    assert issubclass(event, Event)
    assert event.name == name


def test_all_is_complete() -> None:
    found = {
        name
        for name, value in vars(events).items()
        if isinstance(value, type) and issubclass(value, Event) and name[0] != "_"
    }
    assert found - {"Event"} == set(events.__all__)


@pytest.mark.parametrize(
    ("event", "name"),
    [
        (events.EOF, "eof"),
        (events.IoError, "io_error"),
        (events.AddPath, "add_path"),
        (events.RemovePath, "remove_path"),
        (events.Rotated, "rotated"),
        (events.Overflow, "overflow"),
    ],
)
def test_names(event: type[Event], name: str) -> None:
    assert event.name == name


def test_changes_have_four_arguments() -> None:
    event = events.Created("name", "/path", "/path/name", False)
    assert event.args == ["name", "/path", "/path/name", False]


@pytest.mark.usefixtures("handler_errors")
def test_whom_an_error_reaches() -> None:
    told: list[str] = []

    class Listener(BaseComponent):
        channel = "file"

        @handler("error")
        def _own(self, problem: Any) -> None:
            told.append("own")

        @handler("error", channel="file")
        def _named(self, problem: Any) -> None:
            told.append("named")

        @handler("error", channel="*")
        def _kernel(self, kind: Any, value: Any, traceback: Any, handler: Any) -> None:
            told.append("kernel")

        @handler("error", channel="*")
        def _any(self, event: Event, *args: Any) -> None:
            told.append("any")

        @handler("error", channel="other")
        def _other(self, problem: Any) -> None:
            told.append("other")

        @handler()
        def _every_event(self, event: Event, *args: Any) -> None:
            if event.name == "error":
                told.append("every")

    app = Manager()
    listener = Listener().register(app)
    settle(app)
    app.fire(events.Error("problem"), "file")
    settle(app)
    assert sorted(told) == ["any", "every", "named", "own"]
    told.clear()
    app.fire(events.Error("problem"), listener)
    settle(app)
    assert {"own", "named", "any"} <= set(told)
