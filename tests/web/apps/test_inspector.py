"""The inspector: who may see it, what it tells, and that it costs nothing while nobody looks."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import circuits.web.apps as apps
from circuits import Component, Event
from circuits.testing.web import WebClient, web_client
from circuits.web import Controller
from circuits.web.apps.inspector import Inspector
from circuits.web.client import StatusError

_FILES = Path(apps.__file__).parent / "_inspector"
_TOKEN = "correct horse battery"


class Ping(Event):
    """Something happened."""


class Root(Controller):
    def index(self) -> str:
        return "index"


class Listener(Component):
    channel = "listener"

    def ping(self, what: str) -> None: ...


def application(**options: Any) -> Any:
    return Root() + Listener() + Inspector(**options)


def page_token(client: WebClient, **options: Any) -> str:
    found = re.search(
        r'name="inspector-token" content="([^"]+)"', client.get("/inspector", **options).text
    )
    assert found is not None
    return found[1]


def socket_of(client: WebClient, token: str, **headers: str) -> Any:
    return client.websocket(
        "/inspector/socket", subprotocols=("circuits.inspector", token), headers=headers
    )


def ticks_of(socket: Any, count: int) -> list[Any]:
    found: list[Any] = []
    while len(found) < count:
        message = json.loads(socket.receive())
        if message["type"] == "tick":
            found.append(message)
    return found


def test_the_page_is_there() -> None:
    with web_client(application()) as client:
        response = client.get("/inspector")
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/html; charset=utf-8"
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        for name, kind in (
            ("app.js", "text/javascript"),
            ("style.css", "text/css"),
            ("icon.svg", "image"),
        ):
            file = client.get(f"/inspector/files/{name}")
            assert file.status == 200
            assert file.headers["Content-Type"].startswith(kind)
        assert client.get("/inspector/files/../inspector.py").status == 404
        assert client.get("/inspector/files/login.html").status == 404


def test_a_page_is_told_what_happens() -> None:
    with web_client(application()) as client:
        with socket_of(client, page_token(client)) as socket:
            assert socket.subprotocol == "circuits.inspector"
            greeting = [json.loads(socket.receive()) for _ in range(3)]
            assert [message["type"] for message in greeting] == ["tree", "state", "errors"]
            assert "Listener" in [one["class"] for one in greeting[0]["components"]]
            client.app.fire(Ping("<script>alert(1)</script>"), "listener")
            ticks = ticks_of(socket, 2)
            [trace] = [
                trace for tick in ticks for trace in tick["traces"] if trace["name"] == "ping"
            ]
            assert trace["args"] == "'<script>alert(1)</script>'"
            assert trace["handlers"][0][0] == "Listener.ping"


def test_requests_are_counted_and_traced() -> None:
    with web_client(application()) as client:
        with socket_of(client, page_token(client)) as socket:
            assert client.get("/").text == "index"
            ticks = ticks_of(socket, 2)
            kinds = {kind[0]: kind[2] + kind[3] for tick in ticks for kind in tick["kinds"]}
            assert kinds["request"] >= 1
            assert kinds["response"] >= 1


def test_without_a_page_the_engine_is_the_plain_one() -> None:
    with web_client(application()) as client:
        client.get("/")
        engine = client.app._tree_engine
        assert engine.append == engine.queue.append
        assert engine.tap is None
        with socket_of(client, page_token(client)):
            assert engine.append != engine.queue.append
        assert engine.append == engine.queue.append
        assert engine.tap is None


def test_a_page_that_vanishes_is_forgotten() -> None:
    with web_client(application()) as client:
        socket = socket_of(client, page_token(client))
        socket._line.close()
        client._settle()
        engine = client.app._tree_engine
        assert engine.append == engine.queue.append


def test_a_page_that_does_not_keep_up_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    app = application(limit=100_000)
    inspector = next(node for node in app.components if isinstance(node, Inspector))
    with web_client(app) as client:
        socket = socket_of(client, page_token(client))
        [websocket] = inspector._pages.websockets
        monkeypatch.setattr(type(websocket._link), "must_pause", lambda link: True)
        inspector._tell()
        assert not websocket.is_open
        assert len(list(socket)) == 3  # the greeting
        assert socket.close_code == 1013
        socket._line.close()


def test_so_many_pages_look_on_and_the_next_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with web_client(application()) as client:
        token = page_token(client)
        sockets = [socket_of(client, token) for _ in range(8)]
        with pytest.raises(StatusError) as refused:
            socket_of(client, token)
        assert refused.value.response.status == 503
        assert not caplog.records
        for socket in sockets:
            socket._line.close()


def test_the_socket_refuses_who_does_not_know_the_page() -> None:
    with web_client(application()) as client:
        token = page_token(client)
        for wrong in ("x" * 24, token[:-1]):
            with pytest.raises(StatusError) as refused:
                socket_of(client, wrong)
            assert refused.value.response.status == 403


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:81"])
def test_the_socket_refuses_other_origins(origin: str) -> None:
    with web_client(application()) as client:
        token = page_token(client)
        with pytest.raises(StatusError) as refused:
            socket_of(client, token, Origin=origin)
        assert refused.value.response.status == 403
        with socket_of(client, token, Origin="http://localhost"):
            pass


@pytest.mark.parametrize(
    "headers", [{"Host": "evil.example"}, {"X-Forwarded-For": "192.0.2.1"}, {"Via": "1.1 proxy"}]
)
@pytest.mark.parametrize("path", ["/inspector", "/inspector/files/app.js", "/inspector/socket"])
def test_it_is_for_this_machine(path: str, headers: dict[str, str]) -> None:
    with web_client(application()) as client:
        assert client.get(path, headers=headers).status == 403


def test_other_machines_need_a_token() -> None:
    away = {"Host": "app.example"}
    with web_client(application(token=_TOKEN)) as client:
        page = client.get("/inspector", headers=away)
        assert page.status == 401
        assert 'name="token"' in page.text
        assert "inspector-token" not in page.text
        assert client.get("/inspector/socket", headers=away).status == 401
        wrong = {**away, "Authorization": "Bearer something else"}
        assert client.get("/inspector", headers=wrong).status == 401
        right = {**away, "Authorization": f"Bearer {_TOKEN}"}
        assert client.get("/inspector", headers=right).status == 200


def test_people_log_in_by_a_form() -> None:
    with web_client(application(token=_TOKEN)) as client:
        assert client.post("/inspector/login", data={"token": "wrong"}).status == 403
        assert client.get("/inspector/login", params={"token": _TOKEN}).status == 405
        evil = {"Origin": "http://evil.example"}
        assert client.post("/inspector/login", data={"token": _TOKEN}, headers=evil).status == 403
        response = client.post("/inspector/login", data={"token": _TOKEN})
        assert response.status == 303
        cookie = response.headers["Set-Cookie"]
        assert _TOKEN not in cookie
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        with socket_of(client, page_token(client)) as socket:
            assert json.loads(socket.receive())["type"] == "tree"


def test_a_token_that_can_be_guessed_is_refused() -> None:
    with pytest.raises(ValueError, match="a token has at least 16 characters, not 3"):
        Inspector(token="abc")
    with pytest.raises(ValueError, match="other machines need a token"):
        Inspector(loopback_only=False)


# -- the files --


class _Ids(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.uses: list[str] = []
        self.inline: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            if name == "id":
                self.ids.append(value or "")
            if name in ("aria-controls", "aria-labelledby", "for"):
                self.uses.append(value or "")
            if name == "style" or name.startswith("on"):
                self.inline.append(f"{tag} {name}")


def test_the_page_fits_its_script() -> None:
    page = _Ids()
    page.feed((_FILES / "index.html").read_text(encoding="utf-8"))
    script = (_FILES / "app.js").read_text(encoding="utf-8")
    assert len(page.ids) == len(set(page.ids))
    assert set(page.uses) <= set(page.ids)
    assert set(re.findall(r'\$\("([\w-]+)"\)', script)) <= set(page.ids)
    assert page.inline == []  # the policy would refuse it


def test_the_script_makes_no_markup_of_what_it_is_told() -> None:
    script = (_FILES / "app.js").read_text(encoding="utf-8")
    for danger in (
        "innerHTML",
        "outerHTML",
        "insertAdjacent",
        "document.write",
        "eval(",
        "Function(",
    ):
        assert danger not in script
