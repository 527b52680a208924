"""Outcomes: what is told of an event when its handlers are done, or when one has failed.

Of most events nothing is told. Dispatch comes here with those that are flagged (see ``_flags``),
and with what a handler raised.
"""

from __future__ import annotations

import sys

from ._flags import DONE, FAILURE, HAS_FEEDBACK_CHANNELS, SUCCESS, SUSPENDED, WAITED
from ._reports import fire_error, note_mistake
from ._routing import as_channels
from ._tracebacks import format_traceback
from .errors import EXIT_EXCEPTIONS
from .events import Complete, Done, Failure, Started, Success, derived_class
from .values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._causes import Cause, Firing
    from ._engine import Engine
    from .events import BaseEvent

__all__ = ["HELD_ONCE_MORE", "TOLD", "Outcomes", "getrefcount"]

# Elsewhere than in CPython nothing is counted, and nothing has to be parted.
getrefcount: Callable[[object], int] = getattr(sys, "getrefcount", lambda thing: 0)


def _count_of_a_local() -> int:
    thing = object()
    return getrefcount(thing)


#: The count of something that a local variable holds, and one other thing.
HELD_ONCE_MORE = _count_of_a_local() + 1


_new: Any = object.__new__

#: What is told of every end. Combined here, since Python would do so each time.
TOLD = SUCCESS | DONE


class Outcomes:
    """Tells what became of the events of one tree."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._queue = engine.queue
        self._routes = engine.routes
        self._tasks = engine.tasks

    def finish(
        self,
        event: BaseEvent,
        flags: int,
        cause: Cause | None = None,
        firing: Firing | None = None,
    ) -> None:
        """Tell whoever asked that the handlers are done, unless some are suspended.

        ``flags`` are what is wanted of the event, ``cause`` is what counts it, ``firing`` is one
        whose last suspended handler has ended.
        """
        source: Any = event
        if firing is not None:
            source = firing
        elif flags & SUSPENDED and event._event_firing is not None:
            source = firing = event._event_firing.end_dispatch()
            if firing.unfinished:
                return
            firing._event_value.inform(True)
        value = source._event_value
        if flags & TOLD:
            channels, result = source.channels, value._value
            if isinstance(result, Value):  # nested; most are not, and need no call
                result = value.value
            if flags & DONE:
                self.feedback(Done, "Done", event, channels, result)
            if flags & SUCCESS and not source._event_failed:
                if flags & HAS_FEEDBACK_CHANNELS:
                    channels = getattr(event, "success_channels", None) or channels
                self.feedback(Success, "Success", event, channels, result)
        if cause is not None:
            source._event_cause = None
            if cause.outer is not None:
                self.end_cause(cause, value)
            elif cause.pending > 1:  # what end_cause would do, without the calls
                cause.pending -= 1
            else:
                self.tell_complete(cause, value)
        if flags & WAITED:
            waiters, source._event_waiters = source._event_waiters, None
            for waiter in waiters or ():
                waiter.resolve(event, value)
        if firing is not None:
            # Nothing may be left for the garbage collector, and the value not be held here.
            firing._event_value = None
            if event._event_firing is firing:
                event._event_firing = None
        # An event and its value hold each other. If nobody else holds the value, part them:
        # waiting for the garbage collector costs a third of all that an event costs.
        is_counted = cause is not None and cause.value is value
        if getrefcount(value) == HELD_ONCE_MORE + is_counted:
            value._event = None

    def end_cause(self, cause: Cause, value: Value | None = None) -> None:
        """Count one event of a cause, or one hold, as finished; tell what is complete then.

        ``value`` is that of the event, if its end is told elsewhere.
        """
        for over in cause.leave(self.is_complete_heard):
            self.tell_complete(over, value)

    def tell_complete(self, over: Cause, value: Value | None) -> None:
        """Fire ``complete`` for the event of a cause that is over; ``value`` as of ``end_cause``."""
        event, channels, results = over.event, over.channels, over.value
        result = results._value
        if isinstance(result, Value):
            result = results.value
        if (event._event_flags | event._event_class_flags) & HAS_FEEDBACK_CHANNELS:
            channels = getattr(event, "complete_channels", None) or channels
        self.feedback(Complete, "Complete", event, channels, result)
        over.value = None  # so that it does not count
        if results is not value and getrefcount(results) == HELD_ONCE_MORE:
            results._event = None

    def is_complete_heard(self, cause: Cause) -> bool:
        """Whether anybody hears that the event of a cause is complete."""
        event, where = cause.event, cause.channels
        made = event._event_created.get((Complete, "Complete"))
        name = (made or derived_class(Complete, "Complete", event))._event_name
        if (event._event_flags | event._event_class_flags) & HAS_FEEDBACK_CHANNELS:
            where = getattr(event, "complete_channels", None) or where
        if where.__class__ is not tuple:
            where = as_channels(where)
        return name in self._routes.awaited or bool(self._engine.route(name, where))

    def leave(self, firing: Firing) -> None:
        """One suspended handler of a firing has ended; the last one finishes it."""
        firing.unfinished -= 1
        if not firing.unfinished:
            queue = self._queue
            outer = queue.cause
            if outer is not None:
                queue.set_cause(None)
            firing._event_value.inform(True)
            event = firing.event
            flags = event._event_flags | event._event_class_flags
            self.finish(event, flags, firing._event_cause, firing)
            if outer is not None:
                queue.set_cause(outer)

    def feedback(
        self, kind: type[Any], topic: str, event: BaseEvent, channels: Any, argument: Any
    ) -> None:
        """Fire a feedback event, unless nobody can see it."""
        try:
            made = event._event_created.get((kind, topic)) or derived_class(kind, topic, event)
            if channels.__class__ is not tuple:
                channels = as_channels(channels)
            # After a failure, other handlers of the event run, which may add one that hears of it.
            queue = self._queue
            if (
                not (queue or queue.reasons_to_queue or self._tasks.ready)
                and queue.cause is None
                and kind is not Failure
            ):
                name = made._event_name
                if not (
                    self._engine.route(name, channels)
                    or name in self._routes.awaited
                    or event._event_waiters
                ):
                    return
            # What made(event, argument) does, without the call; such classes are all ours.
            derived = _new(made)
            derived._event_args = (event, argument)
            derived._event_value = None
            derived.parent = event
            derived.channels = channels
            self._engine.root.fire(derived)
        except Exception as problem:  # a channel that is none, or a name that no class may have
            self._engine.report(problem, None, event)

    def fail(
        self,
        event: BaseEvent,
        method: Any,
        problem: BaseException,
        lines: list[str] | None = None,
        firing: Firing | None = None,
    ) -> None:
        """Record what a handler raised, and fire ``failure`` and ``error``.

        ``lines`` are the traceback, if it is that of another process. With a ``firing``, the
        handler was suspended, and belongs to that.
        """
        source: Any = event if firing is None else firing
        if isinstance(problem, EXIT_EXCEPTIONS):
            source._event_value.cut = True
            self._engine.stop(problem.code if isinstance(problem, SystemExit) else None)
            return
        if isinstance(event, Started):
            if getattr(getattr(method, "__self__", None), "must_start", False):
                self._engine.stop(problem)
        if lines is None:
            note_mistake(problem, method, event)
            lines = format_traceback(problem, method)
        error = (type(problem), problem, lines)
        source._event_failed = True
        source._event_value.fail(error)
        event._event_flag()  # so that this is forgotten before it is dispatched once more
        if (event._event_flags | event._event_class_flags) & FAILURE:
            channels = getattr(event, "failure_channels", None) or source.channels
            self.feedback(Failure, "Failure", event, channels, error)
        fire_error(self._engine.root, problem, method, event, lines, source._event_waiters)
