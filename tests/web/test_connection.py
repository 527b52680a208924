"""What clients send, when, and how their connections end: HTTP over a transport in memory."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from circuits import BaseComponent, Event, handler, sleep
from circuits.core._turns import PARTS, Turns
from circuits.net.sockets import Pause, Read, Resume
from circuits.testing import Recorder, VirtualClock, settle
from circuits.web import (
    HTTPError,
    Limits,
    Response,
    Stream,
)
from tests.web.http_support import (
    App,
    Client,
    Errors,
    MemoryServer,
    Serve,
    get,
    parse,
    post,
    serving,
)

# -- reading ---------------------------------------------------------------------------------------


def test_a_request_is_answered(serve: Serve) -> None:
    client = serve("hello")
    reply = client.get()
    assert (reply.line, reply.body) == ("HTTP/1.1 200 OK", b"hello")
    assert reply.headers["content-length"] == "5"
    assert reply.headers["server"] == "circuits/test"
    assert not client.is_closed


def test_the_request_object_says_what_was_asked(serve: Serve) -> None:
    app = App("x")
    client = serve(app)
    client.ask(post(b"abc", "X-A: \xe4", target="/a%20b?c=%20d"))
    (request,) = app.requests
    assert (request.method, request.path, request.raw_path) == ("POST", "/a b", "/a%20b")
    assert (request.qs, request.protocol, request.scheme) == ("c=%20d", (1, 1), "http")
    assert request.headers["X-A"] == "\xe4"
    assert request.base == "http://test"
    assert request.server is client.server
    assert (request.remote.ip, request.remote.port) == ("192.0.2.1", 1)


def test_the_peer_is_known_after_it_has_gone(serve: Serve) -> None:
    app = App(True)
    client = serve(app)
    client.feed(get())
    client.sock.getpeername = lambda: pytest.fail("asked too late")
    assert app.requests[0].remote.ip == "192.0.2.1"


def test_a_body_may_be_read_from_its_beginning(serve: Serve) -> None:
    client = serve(lambda app, request, response: request.body.read())
    assert client.ask(post(b"some body")).body == b"some body"


@pytest.mark.parametrize("cut", range(1, len(post(b"body", "A: b"))))
def test_a_request_may_be_cut_anywhere(serve: Serve, cut: int) -> None:
    client = serve(lambda app, request, response: request.body.read())
    data = post(b"body", "A: b")
    assert client.ask(data[:cut], data[cut:]).body == b"body"


def test_a_request_may_come_byte_by_byte(serve: Serve) -> None:
    client = serve(lambda app, request, response: request.body.read())
    assert client.ask(*[bytes([byte]) for byte in post(b"body")]).body == b"body"


def test_a_chunked_body_is_decoded(serve: Serve) -> None:
    client = serve(lambda app, request, response: request.body.read())
    head = get("/", "Transfer-Encoding: chunked", method="POST")
    assert client.ask(head, b"3;a=b\r\nabc\r\n", b"2\r\nde\r\n0\r\n", b"T: x\r\n\r\n").body == (
        b"abcde"
    )


@pytest.mark.parametrize("size", [99, 100, 101, 300])
def test_a_long_body_is_spooled_and_closed(serve: Serve, size: int) -> None:
    kept = []

    def answer(app: App, request: Any, response: Any) -> Any:
        kept.append(request.body)
        return request.body.read()

    client = serve(answer, memory_body_bytes=100)
    data = post(b"x" * size)
    assert client.ask(data[:-50], data[-50:]).body == b"x" * size
    assert kept[0].closed
    assert isinstance(kept[0], io.BytesIO) == (size <= 100)


def test_an_absolute_target_gives_the_host(serve: Serve) -> None:
    app = App("x")
    serve(app).get("http://other:81/path?q")
    assert (app.requests[0].path, app.requests[0].base) == ("/path", "http://other:81")


def test_the_asterisk_is_a_path_of_its_own(serve: Serve) -> None:
    app = App("x")
    serve(app).get("*", method="OPTIONS")
    assert app.requests[0].path == "*"


@pytest.mark.parametrize(
    ("method", "code", "location"), [("GET", 301, "http://test/b"), ("POST", 400, None)]
)
def test_dot_segments_are_not_routed(
    serve: Serve, method: str, code: int, location: str | None
) -> None:
    app = App("x")
    reply = serve(app).get("/a/../b", method=method)
    assert (reply.code, reply.headers.get("location")) == (code, location)
    assert not app.requests


def test_nobody_tunnels(serve: Serve) -> None:
    app = App("x")
    client = serve(app)
    reply = client.ask(b"CONNECT host:80 HTTP/1.1\r\nHost: host:80\r\n\r\n")
    assert reply.code in (405, 501)
    assert client.is_closed
    assert not app.requests


_REFUSED = {
    "fragment": (get("/#a"), 400),
    "escape": (get("/%zz"), 400),
    "encoding": (get("/%ff"), 400),
    "version": (get(version="2.0"), 505),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "two hosts": (get("/", "Host: b"), 400),
    "folding": (get("/", "A: b\r\n c"), 400),
    "blank before the colon": (get("/", "A : b"), 400),
    "nul": (get("/", "A: \0"), 400),
    "lone return": (get("/", "A: b\rc"), 400),
    "lone newline": (get("/", "A: b\nC: d"), 400),
    "no request": (b"nonsense\r\n\r\n", 400),
    "length and chunked": (post(b"abc", "Transfer-Encoding: chunked"), 400),
    "two lengths": (post(b"abc", "Content-Length: 4"), 400),
    "negative length": (get("/", "Content-Length: -1"), 400),
    "length in words": (get("/", "Content-Length: three"), 400),
    "coding": (get("/", "Transfer-Encoding: xchunked"), 501),
    "chunk size": (get("/", "Transfer-Encoding: chunked") + b"0x1\r\na\r\n0\r\n\r\n", 400),
    "chunk end": (get("/", "Transfer-Encoding: chunked") + b"1\r\nab\r\n0\r\n\r\n", 400),
    "expectation": (post(b"abc", "Expect: wonder"), 417),
}


@pytest.mark.parametrize("name", _REFUSED)
def test_a_malformed_request_is_refused(serve: Serve, name: str) -> None:
    app = App("x")
    client = serve(app)
    data, code = _REFUSED[name]
    client.feed(data + get("/smuggled"))
    (reply,) = parse(client.received)
    assert (reply.line.split(" ")[0], reply.code) == ("HTTP/1.1", code)
    assert reply.headers["connection"] == "close"
    assert client.is_closed
    assert not app.requests


def test_a_malformed_request_after_a_good_one_is_refused(serve: Serve) -> None:
    client = serve("hello")
    client.feed(get() + b"nonsense\r\n\r\n")
    assert [reply.code for reply in parse(client.received)] == [200, 400]
    assert client.is_closed


def test_tls_without_tls_is_closed_in_silence(serve: Serve) -> None:
    client = serve("hello")
    client.feed(bytes.fromhex("1603010200010001fc0303"))
    assert client.received == b""
    assert client.is_closed


# -- limits ---------------------------------------------------------------------------------------

_LIMITS = Limits(request_line_bytes=100, header_block_bytes=300, header_count=5, body_bytes=50)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (get("/" + "a" * 100), 414),
        (get("/", "A: " + "b" * 300), 431),
        (get("/", *["A: b"] * 6), 431),
        (post(b"b" * 51), 413),
        (get("/", "Transfer-Encoding: chunked") + b"33\r\n" + b"b" * 51 + b"\r\n0\r\n\r\n", 413),
    ],
    ids=["line", "block", "count", "length", "chunks"],
)
def test_limits(serve: Serve, data: bytes, code: int) -> None:
    client = serve("hello", limits=_LIMITS)
    reply = client.ask(data)
    assert (reply.code, reply.headers["connection"]) == (code, "close")
    assert client.is_closed


@pytest.mark.parametrize("data", [get("/" + "a" * 80), post(b"b" * 50), get("/", *["A: b"] * 4)])
def test_what_is_within_the_limits_is_served(serve: Serve, data: bytes) -> None:
    assert serve("hello", limits=_LIMITS).ask(data).code == 200


@pytest.mark.parametrize(
    ("rest", "code"),
    [
        (b"Content-Length: 200\r\n\r\n", 413),
        (b"Transfer-Encoding: chunked\r\n\r\nC8\r\n", 413),
        (b"Transfer-Encoding: chunked\r\n\r\nno\r\n", 400),
    ],
)
def test_who_is_told_of_a_refusal_knows_the_request(serve: Serve, rest: bytes, code: int) -> None:
    refused: list[Any] = []

    class Log(BaseComponent):
        channel = "web"

        @handler("response", priority=-1)
        def _on_response(self, response: Any) -> None:
            refused.append(response.request)

    client = serve("x", Log(), limits=Limits(body_bytes=100))
    assert client.ask(b"PUT /up?x=1 HTTP/1.1\r\nHost: t\r\n" + rest).code == code
    assert [(request.method, request.path) for request in refused] == [("PUT", "/up")]


def test_a_body_that_was_spooled_and_grows_too_long_is_closed(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    files: list[Any] = []

    def keep() -> Any:
        files.append(io.BytesIO())
        return files[-1]

    monkeypatch.setattr("circuits.web._request_body.tempfile.TemporaryFile", keep)
    client = serve("hello", limits=_LIMITS, memory_body_bytes=10)
    client.feed(get("/", "Transfer-Encoding: chunked"), b"14\r\n" + b"b" * 20 + b"\r\n")
    client.feed(b"30\r\n" + b"b" * 48 + b"\r\n")
    assert parse(client.received)[0].code == 413
    assert [file.closed for file in files] == [True]


def test_a_slow_head_is_given_up(virtual_clock: VirtualClock, serve: Serve) -> None:
    client = serve("hello", header_timeout=30)
    client.feed(b"GET / HTTP/1.1\r\n")
    settle(client.server, until=virtual_clock.now + 20)
    client.feed(b"Host: test\r\n")  # which buys no time
    settle(client.server, until=virtual_clock.now + 9)
    assert not client.writes
    settle(client.server, until=virtual_clock.now + 10)
    assert parse(client.received)[0].code == 408
    assert client.is_closed


def test_a_slow_body_is_given_up(virtual_clock: VirtualClock, serve: Serve) -> None:
    client = serve("hello", body_timeout=60)
    client.feed(get("/", "Content-Length: 10", method="POST") + b"abc")
    settle(client.server, until=virtual_clock.now + 55)
    assert not client.writes
    settle(client.server, until=virtual_clock.now + 15)
    assert parse(client.received)[0].code == 408
    assert client.is_closed


def test_a_body_that_makes_progress_may_take_long(
    virtual_clock: VirtualClock, serve: Serve
) -> None:
    client = serve(lambda app, request, response: str(len(request.body.read())), body_timeout=60)
    client.feed(get("/", f"Content-Length: {5 * 70_000}", method="POST"))
    for _ in range(4):
        client.feed(b"b" * 70_000)
        settle(client.server, until=virtual_clock.now + 50)
    assert client.ask(b"b" * 70_000).body == b"350000"


def test_an_idle_connection_is_closed_in_silence(virtual_clock: VirtualClock, serve: Serve) -> None:
    client = serve("hello", idle_timeout=75)
    client.get()
    before = client.received
    settle(client.server, until=virtual_clock.now + 70)
    assert not client.is_closed
    settle(client.server, until=virtual_clock.now + 15)
    assert client.is_closed
    assert client.received == before


def test_an_idle_connection_lives_while_its_answer_is_on_its_way(
    virtual_clock: VirtualClock, serve: Serve
) -> None:
    client = serve("hello", idle_timeout=75)
    client.get()
    client.server.fire(Pause(client.sock), client.server.channel)
    settle(client.server, until=virtual_clock.now + 200)
    assert not client.is_closed
    client.server.fire(Resume(client.sock), client.server.channel)
    settle(client.server, until=virtual_clock.now + 70)
    assert not client.is_closed
    settle(client.server, until=virtual_clock.now + 15)
    assert client.is_closed


def test_a_client_that_says_nothing_is_sent_away(virtual_clock: VirtualClock, serve: Serve) -> None:
    client = serve("hello", header_timeout=30)
    settle(client.server, until=virtual_clock.now + 29)
    assert not client.is_closed
    settle(client.server, until=virtual_clock.now + 10)
    assert client.is_closed
    assert not client.writes


def test_a_handler_may_take_its_time(virtual_clock: VirtualClock, serve: Serve) -> None:
    def answer(app: App, request: Any, response: Any) -> Any:
        yield sleep(1000)
        yield "late"

    client = serve(answer)
    client.feed(get())
    settle(client.server, until=virtual_clock.now + 1001)
    assert parse(client.received)[0].body == b"late"


def test_no_timer_runs_without_connections(virtual_clock: VirtualClock, serve: Serve) -> None:
    client = serve("hello")
    client.get("/", "Connection: close")
    settle(client.server, until=virtual_clock.now + 10)
    assert client.server._tree_engine.schedule.next_deadline() is None


_LONG = get("/", "A: " + "b" * 4000)


def test_a_client_that_sends_far_ahead_is_not_read(serve: Serve) -> None:
    client = serve(True)
    client.feed(get(), _LONG * 16)
    assert client.server.server.held == set()
    client.feed(_LONG)
    assert client.server.server.held == {client.sock}


def test_it_is_read_again_when_it_was_answered(serve: Serve) -> None:
    responses: list[Any] = []

    def answer(app: App, request: Any, response: Any) -> Any:
        responses.append(response)
        return True if len(responses) == 1 else "x"

    client = serve(answer)
    client.feed(get(), _LONG * 20)
    assert client.server.server.held
    responses[0].body = "first"
    client.server.fire(Response(responses[0]))
    settle(client.server)
    assert client.server.server.held == set()
    assert len(parse(client.received)) == 21


# -- 100-continue -----------------------------------------------------------------------------------

_EXPECTING = get("/", "Content-Length: 3", "Expect: 100-continue", method="POST")


def test_an_expected_body_is_asked_for(serve: Serve) -> None:
    client = serve(lambda app, request, response: request.body.read())
    client.feed(_EXPECTING)
    assert client.writes == [b"HTTP/1.1 100 Continue\r\n\r\n"]
    client.feed(b"abc")
    assert [reply.code for reply in parse(client.received)] == [100, 200]


def test_a_body_that_is_there_is_not_asked_for(serve: Serve) -> None:
    assert serve("x").ask(_EXPECTING + b"abc").code == 200


def test_a_body_that_will_be_refused_is_not_asked_for(serve: Serve) -> None:
    client = serve("x", limits=Limits(body_bytes=2))
    assert client.ask(_EXPECTING).code == 413


def test_a_bad_target_is_found_before_the_body_is_asked_for(serve: Serve) -> None:
    assert serve("x").ask(_EXPECTING.replace(b" / ", b" /%ff ")).code == 400


def test_http_1_0_expects_nothing(serve: Serve) -> None:
    client = serve("x")
    client.feed(_EXPECTING.replace(b"HTTP/1.1", b"HTTP/1.0"))
    assert not client.writes
    client.feed(b"abc")
    assert parse(client.received)[0].code == 200


# -- persistence --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "headers", "closes", "said"),
    [
        ("1.1", [], False, None),
        ("1.1", ["Connection: keep-alive"], False, None),
        ("1.1", ["Connection: close"], True, "close"),
        ("1.1", ["Connection: TE, Close"], True, "close"),
        ("1.0", [], True, None),
        ("1.0", ["Connection: Keep-Alive"], False, "Keep-Alive"),
        ("1.0", ["Connection: keep-alive, close"], True, None),
    ],
)
def test_persistence(
    serve: Serve, version: str, headers: list[str], closes: bool, said: str | None
) -> None:
    client = serve("hello")
    reply = client.ask(get("/", *headers, version=version))
    assert reply.line == f"HTTP/{version} 200 OK"
    assert client.is_closed == closes
    assert reply.headers.get("connection") == said


def test_http_1_0_closes_where_the_length_is_unknown(serve: Serve) -> None:
    def answer(app: App, request: Any, response: Any) -> Any:
        response.stream = True
        response.body = iter(["a", "b"])
        return response

    client = serve(answer)
    reply = client.ask(get("/", "Connection: keep-alive", version="1.0"))
    assert reply.body == b"ab"
    assert "transfer-encoding" not in reply.headers
    assert client.is_closed


def test_a_handler_may_close(serve: Serve) -> None:
    def answer(app: App, request: Any, response: Any) -> Any:
        response.close = True
        return "bye"

    client = serve(answer)
    assert client.get().headers["connection"] == "close"
    assert client.is_closed


@pytest.mark.parametrize(
    ("code", "closes"), [(404, False), (401, False), (405, False), (403, True), (500, True)]
)
def test_errors_close_unless_they_are_harmless(serve: Serve, code: int, closes: bool) -> None:
    client = serve(lambda app, request, response: HTTPError(request, response, code))
    assert client.get().code == code
    assert client.is_closed == closes


# -- pipelining ----------------------------------------------------------------------------------------


def test_answers_keep_the_order_of_the_requests(virtual_clock: VirtualClock, serve: Serve) -> None:
    def answer(app: App, request: Any, response: Any) -> Any:
        if request.path == "/slow":
            return (part for part in [sleep(5), "slow"])
        return request.path

    app = App(answer)
    client = serve(app)
    client.feed(get("/1") + get("/slow") + get("/2") + get("/3")[:10])
    assert [request.path for request in app.requests] == ["/1", "/slow"]
    settle(client.server, until=virtual_clock.now + 6)
    client.feed(get("/3")[10:])
    assert [reply.body for reply in parse(client.received)] == [b"/1", b"slow", b"/2", b"/3"]


def test_bodies_and_heads_may_be_pipelined(serve: Serve) -> None:
    client = serve(lambda app, request, response: request.body.read() or "none")
    client.feed(post(b"GET /") + get() + post(b"a") + get())
    assert [reply.body for reply in parse(client.received)] == [b"GET /", b"none", b"a", b"none"]


def test_nothing_is_answered_after_the_last_request(serve: Serve) -> None:
    client = serve("hello")
    client.feed(get("/", "Connection: close") + get())
    assert len(parse(client.received)) == 1


def test_thousands_at_once_do_not_nest(serve: Serve) -> None:
    client = serve("x")
    client.feed(get() * 1500)
    assert len(parse(client.received)) == 1500


_CHUNKS = get("/", "Transfer-Encoding: chunked", method="POST") + b"1\r\nx\r\n" * 1000


@pytest.mark.parametrize("data", [get() * 40, _CHUNKS], ids=["requests", "chunks"])
def test_a_crowd_that_sends_much_costs_little_more_than_one(
    virtual_clock: VirtualClock, data: bytes
) -> None:
    parts = 0
    spend = Turns.spend

    def count(turns: Turns) -> bool:
        nonlocal parts
        parts += 1
        return spend(turns)

    with serving(App("x")) as server, pytest.MonkeyPatch.context() as patch:
        patch.setattr(Turns, "spend", count)
        server.stop_timeout = 0
        crowd = [server.connect() for _ in range(100)]
        other = server.connect()
        settle(server)
        for client in crowd:  # as the poller does, of one look at the descriptors
            server.http._on_read(client.sock, data)
        assert parts <= PARTS + len(crowd)
        server.fire(Read(other.sock, get()))
        for _ in range(3):
            server.tick(0)
        assert len(parse(other.received)) == 1
        assert parts <= 5 * PARTS + len(crowd)


# -- lingering ----------------------------------------------------------------------------------

_TOO_LONG = get("/", "Content-Length: 100", method="POST")


class Hello(BaseComponent):
    channel = "web"

    @handler("request")
    def _on_request(self, request: Any, response: Any) -> str:
        response.close = request.path == "/close"
        return "hello"


@pytest.fixture
def server(virtual_clock: VirtualClock) -> Iterator[MemoryServer]:
    with serving(Hello(), limits=Limits(body_bytes=10)) as server:
        server.server.can_finish = True
        yield server


def _is_half_closed(client: Client) -> bool:
    return client.sock in client.server.server.half_closed


@pytest.mark.parametrize("request_", [_TOO_LONG, b"oops\r\n\r\n", get("/", "A: " + "x" * 70_000)])
def test_a_client_that_is_refused_is_heard_out(
    server: MemoryServer, virtual_clock: VirtualClock, request_: bytes
) -> None:
    client = server.connect()
    client.feed(request_)
    assert len(parse(client.received)) == 1
    assert _is_half_closed(client)
    client.feed(get("/"))
    assert not client.is_closed
    settle(server, until=virtual_clock.now + 4.9)
    assert not client.is_closed
    settle(server, until=virtual_clock.now + 0.2)
    assert client.is_closed
    assert len(parse(client.received)) == 1  # nobody answers what is not listened to
    assert server.http._connections == {}


def test_it_is_heard_up_to_a_limit(server: MemoryServer) -> None:
    client = server.connect()
    client.feed(_TOO_LONG)
    for _ in range(16):
        client.feed(b"x" * 1024 * 1024)
    assert not client.is_closed
    client.feed(b"x")
    assert client.is_closed


def test_a_client_that_leaves_meanwhile_is_forgotten(
    server: MemoryServer, virtual_clock: VirtualClock
) -> None:
    client = server.connect()
    client.feed(_TOO_LONG)
    assert not server.http.end_of_input(client.sock)
    client.leave()
    settle(server, until=virtual_clock.now + 10)
    assert not client.is_closed  # there was nothing left to close


def test_who_has_sent_another_request_is_heard_too(server: MemoryServer) -> None:
    client = server.connect()
    client.feed(get("/close") + get("/"))
    assert _is_half_closed(client)
    assert not client.is_closed


@pytest.mark.parametrize("tail", [b"", b"x"])
def test_who_has_finished_is_not_waited_for(server: MemoryServer, tail: bytes) -> None:
    client = server.connect()
    if tail:
        client.feed(b"oops")
        server.http.end_of_input(client.sock)
        settle(server)
    else:
        client.feed(get("/close"))
    assert client.is_closed
    assert not _is_half_closed(client)


@pytest.mark.parametrize("request_", [get("/close"), _TOO_LONG], ids=["answer", "refusal"])
def test_an_end_behind_the_last_request_waits_for_the_answer_on_its_way(
    server: MemoryServer, request_: bytes
) -> None:
    """Its write and its close may be events that are still queued."""
    told: list[bool] = []

    class Watcher(BaseComponent):
        channel = "web"

        @handler("write", priority=1)
        def _on_write(self, event: Event, sock: Any, data: bytes) -> None:
            told.append(server.http.end_of_input(sock))

    Watcher().register(server)
    client = server.connect()
    client.feed(request_)
    assert told == [True]  # the transport must not close by itself
    assert len(parse(client.received)) == 1
    assert client.is_closed
    assert not _is_half_closed(client)


def test_a_transport_that_cannot_is_closed_at_once(server: MemoryServer) -> None:
    server.server.can_finish = False
    client = server.connect()
    client.feed(_TOO_LONG)
    assert client.is_closed


def test_the_answer_goes_before_the_half_close(server: MemoryServer) -> None:
    # With somebody listening, writes go through the queue.
    Recorder("write").register(server)
    client = server.connect()
    client.feed(_TOO_LONG)  # the transport refuses what is written after it
    assert _is_half_closed(client)
    assert len(client.writes) == 1


def test_a_stop_does_not_listen(server: MemoryServer) -> None:
    client = server.connect()
    client.feed(_TOO_LONG)
    server.stop()
    settle(server)
    assert client.is_closed


def test_a_connection_whose_reading_was_paused_is_read(server: MemoryServer) -> None:
    client = server.connect()
    settle(server)
    server.http._connections[client.sock].hold_reading()
    assert client.sock in server.server.held
    client.feed(_TOO_LONG)
    assert client.sock not in server.server.held


# -- ahead -----------------------------------------------------------------------------------------


class Later(BaseComponent):
    """Keeps requests waiting."""

    channel = "web"

    @handler("request")
    def _on_request(self, request: Any, response: Any) -> bool:
        return True


@pytest.mark.usefixtures("virtual_clock")
@pytest.mark.parametrize(("ahead", "is_held"), [(16, False), (17, True)])
def test_sixteen_requests_may_wait(ahead: int, is_held: bool) -> None:
    with serving(Later()) as server:
        server.stop_timeout = 0
        client = server.connect()
        client.feed(get() * 10, get() * (ahead - 9))
        assert (client.sock in server.server.held) is is_held


def test_many_that_come_at_once_are_enough_for_a_pause() -> None:
    with serving(Later()) as server:
        server.stop_timeout = 0
        client = server.connect()
        client.feed(get() * 18)
        assert client.sock in server.server.held


# -- what goes wrong while a request is received ----------------------------------------------------


class Unsure(BaseComponent):
    """Does not know whether it wants a body as it arrives."""

    channel = "web"

    def wants_stream(self, request: Any) -> bool:
        raise RuntimeError("unsure")

    @handler("request")
    def _on_request(self, request: Any, response: Any) -> str:
        return "hello"


@pytest.mark.parametrize(
    "data", [post(b"abc"), post(b"abc") + get(), _EXPECTING, post(b"abc")[:-1]]
)
def test_a_failure_while_a_request_is_received_is_answered_at_once(data: bytes) -> None:
    errors = Errors()
    with serving(Unsure(), errors) as server:
        client = server.connect()
        client.feed(data)
        assert [reply.code for reply in parse(client.received)] == [500]
        assert client.is_closed
        assert [str(problem) for problem in errors.seen] == ["unsure"]
        assert not server.http._connections


class Disk:
    """A file that takes so many writes, and fails in this way then."""

    def __init__(self, writes: int, number: int, at_seek: bool = False) -> None:
        self.left = writes
        self.number = number
        self.at_seek = at_seek
        self.closed = False

    def _fail(self) -> None:
        raise OSError(self.number, os.strerror(self.number))

    def write(self, data: bytes) -> int:
        self.left -= 1
        if self.left < 0:
            self._fail()
        return len(data)

    def seek(self, offset: int) -> None:
        if self.at_seek:
            self._fail()

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize(
    ("number", "code"),
    [(errno.ENOSPC, 507), (errno.EDQUOT, 507), (errno.EMFILE, 500), (errno.EIO, 500)],
)
@pytest.mark.parametrize("where", ["open", "first", "second", "last", "seek"])
@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_handler_never_gets_a_part_of_a_body(
    serve: Serve,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    code: int,
    where: str,
    is_chunked: bool,
) -> None:
    writes = {"open": 0, "first": 0, "second": 1, "last": 4, "seek": 99}[where]
    disk = Disk(writes, number, where == "seek")

    def make() -> Disk:
        if where == "open":
            disk._fail()
        return disk

    monkeypatch.setattr("circuits.web._request_body.tempfile.TemporaryFile", make)
    app = App("got it")
    client = serve(app, Errors(), memory_body_bytes=25)
    if is_chunked:
        pieces = [get("/", "Transfer-Encoding: chunked", method="POST")]
        pieces += [b"a\r\n" + b"b" * 10 + b"\r\n" for _ in range(6)] + [b"0\r\n\r\n"]
    else:
        pieces = [get("/", "Content-Length: 60", method="POST"), *[b"b" * 10] * 6]
    for piece in pieces:
        if not client.is_closed:
            client.feed(piece)
    (reply,) = parse(client.received)
    assert (reply.code, reply.headers["connection"]) == (code, "close")
    assert app.requests == []
    assert client.is_closed
    assert disk.closed == (where != "open")
    assert not client.server.http._connections


def test_what_is_left_of_such_a_body_is_heard(server: MemoryServer, monkeypatch: Any) -> None:
    def make() -> Any:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr("circuits.web._request_body.tempfile.TemporaryFile", make)
    server.http.limits = Limits(memory_body_bytes=1)
    Errors().register(server)
    client = server.connect()
    client.feed(post(b"x" * 10)[:-5])
    assert [reply.code for reply in parse(client.received)] == [507]
    assert _is_half_closed(client)
    client.feed(b"x" * 5, get())
    assert len(parse(client.received)) == 1


# -- clients that do not take their answers ---------------------------------------------------------


@pytest.mark.parametrize("is_late", [False, True])
@pytest.mark.parametrize("pieces", [1, 3, 120])
@pytest.mark.parametrize("watch", [(), ("request",), ("response",), ("write",), ("pause", "write")])
def test_no_request_is_begun_while_the_answers_are_not_taken(
    virtual_clock: VirtualClock, serve: Serve, is_late: bool, pieces: int, watch: tuple[str, ...]
) -> None:
    def answer(app: App, request: Any, response: Any) -> Any:
        return (part for part in [sleep(1), "x" * 1000]) if is_late else "x" * 1000

    app = App(answer)
    client = serve(app, *([Recorder(*watch)] if watch else []))
    transport = client.server.server
    transport.high_water = 2500
    data = get() * 120
    size = len(data) // pieces
    for start in range(0, len(data), size):
        client.feed(data[start : start + size])
        settle(client.server, until=virtual_clock.now + 10)
    for taken in range(40):
        assert len(parse(client.received)) == len(app.requests) == 3 * (taken + 1)
        transport.take(client.sock)
        settle(client.server, until=virtual_clock.now + 10)
    assert len(parse(client.received)) == 120
    assert not client.is_closed
    client.feed(get())
    settle(client.server, until=virtual_clock.now + 2)
    assert len(parse(client.received)) == 121


def test_who_has_finished_and_takes_its_answers_slowly_gets_all(serve: Serve) -> None:
    client = serve("x" * 100)
    client.server.server.high_water = 100
    client.feed(get() * 5)
    assert client.end()
    for count in range(1, 6):
        assert len(parse(client.received)) == count
        client.server.server.take(client.sock)
        settle(client.server)
    assert client.is_closed


# -- every state is in reach of the client's end, and of time ---------------------------------------


def _states(virtual_clock: VirtualClock, serve: Serve) -> dict[str, Callable[[], Client]]:
    def waiting(app: App, request: Any, response: Any) -> Any:
        if request.path == "/owed":
            return True
        if request.path == "/pushed":
            response.stream = True
            return response
        if request.path == "/file":
            return io.BytesIO(b"x" * 100)
        return (part for part in [sleep(10_000), "late"])

    def begin(data: bytes) -> Callable[[], Client]:
        def make() -> Client:
            client = serve(waiting)
            client.feed(data)
            return client

        return make

    return {
        "nothing": begin(b""),
        "head": begin(b"GET / HT"),
        "body": begin(post(b"abc")[:-1]),
        "chunks": begin(get("/", "Transfer-Encoding: chunked", method="POST") + b"5\r\nab"),
        "expecting": begin(_EXPECTING),
        "idle": begin(get("/owed").replace(b"/owed", b"/file")),
        "owed": begin(get("/owed")),
        "sleeping": begin(get("/sleeping")),
        "pushed": begin(get("/pushed")),
        "ahead": begin(get("/owed") * 30),
    }


_STATES = [
    "nothing",
    "head",
    "body",
    "chunks",
    "expecting",
    "idle",
    "owed",
    "sleeping",
    "pushed",
    "ahead",
]


@pytest.mark.parametrize("state", _STATES)
def test_a_client_that_leaves_leaves_nothing(
    virtual_clock: VirtualClock, serve: Serve, state: str
) -> None:
    client = _states(virtual_clock, serve)[state]()
    client.leave()
    assert not client.server.http._connections
    assert not client.server._tree_engine.loop.holds
    before = client.received
    settle(client.server, until=virtual_clock.now + 20_000)
    assert client.received == before


@pytest.mark.parametrize("state", _STATES)
def test_a_client_that_has_finished_is_not_kept_for_ever(
    virtual_clock: VirtualClock, serve: Serve, state: str
) -> None:
    client = _states(virtual_clock, serve)[state]()
    if client.end():
        settle(client.server, until=virtual_clock.now + 300)
        assert client.is_closed
    else:
        client.leave()
    assert not client.server.http._connections


@pytest.mark.parametrize("state", ["nothing", "head", "body", "chunks", "expecting", "idle"])
def test_a_client_that_does_nothing_more_is_sent_away(
    virtual_clock: VirtualClock, serve: Serve, state: str
) -> None:
    client = _states(virtual_clock, serve)[state]()
    settle(client.server, until=virtual_clock.now + 100)
    assert client.is_closed
    assert not client.server.http._connections


def test_who_has_finished_is_answered_while_pieces_come(
    virtual_clock: VirtualClock, serve: Serve
) -> None:
    responses: list[Any] = []

    def answer(app: App, request: Any, response: Any) -> Any:
        response.stream = True
        responses.append(response)
        return response

    client = serve(answer)
    client.feed(get())
    assert client.end()
    for _ in range(10):
        settle(client.server, until=virtual_clock.now + 60)
        client.server.fire(Stream(responses[0], "x"))
    client.server.fire(Stream(responses[0], None))
    settle(client.server)
    (reply,) = parse(client.received)
    assert (reply.body, reply.is_whole) == (b"x" * 10, True)
    assert client.is_closed
