"""Which events somebody wants to see: by name, channel and component."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from ._brief import channel_text

if TYPE_CHECKING:
    from ._engine import Engine

__all__ = ["EventFilter"]

#: How many decisions of a filter are remembered.
_DECISIONS: Final = 10_000


class EventFilter:
    """Which events are traced, by patterns as for :class:`~circuits.core.inspection.Inspection`."""

    def __init__(
        self,
        names: tuple[str, ...],
        channels: tuple[str, ...],
        components: tuple[str, ...],
        hidden: frozenset[Any],
    ) -> None:
        self._names = names
        self._channels = channels
        self._components = components
        self._hidden = hidden
        self.is_needed = bool(names or channels or components or hidden)
        self._decisions: dict[tuple[str, Any], bool] = {}

    def takes(self, engine: Engine | None, name: str, channels: tuple[Any, ...]) -> bool:
        """Whether an event of that name on these channels is one of them."""
        decision = self._decisions.get((name, channels))
        if decision is None:
            if len(self._decisions) >= _DECISIONS:
                self._decisions.clear()
            decision = self._decisions[name, channels] = self._decide(engine, name, channels)
        return decision

    def _decide(self, engine: Engine | None, name: str, channels: tuple[Any, ...]) -> bool:
        if not self._hidden.isdisjoint(channels):
            return False
        if self._names and not _is_like(name, self._names):
            return False
        if self._channels:
            if not any(_is_like(channel_text(one), self._channels) for one in channels):
                return False
        if self._components and engine is not None:
            owners = [
                type(getattr(method, "__self__", None)).__name__
                for method, _, _ in engine.route(name, channels)
            ]
            return any(_is_like(owner, self._components) for owner in owners)
        return True


def _is_like(text: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(text, pattern) for pattern in patterns)
