"""The time of a replay: what was asked of the clock, and what sockets have given, by the looks in
which that was.
"""

from __future__ import annotations

import _thread
import random
from typing import TYPE_CHECKING, Any

from ._recorded import Result
from .clock import VirtualClock

if TYPE_CHECKING:
    from collections import deque

    from ._recorded import Look, Recorded

__all__ = ["Timeline"]


class _ReplayClock(VirtualClock):
    """Gives the readings that were recorded; time goes on from one look to the next."""

    def __init__(self, timeline: Timeline, start: float) -> None:
        super().__init__(start)
        self._timeline = timeline

    def __call__(self) -> float:
        self._timeline.read_clock()
        return self.now


class Timeline:
    """Goes through the looks of a recording.

    Attributes:
        clock: To be installed.
        thread: The one that runs the application: others are given nothing that was recorded.
        empties: How many looks in vain come before the next one.
    """

    def __init__(self, recorded: Recorded) -> None:
        about: dict[str, Any] = recorded.about
        self._looks = recorded.looks
        self._index = 0
        self._begin: float = about["now"]
        self._wall_offset: float = about["wall"] - about["now"]
        self._random = random.Random(about["seed"])
        self._latest_id = 0
        self.clock: VirtualClock = _ReplayClock(self, self._begin)
        self.thread = _thread.get_ident()
        self.empties = self._looks[1].empties if len(self._looks) > 1 else 0

    @property
    def look(self) -> Look:
        """The latest look."""
        return self._looks[self._index]

    @property
    def following(self) -> Look | None:
        """The one after that."""
        return self._looks[self._index + 1] if self._index + 1 < len(self._looks) else None

    def elapsed(self) -> float:
        """How long the application has been running, in seconds."""
        return self.clock.now - self._begin

    def step(self) -> None:
        """Go on to the next look."""
        if self.following is not None:
            self._index += 1
        if self.following is not None:
            self.empties = self.following.empties
        if self.look.now is not None:
            self.clock.advance_to(self.look.now)

    def read_clock(self) -> None:
        """The clock is asked: it moves to the reading of then."""
        if self.look.readings and self._is_ours():
            self.clock.advance_to(self.look.readings.popleft())

    def _is_ours(self) -> bool:
        return _thread.get_ident() == self.thread

    def wall(self) -> float:
        """The date of then."""
        dates = self.look.dates
        if dates and self._is_ours():
            return dates.popleft()
        return self.clock.now + self._wall_offset

    def random_bytes(self, count: int) -> bytes:
        """The random bytes of then; others, but always the same ones, if there were none."""
        known = self.look.random
        if known and len(known[0]) == count and self._is_ours():
            return known.popleft()
        return self._random.randbytes(count)

    def new_id(self) -> int:
        """The number of then."""
        known = self.look.ids
        self._latest_id = known.popleft() if known and self._is_ours() else self._latest_id + 1
        return self._latest_id

    def next_result(
        self, results: deque[Result] | None, *, is_output: bool = False
    ) -> Result | None:
        """What a socket has given by now; of output, only what it took in this look."""
        if is_output:
            while results and results[0].look < self._index:
                results.popleft()
        if results and results[0].look <= self._index:
            return results.popleft()
        return None

    def put_back(self, results: deque[Result], rest: bytes) -> None:
        """A part of what a socket has given was not taken."""
        results.appendleft(Result(self._index, 0, rest))
