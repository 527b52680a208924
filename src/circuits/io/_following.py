"""Waiting at the end of a file for what is appended to it, or takes its place."""

from __future__ import annotations

import os
import select
import stat
from typing import TYPE_CHECKING, Any

from circuits.core._clock import NEVER

from ._modes import OpenFile, open_path

if TYPE_CHECKING:
    from .file import File

__all__ = ["Follower"]


class Follower:
    """Looks at a file at an interval while it has nothing to read.

    Args:
        file: The component.
        interval: Seconds between two looks.

    Raises:
        ValueError: The interval is not positive.
    """

    def __init__(self, file: File, interval: float) -> None:
        if not interval > 0:
            raise ValueError(f"interval must be positive seconds, not {interval!r}")
        self._file = file
        self._interval = interval
        self._appointment = NEVER
        self._size = 0  # the largest that it was seen with; less means that it was cut

    def saw(self, number: int) -> None:
        """A piece was read, up to where the descriptor stands: so large is the file at least."""
        self._size = max(self._size, os.lseek(number, 0, os.SEEK_CUR))

    def wait(self, is_hung_up: bool = False) -> bool:
        """Look again later.

        Args:
            is_hung_up: Whether the other end of a pipe or terminal is gone.

        Returns:
            Whether there is anything to wait for: nothing more comes out of a pipe that has ended
            and has no path under which somebody may open it again.
        """
        file = self._file
        stream = file._stream
        if stream is None:
            return False
        kind = os.fstat(stream.file).st_mode
        if file._is_terminal:
            # What ended is one input of several; the poller tells of more.
            file._reading = not (is_hung_up or _is_hung_up(stream.file))
            return file._reading
        if not stat.S_ISREG(kind):
            if not stat.S_ISFIFO(kind) or not self._has_path():
                return False
            # A pipe that has ended is reported as ready for ever; a fresh one waits for a writer.
            return self._go_to_path()
        self.cancel()
        self._size = max(self._size, os.fstat(stream.file).st_size)
        schedule = file._tree_engine.schedule
        self._appointment = schedule.call_in(self._interval, self._look)
        return True

    def cancel(self) -> None:
        """Do not look again."""
        self._appointment.cancel()

    def _look(self) -> None:
        file = self._file
        stream = file._stream
        if stream is None or file._reading or not stream.is_open:
            return
        state = os.fstat(stream.file)
        if state.st_size < self._size:
            self._size = state.st_size
            os.lseek(stream.file, 0, os.SEEK_SET)
            file._tell_rotated()
            file._read_on()
        elif state.st_size > os.lseek(stream.file, 0, os.SEEK_CUR):
            file._read_on()
        elif self._has_path() and self._is_replaced(state):
            if self._go_to_path():
                file._tell_rotated()
        if not file._reading:
            self.wait()

    def _has_path(self) -> bool:
        return isinstance(self._file._filename, str | bytes | os.PathLike)

    def _is_replaced(self, state: os.stat_result) -> bool:
        try:
            other = os.stat(self._file._filename)
        except OSError:
            return (
                False  # away, for now: it is common to rename first, and to make the new one later
            )
        return (other.st_dev, other.st_ino) != (state.st_dev, state.st_ino)

    def _go_to_path(self) -> bool:
        file: Any = self._file
        if file._mode.flags & (os.O_CREAT | os.O_TRUNC):
            return False  # made by us: what others put in its place is not to be overwritten
        try:
            opened: OpenFile = open_path(file._filename, file._mode)
        except OSError:
            return False  # away again, or not ours to read yet: the next look tells
        self._size = 0
        file._replace(opened)
        return True


def _is_hung_up(number: int) -> bool:
    """Whether a terminal at its end will stay there: some report both, input and hang-up."""
    if not hasattr(select, "poll"):
        return False  # nor are there such terminals
    poll = select.poll()
    poll.register(number, 0)
    return any(mask & select.POLLHUP for _, mask in poll.poll(0))
