"""A WebSocket of a server or a client, after HTTP: the object that stands for one connection.

It takes a connection over from HTTP and speaks through the codec; see ``_websocket_conversation``
for the protocol. What it receives goes to a listener, which makes events of it, or waits here
until a handler asks for it.

Everything that a peer can make grow has a bound. What it sends and nobody has taken: then nothing
more is read from it. What is there of unfinished messages, of all connections together: then the
one that brings more is closed. How many messages it has dealt with in one turn: then others are
first. What it does not read: then ``send`` waits, and in the end the transport gives it up.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from circuits._wire.websocket import (
    ABNORMAL,
    GOING_AWAY,
    NO_STATUS,
    TRY_AGAIN_LATER,
    Codec,
    Deflate,
    SharedMessage,
    State,
)
from circuits.core import _clock
from circuits.core.errors import CircuitsError
from circuits.net.protocols._websocket_conversation import Conversation

from ._websocket_waits import SENT, Draining, Ending, Handled, Next, Receiving, Waiting

if TYPE_CHECKING:
    from collections.abc import Iterable

    from circuits.core._engine import Engine

    from ._request import Request
    from ._websocket_link import Link, Listener
    from ._websocket_options import Options

__all__ = ["ConnectionClosed", "WebSocket", "broadcast"]

#: How many messages, and bytes of them, may wait for a handler before nothing more is read.
_HELD_MESSAGES = 64
_HELD_BYTES = 256 * 1024

#: What a connection may hold of an unfinished message although all together hold too much.
_FAIR_BYTES = 65536

_OPEN = State.OPEN


class ConnectionClosed(CircuitsError):
    """A WebSocket is closed: nothing can be sent, and nothing is left to be received.

    Args:
        code: Why, as in a close frame; 1005 if nobody has said, 1006 if the connection broke.
        reason: The text to that.

    .. versionadded:: 2.1
    """

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason

    def __str__(self) -> str:
        return f"the WebSocket is closed: {self.code}{' ' if self.reason else ''}{self.reason}"


class WebSocket:
    """One WebSocket connection.

    Receive with ``async for message in websocket``, which ends with the connection, or with
    ``message = await websocket.receive()``. Generators write ``yield`` for ``await``. Text is
    ``str``, binary ``bytes``. Messages that come while nobody receives wait; after some of them
    nothing more is read from the peer.

    Attributes:
        request: The request that it began with; ``None`` for a client.
        sock: What events know it by.
        subprotocol: What was agreed on, or ``None``.

    .. versionadded:: 2.1
    """

    __slots__ = (
        "__dict__", "__weakref__", "_codec", "_conversation", "_deflate", "_is_discarding", "_is_ended",
        "_is_sated", "_link", "_listener", "_messages", "_options", "_partial_bytes", "_receiving", "_refusal",
        "_waiting", "_waiting_bytes", "_waiting_messages", "is_full", "request", "sock",
        "subprotocol",
    )  # fmt: skip

    def __init__(
        self,
        request: Request | None,
        sock: Any,
        subprotocol: str | None,
        deflate: Deflate | None,
        options: Options,
        listener: Listener,
    ) -> None:
        self.request = request
        self.sock = sock
        self.subprotocol = subprotocol
        self.is_full = False  # for the conversation
        self._deflate = deflate
        self._options = options
        self._listener = listener
        self._link: Link | None = None
        self._conversation: Conversation | None = None
        self._codec: Codec | None = None
        self._messages: deque[str | bytes] | None = None  # those that nobody has taken
        self._receiving: Receiving | None = None
        self._waiting: list[Waiting] | None = None  # for what is written, or for the end
        self._is_sated = False  # others are first
        self._is_discarding = False
        self._is_ended = False
        self._refusal = ""
        # Of messages that are not over: in the queue, or with their handlers.
        self._waiting_messages = 0
        self._waiting_bytes = 0
        self._partial_bytes = 0

    def __repr__(self) -> str:
        return f"<WebSocket of {self.sock!r}, {'open' if self.is_open else 'closed'}>"

    # -- for the application -----------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether messages can be sent."""
        conversation = self._conversation
        return conversation is not None and conversation.codec.state is _OPEN and not self._is_ended

    @property
    def peer(self) -> tuple[Any, Any] | None:
        """Address and port of the peer; ``None`` for a UNIX socket, and when it is over."""
        return None if self._link is None else self._link.peer

    @property
    def close_code(self) -> int | None:
        """Why it ended: what the peer has said, or what we have; 1006 if it broke. None before."""
        if self._conversation is not None:
            return self._conversation.close_code
        return ABNORMAL if self._is_ended else None

    @property
    def close_reason(self) -> str:
        """The text to that, often empty."""
        conversation = self._conversation
        return self._refusal if conversation is None else conversation.close_reason

    def send(self, message: str | bytes | bytearray | memoryview) -> Waiting:
        """Send a message: text if it is ``str``, and otherwise binary.

        It is sent at once; what this returns can be awaited, or yielded, and waits while the peer
        does not keep up.

        Raises:
            ConnectionClosed: It cannot be sent, or the connection ends while this waits.
        """
        codec, link = self._codec, self._link
        if codec is None or link is None or codec.state is not _OPEN or self._is_ended:
            raise self._closed_error()
        link.write(codec.send(message))
        return Draining(self) if link.must_pause() else SENT

    def receive(self) -> Receiving:
        """The next message, to be awaited or yielded.

        Raises:
            ConnectionClosed: There is none.
            RuntimeError: Another handler is waiting for it.
        """
        return Receiving(self)

    def close(self, code: int = 1000, reason: str = "") -> Waiting:
        """Close the connection; what was received and not taken is forgotten.

        What this returns can be awaited, or yielded, and waits until the peer has agreed or its
        time is over.

        Args:
            code: 1000, or another that a close frame may have.
            reason: For a log, 123 bytes of UTF-8 at most.
        """
        self._shut(code, reason)
        self._messages = None
        self._release(self._waiting_messages, self._waiting_bytes)
        return SENT if self._is_ended or self._link is None else Ending(self)

    def __aiter__(self) -> WebSocket:
        return self

    def __anext__(self) -> Next:
        return Next(self)

    # -- for events --------------------------------------------------------------------------

    def _write(self, message: str | bytes | bytearray | memoryview) -> None:
        """Send a message; it is dropped when the connection is closing."""
        codec = self._codec
        if codec is not None and codec.state is _OPEN and self._link is not None:
            self._link.write(codec.send(message))

    def _shut(self, code: int | None = None, reason: str = "") -> None:
        """Begin to close, or answer the peer; what comes from now on is not looked at."""
        conversation = self._conversation
        if conversation is not None and not self._is_ended:
            conversation.close(code, reason)
            self._is_discarding = True
            if self.is_full:
                self._read_on()

    def _expect(self, event: Any) -> None:
        """Count a message until all handlers of its event are done."""
        size = len(event.args[-1])
        self._hold(size)
        event._when_over(Handled(self, size))

    # -- what takes a connection over from HTTP ------------------------------------------------

    def _begin(self, link: Link) -> None:
        """The handshake is over."""
        options = self._options
        self._link = link
        codec = self._codec = Codec(
            self.sock is None, self._deflate, options.limits, _clock.random_bytes, options.mask
        )
        conversation = self._conversation = Conversation(
            self,
            self.sock,
            codec,
            options.close_timeout,
            options.ping_interval,
            options.ping_timeout,
        )
        conversation.begin()
        self._listener.opened(self)
        self._wake()  # whoever waits for it to open

    def _agreed(self, subprotocol: str | None, deflate: Deflate | None) -> None:
        """A client has found a server that agrees; ``begin`` follows."""
        self.subprotocol = subprotocol
        self._deflate = deflate

    def _refused(self, reason: str) -> None:
        """Instead of ``begin``: nothing has come of it."""
        self._refusal = reason
        self._end()

    def _receive_data(self, data: bytes) -> None:
        """Take what the peer has sent."""
        conversation, codec = self._conversation, self._codec
        if conversation is None or codec is None:
            return
        conversation.receive(data)
        if codec._data or codec._message or self._partial_bytes:
            held = codec.held_bytes
            if held != self._partial_bytes:
                self._count_partial(held)

    def _stopping(self) -> None:
        """The application stops."""
        self._shut(GOING_AWAY)

    def _congested(self, is_congested: bool) -> None:
        """The peer does not keep up, or does again."""
        if self._conversation is None:
            return
        self._conversation.congested(is_congested)
        if not is_congested:
            self._wake()
        self._listener.congested(self, is_congested)

    def _broken(self, problem: Exception) -> None:
        """The connection has failed; ``closed`` follows."""
        if self._conversation is not None:
            self._conversation.broken(problem)

    def _closed(self) -> None:
        """The connection has ended, or was never handed over."""
        conversation = self._conversation
        if conversation is not None:
            conversation.lost()
            self._count_partial(0)
            self._options.held_bytes -= self._waiting_bytes
            self._end()
            self._listener.closed(self)
        self._link = None

    # -- what the conversation asks for, and tells -----------------------------------------------

    @property
    def _tree_engine(self) -> Engine:
        assert self._link is not None
        return self._link.owner._tree_engine

    def _send(self, conversation: Conversation, data: bytes) -> None:
        if self._link is not None:
            self._link.write(data)

    def _received(self, conversation: Conversation, message: str | bytes) -> None:
        if self._is_discarding:
            return
        if self._listener.takes_messages:
            self._listener.received(self, message)
            return
        if self._messages is None:
            self._messages = deque()
        self._messages.append(message)
        self._hold(len(message))
        if self._receiving is not None:
            self._receiving.wake()

    def _sated(self, conversation: Conversation) -> None:
        self._is_sated = self.is_full = True
        self._hold_reading()
        if self._link is not None:
            self._tree_engine.turns.add(self._end_turn)

    def _peer_closes(self, conversation: Conversation, code: int, reason: str) -> None:
        self._listener.peer_closes(self, code, reason)

    def _failed(self, conversation: Conversation, problem: Exception) -> None:
        self._listener.failed(self, problem)

    def _over(self, conversation: Conversation, in_order: bool) -> None:
        self._end()
        link = self._link
        if link is None:
            return
        if in_order or not link.must_pause():
            # It may have sent more than we wanted to read: it gets our close frame nevertheless.
            link.is_cut_off = not in_order
            link.close()
        else:
            link.cut(is_reset=True)

    # -- bounds ------------------------------------------------------------------------------

    def _hold(self, size: int) -> None:
        """A message waits."""
        self._waiting_messages += 1
        self._waiting_bytes += size
        self._options.held_bytes += size
        if self._waiting_messages >= _HELD_MESSAGES or self._waiting_bytes >= _HELD_BYTES:
            self.is_full = True
            self._hold_reading()

    def _release(self, messages: int, size: int) -> None:
        """They wait no longer."""
        if self._link is None:
            return  # who has gone does not count
        self._waiting_messages -= messages
        self._waiting_bytes -= size
        self._options.held_bytes -= size
        if self.is_full and not self._is_sated and self._has_room():
            self._read_on()

    def _has_room(self) -> bool:
        # Not before half of it is taken: to hold and to go on takes two calls of the system.
        return self._is_discarding or (
            self._waiting_messages <= _HELD_MESSAGES // 2 and self._waiting_bytes < _HELD_BYTES // 2
        )

    def _hold_reading(self) -> None:
        if self._link is not None and not self._is_ended:
            self._link.hold_reading()

    def _read_on(self) -> None:
        """Go on with what has been received; not from here, which may be the handler of a message."""
        if self._link is not None and not self._is_sated:
            self._is_sated = True
            self._tree_engine.turns.add(self._end_turn)

    def _end_turn(self) -> None:
        """Others had their turn, and what was received could be answered."""
        link, conversation = self._link, self._conversation
        self._is_sated = False
        if link is None or conversation is None or not self._has_room():
            return
        self.is_full = False
        conversation.go_on()
        self._count_partial(conversation.codec.held_bytes)
        if link.is_held and not (self.is_full or self._is_ended):
            link.resume_reading()

    def _count_partial(self, held: int) -> None:
        options = self._options
        options.held_bytes += held - self._partial_bytes
        self._partial_bytes = held
        if held > _FAIR_BYTES and options.held_bytes > options.buffered_bytes:
            assert self._conversation is not None
            self._conversation.fail(TRY_AGAIN_LATER, "too much is being received")

    # -- waiting -----------------------------------------------------------------------------

    def _closed_error(self) -> ConnectionClosed:
        code = self.close_code
        return ConnectionClosed(NO_STATUS if code is None else code, self.close_reason)

    def _end(self) -> None:
        """Nothing is sent or received any more."""
        self._is_ended = True
        if self._receiving is not None:
            self._receiving.wake()
        self._wake()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, None
        for one in waiting or ():
            one.wake()

    def _take(self) -> str | bytes:
        if not self._messages:
            raise self._closed_error()
        message = self._messages.popleft()
        self._release(1, len(message))
        return message


def broadcast(
    websockets: Iterable[WebSocket], message: str | bytes | bytearray | memoryview
) -> int:
    """Send a message to many; it is encoded once, and compressed once.

    Who does not keep up with what was sent before is closed, with 1013: others would have to wait, or
    it would take ever more memory.

    Args:
        websockets: To whom; those that are closed are left out.
        message: The message.

    Returns:
        To how many it was sent.

    .. versionadded:: 2.1
    """
    shared = SharedMessage(message)
    count = 0
    for websocket in [one for one in websockets if one.is_open]:
        link, conversation = websocket._link, websocket._conversation
        if link is None or conversation is None or not websocket.is_open:
            continue  # closed by what was sent to another
        if link.must_pause():
            websocket._shut(TRY_AGAIN_LATER, "does not keep up")
            continue
        codec = conversation.codec
        data = codec.send(message) if codec.is_client else codec.send_shared(shared)
        link.write(data)
        count += 1
    return count
