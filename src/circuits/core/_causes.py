"""What caused what: when is an event over, with all that it brought about?

An event that asks for ``complete`` opens a cause. Every event fired while it, or an event that
counts for it, is being handled is counted. When the count is back at zero, the cause is over:
``Complete`` is fired, and the event counts as finished for the cause around it. Without such an
event nothing of this exists.

One event object may be fired again before its handlers are done. What belongs to one firing
alone is therefore kept in a :class:`Firing` as soon as a handler suspends.
"""

from __future__ import annotations

from .events import COUNTED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .events import BaseEvent
    from .values import Value

__all__ = ["Cause", "Firing"]


class Cause:
    """Counts the unfinished events that one event caused, itself included.

    Attributes:
        event: The event, which asked for ``complete``.
        outer: The cause that it counts for itself, or ``None``.
        pending: How many events are not finished.
    """

    __slots__ = ("event", "outer", "pending")

    def __init__(self, event: BaseEvent, outer: Cause | None) -> None:
        self.event = event
        self.outer = outer
        self.pending = 1

    def enter(self, event: BaseEvent) -> None:
        """Count an event that was just fired."""
        self.pending += 1
        causes = event._event_causes
        if causes is None:
            event._event_causes = [self]
        else:  # one object fired again: each firing counts
            causes.append(self)
        event._event_key = None
        event._event_marks |= COUNTED

    def hold(self) -> None:
        """Count something that goes on without an event; ``Engine.end_hold`` ends that."""
        self.pending += 1

    def leave(self) -> list[BaseEvent]:
        """Count one event, or one hold, as finished.

        Returns:
            The events that are complete now, the innermost first.
        """
        completed = []
        cause: Cause | None = self
        while cause is not None:
            cause.pending -= 1
            if cause.pending:
                break
            completed.append(cause.event)
            cause = cause.outer
        return completed

    def shortened(self, is_heard: Callable[[BaseEvent], bool]) -> Cause | None:
        """The cause that the last event of this one may count for instead of this one.

        A chain of events, each fired by the one before and each asking for ``complete``, would
        keep all of them until its end. Whoever has ended but for the one event that goes on,
        and is not heard when it is complete, hands that event on to its own cause.
        """
        cause: Cause | None = self
        while cause is not None and cause.pending == 1 and not is_heard(cause.event):
            cause = cause.outer
        return cause


class Firing:
    """One firing of an event that has suspended handlers.

    Attributes:
        event: The event.
        value: What takes the results.
        channels: Where it was fired.
        cause: What its handlers fire on behalf of.
        waiters: Who waits for its end.
        failed: Whether a handler failed.
        unfinished: How many handlers are suspended; the dispatch counts as one while it lasts.
    """

    __slots__ = ("cause", "channels", "event", "failed", "unfinished", "value", "waiters")

    def __init__(self, event: BaseEvent) -> None:
        self.event = event
        self.value: Value = event._event_value
        self.channels = event.channels
        self.cause: Cause | None = event._event_cause
        self.waiters: list[Any] = []
        self.failed = False
        self.unfinished = 0 if event.handler is None else 1
