"""A browser with one cookie, and a site that has sessions."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from circuits import Manager
from circuits.core import _clock
from circuits.testing import settle
from circuits.web.controllers import Controller
from circuits.web.dispatchers.dispatcher import Dispatcher
from circuits.web.sessions import Session
from tests.web.http_support import MemoryServer, Reply, get, parse, serving

SECRET = "of the tests, and long enough for no warning"


class Root(Controller):
    """What the tests ask."""

    def index(self) -> str:
        return "nothing to do with the session"

    def count(self) -> str:
        self.session["count"] = self.session.get("count", 0) + 1
        return str(self.session["count"])

    def show(self) -> str:
        return repr(sorted(self.session.items()))

    def put(self, key: str, value: str) -> str:
        self.session[key] = value
        return "put"

    def drop(self, key: str) -> str:
        del self.session[key]
        return "dropped"

    def nested(self, value: str) -> str:
        self.session.setdefault("list", []).append(value)
        return repr(self.session["list"])

    def fill(self, size: str) -> str:
        self.session["filling"] = "x" * int(size)
        return "filled"

    def login(self, user: str) -> str:
        self.session.regenerate()
        self.session["user"] = user
        return "welcome"

    def logout(self) -> str:
        self.session.expire()
        return "bye"

    def sid(self) -> str:
        assert self.session.sid == self.request.sid
        return self.request.sid


class Browser:
    """Keeps the cookie of the session as browsers do; each request has its own connection."""

    def __init__(self, server: MemoryServer, name: str = "circuits.session") -> None:
        self.server = server
        self.name = name
        self.cookie: str | None = None
        self.attributes: dict[str, str] = {}

    def get(self, target: str, cookie: str | None = None) -> Reply:
        """Ask with the cookie that was got, or with another one."""
        reply = self.server.connect().ask(self.request(target, cookie))
        self.learn(reply)
        return reply

    def request(self, target: str, cookie: str | None = None) -> bytes:
        sent = self.cookie if cookie is None else cookie
        return get(target, *([] if sent is None else [f"Cookie: {self.name}={sent}"]))

    def text(self, target: str, cookie: str | None = None) -> str:
        reply = self.get(target, cookie)
        assert reply.code == 200, reply
        return reply.body.decode()

    def learn(self, reply: Reply) -> None:
        self.attributes = {}
        header = reply.headers.get("set-cookie")
        if header is None:
            return
        pair, *rest = header.split("; ")
        name, _, value = pair.partition("=")
        assert name == self.name
        for attribute in rest:
            key, _, text = attribute.partition("=")
            self.attributes[key.lower()] = text
        if self.attributes.get("max-age") == "0":
            self.cookie = None
        else:
            self.cookie = value


class Site:
    """A server in memory, with sessions."""

    def __init__(self, server: MemoryServer) -> None:
        self.server = server

    def browser(self, name: str = "circuits.session") -> Browser:
        return Browser(self.server, name)

    def overlap(self, *asked: tuple[Browser, str], then: Callable[[], object]) -> list[Reply]:
        """Ask several things before any is answered; what is answered when ``then`` was done."""
        clients = [self.server.connect() for _ in asked]
        for client, (browser, target) in zip(clients, asked, strict=True):
            client.feed(browser.request(target))
        then()
        settle(self.server)
        replies = []
        for client, (browser, _) in zip(clients, asked, strict=True):
            (reply,) = parse(client.received)
            browser.learn(reply)
            replies.append(reply)
        return replies


@contextlib.contextmanager
def site(*parts: Manager, root: Manager | None = None) -> Iterator[Site]:
    with serving(Dispatcher(), Root() if root is None else root, *parts) as server:
        yield Site(server)


@contextlib.contextmanager
def sources(**installed: Callable[..., Any]) -> Iterator[None]:
    """Put other sources of time in place for a while."""
    before = _clock.install(**installed)
    try:
        yield
    finally:
        _clock.install(**before)


class WallClock:
    """A calendar clock that can be put forward, and back."""

    def __init__(self) -> None:
        self.time = 1_700_000_000.0

    def __call__(self) -> float:
        return self.time


def is_id(text: str | None) -> bool:
    return text is not None and len(text) == 43


__all__ = ["SECRET", "Browser", "Root", "Session", "Site", "WallClock", "is_id", "site", "sources"]
