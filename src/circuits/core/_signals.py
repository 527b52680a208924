"""The signals of one run: they become events, and are put back at its end."""

from __future__ import annotations

import os

from ._signal_pipe import SignalPipe
from .events import HangUp, Signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable
    from types import FrameType
    from typing import Any

    from .manager import Manager
else:
    import _signal as signal  # without the names of enum, whose import takes longer than ours

__all__ = ["Signals"]


class Signals:
    """Has signals fire events while a manager runs. In the main thread.

    Args:
        manager: What runs.
        stop: Called when the process is told to end: at SIGINT and SIGTERM.
        quit_now: Called instead where the run is ending already.

    Attributes:
        pipe: What signals write to, so that they end a wait; ``None`` where there is none.
    """

    def __init__(
        self,
        manager: Manager,
        stop: Callable[[], object],
        quit_now: Callable[[], object],
    ) -> None:
        self._manager = manager
        self._stop = stop
        self._quit_now = quit_now
        self._previous: dict[int, Any] = {}
        self.pipe: SignalPipe | None = None

    def install(self) -> None:
        """Listen to them, but for those that whoever started us ignores."""
        if os.name == "posix":
            pipe = SignalPipe()
            try:
                pipe.open()
            except (OSError, ValueError):  # no descriptor left, or not the main interpreter
                pipe.close()
            else:
                self.pipe = pipe
            self._manager._tree_engine.loop.latch = None
        self._handle(signal.SIGINT, self._on_end)
        self._handle(signal.SIGTERM, self._on_end)
        self.heed_hang_up()

    def heed_hang_up(self) -> None:
        """Fire SIGHUP while a component wants it; else it does what it did before the run."""
        number = getattr(signal, "SIGHUP", None)
        if number is None:
            return
        if not self._manager._tree_engine.wants_hang_up:
            if number in self._previous:
                signal.signal(number, self._previous.pop(number))
        elif number not in self._previous:
            self._handle(number, self._on_hang_up)

    def restore(self) -> None:
        """Put back what was there before the run."""
        for number, previous in self._previous.items():
            signal.signal(number, previous)
        self._previous = {}
        if self.pipe is not None:
            self._manager._tree_engine.loop.latch = None
            self.pipe.close()
            self.pipe = None

    def _handle(self, number: int, function: Any) -> None:
        if signal.getsignal(number) == signal.SIG_IGN:
            return  # whoever started us wants it so: nohup, or a shell with a job in the background
        try:
            self._previous[number] = signal.signal(number, function)
        except (ValueError, OSError):  # not the main thread of the main interpreter
            return

    def _on_end(self, number: int, frame: FrameType | None) -> None:
        if not self._manager._running:
            self._quit_now()
            raise KeyboardInterrupt
        self._fire(number, frame, then=self._stop)

    def _on_hang_up(self, number: int, frame: FrameType | None) -> None:
        root = self._manager.root
        self._fire(number, frame, then=lambda: root.fire(HangUp(), "*"))

    def _fire(self, number: int, frame: FrameType | None, then: Callable[[], object]) -> None:
        root = self._manager.root
        engine = root._tree_engine
        cause = engine.queue.set_cause(None)  # a signal is not caused by what it interrupts
        root.fire(Signal(number, frame), *root._tree_channels)
        then()
        engine.queue.set_cause(cause)
