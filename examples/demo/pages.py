"""The pages: the chat, the forms in it, and what is shown where something is wrong."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from html import escape
from http import HTTPStatus
from pathlib import Path
from string import Template
from typing import Any

import circuits
from circuits import Component, handler
from circuits.web import Controller, exceptions, expose

from .browsers import Browsers
from .feed import Feed
from .robot import Keeper
from .room import Refused, Room

_TEMPLATES = Path(__file__).parent / "templates"


def page(file: str, /, **texts: object) -> str:
    """A page of the folder ``templates``, with texts put in; all of them are escaped."""
    template = Template((_TEMPLATES / file).read_text(encoding="utf-8"))
    return template.substitute({key: escape(str(text)) for key, text in texts.items()})


class Root(Controller):
    """The chat, and what its buttons do. What changes something is for POST alone."""

    def init(
        self, room: Room, browsers: Browsers, keeper: Keeper, feed: Feed, ports: Mapping[str, int]
    ) -> None:
        self.room = room
        self.browsers = browsers
        self.keeper = keeper
        self.feed = feed
        self.ports = ports

    def index(self) -> str:
        self.response.headers["Cache-Control"] = "no-store"
        name = self.session.get("name", "")
        return page(
            "room.html",
            name=name,
            state="named" if name else "nameless",
            notice=self.session.pop("notice", ""),
            token=self.request.csrf_token,
            host=self.request.host.rpartition(":")[0] or self.request.host,
            version=circuits.__version__,
            **self.ports,
        )

    @expose("login")
    def _login(self, name: str = "") -> Any:
        """Remember a name: in a session with a new id, as always when somebody becomes known."""
        self._must_post()
        guest = self.browsers.guest(self.session.get("visitor", ""))
        try:
            if guest is not None:
                self.room.rename(guest, name)
            else:
                self.room.check(name)
        except Refused as problem:
            self.session["notice"] = str(problem)
        else:
            self.session.regenerate()
            self.session["name"] = name.strip()
            self.session.setdefault("visitor", secrets.token_urlsafe())
        return self.redirect("/")

    @expose("logout")
    def _logout(self) -> Any:
        self._must_post()
        self.session.expire()
        return self.redirect("/")

    @expose("crash")
    def _crash(self) -> str:
        self._must_post()
        try:
            self.keeper.crash()
        except Refused as problem:
            self.response.code = 409
            return str(problem)
        return "It is dead."

    @expose("status")
    def _status(self) -> dict[str, Any]:
        return {"circuits": circuits.__version__, **self.feed.status()}

    def _must_post(self) -> None:
        if self.request.method != "POST":
            raise exceptions.MethodNotAllowed(["POST"])


class ErrorPages(Component):
    """Makes the page of every error, and only a line for a script that asked."""

    channel = "web"

    TEXTS = {
        404: "Somebody may have said something here once, but nobody did at this address.",
        413: "That is too much at once: a picture may have up to 1 MB.",
        429: "Not so fast, please.",
        500: "Something went wrong, which the terminal of the demo has in full.",
    }

    @handler("httperror", filter=True)
    def _on_httperror(self, event: Any, request: Any, response: Any, code: int, **more: Any) -> Any:
        if code < 400:
            return None
        status = HTTPStatus(code)
        text = self.TEXTS.get(code, event.description if "<" not in event.description else "")
        text = text or status.description or status.phrase
        if "text/html" not in request.headers.get("Accept", "text/html"):
            response.headers["Content-Type"] = "text/plain; charset=utf-8"
            return text
        response.headers["Content-Type"] = "text/html; charset=utf-8"
        return page("error.html", code=code, title=status.phrase, text=text, path=request.path)
