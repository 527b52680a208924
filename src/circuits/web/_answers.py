"""From what handlers of a request return to the bytes of its response.

Half of the HTTP component. A response is decided on once: by what the handlers return, by an
error that is fired, or by a response that is.
"""

from __future__ import annotations

from typing import Any

from circuits._wire import LocalProtocolError
from circuits._wire.http1 import LAST_CHUNK, BodyEncoder, State
from circuits.core import _clock
from circuits.core.events import Event
from circuits.core.handlers import handler
from circuits.core.values import Value

from . import errors, events, exceptions, wrappers
from ._connections import Connection, Connections
from ._files import FileRange

TYPE_CHECKING = False
if TYPE_CHECKING:
    from circuits.core.events import BaseEvent

__all__ = ["Answers"]

#: A head and a body up to this many bytes are joined to one write; copying more costs more than
#: a second system call.
_JOIN_BYTES = 65536

#: How much of a body that its handler has not read is read and thrown away, so that the
#: connection can be kept; making a new one costs a client as much as this.
_DRAIN_BYTES = 65536

_CLOSED = State.CLOSED  # looking up a member of an enum is slow on Python 3.11


class _Unanswered(Event):
    """No handler had an answer; fired behind what they have fired, which may be one."""

    name = "_unanswered"

    def __init__(self, response: wrappers.Response) -> None:
        super().__init__(response)


class _Settled:
    """Waits for the end of an event whose value is to be the answer to a request."""

    __slots__ = ("_event", "_http")

    is_awaited = False

    def __init__(self, http: Answers, event: BaseEvent) -> None:
        self._http = http
        self._event = event

    def resolve(self, event: BaseEvent, value: Value) -> None:
        self._http._settle(self._event)


class Answers(Connections):
    """Base of the HTTP component: turns results into responses, and sends them."""

    encoding: str

    def _advance(self, connection: Connection) -> None:
        """Go on with what has been received, until there is a request to answer."""
        raise NotImplementedError

    # -- results -------------------------------------------------------------------------------

    @handler("request_success")
    def _on_request_success(self, e: BaseEvent, value: Any) -> None:
        self._settle(e)

    def _settle(self, event: BaseEvent) -> None:
        """Answer a request when the value of its event is known; wait for that otherwise."""
        value = event.value
        inner = value
        while isinstance(inner._value, Value):
            inner = inner._value
        if inner is not value or value.is_list:
            for part in value._value if inner is value else (inner,):
                source = part.event if isinstance(part, Value) else None
                if source is not None and self._is_pending(source, part.result):
                    source._when_over(_Settled(self, event))
                    return
        request, response = event.args[:2]
        if value.handled or request.handled or response.done:
            return
        connection = self._connections.get(request.sock)
        if (
            connection is not None
            and connection.is_answered
            and connection.request is response.request
        ):
            return
        if value.errors:
            request.handled = True
            self._answer_failure(request, response, _error_tuple(value))
        else:
            self._answer(request, response, inner.value)

    def _is_pending(self, event: BaseEvent, has_result: bool) -> bool:
        """Whether handlers of an event are suspended, or have not been called yet."""
        if event.waitingHandlers:
            return True  # the result may be the first of several pieces
        engine = self._tree_engine
        return not has_result and (event in engine.queue)

    def _is_answered(self, response: wrappers.Response) -> bool:
        connection = self._connection_of(response)
        return response.done or (connection is not None and connection.is_answered)

    def _connection_of(self, response: wrappers.Response) -> Connection | None:
        """The connection that waits for this response."""
        request = response.request
        connection = self._connections.get(request.sock)
        return connection if connection is not None and connection.request is request else None

    def _mark_answered(self, response: wrappers.Response) -> None:
        connection = self._connection_of(response)
        if connection is not None:
            connection.is_answered = True

    def _answer(self, request: Any, response: Any, value: Any) -> None:
        """Turn what a handler returned into a response."""
        kind = value.__class__
        if kind is str or kind is bytes:
            response.body = value
        elif value is None:
            # An error or a response that a handler has fired goes before.
            if self._tree_live.queue:
                self.fire(_Unanswered(response))
            else:
                self._on_unanswered(response)
            return
        elif isinstance(value, errors.HTTPError):
            response.body = str(value)
        elif isinstance(value, wrappers.Response) and value.request is request:
            if response.close:
                value.close = True
            response = value
        elif value is True or value is False:
            return  # the application fires the response by itself
        elif isinstance(value, list | tuple):
            parts = [part.value if isinstance(part, Value) else part for part in value]
            problem = next((part for part in parts if isinstance(part, errors.HTTPError)), None)
            response.body = parts if problem is None else str(problem)
        elif isinstance(value, str | bytes | bytearray | memoryview) or hasattr(value, "read"):
            response.body = value
        else:
            error = TypeError(
                f"a request handler for {request.path!r} returned {type(value).__name__}: "
                f"{value!r:.80}; return str, bytes, a list of them, a file or the response"
            )
            request.handled = True
            self._tree_engine.report(error, None, None)
            self._answer_failure(request, response, (TypeError, error, []))
            return
        self._respond(response)

    @handler("_unanswered")
    def _on_unanswered(self, response: wrappers.Response) -> None:
        if not self._is_answered(response):
            self._mark_answered(response)
            self.fire(errors.NotFound(response.request, response))

    @handler("request_failure")
    def _on_request_failure(self, e: BaseEvent, error: Any) -> None:
        request, response = e.args[:2]
        if request.handled or self._is_answered(response):
            return
        request.handled = True
        self._answer_failure(request, response, error)

    @handler("request_value_changed")
    def _on_request_value_changed(self, value: Value) -> None:
        event = value.event
        if event is not None and not value.handled and not event.waitingHandlers:
            self._settle(event)

    def _answer_failure(self, request: Any, response: Any, error: Any) -> None:
        self._mark_answered(response)
        problem = error[1]
        if isinstance(problem, exceptions.Redirect):
            event: Any = errors.Redirect(request, response, problem.urls, problem.status)
        elif isinstance(problem, exceptions.HTTPException):
            event = errors.HTTPError(
                request, response, problem.code, description=problem.description, error=error
            )
        else:
            event = errors.HTTPError(request, response, 500, error=error)
        self.fire(event)

    @handler("httperror", priority=1_000_000)
    def _on_any_httperror(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> None:
        # Whoever takes care of it, what the handlers of the request return does not count now.
        self._mark_answered(response)

    @handler("httperror")
    def _on_httperror(
        self, event: Any, request: Any, response: Any, code: int | None = None, **kwargs: Any
    ) -> None:
        connection = self._connection_of(response)
        if response.done or (connection is not None and connection.is_responding):
            return  # too late for a page
        response.body = str(event)
        self._respond(response)

    # -- responses ---------------------------------------------------------------------------

    def _respond(self, response: wrappers.Response) -> None:
        """Fire ``response``, or take it at once if nobody else would see it."""
        if self._response_door.methods() is None:
            self._mark_answered(response)
        self._response_door.call(response)

    @handler("response")
    def _on_response(self, response: wrappers.Response | errors.HTTPError) -> None:
        if isinstance(response, errors.HTTPError):
            # A tool has refused: ``event[0] = gzip(event[0])``.
            problem, response = response, response.response
            response.body = str(problem)
        request = response.request
        connection = self._connections.get(request.sock)
        if connection is None or connection.request is not request or connection.is_responding:
            if connection is None or connection.response is not response:
                response.release()  # the client has gone, or got its answer
            return
        connection.is_answered = True
        if connection.response is not response:
            # Another one for the same request; what the first one has opened is not needed.
            replaced, connection.response = connection.response, response
            if replaced is not None:
                response.close = response.close or replaced.close
                replaced.release()
        if self._stopping or (
            connection.stream is not None and not response.stream and not _may_drain(connection)
        ):
            response.close = True
        head, payload = response._encode()
        connection.is_responding = True
        if payload is None:
            self._begin_stream(connection, response, head)
            return
        if response.chunked and _may_have_body(response):
            size = len(payload)
            payload = b"%x\r\n%b\r\n%b" % (size, payload, LAST_CHUNK) if size else LAST_CHUNK
        if len(payload) <= _JOIN_BYTES:
            self._write_door.call(connection.sock, head + payload)
        else:
            self._write_door.call(connection.sock, head)
            self._write_door.call(connection.sock, payload)
        self._finish(connection, response)

    @handler("response_failure")
    def _on_response_failure(self, e: BaseEvent, error: Any) -> None:
        response = e.args[0]
        if isinstance(response, errors.HTTPError):
            response = response.response
        if not response.done:
            self._fail_response(response, error[1])

    def _fail_response(self, response: wrappers.Response, problem: BaseException) -> None:
        """Answer 500 in place of a response that could not be sent."""
        connection = self._connection_of(response)
        if connection is None or connection.response is not response:
            return
        if connection.is_responding or connection.is_failing:
            # Half an answer is out, or not even the page about it can be sent.
            self._close(connection, abort=True)
            return
        response.release()
        request = response.request
        substitute = connection.response = wrappers.Response(request, self.encoding)
        connection.is_failing = True
        self.fire(errors.HTTPError(request, substitute, 500, error=(type(problem), problem, [])))

    def _finish(self, connection: Connection, response: wrappers.Response) -> None:
        """A response is complete: close, or go on with what the client has sent meanwhile."""
        response.done = True
        request = response.request
        source = connection.source
        connection.request = connection.response = None
        connection.source = connection.encoder = connection.early = None
        connection.is_responding = connection.is_failing = False
        try:
            if source is not None and source is not response._body and hasattr(source, "close"):
                source.close()
            if response._resources is not None:
                response.release()
        finally:
            if request._resources is not None or request._body is not None:
                request.release()
            if connection.stream is not None:
                connection.stream.close()
                response.close = connection.is_cut_off = response.close or not _may_drain(
                    connection
                )
            if self._stopping:
                self._tree_engine.release(connection)
            if response.close or self._stopping:
                self._close(connection)
            else:
                self._await_next(connection)

    def _await_next(self, connection: Connection) -> None:
        connection.is_idle = connection.stream is None
        connection.unheard_bytes = _DRAIN_BYTES
        connection.age = self._sweeps
        if connection.is_reading_paused:
            self._resume_reading(connection)
        decoder = connection.decoder
        if decoder.pending_bytes:
            connection.is_idle = False
            # Not from here: a client that sends a thousand requests at once must not nest them.
            self._tree_engine.schedule.call_at(_clock.now(), lambda: self._go_on(connection))
        elif decoder.state is _CLOSED or connection.is_at_end:
            self._close(connection)

    def _go_on(self, connection: Connection) -> None:
        if self._connections.get(connection.sock) is connection and connection.request is None:
            self._advance(connection)

    # -- streams -----------------------------------------------------------------------------

    def _begin_stream(
        self, connection: Connection, response: wrappers.Response, head: bytes
    ) -> None:
        length = response.headers.get("Content-Length")
        connection.encoder = BodyEncoder(
            None if response.chunked or length is None else int(length), chunked=response.chunked
        )
        is_written = self._write_door.call(connection.sock, head)
        body = response._body
        if body:
            connection.source = iter(body)
            self._pull(connection, is_written)
            return
        # Without a body the application fires ``Stream`` by itself, and may have begun already.
        early, connection.early = connection.early, None
        for data in early or ():
            self.fire(events.Stream(response, data))

    def _pull(self, connection: Connection, is_next: bool = True) -> None:
        """Fire the next piece of a body, unless the client does not keep up.

        There is one piece on its way at a time, and it is written when its event is handled. So
        nothing that is queued then is for this client.

        Args:
            connection: The connection.
            is_next: All that was written before has left; not so while the head is queued.
        """
        response = connection.response
        if response is None or connection.is_paused:
            return
        source = connection.source
        is_hidden = is_next and self._stream_door.methods() is not None
        try:
            chunk = None
            if is_hidden and source.__class__ is FileRange:
                self._send_file(connection, source)
            while chunk is None or not len(chunk):
                chunk = next(source)
        except StopIteration:
            chunk = None
        except BaseException:
            self._close(connection, abort=True)  # without the end, so that the client notices
            raise
        if chunk is None and is_hidden:
            self._stream_door.call(response, None)
        else:
            self.fire(events.Stream(response, chunk))

    def _send_file(self, connection: Connection, source: FileRange) -> None:
        """Have the kernel send a file, as far as it can do so at once."""
        encoder = connection.encoder
        if self.send_file is not None and encoder is not None and not encoder.chunked:
            before = source.offset
            self.send_file(connection.sock, source)
            encoder.skip(source.offset - before)

    @handler("stream")
    def _on_stream(self, response: wrappers.Response, data: Any) -> None:
        connection = self._connection_of(response)
        if connection is None or connection.response is not response:
            return
        encoder = connection.encoder
        if encoder is None:
            if connection.early is None:
                connection.early = []
            connection.early.append(data)
            return
        # What applications push may be queued behind each other, with the head among it.
        is_next = connection.source is not None
        if data is None:
            try:
                end = encoder.end()
            except LocalProtocolError:
                self._close(connection, abort=True)
                raise
            if end:
                self._write_door.call(connection.sock, end)
            self._finish(connection, response)
            return
        if data:
            try:
                self._write_door.call(connection.sock, encoder.send(response.encode_part(data)))
            except (LocalProtocolError, TypeError):
                self._close(connection, abort=True)
                raise
        if is_next:
            self._pull(connection)

    @handler("pause")
    def _on_pause(self, sock: Any = None) -> None:
        connection = self._connections.get(sock)
        if connection is not None:
            connection.is_paused = True

    @handler("resume")
    def _on_resume(self, sock: Any = None) -> None:
        connection = self._connections.get(sock)
        if connection is not None and connection.is_paused:
            connection.is_paused = False
            if connection.source is not None:
                self._pull(connection, False)


def _may_drain(connection: Connection) -> bool:
    """Whether the rest of a body may be little enough to be read for nothing."""
    head = connection.head
    if head is None:
        return True
    rest = (head.content_length or 0) - connection.body_bytes
    # Whoever was not asked for a body may send it, or not: there is no telling what comes next.
    return rest <= _DRAIN_BYTES and not connection.is_to_continue


def _may_have_body(response: wrappers.Response) -> bool:
    code = response.code
    return response.request.method != "HEAD" and code >= 200 and code not in (204, 304)


def _error_tuple(value: Value) -> tuple[Any, Any, Any]:
    problem = value.exceptions[0]
    found = value.value
    if isinstance(found, tuple) and len(found) == 3 and found[1] is problem:
        return found
    return (type(problem), problem, [])
