"""The connections of a web server: what is known of each, writing, closing, and time.

Half of the HTTP component, that which knows the transport. Where nobody but the component can
see an event, it is not queued: the step is taken at once, through its ``Direct``.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from circuits._wire.http1 import BodyEncoder, Limits, RemoteProtocolError, RequestDecoder
from circuits.core import _clock
from circuits.core._direct import Direct
from circuits.core.components import BaseComponent
from circuits.core.events import Event
from circuits.core.handlers import handler
from circuits.net.sockets import Close, Write

from . import events

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from circuits._wire.http1 import RequestHead
    from circuits.core._clock import Appointment
    from circuits.core.manager import Manager

    from . import errors, wrappers
    from ._body_stream import BodyStream
    from ._files import FileRange
    from ._paths import Target

__all__ = ["Connection", "Connections"]

#: How often the deadlines of all connections are looked at while there are any, at the most, in
#: seconds. One timer for all: nothing grows with the number of connections.
_SWEEP_SECONDS = 5.0

#: How long, and for how much, a client is listened to after an answer that came before it had
#: finished. As much as a body may have by default: who sends one sees the answer.
_LINGER_SECONDS = 5.0
_LINGER_BYTES = 16 * 1024 * 1024


class Connection:
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
        "is_cut_off",
        "is_failing",
        "is_idle",
        "is_paused",
        "is_reading_paused",
        "is_responding",
        "is_to_continue",
        "linger",
        "peer",
        "request",
        "response",
        "sock",
        "source",
        "stream",
        "unheard_bytes",
        "upcoming",
    )

    def __init__(self, sock: Any, limits: Limits, age: int) -> None:
        self.sock = sock
        self.decoder = RequestDecoder(limits)
        self.head: RequestHead | None = None  # of the request whose body is being received
        self.upcoming: tuple[wrappers.Request, Target] | None = None  # to be dispatched with it
        self.body: Any = None  # file for that body
        self.body_bytes = 0
        self.stream: BodyStream | None = None  # for that body, where a handler takes it piecemeal
        self.is_to_continue = False  # the client waits until somebody wants that body
        self.unheard_bytes = 0  # of what will not be looked at, how many are taken
        self.peer: tuple[Any, Any] | None = None
        self.request: wrappers.Request | None = None  # that is being answered
        self.response: wrappers.Response | None = None
        self.source: Any = None  # iterator of a body that is being sent
        self.encoder: BodyEncoder | None = None
        self.early: list[Any] | None = None  # pieces that were pushed before the head was written
        self.is_at_end = False  # the client has finished writing
        self.is_answered = False  # what the response is to be has been decided
        self.is_failing = False  # the response is the page about one that could not be sent
        self.is_responding = False  # the head of the response has been written
        self.is_closing = False
        self.is_cut_off = False  # we close although the client may have more to say
        self.linger: Appointment | None = None  # when we close though it still says it
        self.is_paused = False  # the client does not read: stop producing
        self.is_reading_paused = False
        self.is_idle = False  # between two requests
        self.age = age  # number of the sweep when this phase began


class _Linger(Event):
    """Everything is written to a client that may have more to say; fired behind that."""

    name = "_linger"

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)


class Connections(BaseComponent):
    """Base of the HTTP component: keeps its connections.

    Attributes:
        half_close: Called with a socket to tell its peer that nothing else will be sent, while
            it is read from. Without it, connections are closed at once.
        send_file: Called with a socket and a :class:`~circuits.web.wrappers.FileRange`, of which
            it sends as much as the kernel takes without waiting.
    """

    half_close: Callable[[Any], object] | None = None
    send_file: Callable[[Any, FileRange], object] | None = None

    def __init__(
        self,
        channel: str,
        server: Any,
        limits: Limits,
        header_timeout: float,
        body_timeout: float,
        idle_timeout: float,
    ) -> None:
        super().__init__(channel=channel)
        self.web_server = server
        self.limits = limits
        self.header_timeout = header_timeout
        self.body_timeout = body_timeout
        self.idle_timeout = idle_timeout
        self._connections: dict[Any, Connection] = {}
        self._sweeps = 0
        self._sweep_interval = max(
            0.01, min(_SWEEP_SECONDS, header_timeout / 4, body_timeout / 4, idle_timeout / 4)
        )
        self._sweeper: Any = None
        self._stopping = False
        self._request_door = Direct(self, events.Request, feedback=("success", "failure"))
        self._response_door = Direct(self, events.Response, feedback=("failure",))
        self._stream_door = Direct(self, events.Stream, feedback=("failure",))
        self._write_door = Direct(self, Write)
        self._close_door = Direct(self, Close)
        self._choosers_version = -1
        #: Whom to ask whether a request is to be dispatched before its body, in their order.
        self._stream_choosers: list[Callable[[wrappers.Request], bool | None]] = []
        self._streams_all = False  # what nobody else has an opinion on

    # -- what the rest of the component does --

    def _on_response(self, response: wrappers.Response | errors.HTTPError) -> None:
        raise NotImplementedError

    def _refuse(self, connection: Connection, problem: RemoteProtocolError) -> None:
        """Answer a request that cannot be served, if it deserves one, and close."""
        raise NotImplementedError

    # -- who wants bodies piece by piece --

    def _find_choosers(self) -> None:
        """Find whom to ask whether a request is to be dispatched before its body."""
        engine = self._tree_engine
        self._choosers_version = engine.routes.version
        routes = engine.route("request", self._tree_channels)
        choosers = [_stream_chooser(method) for method, _, _ in routes]
        self._stream_choosers = [choose for choose in choosers if choose is not None]
        self._streams_all = _every_body in choosers

    # -- the transport -----------------------------------------------------------------------

    def _transport(self) -> Any:
        return getattr(self.web_server, "server", None)

    def _close(self, connection: Connection, abort: bool = False) -> None:
        """Close when all is written; a client that may have more to say is heard before."""
        if connection.is_closing:
            return
        connection.is_closing = True
        if abort:
            self._drop(connection)
        elif (
            (connection.is_cut_off or connection.decoder.pending_bytes)
            and self.half_close is not None
            and not connection.is_at_end
            and not self._stopping
        ):
            self.fire(_Linger(connection), self)
            return
        self._hang_up(connection)

    @handler("_linger")
    def _on_linger(self, connection: Connection) -> None:
        # Closing while unread bytes are there would reset the connection, and the client lose
        # the answer that it has not read yet (RFC 9112, 9.6).
        if self._connections.get(connection.sock) is not connection:
            return
        if self.half_close is None or self._stopping:
            self._hang_up(connection)
            return
        self.half_close(connection.sock)
        connection.unheard_bytes = _LINGER_BYTES
        connection.linger = self._tree_engine.schedule.call_at(
            _clock.now() + _LINGER_SECONDS, partial(self._hang_up, connection)
        )
        if connection.is_reading_paused:
            self._resume_reading(connection)

    def _hang_up(self, connection: Connection) -> None:
        if connection.linger is not None:
            connection.linger.cancel()
            connection.linger = None
        self._close_door.call(connection.sock)

    def _overhear(self, connection: Connection, data: bytes) -> None:
        """Throw away what a client says after its last answer, up to a limit."""
        if connection.linger is not None:
            connection.unheard_bytes -= len(data)
            if connection.unheard_bytes < 0:
                self._hang_up(connection)

    def _pause_reading(self, connection: Connection) -> None:
        pause = getattr(self._transport(), "pause_reading", None)
        if pause is not None and not connection.is_reading_paused:
            connection.is_reading_paused = True
            pause(connection.sock)

    def _resume_reading(self, connection: Connection) -> None:
        connection.is_reading_paused = False
        self._transport().resume_reading(connection.sock)

    # -- coming and going --------------------------------------------------------------------

    @handler("connect")
    def _on_connect(self, sock: Any, *peer: Any) -> None:
        # Known from now on, so that a client who never says anything is sent away, too.
        if not isinstance(sock, str):  # a client on our channel would be asked to connect
            connection = self._connections.get(sock) or self._welcome(sock)
            connection.peer = peer[:2] if len(peer) >= 2 else None

    def _welcome(self, sock: Any) -> Connection:
        connection = self._connections[sock] = Connection(sock, self.limits, self._sweeps)
        if self._sweeper is None:
            self._schedule_sweep()
        return connection

    @handler("disconnect")
    def _on_disconnect(self, sock: Any = None) -> None:
        connection = self._connections.pop(sock, None)
        if connection is not None:
            connection.is_closing = True
            self._drop(connection)

    def _drop(self, connection: Connection) -> None:
        """Give up what was kept for a connection."""
        request, response = connection.request, connection.response
        connection.request = connection.response = None
        source, connection.source = connection.source, None
        stream, connection.stream = connection.stream, None
        connection.early = None
        self._tree_engine.release(connection)
        if connection.linger is not None:
            connection.linger.cancel()
        if stream is not None:
            stream.fail(ConnectionResetError("the client has gone in the middle of its request"))
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
        self._sweeper = self._tree_engine.schedule.call_at(
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
            if connection.is_closing or connection.is_reading_paused or connection.is_to_continue:
                continue  # it is not the client that is waited for
            if connection.is_paused:  # a file is on its way: the transport looks after that
                connection.age = self._sweeps
                continue
            if connection.request is not None and connection.stream is None:
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
        engine = self._tree_live
        for connection in list(self._connections.values()):
            if connection.request is not None:
                engine.hold(connection)
                if connection.response is not None and not connection.is_responding:
                    connection.response.close = True
            elif connection.linger is not None:
                self._hang_up(connection)
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


def _stream_chooser(method: Any) -> Callable[[wrappers.Request], bool | None] | None:
    """Who knows whether a handler of ``request`` wants a body as it arrives.

    A component may decide it by a method ``wants_stream(request)``, whose ``None`` leaves it to
    others; a handler with ``stream=True`` wants all of them.
    """
    choose: Any = getattr(getattr(method, "__self__", None), "wants_stream", None)
    if choose is None and getattr(method, "stream", False):
        return _every_body
    return choose  # type: ignore[no-any-return]


def _every_body(request: wrappers.Request) -> bool:
    return True
