"""circuits: event-driven applications made of components."""

from __future__ import annotations

from . import core
from ._version import __version__ as __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .core import *  # noqa: F403 - also what is looked up when it is used first
else:
    from .core import (
        BaseComponent,
        BaseEvent,
        CircuitsError,
        Component,
        Debugger,
        DerivedEvent,
        Event,
        LiteralEvent,
        Loader,
        Manager,
        TimeoutError,
        Timer,
        Value,
        handler,
        reprhandler,
        sleep,
    )

    __all__ = ["__version__"]
    __all__ += core.__all__


def __getattr__(name: str) -> Any:
    if name not in core.__all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(core, name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *core.__all__})
