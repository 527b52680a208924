"""Looking into a running tree: what it is made of, what goes on in it, and why.

An :class:`Inspection` turns what the engine tells (see ``_tracing``) into plain data: numbers,
texts, lists. Whoever shows it asks for that now and then, so that a slow reader costs nothing, and
everything that is kept meanwhile has a limit. Texts that come from elsewhere are cut; whoever
shows them has to escape them.
"""

from __future__ import annotations

import math
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from . import _clock
from ._brief import TEXT, arguments_text, brief, channel_text
from ._event_filter import EventFilter
from ._shown import safe_str
from ._tracebacks import format_traceback
from ._tracing import Trace, Tracing
from ._tree_data import state_data, tree_data

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._direct import Direct
    from ._engine import Engine
    from ._tracing import Chooses
    from .events import BaseEvent
    from .manager import Manager

__all__ = ["TEXT", "Inspection", "brief"]

#: How much is told at most, of each kind of thing.
TRACEBACK: Final = 8000
KINDS: Final = 300
KEPT_ERRORS: Final = 50
KEPT_TRACES: Final = 2000
#: Of how many handlers times are kept, and of how many kinds of events counts.
_KEPT_HANDLERS: Final = 5000
#: How many times are kept of each handler, the latest ones.
TIMES: Final = 400


class Inspection:
    """Gathers what goes on in a tree, for somebody to show.

    It is a subscriber of the engine between :meth:`open` and :meth:`close`; with :meth:`watch` it
    keeps only what handlers raise, which costs nothing where none does. All methods are for the
    thread of the loop.

    Args:
        limit: How many events a second are traced at most; ``None`` is all.
        names: Patterns of names, such as ``"user_*"``: only events of these are traced, with what
            they cause. None is all, here and below.
        channels: The same for channels.
        components: The same for the classes of components that handle an event.
        payloads: Whether the arguments of events are shown.
        hidden: Channels whose events are not shown, such as that of who shows them.

    .. versionadded:: 2.1
    """

    def __init__(
        self,
        limit: int | None = 200,
        *,
        names: Iterable[str] = (),
        channels: Iterable[str] = (),
        components: Iterable[str] = (),
        payloads: bool = True,
        hidden: Iterable[Any] = (),
    ) -> None:
        self.limit = limit
        self.payloads = payloads
        self._hidden = frozenset(hidden)
        self._filter = EventFilter(tuple(names), tuple(channels), tuple(components), self._hidden)
        self.chooses: Chooses | None = self._chooses if self._filter.is_needed else None
        self._engine: Engine | None = None
        self._is_open = False
        self._labels: dict[Any, str] = {}
        self.errors: deque[dict[str, Any]] = deque(maxlen=KEPT_ERRORS)
        self._forget()

    def _forget(self) -> None:
        self._version: tuple[int, int] | None = None  # of the tree that was told last
        self._traces: deque[dict[str, Any]] = deque(maxlen=KEPT_TRACES)
        #: Those that have begun, and their arguments, which other inspections may not see.
        self._running: dict[int, tuple[Trace, str | None]] = {}
        self._chosen: dict[int, None] = {}
        self._shown: set[int] = set()
        self._dropped = 0
        self._new_errors: deque[dict[str, Any]] = deque(maxlen=KEPT_ERRORS)
        self._times: dict[str, deque[float]] = {}
        self._timed: set[str] = set()
        self._counts: dict[tuple[str, Any], list[int]] = {}
        self._deepest = 0
        self._since, self._cpu = _clock.now(), time.process_time()

    # -- beginning and ending --

    @property
    def is_open(self) -> bool:
        """Whether it is told of events."""
        return self._is_open

    def watch(self, component: Manager) -> None:
        """Begin to keep what handlers of a tree raise."""
        self._enter(component)

    def open(self, component: Manager) -> None:
        """Begin to look at the tree of a component. Without effect if it does so already.

        Args:
            component: Any of the tree. When that has become part of another tree, a further call
                follows it there.
        """
        engine = self._enter(component)
        if not self._is_open:
            self._is_open = True
            self._forget()
            Tracing.of(engine).subscribe(self)

    def close(self) -> None:
        """End looking, and keep only what handlers raise."""
        if self._is_open and self._engine is not None:
            self._is_open = False
            Tracing.of(self._engine).unsubscribe(self)
            self._forget()

    def leave(self) -> None:
        """End everything."""
        self.close()
        if self._engine is not None:
            Tracing.of(self._engine).unwatch(self._failed)
            self._engine = None

    def _enter(self, component: Manager) -> Engine:
        engine = component._tree_engine
        if engine is not self._engine:  # the first time, or the tree became part of another one
            was_open = self._is_open
            self.leave()
            self._engine = engine
            Tracing.of(engine).watch(self._failed)
            if was_open:
                self.open(component)
        return engine

    # -- what the engine asks and tells --

    def _chooses(self, name: str, channels: tuple[Any, ...]) -> bool:
        return self._filter.takes(self._engine, name, channels)

    def begun(self, trace: Trace, event: BaseEvent) -> None:
        """A traced event has its turn."""
        if self.chooses is not None:  # somebody else may have chosen it
            if trace.parent not in self._chosen and not self._chooses(trace.name, trace.channels):
                return
            self._chosen[trace.id] = None
            if len(self._chosen) > KEPT_TRACES:
                del self._chosen[next(iter(self._chosen))]
        if len(self._running) < KEPT_TRACES:
            self._running[trace.id] = trace, arguments_text(event) if self.payloads else None
        else:
            self._dropped += 1

    def ended(self, trace: Trace) -> None:
        """A traced event is finished."""
        found = self._running.pop(trace.id, None)
        if found is None:
            return
        self._shown.discard(trace.id)
        for method, seconds in trace.calls:
            label = self._label(method)
            times = self._times.get(label)
            if times is None:
                if len(self._times) >= _KEPT_HANDLERS:
                    self._times.clear()
                times = self._times[label] = deque(maxlen=TIMES)
            times.append(seconds)
            self._timed.add(label)
        if len(self._traces) == KEPT_TRACES:
            self._dropped += 1
        self._traces.append(self._show(*found))

    def _failed(
        self, method: Any, event: BaseEvent, problem: BaseException, trace: Trace | None
    ) -> None:
        lines = "".join(format_traceback(problem))
        error = {
            "at": _clock.wall(),
            "event": event._event_name,
            "channels": [channel_text(channel) for channel in event.channels],
            "handler": self._label(method),
            "exception": type(problem).__name__,
            "text": safe_str(problem)[: 2 * TEXT],
            "traceback": lines[-TRACEBACK:],
            "trace": None if trace is None else trace.id,
        }
        self.errors.append(error)
        if self._is_open:
            self._new_errors.append(error)

    def counted(
        self, events: dict[str, dict[Any, int]], calls: dict[Direct, int], deepest: int
    ) -> None:
        """So many events and calls, since the last time."""
        self._deepest = max(self._deepest, deepest)
        for name, by_channels in events.items():
            for channels, number in by_channels.items():
                self._count(name, channels, 0, number)
        for door, number in calls.items():
            self._count(door.name, door.channels, 1, number)

    def _count(self, name: str, channels: tuple[Any, ...], which: int, number: int) -> None:
        if self._hidden and not self._hidden.isdisjoint(channels):
            return
        if len(self._counts) >= _KEPT_HANDLERS and (name, channels) not in self._counts:
            name, channels = "...", ()
        self._counts.setdefault((name, channels), [0, 0])[which] += number

    # -- texts --

    def _label(self, method: Any) -> str:
        owner, function = getattr(method, "__self__", None), getattr(method, "__func__", method)
        key = type(owner), function
        try:
            return self._labels[key]
        except (KeyError, TypeError):
            name = getattr(function, "__name__", type(function).__name__)
            label = name if owner is None else f"{type(owner).__name__}.{name}"
            if len(self._labels) >= _KEPT_HANDLERS:
                self._labels.clear()
            self._labels[key] = label = label[:TEXT]
            return label

    def _show(self, trace: Trace, arguments: str | None) -> dict[str, Any]:
        began = trace.started or _clock.now()
        return {
            "id": trace.id,
            "parent": trace.parent,
            "cause": trace.cause,
            "name": trace.name[:TEXT],
            "channels": [channel_text(channel) for channel in trace.channels],
            "origin": trace.origin,
            "at": round(_clock.wall() - (_clock.now() - began), 6),
            "waited": None if trace.queued is None else round(began - trace.queued, 7),
            "took": None if trace.finished is None else round(trace.finished - began, 7),
            "args": arguments,
            "handlers": [[self._label(m), round(seconds, 7)] for m, seconds in trace.calls],
            "errors": list(trace.errors),
        }

    # -- what is asked for --

    def greeting(self) -> list[dict[str, Any]]:
        """What somebody has to know who begins to look: the tree, its state, the last errors."""
        return [self.tree(), self.state(), {"type": "errors", "errors": list(self.errors)}]

    def news(self) -> list[dict[str, Any]]:
        """What has changed since the last time: the tree if it has, its state, what happened."""
        tree = [self.tree()] if self.has_changed() else []
        return [*tree, self.state(), self.collect()]

    def collect(self) -> dict[str, Any]:
        """What has happened since the last time, as data that JSON can tell.

        Raises:
            RuntimeError: It is not open.
        """
        engine = self._engine
        if engine is None or not self._is_open:
            raise RuntimeError("an inspection tells what happens between open() and close()")
        Tracing.of(engine).flush_counts()
        now, cpu = _clock.now(), time.process_time()
        seconds = now - self._since
        counts, self._counts = self._counts, {}
        traces = list(self._traces)
        self._traces.clear()
        for number, entry in list(self._running.items()):  # those that go on: once
            if number not in self._shown:
                self._shown.add(number)
                traces.append(self._show(*entry))
        kinds = sorted(counts.items(), key=lambda item: -sum(item[1]))
        tick = {
            "type": "tick",
            "at": _clock.wall(),
            "seconds": seconds,
            "events": sum(number for number, _ in counts.values()),
            "calls": sum(number for _, number in counts.values()),
            "depth": len(engine.queue),
            "deepest": self._deepest,
            "cpu": (cpu - self._cpu) / seconds if seconds > 0 else 0.0,
            "suspended": len(engine.tasks),
            "kinds": [
                [name[:TEXT], [channel_text(channel) for channel in channels], *numbers]
                for (name, channels), numbers in kinds[:KINDS]
            ],
            "handlers": self._handlers_of(engine, kinds),
            "traces": traces,
            "dropped": self._dropped,
            "errors": list(self._new_errors),
        }
        self._new_errors.clear()
        self._dropped = self._deepest = 0
        self._since, self._cpu = now, cpu
        return tick

    def _handlers_of(self, engine: Engine, kinds: list[Any]) -> list[list[Any]]:
        """For each handler how often it was run, and the times that it took, in seconds."""
        runs: dict[str, int] = {}
        for (name, channels), numbers in kinds[:KINDS]:
            if channels:
                for method, _, _ in engine.route(name, channels):
                    label = self._label(method)
                    runs[label] = runs.get(label, 0) + sum(numbers)
        rows: list[list[Any]] = []
        for label in runs.keys() | self._timed:
            times = sorted(self._times.get(label, ()))
            p50, p99 = (times[(len(times) - 1) // 2], times[_rank(len(times))]) if times else (0, 0)
            rows.append(
                [label, runs.get(label, 0), p50, p99, times[-1] if times else 0, len(times)]
            )
        self._timed.clear()
        return sorted(rows, key=lambda row: -row[1])[:KINDS]

    def has_changed(self) -> bool:
        """Whether the tree is another one than when this was asked last."""
        routes = None if self._engine is None else self._engine.routes
        version = None if routes is None else (routes.version, routes.bare_moves)
        before, self._version = self._version, version
        return version != before

    def tree(self) -> dict[str, Any]:
        """The components, from the root downwards, and their handlers.

        Raises:
            RuntimeError: It knows no tree yet.
        """
        return tree_data(self._root(), self._label)

    def state(self) -> dict[str, Any]:
        """What is waited for, and the connections.

        Raises:
            RuntimeError: It knows no tree yet.
        """
        return state_data(self._root(), self.payloads)

    def _root(self) -> Manager:
        if self._engine is None:
            raise RuntimeError("an inspection knows its tree after watch() or open()")
        return self._engine.root


def _rank(count: int) -> int:
    """Where the 99th percentile stands in a sorted list."""
    return max(0, math.ceil(count * 0.99) - 1)
