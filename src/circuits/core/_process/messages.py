"""What goes over a bridge: the kinds of messages, and what waits for them at either end."""

from __future__ import annotations

import struct

from circuits.core._event_state import ORDINARY_ATTRIBUTES
from circuits.core._flags import RUNTIME_FLAGS
from circuits.core._tasks import OutsideTask
from circuits.core._written import names_written
from circuits.core.errors import RemoteError
from circuits.core.events import BaseEvent, Event, Failure
from circuits.core.values import Value

from .frames import are_plain, pack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from circuits.core._engine import Engine
    from circuits.core._routing import Routes
    from circuits.core.bridge import Bridge

# Kinds of messages. Before the pickled rest of each: its kind, and a number that pairs questions
# and answers. So one that cannot be unpickled is known to belong to somebody.
NAMES, EVENT, ANSWER, LATE = range(4)
HEAD = struct.Struct("!BQ")

# Kinds of results in an answer.
VALUE, ERROR, PENDING = range(3)


class Write(Event):
    """Asks a socket component to send."""

    name = "write"


class Changed(Event):
    """A value that the other end waits for has changed: fired by the bridge at itself."""

    name = "_changed"


class Promised(Value):
    """Watches a value that was sent before it was there."""

    def __init__(self, bridge: Bridge, number: int, value: Value, outer: Value | None) -> None:
        super().__init__(value.event, bridge)
        self._bridge = bridge
        self._promise = number
        self._watched = value
        if outer is not None:
            self._parent = outer
        value._parent = self

    def _follow(self, nested: Value) -> None:
        super()._follow(nested)
        # Not at once: the event may have more handlers, whose results belong to it, too.
        self._bridge.fire(Changed(self._promise, self._watched), self._bridge)


class Answer(OutsideTask):
    """An event that waits for the answer from the other end."""

    __slots__ = ("number", "results")

    owner: Bridge

    def __init__(self, bridge: Bridge, number: int, event: BaseEvent) -> None:
        super().__init__(bridge, event)
        self.number = number
        self.results: Any = None

    def arrive(self, results: Any) -> None:
        """The answer, or the exception that says why there will be none."""
        self.results = results
        self.resume()

    def finish(self) -> None:
        results = self.results
        problem = result = None
        if isinstance(results, Exception):
            problem = results
        elif len(results) == 1 and results[0][0] == VALUE:
            result = results[0][1]
        else:
            self.owner._take_results(self.event, results)
        self.engine.tasks.end(self, result, problem)

    def given_up(self) -> None:
        self.owner._asked.pop(self.number, None)


class Asked:
    """An event from the other end that is being handled: a waiter for its end."""

    __slots__ = ("bridge", "number")

    is_awaited = False  # its failures are reported here as well as there

    def __init__(self, bridge: Bridge, number: int) -> None:
        self.bridge = bridge
        self.number = number

    def resolve(self, event: BaseEvent, value: Value) -> None:
        """The engine tells that all handlers are done."""
        self.bridge._answer(self.number, event)


def pack_event(event: BaseEvent, channels: tuple[Any, ...], number: int, limit: int) -> bytes:
    """The frame that has an event dispatched at the other end."""
    head = HEAD.pack(EVENT, number)
    cls = type(event)
    if (
        not event._event_flags & ~RUNTIME_FLAGS
        and vars(event).keys() <= ORDINARY_ATTRIBUTES
        and "_recipe" not in cls.__dict__
    ):
        # The parts of most events, without the ceremony of pickling an object.
        args = event._event_args
        is_plain = are_plain(args) and are_plain(channels)
        return pack((cls, [*args], channels), event, limit, head, is_plain)
    own, event.channels = event.channels, channels
    try:
        return pack((None, event, channels), event, limit, head)
    finally:
        event.channels = own


def unpack_event(body: Any) -> tuple[BaseEvent, tuple[Any, ...]]:
    """The event that was packed, and its channels."""
    cls, event, channels = body
    if cls is not None:
        args, event = event, cls.__new__(cls)
        event._event_args = args
    return event, channels


def is_sound(kind: int, body: Any) -> bool:
    """Whether a message is what its kind says; else the peer is out of step."""
    if kind == NAMES:
        return isinstance(body, frozenset)
    if kind == EVENT:
        if not (isinstance(body, tuple) and len(body) == 3 and isinstance(body[2], tuple)):
            return False
        cls, event, _ = body
        if cls is None:
            return isinstance(event, BaseEvent)
        return isinstance(cls, type) and issubclass(cls, BaseEvent) and isinstance(event, list)
    if kind not in (ANSWER, LATE) or not isinstance(body, list):
        return False
    return all(_is_sound_result(result) for result in body)


def _is_sound_result(result: Any) -> bool:
    if not (isinstance(result, tuple) and len(result) == 2):
        return False
    kind, content = result
    if kind == ERROR:
        return (
            isinstance(content, tuple) and len(content) == 2 and isinstance(content[0], Exception)
        )
    return kind == VALUE or (kind == PENDING and isinstance(content, int))


def names_wanted(routes: Routes, bridge: type[Bridge]) -> Iterator[str]:
    """The names that a tree has handlers for, those of bridges left out."""
    if "unregister" not in bridge.ignore and routes.is_known("unregister"):
        yield "unregister"  # which every component handles
    for name, channels in list(routes._by_name.items()):
        if name != "*":
            if name[0] != "_" and name not in bridge.ignore:
                yield from (name, *names_written(name))
        elif any(
            not isinstance(component, bridge)
            for components in list(channels.values())
            for component in list(components.values())
        ):
            yield name


def items(value: Value) -> list[Any]:
    """The results in a value, one by one."""
    if value.is_list:
        return list(value._value)
    return [] if value.is_empty else [value._value]


def is_error(item: Any, value: Value) -> bool:
    """Whether a result is the error tuple of a handler that failed."""
    if not isinstance(item, tuple) or len(item) != 3:
        return False
    return any(item[1] is problem for problem in value.exceptions)


def take_error(
    engine: Engine, event: BaseEvent, method: Any, problem: BaseException, lines: list[str]
) -> None:
    """Do what a failing handler of ours would have caused, with the traceback from there."""
    problem.__cause__ = RemoteError(f"in the other process:\n{''.join(lines)}")
    error = (type(problem), problem, lines)
    event._event_failed = True
    event.value.fail(error)
    if event.failure:
        channels = getattr(event, "failure_channels", None) or event.channels
        engine.outcomes.feedback(Failure, "Failure", event, channels or event.channels, error)
    engine.report(problem, method, event, lines)
