"""The engine of one tree, made of its parts.

The root of a tree owns it; the components below only point at it. Only the thread that runs the
loop dispatches, but any thread may append to the queue. Each part is a module: the queue, the
routes, dispatch, tasks, the schedule, turns, the loop. Here is how trees join and part, how other
threads reach the loop, and what the rest of the framework asks an engine for.
"""

from __future__ import annotations

import _thread

from ._clock import Schedule
from ._dispatch import Dispatch
from ._flags import COUNTED
from ._loop import Loop
from ._outcomes import Outcomes
from ._queue import EventQueue
from ._reports import fire_error
from ._routing import NO_ROUTES, TREE_LOCK, Routes
from ._task_table import TaskTable
from ._turns import Turns
from .utils import flatten

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._causes import Cause
    from ._queue import Refiring
    from ._routing import Route
    from ._tracing import Tracing
    from .events import BaseEvent
    from .manager import Manager

__all__ = ["Engine"]


class Engine:
    """Queue, routes, tasks and time of the tree below one root.

    Attributes:
        root: The root.
        queue, routes, schedule, turns, tasks, outcomes, dispatch, loop: Its parts.
        successor: The engine of the tree that this one became part of, or ``None``.
        append, rank: What puts an event into the queue.
        tap: Called with each :class:`~circuits.core._direct.Direct` that is gone through.
        tracing: The hook for tracing, once somebody has asked for it.
        unseen_epoch: In which epoch of the queue nobody hears of bare components that join and leave.
    """

    def __init__(self, root: Manager) -> None:
        self.root = root
        self.queue = EventQueue()
        # Its own method: found in its class, it would be that of another class, which costs more.
        self.append = self.queue.append
        self.rank = self.queue.rank
        self.routes = Routes(root, self.queue)
        self.schedule = Schedule(self.report)
        self.turns = Turns(self.schedule, self.queue)
        self.tasks = TaskTable(self)
        self.outcomes = Outcomes(self)
        self.dispatch = Dispatch(self)
        self.loop = Loop(self)
        self.successor: Engine | None = None
        self.tap: Callable[[Any], object] | None = None
        self.tracing: Tracing | None = None
        self.unseen_epoch = -1
        self._hang_up_wishes: dict[int, Manager] = {}
        with TREE_LOCK:
            for node in flatten(root):
                self._take_in(node)

    # -- growing; the caller holds TREE_LOCK --

    def _take_in(self, node: Manager) -> None:
        node._tree_live = self
        routes = self.routes
        if node._tree_is_bare and not routes.bare_are_routed:
            routes.bare_moves += 1  # what Routes.add does, without the calls
        else:
            routes.add(node)
        if node._tree_needs_host:
            self.loop.wants_host = True
        if node._tree_wants_hang_up:
            self.want_hang_up(node, True)

    def adopt(self, component: Manager, own: Engine | None) -> None:
        """Take over a subtree, with the queue, the tasks and the timers of its engine."""
        if component._tree_children:
            for node in flatten(component):
                self._take_in(node)
        else:
            self._take_in(component)
        if own is not None and own is not self:
            own._retire(self)

    def _retire(self, successor: Engine) -> None:
        # From here on whoever still appends to our queue finds the flag set and comes to
        # ``wake``, which passes the events on.
        self.successor = successor
        self.queue.sleeping = self.queue.alert = True
        self.routes.renew()
        self.tasks.move_to(successor.tasks)
        successor.schedule.merge(self.schedule)
        successor.turns.merge(self.turns)
        self._pass_on()
        self.loop.move_to(successor.loop)

    def _pass_on(self) -> None:
        with TREE_LOCK:
            successor = self.successor
            while successor is not None and successor.successor is not None:
                successor = successor.successor
            if successor is not None:
                self.queue.move_to(successor.queue)
                if successor.queue.alert:
                    successor.alerted(None)

    # -- firing --

    def alerted(self, entry: BaseEvent | Refiring | None) -> None:
        """Finish a ``fire`` that found ``alert`` set: count for a cause, wake the loop."""
        queue = self.queue
        cause = queue.cause
        if cause is not None and entry is not None and self.thread_is_ours():
            cause.pending += 1
            entry._event_key = None
            entry._event_flags |= COUNTED
            entry._event_cause = cause
        if queue.sleeping:
            self.wake()

    def thread_is_ours(self) -> bool:
        """Whether the calling thread is the one that dispatches."""
        thread = self.loop.thread
        return thread is None or thread == _thread.get_ident()

    def wake(self) -> None:
        """End the wait of the loop. From any thread, and from signal handlers."""
        if self.successor is not None:
            self._pass_on()
            return
        self.queue.sleeping = False
        self.loop.wake()

    def is_quiet(self) -> bool:
        """Whether what is fired now would be dispatched next, by the loop, and on nobody's behalf.

        Then a call does what the event would do, unless somebody listens or waits for it.
        """
        queue = self.queue
        return not (queue or queue.reasons_to_queue or self.tasks.ready) and queue.cause is None

    def set_tap(self, tap: Callable[[Any], object] | None) -> None:
        """Set a function to be called with each ``Direct`` that is about to be gone through.

        It is there for counting and tracing. No event is made, unless it answers true, as if somebody
        listened. ``None`` ends that.
        """
        self.tap = tap
        with TREE_LOCK:
            self.routes.renew()

    def route(self, name: str, channels: tuple[Any, ...]) -> tuple[Route, ...]:
        """The handlers of a name on some channels."""
        routes = self.routes.cache.get(name, NO_ROUTES).get(channels)
        return self.routes.resolve(name, channels) if routes is None else routes

    # -- what the rest of the framework asks for --

    @property
    def runner(self) -> Manager | None:
        """The manager whose ``run`` it is, or ``None``."""
        return self.loop.runner

    def report(
        self,
        problem: BaseException,
        method: Any,
        event: BaseEvent | None = None,
        lines: list[str] | None = None,
    ) -> None:
        """Fire the ``error`` event of an exception, or log it if an ``error`` handler raised it."""
        fire_error(self.root, problem, method, event, lines)

    def stop(self, code: Any = None) -> None:
        """Stop whoever runs this tree, whatever ``stop`` is in its class."""
        if self.loop.session is not None:
            self.loop.session.stop(code)

    def end_hold(self, cause: Cause) -> None:
        """End a :meth:`~circuits.core._causes.Cause.hold`."""
        self.outcomes.end_cause(cause)

    def hold(self, holder: object) -> None:
        """Keep a stopping application alive, at most its ``stop_timeout``, until released."""
        self.loop.holds[id(holder)] = holder

    def release(self, holder: object) -> None:
        """End a hold; without effect where there is none."""
        self.loop.holds.pop(id(holder), None)

    def ensure_host(self, manager: Manager) -> Any:
        """The asyncio loop that a running tree is hosted by, made when there is none."""
        loop = self.loop
        if loop.host is None:
            from ._asyncio_host import Host  # brings asyncio

            loop.host = Host(manager)
        return loop.host

    # -- signals --

    @property
    def wants_hang_up(self) -> bool:
        """Whether a component handles SIGHUP, which else ends the process."""
        return bool(self._hang_up_wishes)

    def want_hang_up(self, component: Manager, wants: bool) -> None:
        """Set whether a component of the tree handles SIGHUP."""
        if wants:
            self._hang_up_wishes[id(component)] = component
        else:
            self._hang_up_wishes.pop(id(component), None)
        if self.loop.session is not None:
            self.loop.session.heed_hang_up()

    # -- parting --

    def deliver_to(self, component: Manager, event: BaseEvent) -> None:
        """Let an event of the old tree reach a component that has just left it, too."""
        departed = tuple(
            (spec.bound_to(component), spec.wants_event, spec.filter)
            for spec in component._tree_specs
            if event.name in spec.names and getattr(component, "_tree_live", None) is not self
        )
        if departed:
            # Not twice, should it be back already.
            event._event_reroute(
                lambda routes: (*routes, *(route for route in departed if route not in routes))
            )
