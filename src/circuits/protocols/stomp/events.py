"""The events of the client."""

from __future__ import annotations

from circuits.net.protocols import _stomp_events
from circuits.net.protocols._stomp_events import *  # noqa: F403 - documented names

__all__ = _stomp_events.__all__
