"""A ``Remote`` whose node is this one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from circuits.core._clock import NEVER
from circuits.core._tasks import OutsideTask

from ._asked import deadline_of, end_in_silence
from ._foreign import give_up
from .errors import Unreachable

if TYPE_CHECKING:
    from circuits.core.events import BaseEvent
    from circuits.core.values import Value

    from .node import Node

__all__ = ["Local"]


class Local(OutsideTask):
    """A ``Remote`` to our own name: waits for the event, which runs here."""

    __slots__ = ("_appointment", "_is_callers", "_seconds", "_sent", "problem", "result")

    is_awaited = True  # whoever waits for the ``Remote`` is told

    def __init__(self, node: Node, event: BaseEvent, sent: BaseEvent, seconds: float) -> None:
        super().__init__(node, event)
        self._sent = sent
        self._seconds = seconds
        self.result: Any = None
        self.problem: BaseException | None = None
        self._appointment = NEVER
        self.suspend()
        deadline, self._is_callers = deadline_of(event, seconds)
        self._appointment = self.engine.schedule.call_at(deadline, self._expire)

    def _expire(self) -> None:
        """As elsewhere: whoever asks is told, and what is not over is abandoned."""
        name = self.owner.node_name  # type: ignore[attr-defined]
        if self._is_callers:
            end_in_silence(self, name)
        else:
            text = f"no answer within {self._seconds:g} s from {name!r}, which is here"
            self.problem = Unreachable(text)
        give_up(self.engine, self._sent)
        self.resume()

    def resolve(self, event: BaseEvent, value: Value) -> None:
        """The event is over."""
        problems = value.exceptions
        if problems:
            self.problem = problems[0]
        else:
            self.result = value.value
        self.resume()

    def finish(self) -> None:
        self._appointment.cancel()
        self.engine.tasks.end(self, self.result, self.problem)

    def given_up(self) -> None:
        self._appointment.cancel()
