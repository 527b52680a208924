"""An answer that is read piece by piece, and the connection in memory that it comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from circuits._wire.http1 import (
    BodyEncoder,
    Data,
    Limits,
    RemoteProtocolError,
    ResponseDecoder,
    ResponseHead,
    State,
)
from circuits.core import _clock
from circuits.web._client_errors import ProtocolError
from circuits.web._client_response import ClientResponse, Inflating

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Self

    from circuits.web._client_request import ClientRequest

    from .connections import MemoryConnection
    from .web import WebClient

__all__ = ["Line", "StreamedResponse"]

_SENT_AT_ONCE = 64 * 1024


class Line:
    """Our end of a connection: what is to be sent, and what has come."""

    def __init__(self, client: WebClient, end: MemoryConnection) -> None:
        self._client = client
        self._end = end
        self._pending = bytearray()
        self.at_end = False

    def send(self, data: bytes) -> None:
        self._pending += data

    def flush(self) -> bool:
        """Send what can be sent; whether that is all."""
        while self._pending:
            try:
                count = self._end.send(self._pending[:_SENT_AT_ONCE])
            except BlockingIOError:
                return False
            except OSError:  # they have closed; their answer may be there nevertheless
                self._pending.clear()
                break
            del self._pending[:count]
        return True

    def receive(self) -> bytes:
        """What has come."""
        try:
            data = self._end.received()
        except OSError:  # reset
            data = b""
            self.at_end = True
        else:
            self.at_end = self._end.at_end
        return data

    def wait(self, done: Callable[[], object], timeout: float | None = None) -> bool:
        """Turn the application until something is true; whether that was in time."""
        if timeout is None:
            self._client._settle(done)
            return True
        limit = _clock.now() + timeout
        # So that the clock stops there on its way.
        alarm = self._client.app._tree_engine.schedule.call_at(limit, lambda: None)
        try:
            self._client._settle(lambda: done() or _clock.now() >= limit)
            if not done():
                self._client._settle()  # what is due just now is in time
        finally:
            alarm.cancel()
        return bool(done())

    def close(self) -> None:
        self._end.close()


class StreamedResponse:
    """An answer that is read piece by piece: ``with client.stream("GET", "/") as response``.

    Attributes:
        response: What is known so far, without the body.
    """

    def __init__(self, client: WebClient, outgoing: ClientRequest) -> None:
        self._client = client
        self._outgoing = outgoing
        self._decoder = ResponseDecoder(Limits(body_bytes=None))
        self._line: Line | None = None
        self._pieces: list[bytes] = []
        self._head: ResponseHead | None = None
        self._is_over = False
        self._is_cut = False
        self.response: ClientResponse

    @property
    def status(self) -> int:
        """The status of the answer."""
        return self.response.status

    @property
    def headers(self) -> Any:
        """The headers of the answer."""
        return self.response.headers

    def read(self, timeout: float | None = None) -> bytes:
        """The next piece, ``b""`` at the end.

        Args:
            timeout: Virtual seconds to wait for it.

        Raises:
            TimeoutError: Nothing has come in that time.
        """
        for piece in self._read(timeout):
            return piece
        return b""

    def lines(self) -> Iterator[str]:
        """The lines of the body, without their ends, as they come."""
        rest = ""
        for piece in self:
            rest += piece.decode(self.response.encoding, "replace")
            *lines, rest = rest.split("\n")
            yield from (line.removesuffix("\r") for line in lines)
        if rest:
            yield rest

    def __iter__(self) -> Iterator[bytes]:
        return self._read(None)

    def _read(self, timeout: float | None) -> Iterator[bytes]:
        while True:
            if not self._pieces and not self._is_over and not self._wait(self._has_piece, timeout):
                raise TimeoutError(f"nothing has come for {timeout} s")
            if not self._pieces:
                return
            yield self._pieces.pop(0)

    def __enter__(self) -> Self:
        outgoing = self._outgoing
        line = self._line = self._client._connect()
        try:
            line.send(outgoing.head(cookie=self._client.cookies.header(outgoing)))
            self._decoder.expect(outgoing.method)
            self._send_body(line)
            self._wait(lambda: self._head is not None)
            assert self._head is not None
            self.response = ClientResponse(self._head, outgoing)
            self._client.cookies.take(self.response)
            self._inflating = Inflating(self.response.headers.get("Content-Encoding", ""))
            self._pieces = [part for piece in self._pieces for part in self._inflating.feed(piece)]
            if self._is_over:
                self._inflating.end()
        except BaseException:
            line.close()
            raise
        return self

    def _send_body(self, line: Line) -> None:
        body = self._outgoing.body
        if isinstance(body, bytes):
            line.send(body)
            return
        length = self._outgoing.length
        encoder = BodyEncoder(length, chunked=length is None)
        for piece in body:
            line.send(bytes(encoder.send(piece.encode() if isinstance(piece, str) else piece)))
            # The application gets it before the next one is made.
            self._client._settle()
            line.wait(line.flush)
        line.send(encoder.end())

    def __exit__(self, *problem: object) -> None:
        assert self._line is not None
        self._line.close()
        if problem[0] is None:
            self._client._settle()

    def _wait(self, done: Callable[[], object], timeout: float | None = None) -> bool:
        line = self._line
        assert line is not None

        def go_on() -> object:
            line.flush()
            self._receive(line)
            return done()

        return line.wait(go_on, timeout)

    def _has_piece(self) -> bool:
        return bool(self._pieces) or self._is_over

    def _receive(self, line: Line) -> None:
        data = line.receive()
        decoder = self._decoder
        try:
            while data or line.at_end:
                # The decoder takes a limited amount of what is not asked for.
                taken, data = data[:_SENT_AT_ONCE], data[_SENT_AT_ONCE:]
                if taken:
                    decoder.receive_data(taken)
                elif not self._is_cut:
                    self._is_cut = True
                    decoder.receive_eof()
                self._decode(decoder)
                if not taken:
                    break
        except RemoteProtocolError as problem:
            raise ProtocolError(str(problem)) from None

    def _decode(self, decoder: ResponseDecoder) -> None:
        while not self._is_over and (message := decoder.next_message()) is not None:
            if isinstance(message, ResponseHead):
                if not message.interim:
                    self._head = message
                    self._is_over = not message.has_body
            elif isinstance(message, Data):
                if hasattr(self, "_inflating"):
                    self._pieces += self._inflating.feed(message.data)
                else:
                    self._pieces.append(message.data)
            else:
                self._is_over = True
                if hasattr(self, "_inflating"):
                    self._inflating.end()
        if decoder.state is State.CLOSED and self._head is not None:
            self._is_over = True
