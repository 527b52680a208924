"""Connections within the process, for components that read and write sockets."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self

__all__ = ["MemoryConnection", "memory_pair"]

#: More than any test writes at once; tests read what is there in one go.
_ALL = 1 << 24


class MemoryConnection:
    """One end of a connection: a non-blocking stream socket with faults on demand.

    It has the methods of ``socket.socket`` that streams use, and a real descriptor, so that
    every poller can watch it. Options of TCP are accepted and ignored.

    Args:
        end: One of a pair of sockets.
        name, peer: What ``getsockname`` and ``getpeername`` give.

    Attributes:
        send_limit: How many bytes one ``send`` takes at most, to provoke partial writes; 0
            makes it raise ``BlockingIOError``. ``None`` leaves it to the system.
        receive_limit: How many bytes one ``recv`` gives at most; ``None`` as above.
        send_error: Raised by the next ``send``, once.
        receive_error: Raised by the next ``recv``, once.
    """

    def __init__(self, end: socket.socket, name: Any, peer: Any) -> None:
        end.setblocking(False)
        self._socket = end
        self._name = name
        self._peer = peer
        self.family = socket.AF_INET
        self.type = end.type
        self.proto = 0
        self.send_limit: int | None = None
        self.receive_limit: int | None = None
        self.send_error: Exception | None = None
        self.receive_error: Exception | None = None

    # -- for tests --

    def received(self) -> bytes:
        """Everything that has arrived; empty if nothing has, or nothing more will."""
        parts = []
        while True:
            try:
                data = self._socket.recv(_ALL)
            except BlockingIOError:
                break
            if not data:
                break
            parts.append(data)
        return b"".join(parts)

    @property
    def at_end(self) -> bool:
        """Whether the peer has finished writing, and all of it was received."""
        try:
            return self._socket.recv(1, socket.MSG_PEEK) == b""
        except BlockingIOError:
            return False

    # -- what streams use; the rest is that of the socket --

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)

    def recv(self, size: int, flags: int = 0) -> bytes:
        """As of a socket, but at most ``receive_limit`` bytes."""
        self._raise_once("receive_error")
        return self._socket.recv(self._limited(size, self.receive_limit), flags)

    def recv_into(self, buffer: Any, size: int = 0, flags: int = 0) -> int:
        """As of a socket, but at most ``receive_limit`` bytes."""
        self._raise_once("receive_error")
        wanted = size or len(memoryview(buffer).cast("B"))
        return self._socket.recv_into(buffer, self._limited(wanted, self.receive_limit), flags)

    def send(self, data: Any, flags: int = 0) -> int:
        """As of a socket, but at most ``send_limit`` bytes."""
        self._raise_once("send_error")
        return self._socket.send(self._cut(memoryview(data).cast("B")), flags)

    def sendmsg(self, buffers: Iterable[Any], *args: Any) -> int:
        """As of a socket, but at most ``send_limit`` bytes."""
        self._raise_once("send_error")
        if self.send_limit is None:
            return self._socket.sendmsg(buffers, *args)
        return self._socket.send(self._cut(memoryview(b"".join(buffers))))

    def fileno(self) -> int:
        """The descriptor, or -1 when closed."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close this end; closing twice is no error."""
        self._socket.close()

    def getsockname(self) -> Any:
        """An address that looks like one of IPv4."""
        return self._name

    def getpeername(self) -> Any:
        """An address that looks like one of IPv4."""
        return self._peer

    def setsockopt(self, level: int, *option: Any) -> None:
        """Set an option; those of TCP are ignored."""
        if level != socket.IPPROTO_TCP:
            self._socket.setsockopt(level, *option)

    def getsockopt(self, level: int, *option: Any) -> int | bytes:
        """Get an option; those of TCP are 0."""
        return 0 if level == socket.IPPROTO_TCP else self._socket.getsockopt(level, *option)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *problem: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<MemoryConnection {self._name} to {self._peer}>"

    def _cut(self, data: memoryview) -> memoryview:
        if self.send_limit is None:
            return data
        if self.send_limit == 0:
            raise BlockingIOError("send_limit is 0")
        return data[: self.send_limit]

    @staticmethod
    def _limited(size: int, limit: int | None) -> int:
        return size if limit is None else min(size, limit)

    def _raise_once(self, which: str) -> None:
        problem = getattr(self, which)
        if problem is not None:
            setattr(self, which, None)
            raise problem


def memory_pair() -> tuple[MemoryConnection, MemoryConnection]:
    """Make two ends of one connection. Close both, or use the fixture ``connections``."""
    one, other = socket.socketpair()
    here, there = ("127.0.0.1", 1), ("127.0.0.1", 2)
    return MemoryConnection(one, here, there), MemoryConnection(other, there, here)
