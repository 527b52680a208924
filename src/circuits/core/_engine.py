"""The engine of one tree: queue, routes, dispatch, tasks and time.

The root of a tree owns it; the components below only point at it. Only the thread that runs
the loop dispatches, but any thread may append to the queue. ``_dispatch`` is the way of an event,
``_turning`` the loop; here is how trees join and part, how other threads reach the loop, and what
becomes of suspended handlers.
"""

from __future__ import annotations

import _thread
from types import GeneratorType

from ._causes import Firing
from ._routing import TREE_LOCK
from ._tasks import CoroutineTask, Task
from ._turning import Turning
from .events import RARE, SUSPENDED
from .utils import flatten

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from ._tasks import Wait
    from .events import BaseEvent
    from .manager import Manager


class Engine(Turning):
    """Queue, routes, tasks and time of the tree below one root."""

    def __init__(self, root: Manager) -> None:
        super().__init__(root)
        self.successor: Engine | None = None  # once this tree is part of another one
        self.timing = False  # whether timers count although nothing runs: for tests
        self.tasks: dict[Any, None] = {}
        self.wants_host = False
        self._hang_up_wishes: dict[int, Any] = {}
        with TREE_LOCK:
            for node in flatten(root):
                node._tree_live = self
                self.routes.add(node)
                if node._tree_needs_host:
                    self.wants_host = True

    def set_tap(self, tap: Any) -> None:
        """Have a function called with each ``Direct`` whose handlers are about to be called.

        It is there for counting and tracing: no event is made for it. ``None`` ends that.
        """
        self.tap = tap
        with TREE_LOCK:
            self.routes.renew()

    # -- growing and shrinking; the caller holds TREE_LOCK --

    def adopt(self, component: Manager, own: Engine | None) -> None:
        """Take over a subtree, with the queue, the tasks and the timers of its engine."""
        for node in component._tree_subtree():
            node._tree_live = self
            self.routes.add(node)
            if node._tree_needs_host:
                self.wants_host = True
        if own is not None and own is not self:
            own._retire(self)

    def _retire(self, successor: Engine) -> None:
        # From here on whoever still appends to our queue finds the flag set and comes to
        # ``wake``, which passes the events on.
        self.successor = successor
        self.queue.set_sleeping(True)
        for task in self.tasks:
            task.engine = successor
        successor.tasks.update(self.tasks)
        successor.ready.extend(self.ready)
        successor.polled.extend(self.polled)
        successor.schedule.merge(self.schedule)
        successor.holds.update(self.holds)
        for name, waits in self.awaited.items():
            successor.awaited.setdefault(name, []).extend(waits)
            successor.routes.set_awaited(name, True)
        for store in (self.tasks, self.ready, self.polled, self.awaited, self.holds):
            store.clear()
        if self.thread is not None:
            successor.thread, successor.runner = self.thread, self.runner
            successor.session = self.session
            successor.turning = self.turning
        self._pass_on()
        if self._waiter is not None:
            self._waiter.resume()

    def _pass_on(self) -> None:
        with TREE_LOCK:
            successor = self.successor
            while successor is not None and successor.successor is not None:
                successor = successor.successor
            if successor is not None:
                self.queue.move_to(successor.queue)
                if successor.queue.alert:
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

    def alerted(self, event: BaseEvent | None) -> None:
        """Do what ``fire`` leaves to us: count an effect, wake the loop."""
        cause = self.queue.cause
        if cause is not None and event is not None and self.thread_is_ours():
            cause.enter(event)
        if self.queue.sleeping:
            self.wake()

    def thread_is_ours(self) -> bool:
        """Whether the calling thread is the one that dispatches."""
        return self.thread is None or self.thread == _thread.get_ident()

    def wake(self) -> None:
        """End the wait of the loop. From any thread, and from signal handlers."""
        if self.successor is not None:
            self._pass_on()
            return
        self.queue.sleeping = False
        generating = self._generating
        if generating is not None:
            generating.reduce_time_left(0)
        waiter = self._waiter
        if waiter is not None:
            waiter.resume()

    def __len__(self) -> int:
        return len(self.queue)

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
        event._event_value.promise = True
        event._event_mark(SUSPENDED)
        firing = event._event_firing
        if firing is None or not firing.unfinished:
            firing = event._event_firing = Firing(event)
        firing.unfinished += 1
        task.firing = firing
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
        outer = self.queue.set_cause(task.firing.cause)
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
        self.queue.set_cause(outer)

    def end_task(
        self,
        task: Any,
        result: Any,
        problem: BaseException | None,
        lines: list[str] | None = None,
    ) -> None:
        """A suspended handler returned or raised; in another process, with this traceback."""
        self.tasks.pop(task, None)
        firing = task.firing
        if problem is not None:
            self.fail(task.event, task.method, problem, lines, firing)
        elif result is not None:
            firing.value.setValue(result)
        self._leave(firing)

    def cancel_task(self, task: Any) -> None:
        """Cancel a suspended handler; its event goes on as if it had returned."""
        if self.tasks.pop(task, task) is None:
            task.firing.value.cut = True
            task.close()
            self._leave(task.firing)

    def _leave(self, firing: Firing) -> None:
        firing.event.waitingHandlers -= 1
        self.leave(firing)

    def await_name(self, name: str, wait: Wait) -> None:
        """Enter a wait for the next event of a name."""
        with TREE_LOCK:
            self.awaited.setdefault(name, []).append(wait)
            self.routes.set_awaited(name, True)

    def forget_name(self, name: str, wait: Wait) -> None:
        """Take a wait out again."""
        with TREE_LOCK:
            waits = self.awaited.get(name, [])
            if wait in waits:
                waits.remove(wait)
                if not waits:
                    del self.awaited[name]
                    self.routes.set_awaited(name, False)

    def _match_waits(self, event: BaseEvent) -> None:
        for wait in list(self.awaited[event.name]):
            if wait.matches(event):
                self.forget_name(event.name, wait)
                event._when_over(wait)

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
            for spec in component._tree_specs
            if event.name in spec.names and getattr(component, "_tree_live", None) is not self
        )
        if departed:
            # Not twice, should it be back already.
            event._choose_routes = lambda routes: (
                *routes,
                *(route for route in departed if route not in routes),
            )
            event._event_mark(RARE)
