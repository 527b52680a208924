"""One WebSocket connection after its handshake: what a component around the codec has to do.

It answers pings, closes in the right order and keeps time. Everything else it tells its owner, which
turns it into events. A server with many connections keeps one of these for each socket.

An owner that has enough sets ``is_full``: then what has been received stays in the codec until it
calls ``go_on``. After so many messages it is asked whether others should get their turn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from circuits._wire.websocket import (
    ABNORMAL,
    INTERNAL_ERROR,
    NORMAL,
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

    from circuits._wire.websocket import Message
    from circuits.core._clock import Appointment
    from circuits.core._engine import Engine

__all__ = ["AT_ONCE", "CLOSE_TIMEOUT", "Conversation", "Owner"]

#: Seconds that a peer has for its part of closing, by default: a few round trips, and some patience.
CLOSE_TIMEOUT = 10.0

#: How many messages, and frames that end none, are dealt with before others get their turn.
AT_ONCE = 32


class Owner(Protocol):
    """What a conversation needs of the component that it belongs to."""

    is_full: bool

    @property
    def _tree_engine(self) -> Engine:
        """Where it lives."""

    def _sated(self, conversation: Conversation) -> None:
        """Much was received at once; set ``is_full`` to go on later."""

    def _send(self, conversation: Conversation, data: bytes) -> None:
        """Write to the transport."""

    def _received(self, conversation: Conversation, message: str | bytes) -> None:
        """A message has come."""

    def _peer_closes(self, conversation: Conversation, code: int, reason: str) -> None:
        """The peer has sent a close frame: call `close` to answer it."""

    def _failed(self, conversation: Conversation, problem: Exception) -> None:
        """The peer broke the rules, or is silent, or the transport failed: it will be closed."""

    def _over(self, conversation: Conversation, in_order: bool) -> None:
        """Close the transport; the peer has agreed if it is in order. Called once."""


class Conversation:
    """What goes on over one connection.

    Args:
        owner: Is told what happens.
        sock: The connection of a server, ``None`` for a client; for the owner's use.
        codec: Of our side.
        close_timeout: Seconds that the peer has for its part of closing.
        ping_interval: Seconds of silence after which the peer is pinged, and after which again
            the connection is given up. ``None``: never.
        ping_timeout: Seconds after a ping after which the connection is given up, if that is not
            ``ping_interval``.

    Attributes:
        codec, owner, sock: As above.
        close_code: Why it ended, as the peer has said, or we have for it; ``None`` before.
        close_reason: The text to that.
    """

    __slots__ = (
        "_close_timeout",
        "_heard",
        "_is_congested",
        "_is_over",
        "_is_pinged",
        "_owed_pong",
        "_ping_interval",
        "_ping_timeout",
        "_pinger",
        "_timer",
        "close_code",
        "close_reason",
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
        ping_timeout: float | None = None,
    ) -> None:
        self.owner = owner
        self.sock = sock
        self.codec = codec
        self._close_timeout = close_timeout
        self._ping_interval = ping_interval
        self._ping_timeout = ping_interval if ping_timeout is None else ping_timeout
        self._is_pinged = False
        self._heard = True
        self._is_over = self._is_congested = False
        self._owed_pong: bytes | None = None
        self.close_code: int | None = None
        self.close_reason = ""
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
        self.codec.receive_data(data)
        self.go_on()

    def go_on(self) -> None:
        """Pass on what has been received, while the owner takes it."""
        codec, owner = self.codec, self.owner
        left = AT_ONCE
        try:
            while not (owner.is_full or self._is_over):
                message = codec.next_message()
                if message.__class__ is str or message.__class__ is bytes:
                    owner._received(self, message)
                elif message is None:
                    if not codec.is_interrupted:
                        return
                    left = 1
                else:
                    self._take_control(message)
                left -= 1
                if not left:
                    left = AT_ONCE
                    owner._sated(self)
                elif not codec._data:  # all that has come was the message
                    return
        except RemoteProtocolError as problem:
            self._fail(problem, problem.code, problem.reason)

    def _take_control(self, message: Message) -> None:
        if isinstance(message, Close):
            self._closed_by_peer(message)
        elif isinstance(message, Ping):
            self._owed_pong = message.payload
            self._send_pong()
        else:
            assert isinstance(message, Pong)

    def congested(self, is_congested: bool) -> None:
        """The peer does not keep up, or does again; meanwhile only its last ping is remembered."""
        self._is_congested = is_congested
        self._send_pong()

    def _send_pong(self) -> None:
        # One answer for many pings will do (RFC 6455, 5.5.3): who reads none shall not heap them up.
        payload = self._owed_pong
        if payload is not None and not self._is_congested and self.codec.state is State.OPEN:
            self._owed_pong = None
            self.owner._send(self, self.codec.send_pong(payload))

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
            self.owner._send(self, codec.send_close(NORMAL if code is None else code, reason))
            self._give_time()
        elif codec.state is State.PEER_CLOSED:
            self.owner._send(
                self, codec.send_close(self.close_code if code is None else code, reason)
            )
            self._finish()

    def fail(self, code: int, reason: str) -> None:
        """End it for a reason of ours, and do not wait for the peer."""
        self._fail(RemoteProtocolError(code, reason), code, reason)

    def broken(self, problem: Exception) -> None:
        """The transport has failed; ``lost`` follows."""
        if self.close_code is None and not self._is_over:
            self.close_code, self.close_reason = ABNORMAL, str(problem)
            if self.codec.state is State.OPEN:
                self.owner._failed(self, problem)

    def lost(self) -> None:
        """The transport is gone, or the owner has left its tree."""
        self._is_over = True
        if self.close_code is None:
            self.close_code = ABNORMAL
        self._timer.cancel()
        self._pinger.cancel()

    def _closed_by_peer(self, close: Close) -> None:
        self.close_code, self.close_reason = close.code, close.reason
        if self.codec.state is State.CLOSED:
            self._finish()  # it is the answer to ours
        else:
            self._give_time()
            self.owner._peer_closes(self, close.code, close.reason)

    def _finish(self) -> None:
        """Both have closed. The server closes the transport first (RFC 6455, 7.1.1)."""
        if self.codec.is_client:
            self._give_time()
        else:
            self._end(True)

    def _fail(self, problem: Exception, code: int, reason: str) -> None:
        if self._is_over:
            return
        short = reason.encode()[:120].decode("utf-8", "ignore")
        if self.close_code is None:
            self.close_code, self.close_reason = code, short
        try:
            self.owner._send(self, self.codec.send_close(code, short))
        except LocalProtocolError:
            pass  # it was sent already
        self.owner._failed(self, problem)
        self._end()

    def _end(self, in_order: bool = False) -> None:
        if not self._is_over:
            self.lost()
            self.owner._over(self, in_order)

    def _in(self, seconds: float, callback: Callable[[], object]) -> Appointment:
        return self.owner._tree_engine.schedule.call_in(seconds, callback)

    def _give_time(self) -> None:
        """Wait for the peer, but not for ever."""
        if self._close_timeout is not None and not self._timer.is_pending:
            self._timer = self._in(self._close_timeout, self._end)

    def _check_life(self) -> None:
        interval, timeout = self._ping_interval, self._ping_timeout
        if self.codec.state is not State.OPEN or interval is None or timeout is None:
            return
        if self._is_pinged:
            self._is_pinged = False
            if not (self._heard or self.owner.is_full):  # who does not listen hears nothing
                problem = TimeoutError("the peer does not answer pings")
                self._fail(problem, INTERNAL_ERROR, "no answer to a ping")
                return
            if timeout < interval:
                self._pinger = self._in(interval - timeout, self._check_life)
                return
        self._heard = False
        self._is_pinged = True
        self.owner._send(self, self.codec.send_ping())
        self._pinger = self._in(timeout, self._check_life)
