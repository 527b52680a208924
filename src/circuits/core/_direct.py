"""A call instead of an event, where nobody can tell: the only place that knows when.

Most steps of the framework's own - a poller reads, a server writes, a controller answers - would
be an event that one handler hears and nobody else. Such a step is a call (decision 0002). Who
listens or waits for an event of that name at that moment turns it back into an event; so does
whatever is queued before it. A step that was a call is not seen by who begins to listen later,
though an event, which would have had to wait for its turn, might have been.

:class:`Direct` is the door through which all these steps go. It gives the handlers that may be
called now; who calls them hands their results and failures back, for which the event is made
after all.
"""

from __future__ import annotations

from ._flags import COMPLETE, DONE, FAILURE, HAS_EXTRAS, HAS_FEEDBACK_CHANNELS, NOTIFY, SUCCESS
from ._queue import EventQueue
from .values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import Any

    from ._engine import Engine
    from .events import BaseEvent
    from .manager import Manager

__all__ = ["Direct"]

#: The feedback that an event class may ask for.
_TOPICS = ((SUCCESS, "success"), (FAILURE, "failure"), (COMPLETE, "complete"), (DONE, "done"))


#: In place of an argument that there is not.
_ABSENT: Any = object()

#: Of nobody, until a door is gone through for the first time.
_NO_QUEUE = EventQueue()


class Direct:
    """The handlers of one kind of event, to be called where nobody could see the event.

    Args:
        owner: The component that would fire it.
        event_class: Which event.
        channels: Where it would be fired; ``None`` is the channel of the owner.
        feedback: What the event asks for that the owner, who alone handles it, sees to by
            itself: ``"success"``, ``"failure"``, ``"complete"``, ``"done"``.
        within: In whose handlers the owner fires it, if it does so in those of events. Handlers
            that come after those of the owner would be called before it.
        home: The owner's handlers of the event, as functions, that the owner need not call, since it
            can do the same.
        several: Whether the owner calls on after a result or a failure of a handler that is no
            filter, as dispatch does: then handlers that only look on, and say so by an attribute
            ``looks_on``, may come last. Any others before the last one must be filters, as what
            the last one fires could otherwise go before what the ones before have done by calls.

    Attributes:
        leads_home: Whether what :meth:`methods` has given is one of ``home`` alone.
        filters: Those of the methods that are filters.
        epoch: In which epoch of the queue the methods may be called. Two doors of one tree with the
            same have been looked at since anything has changed.
        queue, ready: What must be empty then, in that epoch.
        found: The methods; ``None`` if the event is to be fired.
        sole: The only one of them; ``None`` if there are several, or none.
    """

    __slots__ = (
        "_channels", "_event_class", "_feedback", "_home", "_names",
        "_owner", "_several", "_version", "_within", "epoch", "filters", "found", "leads_home",
        "queue", "ready", "sole",
    )  # fmt: skip

    def __init__(
        self,
        owner: Manager,
        event_class: type[BaseEvent],
        channels: tuple[Any, ...] | None = None,
        feedback: Collection[str] = (),
        within: Collection[str] = (),
        home: Collection[Callable[..., Any]] = (),
        several: bool = False,
    ) -> None:
        self._owner = owner
        self._event_class = event_class
        self._channels = channels
        self._feedback = feedback
        self._within = within
        self._home = home
        self._several = several
        self.filters: Collection[Callable[..., Any]] = ()
        self._version = -1  # of the routes that the methods and names were found in
        self.found: tuple[Callable[..., Any], ...] | None = None
        self.sole: Callable[..., Any] | None = None
        self._names: tuple[str, ...] = ()
        self.epoch = -1
        self.queue: EventQueue = _NO_QUEUE
        self.ready: Collection[Any] = ()
        self.leads_home = False

    @property
    def name(self) -> str:
        """Name of the event."""
        return self._event_class._event_name

    @property
    def channels(self) -> tuple[Any, ...]:
        """Where the event would be fired."""
        return self._owner._tree_channels if self._channels is None else self._channels

    def methods(self) -> tuple[Callable[..., Any], ...] | None:
        """The handlers, if they may be called now; ``None``: fire the event.

        They are called in this order until one gives something other than ``None``; with
        ``several``, until one of the filters does.
        """
        queue = self.queue
        if queue.epoch != self.epoch:
            return self._look()
        if queue or self.ready:
            return None
        return self.found

    def leads_home_since(self, other: Direct) -> bool:
        """Whether the owner need not call its handler, and nothing has changed since ``other`` was open."""
        queue = self.queue  # self.methods, without the call
        if queue.epoch != self.epoch:
            if self._look() is None:
                return False
        elif queue or self.ready:
            return False
        return self.leads_home and self.epoch == other.epoch

    def _look(self) -> tuple[Callable[..., Any], ...] | None:
        """Look at everything, and remember what holds until the queue's epoch ends."""
        try:
            engine = self._owner._tree_live  # most often there, and then faster than what finds it
        except AttributeError:
            engine = self._owner._tree_engine
        if engine.routes.version != self._version:
            self._study(engine)
        if self.found is None or not engine.is_quiet():
            return None
        if not engine.routes.awaited.isdisjoint(self._names):
            return None
        if engine.tap is not None:
            if engine.tap(self):  # each time: no epoch is remembered
                return None
        else:
            self.epoch = engine.queue.epoch
            self.queue, self.ready = engine.queue, engine.tasks.ready
        return self.found

    def _study(self, engine: Engine) -> None:
        """Look who handles the event, and its feedback, and what they want of it."""
        event_class, channels = self._event_class, self.channels
        self._version = engine.routes.version
        self.found = self.sole = None
        name, flags = event_class._event_name, event_class._event_class_flags
        routes = engine.route(name, channels)
        names = [name]
        if flags & (HAS_EXTRAS | HAS_FEEDBACK_CHANNELS) or any(
            wants_event for _, wants_event, _ in routes
        ):
            return
        for outer in self._within:
            others = engine.route(outer, self._owner._tree_channels)
            if others and not self._is_of_owner(others[-1][0]):
                return
        # Of several results, the first must be the only one.
        acting = len(routes)
        while self._several and acting and getattr(routes[acting - 1][0], "looks_on", False):
            acting -= 1
        if not all(is_filter for _, _, is_filter in routes[: max(0, acting - 1)]):
            return
        for bit, topic in _TOPICS:
            if flags & bit:
                names.append(f"{name}_{topic}")
                if not self._is_unheard(engine, names[-1], channels, topic in self._feedback):
                    return
        if flags & NOTIFY:
            names.append(f"{name}_value_changed")
            if not self._is_unheard(engine, names[-1], (self._owner,), True):
                return
        self._names = tuple(names)
        self.found = tuple(method for method, _, _ in routes)
        self.sole = self.found[0] if len(routes) == 1 else None
        self.filters = tuple(method for method, _, is_filter in routes if is_filter)
        self.leads_home = (
            len(routes) == 1
            and getattr(routes[0][0], "__func__", None) in self._home
            and self._is_of_owner(routes[0][0])
        )

    def _is_unheard(
        self, engine: Engine, name: str, channels: tuple[Any, ...], may_be_own: bool
    ) -> bool:
        """Whether nobody hears of an event, except perhaps the owner."""
        routes = engine.route(name, channels)
        if not routes:
            return True
        return may_be_own and len(routes) == 1 and self._is_of_owner(routes[0][0])

    def _is_of_owner(self, method: Callable[..., Any]) -> bool:
        return getattr(method, "__self__", None) is self._owner

    # -- the event after all --

    def event(self, *args: Any, **kwargs: Any) -> BaseEvent:
        """The event as if it had been fired and its turn had come."""
        event = self._event_class(*args, **kwargs)
        event.channels = self.channels
        event._event_value = Value(event, self._owner)
        event._event_at = None
        return event

    def take(self, event: BaseEvent, method: Callable[..., Any], result: Any) -> None:
        """Store what a handler returned, or suspend the handler."""
        self._owner._tree_engine.dispatch.take(event, method, result)

    def begin(self, method: Callable[..., Any], result: Any, *args: Any, **kwargs: Any) -> Any:
        """Take the first step of a handler that has returned a generator or a coroutine.

        Returns:
            What the handler gives in the end; the value of its event if that comes later.

        Raises:
            BaseException: The handler has.
        """
        tasks = self._owner._tree_engine.tasks
        return tasks.begin(method, result, lambda: self.event(*args, **kwargs))

    def failed(self, event: BaseEvent, method: Callable[..., Any], problem: BaseException) -> None:
        """Record what a handler raised, as dispatch does; to be called in ``except``."""
        self._owner._tree_engine.outcomes.fail(event, method, problem)

    # -- for steps whose results nobody asks for --
    # They have one or two arguments, which are passed on by number: to pack and unpack any number
    # takes longer than all the rest.

    def attempt(self, first: Any, second: Any = _ABSENT) -> bool:
        """Call the handlers, if they may be called now.

        Returns:
            Whether that is done.
        """
        return self.call(first, second, False)

    def call(self, first: Any, second: Any = _ABSENT, may_fire: bool = True) -> bool:
        """Call the handlers, or fire the event, unless that is not wanted.

        Returns:
            Whether it is done, and not queued.
        """
        queue = self.queue  # self.methods, without the call
        if queue.epoch != self.epoch:
            methods = self._look()
        else:
            methods = None if queue or self.ready else self.found
        if methods is None:
            if may_fire:
                args = (first,) if second is _ABSENT else (first, second)
                self._owner.fire(self._event_class(*args), *self.channels)
            return False
        for method in methods:
            try:
                result = method(first) if second is _ABSENT else method(first, second)
            except BaseException as problem:
                self.failed(self._event_of(first, second), method, problem)
                break
            if result is not None:
                self.take(self._event_of(first, second), method, result)
                break
        return True

    def _event_of(self, first: Any, second: Any) -> BaseEvent:
        return self.event(first) if second is _ABSENT else self.event(first, second)
