"""Manager: events and handlers of one node, and the run of a tree (circuits.core.manager)."""

from __future__ import annotations

import os
from types import MethodType

from . import _session
from ._flags import QUEUED, REFIRED
from ._loop import TASK_INTERVAL
from ._mistakes import no_channels, no_event, no_parent
from ._nodes import ComponentSet, EngineOnDemand, Look, own_globals, own_handlers
from ._queue import Refiring, check_priority
from ._routing import EVERYWHERE, TREE_LOCK, as_channels, handlers_of
from ._sleep import sleep  # noqa: F401 - as TimeoutError, for the 3.x line
from ._tasks import CallValue, ExceptionWrapper, Task
from ._waits import Wait
from .errors import TimeoutError, UnregistrableError  # noqa: F401
from .events import BaseEvent
from .handlers import HandlerSpec, wants_event, without
from .utils import flatten
from .values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    import threading
    from collections import deque
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any, ClassVar, Self, TypeVar

    from ._engine import Engine
    from ._waits import CallOf
    from .events import Event

    R = TypeVar("R")
else:
    from _collections import deque  # that of collections, whose import takes longer than ours

__all__ = ["TIMEOUT", "CallValue", "ExceptionWrapper", "Manager", "UnregistrableError"]

#: Seconds between two looks at handlers that wait by a bare ``yield``, while nothing happens.
TIMEOUT = TASK_INTERVAL

_new_value = Value.__new__


class Manager:
    """A node of the tree: fires events, has handlers, and can run the tree it is the root of.

    Arguments are accepted and ignored.

    Attributes:
        parent: The node above; itself for a root.
        components: The nodes right below, in the order of their registration.
        stop_timeout: Seconds that a stopping application waits for requests in flight and for
            data that is still to be written.
        start_timeout: Seconds that servers wait for suspended handlers of ``started``, at most,
            before they accept.
        must_start: Whether an exception of its handlers of ``started`` ends the run, which raises
            it.
        traverse_children_handlers: ``False`` keeps events on ordinary channels from the
            components below; targeting a component directly and global handlers still work.
    """

    stop_timeout: float = 10.0
    start_timeout: float = 5.0
    must_start: bool = False
    _tree_channels: tuple[Any, ...] = EVERYWHERE
    _tree_specs: tuple[HandlerSpec, ...] = ()
    _tree_is_bare = False  # whether it handles nothing but ``unregister``, on every channel
    _tree_wants_hang_up = False  # whether it handles the event of that name
    _tree_needs_host = False  # whether a handler is a coroutine function
    _tree_birth = 0  # number among the children of the parent, rising
    _tree_births = 0
    _tree_leaving = False
    _running = False
    _tree_children: ComponentSet | None = None
    _tree_targeted: set[str] | None = None
    _tree_traverse = True
    #: What starts processes and bridges to them: ``circuits.core`` puts it here, from above.
    _run_launcher: ClassVar[Any]
    _run_child_pid: int | None = None
    _run_process: Any = None  # the child that start(process=True) made
    __thread: threading.Thread | None = None
    _run_entered: threading.Event | None = None
    _run_exit_code: Any = None

    parent: Manager
    if TYPE_CHECKING:
        _tree_engine: Engine
        _tree_live: Engine
        _tree_inherited: ClassVar[tuple[tuple[str, Any], ...]]
    else:
        _tree_engine = EngineOnDemand()

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Make the node as a tree of its own, before any constructor runs."""
        node = super().__new__(cls)
        node.parent = node
        return node

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    # -- what it is --

    @property
    def name(self) -> str:
        """Name of the class."""
        return type(self).__name__

    @property
    def root(self) -> Manager:
        """Top of the tree; itself when alone."""
        node = self
        try:
            while node.parent is not node:
                node = node.parent
        except AttributeError:
            raise TypeError(no_parent(node)) from None
        return node

    @property
    def components(self) -> ComponentSet:
        """The nodes right below."""
        children = self._tree_children
        if children is None:
            children = self._tree_children = ComponentSet()
        return children

    @property
    def running(self) -> _session.Running:
        """Whether ``run`` was entered on this very node, and ``stop`` not called since.

        Called, ``with app.running():`` is a run around a loop of one's own: it fires
        ``Started``, lets ``tick`` wait for descriptors and timers, and shuts down at its end.
        """
        return _session.Running(self)

    @property
    def pid(self) -> int:
        """Id of the process, or of the child that ``start(process=True)`` made."""
        return os.getpid() if self._run_child_pid is None else self._run_child_pid

    @property
    def traverse_children_handlers(self) -> bool:
        """Whether events on ordinary channels reach the components below."""
        return self._tree_traverse

    @traverse_children_handlers.setter
    def traverse_children_handlers(self, traverse: bool) -> None:
        self._tree_traverse = bool(traverse)
        with TREE_LOCK:
            self._tree_engine.routes.forget("*")

    def _tree_subtree(self) -> Sequence[Manager]:
        return [*flatten(self)] if self._tree_children else (self,)

    def _tree_joined(self) -> None:
        """For components of ours that need the engine: a tree was joined, perhaps again."""

    def _tree_left(self, engine: Engine) -> None:
        """For components of ours that use the engine: the tree was left."""

    # -- firing --

    def fire(self, event: BaseEvent, *channels: Any, priority: float = 0) -> Value:
        """Queue an event. No handler runs before this returns. From any thread.

        Args:
            event: What to fire. The same object may be fired again.
            *channels: Where to: names, components, any hashable objects; ``"*"`` is everywhere.
                Without any, the event's ``channels``, else the channel of this component.
            priority: Of the events that are dispatched in one go, those with a smaller number
                come first; equal ones in the order of firing.

        Returns:
            The value that will hold the results.

        Raises:
            TypeError: ``event`` is no event, a channel is not hashable, or ``priority`` is no
                number.
        """
        try:
            event._event_args  # noqa: B018 - an attribute that only instances have, and only of events
        except AttributeError:
            raise TypeError(no_event(event)) from None
        if channels:
            try:
                hash(channels)
            except TypeError as problem:
                raise TypeError(no_channels(channels, problem)) from None
        else:
            channels = event.channels
            if not channels:
                channels = self._tree_channels
            elif type(channels) is not tuple:
                channels = as_channels(channels)
        if event._event_value is not None:  # it was fired before
            if event._event_at is not None:
                return self._tree_refire(event, channels, priority)
            event._event_at = QUEUED
        event.channels = channels
        # What Value(event, self) does, without the call.
        event._event_value = value = _new_value(Value)
        value._event = event
        value.manager = self
        value._value = None
        value._flags = 0
        try:
            engine = self._tree_live
        except AttributeError:
            engine = self._tree_engine
        if priority:
            try:
                engine.rank(event, priority)
            except BaseException:
                event._event_value = None  # type: ignore[assignment]  # it is not queued
                raise
        else:
            append = engine.append
            append(event)
        if engine.queue.alert:
            engine.alerted(event)
        return value

    fireEvent = fire  # noqa: N815 - documented name

    def _tree_refire(self, event: BaseEvent, channels: tuple[Any, ...], priority: float) -> Value:
        """Fire an event that is queued, or being dispatched: with what belongs to this time apart."""
        engine = self._tree_engine
        value = Value(event, self)
        refiring: Any = Refiring(event, channels, value)  # in the queue as if it were an event
        check_priority(priority)
        if event._event_refirings is None:
            event._event_refirings = deque()
        event._event_refirings.append(refiring)
        if event._event_at is QUEUED:
            if not event._event_flags & REFIRED:
                event._event_first_channels = event.channels
                event._event_flag(REFIRED)
            event.channels = channels
        if priority:
            engine.rank(refiring, priority)
        else:
            engine.append(refiring)
        if engine.queue.alert:
            engine.alerted(refiring)
        return value

    def _tree_give_value(self, event: BaseEvent) -> None:
        event._event_value = Value(event, self)

    # -- suspending --

    def call(self, event: Event[R], *channels: Any, timeout: float | None = None) -> CallOf[R]:
        """Fire an event and suspend the handler until it has been handled completely.

        Use it as ``value = yield self.call(event)`` in a generator handler, or as ``result =
        await self.call(event)`` in a coroutine handler; the latter raises what a handler raised.

        Args:
            event: What to fire, when the call is first advanced.
            *channels: As in :meth:`fire`.
            timeout: Seconds after which :class:`~circuits.core.errors.TimeoutError` is raised in
                the waiting handler. 0 gives up at the next turn of the loop, ``None`` or a
                negative number never.
        """
        if not isinstance(event, BaseEvent):
            raise TypeError(no_event(event))
        return Wait(self, event, event._event_name, channels, timeout, fire=True)

    callEvent = call  # noqa: N815 - documented name

    def wait(
        self, event: str | type[BaseEvent] | BaseEvent, *channels: Any, timeout: float | None = None
    ) -> Wait:
        """Suspend the handler until an event has been handled completely.

        Args:
            event: A name or class: the next event of that name whose dispatch begins after the
                wait. An event: that very object.
            *channels: Where the event must have been fired; by default on the channel of this
                component.
            timeout: As in :meth:`call`.
        """
        if isinstance(event, BaseEvent):
            return Wait(self, event, event.name, channels, timeout, fire=False)
        if isinstance(event, type) and issubclass(event, BaseEvent):
            event = event.name
        if not isinstance(event, str):
            raise TypeError(f"wait() takes an event, its class or its name, not {event!r}")
        return Wait(self, None, event, channels or self._tree_channels, timeout, fire=False)

    waitEvent = wait  # noqa: N815 - documented name

    def registerTask(self, task: Any) -> None:  # the name that programs use
        """Add a task: a tuple of event, generator and perhaps its parent."""
        event, generator, *parent = task
        engine = self._tree_engine
        engine.tasks.start(event, Task(engine, event, generator, event.handler, *parent))

    def unregisterTask(self, task: Any) -> None:  # the name that programs use
        """Cancel the task of a generator; an unknown one is ignored."""
        engine = self._tree_engine
        for known in engine.tasks:
            if task[1] in getattr(known, "stack", ()):
                engine.tasks.cancel(known)

    def processTask(self, event: BaseEvent, task: Any, parent: Any = None) -> None:
        """Step the task of a generator once."""
        engine = self._tree_engine
        for known in engine.tasks:
            if task in getattr(known, "stack", ()):
                engine.tasks.step(known)
                return

    # -- handlers --

    def addHandler(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Add a handler at run time. From any thread.

        Args:
            function: Marked with :func:`~circuits.core.handlers.handler`. A plain function gets
                the component as its first argument.

        Returns:
            The bound method, which is also an attribute now, and what ``removeHandler`` takes.

        Raises:
            TypeError: The function is not marked.
        """
        if not getattr(function, "handler", False):
            raise TypeError(f"{function!r} is no handler: mark it with @handler(...)")
        method = function if isinstance(function, MethodType) else MethodType(function, self)
        attribute: str = getattr(function, "__name__", "handler")
        spec = HandlerSpec(method, attribute)
        spec.wants_event = (
            wants_event(method.__func__) if function is not method else spec.wants_event
        )
        with TREE_LOCK:
            # The routes do not know those yet that a bare one has.
            added = (*self._tree_specs, spec) if self._tree_is_bare else (spec,)
            self._tree_specs, self._tree_is_bare = (*self._tree_specs, spec), False
            setattr(self, attribute, method)
            engine = getattr(self, "_tree_live", None)
            if engine is not None:
                engine.routes.add_specs(self, added)
        return method

    def removeHandler(self, method: Callable[..., Any], event: str | None = None) -> None:
        """Remove a handler at run time. From any thread.

        Args:
            method: The bound method, as ``addHandler`` returned it.
            event: Only this name of its names.

        Raises:
            KeyError: There is no such handler.
        """
        with TREE_LOCK:
            kept, removed, remainder = without(self._tree_specs, method, self, event)
            if not removed:
                raise KeyError(method if event is None else event)
            engine = getattr(self, "_tree_live", None)
            if engine is not None:
                engine.routes.remove_specs(self, removed, kept)
            self._tree_specs = kept
            if engine is not None and remainder:
                engine.routes.add_specs(self, remainder)
            if not remainder:
                vars(self).pop(removed[0].attribute, None)

    def getHandlers(
        self, event: BaseEvent, channel: Any, exclude_globals: bool = False
    ) -> set[Callable[..., Any]]:
        """The handlers of this node and all below that match an event on one channel."""
        return handlers_of(self, event.name, channel, exclude_globals)

    _handlers = Look(own_handlers)
    _globals = Look(own_globals)
    _tasks = Look(lambda node: set(node._tree_engine.tasks))
    _queue = Look(
        lambda node: list(node._tree_engine.queue.events()) if node.parent is node else []
    )
    _lock = Look(lambda node: TREE_LOCK)

    # -- running --

    def flush(self) -> None:
        """Dispatch the events that are queued in the tree; what they fire stays for later."""
        try:
            engine = self._tree_live
        except AttributeError:
            engine = self._tree_engine
        if engine.loop.thread is None and engine.queue.cause is None:
            engine.dispatch.flush()
        else:
            engine.dispatch.flush_within()

    flushEvents = flush  # noqa: N815 - documented name

    def tick(self, timeout: float = -1) -> None:
        """One turn of the loop: tasks, timers, queue; then, if running, wait for events.

        Args:
            timeout: The longest to wait, in seconds; negative means until something happens. A
                tree that is not running never waits.
        """
        _session.tick(self, timeout)

    def run(self, socket: Any = None) -> None:
        """Run the tree until :meth:`stop`: fire ``Started``, then turn.

        In the main thread, SIGINT and SIGTERM fire ``Signal`` and stop; a second one ends at once.

        Args:
            socket: A socket component whose other end is in another process, to bridge to it.

        Raises:
            SystemExit: A handler raised it, or ``stop`` was given a code, other than 0 or None.
            Exception: A handler of ``started`` raised it, of a component with ``must_start``.
        """
        if socket is not None:
            self._run_launcher.join(self, socket)
        _session.run(self)

    async def run_async(self) -> None:
        """Run the tree inside a running asyncio loop, until :meth:`stop`.

        .. versionadded:: 2.1
        """
        from ._asyncio_guest import run_in_running_loop  # brings asyncio

        await run_in_running_loop(self)

    def start(
        self,
        process: bool | str = False,
        link: Manager | None = None,
        *,
        implicit: bool = True,
    ) -> tuple[Any, Any]:
        """Run the tree in a thread, or in a process.

        A process is forked, and goes on with a copy of the tree; what becomes of that is not
        seen in the tree here. It ends when it is stopped, and when this process ends.

        Args:
            process: ``True``, which means ``"fork"``; or ``"spawn"`` or ``"forkserver"`` for a
                tree whose class has a ``__reduce__`` that says how to make it.
            link: Where to register a :class:`~circuits.core.bridge.Bridge` to the process.
                Without one the processes do not communicate.
            implicit: Whether events cross by themselves. ``False``: only those that are wrapped
                in an ``ipc``; so it is, too, once somebody has fired one of these.

                .. versionadded:: 2.1

        Returns:
            The thread or process, and the bridge or ``None``.

        Raises:
            UnregistrableError: It is already running; or is part of a tree, for a process.
            OSError: The system does not have this way to start processes.
        """
        if link is not None and not isinstance(link, Manager):
            raise TypeError(f"link must be a manager, not {link!r}")
        if link is not None and not process:
            raise TypeError("link joins two processes: add process=True")
        if self._run_process is not None and self._run_process.is_alive():
            raise UnregistrableError(f"{self!r} is already running, as process {self.pid}")
        if process:
            method = process if isinstance(process, str) else "fork"
            self._run_process, bridge = self._run_launcher.start(self, method, link, implicit)
            self._run_child_pid = self._run_process.pid
            return self._run_process, bridge
        if self.__thread is not None and self.__thread.is_alive():
            raise UnregistrableError(f"{self!r} is already running")
        import threading

        entered = threading.Event()
        thread = threading.Thread(
            target=self.__run_in_thread, args=(entered,), name=self.name, daemon=True
        )
        self.__thread = thread
        self._run_entered = entered
        thread.start()
        if type(self).run is Manager.run:
            # A ``stop`` that comes before the thread has got that far must not be lost.
            entered.wait()
        return thread, None

    def __run_in_thread(self, entered: threading.Event) -> None:
        try:
            self.run()
        finally:
            self.__thread = None
            entered.set()

    def stop(self, code: Any = None) -> None:
        """End ``run`` in an orderly way. From any thread; without effect if not running.

        Of a tree that ``start(process=True)`` runs elsewhere: end that process. It is waited
        for a little longer than the ``stop_timeout``, and killed then.

        Args:
            code: Exit status; other than 0 or ``None`` makes ``run`` raise ``SystemExit``.
        """
        process = self._run_process
        if process is not None and not self._running:
            self._run_launcher.stop(process, self.stop_timeout)
            return
        _session.stop(self, code)

    def join(self) -> None:
        """Wait for the thread or process that :meth:`start` made; at once if there is none."""
        import threading

        if self._run_process is not None:
            self._run_process.join()
        thread = self.__thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    # -- operators --

    def __add__(self, component: Manager) -> Self:
        if isinstance(component, type):
            raise TypeError(f"a component is added, not its class: write {component.__name__}(...)")
        if not hasattr(component, "register"):
            raise TypeError(f"a component is added, not {component!r}")
        component.register(self)
        return self

    __iadd__ = __add__

    def __sub__(self, component: Manager) -> Self:
        if component.parent is not component:
            component.unregister()  # type: ignore[attr-defined]
        return self

    __isub__ = __sub__

    def __len__(self) -> int:
        if self.parent is not self:
            return 0
        engine = getattr(self, "_tree_live", None)
        return 0 if engine is None else len(engine.queue)

    def __contains__(self, component: object) -> bool:
        children = self._tree_children or ()
        if isinstance(component, type):
            return any(type(child) is component for child in children)
        return component in children

    def __iter__(self) -> Iterator[Any]:
        raise TypeError(f"{self.name} is not iterable; use its components")

    def __repr__(self) -> str:
        import threading

        channel = self._tree_channels[0] if hasattr(self, "channel") else ""
        state = "R" if self._running else "S"
        thread = threading.current_thread().name
        return f"<{self.name}/{channel} {os.getpid()}:{thread} (queued={len(self)}) [{state}]>"
