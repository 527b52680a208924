"""A guestbook with accounts: sessions, passwords, and forms that other sites cannot send.

Accounts and entries are in memory, sessions in a file if one is named: then who was logged in
still is after a restart, if the account is there, too.

    python examples/web/guestbook.py [--bind HOST:PORT] [--sessions FILE]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from html import escape
from typing import Any

from circuits import Task, Worker
from circuits.web import (
    CSRF,
    Controller,
    Health,
    MemoryStore,
    RateLimit,
    RequestIDs,
    SecurityHeaders,
    Server,
    Sessions,
    SQLiteStore,
    expose,
)
from circuits.web.passwords import hash_password, verify_password

PAGE = """<!DOCTYPE html>
<html lang="en"><meta charset="utf-8"><title>Guestbook</title>
<h1>Guestbook</h1>
{content}
<ul>{entries}</ul>
"""
FORM = '<form method="post" action="{action}">{fields}<button>{button}</button></form>'
HIDDEN = '<input type="hidden" name="csrf_token" value="{}">'
ACCOUNT = (
    '<input name="name" required placeholder="name" autocomplete="username">'
    '<input name="password" type="password" required placeholder="password">'
)


class Guestbook(Controller):
    """The page, and what its forms do."""

    accounts: dict[str, str]
    entries: list[tuple[str, str]]

    def init(self) -> None:
        self.accounts = {}
        self.entries = []

    def index(self) -> str:
        user = self.session.get("user")
        if user in self.accounts:
            content = f"<p>Hello {escape(user)}!</p>"
            content += self._form("/sign", "Sign", '<input name="text" required autofocus>')
            content += self._form("/logout", "Log out")
        else:
            notice = self.session.pop("notice", "Log in to sign.")
            content = f"<p>{escape(notice)}</p>"
            content += self._form("/login", "Log in", ACCOUNT)
            content += self._form("/join", "Join", ACCOUNT)
        entries = "".join(
            f"<li><b>{escape(name)}</b>: {escape(text)}" for name, text in self.entries[-20:]
        )
        return PAGE.format(content=content, entries=entries)

    def _form(self, action: str, button: str, fields: str = "") -> str:
        fields += HIDDEN.format(self.request.csrf_token)
        return FORM.format(action=action, fields=fields, button=button)

    def _must_post(self) -> bool:
        """Links must not change anything: they need no token."""
        return self.request.method != "POST"

    @expose("join")  # Manager.join keeps its name
    def _join(self, name: str = "", password: str = "") -> Iterator[Any]:
        if self._must_post() or not name or not password:
            yield self.redirect("/")
            return
        # In a thread: it takes a tenth of a second, and other visitors should not wait for that.
        made = yield self.call(Task(hash_password, password), "worker")
        if name in self.accounts or len(self.accounts) >= 1000:
            self.session["notice"] = "That name is taken."
        else:
            self.accounts[name] = made.value
            self._enter(name)
        yield self.redirect("/")

    def login(self, name: str = "", password: str = "") -> Iterator[Any]:
        if self._must_post():
            yield self.redirect("/")
            return
        # Also for a name that nobody has: the time that it takes must not tell.
        stored = self.accounts.get(name)
        fits = yield self.call(Task(verify_password, password, stored), "worker")
        if fits.value:
            self._enter(name)
        else:
            self.session["notice"] = "Name or password is wrong."
        yield self.redirect("/")

    def _enter(self, name: str) -> None:
        self.session.regenerate()  # whoever knew the id before is left outside
        self.session["user"] = name

    def logout(self) -> Any:
        if not self._must_post():
            self.session.expire()
        return self.redirect("/")

    def sign(self, text: str = "") -> Any:
        user = self.session.get("user")
        if not self._must_post() and text and user in self.accounts:
            self.entries = [*self.entries, (user, text[:500])][-1000:]
        return self.redirect("/")


def main() -> None:
    parser = argparse.ArgumentParser(description="A guestbook with accounts.")
    parser.add_argument("-b", "--bind", default="127.0.0.1:8000", help="where to listen")
    parser.add_argument("--sessions", metavar="FILE", help="keep sessions in this file")
    options = parser.parse_args()

    app = Server(options.bind)
    app += RequestIDs()
    app += Health()
    app += RateLimit(100, 10)
    app += Sessions(store=SQLiteStore(options.sessions) if options.sessions else MemoryStore())
    app += CSRF()
    app += SecurityHeaders(csp="default-src 'self'; frame-ancestors 'none'")
    app += Worker(channel="worker")
    app += Guestbook()
    print(f"Serving {app.base}", flush=True)
    app.run()


if __name__ == "__main__":
    main()
