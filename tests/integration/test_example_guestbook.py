"""The guestbook, used by a browser of few words."""

from __future__ import annotations

import http.client
import re
from pathlib import Path
from urllib.parse import urlencode

from tests.integration.example_support import SECONDS, Script, example, port_of


class Browser:
    """Keeps cookies, sends the forms of the page that it has loaded, and follows redirects."""

    def __init__(self, script: Script) -> None:
        self.port = port_of(script)
        self.cookies: dict[str, str] = {}
        self.page = ""
        self.headers: dict[str, str] = {}

    def ask(self, method: str, path: str, fields: dict[str, str] | None = None) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        headers = {"Cookie": "; ".join(f"{n}={v}" for n, v in self.cookies.items())}
        if fields is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            body = None if fields is None else urlencode(fields)
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            self.page = answer.read().decode()
            self.headers = {name.lower(): value for name, value in answer.getheaders()}
        finally:
            connection.close()
        cookie = self.headers.get("set-cookie")
        if cookie is not None:
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        return answer.status

    def load(self) -> str:
        assert self.ask("GET", "/") == 200
        return self.page

    def send(self, action: str, **fields: str) -> str:
        self.load()
        found = re.search(f'action="{action}".*?name="csrf_token" value="([^"]+)"', self.page)
        assert found is not None, self.page
        assert self.ask("POST", action, {**fields, "csrf_token": found[1]}) == 303
        return self.load()


def test_guestbook(tmp_path: Path) -> None:
    file = tmp_path / "sessions.db"
    with example("web/guestbook.py", "-b", "127.0.0.1:0", "--sessions", file) as script:
        ann, bob = Browser(script), Browser(script)
        assert "Log in to sign." in ann.load()
        before = dict(ann.cookies)
        assert "Hello ann!" in ann.send("/join", name="ann", password="swordfish")
        assert ann.cookies != before
        assert "<b>ann</b>: &lt;i&gt;hi&lt;/i&gt;" in ann.send("/sign", text="<i>hi</i>")
        assert "Name or password is wrong." in bob.send("/login", name="ann", password="wrong")
        assert "Log in to sign." in bob.load()
        assert "That name is taken." in bob.send("/join", name="ann", password="mine")
        assert "Hello ann!" in bob.send("/login", name="ann", password="swordfish")
        assert bob.ask("POST", "/sign", {"text": "forged"}) == 403
        assert bob.ask("GET", "/sign?text=forged") == 303
        assert "forged" not in bob.load()
        assert "Log in to sign." in ann.send("/logout")
        assert "Hello ann!" in bob.load()
        assert bob.ask("GET", "/readyz") == 200
        assert len(bob.headers["x-request-id"]) == 32
        assert script.interrupt() == 0
    assert file.exists()
