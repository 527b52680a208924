"""The queue of one tree: by priority, then by arrival, and safe to append to from any thread.

An event that is fired with a priority stands in the queue in its place of arrival, in a wrapper;
when a batch begins, the batch is sorted. So there is one container, and whoever looks whether it
is empty, or how long it is, sees everything.

An event object stands for one of its firings. One that is fired again while it is queued or being
dispatched is followed by a :class:`Refiring`, which has what belongs to that firing, and a turn of
its own.

``append`` is that of ``deque``. After it, one has to look at :attr:`EventQueue.alert`: the loop
sets that flag before it looks at the queue for the last time and goes to sleep, so nothing is
lost, without a lock.
"""

from __future__ import annotations

from ._flags import REFIRED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Iterator
    from typing import Any

    from ._causes import Cause
    from ._tracing import Trace
    from .events import BaseEvent
    from .values import Value
else:
    from _collections import deque  # that of collections, whose import takes longer than ours

__all__ = ["EventQueue", "Refiring", "check_priority", "event_of"]


class _Ranked:
    """An event with a priority other than 0, until its batch begins."""

    __slots__ = ("event", "priority")

    def __init__(self, event: BaseEvent, priority: float) -> None:
        self.event = event
        self.priority = priority


class Refiring:
    """A firing of an event that was queued already, or being dispatched.

    What counts it, and its flags, have the names that they have at events.

    Attributes:
        event: The event.
        channels: Where it was fired this time.
        value: What is to hold its results of this time.
        waiters: Who waits for it.
    """

    __slots__ = (
        "_event_cause", "_event_flags", "_event_key", "_event_trace", "channels", "event", "value",
        "waiters",
    )  # fmt: skip

    _event_class_flags = 0

    def __init__(self, event: BaseEvent, channels: tuple[Any, ...], value: Value) -> None:
        self.event = event
        self.channels = channels
        self.value: Any = value
        self._event_key = None  # so that dispatch looks closer
        self._event_flags = REFIRED
        self._event_cause: Cause | None = None
        self._event_trace: Trace | None = None
        self.waiters: dict[Any, None] = {}


def check_priority(priority: object) -> None:
    """Refuse what events cannot be sorted by."""
    if not isinstance(priority, int | float):
        raise TypeError(f"priority must be a number, not {priority!r}")


def event_of(entry: Any) -> BaseEvent:
    """The event that an entry is, or stands for."""
    while entry.__class__ is _Ranked or entry.__class__ is Refiring:
        entry = entry.event
    event: BaseEvent = entry
    return event


def _priority(entry: Any) -> float:
    priority: float = entry.priority if entry.__class__ is _Ranked else 0
    return priority


class EventQueue(deque["BaseEvent"]):
    """The events that wait for dispatch; truth and length count all of them.

    Attributes:
        alert: Whether who appends has to tell the engine: the loop sleeps, or causes are counted.
        sleeping: Whether the loop sleeps, or this queue has been given up for another one.
        left: How many events of the current batch are still here.
        later: How many more there are of it, which are not for this turn.
        ranked: As many entries as there are events with a priority, or more.
        reasons_to_queue: How many reasons there are for firing an event where a call would do,
            beside what is queued and counted: no loop runs, a handler flushes, who has
            waited for this name goes on first, a handler looks at something again and again.
        epoch: Another number whenever the reasons, the routes or the names that are waited for
            have changed: what was found out before has to be looked at again.
        cause: What events that the loop's thread fires now are counted for, or ``None``.
        is_flushed: Whether a batch is being dispatched.
    """

    __slots__ = (
        "alert", "cause", "epoch", "is_flushed", "later", "left", "ranked", "reasons_to_queue",
        "sleeping",
    )  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        self.left = self.later = 0
        self.is_flushed = False
        self.ranked: list[None] = []
        self.alert = False
        self.sleeping = False
        self.reasons_to_queue = 1  # no loop runs
        self.epoch = 0
        self.cause: Cause | None = None

    # -- who appends --

    def rank(self, event: BaseEvent, priority: float) -> None:
        """Append an event that goes before or after its batch.

        Raises:
            TypeError: The priority is no number.
        """
        check_priority(priority)
        # Noted first: a batch that finds the wrapper finds the note.
        self.ranked.append(None)
        self.append(_Ranked(event, priority))  # type: ignore[arg-type]

    def set_cause(self, cause: Cause | None) -> Cause | None:
        """Set the cause of what is fired from now on; returns the one before, to be restored."""
        before = self.cause
        self.cause = cause
        if cause is None:
            self.alert = self.sleeping
        elif before is None:
            self.alert = True
            self.epoch += 1  # not at its end: what was found out while it was set is not kept
        return before

    def add_reasons(self, count: int) -> None:
        """Add to the reasons to queue; a negative count takes some away."""
        self.reasons_to_queue += count
        self.epoch += 1

    # -- who dispatches --

    def begin_batch(self) -> int:
        """Begin a batch: sort what is queued now. Returns the number of events."""
        # Counted before the look at the notes: what is appended meanwhile is of the next batch.
        self.left = len(self)
        if self.ranked:
            self._sort(self.left)
        return self.left

    def _sort(self, count: int) -> None:
        # Other threads may append meanwhile, behind what is taken out here.
        entries: list[Any] = []
        for _ in range(count):
            try:
                entries.append(self.popleft())
            except IndexError:  # this tree is becoming part of another one
                break
        del self.ranked[: sum(entry.__class__ is _Ranked for entry in entries)]
        entries.sort(key=_priority)
        self.extendleft(
            entry.event if entry.__class__ is _Ranked else entry for entry in reversed(entries)
        )

    def move_to(self, other: EventQueue) -> None:
        """Append everything to another queue."""
        self.left = self.later = 0
        other.ranked.extend(self.ranked)
        while True:
            try:
                other.append(self.popleft())
            except IndexError:
                return

    # -- who looks --

    def events(self) -> Iterator[BaseEvent]:
        """Iterate over the events, in the order of their arrival."""
        return map(event_of, tuple(self))

    def __contains__(self, event: object) -> bool:
        if not (self.ranked or getattr(event, "_event_refirings", None)):
            return super().__contains__(event)
        return any(waiting is event for waiting in self.events())
