"""ASGI applications in a server of ours, in memory."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from circuits import BaseComponent, Manager, handler
from circuits.testing import VirtualClock, settle
from circuits.web import Controller, VirtualHosts
from circuits.web.asgi import Gateway
from circuits.web.dispatchers import Dispatcher
from tests.web.http_support import Client, Errors, MemoryServer, get, parse, post, serving
from tests.web.websocket_support import Peer, handshake

START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"text/plain")],
}


class Hosted:
    """An application that does what a test says with each request, and keeps what it was told.

    Attributes:
        scopes: What it was called with.
        told: The messages of its lifespan.
        ended: How its calls ended.
    """

    def __init__(self, act: Any = None, lifespan: Any = None) -> None:
        self.scopes: list[dict[str, Any]] = []
        self.told: list[Any] = []
        self.ended: list[Any] = []
        self._act = act
        self._lifespan = lifespan

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            if self._lifespan is not None:
                await self._lifespan(scope, receive, send)
                return
            while True:
                message = await receive()
                self.told.append(message["type"])
                await send({"type": f"{message['type']}.complete"})
                if message["type"] == "lifespan.shutdown":
                    return
        self.scopes.append(scope)
        try:
            await (self._act or self._greet)(scope, receive, send)
        except BaseException as problem:
            self.ended.append(type(problem))
            raise
        else:
            self.ended.append(None)

    async def _greet(self, scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send({"type": "http.response.body", "body": b"hello"})


Serve = Callable[..., MemoryServer]


@pytest.fixture
def errors() -> Errors:
    return Errors()


@pytest.fixture
def serve(errors: Errors) -> Iterator[Serve]:
    """Runs a server with applications."""
    contexts = []

    def start(apps: Any, *parts: Manager, **options: Any) -> MemoryServer:
        context = serving(Gateway(apps, **options), errors, *parts)
        contexts.append(context)
        return context.__enter__()

    yield start
    for context in reversed(contexts):
        context.__exit__(None, None, None)


async def body_of(receive: Any) -> list[bytes]:
    pieces = []
    while (message := await receive())["type"] == "http.request":
        pieces.append(message["body"])
        if not message["more_body"]:
            break
    return pieces


# -- scope -----------------------------------------------------------------------------------------


def test_the_scope_is_complete(serve: Serve) -> None:
    app = Hosted()
    client = serve(app).connect()
    assert client.get("/a%20b/%C3%A4?c=%64", "X-One: 1", "x-one: \xe4").code == 200
    assert app.scopes == [
        {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": "/a b/ä",
            "raw_path": b"/a%20b/%C3%A4",
            "query_string": b"c=%64",
            "root_path": "",
            "headers": [(b"host", b"test"), (b"x-one", b"1"), (b"x-one", b"\xe4")],
            "client": ("192.0.2.1", 1),
            "server": ("192.0.2.2", 80),
            "state": {},
            "extensions": {"http.response.pathsend": {}},
        }
    ]


def test_what_an_application_does_to_a_scope_is_not_seen_by_the_next_one(serve: Serve) -> None:
    seen: list[Any] = []

    async def act(scope: Any, receive: Any, send: Any) -> None:
        seen.append([*scope["headers"]])
        scope["headers"][:] = [(b"x-changed", b"yes")]
        scope["extensions"].clear()
        await send(START)
        await send(body(b"ok"))

    app = Hosted(act)
    server = serve(app)
    first, second = server.connect(), server.connect()
    for client in (first, second, first, second):  # with heads that the codec knows in the end
        client.get("/", "X-Same: 1")
    assert seen == [[(b"host", b"test"), (b"x-same", b"1")]] * 4


def test_fields_that_a_component_has_changed_are_told(serve: Serve) -> None:
    class Changes(BaseComponent):
        channel = "web"

        @handler("request", priority=1)
        def _on_request(self, request: Any, response: Any) -> None:
            request.headers["X-Same"] = "2"
            request.headers["X-New"] = "\u20ac"

    app = Hosted()
    server = serve(app, Changes())
    for _ in range(3):
        server.connect().get("/", "X-Same: 1")
    expected = [(b"host", b"test"), (b"x-same", b"2"), (b"x-new", "\u20ac".encode())]
    assert [sorted(scope["headers"]) for scope in app.scopes] == [sorted(expected)] * 3


@pytest.mark.parametrize(
    ("prefix", "target", "root", "path"),
    [
        ("/", "/", "", "/"),
        ("/app", "/app", "/app", "/app"),
        ("/app", "/app/", "/app", "/app/"),
        ("app/", "/app/x%2Fy", "/app", "/app/x/y"),
    ],
)
def test_the_path_says_where_it_is_mounted(
    serve: Serve, prefix: str, target: str, root: str, path: str
) -> None:
    app = Hosted()
    serve({prefix: app}).connect().get(target)
    assert (app.scopes[0]["root_path"], app.scopes[0]["path"]) == (root, path)


def test_a_virtual_host_is_no_part_of_the_path(serve: Serve) -> None:
    app = Hosted()
    hosts = VirtualHosts({"test": "/site"})
    serve({"/site/app": app}, hosts).connect().get("/app/x")
    assert (app.scopes[0]["root_path"], app.scopes[0]["path"]) == ("/app", "/app/x")


def test_others_answer_below_no_prefix(serve: Serve) -> None:
    class Root(Controller):
        def index(self) -> str:
            return "a page"

    client = serve({"/app": Hosted()}, Dispatcher(), Root()).connect()
    assert client.get("/").body == b"a page"
    assert client.get("/apple").code == 404
    assert client.get("/app").body == b"hello"


def test_wsgi_applications_may_stand_beside(serve: Serve) -> None:
    def plain(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [environ["wsgi.input"].read()]

    client = serve({"/": Hosted(), "/wsgi": plain}).connect()
    assert client.get("/").body == b"hello"
    assert client.ask(post(b"abc", target="/wsgi")).body == b"abc"


def test_what_cannot_be_called_is_refused() -> None:
    with pytest.raises(TypeError):
        Gateway({"/": "text"})  # type: ignore[dict-item]


# -- requests --------------------------------------------------------------------------------------


def test_a_body_is_received_as_it_comes(serve: Serve) -> None:
    got: list[bytes] = []

    async def act(scope: Any, receive: Any, send: Any) -> None:
        while (message := await receive())["more_body"]:
            got.append(message["body"])
        got.append(message["body"])
        await send(START)
        await send({"type": "http.response.body", "body": b"".join(got)})

    client = serve(Hosted(act)).connect()
    client.feed(get("/", "Content-Length: 6", method="POST") + b"abc")
    assert got == [b"abc"]
    client.feed(b"def")
    assert b"".join(got) == b"abcdef"
    assert parse(client.received)[0].body == b"abcdef"


def test_who_does_not_receive_makes_the_client_wait(serve: Serve) -> None:
    go = asyncio.Event()
    sizes = []

    async def act(scope: Any, receive: Any, send: Any) -> None:
        await go.wait()
        sizes.append(sum(map(len, await body_of(receive))))
        await send(START)
        await send({"type": "http.response.body"})

    server = serve(Hosted(act))
    client = server.connect()
    client.feed(get("/", "Content-Length: 400000", method="POST"), bytes(300000))
    assert client.sock in server.server.held
    go.set()
    settle(server)
    assert client.sock not in server.server.held
    client.feed(bytes(100000))
    assert sizes == [400000]


def test_behind_the_body_receiving_waits_for_the_end(serve: Serve) -> None:
    told = []

    async def act(scope: Any, receive: Any, send: Any) -> None:
        await body_of(receive)
        await send(START)
        await send({"type": "http.response.body", "body": b"done"})
        told.append(await receive())
        told.append(await receive())

    client = serve(Hosted(act)).connect()
    assert client.get().body == b"done"
    assert told == [{"type": "http.disconnect"}] * 2
    assert client.get().body == b"done"  # the connection goes on


@pytest.mark.parametrize("sent", [b"", b"abc"])
def test_a_client_that_vanishes_is_told(serve: Serve, sent: bytes) -> None:
    told = []

    async def act(scope: Any, receive: Any, send: Any) -> None:
        while (message := await receive())["type"] == "http.request":
            pass
        told.append(message)
        with pytest.raises(OSError, match="gone"):
            await send(START)
            await send({"type": "http.response.body"})

    client = serve(app := Hosted(act)).connect()
    client.feed(get("/", "Content-Length: 6", method="POST") + sent)
    client.leave()
    assert told == [{"type": "http.disconnect"}]
    assert app.ended == [None]


def test_a_malformed_body_is_answered_for_the_application(serve: Serve) -> None:
    told = []

    async def act(scope: Any, receive: Any, send: Any) -> None:
        while (message := await receive())["type"] == "http.request":
            pass
        told.append(message)

    client = serve(Hosted(act)).connect()
    reply = client.ask(get("/", "Transfer-Encoding: chunked", method="POST"), b"nonsense\r\n")
    assert reply.code == 400
    assert told == [{"type": "http.disconnect"}]


def test_who_loses_its_client_before_it_first_waits_is_cancelled(
    serve: Serve, virtual_clock: VirtualClock
) -> None:
    async def act(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/cut":
            send.__self__.close()  # as the response does that cannot be written any more
            await asyncio.Event().wait()
        await send(START)
        await send({"type": "http.response.body"})

    server = serve(app := Hosted(act))
    assert server.connect().ask(get()).code == 200  # the lifespan has started
    client = server.connect()
    client.feed(get("/cut"))
    settle(server, until=virtual_clock.now + 9)
    assert app.ended == [None]
    settle(server, until=virtual_clock.now + 2)
    assert app.ended == [None, asyncio.CancelledError]
    client.leave()


def test_an_application_goes_on_for_a_while_without_its_client(
    serve: Serve, virtual_clock: VirtualClock
) -> None:
    async def act(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.Event().wait()

    server = serve(app := Hosted(act))
    client = server.connect()
    client.feed(get())
    client.leave()
    settle(server, until=virtual_clock.now + 9)
    assert app.ended == []
    settle(server, until=virtual_clock.now + 2)
    assert app.ended == [asyncio.CancelledError]


def test_it_goes_on_behind_its_answer(serve: Serve, virtual_clock: VirtualClock) -> None:
    go = asyncio.Event()

    async def act(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send({"type": "http.response.body"})
        await go.wait()

    server = serve(app := Hosted(act))
    client = server.connect()
    assert client.get().code == 200
    client.leave()
    settle(server, until=virtual_clock.now + 60)
    assert app.ended == []
    go.set()
    settle(server)
    assert app.ended == [None]


# -- responses -------------------------------------------------------------------------------------


def answering(*messages: Any) -> Hosted:
    async def act(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            if isinstance(message, BaseException):
                raise message
            await send(message)

    return Hosted(act)


def start(status: Any = 200, *headers: Any) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": headers}


def body(data: bytes = b"", more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}


def test_a_whole_body_has_its_length(serve: Serve) -> None:
    app = answering(
        start(404, (b"set-cookie", b"a=1"), (b"x-y", b"z"), (b"keep-alive", b"5")), body(b"no")
    )
    reply = serve(app).connect().get()
    assert (reply.code, reply.body) == (404, b"no")
    assert reply.headers["content-length"] == "2"
    assert reply.headers["x-y"] == "z"
    assert reply.headers["set-cookie"] == "a=1"
    assert "keep-alive" not in reply.headers


def test_fields_may_come_in_any_form_of_bytes(serve: Serve) -> None:
    fields = ([b"x-list", b"1"], (bytearray(b"x-array"), memoryview(bytearray(b"2"))))
    reply = serve(answering(start(200, *fields), body(b"x"))).connect().get()
    assert (reply.headers["x-list"], reply.headers["x-array"]) == ("1", "2")


def test_the_same_fields_may_stand_before_bodies_of_any_length(serve: Serve) -> None:
    sizes = iter([*range(300), 0, 1, 2])  # more than are remembered

    async def act(scope: Any, receive: Any, send: Any) -> None:
        size = next(sizes)
        await send(start(200, (b"x-y", b"z"), (b"content-length", b"%d" % size)))
        await send(body(b"x" * size))

    client = serve(Hosted(act)).connect()
    for size in [*range(300), 0, 1, 2]:
        reply = client.get()
        assert (reply.headers["content-length"], len(reply.body)) == (str(size), size)
        assert reply.headers["x-y"] == "z"


def test_that_a_connection_ends_is_told_each_time(serve: Serve) -> None:
    server = serve(answering(start(200, (b"connection", b"close")), body(b"x")))
    for _ in range(3):
        client = server.connect()
        assert client.get().headers["connection"] == "close"
        assert client.is_closed


def test_a_body_in_pieces_is_chunked(serve: Serve) -> None:
    app = answering(start(), body(b"a", True), body(b"", True), body(b"b", True), body())
    reply = serve(app).connect().get()
    assert reply.headers["transfer-encoding"] == "chunked"
    assert (reply.body, reply.is_whole) == (b"ab", True)


def test_a_length_that_is_given_stays(serve: Serve) -> None:
    app = answering(start(200, (b"content-length", b"2")), body(b"a", True), body(b"b"))
    reply = serve(app).connect().get()
    assert reply.headers["content-length"] == "2"
    assert reply.body == b"ab"


def test_the_head_waits_for_the_body(serve: Serve) -> None:
    go = asyncio.Event()

    async def act(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await go.wait()
        await send(body(b"x", True))
        await asyncio.Event().wait()

    server = serve(Hosted(act))
    server.stop_timeout = 0.05
    client = server.connect()
    client.feed(get())
    assert client.received == b""
    go.set()
    settle(server)
    assert client.received.endswith(b"\r\n\r\n1\r\nx\r\n")


@pytest.mark.parametrize("pieces", [[body(b"hello")], [body(b"he", True), body(b"llo")]])
def test_head_gets_no_body(serve: Serve, pieces: Any) -> None:
    app = answering(start(200, (b"content-length", b"5")), *pieces)
    client = serve(app).connect()
    reply = client.get(method="HEAD")
    assert (reply.headers["content-length"], reply.body) == ("5", b"")
    assert app.ended == [None]
    assert client.get().body == b"hello"


def test_a_client_that_does_not_read_makes_the_application_wait(serve: Serve) -> None:
    sent = 0

    async def act(scope: Any, receive: Any, send: Any) -> None:
        nonlocal sent
        await send(START)
        for _ in range(64):
            await send(body(bytes(32768), True))
            sent += 1
        await send(body())

    server = serve(Hosted(act))
    client = server.connect()
    server.server.high_water = 65536
    client.feed(get())
    assert sent < 20
    while client.sock in server.server.congested:
        server.server.take(client.sock)
        settle(server)
    assert sent == 64
    assert len(parse(client.received)[0].body) == 64 * 32768


def test_a_client_that_leaves_ends_the_waiting(serve: Serve, errors: Errors) -> None:
    async def act(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        while True:
            await send(body(bytes(65536), True))

    server = serve(app := Hosted(act))
    client = server.connect()
    server.server.high_water = 65536
    client.feed(get())
    client.leave()
    assert [issubclass(kind, OSError) for kind in app.ended] == [True]
    assert errors.seen == []


def test_files_are_sent_by_the_kernel(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    app = answering(start(), {"type": "http.response.pathsend", "path": str(path)})
    server = serve(app)
    server.server.takes = 10
    client = server.connect()
    client.feed(get())
    assert b"content-length: 10" in client.received.lower()
    assert server.server.sent == b"0123456789"


@pytest.mark.parametrize("name", ["no", "folder", "pipe"])
def test_a_file_that_is_none_is_an_error(
    serve: Serve, tmp_path: Path, errors: Errors, name: str
) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")  # to open it as a file would wait for ever
    app = answering(start(), {"type": "http.response.pathsend", "path": str(tmp_path / name)})
    assert serve(app).connect().get().code == 500
    assert isinstance(errors.seen[0], FileNotFoundError)


def test_whatever_ends_an_application_its_client_is_answered(serve: Serve, errors: Errors) -> None:
    class Odd(BaseException): ...

    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise Odd

    assert serve(app).connect().get().code == 500
    assert isinstance(errors.seen[0], Odd)


def test_the_application_may_close_the_connection(serve: Serve) -> None:
    client = serve(answering(start(200, (b"connection", b"close")), body(b"x"))).connect()
    assert client.get().headers["connection"] == "close"
    assert client.is_closed


# -- applications that are wrong -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("messages", "problem"),
    [
        ([ZeroDivisionError()], ZeroDivisionError),
        ([start(), ZeroDivisionError()], ZeroDivisionError),
        ([], RuntimeError),
        ([start()], RuntimeError),
        ([body()], RuntimeError),
        ([start(), start()], RuntimeError),
        ([{"type": "http.nonsense"}], RuntimeError),
        ([{}], KeyError),
        ([start(99)], ValueError),
        ([start("200")], ValueError),
        ([start(200, (b"a b", b"c"))], ValueError),
        ([start(200, (b"a", b"c\r\nd: e"))], ValueError),
        ([start(200, ("a", "b"))], TypeError),
        ([start(), body("text")], TypeError),  # type: ignore[arg-type]
        ([start(), body(5)], TypeError),  # type: ignore[arg-type]
        ([start(), body([65, 66])], TypeError),  # type: ignore[arg-type]
    ],
)
def test_what_fails_before_the_head_is_500(
    serve: Serve, errors: Errors, messages: Any, problem: type[Exception]
) -> None:
    client = serve(answering(*messages)).connect()
    assert client.get().code == 500
    assert [type(one) for one in errors.seen] == [problem]


@pytest.mark.parametrize("last", [ZeroDivisionError(), None])
def test_what_fails_behind_the_head_cuts_the_connection(
    serve: Serve, errors: Errors, last: BaseException | None
) -> None:
    app = answering(start(), body(b"a", True), *([last] if last else []))
    client = serve(app).connect()
    client.feed(get())
    assert client.is_closed
    assert not parse(client.received)[0].is_whole
    assert [type(one) for one in errors.seen] == [type(last) if last else RuntimeError]


def test_what_fails_behind_the_end_is_told(serve: Serve, errors: Errors) -> None:
    client = serve(answering(start(), body(b"a"), ZeroDivisionError())).connect()
    assert client.get().body == b"a"
    assert [type(one) for one in errors.seen] == [ZeroDivisionError]
    assert client.get().body == b"a"


def test_a_message_behind_the_end_raises(serve: Serve, errors: Errors) -> None:
    assert serve(answering(start(), body(b"a"), body(b"b"))).connect().get().body == b"a"
    assert [type(one) for one in errors.seen] == [RuntimeError]


# -- beginning at once -----------------------------------------------------------------------------

_mark: contextvars.ContextVar[str] = contextvars.ContextVar("_mark", default="")


def test_an_application_runs_in_a_task_of_its_own_from_its_first_step(serve: Serve) -> None:
    tasks, marks = [], []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        tasks.append(asyncio.current_task())
        marks.append(_mark.get())
        _mark.set(scope["path"])
        async with asyncio.timeout(5), asyncio.TaskGroup() as group:
            await send(START)
            await send(body(b"x"))
            if scope["path"] == "/waits":
                group.create_task(asyncio.sleep(0))
        tasks.append(asyncio.current_task())
        marks.append(_mark.get())

    server = serve(app, lifespan=False)
    assert [server.connect().get(path).body for path in ("/a", "/waits")] == [b"x", b"x"]
    settle(server)
    assert marks == ["", "/a", "", "/waits"]
    assert None not in tasks
    assert tasks[0] is tasks[1] is not tasks[2] is tasks[3]
    assert _mark.get() == ""


def test_what_a_response_is_sent_by_does_not_see_the_task(serve: Serve) -> None:
    marks = []

    class Tool(BaseComponent):
        channel = "web"

        @handler("response", priority=1)
        def _on_response(self, response: Any) -> None:
            marks.append(_mark.get())

    async def app(scope: Any, receive: Any, send: Any) -> None:
        _mark.set("the task")
        await send(START)
        await send(body(b"x"))

    assert serve(app, Tool(), lifespan=False).connect().get().body == b"x"
    assert marks == [""]


def test_who_observes_requests_sees_them_before_the_answer(serve: Serve) -> None:
    seen = []

    class Observer(BaseComponent):
        channel = "web"

        @handler("request", "request_success", "response", priority=1)
        def _on_any(self, event: Any, *args: Any) -> None:
            seen.append(event.name)

    app = answering(start(), body(b"x"))
    client = serve(app, Observer(), lifespan=False).connect()
    assert [client.get().body, client.get().body] == [b"x", b"x"]
    assert seen == ["request", "request_success", "response"] * 2


@pytest.mark.parametrize("code", [None, 3])
def test_an_application_that_ends_the_program_in_its_first_step(code: int | None) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise SystemExit(code)

    ended = pytest.raises(SystemExit) if code else contextlib.nullcontext()
    with ended, serving(Gateway(app, lifespan=False)) as server:
        client = server.connect()
        client.feed(get())
        settle(server)
        assert parse(client.received)[0].code == 503


def test_a_request_within_a_task_waits_for_its_turn(serve: Serve) -> None:
    """A component turns the loop by itself, and so the next request comes within a task."""
    order = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        order.append(scope["path"])
        if scope["path"] == "/outer":
            inner.feed(get("/inner"))
            server.flush()
            order.append("turned")
        await send(START)
        await send(body(scope["path"].encode()))

    server = serve(app, lifespan=False)
    outer, inner = server.connect(), server.connect()
    outer.feed(get("/outer"))
    settle(server)
    assert parse(outer.received)[0].body == b"/outer"
    assert parse(inner.received)[0].body == b"/inner"
    assert sorted(order) == ["/inner", "/outer", "turned"]


def test_who_waits_is_cancelled_when_the_gateway_leaves(serve: Serve) -> None:
    async def act(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.Event().wait()

    app = Hosted(act)
    gateway = Gateway(app, lifespan=False)
    with serving(gateway) as server:
        client = server.connect()
        client.feed(get())
        assert app.ended == []
        gateway.unregister()
        settle(server)
        assert app.ended == [asyncio.CancelledError]
        assert parse(client.received)[0].code == 500
    assert not gateway._calls


# -- lifespan --------------------------------------------------------------------------------------


def test_requests_wait_for_the_start(serve: Serve) -> None:
    go = asyncio.Event()
    told = []

    async def lifespan(scope: Any, receive: Any, send: Any) -> None:
        told.append((scope["type"], scope["asgi"]["version"], (await receive())["type"]))
        await go.wait()
        scope["state"]["pool"] = "a pool"
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    server = serve(app := Hosted(lifespan=lifespan))
    client = server.connect()
    client.feed(get())
    assert told == [("lifespan", "3.0", "lifespan.startup")]
    assert app.scopes == []
    go.set()
    settle(server)
    assert app.scopes[0]["state"] == {"pool": "a pool"}
    assert parse(client.received)[0].body == b"hello"


def test_state_is_a_copy_for_each_request(serve: Serve) -> None:
    client = serve(app := Hosted()).connect()
    client.get()
    app.scopes[0]["state"]["x"] = 1
    client.get()
    assert app.scopes[1]["state"] == {}


def test_an_application_is_told_of_the_end_behind_the_last_request() -> None:
    order = []

    async def act(scope: Any, receive: Any, send: Any) -> None:
        await go.wait()
        order.append("request")
        await send(START)
        await send(body(b"x"))

    async def lifespan(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        order.append((await receive())["type"])
        await send({"type": "lifespan.shutdown.complete"})
        order.append("over")

    go = asyncio.Event()
    with serving(Gateway(Hosted(act, lifespan))) as server:
        client = server.connect()
        client.feed(get())
        server.stop()
        settle(server)
        assert order == []
        go.set()
        settle(server)
    assert order == ["request", "lifespan.shutdown", "over"]
    assert parse(client.received)[0].body == b"x"


def test_two_mounts_of_one_application_have_one_lifespan(serve: Serve) -> None:
    app = Hosted()
    serve({"/a": app, "/b": app})
    assert app.told == ["lifespan.startup"]


def test_an_application_without_lifespan_is_served(serve: Serve, errors: Errors) -> None:
    async def lifespan(scope: Any, receive: Any, send: Any) -> None:
        raise NotImplementedError

    assert serve(Hosted(lifespan=lifespan)).connect().get().body == b"hello"
    assert errors.seen == []


def test_the_lifespan_can_be_left_out(serve: Serve) -> None:
    client = serve(app := Hosted(), lifespan=False).connect()
    assert client.get().body == b"hello"
    assert app.told == []
    assert "state" not in app.scopes[0]


def test_a_start_that_fails_stops_the_program(caplog: pytest.LogCaptureFixture) -> None:
    async def lifespan(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})
        raise RuntimeError("no database")

    server = MemoryServer(Gateway(Hosted(lifespan=lifespan)))
    with pytest.raises(SystemExit) as stopped:
        server.run()
    assert stopped.value.code == 1
    assert "no database" in caplog.text


def test_an_end_that_never_comes_is_not_waited_for() -> None:
    ended = []

    async def lifespan(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    with serving(Gateway(Hosted(lifespan=lifespan))) as server:
        server.stop_timeout = 0.05
    assert ended == [True]


def test_a_gateway_that_leaves_ends_its_lifespan(serve: Serve) -> None:
    server = serve(app := Hosted())
    gateway = next(part for part in server.components if isinstance(part, Gateway))
    gateway.unregister()
    settle(server)
    assert app.told == ["lifespan.startup", "lifespan.shutdown"]


# -- WebSockets ------------------------------------------------------------------------------------


def connecting(*messages: Any, echo: bool = False) -> Hosted:
    """Sends some messages to who connects, and then returns what comes."""

    async def act(scope: Any, receive: Any, send: Any) -> None:
        app.told.append(await receive())
        for message in messages:
            if isinstance(message, BaseException):
                raise message
            await send(message)
        while echo:
            message = await receive()
            app.told.append(message)
            if message["type"] == "websocket.disconnect":
                return
            await send({**message, "type": "websocket.send"})

    app = Hosted(act, lifespan=act)
    return app


ACCEPT = {"type": "websocket.accept"}


def test_messages_go_both_ways(serve: Serve) -> None:
    app = connecting(ACCEPT, echo=True)
    peer = Peer(serve(app, lifespan=False), "/chat?x=1")
    assert peer.head.code == 101
    peer.send("text", b"bytes", "")
    assert peer.received() == ["text", b"bytes", ""]
    peer.close(1001, "bye")
    assert peer.received() == [1001]
    assert app.told == [
        {"type": "websocket.connect"},
        {"type": "websocket.receive", "text": "text"},
        {"type": "websocket.receive", "bytes": b"bytes"},
        {"type": "websocket.receive", "text": ""},
        {"type": "websocket.disconnect", "code": 1001, "reason": "bye"},
    ]
    scope = app.scopes[0]
    assert (scope["type"], scope["scheme"], scope["path"]) == ("websocket", "ws", "/chat")
    assert scope["query_string"] == b"x=1"
    assert scope["subprotocols"] == []
    assert scope["extensions"] == {"websocket.http.response": {}}
    assert "method" not in scope


def test_a_subprotocol_and_fields_may_be_chosen(serve: Serve) -> None:
    app = connecting({**ACCEPT, "subprotocol": "b", "headers": [(b"x-one", b"1")]}, echo=True)
    peer = Peer(serve(app, lifespan=False), Sec_WebSocket_Protocol="a, b")
    assert app.scopes[0]["subprotocols"] == ["a", "b"]
    assert peer.head.headers["sec-websocket-protocol"] == "b"
    assert peer.head.headers["x-one"] == "1"


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        ([{"type": "websocket.close"}], 403),
        ([], 500),
        ([ZeroDivisionError()], 500),
        ([{"type": "websocket.send", "text": "x"}], 500),
        (
            [
                {"type": "websocket.http.response.start", "status": 401, "headers": []},
                {"type": "websocket.http.response.body", "body": b"who are you?"},
            ],
            401,
        ),
    ],
)
def test_a_connection_may_be_refused(serve: Serve, messages: Any, code: int) -> None:
    client = serve(connecting(*messages), lifespan=False).connect()
    reply = client.ask(handshake())
    assert reply.code == code
    if code == 401:
        assert reply.body == b"who are you?"


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        ([ACCEPT], 1000),
        ([ACCEPT, {"type": "websocket.close", "code": 4000}], 4000),
        ([ACCEPT, ZeroDivisionError()], 1011),
        ([ACCEPT, ACCEPT], 1011),
        ([ACCEPT, {"type": "websocket.send"}], 1011),
    ],
)
def test_the_application_closes(serve: Serve, messages: Any, code: int) -> None:
    peer = Peer(serve(connecting(*messages), lifespan=False))
    assert peer.received() == [code]


def test_who_is_no_websocket_is_refused_before(serve: Serve) -> None:
    client = serve(app := connecting(ACCEPT), lifespan=False).connect()
    assert client.ask(handshake(Sec_WebSocket_Version="12")).code == 426
    assert app.scopes == []


def test_who_breaks_off_is_told_and_cancelled(serve: Serve, virtual_clock: VirtualClock) -> None:
    async def act(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        told.append((await receive())["code"])
        with pytest.raises(OSError, match="gone"):
            await send({"type": "websocket.send", "text": "x"})
        await asyncio.Event().wait()

    told: list[int] = []
    server = serve(app := Hosted(act))
    Peer(server).client.leave()
    assert told == [1006]
    settle(server, until=virtual_clock.now + 11)
    assert app.ended == [asyncio.CancelledError]


def test_who_leaves_before_the_answer_is_told(serve: Serve) -> None:
    async def act(scope: Any, receive: Any, send: Any) -> None:
        told.append((await receive())["type"])
        told.append((await receive())["type"])
        await send(ACCEPT)

    told: list[str] = []
    client: Client = serve(app := Hosted(act)).connect()
    client.feed(handshake())
    client.leave()
    assert told == ["websocket.connect", "websocket.disconnect"]
    assert [issubclass(kind, OSError) for kind in app.ended] == [True]


def test_a_peer_that_does_not_read_makes_the_application_wait(serve: Serve) -> None:
    sent = 0

    async def act(scope: Any, receive: Any, send: Any) -> None:
        nonlocal sent
        await receive()
        await send(ACCEPT)
        for _ in range(64):
            await send({"type": "websocket.send", "bytes": bytes(32768)})
            sent += 1

    server = serve(Hosted(act), websockets={"compression": False})
    server.server.high_water = 65536
    peer = Peer(server)
    assert sent < 20
    while peer.sock in server.server.congested:
        server.server.take(peer.sock)
        settle(server)
    assert sent == 64


def test_the_end_of_the_program_closes_with_1001() -> None:
    app = connecting(ACCEPT, echo=True)
    with serving(Gateway(app, lifespan=False)) as server:
        peer = Peer(server)
        server.stop()
        settle(server)
        assert peer.received() == [1001]
        peer.close(1001)
    assert app.told[-1]["code"] == 1001
