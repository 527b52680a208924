"""What clients may cost: where limits are given, and what happens over them."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from circuits import BaseComponent, Event, handler
from circuits.net.sockets import TCPServer
from circuits.testing import VirtualClock, settle
from circuits.web import BaseServer, Controller, Limits, Server, expose
from circuits.web._command_line import limits_of, make_parser
from circuits.web._pieces import Feed
from circuits.web.dispatchers import Dispatcher
from tests.web.http_support import App, get, parse, post, serving

_NAMES = [field.name for field in fields(Limits)]
_PAGE = Path(__file__).parents[2] / "docs/howto/security.md"
_FORM = "Content-Type: application/x-www-form-urlencoded"
_MULTIPART = "Content-Type: multipart/form-data; boundary=xx"


# -- giving them --


@pytest.mark.parametrize("name", _NAMES)
def test_each_is_a_keyword_of_the_server_and_an_option(name: str) -> None:
    options: Any = {name: 7}
    server = BaseServer(("127.0.0.1", 0), **options)
    assert getattr(server.http.limits, name) == 7
    server.server.close()
    options = make_parser().parse_args([f"--limit-{name.replace('_', '-')}", "7"])
    assert limits_of(options) == {name: 7}
    options = make_parser().parse_args([f"--limit-{name.replace('_', '-')}", "none"])
    assert Limits(**limits_of(options)) == Limits(**{name: None})


def test_an_object_and_a_keyword_go_together_but_not_for_the_same() -> None:
    server = Server(("127.0.0.1", 0), limits=Limits(body_bytes=5), header_count=6)
    assert (server.http.limits.body_bytes, server.http.limits.header_count) == (5, 6)
    server.server.close()
    with pytest.raises(TypeError, match="body_bytes is given twice"):
        Server(("127.0.0.1", 0), limits=Limits(body_bytes=5), body_bytes=6)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"body_bytes": -1}, ValueError),
        ({"body_bytes": "1"}, TypeError),
        ({"body_bytes": True}, TypeError),
        ({"body_bytes": 1.5}, TypeError),
        ({"limits": {"body_bytes": 1}}, TypeError),
        ({"limits": Limits(), "body_byte": 1}, TypeError),
    ],
)
def test_what_is_no_limit(options: dict[str, Any], problem: type[Exception]) -> None:
    with pytest.raises(problem):
        Server(("127.0.0.1", 0), **options)


@pytest.mark.parametrize("text", ["-1", "x", "1.5", "", "1e3", "None"])
def test_what_is_no_limit_on_the_command_line(text: str, capsys: Any) -> None:
    with pytest.raises(SystemExit) as caught:
        make_parser().parse_args(["--limit-body-bytes", text])
    assert caught.value.code == 2


def test_the_table_says_each_default() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([\w.]+) \|", _PAGE.read_text(), re.MULTILINE)
    assert {name: text for name, text in rows if name in _NAMES} == {
        field.name: "none" if field.default is None else str(field.default)
        for field in fields(Limits)
    }


# -- over them --


class Site(Controller):
    def index(self, **form: Any) -> str:
        return "index"

    @expose(stream=True)
    async def stream(self) -> str:
        return str(len(await self.request.body.read()))


_PART = b'--xx\r\nContent-Disposition: form-data; name="a"%b\r\n\r\n%b\r\n'


@pytest.mark.parametrize(
    ("limits", "data", "code"),
    [
        ({"request_line_bytes": 20}, get("/?" + "x" * 20), 414),
        ({"header_block_bytes": 20}, get("/", "X: " + "x" * 20), 431),
        ({"header_count": 2}, get("/", "A: 1", "B: 1"), 431),
        ({"body_bytes": 2}, post(b"abc"), 413),
        ({"body_bytes": 2}, post(b"abc")[:-3], 413),
        ({"body_bytes": None}, post(b"abc"), 200),
        ({"body_bytes": 2}, post(b"abc", target="/stream"), 200),
        ({"stream_body_bytes": 2}, post(b"abc", target="/stream"), 413),
        ({"stream_body_bytes": 2}, post(b"abc"), 200),
        (
            {"stream_body_bytes": 2},
            get("/stream", "Transfer-Encoding: chunked", method="POST") + b"3\r\nabc\r\n0\r\n\r\n",
            413,
        ),
        ({"parts": 2}, post(b"a=1&b=2&c=3", _FORM), 413),
        ({"parts": None}, post(b"a=1&" * 2000, _FORM), 200),
        ({"parts": 2}, post(_PART % (b"", b"1") * 3 + b"--xx--", _MULTIPART), 413),
        ({"part_bytes": 3}, post(b"a=1&b=234", _FORM), 413),
        ({"part_bytes": 3}, post(_PART % (b"", b"1234") + b"--xx--", _MULTIPART), 413),
        (
            {"part_bytes": 3},
            post(_PART % (b'; filename="f"', b"1234") + b"--xx--", _MULTIPART),
            413,
        ),
        ({"part_bytes": 3}, post(_PART % (b"", b"123") * 2 + b"--xx--", _MULTIPART), 200),
        ({"text_bytes": 3}, post(_PART % (b"", b"12") * 2 + b"--xx--", _MULTIPART), 413),
    ],
)
def test_the_answer_over_a_limit(limits: dict[str, Any], data: bytes, code: int) -> None:
    with serving(Dispatcher(), Site(), **limits) as server:
        client = server.connect()
        client.feed(data)
        assert [reply.code for reply in parse(client.received)] == [code]
        if code in (414, 431):
            assert client.is_closed


@pytest.mark.usefixtures("virtual_clock")
@pytest.mark.parametrize("ahead", [2, 5])
def test_requests_ahead(ahead: int) -> None:
    def act(app: App, request: Any, response: Any) -> bool:
        return True  # and never answers

    with serving(App(act), ahead_requests=ahead) as server:
        server.stop_timeout = 0
        client = server.connect()
        client.feed(get() * (ahead + 1))
        assert client.sock not in server.server.held
        client.feed(get())
        assert client.sock in server.server.held


def _half(size: int, target: str = "/") -> bytes:
    return get(target, f"Content-Length: {size + 1}", method="POST") + b"x" * size


def test_over_the_common_budget_new_requests_are_refused(caplog: pytest.LogCaptureFixture) -> None:
    target = "/stream"
    with serving(Dispatcher(), Site(), buffered_bytes=1000) as server:
        first, second = server.connect(), server.connect()
        first.feed(_half(600, target))
        assert server.connect().get("/").code == 200
        second.feed(_half(600, target))
        third = server.connect()
        assert third.get("/").code == 503
        assert third.is_closed
        assert server.connect().get("/").code == 503
        assert len(caplog.records) == 1
        first.feed(b"x")  # what was begun is answered
        assert [reply.code for reply in parse(first.received)] == [200]
        assert server.connect().get("/").code == 200
        second.leave()
        assert server.http.budget.spare_bytes == 1000


def test_over_the_common_budget_bodies_go_to_the_disk() -> None:
    with serving(Dispatcher(), Site(), buffered_bytes=1000) as server:
        clients = [server.connect() for _ in range(5)]
        for client in clients:  # all of them begin while there is room
            client.feed(_half(600)[:-600])
        for client in clients:
            client.feed(b"x" * 300)
            client.feed(b"x" * 300)
            assert server.http.budget.spare_bytes >= 0
        assert server.connect().get("/").code == 200
        for client in clients:
            client.feed(b"x")
            assert [reply.code for reply in parse(client.received)] == [200]
        assert server.http.budget.spare_bytes == 1000


class Bit(Event):
    """Somebody may read on."""


class Slow(Controller):
    @expose(stream=True)
    def index(self) -> Any:
        size = 0
        while piece := (yield self.request.body.read(100)):
            size += len(piece)
            yield self.wait("bit")
        yield str(size)


def test_over_the_common_budget_nothing_is_read_ahead_and_all_go_on() -> None:
    with serving(Dispatcher(), Slow(), buffered_bytes=800) as server:
        clients = [server.connect() for _ in range(3)]
        for client in clients:
            client.feed(_half(1000)[:-1000])
        for client in clients:
            client.feed(b"x" * 300)
            client.feed(b"x" * 300)
        assert clients[0].sock not in server.server.held
        assert {clients[1].sock, clients[2].sock} <= server.server.held
        for _ in range(6):
            server.fire(Bit(), "/")
            settle(server)
        assert not server.server.held  # each has taken its own, and waits for more
        for client in clients:
            client.feed(b"x" * 401)
        for _ in range(20):
            server.fire(Bit(), "/")
            settle(server)
        assert [parse(client.received)[0].body for client in clients] == [b"1001"] * 3


def test_what_goes_to_the_disk_does_not_count() -> None:
    with serving(Dispatcher(), Site(), buffered_bytes=1000, memory_body_bytes=500) as server:
        client = server.connect()
        client.feed(_half(400))
        assert server.http.budget.spare_bytes == 600
        other = server.connect()
        other.feed(_half(5000))
        assert server.http.budget.spare_bytes == 600
        other.leave()
        client.leave()
        assert server.http.budget.spare_bytes == 1000


def test_what_is_sent_ahead_and_not_taken_counts_in_the_end(virtual_clock: VirtualClock) -> None:
    with serving(App("x" * 500), buffered_bytes=1000) as server:
        server.server.high_water = 100_000
        client = server.connect()
        client.feed(get() * 5)
        assert server.connect().get("/").code == 200
        virtual_clock.advance(5)
        settle(server)
        assert server.connect().get("/").code == 503
        server.server.take(client.sock)
        virtual_clock.advance(5)
        settle(server)
        assert server.connect().get("/").code == 200


def test_what_a_thread_has_made_and_is_not_taken_counts_in_the_end(
    virtual_clock: VirtualClock,
) -> None:
    feed = Feed(call=lambda call: call())

    class Fed(Controller):
        def index(self) -> Any:
            self.response.stream = True
            return feed

        def page(self) -> str:
            return "page"

    with serving(Dispatcher(), Fed(), buffered_bytes=1000) as server:
        server.server.high_water = 100
        client = server.connect()
        client.feed(get())
        for _ in range(20):
            feed.put(b"x" * 100)
            settle(server)
        assert feed.held_bytes > 1000
        assert server.connect().get("/page").code == 200
        virtual_clock.advance(5)
        settle(server)
        assert server.connect().get("/page").code == 503
        client.leave()
        assert feed.held_bytes == 0
        virtual_clock.advance(5)
        settle(server)
        assert server.connect().get("/page").code == 200


class Clients(BaseComponent):
    channel = "server"

    def __init__(self) -> None:
        super().__init__()
        self.here: list[Any] = []

    @handler("connect")
    def _on_connect(self, sock: Any, *peer: Any) -> None:
        self.here.append(sock)

    @handler("disconnect")
    def _on_disconnect(self, sock: Any) -> None:
        self.here.remove(sock)


def test_connections_wait_until_there_is_room() -> None:
    import socket

    server = TCPServer(("127.0.0.1", 0), max_connections=2)
    clients = Clients().register(server)
    with server.running():
        settle(server)
        made = [socket.create_connection((server.host, server.port)) for _ in range(3)]
        for _ in range(20):
            server.tick(0.001)
        assert len(clients.here) == 2
        first = clients.here[0]
        made[0].close()
        for _ in range(500):
            server.tick(0.01)
            if len(clients.here) == 2 and first not in clients.here:
                break
        assert len(clients.here) == 2
        made[1].close()
        made[2].sendall(b"x")
        for _ in range(500):
            server.tick(0.01)
            if len(clients.here) == 1:
                break
        assert len(clients.here) == 1
        made[2].close()
