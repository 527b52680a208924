"""HTTP as a component: which events there are, and its way into and out of a tree."""

from __future__ import annotations

import io
import logging
from typing import Any

import pytest

from circuits import BaseComponent, Debugger, Manager, sleep
from circuits.net.sockets import Read
from circuits.testing import Recorder, settle
from circuits.web import (
    Controller,
    Limits,
)
from circuits.web.dispatchers.dispatcher import Dispatcher
from circuits.web.errors import Forbidden
from circuits.web.http import HTTP
from tests.web.http_support import (
    App,
    Errors,
    MemoryServer,
    MemoryTransport,
    Pieces,
    Reply,
    Serve,
    get,
    parse,
    post,
    serving,
    streaming,
)

# -- which events there are ----------------------------------------------------------------------------


class Root(Controller):
    channel = "/"

    def index(self) -> str:
        return "index"

    def boom(self) -> str:
        raise RuntimeError("boom")

    def pieces(self) -> Any:
        self.response.stream = True
        self.response.body = iter(["a", "b"])
        return self.response

    def late(self) -> Any:
        yield None
        yield "late"

    def denied(self) -> Any:
        return self.denied_page()

    def denied_page(self) -> Any:
        return Forbidden(self.request, self.response)

    def fires(self) -> None:
        self.fire(Forbidden(self.request, self.response), "web")

    def cannot(self) -> Any:
        return object()


def _bytes_of(requests: bytes, *watchers: Manager) -> tuple[bytes, bool]:
    with serving(Dispatcher(), Root(), Errors(), *watchers) as server:
        client = server.connect()
        client.feed(requests)
        replies = client.received
        dates = [line for line in replies.split(b"\r\n") if line.startswith(b"Date: ")]
        for date in dates:
            replies = replies.replace(date, b"Date: now")
        return replies, client.is_closed


_REQUESTS = {
    "text": get("/"),
    "missing": get("/missing"),
    "boom": get("/boom"),
    "stream": get("/pieces"),
    "late": get("/late"),
    "error": get("/denied"),
    "fired": get("/fires"),
    "cannot": get("/cannot"),
    "head": get("/", method="HEAD"),
    "three": get("/") * 3,
    "refused": get("/%ff"),
    "redirected": get("/a/.."),
}


@pytest.mark.parametrize("name", _REQUESTS)
@pytest.mark.parametrize(
    "watch",
    [
        lambda: Recorder(),
        lambda: Recorder("request_success"),
        lambda: Recorder("response"),
        lambda: Recorder("response_success"),
        lambda: Recorder("write", "close"),
        lambda: Debugger(file=io.StringIO(), logger=logging.getLogger("circuits.test.quiet")),
    ],
    ids=["all", "request_success", "response", "response_success", "writes", "debugger"],
)
def test_who_watches_does_not_change_the_answer(
    name: str, watch: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "circuits")
    assert _bytes_of(_REQUESTS[name], watch()) == _bytes_of(_REQUESTS[name])


def _events_of(target: str, *names: str) -> list[str]:
    with serving(Dispatcher(), Root(), Errors()) as server:
        recorder = Recorder(*names).register(server)
        client = server.connect()
        settle(server)
        recorder.clear()
        client.feed(get(target))
        return [name for name in recorder.names if name not in ("error", "registered")]


def test_the_events_of_an_answer(serve: Serve) -> None:
    names = _events_of("/")
    order = ["read", "request", "index", "response", "write"]
    assert [name for name in names if name in order] == order
    for name in ("request_success", "index_success", "response_success", "response_complete"):
        assert names.count(name) == 1
    assert names.index("request_success") > names.index("request")
    assert names.index("response") > names.index("index")
    assert names.index("response_success") > names.index("response")
    assert "close" not in names


@pytest.mark.parametrize(
    "name",
    [
        *("read", "request", "request_success", "request_complete", "index", "write"),
        *("response", "response_success", "response_complete"),
    ],
)
def test_an_event_that_is_listened_to_is_there(name: str) -> None:
    assert _events_of("/", name) == [name]


@pytest.mark.parametrize("name", ["boom_failure", "httperror", "response", "close"])
def test_the_events_of_a_failure_are_there(name: str) -> None:
    assert _events_of("/boom", name) == [name]


def test_the_events_of_a_failure_have_an_order() -> None:
    names = _events_of("/boom")
    order = ["request", "boom", "httperror", "response", "write", "close", "disconnect"]
    assert [name for name in names if name in order] == order


def test_a_response_that_fails_says_so() -> None:
    assert _events_of("/cannot", "response_failure") == ["response_failure"]


# -- without a server ----------------------------------------------------------------------------------


def test_http_stands_on_any_transport() -> None:
    app = App(lambda app, request, response: request.body.read() or ["a"])
    root = BaseComponent(channel="web")
    transport = MemoryTransport().register(root)
    HTTP().register(root)
    app.register(root)
    with root.running():
        root.fire(Read("sock", get() + post(b"abc")))
        settle(root)
    replies = parse(b"".join(data for _, data in transport.writes))
    assert [reply.body for reply in replies] == [b"a", b"abc"]
    assert [reply.headers.get("connection") for reply in replies] == [None, None]


def test_http_may_be_elsewhere_than_on_web() -> None:
    root = BaseComponent(channel="other")
    http = HTTP("utf-8", "other").register(root)
    recorder = Recorder("write").register(root)
    root.fire(Read("sock", get()), "other")
    settle(root)
    assert http.channel == "other"
    record = recorder.expect("write", "sock", on="other")
    assert record.args[1].startswith(b"HTTP/1.1 404 ")


# -- the end ----------------------------------------------------------------------------------------------


def test_a_stop_closes_what_is_idle_and_answers_the_rest() -> None:
    def answer(app: App, request: Any, response: Any) -> Any:
        yield None
        yield None
        yield "answered"

    server = MemoryServer(App(answer))
    with server.running():
        settle(server)
        busy, idle, talking = server.connect(), server.connect(), server.connect()
        settle(server)
        talking.feed(b"GET / HT")
        server.fire(Read(busy.sock, get() + get()))
        server.tick(0)
        server.tick(0)
    assert [reply.body for reply in parse(busy.received)] == [b"answered"]
    assert parse(busy.received)[0].headers["connection"] == "close"
    assert all(client.is_closed for client in (busy, idle, talking))
    assert not idle.writes
    assert server.http._connections == {}


def test_leaving_the_tree_frees_everything(serve: Serve) -> None:
    pieces = Pieces(*["x"] * 10)
    client = serve(streaming(pieces))
    client.server.fire(Read(client.sock, get()))
    client.server.tick(0)
    client.server.tick(0)
    client.server.http.unregister()
    settle(client.server)
    assert pieces.closed == 1
    assert client.server.http._connections == {}


def _wait(app: App, request: Any, response: Any) -> Any:
    yield sleep(1000)


def _endless(app: App, request: Any, response: Any) -> Any:
    async def pieces() -> Any:
        yield "some"
        await sleep(1000)

    return streaming(pieces())(app, request, response)


@pytest.mark.parametrize(
    ("answer", "sent", "is_reset"),
    [
        ("hello", b"", False),
        ("hello", get(), False),
        ("hello", b"GET / HT", False),
        ("hello", post(b"abc")[:-1], False),
        (_wait, get(), False),
        (_endless, get(), False),
        (_endless, get(version="1.0"), True),
    ],
)
@pytest.mark.parametrize("watch", [(), ("close", "response", "write")])
def test_who_is_left_behind_is_cut_off(
    serve: Serve, answer: Any, sent: bytes, is_reset: bool, watch: tuple[str, ...]
) -> None:
    client = serve(answer, *([Recorder(*watch)] if watch else []))
    client.feed(sent)
    http = client.server.http
    assert not client.is_closed
    http.unregister()
    settle(client.server)
    assert client.is_closed
    assert client.is_reset == is_reset
    assert http._connections == {}
    http.register(client.server)
    settle(client.server)
    again = client.server.connect()
    again.feed(get("/", "Host: test"))
    assert again.received.startswith(b"HTTP/1.1 400 ")  # it is at work again


def test_who_is_lingered_for_is_cut_off(serve: Serve) -> None:
    client = serve("hello", limits=Limits(body_bytes=1))
    client.server.server.can_finish = True
    client.feed(post(b"abc"))
    assert client.server.server.half_closed
    assert not client.is_closed
    client.server.http.unregister()
    settle(client.server)
    assert client.is_closed


def test_replies_are_parsed_strictly() -> None:
    """The tests' own reader must notice what is missing."""
    assert not parse(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab")[0].is_whole
    assert isinstance(parse(b"HTTP/1.1 204 No\r\n\r\n")[0], Reply)
