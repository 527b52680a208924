"""Waits for the next event of a name, found by the channels of the event.

However many wait for a name on channels of their own - as many as there are connections, say - an
event meets only those on its channels.
"""

from __future__ import annotations

from itertools import count

from ._routing import ChannelKey

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from ._waits import Wait
    from .events import BaseEvent

__all__ = ["NameWaits"]

_EVERYWHERE = ChannelKey("*")


class NameWaits:
    """The waits of one tree for names; true while there are any."""

    __slots__ = ("_by_name", "_numbers")

    def __init__(self) -> None:
        # Name, channel, wait: the number of its arrival. Each wait stands under all its channels.
        self._by_name: dict[str, dict[ChannelKey, dict[Wait, int]]] = {}
        self._numbers = count()

    def __bool__(self) -> bool:
        return bool(self._by_name)

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __iter__(self) -> Iterator[tuple[str, Wait]]:
        """All waits with their names, in the order of their arrival."""
        found = {
            wait: (number, name)
            for name, channels in self._by_name.items()
            for waits in channels.values()
            for wait, number in waits.items()
        }
        for wait, (_, name) in sorted(found.items(), key=lambda item: item[1][0]):
            yield name, wait

    def add(self, name: str, wait: Wait) -> None:
        """Add a wait."""
        number = next(self._numbers)
        channels = self._by_name.setdefault(name, {})
        for channel in wait.places():
            channels.setdefault(ChannelKey(channel), {})[wait] = number

    def discard(self, name: str, wait: Wait) -> None:
        """Remove a wait, if it is there."""
        channels = self._by_name.get(name)
        if channels is None:
            return
        for channel in wait.places():
            key = ChannelKey(channel)
            waits = channels.get(key)
            if waits is not None and waits.pop(wait, None) is not None and not waits:
                del channels[key]
        if not channels:
            del self._by_name[name]

    def matching(self, event: BaseEvent) -> list[Wait]:
        """The waits for an event of that name on those channels, in the order of their arrival."""
        channels = self._by_name.get(event._event_name)
        if channels is None:
            return []
        keys: Any = {ChannelKey(channel) for channel in event.channels}
        if _EVERYWHERE in keys:
            keys = channels
        else:
            keys.add(_EVERYWHERE)
        found: dict[Wait, int] = {}
        for key in keys:
            found.update(channels.get(key, ()))
        return sorted(filter(lambda wait: wait.matches(event), found), key=found.__getitem__)
