"""A client for WebSockets (manual: circuits.web.websocket)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from circuits._wire.http1 import (
    LocalProtocolError,
    RemoteProtocolError,
    ResponseDecoder,
    ResponseHead,
    encode_request_head,
)
from circuits._wire.websocket import (
    NORMAL,
    HandshakeError,
    check_response,
    make_key,
    request_headers,
)
from circuits.core import _clock
from circuits.core.components import BaseComponent
from circuits.core.events import Event
from circuits.core.handlers import handler
from circuits.net import sockets
from circuits.net.protocols._websocket_conversation import CLOSE_TIMEOUT
from circuits.net.protocols.websocket import MAX_SIZE, Deflate

from ._client_auth import basic
from ._client_request import host_header, parse_absolute, quoted
from ._websocket import WebSocket
from ._websocket_events import Messages
from ._websocket_options import BUFFERED_BYTES, Options
from ._websocket_waits import Opening

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Mapping

    from circuits.core._clock import Appointment
    from circuits.core.manager import Manager

__all__ = ["NotConnected", "WebSocketClient"]

#: Of a request: what a caller must not set, since it is the handshake.
_OURS = frozenset(("connection", "upgrade", "sec-websocket-key", "sec-websocket-version"))


class NotConnected(Event):
    """A WebSocket could not be opened.

    Fired by a :class:`WebSocketClient` on its channel. Return values are ignored.

    Args:
        reason: What the matter is.
    """

    name = "not_connected"

    def __init__(self, reason: Exception) -> None:
        super().__init__(reason)


class _Later(Event):
    """Something that is done behind what has been fired."""

    name = "_later"

    def __init__(self, call: Callable[..., object], *arguments: Any) -> None:
        super().__init__(call, *arguments)


class WebSocketClient(BaseComponent):
    """Connects to a WebSocket server.

    Handles ``connect`` (:class:`circuits.web.client.Connect`) on its channel. Fires there
    ``connected(host, port)`` when the server is reached, ``disconnected`` when the connection is over,
    and ``not_connected(reason)`` if no WebSocket comes of it.

    On ``wchannel`` it fires ``connected(host, port)`` when messages can be exchanged, ``read(message)``
    for each message (text is ``str``, binary ``bytes``), ``close()`` when the server closes, which it
    answers, ``socket_error(problem)`` when the server breaks the rules, sends too much or does not
    answer pings, or the connection fails, ``pause()`` and ``resume()`` when the server does not keep up, and
    ``disconnected()`` at the end.

    It handles there ``write(message)``, also before the connection is open: it is sent then; and
    ``close(code=1000, reason="")``.

    A coroutine opens it with ``websocket = await client.open()`` and gets the object that
    :class:`~circuits.web.WebSocket` is; its messages are no events then.

    Args:
        url: Such as ``"ws://example.org/chat"``; ``wss`` speaks TLS, and checks the certificate.
        channel: Channel of the component.
        wchannel: Channel of the messages.
        headers: More headers for the handshake, such as ``Origin``.
        wschannel: The same as ``wchannel``.
        subprotocols: What can be spoken, the favourite first.
        max_message_bytes: The longest message; ``None`` for no limit.
        ping_interval: Seconds from one ping to the next; ``None``: never.
        ping_timeout: Seconds for the answer, before the connection is given up.
        close_timeout: Seconds that the server has for its part of closing.
        connect_timeout: Seconds for everything until messages can be exchanged.
        compression: Whether to compress if the server can, or how.
        context: For TLS, instead of the default one.

    Raises:
        ValueError: The URL is no absolute one of ``ws`` or ``wss``, or a header cannot be sent.

    .. versionchanged:: 2.1
       Everything behind ``headers`` is new.
    """

    channel = "wsclient"
    connects_itself = False

    def __init__(
        self,
        url: str,
        channel: Any = "wsclient",
        wchannel: Any = "ws",
        headers: Mapping[str, str] | None = None,
        *,
        wschannel: Any = None,
        subprotocols: Iterable[str] = (),
        max_message_bytes: int | None = MAX_SIZE,
        ping_interval: float | None = 20.0,
        ping_timeout: float | None = 20.0,
        close_timeout: float | None = CLOSE_TIMEOUT,
        connect_timeout: float = 10.0,
        compression: bool | Deflate = True,
        context: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(channel=channel)
        self.url = url
        options = Options(
            max_message_bytes,
            BUFFERED_BYTES,
            ping_interval,
            ping_timeout,
            close_timeout,
            compression,
        )
        wchannel = wchannel if wschannel is None else wschannel
        handshake = _Handshake(url, headers or {}, subprotocols, options.deflate)
        self._messages = _Messages(wchannel, self)
        self._messages.register(self)
        self._link = _Link(self, self._messages, handshake, options, connect_timeout, context)
        self._link.register(self)

    @property
    def connected(self) -> bool:
        """Whether messages can be exchanged."""
        websocket = self.websocket
        return websocket is not None and websocket.is_open

    @property
    def websocket(self) -> WebSocket | None:
        """The connection, when it is open.

        .. versionadded:: 2.1
        """
        return self._messages.websockets.get(None)

    def open(self) -> Opening:
        """Connect, and have messages wait for ``receive`` instead of making events of them.

        What this returns gives the :class:`~circuits.web.WebSocket` when it is awaited, or yielded.

        Raises:
            ConnectionClosed: No WebSocket has come of it.

        .. versionadded:: 2.1
        """
        self._messages.takes_messages = False
        return Opening(self._link.connect())

    def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Close the connection in order, or give up connecting."""
        websocket = self.websocket
        if websocket is not None:
            websocket._shut(code, reason)
        else:
            self._link.give_up(ConnectionAbortedError("it was closed before it was open"))

    @handler("connect")
    def _on_connect(self, *args: Any, **kwargs: Any) -> None:
        if not args:  # a server on our channel tells of its clients
            self._link.connect()


class _Handshake:
    """What is sent, and what is expected.

    Attributes:
        host, port, secure: Where to.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        subprotocols: Iterable[str],
        deflate: Deflate | None,
    ) -> None:
        self.host, self.port, resource, self.secure = parse_absolute(url, "ws", "wss")
        parts = urlsplit(url)
        if parts.fragment or url.endswith("#"):
            raise ValueError(f"the URL of a WebSocket has no fragment: {url!r}")
        self._resource = quoted(resource)
        self._subprotocols = tuple(subprotocols)
        self._deflate = deflate
        host = host_header(self.host, self.port, self.secure)
        given = {name.lower() for name in headers}
        if refused := given & _OURS:
            raise ValueError(f"the handshake sets {', '.join(sorted(refused))} itself")
        self._headers = [] if "host" in given else [("Host", host)]
        if parts.username is not None and "authorization" not in given:
            user, password = unquote(parts.username), unquote(parts.password or "")
            self._headers.append(("Authorization", basic(user, password)))
        self._headers += headers.items()
        self._key = ""
        try:
            self.begin()  # an error shows when it is made, and not when it is used
        except LocalProtocolError as problem:
            raise ValueError(str(problem)) from None

    def begin(self) -> bytes:
        """The request."""
        self._key = make_key(_clock.random_bytes)
        ours = request_headers(self._key, self._subprotocols, self._deflate)
        return encode_request_head("GET", self._resource, [*self._headers, *ours])

    def end(self, head: ResponseHead) -> tuple[str | None, Deflate | None]:
        """The subprotocol and the compression that the server agrees to.

        Raises:
            HandshakeError: It does not agree, or to what was not asked for.
        """
        agreement = check_response(
            head.status, head.headers, self._key, self._subprotocols, self._deflate
        )
        return agreement.subprotocol, agreement.deflate


class _Messages(Messages):
    """The channel of the messages, of a client."""

    def __init__(self, channel: Any, client: WebSocketClient) -> None:
        super().__init__(channel)
        self._client = client
        self.takes_messages = True
        #: What was written before it can be sent; ``None`` after a connection has ended.
        self.early: list[Any] | None = []

    @handler("write", override=True)
    def _on_write(self, *args: Any) -> None:
        if len(args) == 1:
            websocket = self.websockets.get(None)
            if websocket is not None:
                websocket._write(args[0])
            elif self.early is not None:
                self.early.append(args[0])

    @handler("close", override=True)
    def _on_close(self, *args: Any, **kwargs: Any) -> None:
        # On a channel that is shared with servers, theirs begin with a socket.
        if args and not (args[0] is None or isinstance(args[0], int)):
            return
        websocket = self.websockets.get(None)
        if websocket is not None:
            websocket._shut(*args, **kwargs)
        else:
            self._client.close()

    def opened(self, websocket: WebSocket) -> None:
        self.websockets[None] = websocket
        handshake = self._client._link.handshake
        self.fire(sockets.Connected(handshake.host, handshake.port))
        early, self.early = self.early, []
        for message in early or ():
            websocket._write(message)

    def closed(self, websocket: WebSocket) -> None:
        del self.websockets[None]
        self.early = None
        self.fire(sockets.Disconnected())


class _Link(BaseComponent):
    """The connection below: TCP and the handshake, on a channel of its own."""

    def __init__(
        self,
        client: WebSocketClient,
        messages: _Messages,
        handshake: _Handshake,
        options: Options,
        connect_timeout: float,
        context: ssl.SSLContext | None,
    ) -> None:
        super().__init__(channel=f"{client.channel}.{id(self):x}")
        self.handshake = handshake
        self.peer: tuple[Any, Any] | None = None
        self.is_held = False
        self.is_cut_off = False
        self._client = client
        self._messages = messages
        self._options = options
        self._timeout = connect_timeout
        self._context = context
        self._websocket: WebSocket | None = None
        self._decoder: ResponseDecoder | None = None  # until it is open
        self._timer: Appointment | None = None
        self._is_reached = False
        self._transport = sockets.TCPClient(channel=self.channel, connect_timeout=connect_timeout)
        self._transport.register(self)

    # -- connecting --

    def connect(self) -> WebSocket:
        """Begin, unless that has been done."""
        websocket = self._websocket
        if websocket is None:
            websocket = WebSocket(None, None, None, None, self._options, self._messages)
            self._websocket = websocket
            self._decoder = ResponseDecoder()
            self._decoder.expect("GET")
            if self._messages.early is None:
                self._messages.early = []
            handshake = self.handshake
            options: dict[str, Any] = {}
            if self._context is not None:
                options["context"] = self._context
            self._timer = self._tree_engine.schedule.call_at(
                _clock.now() + self._timeout,
                lambda: self.give_up(TimeoutError(f"not open after {self._timeout:g} s")),
            )
            self._transport.connect(handshake.host, handshake.port, handshake.secure, **options)
        return websocket

    def give_up(self, reason: Exception) -> None:
        """No WebSocket comes of it."""
        websocket = self._websocket
        if websocket is None or self._decoder is None:
            return
        self._forget()
        if self._messages.early:
            self._messages.early = []
        websocket._refused(str(reason))
        self._client.fire(NotConnected(reason))
        self._transport.close()

    def _forget(self) -> None:
        self._websocket = self._decoder = None
        self.is_held = self.is_cut_off = False
        self._cancel_timer()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @handler("ready")
    def _on_ready(self, *args: Any) -> None:
        if self._client.connects_itself:
            self.connect()

    @handler("connected")
    def _on_connected(self, host: str, port: int) -> None:
        self._is_reached = True
        self._client.fire(sockets.Connected(host, port))
        if self._decoder is None:
            self._transport.close()  # given up meanwhile
        else:
            self.write(self.handshake.begin())

    @handler("unreachable")
    def _on_unreachable(self, host: str, port: int, reason: Exception) -> None:
        self.give_up(reason)

    @handler("socket_error")
    def _on_socket_error(self, problem: Exception) -> None:
        if self._websocket is not None and self._decoder is None:
            self._websocket._broken(problem)
        self.give_up(problem)

    @handler("read")
    def _on_read(self, data: bytes) -> None:
        websocket, decoder = self._websocket, self._decoder
        if decoder is None:
            if websocket is not None:
                websocket._receive_data(data)
            return
        decoder.receive_data(data)
        try:
            head: Any = decoder.next_message()
            while isinstance(head, ResponseHead) and head.interim:
                head = decoder.next_message()
            if head is None:
                return
            subprotocol, deflate = self.handshake.end(head)
        except (RemoteProtocolError, HandshakeError) as problem:
            self.give_up(problem)
            return
        assert websocket is not None
        self._cancel_timer()
        self._decoder = None
        websocket._agreed(subprotocol, deflate)
        websocket._begin(self)
        if rest := decoder.release():
            websocket._receive_data(rest)

    @handler("disconnected")
    def _on_disconnected(self) -> None:
        websocket = self._websocket
        self.give_up(ConnectionResetError("the server has closed the connection"))
        self._forget()
        if websocket is not None:
            websocket._closed()
        if self._is_reached:
            self._is_reached = False
            self._client.fire(sockets.Disconnected())

    # -- what a WebSocket asks for --

    @property
    def owner(self) -> _Link:
        """We do that, too."""
        return self

    def later(self, call: Callable[..., object], *arguments: Any) -> None:
        """Have something done behind what has been fired."""
        self.fire(_Later(call, *arguments), self)

    @handler("_later")
    def _on_later(self, call: Callable[..., object], *arguments: Any) -> None:
        call(*arguments)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write to the server."""
        self._transport.write(data)

    def must_pause(self) -> bool:
        """Whether the server does not keep up."""
        connection = self._transport._connection
        return connection is not None and connection.is_congested

    def hold_reading(self) -> None:
        """Read nothing more for now."""
        if not self.is_held:
            self.is_held = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        self.is_held = False
        self._transport.resume_reading()

    def cut(self, is_reset: bool = False) -> None:
        """Close at once, and lose what is pending."""
        self._transport._abort()

    def close(self) -> None:
        """Close when all is written."""
        self._transport.close()

    @handler("pause")
    def _on_pause(self) -> None:
        if self._websocket is not None:
            self._websocket._congested(True)

    @handler("resume")
    def _on_resume(self) -> None:
        if self._websocket is not None:
            self._websocket._congested(False)

    @handler("stopped", channel="*", priority=1)
    def _on_stopped(self, component: Manager) -> None:
        if component is self.root and self._websocket is not None:
            self._websocket._stopping()
            self.give_up(ConnectionAbortedError("the application stops"))
