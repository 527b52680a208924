"""A receive buffer that is searched in linear time.

A peer may send its message one byte at a time. Joining immutable pieces, or searching from the
beginning after each piece, would make that quadratic. So the buffer keeps one ``bytearray`` once
there is more than one piece, and remembers up to where the last search has looked. The common case,
a message that arrives whole in one read, is not copied at all.
"""

from __future__ import annotations

from circuits._wire import LocalProtocolError

__all__ = ["BufferFullError", "ReceiveBuffer"]


class BufferFullError(LocalProtocolError):
    """More was appended although the limit of unread bytes had been reached."""


class ReceiveBuffer:
    """Bytes that have arrived and were not read yet.

    Args:
        limit_bytes: With this many unread bytes or more, ``append`` refuses; ``None`` for no limit.
            A single piece may pass the limit, since it is in memory already.

    Attributes:
        data: What is stored; the unread part begins at ``start``. Codecs on a hot path look at
            the three attributes directly and then call ``skip``; everybody else uses the methods.
        start: Index into ``data`` of the first unread byte.
        searched: Index into ``data`` up to which the delimiter of the last unsuccessful search
            does not begin. Reading anything resets it.
    """

    __slots__ = ("data", "limit_bytes", "searched", "start")

    def __init__(self, limit_bytes: int | None = None) -> None:
        self.limit_bytes = limit_bytes
        self.data: bytes | bytearray = b""
        self.start = 0
        self.searched = 0

    def __len__(self) -> int:
        return len(self.data) - self.start

    def append(self, data: bytes | bytearray | memoryview) -> None:
        """Add what has arrived; raises `BufferFullError` when the limit was reached before."""
        stored = self.data
        start = self.start
        if start == len(stored):
            # A copy of bytes is the same object; a caller may reuse its bytearray.
            self.data = bytes(data)
            self.start = self.searched = 0
            return
        if self.limit_bytes is not None and len(stored) - start >= self.limit_bytes:
            raise BufferFullError(
                f"{len(stored) - start} bytes are waiting to be read, the limit is "
                f"{self.limit_bytes}: read messages before more is received"
            )
        if start:
            self.searched = max(self.searched - start, 0)
            self.start = 0
        if isinstance(stored, bytearray):
            # Deleting at the front moves an offset and appending over-allocates: both are
            # constant on average, which is what keeps one byte at a time linear.
            del stored[:start]
            stored += data
        else:
            joined = bytearray(stored[start:])
            joined += data
            self.data = joined

    def find(self, delimiter: bytes) -> int:
        """Number of unread bytes before `delimiter`, or -1 when it has not arrived.

        Bytes that were searched before are not searched again, so repeat it with the same
        delimiter until it is found.
        """
        begin = max(self.start, self.searched)
        index = self.data.find(delimiter, begin)
        if index < 0:
            self.searched = max(begin, len(self.data) - len(delimiter) + 1)
            return -1
        return index - self.start

    def peek(self, size: int) -> bytes:
        """Up to `size` unread bytes; they stay unread."""
        return bytes(self.data[self.start : self.start + size])

    def take(self, size: int) -> bytes:
        """Up to `size` bytes, which are read then; without a copy when it is all there is."""
        start = self.start
        data = self.data
        if not start and len(data) <= size:
            self.clear()
            return bytes(data)
        taken = bytes(data[start : start + size])
        self.skip(len(taken))
        return taken

    def take_all(self) -> bytes:
        """Everything unread; the buffer is empty then."""
        return self.take(len(self))

    def skip(self, size: int) -> None:
        """Read `size` bytes and drop them."""
        start = self.start + size
        if start >= len(self.data):
            self.clear()
        else:
            self.start = self.searched = start

    def clear(self) -> None:
        """Drop everything."""
        self.data = b""
        self.start = self.searched = 0
