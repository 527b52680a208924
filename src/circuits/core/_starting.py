"""What is put off until the handlers of ``started`` have ended (see docs/decisions: 0020).

They open what requests need, and servers accept when they have ended. But programs have others there,
too, which do something again and again as long as they run: servers would wait for them in vain. What
they wait for tells: a time that is beyond the limit, an ``asyncio.Queue`` that others fill, or, after a
while, the same place as before.
"""

from __future__ import annotations

import sys

from . import _clock
from ._flags import QUEUED
from ._reports import log_late_starts
from ._sleep import Sleep
from ._suspension import Suspension
from ._tasks import awaits_of, frame_of
from ._waits import Wait

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._engine import Engine
    from .events import Started
    from .manager import Manager

__all__ = ["Starting"]

#: How often is looked whether there is still something to wait for, in seconds.
_LOOK_SECONDS = 0.05

#: For how long one that comes back to the same place may be trying something, in seconds.
_TRY_SECONDS = 1.0


class Starting:
    """What begins when all handlers of one ``started`` have ended, suspended ones too.

    At most the ``start_timeout`` of the root later; sooner when it turns out that they do not end,
    and at once when one waits for an event by its name, which may come through what begins.

    Args:
        manager: What has been started.
        started: The event, whose end is told to this.
    """

    is_awaited = False  # as a waiter for the end of ``started``

    def __init__(self, manager: Manager, started: Started) -> None:
        self._manager = manager
        self._started = started
        self._since = self._deadline = _clock.now()
        self._deferred: list[Callable[[], object]] = []
        self._is_over = False
        self._look = _clock.NEVER
        #: Where each handler was found, and what it waited for there.
        self._seen: dict[Any, object] = {}

    def resolve(self, event: Started, value: object) -> None:
        """All handlers of ``started`` have ended."""
        self.begin()

    def defer(self, begin: Callable[[], object]) -> bool:
        """Put something off, if there is anything to wait for.

        Who joins the tree when the handlers have been called already begins at once.

        Returns:
            Whether it is put off.
        """
        if self._is_over or self._started._event_at is not QUEUED:
            return False
        if not self._deferred:
            self._since = _clock.now()
            self._deadline = self._since + self._manager.start_timeout
            self._look_within(self._manager.start_timeout)
        self._deferred.append(begin)
        return True

    def begin(self) -> None:
        """Wait no longer: what was put off begins."""
        if not self._deferred:
            return
        self._is_over = True
        self._look.cancel()
        deferred, self._deferred = self._deferred, []
        for begin in deferred:
            begin()

    def _look_within(self, seconds: float) -> None:
        schedule = self._manager._tree_engine.schedule
        self._look = schedule.call_in(min(_LOOK_SECONDS, seconds), self._look_on)

    def _look_on(self) -> None:
        """Look whether there is still something to wait for."""
        engine = self._manager._tree_engine
        tasks = [task for task in engine.tasks if task.event is self._started]
        left = self._deadline - _clock.now()
        if left > 0 and not all(self._is_in_vain(engine, task, {task}) for task in tasks):
            self._look_within(left)
            return
        if left <= 0:
            log_late_starts(self._manager.start_timeout, tasks)
        self.begin()

    def _is_in_vain(self, engine: Engine, task: Any, looked_at: set[Any]) -> bool:
        """Whether a handler, as far as it shows, does not end before the limit."""
        # Behind the last coroutine is a future, which does not say who sets it.
        nodes = [node for node in awaits_of(task) if frame_of(node) or isinstance(node, Suspension)]
        what = task.waiting or (nodes[-1] if nodes else None)
        if isinstance(what, Wait):
            # It ends with all handlers of the event.
            others = [other for other in engine.tasks if other.event is what._event]
            return any(
                self._is_in_vain(engine, other, {*looked_at, *others})
                for other in others
                if other not in looked_at
            )
        place = (task, *(getattr(frame_of(node), "f_lasti", None) for node in nodes))
        until: object
        if task in engine.tasks.polled:
            until = _clock.now()
        elif (end := _end_of_sleep(what)) is None:
            return _is_of_asyncio(what, "Queue", "get")
        else:
            # What the sleep itself has noted: what is worked out anew is never quite the same.
            until, left = end
            if _clock.now() + left >= self._deadline:
                return True
        comes_back = self._seen.setdefault(place, until) != until
        return comes_back and _clock.now() - self._since >= _TRY_SECONDS


def _end_of_sleep(what: Any) -> tuple[float, float] | None:
    """When a sleep ends, of which kind ever, by its own clock and in seconds from now; or ``None``."""
    if isinstance(what, Sleep):
        return None if what.deadline is None else (what.deadline, what.deadline - _clock.now())
    if _is_of_asyncio(what, "sleep"):
        # asyncio tells nobody when; its frame does. One that does not, in a later version, is waited
        # for like what is unknown.
        found = what.cr_frame.f_locals
        if "h" in found and "loop" in found:
            when: float = found["h"].when()
            return when, when - found["loop"].time()
    return None


def _is_of_asyncio(node: Any, *names: str) -> bool:
    function: Any = sys.modules.get("asyncio")
    for name in names:
        function = getattr(function, name, None)
    code = getattr(node, "cr_code", None)
    return code is not None and code is getattr(function, "__code__", None)
