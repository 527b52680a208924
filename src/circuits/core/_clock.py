"""What no program can work out by itself: time, randomness, new ids. From one source each.

Tests put a virtual clock in the place of the system's, and a replay gives back what was
recorded. So the rest of the framework asks here, and nowhere else, each time anew:
``_clock.now()``, never a copy of the function.
"""

from __future__ import annotations

import os
import time
from heapq import heapify, heappop, heappush
from itertools import compress, count, repeat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypedDict

    class Sources(TypedDict, total=False):
        """What can be replaced."""

        now: Callable[[], float]
        wall: Callable[[], float]
        random_bytes: Callable[[int], bytes]
        new_id: Callable[[], int]


# They are the functions themselves, so that asking costs no call of ours.

#: Seconds on a clock that never goes back; only differences mean anything.
now: Callable[[], float] = time.monotonic

#: Seconds since the epoch: for dates that people and other machines read.
wall: Callable[[], float] = time.time

#: As many bytes that nobody can foretell.
random_bytes: Callable[[int], bytes] = os.urandom

#: A number that this process has not given to anything else.
new_id: Callable[[], int] = count(1).__next__


def install(**sources: Callable[..., object]) -> Sources:
    """Replace sources, for the whole process.

    Args:
        **sources: Functions by the names ``now``, ``wall``, ``random_bytes`` and ``new_id``.

    Returns:
        What was there before, to be installed again.

    Raises:
        TypeError: There is no source of such a name.
    """
    known = globals()
    before: dict[str, object] = {}
    for name, source in sources.items():
        if name not in ("now", "wall", "random_bytes", "new_id"):
            raise TypeError(f"a source is now, wall, random_bytes or new_id, not {name!r}")
        before[name] = known[name]
        known[name] = source
    return before  # type: ignore[return-value]


def check_seconds(seconds: object, what: str) -> float:
    """Refuse what is no number of seconds."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise TypeError(f"{what} must be a number of seconds, not {seconds!r}")
    if seconds != seconds:
        raise ValueError(f"{what} must be a number of seconds, not {seconds!r}")
    return float(seconds)


class Schedule:
    """One heap of what is due when.

    Only the loop's thread may call what is due. Others may make appointments, and cancel them: each step
    that changes the heap is one call of C, and so is what drops those that were cancelled.

    Args:
        report: Told of what a function that was due has raised, and of the function.
    """

    __slots__ = ("_cancelled", "_next_number", "_report", "heap")

    def __init__(self, report: Callable[[Exception, object], object] | None = None) -> None:
        self._report = report
        self.heap: list[Appointment] = []
        self._next_number = count(1).__next__
        self._cancelled = 0

    def __len__(self) -> int:
        return len(self.heap) - self._cancelled

    def call_at(self, deadline: float, callback: Callable[[], object]) -> Appointment:
        """Call a function when the clock has reached ``deadline``."""
        appointment = Appointment((deadline, self._next_number(), callback, self))
        heappush(self.heap, appointment)
        return appointment

    def call_in(self, seconds: float, callback: Callable[[], object]) -> Appointment:
        """Call a function when some time has passed from now on."""
        return self.call_at(now() + seconds, callback)

    def next_deadline(self) -> float | None:
        """When the next appointment is due, or ``None``."""
        heap = self.heap
        while heap and heap[0][_CALLBACK] is None:
            heappop(heap)
            self._cancelled -= 1
        return heap[0][0] if heap else None

    def run_due(self, time: float) -> bool:
        """Call what is due at ``time``, in order of deadline, then of making."""
        heap = self.heap
        due = []
        try:
            while heap and heap[0][0] <= time:
                due.append(heappop(heap))
        except IndexError:  # another thread has cancelled the last one meanwhile
            pass
        for appointment in due:
            callback = appointment[_CALLBACK]
            if callback is None:
                self._cancelled -= 1
            else:
                appointment[_CALLBACK] = None
                try:
                    callback()
                except Exception as problem:
                    if self._report is None:
                        raise
                    self._report(problem, callback)
        return bool(due)

    def merge(self, other: Schedule) -> None:
        """Take over the appointments of another schedule."""
        for appointment in sorted(other.heap):
            if appointment[_CALLBACK] is not None:
                appointment[_NUMBER], appointment[_SCHEDULE] = self._next_number(), self
                heappush(self.heap, appointment)
        other.heap.clear()
        other._cancelled = 0

    def _forget(self) -> None:
        # Cancelled entries stay in the heap until they are due; rebuild it when they are many.
        self._cancelled += 1
        if self._cancelled > 64 and self._cancelled * 2 > len(self.heap):
            heap = self.heap
            heap[:] = compress(heap, map(list.__getitem__, heap, repeat(_CALLBACK)))
            heapify(heap)
            self._cancelled = 0


#: Where an appointment, which is a list, has what it is made of; its deadline comes first.
_NUMBER, _CALLBACK, _SCHEDULE = 1, 2, 3


class Appointment(list["Any"]):
    """One entry of a schedule; ``cancel`` removes it. Once called or removed, it is over.

    It is the list of its deadline, its number, its function (``None`` when it is over) and its
    schedule, since the heap compares lists without a call of ours.
    """

    __slots__ = ()

    @property
    def deadline(self) -> float:
        """When it is due, by the clock."""
        deadline: float = self[0]
        return deadline

    @property
    def is_pending(self) -> bool:
        """Whether the function is still to be called."""
        return self[_CALLBACK] is not None

    def cancel(self) -> None:
        """Remove the entry; without effect when it has been called."""
        if self[_CALLBACK] is not None:
            self[_CALLBACK] = None
            self[_SCHEDULE]._forget()


#: What is over before it began: for an attribute while nothing is scheduled.
NEVER = Appointment((0.0, 0, None, None))
