"""Clients: one connection after the other, and how it is made."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterable
from functools import partial
from typing import Any

from circuits.core import _clock
from circuits.core.handlers import handler

from . import _address
from ._endpoint import BUFSIZE, WRITE_TIMEOUT, Endpoint, take_limits
from ._lookup import look_up
from ._stream import Connection, State
from .events import Connected, Disconnected, Pause, Read, Ready, Resume, SocketError, Unreachable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from circuits.core._clock import Appointment

__all__ = ["Client"]

_IN_PROGRESS = frozenset({errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EAGAIN, errno.EINTR})


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
        from .sockets import parse_ipv4_parameter  # the names of that module may be replaced

        return parse_ipv4_parameter(bind_parameter)

    def _create_socket(self) -> Any:
        return None

    def _find_addresses(self, host: str, port: int) -> list[Any]:
        """Look a name up; called in a thread of its own."""
        raise NotImplementedError(f"{type(self).__name__} must find addresses")

    @property
    def connected(self) -> bool:
        """Whether there is a connection, and nobody has asked to close it."""
        return self._connection is not None and self._connection.state is State.OPEN

    @property
    def _connected(self) -> bool:
        return self.connected

    def _adopt_connection(self) -> None:
        """Use the socket that was given as ``bind`` as a connection that stands."""
        self._connection = Connection(self, self._sock, self._limits)

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
            look_up(self, attempt, partial(self._find_addresses, *args))

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
            connection.hung_up()

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
