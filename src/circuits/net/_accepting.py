"""What a server does when it cannot accept: some failures pass, some mean to wait."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from circuits.core import _clock
from circuits.core._clock import NEVER

if TYPE_CHECKING:
    from collections.abc import Callable

    from circuits.core._clock import Schedule

__all__ = ["SHORTAGES", "SKIPPED", "AcceptPause"]

#: Seconds between two attempts to accept while the system is short of something.
_SHORTEST, _LONGEST = 0.1, 0.5

#: Seconds between two reports of a shortage.
_REPORT_SECONDS = 1.0

#: The system is short of something.
SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

#: It was one client's.
SKIPPED = frozenset({errno.EPERM, errno.ECONNABORTED})


class AcceptPause:
    """Pauses in accepting while the system is short of something.

    Args:
        go_on: Called when a pause is over.

    Attributes:
        is_on: Whether nothing is accepted now.
    """

    def __init__(self, go_on: Callable[[], None]) -> None:
        self._go_on = go_on
        self._seconds = 0.0
        self._quiet_until = 0.0
        self._timer = NEVER

    @property
    def is_on(self) -> bool:
        return self._timer.is_pending

    def begin(self, schedule: Schedule) -> bool:
        """Pause, longer each time; whether that is to be reported.

        It is once until accepting works again, and not for each descriptor that comes and goes.
        """
        now = _clock.now()
        is_news = not self._seconds and now >= self._quiet_until
        if is_news:
            self._quiet_until = now + _REPORT_SECONDS
        self._seconds = min(max(_SHORTEST, self._seconds * 2), _LONGEST)
        self._timer = schedule.call_at(now + self._seconds, self._go_on)
        return is_news

    def worked(self) -> None:
        """Something was accepted."""
        self._seconds = 0.0

    def cancel(self) -> None:
        """The listener is closed."""
        self._timer.cancel()

    def cut_short(self) -> None:
        """There is a descriptor again: go on now, if there is a pause."""
        if self.is_on:
            self.cancel()
            self._go_on()
