"""Suspended handlers: generators, coroutines, and what waits without code, and how each goes on.

A generator is stepped up to a ``yield`` of something to wait for (``_waits``), which resumes it when it
is over; a coroutine is run by asyncio. The table of all of them, which steps them, is
``_task_table``.
"""

from __future__ import annotations

from types import CoroutineType, GeneratorType

from ._reports import log_yielded
from ._suspension import Suspension
from .errors import EXIT_EXCEPTIONS
from .events import BaseEvent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from typing import Any

    from ._causes import Firing
    from ._engine import Engine
    from .manager import Manager

__all__ = [
    "MOST_AHEAD", "CallValue", "CoroutineTask", "ExceptionWrapper", "OutsideTask", "Task",
    "awaits_of", "frame_of",
]  # fmt: skip

#: How often a handler goes on at once in one step, where nothing else is to be done, before timers
#: and descriptors are looked at.
MOST_AHEAD = 8


class CallValue:
    """What a generator yields as its last, instead of returning it. Kept for old programs."""

    def __init__(self, value: Any) -> None:
        self.value = value


class ExceptionWrapper:
    """What a generator yields to fail, instead of raising it. Kept for programs of the 3.x line."""

    def __init__(self, exception: BaseException) -> None:
        self.exception = exception

    def extract(self) -> BaseException:
        """The exception."""
        return self.exception


class Task:
    """One suspended generator handler, with the generators that it waits in, outermost first.

    Attributes:
        event: The event whose handler it is.
        method: The bound handler.
        engine: Where it runs.
        firing: The firing that it belongs to; set when it is added.
        stack: Its generators.
        waiting: What it waits for, or ``None`` when it is due.
        ahead: How often it has gone on in this step without waiting for the next turn.
    """

    __slots__ = (
        "ahead", "engine", "error", "event", "firing", "method", "result", "stack", "waiting",
    )  # fmt: skip

    firing: Firing

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
        self.ahead = 0

    @property
    def owner(self) -> Any:
        """The component whose handler it is."""
        return getattr(self.method, "__self__", None)

    @property
    def is_executing(self) -> bool:
        """Whether it is being advanced right now."""
        return any(getattr(generator, "gi_running", False) for generator in self.stack)

    def resume(self, result: Any = None, error: BaseException | None = None) -> None:
        """Make the task ready; its generator gets a result or an exception at the next turn."""
        self.waiting = None
        self.result = result
        self.error = error
        engine = self.engine
        engine.tasks.ready.append(self)
        if engine.queue.alert:
            engine.alerted(None)

    def step(self) -> None:
        """Advance until it suspends again or ends."""
        tasks, stack = self.engine.tasks, self.stack
        result, error = self.result, self.error
        self.result = self.error = None
        self.ahead = 0
        while stack:
            try:
                if error is not None:
                    yielded = stack[-1].throw(error)
                elif result is not None:
                    yielded = stack[-1].send(result)
                else:
                    yielded = next(stack[-1])
            except StopIteration as end:
                stack.pop()
                result, error = end.value, None
                continue
            except BaseException as problem:
                stack.pop()
                if stack and not isinstance(problem, EXIT_EXCEPTIONS):
                    result, error = None, problem
                    continue
                tasks.end(self, None, problem)
                return
            if self.take(yielded):
                return
            result, error = self.result, self.error
            self.result = self.error = None
        tasks.end(self, result, error)

    def take(self, yielded: Any) -> bool:
        """Do what a generator has asked for; ``False`` if it, or another one, goes on at once."""
        tasks = self.engine.tasks
        if yielded is None:
            tasks.poll(self)
            return True
        try:
            if isinstance(yielded, Suspension):
                if self.ahead < MOST_AHEAD:
                    self.result = yielded.at_once(self.engine)
                    if not self.stack:  # what came of that has cancelled it
                        return True
                    if self.result is not None:
                        self.ahead += 1
                        return False
                self.waiting = yielded
                yielded.attach(self)
            elif isinstance(yielded, GeneratorType):
                self.stack.append(yielded)
                return False
            elif isinstance(yielded, CallValue):
                self.stack.pop().close()
                self.result = yielded.value
                return False
            elif isinstance(yielded, ExceptionWrapper):
                self.stack.pop().close()
                self.error = yielded.extract()
                return False
            elif isinstance(yielded, CoroutineType):
                yielded.close()  # nobody awaits it, which is told here and not later and elsewhere
                raise TypeError(
                    f"the coroutine {yielded.__qualname__} is awaited in a handler with async def; "
                    "a generator cannot wait for it"
                )
            else:
                if isinstance(yielded, BaseEvent):  # it is a result
                    log_yielded(self, yielded)
                self.firing._event_value.setValue(yielded)
                if self.ahead < MOST_AHEAD and tasks.are_alone():
                    self.ahead += 1
                    return False  # nothing happens before its next turn
                tasks.ready.append(self)
        except Exception as problem:
            self.resume(None, problem)  # it is to hear of that at its ``yield``
        return True

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


def frame_of(node: Any) -> Any:
    """The frame of a suspended generator or coroutine; ``None`` if it has none, or is neither."""
    return getattr(node, "cr_frame", None) or getattr(node, "gi_frame", None)


def awaits_of(task: Any) -> Iterator[Any]:
    """What a task waits in, from the handler inwards; the last one waits for no other.

    Of what waits in an ``__await__`` of ours, it is the suspension.
    """
    stack = [task.coroutine] if hasattr(task, "coroutine") else list(getattr(task, "stack", ()))
    yield from stack[:-1]
    node = stack[-1] if stack else None
    while node is not None:
        frame = getattr(node, "gi_frame", None)  # the generator of an __await__
        owner = None if frame is None else frame.f_locals.get("self")
        if isinstance(owner, Suspension):
            yield owner
            return
        yield node
        node = getattr(node, "cr_await", None) or getattr(node, "gi_yieldfrom", None)


class CoroutineTask:
    """One suspended coroutine handler, which an asyncio loop runs."""

    __slots__ = ("coroutine", "engine", "event", "firing", "future", "method")

    waiting = None
    is_executing = False  # for a loop to cancel it is enough to tell it so
    firing: Firing

    def __init__(self, engine: Engine, event: BaseEvent, coroutine: Any, method: Any) -> None:
        self.engine = engine
        self.event = event
        self.coroutine = coroutine
        self.method = method
        self.future: Any = None

    owner = Task.owner

    def step(self) -> None:
        """Hand the coroutine to the loop, which runs its first step."""
        engine = self.engine
        host = engine.loop.host
        if host is None:
            engine.tasks.ready.append(self)  # not hosted yet; the loop is about to be
            return
        engine.tasks.has_handed_over = True
        self.follow(host.create_task(self.coroutine, self.firing, engine))

    def follow(self, future: Any) -> None:
        """Have it end when the task of asyncio ends that runs the coroutine."""
        self.future = future
        future.add_done_callback(self._ended)

    def _ended(self, future: Any) -> None:
        tasks = self.engine.tasks
        if self not in tasks:
            # Cancelled by us, and its event has gone on. What it raised must not be lost.
            problem = None if future.cancelled() else future.exception()
            if problem is not None and not isinstance(problem, EXIT_EXCEPTIONS):
                self.engine.report(problem, self.method, self.event)
            return
        result = problem = None
        if future.cancelled() and future.cancelling():
            self.firing._event_value.cut = True  # somebody meant it
        else:
            try:
                result = future.result()
            except BaseException as raised:
                problem = raised
        tasks.end(self, result, problem)

    def close(self) -> None:
        """Cancel: ``CancelledError`` at the place where it is suspended."""
        if self.future is None:
            self.coroutine.close()
        else:
            self.future.cancel()


class OutsideTask:
    """A handler that waits for something outside of the loop, without a generator.

    For the table it is a task like the others. But there is no code to be resumed: what it waits
    for is its result, and its first step is its last one. Used in the loop's thread.

    Attributes:
        owner: The component.
        event: The event.
        engine: Where it waits; the engine changes it when trees are joined.
        method: The handler.
        firing: The firing that it belongs to; set when it is added.
        is_over: Whether the event has been resumed, or was given up.
    """

    __slots__ = ("engine", "event", "firing", "is_over", "method", "owner")

    waiting = None
    is_executing = False
    firing: Firing

    def __init__(self, owner: Manager, event: BaseEvent) -> None:
        self.owner = owner
        self.event = event
        self.engine = owner._tree_engine
        self.method = event.handler
        self.is_over = False

    # -- what a subclass provides --

    def finish(self) -> None:
        """End the task: call ``engine.tasks.end(self, result, problem)``."""
        raise NotImplementedError

    def given_up(self) -> None:
        """The handler is cancelled: nobody waits any more."""
        raise NotImplementedError

    # -- suspend and resume --

    def suspend(self) -> None:
        """Suspend the event. To be called by the handler, which then returns ``None``."""
        self.engine.tasks.add(self)

    def resume(self) -> None:
        """Resume the event: ``finish`` is called, on behalf of what the event counts for."""
        if self.is_over:
            return
        self.is_over = True
        tasks = self.engine.tasks
        if self in tasks:
            tasks.step(self)

    def step(self) -> None:
        """Called by the table, at our request."""
        self.finish()

    def close(self) -> None:
        """Called by the table."""
        if not self.is_over:
            self.is_over = True
            self.given_up()
