"""A wait that others end: without a descriptor, or with one that a poller watches."""

from __future__ import annotations

import _thread
import os

__all__ = ["Latch", "WakeUp"]

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


class WakeUp:
    """A descriptor that becomes readable when somebody calls.

    Attributes:
        number: To be watched for input; -1 when closed.
    """

    __slots__ = ("_write", "number")

    def __init__(self) -> None:
        self.number = self._write = -1

    def open(self) -> None:
        """Make the descriptor."""
        if hasattr(os, "eventfd"):
            self.number = self._write = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        elif os.name == "nt":  # pragma: no cover - select takes only sockets there
            import socket

            reader, writer = socket.socketpair()
            reader.setblocking(False)
            writer.setblocking(False)
            self.number, self._write = reader.detach(), writer.detach()
        else:  # pragma: no cover - not on Linux
            self._open_pipe()

    def _open_pipe(self) -> None:
        self.number, self._write = os.pipe()
        os.set_blocking(self.number, False)
        os.set_blocking(self._write, False)

    def close(self) -> None:
        """Close it, if it is open."""
        for number in {self.number, self._write} - {-1}:
            os.close(number)
        self.number = self._write = -1

    def call(self) -> None:
        """Make it readable. From any thread, and from signal handlers."""
        if self._write < 0:
            return
        try:
            os.write(self._write, b"\1\0\0\0\0\0\0\0")
        except BlockingIOError:
            return  # full: it is about to wake up anyway

    def drain(self) -> None:
        """Make it readable no more."""
        try:
            os.read(self.number, 4096)
        except BlockingIOError:
            return
