from __future__ import annotations

import pytest

from circuits.core.events import DerivedEvent, Event
from circuits.web import events
from tests.web.support import make


@pytest.mark.parametrize(
    ("cls", "name"),
    [(events.Request, "request"), (events.Response, "response"), (events.Stream, "stream")],
)
def test_names_and_flags(cls: type[Event[None]], name: str) -> None:
    assert cls.name == name
    assert issubclass(cls, events.WebEvent)
    assert (cls.success, cls.failure, cls.complete) == (True, True, True)


def test_a_plain_web_event() -> None:
    event = events.WebEvent(1)
    assert (event.success, event.failure, event.complete) == (True, True, False)


def test_arguments() -> None:
    request, response = make()
    assert events.Request(request, response).args == [request, response]
    assert events.Request(request, response, {"cert": 1}).args[2] == {"cert": 1}
    assert events.Response(response).args == [response]
    assert events.Stream(response, b"x").args == [response, b"x"]


@pytest.mark.parametrize("name", ["fooBar", "GET", "foo", "test.txt", "+x"])
def test_created_events_take_the_name_literally(name: str) -> None:
    request, response = make()
    event = events.Request.create(name, request, response, "seg", key="value")
    assert event.name == name
    assert isinstance(event, events.Request)
    assert event.success
    assert event.args == [request, response, "seg"]
    assert event.kwargs == {"key": "value"}
    assert DerivedEvent.create("Success", event).name == f"{name}_success"


def test_parameters_may_have_any_name() -> None:
    """A form field is called as its author likes, ``self`` and ``name`` included."""
    request, response = make()
    fields = {"self": 1, "cls": 2, "name": 3, "request": 4, "response": 5}
    assert events.Request.create("x", request, response, **fields).kwargs == fields
