"""The hook for tracing: each event of a tree, with what caused it, while somebody subscribes.

While nobody does, none of this is there: what fires, dispatches and steps is the ordinary engine.
With the first subscriber the parts of the engine get classes that extend theirs
(``_traced_parts``), and ``fire`` an ``append`` of ours; with the last one they get back what they had.

All events are counted, by name and channels, which takes a fraction of a microsecond each. A
sample of them, or those that a filter names, are traced: when they were fired, begun and
finished, what each handler took, and by which event they were caused. What a traced event causes is
traced, too, so that its tree is whole. A step that is a call and no event (``_direct``) is
counted by the door's tap; one that is sampled is made an event, as if somebody listened.
"""

from __future__ import annotations

from itertools import count

from . import _clock
from ._causes import Firing
from ._dispatch import Dispatch
from ._outcomes import Outcomes
from ._queue import event_of
from ._shown import safe_repr, safe_str
from ._task_table import TaskTable
from ._traced_parts import TracedDispatch, TracedOutcomes, TracedTaskTable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final, Protocol

    from ._direct import Direct
    from ._engine import Engine
    from .events import BaseEvent

    Chooses = Callable[[str, tuple[Any, ...]], bool]

    #: Told that a handler has raised, and of the trace of its event if there is one.
    Watcher = Callable[[Any, BaseEvent, BaseException, "Trace | None"], object]

    class Subscriber(Protocol):
        """Who wants to know.

        Attributes:
            limit: How many events a second it wants to be traced at most; ``None`` is all.
            chooses: By name and channels, with which events a trace may begin; ``None`` is any.
        """

        limit: int | None
        chooses: Chooses | None

        def begun(self, trace: Trace, event: BaseEvent) -> None:
            """The handlers of a traced event are about to be run."""

        def ended(self, trace: Trace) -> None:
            """A traced event is finished, suspended handlers included."""

        def counted(
            self, events: dict[str, dict[Any, int]], calls: dict[Direct, int], deepest: int
        ) -> None:
            """So many events by name and channels, and calls, since the last time."""


__all__ = ["Trace", "Tracing", "new_id"]

#: Numbers of events, for traces and for log records.
new_id = count(1).__next__

#: How many events belong to one tree of causes at most. One that is longer is a chain without end.
TREE_LIMIT: Final = 300

#: How many kinds of events are counted apart; the rest are counted together, as ``"..."``.
KINDS_LIMIT: Final = 5000

#: How long the text of what a handler has raised may be.
ERROR_CHARACTERS: Final = 500

#: How many events a second are traced at most, whatever somebody wants: what is reckoned with it are
#: floats, which have an end.
_MOST: Final = 1_000_000_000

#: Seconds between two lines in the log about subscribers that fail.
_LOG_SECONDS: Final = 1.0

#: Seconds after which the rate of sampling is adapted.
_WINDOW: Final = 0.1


class Trace:
    """What became of one event.

    Attributes:
        id: A number that no other event of this process has.
        parent, cause: Id and name of the event in whose handlers it was fired; ``None`` if it was in
            none, or that is not known.
        name: The name.
        channels: Where it was fired.
        origin: Where it was fired if not in the handlers of an event: ``"thread"`` for another
            thread, ``"call NAME"`` for a step that was a call.
        queued, started, finished: When, on the clock of timers; ``None`` for what is not known.
        calls: For each handler that was run: the method, and how many seconds it took. What it
            takes when it is suspended is not in there.
        errors: What handlers have raised.
    """

    __slots__ = (
        "calls", "cause", "channels", "errors", "finished", "id", "name", "origin", "parent", "queued",
        "started", "tree",
    )  # fmt: skip

    def __init__(self, event: BaseEvent, channels: tuple[Any, ...], parent: Trace | None) -> None:
        self.id = new_id()
        self.name = event._event_name
        self.channels = channels
        self.origin: str | None = None
        self.queued: float | None = None
        self.started: float | None = None
        self.finished: float | None = None
        self.calls: list[tuple[Any, float]] = []
        self.errors: list[str] = []
        if parent is None:
            self.parent = self.cause = None
            self.tree = [1]  # how many there are, shared by all of them
        else:
            self.parent, self.cause = parent.id, parent.name
            self.tree = parent.tree
            self.tree[0] += 1


class Tracing:
    """The hook of one tree.

    Attributes:
        running: The event, or the firing, whose handlers are being run; ``None`` for none.
        events: How often events were dispatched, by name and channels, since the last count.
        calls: How often doors were gone through since then.
        deepest: How long the longest batch was since then.
        left: How many more candidates are passed over until one is traced.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._append = engine.queue.append
        self._rank = engine.queue.rank
        self._subscribers: tuple[Subscriber, ...] = ()
        self._watchers: tuple[Watcher, ...] = ()
        self._chooses: tuple[Chooses, ...] | None = None
        self.running: Any = None
        self.events: dict[str, dict[Any, int]] = {}
        self.calls: dict[Direct, int] = {}
        self.deepest = 0
        self.left = 1
        self._kinds = 0
        self._via: Direct | None = None
        # Sampling: how many candidates there were, how many of them were taken, and how many
        # events were traced for them, in this window.
        self._limit: float | None = None
        self._stride = 1
        self._candidates = self._taken = self._traced = 0
        self._began = _clock.now()
        self._logged = float("-inf")

    @classmethod
    def of(cls, engine: Engine) -> Tracing:
        """The hook of an engine, which is made when there is none."""
        if engine.tracing is None:
            engine.tracing = cls(engine)
        return engine.tracing

    # -- who wants to know --

    def subscribe(self, subscriber: Subscriber) -> None:
        """Begin to tell somebody. Only the loop's thread may."""
        self._set((*self._subscribers, subscriber))

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Tell somebody no more. Without effect for one that is not told anything."""
        self._set(tuple(other for other in self._subscribers if other is not subscriber))

    def watch(self, watcher: Watcher) -> None:
        """Begin to tell somebody what handlers raise; that costs nothing where none does."""
        self._watchers = (*self._watchers, watcher)
        self._exchange_outcomes()

    def unwatch(self, watcher: Watcher) -> None:
        """Tell somebody that no more. Without effect for one that is not told."""
        self._watchers = tuple(other for other in self._watchers if other != watcher)
        self._exchange_outcomes()

    def _exchange_outcomes(self) -> None:
        outcomes: Any = self._engine.outcomes
        if self._watchers or self._subscribers:
            outcomes._tracing = self
            outcomes.__class__ = TracedOutcomes
        else:
            outcomes.__class__ = Outcomes

    def _set(self, subscribers: tuple[Subscriber, ...]) -> None:
        engine = self._engine
        self._subscribers = subscribers
        filters = [one.chooses for one in subscribers if one.chooses is not None]
        self._chooses = tuple(filters) if len(filters) == len(subscribers) else None
        limits = [one.limit for one in subscribers]
        self._limit = None if None in limits else min(max(filter(None, limits), default=0), _MOST)
        self._stride = self.left = 1
        self._exchange_outcomes()
        parts: tuple[Any, ...] = (engine.dispatch, engine.tasks)
        if subscribers:
            engine.append, engine.rank = self.append, self.rank
            for part, kind in zip(parts, (TracedDispatch, TracedTaskTable), strict=True):
                part._tracing = self
                part.__class__ = kind
            engine.set_tap(self.tap)
        else:
            engine.append, engine.rank = engine.queue.append, engine.queue.rank
            for part, kind in zip(parts, (Dispatch, TaskTable), strict=True):
                part.__class__ = kind
            engine.set_tap(None)
            self.running = self._via = None
            self.events, self.calls, self._kinds = {}, {}, 0

    def flush_counts(self) -> None:
        """Tell everybody what was counted, and begin anew."""
        events, calls, deepest = self.events, self.calls, self.deepest
        self.events, self.calls, self.deepest, self._kinds = {}, {}, 0, 0
        for subscriber in self._subscribers:
            try:
                subscriber.counted(events, calls, deepest)
            except Exception as problem:
                self._not_heard(subscriber, problem)
        self._adapt(_clock.now())

    # -- firing --

    def append(self, entry: Any) -> None:
        """Put an event into the queue; in place of ``EventQueue.append``. From any thread."""
        running = self.running
        if running is not None and running._event_trace is not None:
            self._note(entry, 0.0)
        else:
            self.left = left = self.left - 1
            if left <= 0:
                self._consider(entry)
            elif entry._event_trace is not None:
                entry._event_trace = None  # of an earlier firing
        self._append(entry)

    def rank(self, event: BaseEvent, priority: float) -> None:
        """The same for ``EventQueue.rank``."""
        self._note(event, priority)
        self._rank(event, priority)

    def _note(self, entry: Any, priority: float) -> None:
        running = self.running
        parent = None if running is None else running._event_trace
        if parent is None or not self._engine.thread_is_ours():
            self.left -= 1
            if self.left <= 0:
                self._consider(entry)
            else:
                entry._event_trace = None
        elif parent.tree[0] < TREE_LIMIT and not self._is_spent():
            self._trace(entry, parent)
        else:
            entry._event_trace = None

    def _is_spent(self) -> bool:
        """Whether so much was traced that not even what belongs to a tree is."""
        if self._limit is None or self._traced <= self._limit:
            return False
        now = _clock.now()
        if now - self._began < _WINDOW:
            return True
        self._adapt(now)
        return False

    def _consider(self, entry: Any) -> None:
        """Trace an event, if it is one that is wanted: what fired it may be known."""
        if not self._is_chosen(event_of(entry)._event_name, entry.channels):
            entry._event_trace = None
            self.left = 0  # ask for the next one, too
            return
        self._candidates += self._stride
        now = _clock.now()
        if now - self._began >= _WINDOW:
            self._adapt(now)
        self.left = self._stride
        if self._is_spent():
            entry._event_trace = None
            return
        self._taken += 1
        running = self.running
        origin = parent = None
        if not self._engine.thread_is_ours():
            origin = "thread"
        elif running is not None:
            parent = running._event_trace
            if parent is None:
                # Its handlers are being run. So that one knows at least who it was.
                parent = self._trace(running, None)
                parent.queued = None
                self._begin(parent, _event_of(running))
        elif self._via is not None:
            origin = f"call {self._via.name}"
        trace = self._trace(entry, parent)
        trace.origin = origin

    def _trace(self, entry: Any, parent: Trace | None) -> Trace:
        self._traced += 1
        trace = Trace(_event_of(entry), entry.channels, parent)
        trace.queued = _clock.now()
        entry._event_trace = trace
        return trace

    def _adapt(self, now: float) -> None:
        """Choose how many candidates are passed over, from how many there were."""
        seconds = now - self._began
        if seconds <= 0:
            return
        if self._limit is None:
            self._stride = 1
        else:
            # Those that were passed over since the last one that was taken count as well.
            candidates = self._candidates + max(0, self._stride - max(self.left, 0))
            size = self._traced / self._taken if self._taken else 1.0  # of a tree
            wanted = candidates / seconds * size / max(self._limit, 1)
            self._stride = max(1, min(int(wanted + 0.5), 1_000_000))
        self.left = min(self.left, self._stride)
        self._candidates = self._taken = self._traced = 0
        self._began = now

    # -- calls that are no events --

    def tap(self, door: Direct) -> bool:
        """Count a call, or have the event made for it: when that answers true."""
        running = self.running
        if running is not None and running._event_trace is not None:
            if running._event_trace.tree[0] < TREE_LIMIT and not self._is_spent():
                return True
        elif self.left <= 1 and not self._is_spent():
            if self._is_chosen(door.name, door.channels):
                self.left = 1  # for the event that is fired now
                return True
        elif self.left > 1:
            self.left -= 1
        calls = self.calls
        calls[door] = calls.get(door, 0) + 1
        self._via = door
        return False

    def _is_chosen(self, name: str, channels: tuple[Any, ...]) -> bool:
        chooses = self._chooses
        return chooses is None or any(one(name, channels) for one in chooses)

    # -- dispatch --

    def count(self, name: str, channels: tuple[Any, ...]) -> None:
        """Count an event of a kind that has not been counted yet."""
        if self._kinds >= KINDS_LIMIT:
            name, channels = "...", ()
        self._kinds += 1
        known = self.events.setdefault(name, {})
        known[channels] = known.get(channels, 0) + 1

    def begin(self, entry: Any) -> None:
        """The turn of a traced event has come."""
        trace = entry._event_trace
        if trace.started is not None:  # of an earlier firing, and another subscriber
            entry._event_trace = None
            return
        self._begin(trace, event_of(entry))

    def _begin(self, trace: Trace, event: BaseEvent) -> None:
        trace.started = _clock.now()
        for subscriber in self._subscribers:
            try:
                subscriber.begun(trace, event)
            except Exception as problem:
                self._not_heard(subscriber, problem)

    def end(self, trace: Trace, firing: Firing | None) -> None:
        """The handlers have been run; some may be suspended."""
        if firing is not None and firing.unfinished:
            firing._event_trace = trace
        else:
            self.finish(trace)

    def finish(self, trace: Trace) -> None:
        """A traced event is finished."""
        if trace.finished is None:
            trace.finished = _clock.now()
            for subscriber in self._subscribers:
                try:
                    subscriber.ended(trace)
                except Exception as problem:
                    self._not_heard(subscriber, problem)

    def fail(self, event: BaseEvent, method: Any, problem: BaseException, trace: Any) -> None:
        """A handler has raised."""
        if trace is not None:
            trace.errors.append(f"{type(problem).__name__}: {safe_str(problem)[:ERROR_CHARACTERS]}")
        for watcher in self._watchers:
            try:
                watcher(method, event, problem, trace)
            except Exception as trouble:
                self._not_heard(watcher, trouble)

    def _not_heard(self, who: object, problem: Exception) -> None:
        """Somebody who looks on has raised: no event of the application is to fail for that.

        It is logged, once a second at most, and not fired: that would be traced as well.
        """
        now = _clock.now()
        if now - self._logged < _LOG_SECONDS:
            return
        self._logged = now
        import logging  # expensive, and needed for faults only

        text = "%s was told what goes on, and failed"
        logging.getLogger("circuits").error(text, safe_repr(who), exc_info=problem)


def _event_of(entry: Any) -> BaseEvent:
    return entry.event if entry.__class__ is Firing else event_of(entry)
