"""HTTP without a network: requests in, responses out, and what is fired in between."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from circuits import BaseComponent, Debugger, Event, Manager, handler, sleep
from circuits._wire.http1 import Limits
from circuits.net.sockets import Pause, Read, Resume
from circuits.testing import Recorder, VirtualClock, settle
from circuits.web import (
    Controller,
    HTTPError,
    NotFound,
    Redirect,
    Response,
    Stream,
    exceptions,
    wrappers,
)
from circuits.web.dispatchers.dispatcher import Dispatcher
from circuits.web.errors import Forbidden
from circuits.web.http import HTTP
from tests.web.http_support import (
    Client,
    MemoryServer,
    MemoryTransport,
    Reply,
    get,
    parse,
    post,
    serving,
)

Serve = Callable[..., Client]


class App(BaseComponent):
    """Answers requests with a function."""

    channel = "web"

    def __init__(self, answer: Any) -> None:
        super().__init__()
        self.requests: list[Any] = []
        self._answer = answer

    @handler("request")
    def _on_request(self, request: Any, response: Any, *rest: Any) -> Any:
        self.requests.append(request)
        answer = self._answer
        return answer(self, request, response) if callable(answer) else answer


class Errors(BaseComponent):
    """Takes the errors that a test expects, so that nobody logs them."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[BaseException] = []

    @handler("error", channel="*")
    def _on_error(self, kind: Any, problem: Any, *rest: Any) -> None:
        self.seen.append(problem)


class Job(Event):
    pass


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Runs a server that answers like a function says, and connects to it."""
    contexts = []

    def start(answer: Any, *parts: Manager, **options: Any) -> Client:
        app = answer if isinstance(answer, BaseComponent) else App(answer)
        context = serving(app, *parts, **options)
        contexts.append(context)
        server = context.__enter__()
        server.stop_timeout = 0  # tests may end in the middle of an answer
        return server.connect()

    yield start
    for context in reversed(contexts):
        context.__exit__(None, None, None)


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

    monkeypatch.setattr("circuits.web._body_stream.tempfile.TemporaryFile", keep)
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


# -- what handlers return --------------------------------------------------------------------------------


class Bytes(bytes):
    pass


@pytest.mark.parametrize(
    ("value", "body"),
    [
        ("text \xe4", "text \xe4".encode()),
        (b"\xff", b"\xff"),
        (bytearray(b"ab"), b"ab"),
        (memoryview(b"ab"), b"ab"),
        (Bytes(b"ab"), b"ab"),
        (["a", b"b", None, "c"], b"abc"),
        (("a", b"b"), b"ab"),
        (("a", ValueError("b"), "c")[:1], b"a"),
    ],
)
def test_values_with_a_length(serve: Serve, value: Any, body: bytes) -> None:
    reply = serve(lambda app, request, response: value).get()
    assert (reply.code, reply.body) == (200, body)
    assert reply.headers["content-length"] == str(len(body))


@pytest.mark.parametrize("value", ["", b"", [], [None], ()])
def test_nothing_to_say_is_an_answer(serve: Serve, value: Any) -> None:
    reply = serve(lambda app, request, response: value).get()
    assert (reply.code, reply.headers["content-length"]) == (200, "0")


def test_text_is_encoded_as_the_server_says(serve: Serve) -> None:
    client = serve(
        lambda app, request, response: "\xe4" if request.path == "/" else b"\xe4",
        encoding="utf-16be",
    )
    assert client.get("/").body == b"\x00\xe4"
    assert client.get("/bytes").body == b"\xe4"


def test_no_answer_is_not_found(serve: Serve) -> None:
    client = serve(None)
    recorder = Recorder("httperror").register(client.server)
    assert client.get().code == 404
    assert isinstance(recorder.expect("httperror").event, NotFound)


@pytest.mark.parametrize("value", [True, False])
def test_an_answer_may_be_owed(serve: Serve, value: bool) -> None:
    responses = []

    def answer(app: App, request: Any, response: Any) -> Any:
        responses.append(response)
        return value

    client = serve(answer)
    client.feed(get())
    assert not client.writes
    responses[0].body = "at last"
    client.server.fire(Response(responses[0]))
    settle(client.server)
    assert parse(client.received)[0].body == b"at last"


@pytest.mark.parametrize("value", [1, 1.5, {"a": 1}, object(), iter("ab")])
def test_other_values_are_mistakes(serve: Serve, value: Any) -> None:
    errors = Errors()
    client = serve(lambda app, request, response: value, errors)
    assert client.get().code == 500
    (problem,) = errors.seen
    assert isinstance(problem, TypeError)
    assert type(value).__name__ in str(problem)


def test_a_file_is_streamed_and_closed(serve: Serve) -> None:
    file = io.BytesIO(b"x" * 200_000)
    reply = serve(lambda app, request, response: file).get()
    assert reply.body == b"x" * 200_000
    assert reply.headers["transfer-encoding"] == "chunked"
    assert file.closed


def test_the_pieces_of_a_generator_are_one_body(virtual_clock: VirtualClock, serve: Serve) -> None:
    def answer(app: App, request: Any, response: Any) -> Any:
        yield "a"
        yield None
        yield sleep(3)
        yield b"b"

    client = serve(answer)
    client.feed(get())
    assert not client.writes
    settle(client.server, until=virtual_clock.now + 4)
    (reply,) = parse(client.received)
    assert (reply.body, reply.headers["content-length"]) == (b"ab", "2")


def test_a_generator_without_pieces_is_not_found(serve: Serve) -> None:
    def answer(app: App, request: Any, response: Any) -> Any:
        yield None

    assert serve(answer).get().code == 404


class Worker(BaseComponent):
    channel = "work"

    @handler("job")
    def _on_job(self, what: str) -> Any:
        if what == "fail":
            raise exceptions.Gone()
        if what == "wait":
            return (part for part in [None, None, "waited"])
        return None if what == "nothing" else what


@pytest.mark.parametrize(
    ("what", "code", "body"),
    [("done", 200, b"done"), ("wait", 200, b"waited"), ("nothing", 404, None), ("fail", 410, None)],
)
def test_the_value_of_an_event_is_waited_for(
    serve: Serve, what: str, code: int, body: bytes | None
) -> None:
    client = serve(lambda app, request, response: app.fire(Job(what), "work"), Worker(), Errors())
    reply = client.get()
    assert reply.code == code
    assert body is None or reply.body == body


def test_an_event_that_nobody_handles_is_not_found(serve: Serve) -> None:
    client = serve(lambda app, request, response: app.fire(Job("x"), "nowhere"))
    assert client.get().code == 404


def test_an_event_with_a_priority_is_waited_for(serve: Serve) -> None:
    client = serve(lambda app, request, response: app.fire(Job("x"), "work", priority=-5), Worker())
    assert client.get().body == b"x"


def test_a_value_marked_as_handled_is_left_alone(serve: Serve) -> None:
    def answer(app: App, request: Any, response: Any) -> Any:
        value = app.fire(Job("x"), "work")
        response.body = "mine"
        app.fire(Response(response))
        return value

    class Mark(BaseComponent):
        channel = "web"

        @handler("request_success", priority=10)
        def _mark(self, event: Any, value: Any) -> None:
            event.value.handled = True

    client = serve(answer, Worker(), Mark())
    assert client.get().body == b"mine"


def test_answers_of_several_handlers_are_joined(serve: Serve) -> None:
    class Second(BaseComponent):
        channel = "web"

        @handler("request", priority=1)
        def _on_request(self, request: Any, response: Any) -> str:
            return "first "

    assert serve("second", Second()).get().body == b"first second"


def test_several_events_are_waited_for(serve: Serve) -> None:
    class Second(BaseComponent):
        channel = "web"

        @handler("request", priority=1)
        def _on_request(self, request: Any, response: Any) -> Any:
            return self.fire(Job("wait"), "work")

    client = serve(lambda app, request, response: app.fire(Job("x"), "work"), Second(), Worker())
    assert client.get().body == b"waitedx"


def test_an_error_that_is_returned_fires_no_httperror(serve: Serve) -> None:
    client = serve(lambda app, request, response: Forbidden(request, response))
    recorder = Recorder("httperror").register(client.server)
    reply = client.get()
    assert reply.code == 403
    assert b"Forbidden" in reply.body
    recorder.expect_none("httperror")


def test_the_response_is_sent_as_it_was_prepared(serve: Serve) -> None:
    def answer(app: App, request: Any, response: Any) -> Any:
        response.code = 201
        response.message = "Made"
        response.headers["X-A"] = "b"
        response.body = "there"
        return response

    reply = serve(answer).get()
    assert reply.line == "HTTP/1.1 201 Made"
    assert (reply.headers["x-a"], reply.body) == ("b", b"there")


def test_another_response_to_the_request_is_as_good(serve: Serve) -> None:
    def answer(app: App, request: Any, response: Any) -> Any:
        response.body = io.BytesIO(b"not wanted")
        other = wrappers.Response(request, code=202)
        other.body = "other"
        return other

    client = serve(answer)
    for _ in range(2):
        reply = client.get()
        assert (reply.code, reply.body) == (202, b"other")


def test_the_response_to_another_request_is_a_mistake(serve: Serve) -> None:
    kept: list[Any] = []

    def answer(app: App, request: Any, response: Any) -> Any:
        kept.append(response)
        return kept[0]

    client = serve(answer, Errors())
    assert client.get().code == 200
    assert client.get().code == 500


def test_the_first_of_two_answers_counts(serve: Serve) -> None:
    def answer(app: App, request: Any, response: Any) -> Any:
        response.body = "fired"
        app.fire(Response(response))
        return "returned"

    client = serve(answer)
    assert client.get().body == b"fired"
    assert client.get().body == b"fired"


def test_an_error_that_was_fired_counts(serve: Serve) -> None:
    def answer(app: App, request: Any, response: Any) -> None:
        app.fire(Forbidden(request, response))

    client = serve(answer)
    assert client.get().code == 403


def test_an_error_that_was_fired_counts_for_whom_it_is_filtered(serve: Serve) -> None:
    class Pages(BaseComponent):
        channel = "web"

        @handler("httperror", filter=True, priority=5)
        def _on_httperror(self, request: Any, response: Any, *rest: Any, **kwargs: Any) -> bool:
            response.body = f"my page for {response.code}"
            self.fire(Response(response))
            return True

    def answer(app: App, request: Any, response: Any) -> None:
        app.fire(Forbidden(request, response))

    client = serve(answer, Pages())
    reply = client.get()
    assert (reply.code, reply.body) == (403, b"my page for 403")
    assert client.server.http._connections == {}


def test_an_error_after_the_answer_comes_too_late(serve: Serve) -> None:
    kept: list[tuple[Any, Any]] = []

    def answer(app: App, request: Any, response: Any) -> Any:
        kept.append((request, response))
        return "hello"

    client = serve(answer)
    client.get()
    client.server.fire(HTTPError(*kept[0], 500))
    settle(client.server)
    assert len(parse(client.received)) == 1


# -- what handlers raise ------------------------------------------------------------------------------


def _raise(problem: BaseException) -> Any:
    def answer(app: App, request: Any, response: Any) -> Any:
        raise problem

    return answer


def test_an_exception_is_an_internal_error(serve: Serve) -> None:
    errors = Errors()
    client = serve(_raise(RuntimeError("secret")), errors)
    reply = client.get()
    assert reply.code == 500
    assert b"secret" not in reply.body
    assert [str(problem) for problem in errors.seen] == ["secret"]
    assert client.is_closed


def test_an_http_exception_has_its_code(serve: Serve) -> None:
    client = serve(_raise(exceptions.Gone("not <this>")), Errors())
    reply = client.get()
    assert reply.code == 410
    assert b"not &lt;this&gt;" in reply.body


def test_a_redirect_may_be_raised(serve: Serve) -> None:
    client = serve(_raise(exceptions.Redirect("/there", 302)), Errors())
    reply = client.get("/here")
    assert (reply.code, reply.headers["location"]) == (302, "http://test/there")
    assert not client.is_closed


def test_a_redirect_may_be_returned(serve: Serve) -> None:
    client = serve(lambda app, request, response: Redirect(request, response, "there"))
    reply = client.get("/a/here")
    assert (reply.code, reply.headers["location"]) == (303, "http://test/a/there")


def test_a_second_failure_is_ignored(serve: Serve) -> None:
    class Second(BaseComponent):
        channel = "web"

        @handler("request")
        def _on_request(self, request: Any, response: Any) -> None:
            raise RuntimeError("second")

    errors = Errors()
    client = serve(_raise(exceptions.Gone()), errors, Second())
    assert client.get().code == 410
    assert len(errors.seen) == 2


def test_a_suspended_handler_may_raise(serve: Serve) -> None:
    def answer(app: App, request: Any, response: Any) -> Any:
        yield None
        raise exceptions.Gone()

    assert serve(answer, Errors()).get().code == 410


def test_debugging_shows_the_traceback(serve: Serve) -> None:
    client = serve(_raise(RuntimeError("<secret>")), Errors())
    client.server.debug = True
    assert b"&lt;secret&gt;" in client.get().body


@pytest.mark.parametrize("is_watched", [False, True])
def test_a_response_that_cannot_be_sent_is_an_error(serve: Serve, is_watched: bool) -> None:
    errors = Errors()
    client = serve(["a", 1], errors)
    if is_watched:
        Recorder("response").register(client.server)
    reply = client.get()
    assert (reply.code, reply.headers["connection"]) == (500, "close")
    assert [type(problem) for problem in errors.seen] == [TypeError]


def test_a_failing_response_handler_is_an_error(serve: Serve) -> None:
    class Tool(BaseComponent):
        channel = "web"
        left = 1

        @handler("response", filter=True, priority=1)
        def _on_response(self, response: Any) -> None:
            if self.left:
                self.left -= 1
                raise RuntimeError("tool")

    client = serve("hello", Tool(), Errors())
    assert client.get().code == 500


def test_a_response_handler_that_always_fails_leaves_the_last_resort(serve: Serve) -> None:
    class Tool(BaseComponent):
        channel = "web"

        @handler("response", filter=True, priority=1)
        def _on_response(self, response: Any) -> None:
            raise RuntimeError("tool")

    client = serve("hello", Tool(), Errors())
    reply = client.get()
    assert (reply.code, reply.body) == (500, b"")
    assert reply.headers == {"content-length": "0", "connection": "close"}
    assert client.is_closed


def test_a_response_handler_that_fails_after_the_answer_changes_nothing(serve: Serve) -> None:
    class Log(BaseComponent):
        channel = "web"

        @handler("response", priority=-1)
        def _on_response(self, response: Any) -> None:
            raise RuntimeError("log")

    client = serve("hello", Log(), Errors())
    assert client.get().code == 200


def test_a_tool_may_change_or_replace_the_response(serve: Serve) -> None:
    class Tool(BaseComponent):
        channel = "web"

        @handler("response", priority=1)
        def _on_response(self, event: Any, response: Any) -> None:
            if response.request.path == "/change":
                response.body = "changed"
            else:
                event[0] = wrappers.Response(response.request)
                event[0].body = "replaced"

    client = serve("hello", Tool())
    assert client.get("/change").body == b"changed"
    assert client.get("/replace").body == b"replaced"
    assert client.get("/change").body == b"changed"


# -- HEAD and answers without a body ----------------------------------------------------------------


def _stream(app: App, request: Any, response: Any) -> Any:
    response.stream = True
    response.body = iter(["a"])
    return response


def _file(app: App, request: Any, response: Any) -> Any:
    return io.BytesIO(b"file")


@pytest.mark.parametrize("answer", ["hello", "", _file, _stream])
def test_head_has_no_body(serve: Serve, answer: Any) -> None:
    client = serve(answer)
    client.feed(get(method="HEAD"))
    assert client.received.endswith(b"\r\n\r\n")
    assert client.received.count(b"\r\n\r\n") == 1
    assert client.get("/").code == 200  # nothing is left in between


def test_head_tells_the_length(serve: Serve) -> None:
    client = serve("hello")
    head, whole = client.get(method="HEAD"), client.get()
    assert {**head.headers, "date": ""} == {**whole.headers, "date": ""}


@pytest.mark.parametrize("code", [204, 304])
@pytest.mark.parametrize("body", ["text", "file"])
def test_some_codes_have_no_body(serve: Serve, code: int, body: str) -> None:
    def answer(app: App, request: Any, response: Any) -> Any:
        response.code = code
        response.body = io.BytesIO(b"x") if body == "file" else "x"
        return response

    client = serve(answer)
    client.feed(get())
    assert client.received.endswith(b"\r\n\r\n")
    (reply,) = parse(client.received)
    assert "transfer-encoding" not in reply.headers
    assert "content-type" not in reply.headers


# -- writes -----------------------------------------------------------------------------------------


def test_head_and_small_body_are_one_write(serve: Serve) -> None:
    client = serve("x" * 60_000)
    client.get()
    assert len(client.writes) == 1


def test_a_large_body_is_not_copied_to_its_head(serve: Serve) -> None:
    body = b"x" * 300_000
    client = serve(body)
    assert client.get().body == body
    assert len(client.writes) == 2


@pytest.mark.parametrize("size", [0, 1, 70_000])
def test_a_known_body_may_be_chunked(serve: Serve, size: int) -> None:
    def answer(app: App, request: Any, response: Any) -> Any:
        response.headers["Transfer-Encoding"] = "chunked"
        return "x" * size

    client = serve(answer)
    reply = client.get()
    assert reply.body == b"x" * size
    assert reply.is_whole
    assert client.received.endswith(b"0\r\n\r\n")
    assert "content-length" not in reply.headers


# -- streams ------------------------------------------------------------------------------------------


class Pieces:
    """An iterator that knows how far it was read, and whether it was closed."""

    def __init__(self, *pieces: Any) -> None:
        self.left = list(pieces)
        self.closed = 0

    def __iter__(self) -> Pieces:
        return self

    def __next__(self) -> Any:
        if not self.left:
            raise StopIteration
        piece = self.left.pop(0)
        if isinstance(piece, BaseException):
            raise piece
        return piece

    def close(self) -> None:
        self.closed += 1


def _streaming(pieces: Any, **headers: str) -> Any:
    def answer(app: App, request: Any, response: Any) -> Any:
        response.stream = True
        response.body = pieces
        for name, value in headers.items():
            response.headers[name.replace("_", "-")] = value
        return response

    return answer


def test_an_iterator_is_streamed_and_closed(serve: Serve) -> None:
    pieces = Pieces("\xe4", b"", None, "", b"b", bytearray(b"c"))
    client = serve(_streaming(pieces))
    recorder = Recorder("stream").register(client.server)
    reply = client.get()
    assert reply.body == "\xe4bc".encode()
    assert reply.is_whole
    assert client.received.endswith(b"\r\n2\r\n\xc3\xa4\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n")
    assert [record.args[1] for record in recorder] == ["\xe4", b"b", bytearray(b"c"), None]
    assert pieces.closed == 1
    assert not client.is_closed


def test_a_stream_of_known_length_is_not_chunked(serve: Serve) -> None:
    reply = serve(_streaming(Pieces("ab", "c"), Content_Length="3")).get()
    assert (reply.body, reply.headers["content-length"]) == (b"abc", "3")
    assert "transfer-encoding" not in reply.headers


@pytest.mark.parametrize("length", ["2", "4"])
def test_a_stream_that_breaks_its_word_breaks_the_connection(serve: Serve, length: str) -> None:
    errors = Errors()
    client = serve(_streaming(Pieces("ab", "c"), Content_Length=length), errors)
    client.feed(get() + get())
    assert client.is_closed
    assert len(parse(client.received)) == 1
    assert len(errors.seen) == 1


@pytest.mark.parametrize("before", [[], ["some"]])
def test_an_iterator_that_raises_breaks_the_connection(serve: Serve, before: list[str]) -> None:
    pieces = Pieces(*before, RuntimeError("broken"))
    errors = Errors()
    client = serve(_streaming(pieces), errors)
    client.feed(get())
    (reply,) = parse(client.received)
    assert not reply.is_whole
    assert client.is_closed
    assert pieces.closed == 1
    assert [str(problem) for problem in errors.seen] == ["broken"]


def test_a_piece_of_the_wrong_kind_breaks_the_connection(serve: Serve) -> None:
    pieces = Pieces("a", [1])
    client = serve(_streaming(pieces), Errors())
    client.feed(get())
    assert not parse(client.received)[0].is_whole
    assert client.is_closed
    assert pieces.closed == 1


def test_a_client_that_leaves_ends_the_iterator(serve: Serve) -> None:
    pieces = Pieces(*["x"] * 10)
    client = serve(_streaming(pieces))
    client.server.fire(Read(client.sock, get()))
    client.server.tick(0)
    client.server.tick(0)
    client.leave()
    assert pieces.closed == 1
    assert pieces.left
    assert client.server.http._connections == {}


def test_a_client_that_does_not_read_pauses_the_iterator(serve: Serve) -> None:
    pieces = Pieces(*["x"] * 10)
    client = serve(_streaming(pieces))
    server = client.server
    server.fire(Read(client.sock, get()))
    server.fire(Pause(client.sock))
    settle(server)
    left = len(pieces.left)
    assert left >= 7
    assert not parse(client.received)[0].is_whole
    server.fire(Resume(client.sock))
    settle(server)
    assert parse(client.received)[0].body == b"x" * 10


@pytest.mark.parametrize("pieces", [("a", "b"), ()])
def test_the_head_comes_first_even_if_a_client_reads_again_meanwhile(
    serve: Serve, pieces: tuple[str, ...]
) -> None:
    responses = []

    def answer(app: App, request: Any, response: Any) -> bool:
        responses.append(_streaming(Pieces(*pieces))(app, request, response))
        return True

    client = serve(answer)
    client.feed(get())
    client.server.fire(Pause(client.sock))
    settle(client.server)
    client.server.fire(Response(responses[0]))
    client.server.fire(Resume(client.sock))  # before the head, which has to wait its turn
    settle(client.server)
    (reply,) = parse(client.received)
    assert reply.body == "".join(pieces).encode()


def test_an_application_may_push(serve: Serve) -> None:
    responses = []

    def answer(app: App, request: Any, response: Any) -> Any:
        response.stream = True
        responses.append(response)
        return response

    client = serve(answer)
    client.feed(get())
    assert len(client.writes) == 1  # the head
    for data in ("a", b"", "\xe4"):
        client.server.fire(Stream(responses[0], data))
        settle(client.server)
    assert not parse(client.received)[0].is_whole
    client.server.fire(Stream(responses[0], None))
    client.server.fire(Stream(responses[0], "too late"))
    settle(client.server)
    (reply,) = parse(client.received)
    assert (reply.body, reply.is_whole) == ("a\xe4".encode(), True)
    assert client.get("/").is_whole is False  # the next one is pushed, too


def test_what_is_pushed_before_the_head_is_not_lost(serve: Serve) -> None:
    def answer(app: App, request: Any, response: Any) -> Any:
        response.stream = True
        for data in ("a", "b", None):
            app.fire(Stream(response, data))
        return response

    reply = serve(answer).get()
    assert (reply.body, reply.is_whole) == (b"ab", True)


def test_pushing_to_a_client_that_has_left_does_nothing(serve: Serve) -> None:
    responses = []

    def answer(app: App, request: Any, response: Any) -> Any:
        response.stream = True
        responses.append(response)
        return response

    client = serve(answer)
    client.feed(get())
    client.leave()
    before = client.received
    client.server.fire(Stream(responses[0], "a"))
    client.server.fire(Stream(responses[0], None))
    settle(client.server)
    assert client.received == before


def test_an_answer_for_a_client_that_has_left_is_released(serve: Serve) -> None:
    responses = []

    def answer(app: App, request: Any, response: Any) -> Any:
        responses.append(response)
        return True

    client = serve(answer)
    client.feed(get())
    client.leave()
    file = responses[0].body_file = io.BytesIO(b"x")
    responses[0].body = file
    client.server.fire(Response(responses[0]))
    settle(client.server)
    assert file.closed
    assert not client.writes


def test_a_client_that_leaves_in_its_body_leaves_nothing(serve: Serve) -> None:
    client = serve("x", memory_body_bytes=1)
    client.feed(get("/", "Content-Length: 10", method="POST") + b"abc")
    client.leave()
    assert client.server.http._connections == {}


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
        return ["a", 1]


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
    client = serve(_streaming(pieces))
    client.server.fire(Read(client.sock, get()))
    client.server.tick(0)
    client.server.tick(0)
    client.server.http.unregister()
    settle(client.server)
    assert pieces.closed == 1
    assert client.server.http._connections == {}


def test_replies_are_parsed_strictly() -> None:
    """The tests' own reader must notice what is missing."""
    assert not parse(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab")[0].is_whole
    assert isinstance(parse(b"HTTP/1.1 204 No\r\n\r\n")[0], Reply)
