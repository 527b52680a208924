"""What a function takes, as older programs ask for it."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ArgSpec", "getargspec"]


class ArgSpec(NamedTuple):
    """The parameters of a function: what :mod:`inspect` gave before Python 3.11."""

    args: list[str]
    varargs: str | None
    keywords: str | None
    defaults: tuple[Any, ...] | None


def getargspec(function: Callable[..., Any]) -> ArgSpec:
    """The parameters of a function, those by keyword alone left out.

    .. deprecated:: 2.1
       Use :func:`inspect.signature`.
    """
    found = inspect.getfullargspec(function)
    return ArgSpec(found.args, found.varargs, found.varkw, found.defaults)
