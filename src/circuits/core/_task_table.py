"""The table of suspended handlers: add, step, wait for a name, leave.

A handler that is a generator or a coroutine is added to the table when it is called. The loop
steps it at its next turn, up to a ``yield`` or ``await`` of something to wait for; what it waits for
resumes it, and the next turn steps it on. When it returns or raises, it leaves the table. A task is
looked at only when it has something to do, and nothing adds or removes handlers.
"""

from __future__ import annotations

import _thread
from types import AsyncGeneratorType, CoroutineType, GeneratorType

from ._call_in_loop import CallInLoop
from ._causes import Firing
from ._flags import SUSPENDED
from ._name_waits import NameWaits
from ._routing import TREE_LOCK
from ._suspension import Suspension
from ._tasks import MOST_AHEAD, CallValue, CoroutineTask, Task
from .handlers import async_generator_text, is_async_generator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Iterable
    from typing import Any

    from ._engine import Engine
    from ._waits import Wait
    from .events import BaseEvent
    from .manager import Manager
else:
    from _collections import deque  # that of collections, whose import takes longer than ours

__all__ = ["TaskTable"]


class TaskTable:
    """The suspended handlers of one tree.

    Attributes:
        ready: Those that are stepped at the next turn.
        polled: Those that wait by a bare ``yield``, stepped after every turn that did something.
        awaited: Waits for the next event of a name.
        has_handed_over: Whether asyncio has been given coroutines in this turn, to begin them.
        is_ahead: Whether something was dispatched before its turn, and has fired. What became ready
            by it comes before what it has fired.
        stepping: The thread that is stepping a task, or 0.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._queue = engine.queue
        self._tasks: dict[Any, None] = {}
        self.ready: deque[Any] = deque()
        self.polled: list[Task] = []
        self.awaited = NameWaits()
        self.has_handed_over = self.is_ahead = False
        self.stepping = 0

    def __len__(self) -> int:
        return len(self._tasks)

    def __iter__(self) -> Any:
        return iter(list(self._tasks))

    def __contains__(self, task: object) -> bool:
        return task in self._tasks

    def are_ending(self) -> bool:
        """Whether a handler of the end is suspended: of the application, or of a component."""
        return any(task.event._event_holds_end for task in self._tasks)

    def are_alone(self) -> bool:
        """Whether a handler that is being stepped is all that there is to do, here or in asyncio.

        Then what it fires would be dispatched next, and it would be stepped next.
        """
        queue = self._queue
        if queue or self.ready or queue.reasons_to_queue or queue.is_flushed:
            return False
        engine = self._engine
        host = engine.loop.host
        return queue.cause is None and engine.tap is None and (host is None or host.is_idle())

    # -- add --

    def suspend(self, event: BaseEvent, method: Any, result: Any) -> None:
        """Suspend a handler that has returned a generator or a coroutine."""
        if type(result) is AsyncGeneratorType:
            if is_async_generator(method):
                raise TypeError(async_generator_text(method))
            event._event_value.setValue(result)  # what is made elsewhere is a result like others
            return
        if type(result) is GeneratorType:
            self.start(event, Task(self._engine, event, result, method))
            return
        task = CoroutineTask(self._engine, event, result, method)
        loop = self._engine.loop
        if loop.host is None or self.ready:
            self.start(event, task)
            loop.wants_host = True
        else:
            # Its first step is one of asyncio's next turn. What else comes in this turn may be
            # handled before.
            self.add(task)
            task.step()

    def start(self, event: BaseEvent, task: Any) -> None:
        """Add a task that is stepped at the next turn."""
        self.add(task)
        self.ready.append(task)

    def add(self, task: Any) -> None:
        """Suspend the event of a task until that has ended."""
        event: BaseEvent = task.event
        event.waitingHandlers += 1
        event._event_value.promise = True
        event._event_flag(SUSPENDED)
        firing = event._event_firing
        if firing is None or not firing.unfinished:
            firing = event._event_firing = Firing(event)
        firing.unfinished += 1
        task.firing = firing
        self._tasks[task] = None

    # -- step --

    def begin(self, method: Any, result: Any, make_event: Callable[[], BaseEvent]) -> Any:
        """Take the first step of a handler at once, where an event would be a call (``_direct``).

        Then that step is all there is to do, and nobody can tell it from one at the next turn. Most
        handlers end with it; those are no tasks, and have no event.

        Args:
            method: The handler.
            result: The generator or coroutine that it has returned.
            make_event: Makes the event, for a handler that goes on later.

        Returns:
            What the handler gives in the end; the value of the event if that comes later.

        Raises:
            BaseException: The handler has.
        """
        if self._queue or self.ready or self._queue.is_flushed:
            return self._suspended(make_event(), method, result)
        if type(result) is CoroutineType:
            return self._begin_coroutine(method, result, make_event)
        given = sent = None  # what it has yielded as a result, and what it has waited for
        is_cut, routes = False, self._engine.routes
        version = routes.version
        before, self.stepping = self.stepping, _thread.get_ident()
        try:
            for _ in range(MOST_AHEAD):
                yielded, sent = result.send(sent), None
                if isinstance(yielded, Suspension):
                    sent = yielded.at_once(self._engine)
                    if sent is None:
                        break
                    if routes.version != version and self._has_left(method):  # by what came of that
                        is_cut = True
                        break
                elif yielded.__class__ is str and given is None and not (self._queue or self.ready):
                    given = yielded
                else:
                    break
            else:
                yielded = self  # it was served enough; others come first
        except StopIteration as end:
            if given is None or end.value is None:
                return end.value if given is None else given
            yielded = CallValue(end.value)
        finally:
            self.stepping = before
        event = make_event()
        task = Task(self._engine, event, result, method)
        self.add(task)
        if given is not None:
            event._event_value.setValue(given)
        if is_cut:
            self.cancel(task)
        elif yielded is self:
            task.resume(sent)
        elif not task.take(yielded):
            self.ready.append(task)
        return event._event_value

    def _begin_coroutine(
        self, method: Any, coroutine: Any, make_event: Callable[[], BaseEvent]
    ) -> Any:
        host = self._engine.loop.host
        future = None if host is None else host.start_task(coroutine)
        if future is None:
            return self._suspended(make_event(), method, coroutine)
        if future.done() and not future.cancelled():
            return future.result()
        event = make_event()
        task = CoroutineTask(self._engine, event, coroutine, method)
        self.add(task)
        task.follow(future)
        return event._event_value

    def _has_left(self, method: Any) -> bool:
        owner = getattr(method, "__self__", None)
        return getattr(owner, "_tree_engine", self._engine) is not self._engine

    def _suspended(self, event: BaseEvent, method: Any, result: Any) -> Any:
        self.suspend(event, method, result)
        return event._event_value

    def step_ready(self) -> None:
        """Step every task that has something to do, in order, once."""
        ready = self.ready
        if self.polled:
            # They were here before what has become ready since.
            ready.extendleft(reversed(self.take_polled()))
        self.is_ahead = False
        self._step_each(ready)
        if self.is_ahead:
            self._step_each(ready)

    def _step_each(self, ready: deque[Any]) -> None:
        for _ in range(len(ready)):
            try:
                task = ready.popleft()
            except IndexError:
                break
            if task in self._tasks:
                self.step(task)

    def step(self, task: Any) -> None:
        """Step one task."""
        queue = self._queue
        before, self.stepping = self.stepping, _thread.get_ident()
        cause, outer = task.firing._event_cause, queue.cause
        try:
            if cause is None and outer is None:
                task.step()
            else:
                queue.set_cause(cause)
                task.step()
                queue.set_cause(outer)
        except Exception as problem:
            queue.set_cause(outer)
            if task in self._tasks:
                self.end(task, None, problem)
            else:
                self._engine.report(problem, task.method, task.event)
        self.stepping = before

    def poll(self, task: Task) -> None:
        """Step a task again after the next turn that does something."""
        if not self.polled:
            self._queue.add_reasons(1)
        self.polled.append(task)

    def take_polled(self) -> list[Task]:
        """The tasks that wait by a bare ``yield``; they do so no more."""
        polled = self.polled
        if polled:
            self._queue.add_reasons(-1)
            self.polled = []
        return polled

    # -- wait for a name --

    def await_name(self, name: str, wait: Wait) -> None:
        """Add a wait for the next event of a name. From any thread."""
        with TREE_LOCK:
            wait.table = self
            self.awaited.add(name, wait)
            self._engine.routes.set_awaited(name, True)
        session = self._engine.loop.session
        if session is not None and self._engine.thread_is_ours():
            session.starting.begin()  # what is waited for may need what has been put off

    def forget_name(self, name: str, wait: Wait) -> None:
        """Remove a wait for a name."""
        with TREE_LOCK:
            if name in self.awaited:
                self.awaited.discard(name, wait)
                if name not in self.awaited:
                    self._engine.routes.set_awaited(name, False)

    def match_waits(self, event: BaseEvent) -> None:
        """Make the waits that match an event, which is about to be dispatched, its waiters."""
        if event._event_cancelled:
            return
        with TREE_LOCK:
            found = self.awaited.matching(event)
        for wait in found:
            self.forget_name(event._event_name, wait)
            event._when_over(wait)

    # -- leave --

    def end(
        self,
        task: Any,
        result: Any,
        problem: BaseException | None,
        lines: list[str] | None = None,
    ) -> None:
        """A suspended handler returned or raised; in another process, with this traceback."""
        self._tasks.pop(task, None)
        firing: Firing = task.firing
        if problem is None and result is not None:
            try:
                firing._event_value.setValue(result)
            except Exception as fault:
                problem = fault
        if problem is not None:
            self._engine.outcomes.fail(task.event, task.method, problem, lines, firing)
        self._leave(firing)

    def cancel(self, task: Any) -> None:
        """Cancel a suspended handler; its event goes on as if it had returned."""
        if self._tasks.pop(task, task) is None:
            self._cut(task)

    def _cut(self, task: Any) -> None:
        task.firing._event_value.cut = True
        task.close()
        self._leave(task.firing)

    def _leave(self, firing: Firing) -> None:
        firing.event.waitingHandlers -= 1
        self._engine.outcomes.leave(firing)

    def cancel_of(self, nodes: Iterable[Manager]) -> None:
        """Cancel the suspended handlers of components that leave. From any thread."""
        if self._tasks:
            ids = {id(node) for node in nodes}
            tasks = [task for task in list(self._tasks) if id(task.owner) in ids]
            if self._engine.thread_is_ours():
                cancel_each(tasks)
            elif tasks:
                # Their code must not run in the thread that has made them leave.
                self._engine.root.fire(CallInLoop(cancel_each, tasks))

    def cancel_all(self) -> None:
        """Cancel every suspended handler."""
        while self._tasks:
            self._cut(self._tasks.popitem()[0])
        self.ready.clear()
        self.take_polled()

    def move_to(self, other: TaskTable) -> None:
        """Move everything to the table of another tree."""
        for task in self._tasks:
            task.engine = other._engine
        other._tasks.update(self._tasks)
        other.ready.extend(self.ready)
        for task in self.take_polled():
            other.poll(task)
        for name, wait in self.awaited:
            other.await_name(name, wait)
        self._tasks.clear()
        self.ready.clear()
        self.awaited = NameWaits()


def cancel_each(tasks: Iterable[Any]) -> None:
    """Cancel tasks, but for one that moves its own component, and goes on."""
    for task in tasks:
        if not task.is_executing:
            task.engine.tasks.cancel(task)
