"""A protocol component in a tree with a recorder, and nothing else."""

from __future__ import annotations

from typing import Any

from circuits import Component, Event, Manager
from circuits.testing import Recorder, settle

#: What these tests are not about.
_QUIET = ("generate_events", "registered", "unregistered", "prepare_unregister")


class Bench(Manager):
    """A tree to fire events into, and to see what comes of them."""

    def __init__(self, *components: Any, on: Any = "x", ignore: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.on = on
        for component in components:
            component.register(self)
        settle(self)
        self.recorder = Recorder(ignore=(*_QUIET, *ignore)).register(self)

    def feed(self, *events: Event, on: Any = None) -> list[tuple[Any, ...]]:
        """Fire events; names and arguments of all that came of it, they themselves included."""
        for event in events:
            self.fire(event, self.on if on is None else on)
        return self.told()

    def told(self) -> list[tuple[Any, ...]]:
        """Names and arguments of what was fired since the last time, ``read`` left out."""
        settle(self)
        told = [(r.name, *r.args) for r in self.recorder.records if r.name != "read"]
        self.recorder.clear()
        return told


class Wire(Component):
    """Stands for a socket component: it has the channel, and does nothing."""

    channel = "wire"


def shown(told: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The same with exceptions as their text, to be compared."""
    return [tuple(str(x) if isinstance(x, Exception) else x for x in entry) for entry in told]
