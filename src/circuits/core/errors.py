"""Exceptions of the kernel.

CircuitsError
    TimeoutError            a call or wait took longer than its ``timeout``
    UnregistrableError      a component cannot join that tree
    SingletonError          the tree has such a component already
    NoHandlerError          nobody handles an event whose result is awaited
    NotRunningError         something needs a running loop
    NotSendableError        something cannot be sent to another process
    PeerLostError           the process at the other end is gone
        WorkerLostError     ... while it executed a task
    WorkerError             a worker does not execute a task
        BacklogFullError    ... because too many are waiting
        WorkerStoppedError  ... because it ends
        TaskTimeoutError    ... because the time for it is over (a TimeoutError, too)
        TaskCancelledError  ... because somebody has cancelled it
    RemoteError             what was raised in another process, if it cannot be sent itself
    FatalError              raise it to have a supervisor restart the component
    GaveUpError             a supervisor has restarted too often
"""

from __future__ import annotations

import builtins

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Final

__all__ = [
    "BacklogFullError",
    "CircuitsError",
    "FatalError",
    "GaveUpError",
    "HandlerWarning",
    "NoHandlerError",
    "NotRunningError",
    "NotSendableError",
    "PeerLostError",
    "RemoteError",
    "SingletonError",
    "TaskCancelledError",
    "TaskTimeoutError",
    "TimeoutError",
    "UnregistrableError",
    "WorkerError",
    "WorkerLostError",
    "WorkerStoppedError",
]


#: What ends the program: a handler that raises one of them is cut, and has not failed.
EXIT_EXCEPTIONS: Final = (KeyboardInterrupt, SystemExit)


class CircuitsError(Exception):
    """Root of the exceptions that the framework raises itself."""


class TimeoutError(CircuitsError, builtins.TimeoutError):  # the name users expect
    """A ``call`` or ``wait`` was not over when its ``timeout`` had passed."""


class UnregistrableError(CircuitsError):
    """A component cannot be registered where it was asked to be."""


class SingletonError(CircuitsError):
    """The tree already has a component of which there may be only one.

    Its argument is the component that was to be registered.
    """


class NoHandlerError(CircuitsError, LookupError):
    """Nobody handles the event of a ``call`` that is awaited, on the channels where it went.

    .. versionadded:: 2.1
    """


class NotRunningError(CircuitsError, RuntimeError):
    """Something was asked of an application that needs its loop to be running."""


class NotSendableError(CircuitsError, TypeError):
    """A function, an event or a result cannot be sent to another process.

    Functions and classes must be found by name in a module; live components, open files and
    locks stay where they are.
    """


class PeerLostError(CircuitsError, ConnectionError):
    """The process at the other end of a bridge ended before it answered."""


class WorkerLostError(PeerLostError):
    """A worker process ended while it executed a task.

    Whether the task had an effect is not known, so it is not executed again.
    """


class WorkerError(CircuitsError):
    """A worker does not execute a task, or not to its end."""


class BacklogFullError(WorkerError):
    """A worker refuses a task, because too many are waiting."""


class WorkerStoppedError(WorkerError):
    """A worker ended before a task was over."""


class TaskTimeoutError(WorkerError, TimeoutError):
    """A task was not over within the ``timeout`` of its worker."""


class TaskCancelledError(WorkerError):
    """A task was taken back by ``Worker.cancel``."""


class RemoteError(CircuitsError):
    """Stands for an exception of another process or machine that cannot be sent itself.

    Args:
        message: Its text.
        type_name: The name of its class, if that is known apart from the text.
        lines: Its traceback, as it was formatted there.

    .. versionchanged:: 2.1
       The arguments are attributes.
    """

    def __init__(self, message: str = "", type_name: str = "", lines: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.type_name = type_name
        self.lines = [*lines]

    def __str__(self) -> str:
        return f"{self.type_name}: {self.message}" if self.type_name else self.message


class FatalError(CircuitsError):
    """Raised by a handler whose component cannot go on: its supervisor restarts it."""


class GaveUpError(CircuitsError):
    """A supervisor has restarted what it supervises too often, and gives up."""


class HandlerWarning(UserWarning):
    """A handler will not do what its author probably expects."""
