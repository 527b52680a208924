"""A component that writes down the events it sees, and questions to ask it."""

from __future__ import annotations

import _thread
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

from circuits.core.components import BaseComponent
from circuits.core.events import BaseEvent
from circuits.core.handlers import handler

from .settling import settle

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Record", "Recorder"]

#: Ahead of everybody else: what is recorded is the event as it was fired.
_FIRST = 1_000_000


class Record(NamedTuple):
    """One event that was dispatched."""

    name: str
    channels: tuple[Any, ...]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    event: BaseEvent


class Recorder(BaseComponent):
    """Records the events of the tree it is registered in, in the order of dispatch.

    Args:
        *names: Names or classes of the events to record; without any, all of them. A recorder
            of all events is a global handler, for which the kernel builds even those events
            that nobody else would see.
        ignore: Names to leave out.
        on: Only events fired on this channel; by default on any.
    """

    def __init__(
        self,
        *names: str | type[BaseEvent],
        ignore: Iterable[str] = ("generate_events",),
        on: Any = "*",
    ) -> None:
        super().__init__()
        self._ignored = frozenset(ignore)
        self._changed = threading.Condition()
        self.records: list[Record] = []

        def _record(self: Recorder, event: BaseEvent, *args: Any, **kwargs: Any) -> None:
            self._add(event)

        self.addHandler(handler(*names, channel=on, priority=_FIRST)(_record))

    def _add(self, event: BaseEvent) -> None:
        if event.name in self._ignored:
            return
        record = Record(event.name, event.channels, tuple(event.args), dict(event.kwargs), event)
        with self._changed:
            self.records.append(record)
            self._changed.notify_all()

    # -- reading --

    @property
    def names(self) -> list[str]:
        """The names of all recorded events, in order."""
        return [record.name for record in self.records]

    def named(self, name: str | type[BaseEvent]) -> list[Record]:
        """The records of one name or event class."""
        wanted = name if isinstance(name, str) else name.name
        return [record for record in self.records if record.name == wanted]

    def clear(self) -> None:
        """Forget everything recorded so far."""
        with self._changed:
            self.records.clear()

    def __iter__(self) -> Iterator[Record]:
        return iter(list(self.records))

    def __bool__(self) -> bool:
        return True

    # -- asserting --

    def find(self, name: str | type[BaseEvent], *args: Any, on: Any = None) -> Record | None:
        """The first record of a name whose arguments begin with ``args``, or ``None``.

        Args:
            name: Name or class of the event.
            *args: What its first arguments must equal.
            on: A channel it must have been fired on; ``None`` is any.
        """
        for record in self.named(name):
            if record.args[: len(args)] == args and (on is None or on in record.channels):
                return record
        return None

    def expect(self, name: str | type[BaseEvent], *args: Any, on: Any = None) -> Record:
        """Assert that such an event was recorded, and return the first one; see :meth:`find`.

        Raises:
            AssertionError: There is none; the message lists what there is.
        """
        record = self.find(name, *args, on=on)
        if record is None:
            raise AssertionError(self._missing(name, args, on))
        return record

    def expect_none(self, name: str | type[BaseEvent], *args: Any, on: Any = None) -> None:
        """Assert that no such event was recorded."""
        record = self.find(name, *args, on=on)
        if record is not None:
            raise AssertionError(f"did not expect {record.event!r}")

    def wait_for(
        self,
        name: str | type[BaseEvent],
        *args: Any,
        on: Any = None,
        timeout: float = 10.0,
    ) -> Record:
        """Run the application until such an event is recorded, and return it.

        A tree that nobody else runs is turned by :func:`~circuits.testing.settling.settle`,
        through virtual time if there is any. For one that runs in another thread, this thread
        is woken by the event itself.

        Args:
            name: Name or class of the event.
            *args: What its first arguments must equal.
            on: A channel it must have been fired on; ``None`` is any.
            timeout: Seconds of real time to give another thread.

        Raises:
            AssertionError: It did not come.
        """
        thread = self._tree_engine.loop.thread
        if thread is None or thread == _thread.get_ident():
            try:
                settle(self, lambda: self.find(name, *args, on=on))
            except AssertionError as problem:
                raise AssertionError(f"{self._missing(name, args, on)}\n{problem}") from None
        else:
            with self._changed:
                self._changed.wait_for(lambda: self.find(name, *args, on=on), timeout)
        return self.expect(name, *args, on=on)

    def _missing(self, name: Any, args: tuple[Any, ...], on: Any) -> str:
        wanted = name if isinstance(name, str) else name.name
        where = "" if on is None else f" on {on!r}"
        seen = "\n".join(f"  {record.event!r}" for record in self.records) or "  nothing"
        return f"no event {wanted}{args!r}{where} was recorded, but:\n{seen}"
