"""A wait that others end: without a descriptor, or with one that a poller watches."""

from __future__ import annotations

import _thread
import os

from ._held import close, hold

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Latch", "WakeUp"]

#: Longest wait that a lock accepts at once, in seconds.
_LONGEST_WAIT = _thread.TIMEOUT_MAX


class Latch:
    """Waits until somebody calls ``resume``. Safe in signal handlers."""

    __slots__ = ("_lock",)

    #: Whether it must be drained before the next wait; never.
    is_full = False

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


#: Whether what waits for descriptors takes sockets only, as on Windows.
SOCKETS_ONLY = os.name == "nt"


class _End:
    """One end of a descriptor, closed when the last one who holds it lets go.

    A thread that is about to write holds the end, so that the number cannot be closed, and given to
    a file of somebody else, under its hands. That needs no lock, which a signal handler could not
    take.
    """

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number

    def __del__(self) -> None:
        try:
            os.close(self.number)
        except OSError:  # somebody has closed it behind our back
            return

    def write(self, data: bytes) -> None:
        """Write, without waiting."""
        os.write(self.number, data)

    def read(self) -> None:
        """Read what there is."""
        os.read(self.number, 4096)


class _SocketEnd(_End):
    """An end that is a socket, which closes itself."""

    __slots__ = ("_sock",)

    def __init__(self, sock: Any) -> None:
        sock.setblocking(False)
        hold(sock)
        self._sock = sock
        super().__init__(sock.fileno())

    def __del__(self) -> None:
        close(self._sock)

    def write(self, data: bytes) -> None:
        self._sock.send(data)

    def read(self) -> None:
        self._sock.recv(4096)


class WakeUp:
    """A descriptor that becomes readable when somebody calls.

    Attributes:
        number: To be watched for input; -1 when closed.
    """

    __slots__ = ("_reader", "_stays_full", "_writer", "number")

    def __init__(self) -> None:
        self.number = -1
        self._stays_full = False
        self._reader: _End | None = None
        self._writer: _End | None = None

    def open(self) -> None:
        """Make the descriptor."""
        if hasattr(os, "eventfd"):
            self._writer = _End(os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC))
            self.number = self._writer.number
        else:
            self._open_pipe()

    def _open_pipe(self) -> None:
        if SOCKETS_ONLY:
            import socket

            self._reader, self._writer = map(_SocketEnd, socket.socketpair())
        else:
            self._reader, self._writer = map(_End, os.pipe())
            os.set_blocking(self._reader.number, False)
            os.set_blocking(self._writer.number, False)
        self.number = self._reader.number

    def close(self) -> None:
        """Close it, if it is open."""
        self.number = -1
        self._reader = self._writer = None

    def call(self) -> None:
        """Make it readable. From any thread, and from signal handlers."""
        end = self._writer
        if end is None:
            return
        try:
            end.write(b"\1\0\0\0\0\0\0\0")
        except BlockingIOError:
            return  # full: it is about to wake up anyway

    def stay_full(self) -> bool:
        """Need not be drained, as who watches it hears of each call anyway.

        To read takes a system call, and lets go of the interpreter: another thread would take it
        before what the wait was ended for is done.

        Returns:
            Whether that is so; a pipe would be full some day.
        """
        self._stays_full = self._reader is None
        return self._stays_full

    def drain(self) -> None:
        """Make it readable no more."""
        if self._stays_full:
            return
        end = self._reader or self._writer
        try:
            end.read()  # type: ignore[union-attr]  # it is open
        except BlockingIOError:
            return
