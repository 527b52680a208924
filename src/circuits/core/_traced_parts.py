"""The parts of an engine while somebody traces: what they are otherwise, and they tell ``Tracing``.

An instance is made one of these, and what it was before, by assigning its class: so the ordinary
engine has no branch for tracing. They have no state of their own but ``_tracing``.
"""

from __future__ import annotations

from . import _clock
from ._dispatch import EVENTS_PER_TURN, Dispatch
from ._outcomes import HELD_ONCE_MORE, Outcomes, getrefcount
from ._queue import event_of
from ._task_table import TaskTable
from .errors import EXIT_EXCEPTIONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._causes import Firing
    from ._queue import Refiring
    from ._routing import Route
    from ._tracing import Tracing
    from .events import BaseEvent

__all__ = ["TracedDispatch", "TracedOutcomes", "TracedTaskTable"]


class TracedDispatch(Dispatch):
    """Counts every event, and times the handlers of those that are traced."""

    _tracing: Tracing

    def flush(self, whole: bool = False) -> int:
        queue, tracing = self._queue, self._tracing
        count = queue.left or queue.begin_batch()
        if not count:
            return 0
        if count > EVENTS_PER_TURN and not whole and self._engine.loop.runner is not None:
            return self._flush_part()
        tracing.deepest = max(tracing.deepest, queue.left)
        popleft = queue.popleft
        outer = tracing.running
        entry: Any = None
        value: Any = None
        try:
            while left := queue.left:
                queue.left = left - 1
                try:
                    entry = popleft()
                except IndexError:  # this tree became part of another one
                    queue.left = 0
                    break
                tracing.running = entry
                try:
                    tracing.events[entry._event_name][entry.channels] += 1
                except (KeyError, AttributeError):
                    tracing.count(event_of(entry)._event_name, entry.channels)
                if entry._event_trace is not None:
                    tracing.begin(entry)
                self.dispatch(entry)
                trace = entry._event_trace
                if trace is not None:  # perhaps since one of its handlers has fired one that is
                    entry._event_trace = None
                    tracing.end(trace, event_of(entry)._event_firing)
                if entry._event_key is not None:
                    value = entry._event_value
                    if getrefcount(value) == HELD_ONCE_MORE:
                        value._event = None  # as in the flush that this replaces
        except Exception as problem:
            self._give_up(entry, problem)
        finally:
            tracing.running = outer
            tracing._via = None
        entry = value = None
        return count

    def follow_up(self) -> None:
        self._engine.loop.drain()

    def _dispatch_again(self, refiring: Refiring) -> None:
        event = refiring.event
        outer = event._event_trace
        event._event_trace = refiring._event_trace
        super()._dispatch_again(refiring)
        event._event_trace = outer

    def run(
        self,
        event: BaseEvent,
        routes: tuple[Route, ...],
        kwargs: dict[str, Any] | None = None,
        tells_results: int = True,
    ) -> bool:
        trace = event._event_trace
        if trace is None or not routes:
            return super().run(event, routes, kwargs, tells_results)
        for route in routes:
            began = _clock.now()
            # Not super(): a handler may have ended the tracing, and changed our class with it.
            goes_on = Dispatch.run(self, event, (route,), kwargs, True)
            trace.calls.append((route[0], _clock.now() - began))
            if not goes_on:
                return False
            kwargs = event._event_kwargs
        return True


class TracedTaskTable(TaskTable):
    """Knows for which event a suspended handler goes on."""

    _tracing: Tracing

    def add(self, task: Any) -> None:
        super().add(task)
        task.firing._event_trace = task.event._event_trace

    def step(self, task: Any) -> None:
        tracing = self._tracing
        outer = tracing.running
        tracing.running = task.firing
        try:
            super().step(task)
        finally:
            tracing.running = outer

    def _leave(self, firing: Firing) -> None:
        super()._leave(firing)
        trace = firing._event_trace
        if trace is not None and not firing.unfinished:
            self._tracing.finish(trace)


class TracedOutcomes(Outcomes):
    """Tells what was raised."""

    _tracing: Tracing

    def fail(
        self,
        event: BaseEvent,
        method: Any,
        problem: BaseException,
        lines: list[str] | None = None,
        firing: Firing | None = None,
    ) -> None:
        super().fail(event, method, problem, lines, firing)
        if not isinstance(problem, EXIT_EXCEPTIONS):
            source: Any = event if firing is None else firing
            self._tracing.fail(event, method, problem, source._event_trace)
