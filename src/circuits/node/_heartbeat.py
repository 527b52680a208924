"""Signs of life: pings both ways, and the end of a peer that is silent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from circuits.core import _clock
from circuits.core._clock import NEVER

from ._handshake import State

if TYPE_CHECKING:
    from ._link import Link

__all__ = ["Heartbeat"]

#: After so many heartbeats without a byte a peer is gone.
SILENT_BEATS = 3


class Heartbeat:
    """Of one link, from when version 2 is spoken."""

    __slots__ = ("_beat_timer", "_heard_at", "_link", "_number", "_seconds", "_silence_timer")

    def __init__(self, link: Link) -> None:
        self._link = link
        self._seconds = link.hub.options.heartbeat
        self._heard_at = 0.0
        self._number = 0
        self._beat_timer = self._silence_timer = NEVER

    def heard(self) -> None:
        """Something has come: any byte is a sign of life."""
        self._heard_at = _clock.now()

    def begin(self) -> None:
        """Beat, unless it does already."""
        if self._seconds and not self._beat_timer.is_pending:
            self._beat_timer = self._link.hub.engine.schedule.call_in(self._seconds, self._beat)
            self._watch()

    def end(self) -> None:
        """The link has ended."""
        self._beat_timer.cancel()
        self._silence_timer.cancel()

    def _beat(self) -> None:
        if self._link.state is State.OPEN:
            self._number += 1
            self._link.send_control("ping", self._number)
            self._beat_timer = self._link.hub.engine.schedule.call_in(self._seconds, self._beat)

    def _watch(self) -> None:
        schedule = self._link.hub.engine.schedule
        self._silence_timer = schedule.call_at(self._silent_at(), self._check)

    def _silent_at(self) -> float:
        """When the peer is gone; worked out in one way, as another may end a rounding later."""
        return self._heard_at + self._seconds * SILENT_BEATS

    def _check(self) -> None:
        link = self._link
        if link.state is not State.OPEN:
            return
        now = _clock.now()
        if link.hub.is_holding:
            self._heard_at = now  # nobody listens, so nobody can be silent
        if now >= self._silent_at():
            link.lost("silent")
            link.transport.abort()
        else:
            self._watch()
