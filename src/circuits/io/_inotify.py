"""The kernel's file notifications on Linux, by their numbers: inotify(7) through ctypes."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys
from collections.abc import Iterator
from functools import cache
from typing import Any, Final, NamedTuple

__all__ = ["Inotify", "Raw", "is_available"]

IN_ACCESS: Final = 0x1
IN_MODIFY: Final = 0x2
IN_ATTRIB: Final = 0x4
IN_CLOSE_WRITE: Final = 0x8
IN_CLOSE_NOWRITE: Final = 0x10
IN_OPEN: Final = 0x20
IN_MOVED_FROM: Final = 0x40
IN_MOVED_TO: Final = 0x80
IN_CREATE: Final = 0x100
IN_DELETE: Final = 0x200
IN_DELETE_SELF: Final = 0x400
IN_MOVE_SELF: Final = 0x800
IN_UNMOUNT: Final = 0x2000
IN_Q_OVERFLOW: Final = 0x4000
IN_IGNORED: Final = 0x8000
IN_MASK_ADD: Final = 0x20000000
IN_ISDIR: Final = 0x40000000
IN_ALL_EVENTS: Final = 0xFFF

#: What comes before the name of each entry: watch, mask, cookie, length of the name.
_HEAD = struct.Struct("iIII")


class Raw(NamedTuple):
    """One notification.

    Attributes:
        watch: Number of the watch; -1 for an overflow.
        mask: What happened.
        cookie: The same for the two ends of a renaming, else 0.
        name: The entry of a folder; empty if it is about the watched path itself.
    """

    watch: int
    mask: int
    cookie: int
    name: str


@cache
def _library() -> Any:
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None, use_errno=True)
    return library if hasattr(library, "inotify_init1") else None


def is_available() -> bool:
    """Whether this system has it."""
    return _library() is not None


class Inotify:
    """One queue of notifications.

    Attributes:
        number: Its descriptor, which does not block. Whoever reads it closes it.

    Raises:
        OSError: The user has too many of them.
    """

    def __init__(self) -> None:
        self._library = _library()
        self.number = self._checked(self._library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))

    def add(self, path: str, mask: int) -> int:
        """Watch a path; what is watched already is watched for this, too.

        Returns:
            The number of the watch; that of the watch that there is, if the same file or folder
            is watched already.

        Raises:
            OSError: There is no such path, it may not be read, or there are too many watches.
        """
        number = self._library.inotify_add_watch(self.number, os.fsencode(path), mask | IN_MASK_ADD)
        return self._checked(number, path)

    def remove(self, watch: int) -> None:
        """End a watch; one that has ended by itself is no error."""
        self._library.inotify_rm_watch(self.number, watch)

    @staticmethod
    def parse(data: bytes) -> Iterator[Raw]:
        """The notifications in what was read at once."""
        offset = 0
        while offset < len(data):
            watch, mask, cookie, size = _HEAD.unpack_from(data, offset)
            offset += _HEAD.size
            name = data[offset : offset + size].rstrip(b"\0")
            offset += size
            yield Raw(watch, mask, cookie, os.fsdecode(name))

    @staticmethod
    def _checked(result: int, path: str | None = None) -> int:
        if result < 0:
            number = ctypes.get_errno()
            text = os.strerror(number)
            if number == errno.ENOSPC:
                text = "too many watches: see /proc/sys/fs/inotify/max_user_watches"
            raise OSError(number, text, path)
        return result
