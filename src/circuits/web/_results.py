"""From what the handlers of a request returned or raised to a response or an error.

Functions without memory: what is done with the outcome, and when, is up to the exchange.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from circuits.core.errors import EXIT_EXCEPTIONS
from circuits.core.values import Value

from . import errors, exceptions, wrappers
from .eventstream import EventStream

if TYPE_CHECKING:
    from collections.abc import Container

    from circuits.core.events import BaseEvent

__all__ = [
    "awaited",
    "discard",
    "error_of",
    "innermost",
    "status_of",
    "to_error",
    "to_response",
    "was_cut",
]


def innermost(value: Value) -> Value:
    """The value at the end of a chain of values that were returned for one another."""
    while isinstance(value._value, Value):
        value = value._value
    return value


def awaited(value: Value, queue: Container[BaseEvent]) -> BaseEvent | None:
    """The event that has to be over before a value is known; ``None`` if it is known.

    Args:
        value: The value of an event, or of several as a list.
        queue: The events that have not been dispatched yet.
    """
    for part in value._value if value.is_list else (innermost(value),):
        source = part.event if isinstance(part, Value) else None
        # With handlers suspended, the result may be the first of several pieces.
        if source is not None and (source.waitingHandlers or (not part.result and source in queue)):
            return source
    return None


def was_cut(value: Value) -> bool:
    """Whether a handler had no chance to give a result: it was cancelled, or ended the program."""
    inner = innermost(value)
    return inner._value is None and (inner.cut or value.cut)


def to_response(response: wrappers.Response, value: Any) -> wrappers.Response:
    """Make what a handler returned the body of a response.

    Args:
        response: The response to its request.
        value: Neither ``None`` nor a ``bool``, which are no bodies.

    Returns:
        The response to send: ``response``, or another one to the same request.

    Raises:
        Exception: An error could not make its page.
    """
    response._given = value
    if value.__class__ is dict and response._resources is None:
        response._returned = response._body = value  # as below, without the looks
        return response
    if isinstance(value, wrappers.Response) and value.request is response.request:
        if response.close:
            value.close = True
        return value
    if isinstance(value, list | tuple):
        if any(isinstance(part, Value) for part in value):
            value = [part.value if isinstance(part, Value) else part for part in value]
        value = next((part for part in value if isinstance(part, errors.HTTPError)), value)
    if isinstance(value, errors.HTTPError):
        response.body = str(value)
        return response
    if isinstance(value, EventStream):
        value.prepare(response)
        return response
    response.body = value
    if not isinstance(value, str | bytes | bytearray | memoryview) and not response.stream:
        # What is data is written when all have seen it; what is nothing is refused then.
        response._returned = response._body
    return response


def to_error(
    request: wrappers.Request, response: wrappers.Response, error: tuple[Any, BaseException, Any]
) -> errors.HTTPError:
    """Make the event for what a handler raised, which changes the response.

    Args:
        request: The request.
        response: Its response.
        error: Type, exception and traceback.

    Raises:
        Exception: Something in the exception cannot be sent.
    """
    problem = error[1]
    if isinstance(problem, exceptions.Redirect):
        return errors.Redirect(request, response, problem.urls, problem.status)
    if isinstance(problem, exceptions.HTTPException):
        return errors.HTTPError(
            request, response, problem.code, description=problem.description, error=error
        )
    return errors.HTTPError(request, response, status_of(problem), error=error)


def status_of(problem: BaseException) -> int:
    """The status for what was raised: an error of ours, unless it ends the program."""
    return 503 if isinstance(problem, EXIT_EXCEPTIONS) else 500


def error_of(value: Value) -> tuple[Any, BaseException, Any]:
    """Type, exception and traceback of the first handler that failed."""
    problem = value.exceptions[0]
    found = value.value
    if isinstance(found, tuple) and len(found) == 3 and found[1] is problem:
        return found
    return (type(problem), problem, [])


def discard(response: wrappers.Response, value: Any, is_over: bool) -> None:
    """Close what a result holds that comes too late, unless it was told before and is being sent.

    Args:
        response: The response to its request.
        value: What a handler returned.
        is_over: Whether the response was sent, or never will be.
    """
    if value is response._given:
        return
    if isinstance(value, wrappers.Response):
        if is_over or value is not response:
            value.release()
    elif hasattr(value, "read") and hasattr(value, "close"):
        value.close()
