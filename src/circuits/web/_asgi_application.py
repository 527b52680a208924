"""Our components behind an ASGI server: a call in place of a connection.

A :class:`ASGIConnection` is what a connection is elsewhere, between the tree and the coroutine that
the server awaits. Both are in one thread, but each step of the tree is taken in its loop, by ``later``.
"""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any

from . import wrappers
from ._exchange import Exchange, State
from ._outgoing import Outgoing
from ._status import has_no_body
from ._wsgi_application import plain_fields
from .headers import to_wire

if TYPE_CHECKING:
    from ._asgi_hosting import Message
    from ._hosted_tree import HostedHTTP
    from ._transport import Takeover

__all__ = ["ASGIConnection", "ASGIExchange"]

#: With more than this that the server has not taken, nothing else is made, in bytes.
_AHEAD_BYTES = 65536

#: With more than this the call is broken off, as connections are: what is pushed at it by events
#: need not wait for the server.
_MAX_BYTES = 64 * 1024 * 1024


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class ASGIConnection:
    """One call by an ASGI server, as a connection. Iterate for what is to be sent.

    Attributes:
        owner: The component that it belongs to.
        exchange: What answers, or ``None`` when that is done.
        sock: What events know it by; ``None`` but for a WebSocket.
        successor: Who takes over, or has.
        is_congested: The server does not keep up.
        is_held: We do not receive.
        has_head: Whether there is an answer.
    """

    sock: Any = None
    is_cut_off = False
    incoming = None

    def __init__(self, owner: HostedHTTP, peer: tuple[Any, Any] | None) -> None:
        self.owner = owner
        self.peer = peer
        self.exchange: Exchange | None = None
        self.successor: Takeover | None = None
        self.is_congested = False
        self.is_held = False
        self.has_head = False
        self._messages: deque[tuple[Message, int]] = deque()
        self._held_bytes = 0
        self._is_over = False
        self._is_broken = False
        self._changed = asyncio.Event()

    # -- for the coroutine --

    def __aiter__(self) -> ASGIConnection:
        return self

    async def __anext__(self) -> Message:
        while not self._messages:
            if self._is_broken:
                raise RuntimeError("the response broke off")
            if self._is_over:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        message, size = self._messages.popleft()
        self._held_bytes -= size
        if self.is_congested and self._held_bytes <= _AHEAD_BYTES // 2:
            self.owner.later(self._go_on)
        return message

    async def call(self, step: Any, *arguments: Any) -> None:
        """Have something done in the loop of the tree, and wait for it."""
        future = asyncio.get_running_loop().create_future()
        self.owner.later(step, *arguments)
        self.owner.later(_settle, future)
        await future

    async def room(self) -> None:
        """Wait while nothing should be received: not from who does not take the answers."""
        while (self.is_held or self.is_congested) and not self._is_over:
            self._changed.clear()
            await self._changed.wait()

    # -- for the tree --

    def _put(self, message: Message, size: int = 0) -> None:
        if self._is_over:
            return
        if self._held_bytes > _MAX_BYTES:
            self._is_broken = True
            self._messages.clear()
            self.close()
            return
        self._messages.append((message, size))
        self._held_bytes += size
        if self._held_bytes > _AHEAD_BYTES and not self.is_congested:
            self._set_congested(True)
        self._changed.set()

    def _go_on(self) -> None:
        if self.is_congested:
            self._set_congested(False)

    def _set_congested(self, is_congested: bool) -> None:
        self.is_congested = is_congested
        self._changed.set()
        if not is_congested and self.exchange is not None and self.exchange.outgoing is not None:
            self.exchange.outgoing.pull()

    def start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """The head of the response."""
        self.has_head = True
        self._put({"type": "http.response.start", "status": status, "headers": headers})

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """A piece of the body."""
        if not self.has_head:  # the last resort of an exchange, which is no body
            self.start(int(bytes(data[9:12])), [(b"content-length", b"0")])
        elif data:
            data = bytes(data)
            self._put({"type": "http.response.body", "body": data, "more_body": True}, len(data))

    def finished(self, must_close: bool, is_switched: bool = False) -> None:
        """The response is complete."""
        if self.successor is not None:
            self.end_successor()
        if self._messages and self._messages[-1][0].get("more_body"):
            self._messages[-1][0]["more_body"] = False
        else:
            self._put({"type": "http.response.body", "body": b"", "more_body": False})
        self._end()

    def cut(self, is_reset: bool = False) -> None:
        """Break off."""
        self._is_broken = not self._is_over
        self.lost()

    def lost(self) -> None:
        """There is nobody on the other side."""
        self._end()
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            exchange.drop()
        self.end_successor()

    def stop(self) -> None:
        """The application stops; a response that has begun is broken off."""
        if self.exchange is not None and not self.has_head:
            self.start(503, [(b"content-length", b"0")])
            self.finished(True)
        if not self._is_over:
            self.cut()

    def end_successor(self) -> None:
        """Tell who has taken over that it ends."""
        successor, self.successor = self.successor, None
        if successor is not None:
            successor.closed()

    def _end(self) -> None:
        self._is_over = True
        self.is_held = False
        self._changed.set()

    # -- of a connection that was taken over --

    def must_pause(self) -> bool:
        """Whether the server does not keep up."""
        return self.is_congested

    def hold_reading(self) -> None:
        """Receive nothing more for now."""
        self.is_held = True

    def resume_reading(self) -> None:
        """Receive on."""
        self.is_held = False
        self._changed.set()

    def close(self) -> None:
        """Nothing else is sent."""
        self._end()
        self.owner.later(self.lost)  # not from here: who closes is not done


class ASGIExchange(Exchange):
    """A request whose response goes through a :class:`ASGIConnection`."""

    __slots__ = ()

    def send(self, response: wrappers.Response) -> None:
        if not self.takes(response):
            return
        payload = response._prepare()
        response.chunked = False  # the server frames the body
        code = response.code
        line: Any = self.connection
        headers = [
            (name, to_wire(value))
            for field, value in plain_fields(response)
            if (name := to_wire(field.lower())) != b"date"  # which the server puts in
        ]
        if self.request.method == "HEAD" or has_no_body(code):
            payload = b""
        if code == 101:
            self.state = State.SENDING
            line.accept(headers)
        elif payload is not None:
            self.state = State.SENDING
            line.start(code, headers)
            line.write(payload)
        else:
            if self.outgoing is None:
                self.outgoing = Outgoing(self)
            self.outgoing.prepare(response)
            self.state = State.STREAMING
            self.outgoing.begin(partial(line.start, code, headers))
            return
        self.finish()
