"""Timers: an event later, once or again and again (manual: circuits.core.timers)."""

from __future__ import annotations

from . import _clock
from ._call_in_loop import CallInLoop
from ._mistakes import check_channels, no_event
from ._reports import log_diagnosis
from ._routing import is_leaving
from ._shown import safe_repr
from .components import PLAIN_CONSTRUCTORS, BaseComponent
from .events import BaseEvent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime
    from typing import Any

    from ._clock import Appointment
    from ._engine import Engine

__all__ = ["Timer"]


class Timer(BaseComponent):
    """Fires an event after a time, then leaves; or again and again.

    A timer is a component: it runs while it is registered. It never fires early. A persistent
    one counts anew from the moment it fired, so that a busy loop never makes it fire in bursts.
    While the application stops, only those fire that were registered since: by handlers of ``stopped``.

    Args:
        interval: Seconds, or the moment as ``datetime`` (a naive one is local time), which is
            turned into a span from now at once.
        event: What to fire; the same object each time.
        *channels: Where to, as in ``fire``.
        persist: Whether to go on after the first time.

    Raises:
        TypeError: ``interval`` is neither, ``event`` is no event, or a channel is not hashable.
        ValueError: ``interval`` is negative, or not a number.
    """

    _is_unused = False
    _is_to_count_anew = False  # another thread has reset it, and the loop is to hear of that
    _is_late = False  # registered, or reset, while the application stops already
    _appointment: Appointment | None = None
    _tree_joins_quietly = True

    def __init__(
        self,
        interval: float | datetime,
        event: BaseEvent,
        *channels: Any,
        persist: bool = False,
        **kwargs: Any,
    ) -> None:
        if not isinstance(event, BaseEvent):
            raise TypeError(f"a timer is made as Timer(seconds, event): {no_event(event)}")
        if channels:
            check_channels(channels)
        if kwargs or self.__class__ is not Timer:  # else there is nothing for it to do
            super().__init__(**kwargs)
        self.interval = _seconds(interval)
        self.event = event
        self.channels = channels
        self.persist = persist
        self.expiry = _clock.now() + self.interval
        self._is_unused = True

    def __del__(self) -> None:
        if self._is_unused:
            try:
                log_diagnosis(
                    f"a timer of {self.interval:g} seconds for {safe_repr(self.event)} was never "
                    "registered: it counts in a tree only"
                )
            except ImportError:
                pass  # the interpreter ends, and loads nothing more to log with

    def reset(self, interval: float | datetime | None = None) -> None:
        """Count anew from now. From any thread.

        Args:
            interval: Another span from here on.
        """
        if interval is not None:
            self.interval = _seconds(interval)
        self.expiry = _clock.now() + self.interval
        self._count_anew()

    def _count_anew(self) -> None:
        appointment = self._appointment
        if appointment is None:
            return
        appointment.cancel()
        engine = self._tree_engine
        if engine.thread_is_ours():
            self._arm()
        elif not self._is_to_count_anew:
            # Only the loop makes the next one: two threads would make two, and one that the loop
            # does not find in its queue may come when it has worked out how long to sleep.
            self._is_to_count_anew = True
            engine.root.fire(CallInLoop(self._count_anew_in_loop))

    def _count_anew_in_loop(self) -> None:
        # First, before the time is looked at: who resets it now fires again.
        self._is_to_count_anew = False
        self._count_anew()

    def _tree_joined(self) -> None:
        if self._appointment is None:
            self._is_unused = False
            engine = self._tree_live
            self._is_late = engine.loop.is_stopping
            self._appointment = engine.schedule.call_at(self.expiry, self._expire)

    def _tree_left(self, engine: Engine) -> None:
        if self._appointment is not None:
            self._appointment.cancel()
            self._appointment = None
            if self.parent is not self:  # it left together with one above, and stays below that
                self._arm()

    def _arm(self) -> None:
        engine = self._tree_engine
        self._is_late = engine.loop.is_stopping
        self._appointment = engine.schedule.call_at(self.expiry, self._expire)

    def _expire(self) -> None:
        if is_leaving(self):
            return
        try:
            engine = self._tree_live
        except AttributeError:  # another thread is moving it, and it counts where it comes to
            return
        runner = engine.loop.runner
        if runner is None:
            if not engine.loop.timing:
                self._arm()  # a tree that does not run has no time; it counts when it runs
                return
        elif not runner._running and not self._is_late:
            engine.loop.next_run.append(self._go_on)
            return
        self.fire(self.event, *self.channels)
        if self.persist:
            self.expiry = _clock.now() + self.interval
            # What _arm does, without the calls.
            self._is_late = runner is not None and not runner._running
            self._appointment = engine.schedule.call_at(self.expiry, self._expire)
        else:
            self._appointment = None
            self._tree_leave_or_unregister()

    def _go_on(self) -> None:
        if self._appointment is not None and not self._appointment.is_pending:
            self._arm()


PLAIN_CONSTRUCTORS.add(Timer.__init__)


def _seconds(interval: float | datetime) -> float:
    if type(interval) is float and interval >= 0:
        return interval
    if hasattr(interval, "timestamp"):
        return max(0.0, interval.timestamp() - _clock.wall())
    if isinstance(interval, bool) or not isinstance(interval, int | float):
        raise TypeError(f"interval must be seconds or a datetime, not {interval!r}")
    if not interval >= 0:
        raise ValueError(f"interval must be 0 or more seconds, not {interval!r}")
    return float(interval)
