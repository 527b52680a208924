"""The console and the monitor of memory: what they do, and who is kept out."""

from __future__ import annotations

import base64
import logging
import re
from typing import Any

import pytest

from circuits import Component
from circuits.testing import VirtualClock, settle
from circuits.web import routes
from circuits.web.apps.memorymonitor import MemoryMonitor
from circuits.web.apps.webconsole import WebConsole
from circuits.web.dispatchers import Dispatcher
from circuits.web.passwords import hash_password
from tests.web.http_support import Client, Errors, FakeSocket, MemoryServer, Reply, serving

_PAGES = [(MemoryMonitor, "/memory"), (WebConsole, "/console")]
_LOGIN = "Authorization: Basic " + base64.b64encode(b"me:secret").decode()


@pytest.fixture(scope="session")
def users() -> dict[str, str]:
    return {"me": hash_password("secret", log_n=4, r=1, p=1)}


class Near(FakeSocket):
    def __init__(self, ip: Any = "127.0.0.1") -> None:
        super().__init__(1)
        self._ip = ip

    def getpeername(self) -> Any:
        return (self._ip, 1)


def _connect(server: MemoryServer, ip: Any = "127.0.0.1") -> Client:
    return Client(server, Near(ip))


def _ask(
    client: Client, target: str, *fields: str, method: str = "GET", host: str = "localhost"
) -> Reply:
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *fields, "", ""]
    if method == "POST":
        lines.insert(2, "Content-Length: 0")
    return client.ask("\r\n".join(lines).encode())


@pytest.mark.parametrize(("kind", "path"), _PAGES)
def test_every_page_is_for_this_machine_and_a_password(
    kind: Any, path: str, users: dict[str, str]
) -> None:
    app = kind(users)
    patterns = [re.sub(r"\[/\{\w+\}\]", "", route.path) for route in routes(app)]
    paths = {re.sub(r"\{\w+\}", "1", pattern) for pattern in patterns}
    assert path in paths
    assert len(paths) == 4
    with serving(Dispatcher(), app, Errors()) as server:
        for page in sorted(paths):
            for method in ("GET", "POST"):
                reply = _ask(_connect(server), page, method=method)
                assert reply.code == 401
                assert reply.headers["www-authenticate"].startswith("Basic realm=")
                reply = _ask(_connect(server, "192.0.2.1"), page, _LOGIN, method=method)
                assert reply.code == 403
        assert _ask(_connect(server), path, _LOGIN).code == 200
        wrong = "Authorization: Basic " + base64.b64encode(b"me:wrong").decode()
        assert _ask(_connect(server), path, wrong).code == 401


@pytest.mark.parametrize(("kind", "path"), _PAGES)
@pytest.mark.parametrize(
    ("ip", "host", "fields", "code"),
    [
        ("127.0.0.1", "127.0.0.1:8000", [], 200),
        ("127.8.0.1", "localhost", [], 200),
        ("::1", "[::1]:8000", [], 200),
        ("::ffff:127.0.0.1", "localhost", [], 200),
        ("192.0.2.1", "localhost", [], 403),
        ("::ffff:192.0.2.1", "localhost", [], 403),
        (None, "localhost", [], 403),
        ("127.0.0.1", "evil.example.org", [], 403),
        ("127.0.0.1", "localhost.example.org", [], 403),
        ("127.0.0.1", "localhost", ["X-Forwarded-For: 192.0.2.1"], 403),
        ("127.0.0.1", "localhost", ["X-Forwarded-For: 127.0.0.1"], 403),
        ("127.0.0.1", "localhost", ["Forwarded: for=127.0.0.1"], 403),
        ("127.0.0.1", "localhost", ["x-forwarded-host: shop.example"], 403),
        ("127.0.0.1", "localhost", ["X-Forwarded-Anything: a"], 403),
        ("127.0.0.1", "localhost", ["Via: 1.1 a"], 403),
        ("127.0.0.1", "localhost", ["CF-Connecting-IP: 127.0.0.1"], 403),
        ("127.0.0.1", "localhost", ["True-Client-IP: 127.0.0.1"], 403),
        ("127.0.0.1", "localhost", ["X-Client-IP: 127.0.0.1"], 403),
        ("127.0.0.1", "localhost", ["X-Other: 127.0.0.1"], 200),
    ],
)
def test_who_is_at_this_machine(
    kind: Any,
    path: str,
    ip: Any,
    host: str,
    fields: list[str],
    code: int,
    users: dict[str, str],
) -> None:
    with serving(Dispatcher(), kind(users), Errors()) as server:
        assert _ask(_connect(server, ip), path, _LOGIN, *fields, host=host).code == code


@pytest.mark.parametrize(("kind", "path"), _PAGES)
def test_others_are_let_in_on_demand_and_still_need_a_password(
    kind: Any, path: str, users: dict[str, str]
) -> None:
    with serving(Dispatcher(), kind(users, loopback_only=False), Errors()) as server:
        assert _ask(_connect(server, "192.0.2.1"), path, _LOGIN).code == 200
        assert _ask(_connect(server, "192.0.2.1"), path).code == 401


@pytest.mark.parametrize(("kind", "path"), _PAGES)
def test_without_users_there_is_a_password_in_the_log(
    kind: Any, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = kind(channel="/here")
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    password = record.getMessage().split()[-1]
    assert len(password) >= 20
    login = "Authorization: Basic " + base64.b64encode(f"admin:{password}".encode()).decode()
    with serving(Dispatcher(), app, Errors()) as server:
        assert _ask(_connect(server), "/here").code == 401
        reply = _ask(_connect(server), "/here", login)
    assert reply.code == 200
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["x-frame-options"] == "DENY"
    assert "default-src 'none'" in reply.headers["content-security-policy"]


# -- the console --


class Console:
    """Somebody at the page of a console."""

    def __init__(self, server: MemoryServer) -> None:
        self._server = server
        page = _ask(_connect(server), "/console", _LOGIN).body.decode()
        found = re.search(r'"X-Token": "([^"]+)"', page)
        assert found
        self.token = found[1]

    def ask(self, what: str, line: str, *fields: str, token: str | None = None) -> Reply:
        from urllib.parse import urlencode

        body = urlencode({"line": line}).encode()
        head = [
            f"POST /console/{what} HTTP/1.1",
            "Host: localhost",
            _LOGIN,
            "Content-Type: application/x-www-form-urlencoded",
            f"Content-Length: {len(body)}",
            f"X-Token: {self.token if token is None else token}",
            *fields,
        ]
        return _connect(self._server).ask("\r\n".join([*head, "", ""]).encode() + body)


def test_lines_are_run(users: dict[str, str]) -> None:
    with serving(Dispatcher(), WebConsole(users), Errors()) as server:
        console = Console(server)
        assert console.ask("push", "6 * 7").body == b"42\n"
        assert console.ask("push", "x = root").body == b""
        assert console.ask("push", "print(x.channel)").body == b"web\n"
        assert console.ask("push", "for n in range(2):").code == 204
        assert console.ask("push", "    print(n)").code == 204
        assert console.ask("push", "").body == b"0\n1\n"
        failed = console.ask("push", "1 / 0")
        assert failed.code == 200
        assert b"ZeroDivisionError" in failed.body
        assert console.ask("push", "print('\\ud800')").body == b"\\ud800\n"
        assert console.ask("dir", "{'\\ud800': 1}").code == 200
        assert b"EOFError" in console.ask("push", "input()").body
        assert b"fire\n" in console.ask("dir", "root").body
        assert b"NameError" in console.ask("dir", "nothing").body
        assert b"Return the" in console.ask("doc", "len").body
        reply = console.ask("push", "'<b>'")
        assert reply.headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("what", ["push", "dir", "doc"])
def test_other_sites_cannot_run_anything(what: str, users: dict[str, str]) -> None:
    seen: list[Any] = []
    app = WebConsole(users)
    app.locals["seen"] = seen
    with serving(Dispatcher(), app, Errors()) as server:
        console = Console(server)
        line = "seen.append(1)"
        assert console.ask(what, line, token="").code == 403
        assert console.ask(what, line, token=console.token[:-1]).code == 403
        for origin in ("http://evil.example.org", "null", "http://localhost:81"):
            assert console.ask(what, line, f"Origin: {origin}").code == 403
        reply = _ask(_connect(server), f"/console/{what}?line={line}", _LOGIN)
        assert (reply.code, reply.headers["allow"]) == (405, "POST")
        assert seen == []
        assert console.ask(what, line, "Origin: http://localhost").code == 200
        assert seen == [1]


# -- the monitor --


class Thing(Component):
    """Something to be found."""

    def __repr__(self) -> str:
        raise ValueError("not shown")


def test_objects_are_counted(virtual_clock: VirtualClock, users: dict[str, str]) -> None:
    app = MemoryMonitor(users, period=5, maxhistory=3)
    name = f"{Thing.__module__}.Thing"
    with serving(Dispatcher(), app, Errors()) as server:
        counts = []
        things = []
        for _ in range(4):
            things.append(Thing())
            virtual_clock.advance(5)
            settle(server)
            counts.append(list(app.history[name]))
        assert counts == [[1], [1, 2], [1, 2, 3], [2, 3, 4]]
        client = _connect(server)
        page = _ask(client, "/memory?floor=4", _LOGIN).body.decode()
        assert name in page
        assert name not in _ask(client, "/memory?floor=5", _LOGIN).body.decode()
        assert _ask(_connect(server), "/memory?floor=x", _LOGIN).code == 400
        chart = _ask(client, f"/memory/chart/{name}", _LOGIN)
        assert chart.headers["content-type"] == "image/svg+xml"
        assert b"<polyline" in chart.body
        assert _ask(client, "/memory/chart/nothing", _LOGIN).code == 404
        trace = _ask(client, f"/memory/trace/{name}", _LOGIN).body.decode()
        assert all(str(id(thing)) in trace for thing in things)
        one = _ask(client, f"/memory/trace/{name}/{id(things[0])}", _LOGIN).body.decode()
        assert str(id(things[1])) not in one.partition("<ul>")[2].partition("<ul>")[0]
        tree = _ask(client, f"/memory/tree/{name}/{id(things[0])}", _LOGIN)
        assert tree.code == 200
        assert b"builtins.list" in tree.body
        assert _ask(client, f"/memory/tree/{name}/1", _LOGIN).code == 404
        app.unregister()
        settle(server)
        before = list(app.history[name])
        virtual_clock.advance(50)
        settle(server)
        assert app.history[name] == type(app.history[name])(before)


def test_types_are_written_as_text(users: dict[str, str]) -> None:
    app = MemoryMonitor(users)
    kind = type("<b>", (Component,), {"__module__": "odd"})
    thing = kind()
    app._on_sample()
    with serving(Dispatcher(), app, Errors()) as server:
        page = _ask(_connect(server), "/memory", _LOGIN).body
        assert b"odd.&lt;b&gt;" in page
        assert b"<b>" not in page
        assert _ask(_connect(server), "/memory/trace/odd.%3Cb%3E", _LOGIN).code == 200
    assert thing is not None
