"""A pipe that ends the wait of a loop when a signal arrives.

Python notes a signal and calls the handler between two instructions. One that arrives after
the last instruction before the loop goes to sleep would be seen only when something else wakes
it. So the C handler also writes a byte into this pipe, which the loop waits for: in the poller,
or, in a tree without one, right here.
"""

from __future__ import annotations

import select

from ._latch import WakeUp

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from typing import Any
else:
    import _signal as signal  # without the names of enum, whose import takes longer than ours


class SignalPipe(WakeUp):
    """Wakes the loop for signals; also what a loop without poller waits in.

    Attributes:
        waiter: The poller that looks at it, or ``None``.
        is_full: Whether it must be drained before the next wait. That is not done at once: to read
            lets go of the interpreter, and another thread would take it before what the wait was
            ended for is done.
    """

    def __init__(self) -> None:
        super().__init__()
        self.waiter: Any = None
        self.is_full = False
        self._previous = -1
        self._is_open = False  # whether signals write to it
        self._poll: Any = None

    def open(self) -> None:
        """Make the pipe that signals write to. In the main thread only.

        Raises:
            OSError: There is no descriptor left.
            ValueError: This is not the main thread of the main interpreter.
        """
        self._open_pipe()
        if hasattr(select, "poll"):
            self._poll = select.poll()
            self._poll.register(self.number, select.POLLIN)
        self._previous = self._catch()
        self._is_open = True

    def _catch(self) -> int:
        writer: Any = self._writer
        return signal.set_wakeup_fd(writer.number, warn_on_full_buffer=False)

    def restore(self) -> None:
        """Have signals write to it again, which somebody else has taken."""
        if self._is_open:
            self._catch()

    def close(self) -> None:
        """Leave signals to whoever had them before, and close the pipe."""
        self.watch_with(None)
        if self._is_open:
            self._is_open = False
            try:
                signal.set_wakeup_fd(self._previous)
            except (OSError, ValueError):  # closed meanwhile
                signal.set_wakeup_fd(-1)
        super().close()

    def reopen(self) -> None:
        """In a forked child: make a pipe of its own."""
        # A poller still shares its kernel object with the parent, so it is told nothing: it makes
        # its own, and is asked again before the next wait.
        if hasattr(self.waiter, "remove_callback"):
            self.waiter.drop_callback(self.number)
        self.waiter = None
        previous = self._previous
        super().close()
        self.open()
        self._previous = previous

    def watch_with(self, waiter: Any) -> None:
        """Watch the pipe by a poller; one without callbacks, or ``None``, ends that."""
        if self.waiter is not None and hasattr(self.waiter, "remove_callback"):
            self.waiter.remove_callback(self.number)
        self.waiter = waiter
        if hasattr(waiter, "add_callback"):
            waiter.add_callback(self.number, self.drain)

    # -- as what a loop without poller waits in --

    def block(self, timeout: float) -> None:
        """Wait for a signal or ``resume``, at most ``timeout`` seconds; negative means no limit."""
        if self.is_full:
            self.drain()
            return  # with what was written since the loop has looked for the last time
        if self._poll is None:
            longest = None if timeout < 0 else min(timeout, _LONGEST_MILLISECONDS / 1000)
            self.is_full = bool(select.select([self.number], [], [], longest)[0])
        else:
            longest = None if timeout < 0 else min(timeout * 1000, _LONGEST_MILLISECONDS)
            self.is_full = bool(self._poll.poll(longest))

    def drain(self) -> None:
        self.is_full = False
        super().drain()

    resume = WakeUp.call  # ends the wait


_LONGEST_MILLISECONDS = 2**31 - 1
