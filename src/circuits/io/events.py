"""The events of files, processes, devices and watched folders (manual: circuits.io.events).

The names in lower case are the same classes, as the 3.x line has them.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from circuits.core._routing import names_channel
from circuits.core.events import Event

if TYPE_CHECKING:
    from circuits.core._routing import Route
    from circuits.core.components import BaseComponent

__all__ = [
    "EOF",
    "Accessed",
    "AddPath",
    "Close",
    "Closed",
    "Created",
    "Deleted",
    "Error",
    "IoError",
    "Kill",
    "Modified",
    "Moved",
    "Open",
    "Opened",
    "Overflow",
    "Pause",
    "Read",
    "Ready",
    "RemovePath",
    "Resume",
    "Rotated",
    "Seek",
    "Signal",
    "Start",
    "Started",
    "Stop",
    "Stopped",
    "Terminated",
    "Unmounted",
    "Wait",
    "Write",
    "accessed",
    "close",
    "closed",
    "created",
    "deleted",
    "eof",
    "error",
    "modified",
    "moved",
    "open",
    "opened",
    "read",
    "ready",
    "seek",
    "started",
    "stopped",
    "terminated",
    "unmounted",
    "write",
]

# -- files and devices -----------------------------------------------------------------------------


class Open(Event):
    """Open a file or device.

    Fired by a file at itself when it is ready; by anyone on its channel to have it opened again.

    Args:
        filename: Path or file object; the one that it has, if left out.
        mode: As for the built-in ``open``.
        bufsize: How much to read at once, in bytes.
    """


open = Open  # the name of the 3.x line


class Opened(Event):
    """A file is open: ``(filename, mode)``; a serial port: ``(port,)``. Fired by it.

    From a :class:`~circuits.io.notify.Notify`, with the arguments of a change: an entry was opened.
    """


opened = Opened


class Read(Event):
    """Data has come: ``(data,)``, always bytes. Fired by a file, a process' pipe or a device."""

    notify = True


read = Read


class Write(Event):
    """Write data: ``(data,)``, bytes, or text that is encoded. Fired by anyone."""


write = Write


class EOF(Event):
    """A file that was read is at its end. Fired by it, before ``closed``."""


eof = EOF


class Seek(Event):
    """Move the position in a file: ``(offset, whence=0)`` as for ``os.lseek``.

    Fired by anyone, on the channel of the file.
    """


seek = Seek


class Close(Event):
    """Close a file or device when all is written. Fired by anyone, on its channel."""


close = Close


class Closed(Event):
    """A file is closed; a serial port: ``(port,)``. Fired by it, once per ``opened``.

    From a :class:`~circuits.io.notify.Notify`, with the arguments of a change: an entry was closed.
    """


closed = Closed


class Ready(Event):
    """A component has a poller and works: ``(component,)``. Fired by it, when it has joined."""


ready = Ready


class Error(Event):
    """Input or output failed: ``(exception,)``. Fired by the component that it happened to.

    Handlers of ``error`` on other channels, ``"*"`` included, expect what the kernel reports
    with four arguments. So this one only goes to handlers on the very channel that it was fired
    on, and to those that take ``*args``. :class:`IoError` tells the same to everybody.
    """

    def _choose_routes(self, routes: tuple[Route, ...]) -> tuple[Route, ...]:
        return tuple(route for route in routes if _expects(route[0], self.channels))


error = Error


class IoError(Event):
    """Input or output failed: ``(exception,)``. Fired beside :class:`Error`; handle this one.

    .. versionadded:: 2.1
    """


class Pause(Event):
    """What is written is not taken: produce no more until ``resume``.

    Fired by a file or device when more than its ``high_water`` bytes are pending; by a process
    about the input of its child.

    .. versionadded:: 2.1
    """


class Resume(Event):
    """Less than ``low_water`` bytes are pending after a ``pause``: go on. Fired where that was.

    .. versionadded:: 2.1
    """


class Rotated(Event):
    """A file that is followed was replaced or cut, and is read from its beginning.

    Fired by it with ``(filename,)``.

    .. versionadded:: 2.1
    """


# -- processes -------------------------------------------------------------------------------------


class Start(Event):
    """Start a process. Fired by anyone, on its channel."""


class Started(Event):
    """A process runs: ``(process,)``. Fired by it."""


started = Started


class Stop(Event):
    """Ask a process to end (SIGTERM). Fired by anyone, on its channel."""


class Stopped(Event):
    """A process has ended, and all its output was read: ``(process,)``. Fired by it."""


stopped = Stopped


class Terminated(Event):
    """The same as :class:`Stopped`, under its name in the 3.x line. Fired beside it.

    .. versionadded:: 2.1
       From the 3.x line.
    """


terminated = Terminated


class Signal(Event):
    """Send a signal to a process: ``(number,)``. Fired by anyone, on its channel."""


class Kill(Event):
    """End a process at once (SIGKILL). Fired by anyone, on its channel."""


class Wait(Event):
    """Its value becomes the exit status of a process, when that has ended. Fired by anyone."""


# -- watched folders -------------------------------------------------------------------------------


class AddPath(Event):
    """Watch a path: ``(path, mask=None, recursive=False, auto_add=False)``.

    Fired by anyone, on the channel of a :class:`~circuits.io.notify.Notify`; the arguments are
    those of its ``add_path``.
    """


class RemovePath(Event):
    """Stop watching a path: ``(path, recursive=False)``. Fired as :class:`AddPath` is."""


class _Change(Event):
    """Something happened to a watched path. Fired by a :class:`~circuits.io.notify.Notify`.

    Args:
        name: The entry of the watched folder; empty if it is about the watched path itself.
        path: The watched path.
        pathname: Both together.
        is_dir: Whether it is a folder.
    """

    def __init__(self, name: str, path: str, pathname: str, is_dir: bool) -> None:
        super().__init__(name, path, pathname, is_dir)


class Created(_Change):
    """An entry of a watched folder was made; arguments as for all changes."""


created = Created


class Deleted(_Change):
    """An entry of a watched folder, or the watched path itself, was deleted."""


deleted = Deleted


class Moved(_Change):
    """An entry of a watched folder was renamed: one for the old name, one for the new one."""


moved = Moved


class Accessed(_Change):
    """An entry of a watched folder was read."""


accessed = Accessed


class Modified(_Change):
    """The content or the attributes of an entry of a watched folder have changed."""


modified = Modified


class Unmounted(_Change):
    """The file system of a watched path was unmounted; it is not watched any more."""


unmounted = Unmounted


class Overflow(Event):
    """More changed than the system could keep: some changes were not reported.

    Fired by the watching component, without arguments. Whoever keeps a picture of a folder has
    to read it again.

    .. versionadded:: 2.1
    """


def _expects(method: Any, channels: tuple[Any, ...]) -> bool:
    """Whether a handler of ``error`` is meant for what failed on some channels."""
    code = getattr(method.__func__, "__code__", None)
    has_args = code is not None and bool(code.co_flags & 4)  # as in ``*args``
    return has_args or names_channel(method, channels)


# -- telling what failed ---------------------------------------------------------------------------


def report(component: BaseComponent, problem: BaseException, *channels: Any) -> None:
    """Fire ``error`` and ``io_error``; log what nobody would hear of.

    Args:
        component: Who it happened to.
        problem: What.
        *channels: Where to fire; the component's channel by default.
    """
    where = channels or (component.channel,)
    error = Error(problem)
    error.channels = where
    engine = component._tree_engine
    if not error._choose_routes(engine.route("error", where)):
        if not engine.route("io_error", where):
            logging.getLogger("circuits").error("%r failed: %s", component, problem)
    component.fire(error, *where)
    component.fire(IoError(problem), *where)
