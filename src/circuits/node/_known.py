"""Types that both sides know: event classes with fields, and dataclasses.

What comes from another node is checked by them. It names them, and nothing else: no module is
imported, and no attribute looked up, because a packet says so.
"""

from __future__ import annotations

import sys
import types
import typing
from collections.abc import Iterable, Iterator
from typing import Any

from circuits.core._fields import TYPED
from circuits.core.events import BaseEvent

from .errors import text_of

__all__ = ["Known", "fits"]

#: Modules of the framework: its events are not for other machines.
_OURS = "circuits."


class Known:
    """The event classes of the program that have fields, and the dataclasses that travel.

    Args:
        types: Dataclasses, beside those that the annotations of events name.

    Raises:
        TypeError: One of them is no dataclass.
        ValueError: Two of them have the same name.
    """

    def __init__(self, types: Iterable[type] = ()) -> None:
        self._given: dict[str, type] = {}
        for cls in types:
            if not is_dataclass(cls):
                raise TypeError(f"types= takes dataclasses, not {cls!r}")
            if self._given.setdefault(cls.__name__, cls) is not cls:
                raise ValueError(f"types= has two dataclasses of the name {cls.__name__!r}")
        self._seen = -1  # how many event classes there were
        self._events: dict[str, type[BaseEvent]] = {}
        self._data: dict[str, type] = {}
        self._hints: dict[type, dict[str, Any]] = {}

    @property
    def version(self) -> int:
        """Changes when there are other event classes with fields."""
        return len(TYPED)

    def _look(self) -> None:
        """Learn the classes that have been made since."""
        if len(TYPED) == self._seen:
            return
        self._seen = len(TYPED)
        self._events, self._hints = {}, {}
        found: dict[str, type] = {}
        for ref in TYPED:
            cls = ref()
            if cls is None or cls.__module__.startswith(_OURS):
                continue
            self._events[cls._event_name] = cls
            for data in self._dataclasses(cls, set()):
                found.setdefault(data.__name__, data)
        for cls in self._given.values():
            for data in self._dataclasses(cls, {cls}):
                found.setdefault(data.__name__, data)
        self._data = {**found, **self._given}

    def _dataclasses(self, cls: type, seen: set[type]) -> Iterator[type]:
        """The dataclasses in the annotations of a class, and in theirs."""
        waiting = list(self.hints(cls).values())
        while waiting:
            kind = waiting.pop()
            waiting.extend(typing.get_args(kind))
            if is_dataclass(kind) and kind not in seen:
                seen.add(kind)
                yield kind
                waiting.extend(self.hints(kind).values())

    def hints(self, cls: type) -> dict[str, Any]:
        """The annotations of a class, as far as they can be found."""
        hints = self._hints.get(cls)
        if hints is None:
            hints = {}
            for base in reversed(cls.__mro__):
                if not base.__module__.startswith(_OURS):
                    hints |= _hints_of(base)
            self._hints[cls] = hints
        return hints

    # -- events --

    def event_class(self, name: str) -> type[BaseEvent] | None:
        """The class with fields that has a name, or ``None``."""
        self._look()
        return self._events.get(name)

    def make_event(
        self, cls: type[BaseEvent], args: list[Any], kwargs: dict[str, Any]
    ) -> BaseEvent:
        """Make an event of a class with fields.

        Raises:
            TypeError: The fields do not fit; it names the first that does not.
        """
        names = [name for name, _ in cls._event_fields]
        strangers = [key for key in kwargs if key not in names]
        if strangers:
            raise TypeError(f"{cls.__name__} has no field {strangers[0]!r}")
        event = cls(*args, **kwargs)
        self._check(cls, zip(names, event._event_args, strict=False))
        return event

    def _check(self, cls: type, fields: Iterable[tuple[str, Any]]) -> None:
        hints = self.hints(cls)
        for name, value in fields:
            if name in hints and not fits(value, hints[name]):
                kind = hints[name]
                wanted = getattr(kind, "__name__", None) if not typing.get_args(kind) else None
                raise TypeError(
                    f"field {name!r} of {cls.__name__} must be {wanted or kind}, "
                    f"not {type(value).__name__}"
                )

    # -- dataclasses --

    def describe(self, value: Any) -> tuple[str, dict[str, Any]] | None:
        """The name and the fields of a dataclass that travels, or ``None``."""
        cls = type(value)
        if not is_dataclass(cls):
            return None
        self._look()
        if self._data.get(cls.__name__) is not cls:
            return None
        return cls.__name__, {name: getattr(value, name) for name in _fields(cls)}

    def make(self, name: str, fields: dict[str, Any]) -> Any:
        """Make a dataclass.

        Raises:
            TypeError: It is not known, or the fields do not fit.
        """
        self._look()
        cls = self._data.get(name)
        if cls is None:
            raise TypeError(f"the type {name[:100]!r} is not known here")
        names = _fields(cls)
        for key in fields:
            if key not in names:
                raise TypeError(f"{cls.__name__} has no field {key[:100]!r}")
        self._check(cls, fields.items())
        try:
            return cls(**fields)
        except Exception as problem:  # code of the application: a check of its own, perhaps
            raise TypeError(f"{cls.__name__}: {text_of(problem)}") from problem


def _hints_of(cls: type) -> dict[str, Any]:
    """The annotations of a class itself. Names that only type checkers see are left out."""
    scope = vars(sys.modules.get(cls.__module__, sys))
    found = {}
    for name, kind in vars(cls).get("__annotations__", {}).items():
        holder = types.SimpleNamespace(__annotations__={name: kind})
        try:
            found.update(typing.get_type_hints(holder, scope))
        except Exception:  # whatever evaluating it raises
            continue
    return found


def is_dataclass(cls: Any) -> bool:
    """Whether something is a dataclass, and no instance of one."""
    return isinstance(cls, type) and hasattr(cls, "__dataclass_fields__")


def _fields(cls: type) -> list[str]:
    import dataclasses  # expensive, and loaded where there is one

    return [field.name for field in dataclasses.fields(cls) if field.init]


def fits(value: Any, kind: Any) -> bool:
    """Whether a value is of an annotated type. What cannot be judged does."""
    if kind is Any or kind is object or isinstance(kind, typing.TypeVar):
        return True
    if kind is None:
        return value is None
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is None:
        if kind is float:
            return isinstance(value, int | float) and not isinstance(value, bool)
        if kind is int:
            return isinstance(value, int) and not isinstance(value, bool)
        return isinstance(value, kind) if isinstance(kind, type) else True
    if origin is typing.Union or origin is types.UnionType:
        return any(fits(value, one) for one in args)
    if origin is typing.Literal:
        return any(value == one and type(value) is type(one) for one in args)
    if origin is typing.Annotated:
        return fits(value, args[0])
    if not isinstance(origin, type):
        return True
    if not isinstance(value, origin):
        return False
    if isinstance(value, tuple):
        if len(args) == 2 and args[1] is Ellipsis:
            return all(fits(item, args[0]) for item in value)
        wanted = () if args == ((),) else args
        return len(value) == len(wanted) and all(map(fits, value, wanted))
    if isinstance(value, dict):
        return all(fits(key, args[0]) and fits(item, args[1]) for key, item in value.items())
    if isinstance(value, list | set | frozenset):
        return all(fits(item, args[0]) for item in value)
    return True
