"""Standard input, output and error as components."""

from __future__ import annotations

import errno
import sys
from typing import Any

from circuits.core.handlers import handler

from ._modes import OpenFile, take_file
from .file import File

__all__ = ["StandardStream", "StdErr", "StdIn", "StdOut"]


class StandardStream(File):
    """One of the three; what it is in ``sys`` is looked up when it opens.

    The descriptor is shared with other programs, the shell among them. So its flags stay as they
    are, and closing the component does not close it. It opens again when the application is run
    again.
    """

    _reopens = True
    _attribute: str

    def __init__(self, channel: Any = None, **options: Any) -> None:
        name = self._attribute
        mode = "r" if name == "stdin" else "w"
        super().__init__(f"<{name}>", mode, channel=channel or name, **options)

    def _acquire(self) -> OpenFile:
        name = self._attribute
        stream = getattr(sys, name)
        if stream is None:
            raise OSError(errno.EBADF, f"this process has no {name}", self.filename)
        if name != "stdin" and not getattr(stream, "closed", False):
            stream.flush()  # what was printed comes first
        return take_file(stream)._replace(close=None)

    @handler(False)
    def open(self, filename: Any = None, mode: str | None = None, bufsize: Any = None) -> None:
        """Open it; there is no choice.

        Raises:
            ValueError: Another file was asked for.
        """
        if filename is not None or mode is not None:
            raise ValueError(f"{self.filename} cannot become another file")
        super().open(None, None, bufsize)


class StdIn(StandardStream):
    """Standard input: fires ``read(data)`` and ``eof()`` on the channel ``"stdin"``."""

    channel = "stdin"
    _attribute = "stdin"


class StdOut(StandardStream):
    """Standard output: handles ``write(data)`` on the channel ``"stdout"``."""

    channel = "stdout"
    _attribute = "stdout"


class StdErr(StandardStream):
    """Standard error: handles ``write(data)`` on the channel ``"stderr"``."""

    channel = "stderr"
    _attribute = "stderr"
