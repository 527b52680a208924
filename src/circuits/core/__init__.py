"""The kernel: events, handlers, components, and the loop that joins them."""

from __future__ import annotations

from ._sleep import sleep
from .components import BaseComponent, Component
from .debugger import Debugger
from .errors import CircuitsError, TimeoutError
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


class _Launcher:
    """What a manager asks for that stands far above it: other processes, and bridges to them.

    It is handed down from here, since this module is loaded before any other of the package: so
    nothing below imports what is above, and nothing is loaded until somebody asks.
    """

    @staticmethod
    def start(
        manager: Manager, method: str, link: Manager | None, implicit: bool
    ) -> tuple[Any, Any]:
        """Start a process that runs a tree; the process, and the bridge to it or ``None``."""
        from ._process.starting import start_process  # brings multiprocessing

        return start_process(manager, method, link, implicit)

    @staticmethod
    def stop(process: Any, seconds: float) -> None:
        """Tell such a process to stop, and wait for it."""
        from ._process.starting import stop_process  # is loaded

        stop_process(process, seconds)

    @staticmethod
    def join(manager: Manager, socket: Any) -> None:
        """Register a bridge over a socket component whose other end is in another process."""
        from .bridge import Bridge  # brings pickle

        Bridge(socket, channel=getattr(socket, "channel", "bridge")).register(manager)


Manager._run_launcher = _Launcher

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
    from importlib import import_module

    found = globals()[name] = getattr(import_module(f"{__name__}.{module}"), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
