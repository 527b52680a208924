"""Where a tree can be observed from outside: what other threads fire, and what is dispatched.

For a recording, which has to know both what comes and when, and for a replay, which puts itself in
the place of the other threads. Parts of the engine get classes that extend theirs, so that without
them nothing is looked at.
"""

from __future__ import annotations

import _thread
from collections import deque

from ._queue import EventQueue, _Ranked, event_of
from ._traced_parts import TracedDispatch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._direct import Direct
    from ._engine import Engine
    from .events import BaseEvent

    #: Told of an entry, its event, channels and priority, and whether the loop's thread has fired
    #: it; returns whether to keep it out of the queue.
    Intake = Callable[[Any, BaseEvent, tuple[Any, ...], float, bool], bool]

__all__ = ["admit", "show_dispatch", "watch_queue"]

#: What is asked about each entry, by the queue. The queues of trees that are not watched are not here.
_intakes: dict[int, tuple[Intake, Engine]] = {}


class WatchedQueue(EventQueue):
    """A queue that asks before it takes something."""

    __slots__ = ()

    def append(self, entry: Any) -> None:
        intake, engine = _intakes[id(self)]
        loop = engine.loop
        is_ours = loop.thread is None or loop.thread == _thread.get_ident()
        priority, fired = 0.0, entry
        if entry.__class__ is _Ranked:
            priority, fired = entry.priority, entry.event
        if not intake(entry, event_of(fired), fired.channels, priority, is_ours):
            deque.append(self, entry)


def watch_queue(engine: Engine, intake: Intake | None) -> None:
    """Ask a function about each event that is fired; ``None`` ends that.

    What it keeps out of the queue, it may :func:`admit` later. It is called by any thread.
    """
    queue: Any = engine.queue
    if intake is None:
        queue.__class__ = EventQueue
    else:
        _intakes[id(queue)] = intake, engine
        queue.__class__ = WatchedQueue
    engine.append, engine.rank = queue.append, queue.rank
    if intake is None:
        _intakes.pop(id(queue), None)


def admit(engine: Engine, entry: Any) -> None:
    """Put an entry into the queue that was kept out of it. In the loop's thread."""
    if entry.__class__ is _Ranked:
        engine.queue.ranked.append(None)  # an earlier batch may have used up the note
    deque.append(engine.queue, entry)


class _Shower:
    """What a :class:`TracedDispatch` tells, made a call for each event that is dispatched."""

    deepest = 0
    _via = None

    def __init__(self, show: Callable[[BaseEvent, Any], object]) -> None:
        self._show = show
        self.running: Any = None
        self.events: dict[str, Any] = {}  # always empty: so it asks to count each

    def count(self, name: str, channels: Any) -> None:
        self._show(event_of(self.running), channels)


def show_dispatch(
    engine: Engine,
    show: Callable[[BaseEvent, Any], object],
    tap: Callable[[Direct], object],
) -> None:
    """Call one function with each event that is dispatched, one with each step that is a call."""
    dispatch: Any = engine.dispatch
    dispatch._tracing = _Shower(show)
    dispatch.__class__ = TracedDispatch

    def look(door: Direct) -> bool:
        tap(door)
        return False

    engine.set_tap(look)
