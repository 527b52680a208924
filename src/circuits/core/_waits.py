"""What a suspended handler can wait for: a time, and the end of an event.

``call`` and ``wait`` give an object that registers itself when it is first advanced; the end of
the event takes it out again and resumes its task.
"""

from __future__ import annotations

import _thread
import sys

from . import _clock
from ._reports import safe_repr, unheard_text
from ._routing import is_unheard, same_channel
from ._tasks import Suspension
from .errors import NoHandlerError, TimeoutError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any, Protocol, TypeVar

    from ._clock import Appointment
    from ._engine import Engine
    from ._task_table import TaskTable
    from ._tasks import Task
    from .events import BaseEvent
    from .manager import Manager
    from .values import Value

    R_co = TypeVar("R_co", covariant=True)

    class CallOf(Protocol[R_co]):
        """A call whose result has a known type."""

        def __await__(self) -> Generator[Any, Any, R_co]: ...
        def __iter__(self) -> Wait: ...
        def __next__(self) -> Wait | None: ...
        def close(self) -> None: ...


__all__ = ["Awaited", "Sleep", "Wait", "check_seconds", "sleep"]


def _running_loop() -> Any:
    """That of asyncio, which whoever awaits has loaded; found once, since an import costs."""
    global _running_loop
    from asyncio import get_running_loop as _running_loop

    return _running_loop()


def warn_of_unused(thing: Suspension, code: Any, place: int) -> None:
    """Warn of something that was made to be yielded or awaited, and never was.

    Args:
        thing: What it is.
        code: Where it was made.
        place: The instruction there; to look up the line each time would take too long.
    """
    import warnings  # for mistakes only

    at = [line for begin, end, line in code.co_lines() if begin <= place < end]
    line = at[0] if at and at[0] is not None else code.co_firstlineno
    warnings.warn_explicit(
        f"{thing!r} in {code.co_qualname} was never yielded or awaited",
        RuntimeWarning,
        code.co_filename,
        line,
    )


def check_seconds(seconds: object, what: str) -> float:
    """Refuse what is no number of seconds."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise TypeError(f"{what} must be a number of seconds, not {seconds!r}")
    if seconds != seconds:
        raise ValueError(f"{what} must be a number of seconds, not {seconds!r}")
    return float(seconds)


class Awaited(Suspension):
    """Something that is to come, and then has a result: yielded, or awaited.

    Whoever has it calls :meth:`wake`. One that is cancelled before that leaves.
    """

    __slots__ = ("_future", "_task")

    def __init__(self) -> None:
        self._task: Task | None = None
        self._future: Any = None

    def is_ready(self) -> bool:
        """Whether there is nothing to wait for."""
        raise NotImplementedError

    def take(self) -> Any:
        """The result; or raise why there is none."""
        return None

    def enter(self) -> None:
        """See to it that ``wake`` is called.

        Raises:
            RuntimeError: Somebody else waits, and there is room for one.
        """

    def leave(self) -> None:
        """Nobody waits any more; called in any case, also behind ``wake``."""

    def wake(self) -> None:
        """It has come."""
        if self._task is not None:
            self._resume(self._task)
        elif self._future is not None and not self._future.done():
            self._future.set_result(None)

    def _resume(self, task: Task) -> None:
        self._task = None
        self.leave()
        try:
            result = self.take()
        except BaseException as problem:
            task.resume(None, problem)
        else:
            task.resume(result)

    def attach(self, task: Task) -> None:
        if self.is_ready():
            self._resume(task)
            return
        self._task = task
        try:
            self.enter()
        except RuntimeError as problem:  # for the handler, not for whoever runs it
            self._task = None
            task.resume(None, problem)

    def detach(self) -> None:
        self._task = None
        self.leave()

    def __iter__(self) -> Generator[Any, Any, Any]:
        return (yield self)

    def __await__(self) -> Generator[Any, Any, Any]:
        if not self.is_ready():
            self._future = _running_loop().create_future()
            self.enter()
            try:
                yield from self._future.__await__()
            finally:
                self.leave()
        return self.take()


class Sleep(Suspension):
    """Suspends a handler for a time. Made by :func:`sleep`."""

    __slots__ = ("_appointment", "_code", "_is_used", "_place", "_until", "seconds")

    def __init__(self, seconds: float) -> None:
        self._is_used = True  # in vain, if it is refused
        self.seconds = check_seconds(seconds, "sleep")
        if self.seconds < 0:
            raise ValueError(f"cannot sleep {seconds!r} seconds: the time must not be negative")
        self._appointment: Appointment | None = None
        self._is_used = False
        frame = sys._getframe(2)
        self._code, self._place = frame.f_code, frame.f_lasti

    def __del__(self) -> None:
        if not self._is_used:
            warn_of_unused(self, self._code, self._place)

    def __repr__(self) -> str:
        return f"<sleep {self.seconds:g}>"

    def attach(self, task: Task) -> None:
        self._is_used = True
        if self._appointment is not None and self._appointment.is_pending:
            # Another handler sleeps with this one, and may be cancelled.
            task.waiting = twin = Sleep(self.seconds)
            twin.attach(task)
            return
        self._appointment = task.engine.schedule.call_in(self.seconds, task.resume)

    def detach(self) -> None:
        if self._appointment is not None:
            self._appointment.cancel()

    def __iter__(self) -> Generator[Any, Any, None]:
        self._is_used = True
        yield self

    def __await__(self) -> Generator[Any, Any, None]:
        self._is_used = True
        import asyncio  # whoever awaits has it loaded

        self._until = _clock.now() + self.seconds
        yield from asyncio.sleep(self.seconds).__await__()

    @property
    def until(self) -> float:
        """When it ends, by the clock."""
        appointment = self._appointment
        while appointment is not None and appointment.moved_to is not None:
            appointment = appointment.moved_to
        return self._until if appointment is None else appointment.deadline


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
        "_code",
        "_deadline",
        "_event",
        "_fire",
        "_future",
        "_place",
        "_manager",
        "_name",
        "_outcome",
        "_problem",
        "_state",
        "_task",
        "_value",
        "table",
        "timeout",
    )

    table: TaskTable  # where it stands while it waits for a name: its component may leave before it

    def __init__(
        self,
        manager: Manager,
        event: BaseEvent | None,
        name: str,
        channels: tuple[Any, ...],
        timeout: float | None,
        fire: bool,
    ) -> None:
        self._state = _OVER  # in vain, if it is refused
        self.timeout = -1.0 if timeout is None else check_seconds(timeout, "timeout")
        self._manager = manager
        self._event = event
        self._name = name
        self._channels = channels
        self._fire = fire
        self._state = _NEW
        frame = sys._getframe(2)
        self._code, self._place = frame.f_code, frame.f_lasti
        self._outcome: BaseEvent | None = None
        self._value: Value | None = None  # of the firing that is over
        self._problem: TimeoutError | None = None
        self._task: Task | None = None
        self._future: Any = None
        self._appointment: Appointment | None = None
        self._deadline: float | None = None

    def __del__(self) -> None:
        if self._state == _NEW and self._task is None and self._future is None:
            warn_of_unused(self, self._code, self._place)

    def __repr__(self) -> str:
        what = "call" if self._fire else "wait"
        return f"<{what} {self._event if self._event is not None else self._name!r}>"

    @property
    def is_awaited(self) -> bool:
        """Whether a coroutine waits, which is to receive the exceptions of the handlers."""
        return self._future is not None and self._fire

    @property
    def deadline(self) -> float | None:
        """When it gives up, by the clock; ``None`` if it does not."""
        return self._deadline if self._appointment is None else self._appointment.deadline

    # -- beginning and ending --

    def _begin(self) -> None:
        event = self._event
        if event is None:
            self._state = _WAITING
            self._manager._tree_engine.tasks.await_name(self._name, self)
            return
        if self._fire:
            self._manager.fire(event, *self._channels)
        self._state = _WAITING
        event._when_over(self, refired=self._fire)

    def _begin_timed(self) -> None:
        self._begin()
        self._limit_time()

    def _limit_time(self) -> None:
        if self.timeout >= 0 and self._state == _WAITING:
            schedule = self._manager._tree_engine.schedule
            self._appointment = schedule.call_in(self.timeout, self._expire)

    def places(self) -> tuple[Any, ...]:
        """The channels on which it waits; its component is one."""
        return (self._manager, *self._channels)

    def matches(self, event: BaseEvent) -> bool:
        """Whether an event that is about to be dispatched is the one."""
        for channel in event.channels:
            if channel is self._manager or same_channel(channel, "*"):
                return True
            for mine in self._channels:
                if same_channel(mine, "*") or same_channel(mine, channel):
                    return True
        return False

    def resolve(self, event: BaseEvent, value: Value) -> None:
        """The event is over."""
        if self._state != _WAITING or self.timeout == 0:
            return  # with no time at all, it cannot have been in time
        self._outcome, self._value = event, value
        self._end(None)

    def _expire(self) -> None:
        if self._state != _WAITING:
            return
        self._appointment = None
        what = "call of" if self._fire else "wait for"
        which = safe_repr(self._name if self._event is None else self._event)
        where = ", ".join(map(safe_repr, self._event.channels if self._event else self._channels))
        self._remove()
        self._end(
            TimeoutError(
                f"{what} {which} on {where} by {safe_repr(self._manager)} "
                f"was not over after {self.timeout:g} s"
            ),
        )

    def _end(self, problem: TimeoutError | None) -> None:
        self._state = _OVER
        self._problem = problem
        if self._appointment is not None:
            self._appointment.cancel()
        if self._task is not None:
            self._task.resume(self._value, problem)
        elif self._future is not None and not self._future.done():
            self._future.set_result(None)

    def _remove(self) -> None:
        if self._event is None:
            self.table.forget_name(self._name, self)
        else:
            self._event._forget_waiter(self)

    def _is_next(self, engine: Engine) -> bool:
        """Whether what it fires would be dispatched next, and then only this handler go on."""
        event = self._event
        return (
            self._fire
            and self._state == _NEW
            and self.timeout != 0
            and event is not None
            and event._event_value is None  # a new one
            and self._manager._tree_engine is engine
            and engine.tasks.are_alone()
        )

    def _is_plain(self, engine: Engine) -> bool:
        """Whether nobody else waits for the event, or may be about to wait for its feedback."""
        key = self._event._event_key  # type: ignore[union-attr]
        return key is not None and key not in engine.routes.awaited

    def _dispatch(self, engine: Engine, flush: Callable[[], object]) -> None:
        """Fire an event, of which nobody else is told, and dispatch it."""
        event: Any = self._event
        value = self._manager.fire(event, *self._channels)
        before = engine.routes.version
        flush()
        if event.waitingHandlers:
            self._state = _WAITING
            event._when_over(self)
            self._limit_time()
            return
        if not value._flags and engine.routes.version == before:  # else a handler may have left
            if is_unheard(engine.route(event._event_name, event.channels)):
                value.unheard = True
        self._state = _OVER
        self._outcome, self._value = event, value

    # -- the ways to wait --

    def at_once(self, engine: Engine) -> Any:
        if not (self._is_next(engine) and self._is_plain(engine)):
            return None
        try:
            self._dispatch(engine, engine.dispatch.flush)
        except Exception:
            return None  # it will not be better when it is tried again, for the handler to hear
        return self._value

    def attach(self, task: Task) -> None:
        if self._state == _NEW:
            self._task = task
            self._begin_timed()
        elif self._state == _OVER:
            task.resume(self._value, self._problem)
        else:
            self._refuse_second()
            self._task = task

    def _refuse_second(self) -> None:
        if self._task is not None or self._future is not None:
            raise RuntimeError(
                f"another handler waits with this {safe_repr(self)}: each needs one of its own"
            )

    def detach(self) -> None:
        before, self._state = self._state, _OVER
        if before == _WAITING:
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
            if engine.tasks.stepping == _thread.get_ident():
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
            raise StopIteration(self._value)
        return None

    def throw(self, problem: BaseException) -> None:
        """Part of ``yield from``: the exception goes to whoever waits."""
        self.detach()
        raise problem

    def close(self) -> None:
        """Stop waiting."""
        self.detach()

    def __await__(self) -> Generator[Any, Any, Any]:
        if self._state == _WAITING:
            self._refuse_second()
        if self._state == _NEW:
            self._begin_awaited()
        if self._state == _WAITING:
            if self._future is None or self._future is _COMING:
                self._future = _running_loop().create_future()
            try:
                yield from self._future.__await__()
            finally:
                self.detach()
        if self._problem is not None:
            raise self._problem
        event, value = self._outcome, self._value
        if event is None or value is None:
            return None
        if not self._fire:
            return event
        if value.unheard and value.is_empty and not value.errors:
            raise NoHandlerError(unheard_text(self._manager._tree_engine.routes, event))
        problems = value.exceptions
        if problems:
            if len(problems) == 1:
                raise problems[0]
            raise BaseExceptionGroup(f"handlers of {safe_repr(event)} failed", problems)
        return value.value

    def _begin_awaited(self) -> None:
        engine = self._manager._tree_engine
        host = engine.loop.host
        self._future = _COMING  # who awaits gets what is raised from the start on
        if host is None or not engine.thread_is_ours() or not self._is_next(engine):
            self._begin_timed()
        elif self._is_plain(engine):
            event: Any = self._event
            event._event_waiters = {self: None}
            self._dispatch(engine, lambda: host.run_outside(engine.dispatch.flush))
            if self._state == _OVER:
                event._event_waiters = None
        else:
            self._begin_timed()
            host.run_outside(engine.dispatch.flush)


class _Coming:
    """In place of the future of asyncio until that is needed."""

    def done(self) -> bool:
        return True


_COMING = _Coming()
_NEW, _WAITING, _OVER = range(3)
