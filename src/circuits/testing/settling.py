"""Turning an application until it has nothing left to do."""

from __future__ import annotations

import _thread
from typing import TYPE_CHECKING, Any

from circuits.core import _clock
from circuits.core.pollers import BasePoller

from .clock import installed_clock

if TYPE_CHECKING:
    from collections.abc import Callable

    from circuits.core._engine import Engine
    from circuits.core.manager import Manager

__all__ = ["NotSettledError", "settle"]

#: Turns granted to handlers that wait by a bare ``yield``, or by which an asyncio loop always has
#: something to run, after the last turn in which anything else happened: nobody can see from outside
#: whether they will go on.
_PATIENCE = 20


class NotSettledError(AssertionError):
    """An application was still busy, or still waiting, after all the turns it was given."""


def settle(
    app: Manager,
    until: float | Callable[[], object] | None = None,
    *,
    turns: int = 10_000,
) -> int:
    """Turn an application, without waiting, until nothing is queued, ready or due.

    Works for a tree that is not running as well as within ``with app.running():``; only the
    latter looks at descriptors. Threads and processes at work are not waited for.

    Args:
        app: Any component of the tree.
        until: With a :class:`~circuits.testing.clock.VirtualClock` installed, go on in time: up
            to this reading of the clock, or until this function returns something true. The
            clock jumps from one appointment to the next. Without virtual time, a function is
            only asked after each turn.
        turns: How many turns to make at most.

    Returns:
        The number of turns that it took.

    Raises:
        NotSettledError: The turns were used up, or nothing is left that could make ``until``
            true.
        RuntimeError: Another thread runs the tree.
    """
    root = app.root
    clock = installed_clock()
    limit = until if isinstance(until, int | float) else None
    done = until if callable(until) else None
    if limit is not None and clock is None:
        raise RuntimeError("settle(until=...) with a moment needs an installed VirtualClock")
    made = 0
    while True:
        quiet = still = 0
        while True:
            if done is not None and done():
                return made
            engine: Engine = root._tree_engine
            still = 0 if _may_go_on(engine) else still + 1
            if _is_busy(engine):
                quiet = 0
            elif quiet >= (1 if still > 1 else _PATIENCE):
                break
            else:
                quiet += 1
            if made >= turns:
                raise NotSettledError(f"{_state(engine)} after {made} turns")
            _turn(root, engine)
            made += 1
        if limit is None and done is None:
            return made
        deadline = None if clock is None else _next_deadline(engine)
        if deadline is None or (limit is not None and deadline > limit):
            break
        assert clock is not None
        clock.advance_to(deadline)
    if done is not None:
        raise NotSettledError(
            f"nothing is left that could happen, and {done!r} is still false; {_state(engine)}"
        )
    assert clock is not None
    assert limit is not None
    clock.advance_to(limit)
    return made


def _turn(root: Manager, engine: Engine) -> None:
    if engine.loop.thread is not None and engine.loop.thread != _thread.get_ident():
        raise RuntimeError(f"{root!r} runs in another thread, which turns it by itself")
    loop = engine.loop
    timing, loop.timing = loop.timing, True
    try:
        root.tick(0)
    finally:
        loop.timing = timing


def _is_busy(engine: Engine) -> bool:
    if engine.queue or engine.tasks.ready:
        return True
    deadline = engine.schedule.next_deadline()
    if deadline is not None and deadline <= _clock.now():
        return True
    if engine.runner is None:
        return False
    # Not only what is queued counts: a poller may call the owner of a descriptor directly.
    for method, _, _ in engine.route("generate_events", ("*",)):
        poller = getattr(method, "__self__", None)
        if isinstance(poller, BasePoller):
            if any(not poller.is_wake_up(number) for number, _ in poller.block(0.0)):
                return True
    return False


def _may_go_on(engine: Engine) -> bool:
    if engine.tasks.polled:
        return True
    host = engine.loop.host
    return host is not None and bool(engine.tasks) and not host.is_idle()


def _next_deadline(engine: Engine) -> float | None:
    deadlines = [engine.schedule.next_deadline()]
    # What coroutine handlers sleep for is in the heap of the asyncio loop, which has no public
    # way to ask; without it time would only miss a jump.
    scheduled = getattr(getattr(engine.loop.host, "loop", None), "_scheduled", ())
    deadlines += [handle.when() for handle in scheduled if not handle.cancelled()]
    return min((deadline for deadline in deadlines if deadline is not None), default=None)


def _state(engine: Engine) -> str:
    def some(things: Any) -> str:
        shown = [repr(thing) for thing in list(things)[:5]]
        return ", ".join(shown)

    parts = []
    if engine.queue:
        parts.append(f"{len(engine.queue)} events are queued ({some(engine.queue.events())})")
    waiting = [task.method for task in engine.tasks]
    if waiting:
        parts.append(f"{len(waiting)} handlers are suspended ({some(waiting)})")
    return " and ".join(parts) or "nothing is queued or suspended"
