"""Servers: a listening socket, and the connections that it has accepted."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from circuits.core.handlers import handler

from . import _address, _outside
from ._accepting import SHORTAGES, SKIPPED, AcceptPause
from ._connection import Connection, State, shut
from ._endpoint import BUFSIZE, Endpoint
from .events import Closed, Connect, Disconnect, Ready, StartTLSDone

if TYPE_CHECKING:
    import ssl

    from ._endpoint import Keeper

__all__ = ["BACKLOG", "Server"]

#: How many connections the system keeps for a server that has not accepted them yet.
BACKLOG = 5000

#: How many connections are accepted before others get their turn.
_ACCEPT_BATCH = 64


class _ListOfClients:
    """The attribute ``_clients``: a list of sockets, made when somebody looks at it."""

    def __get__(self, server: Server | None, owner: type[Server]) -> Any:
        if server is None:
            return self
        return [sock for sock, known in server._connections.items() if known.was_open]


class Server(Endpoint):
    """A listening socket and its connections; see :class:`TCPServer`."""

    channel = "server"
    socket_options: Iterable[tuple[int, int, int | bytes]] = ()

    _keeper: Keeper | None = None
    _tells_sock = True
    _takes_mode = False  # whether what is bound is a file
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
        self._take_options(bufsize, kwargs)
        self._reuse_port = bool(kwargs.pop("reuse_port", False))
        self._mode = kwargs.pop("mode", None) if self._takes_mode else None
        if self._mode is not None and (
            not isinstance(self._mode, int) or not 0 <= self._mode <= 0o7777
        ):
            raise ValueError(f"mode must be a number such as 0o660, not {self._mode!r}")
        self._removes = bool(kwargs.pop("remove", False)) if self._takes_mode else False
        self.socket_options = list(kwargs.pop("socket_options", self.socket_options))
        self._max_connections: int | None = kwargs.pop("max_connections", None)
        self._is_full = False
        self._is_early = False  # the handlers of ``started`` have not ended
        self._take_tls(secure, kwargs)
        if kwargs:
            raise TypeError(f"{type(self).__name__}() has no option {', '.join(sorted(kwargs))}")
        self._backlog = backlog
        self._connections: dict[Any, Connection] = {}
        #: Of those whose handshake is not done.
        self._addresses: dict[Connection, Any] = {}
        self._accept_pause = AcceptPause(self._watch_listener)
        # A socket with its address, and with host and port, which applications ask at each request.
        self._named: tuple[Any, Any, tuple[Any, int | None]] = (None, None, (None, None))
        self._take_bind(bind)

    def _take_tls(self, secure: Any, kwargs: dict[str, Any]) -> None:
        if type(secure) is int:
            raise TypeError(
                f"{type(self).__name__} takes one address: write "
                f"{type(self).__name__}((host, {secure}))"
            )
        context = kwargs.pop("context", None)
        if hasattr(secure, "wrap_bio"):
            context = secure
        self.secure = bool(secure)
        self.certfile = kwargs.pop("certfile", None)
        self.keyfile = kwargs.pop("keyfile", None)
        self.cert_reqs = kwargs.pop("cert_reqs", 0)  # CERT_NONE
        self.ssl_version = kwargs.pop("ssl_version", None)
        self.ca_certs = kwargs.pop("ca_certs", None)
        self._wants_alpn = bool(kwargs.pop("require_alpn", False))
        alpn_protocols = kwargs.pop("alpn_protocols", None)
        if context is None and self.certfile is not None:
            from ._tls_contexts import server_context

            context = server_context(
                certfile=self.certfile,
                keyfile=self.keyfile,
                cert_reqs=self.cert_reqs,
                ssl_version=self.ssl_version,
                ca_certs=self.ca_certs,
                alpn_protocols=alpn_protocols,
            )
        if context is None and secure:
            name = type(self).__name__
            raise RuntimeError(f"{name}(secure=True) needs a certfile, or a context of ssl")
        self._context: ssl.SSLContext | None = context
        if context is not None:
            from . import _tls  # noqa: F401 - before there may be no descriptor left to load it

    def _bound(self, sock: Any, options: Iterable[tuple[int, int, Any]] = ()) -> Any:
        """Set the options of a new socket, those of the caller last, bind it, and listen."""
        is_stream = self.socket_type != socket.SOCK_DGRAM
        try:
            sock.setblocking(False)
            for option in (*options, *self.socket_options):
                sock.setsockopt(*option)
            if is_stream or self._bind is not None:
                sock.bind(self._bind)
            if self._mode is not None and _outside.has_paths:
                os.chmod(self._bind, self._mode)  # nobody can connect before it listens
            if is_stream:
                sock.listen(self._backlog)
        except BaseException as problem:
            sock.close()
            _address.named(problem, self._bind)
            raise
        return sock

    def _internet_socket(self, *options: tuple[int, int, Any]) -> Any:
        ours = [(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)]
        if self._reuse_port:
            ours.append((socket.SOL_SOCKET, socket.SO_REUSEPORT, 1))
        sock = _outside.open_socket(self.socket_family, self.socket_type, self.socket_protocol)
        return self._bound(sock, (*ours, *options))

    def duplicate_listener(self) -> socket.socket:
        """A copy of the listening socket, for the ``bind`` of another server or process.

        .. versionadded:: 2.1
        """
        return self._sock.dup()  # type: ignore[no-any-return]

    def reload_certificates(self) -> None:
        """Read ``certfile`` and ``keyfile`` again, for the handshakes that begin from now on.

        Raises:
            OSError: They cannot be read, or do not match; the ones before are still used.

        .. versionadded:: 2.1
        """
        if self._context is not None and self.certfile is not None:
            import ssl

            trial = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            trial.load_cert_chain(self.certfile, self.keyfile)  # it fails half-way
            self._context.load_cert_chain(self.certfile, self.keyfile)

    # -- what it is --

    @property
    def connected(self) -> bool:
        """Always true."""
        return True

    def _address(self) -> Any:
        sock = self._sock
        if sock is None:
            return None
        if sock is not self._named[0]:
            try:
                address = sock.getsockname()
            except OSError:
                return None
            pair = address[:2] if isinstance(address, tuple) else (address, None)
            self._named = sock, address, pair
        return self._named[1]

    def bound(self) -> tuple[Any, int | None]:
        """:attr:`host` and :attr:`port`, at once."""
        named = self._named
        if named[0] is self._sock:
            return named[2]
        return (None, None) if self._address() is None else self._named[2]

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

    _own_writes: ClassVar[tuple[Any, ...]] = (write,)

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

    @handler("starttls")
    def starttls(self, sock: Any) -> None:
        """Upgrade a connection to TLS: the client begins the handshake.

        The socket stays the same. What has been written so far is still sent as it is, what is
        written from now on is sent when ``starttls_done`` is fired. There is neither a second
        ``connect``, nor anything for a connection that does not exist.

        Raises:
            RuntimeError: It is encrypted already, or the server has no certificate.
        """
        connection = self._connections.get(sock)
        if connection is None:
            return
        if connection.tls is not None:
            raise RuntimeError("starttls: the connection already uses TLS")
        if connection.is_sending_file:
            raise RuntimeError("starttls: a file is still being sent")
        if self._context is None:
            raise RuntimeError("starttls: the server needs a certfile, or a context of ssl")
        self._encrypt(connection, self._context, server_side=True)

    def ssl_object(self, sock: Any) -> ssl.SSLObject | None:
        """What :mod:`ssl` knows of a connection; ``None`` if it is not encrypted.

        .. versionadded:: 2.1
        """
        connection = self._connections.get(sock)
        return None if connection is None or connection.tls is None else connection.tls.object

    def keep_with(self, keeper: Keeper) -> None:
        """Have another component decide when connections end.

        It is asked when a peer has finished writing. When the application stops, the
        connections are left to it, and it closes them in its own time.

        .. versionadded:: 2.1
        """
        self._keeper = keeper

    def part_from(self, keeper: Keeper) -> None:
        """Decide alone when connections end, if this is who did; the opposite of ``keep_with``.

        .. versionadded:: 2.1
        """
        if self._keeper is keeper:
            self._keeper = None

    def finish_writing(self, sock: Any) -> bool:
        """Tell a client, when all is written, that nothing more will come; reading goes on.

        Returns:
            Whether there is such a connection.

        .. versionadded:: 2.1
        """
        connection = self._connections.get(sock)
        if connection is not None:
            connection.end_output()
        return connection is not None

    def abort(self, sock: Any) -> bool:
        """Reset a connection: what is pending is lost, and the client sees that it is.

        Returns:
            Whether there is such a connection.

        .. versionadded:: 2.1
        """
        connection = self._connections.get(sock)
        if connection is not None:
            connection.reset()
        return connection is not None

    def is_congested(self, sock: Any) -> bool:
        """Whether so much is pending for a client that nothing more should be written.

        .. versionadded:: 2.1
        """
        connection = self._connections.get(sock)
        return connection is not None and connection.is_congested

    def pending_bytes(self, sock: Any) -> int:
        """How much is pending for a client, in bytes.

        .. versionadded:: 2.1
        """
        connection = self._connections.get(sock)
        return 0 if connection is None else connection.pending_bytes

    def send_file(self, sock: Any, file: Any, offset: int, count: int) -> int:
        """Send a part of a file by the kernel, without reading it into this process.

        Where that cannot be done - under TLS, behind data that is still pending, for some kinds
        of files, on some systems - the rest must be read and written. What is written later
        comes after the file. While it is being sent, ``pause`` and ``resume`` tell so.

        Args:
            sock: The connection.
            file: A file, or its descriptor; it may be closed as soon as this returns.
            offset: Where to begin.
            count: How many bytes; if the file turns out to be shorter, the connection fails.

        Returns:
            How many bytes from the beginning are seen to: nothing more has to be done for them.

        .. versionadded:: 2.1
        """
        connection = self._connections.get(sock)
        if connection is None or not hasattr(os, "sendfile"):
            return 0
        return connection.send_file(file, offset, count)

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

    @handler("_hold_reading")
    def _on_hold_reading(self, is_held: bool, sock: Any = None) -> None:
        connection = self._connections.get(sock)
        if connection is not None:
            connection.hold_for_backlog(is_held)

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
        elif fd is self._sock:
            self._listener_writable()

    @handler("_disconnect")
    def _on_hung_up(self, fd: Any) -> None:
        connection = self._connections.get(fd)
        if connection is not None:
            connection.hung_up()
        elif fd is self._sock:
            self._listener_hung_up()

    @handler("_error")
    def _on_poller_error(self, fd: Any, problem: OSError) -> None:
        connection = self._connections.get(fd)
        if connection is not None:
            connection.fail(problem)

    def _listener_writable(self) -> None:
        """More can be sent by the socket of the server itself."""

    def _listener_hung_up(self) -> None:
        """Something is wrong with the socket of the server itself."""

    # -- accepting --

    def _accept_batch(self) -> None:
        for _ in range(1 if self._is_given else _ACCEPT_BATCH):  # others may accept there, too
            listener = self._sock
            if listener is None:
                return
            if self._max_connections is not None:
                self._is_full = len(self._connections) >= self._max_connections
                if self._is_full:
                    if self._poller is not None:
                        self._poller.removeReader(listener)  # which would stay readable
                    return
            try:
                sock, address = listener.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as problem:
                if problem.errno in SKIPPED:
                    continue
                if problem.errno not in SHORTAGES:
                    self._tell_error(listener, problem)
                    return
                if self._accept_pause.begin(self._tree_engine.schedule):
                    self._tell_error(listener, problem)
                if self._poller is not None:
                    self._poller.removeReader(listener)  # which would stay readable
                return
            self._accept_pause.worked()
            self._accepted(sock, address)

    def _accepted(self, sock: Any, address: Any) -> None:
        if self._context is not None:
            from ._tls import TLSSocket

            sock = TLSSocket.take_over(sock)
        try:
            sock.setblocking(False)
            self._set_options(sock)
        except OSError:  # gone already
            sock.close()
            return
        if self.secure and self._context is not None:
            connection = Connection(self, sock, self._limits, State.HANDSHAKING)
            self._connections[sock] = connection
            self._addresses[connection] = address
            self._encrypt(connection, self._context, server_side=True)
            return
        self.adopt(sock, address)

    def adopt(self, sock: Any, address: Any = None) -> None:
        """Serve a connection that stands, as if it had been accepted, and without TLS.

        Args:
            sock: A stream socket that does not block.
            address: Of the client, for ``connect``.

        .. versionadded:: 2.1
        """
        connection = self._connections[sock] = Connection(self, sock, self._limits)
        self.fire(Connect(sock, *_address.for_events(address)))
        connection.watch()

    def _connection_opened(self, connection: Connection) -> None:
        address = self._addresses.pop(connection, None)
        if not self._opened(connection, self._wants_alpn):
            return
        sock = connection.sock
        if connection.was_open:
            self.fire(StartTLSDone(sock, sock))
        else:
            connection.announce()
            self.fire(Connect(sock, *_address.for_events(address)))

    def _set_options(self, sock: Any) -> None:
        """Set the options of an accepted socket."""

    def _watch_listener(self) -> None:
        sock = self._sock
        if sock is None or self._poller is None:
            return
        try:
            self._poller.addReader(self, sock)
        except (OSError, ValueError) as problem:  # such as Select, and a number it cannot watch
            self._tell_error(sock, problem)
            self._abort()

    # -- what Endpoint asks for --

    def _owned(self) -> Iterable[Connection]:
        return self._connections.values()

    def _join_poller(self, poller: Any) -> None:
        session = self._tree_engine.loop.session
        if session is not None and session.defer(self._start_is_over):
            self._is_early = True
        if not (self._accept_pause.is_on or self._is_full or self._is_early):
            self._watch_listener()
        super()._join_poller(poller)

    def _start_is_over(self) -> None:
        """The handlers of ``started`` have ended: those who have connected meanwhile are let in."""
        self._is_early = False
        if self._poller is not None and self._sock is not None:
            self._watch_listener()
            self._poller_found()

    def _leave_poller(self, poller: Any) -> None:
        if self._sock is not None:
            poller.discard(self._sock)
        super()._leave_poller(poller)

    def _poller_found(self) -> None:
        if not self._is_early:
            self.fire(Ready(self, (self.host, self.port)))

    def _close_listener(self) -> None:
        sock, self._sock = self._sock, None
        self._accept_pause.cancel()
        if sock is not None:
            if self._poller is not None:
                self._poller.discard(sock)
            # What somebody else has made, others may go on listening at.
            sock.close() if self._is_given else shut(sock)

    def _shut_down(self) -> None:
        if self._keeper is not None:
            for connection in list(self._addresses):
                connection.finish()
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
        if self._keeper is not None:
            self._keeper.abandon()
        for connection in list(self._connections.values()):
            connection.finish()
        if was_open:
            self.fire(Closed())

    def _finish_input(self, connection: Connection) -> None:
        if self._keeper is None or not self._keeper.end_of_input(connection.sock):
            connection.close()

    def _connection_failed(self, connection: Connection, problem: OSError) -> None:
        self._tell_error(connection.sock, problem)

    def _connection_closed(self, connection: Connection) -> None:
        if self._connections.pop(connection.sock, None) is not None:
            self._addresses.pop(connection, None)
            if connection.was_open:
                self.fire(Disconnect(connection.sock))
            self._accept_pause.cut_short()
            if self._is_full:
                self._is_full = False
                self._watch_listener()
            self._drained()
