"""WebSocket messages, under the path of the 3.x line.

.. versionadded:: 2.1
"""

from __future__ import annotations

from circuits.net.protocols.websocket import (
    MAX_SIZE,
    Closing,
    Deflate,
    RemoteProtocolError,
    WebSocketCodec,
)

__all__ = ["MAX_SIZE", "Closing", "Deflate", "RemoteProtocolError", "WebSocketCodec"]
