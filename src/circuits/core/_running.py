"""Which event is being handled, and by whom: for log records, which are few.

Nobody writes that down while an application runs. It is read from the stack of the thread that asks:
dispatch has the event in a variable, a step of a suspended handler has its task.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ._dispatch import Dispatch
from ._loop import Loop
from ._session import Session
from ._task_table import TaskTable
from ._tracing import new_id
from .events import BaseEvent
from .manager import Manager

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["number_of", "running"]

_DISPATCHES = frozenset({
    Dispatch.flush.__code__, Dispatch.run.__code__, Dispatch.follow_up.__code__, Dispatch.attempt.__code__,
})  # fmt: skip
_STEP = TaskTable.step.__code__

#: Where a turn begins. What is further up the stack belongs to a loop around this one, such as that
#: of a parent process that was forked in a handler.
_TURNS = frozenset({Loop.turn.__code__, Session.loop.__code__})

#: How many suspended coroutines are looked at for the one that asks.
_TASKS = 1000


def running() -> tuple[BaseEvent | None, Any]:
    """The event whose handler calls this, and the component; ``None`` for what there is not.

    The component is the nearest one on the stack: also where its method is called without an event.
    """
    component: Any = None
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        if code in _DISPATCHES or code is _STEP:
            found = frame.f_locals
            event = found["task"].event if code is _STEP else found.get("event")
            if isinstance(event, BaseEvent):
                return event, component
        elif code in _TURNS:
            break
        elif component is None and code.co_varnames[:1] == ("self",):
            owner = frame.f_locals.get("self")
            if isinstance(owner, Manager):
                component = owner
        frame = frame.f_back
    return _of_coroutine(component), component


def _of_coroutine(component: Any) -> BaseEvent | None:
    asyncio = sys.modules.get("asyncio")
    if asyncio is None or component is None:
        return None
    try:
        current = asyncio.current_task()
    except RuntimeError:  # no loop runs in this thread
        return None
    tasks = component._tree_engine.tasks
    if current is None or len(tasks) > _TASKS:
        return None
    for task in tasks:
        if getattr(task, "future", None) is current:
            event: BaseEvent = task.event
            return event
    return None


def number_of(event: BaseEvent) -> int:
    """A number that no other event of this process has: that of its trace, if it has one."""
    firing = event._event_firing
    trace = event._event_trace or (None if firing is None else firing._event_trace)
    if trace is not None:
        return trace.id
    if not event._event_number:
        event._event_number = new_id()
    return event._event_number
