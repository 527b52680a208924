"""What belongs to one child of a process component: its pipes, and waiting for its end."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

from circuits.core._suspension import Awaited

from ._modes import OpenFile
from .file import File

if TYPE_CHECKING:
    from .process import Process

__all__ = ["ChildPipe", "Ending"]

#: How much is read from a pipe at once, in bytes: as much as it commonly holds.
_PIPE_BYTES = 65536


class ChildPipe(File):
    """Our end of a pipe to a child."""

    channel = "pipe"

    def __init__(self, process: Process, pid: int, number: int, name: str) -> None:
        mode = "w" if name == "stdin" else "r"
        channel = f"{pid}.{name}"
        super().__init__(
            f"<{name} of process {pid}>",
            mode,
            _PIPE_BYTES,
            channel=channel,
            max_pending=process._max_pending,
        )
        self._process = process  # a component that is there before would become a child of ours
        self._number = number
        self._stream_name = name

    def _acquire(self) -> OpenFile:
        number, self._number = self._number, -1
        if number < 0:
            raise OSError(errno.EBADF, "a pipe to a process cannot be opened again")
        return OpenFile(number, is_ours=True)

    def _received(self, data: bytes) -> None:
        self._process._collect(self._stream_name, data)
        super()._received(data)

    def _fault_channels(self) -> tuple[Any, ...]:
        return (self.channel, self._process.channel)

    def _application_stopped(self) -> None:
        """The application ends: the process sees to the pipe, when the child has ended."""

    def end(self) -> None:
        """Nobody is at the other end any more."""
        stream = self._stream
        if stream is None:
            if self._early_bytes:
                self._refuse(errno.EPIPE, f"{self._early_bytes} bytes came too late")
                self._take_early()
            self._forget_number()
        elif stream.pending_bytes:
            stream.fail(BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE)))
        else:
            stream.finish()

    def _descriptor_closed(self, descriptor: Any) -> None:
        super()._descriptor_closed(descriptor)
        self._is_over()

    def _leave(self) -> Any:
        self._forget_number()
        super()._leave()

    def _forget_number(self) -> None:
        if self._number >= 0:
            os.close(self._number)
            self._number = -1
            self._is_over()

    def __del__(self) -> None:
        number = vars(self).get("_number", -1)
        if number >= 0:
            os.close(number)

    def _is_over(self) -> None:
        self._process._pipe_over(self)
        self.unregister()


class Ending(Awaited):
    """The end of a process, to be yielded or awaited; gives the exit status."""

    __slots__ = ("_process",)

    def __init__(self, process: Process) -> None:
        self._process = process
        super().__init__()

    def is_ready(self) -> bool:
        return not self._process._is_busy

    def take(self) -> int | None:
        return self._process.status

    def enter(self) -> None:
        self._process._waiting.append(self)

    def leave(self) -> None:
        if self in self._process._waiting:
            self._process._waiting.remove(self)
