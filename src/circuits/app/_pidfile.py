"""A pid file: which process it is, and that there is only one.

The process holds a lock on the file for as long as it lives, which the system gives up with it,
however it ends. So what a dead process has left behind is recognised by being unlocked, whoever has
got its number since. The lock belongs to the open file, not to the process: it goes along when a
daemon forks. Nobody else may open the file, so nobody else can lock it.

Whoever may write to the folder could put something else in the place of the file. What is no plain
file of ours, or holds anything but the number of a process, is left alone.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat

from circuits.core.errors import CircuitsError

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["PidFile", "PidFileError", "above_streams", "open_own", "read_pid"]

#: What a pid file holds at the most.
_MOST_BYTES = 64

#: Where links lead to devices, and to what is open already.
_DEVICES = ("/dev/", "/proc/self/fd/")


class PidFileError(CircuitsError):
    """The pid file is that of another process, which lives.

    Attributes:
        pid: Its id, if known.
    """

    def __init__(self, path: str, pid: int | None) -> None:
        self.pid = pid
        who = "another process" if pid is None else f"process {pid}"
        super().__init__(f"{path} belongs to {who}, which is running")


class PidFile:
    """One pid file, to be acquired, written and removed.

    Args:
        path: The file.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._number = -1
        self._owner: int | None = None  # who wrote it: a forked child must not remove it

    def acquire(self) -> None:
        """Open the file, and claim it for this process and what it forks.

        Raises:
            PidFileError: Another process has it.
            OSError: It cannot be written.
        """
        if self._number >= 0:
            return
        while True:
            number = open_own(self.path, os.O_RDWR | os.O_CREAT)
            try:
                self._claim(number)
                # It may have been removed, by its last owner, between our opening and locking.
                if _is_same(number, self.path):
                    break
            except BaseException:
                os.close(number)
                raise
            os.close(number)
        self._number = number

    def _claim(self, number: int) -> None:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            raise OSError(errno.EINVAL, "this is no plain file, and is left alone", self.path)
        if fcntl is not None:
            try:
                fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise PidFileError(self.path, _parse(os.pread(number, 32, 0))) from None
        data = os.pread(number, _MOST_BYTES + 1, 0)
        if len(data) > _MOST_BYTES or (data.strip() and not data.strip().isdigit()):
            raise OSError(errno.EEXIST, "this is no pid file, and is left alone", self.path)
        pid = _parse(data)
        if fcntl is None and pid is not None and pid != os.getpid() and _is_alive(pid):
            raise PidFileError(self.path, pid)  # pragma: no cover - Windows
        if hasattr(os, "fchmod"):
            os.fchmod(number, 0o600)  # who can open it can lock it

    def write(self) -> None:
        """Write the id of this process, and nothing else."""
        self.acquire()
        os.ftruncate(self._number, 0)
        os.pwrite(self._number, str(os.getpid()).encode("ascii"), 0)
        self._owner = os.getpid()

    def remove(self) -> None:
        """Remove the file and give up the claim, if this very process has written or made it."""
        if self._number < 0 or self._owner not in (os.getpid(), None):
            return
        if self._owner is None and os.fstat(self._number).st_size:  # somebody else's old one
            self.release()
            return
        try:
            if _is_same(self._number, self.path):
                try:
                    os.unlink(self.path)
                except PermissionError:  # the folder is not ours any more; the open file is
                    os.ftruncate(self._number, 0)
        finally:
            self.release()

    def release(self) -> None:
        """Give up the claim; the file stays."""
        if self._number >= 0:
            os.close(self._number)
            self._number, self._owner = -1, None


def read_pid(path: str) -> int | None:
    """The process that a pid file names, or ``None`` if it names none, or none that lives."""
    with contextlib.suppress(FileNotFoundError), open(path, "rb") as file:
        pid = _parse(file.read(32))
        if pid is not None and _is_alive(pid):
            return pid
    return None


def open_own(path: str, flags: int) -> int:
    """Open a file that this process writes: never by a symbolic link, nor one of somebody else.

    A new one can be read by its owner alone. Devices are what they are.

    A named pipe must have somebody at its other end, who else would be waited for without limit.

    Raises:
        OSError: It is a link, belongs to somebody else, or cannot be opened.
    """
    own = getattr(os, "O_NOFOLLOW", 0) if not path.startswith(_DEVICES) else 0
    try:
        flags |= own | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0)
        number = above_streams(os.open(path, flags, 0o600))
        os.set_blocking(number, True)
    except OSError as problem:
        if problem.errno == errno.ELOOP:
            raise OSError(
                errno.ELOOP, "this is a symbolic link, which is not followed", path
            ) from None
        raise
    status = os.fstat(number)
    if own and stat.S_ISREG(status.st_mode) and status.st_uid not in (os.geteuid(), 0):
        os.close(number)
        raise PermissionError(errno.EPERM, "this belongs to somebody else", path)
    return number


def above_streams(number: int) -> int:
    """Move a descriptor out of the way of the standard streams, which may be closed."""
    if number > 2 or fcntl is None:
        return number
    moved = fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, 3)
    os.close(number)
    return moved


def _parse(data: bytes) -> int | None:
    text = data.strip()
    return int(text) if text.isdigit() and int(text) > 0 else None


def _is_same(number: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(number), os.stat(path))
    except FileNotFoundError:
        return False


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OverflowError:  # no process has a number like this
        return False
    except PermissionError:  # somebody else's
        pass
    fields = _status(pid)
    return fields is None or fields[0] != b"Z"  # a zombie has ended, and only waits to be reaped


def _status(pid: int) -> list[bytes] | None:
    """What Linux tells of a process, from its state on, which is the third field; else ``None``."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()
    except OSError:
        return None
