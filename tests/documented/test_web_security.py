"""The security checklist of the contract: a line each, the case in the name of the test."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

from circuits import handler
from circuits._wire.websocket import Codec, RemoteProtocolError
from circuits.testing import VirtualClock, settle, web_client
from circuits.web import (
    JSONRPC,
    XMLRPC,
    Controller,
    Sessions,
    Static,
    WebSockets,
    client,
    expose,
    tools,
)
from circuits.web.apps.memorymonitor import MemoryMonitor
from circuits.web.apps.webconsole import WebConsole
from circuits.web.dispatchers import Dispatcher
from circuits.web.websocket import WebSocketClient
from tests.web.http_support import App, Errors, Pieces, get, parse, post, serving

# -- 1: files stay inside --


@pytest.fixture
def docroot(tmp_path: Path) -> Path:
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "inside2").mkdir()
    (tmp_path / "inside2" / "secret.txt").write_text("secret")
    (inside / "open.txt").write_text("open")
    (inside / "link.txt").symlink_to(tmp_path / "secret.txt")
    (inside / "folder").symlink_to(tmp_path)
    return inside


@pytest.mark.parametrize("prefix", ["/", "/s/"])
@pytest.mark.parametrize(
    "target",
    [
        "../secret.txt",
        "%2e%2e/secret.txt",
        "%2e%2e%2fsecret.txt",
        "..%2fsecret.txt",
        "..%5csecret.txt",
        "..\\secret.txt",
        "/../secret.txt",
        "//secret.txt",
        "%252e%252e/secret.txt",
        "../inside2/secret.txt",
        "open.txt%00/../../secret.txt",
        "secret.txt%00.txt",
        "link.txt",
        "folder/secret.txt",
        "./../secret.txt",
        "%c0%ae%c0%ae/secret.txt",
    ],
)
def test_01_nothing_outside_of_the_docroot(docroot: Path, prefix: str, target: str) -> None:
    static = Static("/s" if prefix == "/s/" else None, docroot=os.fspath(docroot), dirlisting=True)
    with serving(static) as server:
        assert server.connect().get(f"{prefix}open.txt").body == b"open"
        reply = server.connect().get(prefix + target)
        assert reply.code in (301, 400, 404)
        assert reply.body != b"secret"
        if reply.code == 301:
            path = reply.headers["location"].removeprefix("http://test")
            assert server.connect().get(path).body != b"secret"


# -- 2: no injection --


@pytest.mark.parametrize("text", ["a\r\nX-Evil: 1", "a\nX-Evil: 1", "a\rX-Evil: 1", "a\0b"])
@pytest.mark.parametrize("where", ["header", "cookie", "redirect", "name", "reason"])
def test_02_line_ends_are_rejected(tmp_path: Path, where: str, text: str) -> None:
    file = tmp_path / "file.txt"
    file.write_text("x")

    def act(app: App, request: Any, response: Any) -> Any:
        if where == "header":
            response.headers["X-Text"] = text
        elif where == "cookie":
            response.set_cookie("name", "value", path=text)
        elif where == "redirect":
            from circuits.web import Redirect

            return Redirect(request, response, [text])
        elif where == "reason":
            response.message = text
        else:
            return tools.serve_download(request, response, os.fspath(file), text)
        return "done"

    with serving(App(act), Errors()) as server:
        answered = server.connect()
        answered.feed(get())
        [reply] = parse(answered.received)
        assert "x-evil" not in reply.headers
        assert b"\nX-Evil" not in answered.received
        assert reply.code == 500 or where == "name"


@pytest.mark.parametrize("url", ["ws://test/a\r\nX: 1", "ws://test\r\n/", "ws://te\0st/"])
def test_02_urls_of_websocket_clients(url: str) -> None:
    with pytest.raises((ValueError, client.NotConnected)):
        WebSocketClient(url)


# -- 3: framing --


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        pytest.param("Content-Length: 3\r\nTransfer-Encoding: chunked", b"0\r\n\r\n", id="both"),
        pytest.param("Content-Length: 3\r\nContent-Length: 4", b"abc", id="two-lengths"),
        pytest.param("Content-Length: 3, 4", b"abc", id="list-of-lengths"),
        pytest.param("Content-Length: +3", b"abc", id="plus"),
        pytest.param("Content-Length: -3", b"abc", id="minus"),
        pytest.param("Transfer-Encoding: xchunked", b"0\r\n\r\n", id="xchunked"),
        pytest.param("Transfer-Encoding : chunked", b"0\r\n\r\n", id="space-before-colon"),
        pytest.param("X: a\r\n b", b"", id="obs-fold"),
        pytest.param("X: a\nY: b", b"", id="bare-line-feed"),
        pytest.param("Transfer-Encoding: chunked", b"x\r\nabc\r\n", id="no-chunk-size"),
        pytest.param("Transfer-Encoding: chunked", b"-1\r\nabc\r\n", id="negative-chunk"),
        pytest.param("Transfer-Encoding: chunked", b"0x3\r\nabc\r\n", id="0x-chunk"),
        pytest.param("Transfer-Encoding: chunked", b"3\r\nabcde\r\n", id="long-chunk"),
        pytest.param("Transfer-Encoding: chunked", b"3\nabc\n", id="bare-chunk"),
    ],
)
def test_03_doubtful_framing_is_refused(fields: str, body: bytes) -> None:
    app = App("answered")
    with serving(app) as server:
        sender = server.connect()
        head = f"POST / HTTP/1.1\r\nHost: test\r\n{fields}\r\n\r\n"
        sender.feed(head.encode() + body + get("/next"))
        replies = parse(sender.received)
        assert [reply.code for reply in replies] in ([400], [501])
        assert sender.is_closed
        assert app.requests == []


# -- 4: Authorization --


@pytest.mark.parametrize("kind", ["basic", "digest"])
@pytest.mark.parametrize(
    "value",
    [
        "",
        "Basic",
        "Basic ",
        "Basic x",
        "Basic !!!!",
        "Basic " + base64.b64encode(b"nocolon").decode(),
        "Basic " + base64.b64encode(b"\xff:\xff").decode(),
        "Basic " + base64.b64encode(b"nobody:None").decode(),
        "Basic " + base64.b64encode(b"a\0b:x").decode(),
        "Digest",
        "Digest username=me",
        'Digest username="me", realm="r", nonce="1", uri="/", response="x"',
        'Digest username="me" realm',
        "Bearer x",
        "None",
        "Basic " + "A" * 9000,
        "\xff\xff",
    ],
)
def test_04_malformed_credentials_are_401(kind: str, value: str) -> None:
    def act(app: App, request: Any, response: Any) -> Any:
        if kind == "basic":
            return tools.basic_auth(request, response, "r", {"me": "x"}, str) or "in"
        return tools.digest_auth(request, response, "r", {"me": "x"}) or "in"

    with serving(App(act)) as server:
        assert server.connect().get("/", f"Authorization: {value}").code == 401


# -- 5: sessions --


def test_05_session_ids_are_ours() -> None:
    class Root(Controller):
        def index(self) -> str:
            self.session["seen"] = True
            return str(self.request.sid)

    with serving(Dispatcher(), Sessions(), Root()) as server:
        ids = set()
        for _ in range(20):
            reply = server.connect().get("/", "Cookie: circuits.session=chosen")
            sid = reply.body.decode()
            assert sid != "chosen"
            assert len(sid) >= 43  # 256 bits
            assert "HttpOnly" in reply.headers["set-cookie"]
            assert "SameSite=Lax" in reply.headers["set-cookie"]
            ids.add(sid)
        assert len(ids) == 20


# -- 6: errors tell nothing --


def test_06_no_traceback_and_texts_are_escaped() -> None:
    def act(app: App, request: Any, response: Any) -> Any:
        from circuits.web import NotFound

        if request.path == "/raise":
            raise ValueError("secret")
        return NotFound(request, response, description="<script>x</script>")

    with serving(App(act), Errors()) as server:
        page = server.connect().get("/raise").body
        assert b"secret" not in page
        assert b"Traceback" not in page
        assert b'traceback"' not in page
        assert b"<script>" not in server.connect().get("/").body


# -- 7: limits before allocation --


@pytest.mark.parametrize(
    ("limits", "data", "code"),
    [
        ({"body_bytes": 10}, get("/", "Content-Length: 11", method="POST"), 413),
        ({"body_bytes": 10}, get("/", "Content-Length: 999999999999", method="POST"), 413),
        (
            {"body_bytes": 10},
            get("/", "Transfer-Encoding: chunked", method="POST") + b"fffffff\r\n",
            413,
        ),
        ({"header_count": 3}, get("/", *["A: 1"] * 9), 431),
        ({"header_block_bytes": 30}, b"GET / HTTP/1.1\r\nA: " + b"x" * 60, 431),
        ({"request_line_bytes": 30}, b"GET /" + b"x" * 60, 414),
    ],
)
def test_07_what_is_too_much_is_refused_before_it_is_there(
    limits: dict[str, int], data: bytes, code: int
) -> None:
    with serving(App("x"), **limits) as server:
        sender = server.connect()
        sender.feed(data)
        assert [reply.code for reply in parse(sender.received)] == [code]


def test_07_parts_of_forms() -> None:
    class Root(Controller):
        def index(self, **fields: Any) -> str:
            return "index"

    part = b'--xx\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
    kind = "Content-Type: multipart/form-data; boundary=xx"
    with serving(Dispatcher(), Root()) as server:
        assert server.connect().ask(post(part * 1001 + b"--xx--", kind)).code == 413


def test_07_messages_of_websockets() -> None:
    from circuits._wire.websocket import Limits

    codec = Codec(is_client=False, limits=Limits(message_bytes=100))
    codec.receive_data(b"\x82\xfe\x10\x00mask")  # 4 KiB are announced
    with pytest.raises(RemoteProtocolError) as caught:
        codec.next_message()
    assert caught.value.code == 1009


# -- 8: WebSockets --


_UPGRADE = get(
    "/", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)  # fmt: skip


class Greets(App):
    """Sends a message to the client that has connected first."""

    def __init__(self) -> None:
        super().__init__(None)
        self.here: list[Any] = []

    @handler("connect", channel="ws")
    def _on_open(self, sock: Any, *peer: Any) -> None:
        self.here.append(sock)


def test_08_frames_are_masked_and_messages_go_to_one_client() -> None:
    from circuits.net.sockets import Write

    app = Greets()
    with serving(WebSockets(), app) as server:
        first, second = server.connect(), server.connect()
        first.feed(_UPGRADE)
        second.feed(_UPGRADE)
        heads = [one.received for one in (first, second)]
        assert all(head.startswith(b"HTTP/1.1 101 ") for head in heads)
        server.fire(Write(app.here[0], "for you"), "ws")
        settle(server)
        assert first.received[len(heads[0]) :] == b"\x81\x07for you"
        assert second.received == heads[1]
        second.feed(b"\x81\x02hi")  # not masked
        frame = second.received[len(heads[1]) :]
        assert (frame[:1], frame[2:4]) == (b"\x88", b"\x03\xea")  # 1002


# -- 9: who is asked for --


@pytest.mark.parametrize(
    "field",
    [
        "X-Forwarded-For: 198.51.100.7",
        "X-Forwarded-Host: evil.example",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Port: 444",
        "Forwarded: for=198.51.100.7;host=evil.example;proto=https",
    ],
)
def test_09_forwarded_is_ignored_unless_configured(field: str) -> None:
    def act(app: App, request: Any, response: Any) -> Any:
        return f"{request.client[0]} {request.url} {request.scheme} {request.remote.ip}"

    with serving(App(act)) as server:
        body = server.connect().get("/", field).body
        assert body == b"192.0.2.1 http://test/ http 192.0.2.1"


# -- 10: handlers are no pages --


class Handlers(Controller):
    def index(self) -> str:
        return "index"

    @handler("started", "registered", "signal", "error", "unregistered", channel="*")
    def _on_events(self, *args: Any) -> str:
        return "reached"

    @handler("own")
    def _on_own(self, *args: Any) -> str:
        return "reached"


@pytest.mark.parametrize(
    "name",
    ["started", "registered", "unregistered", "signal", "error", "own", "_on_own", "fire", "stop"],
)
def test_10_handlers_are_no_pages(name: str) -> None:
    with serving(Dispatcher(), Handlers()) as server:
        assert server.connect().get(f"/{name}").code == 404


# -- 11: bombs --


def _bomb() -> bytes:
    entities = '<!ENTITY a0 "aaaaaaaaaa">' + "".join(
        f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 9)
    )
    call = "<methodCall><methodName>m</methodName><params><param><value>&a8;</value></param></params></methodCall>"
    return f'<?xml version="1.0"?><!DOCTYPE x [{entities}]>{call}'.encode()


def test_11_entities_are_not_expanded() -> None:
    with serving(XMLRPC("/rpc"), Errors()) as server:
        reply = server.connect().ask(post(_bomb(), target="/rpc"))
        assert reply.code == 200
        assert b"<fault>" in reply.body
        assert len(reply.body) < 10_000


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "[" * 100_000 + "]" * 100_000])
def test_11_deep_json(text: str) -> None:
    class Root(Controller):
        def index(self) -> Any:
            return self.request.json()

    kind = "Content-Type: application/json"
    with serving(Dispatcher(), Root(), JSONRPC("/rpc"), Errors()) as server:
        assert server.connect().ask(post(text.encode(), kind)).code == 400
        reply = server.connect().ask(post(text.encode(), kind, target="/rpc"))
        assert reply.code == 200
        assert json.loads(reply.body)["error"]


def test_11_floods_of_ranges(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"x" * 1000)
    ranges = ",".join(f"{n}-" for n in range(500))
    with serving(Static(docroot=os.fspath(tmp_path))) as server:
        reply = server.connect().get("/a.txt", f"Range: bytes={ranges}")
        assert (reply.code, len(reply.body)) == (200, 1000)


# -- 12: slow and vanishing clients --


@pytest.mark.parametrize(
    ("data", "seconds", "code"),
    [
        (b"GET / HTTP/1.1\r\n", 40, 408),
        (b"", 40, None),
        (get("/", "Content-Length: 5", method="POST") + b"x", 70, 408),
    ],
)
def test_12_slow_clients_time_out(
    virtual_clock: VirtualClock, data: bytes, seconds: int, code: int | None
) -> None:
    with serving(App("x")) as server:
        slow = server.connect()
        settle(server)
        if data:
            slow.feed(data)
        for _ in range(seconds // 5):
            virtual_clock.advance(5)
            settle(server)
        assert [reply.code for reply in parse(slow.received)] == ([] if code is None else [code])
        assert slow.is_closed
        assert not server.http._connections


def test_12_who_vanishes_leaves_nothing_open() -> None:
    pieces = Pieces(*[b"x" * 1000] * 50)

    def act(app: App, request: Any, response: Any) -> Any:
        response.stream = True
        response.body = pieces
        return response

    with serving(App(act)) as server:
        server.server.high_water = 2000
        leaving = server.connect()
        leaving.feed(get())
        assert pieces.left
        leaving.leave()
        assert pieces.closed == 1
        assert not server.http._connections


# -- 13: digests --


def test_13_nonces_expire_and_cannot_be_forged() -> None:
    from circuits.web._auth import Nonces

    now = [1000.0]
    nonces, others = (Nonces(300, clock=lambda: now[0]) for _ in range(2))
    nonce = nonces.make()
    assert nonces.is_fresh(nonce)
    assert not others.is_fresh(nonce)
    for position in range(len(nonce)):
        forged = nonce[:position] + ("A" if nonce[position] != "A" else "B") + nonce[position + 1 :]
        assert not nonces.is_fresh(forged)
    assert nonces.use(nonce, 1)
    assert not nonces.use(nonce, 1)
    now[0] += 301
    assert not nonces.is_fresh(nonce)


# -- 14: tools that show everything --


@pytest.mark.parametrize(("kind", "path"), [(WebConsole, "/console"), (MemoryMonitor, "/memory")])
def test_14_other_machines_are_refused(kind: Any, path: str) -> None:
    with serving(Dispatcher(), kind({"me": "x"}), Errors()) as server:
        assert server.connect().get(path).code == 403


def test_the_test_client_sees_the_same(tmp_path: Path) -> None:
    class Root(Controller):
        @expose("x")
        def page(self) -> str:
            return "page"

    with web_client(Root) as browser:
        assert browser.get("/x").status == 200
        assert browser.get("/page").status == 404
