"""Coroutine handlers in somebody else's asyncio loop, in which a tree is a guest.

``run_async`` is a guest in a loop that is running already, which calls the engine when the poller's
descriptor is readable, a timer is due, or somebody fires.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from typing import TYPE_CHECKING, Any

from . import _clock
from ._asyncio_runner import CANCEL_SECONDS, Runner, hand_over_tasks
from ._loop import TASK_INTERVAL, PollerFollower
from ._session import Session
from .errors import NotRunningError

if TYPE_CHECKING:
    from .manager import Manager

__all__ = ["Guest", "run_in_running_loop"]


class Guest(Runner, PollerFollower):
    """Turns the engine from within a running asyncio loop."""

    def __init__(self, manager: Manager, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(manager, loop)
        self._number = -1
        self._timer: asyncio.TimerHandle | None = None
        # Whoever fires may be a task of the loop; its context is not that of our handlers.
        self._context = contextvars.copy_context()
        self.stopped = loop.create_future()

    def turn(self, timeout: float) -> bool:
        """The loop is not ours to turn: the engine turns alone."""
        return False

    def resume(self) -> None:
        """Somebody has fired: take a turn soon. From any thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self.loop.call_soon_threadsafe(self.take_turn, context=self._context.copy())

    def take_turn(self, patience_is_over: bool = False) -> None:
        """One turn of the engine, without waiting; then see to it that the next one comes.

        Args:
            patience_is_over: Tasks that wait by a bare ``yield`` have waited long enough.
        """
        engine = self._manager._tree_engine
        engine.tasks.has_handed_over = False
        engine.loop.awake()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        try:
            self._use_poller(engine.loop.find_poller())
            worked = bool(engine.schedule.heap) and engine.schedule.run_due(_clock.now())
            worked = bool(engine.dispatch.flush()) or worked
            engine.loop.idle(0)
        except Exception as problem:
            # A fault of ours or of the poller: without turns the tree would hang.
            if not self.stopped.done():
                self.stopped.set_exception(problem)
            return
        engine = self._manager._tree_engine
        if engine.tasks.ready or (engine.tasks.polled and (worked or patience_is_over)):
            hand_over_tasks(engine, self.loop)
        if not self._manager._running and not self.stopped.done():
            self.stopped.set_result(None)
        engine.loop.sleep_in(self)
        wait = engine.loop.time_to_wait(-1)
        if wait == 0 or worked or engine.loop.has_moved:  # by another thread, just now
            engine.loop.awake()
            self._call_later(0, False)
        elif wait > 0:
            self._call_later(wait, bool(engine.tasks.polled))
        elif engine.tasks:
            # A task that is being handed over may wait by a bare ``yield``, which tells nobody.
            self._call_later(TASK_INTERVAL, False)

    def _call_later(self, seconds: float, patience_is_over: bool) -> None:
        self._timer = self.loop.call_later(
            seconds, self.take_turn, patience_is_over, context=self._context.copy()
        )

    def _join_poller(self, poller: Any) -> None:
        if not hasattr(poller, "fileno"):
            raise NotRunningError(
                "run_async() needs a poller with a descriptor, such as EPoll or KQueue; "
                f"the tree has {type(poller).__name__}"
            )
        self._number = poller.fileno()
        self.loop.add_reader(self._number, self.take_turn)

    def _leave_poller(self, poller: Any) -> None:
        if self._number >= 0:
            self.loop.remove_reader(self._number)
            self._number = -1

    def leave(self) -> None:
        """Remove the callbacks from the loop."""
        self._use_poller(None)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._manager._tree_engine.loop.awake()


async def run_in_running_loop(manager: Manager) -> None:
    """Run a tree in the asyncio loop of the caller, until it is stopped or cancelled."""
    loop = asyncio.get_running_loop()
    session = Session(manager)
    guest = Guest(manager, loop)
    with session:
        manager._tree_engine.loop.host = guest
        try:
            guest.take_turn()
            await guest.stopped
        finally:
            session.stop()
            try:
                await _wind_down(manager, guest)
            finally:
                # What the session finds when it winds down must not block the loop, also when we
                # were cancelled once more, and it is a lot.
                engine = manager._tree_engine
                engine.loop.holds.clear()
                engine.tasks.cancel_all()
                guest.leave()


async def _wind_down(manager: Manager, guest: Guest) -> None:
    deadline = loop_time = guest.loop.time()
    deadline += manager.stop_timeout
    while loop_time < deadline:
        engine = manager._tree_engine
        if not (engine.loop.holds or engine.queue or engine.tasks.are_ending()):
            break
        guest.take_turn()
        await asyncio.sleep(0.001)
        loop_time = guest.loop.time()
    deadline = guest.loop.time() + CANCEL_SECONDS
    while (engine := manager._tree_engine).tasks and guest.loop.time() < deadline:
        futures = [f for t in engine.tasks if (f := getattr(t, "future", None)) is not None]
        engine.tasks.cancel_all()
        if futures:
            await asyncio.wait(futures, timeout=deadline - guest.loop.time())
            await asyncio.sleep(0)  # for what is told about them
