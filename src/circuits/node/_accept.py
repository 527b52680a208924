"""Which events may come in from other nodes, and who answers them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from circuits.core.events import BaseEvent
from circuits.core.utils import uncamel

from ._reserved import KERNEL, RESERVED

__all__ = ["Acceptance", "answers"]

_FEEDBACK = ("success", "failure", "complete", "done", "valuechanged")


def _squashed(name: str) -> str:
    """A name without what its spellings differ in."""
    return name.replace("_", "").casefold()


_RESERVED = frozenset(map(_squashed, RESERVED))
_KERNEL = frozenset(map(_squashed, KERNEL))


def _is_one_of(name: str, reserved: frozenset[str]) -> bool:
    """Whether a name is one of these, or that of feedback about one of them, however spelt."""
    rest = _squashed(name)
    while rest not in reserved:
        for topic in _FEEDBACK:
            if rest.endswith(topic) and rest != topic:
                rest = rest.removesuffix(topic)
                break
        else:
            return False
    return True


class Acceptance:
    """What a node takes from others.

    Args:
        accept: Names of events, or their classes; ``None`` is all but those of the framework.

    Raises:
        TypeError: There is something else among them.
        ValueError: One of them is an event of the kernel, or begins with an underscore.
    """

    def __init__(self, accept: Iterable[Any] | None = None) -> None:
        self._names: frozenset[str] | None = None
        self._judged: dict[str, bool] = {}
        if accept is not None:
            self._names = frozenset(map(_name_of, accept))

    def takes(self, name: str) -> bool:
        """Whether an event of a name may come in."""
        known = self._judged.get(name)
        if known is None:
            known = self._judge(name)
            if len(self._judged) < 1000:  # names come from outside
                self._judged[name] = known
        return known

    def _judge(self, name: str) -> bool:
        spoken = uncamel(name)
        if name.startswith("_") or spoken.startswith("_") or _is_one_of(name, _KERNEL):
            return False
        if self._names is not None:
            return name in self._names or spoken in self._names
        return not _is_one_of(name, _RESERVED)


def _name_of(entry: Any) -> str:
    if isinstance(entry, type) and issubclass(entry, BaseEvent):
        entry = entry.name
    if not isinstance(entry, str):
        raise TypeError(f"accept= takes names and classes of events, not {entry!r}")
    if entry.startswith("_") or _is_one_of(entry, _KERNEL):
        raise ValueError(f"accept= must not name {entry!r}: it is an event of the kernel")
    return entry


def answers(method: Any, name: str) -> bool:
    """Whether a handler answers events of a name, and does not only look on or pass them on."""
    return name in getattr(method, "names", ()) and not getattr(method, "is_forwarding", False)
