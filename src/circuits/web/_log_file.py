"""A log file that is opened by name: written in larger pieces, and never in the way.

A line at a time costs a system call for each request. What is written within half a second goes
out together while the loop runs. A file that cannot be written (the disk is full, its folder has
gone) costs no request: its lines are kept, up to a limit, and tried again; what is lost is counted,
and told when it can be written again.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from circuits.core import _clock
from circuits.core._clock import NEVER

if TYPE_CHECKING:
    from circuits.core._clock import Schedule

__all__ = ["LogFile"]

_log = logging.getLogger("circuits.web")

_FLUSH_SECONDS = 0.5
#: What is written without waiting for that, and what is kept of a file that takes nothing.
_PIECE_CHARACTERS = 64 * 1024
_HELD_BYTES = 1024 * 1024

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0)
#: A pipe by that name shall not keep us waiting, neither for a reader nor while it is full.
_FLAGS |= getattr(os, "O_NONBLOCK", 0)


class LogFile:
    """Appends lines to a file, which is opened when it is written.

    Args:
        path: Where it is.

    Attributes:
        closed: Whether it is not open.
        lost: How many lines have been lost since it could be written last.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._lines: list[str] = []  # since it was flushed
        self._characters = 0
        self._held = b""  # what could not be written
        self._is_failing = False
        self._retry_at = 0.0
        self._timer = NEVER
        self.lost = 0
        self._number: int | None = None

    def open(self) -> None:
        """Open it now.

        Raises:
            OSError: It cannot be opened.
        """
        self._number = os.open(self._path, _FLAGS, 0o666)

    @property
    def closed(self) -> bool:
        return self._number is None

    def write(self, line: str, schedule: Schedule | None) -> None:
        """Append a line of ASCII, which ends with a newline.

        Args:
            line: The line.
            schedule: That of a loop that runs; ``None`` has it written at once.
        """
        if self._is_failing and len(self._held) + self._characters >= _HELD_BYTES:
            self.lost += 1
        else:
            self._lines.append(line)
            self._characters += len(line)
        if schedule is not None and not self._timer.is_pending:
            self._timer = schedule.call_in(_FLUSH_SECONDS, lambda: self._flush_later(schedule))
        elif self._is_failing:
            if _clock.now() >= self._retry_at:
                self._write()
        elif schedule is None or self._characters >= _PIECE_CHARACTERS:
            self._write()

    def _flush_later(self, schedule: Schedule) -> None:
        self._write()
        if self._held:
            self._timer = schedule.call_in(_FLUSH_SECONDS, lambda: self._flush_later(schedule))

    def flush(self) -> None:
        """Write what is there, if that can be done now."""
        self._timer.cancel()
        self._write()

    def _write(self) -> None:
        data = self._held + "".join(self._lines).encode("ascii", "backslashreplace")
        self._lines, self._characters = [], 0
        try:
            while data:
                if self._number is None:
                    self.open()
                assert self._number is not None
                data = data[os.write(self._number, data) :]
        except OSError as problem:
            self._held = data
            self._retry_at = _clock.now() + _FLUSH_SECONDS
            if not self._is_failing:
                self._is_failing = True
                _log.error("%s cannot be written: %s", self._path, problem.strerror or problem)
            return
        self._held = b""
        self._is_failing = False
        if self.lost:
            lost, self.lost = self.lost, 0
            _log.warning("%s can be written again; %d lines are lost", self._path, lost)

    def close(self) -> None:
        """Write what is there, and close it."""
        self.flush()
        number, self._number = self._number, None
        if number is not None:
            os.close(number)
