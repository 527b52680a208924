"""What caused what: when is an event over, with all that it brought about?

An event that asks for ``complete`` opens a cause. Every event fired while it, or an event that
counts for it, is being handled is counted. When the count is back at zero, the cause is over:
``Complete`` is fired, and the event counts as finished for the cause around it. Without such an
event nothing of this exists.

One event object may be fired again before its handlers are done. What belongs to one firing
alone is therefore kept in a :class:`Firing` as soon as a handler suspends, and in a ``Refiring``
(see ``_queue``) until its turn comes.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._tracing import Trace
    from .events import BaseEvent

__all__ = ["Cause", "Firing"]


class Cause:
    """Counts the unfinished events that one event caused, itself included.

    Attributes:
        event: The event, which asked for ``complete``.
        channels: Where it was fired this time.
        value: What holds its results of this time, until that is told.
        outer: The cause that it counts for itself, or ``None``.
        pending: How many events are not finished.
    """

    __slots__ = ("channels", "event", "outer", "pending", "value")

    def __init__(self, event: BaseEvent, outer: Cause | None) -> None:
        self.event = event
        self.channels = event.channels
        self.value: Any = event._event_value
        self.outer = outer
        self.pending = 1

    def hold(self) -> None:
        """Count something that goes on without an event; ``Engine.end_hold`` ends that."""
        self.pending += 1

    def leave(self, is_heard: Callable[[Cause], bool]) -> list[Cause]:
        """Count one event, or one hold, as finished.

        Args:
            is_heard: As for :meth:`shortened`.

        Returns:
            Those whose events are complete now, the innermost first.
        """
        if self.outer is None:
            self.pending -= 1
            return [] if self.pending else [self]
        completed = []
        cause: Cause | None = self
        while cause is not None:
            cause.pending -= 1
            if cause.pending:
                outer = cause.outer
                if outer is not None and outer.pending == 1:
                    cause.outer = outer.shortened(is_heard)
                break
            completed.append(cause)
            cause = cause.outer
        return completed

    def shortened(self, is_heard: Callable[[Cause], bool]) -> Cause | None:
        """The cause that its last unfinished event may count for instead.

        A chain of events, each fired by the one before and each asking for ``complete``, would
        keep all of them until its end. Whoever has ended but for the one event that goes on,
        and is not heard when it is complete, hands that event on to its own cause.
        """
        cause: Cause | None = self
        while cause is not None and cause.pending == 1 and not is_heard(cause):
            cause = cause.outer
        return cause


class Firing:
    """One firing of an event that has suspended handlers.

    What the event keeps for a firing that ends at once is kept here under the same names.

    Attributes:
        event: The event.
        channels: Where it was fired.
        unfinished: How many handlers are suspended; the dispatch counts as one while it lasts.
    """

    _event_failed = False
    _event_waiters: dict[Any, None] | None = None
    _event_trace: Trace | None = None

    def __init__(self, event: BaseEvent) -> None:
        self.event = event
        self.channels = event.channels
        self._event_value: Any = event._event_value
        self._event_cause = event._event_cause
        self.unfinished = 0 if event.handler is None else 1

    def end_dispatch(self) -> Firing:
        """Take over what the handlers that ran have left with the event."""
        event = self.event
        self.unfinished -= 1
        if event._event_failed:
            self._event_failed = True
        if event._event_waiters:
            self._event_waiters = {**(self._event_waiters or {}), **event._event_waiters}
            event._event_waiters = None
        event._event_cause = None
        return self

    def expect(self, waiter: Any) -> None:
        """Add a waiter."""
        if self._event_waiters is None:
            self._event_waiters = {}
        self._event_waiters[waiter] = None
