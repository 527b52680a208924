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
from typing import TYPE_CHECKING, Any, Protocol

from circuits._wire.websocket import (
    ABNORMAL,
    GOING_AWAY,
    NO_STATUS,
    Codec,
    Deflate,
    Limits,
    SharedMessage,
    State,
)
from circuits.core._tasks import Suspension
from circuits.core.errors import CircuitsError
from circuits.net.protocols._websocket_conversation import AT_ONCE, CLOSE_TIMEOUT, Conversation
from circuits.net.protocols._websocket_masking import fastest_mask
from circuits.net.protocols.websocket import MAX_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from circuits.core._engine import Engine
    from circuits.core._tasks import Task

    from ._request import Request

__all__ = [
    "BUFFERED_BYTES",
    "ConnectionClosed",
    "Link",
    "Listener",
    "Opening",
    "Options",
    "WebSocket",
    "broadcast",
]

#: How many messages, and bytes of them, may wait for a handler before nothing more is read.
_HELD_MESSAGES = 64
_HELD_BYTES = 256 * 1024

#: What a connection may hold of an unfinished message although all together hold too much.
_FAIR_BYTES = 65536

#: What all connections together may hold of messages that nobody has taken, or that are not
#: complete: a few of the longest ones.
BUFFERED_BYTES = 4 * MAX_SIZE

_TRY_AGAIN_LATER = 1013
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


class Options:
    """What the connections of one place have in common.

    Args:
        max_message_bytes: The longest message; ``None`` for no limit.
        buffered_bytes: What may be held of all connections together; see the module.
        ping_interval: Seconds from one ping to the next; ``None``: never.
        ping_timeout: Seconds for the answer.
        close_timeout: Seconds that a peer has for its part of closing.
        compression: Whether to compress if the peer can, or how.
    """

    __slots__ = (
        "buffered_bytes", "close_timeout", "deflate", "held_bytes", "limits", "mask",
        "ping_interval", "ping_timeout",
    )  # fmt: skip

    #: How to compress.
    DEFLATE = Deflate()

    def __init__(
        self,
        max_message_bytes: int | None = MAX_SIZE,
        buffered_bytes: int = BUFFERED_BYTES,
        ping_interval: float | None = 20.0,
        ping_timeout: float | None = 20.0,
        close_timeout: float | None = CLOSE_TIMEOUT,
        compression: bool | Deflate = True,
    ) -> None:
        self.limits = Limits(message_bytes=max_message_bytes, frames_at_once=AT_ONCE)
        self.buffered_bytes = buffered_bytes
        self.held_bytes = 0
        self.mask = fastest_mask()
        self.ping_interval = ping_interval
        self.ping_timeout = ping_timeout
        self.close_timeout = close_timeout
        if isinstance(compression, bool):
            self.deflate = self.DEFLATE if compression else None
        else:
            self.deflate = compression


class _Owner(Protocol):
    """Who has a link."""

    _tree_engine: Engine

    def later(self, call: Callable[..., object], *arguments: Any) -> None:
        """Have something done behind what has been fired."""


class Link(Protocol):
    """The connection below, as :class:`~circuits.web._connection.Connection` has it.

    Attributes:
        owner: The component that it belongs to.
        peer: Address of the peer, or ``None``.
        is_held: Nothing is read.
        is_cut_off: It is closed although the peer may have more to say.
    """

    @property
    def owner(self) -> _Owner:
        """See above."""

    peer: tuple[Any, Any] | None
    is_held: bool
    is_cut_off: bool

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write to the peer."""

    def must_pause(self) -> bool:
        """Whether the peer does not keep up with what is written."""

    def hold_reading(self) -> None:
        """Read nothing more for now."""

    def resume_reading(self) -> None:
        """Read on."""

    def close(self) -> None:
        """Close when all is written."""

    def cut(self, is_reset: bool = False) -> None:
        """Close at once."""


class Listener(Protocol):
    """Who is told about connections.

    Attributes:
        takes_messages: Whether messages are told, too, and do not wait for ``receive``.
    """

    takes_messages: bool

    def opened(self, websocket: WebSocket) -> None:
        """It can be written to."""

    def received(self, websocket: WebSocket, message: str | bytes) -> None:
        """A message has come."""

    def peer_closes(self, websocket: WebSocket, code: int, reason: str) -> None:
        """The peer closes; answer by ``websocket.shut()``."""

    def failed(self, websocket: WebSocket, problem: Exception) -> None:
        """The peer broke the rules, or is silent."""

    def congested(self, websocket: WebSocket, is_congested: bool) -> None:
        """The peer does not keep up, or does again."""

    def closed(self, websocket: WebSocket) -> None:
        """It is over. Called once, for those that were opened."""


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
        self._receiving: _Receiving | None = None
        self._waiting: list[_Waiting] | None = None  # for what is written, or for the end
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

    def send(self, message: str | bytes | bytearray | memoryview) -> _Waiting:
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
        return _Draining(self) if link.must_pause() else _SENT

    def receive(self) -> _Receiving:
        """The next message, to be awaited or yielded.

        Raises:
            ConnectionClosed: There is none.
            RuntimeError: Another handler is waiting for it.
        """
        return _Receiving(self)

    def close(self, code: int = 1000, reason: str = "") -> _Waiting:
        """Close the connection; what was received and not taken is forgotten.

        What this returns can be awaited, or yielded, and waits until the peer has agreed or its
        time is over.

        Args:
            code: 1000, or another that a close frame may have.
            reason: For a log, 123 bytes of UTF-8 at most.
        """
        self.shut(code, reason)
        self._messages = None
        self._release(self._waiting_messages, self._waiting_bytes)
        return _SENT if self._is_ended or self._link is None else _Ending(self)

    def __aiter__(self) -> WebSocket:
        return self

    def __anext__(self) -> _Next:
        return _Next(self)

    # -- for events --------------------------------------------------------------------------

    def write(self, message: str | bytes | bytearray | memoryview) -> None:
        """Send a message; it is dropped when the connection is closing."""
        codec = self._codec
        if codec is not None and codec.state is _OPEN and self._link is not None:
            self._link.write(codec.send(message))

    def shut(self, code: int | None = None, reason: str = "") -> None:
        """Begin to close, or answer the peer; what comes from now on is not looked at."""
        conversation = self._conversation
        if conversation is not None and not self._is_ended:
            conversation.close(code, reason)
            self._is_discarding = True
            if self.is_full:
                self._read_on()

    def expect(self, event: Any) -> None:
        """Count a message until all handlers of its event are done."""
        size = len(event.args[-1])
        self._hold(size)
        event._when_over(_Handled(self, size))

    # -- what takes a connection over from HTTP ------------------------------------------------

    def begin(self, link: Link) -> None:
        """The handshake is over."""
        options = self._options
        self._link = link
        codec = self._codec = Codec(
            self.sock is None, self._deflate, options.limits, mask=options.mask
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

    def agreed(self, subprotocol: str | None, deflate: Deflate | None) -> None:
        """A client has found a server that agrees; ``begin`` follows."""
        self.subprotocol = subprotocol
        self._deflate = deflate

    def refused(self, reason: str) -> None:
        """Instead of ``begin``: nothing has come of it."""
        self._refusal = reason
        self._end()

    def receive_data(self, data: bytes) -> None:
        """Take what the peer has sent."""
        conversation, codec = self._conversation, self._codec
        if conversation is None or codec is None:
            return
        conversation.receive(data)
        held = codec.held_bytes
        if held != self._partial_bytes:
            self._count_partial(held)

    def stopping(self) -> None:
        """The application stops."""
        self.shut(GOING_AWAY)

    def congested(self, is_congested: bool) -> None:
        """The peer does not keep up, or does again."""
        if self._conversation is None:
            return
        if not is_congested:
            self._wake()
        self._listener.congested(self, is_congested)

    def closed(self) -> None:
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
            self._conversation.fail(_TRY_AGAIN_LATER, "too much is being received")

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


class _Handled:
    """Gets to know when the handlers of an event are done."""

    __slots__ = ("_size", "_websocket")

    is_awaited = False

    def __init__(self, websocket: WebSocket, size: int) -> None:
        self._websocket = websocket
        self._size = size

    def resolve(self, event: Any, value: Any) -> None:
        """The engine tells."""
        self._websocket._release(1, self._size)


# -- what handlers wait for ---------------------------------------------------------------------


class _Waiting(Suspension):
    """Something of a connection that a handler waits for."""

    __slots__ = ("_future", "_task", "_websocket")

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        self._task: Task | None = None
        self._future: Any = None

    def is_ready(self) -> bool:
        """Whether there is nothing to wait for."""
        raise NotImplementedError

    def take(self) -> Any:
        """The result."""
        return None

    def enter(self) -> None:
        """Have ``wake`` called."""
        websocket = self._websocket
        if websocket._waiting is None:
            websocket._waiting = []
        websocket._waiting.append(self)

    def leave(self) -> None:
        """Nobody waits any more."""
        waiting = self._websocket._waiting
        if waiting is not None and self in waiting:
            waiting.remove(self)

    def wake(self) -> None:
        """Look again."""
        if self._task is not None:
            self._resume(self._task)
        elif self._future is not None and not self._future.done():
            self._future.set_result(None)

    def _resume(self, task: Task) -> None:
        self._task = None
        self.leave()
        try:
            result = self.take()
        except BaseException as problem:
            task.resume(None, problem)
        else:
            task.resume(result)

    def attach(self, task: Task) -> None:
        if self.is_ready():
            self._resume(task)
            return
        try:
            self.enter()
        except RuntimeError as problem:  # for the handler, not for whoever runs it
            task.resume(None, problem)
        else:
            self._task = task

    def detach(self) -> None:
        self.leave()

    def __iter__(self) -> Generator[Any, Any, Any]:
        return (yield self)

    def __await__(self) -> Generator[Any, Any, Any]:
        if not self.is_ready():
            import asyncio  # whoever awaits has it loaded

            self._future = asyncio.get_running_loop().create_future()
            self.enter()
            try:
                yield from self._future.__await__()
            finally:
                self.leave()
        return self.take()


class _Receiving(_Waiting):
    """A message."""

    __slots__ = ()

    def is_ready(self) -> bool:
        websocket = self._websocket
        return bool(websocket._messages) or websocket._is_ended or websocket._conversation is None

    def take(self) -> str | bytes:
        return self._websocket._take()

    def enter(self) -> None:
        if self._websocket._receiving is not None:
            raise RuntimeError("another handler is receiving from this WebSocket")
        self._websocket._receiving = self

    def leave(self) -> None:
        if self._websocket._receiving is self:
            self._websocket._receiving = None


class _Next(_Receiving):
    """A message for ``async for``."""

    __slots__ = ()

    def take(self) -> str | bytes:
        websocket = self._websocket
        if not websocket._messages:
            raise StopAsyncIteration
        return websocket._take()


class _Draining(_Waiting):
    """What was written is on its way."""

    __slots__ = ()

    def is_ready(self) -> bool:
        link = self._websocket._link
        return self._websocket._is_ended or link is None or not link.must_pause()

    def take(self) -> None:
        if self._websocket._is_ended:
            raise self._websocket._closed_error()


class _Ending(_Waiting):
    """The connection is over."""

    __slots__ = ()

    def is_ready(self) -> bool:
        return self._websocket._is_ended


class Opening(_Waiting):
    """The connection of a client is open; gives the WebSocket."""

    __slots__ = ()

    def is_ready(self) -> bool:
        return self._websocket._conversation is not None or self._websocket._is_ended

    def take(self) -> WebSocket:
        if self._websocket._conversation is None:
            raise self._websocket._closed_error()
        return self._websocket


class _Sent(_Waiting):
    """Nothing to wait for."""

    __slots__ = ()

    def __init__(self) -> None:
        pass  # one for all

    def attach(self, task: Task) -> None:
        task.resume()

    def detach(self) -> None:
        pass

    def __await__(self) -> Generator[Any, Any, None]:
        return iter(())  # type: ignore[return-value]  # what is awaited has to be an iterator


_SENT = _Sent()


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
            websocket.shut(_TRY_AGAIN_LATER, "does not keep up")
            continue
        codec = conversation.codec
        data = codec.send(message) if codec.is_client else codec.send_shared(shared)
        link.write(data)
        count += 1
    return count
