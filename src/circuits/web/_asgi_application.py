"""Our components behind an ASGI server: a call in place of a connection.

A :class:`ASGIConnection` is what a connection is elsewhere, between the tree and the coroutine that the server
awaits. Both are in one thread, but each step of the tree is taken in its loop, by ``later``. A
WebSocket speaks in frames over its line, as over any other, and :class:`ASGISocket` turns these into
messages: so whatever works on a connection works here.
"""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from circuits._wire import websocket as wire
from circuits._wire.websocket import (
    ABNORMAL,
    NORMAL,
    Close,
    Codec,
    Limits,
    Ping,
    is_sendable_code,
    make_key,
)
from circuits.core import _clock

from . import exceptions, wrappers
from ._exchange import Exchange, State
from ._limits import number
from ._outgoing import Outgoing
from ._paths import parse_target
from ._request_body import ClientGone
from ._status import has_no_body
from ._websocket_link import GRACE_SECONDS
from ._wsgi_application import plain_fields
from .headers import to_wire

if TYPE_CHECKING:
    from circuits.core._clock import Appointment

    from ._asgi_hosting import Message, Receive
    from ._hosted_tree import HostedHTTP
    from ._request_body import BodyStream
    from ._transport import Takeover

__all__ = [
    "ASGIConnection",
    "ASGIExchange",
    "ASGISocket",
    "make_request",
    "take_messages",
    "take_rest",
]

#: With more than this that the server has not taken, nothing else is made, in bytes.
_AHEAD_BYTES = 65536

#: With more than this the call is broken off, as connections are: what is pushed at it by events
#: need not wait for the server.
_MAX_BYTES = 64 * 1024 * 1024

#: What a handshake has of its own, which the server has seen to.
_HANDSHAKE = frozenset((
    "upgrade", "connection", "sec-websocket-key", "sec-websocket-version",
    "sec-websocket-extensions", "sec-websocket-protocol",
))  # fmt: skip


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


def make_request(
    scope: Message, line: ASGIConnection
) -> tuple[wrappers.Request, exceptions.HTTPException | None, str | None]:
    """Make a request of a scope.

    Returns:
        The request, what is wrong with it, and where it should be sent instead.
    """
    root_path = scope.get("root_path", "")
    path = scope["path"]
    if root_path and (path + "/").startswith(root_path.rstrip("/") + "/"):
        path = path[len(root_path.rstrip("/")) :]
        target = quote(path or "/")
    else:
        raw_path = scope.get("raw_path")
        target = raw_path.partition(b"?")[0].decode("latin-1") if raw_path else quote(path)
    if query := scope.get("query_string", b"").decode("latin-1"):
        target = f"{target}?{query}"
    is_websocket = scope["type"] == "websocket"
    method = "GET" if is_websocket else scope["method"]
    scheme = scope.get("scheme", "http").replace("ws", "http", 1)
    pairs = [
        (bytes(name).decode("latin-1"), bytes(value).decode("latin-1"))
        for name, value in scope["headers"]
    ]
    if is_websocket:
        pairs = [pair for pair in pairs if pair[0].lower() not in _HANDSHAKE]
        pairs += [
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", make_key(_clock.random_bytes)),
        ]
        if subprotocols := scope.get("subprotocols"):
            pairs.append(("Sec-WebSocket-Protocol", ", ".join(subprotocols)))
    refusal: exceptions.HTTPException | None = None
    parsed, raw, qs, redirect = "/", "/", "", None
    try:
        parsed, raw, qs, _, redirect = parse_target(target, method)
    except exceptions.HTTPException as problem:
        refusal = problem
    version = (1, 0) if scope.get("http_version") == "1.0" and not is_websocket else (1, 1)
    request = wrappers.Request(line.sock, method, scheme, parsed, version, qs, pairs, None, raw)
    request.script_name = root_path.rstrip("/")
    host, port = scope.get("server") or ("localhost", None)
    request.host = host
    request.local = wrappers.Host(host, port or (443 if scheme == "https" else 80))
    request.remote = wrappers.Host(*(line.peer or (None, None)))
    request._http_component = line.owner
    request.asgi_scope = scope  # type: ignore[attr-defined]  # documented; only here
    return request, refusal, redirect


async def take_rest(
    line: ASGIConnection, stream: BodyStream | None, receive: Receive, size: int = 0
) -> None:
    """Receive what is left of a body, of which so much is here, and the end of the client."""
    wanted = asyncio.Event()
    limit = number(line.owner.limits.stream_body_bytes)
    if stream is not None:
        stream._on_demand = wanted.set
    while True:
        if stream is not None and stream.is_full:
            wanted.clear()
            await wanted.wait()
            continue
        message = await receive()
        if message["type"] != "http.request":
            break
        if stream is None:
            return  # a server that does not wait here cannot tell when the client goes
        size += len(message.get("body", b""))
        if size > limit:
            await line.call(stream.fail, exceptions.RequestEntityTooLarge())
            return
        if message.get("body"):
            await line.call(stream.feed, message["body"])
        if not message.get("more_body", False):
            await line.call(stream.end)
            stream = None
    if stream is not None:
        await line.call(stream.fail, ClientGone())
    line.owner.later(line.lost)


async def take_messages(line: ASGISocket, receive: Receive) -> None:
    """Receive the messages of a WebSocket."""
    while True:
        message = await receive()
        if message["type"] == "websocket.receive":
            await line.room()
        await line.call(line.receive, message)
        if message["type"] != "websocket.receive":
            return
