"""Sessions: what a server remembers of a client (manual: circuits.web.sessions).

A cookie holds an id that nobody can guess or choose, and a store holds the session under it: in
memory, in an SQLite file, or, signed, in the cookie itself. An id that is not known, or that has
expired, is replaced by a new one.
"""

from __future__ import annotations

import logging
from math import ceil
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakValueDictionary

from circuits._wire.http1 import SharedHeaders
from circuits.core import _clock
from circuits.core.components import Component
from circuits.core.events import Event
from circuits.core.handlers import handler
from circuits.core.timers import Timer

from . import errors
from ._session import Session, Store, StoreError, new_id
from ._session_cookie import COOKIE_BYTES, CookieStore
from ._session_memory import MemoryStore
from ._session_sqlite import SQLiteStore
from .headers import add_vary

if TYPE_CHECKING:
    from circuits.core.manager import Manager

    from .wrappers import Request, Response

__all__ = [
    "CookieStore",
    "MemoryStore",
    "SQLiteStore",
    "Session",
    "Sessions",
    "Store",
    "StoreError",
]

_log = logging.getLogger("circuits.web.sessions")

#: How many ids of sessions that hold nothing are remembered, and how many that were given up.
_IDS_LIMIT: Final = 10_000

#: Seconds for which an id that was replaced is no reason to send an empty session's: a browser may
#: have sent it while the response with its successor was on the way.
_RETIRED_SECONDS: Final = 60.0

_SWEEP_SECONDS: Final = 60.0

#: How most clients write the field, so that their other ones need not be looked at.
_FIELD_NAMES: Final = frozenset({"Cookie", "cookie"})


class _Sweep(Event):
    """It is time to forget what has expired."""

    name = "_sweep_sessions"


class _Visitor:
    """Who comes back with a cookie: for requests whose session nobody has asked for yet.

    Attributes:
        sessions: Who has recognised them.
        token: Value of the cookie.
    """

    __slots__ = ("sessions", "token")

    def __init__(self, sessions: Sessions, token: str) -> None:
        self.sessions = sessions
        self.token = token

    def give(self, request: Request) -> None:
        """Give the session to a request."""
        sessions, token = self.sessions, self.token
        session = sessions._find(token)
        if session is None:  # it has ended meanwhile
            session = sessions._begin()
        sessions._give(session, request, token)
        session._holds[request].is_answered = request._is_answered

    def keep(self, response: Response) -> None:
        """The response begins."""
        response.request._is_answered = True


class Sessions(Component):
    """Gives each request its session: ``request.session``, and its id: ``request.sid``.

    In controllers it is ``self.session``. Handles ``request`` before everybody else that looks at
    it (priority 10). When the response goes out, after all its handlers, the session is stored and
    the cookie is set, once for an id. A session of memory that nobody looks at costs nothing. A request that comes while the store cannot be used is
    answered with 503, rather than without what its user expects.

    Args:
        name: Name of the cookie.
        store: Where sessions are kept: a :class:`Store`, or a class of such.
        max_age: Seconds that a session lasts at most, which is also told to browsers; ``None``
            for no limit, and until the browser ends.
        idle: Seconds without a request after which it is over; ``None`` for no limit.
        secure: Whether the cookie is for TLS only; ``None``: if the request came over TLS.
        samesite: ``"Lax"``, ``"Strict"``, ``"None"``, or ``None`` to leave it out.
        domain: For the cookie; by default it is for this host alone.
        eager: Whether everybody gets an id, also while the session holds nothing; ``False``:
            with the first thing that is put into it. A store in cookies has none for nothing.
        **kwargs: For the component, such as ``channel``.

    Attributes:
        store: The store.

    Raises:
        TypeError: ``store`` is no store.
        ValueError: ``samesite`` is not known, or a time is not positive.

    .. versionchanged:: 2.1
       Ids that clients invent are not accepted; stores, expiry and attributes of the cookie.
    """

    channel = "web"

    def __init__(
        self,
        name: str = "circuits.session",
        store: Store | type[Store] = MemoryStore,
        *,
        max_age: float | None = None,
        idle: float | None = 3600.0,
        secure: bool | None = None,
        samesite: str | None = "Lax",
        domain: str | None = None,
        eager: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if isinstance(store, type):
            store = store()
        if not isinstance(store, Store):
            raise TypeError(f"store must be a Store or a class of such, not {store!r}")
        if samesite not in (None, "Lax", "Strict", "None"):
            raise ValueError(f'samesite must be "Lax", "Strict", "None" or None, not {samesite!r}')
        for what, seconds in (("max_age", max_age), ("idle", idle)):
            if seconds is not None and not seconds > 0:
                raise ValueError(f"{what} must be more than 0 seconds, or None, not {seconds!r}")
        self.cookie_name = name
        self._mark = f"{name}="
        self.store = store
        store.idle, store.max_age = idle, max_age
        self._attributes: dict[str, Any] = {"path": "/", "httponly": True}
        if domain is not None:
            self._attributes["domain"] = domain
        if samesite is not None:
            self._attributes["samesite"] = samesite
        self._secure = secure
        self._eager = eager
        self._live: WeakValueDictionary[str, Session] = WeakValueDictionary()
        # Ids, and until when: of sessions that hold nothing, and of those that were given up.
        self._empty: dict[str, float] = {}
        self._retired: dict[str, float] = {}
        Timer(_SWEEP_SECONDS, _Sweep(), self, persist=True).register(self)

    # -- requests --------------------------------------------------------------------------------

    @handler("request", priority=10, filter=True)
    def _on_request(self, request: Request, response: Response, *peer_cert: Any) -> Any:
        pairs: Any = request._pairs
        if pairs.__class__ is SharedHeaders and request._headers is None:
            visitor = pairs.visitor
            if visitor is None or visitor.sessions is not self:
                visitor = self._recognise(pairs)
            if visitor is not None and self.store._greet(visitor.token):
                request._waiting_session = request._keeper = visitor
                return None
        token = None
        if request.headers["Cookie"]:
            morsel = request.cookie.get(self.cookie_name)
            token = morsel.value if morsel is not None else None
        session = None
        if token:
            try:
                session = self._find(token)
            except StoreError as problem:
                _log.error("a session cannot be read: %s", problem)
                self.fire(errors.HTTPError(request, response, 503))
                return True
        if session is None:
            session = self._begin()
        self._give(session, request, token)
        return None

    def _recognise(self, pairs: SharedHeaders) -> _Visitor | None:
        """Who it is by the fields of a request, where these are as simple as most are.

        Most have one field, with the one cookie or some. Whatever else there may be goes the
        ordinary way. A client that sends the same fields again is known by them: what the cookie
        is worth is asked each time.
        """
        fields = [value for name, value in pairs if name in _FIELD_NAMES]
        if len(fields) != 1:
            return None
        before, _, token = fields[0].partition(self._mark)
        if before or ";" in token:
            after = token
            token = after.partition(";")[0]
            if self._mark in after or (before and before[-2:] != "; "):
                return None
        if not token:
            return None
        pairs.visitor = visitor = _Visitor(self, token)
        return visitor

    def _give(self, session: Session, request: Request, token: str | None) -> None:
        request._keeper = self
        session._hold(request, token)

    def _begin(self) -> Session:
        session = self._make(new_id())
        self._live[session.sid] = session
        return session

    def _make(self, sid: str) -> Session:
        session = Session(sid, (), self.store)
        session._sessions = self
        return session

    def _find(self, token: str) -> Session | None:
        if _is_in(self._retired, token):
            session = self._make(new_id())
            session._needs_content = True
            return session
        live = self._live.get(token)
        found = self.store._find(token, live)
        if found is None and _is_in(self._empty, token):
            found = live if live is not None and live.is_new else self._make(token)
        if found is not None:
            found._sessions = self
            self._live[token] = found
        return found

    def keep(self, response: Response) -> bool:
        """Store the session of a request, and set the cookie: the response begins.

        Returns:
            Whether another response is on its way, since that was not possible.
        """
        request = response.request
        session = request.session
        if not isinstance(session, Session) or session._sessions is not self:
            return False
        hold = session._holds.get(request)
        if hold is None or hold.is_answered:
            return False
        hold.is_answered = True  # whatever happens: an error has a response of its own
        if session._is_detached:
            return False
        is_done = False
        try:
            if self._keep(session):
                self._set_cookie(request, response, session, hold.presented)
            if session:  # the page may be about whoever that is
                add_vary(response.headers, "Cookie")
            is_done = True
        except StoreError as problem:
            _log.error("a session cannot be stored: %s", problem)
            self.fire(errors.HTTPError(request, response, 503))
            return True
        finally:
            # What was not stored is nothing that further requests should see.
            if not is_done or all(other.is_answered for other in session._holds.values()):
                self._forget(session, session.sid, hold.presented)
        return False

    def _forget(self, session: Session, *tokens: str | None) -> None:
        """Have the next request with one of these ask the store."""
        for token in tokens:
            if token is not None and self._live.get(token) is session:
                del self._live[token]

    def _keep(self, session: Session) -> bool:
        is_there = self.store._commit(session)
        if session._is_stored:
            session._needs_content = False  # it has had some
            self._empty.pop(session.sid, None)
        return is_there

    def _set_cookie(
        self, request: Request, response: Response, session: Session, presented: str | None
    ) -> None:
        caching = response.headers["Cache-Control"]
        value = self.store._cookie_value(session, presented)
        age = self.store.max_age
        if not session:
            if session._needs_content:
                return
            if session._is_expired or value is None:
                if not presented:
                    return
                value, age = "", 0
            elif (
                not self._eager
                or session._needs_content
                or (caching is not None and "public" in caching.lower())
            ):
                # Who gets a page from somebody else's cache must not get his session.
                return
            else:
                idle = self.store.idle
                _remember(self._empty, value, _clock.now() + (86400.0 if idle is None else idle))
        if value == presented or value is None:
            return
        jar = request.cookie
        jar[self.cookie_name] = value
        morsel = jar[self.cookie_name]
        morsel.update(self._attributes)
        if request.scheme == "https" if self._secure is None else self._secure:
            morsel["secure"] = True
        if age is not None:
            if value and session._created is not None:
                age -= max(0.0, _clock.wall() - session._created)
            morsel["max-age"] = max(0, ceil(age))
        size = len(morsel.OutputString())
        if size > COOKIE_BYTES:
            del jar[self.cookie_name]
            raise ValueError(
                f"the cookie of a session would have {size} bytes, and browsers keep "
                f"{COOKIE_BYTES}; keep less in it, or use another store"
            )
        if caching is None:
            response.headers["Cache-Control"] = "private"

    def _retire(self, session: Session, is_replaced: bool, *tokens: str | None) -> None:
        """Ids, or cookies with them, are not good any more."""
        for token in tokens:
            if token is not None:
                self._empty.pop(token, None)
                self._forget(session, token)
                if is_replaced:
                    _remember(self._retired, token, _clock.now() + _RETIRED_SECONDS)
        self._live[session.sid] = session

    # -- time ------------------------------------------------------------------------------------

    @handler("_sweep_sessions")
    def _on_sweep(self) -> None:
        now = _clock.now()
        for table in (self._empty, self._retired):
            for sid in [sid for sid, deadline in table.items() if deadline < now]:
                del table[sid]
        try:
            self.store.sweep()
        except StoreError as problem:
            _log.warning("sessions that have expired cannot be removed: %s", problem)

    @handler("stopped", channel="*")
    def _on_stopped(self, component: Manager) -> None:
        self.store.close()


def _is_in(table: dict[str, float], sid: str) -> bool:
    """Whether an id is in a table, and has not expired."""
    deadline = table.get(sid)
    return deadline is not None and deadline >= _clock.now()


def _remember(table: dict[str, float], sid: str, deadline: float) -> None:
    table.pop(sid, None)
    if len(table) >= _IDS_LIMIT:
        del table[next(iter(table))]
    table[sid] = deadline
