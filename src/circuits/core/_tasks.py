"""Suspended handlers: generators that the loop advances, and what they wait for.

A task is looked at only when it has something to do. ``call`` and ``wait`` give an object that
puts itself into a table when it is first advanced; the end of the event takes it out again and
makes its task ready. Nothing adds or removes handlers.
"""

from __future__ import annotations

import _thread
from types import GeneratorType

from . import _clock
from ._routing import same_channel
from .errors import TimeoutError
from .events import BaseEvent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any

    from ._causes import Firing
    from ._clock import Appointment
    from ._engine import Engine
    from .manager import Manager


class CallValue:
    """What a generator yields as its last, instead of returning it. Kept for old programs."""

    def __init__(self, value: Any) -> None:
        self.value = value


class Task:
    """One suspended generator handler, with the generators that it waits in, outermost first.

    Attributes:
        event: The event whose handler it is.
        method: The bound handler.
        engine: Where it runs.
        stack: Its generators.
        waiting: What it waits for, or ``None`` when it is due.
    """

    __slots__ = ("engine", "error", "event", "firing", "method", "result", "stack", "waiting")

    firing: Firing  # from when it is suspended

    def __init__(
        self,
        engine: Engine,
        event: BaseEvent,
        generator: Generator[Any, Any, Any],
        method: Callable[..., Any] | None,
        parent: Generator[Any, Any, Any] | None = None,
    ) -> None:
        self.engine = engine
        self.event = event
        self.method = method
        self.stack = [generator] if parent is None else [parent, generator]
        self.waiting: Suspension | None = None
        self.result: Any = None
        self.error: BaseException | None = None

    @property
    def owner(self) -> Any:
        """The component whose handler it is."""
        return getattr(self.method, "__self__", None)

    @property
    def is_executing(self) -> bool:
        """Whether it is being advanced right now."""
        return any(getattr(generator, "gi_running", False) for generator in self.stack)

    def resume(self, result: Any = None, error: BaseException | None = None) -> None:
        """Make the task ready; its generator gets a result or an exception at the next tick."""
        self.waiting = None
        self.result = result
        self.error = error
        self.engine.ready.append(self)
        if self.engine.queue.alert:
            self.engine.alerted(None)

    def step(self) -> None:
        """Advance until it suspends again or ends."""
        engine, stack = self.engine, self.stack
        result, error = self.result, self.error
        self.result = self.error = None
        while stack:
            generator = stack[-1]
            try:
                if error is not None:
                    yielded = generator.throw(error)
                elif result is not None:
                    yielded = generator.send(result)
                else:
                    yielded = next(generator)
            except StopIteration as end:
                stack.pop()
                result, error = end.value, None
                continue
            except BaseException as problem:
                stack.pop()
                if stack and not isinstance(problem, KeyboardInterrupt | SystemExit):
                    result, error = None, problem
                    continue
                engine.end_task(self, None, problem)
                return
            if yielded is None:
                engine.polled.append(self)
                return
            if isinstance(yielded, Suspension):
                self.waiting = yielded
                yielded.attach(self)
                return
            if isinstance(yielded, GeneratorType):
                stack.append(yielded)
                result = error = None
                continue
            if isinstance(yielded, CallValue):
                generator.close()
                stack.pop()
                result, error = yielded.value, None
                continue
            self.firing.value.setValue(yielded)
            engine.ready.append(self)
            return
        engine.end_task(self, result, None)

    def close(self) -> None:
        """Cancel: ``GeneratorExit`` at the place where it is suspended."""
        if self.waiting is not None:
            self.waiting.detach()
            self.waiting = None
        while self.stack:
            generator = self.stack.pop()
            try:
                generator.close()
            except BaseException as problem:
                self.engine.report(problem, self.method, self.event)


class CoroutineTask:
    """One suspended coroutine handler, which an asyncio loop runs."""

    __slots__ = ("coroutine", "engine", "event", "firing", "future", "method")

    firing: Firing

    waiting = None
    is_executing = False  # for a loop to cancel it is enough to tell it so

    def __init__(self, engine: Engine, event: BaseEvent, coroutine: Any, method: Any) -> None:
        self.engine = engine
        self.event = event
        self.coroutine = coroutine
        self.method = method
        self.future: Any = None

    owner = Task.owner

    def step(self) -> None:
        """Hand the coroutine to the loop, which runs its first step."""
        host = self.engine.host
        if host is None:
            self.engine.ready.append(self)  # not hosted yet; the loop is about to be
            return
        self.future = host.create_task(self.coroutine, self.firing.cause, self.engine)
        self.future.add_done_callback(self._ended)

    def _ended(self, future: Any) -> None:
        if self not in self.engine.tasks:
            # Cancelled by us, and its event has gone on. What it raised must not be lost.
            problem = None if future.cancelled() else future.exception()
            if problem is not None and not isinstance(problem, KeyboardInterrupt | SystemExit):
                self.engine.report(problem, self.method, self.event)
            return
        if future.cancelled():
            self.engine.end_task(self, None, None)
            return
        problem = future.exception()
        self.engine.end_task(self, None if problem else future.result(), problem)

    def close(self) -> None:
        """Cancel: ``CancelledError`` at the place where it is suspended."""
        if self.future is None:
            self.coroutine.close()
        else:
            self.future.cancel()


class Suspension:
    """Base of what a handler can wait for by ``yield`` or ``await``."""

    __slots__ = ()

    def attach(self, task: Task) -> None:
        """Begin, for a generator handler: call ``task.resume`` when it is over."""
        raise NotImplementedError

    def detach(self) -> None:
        """Give up: nobody waits any more."""


def check_seconds(seconds: object, what: str) -> float:
    """Refuse what is no number of seconds."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise TypeError(f"{what} must be a number of seconds, not {seconds!r}")
    if seconds != seconds:
        raise ValueError(f"{what} must be a number of seconds, not {seconds!r}")
    return float(seconds)


class Sleep(Suspension):
    """Suspends a handler for a time. Made by :func:`sleep`."""

    __slots__ = ("_appointment", "seconds")

    def __init__(self, seconds: float) -> None:
        self.seconds = check_seconds(seconds, "sleep")
        if self.seconds < 0:
            raise ValueError(f"cannot sleep {seconds!r} seconds: the time must not be negative")
        self._appointment: Appointment | None = None

    def attach(self, task: Task) -> None:
        schedule = task.engine.schedule
        self._appointment = schedule.call_at(_clock.now() + self.seconds, task.resume)

    def detach(self) -> None:
        if self._appointment is not None:
            self._appointment.cancel()

    def __iter__(self) -> Generator[Any, Any, None]:
        yield self

    def __await__(self) -> Generator[Any, Any, None]:
        import asyncio  # noqa: PLC0415 - whoever awaits has it loaded

        return asyncio.sleep(self.seconds).__await__()


def sleep(seconds: float) -> Sleep:
    """Suspend a handler for a time, without blocking the loop.

    Write ``yield sleep(1.5)`` in a generator handler, ``await sleep(1.5)`` in a coroutine.

    Args:
        seconds: How long; 0 waits for the next turn of the loop.

    Raises:
        TypeError: ``seconds`` is no number.
        ValueError: ``seconds`` is negative or not a number.
    """
    return Sleep(seconds)


class Wait(Suspension):
    """The end of an event, to be yielded, awaited or driven by hand.

    ``yield`` gives the event's :class:`~circuits.core.values.Value`. ``await`` gives the result
    of a call, or raises what its handlers raised; of a wait, it gives the event.

    Nothing happens before it is advanced for the first time.
    """

    __slots__ = (
        "_appointment",
        "_channels",
        "_deadline",
        "_event",
        "_fire",
        "_future",
        "_manager",
        "_name",
        "_outcome",
        "_problem",
        "_state",
        "_task",
        "timeout",
    )

    def __init__(
        self,
        manager: Manager,
        event: BaseEvent | None,
        name: str,
        channels: tuple[Any, ...],
        timeout: float | None,
        fire: bool,
    ) -> None:
        self.timeout = -1.0 if timeout is None else check_seconds(timeout, "timeout")
        self._manager = manager
        self._event = event
        self._name = name
        self._channels = channels
        self._fire = fire
        self._state = _NEW
        self._outcome: BaseEvent | None = None
        self._problem: TimeoutError | None = None
        self._task: Task | None = None
        self._future: Any = None
        self._appointment: Appointment | None = None
        self._deadline: float | None = None

    def __repr__(self) -> str:
        what = "call" if self._fire else "wait"
        return f"<{what} {self._event if self._event is not None else self._name!r}>"

    @property
    def is_awaited(self) -> bool:
        """Whether a coroutine waits, which is to receive the exceptions of the handlers."""
        return self._future is not None and self._fire

    # -- beginning and ending --

    def _begin(self) -> None:
        self._state = _WAITING
        event = self._event
        if event is None:
            self._manager._tree_engine.await_name(self._name, self)
            return
        event._when_over(self, refired=self._fire)
        if self._fire:
            self._manager.fire(event, *self._channels)

    def _begin_timed(self) -> None:
        self._begin()
        if self.timeout >= 0 and self._state == _WAITING:
            schedule = self._manager._tree_engine.schedule
            self._appointment = schedule.call_at(_clock.now() + self.timeout, self._expire)

    def matches(self, event: BaseEvent) -> bool:
        """Whether an event that is about to be dispatched is the one."""
        for channel in event.channels:
            if channel is self._manager or same_channel(channel, "*"):
                return True
            for mine in self._channels:
                if same_channel(mine, "*") or same_channel(mine, channel):
                    return True
        return False

    def resolve(self, event: BaseEvent) -> None:
        """The event is over."""
        if self._state != _WAITING or self.timeout == 0:
            return  # with no time at all, it cannot have been in time
        self._end(event, None)

    def _expire(self) -> None:
        if self._state != _WAITING:
            return
        self._appointment = None
        what = "call of" if self._fire else "wait for"
        which = repr(self._event) if self._event is not None else repr(self._name)
        where = ", ".join(map(repr, self._event.channels if self._event else self._channels))
        self._remove()
        self._end(
            None,
            TimeoutError(
                f"{what} {which} on {where} by {self._manager!r} "
                f"was not over after {self.timeout:g} s"
            ),
        )

    def _end(self, event: BaseEvent | None, problem: TimeoutError | None) -> None:
        self._state = _OVER
        self._outcome, self._problem = event, problem
        if self._appointment is not None:
            self._appointment.cancel()
        if self._task is not None:
            self._task.resume(None if event is None else event._event_value, problem)
        elif self._future is not None and not self._future.done():
            self._future.set_result(None)

    def _remove(self) -> None:
        if self._event is None:
            self._manager._tree_engine.forget_name(self._name, self)
        else:
            self._event._forget_waiter(self)

    # -- the three ways to wait --

    def attach(self, task: Task) -> None:
        self._task = task
        if self._state == _NEW:
            self._begin_timed()
        elif self._state == _OVER:
            task.resume(self._outcome and self._outcome.value, self._problem)

    def detach(self) -> None:
        if self._state == _WAITING:
            self._state = _OVER
            if self._appointment is not None:
                self._appointment.cancel()
            self._remove()

    def __iter__(self) -> Wait:
        return self

    def __next__(self) -> Wait | None:
        return self.send(None)

    def send(self, value: Any) -> Wait | None:
        """Advance by hand, or as the target of ``yield from``."""
        if self._state == _NEW:
            engine = self._manager._tree_engine
            if engine.stepping and engine.thread == _thread.get_ident():
                return self  # ``yield from`` in a handler: its task attaches itself
            self._begin()
            if self.timeout >= 0:
                self._deadline = _clock.now() + self.timeout
        if self._state == _WAITING and self._deadline is not None:
            if _clock.now() >= self._deadline:
                self._expire()
        if self._state == _OVER:
            if self._problem is not None:
                raise self._problem
            raise StopIteration(self._outcome and self._outcome.value)
        return None

    def throw(self, problem: BaseException) -> None:
        """Part of ``yield from``: the exception goes to whoever waits."""
        self.detach()
        raise problem

    def close(self) -> None:
        """Give up."""
        self.detach()

    def __await__(self) -> Generator[Any, Any, Any]:
        import asyncio  # noqa: PLC0415 - whoever awaits has it loaded

        self._future = asyncio.get_running_loop().create_future()
        if self._state == _NEW:
            self._begin_timed()
        if self._state == _WAITING:
            try:
                yield from self._future.__await__()
            finally:
                self.detach()
        if self._problem is not None:
            raise self._problem
        event = self._outcome
        if event is None:
            return None
        if not self._fire:
            return event
        problems = event._event_value.exceptions
        if problems:
            if len(problems) == 1:
                raise problems[0]
            raise BaseExceptionGroup(f"handlers of {event!r} failed", problems)
        return event._event_value.value


_NEW, _WAITING, _OVER = range(3)
