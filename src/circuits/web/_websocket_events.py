"""WebSockets by events: a component on the channel of their messages, for servers and clients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from circuits.core._direct import Direct
from circuits.core.components import BaseComponent
from circuits.core.handlers import handler
from circuits.net import sockets
from circuits.net.protocols.websocket import Closing

from ._websocket_link import Listener

if TYPE_CHECKING:
    from ._request import Request
    from ._websocket import WebSocket

__all__ = ["Connect", "Disconnect", "Messages", "Read"]


class Read(sockets.Read):
    """A message: ``(sock, message)`` at a server, ``(message,)`` at a client.

    Attributes:
        request: What the connection began with; ``None`` at a client.
    """

    name = "read"
    notify = False  # what handlers return is nothing to be sent

    def __init__(self, *args: Any, request: Request | None = None) -> None:
        super().__init__(*args)
        self.request = request


class Connect(sockets.Connect):
    """A client has connected, and may be written to: ``(sock, host, port)``.

    Attributes:
        request: As for :class:`Read`.
    """

    name = "connect"

    def __init__(self, *args: Any, request: Request | None = None) -> None:
        super().__init__(*args)
        self.request = request


class Disconnect(sockets.Disconnect):
    """A connection is over: ``(sock,)``.

    Attributes:
        request: As for :class:`Read`.
        code: Why: what the peer has said, or what we have; 1006 if it broke.
        reason: The text to that.
    """

    name = "disconnect"

    def __init__(
        self, *args: Any, request: Request | None = None, code: int | None = None, reason: str = ""
    ) -> None:
        super().__init__(*args)
        self.request = request
        self.code = code
        self.reason = reason


class Messages(BaseComponent, Listener):
    """Makes events of what WebSockets receive, and sends what events say.

    Attributes:
        websockets: Those that are open, by what events know them by; ``None`` for that of a client.
    """

    takes_messages = True

    def __init__(self, channel: Any) -> None:
        super().__init__(channel=channel)
        self.websockets: dict[Any, WebSocket] = {}
        self._read_door = Direct(self, Read)

    # -- the application tells --

    @handler("write")
    def _on_write(self, *args: Any) -> None:
        if len(args) == 2:
            websocket = self.websockets.get(args[0])
        else:
            websocket = self.websockets.get(None)
        if websocket is not None:
            websocket.write(args[-1])

    @handler("close")
    def _on_close(self, *args: Any, **kwargs: Any) -> None:
        websockets = self.websockets
        if not args:
            for websocket in list(websockets.values()):
                websocket.shut(**kwargs)
        elif None not in websockets:
            if args[0] in websockets:
                websockets[args[0]].shut(*args[1:], **kwargs)
        # On a channel that is shared with servers, theirs begin with a socket.
        elif args[0] is None or isinstance(args[0], int):
            websockets[None].shut(*args, **kwargs)

    # -- the connections tell --

    @staticmethod
    def _who(websocket: WebSocket) -> tuple[Any, ...]:
        return () if websocket.sock is None else (websocket.sock,)

    def opened(self, websocket: WebSocket) -> None:
        """Fire ``connect``."""
        self.websockets[websocket.sock] = websocket
        peer = websocket.peer or (None, None)
        self.fire(Connect(websocket.sock, *peer, request=websocket.request))

    def received(self, websocket: WebSocket, message: str | bytes) -> None:
        """Call the handlers of ``read``, or fire it."""
        args = (message,) if websocket.sock is None else (websocket.sock, message)
        door = self._read_door
        methods = door.methods()
        if methods is None:
            event = Read(*args, request=websocket.request)
            websocket.expect(event)
            self.fire(event)
            return
        for method in methods:
            try:
                result = method(*args)
            except BaseException as problem:
                door.failed(door.event(*args, request=websocket.request), method, problem)
                return
            if result is not None:
                made = door.event(*args, request=websocket.request)
                door.take(made, method, result)
                if made.waitingHandlers:
                    websocket.expect(made)
                return

    def peer_closes(self, websocket: WebSocket, code: int, reason: str) -> None:
        """Fire ``close``, which we handle ourselves."""
        self.fire(Closing(*self._who(websocket), code=code, reason=reason))

    def failed(self, websocket: WebSocket, problem: Exception) -> None:
        """Fire ``socket_error``."""
        self.fire(sockets.SocketError(*self._who(websocket), problem))

    def congested(self, websocket: WebSocket, is_congested: bool) -> None:
        """Fire ``pause`` or ``resume``."""
        event = sockets.Pause if is_congested else sockets.Resume
        self.fire(event(*self._who(websocket)))

    def closed(self, websocket: WebSocket) -> None:
        """Fire ``disconnect``."""
        del self.websockets[websocket.sock]
        request, code, reason = websocket.request, websocket.close_code, websocket.close_reason
        self.fire(Disconnect(websocket.sock, request=request, code=code, reason=reason))
