"""The sockets of nodes: they tell when more can be written, and end when their node is done."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING, Any

from circuits.core.handlers import handler
from circuits.net.sockets import TCP6Server, TCPClient, TCPServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._hub import Hub

__all__ = ["Dialler", "Listener", "Listener6", "Wire"]

#: How much the kernel keeps unsent for a connection, in bytes. More would only hide from us that a
#: peer does not read, and what it has taken is lost with the connection.
_UNSENT_BYTES = 128 * 1024


def _tune(sock: Any) -> None:
    with contextlib.suppress(OSError, AttributeError):  # Linux and macOS have it
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT_BYTES)


class Dialler(TCPClient):
    """Connects to another node; the transport of a link, too."""

    _hub: Hub
    _on_drain: Callable[[], object]

    def belong_to(self, hub: Hub, on_drain: Callable[[], object]) -> None:
        """Set whose it is, and whom to tell when nothing waits to be written."""
        self._hub = hub
        self._on_drain = on_drain

    def _make_socket(self, family: int) -> Any:
        sock = super()._make_socket(family)
        _tune(sock)
        return sock

    @handler("_write", override=True)
    def _on_writable(self, fd: Any) -> None:
        super()._on_writable(fd)
        if self._connection is not None and not self._connection.is_blocked:
            self._on_drain()

    @property
    def is_blocked(self) -> bool:
        """Whether something that was written waits for the kernel to take it."""
        return self._connection is not None and self._connection.writer is not None

    @property
    def is_busy(self) -> bool:
        """Whether it is connected, or about to be."""
        return any((self._connection, self._attempt, self._queued))

    def hold_reading(self, is_held: bool) -> None:
        """Stop reading, or go on."""
        if self._connection is not None:
            self._connection.hold_reading(is_held)

    def abort(self) -> None:
        """Close at once."""
        if self._connection is not None:
            self._connection.finish()

    def _shut_down(self) -> None:
        """The application stops: the node closes the connection, in its own time."""
        if self._connection is None:
            super()._shut_down()

    def _leave(self) -> None:
        if not self._hub.is_leaving:
            super()._leave()

    def end(self) -> None:
        """The node has left."""
        super()._leave()


class Listener(TCPServer):
    """Accepts the connections of other nodes."""

    _hub: Hub
    _on_drain: Callable[[Any], object]

    def belong_to(self, hub: Hub, on_drain: Callable[[Any], object]) -> None:
        """Set whose it is, and whom to tell when nothing waits to be written to a socket."""
        self._hub = hub
        self._on_drain = on_drain

    def _set_options(self, sock: Any) -> None:
        super()._set_options(sock)
        _tune(sock)

    @handler("_write", override=True)
    def _on_writable(self, fd: Any) -> None:
        super()._on_writable(fd)
        connection = self._connections.get(fd)
        if connection is not None and not connection.is_blocked:
            self._on_drain(fd)

    def is_blocked(self, sock: Any) -> bool:
        """Whether something that was written waits for the kernel to take it."""
        connection = self._connections.get(sock)
        return connection is not None and connection.writer is not None

    def cut(self, sock: Any) -> None:
        """Close a connection at once."""
        connection = self._connections.get(sock)
        if connection is not None:
            connection.finish()

    def stop_listening(self) -> None:
        """Accept nobody any more."""
        self.close(self._sock)

    def _leave(self) -> None:
        if not self._hub.is_leaving:
            super()._leave()

    def end(self) -> None:
        """The node has left."""
        super()._leave()


class Listener6(TCP6Server, Listener):
    """The same over IPv6."""


class Wire:
    """One connection of a listener, as the transport of a link."""

    __slots__ = ("_listener", "_sock")

    def __init__(self, listener: Listener, sock: Any) -> None:
        self._listener = listener
        self._sock = sock

    @property
    def is_blocked(self) -> bool:
        """Whether something that was written waits for the kernel to take it."""
        return self._listener.is_blocked(self._sock)

    def write(self, data: bytes) -> None:
        """Send data."""
        self._listener.write(self._sock, data)

    def hold_reading(self, is_held: bool) -> None:
        """Stop reading, or go on."""
        if is_held:
            self._listener.pause_reading(self._sock)
        else:
            self._listener.resume_reading(self._sock)

    def close(self) -> None:
        """Close when all is written."""
        self._listener.close(self._sock)

    def abort(self) -> None:
        """Close at once."""
        self._listener.cut(self._sock)
