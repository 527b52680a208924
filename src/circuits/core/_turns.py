"""Turns for those who have more to do than is good for others."""

from __future__ import annotations

from . import _clock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Sized

    from ._clock import Schedule
else:
    from _collections import deque  # that of collections, whose import takes longer than ours

__all__ = ["LEAST", "PARTS", "Turns"]

#: How many turns of the loop who waits is put off, at the most, for what is queued.
_PUT_OFFS = 8

#: What all who have more to do may do together between two looks at the descriptors: so many parts,
#: and no new one after so many seconds. As each may do one part, more of them cost little more.
PARTS = 32
_SECONDS = 0.003

#: How many parts of a read are done at once all the same, when others have used up those: as many as
#: come in one read where there is no hurry. They are few, because each of hundreds of peers may have
#: that many.
LEAST = 4


class Turns:
    """Lets those who have much to do go on by parts, one of them at a time, in their order.

    What went on behind the queue would keep it from ever becoming empty, and a loop looks at its
    descriptors when it is. So the next one goes on when the queue is empty, and descriptors are
    looked at before the one after that. However many there are, whoever else comes waits for the
    part of one of them.

    They share what may be done between two looks at the descriptors: a hundred who each have a little
    too much to do come to as much as one who has a hundred times that.

    Args:
        schedule: The time of the tree.
        queue: What comes first.

    Attributes:
        left: How many parts may still be done before the descriptors are looked at; setting it to
            :data:`PARTS` begins anew.
    """

    __slots__ = ("_is_armed", "_put_offs", "_queue", "_schedule", "_until", "_waiting", "left")

    def __init__(self, schedule: Schedule, queue: Sized) -> None:
        self._schedule = schedule
        self._queue = queue
        self._waiting: deque[Callable[[], object]] = deque()
        self._is_armed = False
        self._put_offs = 0
        self.left = PARTS
        self._until = 0.0

    def spend(self) -> bool:
        """Count a part of what somebody has to do.

        Returns:
            Whether others get their turn before the next one.
        """
        if self.left >= PARTS:
            self._until = _clock.now() + _SECONDS
        self.left -= 1
        return self.left <= 0 or _clock.now() >= self._until

    @property
    def is_awaited(self) -> bool:
        """Whether somebody waits for a turn."""
        return bool(self._waiting)

    def add(self, go_on: Callable[[], object]) -> None:
        """Have a function called in its turn. Only the loop's thread may."""
        self._waiting.append(go_on)
        if not self._is_armed:
            self._arm()

    def merge(self, other: Turns) -> None:
        """Take over those who wait in another tree."""
        while other._waiting:
            self.add(other._waiting.popleft())

    def _arm(self) -> None:
        # What is due at once is due in the next turn of the loop.
        self._is_armed = True
        self._schedule.call_at(_clock.now(), self._run)

    def _run(self) -> None:
        self._is_armed = False
        if not self._waiting:
            return  # another tree has taken them over
        if len(self._queue) and self._put_offs < _PUT_OFFS:
            self._put_offs += 1
            self._arm()
            return
        self._put_offs = 0
        self.left = PARTS
        go_on = self._waiting.popleft()
        if self._waiting:
            self._arm()
        go_on()
