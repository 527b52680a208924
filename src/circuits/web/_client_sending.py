"""The body of a request on its way out, no faster than the server takes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from circuits._wire.http1 import BodyEncoder, LocalProtocolError

from ._pieces import NOT_YET, AsyncPieces

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._client_connection import ClientConnection
    from ._client_request import ClientRequest

__all__ = ["Sending"]

#: After so many bytes others are first: the answer may be there already.
_AT_ONCE_BYTES: Final = 256 * 1024
_PIECE_BYTES: Final = 64 * 1024


class Sending:
    """Has the pieces of a body sent.

    Args:
        wire: Where to.
        outgoing: What is sent; its head is on its way.

    Attributes:
        is_over: Whether all is written, or nothing else will be.
    """

    def __init__(self, wire: ClientConnection, outgoing: ClientRequest) -> None:
        self._wire = wire
        self._encoder = BodyEncoder(outgoing.length, chunked=outgoing.length is None)
        self._coroutine: Any = None
        self.is_over = False
        self._body = outgoing.body
        self._source: Any = None

    def _begin(self) -> Any:
        body = self._body
        source: Any = _slices(body) if isinstance(body, bytes) else body.start()
        if hasattr(source, "__aiter__"):
            source = AsyncPieces(source, self._run, self._wire._tree_engine.schedule)
            source.attach(self.pull)
        self._source = iter(source)
        return self._source

    def _run(self, coroutine: Any) -> None:
        self._coroutine = coroutine
        self._wire.run_aside(coroutine)

    def pull(self) -> None:
        """Send what can be sent now."""
        sent = 0
        try:
            source = self._begin() if self._source is None else self._source
            while not self.is_over and not self._wire.is_congested:
                if sent >= _AT_ONCE_BYTES:
                    self._wire.go_on_later()
                    self._wire.sent(waits="")
                    return
                piece = next(source)
                if piece is NOT_YET:
                    self._wire.sent(waits="")
                    return
                data = self._encoder.send(_as_bytes(piece))
                sent += len(data)
                self._wire.transport.write(data)
            if not self.is_over:
                self._wire.sent(waits="write")
        except StopIteration:
            self._end()
        except LocalProtocolError as problem:
            self._fail(ValueError(str(problem)))
        except BaseException as problem:
            self._fail(problem)
            if not isinstance(problem, Exception):
                raise

    def _end(self) -> None:
        try:
            rest = self._encoder.end()
        except LocalProtocolError as problem:
            self._fail(ValueError(str(problem)))
            return
        self.is_over = True
        self._wire.transport.write(rest)
        self._wire.sent(waits="read")

    def _fail(self, problem: BaseException) -> None:
        if self._wire.pending is not None:
            self._wire.pending.finish(problem)

    def close(self) -> None:
        """Nothing more is sent."""
        if self.is_over:
            return
        self.is_over = True
        if self._coroutine is not None:
            import inspect

            if inspect.getcoroutinestate(self._coroutine) == inspect.CORO_CREATED:
                self._coroutine.close()
        close = getattr(self._source, "close", None)
        if close is not None and not getattr(self._source, "gi_running", False):
            close()


def _slices(body: bytes) -> Iterator[memoryview]:
    view = memoryview(body)
    return (view[at : at + _PIECE_BYTES] for at in range(0, len(view), _PIECE_BYTES))


def _as_bytes(piece: Any) -> Any:
    if isinstance(piece, str):
        return piece.encode()
    if isinstance(piece, bytes | bytearray | memoryview):
        return piece
    raise TypeError(f"a body consists of bytes or text, not {type(piece).__name__}")
