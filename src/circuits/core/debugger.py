"""Debugger: shows every event and every error (manual: circuits.core.debugger)."""

from __future__ import annotations

import os
import sys

from ._reports import format_error
from ._routing import TREE_LOCK
from ._shown import safe_repr
from .components import BaseComponent
from .events import Error
from .handlers import handler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, Protocol

    from .events import BaseEvent

    class _Writable(Protocol):
        def write(self, text: str, /) -> object: ...

    class _Logger(Protocol):
        def debug(self, message: str, /) -> object: ...
        def error(self, message: str, /) -> object: ...


__all__ = ["Debugger"]


#: The attributes that say what is shown.
_CHOOSING = frozenset({"IgnoreEvents", "IgnoreChannels", "enabled", "events"})


class _Ignored(list["Any"]):
    """What is not to be shown; each change of it is told."""

    def __init__(self, items: Iterable[Any], changed: Callable[[], object]) -> None:
        super().__init__(items)
        self._changed = changed

    def __reduce__(self) -> tuple[Any, ...]:
        return list, ([*self],)  # a copy is nobody's


def _telling(method: Callable[..., Any]) -> Callable[..., Any]:
    def change(ignored: _Ignored, *args: Any, **kwargs: Any) -> Any:
        try:
            return method(ignored, *args, **kwargs)
        finally:
            ignored._changed()

    return change


for _name in (
    "append", "clear", "extend", "insert", "pop", "remove", "__delitem__", "__iadd__", "__imul__",
    "__setitem__",
):  # fmt: skip
    setattr(_Ignored, _name, _telling(getattr(list, _name)))

#: What does not change unless that is told. Whatever else is assigned is asked for each event.
_FOLLOWED = frozenset({_Ignored, tuple, frozenset})


def _have(ignored: Any, *items: Any) -> bool:
    """Whether one of some items is ignored; what cannot be compared is not."""
    try:
        return any(item in ignored for item in items)
    except Exception:
        return False


class Debugger(BaseComponent):
    """Writes a line for each event, and the text of each error.

    It never raises: what cannot be shown is named instead, what cannot be written is dropped. Events
    that it does not show cost nothing: they go their way as if it was not there. So a handler that has
    more shown does so from the next event on.

    Args:
        errors: Whether to show errors.
        events: Whether to show events.
        file: Path to append to, or an object with ``write``; ``None`` is standard error.
        logger: An object with ``debug`` and ``error``, instead of the file.
        prefix: Goes before each event, with a colon; may be a function that is called for each.
        trim: How many characters of an event to show.
        IgnoreEvents: Names of events not to show, beside those of the class.
        IgnoreChannels: Channels, or pairs of channel and event name, not to show. An event is
            left out if all its channels are among them.

    Attributes:
        enabled: ``False`` silences everything.
        errors, events, file, logger, prefix, trim, IgnoreEvents, IgnoreChannels: As given; the
            lists belong to the instance.
    """

    IgnoreEvents: list[Any] = ["generate_events"]
    IgnoreChannels: list[Any] = []

    def __init__(
        self,
        errors: bool = True,
        events: bool = True,
        file: str | os.PathLike[str] | _Writable | None = None,
        logger: _Logger | None = None,
        prefix: str | Callable[[], str] | None = None,
        trim: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.enabled = True
        self.errors = errors
        self.events: bool = events  # type: ignore[assignment]  # documented; hides a method
        self.logger = logger
        self.prefix = prefix
        self.trim = trim
        more_events: Iterable[Any] = kwargs.get("IgnoreEvents") or ()
        more_channels: Iterable[Any] = kwargs.get("IgnoreChannels") or ()
        changed = self._choose_anew
        self.IgnoreEvents = _Ignored([*type(self).IgnoreEvents, *more_events], changed)
        self.IgnoreChannels = _Ignored([*type(self).IgnoreChannels, *more_channels], changed)
        self.file: Any
        if file is None:
            self.file = None
        elif isinstance(file, str | os.PathLike):
            path = os.path.abspath(os.path.expanduser(file))
            self.file = open(path, "a", encoding="utf-8")  # noqa: SIM115 - lives as long as we
        elif hasattr(file, "write"):
            self.file = file
        else:
            raise TypeError(f"file must be a path or have a method write, not {file!r}")

    @handler("error", channel="*", priority=100)
    def _on_error(self, event: BaseEvent, *args: Any, **kwargs: Any) -> None:
        if not (self.enabled and self.errors) or not isinstance(event, Error):
            return
        try:
            text = format_error(*args[:4])
        except Exception as problem:
            text = f"ERROR that cannot be shown: {safe_repr(problem)}\n"
        self._write(text, "error")

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name in _CHOOSING:
            self._choose_anew()

    def _choose_anew(self) -> None:
        """What is shown has changed: the ways of all events are looked up once more."""
        engine = getattr(self, "_tree_live", None)
        if engine is not None:
            with TREE_LOCK:
                engine.routes.forget("*")

    def _hides(self, name: str, channel: Any) -> bool:
        """Whether events of a name on a channel are not shown until ``_choose_anew`` is called."""
        own = vars(self)  # what a subclass works out each time is not there
        if own.get("enabled") is False or own.get("events") is False:
            return True
        events, channels = own.get("IgnoreEvents"), own.get("IgnoreChannels")
        return (type(events) in _FOLLOWED and _have(events, name)) or (
            type(channels) in _FOLLOWED and _have(channels, channel, (channel, name))
        )

    @handler(channel="*", priority=101)
    def _on_event(self, event: BaseEvent, *args: Any, **kwargs: Any) -> None:
        if not (self.enabled and bool(self.events)):
            return
        try:
            if self._is_ignored(event):
                return
            text = self._describe(event)
        except Exception as problem:
            text = f"<{type(event).__name__} that cannot be shown: {safe_repr(problem)}>"
        self._write(text, "debug")

    def _is_ignored(self, event: BaseEvent) -> bool:
        name, ignored = event.name, self.IgnoreChannels
        return name in self.IgnoreEvents or all(
            _have(ignored, channel, (channel, name)) for channel in event.channels
        )

    _on_event.skips = _hides  # type: ignore[attr-defined]

    def _describe(self, event: BaseEvent) -> str:
        try:
            text = repr(event)
        except Exception:
            arguments = ", ".join(map(safe_repr, event.args))
            text = f"<{type(event).__name__}[{event.name}] ({arguments})>"
        prefix = self.prefix() if callable(self.prefix) else self.prefix
        if prefix:
            text = f"{prefix}: {text}"
        if self.trim is not None:
            text = f"{text[: self.trim]} ...>"
        return text

    def _write(self, text: str, level: str) -> None:
        try:
            if self.logger is not None:
                getattr(self.logger, level)(text)
                return
            file = sys.stderr if self.file is None else self.file
            file.write(text if level == "error" else text + "\n")
            flush = getattr(file, "flush", None)
            if flush is not None:
                flush()
        except Exception:
            return  # a full disk or a closed file must not stop what is being debugged
