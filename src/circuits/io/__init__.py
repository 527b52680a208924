"""Files, processes, devices and watched folders as components (manual: circuits.io).

``stdin``, ``stdout`` and ``stderr`` are ready-made components. They do nothing until they are
registered: ``app + stdin``.
"""

from __future__ import annotations

from ._standard import StdErr, StdIn, StdOut
from .events import (
    EOF,
    Close,
    Closed,
    Error,
    IoError,
    Kill,
    Open,
    Opened,
    Pause,
    Read,
    Ready,
    Resume,
    Seek,
    Signal,
    Start,
    Started,
    Stop,
    Stopped,
    Terminated,
    Wait,
    Write,
    close,
    open,  # the name of the 3.x line
    seek,
    write,
)
from .file import File
from .notify import Notify
from .process import Process
from .serial import Serial

__all__ = [
    "Close",
    "Closed",
    "EOF",
    "Error",
    "File",
    "IoError",
    "Kill",
    "Notify",
    "Open",
    "Opened",
    "Pause",
    "Process",
    "Read",
    "Ready",
    "Resume",
    "Seek",
    "Serial",
    "Signal",
    "Start",
    "Started",
    "StdErr",
    "StdIn",
    "StdOut",
    "Stop",
    "Stopped",
    "Terminated",
    "Wait",
    "Write",
    "close",
    "seek",
    "stderr",
    "stdin",
    "stdout",
    "write",
]

stdin = StdIn()
stdout = StdOut()
stderr = StdErr()
