"""Servers: the connections that a listening socket has accepted."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from circuits.core._descriptor import FAILURES, as_os_error
from circuits.core._held import close, hold
from circuits.core.handlers import handler

from . import _address
from ._accepting import SHORTAGES, SKIPPED, AcceptPause
from ._connection import Connection, State
from ._endpoint import BUFSIZE
from ._listener import BACKLOG, Listener
from .events import Closed, Connect, Disconnect, StartTLSDone

if TYPE_CHECKING:
    import ssl

    from ._endpoint import Keeper

__all__ = ["Server"]

#: How many connections are accepted before others get their turn.
_ACCEPT_BATCH = 64


class _ListOfClients:
    """The attribute ``_clients``: a list of sockets, made when somebody looks at it."""

    def __get__(self, server: Server | None, owner: type[Server]) -> Any:
        if server is None:
            return self
        return [sock for sock, known in server._connections.items() if known.was_open]


class Server(Listener):
    """A listening socket and its connections; see :class:`TCPServer`."""

    _keeper: Keeper | None = None
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
        self._max_connections: int | None = kwargs.pop("max_connections", None)
        self._is_full = False
        self._connections: dict[Any, Connection] = {}
        #: Of those whose handshake is not done.
        self._addresses: dict[Connection, Any] = {}
        self._accept_pause = AcceptPause(self._watch_listener)
        super().__init__(bind, secure, backlog, bufsize, channel, **kwargs)

    @property
    def connected(self) -> bool:
        """Always true."""
        return True

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
            self._listener_readable()

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

    # -- accepting --

    def _listener_readable(self) -> None:
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
            except FAILURES as error:
                problem = as_os_error(error)
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
            self._begin(sock, address)
        except FAILURES as problem:
            if sock in self._connections:
                self._connections[sock].fail(problem)
                return
            close(sock)
            if isinstance(problem, MemoryError):
                self._tell_error(self._sock, as_os_error(problem))  # else it is gone already

    def _begin(self, sock: Any, address: Any) -> None:
        if self.secure and self._context is not None:
            hold(sock)
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
        hold(sock)
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

    # -- what Endpoint asks for --

    def _owned(self) -> Iterable[Connection]:
        return self._connections.values()

    def _is_holding_off(self) -> bool:
        return super()._is_holding_off() or self._is_full or self._accept_pause.is_on

    def _close_listener(self) -> None:
        self._accept_pause.cancel()
        super()._close_listener()

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
                close(held)

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
