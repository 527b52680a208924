"""Events of other nodes that run here: each is answered once, and abandoned when its time is over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from circuits.core._clock import NEVER
from circuits.core.errors import RemoteError
from circuits.core.values import Value

from .errors import text_of

if TYPE_CHECKING:
    from circuits.core._engine import Engine
    from circuits.core.events import BaseEvent

    from ._hub import Hub
    from ._link import Link

__all__ = ["Foreign", "failure_of", "give_up"]

#: What of a traceback travels.
_LINES = 200


class Foreign:
    """An event of another node, from when it is fired to its answer: a waiter for its end."""

    __slots__ = ("_appointment", "_value", "event", "hub", "id", "is_over", "link", "version")

    is_awaited = False  # its failures are reported here as well as there

    def __init__(self, hub: Hub, link: Link, version: int, id: Any, event: BaseEvent) -> None:
        self.hub = hub
        self.link = link
        self.version = version
        self.id = id
        self.event = event
        self.is_over = False
        self._value: Value | None = None
        self._appointment = NEVER

    def expire_in(self, seconds: float) -> None:
        """Abandon it after some time."""
        self._appointment = self.hub.engine.schedule.call_in(seconds, self.abandon)

    def resolve(self, event: BaseEvent, value: Value) -> None:
        """The engine tells that all handlers are done."""
        if self.is_over:
            return
        if self._value is None:
            self._value = value
        pending = _unfinished(self._value)
        if pending is not None:  # a handler has returned the value of an event that goes on
            pending._when_over(self)
            return
        self._end()
        if self.id is not None:
            self._answer(self._value)
        self.link.answered()

    def abandon(self) -> None:
        """Nobody waits for the answer any more: cancel what has not ended."""
        if self.is_over:
            return
        self._end()
        give_up(self.hub.engine, self.event)
        self.link.answered()

    def _end(self) -> None:
        self.is_over = True
        self._appointment.cancel()
        self.hub.over(self)

    def _answer(self, value: Value) -> None:
        hub, link, version = self.hub, self.link, self.version
        if value.errors and value.exceptions:
            hub.answer_failure(link, version, self.id, *failure_of(value))
        elif value.cut and not value.result:
            hub.answer_failure(link, version, self.id, "Unreachable", "a handler was cancelled")
        else:
            result = value.value
            if value.is_list or isinstance(result, list):
                result = [item.value if isinstance(item, Value) else item for item in result]
            hub.answer(link, version, self.id, result)


def give_up(engine: Engine, event: BaseEvent) -> None:
    """Cancel an event that nobody waits for any more, and its handlers that are suspended."""
    event.cancel()
    if event.waitingHandlers:
        for task in engine.tasks:
            if task.event is event:
                engine.tasks.cancel(task)


def _unfinished(value: Value) -> BaseEvent | None:
    """An event whose value is part of this one, and which is not over; or ``None``."""
    raw = value._value
    if raw.__class__ is not Value and not value.is_list:
        return None
    waiting = [raw]
    while waiting:
        item = waiting.pop()
        if isinstance(item, Value):
            event = item.event
            # The value of an event that is over, and of which nobody holds more, has none.
            if event is not None and event.value is item:
                if event._event_at is not None or event.waitingHandlers:
                    return event
            waiting.append(item._value)
        elif item.__class__ is list:
            waiting += [inner for inner in item if isinstance(inner, Value)]
    return None


def failure_of(value: Value) -> tuple[str, str, list[str]]:
    """The name of the type, the message and the traceback of the first failure."""
    problem = value.exceptions[0]
    type_name = type(problem).__name__
    if isinstance(problem, RemoteError):  # it came from a third node, and says so itself
        type_name, message = text_of(problem.type_name or type_name), text_of(problem.message)
    else:
        message = text_of(problem)
    return type_name, message, _lines_of(value, problem)


def _lines_of(value: Value, problem: BaseException) -> list[str]:
    waiting = [value]
    while waiting:
        one = waiting.pop()
        items = one._value if one.is_list else [one._value]
        for item in items:
            if isinstance(item, Value):
                waiting.append(item)
            elif isinstance(item, tuple) and len(item) == 3 and item[1] is problem:
                return [text_of(line) for line in item[2][-_LINES:]]
    return []
