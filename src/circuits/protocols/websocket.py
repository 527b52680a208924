"""WebSocket messages, under the path of the 3.x line.

.. versionadded:: 2.1
"""

from __future__ import annotations

from circuits.net.protocols import websocket
from circuits.net.protocols.websocket import *  # noqa: F403 - documented names

__all__ = websocket.__all__
