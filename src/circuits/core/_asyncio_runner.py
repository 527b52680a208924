"""Coroutine handlers in an asyncio loop: what does not depend on whose loop it is."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from ._causes import Firing
    from ._engine import Engine
    from .manager import Manager

    T = TypeVar("T")

__all__ = ["CANCEL_SECONDS", "Runner", "hand_over_tasks"]

#: Seconds that cancelled coroutine handlers get for their ``finally`` blocks.
CANCEL_SECONDS = 1.0


class _Driven(Coroutine[Any, Any, Any]):
    """A coroutine whose steps are counted for a cause, and traced."""

    def __init__(self, coroutine: Any, engine: Engine, firing: Firing) -> None:
        self._coroutine = coroutine
        self._tree_engine = engine
        self._cause = firing._event_cause
        self._firing = firing

    def _drive(self, advance: Callable[..., Any], *args: Any) -> Any:
        engine = self._tree_engine
        tracing, running = engine.tracing, None
        if tracing is not None:
            running, tracing.running = tracing.running, self._firing
        outer = engine.queue.set_cause(self._cause)
        try:
            return advance(*args)
        finally:
            engine.queue.set_cause(outer)
            if tracing is not None:
                tracing.running = running

    def send(self, value: Any) -> Any:
        return self._drive(self._coroutine.send, value)

    def throw(self, *args: Any) -> Any:
        return self._drive(self._coroutine.throw, *args)

    def close(self) -> None:
        self._coroutine.close()

    def __await__(self) -> Any:
        return self._coroutine.__await__()


class Runner:
    """An asyncio loop in which the coroutine handlers of a tree run."""

    def __init__(self, manager: Manager, loop: asyncio.AbstractEventLoop) -> None:
        self._manager = manager
        self.loop = loop

    def create_task(self, coroutine: Any, firing: Firing, engine: Engine) -> asyncio.Task[Any]:
        """Run a coroutine in the loop, on behalf of an event."""
        if firing._event_cause is not None or firing._event_trace is not None:
            coroutine = _Driven(coroutine, engine, firing)
        return self.loop.create_task(coroutine)

    def is_idle(self) -> bool:
        """Whether asyncio has nothing to run, as far as we can know."""
        return False

    def run_outside(self, function: Callable[..., T], *args: Any) -> T:
        """Call a function as if not from within a task of asyncio."""
        raise NotImplementedError

    def start_task(self, coroutine: Any) -> asyncio.Task[Any] | None:
        """Run the first step of a coroutine here and now, in a task of its own.

        Returns:
            The task; ``None`` if that cannot be done here, and nothing was.

        Raises:
            KeyboardInterrupt, SystemExit: The coroutine has.
        """
        return None


def hand_over_tasks(engine: Engine, loop: asyncio.AbstractEventLoop) -> None:
    """Step every ready task by asyncio: generators and coroutines in their order."""
    table = engine.tasks
    tasks = [*table.take_polled(), *table.ready]
    table.ready.clear()
    for task in tasks:
        if task in table:
            if hasattr(task, "coroutine"):
                task.step()
            else:
                loop.call_soon(_step, engine, task)


def _step(engine: Engine, task: Any) -> None:
    if task in engine.tasks:
        engine.tasks.step(task)
