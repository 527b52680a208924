"""What a program of ``circuits.web`` hangs on: its greeting, and what signals do."""

from __future__ import annotations

import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

from circuits.core._sleep import sleep
from circuits.core.components import BaseComponent
from circuits.core.events import Event
from circuits.core.handlers import handler
from circuits.core.utils import flatten

from .health import Draining
from .loggers import Logger
from .servers import BaseServer

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from types import FrameType

    from circuits.core.manager import Manager

__all__ = ["HANG_UP", "REOPEN", "Program", "ReopenLogs", "say"]

#: Where a system lacks them, they never come.
HANG_UP = getattr(signal, "SIGHUP", None)
REOPEN = getattr(signal, "SIGUSR1", None)

#: How long a worker that ends waits for requests of connections that it has accepted already.
_FIRST_REQUEST_SECONDS = 0.3


def say(text: str) -> None:
    """Tell the operator something."""
    print(text, file=sys.stderr, flush=True)


class ReopenLogs(Event):
    """The files of logs were moved away. Fired by the program, or its master, at itself."""

    name = "_reopen_logs"


class _Drain(Event):
    """The program is to end soon."""

    name = "_drain"


class Program(BaseComponent):
    """A tree that serves, and tells where when it can be stopped by a signal, not before.

    SIGTERM and SIGINT: deny readiness for ``drain_delay`` seconds, and stop; a second one has no
    patience. SIGHUP: read certificates again, and reopen logs. SIGUSR1: reopen logs. A worker
    leaves SIGINT and SIGHUP, which a terminal sends to all, to its master, and stops once.

    Args:
        drain_delay: Seconds.
        tell: What is done with the greeting.
        is_worker: Whether a master decides.
    """

    channel = "main"
    greeting = ""

    def __init__(
        self, drain_delay: float, tell: Callable[[str], object], is_worker: bool = False
    ) -> None:
        super().__init__()
        self._drain_delay = drain_delay
        self._tell = tell
        self._is_worker = is_worker
        self._is_ending = False
        self._usual: dict[int, Any] = {}

    @handler("started", channel="*")
    def _on_started(self, component: Manager) -> None:
        if component is not self:
            return
        if threading.current_thread() is threading.main_thread():
            if HANG_UP is not None:
                self._tree_engine.want_hang_up(self, True)
            for number in (signal.SIGINT, signal.SIGTERM):
                self._usual[number] = signal.signal(number, self._end)
            if REOPEN is not None:
                signal.signal(REOPEN, self._reopen)
        self._tell(self.greeting)

    def _end(self, number: int, frame: FrameType | None) -> None:
        if self._is_worker and (self._is_ending or number == signal.SIGINT):
            return
        if self._is_ending or not (self._drain_delay or self._is_worker):
            self._is_ending = True
            self._usual[number](number, frame)
        else:
            self._is_ending = True
            self.fire(_Drain(), self)

    def _reopen(self, number: int, frame: FrameType | None) -> None:
        self.fire(ReopenLogs(), self)

    @handler("_drain")
    def _on_drain(self) -> Generator[Any, Any, None]:
        self.fire(Draining(), "*")
        yield sleep(self._drain_delay)
        if self._is_worker:
            # Others accept from now on. Whom we have just accepted is about to ask.
            for node in flatten(self):
                if isinstance(node, BaseServer):
                    node.server._close_listener()
            yield sleep(_FIRST_REQUEST_SECONDS)
        self.stop()

    @handler("signal")
    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if number == HANG_UP and not self._is_worker:
            self._reload_certificates()
            self._on_reopen_logs()

    def _reload_certificates(self) -> None:
        for node in flatten(self):
            if isinstance(node, BaseServer):
                try:
                    node.server.reload_certificates()
                except OSError as problem:
                    say(f"circuits.web: the certificate stays as it was: {problem}")

    @handler("_reopen_logs")
    def _on_reopen_logs(self) -> None:
        for node in flatten(self):
            if isinstance(node, Logger):
                node.reopen()
