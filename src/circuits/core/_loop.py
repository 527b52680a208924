"""The loop: turns, and waiting when there is nothing to do.

A turn steps what is suspended, fires what is due, dispatches the queue, and then waits: in a
poller, in a latch, or in whatever handles ``generate_events``. It sets a flag before it looks at
the queue for the last time and waits; who fires looks at the flag after appending. So nothing is
lost, without a lock.
"""

from __future__ import annotations

import _thread

from . import _clock
from ._latch import Latch
from ._routing import TREE_LOCK
from .events import GenerateEvents
from .utils import flatten

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from ._engine import Engine
    from ._routing import Route
    from ._session import Session
    from .manager import Manager

__all__ = ["TASK_INTERVAL", "Loop", "PollerFollower", "is_poller"]

#: While tasks wait by a bare ``yield``, an idle loop looks at them this often, in seconds.
TASK_INTERVAL = 0.1

#: Longest wait at once, in seconds: what kernels take ends at 24 days of milliseconds. Who waits
#: for longer than this wakes up once a day for nothing.
LONGEST_WAIT = 86400.0

#: How many events a busy loop dispatches, in however many turns, before it asks the poller: a
#: system call costs more than an event, and at this number a ready descriptor still waits for
#: microseconds only. It is not turns that count: with many connections, each has many events.
EVENTS_PER_POLL = 16

#: How many turns follow a step at the most before the next descriptor is looked at; what is
#: queued then comes after that one.
DRAIN_TURNS = 8


class Loop:
    """Turns of one tree.

    Attributes:
        runner: The manager whose ``run`` it is, or ``None``.
        session: That run.
        thread: Who runs it, or ``None``.
        turning: Whether a turn is being made, so that another one is nested.
        timing: Whether timers count although nothing runs: for tests.
        host: The asyncio loop that runs coroutine handlers, or ``None``.
        wants_host: Whether there is a coroutine handler.
        holds: What a stopping application waits for.
        latch: What it waits in where there is no poller.
        is_stopping: Whether what runs the tree has been stopped, and the end is awaited.
        next_run: What is called when the next run begins.
        has_moved: Whether the run has gone on to the loop of another tree: do not wait here.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._queue = engine.queue
        self._routes = engine.routes
        self._tasks = engine.tasks
        self._schedule = engine.schedule
        self._dispatch = engine.dispatch
        self.runner: Manager | None = None
        self.session: Session | None = None
        self.thread: int | None = None
        self.turning = False
        self.timing = False
        self.host: Any = None
        self.wants_host = False
        self.holds: dict[int, Any] = {}
        self.latch: Any = None
        self.is_stopping = False
        self.next_run: list[Callable[[], object]] = []
        self.has_moved = False
        # The poller that waits for all; or whether ``generate_events`` is handled otherwise.
        self._version = -1
        self._poller: Any = None
        self._generates = False
        self._first: Any = None  # the poller of the tree, or the first one of several
        self._generating: GenerateEvents | None = None
        self._waiter: Any = None  # the poller or latch that it sleeps in
        self._signalled: Any = None  # the one whose wait signals end
        self._dispatched = 0
        self._lock: Any = None

    @property
    def lock(self) -> Any:
        """The lock that ``generate_events`` handlers are given."""
        if self._lock is None:
            self._lock = _thread.RLock()
        return self._lock

    def enter(self, session: Session, manager: Manager) -> None:
        """Begin a run, in this thread."""
        self.session, self.runner = session, manager
        self.is_stopping = self.has_moved = False
        if self.thread is None:
            self._queue.add_reasons(-1)
        self.thread = _thread.get_ident()
        due, self.next_run = self.next_run, []
        for go_on in due:
            go_on()

    def leave(self) -> None:
        """End the run."""
        self.runner = self.session = None
        self.forget_signalled()
        self.is_stopping = False
        self.turning = False
        if self.thread is not None:
            self._queue.add_reasons(1)
        self.thread = None

    def move_run(self, other: Loop) -> None:
        """Move the run to the loop of another tree, with what it waits in and the loop of asyncio."""
        session, runner, turning = self.session, self.runner, self.turning
        if self.thread is not None and session is not None and runner is not None:
            thread = self.thread
            self.has_moved = True
            self.leave()
            other.enter(session, runner)
            other.thread, other.turning = thread, turning
            other.is_stopping = not runner._running
            other.host, self.host = self.host, None
            # It may be about to wait there.
            other._first, self._first = self._first, None
            if other._first is not None:
                other._first.change_holder(self, other)
            # It may wait for the signals of the run, or for asyncio.
            self.latch = other.latch = None

    def move_to(self, other: Loop) -> None:
        """Move everything to the loop of another tree."""
        self.move_run(other)
        other.holds.update(self.holds)
        other.next_run.extend(self.next_run)
        other.wants_host = other.wants_host or self.wants_host
        self.holds.clear()
        self.wake()

    # -- turns --

    def turn(self, timeout: float, stays: bool = False) -> None:
        """One turn: tasks, what is due, the queue; then, when running, wait for more.

        Args:
            timeout: The longest to wait, in seconds; negative means until something happens.
            stays: Whether to wait again and again, as long as another turn would do nothing else: so
                a server does with each handful of descriptors that are ready.
        """
        if self.host is not None and self.host.turn(timeout):
            return
        queue = self._queue
        tasks = self._tasks
        if tasks.ready or tasks.polled:
            tasks.step_ready()
        if self._schedule.heap:
            self._schedule.run_due(_clock.now())
        if queue:
            self._dispatched += self._dispatch.flush()
            if tasks.polled:
                timeout = 0.0  # handlers that look at something again and again may see it now
        runner = self.runner
        if runner is not None:
            if not runner._running and (timeout < 0 or not (self.holds or tasks.are_ending())):
                timeout = 0.0  # it was stopped, or the last hold was released, in this very turn
            if not queue or self._dispatched >= EVENTS_PER_POLL:
                self._dispatched = 0
                self.idle(timeout, stays)

    def drain(self, done: int = 0) -> None:
        """Dispatch what a step that was a call has left behind, before the next one is taken.

        So each descriptor finds the queue empty, and its event may be a call, whatever the one
        before has caused. It is a turn of its own in which nobody waits; bounded, for those who
        answer each event with another one.

        Args:
            done: How many turns have followed the step already.
        """
        tasks, queue = self._tasks, self._queue
        for _ in range(done, DRAIN_TURNS):
            if queue.reasons_to_queue or queue.cause is not None:
                return  # within another turn, or a handler looks once a turn
            if tasks.has_handed_over:
                return  # asyncio does so before what is queued is dispatched
            if tasks.ready:
                if self.wants_host and self.host is None:
                    return  # asyncio steps them, which is not there yet
                tasks.step_ready()
            if queue:
                self._dispatch.flush()
            if not (queue or tasks.ready):
                return

    # -- waiting --

    def sleep_in(self, waiter: Any) -> None:
        """Set what ``wake`` resumes when somebody fires."""
        self._waiter = waiter
        self._queue.sleeping = self._queue.alert = True

    def awake(self) -> None:
        """Undo ``sleep_in``: the loop is awake."""
        self._waiter = None
        if self._engine.successor is None:
            queue = self._queue
            queue.sleeping = False
            queue.alert = queue.cause is not None

    def wake(self) -> None:
        """End the wait. From any thread, and from signal handlers."""
        generating = self._generating
        if generating is not None:
            generating.reduce_time_left(0)
        waiter = self._waiter
        if waiter is not None:
            waiter.resume()

    def time_to_wait(self, timeout: float) -> float:
        """How long the loop may sleep at once, in seconds; negative means without limit."""
        if self._queue or self._tasks.ready:
            return 0.0
        if self._schedule.heap:
            deadline = self._schedule.next_deadline()
            if deadline is not None:
                left = deadline - _clock.now()
                if left > LONGEST_WAIT:
                    left = LONGEST_WAIT
                # Rounded up, so that timers that are nearly due together need one wait, not many.
                left = -(-left * 1000 // 1) / 1000 if left > 0 else 0.0
                timeout = left if timeout < 0 else min(timeout, left)
        if self._tasks.polled:
            timeout = TASK_INTERVAL if timeout < 0 else min(timeout, TASK_INTERVAL)
        return timeout if timeout < LONGEST_WAIT else LONGEST_WAIT

    def idle(self, timeout: float, stays: bool = False) -> None:
        """Ask for events, and wait for them if there is nothing else to do; arguments as of ``turn``."""
        if self._routes.version != self._version:
            self._choose_waiter()
        if self._poller is not None:
            self.wait_in(self._poller, self.time_to_wait(timeout), stays)
        elif self._generates:
            self._generate(timeout)
        elif (wait := self.time_to_wait(timeout)) != 0:
            latch = self.own_latch()
            if latch.is_full:  # else the wait would end at once, for a turn that does nothing
                latch.drain()
            self.wait_in(latch, wait)

    def find_poller(self) -> Any:
        """The poller of the tree, the first one of several, or ``None``; none that is leaving."""
        for method, _, _ in self._engine.route("generate_events", ("*",)):
            owner = getattr(method, "__self__", None)
            if is_poller(owner):
                return owner
        return None

    def _choose_waiter(self) -> None:
        """Find who handles ``generate_events``: a poller alone is asked without the event."""
        with TREE_LOCK:  # who takes a poller out from now on sees that we may wait in it
            self._version = self._routes.version
            before, self._first = self._first, self.find_poller()
            routes = self._engine.route("generate_events", ("*",))
            self._poller = self._first if len(routes) == 1 else None
            self._generates = bool(routes)
        if before is not None and before is not self._first:
            self._lose_poller(before)
        if self._first is not None and len(routes) > 1:
            self._dismiss_pollers(routes)  # and choose again, when they are leaving

    def may_wait_in(self, poller: Any) -> bool:
        """Whether a poller is still there, which then stays open until it is let go."""
        if poller is not self._first:
            with TREE_LOCK:
                if not is_poller(poller) or poller._tree_engine is not self._engine:
                    return False
                self._first = poller
        return True

    def uses(self, poller: Any) -> bool:
        """Whether the loop waits in a poller, or may be about to; the caller holds TREE_LOCK."""
        return poller is self._first

    def _lose_poller(self, poller: Any) -> None:
        """The poller of all has left, or another one comes first now: who used it goes over."""
        if not is_poller(poller):
            poller.let_go(self)
        for node in flatten(self._engine.root):
            # An application may have components with an attribute of that name.
            if isinstance(node, PollerFollower) and node._poller is poller:
                node._find_poller()

    def _dismiss_pollers(self, routes: Iterable[Route]) -> None:
        """Have the pollers leave that have come with others, which made them for themselves.

        Only the first one is ever asked. One that an application has registered stays, and so does
        one that somebody goes on using by himself.
        """
        for method, _, _ in routes:
            poller: Any = getattr(method, "__self__", None)
            if poller is self._first or not is_poller(poller) or not poller.is_made():
                continue
            self._lose_poller(poller)
            if self._signalled is poller:
                self._have_signals_end_it(self._first)
            poller.leave_if_unused()

    def own_latch(self) -> Any:
        """What the loop waits in where there is no poller."""
        if self.latch is None:
            pipe = None if self.session is None else self.session.pipe
            self.latch = Latch() if pipe is None else pipe
        return self.latch

    def wait_in(self, waiter: Any, timeout: float, stays: bool = False) -> None:
        """Wait in a poller or a latch; what is fired meanwhile ends the wait. ``stays`` as of ``turn``."""
        if timeout == 0.0:
            ready = waiter.block(0.0)
            if ready:
                waiter.report(ready)
            return
        engine, queue, tasks = self._engine, self._queue, self._tasks
        epoch = queue.epoch
        # Behind that: another thread that ends the run here, or moves it, does both in this order.
        if waiter is not self._signalled:
            if self.has_moved:
                return
            self._have_signals_end_it(waiter)
        try:
            while True:
                self._waiter = waiter  # self.sleep_in, and below self.awake, without the calls
                queue.sleeping = queue.alert = True
                # Looked at again after the flag was set: what was appended before counts, and who
                # appends from now on sees the flag. So does who takes the poller out.
                if queue or tasks.ready or queue.epoch != epoch:
                    timeout = 0.0
                try:
                    ready = waiter.block(timeout)
                finally:
                    if engine.successor is None:
                        queue.sleeping = False
                        queue.alert = queue.cause is not None
                if ready:
                    waiter.report(ready)
                if not stays or queue or tasks.ready or tasks.polled or self.is_stopping:
                    return
                if queue.epoch != epoch:  # components have come or gone, or whatever else
                    return
                timeout = self.time_to_wait(-1.0) if self._schedule.heap else -1.0
                if timeout == 0.0:
                    return
        finally:
            self._waiter = None

    def _have_signals_end_it(self, waiter: Any) -> None:
        pipe = None if self.session is None else self.session.pipe
        if pipe is not None and pipe.waiter is not waiter:
            pipe.watch_with(waiter)
        self._signalled = waiter

    def forget_signalled(self) -> None:
        """See to it anew, before the next wait, that signals end it."""
        self._signalled = None
        self._queue.epoch += 1  # the next wait begins with a turn

    def _generate(self, timeout: float) -> None:
        event = GenerateEvents(self.lock, self.time_to_wait(timeout))
        event.channels = ("*",)
        self._engine.root._tree_give_value(event)
        self._generating = event
        self.sleep_in(None)
        if self._queue or self.has_moved:
            event.reduce_time_left(0)
        try:
            routes = self._engine.route("generate_events", ("*",))
            self._dispatch.run(event, routes)
            waited = any(is_filter for _, _, is_filter in routes)
            if not waited and event.time_left != 0 and not self._queue:
                latch = self.own_latch()
                self._waiter = latch
                latch.block(event.time_left)
        finally:
            self._generating = None
            self.awake()


def is_poller(component: object) -> bool:
    """Whether something is a poller, whose module is above."""
    return getattr(component, "_polls", False)


class PollerFollower:
    """Has the poller of a tree watch something, and goes over to another one when that changes."""

    _poller: Any = None

    # -- what a subclass provides --

    def _find_poller(self) -> None:
        """Look for the poller of the tree anew."""
        raise NotImplementedError

    def _join_poller(self, poller: Any) -> None:
        """Have a poller watch."""
        raise NotImplementedError

    def _leave_poller(self, poller: Any) -> None:
        """Have a poller watch no more."""
        raise NotImplementedError

    def _use_poller(self, poller: Any) -> None:
        """Use a poller from now on, or none."""
        before = self._poller
        if poller is before:
            return
        if before is not None:
            self._leave_poller(before)
        self._poller = poller
        if poller is not None:
            self._join_poller(poller)
