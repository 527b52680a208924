"""What an application is waiting for: its suspended handlers."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from . import _clock
from ._shown import safe_repr
from ._sleep import Sleep
from ._suspension import Suspension
from ._tasks import awaits_of, frame_of
from ._waits import Wait
from .handlers import reprhandler
from .utils import flatten

if TYPE_CHECKING:
    from ._engine import Engine
    from .events import BaseEvent
    from .manager import Manager

__all__ = ["Suspended", "tasks"]


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


def tasks(x: Manager, most: int | None = None) -> list[Suspended]:
    """Every suspended handler of the components below ``x``, in the order of their beginning.

    Any thread may ask; of a loop that runs meanwhile, this is one moment.

    Args:
        x: Top of what is looked at.
        most: How many are listed; ``None`` is all.

    .. versionadded:: 2.1
    """
    engine = x._tree_engine
    below = None if x.parent is x else {id(node) for node in flatten(x)}
    found: list[Suspended] = []
    for task in engine.tasks:
        if most is not None and len(found) >= most:
            break
        if below is not None and id(task.owner) not in below:
            continue
        chain = list(awaits_of(task))
        try:
            shown = reprhandler(task.method)
        except AttributeError:  # a task that is no handler's
            shown = safe_repr(task.method)
        places = tuple(place for place in map(_place, chain) if place is not None)
        found.append(Suspended(shown, task.event, _waits_for(engine, task, chain), places))
    return found


def _place(node: Any) -> str | None:
    frame = frame_of(node)
    if frame is None:
        return None
    code = frame.f_code
    return f"{code.co_filename}:{frame.f_lineno} in {code.co_qualname}"


def _waits_for(engine: Engine, task: Any, chain: list[Any]) -> str:
    is_running = getattr(getattr(task, "coroutine", None), "cr_running", False)
    if task.is_executing or is_running:  # it is the one that asks, or that a signal has interrupted
        return "nothing: it is running"
    waiting = task.waiting
    if waiting is None and chain and isinstance(chain[-1], Suspension):
        waiting = chain[-1]
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
        what = f"the end of {waiting.seconds:g} s"
    elif not isinstance(waiting, Wait):
        return safe_repr(waiting)
    elif waiting._event is not None:
        what = f"the end of {safe_repr(waiting._event)}"
    else:
        where = ", ".join(map(safe_repr, waiting._channels))
        what = f"an event {waiting._name!r} on {where}"
    if waiting.deadline is None:
        return what
    return f"{what}, {round(max(0.0, waiting.deadline - _clock.now()), 1):g} s left"
