"""How things look in messages: whatever they do when they are shown, and never at any length."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .events import BaseEvent

__all__ = ["brief_repr", "describe", "safe_repr", "safe_str", "shown_arguments"]

#: How much of an argument, and of all of them, is shown of an event.
_ARGUMENT_LENGTH, _EVENT_LENGTH = 200, 1000


def brief_repr(event: BaseEvent) -> str:
    """An event with its arguments, long ones shortened."""
    try:
        shown = dict(vars(event), _event_args=tuple(map(_Shown, event._event_args)))
        twin = object.__new__(type(event))
        vars(twin).update(shown)
        if event._event_kwargs:
            twin._event_kwargs = {key: _Shown(arg) for key, arg in event._event_kwargs.items()}
        text = repr(twin)
    except Exception:
        text = safe_repr(event)
    return text if len(text) <= _EVENT_LENGTH else f"{text[:_EVENT_LENGTH]}...>"


def shown_arguments(event: BaseEvent) -> list[str]:
    shown = [repr(_Shown(arg)) for arg in event._event_args]
    return shown + [f"{key}={_Shown(arg)!r}" for key, arg in (event._event_kwargs or {}).items()]


class _Shown:
    """An argument, as it is shown: not more of it than helps."""

    def __init__(self, thing: Any) -> None:
        self._thing = thing

    def __repr__(self) -> str:
        thing = self._thing
        if isinstance(thing, str | bytes | bytearray) and len(thing) > _ARGUMENT_LENGTH:
            return f"{thing[:_ARGUMENT_LENGTH]!r}... ({len(thing)} in all)"
        if isinstance(thing, list | tuple | dict | set) and len(thing) > _ARGUMENT_LENGTH:
            return f"<{type(thing).__name__} of {len(thing)}>"
        text = safe_repr(thing)
        return text if len(text) <= 2 * _ARGUMENT_LENGTH else f"{text[: 2 * _ARGUMENT_LENGTH]}..."


def safe_str(problem: BaseException) -> str:
    """``str`` of an exception that never raises, whatever its own ``__str__`` does."""
    try:
        return str(problem)
    except Exception as another:
        return f"<{type(another).__name__} while showing it>"


def safe_repr(thing: object) -> str:
    """``repr`` that never raises: an object that cannot be shown is named by its type."""
    try:
        return repr(thing)
    except Exception as problem:
        return f"<{type(thing).__name__} whose repr raised {type(problem).__name__}>"


def describe(function: object) -> str:
    """How messages call a function."""
    name = getattr(function, "__qualname__", None)
    return f"{getattr(function, '__module__', '?')}.{name}" if name else repr(function)
