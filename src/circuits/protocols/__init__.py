"""The protocols of :mod:`circuits.net.protocols` under the paths of the 3.x line.

Most are other names for the same things. :mod:`~circuits.protocols.line` and
:mod:`~circuits.protocols.irc` differ in what their events carry.

.. versionadded:: 2.1
   From the 3.x line.
"""

from __future__ import annotations

from .http import HTTP
from .irc import IRC
from .line import Line
from .websocket import WebSocketCodec

__all__ = ["HTTP", "IRC", "Line", "WebSocketCodec"]
