"""HTTP: from bytes to requests, and from responses to bytes (manual: circuits.web.http).

The component stands between a transport and whoever answers requests, all on one channel. It
fires ``request`` for every complete request, turns what its handlers return into a response,
fires ``response``, and writes that. One request of a connection is dealt with at a time, so
responses leave in the order of the requests; what a client sends ahead stays in the codec.

Where nobody but this component can see one of those events, it is not queued: the step is taken
at once. A request to a Controller then costs one event instead of seven.

The parts: this module reads and dispatches; ``_answers`` turns results into responses;
``_connections`` keeps the connections, their time and the way to the transport.
"""

from __future__ import annotations

import tempfile
from functools import partial
from io import BytesIO
from types import CoroutineType, GeneratorType
from typing import Any

from circuits._wire import LocalProtocolError
from circuits._wire.http1 import Data, Limits, RemoteProtocolError, RequestHead, State
from circuits.core.handlers import handler
from circuits.core.values import Value

from . import errors, events, exceptions, wrappers
from ._answers import Answers
from ._body_stream import BodyStream
from ._paths import parse_target

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ._connections import Connection
    from ._paths import Target

__all__ = ["HTTP"]

#: What a client may send ahead of the answer before we stop reading from it: in bytes, and in
#: requests (without a body; what looks like one counts).
_AHEAD_BYTES = 65536
_AHEAD_REQUESTS = 16

#: A body must make this much progress in each ``body_timeout``, in bytes.
_PROGRESS_BYTES = 65536

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class HTTP(Answers):
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
        stream_buffer_bytes: With more of a streamed body than this waiting for its handler, no
            more is read from the client.
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
        stream_buffer_bytes: int = 256 * 1024,
    ) -> None:
        super().__init__(
            channel,
            server,
            Limits() if limits is None else limits,
            header_timeout,
            body_timeout,
            idle_timeout,
        )
        self.encoding = encoding
        # Requests want one even where HTTP stands on a transport that somebody else made.
        self._server: Any = self if server is None else server
        self.memory_body_bytes = memory_body_bytes
        self.stream_buffer_bytes = stream_buffer_bytes

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

    @handler("read")
    def _on_read(self, sock: Any, data: bytes) -> None:
        connection = self._connections.get(sock)
        if connection is None:
            connection = self._welcome(sock)
        elif connection.is_closing:
            self._overhear(connection, data)
            return
        elif connection.is_idle:
            connection.is_idle = False
            connection.age = self._sweeps
        decoder = connection.decoder
        try:
            decoder.receive_data(data)
        except LocalProtocolError:
            self._close(connection)
            return
        if connection.request is None or connection.stream is not None:
            self._advance(connection)
        if connection.request is not None and (
            decoder.pending_bytes > _AHEAD_BYTES or decoder.pending_heads > _AHEAD_REQUESTS
        ):
            self._pause_reading(connection)

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
        if connection.request is None or connection.stream is not None:
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

    def _advance(self, connection: Connection) -> None:
        decoder = connection.decoder
        if self._choosers_version != self._tree_engine.routes.version:
            self._find_choosers()
        message: Any = None
        try:
            while not connection.is_closing and (
                connection.request is None or connection.stream is not None
            ):
                message = decoder.next_message()
                if message is None:
                    if decoder.state is State.CLOSED:
                        self._close(connection)
                    return
                if isinstance(message, RequestHead):
                    target = parse_target(message.target, message.method)
                    if message.has_body:
                        self._begin_body(connection, message, target)
                        continue
                    request = self._make_request(connection, message, target)
                    if self._streams_all and self._wants_stream(request):
                        request.body = BodyStream.of(b"")
                    self._dispatch(connection, request, message.keep_alive, target)
                    if not decoder.pending_bytes:
                        return  # as most clients wait for an answer
                elif isinstance(message, Data):
                    self._receive_body(connection, message.data)
                else:
                    self._end_body(connection)
        except RemoteProtocolError as problem:
            self._refuse(connection, problem)
        except exceptions.HTTPException as problem:  # from parse_target
            self._refuse(connection, RemoteProtocolError(problem.code, "bad target", message))

    # -- bodies --------------------------------------------------------------------------------

    def _begin_body(self, connection: Connection, head: RequestHead, target: Target) -> None:
        connection.head = head
        connection.body_bytes = 0
        connection.age = self._sweeps
        must_ask = head.expect_continue and not connection.decoder.pending_bytes
        request = self._make_request(connection, head, target)
        if target.redirect is None and self._wants_stream(request):
            stream = connection.stream = BodyStream(
                self.stream_buffer_bytes, partial(self._on_body_wanted, connection)
            )
            connection.is_to_continue = must_ask
            request.body = stream
            self._dispatch(connection, request, head.keep_alive, target)
            return
        connection.upcoming = (request, target)
        connection.body = BytesIO()
        if must_ask:
            self._write_door.call(connection.sock, _CONTINUE)

    def _wants_stream(self, request: wrappers.Request) -> bool:
        """Whether the first handler that has an opinion wants the body as it arrives."""
        for choose in self._stream_choosers:
            wanted = choose(request)
            if wanted is not None:
                return wanted
        return False

    def _on_body_wanted(self, connection: Connection) -> None:
        """A handler wants more of the body that is being received."""
        if connection.is_to_continue and not connection.is_responding:
            connection.is_to_continue = False
            connection.age = self._sweeps
            self._write_door.call(connection.sock, _CONTINUE)
        if connection.is_reading_paused:
            connection.age = self._sweeps
            self._resume_reading(connection)

    def _receive_body(self, connection: Connection, data: bytes) -> None:
        before = connection.body_bytes
        connection.body_bytes = size = before + len(data)
        if before // _PROGRESS_BYTES != size // _PROGRESS_BYTES:
            connection.age = self._sweeps
        stream = connection.stream
        if stream is None:
            if before <= self.memory_body_bytes < size:
                spooled = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the request
                connection.body, memory = spooled, connection.body
                spooled.write(memory.getvalue())
            connection.body.write(data)
        elif connection.request is not None:
            connection.is_to_continue = False  # the client has not waited
            stream.feed(data)
            if stream.is_full:
                self._pause_reading(connection)
        else:
            # It was answered without having been read.
            connection.unheard_bytes -= len(data)
            if connection.unheard_bytes < 0:
                connection.is_cut_off = True
                self._close(connection)

    def _end_body(self, connection: Connection) -> None:
        head, connection.head = connection.head, None
        stream, connection.stream = connection.stream, None
        if stream is not None:
            connection.is_to_continue = False
            stream.end()
            if connection.request is None:
                self._await_next(connection)
            elif connection.is_reading_paused:
                self._resume_reading(connection)
            return
        upcoming, connection.upcoming = connection.upcoming, None
        body, connection.body = connection.body, None
        assert head is not None
        assert upcoming is not None
        request, target = upcoming
        body.seek(0)
        request.body = body
        self._dispatch(connection, request, head.keep_alive, target)

    def _refuse(self, connection: Connection, problem: RemoteProtocolError) -> None:
        head = connection.head if problem.head is None else problem.head
        connection.head = None
        connection.is_cut_off = True
        stream, connection.stream = connection.stream, None
        if stream is not None:
            self._refuse_rest(connection, stream, problem)
            return
        body, connection.body = connection.body, None
        if body is not None:
            body.close()
        if problem.status is None:
            self._close(connection)
            return
        request = wrappers.Request(
            connection.sock,
            "GET" if head is None else head.method,
            "https" if getattr(self.web_server, "secure", False) else "http",
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
            self._tree_engine.hold(connection)
        response.close = True
        # What is wrong is for the log: it may quote the client, and helps attackers only.
        self.fire(errors.HTTPError(request, response, problem.status))

    def _refuse_rest(
        self, connection: Connection, stream: BodyStream, problem: RemoteProtocolError
    ) -> None:
        """What follows of a body is of no use: its reader has to know, and may answer."""
        connection.is_to_continue = False
        if connection.response is None:
            self._close(connection)
            return
        connection.response.close = True
        kind = _BODY_PROBLEMS.get(problem.status, exceptions.BadRequest)
        stream.fail(kind())

    # -- requests ----------------------------------------------------------------------------

    def _make_request(
        self, connection: Connection, head: RequestHead, target: Target
    ) -> wrappers.Request:
        version = head.version
        request = wrappers.Request(
            connection.sock,
            head.method,
            "https" if getattr(self.web_server, "secure", False) else "http",
            target.path,
            version if version < (1, 1) else (1, 1),
            target.qs,
            head.headers,
            self._server,
            target.raw_path,
        )
        if connection.peer is not None:
            request._peer = connection.peer
        if target.authority is not None:
            request.base = f"{request.scheme}://{target.authority}"
        return request

    def _dispatch(
        self, connection: Connection, request: wrappers.Request, keep_alive: bool, target: Target
    ) -> None:
        """Have a request answered."""
        response = wrappers.Response(request, self.encoding)
        if not keep_alive or self._stopping:
            response.close = True
        connection.request, connection.response = request, response
        connection.is_answered = False
        if self._stopping:
            self._tree_engine.hold(connection)
        if target.redirect is not None:
            if request.method in ("GET", "HEAD"):
                self.fire(errors.Redirect(request, response, [target.redirect], 301))
            else:
                self.fire(errors.HTTPError(request, response, 400))
            return
        certificate = _peer_certificate(connection.sock) if request.scheme == "https" else None
        if certificate:
            request.peer_cert = certificate
        elif methods := self._request_door.methods():
            self._call_handlers(methods, connection, request, response)
            return
        self.fire(events.Request(request, response, *([certificate] if certificate else ())))

    def _call_handlers(
        self,
        methods: tuple[Callable[..., Any], ...],
        connection: Connection,
        request: wrappers.Request,
        response: wrappers.Response,
    ) -> None:
        """Do what the event ``request`` would, which nobody sees, and answer with the result."""
        engine = self._tree_live
        result = None
        door = self._request_door
        for method in methods:
            try:
                result = method(request, response)
            except BaseException as problem:  # as the engine catches it, with what stops it
                event = door.event(request, response)
                door.failed(event, method, problem)
                if event._event_failed:
                    return
            if result is not None:
                break
        kind = result.__class__
        if engine.queue or kind is GeneratorType or kind is CoroutineType or kind is Value:
            event = door.event(request, response)
            if result is not None:
                door.take(event, method, result)
            if engine.queue:
                # Its success comes after what the handlers have fired, which may be an answer.
                if not event.waitingHandlers:
                    engine.dispatch._finish(event, event._event_flags | event._event_class_flags)
            elif not event.waitingHandlers:
                self._settle(event)
        elif not (request.handled or response.done or connection.is_answered):
            self._answer(request, response, result)


def _peer_certificate(sock: Any) -> dict[str, Any] | None:
    get = getattr(sock, "getpeercert", None)
    try:
        return None if get is None else get()
    except (OSError, ValueError):  # gone already
        return None


#: What the reader of a streamed body is told, by the status that the codec asks for.
_BODY_PROBLEMS: dict[int | None, type[exceptions.HTTPException]] = {
    408: exceptions.RequestTimeout,
    413: exceptions.RequestEntityTooLarge,
}
