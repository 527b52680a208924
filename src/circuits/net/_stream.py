"""One stream connection: its states, its outgoing bytes, its reads.

What is written is sent at once if nothing waits before it. Only the rest waits, in order, until
the descriptor is writable. Reads begin with a small buffer, which grows while it is filled.
"""

from __future__ import annotations

import errno
import socket
from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CLOSED", "CONNECTING", "DRAINING", "OPEN", "Connection"]

#: States of a connection. Draining: it closes when its last byte has been sent.
CONNECTING, OPEN, DRAINING, CLOSED = "connecting", "open", "draining", "closed"

#: Most bytes of one read. Larger buffers cost more to allocate than they save.
_READ_BYTES = 65536

#: Most pieces that one ``sendmsg`` takes; the least that POSIX systems allow is 16, Linux 1024.
_PIECES = 64

_AGAIN = frozenset({errno.EAGAIN, errno.EWOULDBLOCK, errno.EINTR, errno.ENOBUFS})


class Connection:
    """The socket of one peer.

    Attributes:
        sock: The socket, non-blocking.
        state: One of the states of this module.
        pending_bytes: What waits to be sent.
        is_paused: Whether more than the high-water mark waits.
    """

    __slots__ = (
        "_pieces",
        "_size",
        "is_at_end",
        "is_paused",
        "is_reading_paused",
        "is_writing",
        "pending_bytes",
        "sock",
        "state",
        "written_at",
    )

    def __init__(self, sock: Any, read_bytes: int) -> None:
        self.sock = sock
        self.state = OPEN
        self.pending_bytes = 0
        self.is_paused = False
        self.is_writing = False  # the poller watches for writability
        self.is_reading_paused = False
        self.is_at_end = False  # the peer has sent its last
        self.written_at = 0.0
        self._pieces: deque[memoryview] | None = None
        self._size = max(1, read_bytes)

    def receive(self) -> bytes | None:
        """Read once: ``None`` if nothing is there yet, ``b""`` at the end.

        Raises:
            OSError: The connection is broken.
        """
        try:
            data: bytes = self.sock.recv(self._size)
        except OSError as problem:
            if problem.errno in _AGAIN:
                return None
            raise
        if len(data) == self._size and self._size < _READ_BYTES:
            self._size = min(_READ_BYTES, self._size * 4)
        return data

    def send(self, data: bytes) -> bool:
        """Send, or keep what the kernel does not take now.

        Returns:
            Whether everything is with the kernel.

        Raises:
            OSError: The connection is broken.
        """
        if not self.pending_bytes:
            try:
                sent = self.sock.send(data)
            except OSError as problem:
                if problem.errno not in _AGAIN:
                    raise
                sent = 0
            if sent == len(data):
                return True
            rest = memoryview(data)[sent:]
        else:
            rest = memoryview(data)
        if self._pieces is None:
            self._pieces = deque()
        self._pieces.append(rest)
        self.pending_bytes += len(rest)
        return False

    def flush(self) -> bool:
        """Send what waits, as much as the kernel takes.

        Returns:
            Whether everything is with the kernel.

        Raises:
            OSError: The connection is broken.
        """
        pieces = self._pieces
        while pieces:
            batch = [pieces[i] for i in range(min(_PIECES, len(pieces)))]
            size = sum(map(len, batch))
            try:
                sent = self.sock.sendmsg(batch) if len(batch) > 1 else self.sock.send(batch[0])
            except OSError as problem:
                if problem.errno not in _AGAIN:
                    raise
                return False
            self.pending_bytes -= sent
            left = sent
            while left:
                first = pieces[0]
                if len(first) <= left:
                    left -= len(first)
                    pieces.popleft()
                else:
                    pieces[0] = first[left:]
                    left = 0
            if sent < size:
                return False
        self._pieces = None
        return True

    def shut(self, report: Callable[[OSError], object] | None = None) -> None:
        """Close the socket; what waits is dropped."""
        self.state = CLOSED
        self._pieces = None
        self.pending_bytes = 0
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the peer was faster
        try:
            self.sock.close()
        except OSError as problem:
            if report is not None:
                report(problem)
