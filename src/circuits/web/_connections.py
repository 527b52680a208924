"""The connections of a web server, and the one timer that looks after all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from circuits.core._clock import NEVER

from ._connection import Connection

if TYPE_CHECKING:
    from .http import HTTP

__all__ = ["Connections"]

#: How often the deadlines of all connections are looked at while there are any, at the most, in
#: seconds. One timer for all: nothing grows with the number of connections.
_SWEEP_SECONDS = 5.0


class Connections(dict[Any, Connection]):
    """The connections of a component by their sockets, with one timer for all of them.

    Attributes:
        sweeps: How often they have been looked at.
    """

    def __init__(self, owner: HTTP) -> None:
        super().__init__()
        self.sweeps = 0
        self._owner = owner
        limits = owner.limits
        times = (limits.header_timeout, limits.body_timeout, limits.idle_timeout)
        shortest = min((seconds for seconds in times if seconds is not None), default=60.0)
        self._interval = max(0.01, min(_SWEEP_SECONDS, shortest / 4))
        self._sweeper = NEVER

    def open(self, sock: Any) -> Connection:
        """Get to know a client."""
        connection = self[sock] = Connection(self._owner, self, sock)
        if not self._sweeper.is_pending:
            self._schedule()
        return connection

    def abandon(self) -> None:
        """Break off with every client, and forget them."""
        while self:
            self.popitem()[1].abandon()
        self._sweeper.cancel()

    def _schedule(self) -> None:
        schedule = self._owner._tree_engine.schedule
        self._sweeper = schedule.call_in(self._interval, self._sweep)

    def _sweep(self) -> None:
        held_bytes = 0
        if self:
            self.sweeps += 1
            transport = self._owner.transport
            for connection in list(self.values()):
                connection.check(self.sweeps, self._interval)
                held_bytes += connection.intake.decoder.pending_bytes
                held_bytes += transport.pending_bytes(connection.sock)
                exchange = connection.exchange
                if exchange is not None and exchange.outgoing is not None:
                    held_bytes += exchange.outgoing.held_bytes
            self._schedule()
        self._owner.budget.count(held_bytes)
