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
    TimeoutError,
    Timer,
    Value,
    handler,
    reprhandler,
    sleep,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .core import Bridge, Ipc, Supervisor, Task, Worker, ipc, task

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
    "__version__",
    "handler",
    "ipc",
    "reprhandler",
    "sleep",
    "task",
]

# What circuits.core looks up when it is used first.
_LATER = frozenset({"Bridge", "Ipc", "Supervisor", "Task", "Worker", "ipc", "task"})


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import core  # is loaded

    found = globals()[name] = getattr(core, name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
