"""WebSockets of servers, with the names of the 3.x line (``circuits.web.websockets``)."""

from __future__ import annotations

from typing import Any

from ._websocket import ConnectionClosed, WebSocket, broadcast
from .dispatchers.websockets import WebSockets

__all__ = ["ConnectionClosed", "WebSocket", "WebSocketsDispatcher", "broadcast"]


class WebSocketsDispatcher(WebSockets):
    """:class:`~circuits.web.dispatchers.websockets.WebSockets` on another channel by default."""

    def __init__(
        self, path: str | None = None, wschannel: Any = "wsserver", *args: Any, **kwargs: Any
    ) -> None:
        wschannel = kwargs.pop("wchannel", wschannel)
        super().__init__(path, wschannel, *args, **kwargs)
