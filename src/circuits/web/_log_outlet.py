"""Lines for standard output that nobody may read: a pipe, or a socket of the journal.

Who writes to a full pipe waits until somebody reads from it, and a server would wait with all its
clients. What is not taken at once is kept here, up to a limit, and tried again.
"""

from __future__ import annotations

import logging
import os
import select
import socket
import stat
from collections import deque
from typing import TYPE_CHECKING, Any

from circuits.core._clock import NEVER
from circuits.core._held import close, hold

if TYPE_CHECKING:
    from circuits.core._clock import Schedule

__all__ = ["Outlet"]

_log = logging.getLogger("circuits.web")

#: How much is kept for a reader that does not keep up, and how often it is tried again.
_HELD_BYTES = 1024 * 1024
_RETRY_SECONDS = 0.2

#: What a pipe takes at once where it takes anything, on every system.
_PIPE_BYTES = 512


class Outlet:
    """Writes to a file that is a pipe or a socket, and waits for nobody.

    Args:
        file: As :meth:`leads_to` wants it.

    Attributes:
        file: What it was made for.
        lost: How many lines have been lost since the reader kept up last.
    """

    def __init__(self, file: Any) -> None:
        self.file = file
        self.lost = 0
        self._number = file.fileno()
        self._held: deque[bytes] = deque()
        self._held_bytes = 0
        self._retry = NEVER
        self._own: int | None = None  # a description of our own, which does not block
        self._sock: socket.socket | None = None
        if stat.S_ISSOCK(os.fstat(self._number).st_mode):
            self._sock = socket.socket(fileno=os.dup(self._number))
            hold(self._sock)
        else:
            # O_NONBLOCK would be that of everybody who shares the description, as the shell does.
            try:
                self._own = os.open(f"/proc/self/fd/{self._number}", os.O_WRONLY | os.O_NONBLOCK)
            except OSError:  # a system without /proc
                self._own = None

    @staticmethod
    def leads_to(file: Any) -> bool:
        """Whether a file is one that somebody has to read from."""
        if not hasattr(os, "O_NONBLOCK"):  # pragma: no cover - Windows
            return False
        try:
            mode = os.fstat(file.fileno()).st_mode
        except (AttributeError, OSError, ValueError):  # no file of the system, or a closed one
            return False
        return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)

    def write(self, line: bytes, schedule: Schedule) -> None:
        """Write a line now, or later, or never.

        Raises:
            OSError: It cannot be written to; ``BrokenPipeError`` if the reader has gone.
        """
        if self._held_bytes + len(line) > _HELD_BYTES:
            self.lost += 1
            return
        self._held.append(line)
        self._held_bytes += len(line)
        if not self._retry.is_pending:
            self._flush(schedule)

    def _try_again(self, schedule: Schedule) -> None:
        try:
            self._flush(schedule)
        except OSError:
            pass  # its reader has gone: the next line fails

    def _flush(self, schedule: Schedule) -> None:
        if self.flush():
            if self.lost:
                lost, self.lost = self.lost, 0
                _log.warning("%d lines of the log are lost: nobody read standard output", lost)
        else:
            self._retry = schedule.call_in(_RETRY_SECONDS, lambda: self._try_again(schedule))

    def flush(self) -> bool:
        """Write what is held, as much as is taken; whether that is all."""
        if self._can_write():
            self.file.flush()  # what others have printed comes before
        try:
            while self._held:
                data = self._held[0]
                sent = self._send(data)
                self._held_bytes -= sent
                if sent == len(data):
                    self._held.popleft()
                else:
                    self._held[0] = data[sent:]
        except BlockingIOError:
            return False
        except OSError:
            self._held.clear()
            self._held_bytes = 0
            raise
        return True

    def close(self) -> None:
        """Try once more, and close what is ours."""
        self._retry.cancel()
        try:
            self.flush()
        except OSError:
            pass  # its reader has gone, too
        if self._sock is not None:
            close(self._sock)
        own, self._own = self._own, None
        if own is not None:
            os.close(own)

    def _can_write(self) -> bool:
        return bool(select.select((), (self._number,), (), 0)[1])

    def _send(self, data: bytes) -> int:
        if self._sock is not None:
            return self._sock.send(data, socket.MSG_DONTWAIT)
        if self._own is not None:
            return os.write(self._own, data)
        if not self._can_write():
            raise BlockingIOError
        return os.write(self._number, data[:_PIPE_BYTES])
