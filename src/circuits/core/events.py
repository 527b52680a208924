"""Events: what components tell each other, and what the kernel tells them.

An event is its arguments, a name, and the channels that it was fired on. Everything else has
a default on the class, so that making one costs two attributes. What the kernel keeps with an
event is in ``_event_state``, what somebody may want of it beyond its handlers in ``_flags``.

The names in lower case are the same classes, as the 3.x line has them; the names of the events
stay those of 2.1.
"""

from __future__ import annotations

from ._created import class_for
from ._event_state import EventState
from ._fields import Generic, R, dataclass_transform, declare_fields
from ._flags import FLAGS, HAS_EXTRAS, Arguments, EventMetaClass, Keywords, ValueOf, declare_class
from .utils import uncamel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import FrameType
    from typing import Any, ClassVar, Self

    from .manager import Manager
    from .values import Value

__all__ = [
    "BaseEvent",
    "Complete",
    "DerivedEvent",
    "Done",
    "Error",
    "Event",
    "EventMetaClass",
    "Failure",
    "GenerateEvents",
    "HangUp",
    "LiteralEvent",
    "Registered",
    "Signal",
    "Started",
    "Stopped",
    "Success",
    "Unregister",
    "Unregistered",
]


class BaseEvent(EventState, metaclass=EventMetaClass):
    """What :class:`Event` derives from.

    All arguments are passed on to the handlers.

    Attributes:
        name: What handlers bind to; by default the uncamelled class name. A ``name`` in the
            class body sets it and is not inherited.
        args: List of the positional arguments. Handlers may change it.
        kwargs: Dictionary of the keyword arguments.
        channels: Where the event goes. Set on the class, a default; set by ``fire``, the
            channels of this firing.
        value: The :class:`~circuits.core.values.Value` of the latest firing, or ``None``.
        success: Ask for ``<name>_success`` when no handler failed.
        failure: Ask for ``<name>_failure`` each time that a handler fails.
        complete: Ask for ``<name>_complete`` when the event and all that it caused is over.
        success_channels, failure_channels, complete_channels: Where those events go, instead
            of to the channels of this one.
        notify: Ask for ``<name>_value_changed`` at each result; a string names another event.
        handler: The bound handler that is being run, during dispatch.
        waitingHandlers: How many handlers of the event are suspended.
        stopped, cancelled: Whether :meth:`stop` or :meth:`cancel` was called.
        parent: For a derived event, the event that it tells about.
        uid: Free for applications.
    """

    uid: Any = None
    parent: BaseEvent | None = None
    remote: bool = False

    if TYPE_CHECKING:
        name: ClassVar[str]
        args: list[Any]
        kwargs: dict[str, Any]
        notify: bool | str
        success: bool
        failure: bool
        complete: bool
        alert_done: bool
        success_channels: Iterable[Any]
        failure_channels: Iterable[Any]
        complete_channels: Iterable[Any]
        stopped: bool
        cancelled: bool
        value: Value
    else:
        args = Arguments()
        kwargs = Keywords()
        value = ValueOf()
    _event_name = "base_event"
    _event_key: str | None = "base_event"
    _literal = False
    #: How an instance of a class made at run time is made again, for pickling.
    _recipe: ClassVar[tuple[Any, ...] | None] = None
    #: Classes made at run time from this one; each class has its own.
    _event_created: dict[Any, type[BaseEvent]] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._event_args = args
        self._event_value = None  # type: ignore[assignment]  # from the class it would cost more
        if kwargs:
            self.kwargs = kwargs

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        declare_class(cls, cls.__name__ if cls._literal else uncamel(cls.__name__))
        declare_fields(cls)

    @classmethod
    def create(cls, name: str, *args: Any, **kwargs: Any) -> Self:
        """Make an event of a class that is made at run time.

        Args:
            name: Name of the class, which derives from the one this is called on; its
                uncamelled form is the name of the event.
            *args: Arguments of the event.
            **kwargs: Keyword arguments of the event.
        """
        made: type[Any] = class_for(
            cls, name, lambda: _new_class(name, (cls,), {"_recipe": (cls, name)})
        )
        event: Self = made(*args, **kwargs)
        return event

    def child(self, topic: str, *args: Any, **kwargs: Any) -> DerivedEvent:
        """Make the event ``<name>_<topic>`` whose ``parent`` and first argument is this one.

        .. versionadded:: 2.1
           From the 3.x line.
        """
        return DerivedEvent.create(topic, self, *args, **kwargs)

    def stop(self) -> None:
        """Keep the event from the handlers that have not run yet.

        To be called by a handler. Its own result is still stored, and the feedback events
        come as usual.
        """
        self.stopped = True
        self._event_flag()

    def cancel(self) -> None:
        """Discard the event when its turn comes: no handler runs and no feedback is fired.

        Whoever waits for it with ``call`` or ``wait`` goes on, with a value without result.
        Once dispatch has begun it is too late, and nothing happens.
        """
        self.cancelled = True
        self._event_flag(HAS_EXTRAS)

    def __getitem__(self, key: int | str) -> Any:
        if isinstance(key, int):
            return self.args[key]
        if isinstance(key, str):
            return self.kwargs[key]
        raise TypeError(f"an event is indexed by int or str, not {type(key).__name__}")

    def __setitem__(self, key: int | str, value: Any) -> None:
        if isinstance(key, int):
            self.args[key] = value
        elif isinstance(key, str):
            self.kwargs[key] = value
        else:
            raise TypeError(f"an event is indexed by int or str, not {type(key).__name__}")

    def __getstate__(self) -> dict[str, Any]:
        state = self._event_lasting_state()
        state["_event_args"] = [*self._event_args]
        return state

    def __reduce__(self) -> tuple[Any, ...]:
        cls = type(self)
        if cls._recipe is not None and "_recipe" in cls.__dict__:
            return (_recreate, cls._recipe, self.__getstate__())
        return (_blank, (cls,), self.__getstate__())


for _attribute, _flag in FLAGS.items():
    type.__setattr__(BaseEvent, _attribute, _flag)


def literal_class(cls: type[BaseEvent], name: str) -> type[Any]:
    """The class behind ``LiteralEvent.create(cls, name)``."""

    def make() -> type[BaseEvent]:
        if issubclass(cls, LiteralEvent):
            bases: tuple[type, ...] = (cls,)
        elif issubclass(LiteralEvent, cls):
            bases = (LiteralEvent,)
        else:
            bases = (cls, LiteralEvent)
        return _new_class(
            name, bases, {"name": name, "_literal": True, "_recipe": (cls, name, True)}
        )

    return class_for(cls, (name, True), make)


def derived_class(cls: type[DerivedEvent], topic: str, event: BaseEvent) -> type[Any]:
    """The class for one topic of one event class (or of an instance that has its own name)."""

    def make() -> type[BaseEvent]:
        source, suffix = type(event), uncamel(topic)
        title = f"{source.__name__}_{suffix}" if source._literal else source.__name__ + topic
        return _new_class(title, (cls,), {"name": f"{event._event_name}_{suffix}"})

    return class_for(event, (cls, topic), make)


def _new_class(name: str, bases: tuple[type, ...], body: dict[str, Any]) -> type[Any]:
    return EventMetaClass(name, bases, body)


def _blank(cls: type[BaseEvent]) -> BaseEvent:
    return cls.__new__(cls)


def _recreate(cls: type[BaseEvent], name: str, literal: bool = False) -> BaseEvent:
    return _blank(literal_class(cls, name) if literal else type(cls.create(name)))


@dataclass_transform()
class Event(BaseEvent, Generic[R]):
    """A message to the components that listen for its name on its channels.

    Subclass it, and the arguments of the constructor are what handlers are called with::

        class Moved(Event[None]):
            x: int
            y: int

    Annotated fields make a typed constructor and attributes that are views on ``args``. A class
    without fields takes any arguments. ``Event[R]`` names the type of the result.
    """


class LiteralEvent(Event):
    """Marks event classes whose name is taken as it is: ``GET`` stays ``GET``."""

    _literal = True

    @staticmethod
    def create(cls: type[BaseEvent], name: str, *args: Any, **kwargs: Any) -> Any:  # type: ignore[override]  # noqa: PLW0211
        """Make an event of a run-time class whose event name is exactly ``name``.

        Args:
            cls: The event class to derive from, beside this one.
            name: Name of the class and of the event.
            *args: Arguments of the event.
            **kwargs: Keyword arguments of the event.
        """
        return literal_class(cls, name)(*args, **kwargs)


class DerivedEvent(Event):
    """Tells what became of another event, which is its first argument and its ``parent``."""

    @classmethod
    def create(cls, topic: str, event: BaseEvent, *args: Any, **kwargs: Any) -> Self:  # type: ignore[override]
        """Make the event ``<name of event>_<topic>``.

        Args:
            topic: What happened, in the form of a class name: ``"Success"``.
            event: The event it happened to.
            *args: Further arguments.
            **kwargs: Keyword arguments.
        """
        derived: Self = derived_class(cls, topic, event)(event, *args, **kwargs)
        derived.parent = event
        return derived


# -- what the kernel fires ------------------------------------------------------------------


class Error(Event):
    """A handler raised an exception.

    Fired once per exception by the root, on the root's channel. ``fevent`` is the event whose
    handler it was. Return values are ignored.

    Args:
        type: Class of the exception.
        value: The exception.
        traceback: The formatted traceback, a list of strings.
        handler: The bound handler that raised, if known.
    """

    fevent: ClassVar[BaseEvent | None] = None

    def __init__(
        self,
        type: type[BaseException],  # documented names
        value: BaseException,
        traceback: list[str],
        handler: Callable[..., Any] | None = None,
    ) -> None:
        super().__init__(type, value, traceback, handler)


exception = Error


class Done(DerivedEvent):
    """All handlers of an event are done, failed or not.

    Fired by the root as ``<name>_done`` with ``(event, value)`` on the event's channels, if its
    ``alert_done`` is set.
    """


done = Done


class Success(DerivedEvent):
    """All handlers of an event are done and none failed.

    Fired by the root as ``<name>_success`` with ``(event, value)`` on the event's
    ``success_channels``, else on its channels, if the event's ``success`` is set.
    """


success = Success


class Complete(DerivedEvent):
    """An event and everything that it caused, directly or not, is over.

    Fired by the root as ``<name>_complete`` with ``(event, value)`` on the event's
    ``complete_channels``, else on its channels, if the event's ``complete`` is set.
    """


complete = Complete


class Failure(DerivedEvent):
    """A handler of an event failed.

    Fired by the root as ``<name>_failure`` with ``(event, (type, exception, traceback))`` on the
    event's ``failure_channels``, else on its channels, if the event's ``failure`` is set.
    """


failure = Failure


class Started(Event):
    """The application runs.

    Fired by the manager whose ``run`` was entered, on its own channel, once per run.

    Args:
        component: That manager.
    """

    def __init__(self, component: Manager) -> None:
        super().__init__(component)


started = Started


class Stopped(Event):
    """The application is about to end; what is queued is still dispatched.

    Fired by the manager that was stopped, on its own channel, once per run.

    Args:
        component: That manager.
    """

    _event_holds_end: ClassVar[bool] = True

    def __init__(self, component: Manager) -> None:
        super().__init__(component)


stopped = Stopped


class Signal(Event):
    """The process received a signal.

    Fired on the root's channel from within the signal handler that ``run`` installs.

    Args:
        signal: Number of the signal.
        stack: The interrupted frame.
    """

    def __init__(self, signal: int, stack: FrameType | None) -> None:
        super().__init__(signal, stack)


signal = Signal


class HangUp(Event):
    """The process is asked to read its configuration again, or its terminal is gone (SIGHUP).

    Fired everywhere (``"*"``), beside :class:`Signal`, if a component of the tree handles it by its
    name; otherwise SIGHUP ends the process, as it does without us. Return values are ignored.

    .. versionadded:: 2.1
    """

    def __init__(self) -> None:
        super().__init__()


class Registered(Event):
    """A component joined a tree.

    Fired by the component on its own channel, when it is in the tree already.

    Args:
        component: The component.
        manager: Its new parent.
    """

    def __init__(self, component: Manager, manager: Manager) -> None:
        super().__init__(component, manager)


registered = Registered


class Unregister(Event):
    """Ask a component to leave its tree.

    Fired by anyone: on the component's channel with the component as argument, or without
    argument and with the component itself as channel.

    Args:
        component: Which one.
    """

    def __init__(self, component: Manager | None = None) -> None:
        super().__init__(component)


unregister = Unregister


class Unregistered(Event):
    """A component has left its tree.

    Fired by the component on its own channel; both the tree it left and the component itself
    see it.

    Args:
        component: The component.
        manager: Its former parent.
    """

    _event_holds_end: ClassVar[bool] = True

    def __init__(self, component: Manager, manager: Manager) -> None:
        super().__init__(component, manager)


unregistered = Unregistered


class GenerateEvents(Event):
    """The loop has nothing to do and asks for events.

    Dispatched on ``"*"`` once per turn of the loop, if somebody listens. A handler that made
    events or wants to be asked again soon calls :meth:`reduce_time_left`. A handler that
    *waits* must be a filter, wait no longer than ``time_left``, and its component must have a
    method ``resume`` that ends the wait.

    Args:
        lock: Re-entrant lock that protects ``time_left``.
        max_wait: Seconds that may be spent waiting; negative means without limit.
    """

    def __init__(self, lock: Any, max_wait: float) -> None:
        super().__init__()
        self._lock = lock
        self._time_left = max_wait

    @property
    def lock(self) -> Any:
        """The lock that protects ``time_left``."""
        return self._lock

    @property
    def time_left(self) -> float:
        """Seconds that may still be spent waiting; negative means without limit."""
        return self._time_left

    def reduce_time_left(self, time_left: float) -> None:
        """Lower the time that may be spent waiting; a larger value changes nothing.

        At 0, if a handler of this event is running, its component's ``resume`` is called.

        Args:
            time_left: Seconds, 0 or more.
        """
        with self._lock:
            if time_left >= 0 and (self._time_left < 0 or self._time_left > time_left):
                self._time_left = time_left
                if time_left == 0 and self.handler is not None:
                    resume = getattr(getattr(self.handler, "__self__", None), "resume", None)
                    if resume is not None:
                        resume()


generate_events = GenerateEvents
