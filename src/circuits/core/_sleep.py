"""A wait for a time."""

from __future__ import annotations

import sys

from . import _clock
from ._clock import check_seconds
from ._suspension import Suspension, warn_of_unused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

    from ._clock import Appointment
    from ._tasks import Task

__all__ = ["Sleep", "sleep"]


class Sleep(Suspension):
    """Suspends a handler for a time. Made by :func:`sleep`."""

    __slots__ = ("_appointment", "_code", "_is_used", "_place", "_until", "seconds")

    def __init__(self, seconds: float) -> None:
        self._is_used = True  # in vain, if it is refused
        self.seconds = check_seconds(seconds, "sleep")
        if self.seconds < 0:
            raise ValueError(f"cannot sleep {seconds!r} seconds: the time must not be negative")
        self._appointment: Appointment | None = None
        self._until: float | None = None  # where asyncio waits
        self._is_used = False
        frame = sys._getframe(2)
        self._code, self._place = frame.f_code, frame.f_lasti

    def __del__(self) -> None:
        if not self._is_used:
            warn_of_unused(self, self._code, self._place)

    def __repr__(self) -> str:
        return f"<sleep {self.seconds:g}>"

    def attach(self, task: Task) -> None:
        self._is_used = True
        if self._appointment is not None and self._appointment.is_pending:
            # Another handler sleeps with this one, and may be cancelled.
            task.waiting = twin = Sleep(self.seconds)
            twin.attach(task)
            return
        self._appointment = task.engine.schedule.call_in(self.seconds, task.resume)

    def detach(self) -> None:
        if self._appointment is not None:
            self._appointment.cancel()

    def __iter__(self) -> Generator[Any, Any, None]:
        self._is_used = True
        yield self

    def __await__(self) -> Generator[Any, Any, None]:
        self._is_used = True
        import asyncio  # whoever awaits has it loaded

        self._until = _clock.now() + self.seconds
        yield from asyncio.sleep(self.seconds).__await__()

    @property
    def deadline(self) -> float | None:
        """When it ends, by the clock; ``None`` if it has not begun."""
        return self._until if self._appointment is None else self._appointment.deadline


def sleep(seconds: float) -> Sleep:
    """Suspend a handler for a time, without blocking the loop.

    Write ``yield sleep(1.5)`` in a generator handler, ``await sleep(1.5)`` in a coroutine.

    Args:
        seconds: How long; 0 waits for the next turn of the loop.

    Raises:
        TypeError: ``seconds`` is no number.
        ValueError: ``seconds`` is negative or not a number.
    """
    return Sleep(seconds)
