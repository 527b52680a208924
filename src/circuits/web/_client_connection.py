"""A connection of a client to one server, or to the proxy before it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from circuits._wire import ProtocolError as WireError
from circuits._wire.http1 import (
    Data,
    Limits,
    RemoteProtocolError,
    ResponseDecoder,
    ResponseHead,
    State,
)
from circuits.core.components import BaseComponent
from circuits.core.events import Event
from circuits.core.handlers import handler
from circuits.net import sockets

from ._client_errors import ClientTimeout, ConnectError, ProtocolError
from ._client_response import ClientResponse, Decompressor
from ._client_sending import Sending
from ._client_tunnel import Tunnel

if TYPE_CHECKING:
    from ._client_pending import Pending
    from ._client_pool import Pool
    from ._client_proxies import Proxy

__all__ = ["DEFAULT_LIMITS", "ClientConnection", "Route"]

DEFAULT_LIMITS: Final = Limits()
#: What may be sent again when a connection that was kept turns out to be dead (RFC 9110, 9.2.2).
_IDEMPOTENT: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"})
#: How much may wait for the kernel; a body of which no more is at hand goes out with the head.
_HIGH_WATER: Final = 128 * 1024
_LOW_WATER: Final = 32 * 1024


class Route(NamedTuple):
    """Where a connection leads.

    Attributes:
        origin: Host, port, and whether by TLS; ``None`` if the proxy is told with each request.
        proxy: What is in between.
    """

    origin: tuple[str, int, bool] | None
    proxy: Proxy | None


class _GoOn(Event):
    """Has a connection send on."""

    name = "_go_on"


class _Aside(Event):
    """Has a coroutine run that makes a body."""

    name = "_aside"


class ClientConnection(BaseComponent):
    """A connection, on a channel of its own.

    Attributes:
        route: Where it leads.
        pending: The request that it is used for; ``None`` while it is idle.
        is_open: Whether requests can be sent.
    """

    def __init__(self, pool: Pool, route: Route, timeout: float | None) -> None:
        client = pool.client
        super().__init__(channel=f"{client.channel}.{id(self):x}")
        self.route = route
        self.pending: Pending | None = None
        self.is_open = False
        self._pool = pool
        self._client = client
        self._was_used = False
        self._has_answered = False
        self._is_reading = False  # an answer is being taken in, of which a ``read`` event may tell
        self._tunnel: Tunnel | None = None  # while the proxy is asked
        self._reason = ""  # why the connection has ended, if somebody said so
        # How long a body may be depends on who asks, and is seen to here.
        self._limits = replace(client.limits, body_bytes=None)
        self._decoder = ResponseDecoder(self._limits)
        self._inflating = Decompressor("")
        self._inflated: Iterator[bytes] = iter(())
        self._sending: Sending | None = None
        self._size = 0
        self._unsent = 0
        self.transport = sockets.TCPClient(
            channel=self.channel, connect_timeout=timeout, error_events=True, write_timeout=None,
            high_water=_HIGH_WATER, low_water=_LOW_WATER,
        ).register(self)  # fmt: skip

    # -- connecting --

    def connect(self) -> None:
        """Begin to connect."""
        proxy = self.route.proxy
        if proxy is not None:
            self.transport.connect(proxy.host, proxy.port)
        else:
            assert self.route.origin is not None
            host, port, secure = self.route.origin
            self.transport.connect(host, port, secure, **(self._tls() if secure else {}))

    def _tls(self) -> dict[str, Any]:
        context = self._client.tls
        return {} if context is None else {"context": context}

    @handler("connected")
    def _on_connected(self, host: str, port: int) -> None:
        origin, proxy = self.route
        if proxy is None or origin is None:
            self._ready()
            return
        self._tunnel = Tunnel(origin[0], origin[1], proxy, self._limits)
        self.transport.write(self._tunnel.request())

    def _read_of_proxy(self, tunnel: Tunnel, data: bytes) -> None:
        assert self.route.origin is not None
        try:
            is_open = tunnel.receive(data)
        except ConnectError as problem:
            self._unreachable(str(problem))
            return
        if is_open:
            self._tunnel = None
            if self.transport.connected:
                name = self.route.origin[0]
                self.transport.starttls(server_hostname=name, **self._tls())

    @handler("starttls_done")
    def _ready(self) -> None:
        self.is_open = True
        self._client.fire(sockets.Connected(self.transport.host, self.transport.port))
        if self.pending is not None:
            self._send(self.pending)

    @handler("unreachable")
    def _on_unreachable(self, host: str, port: int, reason: Exception) -> None:
        is_late = isinstance(reason, TimeoutError)
        self._unreachable(f"{host}:{port}: {reason}", is_late)

    def _unreachable(self, text: str, is_late: bool = False) -> None:
        pending = self.pending
        self._pool.lost(self)
        if pending is not None:
            text = f"{pending.outgoing.url}: {text}"
            pending.finish(ClientTimeout(text, "connect") if is_late else ConnectError(text))

    @handler("socket_error")
    def _on_socket_error(self, problem: Exception, *args: Any) -> None:
        """``unreachable`` or ``disconnected`` says it as well."""
        self._reason = str(problem)

    # -- sending --

    def take(self, pending: Pending) -> None:
        """Use the connection for a request."""
        self.pending = pending
        pending.wire = self
        if self.is_open:
            self._send(pending)
        else:
            pending.phase("connect")

    def _send(self, pending: Pending) -> None:
        outgoing, proxy = pending.outgoing, self.route.proxy
        self._has_answered = False
        more: list[tuple[str, str]] = []
        target = ""
        if proxy is not None and self.route.origin is None:
            target = outgoing.absolute_target
            if proxy.authorization:
                more.append(("Proxy-Authorization", proxy.authorization))
        try:
            head = outgoing.head(more, self._client.cookies.header(outgoing), target)
        except ValueError as problem:
            pending.finish(problem)
            return
        self._decoder.expect(outgoing.method)
        if isinstance(outgoing.body, bytes) and len(outgoing.body) <= _LOW_WATER:
            self.transport.write(head + outgoing.body)
            pending.phase("read")
            return
        self.transport.write(head)
        sending = self._sending = Sending(self, outgoing)
        sending.pull()

    @property
    def is_usable(self) -> bool:
        """Whether a request may take it: it is idle, and has not ended."""
        return self.pending is None and (not self.is_open or self.transport.connected)

    def is_quiet(self) -> bool:
        """Whether nothing has come that nobody asked for, be it the end; for idle ones."""
        connection = self.transport._connection
        if not self.is_open or connection is None:
            return not self.is_open
        if connection.unfinished_reads > self._is_reading:
            return False
        # What is read is lost: then the connection is not used any more.
        return connection.receive() is None and not connection.is_closed

    @property
    def is_congested(self) -> bool:
        """Whether nothing can be sent right now."""
        connection = self.transport._connection
        return connection is None or connection.is_congested

    def sent(self, waits: str) -> None:
        """A body has been sent for now; what is waited for."""
        self.has_sent_more()
        if self.pending is not None:
            is_read = waits != "read" or self.pending.is_awaited
            self.pending.phase(waits if is_read else "")

    def has_sent_more(self) -> bool:
        """Whether the kernel has taken anything since this was asked last."""
        connection = self.transport._connection
        before, self._unsent = self._unsent, connection.pending_bytes if connection else 0
        return self._unsent < before

    def run_aside(self, coroutine: Any) -> None:
        """Have a coroutine run that makes a body."""
        self.fire(_Aside(coroutine))

    @handler("_aside")
    def _on_aside(self, coroutine: Any) -> Any:
        # No coroutine itself: whoever sends none needs no loop of asyncio.
        import inspect

        is_given_up = inspect.getcoroutinestate(coroutine) != inspect.CORO_CREATED
        return None if is_given_up else coroutine

    def go_on_later(self) -> None:
        """Send on when others had their turn."""
        self.fire(_GoOn())

    @handler("_go_on", "resume")
    def _on_go_on(self) -> None:
        if self._sending is not None and not self._sending.is_over:
            self._sending.pull()

    def _stop_sending(self) -> None:
        sending, self._sending = self._sending, None
        if sending is not None:
            sending.close()

    # -- receiving --

    @handler("read")
    def _on_read(self, data: bytes) -> None:
        if not self.is_open:
            if self._tunnel is not None:
                self._read_of_proxy(self._tunnel, data)
            return
        if self.pending is None:
            self._pool.lost(self)  # nobody has asked: whatever this is, it is no answer
            return
        self._has_answered = self._is_reading = True
        try:
            self._decoder.receive_data(data)
            self.go_on()
        except WireError as problem:
            self._fail(problem)
        finally:
            self._is_reading = False

    @handler("disconnected")
    def _on_disconnected(self) -> None:
        was_open, self.is_open = self.is_open, False
        self._stop_sending()
        if not was_open:
            text = self._reason or "the connection ended before it was ready"
            self._unreachable(text)
            return
        self._client.fire(sockets.Disconnected())
        if self.pending is not None:
            if self.transport._was_cut:
                self._reason = "TLS ended without close_notify"
            self._decoder.receive_eof(is_cut=bool(self._reason))
            self.go_on()
        if self.pending is None:
            self._pool.lost(self)

    def go_on(self) -> None:
        """Decode what has come, as far as somebody has room for it."""
        try:
            while self.pending is not None and not self.pending.is_full:
                piece = next(self._inflated, None)
                if piece is not None:
                    self._keep(self.pending, piece)
                elif not self._decode(self.pending):
                    break
        except (RemoteProtocolError, ProtocolError) as problem:
            self._fail(problem)
        pending = self.pending
        if pending is None:
            return
        if pending.is_full:
            self.transport.pause_reading()
            pending.phase("")
            return
        self.transport.resume_reading()
        if self._sending is None or self._sending.is_over:
            pending.phase("read" if pending.is_awaited else "")

    def _decode(self, pending: Pending) -> bool:
        """Take the next message; whether there was one."""
        message = self._decoder.next_message()
        if isinstance(message, ResponseHead):
            if not message.interim:
                self._begin(pending, message)
        elif isinstance(message, Data):
            self._inflated = iter(self._inflating.feed(message.data))
        elif message is not None:
            self._inflating.end()
            self._complete(pending)
        return message is not None

    def _begin(self, pending: Pending, head: ResponseHead) -> None:
        response = pending.response = ClientResponse(head, pending.outgoing)
        self._client.cookies.take(response)
        self._size = 0
        if self._sending is not None and (head.status >= 400 or not head.keep_alive):
            self._stop_sending()  # it will not be read
        pending.begin(self)
        limit = pending.limit
        if head.has_body and limit is not None and (head.content_length or 0) > limit:
            raise ProtocolError(f"the body has {head.content_length} bytes, limit {limit}")
        if not head.has_body:
            self._complete(pending)
            return
        self._inflating = Decompressor(response.headers.get("Content-Encoding", ""), limit)

    def _keep(self, pending: Pending, piece: bytes) -> None:
        assert pending.response is not None
        self._size += len(piece)
        limit = pending.limit
        if limit is not None and self._size > limit:
            how = " when decompressed" if self._inflating.is_known else ""
            raise ProtocolError(f"the body is longer than {limit} bytes{how}")
        if pending.arriving is not None:
            pending.arriving.put(piece)
        else:
            pending.response.body.write(piece)

    def _complete(self, pending: Pending) -> None:
        is_sent = self._sending is None or self._sending.is_over
        self._stop_sending()
        self.pending = pending.wire = None
        self._was_used = True
        keeps = is_sent and self.is_open and self._decoder.state is State.HEAD
        if not keeps or self._decoder.pending_bytes:
            self.cut()
        self.transport.resume_reading()  # who read the body slowly may have had it paused
        self._pool.complete(pending, self)

    def _fail(self, problem: Exception) -> None:
        pending = self.pending
        if pending is None:
            return
        if (
            not self.is_open
            and self._was_used
            and not self._has_answered
            and not pending.is_repeated
            and pending.outgoing.method in _IDEMPOTENT
            and pending.outgoing.is_repeatable
        ):
            pending.is_repeated = True
            self.pending = pending.wire = None
            self._pool.lost(self)
            self._pool.send_off(pending, fresh=True)
            return
        text = f"{pending.outgoing.url}: {problem}"
        if not self.is_open and self._reason:
            text += f" ({self._reason})"
        pending.finish(ProtocolError(text))

    def cut(self) -> None:
        """Close at once; nobody is told."""
        self.pending = None
        if self.is_open:
            self._client.fire(sockets.Disconnected())
        self.is_open = False
        self._tunnel = None
        self._stop_sending()
        self.transport._abort()
