"""The children of a supervisor: how each is made, and what has become of it."""

from __future__ import annotations

import os

from ._descriptor import Descriptor, DescriptorOwner
from .events import Event

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .manager import Manager


class Ended(Event):
    """A process has ended: fired by its supervisor at itself."""

    name = "_ended"


class Child:
    """How to make one child, and what has become of it."""

    __slots__ = (
        "component", "fatal", "has_ended", "is_running", "link", "make", "name", "process", "restart", "runs_apart",
        "watch",
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
        self.has_ended = False  # by itself and in good order: it is not started again


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
        self._check_poller()
        self._adopt(child.watch)

    def _descriptor_readable(self, descriptor: Descriptor) -> None:
        child = self._of.pop(descriptor.file)
        descriptor.finish()
        self.fire(Ended(child, child.process), self.parent)
