"""The store of sessions in memory; see :mod:`circuits.web.sessions`."""

from __future__ import annotations

import sys
from collections import deque
from typing import TYPE_CHECKING, Any

from circuits.core import _clock

from ._session import Session, Store

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["MemoryStore"]


class _Entry:
    __slots__ = ("created", "session", "size", "used")

    def __init__(self, session: Session, size: int, created: float) -> None:
        self.session = session
        self.size = size
        self.created = self.used = created


class MemoryStore(Store):
    """Keeps sessions in the memory of this process, until that ends.

    They may hold any object. Beyond a limit, the one that was not used for the longest time goes;
    those that never came back before all others, so that a flood of newcomers does not drive out
    the users who are there.

    Args:
        limit: How many sessions are kept.
        limit_bytes: How many bytes they may have together, as Python counts those of containers,
            text and numbers; other objects count without what they refer to.
        session_bytes: How many bytes one may have. One that has more is dropped, and the request
            that made it so fails.

    Raises:
        ValueError: A limit is less than 1.
    """

    def __init__(
        self,
        limit: int = 100_000,
        *,
        limit_bytes: int = 64 * 1024 * 1024,
        session_bytes: int = 1024 * 1024,
    ) -> None:
        if min(limit, limit_bytes, session_bytes) < 1:
            raise ValueError("limit, limit_bytes and session_bytes must be at least 1")
        self.limit = limit
        self.limit_bytes = limit_bytes
        self.session_bytes = session_bytes
        # Both in the order of use.
        self._newcomers: dict[str, _Entry] = {}
        self._known: dict[str, _Entry] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._newcomers) + len(self._known)

    def load(self, sid: str) -> Session | None:
        """The session of an id, always the same object."""
        entry = self._known.pop(sid, None) or self._newcomers.pop(sid, None)
        if entry is None:
            return None
        now = _clock.now()
        if not self._is_alive(now, entry.created, entry.used):
            self._bytes -= entry.size
            return None
        entry.used = now
        self._known[sid] = entry
        return entry.session

    def save(self, sid: str, data: Mapping[str, Any]) -> None:
        """Keep a session; the object itself if it is a :class:`Session`."""
        session = data if isinstance(data, Session) else Session(sid, data, self)
        size = _measure(session, self.session_bytes)
        entry = self._known.get(sid) or self._newcomers.get(sid)
        if size > self.session_bytes:
            self.delete(sid)  # it is that large already: refusing alone would not end its growth
            raise ValueError(
                f"a session holds more than {self.session_bytes} bytes; keep less in it, "
                "or raise MemoryStore(session_bytes=...)"
            )
        if entry is None:
            entry = self._newcomers[sid] = _Entry(session, 0, _clock.now())
        entry.session = session
        session._is_stored = True
        self._bytes += size - entry.size
        entry.size = size
        self._make_room(sid)

    def delete(self, sid: str) -> None:
        entry = self._known.pop(sid, None) or self._newcomers.pop(sid, None)
        if entry is not None:
            self._bytes -= entry.size

    def sweep(self) -> None:
        now = _clock.now()
        for table in (self._newcomers, self._known):
            # In the order of use, so that what is idle comes first.
            for sid, entry in list(table.items()):
                if self._is_alive(now, entry.created, entry.used):
                    if self.max_age is None:
                        break
                else:
                    self.delete(sid)

    def _make_room(self, sid: str) -> None:
        while len(self) > self.limit or self._bytes > self.limit_bytes:
            oldest = next((s for t in (self._newcomers, self._known) for s in t if s != sid), None)
            if oldest is None:
                return
            self.delete(oldest)

    def _commit(self, session: Session) -> bool:
        sid = session.sid
        is_kept = sid in self._known or sid in self._newcomers
        if session._is_stored and not is_kept:
            return False
        if session:
            self.save(sid, session)
        elif is_kept:
            self.delete(sid)
            session._is_stored = False
        return True

    def _greet(self, token: str) -> bool:
        entry = self._known.get(token)
        if entry is None:  # of newcomers there is more to note
            return False
        now = _clock.now()
        idle = self.idle
        # Most have one limit, and the clock of a process is never put back.
        if self.max_age is not None or (idle is not None and now - entry.used > idle):
            return False
        entry.used = now
        del self._known[token]
        self._known[token] = entry  # behind all others
        return True

    def _find(self, token: str, live: Session | None) -> Session | None:
        return self.load(token)


def _measure(session: Session, limit: int) -> int:
    """How many bytes a session has; something above the limit if it has more."""
    total = 0
    seen: set[int] = set()
    waiting: list[Any] = [session]
    while waiting and total <= limit:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        total += sys.getsizeof(value)
        if isinstance(value, dict):
            waiting.extend(value)
            waiting.extend(value.values())
        elif isinstance(value, list | tuple | set | frozenset | deque):
            waiting.extend(value)
    return total
