"""Values: what the handlers of one event returned, now or later (manual: circuits.core.values)."""

from __future__ import annotations

from .events import DerivedEvent, Event, derived_class

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from .events import BaseEvent
    from .manager import Manager

__all__ = ["Value", "ValueChanged"]


class ValueChanged(DerivedEvent):
    """A value that somebody wants to be notified about has changed.

    Fired as ``<name>_value_changed`` with ``(value,)`` by the component that fired the event, on
    the channel that is that very component.
    """


#: What the bits of a value's flags mean.
_RESULT, _ERRORS, _PROMISE, _HANDLED, _MORE, _FILLED, _SEVERAL, _CUT = 1, 2, 4, 8, 16, 32, 64, 128
_UNHEARD = 256

#: The event has given up its value, to which only that has led, and gets it back when it is asked for.
PARTED = 512

#: What a value takes over from one that is nested in it.
_FOLLOWED = _RESULT | _ERRORS

#: The flags of a value with one plain result.
HAS_RESULT = _FILLED | _RESULT


class _More:
    """What few values have."""

    __slots__ = ("exceptions", "notify", "parent")

    def __init__(self) -> None:
        self.notify: bool | str = False
        self.parent: Value | None = None
        self.exceptions: list[BaseException] = []


def _bit(mask: int) -> property:
    def read(value: Value) -> bool:
        return bool(value._flags & mask)

    def write(value: Value, flag: bool) -> None:
        value._flags = value._flags | mask if flag else value._flags & ~mask

    return property(read, write)


class Value:
    """The results of one event: a future that any number of handlers may add to.

    The first result is the value; with a second one it becomes the list of both, and further
    ones are appended. A result that is itself a ``Value`` (a handler returned ``self.fire(...)``)
    is nested: it keeps its place, and reading goes through it.

    Attributes:
        event: The event, or ``None``.
        manager: The component that fired it, or ``None``.
        result: Whether a result other than ``None`` has arrived.
        errors: Whether a handler failed; its error tuple is then one of the results.
        promise: Whether a handler of the event has been suspended.
        cut: Whether a handler could not end by itself: it was cancelled, or has stopped the
            application. *New in 2.1.*
        unheard: Whether no handler was there, and somebody waited. *New in 2.1.*
        notify: ``True`` or the name of an event that announces changes.
        handled: Free for those who pass values on.
    """

    # One is made for every event that is fired, and most are never looked at. So there are
    # slots, which `fire` fills by itself, and what is rare is in `_more`.
    __slots__ = (
        "__dict__",
        "__weakref__",
        "_event",
        "_flags",
        "_more",
        "_value",
        "manager",
    )

    _event: BaseEvent | None
    manager: Manager | None
    _value: Any
    _flags: int
    _more: _More  # only when the flag says so

    def __init__(self, event: BaseEvent | None = None, manager: Manager | None = None) -> None:
        self._event = event
        self.manager = manager
        self._value = None
        self._flags = 0

    if TYPE_CHECKING:
        result: bool
        errors: bool
        promise: bool
        handled: bool
        cut: bool
        unheard: bool
    else:
        result = _bit(_RESULT)
        errors = _bit(_ERRORS)
        promise = _bit(_PROMISE)
        handled = _bit(_HANDLED)
        cut = _bit(_CUT)
        unheard = _bit(_UNHEARD)

    @property
    def event(self) -> BaseEvent | None:
        """The event whose results these are, or ``None``."""
        event = self._event
        if self._flags & PARTED:
            self._flags &= ~PARTED
            if event is not None and event._event_value is None:
                event._event_value = self
        return event

    @event.setter
    def event(self, event: BaseEvent | None) -> None:
        self._event = event
        self._flags &= ~PARTED

    def _extend(self) -> _More:
        if not self._flags & _MORE:
            self._more = _More()
            self._flags |= _MORE
        return self._more

    @property
    def notify(self) -> bool | str:
        """``True`` or the name of an event that announces changes."""
        return self._more.notify if self._flags & _MORE else False

    @notify.setter
    def notify(self, notify: bool | str) -> None:
        self._extend().notify = notify

    @property
    def is_list(self) -> bool:
        """Whether there are several results, and the value is the list of them.

        .. versionadded:: 2.1
        """
        return bool(self._flags & _SEVERAL)

    @property
    def is_empty(self) -> bool:
        """Whether no handler has returned anything, not even a value that is still empty.

        .. versionadded:: 2.1
        """
        return not self._flags & _FILLED

    @property
    def _parent(self) -> Value | None:
        return self._more.parent if self._flags & _MORE else None

    @_parent.setter
    def _parent(self, parent: Value | None) -> None:
        self._extend().parent = parent

    @property
    def parent(self) -> Value:
        """The value that this one is nested in, or this one itself."""
        return self if self._parent is None else self._parent

    @parent.setter
    def parent(self, parent: Value) -> None:
        self._parent = None if parent is self else parent

    @property
    def exceptions(self) -> list[BaseException]:
        """What the failed handlers raised, in order, nested values included.

        .. versionadded:: 2.1
        """
        value, later = self, []
        found: list[BaseException] = []
        while True:
            if value._flags & _MORE:
                found += value._more.exceptions
            if value._flags & _SEVERAL:
                later += [item for item in reversed(value._value) if isinstance(item, Value)]
            elif isinstance(value._value, Value):
                later.append(value._value)
            if not later:
                return found
            value = later.pop()

    # -- writing --

    def setValue(self, value: Any) -> None:  # the name that programs use
        """Add a result. ``None`` is no result."""
        if value is None:
            return
        if isinstance(value, Value):
            self._nest(value)
            return
        flags = self._flags
        if not flags & _FILLED:
            self._value = value
        else:
            self._add(value)
        self._flags = flags = self._flags | HAS_RESULT
        if flags & _MORE or (self._event is not None and self._event._event_notify):
            self._changed()

    def _add(self, value: Any) -> None:
        if self._flags & _SEVERAL:
            self._value.append(value)
        else:
            self._value = [self._value, value]
            self._flags |= _SEVERAL

    def _nest(self, value: Value) -> None:
        if value is self or (value._flags & _FILLED and value._encloses(self)):
            return  # a handler returned the value of the event that it handles
        value._parent = self
        if self._flags & _FILLED:
            self._add(value)
        else:
            self._value = value
            self._flags |= _FILLED
        if value.result:
            self._follow(value)
            self._changed()

    def fail(self, error: tuple[type[BaseException], BaseException, list[str]]) -> None:
        """Add the error tuple of a handler that raised.

        .. versionadded:: 2.1
        """
        self.errors = True
        self._extend().exceptions.append(error[1])
        self.setValue(error)

    def inform(self, force: bool = False) -> None:
        """Fire the notification of a change, if somebody asked for it.

        Args:
            force: Also while handlers of the event are still suspended.
        """
        if self.promise and not force:
            return
        event = self._event
        notify = (event is not None and event._event_notify) or self.notify
        manager = self.manager
        if not notify or manager is None:
            return
        try:
            if isinstance(notify, str):
                changed = Event.create(notify, self)
            elif event is not None:
                changed = derived_class(ValueChanged, "ValueChanged", event)(self)
                changed.parent = event
            else:
                changed = ValueChanged(self)
            manager.fire(changed, manager)
        except Exception as problem:  # no class may have that name
            manager._tree_engine.report(problem, None, event)

    def _changed(self) -> None:
        # A loop, as chains of nested values may be longer than calls may be deep.
        value = self
        while True:
            more = value._more if value._flags & _MORE else None
            event = value._event
            if (more is not None and more.notify) or (event is not None and event._event_notify):
                value.inform()
            if more is None or more.parent is None:
                return
            more.parent._follow(value)
            value = more.parent

    def _follow(self, nested: Value) -> None:
        self._flags |= nested._flags & _FOLLOWED

    def _encloses(self, other: Value) -> bool:
        node: Value | None = other
        while node is not None:
            if node is self:
                return True
            node = node._parent
        return False

    # -- reading --

    def getValue(self, recursive: bool = True) -> Any:  # the name that programs use
        """The result so far, the list of several, or ``None``.

        Args:
            recursive: Go through a nested value down to plain data.
        """
        value = self._value
        if recursive:
            while isinstance(value, Value):
                value = value._value
        return value

    value = property(
        getValue, setValue, doc="The result so far, or the list of several; assigning adds one."
    )

    def __contains__(self, item: Any) -> bool:
        value = self.value
        return bool(item in value if isinstance(value, list) else item == value)

    def __getitem__(self, key: Any) -> Any:
        return _unwrap(self.value[key])

    def __iter__(self) -> Iterator[Any]:
        return map(_unwrap, self.value)

    def __str__(self) -> str:
        return str(self.value)

    def __repr__(self) -> str:
        shown = repr(self.value) if self.result else ""
        return f"<Value ({shown}) result: {self.result} errors: {self.errors} for {self.event!r}>"

    def __getstate__(self) -> dict[str, Any]:
        names = ("event", "_value", "_flags")
        state = {**vars(self), **{name: getattr(self, name) for name in names}}
        if self._flags & _MORE:
            more = self._more
            state["_more"] = (more.notify, more.parent, more.exceptions)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.manager, self._flags = None, 0
        more = state.pop("_more", None)
        for name, value in state.items():
            setattr(self, name, value)
        if more is not None:
            self._more = _More()
            self._more.notify, self._more.parent, self._more.exceptions = more


def _unwrap(item: Any) -> Any:
    return item.value if isinstance(item, Value) else item
