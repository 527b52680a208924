"""Shares of what one read has brought, so that others need not wait for all of it.

A read of 64 KiB may hold thousands of lines, and each becomes events. A protocol hands out a share of
them and leaves the rest to a :class:`Backlog`: the next share comes when everybody else had a turn.
What may be handed out in a turn is shared by all (``Turns.left``), with at least a few for each.
Meanwhile nothing more is read from that peer, so that there is no more than one read to keep; the
end of its input waits with what was not read. Sources that cannot be paused go on, up to a limit.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from circuits.core import _clock
from circuits.core._turns import PARTS
from circuits.core.errors import CircuitsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from circuits.core.events import Event
    from circuits.core.manager import Manager

__all__ = ["LIMIT_BYTES", "LIMIT_READS", "Backlog", "BacklogFullError", "sources_of"]

#: Who waits alone has several shares in a turn, if they are dealt with sooner than this, in seconds:
#: looking at the descriptors in between would take longer than they do.
_TURN_SECONDS: Final = 0.001
_TURN_SHARES: Final = 16

#: How much is kept of a peer that cannot be paused, in bytes and in reads. Who can be paused needs one
#: read, and those that were queued already.
LIMIT_BYTES: Final = 4 * 1024 * 1024
LIMIT_READS: Final = 4096

#: What sources handle that can be paused: ``(is_held, *who)``. It is called, not fired: the next read
#: or the end of input might come before the event.
_HOLD: Final = "_hold_reading"


def sources_of(component: Manager, channels: tuple[Any, ...]) -> tuple[Any, ...]:
    """What pauses the sources on some channels, and resumes them: functions of ``(is_held, *who)``."""
    routes = component._tree_engine.route(_HOLD, channels)
    # Not those that handle everything.
    return tuple(method for method, _, _ in routes if _HOLD in getattr(method, "names", ()))


class BacklogFullError(CircuitsError):
    """A source that cannot be paused is faster than what it sends can be handled; the rest is lost."""

    def __str__(self) -> str:
        return (
            f"more than {LIMIT_BYTES} bytes or {LIMIT_READS} reads wait to be handled, from a source"
            " that cannot be paused: what comes now is dropped"
        )


class _Waiting:
    """What waits of one peer, behind what its decoder holds."""

    __slots__ = ("entries", "is_full", "passing", "sources", "waiting_bytes")

    def __init__(self, sources: tuple[Any, ...]) -> None:
        self.sources = sources  # what has paused reading
        self.entries: deque[Any] = deque()  # reads, and functions for what came between them
        self.waiting_bytes = 0
        self.is_full = False
        self.passing: Event | None = None  # the end that is told now


class Backlog:
    """What waits for its turn in one protocol component.

    A peer is known by the arguments of its events before the data: ``()``, or ``(sock,)``.

    Args:
        owner: The component.
        share: Function of a peer: hands out the next share of what was decoded. It returns
            whether there is more.
        receive: Function of a peer and data: decodes it and hands out the first share. It returns
            the same.
        lost: Function of a peer: told in its place that data was dropped.

    Attributes:
        peers: Those of whom something waits.
    """

    __slots__ = ("_lost", "_owner", "_receive", "_share", "peers")

    def __init__(
        self,
        owner: Manager,
        share: Callable[..., bool],
        receive: Callable[..., bool],
        lost: Callable[..., object],
    ) -> None:
        self._owner = owner
        self._share = share
        self._receive = receive
        self._lost = lost
        self.peers: dict[tuple[Any, ...], _Waiting] = {}

    def begin(self, *who: Any) -> None:
        """A peer has sent more than a share: others get their turn before the next one."""
        owner = self._owner
        sources = sources_of(owner, owner._tree_channels)
        waiting = self.peers[who] = _Waiting(sources)
        for method in waiting.sources:
            method(True, *who)
        self._await_turn(who, waiting)

    def keep(self, who: tuple[Any, ...], data: Any) -> bool:
        """Keep what was read, if something of this peer waits.

        Returns:
            Whether that is so; else it is to be handled now.

        Raises:
            BacklogFullError: It is too much, for the first time.
        """
        waiting = self.peers.get(who)
        if waiting is None:
            return False
        if waiting.is_full:
            return True
        waiting.waiting_bytes += len(data)
        if waiting.waiting_bytes > LIMIT_BYTES or len(waiting.entries) >= LIMIT_READS:
            waiting.is_full = True
            waiting.entries.append(partial(self._lost, *who))
            raise BacklogFullError
        waiting.entries.append(bytes(data) if isinstance(data, bytearray | memoryview) else data)
        return True

    def put_off(self, who: tuple[Any, ...], event: Event) -> bool:
        """Have an event that is being dispatched come again behind what waits of a peer.

        Returns:
            Whether something waits.
        """
        waiting = self.peers.get(who)
        if waiting is None or waiting.passing is event:
            return False
        event.stop()
        waiting.entries.append(partial(self._tell_end, waiting, event))
        return True

    def _tell_end(self, waiting: _Waiting, event: Event) -> None:
        waiting.passing = event
        self._owner.fire(event, *event.channels)

    def finish(self) -> None:
        """Hand out everything at once: the component leaves."""
        for who, waiting in list(self.peers.items()):
            while self._go_on(who, waiting):
                pass

    def _await_turn(self, who: tuple[Any, ...], waiting: _Waiting) -> None:
        self._owner._tree_engine.turns.add(partial(self._take_turn, who, waiting))

    def _take_turn(self, who: tuple[Any, ...], waiting: _Waiting) -> None:
        engine = self._owner._tree_engine
        until = _clock.now() + _TURN_SECONDS
        for _ in range(_TURN_SHARES):
            if self.peers.get(who) is not waiting or not self._go_on(who, waiting):
                return
            engine.loop.drain()
            if engine.turns.is_awaited or engine.queue or _clock.now() >= until:
                break
            engine.turns.left = PARTS
        self._await_turn(who, waiting)

    def _go_on(self, who: tuple[Any, ...], waiting: _Waiting) -> bool:
        """Hand out a share; whether that was not all."""
        if self._share(*who):
            return True
        if not waiting.entries:
            del self.peers[who]
            for method in waiting.sources:
                method(False, *who)
            return False
        entry = waiting.entries.popleft()
        if callable(entry):
            entry()
        else:
            waiting.waiting_bytes -= len(entry)
            self._receive(*who, entry)
        return True
