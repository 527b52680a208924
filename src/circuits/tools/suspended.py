"""What an application is waiting for: its suspended handlers."""

from __future__ import annotations

import dataclasses
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

from circuits.core import _clock
from circuits.core._reports import safe_repr
from circuits.core._tasks import Suspension
from circuits.core._waits import Sleep, Wait
from circuits.core.components import BaseComponent
from circuits.core.events import Event, Started, Stopped
from circuits.core.handlers import handler, reprhandler
from circuits.core.utils import flatten

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType
    from typing import Protocol

    from circuits.core._engine import Engine
    from circuits.core.events import BaseEvent
    from circuits.core.manager import Manager

    class _Writable(Protocol):
        def write(self, text: str, /) -> object: ...


__all__ = ["Suspended", "TaskDump", "tasks"]


@dataclasses.dataclass(frozen=True)
class Suspended:
    """A handler that is suspended. As text, it is a few lines.

    Attributes:
        handler: The handler, as :func:`~circuits.core.handlers.reprhandler` shows it.
        event: The event that it handles.
        waits_for: What it waits for.
        places: Where it is, ``file:line in function``, the handler itself first, then what it
            waits in.
    """

    handler: str
    event: BaseEvent
    waits_for: str
    places: tuple[str, ...]

    def __str__(self) -> str:
        lines = [f"{self.handler} of {safe_repr(self.event)}", f" waits for {self.waits_for}"]
        return "\n".join([*lines, *(f"  {place}" for place in self.places)])


def tasks(x: Manager) -> list[Suspended]:
    """Every suspended handler of the components below ``x``, in the order of their beginning.

    Any thread may ask; of a loop that runs meanwhile, this is one moment.

    .. versionadded:: 2.1
    """
    engine = x._tree_engine
    below = None if x.parent is x else {id(node) for node in flatten(x)}
    found = []
    for task in engine.tasks:
        if below is not None and id(task.owner) not in below:
            continue
        chain = list(_chain(task))
        try:
            shown = reprhandler(task.method)
        except AttributeError:  # a task that is no handler's
            shown = safe_repr(task.method)
        places = tuple(place for place in map(_place, chain) if place is not None)
        found.append(Suspended(shown, task.event, _waits_for(engine, task, chain), places))
    return found


def _chain(task: Any) -> Iterator[Any]:
    """The generators and coroutines of a task, from the handler inwards; then the awaitable."""
    stack = [task.coroutine] if hasattr(task, "coroutine") else list(task.stack)
    yield from stack[:-1]
    node = stack[-1] if stack else None
    while node is not None:
        yield node
        node = getattr(node, "cr_await", None) or getattr(node, "gi_yieldfrom", None)


def _frame(node: Any) -> FrameType | None:
    return getattr(node, "cr_frame", None) or getattr(node, "gi_frame", None)


def _place(node: Any) -> str | None:
    frame = _frame(node)
    if frame is None or _suspension(node) is not None:
        return None
    code = frame.f_code
    return f"{code.co_filename}:{frame.f_lineno} in {code.co_qualname}"


def _suspension(node: Any) -> Suspension | None:
    if isinstance(node, Suspension):
        return node
    frame = _frame(node)  # the generator of an __await__
    found = None if frame is None else frame.f_locals.get("self")
    return found if isinstance(found, Suspension) else None


def _waits_for(engine: Engine, task: Any, chain: list[Any]) -> str:
    is_running = getattr(getattr(task, "coroutine", None), "cr_running", False)
    if task.is_executing or is_running:  # it is the one that asks, or that a signal has interrupted
        return "nothing: it is running"
    waiting = task.waiting
    if waiting is None:
        waiting = next(filter(None, map(_suspension, chain)), None)
    if waiting is not None:
        return _describe(waiting)
    if task in engine.tasks.polled:
        return "nothing that it names: a bare yield"
    if not hasattr(task, "coroutine") or task.future is None:
        return "its turn"
    last = chain[-1]
    name = getattr(last, "__qualname__", None)
    return name if isinstance(name, str) else safe_repr(last)


def _describe(waiting: Suspension) -> str:
    if isinstance(waiting, Sleep):
        return f"the end of {waiting.seconds:g} s{_left(waiting._appointment)}"
    if isinstance(waiting, Wait):
        if waiting._event is not None:
            what = f"the end of {safe_repr(waiting._event)}"
        else:
            where = ", ".join(map(safe_repr, waiting._channels))
            what = f"an event {waiting._name!r} on {where}"
        return what + _left(waiting._appointment)
    return safe_repr(waiting)


def _left(appointment: Any) -> str:
    while appointment is not None and appointment.moved_to is not None:
        appointment = appointment.moved_to
    if appointment is None:
        return ""
    return f", {round(max(0.0, appointment.deadline - _clock.now()), 1):g} s left"


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
