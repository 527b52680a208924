"""Protocols as components: they stand beside a socket and turn ``read`` into events of their own."""

from __future__ import annotations

from .irc import IRC
from .line import LP

__all__ = ["IRC", "LP"]
