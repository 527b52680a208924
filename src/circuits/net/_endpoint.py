"""What clients and servers share: their poller, their life, and how data becomes events."""

from __future__ import annotations

import errno

# What the engine loads when it is needed first: a timer, a report. When it is needed because
# the process has run out of descriptors, no module can be loaded any more.
import heapq  # noqa: F401
import logging  # noqa: F401 - as heapq
import socket
import traceback  # noqa: F401 - as heapq
from functools import partial
from types import CoroutineType, GeneratorType
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

from circuits.core._descriptor import FAILURES
from circuits.core._direct import Direct
from circuits.core._held import hold
from circuits.core._poller_user import PollerUser
from circuits.core.events import Event
from circuits.core.handlers import handler
from circuits.core.values import Value

from ._connection import RECEIVES, Connection, Limits, as_bytes
from ._sweeper import Sweeper
from .events import NetworkError, Pause, Read, Resume, SocketError, Write

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable

__all__ = ["BUFSIZE", "EndOfInput", "Endpoint", "Keeper"]

#: With how many bytes reading starts; more while they are filled.
BUFSIZE = 4096

#: How often the end of input goes to the end of the queue before it closes the connection, so
#: that replies which handlers produce through a chain of events come first.
_HOPS = 4

#: Default of ``write_timeout``, in seconds: as long as web servers commonly wait for a client.
WRITE_TIMEOUT = 60.0

#: Default of ``handshake_timeout``, in seconds: whoever says nothing is sent away before ten.
HANDSHAKE_TIMEOUT = 8.0


class Source(Protocol):
    """Where data comes from."""

    sock: Any

    def write(self, data: bytes) -> None: ...
    def expect(self, event: Any) -> None: ...


class Keeper(Protocol):
    """Another component that decides when the connections of a server end."""

    def end_of_input(self, sock: Any) -> bool:
        """A peer has finished writing, and nothing that it sent is left to be read.

        Returns:
            Whether the connection stays open for writing; the keeper closes it then.
        """

    def abandon(self) -> None:
        """All connections end now, whatever is under way: cut what must not look complete."""


class EndOfInput(Event):
    """The peer of a connection has finished writing, and its last ``read`` is done with.

    Fired by an endpoint at itself.

    Args:
        connection: Which one.
        hops: How often it is fired again at most, behind what handlers have fired meanwhile.
    """

    name = "_end_of_input"

    def __init__(self, connection: Connection, hops: int) -> None:
        super().__init__(connection, hops)


class Endpoint(PollerUser):
    """Follows the life of the tree, and turns received data into events.

    Fires ``ready`` when it has a poller.
    """

    #: Where names are looked up: the module ``sockets``, which is above and puts itself here, since
    #: programs replace its functions.
    _look_ups: ClassVar[Any]
    socket_family: int = socket.AF_INET
    socket_type: int = socket.SOCK_STREAM
    socket_protocol: int = 0
    _limits: Limits
    _bind: Any
    _sock: Any
    _is_given = False  # whether somebody else has made the socket
    _tells_sock: bool  # whether events about a connection carry its socket
    #: The handlers of ``write`` that do no more than have a connection write.
    _own_writes: ClassVar[tuple[Any, ...]] = ()
    #: Whether errors are told by ``error``, too, as in the 3.x line.
    error_events = False
    #: Seconds without a byte of progress after which a connection fails that has data pending.
    write_timeout: float | None = WRITE_TIMEOUT
    #: Seconds that a handshake of TLS may take.
    handshake_timeout: float | None = HANDSHAKE_TIMEOUT
    _sweeper: Sweeper | None = None
    _read_door: Direct
    _write_door: Direct
    _end_door: Direct

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Make the component with the doors that its events go through."""
        self = super().__new__(cls, *args, **kwargs)
        self._read_door = Direct(self, Read, within=("_read",))
        self._write_door = Direct(self, Write, within=("read_value_changed",), home=cls._own_writes)
        self._end_door = Direct(self, EndOfInput, (self,), within=("_read",))
        self._tells_sock = cls._tells_sock  # from the class it would cost more
        return self

    def _take_options(self, bufsize: int, options: dict[str, Any], reads_on: bool = False) -> None:
        """Take what every endpoint can be given out of keyword arguments."""
        names = ("high_water", "low_water", "max_pending")
        chosen = {name: options.pop(name) for name in names if name in options}
        self._bufsize = bufsize
        self._limits = Limits(bufsize=bufsize, reads_on=reads_on, **chosen)
        self.write_timeout = options.pop("write_timeout", WRITE_TIMEOUT)
        self.handshake_timeout = options.pop("handshake_timeout", HANDSHAKE_TIMEOUT)
        self.error_events = bool(options.pop("error_events", self.error_events))

    def _take_bind(self, bind: Any) -> None:
        """Use a socket that somebody has made, or make one for an address."""
        self._is_given = isinstance(bind, socket.socket)
        if self._is_given:
            bind.setblocking(False)
            self._bind, self._sock = bind.getsockname(), bind
        else:
            self._bind = self.parse_bind_parameter(bind)
            self._sock = self._create_socket()
        if self._sock is not None:
            hold(self._sock)

    # -- what a subclass provides --

    def parse_bind_parameter(self, bind_parameter: Any) -> Any:
        """Turn the parameter ``bind`` into an address."""
        return bind_parameter

    def _create_socket(self) -> Any:
        """The socket to begin with, or ``None``."""
        raise NotImplementedError(f"{type(self).__name__} must make its socket")

    def write(self, *args: Any) -> None:
        """Send data."""
        raise NotImplementedError

    def _connection_rows(self, most: int) -> tuple[int, list[tuple[str, str, int]]]:
        """For who looks into an application: how many connections there are, and of some of them
        the peer, the state, and how many bytes are not sent yet.
        """
        owned = list(self._owned())
        return len(owned), [
            (_peer_text(connection), connection.state.value, connection.pending_bytes)
            for connection in owned[:most]
        ]

    def _owned(self) -> Iterable[Connection]:
        """The connections that are not closed."""
        raise NotImplementedError

    def _join_poller(self, poller: Any) -> None:
        for connection in list(self._owned()):
            connection.watch()

    def _leave_poller(self, poller: Any) -> None:
        for connection in list(self._owned()):  # which another thread may open and close
            poller.discard(connection.sock)

    def _is_busy(self) -> bool:
        """Whether something is still open when the application ends."""
        return any(self._owned())

    def _shut_down(self) -> None:
        """The application stops: accept nothing, write what is pending."""
        raise NotImplementedError

    def _abort(self) -> None:
        """Close everything at once."""
        raise NotImplementedError

    # -- the life of the application and of the component --

    def _tree_joined(self) -> None:
        super()._tree_joined()
        for connection in list(self._owned()):
            if connection.is_ending:  # what was to tell us that has stayed in the tree before
                self._reads_finished(connection, is_told=True)

    def _poller_failed(self, problem: OSError) -> None:
        sock = vars(self).get("_sock")
        self._tell_error(*((sock, problem) if self._tells_sock else (problem,)))

    def _application_stopped(self) -> None:
        self._shut_down()
        if self._is_busy():
            self._hold_end()

    def _grace_over(self) -> None:
        # What is left is dropped, and the events about that are still delivered.
        self._abort()
        self._release_end()

    def _drained(self) -> None:
        """A connection is closed; was it the last that the end of the application waits for?"""
        if self._is_stopping and not self._is_busy():
            self._release_end()

    def _leave(self) -> None:
        self._abort()
        self._release_end()
        if self._sweeper is not None:
            self._sweeper.cancel()
        self._poller = None

    # -- data --

    def _readable(self, connection: Connection) -> None:
        """Read from a connection, and deliver what there is."""
        data = connection.receive()
        if data:
            try:
                self._deliver(connection, data)
            except MemoryError as problem:  # nobody has got it
                connection.fail(problem)
                return
            if connection.tls is not None:
                self._check_tls(connection)
        elif data is not None:
            connection.end_of_input()
            if not connection.unfinished_reads:
                self._reads_finished(connection)
        elif connection.tls is not None:
            connection.watch()

    def _check_tls(self, connection: Connection) -> None:
        """Check what the poller cannot know after data has been decrypted."""
        tls = connection.tls
        if tls is not None and tls.at_eof and not connection.at_end:
            if connection.state in RECEIVES:
                self._readable(connection)
        elif tls is not None and tls.has_output:
            connection.watch()

    def _deliver(self, connection: Source, data: bytes) -> None:
        """Call the handlers of ``read``, or fire it."""
        door = self._read_door
        queue = door.queue
        method = door.sole
        # What door.methods does, without the call, where there is nothing to it.
        if method is None or door.epoch != queue.epoch or queue or door.ready:
            self._deliver_to_all(connection, data)
            return
        try:
            result = method(connection.sock, data) if self._tells_sock else method(data)
        except BaseException as problem:
            door.failed(door.event(*self._read_arguments(connection, data)), method, problem)
            return
        if result is None:
            return
        write_door = self._write_door
        if (
            result.__class__ is bytes
            and write_door.leads_home
            and door.epoch == write_door.epoch == write_door.queue.epoch
            and not (queue or door.ready)
        ):
            connection.write(result)  # as below, without the calls
        else:
            self._take_result(connection, data, method, result)

    def _deliver_to_all(self, connection: Source, data: bytes) -> None:
        """The same, whoever they are."""
        door = self._read_door
        methods = door.methods()
        args = self._read_arguments(connection, data)
        if methods is None:
            event = Read(*args)
            connection.expect(event)
            self.fire(event)
            return
        for method in methods:
            try:
                result = method(*args)
            except BaseException as problem:
                door.failed(door.event(*args), method, problem)
                return
            if result is not None:
                self._take_result(connection, data, method, result)
                return

    def _take_result(self, connection: Source, data: bytes, method: Any, result: Any) -> None:
        """Write back what a handler of ``read`` has returned, or go on with what it has begun."""
        door = self._read_door
        kind = result.__class__
        if kind is not bytes and (kind is GeneratorType or kind is CoroutineType):
            args = self._read_arguments(connection, data)
            try:
                result = door.begin(method, result, *args)
            except BaseException as problem:
                door.failed(door.event(*args), method, problem)
                return
            kind = result.__class__
            if result is None:
                return
            if kind is Value and result.manager is self and result.event.waitingHandlers:
                connection.expect(result.event)
                return
        if kind is bytes and self._write_door.leads_home_since(door):
            # Of ``read_value_changed`` nobody hears but we, or the door would be closed; unless the
            # handler has changed that.
            connection.write(result)
        else:
            door.take(door.event(*self._read_arguments(connection, data)), method, result)

    def _read_arguments(self, connection: Source, data: bytes) -> tuple[Any, ...]:
        return (connection.sock, data) if self._tells_sock else (data,)

    @handler("read_value_changed")
    def _on_read_value_changed(self, value: Value) -> None:
        """Write back what the handlers of ``read`` returned, if that is one piece of bytes."""
        event = value.event
        if event is None or value.handled or event.waitingHandlers:
            return
        if not isinstance(event, Read) or value.manager is not self:
            return
        data = value.value
        if isinstance(data, bytes):
            value.handled = True
            args = (event.args[0], data) if self._tells_sock else (data,)
            self._write_door.call(*args)

    # -- the end of input --

    def _reads_finished(self, connection: Connection, *, is_told: bool = False) -> None:
        """The peer has finished, and so have all handlers of ``read``.

        Where an event has told that (``is_told``), others are told, too, and go on first.
        """
        connection.is_ending = True
        if is_told:
            self.fire(EndOfInput(connection, _HOPS), self)
        else:
            self._end_door.call(connection, _HOPS)

    @handler("_end_of_input")
    def _on_end_of_input(self, connection: Connection, hops: int) -> None:
        owner: object = connection._owner
        if owner is not self:
            return
        if connection.unfinished_reads:
            connection.is_ending = False
            return  # a protocol has not handed out all that was read: it is told again
        if hops and self._tree_engine.queue:
            self.fire(EndOfInput(connection, hops - 1), self)
        else:
            connection.is_ending = False
            self._finish_input(connection)

    def _finish_input(self, connection: Connection) -> None:
        connection.close()

    # -- TLS --

    def _encrypt(
        self,
        connection: Connection,
        context: ssl.SSLContext,
        *,
        server_side: bool,
        server_hostname: str | None = None,
    ) -> None:
        """Begin a handshake. When it is done, ``_connection_opened`` is called.

        Raises:
            ValueError: The context wants a name to check, and there is none.
        """
        from ._tls import TLSSocket, TLSStream

        tls = TLSStream(
            connection.sock,
            context,
            server_side=server_side,
            server_hostname=server_hostname,
            opened=connection.opened,
            before=b"" if connection.writer is None else connection.writer.joined(),
        )
        if self.handshake_timeout is not None:
            tls.timer = self._tree_engine.schedule.call_in(
                self.handshake_timeout, partial(self._late, connection)
            )
        if isinstance(connection.sock, TLSSocket):
            connection.sock._tls = tls.object
        connection.encrypt(tls)
        if not server_side:
            try:
                tls.begin()
            except FAILURES as problem:
                connection.fail(problem)
            connection.watch()

    def _late(self, connection: Connection) -> None:
        seconds = f"{self.handshake_timeout:g} seconds"
        connection.fail(TimeoutError(errno.ETIMEDOUT, f"no TLS handshake within {seconds}"))

    def _opened(self, connection: Connection, wants_alpn: bool) -> bool:
        """Check the result of the handshake; whether the connection may be used."""
        tls = connection.tls
        assert tls is not None
        tls.timer.cancel()
        if wants_alpn and tls.object.selected_alpn_protocol() is None:
            connection.fail(OSError(errno.EPROTO, "no common ALPN protocol with the peer"))
            return False
        return True

    # -- what connections tell --

    def _tell_error(self, *args: Any) -> None:
        self.fire(SocketError(*args))
        if self.error_events:
            self.fire(NetworkError(*args))

    def _connection_congested(self, connection: Connection, is_congested: bool) -> None:
        event = Pause if is_congested else Resume
        self.fire(event(connection.sock) if self._tells_sock else event())

    def _connection_blocked(self, connection: Connection) -> None:
        if self.write_timeout is None:
            return
        if self._sweeper is None:
            self._sweeper = Sweeper(self)
        self._sweeper.watch(connection)

    @staticmethod
    def _checked(data: Any) -> Any:
        return data if data.__class__ is bytes else as_bytes(data)


def _peer_text(connection: Connection) -> str:
    try:
        peer = connection.sock.getpeername()
    except OSError:  # it has gone
        return ""
    if isinstance(peer, tuple):
        host, port = peer[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return str(peer or "unix")
