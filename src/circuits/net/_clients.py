"""Clients: one connection after the other, and how it is made."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from circuits.core._held import close, hold
from circuits.core.handlers import handler

from . import _address
from ._connecting import Attempt, interleaved
from ._connection import RECEIVES, Connection, State
from ._endpoint import BUFSIZE, Endpoint
from ._lookup import look_up
from .events import Connected, Disconnected, Ready, StartTLSDone, Unreachable

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable


__all__ = ["Client"]

#: Options of TLS that ``connect`` takes besides ``context`` and ``server_hostname``.
_TLS_OPTIONS = frozenset(
    {
        "alpn_protocols",
        "ca_certs",
        "cert_reqs",
        "certfile",
        "check_hostname",
        "keyfile",
        "ssl_version",
    }
)


class _Target:
    """Where to connect, and with which TLS."""

    __slots__ = ("args", "context", "server_hostname", "wants_alpn")

    def __init__(self, args: tuple[Any, ...]) -> None:
        self.args = args  # as the caller gave them
        self.context: ssl.SSLContext | None = None
        self.server_hostname: str | None = None
        self.wants_alpn = False

    def take_tls(self, secure: Any, options: dict[str, Any]) -> None:
        """Take the options of TLS.

        Raises:
            OSError: A file cannot be read.
            TypeError: There is no such option.
            ValueError: They contradict each other.
        """
        self.server_hostname = options.pop("server_hostname", None)
        self.wants_alpn = bool(options.pop("require_alpn", False))
        context = options.pop("context", None)
        if hasattr(secure, "wrap_bio"):
            context = secure
        chosen = {name: options.pop(name) for name in _TLS_OPTIONS & options.keys()}
        if options:
            raise TypeError(f"TLS has no option {', '.join(sorted(options))}")
        if not secure:
            return
        if context is None:
            from ._tls_contexts import client_context

            context = client_context(**chosen)
        self.context = context
        if self.server_hostname is None and len(self.args) > 1:
            self.server_hostname = self.args[0].rstrip(".")
        if context.check_hostname and not self.server_hostname:
            raise ValueError("TLS needs a server_hostname to check, or check_hostname=False")


class Client(Endpoint):
    """A socket that connects to a server; see :class:`TCPClient`.

    Attributes:
        holds_half_closed: Called when the peer has finished writing and nothing that it sent
            is left to be read. If it returns true, the connection stays open for writing,
            and whoever provided the function closes it.
    """

    channel = "client"
    holds_half_closed: Callable[[], bool] | None = None

    #: Whether the last connection has ended in TLS, and the peer has not said that it was all.
    _was_cut = False

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
        self._take_options(bufsize, kwargs, reads_on=True)
        self.socket_family = kwargs.pop("socket_family", self.socket_family)
        if kwargs:
            raise TypeError(f"{type(self).__name__}() has no option {', '.join(sorted(kwargs))}")
        self.connect_timeout = connect_timeout
        self.host: str | None = None
        self.port: int | None = 0
        self.secure = False
        self._connection: Connection | None = None
        self._attempt: Attempt | None = None
        self._target: _Target | None = None  # of the connection, or of the attempt
        self._queued: _Target | None = None
        self._take_bind(bind)
        # Whoever made a socket has seen to that.
        self._binds = self._bind is not None and not isinstance(bind, socket.socket)

    def parse_bind_parameter(self, bind_parameter: Any) -> Any:
        """Turn the parameter ``bind`` into an address."""
        return self._look_ups.parse_ipv4_parameter(bind_parameter)

    def _create_socket(self) -> Any:
        return None

    def _make_socket(self, family: int) -> Any:
        """Make a socket that has not been connected."""
        raise NotImplementedError(f"{type(self).__name__} must make its socket")

    def _find_addresses(self, host: str, port: int) -> list[tuple[int, Any]]:
        """Look a name up; called in a thread of its own. Pairs of family and address."""
        raise NotImplementedError(f"{type(self).__name__} must find addresses")

    @property
    def connected(self) -> bool:
        """Whether there is a connection, and nobody has asked to close it."""
        return self._connection is not None and self._connection.state in RECEIVES

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

    _own_writes = (write,)

    @handler("close", "disconnect")
    def close(self) -> None:
        """Close the connection when all is written, or give up connecting."""
        self._queued = None
        if self._attempt is not None:
            self._end_attempt()
        elif self._connection is not None:
            self._connection.close()

    def finish_writing(self) -> None:
        """Tell the peer, when all is written, that nothing more will come; reading goes on.

        .. versionadded:: 2.1
        """
        if self._connection is not None:
            self._connection.end_output()

    @handler("starttls")
    def starttls(self, **kwargs: Any) -> None:
        """Upgrade the connection to TLS: begin the handshake, which the server must expect.

        What has been written so far is still sent as it is, what is written from now on is
        sent when ``starttls_done`` is fired. A handshake that fails ends the connection.

        Args:
            **kwargs: Options of TLS, as for ``connect``.

        Raises:
            RuntimeError: There is no connection, or it is encrypted already.
        """
        connection, target = self._connection, self._target
        if connection is None or not self.connected:
            raise RuntimeError("starttls: there is no connection")
        if connection.tls is not None:
            raise RuntimeError("starttls: the connection already uses TLS")
        if target is None:
            target = self._target = _Target(())
        target.take_tls(True, kwargs)
        self.secure = True
        self._begin_tls(connection, target)

    def ssl_object(self) -> ssl.SSLObject | None:
        """What :mod:`ssl` knows of the connection; ``None`` if it is not encrypted.

        .. versionadded:: 2.1
        """
        connection = self._connection
        return None if connection is None or connection.tls is None else connection.tls.object

    def pause_reading(self) -> None:
        """Read nothing until :meth:`resume_reading`; the peer will have to wait."""
        if self._connection is not None:
            self._connection.hold_reading(True)

    def resume_reading(self) -> None:
        """Read on."""
        if self._connection is not None:
            self._connection.hold_reading(False)

    @handler("_hold_reading")
    def _on_hold_reading(self, is_held: bool, *others: Any) -> None:
        if self._connection is not None and not others:
            self._connection.hold_for_backlog(is_held)

    # -- connecting --

    def _start(self, args: tuple[Any, ...], secure: Any, options: dict[str, Any]) -> None:
        """Connect, as soon as there is a poller."""
        connection = self._connection
        if self._attempt is not None or connection is not None:
            is_open = connection is not None and connection.was_open
            busy = errno.EISCONN if is_open else errno.EALREADY
            self._tell_error(OSError(busy, os.strerror(busy)))
            return
        target = _Target(args)
        try:
            target.take_tls(options.pop("ssl", False) or secure, options)
        except OSError as problem:
            self._report(target, problem)
            return
        if self._poller is None:
            self._queued = target
        else:
            self._begin(target)

    def _begin(self, target: _Target) -> None:
        args = target.args
        self._target = target
        self.host = args[0]
        self.port = args[1] if len(args) > 1 else None
        self.secure = target.context is not None
        attempt = self._attempt = Attempt(self, self._tree_engine.schedule)
        attempt.limit(self.connect_timeout)
        if len(args) == 1:
            attempt.start([(self.socket_family, args[0])])
            return
        for family in self._families():
            if _address.is_numeric(family, args[0]):
                attempt.start([(family, args)])
                return
        look_up(self, attempt, partial(self._find_addresses, *args))

    def _families(self) -> tuple[int, ...]:
        if self.socket_family == socket.AF_UNSPEC:
            return (socket.AF_INET6, socket.AF_INET)
        return (self.socket_family,)

    @handler("_resolved")
    def _on_resolved(
        self, attempt: Attempt, addresses: list[tuple[int, Any]], problem: Exception | None
    ) -> None:
        if attempt is self._attempt:
            attempt.problem = problem
            attempt.start(interleaved(addresses))

    def _open_socket(self, family: int) -> Any:
        """A socket for one address of an attempt."""
        sock, self._sock = self._sock, None  # which may have been made by the constructor
        if sock is None:
            sock = self._create_socket()
        if sock is None:
            sock = self._make_socket(family)
        hold(sock)
        if self._binds:
            try:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind(self._bind)
            except BaseException:
                close(sock)
                raise
        return sock

    def _won(self, attempt: Attempt, sock: Any) -> None:
        """An address has answered."""
        self._attempt = None
        self._sock = sock
        target = self._target
        assert target is not None
        secure = target.context is not None
        state = State.HANDSHAKING if secure else State.OPEN
        connection = self._connection = Connection(self, sock, self._limits, state)
        if self._poller is not None:
            self._poller.removeWriter(sock)
        if secure:
            self._begin_tls(connection, target)
            return
        connection.watch()
        if connection.state is State.OPEN:
            self.fire(Connected(*self._announced(target.args)))

    def _lost(self, attempt: Attempt) -> None:
        """No address has answered, or not in time."""
        self._attempt = None
        assert self._target is not None
        self._report(self._target, attempt.problem)

    def _begin_tls(self, connection: Connection, target: _Target) -> None:
        assert target.context is not None
        name = target.server_hostname
        try:
            self._encrypt(connection, target.context, server_side=False, server_hostname=name)
        except ValueError as problem:  # what cannot be a name
            connection.fail(OSError(errno.EINVAL, str(problem)))

    def _connection_opened(self, connection: Connection) -> None:
        target = self._target
        assert target is not None
        if not self._opened(connection, target.wants_alpn):
            return
        if connection.was_open:
            self.fire(StartTLSDone())
        else:
            connection.announce()
            self.fire(Connected(*self._announced(target.args)))

    def _report(self, target: _Target, problem: Exception | None) -> None:
        host, port = target.args if len(target.args) > 1 else (target.args[0], None)
        reason = problem or OSError(errno.EHOSTUNREACH, "the name has no address")
        _address.named(reason, host if port is None else (host, port))
        self.fire(Unreachable(host, port, reason))
        self._tell_error(reason)

    def _announced(self, args: tuple[Any, ...]) -> tuple[Any, Any]:
        """What ``connected`` carries."""
        host, port = args
        return host, port

    def _end_attempt(self) -> None:
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            attempt.end()

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
            connection.flush()
        elif self._attempt is not None and fd in self._attempt.racing:
            self._attempt.check(fd)

    @handler("_disconnect")
    def _on_hung_up(self, fd: Any) -> None:
        connection = self._connection
        if connection is not None and connection.sock is fd:
            connection.hung_up()
        elif self._attempt is not None and fd in self._attempt.racing:
            self._attempt.check(fd, hung_up=True)

    @handler("_error")
    def _on_poller_error(self, fd: Any, problem: OSError) -> None:
        connection = self._connection
        if connection is not None and connection.sock is fd:
            connection.fail(problem)

    # -- what Endpoint asks for --

    def _owned(self) -> Iterable[Connection]:
        return () if self._connection is None else (self._connection,)

    def _join_poller(self, poller: Any) -> None:
        if self._attempt is not None:
            self._attempt.watch()
        super()._join_poller(poller)

    def _leave_poller(self, poller: Any) -> None:
        if self._attempt is not None:
            for sock in list(self._attempt.racing):
                poller.discard(sock)
        super()._leave_poller(poller)

    def _poller_found(self) -> None:
        self.fire(Ready(self))
        queued, self._queued = self._queued, None
        if queued is not None:
            self._begin(queued)

    def _close_unused(self) -> None:
        """Close a socket that is neither connected nor on the way to be."""
        if self._connection is None:
            sock, self._sock = self._sock, None
            if sock is not None:
                close(sock)

    def _shut_down(self) -> None:
        self.close()
        self._close_unused()

    def __del__(self) -> None:
        # Whoever is not part of a tree any more has nobody else to close what it holds.
        own = vars(self)
        attempt = own.get("_attempt")
        for sock in (own.get("_sock"), *(() if attempt is None else attempt.racing)):
            if sock is not None:
                close(sock)

    def _abort(self) -> None:
        self._queued = None
        if self._connection is not None:
            self._connection.finish()
        self._end_attempt()
        self._close_unused()

    def _finish_input(self, connection: Connection) -> None:
        holds = self.holds_half_closed
        if holds is None or not holds():
            connection.close()

    def _connection_failed(self, connection: Connection, problem: OSError) -> None:
        if connection.was_open or self._target is None:
            self._tell_error(problem)
        else:
            self._report(self._target, problem)

    def _connection_closed(self, connection: Connection) -> None:
        if connection is self._connection:
            self._connection = None
            self._sock = None
            self._was_cut = connection.tls is not None and connection.tls.was_cut
            if connection.was_open:
                self.fire(Disconnected())
            self._drained()
