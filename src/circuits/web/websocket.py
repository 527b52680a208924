"""A client for WebSockets (manual: circuits.web.websocket)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from circuits._wire.websocket import NORMAL
from circuits.core.components import BaseComponent
from circuits.core.events import Event
from circuits.core.handlers import handler
from circuits.net.protocols._websocket_conversation import CLOSE_TIMEOUT
from circuits.net.protocols.websocket import MAX_SIZE, Deflate

from ._websocket_client_handshake import ClientHandshake
from ._websocket_client_link import ClientLink
from ._websocket_client_messages import ClientMessages
from ._websocket_options import BUFFERED_BYTES, Options
from ._websocket_waits import Opening

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable, Mapping

    from ._websocket import WebSocket

__all__ = ["NotConnected", "WebSocketClient"]


class NotConnected(Event):
    """A WebSocket could not be opened.

    Fired by a :class:`WebSocketClient` on its channel. Return values are ignored.

    Args:
        reason: What the matter is.
    """

    name = "not_connected"

    def __init__(self, reason: Exception) -> None:
        super().__init__(reason)


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
        handshake = ClientHandshake(url, headers or {}, subprotocols, options.deflate)
        self._messages = ClientMessages(wchannel, self)
        self._messages.register(self)
        self._link = ClientLink(self, self._messages, handshake, options, connect_timeout, context)
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

    def _not_connected(self, reason: Exception) -> None:
        """The link tells: no WebSocket comes of it."""
        self.fire(NotConnected(reason))
