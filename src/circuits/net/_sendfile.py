"""Files that the kernel sends by itself, without their content passing through this process."""

from __future__ import annotations

import errno
import os
from typing import Any

__all__ = ["FilePart", "begin"]

#: How much of a file is sent before others get their turn, in bytes.
_AT_ONCE = 1024 * 1024

#: There are files that cannot be sent that way.
_CANNOT = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})


class FilePart:
    """What is still to be sent of a file, by a descriptor of its own.

    Attributes:
        left: Length of that, in bytes.
    """

    __slots__ = ("_descriptor", "_offset", "left")

    def __init__(self, descriptor: int, offset: int, left: int) -> None:
        self._descriptor = descriptor
        self._offset = offset
        self.left = left

    def send(self, sock: Any) -> int:
        """Send more of it; how many bytes.

        Raises:
            OSError: It failed, or would block, or the file is shorter than it was.
        """
        length = min(self.left, _AT_ONCE)
        sent = os.sendfile(sock.fileno(), self._descriptor, self._offset, length)
        if not sent:
            text = f"the file shrank while it was sent: {self.left} bytes are missing"
            raise OSError(errno.EIO, text)
        self._offset += sent
        self.left -= sent
        return sent

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self._descriptor)


def begin(sock: Any, file: Any, offset: int, count: int) -> tuple[int, FilePart | None]:
    """Send of a file what the kernel takes at once.

    Returns:
        How many bytes were sent, and what is left, if that can be sent later. If it cannot be,
        whoever reads it will find out what is the matter with it.

    Raises:
        OSError: The connection has failed.
    """
    source = file if isinstance(file, int) else file.fileno()
    done = 0
    try:
        while done < min(count, _AT_ONCE):
            sent = os.sendfile(sock.fileno(), source, offset + done, count - done)
            if not sent:
                return done, None
            done += sent
    except (BlockingIOError, InterruptedError):
        if not done:
            return 0, None  # it is not known yet whether it can be sent at all
    except OSError as problem:
        if problem.errno in _CANNOT:
            return done, None
        raise
    if done == count:
        return done, None
    try:
        own = os.dup(source)
    except OSError:  # there are no descriptors left
        return done, None
    return done, FilePart(own, offset + done, count - done)
