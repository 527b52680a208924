"""Flags: what somebody wants of an event beyond having its handlers called.

What is rare about an event - ``success``, ``failure``, ``complete``, ``alert_done`` and
``notify``, keyword arguments, ``stop`` and ``cancel``, a name of its own - sets a bit, on the class
or on the instance. ``_event_key`` is ``None`` then, and the event takes the slow path through the
dispatch. All others are found in one look by that key, which is their name.
"""

from __future__ import annotations

from itertools import count

from ._written import note_written

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .events import BaseEvent

__all__ = ["FLAGS", "EventMetaClass"]

#: The bits of ``_event_flags``. What an event asks for ...
SUCCESS, FAILURE, COMPLETE, DONE, NOTIFY = 1, 2, 4, 8, 16
#: ... has channels of its own for its feedback, is cancelled or has keywords or late routes,
HAS_FEEDBACK_CHANNELS, HAS_EXTRAS = 32, 64
#: ... is counted by a cause, is waited for, has suspended handlers, was fired again while queued.
COUNTED, WAITED, SUSPENDED, REFIRED = 128, 256, 512, 1024

RUNTIME_FLAGS = COUNTED | WAITED | SUSPENDED | REFIRED

number_of_change = count(1).__next__


class _Changes:
    """The number of the latest change of any event's flags.

    Dispatch compares it after each handler: to see that no event has changed is faster than to
    look at the one event.
    """

    __slots__ = ("latest",)

    def __init__(self) -> None:
        self.latest = 0


changes = _Changes()


class Flag:
    """An attribute that flags an event when it is set: a truth value, or one kept under a name."""

    __slots__ = ("bit", "is_shared", "kept")

    def __init__(self, bit: int, kept: str = "", is_shared: bool = False) -> None:
        self.bit = bit
        self.kept = kept
        self.is_shared = is_shared  # the bit stands for other attributes, too

    def __get__(self, event: BaseEvent | None, owner: type[BaseEvent]) -> Any:
        source = owner if event is None else event
        if self.kept:
            return getattr(source, self.kept)
        return bool((source._event_flags | source._event_class_flags) & self.bit)

    def __set__(self, event: BaseEvent, value: Any) -> None:
        if self.kept:
            setattr(event, self.kept, value)
        if value:
            event._event_flag(self.bit)
        elif not self.is_shared:
            self._clear(event)
            if event._event_class_flags & self.bit:
                event._event_class_flags &= ~self.bit

    def __delete__(self, event: BaseEvent) -> None:
        own = vars(event)
        if self.kept:
            if self.kept not in own:
                raise AttributeError(self.kept.lstrip("_"))
            del own[self.kept]
        if not self.is_shared:
            self._clear(event)
            if "_event_class_flags" in own:
                event._event_class_flags |= type(event)._event_class_flags & self.bit

    def _clear(self, event: BaseEvent) -> None:
        if event._event_flags & self.bit:
            event._event_flags &= ~self.bit


class Name(Flag):
    """The name: of the class, hardly ever of an instance."""

    __slots__ = ()

    def __set__(self, event: BaseEvent, value: str) -> None:
        event._event_name = value
        event._event_created = {}  # its feedback is named after it, not after its class
        event._event_flag()

    def __delete__(self, event: BaseEvent) -> None:
        super().__delete__(event)
        del event._event_created


QUEUED: Any = object()
"""In place of the handler that is being run: the event is to be dispatched, or fired."""


class RunningHandler:
    """The handler that is being run, or ``None``."""

    __slots__ = ()

    def __get__(self, event: BaseEvent | None, owner: type[BaseEvent]) -> Any:
        handler = None if event is None else event._event_at
        return None if handler is QUEUED else handler


class ValueOf:
    """The value of the latest firing, which leads back to the event while anybody looks at it."""

    __slots__ = ()

    def __get__(self, event: BaseEvent | None, owner: type[BaseEvent]) -> Any:
        if event is None:
            return None
        refirings = event._event_refirings
        value = refirings[-1].value if refirings else event._event_value
        if value is not None and value._event is None:
            value._event = event  # they were parted, when nobody had kept it
        return value

    def __set__(self, event: BaseEvent, value: Any) -> None:
        event._event_value = value


class Arguments:
    """The positional arguments as a list, which most events are never asked for."""

    __slots__ = ()

    def __get__(self, event: BaseEvent | None, owner: type[BaseEvent]) -> Any:
        if event is None:
            return self
        args = event._event_args
        if args.__class__ is not list:
            args = event._event_args = [*args]
        return args

    def __set__(self, event: BaseEvent, args: Any) -> None:
        event._event_args = args


class Keywords:
    """The keyword arguments. Most events have none; one that has is flagged."""

    __slots__ = ()

    def __get__(self, event: BaseEvent | None, owner: type[BaseEvent]) -> Any:
        if event is None:
            return self
        kwargs = event._event_kwargs
        if kwargs is None:
            self.__set__(event, kwargs := {})
        return kwargs

    def __set__(self, event: BaseEvent, kwargs: dict[str, Any]) -> None:
        event._event_kwargs = kwargs
        event._event_flag(HAS_EXTRAS)


#: The attributes of events that set a bit, by name.
FLAGS: dict[str, Flag] = {
    "name": Name(0, "_event_name"),
    "success": Flag(SUCCESS),
    "failure": Flag(FAILURE),
    "complete": Flag(COMPLETE),
    "alert_done": Flag(DONE),
    "notify": Flag(NOTIFY, "_event_notify"),
    "success_channels": Flag(HAS_FEEDBACK_CHANNELS, "_success_channels", is_shared=True),
    "failure_channels": Flag(HAS_FEEDBACK_CHANNELS, "_failure_channels", is_shared=True),
    "complete_channels": Flag(HAS_FEEDBACK_CHANNELS, "_complete_channels", is_shared=True),
    "stopped": Flag(0, "_event_stopped"),
    "cancelled": Flag(HAS_EXTRAS, "_event_cancelled", is_shared=True),
}


class EventMetaClass(type):
    """Keeps name and flags of event classes in step when they are set on a class."""

    def __setattr__(cls, name: str, value: Any) -> None:
        if name in FLAGS:
            declare(cls, {name: value})  # type: ignore[arg-type]
        else:
            type.__setattr__(cls, name, value)


def declare(cls: type[BaseEvent], given: dict[str, Any]) -> None:
    """Set name, flags and the like of an event class."""
    cls._declared.update(given)
    for name, value in given.items():
        if kept := FLAGS[name].kept:
            type.__setattr__(cls, kept, value)
    if "name" in given:
        cls._event_created = {}  # their names begin with ours
    _restate(cls)


def _restate(cls: type[BaseEvent]) -> None:
    """Recompute the flags of the class, and those of its subclasses."""
    declared: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        declared.update(base.__dict__.get("_declared", ()))
    flags = 0 if cls._choose_routes is None else HAS_EXTRAS
    for name, value in declared.items():
        if value:
            flags |= FLAGS[name].bit
    cls._event_class_flags = flags
    cls._event_key = None if flags else cls._event_name
    changes.latest = number_of_change()  # an event of the class may be under way
    for below in cls.__subclasses__():
        _restate(below)


def declare_class(cls: type[BaseEvent], name: str) -> None:
    """Take name and flags out of the body of a new event class.

    Args:
        cls: The class.
        name: Its name, unless the body says another one.
    """
    given = _flags_of_plain_bases(cls)
    own = {attribute: value for attribute, value in vars(cls).items() if attribute in FLAGS}
    given.update(own)
    for attribute in given:
        type.__setattr__(cls, attribute, FLAGS[attribute])
    if "name" not in own:
        given["name"] = name
    if isinstance(given["name"], str):
        note_written(cls.__name__, given["name"], in_source="_recipe" not in vars(cls))
    cls._declared = {}
    declare(cls, given)


def _flags_of_plain_bases(cls: type[BaseEvent]) -> dict[str, Any]:
    """What bases that are no event classes say, which would hide the attributes of events."""
    given: dict[str, Any] = {}
    known: set[str] = set()
    for base in cls.__mro__[1:]:
        if "_event_key" not in base.__dict__:  # no event class
            said = {name: value for name, value in vars(base).items() if name in FLAGS}
            given.update((name, said[name]) for name in said.keys() - known - given.keys())
        elif "_declared" in base.__dict__:
            known.update(base.__dict__["_declared"])
    return given
