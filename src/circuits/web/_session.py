"""Sessions as objects, and what every store of them does; see :mod:`circuits.web.sessions`.

A session is one dictionary for all requests of its id that are in flight in this process, so these
never lose what another one wrote. Other processes know it by the store only: what is stored is
what changed since it was read, key by key, and merged with what others have stored meanwhile.
"""

from __future__ import annotations

import json
import pickle
import re
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final, Self
from weakref import WeakKeyDictionary

from circuits.core import _clock

from ._at_hand import at_hand
from ._signing import encode
from .exceptions import ServiceUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .sessions import Sessions
    from .wrappers import Request

__all__ = ["Session", "Store", "StoreError", "new_id"]

#: What :func:`new_id` gives; anything else need not be looked for.
_is_id = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII).fullmatch

#: Key of the token that forms carry; it ends with the id that it was made for.
CSRF_KEY: Final = "_csrf_token"

_NOTHING = object()


def new_id() -> str:
    """An id of 256 random bits, as text for a cookie."""
    return encode(_clock.random_bytes(32))


def to_json(data: Mapping[str, Any]) -> str:
    """The data of a session as JSON.

    Raises:
        TypeError: A key is no text, or a value cannot be had in JSON.
    """
    strange = next((key for key in data if not isinstance(key, str)), None)
    if strange is not None:
        raise TypeError(f"keys of a session must be str in this store, not {strange!r}")
    return json.dumps(data, separators=(",", ":"))


class StoreError(ServiceUnavailable):
    """Sessions cannot be read or written now; the request is answered with 503.

    Args:
        reason: What is wrong, for the log. The page does not say it.
    """

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class _Hold:
    """One request that has a session.

    Attributes:
        presented: The value of the cookie that it came with.
        is_answered: Whether its response has begun, so that no cookie can be sent any more.
    """

    __slots__ = ("is_answered", "presented")

    def __init__(self, presented: str | None) -> None:
        self.presented = presented
        self.is_answered = False


class Session(dict[str, Any]):
    """What is remembered of a client from one request to the next: a dictionary with an id.

    It is stored when the response begins. For what changes later, as a response is streamed, use
    it in a ``with`` statement, which stores it at the end of the block unless that raised.

    Args:
        sid: The id.
        data: What it holds.
        store: Where it is kept.
    """

    def __init__(
        self,
        sid: str,
        data: Mapping[str, Any] | Iterable[tuple[str, Any]] = (),
        store: Store | None = None,
    ) -> None:
        super().__init__(data)
        self._sid = sid
        self._store = store
        self._sessions: Sessions | None = None  # None: nothing of it is stored or sent
        self._is_stored = False
        self._is_expired = False
        # Its client has another one by now: nothing of this one is stored or sent.
        self._is_detached = False
        self._needs_content = False  # the same, unless something is put into it
        self._base: dict[str, object] = {}  # what the store has, key by key, as it was dumped
        self._created: float | None = None
        self._token: str | None = None  # the cookie that it was read from, where that holds it
        self._holds: WeakKeyDictionary[Request, _Hold] = WeakKeyDictionary()

    @property
    def sid(self) -> str:
        """The id, which only the client knows: never show it."""
        return self._sid

    @property
    def store(self) -> Store | None:
        """Where it is kept."""
        return self._store

    @property
    def is_new(self) -> bool:
        """Whether nothing of it has been stored yet."""
        return not self._is_stored

    def regenerate(self, request: Request | None = None) -> str:
        """Give the session another id, and forget the old one at once.

        To be called whenever somebody logs in: who knew the id before, or has planted it, is left
        outside. Lifetime counts anew from here. Other requests with the old id that are still in
        flight get an empty session.

        Args:
            request: Whose client gets the new id. Not needed in an exposed method, nor while the
                session has one request only.

        Returns:
            The new id.

        Raises:
            RuntimeError: The response to the request has begun, or it is not known whose call
                this is.
            StoreError: The old id cannot be forgotten now.
        """
        caller = self._caller(request)
        self._leave_id(is_replaced=True)
        self._part(caller)
        self.pop(CSRF_KEY, None)
        self._is_detached = self._needs_content = False
        caller.sid = self._sid
        return self._sid

    def expire(self, request: Request | None = None) -> None:
        """End the session: what it held is forgotten, and so is its id.

        The client is told to drop the cookie. What is written afterwards is a new session.

        Args:
            request: As for :meth:`regenerate`.

        Raises:
            StoreError: It cannot be forgotten now.
        """
        try:
            caller = self._caller(request)
        except RuntimeError:
            caller = None
        self._leave_id(is_replaced=False)
        self._part(caller)
        self.clear()
        self._is_expired = True
        if caller is not None:
            caller.sid = self._sid

    def save(self) -> None:
        """Store what has changed, now.

        Raises:
            StoreError: That is not possible now.
            TypeError: The store cannot keep such a value.
            ValueError: The session is too large.
        """
        if self._sessions is not None and not self._is_detached:
            self._sessions._keep(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *problem: object) -> None:
        if kind is None:
            self.save()

    # -- whose it is ---------------------------------------------------------------------------

    def _hold(self, request: Request, presented: str | None) -> None:
        self._holds[request] = _Hold(presented)
        request.session, request.sid = self, self._sid

    def _caller(self, request: Request | None) -> Request:
        holds = self._holds
        if request is None:
            current = at_hand.get(None)
            request = current[0] if current is not None and current[0] in holds else None
        if request is None:
            waiting = [known for known, hold in holds.items() if not hold.is_answered]
            if len(waiting) > 1:
                raise RuntimeError(
                    f"{len(waiting)} requests of this session wait for their response; "
                    "say which one gets the new id: session.regenerate(request)"
                )
            request = waiting[0] if waiting else None
        if request is None or request not in holds or holds[request].is_answered:
            raise RuntimeError(
                "the response has begun, or the request is of another session, "
                "so that the client cannot be told a new id"
            )
        return request

    def _part(self, caller: Request | None) -> None:
        """Leave the session to one request, or to none."""
        if caller is None and len(self._holds) == 1:
            return  # to the only one, whose response has begun
        for request, hold in list(self._holds.items()):
            if request is not caller:
                del self._holds[request]
                other = Session(new_id(), (), self._store)
                other._sessions = self._sessions
                other._is_detached = True
                other._hold(request, hold.presented)
                other._holds[request].is_answered = hold.is_answered

    def _leave_id(self, *, is_replaced: bool) -> None:
        if self._is_stored and self._store is not None:
            self._store.delete(self._sid)  # first, as it may fail
        old, self._sid = self._sid, new_id()
        self._is_stored = False
        self._base = {}
        self._created = None
        token, self._token = self._token, None
        if self._sessions is not None:
            self._sessions._retire(self, is_replaced, old, token)

    def _refresh(self, stored: Mapping[str, Any]) -> None:
        """Take over what the store has, except where this session was changed here."""
        assert self._store is not None
        dump = self._store._dump
        dumps = {key: dump(value) for key, value in stored.items()}
        for key in {*dumps, *self._base}:
            before, now = self._base.get(key, _NOTHING), dumps.get(key, _NOTHING)
            if before != now and (dump(self[key]) if key in self else _NOTHING) == before:
                if key in dumps:
                    self[key] = stored[key]
                else:
                    del self[key]
        self._base = dumps
        self._is_stored = True


class Store(ABC):
    """Keeps sessions: the three methods that are abstract are all that a store needs.

    Only the thread of the loop calls it. ``idle`` and ``max_age`` are set by
    :class:`~circuits.web.sessions.Sessions`; a store is to give nothing that is older.

    Attributes:
        idle: Seconds without a request after which a session is over; ``None`` for ever.
        max_age: Seconds after which it is over in any case; ``None`` for ever.
    """

    idle: float | None = 3600.0
    max_age: float | None = None

    @abstractmethod
    def load(self, sid: str) -> Mapping[str, Any] | None:
        """What is kept under an id; nothing, or ``None``, if there is no such session."""

    @abstractmethod
    def save(self, sid: str, data: Mapping[str, Any]) -> None:
        """Keep a session under an id, in place of what was there."""

    @abstractmethod
    def delete(self, sid: str) -> None:
        """Forget a session; without effect if there is none."""

    def update(
        self, sid: str, changed: Mapping[str, Any], removed: Iterable[str]
    ) -> Mapping[str, Any] | None:
        """Change some keys of a session that is kept, and leave the others alone.

        A store that several processes share does this in one step.

        Returns:
            What the session holds now; ``None`` if there is no such session, which then must not
            come back.
        """
        current = self.load(sid)
        if not current:
            return None
        gone = set(removed)
        merged = {key: value for key, value in current.items() if key not in gone}
        merged.update(changed)
        self.save(sid, merged)
        return merged

    def touch(self, sid: str) -> None:  # noqa: B027 - need not be overridden
        """Take note that a session was used, though nothing in it has changed."""

    def sweep(self) -> None:  # noqa: B027
        """Forget what has expired; called every minute."""

    def close(self) -> None:  # noqa: B027
        """Let go of files and connections; using the store again opens them again."""

    # -- how Sessions uses it ------------------------------------------------------------------

    def _dump(self, value: Any) -> object:
        """What tells whether a value has changed."""
        try:
            return pickle.dumps(value)
        except Exception:  # whatever a value raises that cannot be pickled; it counts as changed
            return object()

    def _greet(self, token: str) -> bool:
        """Take note that the client of a session has come, where that is all there is to do.

        Args:
            token: Whatever a client has sent.

        Returns:
            Whether there is such a session, which need not be looked at before somebody asks for it.
        """
        return False

    def _find(self, token: str, live: Session | None) -> Session | None:
        """The session that a cookie stands for.

        Args:
            token: Value of the cookie.
            live: The session of that token, if a request with it is in flight.
        """
        if _is_id(token) is None:
            return None
        data = self.load(token)
        if not data:
            return None
        session = Session(token, (), self) if live is None else live
        session._refresh(data)
        return session

    def _commit(self, session: Session) -> bool:
        """Store what has changed; ``False`` if the session is gone."""
        dump = self._dump
        base = session._base
        dumps = {key: dump(value) for key, value in session.items()}
        changed = {k: session[k] for k, text in dumps.items() if base.get(k, _NOTHING) != text}
        removed = base.keys() - dumps.keys()
        if not session._is_stored:
            if session:
                self.save(session.sid, session)
                session._base = dumps
                session._is_stored = True
            return True
        if not changed and not removed:
            self.touch(session.sid)
            return True
        merged = self.update(session.sid, changed, removed)
        if merged is None:
            return False
        session._base = {**{k: base[k] for k in base if k in merged}, **dumps}
        session._refresh(merged)
        if not merged:
            # There is nothing to keep; the id may be used again.
            self.delete(session.sid)
            session._is_stored = False
            session._base = {}
        return True

    def _cookie_value(self, session: Session, presented: str | None) -> str | None:
        """What the cookie of a session is to be; ``None`` for none."""
        return session.sid

    def _is_alive(self, now: float, created: float, used: float) -> bool:
        """Whether a session of that age has not expired.

        Dates in the future, of a clock that has been put back, count as well: nothing may live
        on for the years that a clock was wrong by.
        """
        return (self.idle is None or abs(now - used) <= self.idle) and (
            self.max_age is None or abs(now - created) <= self.max_age
        )
