"""What recordings hold of values: results of workers, events of other threads, addresses.

It is no pickle, as a recording may come from somebody else. Plain data travels as between nodes, by
tags. Of the application's own classes, dataclasses, named tuples, enumerations and exceptions do, by
name; what reads them makes none that the replaying program has not imported by itself.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import sys
from typing import TYPE_CHECKING, Any

from circuits._wire import ProtocolError
from circuits._wire._packet_values import UnsendableError, lift, lower
from circuits.core.events import BaseEvent, _recreate
from circuits.core.manager import Manager

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Codec", "UnrecordableError", "component_path", "find_component"]


class UnrecordableError(TypeError):
    """A value cannot be kept in a recording; the text says which part of it."""


class Codec:
    """Turns values into text, and back.

    Args:
        number_of: Gives the number of a socket, or ``None`` if it is none.
        socket_of: The opposite; ``None`` for one that there is not.
        root: The tree, whose components are known by where they stand.
    """

    def __init__(
        self,
        number_of: Callable[[Any], int | None],
        socket_of: Callable[[int], Any] | None = None,
    ) -> None:
        self._number_of = number_of
        self._socket_of = socket_of
        self.root: Manager | None = None

    def dump(self, value: Any) -> bytes:
        """Make text of a value.

        Raises:
            UnrecordableError: There is something in it that cannot be kept.
        """
        try:
            return json.dumps(lower(value, "value", self._describe)).encode()
        except (UnsendableError, ValueError, RecursionError) as problem:
            reason = getattr(problem, "reason", None) or str(problem)
            raise UnrecordableError(reason.replace(" does not travel", "")) from None

    def load(self, text: bytes) -> Any:
        """Make the value again.

        Raises:
            UnrecordableError: It names what this program does not have.
        """
        try:
            return lift(json.loads(text), self._make)
        except (ProtocolError, ValueError) as problem:
            raise UnrecordableError(str(problem)) from None

    # -- what is no plain data --

    def _describe(self, value: Any) -> tuple[str, dict[str, Any]] | None:
        kind = type(value)
        number = self._number_of(value)
        if number is not None:
            return "socket", {"number": number}
        if isinstance(value, Manager):
            return "component", {"path": component_path(value)}
        name = f"{kind.__module__}:{kind.__qualname__}"
        if isinstance(value, BaseException):
            return f"exception {name}", {"args": tuple(map(self._kept, value.args))}
        if isinstance(value, BaseEvent):
            return _describe_event(value)
        if isinstance(value, enum.Enum):
            return f"member {name}", {"name": value.name}
        if dataclasses.is_dataclass(kind):
            fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
            return f"data {name}", fields
        if isinstance(value, tuple) and hasattr(kind, "_fields"):
            return f"named {name}", dict(zip(kind._fields, value, strict=True))
        if isinstance(value, bytearray | memoryview):
            return "bytes", {"of": bytes(value)}
        return None

    def _kept(self, value: Any) -> Any:
        try:
            self.dump(value)
        except UnrecordableError:
            return repr(value)
        return value

    def _make(self, name: str, fields: dict[str, Any]) -> Any:
        kind, _, place = name.partition(" ")
        if kind == "socket":
            found = None if self._socket_of is None else self._socket_of(fields["number"])
            if found is None:
                raise TypeError(f"there is no connection {fields['number']}")
            return found
        if kind == "component":
            return find_component(self.root, fields["path"])
        if kind == "bytes":
            return fields["of"]
        made = _class_of(place)
        if kind == "exception" and issubclass(made, BaseException):
            return made.__new__(made, *fields["args"])
        if kind == "event" and issubclass(made, BaseEvent):
            return _make_event(made, fields)
        if kind == "member" and issubclass(made, enum.Enum):
            return made[fields["name"]]
        if kind == "named" and issubclass(made, tuple) and hasattr(made, "_fields"):
            return made(**fields)
        if kind == "data" and dataclasses.is_dataclass(made):
            blank: Any = made
            value = object.__new__(blank)
            for field, content in fields.items():
                object.__setattr__(value, field, content)
            return value
        raise TypeError(f"{place} is not what it was when it was recorded")


def _class_of(place: str) -> Any:
    # Nothing is imported for a file.
    module, _, qualname = place.partition(":")
    found: Any = sys.modules.get(module)
    for part in qualname.split("."):
        found = getattr(found, part, None)
    if not isinstance(found, type):
        raise TypeError(f"there is no class {place} in this program")
    return found


# -- events ------------------------------------------------------------------------------------


#: The flags of events that programs set.
_FLAGS = ("success", "failure", "complete", "done", "notify")


def _describe_event(event: BaseEvent) -> tuple[str, dict[str, Any]]:
    """What an event is made of again."""
    kind: Any = type(event)
    recipe: tuple[Any, ...] = ()
    while "_recipe" in vars(kind):  # made at run time
        base, *rest = kind._recipe
        recipe = (*recipe, tuple(rest))
        kind = base
    own = {flag: getattr(event, flag, False) for flag in _FLAGS}
    own = {flag: own[flag] for flag in own if own[flag] != getattr(type(event), flag, False)}
    fields = {"args": tuple(event.args), "kwargs": dict(event.kwargs), "own": own, "made": recipe}
    return f"event {kind.__module__}:{kind.__qualname__}", fields


def _make_event(made: type[BaseEvent], fields: dict[str, Any]) -> BaseEvent:
    """Make an event again, without its constructor, which may want other arguments by now."""
    for rest in reversed(fields["made"]):
        made = type(_recreate(made, *rest))
    event = made.__new__(made)
    event.args = list(fields["args"])
    if fields["kwargs"]:
        event.kwargs = dict(fields["kwargs"])
    for flag, value in fields["own"].items():
        setattr(event, flag, value)
    return event


# -- components --------------------------------------------------------------------------------


def component_path(component: Any) -> str:
    """Where a component stands in its tree: ``/Chat/TCPServer[1]`` is the second of that class."""
    parts: list[str] = []
    while component.parent is not component:
        siblings = [c for c in component.parent.components if type(c) is type(component)]
        name = type(component).__name__
        index = siblings.index(component)
        parts.append(f"{name}[{index}]" if index else name)
        component = component.parent
    return "/" + "/".join(reversed(parts))


def find_component(root: Any, path: str) -> Any:
    """The opposite.

    Raises:
        TypeError: There is none.
    """
    found = root
    for part in filter(None, path.split("/")):
        name, _, index = part.partition("[")
        number = int(index.rstrip("]")) if index else 0
        same = [c for c in found.components if type(c).__name__ == name]
        if number >= len(same):
            raise TypeError(f"there is no component {path} in the tree")
        found = same[number]
    return found
