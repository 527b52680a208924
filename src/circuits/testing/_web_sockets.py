"""A WebSocket from the side of the client, in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from circuits._wire.websocket import (
    ABNORMAL,
    NO_STATUS,
    Close,
    Codec,
    Ping,
    Pong,
    check_response,
    make_key,
    request_headers,
)
from circuits.core import _clock
from circuits.web._client_errors import StatusError
from circuits.web._websocket import ConnectionClosed

from ._web_streams import StreamedResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Self

    from circuits.web._client_request import ClientRequest

    from .web import WebClient

__all__ = ["WebSocketSession"]


class WebSocketSession:
    """A WebSocket, from the client's side.

    Attributes:
        response: The answer to the handshake.
        subprotocol: What was agreed on, or ``None``.
        close_code: The code with which the connection has ended, or ``None``.
        close_reason: What was said besides.
    """

    def __init__(
        self, client: WebClient, outgoing: ClientRequest, subprotocols: tuple[str, ...]
    ) -> None:
        self._client = client
        self.close_code: int | None = None
        self.close_reason = ""
        self._codec = Codec(is_client=True)
        self._messages: list[str | bytes] = []
        self._is_closing = False
        key = make_key(_clock.random_bytes)
        outgoing.headers += request_headers(key, subprotocols)
        exchange = StreamedResponse(client, outgoing)
        exchange.__enter__()
        self.response = exchange.response
        line = exchange._line
        assert line is not None
        self._line = line
        if self.response.status != 101:
            try:
                for piece in exchange:
                    self.response.body.write(piece)
                self.response.body.seek(0)
            finally:
                exchange.__exit__(None)
            raise StatusError(self.response)
        head = exchange._head
        assert head is not None
        agreement = check_response(head.status, head.headers, key, subprotocols)
        self.subprotocol = agreement.subprotocol
        self._take(exchange._decoder.release())

    def send(self, message: str | bytes) -> None:
        """Send a message: text for ``str``, else binary.

        Raises:
            ConnectionClosed: The connection is over.
        """
        self._receive()
        if self.close_code is not None:
            raise ConnectionClosed(self.close_code, self.close_reason)
        self._line.send(self._codec.send(message))
        self._line.wait(self._line.flush)

    def receive(self, timeout: float | None = None) -> str | bytes:
        """The next message.

        Args:
            timeout: Virtual seconds to wait for it; ``None``: until nothing is left to happen.

        Raises:
            ConnectionClosed: The connection is over.
            TimeoutError: Nothing has come in that time.
        """
        if not self._wait(lambda: self._messages or self.close_code is not None, timeout):
            raise TimeoutError(f"no message has come for {timeout} s")
        if self._messages:
            return self._messages.pop(0)
        assert self.close_code is not None
        raise ConnectionClosed(self.close_code, self.close_reason)

    def __iter__(self) -> Iterator[str | bytes]:
        """The messages, until the connection is over."""
        while True:
            try:
                yield self.receive()
            except ConnectionClosed:
                return

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close, and wait for the application to agree."""
        if not self._is_closing and self.close_code is None:
            self._is_closing = True
            self._line.send(self._codec.send_close(code, reason))
            self._wait(lambda: self.close_code is not None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *problem: object) -> None:
        try:
            if problem[0] is None:
                self.close()
                self._client._settle()
        finally:
            self._line.close()
        if problem[0] is None:
            self._client._settle()

    def _wait(self, done: Callable[[], object], timeout: float | None = None) -> bool:
        def go_on() -> object:
            self._line.flush()
            self._receive()
            return done()

        return self._line.wait(go_on, timeout)

    def _receive(self) -> None:
        self._take(self._line.receive())
        if self._line.at_end and self.close_code is None:
            self.close_code = ABNORMAL

    def _take(self, data: bytes) -> None:
        codec = self._codec
        codec.receive_data(data)
        while (message := codec.next_message()) is not None:
            if isinstance(message, Ping):
                self._line.send(codec.send_pong(message.payload))
            elif isinstance(message, Close):
                self.close_code, self.close_reason = message.code, message.reason
                if not self._is_closing:
                    self._is_closing = True
                    self._line.send(
                        codec.send_close(None if message.code == NO_STATUS else message.code)
                    )
                self._line.flush()
            elif not isinstance(message, Pong):
                self._messages.append(message)
