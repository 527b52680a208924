"""Sockets that tell a recording what they give and take.

The socket stays the same object; its class is exchanged, so that one that is not recorded costs
nothing more. What it does for a thread other than the loop's is not told.
"""

from __future__ import annotations

import socket
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from circuits.net._tls import TLSSocket

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "RecordedSocket",
    "RecordedTLSSocket",
    "SocketTable",
    "is_listening",
    "is_observed",
    "observe",
]


class Listener(Protocol):
    """Who is told."""

    def received(self, sock: Any, data: bytes | OSError, address: Any = None) -> None: ...
    def sent(self, sock: Any, data: Iterable[Any], count: int | OSError) -> None: ...
    def accepted(self, listener: Any, sock: Any, address: Any) -> None: ...
    def connected(self, sock: Any, address: Any, code: int) -> None: ...
    def asked(self, sock: Any, code: int) -> None: ...


class SocketTable:
    """Which numbers sockets have in the recording of this process.

    Attributes:
        listener: Who is told, or ``None``.
    """

    def __init__(self) -> None:
        self._numbers: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
        self._latest = 0
        self.listener: Listener | None = None

    def number(self, sock: Any) -> int:
        """The number of a socket, which gets one if it has none."""
        number = self._numbers.get(sock)
        if number is None:
            self._latest = number = self._latest + 1
            self._numbers[sock] = number
        return number

    def find(self, sock: Any) -> int | None:
        """The number of a socket, or ``None``."""
        return self._numbers.get(sock) if isinstance(sock, socket.socket) else None

    def forget(self, sock: Any) -> None:
        """What the socket does from now on is nobody's concern."""
        if type(sock) in _PLAIN:
            sock.__class__ = _PLAIN[type(sock)]
        self._numbers.pop(sock, None)

    def take_over(self, sock: Any, number: int) -> None:
        """A socket that takes the place of another one has its number."""
        self._numbers[sock] = number

    def clear(self) -> None:
        """Forget all of them."""
        self.listener = None
        for sock in list(self._numbers):
            self.forget(sock)
        self._latest = 0


#: A process has one recording at a time.
sockets = SocketTable()


class RecordedSocket(socket.socket):
    """A socket that tells what it gives and takes."""

    __slots__ = ()

    def recv(self, size: int, flags: int = 0) -> bytes:
        """As of a socket."""
        listener = sockets.listener
        if listener is None:
            return socket.socket.recv(self, size, flags)
        try:
            data = socket.socket.recv(self, size, flags)
        except OSError as problem:
            listener.received(self, problem)
            raise
        listener.received(self, data)
        return data

    def recvfrom(self, size: int, flags: int = 0) -> tuple[bytes, Any]:
        """As of a socket."""
        listener = sockets.listener
        if listener is None:
            return socket.socket.recvfrom(self, size, flags)
        try:
            data, address = socket.socket.recvfrom(self, size, flags)
        except OSError as problem:
            listener.received(self, problem)
            raise
        listener.received(self, data, address)
        return data, address

    def send(self, data: Any, flags: int = 0) -> int:
        """As of a socket."""
        return self._tell_sent(partial(socket.socket.send, self), (data,), data, flags)

    def sendmsg(self, buffers: Any, *args: Any) -> int:
        """As of a socket."""
        return self._tell_sent(partial(socket.socket.sendmsg, self), buffers, buffers, *args)

    def sendto(self, data: Any, *args: Any) -> int:
        """As of a socket."""
        return self._tell_sent(partial(socket.socket.sendto, self), (data,), data, *args)

    def _tell_sent(self, send: Any, pieces: Iterable[Any], *args: Any) -> int:
        listener = sockets.listener
        if listener is None:
            return send(*args)  # type: ignore[no-any-return]
        try:
            count: int = send(*args)
        except OSError as problem:
            listener.sent(self, pieces, problem)
            raise
        listener.sent(self, pieces, count)
        return count

    def accept(self) -> tuple[Any, Any]:
        """As of a socket."""
        listener = sockets.listener
        try:
            sock, address = socket.socket.accept(self)
        except OSError as problem:
            if listener is not None:
                listener.accepted(self, problem, None)
            raise
        if listener is not None:
            sock.__class__ = RecordedSocket
            listener.accepted(self, sock, address)
        return sock, address

    def connect_ex(self, address: Any) -> int:
        """As of a socket."""
        code = socket.socket.connect_ex(self, address)
        listener = sockets.listener
        if listener is not None:
            listener.connected(self, address, code)
        return code

    def getsockopt(self, level: int, option: int, *size: int) -> Any:
        """As of a socket."""
        found = socket.socket.getsockopt(self, level, option, *size)
        listener = sockets.listener
        if listener is not None and level == socket.SOL_SOCKET and option == socket.SO_ERROR:
            listener.asked(self, found)
        return found


class RecordedTLSSocket(TLSSocket):
    """The same, of a server that can speak TLS."""

    # Not by inheritance: the layout of an object whose class is exchanged must stay.
    recv = RecordedSocket.recv
    recvfrom = RecordedSocket.recvfrom
    send = RecordedSocket.send
    sendmsg = RecordedSocket.sendmsg
    sendto = RecordedSocket.sendto
    accept = RecordedSocket.accept
    connect_ex = RecordedSocket.connect_ex
    getsockopt = RecordedSocket.getsockopt
    _tell_sent = RecordedSocket._tell_sent


#: What recorded sockets are otherwise.
_PLAIN: Final[dict[type, Any]] = {RecordedSocket: socket.socket, RecordedTLSSocket: TLSSocket}


def observe(sock: Any) -> None:
    """Make a socket tell; one of another class is left as it is."""
    for observed, plain in _PLAIN.items():
        if type(sock) is plain:
            sock.__class__ = observed


def is_observed(sock: Any) -> bool:
    """Whether a socket tells."""
    return type(sock) in _PLAIN


def is_listening(sock: socket.socket) -> bool:
    """Whether a socket accepts connections."""
    try:
        return bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    except OSError:
        return False
