"""Turns for those who have more to do than is good for others."""

from __future__ import annotations

from collections import deque

from . import _clock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sized

    from ._clock import Schedule

__all__ = ["Turns"]

#: How many turns of the loop who waits is put off, at the most, for what is queued.
_PUT_OFFS = 8


class Turns:
    """Lets those who have much to do go on by parts, one of them at a time, in their order.

    What went on behind the queue would keep it from ever becoming empty, and a loop looks at its
    descriptors when it is. So the next one goes on when the queue is empty, and descriptors are
    looked at before the one after that. However many there are, whoever else comes waits for the
    part of one of them.

    Args:
        schedule: The time of the tree.
        queue: What comes first.
    """

    __slots__ = ("_is_armed", "_put_offs", "_queue", "_schedule", "_waiting")

    def __init__(self, schedule: Schedule, queue: Sized) -> None:
        self._schedule = schedule
        self._queue = queue
        self._waiting: deque[Callable[[], object]] = deque()
        self._is_armed = False
        self._put_offs = 0

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
        go_on = self._waiting.popleft()
        if self._waiting:
            self._arm()
        go_on()
