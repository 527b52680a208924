"""A clock that moves when the test says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from circuits.core import _clock

if TYPE_CHECKING:
    from typing import Self

__all__ = ["VirtualClock"]


class VirtualClock:
    """Time for timers, ``sleep`` and timeouts, for the whole process while it is installed.

    Use it in a ``with`` statement, or call :meth:`install` and :meth:`uninstall`. It does not
    turn the loop: what is due happens at the next ``tick`` or
    :func:`~circuits.testing.settling.settle`.

    Args:
        start: First reading, in seconds.
    """

    def __init__(self, start: float = 1000.0) -> None:
        self._now = float(start)
        self._previous: _clock.Sources | None = None

    @property
    def now(self) -> float:
        """The reading, in seconds."""
        return self._now

    def __call__(self) -> float:
        """The reading: a clock is a source of time for the kernel."""
        return self._now

    def advance(self, seconds: float) -> float:
        """Move on.

        Args:
            seconds: How far, 0 or more.

        Returns:
            The new reading.

        Raises:
            ValueError: ``seconds`` is negative: time never goes back.
        """
        if not seconds >= 0:
            raise ValueError(f"a clock cannot advance by {seconds!r} seconds")
        self._now += seconds
        return self._now

    def advance_to(self, moment: float) -> None:
        """Move on to a reading; one that has passed already changes nothing."""
        self._now = max(self._now, moment)

    def install(self) -> Self:
        """Take the place of the clock that is installed.

        Raises:
            RuntimeError: This clock is installed already.
        """
        if self._previous is not None:
            raise RuntimeError("this virtual clock is installed already")
        self._previous = _clock.install(now=self)
        return self

    def uninstall(self) -> None:
        """Put the clock back that was there before; without effect if not installed."""
        if self._previous is not None:
            _clock.install(**self._previous)
            self._previous = None

    def __enter__(self) -> Self:
        return self.install()

    def __exit__(self, *problem: object) -> None:
        self.uninstall()

    def __repr__(self) -> str:
        return f"<VirtualClock at {self._now:g} s>"


def installed_clock() -> VirtualClock | None:
    """The virtual clock that is installed, if it is one."""
    source = _clock.now
    return source if isinstance(source, VirtualClock) else None
