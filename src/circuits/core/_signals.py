"""A pipe that ends the wait of a loop when a signal arrives.

Python notes a signal and calls the handler between two instructions. One that arrives after
the last instruction before the loop goes to sleep would be seen only when something else wakes
it. So the C handler also writes a byte into this pipe, which the loop waits for: in the poller,
or, in a tree without one, right here.
"""

from __future__ import annotations

import os
import select
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class SignalPipe:
    """Wakes the loop for signals; also what a loop without poller waits in.

    Attributes:
        number: The descriptor to be read; -1 when closed.
        waiter: The poller that looks at it, or ``None``.
    """

    def __init__(self) -> None:
        self.number = self._write = -1
        self.waiter: Any = None
        self._previous = -1
        self._is_open = False  # whether signals write to it
        self._poll: Any = None

    def open(self) -> None:
        """Make the pipe that signals write to. In the main thread only.

        Raises:
            OSError: There is no descriptor left.
            ValueError: This is not the main thread of the main interpreter.
        """
        self.number, self._write = os.pipe()
        os.set_blocking(self.number, False)
        os.set_blocking(self._write, False)
        self._poll = select.poll()
        self._poll.register(self.number, select.POLLIN)
        self._previous = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        self._is_open = True

    def close(self) -> None:
        """Leave signals to whoever had them before, and close the pipe."""
        self.watch_with(None)
        if self._is_open:
            self._is_open = False
            try:
                signal.set_wakeup_fd(self._previous)
            except (OSError, ValueError):  # closed meanwhile
                signal.set_wakeup_fd(-1)
        self._close_pipe()

    def reopen(self) -> None:
        """In a forked child: make a pipe of its own."""
        # A poller still shares its kernel object with the parent, so it is told nothing: it makes
        # its own, and is asked again before the next wait.
        if hasattr(self.waiter, "remove_callback"):
            self.waiter.drop_callback(self.number)
        self.waiter = None
        previous = self._previous
        self._close_pipe()
        self.open()
        self._previous = previous

    def _close_pipe(self) -> None:
        for number in (self.number, self._write):
            if number >= 0:
                os.close(number)
        self.number = self._write = -1

    def watch_with(self, waiter: Any) -> None:
        """Watch the pipe by a poller; one without callbacks, or ``None``, ends that."""
        if self.waiter is not None and hasattr(self.waiter, "remove_callback"):
            self.waiter.remove_callback(self.number)
        self.waiter = waiter
        if hasattr(waiter, "add_callback"):
            waiter.add_callback(self.number, self.drain)

    def drain(self) -> None:
        """Take out what has been written."""
        try:
            os.read(self.number, 4096)
        except BlockingIOError:
            return

    # -- as what a loop without poller waits in --

    def block(self, timeout: float) -> None:
        """Wait for a signal or ``resume``, at most ``timeout`` seconds; negative means no limit."""
        if self._poll.poll(None if timeout < 0 else min(timeout * 1000, _LONGEST_MILLISECONDS)):
            self.drain()

    def resume(self) -> None:
        """End the wait. From any thread, and from signal handlers."""
        try:
            os.write(self._write, b"\1")
        except BlockingIOError:  # full: it is about to wake up anyway
            return


_LONGEST_MILLISECONDS = 2**31 - 1
