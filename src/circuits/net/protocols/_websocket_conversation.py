"""One WebSocket connection after its handshake: what a component around the codec has to do.

It answers pings, closes in the right order and keeps time. Everything else it tells its owner, which
turns it into events. A server with many connections keeps one of these for each socket.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from circuits._wire.websocket import (
    Close,
    Codec,
    LocalProtocolError,
    Ping,
    Pong,
    RemoteProtocolError,
    State,
)
from circuits.core._clock import NEVER
from circuits.core.errors import TimeoutError  # ours

if TYPE_CHECKING:
    from collections.abc import Callable

    from circuits.core._clock import Appointment
    from circuits.core._engine import Engine

__all__ = ["CLOSE_TIMEOUT", "Conversation", "Owner"]

#: Seconds that a peer has for its part of closing, by default: a few round trips, and some patience.
CLOSE_TIMEOUT = 10.0


class Owner(Protocol):
    """What a conversation needs of the component that it belongs to."""

    _tree_engine: Engine

    def _send(self, conversation: Conversation, data: bytes) -> None:
        """Write to the transport."""

    def _received(self, conversation: Conversation, message: str | bytes) -> None:
        """A message has come."""

    def _peer_closes(self, conversation: Conversation, code: int, reason: str) -> None:
        """The peer has sent a close frame: call `close` to answer it."""

    def _failed(self, conversation: Conversation, problem: Exception) -> None:
        """The peer broke the rules, or is silent; the transport will be closed."""

    def _over(self, conversation: Conversation) -> None:
        """Close the transport. Called once."""


class Conversation:
    """What goes on over one connection.

    Args:
        owner: Is told what happens.
        sock: The connection of a server, ``None`` for a client; for the owner's use.
        codec: Of our side.
        close_timeout: Seconds that the peer has for its part of closing.
        ping_interval: Seconds of silence after which the peer is pinged, and after which again
            the connection is given up. ``None``: never.
    """

    __slots__ = (
        "_close_timeout",
        "_heard",
        "_is_over",
        "_peer_code",
        "_ping_interval",
        "_pinger",
        "_timer",
        "codec",
        "owner",
        "sock",
    )

    def __init__(
        self,
        owner: Owner,
        sock: Any,
        codec: Codec,
        close_timeout: float | None = CLOSE_TIMEOUT,
        ping_interval: float | None = None,
    ) -> None:
        self.owner = owner
        self.sock = sock
        self.codec = codec
        self._close_timeout = close_timeout
        self._ping_interval = ping_interval
        self._heard = True
        self._is_over = False
        self._peer_code: int | None = None
        self._timer = NEVER
        self._pinger = NEVER

    def begin(self) -> None:
        """Begin to keep time: the owner is in a tree now."""
        if self._ping_interval is not None and not self._pinger.is_pending:
            self._pinger = self._in(self._ping_interval, self._check_life)

    def receive(self, data: bytes) -> None:
        """Take what the peer has sent."""
        if self._is_over:
            return
        self._heard = True
        codec, owner = self.codec, self.owner
        codec.receive_data(data)
        try:
            while (message := codec.next_message()) is not None:
                if message.__class__ is str or message.__class__ is bytes:
                    owner._received(self, message)
                elif isinstance(message, Close):
                    self._closed_by_peer(message)
                elif isinstance(message, Ping):
                    if codec.state is State.OPEN:
                        owner._send(self, codec.send_pong(message.payload))
                else:
                    assert isinstance(message, Pong)
        except RemoteProtocolError as problem:
            self._fail(problem, problem.code, problem.reason)

    def write(self, message: str | bytes | bytearray | memoryview) -> None:
        """Send a message; dropped when the connection is closing."""
        if self.codec.state is State.OPEN:
            self.owner._send(self, self.codec.send(message))

    def close(self, code: int | None = None, reason: str = "") -> None:
        """Close in order, or answer the peer's close frame.

        Args:
            code: By default 1000, or what the peer has sent.
            reason: For a log, 123 bytes of UTF-8 at most.
        """
        codec = self.codec
        if self._is_over:
            return
        if codec.state is State.OPEN:
            self.owner._send(self, codec.send_close(1000 if code is None else code, reason))
            self._give_time()
        elif codec.state is State.PEER_CLOSED:
            self.owner._send(
                self, codec.send_close(self._peer_code if code is None else code, reason)
            )
            self._finish()

    def lost(self) -> None:
        """The transport is gone, or the owner has left its tree."""
        self._is_over = True
        self._timer.cancel()
        self._pinger.cancel()

    def _closed_by_peer(self, close: Close) -> None:
        if self.codec.state is State.CLOSED:
            self._finish()  # it is the answer to ours
        else:
            self._peer_code = close.code
            self._give_time()
            self.owner._peer_closes(self, close.code, close.reason)

    def _finish(self) -> None:
        """Both have closed. The server closes the transport first (RFC 6455, 7.1.1)."""
        if self.codec.is_client:
            self._give_time()
        else:
            self._end()

    def _fail(self, problem: Exception, code: int, reason: str) -> None:
        short = reason.encode()[:120].decode("utf-8", "ignore")
        try:
            self.owner._send(self, self.codec.send_close(code, short))
        except LocalProtocolError:
            pass  # it was sent already
        self.owner._failed(self, problem)
        self._end()

    def _end(self) -> None:
        if not self._is_over:
            self.lost()
            self.owner._over(self)

    def _in(self, seconds: float, callback: Callable[[], object]) -> Appointment:
        return self.owner._tree_engine.schedule.call_in(seconds, callback)

    def _give_time(self) -> None:
        """Wait for the peer, but not for ever."""
        if self._close_timeout is not None and not self._timer.is_pending:
            self._timer = self._in(self._close_timeout, self._end)

    def _check_life(self) -> None:
        if self.codec.state is not State.OPEN or self._ping_interval is None:
            return
        if not self._heard:
            self._fail(TimeoutError("the peer does not answer pings"), 1011, "no answer to a ping")
            return
        self._heard = False
        self.owner._send(self, self.codec.send_ping())
        self._pinger = self._in(self._ping_interval, self._check_life)
