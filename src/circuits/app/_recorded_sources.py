"""Time, randomness and ids while they are recorded."""

from __future__ import annotations

import _thread
from typing import TYPE_CHECKING

from circuits.core import _clock

from ._recording_file import pack_number
from ._records import DOUBLE, Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._records import Records

__all__ = ["RecordedSources"]


class RecordedSources:
    """Gives what the sources of before give, and writes down what the loop's thread is given.

    Args:
        records: Where to.
        runs_in: Gives the thread that runs the tree, or ``None``: until :attr:`is_known`.

    Attributes:
        is_known: Whether :attr:`thread` is that of the loop.
        thread: Whose readings count; at first, that of who makes this.
    """

    def __init__(self, records: Records, runs_in: Callable[[], int | None]) -> None:
        self._records = records
        self._runs_in = runs_in
        self.is_known = False
        self.thread = _thread.get_ident()
        self._before = before = _clock.install(
            now=self.now, wall=self.wall, random_bytes=self.random_bytes, new_id=self.new_id
        )
        self.real_now, self._wall = before["now"], before["wall"]
        self._random_bytes, self._new_id = before["random_bytes"], before["new_id"]

    def put_back(self) -> None:
        """Put the sources of before back."""
        _clock.install(**self._before)

    def enter(self) -> None:
        """The calling thread is that of the loop."""
        self.thread = _thread.get_ident()
        self.is_known = True

    def are_elsewhere(self) -> bool:
        """Whether the calling thread is another one than that of the loop."""
        ident = _thread.get_ident()
        if ident == self.thread:
            return False
        if self.is_known or ident != self._runs_in():
            return True
        self.thread = ident
        return False

    def now(self) -> float:
        """The clock of timers."""
        reading = self.real_now()
        if not self.are_elsewhere():
            self._records.add(Kind.NOW, DOUBLE.pack(reading))
        return reading

    def wall(self) -> float:
        """The date."""
        reading = self._wall()
        if not self.are_elsewhere():
            self._records.add(Kind.WALL, DOUBLE.pack(reading))
        return reading

    def random_bytes(self, count: int) -> bytes:
        """Random bytes: the secrets of the application."""
        data = self._random_bytes(count)
        if not self.are_elsewhere():
            self._records.add(Kind.RANDOM, data)
        return data

    def new_id(self) -> int:
        """A new number."""
        number = self._new_id()
        if not self.are_elsewhere():
            self._records.add(Kind.ID, pack_number(number))
        return number
