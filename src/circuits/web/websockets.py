"""WebSockets, with the names of the 3.x line (``circuits.web.websockets``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._websocket import ConnectionClosed, WebSocket, broadcast
from .dispatchers.websockets import WebSocketsDispatcher
from .websocket import WebSocketClient as _WebSocketClient

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "ConnectionClosed",
    "WebSocket",
    "WebSocketClient",
    "WebSocketsDispatcher",
    "broadcast",
]


class WebSocketClient(_WebSocketClient):
    """:class:`~circuits.web.websocket.WebSocketClient` that connects by itself when it is ready.

    Args:
        url: Where to.
        channel: Channel of the component.
        wschannel: Channel of the events of the WebSocket; ``wchannel`` is the same.
        headers: More headers of the request.
        **kwargs: As there.
    """

    connects_itself = True

    def __init__(
        self,
        url: str,
        channel: Any = "wsclient",
        wschannel: Any = "ws",
        headers: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(url, channel, kwargs.pop("wchannel", wschannel), headers, **kwargs)
