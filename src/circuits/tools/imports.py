"""Importing what may not be there, and saying that something will go."""

from __future__ import annotations

import functools
import importlib
import warnings
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

P = ParamSpec("P")
R = TypeVar("R")

__all__ = ["deprecated", "tryimport"]


def tryimport(
    modules: str | Iterable[str], obj: str | None = None, message: str | None = None
) -> Any:
    """Import the first of several modules that is there.

    Args:
        modules: A dotted name, or several.
        obj: Give this attribute of the module instead.
        message: Warn with this text if none is there.

    Returns:
        The module or its attribute; ``None`` if none is there.
    """
    for name in (modules,) if isinstance(modules, str) else modules:
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue
        return module if obj is None else getattr(module, obj, None)
    if message is not None:
        warnings.warn(message, stacklevel=2)
    return None


def deprecated(f: Callable[P, R]) -> Callable[P, R]:
    """Warn with a ``DeprecationWarning`` at each call of a function."""

    @functools.wraps(f)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        warnings.warn(f"{f.__name__} is deprecated", DeprecationWarning, stacklevel=2)
        return f(*args, **kwargs)

    return wrapper
