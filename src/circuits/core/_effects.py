"""Cause and effect: when is an event over, with all that it brought about?

An event that asks for ``complete`` opens a scope. Every event fired while it, or an event of
its scope, is being handled belongs to the scope and is counted. When the count is back at
zero, the scope is over: ``Complete`` is fired, and the scope's event counts as one finished
effect of the scope around it. Without such an event nothing of this exists.
"""

from __future__ import annotations

from .events import COUNTED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .events import BaseEvent


class Scope:
    """Counts the unfinished events that one event caused, itself included."""

    __slots__ = ("event", "outer", "pending")

    def __init__(self, event: BaseEvent, outer: Scope | None) -> None:
        self.event = event
        self.outer = outer
        self.pending = 1

    def enter(self, event: BaseEvent) -> None:
        """Count an event that was just fired as an effect."""
        self.pending += 1
        event._event_effect = self
        event._event_key = None
        event._event_marks |= COUNTED

    def leave(self) -> list[BaseEvent]:
        """Count one event as finished.

        Returns:
            The events that are complete now, the innermost first.
        """
        completed = []
        scope: Scope | None = self
        while scope is not None:
            scope.pending -= 1
            if scope.pending:
                break
            completed.append(scope.event)
            scope = scope.outer
        return completed
