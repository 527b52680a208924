"""circuits: event-driven applications made of components."""

from __future__ import annotations

from ._version import __version__
from .core import (
    BaseComponent,
    BaseEvent,
    CircuitsError,
    Component,
    Debugger,
    DerivedEvent,
    Event,
    LiteralEvent,
    Loader,
    Manager,
    TimeoutError,  # noqa: A004
    Timer,
    Value,
    handler,
    reprhandler,
    sleep,
)

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
    "__version__",
    "handler",
    "reprhandler",
    "sleep",
]
