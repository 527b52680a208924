"""Dispatchers: components that decide who answers a request."""

from __future__ import annotations

from .dispatcher import Dispatcher
from .static import Static

__all__ = ["Dispatcher", "Static"]
