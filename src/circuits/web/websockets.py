"""WebSockets, with the names of the 3.x line (``circuits.web.websockets``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._websocket import ConnectionClosed, WebSocket, broadcast
from .dispatchers.websockets import WebSockets
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


class WebSocketsDispatcher(WebSockets):
    """:class:`~circuits.web.dispatchers.websockets.WebSockets` on another channel by default.

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
