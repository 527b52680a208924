"""What an exchange answers when something went wrong: the page of an error, or less than that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from circuits.core.errors import EXIT_EXCEPTIONS
from circuits.core.utils import call_all

from . import _results as results
from . import errors, wrappers
from ._exchange_state import State
from ._status import Status

if TYPE_CHECKING:
    from ._exchange import Exchange

__all__ = ["expect_page", "replace", "send_last_resort", "start_over"]

_LAST_RESORT = b"HTTP/1.1 %b\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
# Looking up a member of an enum is slow on Python 3.11.
_DECIDED, _SENDING = State.DECIDED, State.SENDING


def expect_page(exchange: Exchange, event: errors.HTTPError) -> None:
    """An error has been fired; what handlers of the request return does not count now."""
    exchange.state = max(exchange.state, _DECIDED)
    exchange.connection.owner.watch(event, _take_page, exchange, event)


def _take_page(exchange: Exchange, event: errors.HTTPError) -> None:
    """All handlers of an error are done: one may have returned the page."""
    if exchange.state is not _DECIDED:
        return
    owner = exchange.connection.owner
    value = event.value
    source = results.awaited(value, owner._tree_engine.queue)
    page = value.value
    if source is not None:
        owner.watch(source, _take_page, exchange, event)
    elif value.errors:
        replace(exchange, value.exceptions[0])
    elif results.was_cut(value):
        send_last_resort(exchange)
    elif page is None:
        owner.later(_miss_page, exchange, event)
    elif page is not True and page is not False:
        try:
            event.args[1]._is_data = False
            response = results.to_response(event.args[1], page)
        except BaseException as problem:
            owner.report(problem)
            if isinstance(problem, EXIT_EXCEPTIONS):
                send_last_resort(exchange)  # a page for that would be made by the same handler
            else:
                replace(exchange, problem)
        else:
            exchange.respond(response)


def _miss_page(exchange: Exchange, event: errors.HTTPError) -> None:
    """Nobody has made a page of an error, or fired a response."""
    if exchange.state is _DECIDED:
        replace(exchange, RuntimeError(f"{event!r} was stopped, and nobody has answered"))


def replace(exchange: Exchange, problem: BaseException) -> None:
    """Answer 500 in place of what could not be sent; if that fails, too, with less.

    The answer is 503 to what ends the program.
    """
    if exchange.state >= _SENDING:
        exchange.cut()
        return
    if exchange.failed is not None:
        send_last_resort(exchange, problem)
        return
    exchange.failed = exchange.response
    owner = exchange.connection.owner
    try:
        exchange.response.release()
        response = wrappers.Response(exchange.request, owner.encoding)
        error: Any = (type(problem), problem, [])
        code = results.status_of(problem)
        event = errors.HTTPError(exchange.request, response, code, error=error)
    except BaseException as another:
        owner.report(another)
        send_last_resort(exchange, problem)
        return
    exchange.response = response
    exchange.state = _DECIDED
    owner.fire(event)


def start_over(exchange: Exchange, problem: BaseException) -> None:
    """Answer what was raised before anything was sent as if the handler had raised it."""
    owner = exchange.connection.owner
    owner.report(problem)
    if exchange.failed is not None:  # that was the page of an error
        send_last_resort(exchange, problem)
        return
    failed, outgoing = exchange.response, exchange.outgoing
    try:
        call_all((failed.release,) if outgoing is None else (outgoing.close, failed.release))
    except BaseException as another:
        owner.report(another)
    exchange.failed, exchange.outgoing, exchange.state = failed, None, _DECIDED
    response = exchange.response = wrappers.Response(exchange.request, owner.encoding)
    response.close = failed.close
    headers = failed._headers
    if headers is not None:
        # Those stay that would if the handler itself had raised. The error drops what is about the
        # content, and this how that was to be sent.
        for name in ("Transfer-Encoding", "Connection"):
            del headers[name]
        response.headers, response._sent_cookies = headers, failed._sent_cookies
    exchange.fail((type(problem), problem, []))


def send_last_resort(exchange: Exchange, problem: BaseException | None = None) -> None:
    """Answer without anything that could fail; without a problem, because all ends."""
    connection = exchange.connection
    exchange.state = _SENDING
    code = 503 if problem is None else results.status_of(problem)
    connection.write(_LAST_RESORT % Status(code).encode())
    connection.exchange = None
    exchange.drop()
    connection.finished(True)
