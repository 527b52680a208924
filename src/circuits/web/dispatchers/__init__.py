"""Dispatchers: components that decide who answers a request."""

from __future__ import annotations

from .dispatcher import Dispatcher
from .static import Static
from .virtualhosts import VirtualHosts

__all__ = ["Dispatcher", "Static", "VirtualHosts"]
