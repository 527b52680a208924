"""A live page of the running application: what it is made of, what goes on in it, and why.

Everything is sent over one WebSocket, once a second, as the plain data of
:class:`circuits.core.inspection.Inspection`, which looks only while a page is open. The page makes
text of all of it, never markup. It shows whatever events carry. So it is for the machine that it
runs on, or for who knows a token.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from html import escape
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from circuits.core import _clock
from circuits.core.inspection import Inspection
from circuits.web import errors, exceptions
from circuits.web._origins import own_authority, parse_origin
from circuits.web._websocket import broadcast
from circuits.web._websocket_accepting import Policy, accept
from circuits.web._websocket_link import Listener
from circuits.web.controllers import BaseController, expose

from ._guarded import is_from_here, new_token

if TYPE_CHECKING:
    from circuits.core._clock import Appointment
    from circuits.core._engine import Engine
    from circuits.web._websocket import WebSocket

__all__ = ["Inspector"]

_SECONDS: Final = 1.0
_PAGES: Final = 8
_LEAST_TOKEN: Final = 16
_PROTOCOL: Final = "circuits.inspector"
_COOKIE: Final = "circuits_inspector"
_FILES: Final = {
    "app.js": "text/javascript; charset=utf-8",
    "style.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


def _file(name: str) -> str:
    return (resources.files(__package__) / "_inspector" / name).read_text(encoding="utf-8")


class _Pages(Listener):
    """The sockets of the pages that are open."""

    takes_messages = True  # which are dropped: a page has nothing to say

    def __init__(self, inspector: Inspector) -> None:
        self._inspector = inspector
        self.websockets: list[WebSocket] = []

    def opened(self, websocket: WebSocket) -> None:
        """A page has been opened."""
        self.websockets.append(websocket)
        self._inspector._page_opened(websocket)

    def closed(self, websocket: WebSocket) -> None:
        """A page has been closed, or has vanished."""
        if websocket in self.websockets:
            self.websockets.remove(websocket)
        if not self.websockets:
            self._inspector._end()


class Inspector(BaseController):
    """A live page of the application, at its channel.

    Without a page that is open it keeps the last errors and does nothing else. With one, every event
    is counted, and up to ``limit`` a second are traced. A page that does not keep up is closed; it comes
    back by itself.

    Args:
        token: What people have to know, at least 16 characters. With one, other machines may see
            the page as well, over TLS if it matters; without, only this machine may, whoever its
            users are.
        loopback_only: Whether requests from other machines, by a proxy or for other names than that
            of this machine are refused; ``None``: if there is no token.
        limit: How many events a second are traced at most.
        payloads: Whether the arguments of events are shown, which may hold secrets.
        **kwargs: For the component: ``channel``, by default ``"/inspector"``.

    Raises:
        ValueError: The token is too short, or other machines may see the page without any.

    .. versionadded:: 2.1
    """

    channel = "/inspector"

    def __init__(
        self,
        token: str | None = None,
        *,
        loopback_only: bool | None = None,
        limit: int = 200,
        payloads: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if token is not None and len(token) < _LEAST_TOKEN:
            raise ValueError(f"a token has at least {_LEAST_TOKEN} characters, not {len(token)}")
        if token is None and loopback_only is False:
            raise ValueError("other machines need a token: Inspector(token=...)")
        self.loopback_only = token is None if loopback_only is None else loopback_only
        self._token = token
        self._page_token = new_token()
        self._key = _clock.random_bytes(32)
        self._policy = Policy(None, _PROTOCOL, max_message_bytes=1024)
        self._pages = _Pages(self)
        self._inspection = Inspection(limit, payloads=payloads, hidden=[self.channel])
        self._appointment: Appointment | None = None

    # -- who may see it --

    def _admit(self) -> None:
        """Raise unless the client may see this; everything but the login begins with it."""
        self._admit_place()
        if self._token is not None and not self._knows_token():
            raise exceptions.Unauthorized
        headers = self.response.headers
        headers["Cache-Control"] = "no-store"
        headers["X-Frame-Options"] = "DENY"
        headers["X-Content-Type-Options"] = "nosniff"
        headers["Referrer-Policy"] = "no-referrer"
        headers["Cross-Origin-Resource-Policy"] = "same-origin"
        headers["Content-Security-Policy"] = (
            "default-src 'none'; connect-src 'self'; script-src 'self'; style-src 'self'; "
            "img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        )

    def _admit_place(self) -> None:
        if self.loopback_only and not is_from_here(self.request):
            raise exceptions.Forbidden("This is for the machine that the server runs on.")

    def _knows_token(self) -> bool:
        given = self.request.headers.get("Authorization") or ""
        scheme, _, token = given.partition(" ")
        if scheme.lower() == "bearer" and self._is_token(token.strip()):
            return True
        cookie = self.request.cookies.get(_COOKIE)
        return cookie is not None and _same(cookie, self._proof())

    def _is_token(self, token: str) -> bool:
        return self._token is not None and _same(token, self._token)

    def _proof(self) -> str:
        """What the cookie holds: not the token itself, and nothing after a restart."""
        return hmac.new(self._key, (self._token or "").encode(), hashlib.sha256).hexdigest()

    # -- the page --

    @expose("index")
    def _index(self) -> str:
        try:
            self._admit()
        except exceptions.Unauthorized:
            self.response.code = 401
            self.response.headers["WWW-Authenticate"] = 'Bearer realm="inspector"'
            self.response.headers["Cache-Control"] = "no-store"
            return self._page("login.html")
        return self._page("index.html")

    def _page(self, name: str) -> str:
        self.response.headers["Content-Type"] = "text/html; charset=utf-8"
        page = _file(name).replace("{{base}}", escape(self._base))
        return page.replace("{{token}}", self._page_token if name == "index.html" else "")

    @property
    def _base(self) -> str:
        return self.url("/").rstrip("/") + self.channel.rstrip("/")

    @expose("login")
    def _login(self, token: str = "") -> Any:
        """Take the token from the form."""
        self._admit_place()
        if self.request.method != "POST":
            raise exceptions.MethodNotAllowed(["POST"])
        origin = self.request.headers.get("Origin")
        if origin is not None:
            place = parse_origin(origin)
            if place is None or place[1:] != own_authority(self.request, place[0]):
                raise exceptions.Forbidden("This came from another site.")
        if not self._is_token(token):
            raise exceptions.Forbidden("That is not the token.")
        self.response.set_cookie(
            _COOKIE, self._proof(), path=self.channel, httponly=True, samesite="Strict"
        )
        return self.redirect(self._base)

    @expose("files")
    def _files(self, name: str) -> str:
        """What the pages consist of; there is nothing in it that nobody may see."""
        self._admit_place()
        if name not in _FILES:
            raise exceptions.NotFound
        self.response.headers["Content-Type"] = _FILES[name]
        self.response.headers["X-Content-Type-Options"] = "nosniff"
        self.response.headers["Cache-Control"] = "no-cache"
        return _file(name)

    @expose("socket")
    def _socket(self) -> Any:
        """The WebSocket of a page, which says that it is one by the token that it was made with."""
        self._admit()
        offered = self.request.headers.get("Sec-WebSocket-Protocol") or ""
        if not any(_same(one.strip(), self._page_token) for one in offered.split(",")):
            raise exceptions.Forbidden("The token of the page is missing.")
        if len(self._pages.websockets) >= _PAGES:
            # Returned: it is an answer to one who asks again and again, and no failure of ours.
            text = f"{_PAGES} pages look on already."
            return errors.HTTPError(self.request, self.response, 503, description=text)
        return accept(self.request, self.response, self._policy, self._pages)

    # -- what it is told --

    def _tree_joined(self) -> None:
        super()._tree_joined()
        self._inspection.watch(self)

    def _tree_left(self, engine: Engine) -> None:
        super()._tree_left(engine)
        for websocket in list(self._pages.websockets):
            websocket._shut()
        self._end()
        self._inspection.leave()

    def _page_opened(self, websocket: WebSocket) -> None:
        self._begin()
        self._send([websocket], self._greeting())

    def _send(self, websockets: list[WebSocket], messages: list[dict[str, Any]]) -> None:
        for message in messages:
            broadcast(websockets, json.dumps(message))

    def _greeting(self) -> list[dict[str, Any]]:
        return self._inspection.greeting()

    def _begin(self) -> None:
        """Look, now that there is a page."""
        if self._appointment is None:
            self._inspection.open(self)
            self._inspection.has_changed()  # the greeting tells
            self._go_on()

    def _end(self) -> None:
        """Do not look any more, now that there is none."""
        if self._appointment is not None:
            self._appointment.cancel()
            self._appointment = None
            self._inspection.close()

    def _go_on(self) -> None:
        self._appointment = self._tree_engine.schedule.call_in(_SECONDS, self._tell)

    def _tell(self) -> None:
        self._inspection.open(self)  # again, if the tree has become part of another one
        self._send(self._pages.websockets, self._inspection.news())
        if self._pages.websockets:
            self._go_on()


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())
