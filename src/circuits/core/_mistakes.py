"""The texts of common mistakes: what is wrong, with which value, where, and the cure.

Some are made here to be raised; the rest are notes to what Python itself raises where something of
ours is used as it cannot be.
"""

from __future__ import annotations

from ._shown import safe_repr
from ._written import is_event_name
from .events import BaseEvent
from .utils import uncamel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "check_channels",
    "cure",
    "no_channels",
    "no_event",
    "no_handler_name",
    "no_parent",
    "takes_nothing",
    "yielded_text",
]

_CO_VARARGS = 0x04


def no_event(thing: object) -> str:
    """Why something cannot be fired."""
    if isinstance(thing, type) and issubclass(thing, BaseEvent):
        return f"an event is needed, not its class: write {thing.__name__}(...)"
    if isinstance(thing, BaseEvent):
        return f"{type(thing).__name__}.__init__ does not call super().__init__(...)"
    if isinstance(thing, str) and thing.isidentifier():
        return f"an event is needed, not its name: write Event.create({thing!r})"
    return f"an event is needed, not {thing!r}"


def check_channels(channels: tuple[Any, ...], owner: str = "") -> None:
    """Refuse channels that cannot be looked up; ``owner`` is what has one of its own."""
    try:
        hash(channels)
    except TypeError as problem:
        raise TypeError(no_channels(channels, problem, owner)) from None


def no_channels(channels: tuple[Any, ...], problem: TypeError, owner: str = "") -> str:
    """Why something cannot be channels."""
    shown = ", ".join(map(safe_repr, channels))
    text = f"{shown:.200} is no channel: {problem}"
    if owner:
        return f"{text}; {owner} has one, such as a name"
    if len(channels) == 1 and isinstance(channels[0], list | set) and channels[0]:
        text += f"; several are given one by one: {', '.join(map(safe_repr, channels[0])):.200}"
    return text


def no_handler_name(name: object) -> str:
    """Why a handler cannot be bound to something."""
    text = f"a handler is bound to names or classes of events, not {safe_repr(name)}"
    if isinstance(name, BaseEvent):
        return f"{text}: write @handler({type(name).__name__})"
    if callable(name) and hasattr(name, "__name__"):
        return f'{text}: write @handler("{name.__name__}")'
    return text


def no_parent(thing: object) -> str:
    """Why a component has no place in a tree: its attribute ``parent`` was used for something."""
    return (
        f"the attribute parent of a component is the one above it, not {safe_repr(thing):.200}: "
        "use another name for that"
    )


def cure(problem: BaseException) -> str | None:
    """What to write instead, if an exception of Python's says that something of ours is misused."""
    if type(problem) is not TypeError:
        return None
    text = str(problem)
    names = text.replace("'", " ").split()
    if "'await'" in text or "awaited" in text:
        if "Value" in names:
            return "fire() gives a Value, which is filled later: write await self.call(...)"
        for name in names:
            if name.isidentifier() and name != "object" and is_event_name(uncamel(name)):
                return f"an event is waited for by a call: write await self.call({name}(...))"
    elif "'Value'" in text and "circuits.core.values" in _modules(problem, "Value"):
        return (
            "fire() gives a Value, which is filled later: write (yield self.call(...)).value, or "
            "await self.call(...)"
        )
    return None


def _modules(problem: BaseException, name: str) -> set[str]:
    """Where the classes of a name are from, of which the failing function has objects."""
    frames = problem.__traceback__
    while frames is not None and frames.tb_next is not None:
        frames = frames.tb_next
    things = frames.tb_frame.f_locals.values() if frames is not None else ()
    return {type(thing).__module__ for thing in things if type(thing).__name__ == name}


def takes_nothing(code: Any) -> bool:
    """Whether a function has no parameter, not even for ``self``."""
    return not code.co_argcount and not code.co_flags & _CO_VARARGS


def yielded_text(method: Any, frame: Any, event: BaseEvent) -> str:
    """What is meant where a generator yields an event."""
    name = getattr(method, "__qualname__", repr(method))
    where = f"{name} ({frame.f_code.co_filename}:{frame.f_lineno})" if frame else name
    made = type(event).__name__
    return f"{where} yields an event, which is a result: write yield self.call({made}(...))"
