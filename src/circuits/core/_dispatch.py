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
from ._effects import Scope
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
    SUSPENDED,
    WAITED,
    Complete,
    Done,
    Error,
    Event,
    Failure,
    Success,
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
            if key is None or self.awaited:
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
                    for method in methods:
                        event.handler = method
                        args = event._event_args
                        try:
                            result = method(*args) if args else method()
                        except BaseException as problem:
                            self._failed(event, method, problem)
                        else:
                            if result is not None:
                                if type(result) in _SUSPENDED:
                                    self._put_off(event, method, result)
                                else:
                                    value = event._event_value
                                    if (
                                        value._flags
                                        or event.handler is not method
                                        or isinstance(result, Value)
                                    ):
                                        value.setValue(result)
                                    else:  # the same, for the first result of most events
                                        value._value = result
                                        value._flags = HAS_RESULT
                        if event.handler is not method:
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
        if key is None or self.awaited:
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
                self._failed(event, method, problem)
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
            # Whatever marks an event takes the handler away, which is fast to see.
            if event.handler is not method:
                if event._event_stopped:
                    break
                kwargs = event._event_kwargs
        event.handler = None

    def _take(self, event: BaseEvent, method: Any, result: Any) -> None:
        """Store what a handler returned, or go on with it later."""
        if type(result) in _SUSPENDED:
            self._put_off(event, method, result)
        else:
            event._event_value.setValue(result)

    def _dispatch_marked(self, event: BaseEvent) -> None:
        """Run the handlers of an event that somebody wants more of than that."""
        marks = event._event_marks | event._event_class_marks
        if marks & RARE and event._event_cancelled:
            self._finish(event, without=SUCCESS | DONE)
            return
        name = event._event_name
        if self.awaited and name in self.awaited:
            self._match_waits(event)
        event._event_failed = event._event_stopped = False
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
        if outer is None and not marks & (COMPLETE | COUNTED):
            self._run(event, routes, kwargs)
            self._finish(event)
            return
        if marks & COMPLETE:
            event._event_effect = Scope(event, event._event_effect)
            event._event_marks |= COUNTED
        self.queue.set_cause(event._event_effect)
        self._run(event, routes, kwargs)
        self.queue.set_cause(None)
        self._finish(event)
        self.queue.set_cause(outer)

    def call_direct(self, method: Callable[..., Any], event_class: type[Event], arg: Any) -> None:
        """Call the only handler of an event that nobody else can see, without the event."""
        try:
            result = method(arg)
        except BaseException as problem:
            self._failed(self._made(event_class, (arg,)), method, problem)
        else:
            if result is not None:
                self._take(self._made(event_class, (arg,)), method, result)

    def _made(self, event_class: type[Event], args: Sequence[Any]) -> BaseEvent:
        event = event_class(*args)
        self.root.fire(event)  # gives it a value; taken back, since it has been handled
        self.queue.remove(event)
        return event

    # -- ending --

    def _finish(self, event: BaseEvent, without: int = 0) -> None:
        """Tell whoever asked that the handlers are done, unless some are suspended."""
        marks = (event._event_marks | event._event_class_marks) & ~without
        if marks & SUSPENDED and event.waitingHandlers:
            return
        value = event._event_value
        if marks & DONE:
            self._feedback(Done, "Done", event, None, value.value)
        if marks & SUCCESS and not event._event_failed:
            channels = marks & ELSEWHERE and getattr(event, "success_channels", None)
            self._feedback(Success, "Success", event, channels, value.value)
        if marks & COUNTED:
            scope, event._event_effect = event._event_effect, None
            event._event_marks &= ~COUNTED
            for over in scope.leave():
                asked = over._event_marks | over._event_class_marks
                channels = asked & ELSEWHERE and getattr(over, "complete_channels", None)
                self._feedback(Complete, "Complete", over, channels, over._event_value.value)
        if marks & WAITED:
            waits, event._event_waiters = event._event_waiters, None
            for wait in waits or ():
                wait.resolve(event)
        # An event and its value hold each other. If nobody else holds the value, part them:
        # waiting for the garbage collector costs a third of all that an event costs.
        if getrefcount(value) == _HELD_ONCE_MORE:
            value.event = None

    def _feedback(
        self,
        kind: type[Any],
        topic: str,
        event: BaseEvent,
        channels: Any,
        argument: Any,
    ) -> None:
        """Fire a feedback event, to the channels of the event itself if there are no others."""
        made = event._event_created.get((kind, topic)) or derived_class(kind, topic, event)
        where = tuple(channels) if channels else event.channels
        # After a failure, other handlers of the event run, which may add one that hears of it.
        if (
            self.thread is not None
            and kind is not Failure
            and not event._event_waiters
            and self.comes_next()
        ):
            # Nobody can see it: no need to build it.
            if not self.route(made._event_name, where):
                return
        derived = made(event, argument)
        derived.parent = event
        derived.channels = where
        self.root.fire(derived)

    def comes_next(self) -> bool:
        """Whether what is fired now is dispatched next, and by the loop.

        Then nothing is left that could begin to listen or to wait for it before its turn.
        """
        return (
            self.thread is not None
            and not self.nested
            and not self.queue
            and not self.ready
            and not self.polled
            and not self.awaited
            and not (self.stepping and self.schedule._heap)
            and self.host is None
        )

    def route(self, name: str, channels: tuple[Any, ...]) -> tuple[Route, ...]:
        """The routes of a name on some channels."""
        routes = self.routes.cache.get(name, _NO_ROUTES).get(channels)
        return self.routes.resolve(name, channels) if routes is None else routes

    def _failed(
        self,
        event: BaseEvent,
        method: Any,
        problem: BaseException,
        lines: list[str] | None = None,
    ) -> None:
        if isinstance(problem, KeyboardInterrupt | SystemExit):
            self.stop(problem.code if isinstance(problem, SystemExit) else None)
            return
        if lines is None:
            lines = _format_traceback(problem)
        error = (type(problem), problem, lines)
        event._event_failed = True
        event._event_value.fail(error)
        event._event_mark()  # so that this is forgotten before it is dispatched once more
        if (event._event_marks | event._event_class_marks) & FAILURE:
            channels = getattr(event, "failure_channels", None)
            self._feedback(Failure, "Failure", event, channels, error)
        self.report(problem, method, event, lines)

    def report(
        self,
        problem: BaseException,
        method: Any,
        event: BaseEvent | None,
        lines: list[str] | None = None,
    ) -> None:
        """Fire the ``error`` event of an exception, or log it where that would go round."""
        if lines is None:
            lines = _format_traceback(problem)
        if isinstance(event, Error):
            _log(problem, lines, method, event)
            return
        error = Error(type(problem), problem, lines, method)
        error.fevent = event  # type: ignore[misc]
        if event is not None and event._event_waiters:
            error.received = any(wait.is_awaited for wait in event._event_waiters)  # type: ignore[attr-defined]
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
