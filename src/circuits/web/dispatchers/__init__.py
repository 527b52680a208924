"""Dispatchers: components that decide who answers a request."""

from __future__ import annotations

from .dispatcher import Dispatcher

__all__ = ["Dispatcher"]
