"""What an application is waiting for: its suspended handlers."""

from __future__ import annotations

import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

from circuits.core._suspended import Suspended, tasks
from circuits.core.components import BaseComponent
from circuits.core.events import Event, Started, Stopped
from circuits.core.handlers import handler

if TYPE_CHECKING:
    from types import FrameType
    from typing import Protocol

    from circuits.core._engine import Engine
    from circuits.core.manager import Manager

    class _Writable(Protocol):
        def write(self, text: str, /) -> object: ...


__all__ = ["Suspended", "TaskDump", "tasks"]


class _Dump(Event):
    """Print when the loop gets to it; fired where printing at once is not possible."""


class TaskDump(BaseComponent):
    """Prints every suspended handler when the process gets a signal.

    It prints from within the signal handler, even if the loop is busy, and says where the loop
    is. While no application runs, the signal does what it did before.

    Args:
        signal: Which signal; by default ``SIGUSR1``.
        file: Where to print; standard error by default.
        channel: Channel of the component.

    Raises:
        OSError: This system has no ``SIGUSR1``, and no other signal is given.

    .. versionadded:: 2.1
    """

    channel = "taskdump"

    def __init__(
        self,
        signal: int | None = None,
        file: _Writable | None = None,
        channel: Any = "taskdump",
    ) -> None:
        super().__init__(channel=channel)
        self.signal = _default_signal() if signal is None else signal
        self.file = file
        self._previous: Any = None
        self._is_installed = False

    # The system has one handler for each signal, and sets it in the main thread only.

    @handler("started", channel="*")
    def _on_started(self, event: Event, *args: Any) -> None:
        if isinstance(event, Started):
            self._install()

    @handler("registered")
    def _on_registered(self, component: Manager, parent: Manager) -> None:
        if component is self and self._tree_engine.runner is not None:
            self._install()

    @handler("stopped", channel="*", priority=-100)
    def _on_stopped(self, event: Event, *args: Any) -> None:
        if isinstance(event, Stopped):
            self._restore()

    def _tree_left(self, engine: Engine) -> None:
        self._restore()

    def _install(self) -> None:
        if not self._is_installed:
            self._previous = signal.signal(self.signal, self._on_signal)
            self._is_installed = True

    def _restore(self) -> None:
        if self._is_installed and threading.current_thread() is threading.main_thread():
            self._is_installed = False
            signal.signal(self.signal, signal.SIG_DFL if self._previous is None else self._previous)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        try:
            self.dump(frame)
        except RuntimeError:  # the stream was being written to when the signal came
            self.fire(_Dump(), self)

    @handler(_Dump)
    def _on_dump(self) -> None:
        self.dump()

    def dump(self, frame: FrameType | None = None) -> None:
        """Print now.

        Args:
            frame: Where the loop is, if known.
        """
        root = self.root
        found = tasks(root)
        lines = [f"{root!r}: {len(found)} suspended"]
        if frame is not None:
            code = frame.f_code
            lines.append(
                f"the loop is at {code.co_filename}:{frame.f_lineno} in {code.co_qualname}"
            )
        file = sys.stderr if self.file is None else self.file
        file.write("\n".join([*lines, *map(str, found)]) + "\n")
        flush = getattr(file, "flush", None)
        if flush is not None:
            flush()


def _default_signal() -> int:
    number = getattr(signal, "SIGUSR1", None)
    if number is None:
        raise OSError("this system has no SIGUSR1: name another signal")
    return int(number)
