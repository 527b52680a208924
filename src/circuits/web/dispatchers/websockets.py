"""WebSockets: connections for a path, by events (manual: circuits.web.dispatchers.websockets)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from circuits.core.components import BaseComponent
from circuits.core.handlers import handler
from circuits.net.protocols._websocket_conversation import CLOSE_TIMEOUT
from circuits.net.protocols.websocket import MAX_SIZE, Deflate
from circuits.web._paths import is_below, mount
from circuits.web._websocket import broadcast
from circuits.web._websocket_accepting import Policy, accept
from circuits.web._websocket_events import Messages
from circuits.web._websocket_options import BUFFERED_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from circuits.core.manager import Manager
    from circuits.web._websocket import WebSocket
    from circuits.web.wrappers import Request, Response

__all__ = ["WebSockets", "WebSocketsDispatcher"]


class WebSockets(BaseComponent):
    """Upgrades requests to WebSockets, whose messages are events.

    Handles ``request`` as a filter with priority 0.2, which is before the controllers. Below its
    path every request has to be a handshake: others are answered with 400, a wrong version with
    426, and scripts of other sites with 403.

    On ``wchannel`` it fires

    - ``connect(sock, host, port)`` when a client has connected, and may be written to;
    - ``read(sock, message)`` for each message: text is ``str``, binary ``bytes``;
    - ``close(sock)`` when a client closes, and answers it; the event has ``code`` and ``reason``;
    - ``socket_error(sock, problem)`` when a client breaks the rules, sends too much or does not
      answer pings, or its connection fails; then it is closed;
    - ``pause(sock)`` and ``resume(sock)`` when a client does not keep up with what is written, and
      when it does again;
    - ``disconnect(sock)`` when a connection is over; the event has ``code`` and ``reason``.

    and handles

    - ``write(sock, message)``: ``str`` is sent as text, bytes as binary. It is dropped when the
      connection is closing;
    - ``close(sock, code=1000, reason="")``: closes it in order; ``close()`` closes all of them.

    ``connect``, ``read`` and ``disconnect`` have ``event.request``, the request of the handshake.
    While handlers are suspended no more is read from a client than a few messages.

    When the application stops, connections are closed with 1001.

    Args:
        path: Where it answers, such as ``"/chat"``; ``None`` is everywhere.
        wchannel: The channel of the messages.
        *args: For ``init`` of a subclass.
        protocols: Subprotocols that are spoken; the client's favourite among them is chosen.
        subprotocols: The same.
        origins: Sites whose scripts may connect, such as ``"https://example.org"``; ``"*"`` is all
            of them, ``None`` the site of the server itself. Clients that do not say where they
            come from are let in.
        max_message_bytes: The longest message; ``None`` for no limit.
        buffered_bytes: What may be held of all connections together of messages that are not
            complete, or not handled.
        ping_interval: Seconds from one ping to the next; ``None``: never.
        ping_timeout: Seconds for the answer, before the connection is given up.
        close_timeout: Seconds that a client has for its part of closing.
        compression: Whether to compress if the client can, or how.
        wschannel: The same as ``wchannel``.
        **kwargs: For the component, such as ``channel``.

    .. versionchanged:: 2.1
       Everything behind ``wchannel`` is new.
    """

    channel = "web"

    def __init__(
        self,
        path: str | None = None,
        wchannel: Any = "ws",
        *args: Any,
        protocols: Iterable[str] = (),
        subprotocols: Iterable[str] = (),
        origins: str | Iterable[str] | None = None,
        max_message_bytes: int | None = MAX_SIZE,
        buffered_bytes: int = BUFFERED_BYTES,
        ping_interval: float | None = 20.0,
        ping_timeout: float | None = 20.0,
        close_timeout: float | None = CLOSE_TIMEOUT,
        compression: bool | Deflate = True,
        wschannel: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.path = None if path is None else mount(path)
        self._policy = Policy(
            origins,
            subprotocols or protocols,
            max_message_bytes=max_message_bytes,
            buffered_bytes=buffered_bytes,
            ping_interval=ping_interval,
            ping_timeout=ping_timeout,
            close_timeout=close_timeout,
            compression=compression,
        )
        self._messages = Messages(wchannel if wschannel is None else wschannel).register(self)

    @property
    def wchannel(self) -> Any:
        """The channel of the messages."""
        return self._messages.channel

    @property
    def websockets(self) -> Mapping[Any, WebSocket]:
        """The connections that are open, by their sockets.

        .. versionadded:: 2.1
        """
        return self._messages.websockets

    def broadcast(
        self,
        message: str | bytes | bytearray | memoryview,
        where: Callable[[WebSocket], object] | None = None,
    ) -> int:
        """Send a message to all clients, or to some; it is encoded once.

        A client that does not keep up is closed, with 1013.

        Args:
            message: Text for ``str``, otherwise binary.
            where: Is asked whether a connection gets it.

        Returns:
            To how many it was sent.

        .. versionadded:: 2.1
        """
        websockets: Iterable[WebSocket] = list(self._messages.websockets.values())
        if where is not None:
            websockets = [one for one in websockets if where(one)]
        return broadcast(websockets, message)

    def select_subprotocol(self, subprotocols: Sequence[str]) -> str | None:
        """Choose a subprotocol; to be overridden.

        Args:
            subprotocols: Those that the client offers, its favourite first.

        Returns:
            One of them, or ``None``.
        """
        return self._policy.choose(subprotocols)

    @handler("request", filter=True, priority=0.2)
    def _on_request(self, request: Request, response: Response, peer_cert: Any = None) -> Any:
        if self.path is not None and not is_below(request.path, self.path):
            return None
        return accept(request, response, self._policy, self._messages, self.select_subprotocol)

    @handler("prepare_unregister", channel="*")
    def _on_prepare_unregister(self, event: Any, component: Manager) -> None:
        if event.in_subtree(self):
            for websocket in list(self._messages.websockets.values()):
                websocket._stopping()


class WebSocketsDispatcher(WebSockets):
    """:class:`WebSockets`, with the name of the 3.x line, on another channel by default.

    Args:
        path: As there.
        wschannel: Channel of the events of WebSockets; ``wchannel`` is the same.
        *args, **kwargs: As there.
    """

    def __init__(
        self, path: str | None = None, wschannel: Any = "wsserver", *args: Any, **kwargs: Any
    ) -> None:
        wschannel = kwargs.pop("wchannel", wschannel)
        super().__init__(path, wschannel, *args, **kwargs)
