"""Components: joining and leaving the tree (manual: circuits.core.components)."""

from __future__ import annotations

import _thread
import sys

from ._flags import WAITED
from ._mistakes import check_channels
from ._reports import log_unused
from ._routing import EVERYWHERE, FAREWELL, TREE_LOCK, is_below
from .errors import SingletonError, UnregistrableError
from .events import Event, Registered, Unregistered
from .handlers import (
    SELF,
    HandlerMetaClass,
    HandlerName,
    collect_specs,
    handler,
    is_coroutine_function,
)
from .manager import Manager
from .utils import flatten

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar, Self

    from ._engine import Engine

__all__ = ["BaseComponent", "Component", "PrepareUnregister", "SingletonError", "check_singleton"]


class PrepareUnregister(Event):
    """A component is about to leave, with all below it.

    Fired by the component on its own channel. When this event and all that it causes is over,
    the component leaves: handle it to give up what refers to the component.

    Args:
        component: The component that will leave.
    """

    complete: ClassVar[bool] = True  # type: ignore[misc]
    _event_holds_end: ClassVar[bool] = True

    def __init__(self, component: Manager) -> None:
        super().__init__(component)
        self.complete_channels = (component,)

    def _choose_routes(self, routes: tuple[Any, ...]) -> tuple[Any, ...] | None:
        # Where nobody hears of it and nothing can come in between, the component may leave right
        # now, which saves the events that would come after this one.
        # What the end of one that counts for an event brings about would not count for that.
        if routes or self._event_flags & WAITED or self._event_cause is not None:
            return routes
        return None if self.args[0]._leave_unobserved() else routes

    def in_subtree(self, component: Manager) -> bool:
        """Whether a component is the one that leaves, or below it."""
        return is_below(component, self.args[0])


prepare_unregister = PrepareUnregister


class _Channel:
    """The channel of a component: a default on the class, and an attribute whose change counts.

    A class body says ``channel = "bob"``; that default moves aside when the class is made, so
    that setting the attribute of an instance always comes past here.
    """

    def __get__(self, component: BaseComponent | None, owner: type[BaseComponent]) -> Any:
        return owner._tree_default_channel if component is None else component._tree_channels[0]

    def __set__(self, component: BaseComponent, channel: Any) -> None:
        channel = "*" if _is_false(channel) else channel
        check_channels((channel,), type(component).__name__)
        with TREE_LOCK:
            engine = getattr(component, "_tree_live", None)
            if engine is not None:
                engine.routes.remove(component)
            component._tree_channels = (channel,)
            if component._tree_is_bare and component._tree_channels != EVERYWHERE:
                component._tree_is_bare = False
            if engine is not None:
                engine.routes.add(component)


def _is_false(channel: Any) -> bool:
    # A component is a channel too, and false while its queue is empty.
    return not isinstance(channel, Manager) and not channel


class BaseComponent(Manager):
    """A part of an application: handlers on a channel, and a place in the tree.

    Methods marked with :func:`~circuits.core.handlers.handler` are called for the events that
    match. Attributes that are components, and set before this constructor runs, are registered.
    If there is a method ``init``, it is called with the arguments of the constructor.

    Args:
        *args: For ``init``.
        channel: Where to listen and to fire, instead of the class's ``channel``. Any hashable
            object; a false one stands for ``"*"``, every channel.
        **kwargs: For ``init``.

    Attributes:
        singleton: ``True``: no other instance of this very class may be in the tree. A class:
            no other instance of that class or of one derived from it.
    """

    singleton: ClassVar[bool | type] = False
    _tree_default_channel: ClassVar[Any] = "*"
    #: Whether it may join without ``registered``, where nobody hears of that.
    _tree_joins_quietly: ClassVar[bool] = False
    #: Whether ``init`` is called behind the constructor, and not in that of this class.
    _tree_inits_last: ClassVar[bool] = False
    #: The default of a constructor's parameter, which nobody has given, where the class says otherwise.
    _tree_ignored_channel: str | None = None

    if TYPE_CHECKING:
        channel: Any
    else:
        channel = _Channel()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "init" in cls.__dict__ and "__init__" not in cls.__dict__:
            _call_init_last(cls)
        if "channel" in cls.__dict__ and not hasattr(cls.__dict__["channel"], "__get__"):
            cls._tree_default_channel = cls.__dict__["channel"]
            delattr(cls, "channel")

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Make the component with its handlers, before any constructor runs."""
        component = super().__new__(cls)
        if "_tree_specs" not in cls.__dict__:
            _prepare_class(cls)
        for attribute, function in cls._tree_inherited:
            setattr(component, attribute, function.__get__(component))
        place = cls._tree_channel_place
        if place is not None and "channel" not in kwargs and len(args) <= place[1]:
            component._tree_ignored_channel = place[0]
        return component

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        cls = type(self)
        if kwargs and "channel" in kwargs:
            channel = kwargs["channel"]
            if self._tree_ignored_channel is None or channel != self._tree_ignored_channel:
                self.channel = channel
        may_set_first = cls._tree_may_set_first
        if may_set_first or cls._tree_parts:
            # Looking into the dictionary makes every attribute slower from then on, so it is left
            # alone where nobody can have put anything there yet.
            given = vars(self).values() if may_set_first else ()
            for child in [*cls._tree_parts, *given]:
                if not isinstance(child, BaseComponent) or child is self or child is self.parent:
                    continue
                if child.parent is not self:  # under two names, or registered by hand
                    child.register(self)
        if cls.init is not BaseComponent.init and not cls._tree_inits_last:
            init = getattr(self, "init", None)
            if callable(init):
                init(*args, **kwargs)
                return
        if (args or kwargs) and cls.__init__ is BaseComponent.__init__:
            log_unused(self, args, kwargs)

    def init(self, *args: Any, **kwargs: Any) -> None:
        """For subclasses: called with the arguments of the constructor when that is done.

        It does nothing here; it is there to be called by those that override it.
        """

    if TYPE_CHECKING:
        _tree_inherited: ClassVar[tuple[tuple[str, Any], ...]]
        _tree_parts: ClassVar[list[BaseComponent]]
        _tree_may_set_first: ClassVar[bool]
        _tree_channel_place: ClassVar[tuple[str, int] | None]

    # -- joining and leaving --

    def register(self, parent: Manager) -> Self:
        """Join the tree of ``parent``, as its last child, with all components below.

        When this returns, the component is in the tree and has fired ``Registered``. A
        component that has another parent leaves it first; one that is there already stays where
        it is. May be called from any thread.

        Raises:
            TypeError: ``parent`` is no manager.
            SingletonError: The tree has a component that excludes this one.
            UnregistrableError: Both trees are running, or ``parent`` is below this component.
        """
        if not isinstance(parent, Manager):
            hint = ", which is a class: make one" if isinstance(parent, type) else ""
            raise TypeError(f"a component is registered to a manager, not to {parent!r}{hint}")
        with TREE_LOCK:
            before = self.parent
            if before is parent or parent is self:
                if parent is self:
                    if before is not self:
                        self._tree_detach()
                    return self
                if self in parent.components and not self._tree_leaving:
                    self.fire(Registered(self, parent))
                    return self
            children = self._tree_children
            if children or self.singleton is not False:
                if is_below(parent, self):
                    raise UnregistrableError(
                        f"{self!r} cannot be registered to {parent!r}, which is below it"
                    )
                if check_singleton(self, parent):
                    raise SingletonError(self)
            try:
                engine = parent._tree_live
            except AttributeError:
                engine = parent._tree_engine
            own = getattr(self, "_tree_live", None)
            if own is not None:
                if own is not engine and engine.loop.thread is not None and self._tree_runs(own):
                    raise UnregistrableError(
                        f"{self!r} is running and cannot join {engine.root!r}, which runs too"
                    )
            if before is not self:
                self._tree_detach()
                own = getattr(self, "_tree_live", None)
            parent._tree_births = self._tree_birth = parent._tree_births + 1
            self.parent = parent
            siblings = parent._tree_children
            if siblings is None:
                siblings = parent.components
            siblings[self] = None
            engine.adopt(self, own)
            self._tree_leaving = False
        if children:
            for node in flatten(self):
                node._tree_joined()
        else:
            self._tree_joined()
        if not (self._tree_joins_quietly and self._tree_joins_unseen(engine)):
            self.fire(Registered(self, parent))
        return self

    def unregister(self) -> Self:
        """Leave the tree, in two steps.

        First ``PrepareUnregister`` is fired, and only the farewell events still reach the
        component. When it and everything that it caused is over, the component is taken out,
        and ``Unregistered`` is fired. Nothing happens if the component is a root or leaving.
        """
        with TREE_LOCK:
            if self._tree_leaving or self.parent is self:
                return self
            self._tree_leaving = True
            routes = self._tree_engine.routes
            for node in self._tree_subtree():
                for spec in node._tree_specs:
                    if spec.channel is not SELF:
                        for name in spec.keys:
                            routes.forget(name)
        self.fire(PrepareUnregister(self))
        return self

    @property
    def unregister_pending(self) -> bool:
        """Whether the component is about to leave."""
        return self._tree_leaving

    @handler("unregister")
    def _on_unregister(self, event: Event, component: Manager | None = None) -> None:
        if component is self or (component is None and any(c is self for c in event.channels)):
            self.unregister()

    @handler("prepare_unregister_complete", channel=SELF)
    def _on_prepare_unregister_complete(self, source: PrepareUnregister, value: Any) -> None:
        if source.args[0] is not self or not self._tree_leaving:
            return
        self._tree_depart()

    def _leave_unobserved(self) -> bool:
        """Leave at once, if nobody hears of ``prepare_unregister_complete``."""
        if not self._tree_leaving or not self._tree_engine.is_quiet():
            return False
        if self._tree_is_heard("prepare_unregister_complete"):
            return False
        self._tree_depart()
        return True

    def _tree_is_heard(self, *names: str) -> bool:
        routes = self._tree_engine.routes
        if routes.awaited and not routes.awaited.isdisjoint(names):
            return True
        return routes.knows(*names)

    def _tree_joins_unseen(self, engine: Engine) -> bool:
        """Whether nobody hears of ``registered``: the event can be left out then.

        Somebody who begins to listen while what is queued is being dispatched hears nothing of it.
        """
        queue, loop = engine.queue, engine.loop
        if loop.thread != _thread.get_ident():
            return False
        if Registered._event_class_flags:  # a program may ask for ``registered_success``
            return False
        if engine.unseen_epoch == queue.epoch and self._tree_is_bare:
            return True
        if (
            loop.runner is None
            or engine.tap is not None
            or engine.tracing is not None
            or "registered" in engine.routes.awaited
            or engine.route("registered", self._tree_channels)
        ):
            return False
        if self._tree_is_bare and not self._tree_is_heard(*FAREWELL):
            engine.unseen_epoch = queue.epoch
        return True

    def _tree_leave_or_unregister(self) -> None:
        """Unregister; at once and without the events of that, if nobody hears them.

        Somebody who begins to listen while what is queued is being dispatched hears nothing of
        it. That is the price of ten thousand timers.
        """
        with TREE_LOCK:  # another thread may move it
            if (
                not self._tree_is_bare  # what is queued for it comes first
                or self._tree_leaving
                or self.parent is self
                or self._tree_children
            ):
                self.unregister()
                return
            engine = self._tree_live
            if engine.unseen_epoch != engine.queue.epoch and self._tree_is_heard(*FAREWELL):
                self.unregister()
                return
            # What _tree_detach does, for one that is bare, so has no tasks, and has none below.
            siblings = self.parent._tree_children
            if siblings:
                siblings.pop(self, None)
            self.parent = self
            routes = engine.routes
            if routes.bare_are_routed or self._tree_targeted is not None:
                routes.remove(self)
            else:
                routes.bare_moves += 1  # what Routes.remove does, without the calls
            del self._tree_live
            self._tree_left(engine)

    def _tree_depart(self) -> None:
        with TREE_LOCK:
            engine = self._tree_engine
            farewell = None
            if not engine.is_quiet() or self._tree_is_heard("unregistered"):
                farewell = Unregistered(self, self.parent)
                self.fire(farewell)
            self._tree_detach()
        # The old tree dispatches it; the component has left and is told here, since what it
        # must clean up hangs on it.
        if farewell is not None:
            engine.deliver_to(self, farewell)

    def _tree_detach(self) -> None:
        """Leave the parent at once. The caller holds TREE_LOCK."""
        try:
            engine = self._tree_live
        except AttributeError:
            engine = self._tree_engine
        self.parent.components.pop(self, None)
        self.parent = self
        self._tree_leaving = False
        nodes = self._tree_subtree()
        for node in nodes:
            engine.routes.remove(node)
            del node._tree_live
            if node._tree_wants_hang_up:
                engine.want_hang_up(node, False)
        engine.tasks.cancel_of(nodes)
        for node in nodes:
            node._tree_left(engine)
        if self._tree_runs(engine):  # it had joined while it ran
            engine.loop.move_run(self._tree_engine.loop)
            for node in nodes:
                node._tree_joined()
            engine.loop.wake()

    def _tree_runs(self, engine: Engine) -> bool:
        """Whether what runs the tree is here or below, and so would go on if this left."""
        runner = engine.loop.runner
        return runner is not None and is_below(runner, self)

    # -- introspection --

    @classmethod
    def handlers(cls) -> list[str]:
        """The names of the events that instances handle, private ones left out."""
        if "_tree_specs" not in cls.__dict__:
            _prepare_class(cls)
        found: dict[str, str] = {}
        for spec in cls._tree_specs:
            for name in spec.keys if spec.channel is not SELF else ():
                if not name.startswith("_"):
                    found.setdefault(name, HandlerName(name, spec.function))
        return list(found.values())

    events = handlers

    @classmethod
    def handles(cls, *names: str) -> bool:
        """Whether instances handle events of all these names."""
        known = set(cls.handlers())
        return all(name in known for name in names)


#: Constructors that set no attribute before they call that of :class:`BaseComponent`.
PLAIN_CONSTRUCTORS: set[Any] = {BaseComponent.__init__}


class Component(BaseComponent, metaclass=HandlerMetaClass):
    """A component whose public methods are handlers of the events of their names."""


def _prepare_class(cls: type[BaseComponent]) -> None:
    """Freeze the handlers of a class, when its first instance is made."""
    specs = collect_specs(cls)
    # The farewell comes last, as the last thing a component hears.
    last = [spec for spec in specs if spec.channel is SELF]
    default = cls._tree_default_channel
    check_channels((default,), cls.__name__)
    cls._tree_channels = EVERYWHERE if _is_false(default) else (default,)
    cls._tree_specs = (*(spec for spec in specs if spec.channel is not SELF), *last)
    # Not by their number: one may be overridden by a handler of something else.
    own = BaseComponent._tree_specs or specs
    cls._tree_is_bare = cls._tree_channels == EVERYWHERE and (
        {spec.function for spec in specs} == {spec.function for spec in own}
    )
    cls._tree_parts = _class_components(cls)
    cls._tree_wants_hang_up = any("hang_up" in spec.names for spec in specs)
    cls._tree_needs_host = any(is_coroutine_function(spec.function) for spec in specs)
    cls._tree_may_set_first = (
        cls.__init__ not in PLAIN_CONSTRUCTORS or cls.__new__ is not BaseComponent.__new__
    )
    cls._tree_channel_place = _channel_place(cls)
    cls._tree_inherited = tuple(
        (spec.attribute, spec.function)
        for spec in cls._tree_specs
        if not hasattr(cls, spec.attribute)
    )


def _call_init_last(cls: type[BaseComponent]) -> None:
    """Have ``init`` called when the constructor that a class inherits is done.

    Where that is our own, it does so itself. Any other calls it in the middle, when nothing is there
    yet that comes behind.
    """
    construct: Any = cls.__init__
    if construct is BaseComponent.__init__ or cls._tree_inits_last:
        return
    if not construct.__module__.startswith("circuits."):
        return  # of an application, which has always had it so

    import functools

    @functools.wraps(construct)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        construct(self, *args, **kwargs)
        self.init(*args, **kwargs)

    cls.__init__ = __init__  # type: ignore[method-assign]
    cls._tree_inits_last = True


def _channel_place(cls: type[BaseComponent]) -> tuple[str, int] | None:
    """The default of the constructor's parameter ``channel``, if the class attribute is to hold.

    That is so where the attribute is of a class that derives from the one with the constructor:
    its default was not meant for that one. With the default comes how many arguments there may be
    before the parameter is given by its place.
    """
    declares = False
    for base in cls.__mro__:
        function = base.__dict__.get("__init__")
        code = getattr(function, "__code__", None)
        if code is not None and base is not BaseComponent:
            names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
            if "channel" in names:
                default = _default_of(function, "channel")
                if not declares or not isinstance(default, str):
                    return None
                place = names.index("channel") - 1  # without self
                by_place = place < code.co_argcount - 1 and cls.__init__ is function
                return default, place if by_place else sys.maxsize
        declares = declares or "_tree_default_channel" in base.__dict__
    return None


def _default_of(function: Any, name: str) -> Any:
    code = function.__code__
    if name in (function.__kwdefaults__ or ()):
        return function.__kwdefaults__[name]
    defaults = function.__defaults__ or ()
    names = code.co_varnames[: code.co_argcount]
    given = dict(zip(reversed(names), reversed(defaults), strict=False))
    return given.get(name)


def _class_components(cls: type) -> list[BaseComponent]:
    return [
        value
        for base in cls.__mro__
        if base not in _PLAIN_BASES
        for value in vars(base).values()
        if isinstance(value, BaseComponent)
    ]


_PLAIN_BASES = frozenset({Component, BaseComponent, Manager, object})

_prepare_class(BaseComponent)  # its handlers are those of a component that has none


def check_singleton(x: Manager, y: Manager) -> bool:
    """Whether a component below ``x`` may not be in the tree of ``y`` because of another one."""
    singles = [node for node in flatten(x) if getattr(node, "singleton", False) is not False]
    if not singles:
        return False
    others = list(flatten(y.root))
    for node in singles:
        rule = node.singleton  # type: ignore[attr-defined]
        for other in others:
            if other is node:
                continue
            if type(other) is type(node) if rule is True else isinstance(other, rule):
                return True
    return False
