"""Dispatch: what happens to the events of one tree, from the queue to the last of their feedback.

Most events have one handler or a few that want nothing but the arguments. :meth:`Dispatch.flush`
calls those itself, since a call of ours would cost as much as theirs. Whoever wants more of an
event has marked it (see ``events``), and it takes the long way.
"""

from __future__ import annotations

import sys
from collections import deque
from types import CoroutineType, GeneratorType

from . import _clock
from ._causes import Cause, Firing
from ._queue import EventQueue
from ._routing import Routes
from .events import (
    COMPLETE,
    COUNTED,
    DONE,
    ELSEWHERE,
    FAILURE,
    RARE,
    SUCCESS,
    WAITED,
    Complete,
    Done,
    Error,
    Failure,
    Success,
    changes,
    derived_class,
)
from .values import HAS_RESULT, Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from ._routing import Route
    from ._tasks import Task, Wait
    from .events import BaseEvent
    from .manager import Manager

# Elsewhere than in CPython nothing is counted, and nothing has to be parted.
getrefcount: Callable[[object], int] = getattr(sys, "getrefcount", lambda thing: 0)

_NO_ROUTES: dict[tuple[Any, ...], tuple[Route, ...]] = {}


#: What a handler returns that is not over yet.
_SUSPENDED = frozenset({GeneratorType, CoroutineType})


def _count_of_a_local() -> int:
    thing = object()
    return getrefcount(thing)


#: The count of something that a local variable holds, and one other thing.
_HELD_ONCE_MORE = _count_of_a_local() + 1


class Dispatch:
    """Queue and routes of one tree, and the way of an event through them."""

    def __init__(self, root: Manager) -> None:
        self.root = root
        self.routes = Routes()
        self.queue = EventQueue()
        self.nested = 0  # how many handlers that are being run have called flush or tick
        self.thread: int | None = None  # who runs the loop
        self.ready: deque[Any] = deque()
        self.polled: list[Task] = []
        self.awaited: dict[str, list[Wait]] = {}
        self.host: Any = None  # the asyncio loop that runs coroutine handlers
        #: Called with each :class:`~circuits.core._direct.Direct` that is about to be gone through.
        self.tap: Callable[[Any], object] | None = None
        self.stepping = False  # whether a suspended handler is being advanced
        self.schedule = _clock.Schedule()

    if TYPE_CHECKING:
        # What the engine adds.
        def _put_off(self, event: BaseEvent, method: Any, result: Any) -> None: ...
        def _match_waits(self, event: BaseEvent) -> None: ...
        def stop(self, code: Any = None) -> None: ...

    def flush(self) -> bool:
        """Dispatch what was queued when it began; called by a handler, what is left of that.

        Returns:
            Whether there was anything.
        """
        queue, plain = self.queue, self.routes.plain
        if not queue.take_batch():
            return False
        while left := queue.left:
            queue.left = left - 1
            try:
                event = queue.popleft()
            except IndexError:  # this tree became part of another one
                queue.left = 0
                break
            key = event._event_key
            if key is None:
                self._dispatch_marked(event)
            else:
                try:
                    methods = plain[key][event.channels]
                except KeyError:
                    methods = self.routes.resolve_plain(key, event.channels)
                if methods is None:
                    self.dispatch(event)
                else:
                    # What dispatch does, without the call, for most handlers of most events.
                    seen = changes.latest
                    for method in methods:
                        event.handler = method
                        args = event._event_args
                        try:
                            result = method(*args) if args else method()
                        except BaseException as problem:
                            self.fail(event, method, problem)
                        else:
                            if result is not None:
                                if type(result) in _SUSPENDED:
                                    self._put_off(event, method, result)
                                else:
                                    value = event._event_value
                                    if (
                                        value._flags
                                        or changes.latest != seen
                                        or isinstance(result, Value)
                                    ):
                                        value.setValue(result)
                                    else:  # the same, for the first result of most events
                                        value._value = result
                                        value._flags = HAS_RESULT
                        if changes.latest != seen:
                            seen = changes.latest
                            if event._event_key is None:
                                self._go_on(event, methods, method)
                                break
                    event.handler = None
                    if event._event_key is None:
                        self._finish(event)
                    else:
                        value = event._event_value
                        if getrefcount(value) == _HELD_ONCE_MORE:
                            value.event = None  # see _finish
        return True

    def flush_within(self) -> None:
        """Flush in a handler; if its effects are counted, what others fire is none of them."""
        cause = self.queue.set_cause(None)
        self.nested += 1
        try:
            self.flush()
        finally:
            self.nested -= 1
            self.queue.set_cause(cause)

    def dispatch(self, event: BaseEvent) -> None:
        """Run the handlers of one event."""
        key = event._event_key
        if key is None or key in self.awaited:
            self._dispatch_marked(event)
            return
        try:
            routes = self.routes.cache[key][event.channels]
        except KeyError:
            routes = self.routes.resolve(key, event.channels)
        if routes:
            self._run(event, routes)
        elif key == "error":
            self._no_error_handler(event)
        if event._event_key is None:
            self._finish(event)

    def _go_on(self, event: BaseEvent, methods: tuple[Callable[..., Any], ...], last: Any) -> None:
        """Run the rest of the handlers, of an event that one of them has marked."""
        if not event._event_stopped:
            position = next(n for n, method in enumerate(methods, 1) if method is last)
            routes = tuple((method, False, False) for method in methods[position:])
            self._run(event, routes, event._event_kwargs)

    def _run(
        self, event: BaseEvent, routes: tuple[Route, ...], kwargs: dict[str, Any] | None = None
    ) -> None:
        seen = changes.latest
        for method, wants_event, is_filter in routes:
            event.handler = method
            args = event._event_args
            try:
                if kwargs:
                    result = (
                        method(event, *args, **kwargs) if wants_event else method(*args, **kwargs)
                    )
                else:
                    result = method(event, *args) if wants_event else method(*args)
            except BaseException as problem:
                self.fail(event, method, problem)
                if is_filter and not isinstance(problem, KeyboardInterrupt | SystemExit):
                    break
            else:
                if result is not None:
                    if type(result) in _SUSPENDED:
                        self._put_off(event, method, result)
                    else:
                        event._event_value.setValue(result)
                    if is_filter:
                        break
            if changes.latest != seen:
                seen = changes.latest
                if event._event_stopped:
                    break
                kwargs = event._event_kwargs
        event.handler = None

    def take(self, event: BaseEvent, method: Any, result: Any) -> None:
        """Store what a handler returned, or go on with it later."""
        if type(result) in _SUSPENDED:
            self._put_off(event, method, result)
        else:
            event._event_value.setValue(result)

    def _dispatch_marked(self, event: BaseEvent) -> None:
        """Run the handlers of an event that somebody wants more of than that."""
        marks = event._event_marks | event._event_class_marks
        if marks & RARE and event._event_cancelled:
            event._event_firing = None
            event._event_cause = self._take_cause(event) if marks & COUNTED else None
            self._finish(event, without=SUCCESS | DONE)
            return
        name = event._event_name
        if self.awaited and name in self.awaited:
            self._match_waits(event)
        event._event_failed = event._event_stopped = False
        event._event_firing = None
        cause = self._take_cause(event) if marks & COUNTED else None
        try:
            routes = self.routes.cache[name][event.channels]
        except KeyError:
            routes = self.routes.resolve(name, event.channels)
        kwargs = None
        if marks & RARE:
            kwargs = event._event_kwargs
            if event._choose_routes is not None:
                chosen = event._choose_routes(routes)
                if chosen is None:
                    return
                routes = chosen
        if not routes and name == "error":
            self._no_error_handler(event)
        outer = self.queue.cause
        if marks & COMPLETE:
            outer_cause = None if cause is None else cause.shortened(self._is_complete_heard)
            cause = Cause(event, outer_cause)
        event._event_cause = cause
        if outer is None and cause is None:
            self._run(event, routes, kwargs)
            self._finish(event)
            return
        self.queue.set_cause(cause)
        self._run(event, routes, kwargs)
        self.queue.set_cause(None)
        self._finish(event)
        self.queue.set_cause(outer)

    @staticmethod
    def _take_cause(event: BaseEvent) -> Cause:
        """What counts the oldest firing of an event that is queued."""
        causes = event._event_causes
        assert causes is not None
        cause: Cause = causes.pop(0)
        if not causes:
            event._event_causes = None
            event._event_marks &= ~COUNTED
        return cause

    def _is_complete_heard(self, event: BaseEvent) -> bool:
        made = derived_class(Complete, "Complete", event)
        name = made._event_name
        channels = getattr(event, "complete_channels", None)
        where = tuple(channels) if channels else event.channels
        return name in self.awaited or bool(self.route(name, where))

    # -- ending --

    def _finish(self, event: BaseEvent, without: int = 0) -> None:
        """Tell whoever asked that the handlers are done, unless some are suspended."""
        firing = event._event_firing
        if firing is not None:
            firing.failed = firing.failed or event._event_failed
            firing.waiters.extend(event._event_waiters or ())
            event._event_waiters = event._event_cause = None
            self.leave(firing)
            return
        marks = (event._event_marks | event._event_class_marks) & ~without
        value = event._event_value
        if marks & (DONE | SUCCESS):
            self._tell_end(event, marks, event._event_failed, value, event.channels)
        if event._event_cause is not None:
            cause, event._event_cause = event._event_cause, None
            self._tell_complete(cause)
        if marks & WAITED:
            waits, event._event_waiters = event._event_waiters, None
            for wait in waits or ():
                wait.resolve(event)
        # An event and its value hold each other. If nobody else holds the value, part them:
        # waiting for the garbage collector costs a third of all that an event costs.
        if getrefcount(value) == _HELD_ONCE_MORE:
            value.event = None

    def leave(self, firing: Firing) -> None:
        """One handler of a firing is done, or its dispatch; with the last, all have been told."""
        firing.unfinished -= 1
        if firing.unfinished:
            return
        event, value = firing.event, firing.value
        outer = self.queue.set_cause(None)
        value.inform(True)
        marks = event._event_marks | event._event_class_marks
        if marks & (DONE | SUCCESS):
            self._tell_end(event, marks, firing.failed, value, firing.channels)
        if firing.cause is not None:
            self._tell_complete(firing.cause)
        for wait in firing.waiters:
            wait.resolve(event)
        self.queue.set_cause(outer)

    def _tell_end(
        self, event: BaseEvent, marks: int, failed: bool, value: Value, channels: tuple[Any, ...]
    ) -> None:
        if marks & DONE:
            self._feedback(Done, "Done", event, None, value.value, channels)
        if marks & SUCCESS and not failed:
            where = marks & ELSEWHERE and getattr(event, "success_channels", None)
            self._feedback(Success, "Success", event, where, value.value, channels)

    def _tell_complete(self, cause: Cause) -> None:
        for over in cause.leave():
            marks = over._event_marks | over._event_class_marks
            where = marks & ELSEWHERE and getattr(over, "complete_channels", None)
            self._feedback(Complete, "Complete", over, where, over._event_value.value)

    def end_hold(self, cause: Cause) -> None:
        """End a :meth:`~Cause.hold`; if nothing else is left, the cause is over."""
        self._tell_complete(cause)

    def _feedback(
        self,
        kind: type[Any],
        topic: str,
        event: BaseEvent,
        channels: Any,
        argument: Any,
        default: tuple[Any, ...] | None = None,
    ) -> None:
        """Fire a feedback event, to the channels of the event itself if there are no others."""
        made = event._event_created.get((kind, topic)) or derived_class(kind, topic, event)
        where = tuple(channels) if channels else event.channels if default is None else default
        # After a failure, other handlers of the event run, which may add one that hears of it.
        if kind is not Failure and not event._event_waiters and self.is_quiet():
            # Nobody can see it: no need to build it.
            if not self.route(made._event_name, where) and made._event_name not in self.awaited:
                return
        derived = made(event, argument)
        derived.parent = event
        derived.channels = where
        self.root.fire(derived)

    def is_quiet(self) -> bool:
        """Whether what is fired now would be dispatched next, by the loop, and on nobody's behalf.

        Then a call does what the event would do, unless somebody listens or waits for it.
        """
        queue = self.queue
        return not (
            queue or queue.alert or self.ready or self.polled or self.nested or self.thread is None
        )

    def route(self, name: str, channels: tuple[Any, ...]) -> tuple[Route, ...]:
        """The routes of a name on some channels."""
        routes = self.routes.cache.get(name, _NO_ROUTES).get(channels)
        return self.routes.resolve(name, channels) if routes is None else routes

    def fail(
        self,
        event: BaseEvent,
        method: Any,
        problem: BaseException,
        lines: list[str] | None = None,
        firing: Firing | None = None,
    ) -> None:
        if isinstance(problem, KeyboardInterrupt | SystemExit):
            (event._event_value if firing is None else firing.value).cut = True
            self.stop(problem.code if isinstance(problem, SystemExit) else None)
            return
        if lines is None:
            lines = _format_traceback(problem)
        error = (type(problem), problem, lines)
        if firing is None:
            event._event_failed = True
            event._event_value.fail(error)
        else:
            firing.failed = True
            firing.value.fail(error)
        event._event_mark()  # so that this is forgotten before it is dispatched once more
        if (event._event_marks | event._event_class_marks) & FAILURE:
            channels = getattr(event, "failure_channels", None)
            where = None if firing is None else firing.channels
            self._feedback(Failure, "Failure", event, channels, error, where)
        self.report(problem, method, event, lines, None if firing is None else firing.waiters)

    def report(
        self,
        problem: BaseException,
        method: Any,
        event: BaseEvent | None,
        lines: list[str] | None = None,
        waiters: Sequence[Any] | None = None,
    ) -> None:
        """Fire the ``error`` event of an exception, or log it where that would go round."""
        if lines is None:
            lines = _format_traceback(problem)
        if isinstance(event, Error):
            _log(problem, lines, method, event)
            return
        error = Error(type(problem), problem, lines, method)
        error.fevent = event  # type: ignore[misc]
        if event is not None and waiters is None:
            waiters = event._event_waiters
        error.received = any(wait.is_awaited for wait in waiters or ())  # type: ignore[attr-defined]
        self.root.fire(error, *self.root._tree_channels)

    def _no_error_handler(self, event: BaseEvent) -> None:
        if isinstance(event, Error):
            problem, lines, method = event.args[1:4]
            _log(problem, lines, method, None, debug=getattr(event, "received", False))


def _format_traceback(problem: BaseException) -> list[str]:
    import traceback  # noqa: PLC0415 - expensive, and needed for errors only

    frames = problem.__traceback__
    if frames is not None and frames.tb_next is not None:
        frames = frames.tb_next  # without the frame of our own that called the handler
    return traceback.format_tb(frames)


def _log(
    problem: BaseException,
    lines: list[str],
    method: Any,
    event: BaseEvent | None,
    debug: bool = False,
) -> None:
    import logging  # noqa: PLC0415 - expensive, and needed for errors only

    from .helpers import format_error  # noqa: PLC0415 - helpers builds on components

    text = format_error(type(problem), problem, lines, method, event)
    logging.getLogger("circuits").log(logging.DEBUG if debug else logging.ERROR, text)
