"""Connecting: a race over all addresses of a name, which the first that answers wins (RFC 8305).

The next address is tried when one has failed, or has said nothing for a quarter of a second;
those that were tried before go on meanwhile. So an address that swallows everything costs
little, and one that refuses nothing.
"""

from __future__ import annotations

import errno
import os
import socket
from typing import TYPE_CHECKING, Any, Protocol

from circuits.core._clock import NEVER
from circuits.core._held import close

if TYPE_CHECKING:
    from circuits.core._clock import Schedule
    from circuits.core.pollers import BasePoller

__all__ = ["Attempt", "interleaved"]

#: Seconds until the next address is tried beside the ones that have not answered.
_HEAD_START = 0.25

_IN_PROGRESS = frozenset({errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EAGAIN, errno.EINTR})


class Dialler(Protocol):
    """What an attempt needs of the client that it belongs to."""

    _poller: BasePoller | None

    def _open_socket(self, family: int) -> Any: ...
    def _won(self, attempt: Attempt, sock: Any) -> None: ...
    def _lost(self, attempt: Attempt) -> None: ...


class Attempt:
    """One attempt of a client to connect.

    Attributes:
        racing: The sockets that have not answered yet.
        problem: What went wrong last.
    """

    def __init__(self, client: Dialler, schedule: Schedule) -> None:
        self._client = client
        self._schedule = schedule
        self._addresses: list[tuple[int, Any]] = []
        self._deadline = NEVER
        self._head_start = NEVER
        self.racing: dict[Any, None] = {}
        self.problem: Exception | None = None

    def limit(self, seconds: float | None) -> None:
        """Set the timeout of the attempt."""
        if seconds is not None:
            self._deadline = self._schedule.call_in(seconds, self._too_late)

    def start(self, addresses: list[tuple[int, Any]]) -> None:
        """Connect to one of these pairs of family and address."""
        self._addresses = addresses
        self._try_next()

    def watch(self) -> None:
        """Watch all that race by the poller of the client."""
        for sock in self.racing:
            if self._client._poller is not None:
                self._client._poller.addWriter(self._client, sock)

    def check(self, sock: Any, hung_up: bool = False) -> None:
        """The kernel has an answer for one that races."""
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code == 0 and not hung_up:
            self._finish(sock)
            return
        self._give_up(sock)
        code = code or errno.ECONNREFUSED
        self.problem = OSError(code, os.strerror(code))
        self._try_next()

    def end(self) -> None:
        """Cancel, without telling the client."""
        self._deadline.cancel()
        self._head_start.cancel()
        self._addresses = []
        for sock in list(self.racing):
            self._give_up(sock)

    def _try_next(self) -> None:
        """Let the next address start; if there is none and nobody races, all is lost."""
        self._head_start.cancel()
        while self._addresses:
            family, address = self._addresses.pop(0)
            sock = None
            try:
                sock = self._client._open_socket(family)
                code = sock.connect_ex(address)
                if code and not _is_in_progress(code, family):
                    raise OSError(code, os.strerror(code))
                if code == 0:
                    self._finish(sock)
                    return
                if self._client._poller is not None:
                    self._client._poller.addWriter(self._client, sock)
            except (OSError, TypeError, ValueError, OverflowError) as problem:
                if isinstance(problem, OSError):
                    self.problem = problem
                else:  # no address at all
                    self.problem = OSError(errno.EINVAL, str(problem))
                if sock is not None:
                    close(sock)
                continue
            self.racing[sock] = None
            if self._addresses:
                self._head_start = self._schedule.call_in(_HEAD_START, self._try_next)
            return
        if not self.racing:
            self.end()
            self._client._lost(self)

    def _finish(self, winner: Any) -> None:
        self.racing.pop(winner, None)
        self.end()
        self._client._won(self, winner)

    def _give_up(self, sock: Any) -> None:
        self.racing.pop(sock, None)
        if self._client._poller is not None:
            self._client._poller.discard(sock)
        close(sock)

    def _too_late(self) -> None:
        self.problem = TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
        self.end()
        self._client._lost(self)


def _is_in_progress(code: int, family: int) -> bool:
    # A UNIX socket connects at once; EAGAIN means that too many wait to be accepted already.
    return code in _IN_PROGRESS and not (
        code == errno.EAGAIN and family == getattr(socket, "AF_UNIX", None)
    )


def interleaved(addresses: list[tuple[int, Any]]) -> list[tuple[int, Any]]:
    """Each address once, with the families by turns: one that is down must not hold up all."""
    families: dict[int, list[tuple[int, Any]]] = {}
    for entry in dict.fromkeys(addresses):
        families.setdefault(entry[0], []).append(entry)
    mixed: list[tuple[int, Any]] = []
    for index in range(max(map(len, families.values()), default=0)):
        mixed.extend(those[index] for those in families.values() if index < len(those))
    return mixed
