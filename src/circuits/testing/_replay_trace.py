"""What happens in a replay, as text that is the same each time."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from circuits.core._boundary import show_dispatch
from circuits.core.events import BaseEvent
from circuits.core.manager import Manager

if TYPE_CHECKING:
    from collections.abc import Callable

    from circuits.core._direct import Direct
    from circuits.core._engine import Engine

__all__ = ["ReplayTrace"]

#: How much of one value is shown.
_SHOWN: Final = 200
_ITEMS: Final = 20
_DEPTH: Final = 3

#: What differs from one run to the next in the texts of objects.
_ADDRESS: Final = re.compile(r"\bat 0x[0-9a-fA-F]+")

_OWN_CHANNEL: Final = re.compile(r"(.*)\.([0-9a-f]{9,16})")

_SIMPLE: Final = (str, bytes, int, float, bool, type(None))


class ReplayTrace:
    """A line for each event that is dispatched, each step that is a call, and what is sent.

    Attributes:
        lines: The lines.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._now: Callable[[], float] = float
        self._number_of: Callable[[Any], int | None] = _nobody
        self._has_ended = False
        self._own: dict[str, int] = {}

    def begin(self, now: Callable[[], float], number_of: Callable[[Any], int | None]) -> None:
        """From now on there are a time and sockets."""
        self._now, self._number_of = now, number_of

    def observe(self, engine: Engine) -> None:
        """Be told what happens in a tree."""
        show_dispatch(engine, self._dispatched, self._called)

    def end(self) -> None:
        """What follows is not of the recording."""
        self._has_ended = True

    def sent(self, number: int | None, data: bytes) -> None:
        """A socket has sent something."""
        self._add(f"sent #{number} {_cut(repr(data))}")

    def _dispatched(self, event: BaseEvent, channels: tuple[Any, ...]) -> None:
        args = ", ".join(
            [
                *(self._show(arg) for arg in event._event_args),
                *(f"{name}={self._show(arg)}" for name, arg in (event._event_kwargs or {}).items()),
            ]
        )
        self._add(f"{event._event_name} [{self._places(channels)}] ({args})")

    def _called(self, door: Direct) -> None:
        self._add(f"{door.name} [{self._places(door.channels)}] called")

    def _places(self, channels: tuple[Any, ...]) -> str:
        return ", ".join(self._place(c) if isinstance(c, str) else self._show(c) for c in channels)

    def _place(self, channel: str) -> str:
        """A channel; what components make up for themselves has their address in it."""
        found = _OWN_CHANNEL.fullmatch(channel)
        if found is None:
            return channel
        number = self._own.setdefault(found[2], len(self._own) + 1)
        return f"{found[1]}.@{number}"

    def _add(self, text: str) -> None:
        if not self._has_ended:
            self.lines.append(f"{self._now():12.6f} {text}")

    def _show(self, value: Any, depth: int = 0) -> str:
        number = self._number_of(value)
        if number is not None:
            return f"#{number}"
        if isinstance(value, _SIMPLE):
            return _cut(_ADDRESS.sub("at 0x...", repr(value)))
        if isinstance(value, Manager):
            return f"<{type(value).__name__}/{self._places(value._tree_channels[:1])}>"
        if isinstance(value, BaseEvent):
            return f"<{value.name}>"
        if isinstance(value, BaseException):
            return f"{type(value).__name__}({_cut(_ADDRESS.sub('at 0x...', str(value)))!r})"
        if isinstance(value, list | tuple) and depth < _DEPTH:
            shown = [self._show(item, depth + 1) for item in value[:_ITEMS]]
            more = ["..."] if len(value) > _ITEMS else []
            return f"[{', '.join([*shown, *more])}]"
        if isinstance(value, dict) and depth < _DEPTH:
            some = list(value.items())[:_ITEMS]
            shown = [f"{self._show(k, depth + 1)}: {self._show(v, depth + 1)}" for k, v in some]
            return f"{{{', '.join([*shown, *(['...'] if len(value) > _ITEMS else [])])}}}"
        name = getattr(value, "__qualname__", None)
        return name if isinstance(name, str) else f"<{type(value).__qualname__}>"


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}... ({len(text)})"


def _nobody(value: Any) -> int | None:
    return None
