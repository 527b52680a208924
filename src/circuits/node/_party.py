"""What takes part: fires what comes in, has events of ours run elsewhere, and ends in order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from circuits.core import _clock
from circuits.core._clock import NEVER
from circuits.core._grace import Graceful
from circuits.core._suspension import Suspension
from circuits.core.events import Stopped
from circuits.core.handlers import handler

from ._asked import Asked, Outbox
from .errors import Refused, Unreachable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from circuits.core._tasks import Task
    from circuits.core.events import BaseEvent, Event

    from ._hub import Hub
    from ._link import Link

__all__ = ["Party"]


#: While the application stops, how often to look whether its handlers of that are done.
_LOOK_INTERVAL = 0.005


class _Idle(Suspension):
    """The end of all that is under way, for the handler that waits for it."""

    __slots__ = ("task",)

    def __init__(self) -> None:
        self.task: Task | None = None

    def attach(self, task: Task) -> None:
        self.task = task

    def detach(self) -> None:
        self.task = None

    def arrive(self) -> None:
        task, self.task = self.task, None
        if task is not None:
            task.resume()


class Party(Graceful):
    """Base of what has a hub, or shares that of a node."""

    _fires_by_name = True  # what others send
    channel = "node"

    _hub: Hub
    _idle: _Idle | None = None
    _idle_timer = NEVER

    # -- what a subclass provides --

    def _link_opened(self, link: Link) -> None:
        """A link of the hub can be used."""

    def _link_closed(self, link: Link) -> None:
        """One that could be used has ended."""

    def _stop_listening(self) -> None:
        """Accept nobody any more, and dial nobody."""

    def _end_sockets(self) -> None:
        """Close what is open, and forget the poller."""

    # -- events --

    @handler("_pulse")
    def _on_pulse(self) -> None:
        self._hub.pulse()
        if self._hub.is_ending and self._hub.is_idle:
            self._finish()

    def _ask(
        self,
        event: Event,
        sent: BaseEvent,
        outbox: Outbox,
        channel: Any,
        node: str,
        timeout: float | None = None,
    ) -> None:
        """Have an event run at another node, and suspend the one that is being handled."""
        if not self._hub.may_send(sent, node):
            raise Refused(f"the event {sent.name!r} must not be sent to {node!r}")
        asked = Asked(self, event, self._hub, sent, channel, node, timeout)
        try:
            outbox.ask(asked)
        except (Unreachable, TypeError, ValueError) as problem:
            # Frames of ours say nothing, and to format them would take most of the time.
            asked.refuse(problem.with_traceback(None))
        else:
            asked.wait()

    # -- ending --

    @property
    def _is_owner(self) -> bool:
        return self._hub.owner is self

    def _application_started(self) -> None:
        if self._is_owner:
            self._hub.begin()

    def _application_stopped(self) -> None:
        if not self._is_owner:
            return
        self._begin_end()
        latest = _clock.now() + self._hub.options.stop_timeout
        self._grace_ends = min(self._grace_ends, latest)
        self._hold_end()
        self._hub.check_end()

    def _begin_end(self) -> None:
        self._hub.is_ending = True
        self._stop_listening()

    def _finish(self) -> None:
        """Nothing is under way any more."""
        if self._idle is not None:
            self._idle.arrive()
            return
        engine = self._tree_engine
        if self._is_stopping and any(isinstance(task.event, Stopped) for task in engine.tasks):
            # A handler of ``stopped`` that waits may have something to ask of another node.
            engine.schedule.call_in(_LOOK_INTERVAL, self._hub.check_end)
            return
        for link in list(self._hub.links):
            link.finish("the node has stopped")
        self._release_end()

    def _grace_over(self) -> None:
        self._give_up()
        self._release_end()

    def _give_up(self) -> None:
        """What has not ended by now is abandoned."""
        hub = self._hub
        for foreign in list(hub.foreign):
            if foreign.id is not None:
                text = "the node has stopped"
                hub.answer_failure(foreign.link, foreign.version, foreign.id, "Unreachable", text)
            foreign.abandon()
        for link in list(hub.links):
            link.finish("the node has stopped")

    def _leave(self) -> Any:
        if not self._is_owner:
            if not self._hub.is_leaving:
                self._stop_listening()
                self._end_sockets()
            return None
        self._begin_end()
        hub = self._hub
        for asked in list(hub.asked):
            asked.fail(Unreachable("the node leaves its tree"))
        for link in list(hub.links):
            # Nothing reaches the sockets of a component that leaves, not even that they can be
            # read or written.
            link.transport.hold_reading(True)
            if link.transport.is_blocked:
                link.finish("the node has left")
        if hub.is_idle:
            self._finish_leaving()
            return None
        hub.is_leaving = True
        return self._leave_when_idle()

    def _leave_when_idle(self) -> Iterator[Any]:
        idle = self._idle = _Idle()
        schedule = self._tree_engine.schedule
        self._idle_timer = schedule.call_in(self._hub.options.stop_timeout, idle.arrive)
        yield idle
        self._idle_timer.cancel()
        self._idle = None
        self._give_up()
        self._finish_leaving()

    def _finish_leaving(self) -> None:
        for link in list(self._hub.links):
            link.finish("the node has left")
        self._end_sockets()
        self._hub.is_leaving = self._hub.is_ending = False
