"""Exceptions of the kernel.

CircuitsError
    TimeoutError            a call or wait took longer than its ``timeout``
    UnregistrableError      a component cannot join that tree
    SingletonError          the tree has such a component already
    NotRunningError         something needs a running loop
"""

from __future__ import annotations

import builtins

__all__ = [
    "CircuitsError",
    "HandlerWarning",
    "NotRunningError",
    "SingletonError",
    "TimeoutError",
    "UnregistrableError",
]


class CircuitsError(Exception):
    """Root of the exceptions that the framework raises itself."""


class TimeoutError(CircuitsError, builtins.TimeoutError):  # noqa: A001 - the name users expect
    """A ``call`` or ``wait`` was not over when its ``timeout`` had passed."""


class UnregistrableError(CircuitsError):
    """A component cannot be registered where it was asked to be."""


class SingletonError(CircuitsError):
    """The tree already has a component of which there may be only one.

    Its argument is the component that was to be registered.
    """


class NotRunningError(CircuitsError, RuntimeError):
    """Something was asked of an application that needs its loop to be running."""


class HandlerWarning(UserWarning):
    """A handler will not do what its author probably expects."""
