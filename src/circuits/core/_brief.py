"""Short texts of whatever goes through an application, for those who look into it.

They have a limit, and are made without calling code of the application, which may fail, wait, or
change something.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from .events import BaseEvent
from .manager import Manager

__all__ = ["TEXT", "arguments_text", "brief", "channel_text", "component_text"]

#: How many characters a text has at most.
TEXT: Final = 200

_PLAIN = (bool, int, float, complex, type(None))


def brief(thing: object, limit: int = TEXT, depth: int = 2) -> str:
    """A short text of anything, made without calling code of an application.

    Args:
        thing: What to show.
        limit: How long the text may be.
        depth: How deep containers are shown.
    """
    if isinstance(thing, str | bytes | bytearray):
        text = repr(thing[:limit])
        if len(thing) > limit:
            text += f"... ({len(thing)})"
    elif isinstance(thing, _PLAIN) and type(thing).__module__ == "builtins":
        text = hex(thing) if isinstance(thing, int) and thing.bit_length() > 256 else repr(thing)
    elif type(thing) in (list, tuple, set, frozenset, dict, deque):
        text = _brief_container(thing, limit, depth)
    elif isinstance(thing, Manager):
        text = component_text(thing)
    elif isinstance(thing, BaseEvent):
        text = f"<event {thing._event_name}>"
    elif isinstance(thing, type):
        text = f"<class {thing.__module__}.{thing.__qualname__}>"
    elif isinstance(thing, BaseException):
        text = f"<{type(thing).__name__}>"
    else:
        text = f"<{type(thing).__module__}.{type(thing).__qualname__}>"
    return text if len(text) <= limit else f"{text[: limit - 1]}\N{HORIZONTAL ELLIPSIS}"


def _brief_container(thing: Any, limit: int, depth: int) -> str:
    pairs = {"list": ("[", "]"), "tuple": ("(", ")"), "deque": ("[", "]")}
    opening, closing = pairs.get(type(thing).__name__, ("{", "}"))
    if not depth:
        return f"{opening}{len(thing)}{closing}"
    parts = []
    room = limit
    for count, item in enumerate(list(thing)):
        part = brief(item, room, depth - 1)
        if isinstance(thing, dict):
            part += f": {brief(thing[item], room, depth - 1)}"
        room -= len(part)
        if room <= 0 or count == 20:
            parts.append(f"... ({len(thing)})")
            break
        parts.append(part)
    return f"{opening}{', '.join(parts)}{closing}"


def component_text(component: Manager) -> str:
    """Class and channel of a component."""
    channel = component._tree_channels[0]
    where = channel if isinstance(channel, str) else type(channel).__name__
    return f"{type(component).__name__}/{where}"[:TEXT]


def channel_text(channel: Any) -> str:
    """A channel, which may be a component, or anything."""
    if isinstance(channel, str):
        return channel[:TEXT]
    return component_text(channel) if isinstance(channel, Manager) else brief(channel)


def arguments_text(event: BaseEvent) -> str:
    """What an event was made with, as in a call."""
    parts = [brief(argument) for argument in event._event_args]
    parts += [f"{key}={brief(value)}" for key, value in (event._event_kwargs or {}).items()]
    return ", ".join(parts)[: 2 * TEXT]
