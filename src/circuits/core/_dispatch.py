"""Dispatch: what happens to an event, from the queue to the end of its handlers.

Most events have one handler or a few that want nothing but the arguments. :meth:`Dispatch.flush`
calls those itself, since a call of ours would cost as much as theirs. Whoever wants more of an
event has flagged it (see ``_flags``), and it takes the slow path. What becomes of it is told by
``_outcomes``.
"""

from __future__ import annotations

from types import AsyncGeneratorType, CoroutineType, GeneratorType

from ._causes import Cause
from ._flags import (
    COMPLETE,
    COUNTED,
    HAS_EXTRAS,
    NOTIFY,
    REFIRED,
    SUSPENDED,
    WAITED,
    changes,
)
from ._outcomes import HELD_ONCE_MORE, TOLD, getrefcount
from ._queue import Refiring, event_of
from ._reports import log_unheard
from ._routing import NO_ROUTES, is_unheard
from .errors import EXIT_EXCEPTIONS
from .values import HAS_RESULT, PARTED, Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._engine import Engine
    from ._routing import Route
    from .events import BaseEvent
    from .manager import Manager

__all__ = ["Dispatch"]

#: How many events a turn of a running loop dispatches at the most; the rest of the batch comes in the
#: next one. So timers, descriptors and signals wait for milliseconds, however much is queued.
EVENTS_PER_TURN = 4096

#: What a handler returns that is not over yet.
_SUSPENDED = frozenset({GeneratorType, CoroutineType, AsyncGeneratorType})

#: Combined here, since Python would do so each time.
_HAS_HISTORY = COUNTED | SUSPENDED | REFIRED
_HISTORY_TAKEN = ~(COUNTED | REFIRED)
_FIRED_BEFORE = SUSPENDED | REFIRED

#: What an event keeps of the firing that it stands for.
_OF_ONE_FIRING = (
    "channels", "_event_at", "_event_cause", "_event_failed", "_event_firing", "_event_stopped",
    "_event_value", "_event_waiters",
)  # fmt: skip


class Dispatch:
    """Runs the handlers of events."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._queue = engine.queue
        self._routes = engine.routes
        self._tasks = engine.tasks
        self._outcomes = engine.outcomes

    # -- the queue --

    def flush(self, whole: bool = False) -> int:
        """Dispatch what was queued when it began, up to what a turn may take; how many events.

        Called by a handler: what is left of the batch that the handler is part of, ``whole``.
        """
        queue, plain = self._queue, self._routes.plain
        count = queue.left
        if not count:
            # What queue.begin_batch does, without the call, as most batches are small.
            count = queue.left = len(queue)
            if queue.ranked:
                count = queue.begin_batch()
            if not count:
                return 0
        if count > EVENTS_PER_TURN and not whole and self._engine.loop.runner is not None:
            return self._flush_part()
        popleft, flags = queue.popleft, changes
        seen = flags.latest
        queue.is_flushed = True
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
                    methods = self._resolve_plain(event, key)
                if methods is None:
                    if not self.dispatch(event):
                        continue
                    methods = ()  # they were run, and the event has only to be parted from its value
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
                        self._outcomes.fail(event, method, problem)
                    if flags.latest is not seen:
                        seen = flags.latest
                        if event._event_key is None:
                            self._go_on(event, methods, method)
                            break
                else:
                    event._event_at = None
                    value = event._event_value
                    if getrefcount(value) == HELD_ONCE_MORE:
                        value._event = None  # see finish
                    elif (
                        getrefcount(event) == HELD_ONCE_MORE and event.__weakref__ is None  # type: ignore[attr-defined]
                    ):
                        event._event_value = None  # type: ignore[assignment]
                        value._flags |= PARTED
        except Exception as problem:
            # What is left of the batch comes at the next flush.
            self._give_up(event, problem)  # type: ignore[possibly-undefined]
        queue.is_flushed = False
        # The traceback of what a handler raised holds this frame, which must hold nothing: else
        # each failure would keep the one before.
        event = args = value = None  # type: ignore[assignment]
        return count

    def _flush_part(self) -> int:
        """Dispatch as many events of a batch as a turn may take; the next time, what is left."""
        queue = self._queue
        queue.left, queue.later = EVENTS_PER_TURN, queue.left - EVENTS_PER_TURN
        count = self.flush()
        # What is left now is left of a batch that a handler has cut, or part of another tree.
        queue.left, queue.later = queue.left + queue.later, 0
        return count

    def flush_within(self) -> None:
        """Flush in a handler; what others fire meanwhile is not counted for its event."""
        queue = self._queue
        queue.left, queue.later = queue.left + queue.later, 0
        cause = queue.set_cause(None)
        queue.add_reasons(1)
        try:
            self.flush(whole=True)
        finally:
            queue.is_flushed = True
            queue.add_reasons(-1)
            queue.set_cause(cause)

    # -- one event --

    def follow_up(self) -> None:
        """Dispatch what a step that was a call has left behind, before the next step is taken.

        Most often that is one event, for which all that a batch needs would cost as much again. What
        else there is, and what comes of it, is left to :meth:`Loop.drain`.
        """
        queue, tasks = self._queue, self._tasks
        if (
            queue.reasons_to_queue
            or queue.cause is not None
            or queue.ranked
            or tasks.ready
            or tasks.has_handed_over
        ):
            self._engine.loop.drain()
            return
        try:
            event = queue.popleft()
        except IndexError:  # this tree is becoming part of another one
            return
        if queue:
            queue.appendleft(event)
            if queue.alert:  # this tree has become part of another one
                self._engine.alerted(None)
            self._engine.loop.drain()
            return
        queue.left = 0
        queue.is_flushed = True
        method = None
        try:
            key = event._event_key
            try:
                methods = self._routes.plain[key][event.channels]  # type: ignore[index]
                if methods is not None:
                    (method,) = methods
            except KeyError:
                if key is not None:
                    self._resolve_plain(event, key)
            except ValueError:  # there are several, or none
                pass
            if method is None:
                self.dispatch(event)
            else:
                event._event_at = method
                try:
                    result = method(*event._event_args)
                    if result is not None:
                        self.take(event, method, result)
                except BaseException as problem:
                    self._outcomes.fail(event, method, problem)
                event._event_at = None
            if event._event_key is not None:
                value = event._event_value
                if getrefcount(value) == HELD_ONCE_MORE:
                    value._event = None  # see finish
                elif getrefcount(event) == HELD_ONCE_MORE and event.__weakref__ is None:  # type: ignore[attr-defined]
                    event._event_value = None  # type: ignore[assignment]
                    value._flags |= PARTED
            elif method is not None:
                self._outcomes.finish(event, event._event_flags | event._event_class_flags)
        except Exception as problem:
            self._give_up(event, problem)
        queue.is_flushed = False
        event = value = None  # type: ignore[assignment]  # as in flush
        if queue or tasks.ready:
            self._engine.loop.drain(1)

    def _resolve_plain(self, event: BaseEvent, key: str) -> tuple[Callable[..., Any], ...] | None:
        """Learn where an event goes that was never fired there; returns as ``Routes.resolve_plain``."""
        methods = self._routes.resolve_plain(key, event.channels)
        if self._routes.watch_unheard is not None:
            self._routes.watch_unheard(event)
        return methods

    def attempt(self, event: BaseEvent, manager: Manager, channels: tuple[Any, ...]) -> bool:
        """Fire and dispatch an event that would be the next, if it has one handler and no flags.

        Returns:
            Whether that is done; else nothing was.
        """
        # It may have none, several, or a flag; or was never fired there.
        try:
            (method,) = self._routes.plain[event._event_key][channels]  # type: ignore[index, misc]
        except (KeyError, TypeError, ValueError):
            return False
        queue = self._queue
        event.channels = channels
        event._event_value = value = Value(event, manager)
        event._event_at = method
        queue.is_flushed = True
        try:
            result = method(*event._event_args)
            if result is not None:
                if (
                    type(result) in _SUSPENDED
                    or value._flags
                    or event._event_key is None
                    or isinstance(result, Value)
                ):
                    self.take(event, method, result)
                else:
                    value._value, value._flags = result, HAS_RESULT
        except BaseException as problem:
            self._outcomes.fail(event, method, problem)
        finally:
            queue.is_flushed = False
        event._event_at = None
        if event._event_key is None:
            self._outcomes.finish(event, event._event_flags | event._event_class_flags)
        # As in flush, the traceback of what was raised must hold nothing.
        event = value = None  # type: ignore[assignment]
        return True

    def dispatch(self, event: BaseEvent) -> bool:
        """Run the handlers of one event.

        Returns:
            Whether it has had some, and there is nothing to be told of its end.
        """
        key, table = event._event_key, self._routes
        if key is None or key in table.awaited:
            self._dispatch_flagged(event)
            return False
        try:
            routes = table.cache[key][event.channels]
        except KeyError:
            routes = table.resolve(key, event.channels)
        if routes:
            self.run(event, routes)
        else:
            event._event_at = None
            if key == "error":
                log_unheard(event)
        if event._event_key is None:
            self._outcomes.finish(event, event._event_flags | event._event_class_flags)
            return False
        return bool(routes)

    def _go_on(self, event: BaseEvent, methods: tuple[Callable[..., Any], ...], last: Any) -> None:
        """Run the rest of the handlers, of an event that one of them has flagged, and finish it."""
        if not event._event_stopped:
            position = next(n for n, method in enumerate(methods, 1) if method is last)
            routes = tuple((method, False, False) for method in methods[position:])
            self.run(event, routes, event._event_kwargs)
        event._event_at = None
        self._outcomes.finish(event, event._event_flags | event._event_class_flags)

    def run(
        self,
        event: BaseEvent,
        routes: tuple[Route, ...],
        kwargs: dict[str, Any] | None = None,
        tells_results: int = True,
    ) -> bool:
        """Run some handlers; each result is told, if the event asks for that or may do so.

        Returns:
            Whether all of them were run, and others may be.
        """
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
                self._outcomes.fail(event, method, problem)
                if is_filter and not isinstance(problem, EXIT_EXCEPTIONS):
                    break
            if changes.latest is not seen:
                tells_results = True
                seen = changes.latest
                if event._event_stopped:
                    break
                kwargs = event._event_kwargs
        else:
            event._event_at = None
            return True
        event._event_at = None
        return False

    def take(self, event: BaseEvent, method: Any, result: Any) -> None:
        """Store what a handler returned, or suspend the handler."""
        try:
            if type(result) in _SUSPENDED:
                self._tasks.suspend(event, method, result)
            else:
                event._event_value.setValue(result)
        except Exception as problem:
            self._outcomes.fail(event, method, problem)

    def _dispatch_flagged(self, event: Any) -> None:
        """Run the handlers of an event that somebody wants more of than that."""
        flags = event._event_flags | event._event_class_flags
        cause: Cause | None = None
        if flags & _HAS_HISTORY:
            if flags == COUNTED and self._dispatch_counted(event):
                return
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
            if table.watch_unheard is not None:
                table.watch_unheard(event)
        awaited = name in table.awaited
        if awaited:
            flags |= WAITED
            self._tasks.match_waits(event)
        kwargs = None
        if flags & HAS_EXTRAS:
            if event._event_cancelled:
                event._event_at = None
                self._outcomes.finish(event, flags & ~TOLD, cause)
                return
            kwargs = event._event_kwargs
            if event._choose_routes is not None:
                routes = event._choose_routes(routes)
        if flags & WAITED and routes is not None and is_unheard(routes):
            event._event_value.unheard = True
        if not routes:
            if routes is None:  # it tells nothing of itself, but its end counts for others
                event._event_at = None
                self._outcomes.finish(event, flags & WAITED, cause)
                return
            if name == "error":
                log_unheard(event)
        if flags & COMPLETE:
            if cause is not None:
                cause = cause.shortened(self._outcomes.is_complete_heard)
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
        self._outcomes.finish(event, flags, cause)

    def _dispatch_counted(self, event: Any) -> bool:
        """Run the handlers of an event of which nobody wants more than that it counts for another.

        What _dispatch_flagged and finish do, without asking for all that there may be.

        Returns:
            Whether that is done; else nothing was.
        """
        name, queue, cause = event._event_name, self._queue, event._event_cause
        routes = self._routes.cache.get(name, NO_ROUTES).get(event.channels)
        if not routes or name in self._routes.awaited or queue.cause is not None:
            return False
        event._event_flags = 0
        event._event_failed = event._event_stopped = False
        queue.cause, queue.alert = cause, True
        queue.epoch += 1
        self.run(event, routes, None, 0)
        queue.cause, queue.alert = None, queue.sleeping
        flags = event._event_flags | event._event_class_flags
        if flags or cause.outer is not None:
            self._outcomes.finish(event, flags, cause)
            return True
        event._event_cause = None
        value = event._event_value
        if cause.pending > 1:
            cause.pending -= 1
        else:
            self._outcomes.tell_complete(cause, value)
        if getrefcount(value) == HELD_ONCE_MORE:
            value._event = None
        return True

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

    def _give_up(self, entry: Any, problem: BaseException) -> None:
        """End an event in whose dispatch something else than a handler raised: a mistake of it."""
        event = event_of(entry)
        self._queue.set_cause(None)
        self._outcomes.fail(event, event.handler, problem)
        event._event_at = None
        self._outcomes.finish(
            event, event._event_flags | event._event_class_flags, event._event_cause
        )
