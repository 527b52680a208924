"""Which names circuits has, without running anything of a program."""

from __future__ import annotations

import importlib
from typing import Any, Final

__all__ = ["MISSING", "find_name", "homes_of"]

#: Where to look for a name that is not where it was.
_HOMES: Final = (
    "circuits", "circuits.core", "circuits.net.sockets", "circuits.net.events", "circuits.io",
    "circuits.web", "circuits.app", "circuits.node", "circuits.tools", "circuits.protocols",
)  # fmt: skip

#: In place of what is not there.
MISSING: Final = object()


def find_name(dotted: str) -> Any:
    """What a dotted name of circuits stands for.

    Returns:
        ``MISSING`` if there is no such thing; ``None`` if there is, and it cannot be imported here.
    """
    parts = dotted.split(".")
    if "__main__" in parts:
        return None  # to import it would be to run it
    for count in range(len(parts), 0, -1):
        name = ".".join(parts[:count])
        try:
            found: Any = importlib.import_module(name)
        except ModuleNotFoundError as problem:
            if problem.name is None or not name.startswith(problem.name):
                return None  # it is there, and lacks something of an extra
            continue
        except ImportError:
            return None
        for part in parts[count:]:
            try:
                found = getattr(found, part)
            except AttributeError:
                return MISSING
        return found
    return MISSING


def homes_of(name: str, where: str) -> list[str]:
    """Where a name is that is not in one module."""
    return [home for home in _HOMES if home != where and _has(home, name)]


def _has(module: str, name: str) -> bool:
    found = find_name(f"{module}.{name}")
    return found is not None and found is not MISSING
