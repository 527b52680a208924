"""The engine of one tree: queue, routes, dispatch, tasks and time.

The root of a tree owns it; the components below only point at it. Only the thread that runs
the loop dispatches, but any thread may append to the queue: it appends first and looks at one
flag afterwards, and the loop sets that flag before it looks at the queue for the last time
and blocks. So nothing is lost, without a lock.
"""

from __future__ import annotations

import _thread
import sys
from collections import deque
from types import CoroutineType, GeneratorType

from . import _clock
from ._effects import Scope
from ._routing import TREE_LOCK, Routes
from ._tasks import CoroutineTask, Task
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
    GenerateEvents,
    Success,
    derived_class,
)
from .utils import flatten
from .values import HAS_RESULT, Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from ._routing import Route
    from ._tasks import Wait
    from .events import BaseEvent
    from .manager import Manager

#: While tasks wait by a bare ``yield``, an idle loop looks at them this often, in seconds.
TASK_INTERVAL = 0.1

#: How many turns a busy loop makes before it asks the poller: a system call costs more than an
#: event, and at this number a ready descriptor still waits for microseconds only.
TURNS_PER_POLL = 8

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


class Engine:
    """Queue, routes, tasks and time of the tree below one root."""

    def __init__(self, root: Manager) -> None:
        self.root = root
        self.routes = Routes()
        self.queue: deque[BaseEvent] = deque()
        #: (priority, event) of what was fired with a priority other than 0.
        self.ranked: list[tuple[float, BaseEvent]] = []
        self.nested = 0  # how many handlers that are being run have called flush or tick
        self._left = 0  # events of the current batch that are still in the queue
        #: Whether ``fire`` must call ``alerted``: the loop sleeps, or effects are counted.
        self.alert = False
        self.sleeping = False
        self.cause: Scope | None = None
        self.successor: Engine | None = None  # once this tree is part of another one
        self.thread: int | None = None  # who runs the loop
        self.runner: Manager | None = None  # the manager whose run() it is
        self.session: Any = None  # that run
        self.timing = False  # whether timers count although nothing runs: for tests
        self._hang_up_wishes: dict[int, Any] = {}
        self.ready: deque[Any] = deque()
        self.polled: list[Task] = []
        self.tasks: dict[Any, None] = {}
        self.stepping = False
        self.awaited: dict[str, list[Wait]] = {}
        self.schedule = _clock.Schedule()
        self.holds: dict[int, Any] = {}
        self.host: Any = None  # the asyncio loop that runs coroutine handlers
        self.wants_host = False
        self.latch: Any = None
        self._generating: GenerateEvents | None = None
        self._waiter: Any = None  # the poller or latch that the loop sleeps in
        self._turns = 0
        self._lock: Any = None
        with TREE_LOCK:
            for node in flatten(root):
                node._live = self
                self.routes.add(node)

    # -- growing and shrinking; the caller holds TREE_LOCK --

    def adopt(self, component: Manager, own: Engine | None) -> None:
        """Take over a subtree, with the queue, the tasks and the timers of its engine."""
        for node in component._subtree():
            node._live = self
            self.routes.add(node)
        if own is not None and own is not self:
            own._retire(self)

    def _retire(self, successor: Engine) -> None:
        # From here on whoever still appends to our queue finds the flag set and comes to
        # ``wake``, which passes the events on.
        self.successor = successor
        self.alert = self.sleeping = True
        for task in self.tasks:
            task.engine = successor
        successor.tasks.update(self.tasks)
        successor.ready.extend(self.ready)
        successor.polled.extend(self.polled)
        successor.schedule.merge(self.schedule)
        successor.ranked.extend(self.ranked)
        successor.holds.update(self.holds)
        for name, waits in self.awaited.items():
            successor.awaited.setdefault(name, []).extend(waits)
        for store in (self.tasks, self.ready, self.polled, self.ranked, self.awaited, self.holds):
            store.clear()
        if self.thread is not None:
            successor.thread, successor.runner = self.thread, self.runner
            successor.session = self.session
        self._left = 0
        self._pass_on()
        if self._waiter is not None:
            self._waiter.resume()

    def _pass_on(self) -> None:
        with TREE_LOCK:
            successor = self.successor
            while successor is not None and successor.successor is not None:
                successor = successor.successor
            while successor is not None:
                try:
                    event = self.queue.popleft()
                except IndexError:
                    break
                successor.queue.append(event)
                if successor.alert:
                    successor.alerted(None)

    def cancel_tasks_of(self, nodes: Iterable[Manager]) -> None:
        """Cancel the suspended handlers of components that leave."""
        if not self.tasks:
            return
        ids = {id(node) for node in nodes}
        for task in [t for t in self.tasks if id(t.owner) in ids]:
            if not task.is_executing:  # it moves its own component, and goes on
                self.cancel_task(task)

    # -- firing --

    def rank(self, event: BaseEvent, priority: float) -> None:
        """Queue an event that goes before or after its batch."""
        self.ranked.append((priority, event))
        if self.alert:
            self.alerted(event)

    def alerted(self, event: BaseEvent | None) -> None:
        """Do what ``fire`` leaves to us: count an effect, wake the loop."""
        if self.cause is not None and event is not None and self.thread_is_ours():
            self.cause.enter(event)
        if self.sleeping:
            self.wake()

    def thread_is_ours(self) -> bool:
        """Whether the calling thread is the one that dispatches."""
        return self.thread is None or self.thread == _thread.get_ident()

    def wake(self) -> None:
        """End the wait of the loop. From any thread, and from signal handlers."""
        if self.successor is not None:
            self._pass_on()
            return
        self.sleeping = False
        generating = self._generating
        if generating is not None:
            generating.reduce_time_left(0)
        waiter = self._waiter
        if waiter is not None:
            waiter.resume()

    def __len__(self) -> int:
        return len(self.queue) + len(self.ranked)

    # -- dispatching --

    def flush(self) -> bool:
        """Dispatch what was queued when it began; called by a handler, what is left of that.

        Returns:
            Whether there was anything.
        """
        queue, plain = self.queue, self.routes.plain
        if not self._left:
            if self.ranked:
                self._rank_batch()
            self._left = len(queue)
            if not queue:
                return False
        while left := self._left:
            self._left = left - 1
            try:
                event = queue.popleft()
            except IndexError:  # this tree became part of another one
                self._left = 0
                break
            key = event._key
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
                        args = event._args
                        try:
                            result = method(*args) if args else method()
                        except BaseException as problem:
                            self._failed(event, method, problem)
                        else:
                            if result is not None:
                                if type(result) in _SUSPENDED:
                                    self._put_off(event, method, result)
                                else:
                                    value = event._value
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
                    if event._key is None:
                        self._finish(event)
                    else:
                        value = event._value
                        if getrefcount(value) == _HELD_ONCE_MORE:
                            value.event = None  # see _finish
        return True

    def flush_within(self) -> None:
        """Flush in a handler; if its effects are counted, what others fire is none of them."""
        cause, self.cause = self.cause, None
        self.alert = self.sleeping
        self.nested += 1
        try:
            self.flush()
        finally:
            self.nested -= 1
            self.cause = cause
            self.alert = self.sleeping or cause is not None

    def _rank_batch(self) -> None:
        """Put the events with a priority where they belong in the queue."""
        queue, ranked = self.queue, self.ranked
        count = len(ranked)  # other threads may append meanwhile, to both
        batch = sorted(ranked[:count], key=lambda entry: entry[0])
        del ranked[:count]
        queue.extend(event for priority, event in batch if priority > 0)
        queue.extendleft(event for priority, event in reversed(batch) if priority < 0)

    def dispatch(self, event: BaseEvent) -> None:
        """Run the handlers of one event."""
        key = event._key
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
        if event._key is None:
            self._finish(event)

    def _go_on(self, event: BaseEvent, methods: tuple[Callable[..., Any], ...], last: Any) -> None:
        """Run the rest of the handlers, of an event that one of them has marked."""
        if not event._stopped:
            position = next(n for n, method in enumerate(methods, 1) if method is last)
            routes = tuple((method, False, False) for method in methods[position:])
            self._run(event, routes, event._kwargs)

    def _run(
        self, event: BaseEvent, routes: tuple[Route, ...], kwargs: dict[str, Any] | None = None
    ) -> None:
        for method, wants_event, is_filter in routes:
            event.handler = method
            args = event._args
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
                        event._value.setValue(result)
                    if is_filter:
                        break
            # Whatever marks an event takes the handler away, which is fast to see.
            if event.handler is not method:
                if event._stopped:
                    break
                kwargs = event._kwargs
        event.handler = None

    def _take(self, event: BaseEvent, method: Any, result: Any) -> None:
        """Store what a handler returned, or go on with it later."""
        if type(result) in _SUSPENDED:
            self._put_off(event, method, result)
        else:
            event._value.setValue(result)

    def _dispatch_marked(self, event: BaseEvent) -> None:
        """Run the handlers of an event that somebody wants more of than that."""
        marks = event._marks | event._class_marks
        if marks & RARE and event._cancelled:
            self._finish(event, without=SUCCESS | DONE)
            return
        name = event._name
        if self.awaited and name in self.awaited:
            self._match_waits(event)
        event._failed = event._stopped = False
        try:
            routes = self.routes.cache[name][event.channels]
        except KeyError:
            routes = self.routes.resolve(name, event.channels)
        kwargs = None
        if marks & RARE:
            kwargs = event._kwargs
            if event._choose_routes is not None:
                chosen = event._choose_routes(routes)
                if chosen is None:
                    return
                routes = chosen
        if not routes and name == "error":
            self._no_error_handler(event)
        outer = self.cause
        if outer is None and not marks & (COMPLETE | COUNTED):
            self._run(event, routes, kwargs)
            self._finish(event)
            return
        if marks & COMPLETE:
            event._effect = Scope(event, event._effect)
            event._marks |= COUNTED
        self.cause = event._effect
        self.alert = self.sleeping or self.cause is not None
        self._run(event, routes, kwargs)
        self.cause = None
        self.alert = self.sleeping
        self._finish(event)
        if outer is not None:
            self.cause = outer
            self.alert = True

    def call_direct(self, method: Callable[..., Any], event_class: type[Event], *args: Any) -> None:
        """Call the only handler of an event that nobody else can see, without the event."""
        try:
            result = method(*args)
        except BaseException as problem:
            self._failed(self._made(event_class, args), method, problem)
        else:
            if result is not None:
                self._take(self._made(event_class, args), method, result)

    def _made(self, event_class: type[Event], args: Sequence[Any]) -> BaseEvent:
        event = event_class(*args)
        self.root.fire(event)  # gives it a value; taken back, since it has been handled
        self.queue.remove(event)
        return event

    # -- ending --

    def _finish(self, event: BaseEvent, without: int = 0) -> None:
        """Tell whoever asked that the handlers are done, unless some are suspended."""
        marks = (event._marks | event._class_marks) & ~without
        if marks & SUSPENDED and event.waitingHandlers:
            return
        value = event._value
        if marks & DONE:
            self._feedback(Done, "Done", event, None, value.value)
        if marks & SUCCESS and not event._failed:
            channels = marks & ELSEWHERE and getattr(event, "success_channels", None)
            self._feedback(Success, "Success", event, channels, value.value)
        if marks & COUNTED:
            scope, event._effect = event._effect, None
            event._marks &= ~COUNTED
            for over in scope.leave():
                asked = over._marks | over._class_marks
                channels = asked & ELSEWHERE and getattr(over, "complete_channels", None)
                self._feedback(Complete, "Complete", over, channels, over._value.value)
        if marks & WAITED:
            waits, event._waiters = event._waiters, None
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
        made = event._created.get((kind, topic)) or derived_class(kind, topic, event)
        where = tuple(channels) if channels else event.channels
        # After a failure, other handlers of the event run, which may add one that hears of it.
        if (
            self.thread is not None
            and kind is not Failure
            and not event._waiters
            and self.comes_next()
        ):
            # Nobody can see it: no need to build it.
            if not self.route(made._name, where):
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
            and not self.ranked
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
        event._failed = True
        event._value.fail(error)
        event._mark()  # so that this is forgotten before it is dispatched once more
        if (event._marks | event._class_marks) & FAILURE:
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
        if event is not None and event._waiters:
            error.received = any(wait.is_awaited for wait in event._waiters)  # type: ignore[attr-defined]
        self.root.fire(error, *self.root._channels)

    def _no_error_handler(self, event: BaseEvent) -> None:
        if isinstance(event, Error):
            problem, lines, method = event.args[1:4]
            _log(problem, lines, method, None, debug=getattr(event, "received", False))

    def stop(self, code: Any = None) -> None:
        """Stop whoever runs this tree."""
        (self.runner or self.root).stop(code)

    # -- tasks --

    def _want_host(self) -> None:
        self.wants_host = True

    def _put_off(self, event: BaseEvent, method: Any, result: Any) -> None:
        """Go on later with a handler that is a generator or a coroutine."""
        if type(result) is GeneratorType:
            self._suspend(event, Task(self, event, result, method))
        else:
            self._suspend(event, CoroutineTask(self, event, result, method))
            self._want_host()

    def _suspend(self, event: BaseEvent, task: Any) -> None:
        self.enter(task)
        self.ready.append(task)

    def enter(self, task: Any) -> None:
        """Have the event of a task wait until that has ended."""
        event = task.event
        event.waitingHandlers += 1
        event._value.promise = True
        event._mark(SUSPENDED)
        self.tasks[task] = None

    def step_tasks(self) -> bool:
        """Advance every task that has something to do, in order, once.

        Returns:
            Whether there was anything.
        """
        ready = self.ready
        if self.polled:
            # They were here before what has become ready since.
            ready.extendleft(reversed(self.polled))
            self.polled.clear()
        count = len(ready)
        for _ in range(count):
            try:
                task = ready.popleft()
            except IndexError:
                break
            if task in self.tasks:
                self.step(task)
        return count > 0

    def step(self, task: Any) -> None:
        """Advance one task."""
        outer, self.cause = self.cause, task.event._effect
        self.alert = self.sleeping or self.cause is not None
        self.stepping = True
        if self.thread is None:
            self.thread = _thread.get_ident()
            try:
                task.step()
            finally:
                self.thread = None
        else:
            task.step()
        self.stepping = False
        self.cause = outer
        self.alert = self.sleeping or outer is not None

    def end_task(
        self,
        task: Any,
        result: Any,
        problem: BaseException | None,
        lines: list[str] | None = None,
    ) -> None:
        """A suspended handler returned or raised; in another process, with this traceback."""
        self.tasks.pop(task, None)
        event = task.event
        if problem is not None:
            self._failed(event, task.method, problem, lines)
        elif result is not None:
            event._value.setValue(result)
        self._leave(event)

    def cancel_task(self, task: Any) -> None:
        """Cancel a suspended handler; its event goes on as if it had returned."""
        if self.tasks.pop(task, task) is None:
            task.close()
            self._leave(task.event)

    def _leave(self, event: BaseEvent) -> None:
        event.waitingHandlers -= 1
        if event.waitingHandlers <= 0:
            event.waitingHandlers = 0
            event._value.inform(True)
            cause, self.cause = self.cause, None
            self.alert = self.sleeping
            self._finish(event)
            self.cause = cause
            self.alert = self.sleeping or cause is not None

    def await_name(self, name: str, wait: Wait) -> None:
        """Enter a wait for the next event of a name."""
        self.awaited.setdefault(name, []).append(wait)

    def forget_name(self, name: str, wait: Wait) -> None:
        """Take a wait out again."""
        waits = self.awaited.get(name, [])
        if wait in waits:
            waits.remove(wait)
            if not waits:
                self.awaited.pop(name, None)

    def _match_waits(self, event: BaseEvent) -> None:
        for wait in list(self.awaited[event.name]):
            if wait.matches(event):
                self.forget_name(event.name, wait)
                event._when_over(wait)

    # -- time and idleness --

    @property
    def lock(self) -> Any:
        """The lock that ``generate_events`` handlers are given."""
        if self._lock is None:
            self._lock = _thread.RLock()
        return self._lock

    def tick(self, timeout: float) -> None:
        """One turn: tasks, what is due, the queue; then, when running, wait for more.

        Args:
            timeout: The longest to wait, in seconds; negative means until something happens.
        """
        if self.host is not None and self.host.turn(timeout):
            return
        if self.ready or self.polled:
            self.step_tasks()
        schedule = self.schedule
        if schedule._heap:
            schedule.run_due(_clock.now())
        if self.queue or self.ranked:
            self.flush()
            if self.polled:
                timeout = 0.0  # handlers that look at something again and again may see it now
        runner = self.runner
        if runner is not None:
            if not runner._running and (timeout < 0 or not self.holds):
                timeout = 0.0  # it was stopped, or the last hold was released, in this very turn
            self._turns += 1
            if not self.queue or self._turns >= TURNS_PER_POLL:
                self._turns = 0
                self.idle(timeout)

    def time_to_wait(self, timeout: float) -> float:
        """How long the loop may sleep, in seconds; negative means without limit."""
        if self.queue or self.ranked or self.ready:
            return 0.0
        if self.schedule._heap:
            deadline = self.schedule.next_deadline()
            if deadline is not None:
                left = deadline - _clock.now()
                # Rounded up, so that timers that are nearly due together need one wait, not many.
                left = -(-left * 1000 // 1) / 1000 if left > 0 else 0.0
                timeout = left if timeout < 0 else min(timeout, left)
        if self.polled:
            timeout = TASK_INTERVAL if timeout < 0 else min(timeout, TASK_INTERVAL)
        return timeout

    def idle(self, timeout: float) -> None:
        """Ask for events, and wait for them if there is nothing else to do."""
        routes = self.routes.cache.get("generate_events", _NO_ROUTES).get(("*",))
        if routes is None:
            routes = self.routes.resolve("generate_events", ("*",))
        if len(routes) == 1 and (poller := getattr(routes[0][0], "__self__", None)) is not None:
            if getattr(poller, "_polls", False):
                self.wait_in(poller, self.time_to_wait(timeout))
                return
        if not routes:
            wait = self.time_to_wait(timeout)
            if wait != 0:
                self.wait_in(self._own_latch(), wait)
            return
        self._generate(timeout)

    def _own_latch(self) -> Any:
        if self.latch is None:
            from .helpers import Latch  # noqa: PLC0415 - helpers builds on components

            pipe = None if self.session is None else self.session.pipe
            self.latch = Latch() if pipe is None else pipe
        return self.latch

    def wait_in(self, waiter: Any, timeout: float) -> None:
        """Wait in a poller or a latch; what is fired meanwhile ends the wait."""
        if timeout == 0:
            ready = waiter.block(0.0)
            if ready:
                waiter.report(ready)
            return
        session = self.session
        if session is not None and session.pipe is not None and session.pipe.waiter is not waiter:
            session.pipe.watch_with(waiter)
        self._waiter = waiter
        self.alert = self.sleeping = True
        # Looked at again after the flag was set: what was appended before counts, and who
        # appends from now on sees the flag.
        if self.queue or self.ranked or self.ready:
            timeout = 0.0
        try:
            ready = waiter.block(timeout)
        finally:
            self._waiter = None
            if self.successor is None:
                self.sleeping = False
                self.alert = self.cause is not None
        if ready:
            waiter.report(ready)

    def _generate(self, timeout: float) -> None:
        event = GenerateEvents(self.lock, self.time_to_wait(timeout))
        event.channels = ("*",)
        self.root._give_value(event)
        self._generating = event
        self.alert = self.sleeping = True
        if self.queue or self.ranked:
            event.reduce_time_left(0)
        try:
            routes = self.route("generate_events", ("*",))
            self._run(event, routes)
            waited = any(is_filter for _, _, is_filter in routes)
            if not waited and event.time_left != 0 and not self.queue:
                latch = self._own_latch()
                self._waiter = latch
                latch.block(event.time_left)
        finally:
            self._waiter = None
            self._generating = None
            self.sleeping = False
            self.alert = self.cause is not None

    # -- signals --

    @property
    def wants_hang_up(self) -> bool:
        """Whether a component handles SIGHUP, which else ends the process."""
        return bool(self._hang_up_wishes)

    def want_hang_up(self, component: Manager, wants: bool) -> None:
        """Say whether a component of the tree handles SIGHUP."""
        if wants:
            self._hang_up_wishes[id(component)] = component
        else:
            self._hang_up_wishes.pop(id(component), None)
        if self.session is not None:
            self.session.heed_hang_up()

    # -- orderly end --

    def hold(self, holder: object) -> None:
        """Keep a stopping application alive, at most its ``stop_timeout``, until released."""
        self.holds[id(holder)] = holder

    def release(self, holder: object) -> None:
        """End a hold; without effect where there is none."""
        self.holds.pop(id(holder), None)

    def cancel_all_tasks(self) -> None:
        """Cancel every suspended handler."""
        while self.tasks:
            self.cancel_task(next(reversed(self.tasks)))
        self.ready.clear()
        self.polled.clear()

    def deliver_to(self, component: Manager, event: BaseEvent) -> None:
        """Let an event of the old tree reach a component that has just left it, too."""
        departed = tuple(
            (spec.bound_to(component), spec.wants_event, spec.filter)
            for spec in component._specs
            if event.name in spec.names and getattr(component, "_live", None) is not self
        )
        if departed:
            # Not twice, should it be back already.
            event._choose_routes = lambda routes: (
                *routes,
                *(route for route in departed if route not in routes),
            )
            event._mark(RARE)


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
