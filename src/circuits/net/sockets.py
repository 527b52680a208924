"""Clients and servers for TCP and UNIX sockets, and their events (manual: circuits.net.sockets).

A component owns one or many connections (:mod:`circuits.net._stream`). It handles ``write``,
``close`` and, for clients, ``connect``; it fires ``read`` and tells when connections come, go
and fail. All data is bytes.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
import threading
from collections.abc import Iterable
from socket import gaierror, getaddrinfo, getfqdn, gethostbyname, gethostname
from typing import Any

from circuits.core import _clock
from circuits.core.events import Event
from circuits.core.handlers import handler

from . import _address
from ._endpoint import WRITE_TIMEOUT, Endpoint, take_limits
from ._stream import Connection, State, shut

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from circuits.core._clock import Appointment
    from circuits.core.pollers import BasePoller

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
    "UNIXClient",
    "UNIXServer",
    "Unreachable",
    "Write",
    "gaierror",
    "getaddrinfo",
    "getfqdn",
    "gethostbyname",
    "gethostname",
    "parse_ipv4_parameter",
    "parse_ipv6_parameter",
    "socket",
]

#: With how many bytes reading starts; more while they are filled.
BUFSIZE = 4096

#: How many connections the system keeps for a server that has not accepted them yet.
BACKLOG = 5000

#: How many connections are accepted before others get their turn.
_ACCEPT_BATCH = 64

#: Seconds between two attempts to accept while the system is short of something.
_ACCEPT_PAUSE = (0.1, 1.0)

_SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_SKIPPED = frozenset({errno.EPERM, errno.ECONNABORTED})
_IN_PROGRESS = frozenset({errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EAGAIN, errno.EINTR})


# -- events ------------------------------------------------------------------------------------


class Connect(Event):
    """A client shall connect; or a server has accepted a connection.

    Fired at a client, by anyone, with ``(host, port)`` or the ``(path,)`` of a UNIX socket; and
    by a server on its channel with ``(sock, host, port)``, before the first ``read`` of that
    socket. UNIX sockets have neither host nor port.

    Args:
        *args: As above.
        **kwargs: For clients: ``secure``, whether to speak TLS.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)


class Connected(Event):
    """A client has reached its peer and may write.

    Fired by a client on its channel, once per successful ``connect``.

    Args:
        host: Name or address, as the caller gave it; for a UNIX socket the name of this machine.
        port: Port, as the caller gave it; the path of a UNIX socket.
    """

    def __init__(self, host: Any, port: Any) -> None:
        super().__init__(host, port)


class Disconnect(Event):
    """A connection of a server is closed; or a client shall close its own.

    Fired by a server on its channel with ``(sock,)``, once per ``connect``; the socket is closed
    already. Fired at a client, by anyone, without arguments, it means ``close``.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)


class Disconnected(Event):
    """The connection of a client is closed. Fired by it once per ``connected``."""

    def __init__(self) -> None:
        super().__init__()


class Read(Event):
    """Data has arrived.

    Fired by a client with ``(data,)``, by a server with ``(sock, data)``. What the handlers
    return is written back if it is one piece of bytes.
    """

    notify = True
    # The constructor is that of Event: there is one of these for each piece of data.


class Write(Event):
    """Data shall be sent: ``(data,)`` at a client, ``(sock, data)`` at a server."""

    # The constructor is that of Event, as for Read.


class Close(Event):
    """A connection shall be closed when all is written.

    At a client without arguments; at a server with ``(sock,)`` for one connection, and without
    for the listening socket and all connections.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)


class Closed(Event):
    """A server has closed its listening socket; connections may still be draining."""

    def __init__(self) -> None:
        super().__init__()


class SocketError(Event):
    """A connection failed: ``(exception,)`` by a client, ``(sock, exception)`` by a server."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)


class Ready(Event):
    """A socket component has a poller and works. Fired by it, once per registration.

    Args:
        component: The component.
        bind: For servers, the address that it is bound to: a pair of host and port.
    """

    def __init__(self, component: Any, bind: Any = None) -> None:
        if bind is None:
            super().__init__(component)
        else:
            super().__init__(component, bind)


class Unreachable(Event):
    """A client could not connect. ``socket_error`` tells the same.

    .. versionadded:: 2.1
       From the 3.x line.

    Args:
        host: Where to, as the caller gave it.
        port: The port.
        reason: What went wrong.
    """

    def __init__(self, host: str, port: int | None, reason: Exception | None = None) -> None:
        super().__init__(host, port, reason)


class Pause(Event):
    """A peer does not keep up: produce no more for it until ``resume``.

    Fired when more than ``high_water`` bytes are pending: by a client without arguments, by a
    server with ``(sock,)``. Meanwhile a server reads nothing from that peer.

    .. versionadded:: 2.1
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)


class Resume(Event):
    """Less than ``low_water`` bytes are pending after a ``pause``: go on.

    .. versionadded:: 2.1
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)


class _Resolved(Event):
    """The addresses of a name, or the error; fired from the thread that looked it up."""

    name = "_resolved"

    def __init__(self, attempt: _Attempt, addresses: list[Any], problem: Exception | None) -> None:
        super().__init__(attempt, addresses, problem)


# -- bind parameters ---------------------------------------------------------------------------
# The look-ups go through the names of this module, where programs replace them.


def parse_ipv4_parameter(bind_parameter: Any) -> Any:
    """Turn a port, ``"host:port"`` or a pair into an IPv4 address.

    A port alone means the address that the name of this machine has: that may be a loopback
    address on one machine and a public one on another, so a pair is better.
    """
    return _address.parse_ipv4(bind_parameter, lambda: gethostbyname(gethostname()))


def parse_ipv6_parameter(bind_parameter: Any) -> Any:
    """Turn a port, ``"[host]:port"`` or a tuple into an IPv6 address."""
    return _address.parse_ipv6(bind_parameter, _local_ipv6_address)


def _local_ipv6_address(port: int) -> str:
    return str(getaddrinfo(getfqdn(), port, socket.AF_INET6)[0][4][0])


# -- clients -----------------------------------------------------------------------------------


class _Attempt:
    """One attempt to connect: where to, the addresses that are left, and until when."""

    __slots__ = ("addresses", "args", "deadline", "problem", "timer")

    def __init__(self, args: tuple[Any, ...]) -> None:
        self.args = args  # as the caller gave them
        self.addresses: list[Any] = []
        self.deadline: float | None = None
        self.timer: Appointment | None = None
        self.problem: Exception | None = None


class Client(Endpoint):
    """A socket that connects to a server; see :class:`TCPClient`."""

    channel = "client"
    socket_family = socket.AF_INET

    _read = Read
    _pause = Pause
    _resume = Resume
    _tells_sock = False

    def __init__(
        self,
        bind: Any = None,
        bufsize: int = BUFSIZE,
        channel: Any = "client",
        *,
        connect_timeout: float | None = 5.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(channel=channel)
        self._limits = take_limits(bufsize, kwargs, reads_on=True)
        self.write_timeout = kwargs.pop("write_timeout", WRITE_TIMEOUT)
        if kwargs:
            raise TypeError(f"{type(self).__name__}() has no option {', '.join(sorted(kwargs))}")
        self._bufsize = bufsize
        self.connect_timeout = connect_timeout
        self.host: str | None = None
        self.port: int | None = 0
        self.secure = False
        self._connection: Connection | None = None
        self._attempt: _Attempt | None = None
        self._queued: tuple[Any, ...] | None = None
        if isinstance(bind, socket.socket):
            bind.setblocking(False)
            self._bind: Any = bind.getsockname()
            self._sock: Any = bind
        else:
            self._bind = self.parse_bind_parameter(bind)
            self._sock = self._create_socket()

    def parse_bind_parameter(self, bind_parameter: Any) -> Any:
        """Turn the parameter ``bind`` into an address."""
        return parse_ipv4_parameter(bind_parameter)

    def _create_socket(self) -> Any:
        return None

    @property
    def connected(self) -> bool:
        """Whether there is a connection, and nobody has asked to close it."""
        return self._connection is not None and self._connection.state is State.OPEN

    @property
    def _connected(self) -> bool:
        return self.connected

    # -- requests --

    @handler("write")
    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send data; without a connection it is dropped.

        Raises:
            TypeError: ``data`` is not bytes.
        """
        data = self._checked(data)
        if self._connection is not None:
            self._connection.write(data)

    @handler("close", "disconnect")
    def close(self) -> None:
        """Close the connection when all is written, or give up connecting."""
        self._queued = None
        if self._attempt is not None:
            self._end_attempt()
            self._drop_socket()
        elif self._connection is not None:
            self._connection.close()

    def pause_reading(self) -> None:
        """Read nothing until :meth:`resume_reading`; the peer will have to wait."""
        if self._connection is not None:
            self._connection.hold_reading(True)

    def resume_reading(self) -> None:
        """Read on."""
        if self._connection is not None:
            self._connection.hold_reading(False)

    # -- connecting --

    def _start(self, args: tuple[Any, ...]) -> None:
        """Connect, as soon as there is a poller."""
        if self._attempt is not None or (
            self._connection is not None and self._connection.state is not State.CLOSED
        ):
            busy = errno.EALREADY if self._attempt is not None else errno.EISCONN
            self.fire(SocketError(OSError(busy, os.strerror(busy))))
        elif self._poller is None:
            self._queued = args
        else:
            self._begin(args)

    def _begin(self, args: tuple[Any, ...]) -> None:
        self.host = args[0]
        self.port = args[1] if len(args) > 1 else None
        attempt = self._attempt = _Attempt(args)
        if self.connect_timeout is not None:
            attempt.deadline = _clock.now() + self.connect_timeout
        if len(args) == 1:
            attempt.addresses = [args[0]]
            self._try_next(attempt)
        elif _address.is_numeric(self.socket_family, args[0]):
            attempt.addresses = [(args[0], args[1])]
            self._try_next(attempt)
        else:
            self._set_timer(attempt, attempt.deadline)
            thread = threading.Thread(
                target=self._look_up, args=(attempt,), name=f"{self.name} look-up", daemon=True
            )
            thread.start()

    def _look_up(self, attempt: _Attempt) -> None:
        """Look the name up, in a thread of its own: no system call does so without blocking."""
        host, port = attempt.args
        try:
            found = getaddrinfo(host, port, self.socket_family, socket.SOCK_STREAM)
        except Exception as problem:
            self.fire(_Resolved(attempt, [], problem), self)
        else:
            self.fire(_Resolved(attempt, [entry[4] for entry in found], None), self)

    @handler("_resolved")
    def _on_resolved(
        self, attempt: _Attempt, addresses: list[Any], problem: Exception | None
    ) -> None:
        if attempt is not self._attempt:
            return
        attempt.addresses = list(dict.fromkeys(addresses))
        attempt.problem = problem
        self._try_next(attempt)

    def _set_timer(self, attempt: _Attempt, deadline: float | None) -> None:
        if attempt.timer is not None:
            attempt.timer.cancel()
            attempt.timer = None
        if deadline is not None:
            attempt.timer = self._engine.schedule.call_at(deadline, lambda: self._too_late(attempt))

    def _too_late(self, attempt: _Attempt) -> None:
        if attempt is self._attempt:
            attempt.problem = TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
            self._drop_socket()
            self._try_next(attempt)

    def _try_next(self, attempt: _Attempt) -> None:
        """Connect to the next address; report when there is none left."""
        while attempt.addresses:
            now = _clock.now()
            left = None if attempt.deadline is None else attempt.deadline - now
            if left is not None and left <= 0:
                break
            # Each address gets its part of the time, so that a silent one does not use it up.
            part = None if left is None else now + left / len(attempt.addresses)
            address = attempt.addresses.pop(0)
            try:
                sock = self._sock
                if sock is None:
                    sock = self._sock = self._create_socket()
                if self._bind is not None:
                    self._bind_socket(sock)
                code = sock.connect_ex(address)
                if code and code not in _IN_PROGRESS:
                    raise OSError(code, os.strerror(code))
            except OSError as problem:
                attempt.problem = problem
                self._drop_socket()
                continue
            except (TypeError, ValueError, OverflowError) as problem:  # no address at all
                attempt.problem = OSError(errno.EINVAL, str(problem))
                self._drop_socket()
                continue
            self._connection = Connection(self, sock, self._limits, State.CONNECTING)
            self._set_timer(attempt, part)
            if code == 0:
                self._established(attempt)
            else:
                self._connection.watch()
            return
        self._end_attempt()
        self._drop_socket()
        reason = attempt.problem or OSError(errno.EHOSTUNREACH, "the name has no address")
        port = attempt.args[1] if len(attempt.args) > 1 else None
        self.fire(Unreachable(attempt.args[0], port, reason))
        self.fire(SocketError(reason))

    def _bind_socket(self, sock: Any) -> None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(self._bind)

    def _established(self, attempt: _Attempt) -> None:
        connection = self._connection
        assert connection is not None
        self._end_attempt()
        connection.state = State.OPEN
        if self._poller is not None:
            self._poller.removeWriter(connection.sock)
        connection.watch()
        if connection.state is State.OPEN:
            self.fire(Connected(*self._announced(attempt.args)))

    def _announced(self, args: tuple[Any, ...]) -> tuple[Any, Any]:
        """What ``connected`` carries."""
        host, port = args
        return host, port

    def _check_connecting(self, connection: Connection, hung_up: bool = False) -> None:
        """The kernel has an answer for a connection that is being made."""
        attempt = self._attempt
        if attempt is None:
            return
        code = connection.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code == 0 and not hung_up:
            self._established(attempt)
            return
        code = code or errno.ECONNREFUSED
        attempt.problem = OSError(code, os.strerror(code))
        self._drop_socket()
        self._try_next(attempt)

    def _end_attempt(self) -> None:
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            self._set_timer(attempt, None)

    def _drop_socket(self) -> None:
        """Give up a socket that is not connected yet."""
        connection, self._connection = self._connection, None
        sock, self._sock = self._sock, None
        if connection is not None:
            connection.state = State.CLOSED
            if self._poller is not None:
                self._poller.discard(connection.sock)
        if sock is not None:
            sock.close()

    # -- the poller tells --

    @handler("_read")
    def _on_readable(self, fd: Any) -> None:
        connection = self._connection
        if connection is not None and connection.sock is fd:
            self._readable(connection)

    @handler("_write")
    def _on_writable(self, fd: Any) -> None:
        connection = self._connection
        if connection is not None and connection.sock is fd:
            if connection.state is State.CONNECTING:
                self._check_connecting(connection)
            else:
                connection.flush()

    @handler("_disconnect")
    def _on_hung_up(self, fd: Any) -> None:
        connection = self._connection
        if connection is None or connection.sock is not fd:
            return
        if connection.state is State.CONNECTING:
            self._check_connecting(connection, hung_up=True)
        else:
            _hung_up(connection)

    @handler("_error")
    def _on_poller_error(self, fd: Any, problem: OSError) -> None:
        connection = self._connection
        if connection is not None and connection.sock is fd:
            connection.fail(problem)

    # -- what Endpoint asks for --

    def _owned(self) -> Iterable[Connection]:
        return () if self._connection is None else (self._connection,)

    def _became_ready(self) -> None:
        self.fire(Ready(self))
        queued, self._queued = self._queued, None
        if queued is not None:
            self._begin(queued)

    def _shut_down(self) -> None:
        self.close()
        if self._connection is None:
            self._drop_socket()

    def __del__(self) -> None:
        # Whoever is not part of a tree any more has nobody else to close what it holds.
        sock = vars(self).get("_sock")
        if sock is not None:
            sock.close()

    def _abort(self) -> None:
        self._queued = None
        if self._connection is not None and self._attempt is None:
            self._connection.finish()
        self._end_attempt()
        self._drop_socket()

    def _echo(self, event: Any, data: bytes) -> None:
        self.write(data)

    def _connection_failed(self, connection: Connection, problem: OSError) -> None:
        self.fire(SocketError(problem))

    def _connection_closed(self, connection: Connection) -> None:
        if connection is self._connection:
            self._connection = None
            self._sock = None
            self.fire(Disconnected())
            self._drained()


class TCPClient(Client):
    """A TCP connection over IPv4, as often as wanted.

    Handles ``connect``, ``write``, ``close`` and ``disconnect``. Fires ``ready``, ``connected``,
    ``read``, ``disconnected``, ``socket_error``, ``unreachable``, ``pause`` and ``resume``.

    Args:
        bind: Where to connect from: a port, ``"host:port"``, a pair; ``None`` lets the system
            choose. A connected socket is used as it is.
        bufsize: With how many bytes reading starts; more while they are filled.
        channel: Channel of the component.
        connect_timeout: Seconds for looking up the name and connecting to one of its
            addresses; ``None`` leaves it to the system.
        **kwargs: ``high_water``, ``low_water``, ``max_pending``: see ``pause`` and ``resume``;
            ``write_timeout=60.0``, after how many seconds in which the peer reads nothing of
            what is pending the connection fails, ``None`` for never.

    Attributes:
        host, port: Where it is connected to, as the caller gave it.
        connected: Whether it is.
        secure: Whether the connection is encrypted.
    """

    def parse_bind_parameter(self, bind_parameter: Any) -> Any:
        """Turn the parameter ``bind`` into an address."""
        return parse_ipv4_parameter(bind_parameter)

    def _create_socket(self) -> Any:
        sock = socket.socket(self.socket_family, socket.SOCK_STREAM)
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    @handler("connect")
    def connect(self, host: str, port: int, secure: bool = False, **kwargs: Any) -> None:
        """Connect; before the component is ready, as soon as it is.

        Args:
            host: Name or address.
            port: Port.
            secure: Whether to speak TLS.
            **kwargs: Options of TLS.

        Raises:
            NotImplementedError: ``secure`` is true.
        """
        _no_tls(secure or kwargs.get("ssl", False))
        self._start((host, port))


class TCP6Client(TCPClient):
    """A TCP connection over IPv6; else as :class:`TCPClient`."""

    socket_family = socket.AF_INET6

    def parse_bind_parameter(self, bind_parameter: Any) -> Any:
        """Turn the parameter ``bind`` into an address."""
        return parse_ipv6_parameter(bind_parameter)


class UNIXClient(Client):
    """A connection to a UNIX socket; else as :class:`TCPClient`.

    ``connected`` carries the name of this machine and the path.
    """

    socket_family = getattr(socket, "AF_UNIX", socket.AF_INET)

    def parse_bind_parameter(self, bind_parameter: Any) -> Any:
        """A path is used as it is."""
        return bind_parameter

    def _create_socket(self) -> Any:
        return _unix_socket()

    @handler("connect")
    def connect(self, path: str, secure: bool = False, **kwargs: Any) -> None:
        """Connect to a path; before the component is ready, as soon as it is.

        Raises:
            NotImplementedError: ``secure`` is true.
        """
        _no_tls(secure or kwargs.get("ssl", False))
        self._start((os.fspath(path),))

    def _announced(self, args: tuple[Any, ...]) -> tuple[Any, Any]:
        return gethostname(), args[0]


def _hung_up(connection: Connection) -> None:
    """A connection is closed in both directions, and the poller has forgotten it."""
    try:
        code = connection.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    except OSError as problem:
        connection.fail(problem)
        return
    if code:
        connection.fail(OSError(code, os.strerror(code)))
    else:
        connection.finish()


def _no_tls(secure: Any) -> None:
    if secure:
        raise NotImplementedError("TLS is not available yet")


def _unix_socket() -> Any:
    if not hasattr(socket, "AF_UNIX"):
        raise OSError(errno.EAFNOSUPPORT, "this platform has no UNIX sockets")
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.setblocking(False)
    return sock


# -- servers -----------------------------------------------------------------------------------


class _ListOfClients:
    """The attribute ``_clients``: a list of sockets, made when somebody looks at it."""

    def __get__(self, server: Server | None, owner: type[Server]) -> Any:
        return self if server is None else list(server._connections)


class Server(Endpoint):
    """A listening socket and its connections; see :class:`TCPServer`.

    Attributes:
        connections_drain_elsewhere: When the application stops, leave the connections to
            another component, which closes them in its own time.
        holds_half_closed: Called with a socket whose peer has finished writing, when nothing
            that it sent is left to be read. If it returns true, the connection stays
            open for writing, and whoever provided the function closes it.
    """

    channel = "server"
    socket_family = socket.AF_INET
    connections_drain_elsewhere = False
    socket_options: Iterable[tuple[int, int, int | bytes]] = ()
    holds_half_closed: Callable[[Any], bool] | None = None

    _read = Read
    _pause = Pause
    _resume = Resume
    _tells_sock = True
    _clients: Any = _ListOfClients()

    def __init__(
        self,
        bind: Any,
        secure: bool = False,
        backlog: int = BACKLOG,
        bufsize: int = BUFSIZE,
        channel: Any = "server",
        **kwargs: Any,
    ) -> None:
        super().__init__(channel=channel)
        _no_tls(secure)
        self._limits = take_limits(bufsize, kwargs)
        self.write_timeout = kwargs.pop("write_timeout", WRITE_TIMEOUT)
        self._reuse_port = bool(kwargs.pop("reuse_port", False))
        self.socket_options = list(kwargs.pop("socket_options", self.socket_options))
        for name in ("certfile", "keyfile", "cert_reqs", "ssl_version", "ca_certs"):
            setattr(self, name, kwargs.pop(name, None))
        if kwargs:
            raise TypeError(f"{type(self).__name__}() has no option {', '.join(sorted(kwargs))}")
        self.secure = False
        self._backlog = backlog
        self._bufsize = bufsize
        self._connections: dict[Any, Connection] = {}
        self._accept_pause = 0.0
        self._accept_timer: Appointment | None = None
        if isinstance(bind, socket.socket):
            bind.setblocking(False)
            self._bind: Any = bind.getsockname()
            self._sock: Any = bind
        else:
            self._bind = self.parse_bind_parameter(bind)
            self._sock = self._create_socket()

    def parse_bind_parameter(self, bind_parameter: Any) -> Any:
        """Turn the parameter ``bind`` into an address."""
        return bind_parameter

    def _create_socket(self) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must make its listening socket")

    # -- what it is --

    @property
    def connected(self) -> bool:
        """Always true."""
        return True

    def _address(self) -> Any:
        if self._sock is None:
            return None
        try:
            return self._sock.getsockname()
        except OSError:
            return None

    @property
    def host(self) -> Any:
        """The address that is bound, or the path; ``None`` when closed."""
        address = self._address()
        return address[0] if isinstance(address, tuple) else address

    @property
    def port(self) -> int | None:
        """The port that is bound; ``None`` when closed, and for a UNIX socket."""
        address = self._address()
        return address[1] if isinstance(address, tuple) else None

    # -- requests --

    @handler("write")
    def write(self, sock: Any, data: bytes | bytearray | memoryview) -> None:
        """Send data; it is dropped if there is no such connection, or it is being closed.

        Raises:
            TypeError: ``data`` is not bytes.
        """
        if data.__class__ is not bytes:
            data = self._checked(data)
        connection = self._connections.get(sock)
        if connection is not None:
            connection.write(data)

    @handler("close")
    def close(self, sock: Any = None) -> None:
        """Close when all is written.

        Args:
            sock: One connection; ``None`` is the listening socket and all connections.
        """
        if sock is not None and sock is not self._sock:
            connection = self._connections.get(sock)
            if connection is not None:
                connection.close()
            return
        was_open = self._sock is not None
        self._close_listener()
        if sock is None:
            for connection in list(self._connections.values()):
                connection.close()
        if was_open:
            self.fire(Closed())

    def pause_reading(self, sock: Any) -> None:
        """Read nothing from a connection until :meth:`resume_reading`."""
        connection = self._connections.get(sock)
        if connection is not None:
            connection.hold_reading(True)

    def resume_reading(self, sock: Any) -> None:
        """Read on."""
        connection = self._connections.get(sock)
        if connection is not None:
            connection.hold_reading(False)

    # -- the poller tells --

    @handler("_read")
    def _on_readable(self, fd: Any) -> None:
        connection = self._connections.get(fd)
        if connection is not None:
            self._readable(connection)
        elif fd is self._sock:
            self._accept_batch()

    @handler("_write")
    def _on_writable(self, fd: Any) -> None:
        connection = self._connections.get(fd)
        if connection is not None:
            connection.flush()

    @handler("_disconnect")
    def _on_hung_up(self, fd: Any) -> None:
        connection = self._connections.get(fd)
        if connection is not None:
            _hung_up(connection)

    @handler("_error")
    def _on_poller_error(self, fd: Any, problem: OSError) -> None:
        connection = self._connections.get(fd)
        if connection is not None:
            connection.fail(problem)

    # -- accepting --

    def _accept_batch(self) -> None:
        for _ in range(_ACCEPT_BATCH):
            listener = self._sock
            if listener is None:
                return
            try:
                sock, address = listener.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as problem:
                if problem.errno in _SKIPPED:
                    continue
                if problem.errno in _SHORTAGES:
                    self._pause_accepting(listener, problem)
                else:
                    self.fire(SocketError(listener, problem))
                return
            self._accept_pause = 0.0
            self._accepted(sock, address)

    def _accepted(self, sock: Any, address: Any) -> None:
        try:
            sock.setblocking(False)
            self._set_options(sock)
        except OSError:  # gone already
            sock.close()
            return
        connection = self._connections[sock] = Connection(self, sock, self._limits)
        self.fire(Connect(sock, *_address.for_events(address)))
        connection.watch()

    def _set_options(self, sock: Any) -> None:
        """Set the options of an accepted socket."""

    def _pause_accepting(self, listener: Any, problem: OSError) -> None:
        """The system is short of something. The listener would stay readable: look away."""
        shortest, longest = _ACCEPT_PAUSE
        if not self._accept_pause:
            self.fire(SocketError(listener, problem))  # once until accepting works again
        self._accept_pause = min(max(shortest, self._accept_pause * 2), longest)
        if self._poller is not None:
            self._poller.removeReader(listener)
        self._accept_timer = self._engine.schedule.call_at(
            _clock.now() + self._accept_pause, self._go_on_accepting
        )

    def _go_on_accepting(self) -> None:
        self._accept_timer = None
        if self._sock is not None and self._poller is not None:
            self._poller.addReader(self, self._sock)

    # -- what Endpoint asks for --

    def _owned(self) -> Iterable[Connection]:
        return self._connections.values()

    def _watch_all(self) -> None:
        if self._sock is not None and self._poller is not None and self._accept_timer is None:
            self._poller.addReader(self, self._sock)
        super()._watch_all()

    def _unwatch_all(self, poller: BasePoller) -> None:
        if self._sock is not None:
            poller.discard(self._sock)
        super()._unwatch_all(poller)

    def _became_ready(self) -> None:
        self.fire(Ready(self, (self.host, self.port)))

    def _close_listener(self) -> None:
        sock, self._sock = self._sock, None
        if self._accept_timer is not None:
            self._accept_timer.cancel()
            self._accept_timer = None
        if sock is not None:
            if self._poller is not None:
                self._poller.discard(sock)
            shut(sock)

    def _shut_down(self) -> None:
        if self.connections_drain_elsewhere:
            if self._sock is not None:
                self._close_listener()
                self.fire(Closed())
        else:
            self.close()

    def __del__(self) -> None:
        # Whoever is not part of a tree any more has nobody else to close what it holds.
        sock = vars(self).get("_sock")
        for held in (sock, *vars(self).get("_connections", ())):
            if held is not None:
                held.close()

    def _abort(self) -> None:
        was_open = self._sock is not None
        self._close_listener()
        for connection in list(self._connections.values()):
            connection.finish()
        if was_open:
            self.fire(Closed())

    def _echo(self, event: Any, data: bytes) -> None:
        self.write(event.args[0], data)

    def _finish_input(self, connection: Connection) -> None:
        holds = self.holds_half_closed
        if holds is None or not holds(connection.sock):
            connection.close()

    def _connection_failed(self, connection: Connection, problem: OSError) -> None:
        self.fire(SocketError(connection.sock, problem))

    def _connection_closed(self, connection: Connection) -> None:
        if self._connections.pop(connection.sock, None) is not None:
            self.fire(Disconnect(connection.sock))
            self._drained()


class TCPServer(Server):
    """Listens for TCP connections over IPv4; it does so when the constructor returns.

    Handles ``write(sock, data)``, ``close()`` and ``close(sock)``. Fires ``ready``,
    ``connect(sock, host, port)``, ``read(sock, data)``, ``disconnect(sock)``,
    ``socket_error(sock, exception)``, ``pause(sock)``, ``resume(sock)`` and ``closed``.

    Args:
        bind: A port, ``"host:port"``, a pair of host and port, or a listening socket. Port 0
            picks a free one. A port alone binds to the address that the name of this machine
            has, so a pair is better.
        secure: Whether to speak TLS.
        backlog: How many connections the system keeps until they are accepted.
        bufsize: With how many bytes reading starts; more while they are filled.
        channel: Channel of the component.
        **kwargs: ``reuse_port=False``, whether other processes may listen on the same port;
            ``socket_options``, tuples of level, option and value for the listening socket;
            ``high_water``, ``low_water``, ``max_pending``: see ``pause`` and ``resume``;
            ``write_timeout=60.0``, after how many seconds in which a peer reads nothing of
            what is pending its connection fails, ``None`` for never.

    Attributes:
        host, port: Where it listens; ``None`` when closed.

    Raises:
        OSError: The address cannot be bound.
    """

    def parse_bind_parameter(self, bind_parameter: Any) -> Any:
        """Turn the parameter ``bind`` into an address."""
        return parse_ipv4_parameter(bind_parameter)

    def _create_socket(self) -> Any:
        sock = socket.socket(self.socket_family, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if self._reuse_port:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for option in self.socket_options:
                sock.setsockopt(*option)
            sock.bind(self._bind)
            sock.listen(self._backlog)
        except BaseException:
            sock.close()
            raise
        return sock

    def _set_options(self, sock: Any) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class TCP6Server(TCPServer):
    """Listens for TCP connections over IPv6; else as :class:`TCPServer`."""

    socket_family = socket.AF_INET6

    def parse_bind_parameter(self, bind_parameter: Any) -> Any:
        """Turn the parameter ``bind`` into an address."""
        return parse_ipv6_parameter(bind_parameter)


class UNIXServer(Server):
    """Listens on a path; else as :class:`TCPServer`, but ``connect`` carries the socket alone.

    A socket or an empty file at that path is replaced; when the server is closed, it stays.

    Raises:
        OSError: There is something else at that path, or the path cannot be bound.
        TypeError: ``bind`` is no path.
    """

    socket_family = getattr(socket, "AF_UNIX", socket.AF_INET)

    def parse_bind_parameter(self, bind_parameter: Any) -> Any:
        """A path is used as it is."""
        return os.fspath(bind_parameter)

    def _create_socket(self) -> Any:
        path = self._bind
        try:
            found = os.stat(path, follow_symlinks=False)
        except FileNotFoundError:
            pass
        else:
            is_empty = stat.S_ISREG(found.st_mode) and found.st_size == 0
            if not (stat.S_ISSOCK(found.st_mode) or is_empty):
                raise FileExistsError(errno.EEXIST, "there is something that is no socket", path)
            os.unlink(path)
        sock = _unix_socket()
        try:
            for option in self.socket_options:
                sock.setsockopt(*option)
            sock.bind(path)
            sock.listen(self._backlog)
        except BaseException:
            sock.close()
            raise
        return sock
