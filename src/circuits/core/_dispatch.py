"""Dispatch: what happens to an event, from the queue to the last of its feedback.

Most events have one handler or a few that want nothing but the arguments. :meth:`Dispatch.flush`
calls those itself, since a call of ours would cost as much as theirs. Whoever wants more of an
event has flagged it (see ``_flags``), and it takes the slow path: ``run``, ``finish``,
``feedback``.
"""

from __future__ import annotations

import sys
from types import CoroutineType, GeneratorType

from ._causes import Cause, Firing
from ._flags import (
    COMPLETE,
    COUNTED,
    DONE,
    FAILURE,
    HAS_EXTRAS,
    HAS_FEEDBACK_CHANNELS,
    NOTIFY,
    REFIRED,
    SUCCESS,
    SUSPENDED,
    WAITED,
    changes,
)
from ._queue import Refiring, event_of
from ._reports import fire_error, format_traceback, log_unheard
from ._routing import as_channels
from .events import Complete, Done, Failure, Success, derived_class
from .values import HAS_RESULT, Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._engine import Engine
    from ._routing import Route
    from .events import BaseEvent

__all__ = ["Dispatch"]

# Elsewhere than in CPython nothing is counted, and nothing has to be parted.
getrefcount: Callable[[object], int] = getattr(sys, "getrefcount", lambda thing: 0)

#: What a handler returns that is not over yet.
_SUSPENDED = frozenset({GeneratorType, CoroutineType})


def _count_of_a_local() -> int:
    thing = object()
    return getrefcount(thing)


#: The count of something that a local variable holds, and one other thing.
_HELD_ONCE_MORE = _count_of_a_local() + 1


_new: Any = object.__new__

#: Combined here, since Python would do so each time.
_TOLD = SUCCESS | DONE
_HAS_HISTORY = COUNTED | SUSPENDED | REFIRED
_HISTORY_TAKEN = ~(COUNTED | REFIRED)
_FIRED_BEFORE = SUSPENDED | REFIRED

#: What an event keeps of the firing that it stands for.
_OF_ONE_FIRING = (
    "channels", "_event_at", "_event_cause", "_event_failed", "_event_firing", "_event_stopped",
    "_event_value", "_event_waiters",
)  # fmt: skip


class Dispatch:
    """Runs the handlers of events, and tells what became of them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._queue = engine.queue
        self._routes = engine.routes
        self._tasks = engine.tasks

    # -- the queue --

    def flush(self) -> bool:
        """Dispatch what was queued when it began; whether there was anything.

        Called by a handler: what is left of the batch that the handler is part of.
        """
        queue, plain = self._queue, self._routes.plain
        if not queue.left:
            # What queue.begin_batch does, without the call, as most batches are small.
            queue.left = len(queue)
            if queue.ranked:
                queue.begin_batch()
            if not queue.left:
                return False
        popleft, flags = queue.popleft, changes
        seen = flags.latest
        try:
            while left := queue.left:
                queue.left = left - 1
                try:
                    event = popleft()
                except IndexError:  # this tree became part of another one
                    queue.left = 0
                    break
                key = event._event_key
                if key is None:
                    self._dispatch_flagged(event)
                    continue
                try:
                    methods = plain[key][event.channels]
                except KeyError:
                    methods = self._routes.resolve_plain(key, event.channels)
                if methods is None:
                    self.dispatch(event)
                    continue
                # What dispatch does, without the call, for most handlers of most events.
                for method in methods:
                    event._event_at = method
                    args = event._event_args
                    try:
                        result = method(*args) if args else method()
                        if result is not None:
                            if type(result) in _SUSPENDED:
                                self._tasks.suspend(event, method, result)
                            else:
                                value = event._event_value
                                if (
                                    value._flags
                                    or flags.latest is not seen
                                    or isinstance(result, Value)
                                ):
                                    value.setValue(result)
                                else:  # the same, for the first result of most events
                                    value._value = result
                                    value._flags = HAS_RESULT
                    except BaseException as problem:
                        self.fail(event, method, problem)
                    if flags.latest is not seen:
                        seen = flags.latest
                        if event._event_key is None:
                            self._go_on(event, methods, method)
                            break
                event._event_at = None
                if event._event_key is None:
                    self.finish(event, event._event_flags | event._event_class_flags)
                else:
                    value = event._event_value
                    if getrefcount(value) == _HELD_ONCE_MORE:
                        value.event = None  # see finish
        except Exception as problem:
            # What is left of the batch comes at the next flush.
            self._give_up(event, problem)  # type: ignore[possibly-undefined]
        # The traceback of what a handler raised holds this frame, which must hold nothing: else
        # each failure would keep the one before.
        event = args = value = None  # type: ignore[assignment]
        return True

    def flush_within(self) -> None:
        """Flush in a handler; what others fire meanwhile is not counted for its event."""
        queue = self._queue
        cause = queue.set_cause(None)
        queue.add_reasons(1)
        try:
            self.flush()
        finally:
            queue.add_reasons(-1)
            queue.set_cause(cause)

    # -- one event --

    def dispatch(self, event: BaseEvent) -> None:
        """Run the handlers of one event."""
        key = event._event_key
        if key is None or key in self._routes.awaited:
            self._dispatch_flagged(event)
            return
        try:
            routes = self._routes.cache[key][event.channels]
        except KeyError:
            routes = self._routes.resolve(key, event.channels)
        if routes:
            self.run(event, routes)
        else:
            event._event_at = None
            if key == "error":
                log_unheard(event)
        if event._event_key is None:
            self.finish(event, event._event_flags | event._event_class_flags)

    def _go_on(self, event: BaseEvent, methods: tuple[Callable[..., Any], ...], last: Any) -> None:
        """Run the rest of the handlers, of an event that one of them has flagged."""
        if not event._event_stopped:
            position = next(n for n, method in enumerate(methods, 1) if method is last)
            routes = tuple((method, False, False) for method in methods[position:])
            self.run(event, routes, event._event_kwargs)

    def run(
        self,
        event: BaseEvent,
        routes: tuple[Route, ...],
        kwargs: dict[str, Any] | None = None,
        tells_results: int = True,
    ) -> None:
        """Run some handlers; each result is told, if the event asks for that or may do so."""
        seen = changes.latest
        for method, wants_event, is_filter in routes:
            event._event_at = method
            args = event._event_args
            try:
                if kwargs:
                    result = (
                        method(event, *args, **kwargs) if wants_event else method(*args, **kwargs)
                    )
                else:
                    result = method(event, *args) if wants_event else method(*args)
                if result is not None:
                    if type(result) in _SUSPENDED:
                        self._tasks.suspend(event, method, result)
                    else:
                        value = event._event_value
                        if (
                            tells_results
                            or value._flags
                            or changes.latest is not seen
                            or isinstance(result, Value)
                        ):
                            value.setValue(result)
                        else:  # the same, for the first result of most events
                            value._value = result
                            value._flags = HAS_RESULT
                    if is_filter:
                        break
            except BaseException as problem:
                self.fail(event, method, problem)
                if is_filter and not isinstance(problem, KeyboardInterrupt | SystemExit):
                    break
            if changes.latest is not seen:
                tells_results = True
                seen = changes.latest
                if event._event_stopped:
                    break
                kwargs = event._event_kwargs
        event._event_at = None

    def take(self, event: BaseEvent, method: Any, result: Any) -> None:
        """Store what a handler returned, or suspend the handler."""
        try:
            if type(result) in _SUSPENDED:
                self._tasks.suspend(event, method, result)
            else:
                event._event_value.setValue(result)
        except Exception as problem:
            self.fail(event, method, problem)

    def _dispatch_flagged(self, event: Any) -> None:
        """Run the handlers of an event that somebody wants more of than that."""
        flags = event._event_flags | event._event_class_flags
        cause: Cause | None = None
        if flags & _HAS_HISTORY:
            if event.__class__ is Refiring:
                self._dispatch_again(event)
                return
            event._event_flags &= _HISTORY_TAKEN
            if flags & COUNTED:
                cause = event._event_cause
            if flags & _FIRED_BEFORE:
                event._event_firing = None  # that of an earlier firing
                if flags & REFIRED:
                    event.channels = event._event_first_channels
        event._event_failed = event._event_stopped = False
        name, table = event._event_name, self._routes
        try:
            routes = table.cache[name][event.channels]
        except KeyError:
            routes = table.resolve(name, event.channels)
        awaited = name in table.awaited
        if awaited:
            flags |= WAITED
            self._tasks.match_waits(event)
        kwargs = None
        if flags & HAS_EXTRAS:
            if event._event_cancelled:
                event._event_at = None
                self.finish(event, flags & ~_TOLD, cause)
                return
            kwargs = event._event_kwargs
            if event._choose_routes is not None:
                routes = event._choose_routes(routes)
        if not routes:
            if routes is None:  # it tells nothing of itself, but its end counts for others
                event._event_at = None
                self.finish(event, flags & WAITED, cause)
                return
            if name == "error":
                log_unheard(event)
        if flags & COMPLETE:
            if cause is not None:
                cause = cause.shortened(self._is_complete_heard)
            cause = Cause(event, cause)
        seen = changes.latest
        if awaited:  # who has waited for it goes on before what its handlers fire
            self._queue.add_reasons(1)
        if cause is None:
            self.run(event, routes, kwargs, flags & NOTIFY)
        else:
            event._event_cause = cause
            queue = self._queue
            if queue.cause is None:
                # What set_cause does, there and back, without the calls.
                queue.cause, queue.alert = cause, True
                queue.epoch += 1
                self.run(event, routes, kwargs, flags & NOTIFY)
                queue.cause, queue.alert = None, queue.sleeping
            else:
                outer = queue.set_cause(cause)
                self.run(event, routes, kwargs, flags & NOTIFY)
                queue.set_cause(outer)
        if awaited:
            self._queue.add_reasons(-1)
        if changes.latest is not seen:
            flags = event._event_flags | event._event_class_flags
        self.finish(event, flags, cause)

    def _dispatch_again(self, refiring: Refiring) -> None:
        """Run the handlers of an event for another firing than the one that it stands for."""
        event = refiring.event
        event._event_refirings.remove(refiring)  # type: ignore[union-attr]  # most often the first
        outer, flags = None, 0
        if event._event_at is not None:  # the other one comes later, or is going on
            outer = [(name, getattr(event, name)) for name in _OF_ONE_FIRING]
            flags = event._event_flags & (COUNTED | REFIRED)
            event._event_waiters = event._event_firing = event._event_cause = None
            event._event_flags &= ~flags
        event.channels = refiring.channels
        event._event_value = refiring.value
        refiring.value = None  # so that it does not count
        if refiring.waiters:
            event._event_waiters = {**(event._event_waiters or {}), **refiring.waiters}
        if refiring._event_cause is not None:
            event._event_cause = refiring._event_cause
            event._event_flag(COUNTED)
        try:
            self.dispatch(event)
        except Exception as problem:
            self._give_up(event, problem)
        if outer is not None:
            for name, state in outer:
                setattr(event, name, state)
            event._event_flag(flags)

    def _is_complete_heard(self, cause: Cause) -> bool:
        event = cause.event
        name = derived_class(Complete, "Complete", event)._event_name
        where = as_channels(getattr(event, "complete_channels", None) or cause.channels)
        return name in self._routes.awaited or bool(self._engine.route(name, where))

    # -- ending --

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
        if flags & _TOLD:
            channels = source.channels
            if flags & DONE:
                self.feedback(Done, "Done", event, channels, value.value)
            if flags & SUCCESS and not source._event_failed:
                if flags & HAS_FEEDBACK_CHANNELS:
                    channels = getattr(event, "success_channels", None) or channels
                self.feedback(Success, "Success", event, channels, value.value)
        if cause is not None:
            source._event_cause = None
            if cause.outer is not None:
                self.end_cause(cause, value)
            elif cause.pending > 1:  # what end_cause would do, without the calls
                cause.pending -= 1
            else:
                self._tell_complete(cause, value)
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
        if getrefcount(value) == _HELD_ONCE_MORE + is_counted:
            value.event = None

    def end_cause(self, cause: Cause, value: Value | None = None) -> None:
        """Count one event of a cause, or one hold, as finished; tell what is complete then.

        ``value`` is that of the event, if its end is told elsewhere.
        """
        for over in cause.leave(self._is_complete_heard):
            self._tell_complete(over, value)

    def _tell_complete(self, over: Cause, value: Value | None) -> None:
        event, channels, results = over.event, over.channels, over.value
        if (event._event_flags | event._event_class_flags) & HAS_FEEDBACK_CHANNELS:
            channels = getattr(event, "complete_channels", None) or channels
        self.feedback(Complete, "Complete", event, channels, results.value)
        over.value = None  # so that it does not count
        if results is not value and getrefcount(results) == _HELD_ONCE_MORE:
            results.event = None

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

    # -- failing --

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
        if isinstance(problem, KeyboardInterrupt | SystemExit):
            source._event_value.cut = True
            self._engine.stop(problem.code if isinstance(problem, SystemExit) else None)
            return
        if lines is None:
            lines = format_traceback(problem)
        error = (type(problem), problem, lines)
        source._event_failed = True
        source._event_value.fail(error)
        event._event_flag()  # so that this is forgotten before it is dispatched once more
        if (event._event_flags | event._event_class_flags) & FAILURE:
            channels = getattr(event, "failure_channels", None) or source.channels
            self.feedback(Failure, "Failure", event, channels, error)
        fire_error(self._engine.root, problem, method, event, lines, source._event_waiters)

    def _give_up(self, entry: Any, problem: BaseException) -> None:
        """End an event in whose dispatch something else than a handler raised: a mistake of it."""
        event = event_of(entry)
        self._queue.set_cause(None)
        self.fail(event, event.handler, problem)
        event._event_at = None
        self.finish(event, event._event_flags | event._event_class_flags, event._event_cause)
