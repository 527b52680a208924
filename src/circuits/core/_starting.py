"""Which handlers of ``started`` servers wait for (see docs/decisions: 0020).

They open what requests need, and servers accept when they have ended. But programs have others there,
too, which do something again and again as long as they run: servers would wait for them in vain. What
they wait for tells: a time that is beyond the limit, an ``asyncio.Queue`` that others fill, or, after a
while, the same place as before.
"""

from __future__ import annotations

import sys

from . import _clock
from ._sleep import Sleep
from ._suspension import Suspension
from ._tasks import awaits_of, frame_of
from ._waits import Wait

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._engine import Engine
    from .events import Started

__all__ = ["LOOK_SECONDS", "Starting"]

#: How often is looked whether there is still something to wait for, in seconds.
LOOK_SECONDS = 0.05

#: For how long one that comes back to the same place may be trying something, in seconds.
_TRY_SECONDS = 1.0


class Starting:
    """The suspended handlers of one ``started``.

    Args:
        started: The event.
        seconds: How long servers wait for them at the most.
    """

    def __init__(self, started: Started, seconds: float) -> None:
        self._started = started
        self._since = _clock.now()
        self.deadline = self._since + seconds
        #: Where each was found, and what it waited for there.
        self._seen: dict[Any, object] = {}

    def of(self, engine: Engine) -> list[Any]:
        """Those that have not ended."""
        return [task for task in engine.tasks if task.event is self._started]

    def is_worth_waiting(self, engine: Engine) -> bool:
        """Whether one of them may end before the limit."""
        return not all(self._is_in_vain(engine, task, {task}) for task in self.of(engine))

    def _is_in_vain(self, engine: Engine, task: Any, looked_at: set[Any]) -> bool:
        """Whether a handler, as far as it shows, does not end before the limit."""
        # Behind the last coroutine is a future, which does not say who sets it.
        nodes = [node for node in awaits_of(task) if frame_of(node) or isinstance(node, Suspension)]
        what = task.waiting or (nodes[-1] if nodes else None)
        if isinstance(what, Wait):
            # It ends with all handlers of the event.
            others = [other for other in engine.tasks if other.event is what._event]
            return any(
                self._is_in_vain(engine, other, {*looked_at, *others})
                for other in others
                if other not in looked_at
            )
        place = (task, *(getattr(frame_of(node), "f_lasti", None) for node in nodes))
        until: object
        if task in engine.tasks.polled:
            until = _clock.now()
        elif (left := _seconds_left(what)) is None:
            return _is_of_asyncio(what, "Queue", "get")
        else:
            until = round(_clock.now() + left, 3)
            if until >= self.deadline:
                return True
        comes_back = self._seen.setdefault(place, until) != until
        return comes_back and _clock.now() - self._since >= _TRY_SECONDS


def _seconds_left(what: Any) -> float | None:
    """How long a sleep lasts, of which kind ever; ``None`` if it is none."""
    if isinstance(what, Sleep):
        return None if what.deadline is None else what.deadline - _clock.now()
    if _is_of_asyncio(what, "sleep"):
        # asyncio tells nobody when; its frame does. One that does not, in a later version, is waited
        # for like what is unknown.
        found = what.cr_frame.f_locals
        if "h" in found and "loop" in found:
            left: float = found["h"].when() - found["loop"].time()
            return left
    return None


def _is_of_asyncio(node: Any, *names: str) -> bool:
    function: Any = sys.modules.get("asyncio")
    for name in names:
        function = getattr(function, name, None)
    code = getattr(node, "cr_code", None)
    return code is not None and code is getattr(function, "__code__", None)
