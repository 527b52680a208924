"""The channel of the messages of a WebSocket client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from circuits.core.handlers import handler
from circuits.net import sockets

from ._websocket_events import Messages

if TYPE_CHECKING:
    from ._websocket import WebSocket
    from .websocket import WebSocketClient

__all__ = ["ClientMessages"]


class ClientMessages(Messages):
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
