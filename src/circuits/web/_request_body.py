"""Bodies of requests while they arrive: gathered, or read piece by piece.

Of a stream, the HTTP component puts pieces in at one end, and one handler takes them out at the
other. What nobody has taken is limited: no more is read from a client while ``is_full``.
"""

from __future__ import annotations

import tempfile
from collections import deque
from io import BytesIO
from typing import TYPE_CHECKING, Any

from circuits.core._suspension import Awaited

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from circuits._wire.http1 import RequestHead

    from ._limits import Share
    from ._request import Request

__all__ = ["BodyStream", "ClientGone", "IncomingBody", "Reading", "gather"]

#: How much ``async for`` takes at most at a time, in bytes: as much as one read of a socket.
_PIECE_BYTES = 65536

#: How much of a body that its handler has not read is read and thrown away, so that the
#: connection can be kept; making a new one costs a client as much as this.
DRAIN_BYTES = 65536


class ClientGone(ConnectionResetError):
    """The client has gone in the middle of its request, which is nobody's failure here."""

    def __init__(self) -> None:
        super().__init__("the client has gone in the middle of its request")

    def _brief(self) -> str:
        """How the log tells of it in one line."""
        return str(self)


class BodyStream:
    """The body of a request for a handler with ``stream=True``: ``request.body``.

    A coroutine handler iterates, ``async for piece in request.body``, or reads, ``piece = await
    request.body.read(n)``. A generator handler reads with ``piece = yield request.body.read(n)``.

    Reading raises ``ConnectionResetError`` when the client has gone, an
    :class:`~circuits.web.exceptions.HTTPException` when the rest of the body is malformed (400),
    too long (413) or too slow (408), and ``ValueError`` when the response is over.

    .. versionadded:: 2.1
    """

    def __init__(
        self,
        limit_bytes: int,
        on_demand: Callable[[], None] | None = None,
        share: Share | None = None,
    ) -> None:
        """Make an empty one.

        Args:
            limit_bytes: With more than this many bytes that nobody has taken it is full.
            on_demand: Called when a handler waits for more, and when there is room again.
            share: Is told how much is held.
        """
        self._share = share
        self._limit_bytes = limit_bytes
        self._on_demand = on_demand
        self._pieces: deque[bytes] = deque()
        self._offset = 0  # into the first piece
        self._held_bytes = 0
        self._is_over = False
        self._problem: BaseException | None = None
        self._reading: Reading | None = None

    @classmethod
    def of(cls, data: bytes) -> BodyStream:
        """A body that has arrived already."""
        stream = cls(len(data))
        if data:
            stream.feed(data)
        stream.end()
        return stream

    # -- for handlers --

    def read(self, size: int = -1) -> Reading:
        """Wait for the next piece; to be awaited or yielded.

        Args:
            size: The most bytes to take. Negative waits for all that is left, however much.

        Returns:
            What gives ``bytes``; empty ones at the end of the body.
        """
        return Reading(self, size)

    def __aiter__(self) -> BodyStream:
        return self

    async def __anext__(self) -> bytes:
        piece: bytes = await Reading(self, _PIECE_BYTES)
        if not piece:
            raise StopAsyncIteration
        return piece

    # -- for the component that receives --

    @property
    def is_full(self) -> bool:
        """Whether to receive no more: much is held, and nobody waits for it.

        While all clients together have too much held, anything is much; whoever reads on when
        that is taken asks for more, so nobody waits for others.
        """
        is_scarce = self._share is not None and self._share.is_overdrawn
        most = 0 if is_scarce else self._limit_bytes
        return self._held_bytes > most and self._reading is None

    @property
    def is_at_end(self) -> bool:
        """Whether everything was taken."""
        return self._is_over and not self._pieces

    def feed(self, data: bytes) -> None:
        """Add what has arrived."""
        self._pieces.append(data)
        self._hold(self._held_bytes + len(data))
        self._tell()

    def end(self) -> None:
        """Nothing else will come."""
        self._is_over = True
        self._on_demand = None
        self._tell()

    def fail(self, problem: BaseException) -> None:
        """The rest will never come."""
        if self._problem is None and not self._is_over:
            self._problem = problem
            self._on_demand = None
            self._tell()

    def close(self) -> None:
        """Forget what was not taken; whoever still reads is told so."""
        self._pieces.clear()
        self._offset = 0
        self._hold(0)
        self._is_over = False
        self.fail(ValueError("the body of a request cannot be read after its response"))

    def _hold(self, held_bytes: int) -> None:
        self._held_bytes = held_bytes
        if self._share is not None:
            self._share.set(held_bytes)

    def _tell(self) -> None:
        reading = self._reading
        if reading is not None and self._is_ready(reading.size):
            reading.wake()

    # -- for readings --

    def _is_ready(self, size: int) -> bool:
        """Whether reading this much need not wait."""
        if self._is_over or self._problem is not None:
            return True
        return self._held_bytes > 0 if size > 0 else size == 0

    def _enter(self, reading: Reading) -> None:
        """Have a reading wait."""
        if self._reading is not None:
            raise RuntimeError("another handler is reading the body of this request")
        self._reading = reading
        self._demand()

    def _leave(self, reading: Reading) -> None:
        if self._reading is reading:
            self._reading = None

    def _demand(self) -> None:
        if self._on_demand is not None:
            self._on_demand()

    def _take(self, size: int) -> bytes:
        """Take what there is, as much as is wanted."""
        pieces = self._pieces
        if size < 0 and self._problem is None:
            data = b"".join(pieces)[self._offset :]
            pieces.clear()
            self._offset = 0
            self._hold(0)
            return data
        if not pieces or size <= 0:
            if self._problem is not None:
                raise self._problem
            return b""
        first = pieces[0]
        data = first[self._offset : self._offset + size]
        self._offset += len(data)
        if self._offset == len(first):
            pieces.popleft()
            self._offset = 0
        before = self._held_bytes
        self._hold(before - len(data))
        if self._held_bytes * 2 <= self._limit_bytes < before * 2:
            self._demand()
        return data


#: How much of a body that is gathered by its handler is kept in memory.
_MEMORY_BYTES = 1024 * 1024


def gather(request: Request) -> Generator[Any, Any, None]:
    """Put a file of all of it in place of a body that another handler wanted piecemeal.

    For handlers that are generators: ``yield from gather(request)``.
    """
    stream = request.body
    body = request.body = tempfile.SpooledTemporaryFile(max_size=_MEMORY_BYTES)  # noqa: SIM115 - closed with the request
    while piece := (yield stream.read(_PIECE_BYTES)):
        body.write(piece)
    body.seek(0)


class IncomingBody:
    """The body of one request that is being received: for a stream, or gathered in a file.

    Attributes:
        head: The head that it belongs to.
        stream: Where the pieces go; ``None``: they are gathered.
        size: Bytes so far.
        must_ask: Whether the client waits until somebody wants the body.
        redirect: Where the request is sent when the body is complete, or ``None``.
        share: What it takes of the memory for all clients.
    """

    __slots__ = ("_file", "head", "must_ask", "redirect", "share", "size", "stream")

    def __init__(
        self, head: RequestHead, stream: BodyStream | None, redirect: str | None, share: Share
    ) -> None:
        self.head = head
        self.share = share
        self.stream = stream
        self.redirect = redirect
        self.size = 0
        self.must_ask = False
        self._file: Any = None if stream is not None else BytesIO()

    @property
    def may_drain(self) -> bool:
        """Whether the rest may be little enough to be read for nothing."""
        # Whoever was not asked for a body may send it, or not: there is no telling what comes next.
        rest = (self.head.content_length or 0) - self.size
        return rest <= DRAIN_BYTES and not self.must_ask

    def gather(self, data: bytes, memory_bytes: int) -> None:
        """Add what has arrived to a file that leaves the memory when it, or all of them, get large.

        Raises:
            OSError: It cannot be kept; then the body is lost.
        """
        size = self.size + len(data)
        if self._file.__class__ is BytesIO:
            self.share.set(size)
            if size > memory_bytes or self.share.is_overdrawn:
                spooled = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the request
                self._file, memory = spooled, self._file
                spooled.write(memory.getvalue())
                self.share.close()
        self._file.write(data)
        self.size = size

    def gathered(self) -> Any:
        """The file, once everything is there; whoever takes it closes it.

        Raises:
            OSError: The end of it cannot be kept.
        """
        self._file.seek(0)
        file, self._file = self._file, None
        return file

    def fail(self, problem: BaseException) -> None:
        """The rest will never come."""
        if self.stream is not None:
            self.stream.fail(problem)
        elif self._file is not None:
            self._file.close()
            self.share.close()


class Reading(Awaited):
    """One call of ``read``, which a handler waits for."""

    __slots__ = ("_stream", "size")

    def __init__(self, stream: BodyStream, size: int) -> None:
        self.size = size
        self._stream = stream
        super().__init__()

    def is_ready(self) -> bool:
        return self._stream._is_ready(self.size)

    def take(self) -> bytes:
        return self._stream._take(self.size)

    def enter(self) -> None:
        self._stream._enter(self)

    def leave(self) -> None:
        self._stream._leave(self)
