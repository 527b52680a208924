"""The kernel: events, handlers, components, and the loop that joins them."""

from __future__ import annotations

from ._tasks import sleep
from .components import BaseComponent, Component
from .debugger import Debugger
from .errors import CircuitsError, TimeoutError  # noqa: A004
from .events import BaseEvent, DerivedEvent, Event, LiteralEvent
from .handlers import handler, reprhandler
from .loader import Loader
from .manager import Manager
from .timers import Timer
from .values import Value

__all__ = [
    "BaseComponent",
    "BaseEvent",
    "CircuitsError",
    "Component",
    "Debugger",
    "DerivedEvent",
    "Event",
    "LiteralEvent",
    "Loader",
    "Manager",
    "TimeoutError",
    "Timer",
    "Value",
    "handler",
    "reprhandler",
    "sleep",
]
