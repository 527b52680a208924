"""Coroutine handlers in an asyncio loop of our own, in the thread of the engine.

``run`` makes a standard asyncio loop over a selector whose ``select`` first turns the engine and
then waits in the framework's own poller, where asyncio's descriptors are one entry among the others.
The other way is ``_asyncio_guest``.

Only a tree with coroutine handlers imports this module, which brings asyncio.
"""

from __future__ import annotations

import asyncio
import contextvars
import selectors
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from . import _clock
from ._asyncio_runner import CANCEL_SECONDS, Runner, hand_over_tasks
from ._dispatch import EVENTS_PER_TURN
from ._loop import DRAIN_TURNS, PollerFollower

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from .manager import Manager

    T = TypeVar("T")

__all__ = ["Host"]


class _TurnSelector(PollerFollower, selectors.DefaultSelector):
    """Turns the engine each time that asyncio asks what is ready."""

    def __init__(self, manager: Manager) -> None:
        super().__init__()
        self._manager = manager
        self._ready: list[Any] = []
        self._has_input = False  # as the poller says
        self._version = 0  # of the routes in which the poller was found
        # Since the poller was asked: turns in which it was not, and what they have dispatched.
        self._unasked = self._dispatched = 0
        self.loop: _Loop | None = None
        self.single = False  # end the loop after this turn
        self.is_plain = False  # the application has ended: leave the engine alone
        self.max_wait = -1.0

    def close(self) -> None:
        self._use_poller(None)
        super().close()

    # A poller watches the descriptors of asyncio as one: epoll and kqueue have a number.

    def _join_poller(self, poller: Any) -> None:
        poller.add_callback(self.fileno(), self._on_input)

    def _leave_poller(self, poller: Any) -> None:
        poller.remove_callback(self.fileno())

    def _on_input(self) -> None:
        self._has_input = True

    # As what the engine waits in while the tree has no poller.

    is_full = False  # nothing has to be drained: asyncio does so by itself

    def block(self, timeout: float) -> None:
        """Wait for asyncio's descriptors."""
        self._ready.extend(super().select(None if timeout < 0 else timeout))

    def resume(self) -> None:
        """End the wait."""
        if self.loop is not None and not self.loop.is_closed():
            self.loop.call_soon_threadsafe(lambda: None)

    def select(self, timeout: float | None = None) -> list[Any]:
        if self.is_plain:
            return super().select(timeout)
        loop = self.loop
        assert loop is not None
        self._turn(loop, timeout)
        # Turns that leave nothing for asyncio need not go through it.
        while timeout is None and not (
            loop._ready or self._ready or loop._scheduled or loop._stopping
        ):
            self._turn(loop, None)
        ready, self._ready = self._ready, []
        return ready

    def _turn(self, loop: _Loop, timeout: float | None) -> None:
        """One turn of the engine."""
        manager = self._manager
        engine = manager._tree_engine
        tasks, engine_loop = engine.tasks, engine.loop
        is_ahead = tasks.is_ahead  # then as if that had been dispatched now
        tasks.has_handed_over = is_ahead
        engine_loop.latch = self
        if engine.routes.version != self._version:
            self._version = engine.routes.version
            self._use_poller(engine_loop.find_poller())
        worked = is_ahead
        if engine.schedule.heap:
            worked = engine.schedule.run_due(_clock.now()) or worked
        if engine.queue and not is_ahead:
            count = engine.dispatch.flush()
            self._dispatched += count
            worked = bool(count) or worked
        wait = -1.0 if timeout is None else max(0.0, timeout)
        if self.max_wait >= 0:
            wait = self.max_wait if wait < 0 else min(wait, self.max_wait)
        # What handlers have scheduled in asyncio meanwhile is to run at once.
        if worked or (not manager._running and not self.single):
            wait = 0.0
        self._has_input = False
        # A descriptor that finds something queued makes an event, and so do all that come of it,
        # with the next descriptors behind them: a busy application would never come back to calls.
        if (
            engine.queue
            and self._unasked < DRAIN_TURNS
            and self._dispatched < EVENTS_PER_TURN
            and not self.single
        ):
            self._unasked += 1
        else:
            self._unasked = self._dispatched = 0
            engine_loop.idle(wait)
        if self._has_input or (self._poller is None and not self._ready):
            self.block(0.0)
        tasks.is_ahead = False
        if tasks.ready or tasks.polled:
            hand_over_tasks(engine, loop)
        if self.single or not manager._running:
            loop.stop()


class _Loop(asyncio.SelectorEventLoop):
    _ready: Any  # of asyncio itself: the handles that are to run, and those of a later time
    _scheduled: Any
    _stopping: bool
    _closed: bool
    _default_executor: Any
    _first: Any = None  # the first step of a task that is being made, and its context

    def time(self) -> float:
        return _clock.now()

    def call_soon(  # type: ignore[override]  # typeshed ties the arguments to the callback
        self,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:
        # What asyncio does when nobody debugs, in one call instead of five: each step of a
        # coroutine comes here.
        if self._closed or self.get_debug():
            return super().call_soon(callback, *args, context=context)
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    if sys.version_info >= (3, 12):

        def start_task(self, coroutine: Any) -> asyncio.Task[Any]:
            return asyncio.Task(coroutine, loop=self, eager_start=True)

    else:

        def start_task(self, coroutine: Any) -> asyncio.Task[Any]:
            # Whatever makes a task has the loop call its first step soon. This is soon.
            self.call_soon = self._keep_first  # type: ignore[assignment,method-assign]
            try:
                task: asyncio.Task[Any] = asyncio.Task(coroutine, loop=self)
            finally:
                del self.call_soon
            (step, context), self._first = self._first, None
            context.run(step)
            return task

        def _keep_first(self, step: Any, *, context: Any) -> Any:
            self._first = step, context


class Host(Runner):
    """An asyncio loop of our own that runs the coroutine handlers of a tree."""

    def __init__(self, manager: Manager) -> None:
        self._selector = _TurnSelector(manager)
        self.loop: _Loop
        super().__init__(manager, _Loop(self._selector))
        self._selector.loop = self.loop
        self._inside = False
        self._context = contextvars.copy_context()  # that of handlers
        session = manager._tree_engine.loop.session
        if session is not None and session.pipe is not None:
            self.loop.add_reader(session.pipe.number, session.pipe.drain)

    def is_idle(self) -> bool:
        return not self.loop._ready

    def run_outside(self, function: Callable[..., T], *args: Any) -> T:
        loop = self.loop
        task = asyncio.current_task(loop)
        if task is not None:
            asyncio.tasks._leave_task(loop, task)
        try:
            return self._context.copy().run(function, *args)
        finally:
            if task is not None:
                asyncio.tasks._enter_task(loop, task)

    def start_task(self, coroutine: Any) -> asyncio.Task[Any] | None:
        loop = self.loop
        # A turn of the engine may be made within a task, which cannot have another one in it.
        # Whether the loop runs we know; asyncio would ask the system for the process id first.
        if not self._inside or asyncio.current_task(loop) is not None:
            return None
        return loop.start_task(coroutine)

    def run(self) -> None:
        """Turn until the manager is stopped."""
        while self._manager._running:
            self._run_forever()

    def turn(self, timeout: float) -> bool:
        """One turn; ``False`` when called from within a turn, which is left to the engine."""
        if self._inside:
            return False
        self._selector.single, self._selector.max_wait = True, timeout
        try:
            self._run_forever()
        finally:
            self._selector.single, self._selector.max_wait = False, -1.0
        return True

    def _run_forever(self) -> None:
        self._inside = True
        try:
            self.loop.run_forever()
        except (SystemExit, KeyboardInterrupt):
            pass  # of a coroutine handler: its task ends with it, and stops the application
        finally:
            self._inside = False

    def close(self) -> None:
        """Let cancelled coroutines end, and close the loop."""
        engine = self._manager._tree_engine
        engine.loop.host = self  # handlers of what coroutines fire in the end may be coroutines
        try:
            self._cancel_remaining()
            self._selector.is_plain = True
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            self._wait_for_threads()
        finally:
            engine.loop.host = engine.loop.latch = None
            self.loop.close()

    def _wait_for_threads(self) -> None:
        """Wait for what ``asyncio.to_thread`` has begun; not for ever, as asyncio does."""
        executor = self.loop._default_executor
        if executor is not None:
            waiter = threading.Thread(target=executor.shutdown, daemon=True)
            waiter.start()
            waiter.join(min(self._manager.stop_timeout, threading.TIMEOUT_MAX))

    def _cancel_remaining(self) -> None:
        deadline = time.monotonic() + CANCEL_SECONDS
        quiet = 0  # one turn more, for what is told about the last task
        while quiet < 2 and (left := deadline - time.monotonic()) > 0:
            engine = self._manager._tree_engine
            tasks = asyncio.all_tasks(self.loop)
            for task in tasks:
                # Only once: a second one would hit what a ``finally`` block awaits.
                if not task.cancelling():
                    task.cancel()
            quiet = 0 if tasks or engine.queue else quiet + 1
            self.turn(min(0.1, left) if tasks else 0)
        self._manager._tree_engine.tasks.cancel_all()
