"""The kernel: events, handlers, components, and the loop that joins them."""

from __future__ import annotations

from ._waits import sleep
from .components import BaseComponent, Component
from .debugger import Debugger
from .errors import CircuitsError, TimeoutError  # noqa: A004
from .events import BaseEvent, DerivedEvent, Event, LiteralEvent
from .handlers import handler, reprhandler
from .loader import Loader
from .manager import Manager
from .timers import Timer
from .values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .bridge import Bridge, Ipc, ipc
    from .supervisor import Supervisor
    from .workers import Task, Worker, task

# Looked up when they are used first: few programs need them, and they need a poller.
_LATER = {
    "Bridge": "bridge",
    "Ipc": "bridge",
    "Supervisor": "supervisor",
    "Task": "workers",
    "Worker": "workers",
    "ipc": "bridge",
    "task": "workers",
}

__all__ = [
    "BaseComponent",
    "BaseEvent",
    "Bridge",
    "CircuitsError",
    "Component",
    "Debugger",
    "DerivedEvent",
    "Event",
    "Ipc",
    "LiteralEvent",
    "Loader",
    "Manager",
    "Supervisor",
    "Task",
    "TimeoutError",
    "Timer",
    "Value",
    "Worker",
    "handler",
    "ipc",
    "reprhandler",
    "sleep",
    "task",
]


def __getattr__(name: str) -> Any:
    module = _LATER.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415

    found = globals()[name] = getattr(import_module(f"{__name__}.{module}"), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
