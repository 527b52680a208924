"""A wait that others end, without a descriptor."""

from __future__ import annotations

import _thread

__all__ = ["Latch"]

#: Longest wait that a lock accepts at once, in seconds.
_LONGEST_WAIT = _thread.TIMEOUT_MAX


class Latch:
    """Waits until somebody calls ``resume``. Safe in signal handlers."""

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        # A bare lock: releasing it from a signal handler in the waiting thread cannot deadlock,
        # as notifying a Condition could.
        self._lock = _thread.allocate_lock()
        self._lock.acquire()

    def block(self, timeout: float) -> None:
        """Wait for ``resume``, at most ``timeout`` seconds (negative: without limit)."""
        if timeout < 0:
            self._lock.acquire()
        else:
            self._lock.acquire(True, min(timeout, _LONGEST_WAIT))

    def resume(self) -> None:
        """End the wait; if nobody waits, the next one ends at once."""
        if self._lock.locked():
            try:
                self._lock.release()
            except RuntimeError:  # somebody else was faster
                pass
