"""A wait for the end of an event, which ``call`` and ``wait`` give.

It registers itself when it is first advanced; the end of the event takes it out again and
resumes its task.
"""

from __future__ import annotations

import _thread
import sys

from . import _clock, _suspension
from ._clock import check_seconds
from ._outcomes import HELD_ONCE_MORE, getrefcount
from ._reports import unheard_text
from ._routing import is_unheard, same_channel
from ._shown import safe_repr
from ._suspension import Suspension, warn_of_unused
from .errors import NoHandlerError, TimeoutError
from .values import HAS_RESULT, Value

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

    R_co = TypeVar("R_co", covariant=True)

    class CallOf(Protocol[R_co]):
        """A call whose result has a known type."""

        def __await__(self) -> Generator[Any, Any, R_co]: ...
        def __iter__(self) -> Wait: ...
        def __next__(self) -> Wait | None: ...
        def close(self) -> None: ...


__all__ = ["Wait"]


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
            and engine.tasks.are_alone()
        )

    def _is_plain(self, engine: Engine) -> bool:
        """Whether nobody else waits for the event, or may be about to wait for its feedback."""
        key = self._event._event_key  # type: ignore[union-attr]
        return key is not None and key not in engine.routes.awaited

    def _dispatch(self, engine: Engine, run: Callable[..., Any]) -> None:
        """Fire an event, of which nobody else is told, and dispatch it by ``run``."""
        event: Any = self._event
        manager, dispatch = self._manager, engine.dispatch
        channels = self._channels or event.channels or manager._tree_channels
        if not run(dispatch.attempt, event, manager, channels):
            manager.fire(event, *self._channels)
            before = engine.routes.version
            run(dispatch.flush)
            if not event._event_value._flags and engine.routes.version == before:
                # Else a handler may have left.
                if is_unheard(engine.route(event._event_name, event.channels)):
                    event._event_value.unheard = True
        engine.tasks.is_ahead = bool(engine.queue)
        if event.waitingHandlers:
            self._state = _WAITING
            event._when_over(self)
            self._limit_time()
            return
        self._state = _OVER
        self._outcome, self._value = event, event._event_value

    # -- the ways to wait --

    def at_once(self, engine: Engine) -> Any:
        if self._manager._tree_engine is not engine or not self._is_next(engine):
            return None
        if not self._is_plain(engine):
            return None
        try:
            self._dispatch(engine, _call)
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
                self._future = _suspension.running_loop().create_future()
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
        if value._flags == HAS_RESULT and value._value.__class__ is not Value:
            result = value._value
            if getrefcount(value) == HELD_ONCE_MORE + 1:  # see Outcomes.finish
                value._event = None
            return result
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
            self._dispatch(engine, host.run_outside)
            if self._state == _OVER:
                event._event_waiters = None
        else:
            self._begin_timed()
            host.run_outside(engine.dispatch.flush)
            engine.tasks.is_ahead = bool(engine.queue)


def _call(function: Callable[..., Any], *args: Any) -> Any:
    return function(*args)


class _Coming:
    """In place of the future of asyncio until that is needed."""

    def done(self) -> bool:
        return True


_COMING = _Coming()
_NEW, _WAITING, _OVER = range(3)
