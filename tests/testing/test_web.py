from __future__ import annotations

import gzip
import io
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from circuits import BaseComponent, Component, Event, Timer, handler, sleep
from circuits.testing import NotSettledError, VirtualClock, settle, web, web_client
from circuits.testing.web import WebClient
from circuits.web import Controller, EventStream, Server, WebSocket, expose
from circuits.web._client_errors import ProtocolError, StatusError, TooManyRedirects
from circuits.web._websocket import ConnectionClosed
from circuits.web.exceptions import Gone


class Root(Controller):
    def index(self) -> str:
        return "It works"

    def echo(self, *args: Any, **kwargs: Any) -> Any:
        request = self.request
        return {"method": request.method, "args": args, "kwargs": kwargs}

    def json(self) -> Any:
        return self.request.json()

    def upload(self, file: Any, note: str = "") -> Any:
        return {"name": file.filename, "size": file.size, "type": file.type, "note": note}

    def body(self) -> bytes:
        return self.request.body.read()  # type: ignore[no-any-return]

    def headers(self) -> Any:
        return dict(self.request.headers)

    def login(self) -> str:
        self.response.set_cookie("user", "ann")
        return "welcome"

    def who(self) -> Any:
        return {name: morsel.value for name, morsel in self.request.cookie.items()}

    def move(self) -> Any:
        return self.redirect("/who")

    def circle(self) -> Any:
        return self.redirect("/circle")

    def away(self) -> Any:
        return self.redirect("ftp://example.org/")

    def slowly(self) -> Iterator[Any]:
        yield sleep(3600)
        yield "at last"

    def never(self) -> Iterator[Any]:
        yield self.wait("christmas")
        yield "no"

    def gone(self) -> None:
        raise Gone("It was sold.")

    def fail(self) -> None:
        raise LookupError("nothing here")

    def pieces(self) -> Any:
        self.response.stream = True
        self.response.body = (f"line {number}\r\n".encode() for number in range(3))
        return self.response

    def large(self) -> bytes:
        return b"x" * 5_000_000

    def packed(self) -> bytes:
        self.response.headers["Content-Encoding"] = "gzip"
        return gzip.compress(b"y" * 200_000)

    def broken(self) -> bytes:
        self.response.headers["Content-Encoding"] = "gzip"
        return gzip.compress(b"y" * 2000)[:-9]

    async def later(self) -> str:
        await sleep(60)
        return "later"

    def feed(self) -> Any:
        async def ticks() -> AsyncIterator[str]:
            for number in range(3):
                await sleep(100)
                yield f"tick {number}"

        return EventStream(ticks(), heartbeat=None)

    @expose.websocket
    async def chat(self, websocket: WebSocket) -> None:
        await websocket.send(f"hello {self.request.cookie['user'].value}")
        async for message in websocket:
            if message == "bye":
                await websocket.close(4000, "as you wish")
            elif message == "wait":
                await sleep(10)
                await websocket.send("waited")
            else:
                await websocket.send(message)

    @expose.websocket("picky", subprotocols=("b", "a"))
    async def picky(self, websocket: WebSocket) -> None:
        async for message in websocket:
            await websocket.send(message)


@pytest.fixture
def client() -> Iterator[WebClient]:
    with web_client(Root) as client:
        yield client


def test_a_page(client: WebClient) -> None:
    response = client.get("/")
    assert (response.status, response.reason, response.text) == (200, "OK", "It works")
    assert response.headers["content-type"].startswith("text/html")
    assert response.url == "http://localhost/"
    assert client.get("/nowhere").status == 404


def test_it_opens_itself() -> None:
    client = web_client(Root())
    assert client.get("/").content == b"It works"
    client.close()
    client.close()


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete", "options"])
def test_methods_and_parameters(client: WebClient, method: str) -> None:
    response = getattr(client, method)("/echo/a%20b", params={"x": 1, "y": "é"})
    assert response.json() == {
        "method": method.upper(),
        "args": ["a b"],
        "kwargs": {"x": "1", "y": "é"},
    }


def test_head_has_no_body(client: WebClient) -> None:
    response = client.head("/")
    assert (response.status, response.content) == (200, b"")
    assert response.headers["Content-Length"] == "8"


def test_bodies(client: WebClient) -> None:
    assert client.post("/json", json={"a": [1, None]}).json() == {"a": [1, None]}
    form = client.post("/echo", data={"a": "1 & 2", "b": "x"}).json()
    assert form["kwargs"] == {"a": "1 & 2", "b": "x"}
    assert client.post("/body", content="text").text == "text"
    assert client.post("/body", content=(b"abc" for _ in range(3))).text == "abc" * 3
    large = bytes(range(256)) * 8000
    assert client.post("/body", content=large).content == large


def test_uploads(client: WebClient) -> None:
    expected = {"name": "a.txt", "size": 3, "type": "text/plain", "note": "n"}
    part = ("a.txt", b"abc", "text/plain")
    assert client.post("/upload", files={"file": part}, data={"note": "n"}).json() == expected
    file = io.BytesIO(b"abc")
    file.name = "/tmp/b"
    response = client.post("/upload", files={"file": file}).json()
    assert (response["name"], response["size"]) == ("b", 3)


@pytest.mark.parametrize(
    "options",
    [{"content": b"a", "json": 1}, {"data": "a", "content": "b"}, {"files": {"a": b""}, "json": 1}],
)
def test_there_is_one_body(client: WebClient, options: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        client.post("/", **options)


def test_what_cannot_be_sent(client: WebClient) -> None:
    with pytest.raises(ValueError, match="control character"):
        client.get("/", headers={"X-A": "a\r\nB: c"})
    with pytest.raises(ValueError, match="control"):
        client.get("/a\nb")
    with pytest.raises(ValueError, match="not an absolute URL"):
        client.get("ftp://example.org/")


def test_headers_and_hosts(client: WebClient) -> None:
    sent = client.get("http://u:p@example.org:81/headers", headers={"X-A": "1"}).json()
    assert sent["Host"] == "example.org:81"
    assert sent["X-A"] == "1"
    assert sent["Authorization"] == "Basic dTpw"


def test_cookies_are_kept(client: WebClient) -> None:
    assert client.get("/who").json() == {}
    response = client.get("/login")
    assert response.cookies == {"user": "ann"}
    assert client.cookies["user"] == "ann"
    assert client.get("/who").json() == {"user": "ann"}
    assert client.get("/who", cookies={"a": "b"}).json() == {"user": "ann", "a": "b"}
    assert client.get("http://other.example/who").json() == {}
    client.cookies.clear()
    assert "user" not in client.cookies


def test_redirects(client: WebClient) -> None:
    assert client.get("/move").status == 303
    response = client.post("/move", data={"a": 1}, follow_redirects=True)
    assert response.json() == {}
    assert response.url == "http://localhost/who"
    assert [each.status for each in response.history] == [303]
    with pytest.raises(TooManyRedirects):
        client.get("/circle", follow_redirects=True)
    with pytest.raises(ProtocolError, match="ftp"):
        client.get("/away", follow_redirects=True)


def test_time_is_virtual(client: WebClient) -> None:
    assert client.get("/slowly").text == "at last"
    assert client.get("/later").text == "later"


def test_the_clock_of_the_test_is_used() -> None:
    with VirtualClock() as clock, web_client(Root) as client:
        client.get("/slowly")
        assert clock.now == 4600
    with web_client(Root):
        pass  # its own clock is gone with it
    with VirtualClock() as clock:
        assert clock.now == 1000


def test_timers_of_a_class_live_by_virtual_time_too() -> None:
    class Clock(Controller):
        def init(self) -> None:
            self.count = 0
            Timer(60, Event.create("minute"), self, persist=True).register(self)

        @handler("minute")
        def _on_minute(self) -> None:
            self.count += 1

        async def later(self) -> str:
            await sleep(120.5)
            return str(self.count)

    with web_client(Clock) as client:
        assert client.get("/later").text == "2"


def test_who_does_not_answer_is_told(client: WebClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "_TURNS", 2000)  # else a day passes
    with pytest.raises(NotSettledError, match="never"):
        client.get("/never")


def test_what_handlers_raise() -> None:
    with web_client(Root) as client:
        with pytest.raises(LookupError, match="nothing here"):
            client.get("/fail")
        assert client.get("/").status == 200
        response = client.get("/gone")
        assert (response.status, "It was sold." in response.text) == (410, True)
    with web_client(Root, raise_errors=False) as client:
        assert client.get("/fail").status == 500


def test_a_large_answer(client: WebClient) -> None:
    assert client.get("/large").content == b"x" * 5_000_000


def test_compressed_answers(client: WebClient) -> None:
    assert client.get("/packed").content == b"y" * 200_000
    with pytest.raises(ProtocolError, match="in the middle"):
        client.get("/broken")


def test_streams(client: WebClient) -> None:
    with client.stream("GET", "/pieces") as response:
        assert response.status == 200
        assert list(response.lines()) == ["line 0", "line 1", "line 2"]
        assert response.read() == b""
    with client.stream("GET", "/feed") as response:
        assert response.headers["Content-Type"].startswith("text/event-stream")
        with pytest.raises(TimeoutError):
            response.read(timeout=99)
        assert b"tick 0" in response.read(timeout=2)
        lines = response.lines()
        assert "data: tick 1" in (next(lines), next(lines))


def test_a_stream_that_is_left_is_closed() -> None:
    closed = []

    class Endless(Controller):
        def index(self) -> Any:
            def pieces() -> Iterator[bytes]:
                try:
                    while True:
                        yield b"x" * 100_000
                finally:
                    closed.append(True)

            self.response.stream = True
            self.response.body = pieces()
            return self.response

    with web_client(Endless) as client:
        with client.stream("GET", "/") as response:
            assert response.read().startswith(b"x")
        assert closed == [True]


def test_a_websocket(client: WebClient) -> None:
    client.get("/login")
    with client.websocket("/chat") as ws:
        assert ws.receive() == "hello ann"
        ws.send("a")
        assert ws.receive(timeout=1) == "a"
        ws.send(b"\0" * 300_000)
        assert ws.receive() == b"\0" * 300_000
        ws.send("wait")
        with pytest.raises(TimeoutError):
            ws.receive(timeout=9)
        assert ws.receive(timeout=1) == "waited"
        assert ws.close_code is None
    assert ws.close_code == 1000


def test_a_websocket_that_the_application_closes(client: WebClient) -> None:
    client.get("/login")
    with client.websocket("/chat") as ws:
        ws.send("x")
        ws.send("bye")
        assert list(ws) == ["hello ann", "x"]
        assert (ws.close_code, ws.close_reason) == (4000, "as you wish")
        with pytest.raises(ConnectionClosed):
            ws.receive(timeout=1)
        with pytest.raises(ConnectionClosed):
            ws.send("more")


def test_subprotocols_and_refusals(client: WebClient) -> None:
    with client.websocket("/picky", subprotocols=("a", "z")) as ws:
        assert ws.subprotocol == "a"
    with pytest.raises(StatusError) as caught:
        client.websocket("/nowhere")
    assert caught.value.response.status == 404
    with pytest.raises(StatusError) as caught:
        client.websocket("/picky", headers={"Origin": "http://evil.example"})
    assert caught.value.response.status == 403


def test_a_tree_with_a_server() -> None:
    class App(Component):
        channel = "web"

        @handler("request")
        def _answer(self, request: Any, response: Any) -> str:
            assert request.remote.ip == "127.0.0.1"
            return f"{request.scheme} {request.path}"

    server = Server(("127.0.0.1", 0))
    App().register(server)
    with web_client(server) as client:
        assert client.app is server
        assert client.get("/a").text == "http /a"


def test_a_component_on_no_server() -> None:
    class App(BaseComponent):
        channel = "web"

        @handler("request")
        def _answer(self, request: Any, response: Any) -> str:
            return "hi"

    with web_client(App()) as client:
        assert client.get("/").text == "hi"


def test_an_application_that_runs_already(app_runner: Any, virtual_clock: VirtualClock) -> None:
    root = app_runner(Server(("127.0.0.1", 0)) + Root())
    with web_client(root) as client:
        assert client.get("/slowly").text == "at last"
    assert root.running
    settle(root)
