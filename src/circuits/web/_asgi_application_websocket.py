"""Our components behind an ASGI server: the call for a WebSocket.

A WebSocket speaks in frames over its line, as over any other, and :class:`ASGISocket` turns these
into messages: so whatever works on a connection works here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from circuits._wire import websocket as wire
from circuits._wire.websocket import (
    ABNORMAL,
    NORMAL,
    Close,
    Codec,
    Limits,
    Ping,
    is_sendable_code,
)

from ._asgi_application import ASGIConnection
from ._websocket_link import GRACE_SECONDS

if TYPE_CHECKING:
    from circuits.core._clock import Appointment

    from ._asgi_hosting import Message, Receive
    from ._hosted_tree import HostedHTTP

__all__ = ["ASGISocket", "take_messages"]


def _same(data: bytes | bytearray | memoryview, key: bytes) -> bytes:
    return bytes(data)


class ASGISocket(ASGIConnection):
    """The call for a WebSocket.

    Args:
        owner, peer: As for :class:`ASGIConnection`.
        can_deny: Whether the server sends a response in place of a WebSocket.
    """

    def __init__(self, owner: HostedHTTP, peer: tuple[Any, Any] | None, *, can_deny: bool) -> None:
        super().__init__(owner, peer)
        self.sock = self
        self._can_deny = can_deny
        # Both sides of it are ours: each has its own limits, and nobody is to be misled by masks.
        self._codec = Codec(True, None, Limits(message_bytes=None), bytes, _same)
        self._is_open = False
        self._leaving: Appointment | None = None  # the client has gone
        self.is_held = True  # until it is open

    def _put(self, message: Message, size: int = 0) -> None:
        if message["type"].startswith("http."):
            if not self._can_deny:
                if message["type"] == "http.response.start":
                    super()._put({"type": "websocket.close"})
                return
            message = {**message, "type": f"websocket.{message['type']}"}
        super()._put(message, size)

    def accept(self, headers: list[tuple[bytes, bytes]]) -> None:
        """The handshake was answered."""
        self.has_head = True
        agreed = dict(headers).get(b"sec-websocket-protocol")
        fields = [field for field in headers if not field[0].startswith(b"sec-websocket-")]
        subprotocol = None if agreed is None else agreed.decode("latin-1")
        self._put({"type": "websocket.accept", "subprotocol": subprotocol, "headers": fields})

    def finished(self, must_close: bool, is_switched: bool = False) -> None:
        """The handshake is over."""
        if not is_switched:
            super().finished(must_close)
        elif self.successor is not None:
            self._is_open = True
            self.resume_reading()
            self.successor.begin(self)  # type: ignore[arg-type]  # as good as a connection

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Frames, to be sent as messages."""
        if not self._is_open:
            super().write(data)
            return
        codec = self._codec
        codec.receive_data(data)
        while (message := codec.next_message()) is not None:
            if isinstance(message, str):
                self._put({"type": "websocket.send", "text": message}, len(message))
            elif isinstance(message, bytes):
                self._put({"type": "websocket.send", "bytes": message}, len(message))
            elif isinstance(message, Ping):
                self.owner.later(self._answer, codec.send_pong(message.payload))
            elif isinstance(message, Close):
                code = message.code if is_sendable_code(message.code) else NORMAL
                self._put({"type": "websocket.close", "code": code, "reason": message.reason})
                if codec.state is not wire.State.PEER_CLOSED:
                    continue  # it is the answer to ours
                # The server sees to the rest of it.
                self.owner.later(self._answer, codec.send_close(code))

    def _answer(self, data: bytes) -> None:
        if self.successor is not None and self._is_open:
            self.successor.receive_data(data)

    def receive(self, message: Message) -> None:
        """Take a message of the server."""
        if message["type"] == "websocket.receive":
            text = message.get("text")
            if self._codec.state is wire.State.OPEN:
                self._answer(self._codec.send(message["bytes"] if text is None else text))
            return
        code = message.get("code", ABNORMAL)
        if self._codec.state is wire.State.OPEN and is_sendable_code(code):
            self._answer(self._codec.send_close(code, message.get("reason") or ""))
        if not (self._is_open and self.is_held):
            self.lost()
            return
        # What came before is taken first, and the close, by which it ends. If there is none, it
        # ends when it reads on.
        schedule = self.owner._tree_engine.schedule
        self._leaving = schedule.call_in(GRACE_SECONDS, self.lost)

    def resume_reading(self) -> None:
        """Receive on; when there is nothing, that was all."""
        super().resume_reading()
        if self._leaving is not None:
            self.owner.later(self.lost)  # behind what was fired for the last message

    def lost(self) -> None:
        """There is nobody on the other side."""
        if self._leaving is not None:
            self._leaving.cancel()
        super().lost()

    def _set_congested(self, is_congested: bool) -> None:
        super()._set_congested(is_congested)
        if self.successor is not None and self._is_open:
            self.successor.congested(is_congested)

    def stop(self) -> None:
        if self._is_open and self.successor is not None:
            self.successor.stopping()
        else:
            super().stop()


async def take_messages(line: ASGISocket, receive: Receive) -> None:
    """Receive the messages of a WebSocket."""
    while True:
        message = await receive()
        if message["type"] == "websocket.receive":
            await line.room()
        await line.call(line.receive, message)
        if message["type"] != "websocket.receive":
            return
