"""Opening files: modes, flags, and what was opened.

Whatever a poller can watch is driven by a ``Descriptor``. Regular files are always ready, and are
refused by the better pollers; :class:`DirectFile` has the same face, but reads and writes at once.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, Any, NamedTuple

from circuits.core._descriptor import FAILURES, BaseDescriptor

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["DirectFile", "Mode", "OpenFile", "open_path", "take_file"]

#: What `open` gets on top, where the system has it: nothing here may wait, or become the terminal
#: that controls the process.
_ALWAYS = sum(getattr(os, name, 0) for name in ("O_NOCTTY", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"))

_CREATING = {
    "r": 0,
    "w": os.O_CREAT | os.O_TRUNC,
    "a": os.O_CREAT | os.O_APPEND,
    "x": os.O_CREAT | os.O_EXCL,
}


class Mode:
    """A mode as of the built-in ``open``.

    Args:
        text: The mode; ``b`` and ``t`` make no difference here.

    Attributes:
        reads, writes: What it allows.
        ends: Whether the end of the file is its end: there is nothing that could be written.
        flags: For ``os.open``.

    Raises:
        ValueError: There is no such mode.
    """

    __slots__ = ("ends", "flags", "reads", "text", "writes")

    def __init__(self, text: str) -> None:
        letters = set(text) if isinstance(text, str) else set()
        kinds = letters & _CREATING.keys()
        if len(kinds) != 1 or letters - kinds - set("+bt") or len(letters) != len(text):
            raise ValueError(f"a mode is one of r, w, a, x with + and b or t, not {text!r}")
        if {"b", "t"} <= letters:
            raise ValueError(f"a mode has b or t, not both: {text!r}")
        (kind,) = kinds
        both = "+" in letters
        self.text = text
        self.reads = both or kind == "r"
        self.writes = both or kind != "r"
        self.ends = kind == "r" and not both
        access = os.O_RDWR if both else os.O_WRONLY if self.writes else os.O_RDONLY
        self.flags = access | _CREATING[kind] | _ALWAYS


class OpenFile(NamedTuple):
    """What was opened.

    Attributes:
        number: The descriptor.
        is_ours: Whether nobody else has it.
        close: To be called when it is over, if it is not ours.
    """

    number: int
    is_ours: bool
    close: Callable[[], object] | None = None


def open_path(path: Any, mode: Mode) -> OpenFile:
    """Open a path, without waiting for the other end of a pipe or for a modem.

    Raises:
        OSError: The system refuses, or it is a folder.
    """
    number = os.open(path, mode.flags, 0o666)
    try:
        if stat.S_ISDIR(os.fstat(number).st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        if mode.flags & os.O_APPEND and stat.S_ISREG(os.fstat(number).st_mode):
            os.lseek(number, 0, os.SEEK_END)  # reading begins there, too
    except BaseException:
        os.close(number)
        raise
    return OpenFile(number, is_ours=True)


def take_file(file: Any) -> OpenFile:
    """Use a file object that somebody else has opened.

    Raises:
        OSError: It is closed, or has no descriptor.
    """
    try:
        number = file.fileno()
    except (AttributeError, ValueError) as problem:
        if isinstance(problem, OSError):  # as objects in memory raise
            raise
        raise OSError(errno.EBADF, f"not an open file: {problem}", repr(file)) from problem
    os.fstat(number)
    return OpenFile(number, is_ours=False, close=getattr(file, "close", None))


class DirectFile(BaseDescriptor):
    """A file that is always ready: reads and writes at once, and has nothing pending.

    Args:
        owner: Is told when it fails and when it is closed.
        number: The descriptor.
        is_ours: Whether to close it at the end.
    """

    __slots__ = ()

    def __init__(self, owner: Any, number: int, is_ours: bool) -> None:
        super().__init__(owner, number, not is_ours)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write all of it."""
        if not self.is_open:
            return
        with memoryview(data) as view:
            done = 0
            while done < len(view):
                try:
                    done += os.write(self.file, view[done:])
                except InterruptedError:
                    continue
                except FAILURES as problem:
                    problem.add_note(f"{len(view) - done} bytes of {len(view)} were not written")
                    self.fail(problem)
                    return

    def close(self) -> None:
        """Close."""
        self.finish()

    def _close_failed(self, problem: OSError) -> None:
        # Some file systems tell only now that data is lost.
        self._owner._descriptor_failed(self, problem)
