"""What a connection has written and the kernel has not taken yet."""

from __future__ import annotations

import errno
import os
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._sendfile import FilePart

__all__ = ["Writer", "is_for_later"]

#: How many pieces one ``sendmsg`` carries. The system allows IOV_MAX; with more than this, the
#: time to build the list outweighs the system call that it saves.
_PIECES = min(
    256, os.sysconf("SC_IOV_MAX") if "SC_IOV_MAX" in getattr(os, "sysconf_names", ()) else 16
)

#: Pieces smaller than this are joined, up to that many bytes: a piece by itself costs some 200.
_SMALL, _JOINED = 1024, 16384

_LATER = frozenset({errno.EAGAIN, errno.EWOULDBLOCK, errno.EINTR, errno.ENOBUFS})


def is_for_later(problem: OSError | MemoryError) -> bool:
    """Whether an error means: try again later."""
    return getattr(problem, "errno", None) in _LATER or isinstance(
        problem, BlockingIOError | InterruptedError
    )


class Writer:
    """Pieces of bytes that wait for the kernel, and perhaps a part of a file before them.

    Args:
        max_pending: With more than this pending, nothing else is kept.
        file: A part of a file.

    Attributes:
        pending_bytes: How much the kernel has not taken yet, not counting what is in a file.
        flushed_bytes: How much it has taken since.
    """

    __slots__ = ("_file", "_max_pending", "_pieces", "_tail", "flushed_bytes", "pending_bytes")

    def __init__(self, max_pending: int, file: FilePart | None = None) -> None:
        self._max_pending = max_pending
        self._file = file
        self._pieces: deque[memoryview] = deque()
        self._tail = bytearray()  # small pieces behind those, which are being joined
        self.pending_bytes = 0
        self.flushed_bytes = 0

    @property
    def is_sending_file(self) -> bool:
        """Whether something of a file is left to be sent."""
        return self._file is not None

    def keep(self, data: bytes | bytearray | memoryview, sent: int = 0) -> None:
        """Keep what is left of a piece, however large that is.

        Raises:
            OSError: Too much is pending already.
        """
        if data.__class__ is not bytes:  # whoever owns it may change it
            data = bytes(data[sent:])
            sent = 0
        rest = memoryview(data)[sent:]
        if rest:
            if self.pending_bytes > self._max_pending:
                text = f"the peer does not read: {self.pending_bytes} bytes are pending"
                raise OSError(errno.ENOBUFS, text)
            size = len(rest)
            self.pending_bytes += size
            if size < _SMALL and (self._tail or self._pieces):
                self._tail += rest
                if len(self._tail) >= _JOINED:
                    self._end_tail()
            else:
                self._end_tail()
                self._pieces.append(rest)

    def _end_tail(self) -> None:
        if self._tail:
            self._pieces.append(memoryview(bytes(self._tail)))
            self._tail.clear()

    def joined(self) -> bytes:
        """All pieces."""
        self._end_tail()
        return b"".join(self._pieces)

    def flush_file(self, sock: Any) -> bool:
        """Send more of the file; whether nothing of it is left, and the pieces may follow.

        Raises:
            OSError: As of the socket; or the file is shorter than was said.
        """
        part = self._file
        if part is not None:
            self.flushed_bytes += part.send(sock)
            if part.left:
                return False
            self.close()
        return True

    def flush(self, sock: Any) -> bool:
        """Send pieces, as much as the kernel takes at once; whether none is left.

        Raises:
            OSError: As of the socket.
        """
        pieces = self._pieces
        if self._tail:
            self._end_tail()
        if not pieces:
            return True
        if len(pieces) == 1 or not hasattr(sock, "sendmsg"):
            sent = sock.send(pieces[0])
        else:
            sent = sock.sendmsg(list(islice(pieces, _PIECES)))
        self.pending_bytes -= sent
        self.flushed_bytes += sent
        while sent:
            first = pieces[0]
            if len(first) > sent:
                pieces[0] = first[sent:]
                break
            sent -= len(first)
            pieces.popleft()
        return not pieces

    def close(self) -> None:
        """Send nothing more of a file."""
        part, self._file = self._file, None
        if part is not None:
            part.close()
