"""Sockets as components (manual: circuits.net.sockets).

Servers and clients find a poller in their tree, or bring one. A server's events carry the
socket of the client first, a client's do not.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
import threading
from socket import (
    AF_INET,
    AF_INET6,
    getaddrinfo,
    getfqdn,
    gethostbyname,
    gethostname,
)
from typing import Any

from circuits.core import _clock
from circuits.core.components import BaseComponent
from circuits.core.events import BaseEvent, Event, Registered, Started
from circuits.core.handlers import handler
from circuits.core.pollers import BasePoller, Poller
from circuits.core.utils import findtype

from ._address import check_port, show_host, split_host_port
from ._stream import CLOSED, CONNECTING, DRAINING, OPEN, Connection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from circuits.core.manager import Manager
    from circuits.core.values import Value

__all__ = [
    "BACKLOG",
    "BUFSIZE",
    "Client",
    "Close",
    "Closed",
    "Connect",
    "Connected",
    "Disconnect",
    "Disconnected",
    "Pause",
    "Read",
    "Ready",
    "Resume",
    "Server",
    "SocketError",
    "TCP6Client",
    "TCP6Server",
    "TCPClient",
    "TCPServer",
    "UNIXServer",
    "Unreachable",
    "Write",
    "parse_ipv4_parameter",
    "parse_ipv6_parameter",
]

#: Bytes of the first read of a connection; the buffer grows with the traffic.
BUFSIZE = 4096
#: Connections that the kernel keeps until they are accepted.
BACKLOG = 5000

#: Connections accepted in one go: many enough for a rush, few enough to stay responsive.
_ACCEPT_BATCH = 64
#: Seconds without accepting after the process has run out of descriptors or memory.
_ACCEPT_PAUSE = 0.25
_OUT_OF_RESOURCES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_NOT_YET = frozenset({errno.EAGAIN, errno.EWOULDBLOCK, errno.EINTR})
_SKIP = frozenset({errno.EPERM, errno.ECONNABORTED, errno.EPROTO})


# -- events ---------------------------------------------------------------------------------


class Connect(Event):
    """Client: connect to ``(host, port, secure=False)``. Server: ``(sock, host, port)`` came.

    As a request, fired by anyone on a client's channel. As a notice, fired by a server on its
    channel when a client has been accepted, before anything is read from it.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)


class Connected(Event):
    """A client is connected and may write.

    Fired by a client on its channel, once for each successful connect.

    Args:
        host: What was dialled, as the caller gave it.
        port: Port that was dialled.
    """

    def __init__(self, host: Any, port: Any) -> None:
        super().__init__(host, port)


class Disconnect(Event):
    """Server: ``(sock,)`` has gone. Client: a request to disconnect, like ``Close``."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)


class Disconnected(Event):
    """A client's connection has ended; once for each ``Connected``."""

    def __init__(self) -> None:
        super().__init__()


class Read(Event):
    """Data came. Client ``(data,)``; server ``(sock, data)``. Never empty.

    If the handlers leave exactly one value and it is ``bytes``, it is written back.
    """

    notify: Any = True

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)


class Write(Event):
    """Send data. Client ``(data,)``; server ``(sock, data)``. Fired by anyone."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)


class Close(Event):
    """Close when all is sent. Client ``()``; server ``()`` for all, ``(sock,)`` for one."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)


class Closed(Event):
    """A server has closed its listening socket."""

    def __init__(self) -> None:
        super().__init__()


class SocketError(Event):
    """Something went wrong. Client ``(exception,)``; server ``(sock, exception)``."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)


class Ready(Event):
    """A component has its poller: client ``(component,)``, server ``(component, (host, port))``."""

    def __init__(self, component: Any, bind: Any = None) -> None:
        if bind is None:
            super().__init__(component)
        else:
            super().__init__(component, bind)


class Unreachable(Event):
    """A client could not connect; ``socket_error`` says the same. ``(host, port, exception)``.

    .. versionadded:: 2.1
       From the 3.x line.
    """

    def __init__(self, host: Any, port: Any, reason: BaseException | None = None) -> None:
        super().__init__(host, port, reason)


class Pause(Event):
    """More waits to be sent than the high-water mark; ``(sock,)`` of a server, ``()`` of a client.

    .. versionadded:: 2.1
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)


class Resume(Event):
    """What waits to be sent is below the low-water mark again.

    .. versionadded:: 2.1
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)


class _EndOfInput(Event):
    """The peer has sent its last; fired behind the ``read`` events, so that it is last."""

    name = "_end_of_input"

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)


class _Resolved(Event):
    """A name has been looked up, by another thread."""

    name = "_resolved"

    def __init__(self, attempt: int, addresses: Any) -> None:
        super().__init__(attempt, addresses)


# -- addresses --------------------------------------------------------------------------------


def parse_ipv4_parameter(bind_parameter: Any) -> Any:
    """Make an address of what ``bind`` may be; see the manual of :class:`TCPServer`."""
    if isinstance(bind_parameter, int):
        check_port(bind_parameter, bind_parameter)
        try:
            return (gethostbyname(gethostname()), bind_parameter)
        except socket.gaierror:
            return ("0.0.0.0", bind_parameter)
    if isinstance(bind_parameter, str) and ":" in bind_parameter:
        return split_host_port(bind_parameter)
    return _checked(bind_parameter)


def parse_ipv6_parameter(bind_parameter: Any) -> Any:
    """Make an IPv6 address of what ``bind`` may be."""
    if isinstance(bind_parameter, int):
        check_port(bind_parameter, bind_parameter)
        try:
            found = getaddrinfo(getfqdn(), bind_parameter, AF_INET6)
            return found[0][4]
        except (socket.gaierror, IndexError):
            return ("::", bind_parameter)
    if isinstance(bind_parameter, str) and bind_parameter.startswith("["):
        return split_host_port(bind_parameter)
    return _checked(bind_parameter)


def _checked(bind: Any) -> Any:
    if isinstance(bind, list | tuple):
        if len(bind) not in (2, 4):
            raise ValueError(f"an address is (host, port), not {bind!r}")
        check_port(bind[1], bind)
        return tuple(bind)
    return bind


# -- what servers and clients share ----------------------------------------------------------


class _Endpoint(BaseComponent):
    """Finds a poller, and reads and writes the connections of a server or a client.

    Args of servers and clients, all keywords:
        high_water_bytes: Waiting bytes at which ``pause`` is fired and reading stops.
        low_water_bytes: Waiting bytes at which ``resume`` is fired.
        pending_limit_bytes: Waiting bytes at which a connection is given up.
    """

    high_water_bytes = 1024 * 1024
    low_water_bytes = 256 * 1024
    pending_limit_bytes = 64 * 1024 * 1024

    _poller: BasePoller | None = None
    _is_ready = False
    _read_routes: Any = None
    _read_call: Any = None

    def _take_options(self, options: dict[str, Any]) -> None:
        for name in ("high_water_bytes", "low_water_bytes", "pending_limit_bytes"):
            if name in options:
                setattr(self, name, options.pop(name))

    # -- the poller --

    @handler("registered", "started", channel="*")
    def _on_registered_or_started(
        self, event: BaseEvent, component: Any, manager: Manager | None = None
    ) -> None:
        if isinstance(event, Registered | Started):
            self._find_poller(component)

    def _find_poller(self, component: Any) -> None:
        if self._poller is None:
            if isinstance(component, BasePoller):
                self._poller = component
            elif component is self or isinstance(component, BaseComponent):
                found = findtype(self.root, BasePoller)
                self._poller = Poller().register(self) if found is None else found
            else:
                return
            self._watch_again()
            if not self._is_ready:
                self._is_ready = True
                self._announce()

    @handler("unregistered", channel="*")
    def _on_unregistered(self, event: BaseEvent, component: Any, manager: Any) -> None:
        if component is self._poller and self.root is event.args[1].root:
            self._poller = None
            self._find_poller(self)

    def _watch_again(self) -> None:
        """Enter all descriptors in a new poller."""
        raise NotImplementedError

    def _announce(self) -> None:
        """Fire ``ready``."""
        raise NotImplementedError

    # -- connections --

    def _arguments(self, connection: Connection) -> tuple[Any, ...]:
        """What events about a connection begin with."""
        raise NotImplementedError

    def _over(self, connection: Connection) -> None:
        """A connection has been closed."""
        raise NotImplementedError

    def _receive(self, connection: Connection) -> None:
        try:
            data = connection.receive()
        except OSError as problem:
            self._break(connection, problem)
            return
        if data is None:
            return
        if data:
            if connection.state is OPEN:
                self._deliver(*self._arguments(connection), data)
            return
        connection.is_at_end = True
        assert self._poller is not None
        self._poller.removeReader(connection.sock)
        self.fire(_EndOfInput(connection))

    def _deliver(self, *args: Any) -> None:
        engine = self._engine
        routes = engine.route("read", self._channels)
        if routes is not self._read_routes:
            self._read_routes = routes
            self._read_call = None
            if len(routes) == 1 and getattr(routes[0][0], "direct", False):
                self._read_call = routes[0][0]
        if self._read_call is not None and not engine.queue and not engine.awaited:
            engine.call_direct(self._read_call, Read, *args)
        else:
            self.fire(Read(*args))

    @handler("_end_of_input")
    def _on_end_of_input(self, connection: Connection) -> Any:
        if self._is_mine(connection):
            return self._finish_input(connection)
        return None

    def _is_mine(self, connection: Connection) -> bool:
        raise NotImplementedError

    def _finish_input(self, connection: Connection) -> Any:
        # What the handlers of the last data answer, directly or by an event that they fired,
        # is still to be sent: let those events pass first.
        for _ in range(3):
            yield None
        while any(
            task.event.name == "read" and connection.sock in task.event.args[:1]
            for task in self._engine.tasks
        ):
            yield None
        self._close_when_sent(connection)

    def _send(self, connection: Connection, data: Any) -> None:
        if type(data) is not bytes:
            if isinstance(data, str):
                raise TypeError(f"write takes bytes, not str: encode {data!r:.60} first")
            data = bytes(data)
        if not data or connection.state is not OPEN:
            return
        try:
            if connection.send(data):
                return
        except OSError as problem:
            self._break(connection, problem)
            return
        if not connection.is_writing:
            connection.is_writing = True
            assert self._poller is not None
            self._poller.addWriter(self, connection.sock)
        if connection.pending_bytes > self.pending_limit_bytes:
            self._break(
                connection,
                OSError(errno.ENOBUFS, f"the peer does not read: {connection.pending_bytes} bytes"),
            )
        elif not connection.is_paused and connection.pending_bytes > self.high_water_bytes:
            connection.is_paused = True
            self._poller_stop_reading(connection)
            self.fire(Pause(*self._arguments(connection)))

    def _poller_stop_reading(self, connection: Connection) -> None:
        if self._poller is not None:
            self._poller.removeReader(connection.sock)

    def _poller_read(self, connection: Connection) -> None:
        if (
            self._poller is not None
            and connection.state is OPEN
            and not (connection.is_at_end or connection.is_paused or connection.is_reading_paused)
        ):
            self._poller.addReader(self, connection.sock)

    def _flush(self, connection: Connection) -> None:
        try:
            done = connection.flush()
        except OSError as problem:
            self._break(connection, problem)
            return
        if connection.is_paused and connection.pending_bytes < self.low_water_bytes:
            connection.is_paused = False
            self._poller_read(connection)
            self.fire(Resume(*self._arguments(connection)))
        if done:
            connection.is_writing = False
            assert self._poller is not None
            self._poller.removeWriter(connection.sock)
            if connection.state is DRAINING:
                self._close_now(connection)

    def _break(self, connection: Connection, problem: OSError) -> None:
        """A connection failed."""
        if connection.state is CLOSED:
            return
        self.fire(SocketError(*self._arguments(connection), problem))
        self._close_now(connection)

    def _close_when_sent(self, connection: Connection) -> None:
        if connection.state is CLOSED or connection.state is DRAINING:
            return
        if connection.pending_bytes:
            connection.state = DRAINING
            self._poller_stop_reading(connection)
            if not self.root.running:
                self._engine.hold(connection)
        else:
            self._close_now(connection)

    def _close_now(self, connection: Connection) -> None:
        if connection.state is CLOSED:
            return
        if self._poller is not None:
            self._poller.discard(connection.sock)
        connection.shut()
        self._engine.release(connection)
        self._over(connection)

    # -- echo --

    @handler("read_value_changed")
    def _on_read_value_changed(self, value: Value) -> None:
        event = value.event
        if event is None or event.waitingHandlers or value.errors:
            return
        data = value.value
        if isinstance(data, bytes) and data:
            self._echo(event, data)

    def _echo(self, event: BaseEvent, data: bytes) -> None:
        raise NotImplementedError


# -- servers ----------------------------------------------------------------------------------


class Server(_Endpoint):
    """Accepts connections; it listens as soon as it is made.

    Fires ``ready``, ``connect(sock, host, port)``, ``read(sock, data)``, ``disconnect(sock)``,
    ``socket_error(sock, exception)``, ``pause(sock)``, ``resume(sock)`` and ``closed`` on its
    channel; handles ``write(sock, data)``, ``close()`` and ``close(sock)`` there.

    Args:
        bind: Where to listen: ``(host, port)``, ``"host:port"``, a port (at the address of the
            host's own name), or a socket that listens already. Port 0 picks a free one.
        secure: Whether to speak TLS.
        backlog: Connections that the kernel keeps until they are accepted.
        bufsize: Bytes of the first read of a connection.
        channel: The channel.
        **kwargs: ``reuse_port``, and the marks of :class:`_Endpoint`.

    Raises:
        OSError: The address is in use, or not ours.
        TypeError, ValueError: ``bind`` is no address.
    """

    channel = "server"
    socket_family: int = AF_INET

    #: Whether somebody else closes the connections when the application stops.
    connections_drain_elsewhere = False

    def __init__(
        self,
        bind: Any,
        secure: bool = False,
        backlog: int = BACKLOG,
        bufsize: int = BUFSIZE,
        channel: Any = channel,
        **kwargs: Any,
    ) -> None:
        super().__init__(channel=channel)
        if secure:
            raise RuntimeError("secure=True is not available yet")
        self.secure = secure
        self._take_options(kwargs)
        self._reuse_port = bool(kwargs.get("reuse_port", False))
        self._backlog = backlog
        self._bufsize = bufsize
        self._connections: dict[Any, Connection] = {}
        self._is_stopping = False
        self._accept_timer: Any = None
        if isinstance(bind, socket.socket):
            self._sock: Any = bind
            bind.setblocking(False)
            self._bind = bind.getsockname()
        else:
            self._bind = self.parse_bind_parameter(bind)
            self._sock = self._create_socket()

    @property
    def _clients(self) -> list[Any]:
        return list(self._connections)

    def parse_bind_parameter(self, bind_parameter: Any) -> Any:
        """Make an address of ``bind``."""
        return parse_ipv4_parameter(bind_parameter)

    def _create_socket(self) -> Any:
        return None

    @property
    def connected(self) -> bool:
        """Always true."""
        return True

    @property
    def host(self) -> Any:
        """Address that is bound; ``None`` once closed."""
        return None if self._sock is None else show_host(self._sock.getsockname())[0]

    @property
    def port(self) -> Any:
        """Port that is bound; ``None`` once closed."""
        return None if self._sock is None else show_host(self._sock.getsockname())[1]

    def _announce(self) -> None:
        self.fire(Ready(self, (self.host, self.port)))

    def _watch_again(self) -> None:
        assert self._poller is not None
        if self._sock is not None and self._accept_timer is None:
            self._poller.addReader(self, self._sock)
        for connection in self._connections.values():
            self._poller_read(connection)
            if connection.is_writing:
                self._poller.addWriter(self, connection.sock)

    def _arguments(self, connection: Connection) -> tuple[Any, ...]:
        return (connection.sock,)

    def _is_mine(self, connection: Connection) -> bool:
        return self._connections.get(connection.sock) is connection

    def _over(self, connection: Connection) -> None:
        self._connections.pop(connection.sock, None)
        self.fire(Disconnect(connection.sock))

    def _echo(self, event: BaseEvent, data: bytes) -> None:
        connection = self._connections.get(event.args[0])
        if connection is not None:
            self._send(connection, data)

    # -- what the poller says --

    @handler("_read")
    def _on_readable(self, fd: Any) -> None:
        connection = self._connections.get(fd)
        if connection is not None:
            self._receive(connection)
        elif fd is self._sock:
            self._accept()

    @handler("_write")
    def _on_writable(self, fd: Any) -> None:
        connection = self._connections.get(fd)
        if connection is not None:
            self._flush(connection)

    @handler("_disconnect", "_error")
    def _on_hang_up(self, fd: Any, problem: Any = None) -> None:
        connection = self._connections.get(fd)
        if connection is not None:
            code = connection.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                self._break(connection, OSError(code, os.strerror(code)))
            else:
                self._close_now(connection)

    def _accept(self) -> None:
        for _ in range(_ACCEPT_BATCH):
            try:
                sock, address = self._sock.accept()
            except OSError as problem:
                if problem.errno in _NOT_YET:
                    return
                if problem.errno in _SKIP:
                    continue
                self.fire(SocketError(self._sock, problem))
                if problem.errno in _OUT_OF_RESOURCES:
                    self._pause_accepting()
                return
            self._prepare(sock)
            connection = self._connections[sock] = Connection(sock, self._bufsize)
            try:
                self._poller_read(connection)
            except OSError as problem:  # the poller cannot watch it
                self.fire(SocketError(sock, problem))
                del self._connections[sock]
                connection.shut()
                continue
            if address and isinstance(address, tuple):
                self.fire(Connect(sock, *show_host(address)))
            else:
                self.fire(Connect(sock))

    def _prepare(self, sock: Any) -> None:
        sock.setblocking(False)

    def _pause_accepting(self) -> None:
        # The listener stays readable: without a pause the loop would spin.
        assert self._poller is not None
        self._poller.removeReader(self._sock)
        self._accept_timer = self._engine.schedule.call_at(
            _clock.now() + _ACCEPT_PAUSE, self._resume_accepting
        )

    def _resume_accepting(self) -> None:
        self._accept_timer = None
        if self._sock is not None and self._poller is not None:
            self._poller.addReader(self, self._sock)

    # -- requests --

    @handler("write")
    def write(self, sock: Any, data: Any) -> None:
        """Send to a client; nothing happens if it has gone.

        Raises:
            TypeError: ``data`` is ``str``, or not bytes-like.
        """
        connection = self._connections.get(sock)
        if connection is not None:
            self._send(connection, data)
        elif isinstance(data, str):
            raise TypeError(f"write takes bytes, not str: encode {data!r:.60} first")

    @handler("close")
    def close(self, sock: Any = None) -> None:
        """Close a client, or everything; what waits to be sent is sent first."""
        if sock is not None and sock is not self._sock:
            connection = self._connections.get(sock)
            if connection is not None:
                self._close_when_sent(connection)
            return
        self._close_listener()
        for connection in list(self._connections.values()):
            self._close_when_sent(connection)

    def _close_listener(self) -> None:
        if self._accept_timer is not None:
            self._accept_timer.cancel()
            self._accept_timer = None
        sock, self._sock = self._sock, None
        if sock is not None:
            if self._poller is not None:
                self._poller.discard(sock)
            sock.close()
            self.fire(Closed())

    def pause_reading(self, sock: Any) -> None:
        """Stop reading from a client that sends faster than it is served."""
        connection = self._connections.get(sock)
        if connection is not None and not connection.is_reading_paused:
            connection.is_reading_paused = True
            self._poller_stop_reading(connection)

    def resume_reading(self, sock: Any) -> None:
        """Read from a client again."""
        connection = self._connections.get(sock)
        if connection is not None and connection.is_reading_paused:
            connection.is_reading_paused = False
            self._poller_read(connection)

    @handler("stopped", channel="*")
    def _on_stopped(self, component: Any) -> None:
        if component is not self.root:
            return
        if self.connections_drain_elsewhere:
            self._close_listener()
        else:
            self.close()
        for connection in self._connections.values():
            if connection.pending_bytes:
                self._engine.hold(connection)

    @handler("prepare_unregister", channel="*")
    def _on_prepare_unregister(self, event: Any, component: Manager) -> None:
        if event.in_subtree(self):
            self._close_listener()
            for connection in list(self._connections.values()):
                self._close_now(connection)

    def __del__(self) -> None:
        sock = vars(self).get("_sock")
        if sock is not None:
            sock.close()
        for connection in vars(self).get("_connections", {}).values():
            connection.sock.close()


class TCPServer(Server):
    """Accepts TCP connections; see :class:`Server`."""

    socket_family: int = AF_INET

    def _create_socket(self) -> Any:
        sock = socket.socket(self.socket_family, socket.SOCK_STREAM)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if self._reuse_port:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setblocking(False)
            sock.bind(self._bind)
            sock.listen(self._backlog)
        except BaseException:
            sock.close()
            raise
        return sock

    def _prepare(self, sock: Any) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class TCP6Server(TCPServer):
    """Accepts TCP connections over IPv6; see :class:`Server`."""

    socket_family: int = AF_INET6

    def parse_bind_parameter(self, bind_parameter: Any) -> Any:
        """Make an IPv6 address of ``bind``."""
        return parse_ipv6_parameter(bind_parameter)


class UNIXServer(Server):
    """Accepts connections on a path; see :class:`Server`. The path stays when it is closed."""

    socket_family: int = getattr(socket, "AF_UNIX", -1)

    def parse_bind_parameter(self, bind_parameter: Any) -> Any:
        """The path."""
        if not isinstance(bind_parameter, str | os.PathLike):
            raise TypeError(f"bind must be a path, not {bind_parameter!r}")
        return os.fspath(bind_parameter)

    def _create_socket(self) -> Any:
        self._remove_stale()
        sock = socket.socket(self.socket_family, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            sock.bind(self._bind)
            sock.listen(self._backlog)
        except BaseException:
            sock.close()
            raise
        return sock

    def _remove_stale(self) -> None:
        try:
            status = os.stat(self._bind)
        except FileNotFoundError:
            return
        empty = stat.S_ISREG(status.st_mode) and status.st_size == 0
        if not (stat.S_ISSOCK(status.st_mode) or empty):
            raise FileExistsError(errno.EEXIST, "not a socket, so it is not replaced", self._bind)
        os.unlink(self._bind)


# -- clients ----------------------------------------------------------------------------------


class Client(_Endpoint):
    """Connects to a server, any number of times.

    Fires ``ready``, ``connected``, ``read(data)``, ``disconnected``, ``socket_error(exception)``,
    ``unreachable``, ``pause`` and ``resume`` on its channel; handles ``connect``, ``write(data)``,
    ``close`` and ``disconnect`` there.

    Args:
        bind: Local address, or a connected socket to take over.
        bufsize: Bytes of the first read.
        channel: The channel.
        connect_timeout: Seconds for one connect, over all addresses; keyword.
        **kwargs: The marks of :class:`_Endpoint`.
    """

    channel = "client"
    socket_family: int = AF_INET

    def __init__(
        self,
        bind: Any = None,
        bufsize: int = BUFSIZE,
        channel: Any = channel,
        connect_timeout: float = 5.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(channel=channel)
        self._take_options(kwargs)
        self.connect_timeout = connect_timeout
        self._bufsize = bufsize
        self.host: Any = None
        self.port: Any = 0
        self.secure = False
        self._connection: Connection | None = None
        self._attempt = 0
        self._addresses: list[Any] = []
        self._timer: Any = None
        self._wanted: tuple[Any, Any] | None = None  # to be dialled when there is a poller
        self._sock: Any = None
        self._bind: Any = None
        if isinstance(bind, socket.socket):
            self._bind = bind.getsockname()
            self._take_over(bind)
        elif bind is not None:
            self._bind = self.parse_bind_parameter(bind)
        if self._sock is None:
            self._sock = self._create_socket()

    def _create_socket(self) -> Any:
        return None

    def _take_over(self, sock: Any) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._connection = Connection(sock, self._bufsize)
        self._connection.state = CONNECTING

    def parse_bind_parameter(self, bind_parameter: Any) -> Any:
        """Make an address of ``bind``."""
        return parse_ipv4_parameter(bind_parameter)

    @property
    def connected(self) -> bool:
        """Whether there is a connection that can be written to."""
        connection = self._connection
        return connection is not None and connection.state in (OPEN, DRAINING)

    @property
    def _connected(self) -> bool:
        return self.connected

    def _announce(self) -> None:
        self.fire(Ready(self))

    def _watch_again(self) -> None:
        connection = self._connection
        assert self._poller is not None
        if connection is not None:
            self._poller_read(connection)
            if connection.is_writing or connection.state is CONNECTING:
                self._poller.addWriter(self, connection.sock)
        if self._wanted is not None:
            wanted, self._wanted = self._wanted, None
            self.connect(*wanted)

    def _arguments(self, connection: Connection) -> tuple[Any, ...]:
        return ()

    def _is_mine(self, connection: Connection) -> bool:
        return connection is self._connection

    def _over(self, connection: Connection) -> None:
        if connection is self._connection:
            self._connection = None
            self._sock = None
            self.fire(Disconnected())

    def _echo(self, event: BaseEvent, data: bytes) -> None:
        if self._connection is not None:
            self._send(self._connection, data)

    # -- what the poller says --

    @handler("_read")
    def _on_readable(self, fd: Any) -> None:
        connection = self._connection
        if connection is not None and fd is connection.sock:
            if connection.state is CONNECTING:
                self._check_connect(connection)
            else:
                self._receive(connection)

    @handler("_write")
    def _on_writable(self, fd: Any) -> None:
        connection = self._connection
        if connection is not None and fd is connection.sock:
            if connection.state is CONNECTING:
                self._check_connect(connection)
            else:
                self._flush(connection)

    @handler("_disconnect", "_error")
    def _on_hang_up(self, fd: Any, problem: Any = None) -> None:
        connection = self._connection
        if connection is None or fd is not connection.sock:
            return
        if connection.state is CONNECTING:
            self._check_connect(connection)
            return
        code = connection.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._break(connection, OSError(code, os.strerror(code)))
        else:
            self._close_now(connection)

    # -- requests --

    @handler("write")
    def write(self, data: Any) -> None:
        """Send; dropped while not connected.

        Raises:
            TypeError: ``data`` is ``str``, or not bytes-like.
        """
        if self._connection is not None and self._connection.state is OPEN:
            self._send(self._connection, data)
        elif isinstance(data, str):
            raise TypeError(f"write takes bytes, not str: encode {data!r:.60} first")

    @handler("close", "disconnect")
    def close(self) -> None:
        """Disconnect when all is sent; a connect that is under way is given up."""
        connection = self._connection
        self._wanted = None
        if connection is None:
            self._end_attempt()
        elif connection.state is CONNECTING:
            self._end_attempt()
        else:
            self._close_when_sent(connection)

    def connect(self, host: Any, port: Any, secure: bool = False, **kwargs: Any) -> None:
        """Connect to a peer."""
        raise NotImplementedError

    def _end_attempt(self) -> None:
        self._attempt += 1
        self._addresses = []
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        connection, self._connection = self._connection, None
        if connection is not None:
            if self._poller is not None:
                self._poller.discard(connection.sock)
            connection.shut()
            self._sock = None

    def _check_connect(self, connection: Connection) -> None:
        raise NotImplementedError

    @handler("stopped", channel="*")
    def _on_stopped(self, component: Any) -> None:
        if component is self.root:
            self.close()
            if self._connection is not None:
                self._engine.hold(self._connection)

    @handler("prepare_unregister", channel="*")
    def _on_prepare_unregister(self, event: Any, component: Manager) -> None:
        if event.in_subtree(self):
            connection = self._connection
            if connection is not None and connection.state is not CONNECTING:
                self._close_now(connection)
            else:
                self._end_attempt()

    def __del__(self) -> None:
        connection = vars(self).get("_connection")
        if connection is not None:
            connection.sock.close()


class TCPClient(Client):
    """Connects to a TCP server; see :class:`Client`."""

    socket_family: int = AF_INET

    @handler("connect")
    def connect(self, host: Any, port: Any, secure: bool = False, **kwargs: Any) -> None:
        """Connect: ``connected`` follows, or ``unreachable`` and ``socket_error``.

        Args:
            host: Name or address.
            port: Port.
            secure: Whether to speak TLS.
            **kwargs: Options of TLS.

        Raises:
            TypeError, ValueError: ``port`` is no port.
        """
        port = check_port(int(port) if isinstance(port, str) and port.isdigit() else port, port)
        if secure or kwargs.get("ssl"):
            raise RuntimeError("secure=True is not available yet")
        connection = self._connection
        if connection is not None or self._timer is not None:
            self.fire(SocketError(OSError(errno.EISCONN, os.strerror(errno.EISCONN))))
            return
        if self._poller is None:
            self._wanted = (host, port)
            return
        self.host, self.port = host, port
        self._attempt += 1
        attempt = self._attempt
        self._timer = self._engine.schedule.call_at(
            _clock.now() + self.connect_timeout, self._time_out
        )
        try:
            socket.inet_pton(AF_INET6 if ":" in host else AF_INET, host)
        except (OSError, TypeError):
            # A name: looking it up may take long, so somebody else does.
            threading.Thread(
                target=self._look_up, args=(attempt, host, port), name="resolver", daemon=True
            ).start()
        else:
            family = AF_INET6 if ":" in host else AF_INET
            self._on_resolved(attempt, [(family, (host, port))])

    def _look_up(self, attempt: int, host: str, port: int) -> None:
        try:
            found = getaddrinfo(host, port, type=socket.SOCK_STREAM)
            addresses: Any = [(family, address) for family, _, _, _, address in found]
            if self.socket_family == AF_INET:
                addresses.sort(key=lambda entry: entry[0] != AF_INET)
        except (OSError, UnicodeError) as problem:
            addresses = problem
        self.fire(_Resolved(attempt, addresses), self)

    @handler("_resolved")
    def _on_resolved(self, attempt: int, addresses: Any) -> None:
        if attempt != self._attempt:
            return  # given up meanwhile
        if isinstance(addresses, BaseException):
            self._fail(addresses)
            return
        self._addresses = list(addresses)
        self._try_next(OSError(errno.EHOSTUNREACH, "no address"))

    def _try_next(self, problem: BaseException) -> None:
        while self._addresses:
            family, address = self._addresses.pop(0)
            sock = None
            try:
                sock = socket.socket(family, socket.SOCK_STREAM)
                sock.setblocking(False)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self._bind is not None:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    sock.bind(self._bind)
                code = sock.connect_ex(address)
                if code not in (0, errno.EINPROGRESS, errno.EWOULDBLOCK):
                    raise OSError(code, os.strerror(code))
                connection = Connection(sock, self._bufsize)
                connection.state = CONNECTING
                assert self._poller is not None
                self._poller.addWriter(self, sock)
            except OSError as failure:
                problem = failure
                if sock is not None:
                    sock.close()
                continue
            self._connection, self._sock = connection, sock
            return
        self._fail(problem)

    def _check_connect(self, connection: Connection) -> None:
        code = connection.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        assert self._poller is not None
        self._poller.discard(connection.sock)
        if code:
            connection.shut()
            self._connection = self._sock = None
            self._try_next(OSError(code, os.strerror(code)))
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._addresses = []
        connection.state = OPEN
        self._poller_read(connection)
        self.fire(Connected(self.host, self.port))

    def _time_out(self) -> None:
        self._timer = None
        self._fail(TimeoutError(errno.ETIMEDOUT, f"no connection in {self.connect_timeout:g} s"))

    def _fail(self, problem: BaseException) -> None:
        host, port = self.host, self.port
        self._end_attempt()
        self.fire(Unreachable(host, port, problem))
        self.fire(SocketError(problem))


class TCP6Client(TCPClient):
    """Connects to a TCP server, over IPv6 first; see :class:`Client`."""

    socket_family: int = AF_INET6

    def parse_bind_parameter(self, bind_parameter: Any) -> Any:
        """Make an IPv6 address of ``bind``."""
        return parse_ipv6_parameter(bind_parameter)
