"""Turning: what a loop does again and again, and how it waits when there is nothing to do.

The loop waits in a poller, in a latch, or in whatever handles ``generate_events``. It sets a
flag before it looks at the queue for the last time and waits; who fires looks at the flag after
appending. So nothing is lost, without a lock.
"""

from __future__ import annotations

import _thread

from . import _clock
from ._dispatch import Dispatch
from .events import GenerateEvents

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .manager import Manager

#: While tasks wait by a bare ``yield``, an idle loop looks at them this often, in seconds.
TASK_INTERVAL = 0.1

#: How many turns a busy loop makes before it asks the poller: a system call costs more than an
#: event, and at this number a ready descriptor still waits for microseconds only.
TURNS_PER_POLL = 8

#: How many turns follow a step at the most before the next descriptor is looked at; what is
#: queued then comes after that one.
DRAIN_TURNS = 8


class Turning(Dispatch):
    """Dispatch in turns: tasks, what is due, the queue, and then a wait."""

    def __init__(self, root: Manager) -> None:
        super().__init__(root)
        self.runner: Manager | None = None  # the manager whose run() it is
        self.session: Any = None  # that run
        self.holds: dict[int, Any] = {}  # what a stopping application waits for
        self.latch: Any = None
        self._generating: GenerateEvents | None = None
        self._waiter: Any = None  # the poller or latch that the loop sleeps in
        self.turning = False  # whether a turn is being made, so that another one is nested
        self._turns = 0
        self._lock: Any = None

    if TYPE_CHECKING:
        # What the engine adds.
        successor: Any

        def step_tasks(self) -> bool: ...

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
        if self.queue:
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

    def drain(self) -> None:
        """Dispatch what a step that was a call has left behind, before the next one is taken.

        So each descriptor finds the queue empty, and its event may be a call, whatever the one
        before has caused. It is a turn of its own in which nobody waits; bounded, for those who
        answer each event with another one.
        """
        if self.nested:
            return
        for _ in range(DRAIN_TURNS):
            if self.ready and self.host is None:
                self.step_tasks()
            if not self.queue:
                return
            self.flush()

    def time_to_wait(self, timeout: float) -> float:
        """How long the loop may sleep, in seconds; negative means without limit."""
        if self.queue or self.ready:
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
        routes = self.route("generate_events", ("*",))
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
        self.queue.set_sleeping(True)
        # Looked at again after the flag was set: what was appended before counts, and who
        # appends from now on sees the flag.
        if self.queue or self.ready:
            timeout = 0.0
        try:
            ready = waiter.block(timeout)
        finally:
            self._waiter = None
            if self.successor is None:
                self.queue.set_sleeping(False)
        if ready:
            waiter.report(ready)

    def _generate(self, timeout: float) -> None:
        event = GenerateEvents(self.lock, self.time_to_wait(timeout))
        event.channels = ("*",)
        self.root._tree_give_value(event)
        self._generating = event
        self.queue.set_sleeping(True)
        if self.queue:
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
            self.queue.set_sleeping(False)
