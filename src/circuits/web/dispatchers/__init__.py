"""Dispatchers: components that decide who answers a request."""

from __future__ import annotations

from .dispatcher import Dispatcher
from .jsonrpc import JSONRPC
from .static import Static
from .virtualhosts import VirtualHosts
from .websockets import WebSockets, WebSocketsDispatcher
from .xmlrpc import XMLRPC

__all__ = [
    "JSONRPC",
    "XMLRPC",
    "Dispatcher",
    "Static",
    "VirtualHosts",
    "WebSockets",
    "WebSocketsDispatcher",
]
