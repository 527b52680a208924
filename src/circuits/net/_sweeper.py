"""Giving up the connections whose peers have not read for too long."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from circuits.core import _clock
from circuits.core._clock import NEVER

if TYPE_CHECKING:
    from ._connection import Connection
    from ._endpoint import Endpoint

__all__ = ["Sweeper"]


class Sweeper:
    """Looks after the connections of one component that have data pending.

    There is one timer for all of them, and only while one is blocked.

    Args:
        owner: The component; its ``write_timeout`` is how long they may make no progress.
    """

    def __init__(self, owner: Endpoint) -> None:
        self._owner = owner
        #: How much was flushed when it was last looked at, and when that had last changed.
        self._blocked: dict[Connection, tuple[int, float]] = {}
        self._appointment = NEVER

    def watch(self, connection: Connection) -> None:
        """See to it that what is pending does not stay so for ever."""
        writer = connection.writer
        self._blocked[connection] = (0 if writer is None else writer.flushed_bytes, _clock.now())
        self._arm()

    def cancel(self) -> None:
        """Look no more, until another connection is blocked."""
        self._appointment.cancel()

    def _arm(self) -> None:
        timeout = self._owner.write_timeout
        if timeout is not None and not self._appointment.is_pending:
            schedule = self._owner._tree_engine.schedule
            self._appointment = schedule.call_in(timeout / 4, self._sweep)

    def _sweep(self) -> None:
        blocked, timeout, now = self._blocked, self._owner.write_timeout, _clock.now()
        if timeout is None:
            return
        for connection, (flushed, since) in list(blocked.items()):
            writer = connection.writer
            if writer is None:
                del blocked[connection]
            elif writer.flushed_bytes != flushed:
                blocked[connection] = (writer.flushed_bytes, now)
            elif now - since >= timeout:
                del blocked[connection]
                connection.fail(TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT)))
        if blocked:
            self._arm()
