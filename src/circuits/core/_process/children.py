"""The children of a supervisor: how each is made, and what has become of it."""

from __future__ import annotations

import os

from circuits.core import _clock
from circuits.core._descriptor import Descriptor, DescriptorOwner
from circuits.core._routing import TREE_LOCK
from circuits.core._sleep import sleep
from circuits.core.errors import TimeoutError
from circuits.core.events import Event

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any

    from circuits.core.manager import Manager


#: How often to look whether a process that was told to end has done so, in seconds.
_SHORTEST_LOOK, _LONGEST_LOOK = 0.001, 0.05


class Ended(Event):
    """A process has ended: fired by its supervisor at itself."""

    name = "_ended"


class Child:
    """How to make one child, and what has become of it."""

    __slots__ = (
        "component", "crashes", "fatal", "has_ended", "is_paused", "is_running", "link", "make", "name",
        "process", "restart", "runs_apart", "started", "watch",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        make: Callable[[], Any],
        runs_apart: bool,
        link: Manager | None,
        fatal: tuple[type[BaseException], ...],
        restart: str,
    ) -> None:
        self.name = name
        self.make = make
        self.runs_apart = runs_apart
        self.link = link
        self.fatal = fatal
        self.restart = restart
        self.component: Any = None
        self.process: Any = None
        self.watch: Descriptor | None = None
        self.is_running = False
        self.is_paused = False  # to be started again a little later
        self.started = 0.0  # by the clock
        self.crashes = 0  # one soon after the other
        self.has_ended = False  # by itself and in good order: it is not started again

    def stop(self, supervisor: Manager) -> Generator[Any, Any, None]:
        """Take the component out, or end the process, in at most the ``stop_timeout`` of the root."""
        self.is_running = False
        if self.process is not None:
            yield self._end_process(_clock.now() + supervisor.root.stop_timeout)
        elif self.component is not None and not self.runs_apart:
            yield self._take_out(supervisor, _clock.now() + supervisor.root.stop_timeout)
        self.component = self.process = None

    def _take_out(self, supervisor: Manager, deadline: float) -> Generator[Any, Any, None]:
        component = self.component
        component.unregister()
        while component.parent is supervisor:
            left = max(0.001, deadline - _clock.now())
            try:
                yield supervisor.wait("unregistered", "*", timeout=left)
            except TimeoutError:
                with TREE_LOCK:  # a handler of its farewell does not end
                    if component.parent is supervisor:
                        component._tree_detach()

    def _end_process(self, deadline: float) -> Generator[Any, Any, None]:
        process = self.process
        wait = _SHORTEST_LOOK
        try:
            if process.is_alive():
                process.terminate()
            # Not by its descriptor: where the supervisor leaves, nobody polls for it any more.
            while process.is_alive() and _clock.now() < deadline:
                yield sleep(wait)
                wait = min(2 * wait, _LONGEST_LOOK)
        finally:
            if process.is_alive():
                process.kill()
            process.join()
            if self.watch is not None:
                self.watch.finish()
                self.watch = None

    def kill(self) -> None:
        """End the process at once, if there is one."""
        if self.process is not None:
            self.process.kill()
            self.process.join()
            self.component = self.process = None


class Watcher(DescriptorOwner):
    """Hears of the ends of processes, for a supervisor."""

    _of: dict[Any, Child]

    def watch(self, child: Child) -> None:
        """Fire ``_ended`` when the process of a child has ended."""
        if hasattr(os, "pidfd_open"):
            number = os.pidfd_open(child.process.pid)
        else:  # pragma: no cover - not on Linux
            number = os.dup(child.process.sentinel)
        child.watch = Descriptor(self, number)
        self._of = {**vars(self).get("_of", {}), number: child}
        self._find_poller()
        self._adopt(child.watch)

    def _descriptor_readable(self, descriptor: Descriptor) -> None:
        child = self._of.pop(descriptor.file)
        descriptor.finish()
        self.fire(Ended(child, child.process), self.parent)
