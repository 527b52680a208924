"""Annotated fields of event classes: the typed constructor and the views on ``args``."""

from __future__ import annotations

from _weakref import ref

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Generic, TypeVar, dataclass_transform

    from .events import BaseEvent

    # With a default, so that a plain ``Event`` means ``Event[Any]`` under ``mypy --strict`` too.
    R = TypeVar("R", covariant=True, default=Any)
else:
    # ``Event[int]`` is for type checkers; here it is the class itself.
    class _Subscriptable:
        def __class_getitem__(cls, item):
            return cls

    class _Generic:
        def __getitem__(self, item):
            return _Subscriptable

    Generic, R = _Generic(), None

    def dataclass_transform(**kwargs):
        return lambda cls: cls


__all__ = ["TYPED", "Field", "Generic", "R", "dataclass_transform", "declare_fields"]

REQUIRED = object()  # the default of a field that has none

#: The classes that have fields, as weak references: what comes from elsewhere is checked by them.
TYPED: list[Any] = []


class Field:
    """An attribute of an event that is a view on one position of its ``args``."""

    __slots__ = ("_position",)

    def __init__(self, position: int) -> None:
        self._position = position

    def __get__(self, event: BaseEvent | None, owner: type[BaseEvent]) -> Any:
        return self if event is None else event._event_args[self._position]

    def __set__(self, event: BaseEvent, value: Any) -> None:
        event.args[self._position] = value


def declare_fields(cls: type[BaseEvent]) -> None:
    """Give an event class with annotated fields its constructor and its views on ``args``.

    A class with a constructor of its own, or without annotations, is left alone. Fields of the
    base classes come first.

    Raises:
        TypeError: A field would hide an attribute of the base class, or comes without default
            after one that has a default.
    """
    body = cls.__dict__
    if "__init__" in body:
        return
    own = [
        name
        for name, kind in _annotations(cls).items()
        if not name.startswith("_") and "ClassVar" not in str(kind)
    ]
    if not own:
        return
    fields = dict(cls._event_fields)
    for name in own:
        if name not in fields and (hasattr(cls.__mro__[1], name) or name in ("args", "kwargs")):
            raise TypeError(
                f"field {name!r} of event {cls.__name__} would hide an attribute of Event; "
                f"rename it, or annotate it as ClassVar to set that attribute"
            )
        fields[name] = body.get(name, REQUIRED)
    optional = ""
    for name, default in fields.items():
        if default is not REQUIRED:
            optional = name
        elif optional:
            raise TypeError(
                f"field {name!r} of event {cls.__name__} has no default "
                f"and comes after {optional!r}, which has one"
            )
    cls._event_fields = tuple(fields.items())
    for position, name in enumerate(fields):
        type.__setattr__(cls, name, Field(position))
    cls.__init__ = _make_constructor(cls)  # type: ignore[method-assign]
    TYPED.append(ref(cls))


def _annotations(cls: type) -> dict[str, Any]:
    own = cls.__dict__.get("__annotations__")
    if own is None and "__annotate_func__" in cls.__dict__:  # Python 3.14 makes them on demand
        from annotationlib import (  # type: ignore[import-not-found]
            Format,
            get_annotations,
        )

        own = get_annotations(cls, format=Format.STRING)
    return own or {}


def _make_constructor(cls: type[BaseEvent]) -> Callable[..., None]:
    # Written out, so that it is as fast as one written by hand and shows its real signature.
    names = [name for name, _ in cls._event_fields]
    scope = {
        f"_default_{n}": default for n, default in cls._event_fields if default is not REQUIRED
    }
    parameters = ", ".join(f"{n}=_default_{n}" if f"_default_{n}" in scope else n for n in names)
    source = f"def __init__(self, {parameters}):\n    self._event_args = ({''.join(n + ', ' for n in names)})\n    self._event_value = None\n"
    exec(source, scope)  # identifiers of a class body, nothing from outside
    constructor: Callable[..., None] = scope["__init__"]
    constructor.__qualname__ = f"{cls.__qualname__}.__init__"
    constructor.__module__ = cls.__module__
    return constructor
