"""Handlers that wait for something outside of the loop, without a generator.

For the engine they are suspended handlers, like the tasks of generators. But there is no code to
be resumed: what they wait for is their result, and their first step is their last one.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._causes import Firing
    from .events import BaseEvent
    from .manager import Manager

__all__ = ["Pending"]


class Pending:
    """One event that waits, as a suspended handler of a component. Used in the loop's thread.

    Attributes:
        owner: The component.
        event: The event.
        engine: Where it waits; the engine changes it when trees are joined.
        method: The handler.
        is_over: Whether the event has gone on, or was given up.
    """

    __slots__ = ("engine", "event", "firing", "is_over", "method", "owner")

    firing: Firing  # from when it is suspended

    waiting = None
    is_executing = False

    def __init__(self, owner: Manager, event: BaseEvent) -> None:
        self.owner = owner
        self.event = event
        self.engine = owner._tree_engine
        self.method = event.handler
        self.is_over = False

    # -- what a subclass provides --

    def finish(self) -> None:
        """Say what became of it: call ``engine.end_task(self, result, problem)``."""
        raise NotImplementedError

    def given_up(self) -> None:
        """The handler is cancelled: nobody waits any more."""
        raise NotImplementedError

    # -- waiting and going on --

    def suspend(self) -> None:
        """Have the event wait. To be called by the handler, which then returns ``None``."""
        self.engine.enter(self)

    def go_on(self) -> None:
        """Have the event go on: ``finish`` is called, as what the event is an effect of."""
        if self.is_over:
            return
        self.is_over = True
        engine: Any = self.engine
        if self in engine.tasks:
            was_stepping = engine.stepping
            engine.step(self)
            engine.stepping = was_stepping

    def step(self) -> None:
        """Called by the engine, at our request."""
        self.finish()

    def close(self) -> None:
        """Called by the engine."""
        if not self.is_over:
            self.is_over = True
            self.given_up()
