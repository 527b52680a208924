"""Handlers: how a method says which events it handles (manual: circuits.core.handlers)."""

from __future__ import annotations

from types import FunctionType, MethodType

from ._mistakes import check_channels, no_handler_name
from ._written import is_event_name
from .errors import HandlerWarning
from .events import BaseEvent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from .manager import Manager

    F = TypeVar("F", bound=Callable[..., Any])

__all__ = ["HandlerMetaClass", "HandlerSpec", "Unknown", "handler", "reprhandler"]

_OPTIONS = {"channel": None, "priority": 0, "filter": False, "override": False, "stream": False}

#: Whose methods are not to be hidden by handlers without a word.
_KERNEL_MODULES = ("circuits.core.manager", "circuits.core.components")

#: What ``inspect`` calls CO_COROUTINE and CO_ASYNC_GENERATOR, without importing it.
_CO_COROUTINE, _CO_ASYNC_GENERATOR = 0x80, 0x200

#: Channel of a handler that only its own component can be told through.
SELF: Any = type("SELF", (), {"__repr__": lambda self: "SELF"})()


class Unknown:
    """Stands for the class of a handler that is bound to nothing."""


def handler(*names: str | type[BaseEvent] | bool, **options: Any) -> Callable[[F], F]:
    """Mark a function as a handler; it is returned itself.

    The function is called with the arguments of the event. If its first parameter (after
    ``self``) is named ``event``, it gets the event itself in front of them.

    Args:
        *names: Names of events, or their classes. None at all, or ``"*"``, means every event.
            A single ``False`` marks a method that is not a handler.
        channel: Where to listen; ``None`` stands for the channel of the component.
        priority: The higher, the earlier. Number.
        filter: Whether a result other than ``None`` keeps the event from further handlers.
        override: Whether this replaces the inherited handlers of the same method name;
            otherwise both run.
        stream: For ``request`` handlers of web components: to be called when the head of the
            request is there, before its body.

    Raises:
        TypeError: A name is neither ``str`` nor an event class, an option is unknown, or the
            channel is not hashable.
    """
    unknown = options.keys() - _OPTIONS.keys()
    if unknown:
        raise TypeError(
            f"handler() has no option {', '.join(sorted(unknown))}; "
            f"there are {', '.join(sorted(_OPTIONS))}"
        )
    if names == (False,):
        return _mark_as_no_handler
    texts = tuple(_name_of(name) for name in names)
    chosen = {**_OPTIONS, **options}
    if isinstance(chosen["priority"], bool) or not isinstance(chosen["priority"], int | float):
        raise TypeError(f"priority must be a number, not {chosen['priority']!r}")
    check_channels((chosen["channel"],), "a handler")

    def mark(function: F) -> F:
        if not callable(function):
            raise TypeError(f"handler() decorates functions, not {function!r}")
        if is_async_generator(function):
            raise TypeError(async_generator_text(function))
        target: Any = function
        target.handler = True
        target.names = texts
        for option in _OPTIONS:
            setattr(target, option, chosen[option])
        if not hasattr(target, "event"):
            target.event = wants_event(function)
        for name in names:
            if isinstance(name, type) and _declares_arguments(name):
                _check_signature(function, name)
        return function

    return mark


def is_coroutine_function(function: Any) -> bool:
    """Whether calling a function gives a coroutine."""
    return _is_marked(function, _CO_COROUTINE)


def is_async_generator(function: Any) -> bool:
    """Whether calling a function gives an asynchronous generator, which cannot be a handler."""
    return _is_marked(function, _CO_ASYNC_GENERATOR)


def _is_marked(function: Any, flag: int) -> bool:
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    return code is not None and bool(code.co_flags & flag)


def async_generator_text(function: Any) -> str:
    """Why that is so, and the cure."""
    return (
        f"{function.__qualname__} cannot be a handler: with async and yield it is an "
        "asynchronous generator; write await where it yields, or def without async"
    )


#: Public methods that are no handlers, as their names were those of no event, by these names.
passed_over: dict[str, Any] = {}


def warn_of_passed_over(name: str) -> None:
    """Warn that an event goes unheard, as the method of its name cannot be a handler; once."""
    function = passed_over.pop(name)
    _warn(async_generator_text(function), function)


def _mark_as_no_handler(function: F) -> F:
    function.handler = False  # type: ignore[attr-defined]
    return function


def _name_of(name: object) -> str:
    if isinstance(name, str):
        return name
    if isinstance(name, type) and issubclass(name, BaseEvent):
        return name.name
    raise TypeError(no_handler_name(name))


def wants_event(function: Callable[..., Any]) -> bool:
    """Whether the first parameter of a function, a leading ``self`` apart, is named ``event``."""
    if isinstance(function, FunctionType) and not hasattr(function, "__wrapped__"):
        code = function.__code__
        names = code.co_varnames[: code.co_argcount]
    else:
        import inspect  # expensive, and hardly ever needed

        try:
            parameters = inspect.signature(function).parameters.values()
        except (TypeError, ValueError):
            return False
        positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        names = tuple(p.name for p in parameters if p.kind in positional)
    if names[:1] == ("self",):
        names = names[1:]
    return names[:1] == ("event",)


def _declares_arguments(event: type[BaseEvent]) -> bool:
    # Without fields or a constructor of its own an event takes any arguments.
    return event.__init__ is not BaseEvent.__init__


def _check_signature(function: Callable[..., Any], event: type[BaseEvent]) -> None:
    from ._signatures import misfit  # needs inspect; only typed handlers pay

    problem = misfit(function, event)
    if problem:
        _warn(problem, function)


def _warn(problem: str, function: Callable[..., Any]) -> None:
    """Warn of a handler, where it stands in its source."""
    import warnings

    code = getattr(function, "__code__", None)
    if code is None:
        warnings.warn(problem, HandlerWarning, stacklevel=5)
        return
    warnings.warn_explicit(
        problem,
        HandlerWarning,
        code.co_filename,
        code.co_firstlineno,
        module=function.__module__,
        registry=function.__globals__.setdefault("__warningregistry__", {}),
    )


class HandlerMetaClass(type):
    """Makes each public method of a class a handler of the event of that name.

    Plain functions in the class body whose name does not begin with an underscore, ``init``
    apart, and that :func:`handler` has not touched, are marked.
    """

    def __init__(cls, name: str, bases: tuple[type, ...], ns: dict[str, Any]) -> None:
        super().__init__(name, bases, ns)
        for attribute, value in ns.items():
            if (
                isinstance(value, FunctionType)
                and attribute[0] != "_"
                and attribute != "init"
                and not hasattr(value, "handler")
            ):
                if is_async_generator(value) and not is_event_name(attribute):
                    # Something that others iterate over, and no handler; unless it is fired after all.
                    passed_over[attribute] = value
                    continue
                handler(attribute)(value)
                _warn_of_shadow(cls, attribute)


def _warn_of_shadow(cls: type, attribute: str) -> None:
    for base in cls.__mro__[1:]:
        if attribute in base.__dict__:
            if base.__module__ in _KERNEL_MODULES and not hasattr(
                base.__dict__[attribute], "handler"
            ):
                _warn(
                    f"{cls.__name__}.{attribute} becomes a handler of the event {attribute!r} and "
                    f"hides {base.__name__}.{attribute}; rename it and mark it with "
                    f'@handler("{attribute}"), or with @handler(False) if it is no handler',
                    cls.__dict__[attribute],
                )
            return


class HandlerSpec:
    """What one handler declares, frozen when its class is first used.

    Attributes:
        function: The function, or an already bound method.
        attribute: Under which name the component has it.
        names: Names of the events, () for every event.
        channel: Channel it declares, ``None`` for that of its component, ``SELF`` for itself.
        priority, filter, wants_event: As declared.
        skips: For handlers of ours that see every event: says of a component, a name and a channel
            that such events need not come to it.
    """

    __slots__ = (
        "attribute",
        "channel",
        "filter",
        "function",
        "keys",
        "names",
        "priority",
        "skips",
        "wants_event",
    )

    def __init__(self, function: Any, attribute: str, names: tuple[str, ...] | None = None) -> None:
        self.function = function
        self.attribute = attribute
        self.names: tuple[str, ...] = function.names if names is None else names
        #: The names that it is kept under: ``"*"`` when it has none.
        self.keys: tuple[str, ...] = self.names or ("*",)
        self.channel = function.channel
        self.priority = function.priority
        self.filter = bool(function.filter)
        self.wants_event = bool(function.event)
        self.skips: Callable[[Any, str, Any], bool] | None = getattr(function, "skips", None)

    @property
    def is_global(self) -> bool:
        """Whether it sees every event of the whole tree."""
        return not self.names and self.channel == "*"

    def bound_to(self, component: Manager) -> Callable[..., Any]:
        """The method to call on a component."""
        function = self.function
        return function if isinstance(function, MethodType) else MethodType(function, component)


def collect_specs(cls: type) -> tuple[HandlerSpec, ...]:
    """The handlers of a class: base classes first, each in the order of its body.

    A method that is defined again adds a handler, unless it says ``override=True``: then the
    inherited ones of that name go.
    """
    overridden: set[str] = set()
    chosen: list[list[HandlerSpec]] = []
    seen: set[int] = set()
    for base in cls.__mro__:
        specs = []
        ended = set()
        for attribute, value in base.__dict__.items():
            if not isinstance(value, FunctionType) or not getattr(value, "handler", False):
                continue
            if attribute in overridden or id(value) in seen:
                continue
            seen.add(id(value))
            _complete_marks(value)
            if value.override:  # type: ignore[attr-defined]
                ended.add(attribute)
            specs.append(HandlerSpec(value, _visible_name(cls, base, attribute)))
        overridden |= ended
        chosen.append(specs)
    return tuple(spec for specs in reversed(chosen) for spec in specs)


def _complete_marks(function: Any) -> None:
    """Give a function that somebody else's decorator has marked what it lacks."""
    for option, default in _OPTIONS.items():
        if not hasattr(function, option):
            setattr(function, option, default)
    names = getattr(function, "names", ())
    if not isinstance(names, tuple):
        function.names = (names,) if isinstance(names, str) else tuple(names)
    if not hasattr(function, "event"):
        function.event = wants_event(function)
    if not hasattr(function, "names"):
        function.names = ()


def _visible_name(cls: type, base: type, attribute: str) -> str:
    for candidate in cls.__mro__:
        if attribute in candidate.__dict__:
            return attribute if candidate is base else f"{base.__name__}_{attribute}"
    return attribute


class HandlerName(str):
    """The name of an event that a component handles, with what its handler declares.

    It is what ``handlers()`` tells: text for the programs of 2.1, and something with the attributes
    of a handler for those of the 3.x line.
    """

    def __new__(cls, name: str, function: Any) -> HandlerName:
        """Make the text, and take over the attributes."""
        self = super().__new__(cls, name)
        self.handler = True
        self.__name__ = getattr(function, "__name__", name)
        for attribute in ("names", "event", *_OPTIONS):
            setattr(self, attribute, getattr(function, attribute))
        return self

    if TYPE_CHECKING:
        __name__: str
        handler: bool
        names: tuple[str, ...]
        event: bool
        channel: Any
        priority: float
        filter: bool
        override: bool


def reprhandler(handler: Any) -> str:
    """Show a handler: ``<listener[channel.names] (Class.method)>``.

    Raises:
        AttributeError: The argument is not a handler.
    """
    kind = "filter" if handler.filter else "listener"
    owner = getattr(handler, "__self__", None)
    channel = handler.channel
    if channel is SELF:
        channel = owner
    if channel is None:
        where = "*"
    elif hasattr(channel, "getHandlers"):  # a component
        where = f"<instance of {type(channel).__name__}>"
    else:
        where = str(channel)
    cls = Unknown if owner is None else type(owner)
    return f"<{kind}[{where}.{'.'.join(handler.names)}] ({cls.__name__}.{handler.__name__})>"


def without(
    specs: tuple[HandlerSpec, ...], method: Any, component: Manager, name: str | None
) -> tuple[tuple[HandlerSpec, ...], list[HandlerSpec], list[HandlerSpec]]:
    """Take a handler of a component out, for one name or for all of its names.

    Returns:
        The handlers that are left; those taken out; and, of these, what is left for other names,
        which is among the first, too.
    """
    kept, removed, remainder = [], [], []
    for spec in specs:
        if spec.bound_to(component) != method or (name is not None and name not in spec.keys):
            kept.append(spec)
            continue
        removed.append(spec)
        names = tuple(n for n in spec.names if n != name)
        if name is not None and names:
            rest = HandlerSpec(spec.function, spec.attribute, names)
            rest.wants_event = spec.wants_event
            kept.append(rest)
            remainder.append(rest)
    return tuple(kept), removed, remainder
