"""WebSocket messages out of what a socket reads (circuits.net.protocols.websocket)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from circuits._wire.websocket import Codec, Deflate, Limits, RemoteProtocolError
from circuits.core import _clock
from circuits.core._routing import is_below
from circuits.core.components import BaseComponent
from circuits.core.events import Event
from circuits.core.handlers import handler
from circuits.net import sockets

from ._backlog import sources_of
from ._websocket_conversation import CLOSE_TIMEOUT, Conversation
from ._websocket_masking import fastest_mask

if TYPE_CHECKING:
    from circuits.core._engine import Engine
    from circuits.core.manager import Manager

__all__ = ["MAX_SIZE", "Closing", "Deflate", "RemoteProtocolError", "WebSocketCodec"]

#: Longest message in bytes, by default: it is held in memory until it is complete.
MAX_SIZE = 16 * 1024 * 1024


class Closing(sockets.Close):
    """The peer closes the connection; the name is ``close``.

    Fired by :class:`WebSocketCodec` on its channel, with ``(sock,)`` on a server. The codec
    handles it, too, and answers.

    Attributes:
        code: Why: 1000 and so on; 1005 if the peer did not say.
        reason: For a log, often empty.
    """

    name = "close"

    def __init__(self, *args: Any, code: int = 1005, reason: str = "") -> None:
        super().__init__(*args)
        self.code = code
        self.reason = reason


class WebSocketCodec(BaseComponent):
    """Speaks WebSocket over a connection, after its handshake.

    Register it to a component on whose channel the raw ``read`` and ``write`` are: on a server
    one for each connection. It takes the raw ``read`` events of its connection away from others,
    and works on a channel of its own:

    - fires ``read`` for each message: ``(message,)`` on a client, ``(sock, message)`` on a
      server. Text is ``str``, binary ``bytes``.
    - handles ``write`` with the same arguments: ``str`` is sent as text, bytes as binary. Once
      the connection is closing it is dropped.
    - handles ``close``: ``([sock,] code=1000, reason="")`` closes in order: the peer is told, and
      the transport closes when it has agreed, or after ``close_timeout``.
    - fires ``close`` when the peer closes, and answers.
    - fires ``socket_error`` when the peer breaks the rules, sends what is too big or does not
      answer pings; it is told why, and the transport is closed.

    While the transport tells by ``pause`` that the peer does not keep up, pings are not answered;
    at its ``resume`` the last one is.

    Events for another socket, or without one on a server, are left alone. When its connection is
    gone it unregisters itself.

    Args:
        sock: The connection of a server; ``None``: we are the client, with its only connection.
        *args: For ``init`` of a subclass.
        data: What has been read already after the handshake.
        max_size: Longest message in bytes, after decompression; ``None`` for no limit.
        deflate: What the handshake has agreed on for compression.
        close_timeout: Seconds that the peer has for its part of closing; ``None``: for ever.
        ping_interval: Seconds of silence after which the peer is pinged, and after which again
            the connection is given up; ``None``: never.
        **kwargs: ``channel``.

    .. versionchanged:: 2.1
       ``data``, ``max_size``, ``deflate``, ``close_timeout`` and ``ping_interval``.
    """

    channel = "ws"
    is_full = False  # whether others get their turn first
    _holding: tuple[Any, ...] = ()  # what has paused reading meanwhile
    _is_ending = False

    def __init__(
        self,
        sock: Any = None,
        *args: Any,
        data: bytes | bytearray = b"",
        max_size: int | None = MAX_SIZE,
        deflate: Deflate | None = None,
        close_timeout: float | None = CLOSE_TIMEOUT,
        ping_interval: float | None = None,
        **kwargs: Any,
    ) -> None:
        limits = Limits(message_bytes=max_size)
        codec = Codec(sock is None, deflate, limits, _clock.random_bytes, fastest_mask())
        self._conversation = Conversation(self, sock, codec, close_timeout, ping_interval)
        self._who = () if sock is None else (sock,)
        self._surplus = bytes(data)
        self._transport: Any = None
        self._raw_handlers: list[Any] = []
        super().__init__(*args, **kwargs)

    def register(self, parent: Manager) -> Self:
        """Join a tree, and work on the raw events of ``parent``'s channel."""
        self._detach_from_transport()
        super().register(parent)
        # At once, and not when ``registered`` is dispatched: a ``read`` may be queued already.
        self._transport = getattr(parent, "channel", "*")
        self._raw_handlers += map(self.addHandler, self._make_raw_handlers())
        self._conversation.begin()
        surplus, self._surplus = self._surplus, b""
        if surplus:
            self._conversation.receive(surplus)
        return self

    def _make_raw_handlers(self) -> tuple[Any, ...]:
        """The handlers on the channel of the transport; made here, since they are marked with it."""

        @handler("read", channel=self._transport, priority=10)
        def _on_raw_read(self: WebSocketCodec, event: Event, *args: Any) -> None:
            *who, data = args
            if tuple(who) == self._who:
                event.stop()
                self._conversation.receive(data)

        @handler("disconnect" if self._who else "disconnected", channel=self._transport)
        def _on_raw_end(self: WebSocketCodec, *args: Any) -> None:
            if args == self._who:
                self._hand_out_all()
                self._conversation.lost()
                self.unregister()

        @handler("pause", "resume", channel=self._transport)
        def _on_raw_flow(self: WebSocketCodec, event: Event, *args: Any) -> None:
            if args == self._who:
                self._conversation.congested(event.name == "pause")

        return _on_raw_read, _on_raw_end, _on_raw_flow

    def _detach_from_transport(self) -> None:
        for method in self._raw_handlers:
            self.removeHandler(method)
        self._raw_handlers.clear()

    def _tree_left(self, engine: Engine) -> None:
        self._conversation.lost()

    # -- our own channel --

    @handler("write")
    def _on_write(self, *args: Any) -> None:
        *who, message = args
        if tuple(who) == self._who:
            self._conversation.write(message)

    @handler("close")
    def _on_close(self, *args: Any) -> None:
        if not self._who:
            # On a channel that is shared with servers, theirs begin with a socket.
            if not args or args[0] is None or isinstance(args[0], int):
                self._conversation.close(*args)
        elif args[:1] == self._who:
            self._conversation.close(*args[1:])

    # -- what the conversation tells --

    def _sated(self, conversation: Conversation) -> None:
        """Others get their turn, if the transport can be asked to wait; else it goes on."""
        if self._is_ending:
            return
        if not self._holding:
            self._holding = sources_of(self, (self._transport,))
            for method in self._holding:
                method(True, *self._who)
        if self._holding:
            self.is_full = True
            self._tree_engine.turns.add(self._end_turn)

    def _end_turn(self) -> None:
        if not self.is_full:
            return
        self.is_full = False
        self._conversation.go_on()
        if not self.is_full:
            self._release()

    def _release(self) -> None:
        sources, self._holding = self._holding, ()
        for method in sources:
            method(False, *self._who)

    def _hand_out_all(self) -> None:
        """The end has come: what was received before it is told now."""
        if self.is_full:
            self._is_ending = True
            self._end_turn()
            self._is_ending = False

    @handler("prepare_unregister", channel="*")
    def _on_prepare_unregister(self, component: Manager) -> None:
        if self.is_full and is_below(self, component):
            self._hand_out_all()

    def _send(self, conversation: Conversation, data: bytes) -> None:
        self.fire(sockets.Write(*self._who, data), self._transport)

    def _received(self, conversation: Conversation, message: str | bytes) -> None:
        self.fire(sockets.Read(*self._who, message))

    def _peer_closes(self, conversation: Conversation, code: int, reason: str) -> None:
        self.fire(Closing(*self._who, code=code, reason=reason))

    def _failed(self, conversation: Conversation, problem: Exception) -> None:
        self.fire(sockets.SocketError(*self._who, problem))

    def _over(self, conversation: Conversation, in_order: bool) -> None:
        self.fire(sockets.Close(*self._who), self._transport)
