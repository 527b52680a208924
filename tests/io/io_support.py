"""What a component on a channel has fired, in order."""

from __future__ import annotations

import select
from typing import Any

from circuits import BaseComponent, Event, handler

_SILENT = (
    "registered",
    "unregistered",
    "prepare_unregister",
    "generate_events",
    "started",
    "stopped",
)


class Seen(BaseComponent):
    """Keeps the events of one channel, those of the machinery left out."""

    def __init__(self, of: Any) -> None:
        super().__init__(channel=of)
        self.entries: list[tuple[Any, ...]] = []

    @handler(priority=100)
    def _on_any(self, event: Event, *args: Any, **kwargs: Any) -> None:
        if not event.name.startswith("_") and not event.name.startswith(_SILENT):
            self.entries.append((event.name, *args))

    @property
    def names(self) -> list[str]:
        return [entry[0] for entry in self.entries]

    def of(self, name: str) -> list[tuple[Any, ...]]:
        return [entry[1:] for entry in self.entries if entry[0] == name]

    @property
    def data(self) -> bytes:
        """Everything that was read."""
        return b"".join(data for (data,) in self.of("read"))

    @property
    def problem(self) -> Any:
        """The only failure, told by both events."""
        (told,), (same,) = self.of("error"), self.of("io_error")
        assert told == same
        return told[0]


def arrived(number: int) -> None:
    """Wait until the kernel has passed on what was written to a terminal: it takes its time."""
    ready, _, _ = select.select([number], [], [], 20.0)
    assert ready, "nothing arrived"
