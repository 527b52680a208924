"""Components as an ASGI application, with a server in memory."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from circuits import BaseComponent, handler, sleep
from circuits.net.sockets import Write
from circuits.web import (
    Controller,
    EventStream,
    Forbidden,
    Limits,
    Stream,
    WebSocket,
    WebSockets,
    _asgi_application,
    _asgi_application_websocket,
    expose,
)
from circuits.web.asgi import Application, Gateway
from tests.web.http_support import Errors


class Call:
    """One call of an application by a server.

    Attributes:
        sent: What the application has sent.
    """

    def __init__(self, app: Any, scope: dict[str, Any]) -> None:
        self.sent: list[dict[str, Any]] = []
        self.room = asyncio.Event()
        self.room.set()
        self._messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._more = asyncio.Event()
        self.task = asyncio.create_task(app(scope, self._messages.get, self._send))

    async def _send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)
        self._more.set()
        await self.room.wait()

    def put(self, *messages: dict[str, Any]) -> None:
        for message in messages:
            self._messages.put_nowait(message)

    def body(self, data: bytes = b"", more: bool = False) -> None:
        self.put({"type": "http.request", "body": data, "more_body": more})

    async def until(self, count: int) -> dict[str, Any]:
        """Wait until so many messages have been sent; gives the last one of them."""
        async with asyncio.timeout(10):
            while len(self.sent) < count:
                self._more.clear()
                await self._more.wait()
        return self.sent[count - 1]

    async def end(self) -> None:
        async with asyncio.timeout(10):
            await self.task

    @property
    def content(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])


def scope_of(target: str = "/", method: str = "GET", **more: Any) -> dict[str, Any]:
    path, _, query = target.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(b"host", b"test")],
        "client": ("192.0.2.1", 7),
        "server": ("192.0.2.2", 80),
        **more,
    }


def socket_scope(target: str = "/chat", **more: Any) -> dict[str, Any]:
    scope = scope_of(target, **more)
    del scope["method"]
    return {**scope, "type": "websocket", "scheme": "ws", **more}


@asynccontextmanager
async def living(app: Any) -> AsyncIterator[Callable[..., Call]]:
    """Start an application and end it, as servers do."""
    life = Call(app, {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}})
    life.put({"type": "lifespan.startup"})
    assert await life.until(1) == {"type": "lifespan.startup.complete"}

    def call(target: Any = "/", method: str = "GET", **more: Any) -> Call:
        scope = target if isinstance(target, dict) else scope_of(target, method, **more)
        return Call(app, scope)

    try:
        yield call
    finally:
        life.put({"type": "lifespan.shutdown"})
        assert await life.until(2) == {"type": "lifespan.shutdown.complete"}
        await life.end()
    assert not app.running


async def ask(call: Callable[..., Call], *args: Any, body: bytes = b"", **more: Any) -> Call:
    made = call(*args, **more)
    made.body(body)
    await made.end()
    return made


def run(app: Any, test: Callable[[Callable[..., Call]], Awaitable[None]]) -> None:
    async def main() -> None:
        async with living(app) as call:
            await test(call)

    asyncio.run(main())


class Root(Controller):
    def index(self) -> str:
        return f"Hello {self.request.client[0]}"

    def slow(self) -> Iterator[Any]:
        yield sleep(0.01)
        yield "here I am"

    def echo(self, *args: str, **kwargs: str) -> Any:
        return [*args, kwargs]

    def pieces(self) -> Any:
        return (f"{number}\n" for number in range(3))

    def boom(self) -> None:
        raise ZeroDivisionError

    def broken(self) -> Any:
        def give() -> Iterator[str]:
            yield "a"
            raise ZeroDivisionError

        self.response.stream = True
        self.response.body = give()
        return self.response

    def where(self) -> str:
        return f"{self.request.script_name} {self.request.path} {self.request.asgi_scope['type']}"  # type: ignore[attr-defined]

    @expose(stream=True)
    async def count(self) -> str:
        size = 0
        async for piece in self.request.body:
            size += len(piece)
        return str(size)

    @expose.websocket(subprotocols=["b"])
    async def chat(self, websocket: WebSocket) -> None:
        async for message in websocket:
            await websocket.send(message)


def application(*parts: BaseComponent, **options: Any) -> Application:
    app = Application(**options)
    for part in (Root(), *parts):
        part.register(app)
    return app


# -- HTTP ------------------------------------------------------------------------------------------


def test_a_page_is_one_message() -> None:
    async def test(call: Any) -> None:
        page = await ask(call)
        start, body = page.sent
        assert (start["type"], start["status"]) == ("http.response.start", 200)
        assert page.headers[b"content-length"] == b"15"
        assert not {b"date", b"connection", b"server"} & {*page.headers}
        assert body == {
            "type": "http.response.body",
            "body": b"Hello 192.0.2.1",
            "more_body": False,
        }

    run(application(), test)


def test_handlers_may_wait() -> None:
    async def test(call: Any) -> None:
        pages = await asyncio.gather(*[ask(call, "/slow") for _ in range(5)])
        assert {page.content for page in pages} == {b"here I am"}

    run(application(), test)


@pytest.mark.parametrize(
    ("target", "more", "content"),
    [
        (
            "/echo/a%20b?c=d",
            {"path": "/echo/a b", "raw_path": b"/echo/a%20b"},
            b'["a b", {"c": "d"}]',
        ),
        ("/echo/ä", {"raw_path": None}, b'["\\u00e4", {}]'),
        ("/app/where", {"root_path": "/app"}, b"/app /where http"),
        ("/where", {"root_path": "/app", "raw_path": b"/where"}, b"/app /where http"),
    ],
)
def test_the_path_is_understood(target: str, more: Any, content: bytes) -> None:
    async def test(call: Any) -> None:
        assert (await ask(call, target, **more)).content == content

    run(application(), test)


def test_a_form_is_read() -> None:
    async def test(call: Any) -> None:
        headers = [(b"host", b"test"), (b"content-type", b"application/x-www-form-urlencoded")]
        made = call("/echo", "POST", headers=headers)
        made.body(b"a=", True)
        made.body(b"b")
        await made.end()
        assert made.content == b'[{"a": "b"}]'

    run(application(), test)


def test_a_body_that_is_too_long_is_413() -> None:
    async def test(call: Any) -> None:
        page = await ask(call, "/echo", "POST", body=b"0123456789")
        assert page.sent[0]["status"] == 413

    run(application(body_bytes=9), test)


@pytest.mark.parametrize("first", [2, 9])
def test_a_stream_that_is_too_long_is_413(first: int) -> None:
    async def test(call: Any) -> None:
        made = call("/count", "POST")
        made.body(bytes(first), True)
        made.body(bytes(9 - first))
        await made.end()
        assert made.sent[0]["status"] == 413

    run(application(stream_body_bytes=8), test)


def test_limits_are_those_of_a_server() -> None:
    async def test(call: Any) -> None:
        headers = [(b"host", b"test"), (b"content-type", b"application/x-www-form-urlencoded")]
        made = call("/echo", "POST", headers=headers)
        made.body(b"a=1&b=2")
        await made.end()
        assert made.sent[0]["status"] == 413

    run(application(limits=Limits(parts=1), memory_body_bytes=0), test)


def test_a_body_is_streamed_and_waits_for_its_handler() -> None:
    async def test(call: Any) -> None:
        made = call("/count", "POST")
        for _ in range(40):
            made.body(bytes(65536), True)
        made.body()
        await made.end()
        assert made.content == str(40 * 65536).encode()

    run(application(), test)


@pytest.mark.usefixtures("looks_often")
def test_pieces_are_sent_as_they_are_made() -> None:
    async def test(call: Any) -> None:
        page = await ask(call, "/pieces")
        assert page.content == b"0\n1\n2\n"
        assert page.sent[-1]["more_body"] is False
        assert b"transfer-encoding" not in page.headers

    run(application(), test)


def test_a_server_that_does_not_keep_up_is_waited_for() -> None:
    made: list[int] = []

    class Long(Controller):
        channel = "/long"

        def index(self) -> Any:
            def give() -> Iterator[bytes]:
                for number in range(64):
                    made.append(number)
                    yield bytes(32768)

            self.response.stream = True
            self.response.body = give()
            return self.response

    async def test(call: Any) -> None:
        page = call("/long")
        page.room.clear()
        page.body()
        await page.until(1)
        while len(made) < 2:
            await asyncio.sleep(0)
        for _ in range(100):  # turns in which it could go on
            await asyncio.sleep(0)
        assert len(made) < 10
        page.room.set()
        await page.end()
        assert len(page.content) == 64 * 32768

    run(application(Long()), test)


def test_events_are_a_stream() -> None:
    class News(Controller):
        channel = "/news"

        def index(self) -> Any:
            async def give() -> AsyncIterator[str]:
                yield "first"
                await asyncio.Event().wait()

            return EventStream(give())

    async def test(call: Any) -> None:
        page = call("/news")
        page.body()
        await page.until(2)
        assert b"data: first" in page.content
        page.put({"type": "http.disconnect"})
        await page.end()

    run(application(News()), test)


def test_a_body_may_be_pushed_by_events() -> None:
    class Pusher(BaseComponent):
        channel = "web"

        @handler("request", priority=1)
        def _on_request(self, event: Any, request: Any, response: Any) -> Any:
            if request.path != "/push":
                return None
            event.stop()
            response.stream = True
            for piece in ("a", "b", None):
                self.fire(Stream(response, piece))
            return response

    async def test(call: Any) -> None:
        assert (await ask(call, "/push")).content == b"ab"

    run(application(Pusher()), test)


def test_head_has_a_length_and_no_body() -> None:
    async def test(call: Any) -> None:
        page = await ask(call, "/", "HEAD")
        assert page.headers[b"content-length"] == b"15"
        assert page.content == b""

    run(application(), test)


@pytest.mark.parametrize(("target", "status"), [("/nowhere", 404), ("/boom", 500), ("//%zz", 400)])
def test_errors_have_pages(target: str, status: int) -> None:
    async def test(call: Any) -> None:
        page = await ask(call, target)
        assert page.sent[0]["status"] == status
        assert b"<title>" in page.content

    run(application(Errors()), test)


def test_what_breaks_off_is_told_to_the_server() -> None:
    async def test(call: Any) -> None:
        page = call("/broken")
        page.body()
        with pytest.raises(RuntimeError, match="broke off"):
            await page.end()
        assert page.content == b"a"
        assert (await ask(call)).sent[0]["status"] == 200

    run(application(Errors()), test)


def test_a_client_that_vanishes_is_a_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def test(call: Any) -> None:
        made = call("/count", "POST")
        made.body(b"abc", True)
        made.put({"type": "http.disconnect"})
        await made.end()

    caplog.set_level(logging.INFO)
    run(application(), test)
    (record,) = [record for record in caplog.records if record.name.startswith("circuits")]
    assert (record.levelname, record.exc_info, record.message.count("\n")) == ("INFO", None, 0)


def test_a_client_that_vanishes_ends_the_call() -> None:
    async def test(call: Any) -> None:
        made = call("/count", "POST")
        made.body(b"abc", True)
        made.put({"type": "http.disconnect"})
        await made.end()
        assert made.sent == []
        assert app.http.exchanges == {}

    app = application(Errors())
    run(app, test)


def test_a_server_that_repeats_the_end_of_a_body_is_no_endless_loop() -> None:
    async def main() -> None:
        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        async with asyncio.timeout(10):
            await application()(scope_of("/slow"), receive, send)  # type: ignore[arg-type]  # a dict will do

    sent: list[dict[str, Any]] = []
    asyncio.run(main())
    assert sent[-1]["body"] == b"here I am"


# -- the life of the tree --------------------------------------------------------------------------


def test_without_a_lifespan_the_first_request_starts_the_tree() -> None:
    app = application()

    async def main() -> None:
        def call(*args: Any, **more: Any) -> Call:
            return Call(app, scope_of(*args, **more))

        assert (await ask(call)).content == b"Hello 192.0.2.1"
        assert app.running

    asyncio.run(main())
    assert not app.running


def test_it_may_live_twice() -> None:
    app = application()

    async def test(call: Any) -> None:
        assert (await ask(call)).content == b"Hello 192.0.2.1"

    run(app, test)
    run(app, test)


def test_a_component_that_stops_it_keeps_it_from_starting() -> None:
    class Broken(BaseComponent):
        @handler("started", channel="*")
        def _on_started(self, component: Any) -> None:
            self.root.stop(3)

    async def main() -> None:
        life = Call(application(Broken()), {"type": "lifespan", "asgi": {"version": "3.0"}})
        life.put({"type": "lifespan.startup"})
        assert (await life.until(1))["type"] == "lifespan.startup.failed"
        await life.end()

    asyncio.run(main())


def test_what_runs_elsewhere_is_refused() -> None:
    app = application()

    async def main() -> None:
        with app.running(), pytest.raises(RuntimeError, match="runs already"):
            await ask(lambda: Call(app, scope_of()))

    asyncio.run(main())


def test_other_protocols_are_refused() -> None:
    async def test(call: Any) -> None:
        with pytest.raises(ValueError, match="raw"):
            await call({"type": "raw"}).end()

    run(application(), test)


def test_the_end_answers_what_is_open() -> None:
    class Slow(Controller):
        channel = "/never"

        def index(self) -> Iterator[Any]:
            yield sleep(1000)

    pages = []

    async def test(call: Any) -> None:
        page = call("/never")
        page.body()
        pages.append(page)
        await ask(call)

    async def main() -> None:
        async with living(application(Slow())) as call:
            await test(call)
        await pages[0].end()

    asyncio.run(main())
    assert pages[0].sent[0]["status"] == 503


# -- WebSockets ------------------------------------------------------------------------------------


def test_a_websocket_speaks_with_a_method() -> None:
    async def test(call: Any) -> None:
        chat = call(socket_scope(subprotocols=["a", "b"]))
        chat.put({"type": "websocket.connect"}, {"type": "websocket.receive", "text": "hi"})
        chat.put({"type": "websocket.receive", "bytes": b"ho", "text": None})
        await chat.until(3)
        accepted, *echoed = chat.sent
        assert (accepted["type"], accepted["subprotocol"]) == ("websocket.accept", "b")
        assert not [name for name, _ in accepted["headers"] if name.startswith(b"sec-")]
        assert echoed == [
            {"type": "websocket.send", "text": "hi"},
            {"type": "websocket.send", "bytes": b"ho"},
        ]
        chat.put({"type": "websocket.disconnect", "code": 1001, "reason": "bye"})
        await chat.end()

    run(application(), test)


def test_a_websocket_speaks_by_events() -> None:
    seen: list[Any] = []

    class Listener(BaseComponent):
        channel = "ws"

        @handler("connect")
        def _on_connect(self, sock: Any, *peer: Any) -> None:
            seen.append(peer)

        @handler("read")
        def _on_read(self, sock: Any, message: Any) -> None:
            self.fire(Write(sock, message[::-1]))

        @handler("disconnect")
        def _on_disconnect(self, event: Any, sock: Any) -> None:
            seen.append((event.code, event.reason))

    async def test(call: Any) -> None:
        chat = call(socket_scope("/ws"))
        chat.put({"type": "websocket.connect"}, {"type": "websocket.receive", "text": "abc"})
        assert await chat.until(2) == {"type": "websocket.send", "text": "cba"}
        chat.put({"type": "websocket.disconnect", "code": 3000, "reason": "bye"})
        await chat.end()
        await ask(call)  # behind what was fired

    run(application(WebSockets("/ws", "ws"), Listener()), test)
    assert seen == [("192.0.2.1", 7), (3000, "bye")]


class Slow(BaseComponent):
    """Takes its time for each message; notes what it gets, and the end."""

    channel = "ws"

    def __init__(self, seconds: float = 0.0) -> None:
        super().__init__()
        self.seen: list[Any] = []
        self.seconds = seconds

    @handler("read")
    def _on_read(self, sock: Any, message: Any) -> Iterator[Any]:
        yield sleep(self.seconds)
        self.seen.append(message)

    @handler("disconnect")
    def _on_disconnect(self, event: Any, sock: Any) -> None:
        self.seen.append((event.code, event.reason))


@pytest.mark.parametrize(
    ("end", "seen"),
    [
        ({"code": 3000, "reason": "bye"}, (3000, "bye")),
        ({"code": 1000}, (1000, "")),
        ({"code": 1005}, (1006, "")),
        ({}, (1006, "")),
    ],
)
def test_what_a_client_has_sent_is_taken_before_its_end(end: dict[str, Any], seen: Any) -> None:
    async def test(call: Any) -> None:
        chat = call(socket_scope("/ws"))
        chat.put({"type": "websocket.connect"})
        chat.put(*[{"type": "websocket.receive", "text": str(number)} for number in range(300)])
        chat.put({"type": "websocket.disconnect", **end})
        await chat.end()
        await ask(call)  # behind what was fired

    slow = Slow()
    run(application(websockets := WebSockets("/ws", "ws"), slow), test)
    slow.seen.remove(seen)  # the handlers of the last messages may be at work still
    assert slow.seen == [*map(str, range(300))]
    assert not websockets.websockets
    assert websockets._policy.held_bytes == 0


def test_who_never_takes_it_is_left_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_asgi_application_websocket, "GRACE_SECONDS", 0.01)

    async def test(call: Any) -> None:
        chat = call(socket_scope("/ws"))
        chat.put({"type": "websocket.connect"})
        chat.put(*[{"type": "websocket.receive", "text": "x"}] * 64)
        chat.put({"type": "websocket.disconnect", "code": 3000})
        await chat.end()
        await ask(call)
        assert slow.seen == [(1006, "")]

    slow = Slow(3600)
    run(application(WebSockets("/ws", "ws"), slow), test)


def test_floods_keep_nobody_waiting() -> None:
    """A client that sends much, whatever it is, and takes nothing."""

    async def test(call: Any) -> None:
        floods = [call(socket_scope(path)) for path in ("/ws", "/chat") * 4]
        for flood in floods:
            flood.room.clear()
            flood.put({"type": "websocket.connect"})
            flood.put(*[{"type": "websocket.receive", "text": "x" * 1000}] * 2000)
        for number in range(20):
            other = call(socket_scope("/chat"))
            other.put({"type": "websocket.connect"})
            other.put({"type": "websocket.receive", "text": str(number)})
            assert await other.until(2) == {"type": "websocket.send", "text": str(number)}
            other.put({"type": "websocket.disconnect", "code": 1000})
            await other.end()
            assert (await ask(call)).content == b"Hello 192.0.2.1"
        assert all(len(flood.sent) == 1 for flood in floods)
        assert max(line._held_bytes for line in app._lines) < 512 * 1024
        for flood in floods:
            flood.put({"type": "websocket.disconnect"})
            flood.room.set()
        for flood in floods:
            await flood.end()

    app = application(WebSockets("/ws", "ws"), Echo())
    run(app, test)
    assert not app._lines


def test_what_is_pushed_at_who_takes_nothing_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_asgi_application, "_MAX_BYTES", 10_000)

    class Pusher(BaseComponent):
        channel = "ws"

        @handler("connect")
        def _on_connect(self, sock: Any, *peer: Any) -> None:
            for _ in range(1000):
                self.fire(Write(sock, "x" * 1000))

    async def test(call: Any) -> None:
        chat = call(socket_scope("/ws"))
        chat.room.clear()
        chat.put({"type": "websocket.connect"})
        await chat.until(1)
        async with asyncio.timeout(10):
            while websockets.websockets or not app._lines:
                await asyncio.sleep(0)
        assert all(not line._messages for line in app._lines)
        chat.room.set()
        with pytest.raises(RuntimeError, match="broke off"):
            await chat.end()

    app = application(websockets := WebSockets("/ws", "ws"), Pusher())
    run(app, test)


class Echo(BaseComponent):
    channel = "ws"

    @handler("read")
    def _on_read(self, sock: Any, message: Any) -> None:
        self.fire(Write(sock, message))


class Refuser(BaseComponent):
    channel = "web"

    @handler("request", priority=1)
    def _on_request(self, event: Any, request: Any, response: Any) -> Any:
        event.stop()
        return Forbidden(request, response)


def test_a_websocket_is_refused_with_a_page() -> None:
    async def test(call: Any) -> None:
        chat = call(socket_scope(extensions={"websocket.http.response": {}}))
        chat.put({"type": "websocket.connect"})
        await chat.end()
        assert [message["type"] for message in chat.sent] == [
            "websocket.http.response.start",
            "websocket.http.response.body",
        ]
        assert chat.sent[0]["status"] == 403

    run(application(Refuser()), test)


def test_a_websocket_is_refused_by_a_close() -> None:
    async def test(call: Any) -> None:
        chat = call(socket_scope())
        chat.put({"type": "websocket.connect"})
        await chat.end()
        assert chat.sent == [{"type": "websocket.close"}]

    run(application(Refuser()), test)


def test_the_end_closes_websockets() -> None:
    calls = []

    async def main() -> None:
        async with living(application()) as call:
            chat = call(socket_scope())
            chat.put({"type": "websocket.connect"})
            await chat.until(1)
            calls.append(chat)
        await chat.end()

    asyncio.run(main())
    assert calls[0].sent[1:] == [{"type": "websocket.close", "code": 1001, "reason": ""}]


# -- both ways at once -----------------------------------------------------------------------------


def test_a_gateway_works_in_an_application() -> None:
    async def hosted(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        message = await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": message["body"][::-1]})

    async def test(call: Any) -> None:
        assert (await ask(call, "/hosted", "POST", body=b"abc")).content == b"cba"
        assert (await ask(call)).content == b"Hello 192.0.2.1"

    run(application(Gateway({"/hosted": hosted}, lifespan=False)), test)
