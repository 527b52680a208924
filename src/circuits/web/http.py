"""HTTP: from bytes to requests, and from responses to bytes (manual: circuits.web.http).

The component stands between a transport and whoever answers requests, all on one channel. It
fires ``request`` for every complete request, turns what its handlers return into a response,
fires ``response``, and writes that. One request of a connection is dealt with at a time, so
responses leave in the order of the requests; what a client sends ahead stays in the codec.

Where nobody but this component can see one of those events, it is not queued: the step is taken
at once. A request to a Controller then costs one event instead of seven.
"""

from __future__ import annotations

import tempfile
from io import BytesIO
from typing import Any

from circuits._wire import LocalProtocolError
from circuits._wire.http1 import (
    LAST_CHUNK,
    BodyEncoder,
    Data,
    Limits,
    RemoteProtocolError,
    RequestDecoder,
    RequestHead,
    State,
)
from circuits.core import _clock
from circuits.core.components import BaseComponent
from circuits.core.events import Event
from circuits.core.handlers import handler
from circuits.core.values import Value
from circuits.net.sockets import Close, Write

from . import errors, events, exceptions, wrappers
from ._paths import parse_target

TYPE_CHECKING = False
if TYPE_CHECKING:
    from circuits.core._engine import Engine
    from circuits.core.events import BaseEvent
    from circuits.core.manager import Manager

    from ._paths import Target

__all__ = ["HTTP"]

#: A head and a body up to this many bytes are joined to one write; copying more costs more than
#: a second system call.
_JOIN_BYTES = 65536

#: What a client may send ahead of the answer before we stop reading from it, in bytes.
_AHEAD_BYTES = 65536

#: How often the deadlines of all connections are looked at while there are any, at the most, in
#: seconds. One timer for all: nothing grows with the number of connections.
_SWEEP_SECONDS = 5.0


class _Connection:
    """What is known of one client."""

    __slots__ = (
        "age",
        "body",
        "body_bytes",
        "decoder",
        "early",
        "encoder",
        "head",
        "is_answered",
        "is_at_end",
        "is_closing",
        "is_failing",
        "is_idle",
        "is_paused",
        "is_reading_paused",
        "is_responding",
        "peer",
        "request",
        "response",
        "sock",
        "source",
        "target",
    )

    def __init__(self, sock: Any, limits: Limits, age: int) -> None:
        self.sock = sock
        self.decoder = RequestDecoder(limits)
        self.head: RequestHead | None = None  # of the request whose body is being received
        self.target: Target | None = None  # of that head
        self.body: Any = None
        self.body_bytes = 0
        self.peer: tuple[Any, Any] | None = None
        self.request: wrappers.Request | None = None  # that is being answered
        self.response: wrappers.Response | None = None
        self.source: Any = None  # iterator of a body that is being streamed
        self.encoder: BodyEncoder | None = None
        self.early: list[Any] | None = None  # pieces that were pushed before the head was written
        self.is_at_end = False  # the client has finished writing
        self.is_answered = False  # what the response is to be has been decided
        self.is_failing = False  # the response is the page about one that could not be sent
        self.is_responding = False  # the head of the response has been written
        self.is_closing = False
        self.is_paused = False  # the client does not read: stop producing
        self.is_reading_paused = False
        self.is_idle = False  # between two requests
        self.age = age  # number of the sweep when this phase began


class _Unanswered(Event):
    """No handler had an answer; fired behind what they have fired, which may be one."""

    name = "_unanswered"

    def __init__(self, response: wrappers.Response) -> None:
        super().__init__(response)


class _Settled:
    """Waits for the end of an event whose value is to be the answer to a request."""

    __slots__ = ("_event", "_http")

    is_awaited = False

    def __init__(self, http: HTTP, event: BaseEvent) -> None:
        self._http = http
        self._event = event

    def resolve(self, event: BaseEvent) -> None:
        self._http._settle(self._event)


class HTTP(BaseComponent):
    """Speaks HTTP/1.1 for the transport on its channel.

    Handles ``connect``, ``read``, ``disconnect``, ``pause``, ``resume``, ``request_success``, ``request_failure``,
    ``request_value_changed``, ``response``, ``response_failure``, ``stream`` and ``httperror``.
    Fires ``request``, ``response``, ``stream``, ``write`` and ``close``.

    Args:
        encoding: How text in bodies is encoded.
        channel: The channel of the transport.
        server: The server component that requests refer to.
        limits: What clients may send at most.
        header_timeout: Seconds for a request's head to arrive; then 408.
        body_timeout: Seconds in which a body must make progress of 64 KiB; then 408.
        idle_timeout: Seconds that an idle connection is kept.
        memory_body_bytes: Bodies beyond this many bytes go to a temporary file.
    """

    channel = "web"

    def __init__(
        self,
        encoding: str = "utf-8",
        channel: str = "web",
        server: Any = None,
        limits: Limits | None = None,
        header_timeout: float = 30.0,
        body_timeout: float = 60.0,
        idle_timeout: float = 75.0,
        memory_body_bytes: int = 1024 * 1024,
    ) -> None:
        super().__init__(channel=channel)
        self.encoding = encoding
        self.web_server = server
        # Requests want one even where HTTP stands on a transport that somebody else made.
        self._server: Any = self if server is None else server
        self.limits = Limits() if limits is None else limits
        self.header_timeout = header_timeout
        self.body_timeout = body_timeout
        self.idle_timeout = idle_timeout
        self.memory_body_bytes = memory_body_bytes
        self._connections: dict[Any, _Connection] = {}
        self._sweeps = 0
        self._sweep_interval = max(
            0.01, min(_SWEEP_SECONDS, header_timeout / 4, body_timeout / 4, idle_timeout / 4)
        )
        self._sweeper: Any = None
        self._stopping = False
        self._routes_version = -1
        self._may_shortcut = False
        self._may_respond = False
        self._write_now: Any = None
        self._close_now: Any = None

    # -- what the server is known as --

    @property
    def version(self) -> str:
        """Name and version that the server gives."""
        from .constants import SERVER_VERSION  # noqa: PLC0415

        return SERVER_VERSION

    @property
    def base(self) -> str | None:
        """URL of the server."""
        return getattr(self.web_server, "base", None)

    # -- reading ---------------------------------------------------------------------------

    @handler("connect")
    def _on_connect(self, sock: Any, *peer: Any) -> None:
        # Known from now on, so that a client who never says anything is sent away, too.
        if not isinstance(sock, str):  # a client on our channel would be asked to connect
            connection = self._connections.get(sock) or self._welcome(sock)
            connection.peer = peer[:2] if len(peer) >= 2 else None

    def _welcome(self, sock: Any) -> _Connection:
        connection = self._connections[sock] = _Connection(sock, self.limits, self._sweeps)
        if self._sweeper is None:
            self._schedule_sweep()
        return connection

    @handler("read")
    def _on_read(self, sock: Any, data: bytes) -> None:
        connection = self._connections.get(sock)
        if connection is None:
            connection = self._welcome(sock)
        elif connection.is_closing:
            return
        elif connection.is_idle:
            connection.is_idle = False
            connection.age = self._sweeps
        try:
            connection.decoder.receive_data(data)
        except LocalProtocolError:
            self._close(connection)
            return
        if connection.request is None:
            self._advance(connection)
        elif connection.decoder.pending_bytes > _AHEAD_BYTES:
            self._pause_reading(connection)

    _on_read.direct = True  # type: ignore[attr-defined]  # the transport may call it

    def end_of_input(self, sock: Any) -> bool:
        """Take note that a client has finished writing; for the transport.

        Returns:
            Whether there is something to answer; then the connection is closed afterwards.

        .. versionadded:: 2.1
        """
        connection = self._connections.get(sock)
        if connection is None or connection.is_closing:
            return False
        connection.is_at_end = True
        connection.decoder.receive_eof()
        if connection.request is None:
            self._advance(connection)
        return connection.request is not None or (
            not connection.is_closing and bool(connection.decoder.pending_bytes)
        )

    def is_at_end(self, sock: Any) -> bool:
        """Whether a client has finished writing.

        .. versionadded:: 2.1
        """
        connection = self._connections.get(sock)
        return connection is None or connection.is_at_end

    def _advance(self, connection: _Connection) -> None:
        """Go on with what has been received, until there is a request to answer."""
        decoder = connection.decoder
        try:
            while connection.request is None and not connection.is_closing:
                message = decoder.next_message()
                if message is None:
                    if decoder.state is State.CLOSED:
                        self._close(connection)
                    return
                if isinstance(message, RequestHead):
                    if message.has_body:
                        self._begin_body(connection, message)
                    else:
                        self._dispatch(connection, message, None, None)
                elif isinstance(message, Data):
                    self._receive_body(connection, message.data)
                else:
                    head, connection.head = connection.head, None
                    target, connection.target = connection.target, None
                    assert head is not None
                    body, connection.body = connection.body, None
                    self._dispatch(connection, head, target, body)
        except RemoteProtocolError as problem:
            self._refuse(connection, problem)

    def _begin_body(self, connection: _Connection, head: RequestHead) -> None:
        # Before the client is asked for the body.
        try:
            connection.target = parse_target(head.target, head.method)
        except exceptions.HTTPException as problem:
            raise RemoteProtocolError(problem.code, "malformed target", head) from None
        connection.head = head
        connection.body = BytesIO()
        connection.body_bytes = 0
        connection.age = self._sweeps
        if head.expect_continue and not connection.decoder.pending_bytes:
            self._write(connection.sock, b"HTTP/1.1 100 Continue\r\n\r\n")

    def _receive_body(self, connection: _Connection, data: bytes) -> None:
        before = connection.body_bytes
        connection.body_bytes = size = before + len(data)
        if before <= self.memory_body_bytes < size:
            spooled = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the request
            connection.body, memory = spooled, connection.body
            spooled.write(memory.getvalue())
        if before // _JOIN_BYTES != size // _JOIN_BYTES:
            connection.age = self._sweeps  # progress
        connection.body.write(data)

    def _refuse(self, connection: _Connection, problem: RemoteProtocolError) -> None:
        """Answer a malformed request, if it deserves one, and close."""
        connection.head = None
        body, connection.body = connection.body, None
        if body is not None:
            body.close()
        if problem.status is None:
            self._close(connection)
            return
        head = problem.head
        request = wrappers.Request(
            connection.sock,
            "GET" if head is None else head.method,
            self._scheme(),
            "/" if head is None else head.target.partition("?")[0],
            (1, 1),
            "",
            () if head is None else head.headers,
            self._server,
        )
        request._peer = connection.peer
        response = wrappers.Response(request, self.encoding)
        connection.request, connection.response = request, response
        connection.is_answered = True
        if self._stopping:
            self._engine.hold(connection)
        response.close = True
        # What is wrong is for the log: it may quote the client, and helps attackers only.
        self.fire(errors.HTTPError(request, response, problem.status))

    def _scheme(self) -> str:
        return "https" if getattr(self.web_server, "secure", False) else "http"

    # -- requests ----------------------------------------------------------------------------

    def _dispatch(
        self, connection: _Connection, head: RequestHead, target: Target | None, body: Any
    ) -> None:
        """Make the objects of a complete request, and have it answered."""
        if target is None:
            try:
                target = parse_target(head.target, head.method)
            except exceptions.HTTPException as problem:
                raise RemoteProtocolError(problem.code, "malformed target", head) from None
        version = head.version
        request = wrappers.Request(
            connection.sock,
            head.method,
            self._scheme(),
            target.path,
            version if version < (1, 1) else (1, 1),
            target.qs,
            head.headers,
            self._server,
            target.raw_path,
        )
        if connection.peer is not None:
            request._peer = connection.peer
        if body is not None:
            body.seek(0)
            request.body = body
        if target.authority is not None:
            request.base = f"{request.scheme}://{target.authority}"
        response = wrappers.Response(request, self.encoding)
        if not head.keep_alive or self._stopping:
            response.close = True
        connection.request, connection.response = request, response
        connection.is_answered = False
        if self._stopping:
            self._engine.hold(connection)
        if target.redirect is not None:
            if head.method in ("GET", "HEAD"):
                self.fire(errors.Redirect(request, response, [target.redirect], 301))
            else:
                self.fire(errors.HTTPError(request, response, 400))
            return
        if head.method == "CONNECT":
            self.fire(errors.HTTPError(request, response, 501))
            return
        event = events.Request(request, response)
        if request.scheme == "https":
            certificate = _peer_certificate(connection.sock)
            if certificate:
                request.peer_cert = certificate
                event.args.append(certificate)
        engine = self._live
        if not self._is_next() or not self._nobody_watches():
            self.fire(event)
            return
        # Nobody else sees its success, so it need not be fired: see right away what came of it.
        event.channels = self._channels
        event.value = Value(event, self)
        event._special = False
        engine.dispatch(event)
        if event.waitingHandlers or event._failed:
            return
        if engine.queue or engine.ranked:
            # Its success would come after what the handlers have fired, which may be an answer.
            engine._finish(event)
        else:
            self._settle(event)

    def _is_next(self) -> bool:
        """Whether an event that was fired now would be the next one, and no effect of another."""
        engine = self._live
        return not (
            engine.queue
            or engine.ranked
            or engine.awaited
            or engine.cause is not None
            or engine.thread is None
        )

    def _nobody_watches(self) -> bool:
        """Whether only we would see the feedback events of a request."""
        engine = self._live
        if self._routes_version != engine.routes.version:
            self._find_shortcuts(engine)
        return self._may_shortcut

    def _joined(self) -> None:
        self._routes_version = -1  # another tree counts its own versions

    def _left(self, engine: Engine) -> None:
        self._routes_version = -1

    def _find_shortcuts(self, engine: Engine) -> None:
        """Work out which events only we or the transport would see."""
        channels = self._channels
        transport = self._transport()

        def only(name: str, owner: Any) -> bool:
            routes = engine.route(name, channels)
            return len(routes) == 1 and getattr(routes[0][0], "__self__", None) is owner

        def unheard(*names: str) -> bool:
            return not any(engine.route(name, channels) for name in names)

        self._may_shortcut = only("request_success", self) and unheard(
            "request_done", "request_complete"
        )
        self._may_respond = only("response", self) and unheard(
            "response_success", "response_done", "response_complete"
        )
        self._write_now = transport.write if only("write", transport) else None
        self._close_now = transport.close if only("close", transport) else None
        self._routes_version = engine.routes.version

    @handler("request_success")
    def _on_request_success(self, e: BaseEvent, value: Any) -> None:
        self._settle(e)

    def _settle(self, event: BaseEvent) -> None:
        """Answer a request when the value of its event is known; wait for that otherwise."""
        value = event.value
        inner = value
        while isinstance(inner._value, Value):
            inner = inner._value
        if inner is not value and not inner.result:
            source = inner.event
            if source is not None and self._is_pending(source):
                self._settle_after(source, event)
                return
        elif value._count > 1:
            for part in value._value:
                source = part.event if isinstance(part, Value) and not part.result else None
                if source is not None and self._is_pending(source):
                    self._settle_after(source, event)
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

    def _is_pending(self, event: BaseEvent) -> bool:
        engine = self._engine
        return bool(
            event.waitingHandlers
            or event in engine.queue
            or any(event is waiting for _, waiting in engine.ranked)
        )

    def _settle_after(self, source: BaseEvent, event: BaseEvent) -> None:
        if source._waiters is None:
            source._waiters = []
        source._waiters.append(_Settled(self, event))
        source._special = True

    def _is_answered(self, response: wrappers.Response) -> bool:
        connection = self._connection_of(response)
        return response.done or (connection is not None and connection.is_answered)

    def _connection_of(self, response: wrappers.Response) -> _Connection | None:
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
            if self._live.queue or self._live.ranked:
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
            self._engine.report(error, None, None)
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
        engine = self._live
        if self._routes_version != engine.routes.version:
            self._find_shortcuts(engine)
        if not self._may_respond or not self._is_next():
            self._mark_answered(response)
            self.fire(events.Response(response))
            return
        try:
            self._on_response(response)
        except BaseException as problem:  # as the engine catches it, with what stops it
            event = events.Response(response)
            event.channels = self._channels
            event.value = Value(event, self)
            self._engine._failed(event, self._on_response, problem)

    @handler("response")
    def _on_response(self, response: wrappers.Response) -> None:
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
        if self._stopping:
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
            self._write(connection.sock, head + payload)
        else:
            self._write(connection.sock, head)
            self._write(connection.sock, payload)
        self._finish(connection, response)

    @handler("response_failure")
    def _on_response_failure(self, e: BaseEvent, error: Any) -> None:
        response = e.args[0]
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

    def _finish(self, connection: _Connection, response: wrappers.Response) -> None:
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
            if self._stopping:
                self._engine.release(connection)
            if response.close or self._stopping:
                self._close(connection)
            else:
                self._await_next(connection)

    def _await_next(self, connection: _Connection) -> None:
        connection.is_idle = True
        connection.age = self._sweeps
        if connection.is_reading_paused:
            self._resume_reading(connection)
        decoder = connection.decoder
        if decoder.pending_bytes:
            connection.is_idle = False
            # Not from here: a client that sends a thousand requests at once must not nest them.
            self._engine.schedule.call_at(_clock.now(), lambda: self._go_on(connection))
        elif decoder.state is State.CLOSED or connection.is_at_end:
            self._close(connection)

    def _go_on(self, connection: _Connection) -> None:
        if self._connections.get(connection.sock) is connection and connection.request is None:
            self._advance(connection)

    # -- streams -----------------------------------------------------------------------------

    def _begin_stream(
        self, connection: _Connection, response: wrappers.Response, head: bytes
    ) -> None:
        length = response.headers.get("Content-Length")
        connection.encoder = BodyEncoder(
            None if response.chunked or length is None else int(length), chunked=response.chunked
        )
        self._write(connection.sock, head)
        body = response._body
        if body:
            connection.source = iter(body)
            self._pull(connection)
            return
        # Without a body the application fires ``Stream`` by itself, and may have begun already.
        early, connection.early = connection.early, None
        for data in early or ():
            self.fire(events.Stream(response, data))

    def _pull(self, connection: _Connection) -> None:
        """Fire the next piece of a body, unless the client does not keep up."""
        response = connection.response
        if response is None or connection.is_paused:
            return
        source = connection.source
        try:
            chunk = None
            while chunk is None or not len(chunk):
                chunk = next(source)
        except StopIteration:
            chunk = None
        except BaseException:
            self._close(connection, abort=True)  # without the end, so that the client notices
            raise
        self.fire(events.Stream(response, chunk))

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
        if data is None:
            try:
                end = encoder.end()
            except LocalProtocolError:
                self._close(connection, abort=True)
                raise
            if end:
                self._write(connection.sock, end)
            self._finish(connection, response)
            return
        if data:
            try:
                self._write(connection.sock, encoder.send(response.encode_part(data)))
            except (LocalProtocolError, TypeError):
                self._close(connection, abort=True)
                raise
        if connection.source is not None:
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
                self._pull(connection)

    # -- the transport -----------------------------------------------------------------------

    def _transport(self) -> Any:
        return getattr(self.web_server, "server", None)

    def _write(self, sock: Any, data: Any) -> None:
        engine = self._live
        if self._routes_version != engine.routes.version:
            self._find_shortcuts(engine)
        if self._write_now is not None and not engine.queue and not engine.ranked:
            self._write_now(sock, data)
        else:
            self.fire(Write(sock, data))

    def _close(self, connection: _Connection, abort: bool = False) -> None:
        if connection.is_closing:
            return
        connection.is_closing = True
        sock = connection.sock
        engine = self._live
        if abort:
            self._drop(connection)
        if self._routes_version != engine.routes.version:
            self._find_shortcuts(engine)
        if self._close_now is not None and not engine.queue and not engine.ranked:
            self._close_now(sock)
        else:
            self.fire(Close(sock))

    def _pause_reading(self, connection: _Connection) -> None:
        pause = getattr(self._transport(), "pause_reading", None)
        if pause is not None and not connection.is_reading_paused:
            connection.is_reading_paused = True
            pause(connection.sock)

    def _resume_reading(self, connection: _Connection) -> None:
        connection.is_reading_paused = False
        self._transport().resume_reading(connection.sock)

    @handler("disconnect")
    def _on_disconnect(self, sock: Any = None) -> None:
        connection = self._connections.pop(sock, None)
        if connection is not None:
            connection.is_closing = True
            self._drop(connection)

    def _drop(self, connection: _Connection) -> None:
        """Give up what was kept for a connection."""
        request, response = connection.request, connection.response
        connection.request = connection.response = None
        source, connection.source = connection.source, None
        connection.early = None
        self._engine.release(connection)
        try:
            if hasattr(source, "close") and (response is None or source is not response._body):
                source.close()
            if response is not None:
                response.release()
        finally:
            if request is not None:
                request.release()
            if connection.body is not None:
                connection.body.close()

    # -- time and the end ----------------------------------------------------------------------

    def _schedule_sweep(self) -> None:
        self._sweeper = self._engine.schedule.call_at(
            _clock.now() + self._sweep_interval, self._sweep
        )

    def _sweep(self) -> None:
        """Look after clients that take too long."""
        self._sweeper = None
        if not self._connections:
            return
        self._sweeps += 1
        interval = self._sweep_interval
        for connection in list(self._connections.values()):
            if connection.request is not None or connection.is_closing:
                continue
            seconds = (self._sweeps - connection.age) * interval
            if connection.is_idle:
                if seconds > self.idle_timeout:
                    self._close(connection)
            elif connection.head is not None:
                if seconds > self.body_timeout:
                    self._refuse(connection, RemoteProtocolError(408, "body", connection.head))
            elif seconds > self.header_timeout:
                if connection.decoder.pending_bytes:
                    self._refuse(connection, RemoteProtocolError(408, "head"))
                else:
                    self._close(connection)
        self._schedule_sweep()

    @handler("started", channel="*")
    def _on_started(self, component: Manager) -> None:
        if component is self.root:
            self._stopping = False

    @handler("stopped", channel="*", priority=1)
    def _on_stopped(self, component: Manager) -> None:
        """Close what is idle; let what is being answered be answered."""
        if component is not self.root:
            return
        self._stopping = True
        engine = self._live
        for connection in list(self._connections.values()):
            if connection.request is not None:
                engine.hold(connection)
                if connection.response is not None and not connection.is_responding:
                    connection.response.close = True
            else:
                self._close(connection)

    @handler("prepare_unregister", channel="*")
    def _on_prepare_unregister(self, event: Any, component: Manager) -> None:
        if event.in_subtree(self):
            for connection in list(self._connections.values()):
                self._drop(connection)
            self._connections.clear()
            if self._sweeper is not None:
                self._sweeper.cancel()
                self._sweeper = None


def _peer_certificate(sock: Any) -> dict[str, Any] | None:
    get = getattr(sock, "getpeercert", None)
    try:
        return None if get is None else get()
    except (OSError, ValueError):  # gone already
        return None


def _may_have_body(response: wrappers.Response) -> bool:
    code = response.code
    return response.request.method != "HEAD" and code >= 200 and code not in (204, 304)


def _error_tuple(value: Value) -> tuple[Any, Any, Any]:
    problem = value.exceptions[0]
    found = value.value
    if isinstance(found, tuple) and len(found) == 3 and found[1] is problem:
        return found
    return (type(problem), problem, [])
