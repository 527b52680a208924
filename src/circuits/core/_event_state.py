"""What the kernel keeps with an event, beyond what the application has given it.

Everything has a default on the class, so that it costs nothing until it is needed.
"""

from __future__ import annotations

from ._flags import (
    HAS_EXTRAS,
    QUEUED,
    RUNTIME_FLAGS,
    WAITED,
    RunningHandler,
    changes,
    number_of_change,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable
    from typing import Any, ClassVar

    from ._causes import Cause, Firing
    from ._queue import Refiring
    from ._tracing import Trace
    from .values import Value

__all__ = ["ORDINARY_ATTRIBUTES", "RUNTIME_ATTRIBUTES", "EventState"]


class EventState:
    """Base of events: flags, and the state of the firing that is queued or being dispatched."""

    channels: tuple[Any, ...] = ()
    waitingHandlers: int = 0  # noqa: N815 - documented name
    if TYPE_CHECKING:
        handler: Callable[..., Any] | None
    else:
        handler = RunningHandler()

    #: The name; ``None`` where dispatch must look at flags, waiters, causes and the like.
    _event_key: str | None
    _event_name: str
    #: Of a class with annotated fields: their names and defaults.
    _event_fields: ClassVar[tuple[tuple[str, Any], ...]] = ()
    _event_args: Any  # a tuple, until somebody asks for the list
    _event_kwargs: dict[str, Any] | None = None
    _event_value: Value = None  # type: ignore[assignment]  # None until fired
    #: :data:`QUEUED` until its turn comes; the handler that is being run; ``None`` when all have
    #: been.
    _event_at: Any = QUEUED
    #: The firings that it does not stand for and that are still queued, the oldest first.
    _event_refirings: deque[Refiring] | None = None
    #: With ``REFIRED``: where the firing goes that it stands for, as ``channels`` are the latest.
    _event_first_channels: tuple[Any, ...] = ()
    _event_notify: bool | str = False
    _event_stopped = False
    _event_cancelled = False
    #: The flags of the event itself, and those of its class.
    _event_flags = 0
    _event_class_flags = 0
    #: Whether the end of the application waits for its suspended handlers.
    _event_holds_end: ClassVar[bool] = False
    #: What was set of name and flags; each class has its own.
    _declared: ClassVar[dict[str, Any]] = {}
    #: For an event whose handlers are not simply those of its name and channels: takes their
    #: routes and gives those that it goes, or ``None`` if it has seen to everything itself.
    _choose_routes: Callable[[tuple[Any, ...]], tuple[Any, ...] | None] | None = None
    _event_failed: bool = False  # whether a handler of the latest firing failed
    #: What counts the firing that is queued, or is being dispatched.
    _event_cause: Cause | None = None
    _event_firing: Firing | None = None  # the latest firing that has, or had, suspended handlers
    #: Who is told of the end of the next or current firing.
    _event_waiters: dict[Any, None] | None = None
    _event_trace: Trace | None = None  # of the firing that is queued, or is being dispatched
    _event_number = 0  # for log records; none yet

    def _event_flag(self, bits: int = 0) -> None:
        """Set flags; the event takes the slow path from now on."""
        self._event_key = None
        self._event_flags |= bits
        changes.latest = number_of_change()

    def _event_reroute(self, choose: Callable[[tuple[Any, ...]], tuple[Any, ...] | None]) -> None:
        """Set the function that chooses among the routes of this event."""
        self._choose_routes = choose
        self._event_flag(HAS_EXTRAS)

    def _when_over(self, waiter: Any, *, refired: bool = False) -> None:
        """Call ``waiter.resolve(event, value)`` when the event is over.

        Args:
            waiter: Who waits. Its attribute ``is_awaited`` tells whether it receives what the
                handlers raise.
            refired: For the latest firing, even if an earlier one goes on.
        """
        refirings = self._event_refirings if refired else None
        firing = None if refired else self._event_firing
        if refirings:
            refirings[-1].waiters[waiter] = None
        elif firing is not None and firing.unfinished:
            firing.expect(waiter)
        elif self._event_waiters is None:
            self._event_waiters = {waiter: None}
        else:
            self._event_waiters[waiter] = None
        self._event_flag(WAITED)

    def _forget_waiter(self, waiter: Any) -> None:
        """Remove a waiter."""
        for source in (self, self._event_firing):
            waiters = None if source is None else source._event_waiters
            if waiters is not None and waiter in waiters:
                del waiters[waiter]
        for refiring in self._event_refirings or ():
            refiring.waiters.pop(waiter, None)

    def _event_lasting_state(self) -> dict[str, Any]:
        """What travels with the event, or is copied."""
        state = {k: v for k, v in vars(self).items() if k not in RUNTIME_ATTRIBUTES}
        if "_event_flags" in state:
            state["_event_flags"] &= ~RUNTIME_FLAGS
        return state

    def __repr__(self) -> str:
        channels = self.channels
        if "channels" not in vars(self):
            where = ""
        elif len(channels) == 1:
            where = str(channels[0])
        else:
            where = repr(tuple(channels))
        names = [field for field, _ in self._event_fields]
        arguments = ", ".join(
            f"{names[i]}={arg!r}" if i < len(names) else repr(arg)
            for i, arg in enumerate(self._event_args)
        )
        keywords = ", ".join(
            f"{_line(str(key))}={value!r}" for key, value in (self._event_kwargs or {}).items()
        )
        head = _line(f"{type(self).__name__}[{where}.{self._event_name}]")
        return f"<{head} ({arguments} {keywords})>"


def _line(text: str) -> str:
    """A name, which peers may have chosen, as it can be shown in a terminal or a log."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


#: State of one firing in one process; it neither travels nor is copied.
RUNTIME_ATTRIBUTES = frozenset({
    "handler", "waitingHandlers", "_choose_routes", "_event_at", "_event_cause",
    "_event_created", "_event_failed", "_event_firing", "_event_first_channels", "_event_number", "_event_refirings", "_event_trace", "_event_value", "_event_waiters",
})  # fmt: skip

#: The attributes of an event that has nothing of its own but arguments and channels.
ORDINARY_ATTRIBUTES = RUNTIME_ATTRIBUTES - {"_choose_routes", "_event_created"} | {
    "channels", "_event_args", "_event_flags", "_event_key", "_event_stopped",
}  # fmt: skip
