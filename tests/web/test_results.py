"""From results and exceptions to responses and errors: functions, tried with literals."""

from __future__ import annotations

import io
from typing import Any

import pytest

from circuits import Event
from circuits.core.values import Value
from circuits.web import _results as results
from circuits.web import errors, exceptions, wrappers
from tests.web.support import make


class Job(Event):
    pass


def _value(*found: Any, event: Any = None) -> Value:
    value = Value(event)
    for one in found:
        value.setValue(one)
    return value


def test_the_innermost_of_nested_values() -> None:
    inner = _value("x")
    assert results.innermost(_value(_value(inner))) is inner
    assert results.innermost(inner) is inner


def test_a_known_value_waits_for_nothing() -> None:
    job = Job()
    for value in (_value(), _value("x"), _value("x", "y"), _value(_value("x", event=job))):
        assert results.awaited(value, [job]) is None


@pytest.mark.parametrize("before", [(), ("x",)])
def test_an_event_that_is_queued_is_waited_for(before: tuple[Any, ...]) -> None:
    job = Job()
    value = _value(*before, _value(event=job))
    assert results.awaited(value, [job]) is job
    assert results.awaited(value, []) is None  # it is over, without a result


def test_an_event_with_suspended_handlers_is_waited_for() -> None:
    job = Job()
    job.waitingHandlers = 1
    assert results.awaited(_value(_value("first piece", event=job)), []) is job


@pytest.mark.parametrize("inside", [False, True])
def test_whoever_was_cut_has_no_result(inside: bool) -> None:
    inner = _value()
    outer = _value(inner)
    assert not results.was_cut(outer)
    (inner if inside else outer).cut = True
    assert results.was_cut(outer)
    inner.setValue("x")
    assert not results.was_cut(outer)


@pytest.mark.parametrize(
    ("value", "body"),
    [
        ("a", ["a"]),
        (b"a", [b"a"]),
        (bytearray(b"a"), [bytearray(b"a")]),
        (["a", None, b"b"], ["a", None, b"b"]),
        (("a", b"b"), ["a", b"b"]),
        ([_value("a"), "b"], ["a", "b"]),
    ],
)
def test_bodies(value: Any, body: Any) -> None:
    _, response = make()
    assert results.to_response(response, value) is response
    assert response.body == body


def test_files_are_streamed() -> None:
    _, response = make()
    results.to_response(response, io.BytesIO(b"a"))
    assert response.stream


@pytest.mark.parametrize("many", [False, True])
def test_an_error_becomes_its_page(many: bool) -> None:
    request, response = make()
    error = errors.NotFound(request, response)
    results.to_response(response, ["a", error] if many else error)
    assert "<h1>Not Found</h1>" in response.body[0]
    assert response.code == 404


@pytest.mark.parametrize("closes", [False, True])
def test_another_response_to_the_request_is_taken(closes: bool) -> None:
    request, response = make()
    response.close = closes
    other = wrappers.Response(request)
    assert results.to_response(response, other) is other
    assert other.close == closes


@pytest.mark.parametrize("value", [1, 1.5, {"a": 1}, object(), iter("a"), make()[1]])
def test_what_is_no_body_is_named(value: Any) -> None:
    _, response = make()
    results.to_response(response, value)  # handlers of the response may make something of it
    with pytest.raises(TypeError, match=f"'/' returned {type(value).__name__}"):
        response.prepare()


@pytest.mark.parametrize(
    ("problem", "kind", "code"),
    [
        (exceptions.Gone("away"), errors.HTTPError, 410),
        (exceptions.Redirect("/x", 302), errors.Redirect, 302),
        (ValueError("x"), errors.HTTPError, 500),
        (exceptions.UnicodeError(), errors.HTTPError, 400),
    ],
)
def test_exceptions(problem: Exception, kind: Any, code: int) -> None:
    request, response = make()
    event = results.to_error(request, response, (type(problem), problem, []))
    assert type(event) is kind
    assert event.code == response.code == code


@pytest.mark.parametrize("urls", ["/\n", []])
def test_an_exception_that_cannot_be_told_raises(urls: Any) -> None:
    request, response = make()
    problem = exceptions.Redirect(urls)
    with pytest.raises(ValueError, match="redirect"):
        results.to_error(request, response, (type(problem), problem, []))


def test_the_first_error_of_a_value() -> None:
    problem, other = ValueError("x"), KeyError("y")
    value = Value(Job())
    value.fail((ValueError, problem, ["line"]))
    assert results.error_of(value) == (ValueError, problem, ["line"])
    value.fail((KeyError, other, []))
    assert results.error_of(value) == (ValueError, problem, [])


def test_what_comes_too_late_is_closed() -> None:
    request, response = make()
    file, held = io.BytesIO(), io.BytesIO()
    results.discard(response, file, False)
    assert file.closed
    response.body = held
    results.discard(response, response, False)  # it is being sent
    assert not held.closed
    results.discard(response, response, True)
    assert held.closed
    other = wrappers.Response(request)
    other.body = late = io.BytesIO()
    results.discard(response, other, False)
    assert late.closed
    results.discard(response, "text", True)
