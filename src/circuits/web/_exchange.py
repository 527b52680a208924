"""One request with its response, from head to last byte.

An exchange asks handlers for an answer, turns that into a response, and sends it. It handles no
events. Each step that may be an event goes through a ``Direct`` of the component that owns
the connection, whose handlers find the exchange again and call it.

Whatever raises on the way, an ``Exception`` or not, a request gets one answer, or its connection is
cut: an error that cannot be told and a response that cannot be sent are replaced by 500, and that,
if it cannot be sent either, by an answer that uses nothing of them. When the head is out, the rest
follows or the connection is broken off.
"""

from __future__ import annotations

from functools import partial
from types import CoroutineType, GeneratorType
from typing import TYPE_CHECKING, Any

from circuits._wire.http1 import LAST_CHUNK
from circuits.core._reports import log_diagnosis
from circuits.core.errors import EXIT_EXCEPTIONS
from circuits.core.utils import call_all
from circuits.core.values import Value

from . import _results as results
from . import errors, events, wrappers
from ._exchange_errors import replace, send_last_resort
from ._exchange_state import State
from ._outgoing import Outgoing, has_filter
from ._status import has_no_body
from ._transport import Takeover

if TYPE_CHECKING:
    from collections.abc import Callable

    from circuits.core.events import BaseEvent

    from ._transport import Peer, Successor

__all__ = ["Exchange", "State"]

#: A head and a body up to this many bytes are joined to one write; copying more costs more than
#: a second system call.
_JOIN_BYTES = 65536


# Looking up a member of an enum is slow on Python 3.11, and this happens for each request.
_HEAD, _BODY, _HANDLING, _DECIDED, _READY, _SENDING, _STREAMING, _DONE = State


class Exchange:
    """A request and its response.

    Attributes:
        connection: Where it came from.
        request: The request.
        response: What is sent, or is being prepared.
        state: How far it is.
        failed: What could not be sent, so that the response stands for it; or ``None``.
        outgoing: The body of the response, if that goes out piece by piece; else ``None``.
        can_be_taken_over: Whether another protocol may go on behind it.
    """

    can_be_taken_over = True

    __slots__ = ("_handed", "connection", "failed", "outgoing", "request", "response", "state")

    def __init__(
        self, connection: Peer, request: wrappers.Request, response: wrappers.Response
    ) -> None:
        self.connection = connection
        self.request = request
        self.response = response
        self.state = _HEAD
        self.failed: wrappers.Response | None = None
        self._handed: Any = None  # what was fired last of the response, if it could be kept
        self.outgoing: Outgoing | None = None

    # -- asking ------------------------------------------------------------------------------

    def begin(self, redirect: str | None = None) -> None:
        """Have the request handled, or sent elsewhere."""
        self.state = _HANDLING
        owner = self.connection.owner
        request, response = self.request, self.response
        if redirect is not None:
            if request.method in ("GET", "HEAD"):
                self.refuse(errors.Redirect, [redirect], 301)
            else:
                self.refuse(errors.HTTPError, 400)
            return
        if request.scheme == "https" and (shown := _peer_certificate(request.sock)):
            request.peer_cert = shown
            self._fire(events.Request(request, response, shown))
            return
        door = owner.request_door
        methods = door.methods()
        if methods is None:
            self._fire(events.Request(request, response))
            return
        result: Any = None
        for method in methods:
            try:
                result = method(request, response)
            except BaseException as problem:  # as the engine catches it, with what stops it
                self._has_raised(method, problem)
                return
            if result is not None:
                break
        else:
            self.answer(None)
            return
        take, kind = self.answer, result.__class__
        if kind is not str:
            if kind is GeneratorType or kind is CoroutineType:
                try:
                    result = door.begin(method, result, request, response)
                except BaseException as problem:
                    self._has_raised(method, problem)
                    return
                kind = result.__class__
            if kind is Value:
                if result.manager is owner and result.event.waitingHandlers:
                    return  # we hear of its success
                if result._value is None and result.event.waitingHandlers:
                    owner.watch(result.event, self.settle, result)  # what settle would do
                    return
                take = self.settle
        if owner._tree_live.queue:
            owner.later(take, result)  # what they have fired may be an answer
        else:
            take(result)

    def _has_raised(self, method: Callable[..., Any], problem: BaseException) -> None:
        door = self.connection.owner.request_door
        event = door.event(self.request, self.response)
        door.failed(event, method, problem)
        if not event.value.errors:
            self.settle(event.value)

    def _fire(self, event: events.Request) -> None:
        owner = self.connection.owner
        owner.watch(event, self._check_cancelled, event)
        owner.fire(event)

    def _check_cancelled(self, event: events.Request) -> None:
        """An event that was taken back has no handlers and no success; the client still waits."""
        if self.state is not _HANDLING:
            return
        if event._event_cancelled:
            self.refuse(errors.HTTPError, 503)
        elif has_filter(self.connection.owner, "request_success", "request_failure"):
            # One of them may keep from us that handlers have ended.
            self.connection.owner.later(self.settle, event.value)

    def settle(self, value: Value) -> None:
        """Answer when the value of the request's event is known; wait for that otherwise."""
        owner = self.connection.owner
        try:
            source = results.awaited(value, owner._tree_engine.queue)
            if source is not None:
                owner.watch(source, self.settle, value)
            elif value.handled:
                pass
            elif value.errors and self.state is _HANDLING and not self.request.handled:
                self.fail(results.error_of(value))
            elif self.state is _HANDLING and results.was_cut(value):
                self.refuse(errors.HTTPError, 503)
            else:
                self.answer(value.value)
        except BaseException as problem:
            owner.report(problem)
            replace(self, problem)

    # -- deciding ----------------------------------------------------------------------------

    def answer(self, value: Any) -> None:
        """Turn what a handler returned into a response."""
        response = self.response
        kind = value.__class__
        try:
            if self.state is not _HANDLING or self.request.handled or response.done:
                if kind is not bool:
                    results.discard(response, value, self.state is _DONE)
                return
            if kind is str and response._resources is None:
                response._body = [value] if value else []  # as Body has it, without the call
            elif kind is str or kind is bytes:
                response.body = value
            elif value is None:
                owner = self.connection.owner
                if owner._tree_engine.queue:
                    owner.later(self._miss_answer)
                else:
                    self._refuse_unanswered()
                return
            elif kind is bool:
                return  # the application fires the response by itself
            elif value is not response:
                response = results.to_response(response, value)
        except BaseException as problem:
            self.connection.owner.report(problem)
            if self.state is _HANDLING and not self.request.handled:
                self.fail((type(problem), problem, []))
            return
        self.respond(response)

    def _check_sent(self, handed: Any) -> None:
        """All handlers of a response are done; a filter may have kept it from being sent."""
        if self.state is _READY and self._handed is handed:
            if results.was_cut(handed.value):
                send_last_resort(self)
            else:
                self.connection.owner.later(self._miss_sending, handed)

    def _miss_sending(self, handed: Any) -> None:
        # What the filter has fired, an error perhaps, is on its way with another response.
        if self.state is _READY and self._handed is handed:
            replace(self, RuntimeError(f"a filter kept {self.response!r} to itself"))

    def _miss_answer(self) -> None:
        """Nobody has answered, not even by what was fired."""
        if self.state is _HANDLING and not self.request.handled:
            self._refuse_unanswered()

    def _refuse_unanswered(self) -> None:
        request = self.request
        if request.args is not None:
            log_diagnosis(
                f"{request.method} {request.path:.200}: an exposed method returned None, which "
                "answers nothing; does it lack a return?"
            )
        self.refuse(errors.NotFound)

    def fail(self, error: tuple[Any, BaseException, Any]) -> None:
        """Answer with the error for what a handler has raised."""
        self.request.handled = True
        self.refuse(results.to_error, error)

    def refuse(
        self, make: Callable[..., errors.HTTPError], *arguments: Any, **options: Any
    ) -> None:
        """Make an error of the request and the response, and fire it."""
        self.state = max(self.state, _DECIDED)
        owner = self.connection.owner
        try:
            event = make(self.request, self.response, *arguments, **options)
        except BaseException as problem:
            owner.report(problem)
            replace(self, problem)
        else:
            owner.fire(event)

    def respond(self, response: wrappers.Response) -> None:
        """Have a response sent, by way of the event if anybody could see that."""
        self.state = _READY
        owner = self.connection.owner
        door = owner.response_door
        methods = door.methods()
        if methods is not None and door.leads_home:
            try:
                self.send(response)
            except BaseException as problem:
                door.failed(door.event(response), methods[0], problem)
                if isinstance(problem, EXIT_EXCEPTIONS):  # which is no failure
                    replace(self, problem)
        elif methods is None:
            self._handed = event = events.Response(response)
            owner.watch(event, self._check_sent, event)
            owner.fire(event, *door.channels)
        else:
            self._hand_to(methods, response)

    def _hand_to(
        self, methods: tuple[Callable[..., Any], ...], response: wrappers.Response
    ) -> None:
        """Have a response sent by calls of its handlers."""
        owner = self.connection.owner
        door = owner.response_door
        for method in methods:
            try:
                result = method(response)
            except BaseException as problem:
                door.failed(self._handed_event(response), method, problem)
                if method in door.filters and not isinstance(problem, EXIT_EXCEPTIONS):
                    break
                continue
            if result is not None:
                door.take(self._handed_event(response), method, result)
                if method in door.filters:
                    break
        event = self._handed
        if event is not None and event.waitingHandlers:
            owner.watch(event, self._check_sent, event)
            return
        if self.state is _READY and self._handed is not None:
            self._check_sent(self._handed)

    def _handed_event(self, response: wrappers.Response) -> BaseEvent:
        """The event of which the handlers are called, made when one of them does something."""
        event: BaseEvent | None = self._handed
        if event is None or event.args[0] is not response:
            self._handed = event = self.connection.owner.response_door.event(response)
        return event

    # -- sending -----------------------------------------------------------------------------

    def takes(self, response: wrappers.Response) -> bool:
        """Take a response that was fired; ``False`` for one that has failed since."""
        if response is not self.response:
            if response is self.failed:
                return False
            # Another one for the same request; what the first one has opened is not needed.
            replaced, self.response = self.response, response
            response.close = response.close or replaced.close
            replaced.release()
        return True

    def send(self, response: wrappers.Response) -> None:
        """Send a response; what is not here of its body follows piece by piece.

        Raises:
            Exception: It cannot be sent. Nothing has been written then.
        """
        connection = self.connection
        owner = connection.owner
        if response is not self.response and not self.takes(response):
            return
        keeper = self.request._keeper
        if keeper is not None and keeper.keep(response):
            return
        incoming = connection.incoming
        if owner.stopping or (
            incoming is not None and not response.stream and not incoming.may_drain
        ):
            response.close = True
        head, payload = response._encode()
        if payload is None:
            outgoing = self.outgoing
            if outgoing is None:
                outgoing = self.outgoing = Outgoing(self)
            outgoing.prepare(response)
            self.state = _STREAMING
            outgoing.begin(partial(owner.write_door.call, connection.sock, head))
            return
        if response.chunked and not (
            response.request.method == "HEAD" or has_no_body(response.code)
        ):
            size = len(payload)
            payload = b"%x\r\n%b\r\n%b" % (size, payload, LAST_CHUNK) if size else LAST_CHUNK
        self.state = _SENDING
        if len(payload) <= _JOIN_BYTES:
            owner.write_door.call(connection.sock, head + payload)
        else:
            owner.write_door.call(connection.sock, head)
            owner.write_door.call(connection.sock, payload)
        self.finish()

    def finish(self) -> None:
        """All is written: close, or go on with what the client has sent meanwhile."""
        request, response, connection = self.request, self.response, self.connection
        response.done = True
        self.state = _DONE
        connection.exchange = None
        if (
            self.outgoing is not None
            or response._resources is not None
            or request._resources is not None
            or request._body is not None
        ):
            self._release()
        connection.finished(response.close, response.code == 101)

    def drop(self) -> None:
        """Give up: nothing more is sent."""
        if self.state is not _DONE:
            self.state = _DONE
            self._release()

    def _release(self) -> None:
        """Close what request and response hold."""
        outgoing, self.outgoing = self.outgoing, None
        request, response, owner = self.request, self.response, self.connection.owner
        try:
            if outgoing is None:
                call_all((response.release, request.release))
            else:
                call_all((outgoing.close, response.release, request.release))
        except BaseException as problem:
            owner.report(problem)

    def cut(self) -> None:
        """Break off, so that the client cannot take what it has got for the whole answer."""
        self.connection.cut(self.is_open_ended)

    @property
    def is_open_ended(self) -> bool:
        """Whether a close would be taken for the end of what is being sent."""
        return self.outgoing is not None and self.outgoing.is_open_ended

    @property
    def is_pulled(self) -> bool:
        """Whether the body comes from an iterator, and not from the application by events."""
        return self.outgoing is not None and self.outgoing.is_pulled

    def push(self, data: Any) -> None:
        """Send a piece of a body, or its end (``None``); see ``Outgoing.push``."""
        if self.outgoing is None:
            self.outgoing = Outgoing(self)
        self.outgoing.push(data)

    # -- another protocol --------------------------------------------------------------------

    def take_over(self, successor: Successor) -> None:
        """Hand the connection over to another protocol when this is answered with 101.

        With any other answer the successor is closed without having begun.

        Raises:
            RuntimeError: There is an answer already, or another successor.
        """
        if self.state >= _SENDING or self.connection.successor is not None:
            raise RuntimeError(f"{self.request!r} cannot be taken over any more")
        self.connection.successor = Takeover(self.connection, successor)


def _peer_certificate(sock: Any) -> dict[str, Any] | None:
    get = getattr(sock, "getpeercert", None)
    try:
        return None if get is None else get()
    except (OSError, ValueError):  # gone already
        return None
