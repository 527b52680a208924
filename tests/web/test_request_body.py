"""Bodies that handlers read while they arrive: the stream itself, and HTTP around it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from circuits import BaseComponent, Event, handler
from circuits.testing import VirtualClock, settle
from circuits.web import Controller, Limits, exceptions, expose, wrappers
from circuits.web._request_body import BodyStream, gather
from circuits.web.dispatchers.dispatcher import Dispatcher
from tests.web.http_support import Client, MemoryServer, get, parse, post, serving

# -- the stream ------------------------------------------------------------------------------------


class Reader(BaseComponent):
    """Reads a stream in a generator handler, and keeps what it got."""

    channel = "reader"

    def __init__(self, stream: BodyStream, *sizes: int) -> None:
        super().__init__()
        self.stream = stream
        self.sizes = sizes
        self.got: list[Any] = []

    @handler("go")
    def _on_go(self) -> Any:
        for size in self.sizes:
            try:
                self.got.append((yield self.stream.read(size)))
            except Exception as problem:
                self.got.append(type(problem))

    def go(self) -> Reader:
        self.fire(Event.create("go"))
        settle(self)
        return self


def test_what_has_arrived_is_taken_in_order_and_in_part() -> None:
    stream = BodyStream(100)
    stream.feed(b"abcdef")
    stream.feed(b"gh")
    assert Reader(stream, 4, 4, 0, 9).go().got == [b"abcd", b"ef", b"", b"gh"]


def test_a_reader_waits_for_the_next_piece() -> None:
    stream = BodyStream(100)
    reader = Reader(stream, 10, 10, 10).go()
    assert reader.got == []
    stream.feed(b"a")
    settle(reader)
    assert reader.got == [b"a"]
    stream.end()
    settle(reader)
    assert reader.got == [b"a", b"", b""]


def test_all_is_waited_for() -> None:
    stream = BodyStream(1)
    reader = Reader(stream, 2, -1, -1).go()
    for piece in (b"abc", b"de", b"f"):
        stream.feed(piece)
        settle(reader)
        assert not stream.is_full
    assert reader.got == [b"ab"]
    stream.end()
    settle(reader)
    assert reader.got == [b"ab", b"cdef", b""]


@pytest.mark.parametrize(("size", "got"), [(9, [b"a", KeyError]), (-1, [KeyError, KeyError])])
def test_a_failure_comes_after_what_arrived_unless_all_is_wanted(size: int, got: Any) -> None:
    stream = BodyStream(100)
    stream.feed(b"a")
    stream.fail(KeyError("first"))
    stream.fail(OSError("second"))
    assert Reader(stream, size, size).go().got == got


def test_a_failure_after_the_end_is_none() -> None:
    stream = BodyStream.of(b"a")
    stream.fail(KeyError())
    assert Reader(stream, 9, 9).go().got == [b"a", b""]


def test_what_is_closed_cannot_be_read() -> None:
    stream = BodyStream.of(b"a")
    stream.close()
    assert Reader(stream, 9, -1).go().got == [ValueError, ValueError]


def test_a_waiting_reader_is_told_of_the_close() -> None:
    stream = BodyStream(100)
    reader = Reader(stream, 9).go()
    stream.close()
    settle(reader)
    assert reader.got == [ValueError]


def test_there_is_one_reader_at_a_time() -> None:
    stream = BodyStream(100)
    first = Reader(stream, 9).go()
    assert Reader(stream, 9).go().got == [RuntimeError]
    stream.feed(b"a")
    settle(first)
    assert first.got == [b"a"]


def test_a_reader_that_is_cancelled_makes_room_for_another() -> None:
    stream = BodyStream(100)
    with Reader(stream, 9).running() as first:
        first.fire(Event.create("go"))
        settle(first)
    stream.feed(b"a")
    assert Reader(stream, 9).go().got == [b"a"]


def test_it_asks_when_somebody_waits_and_when_there_is_room_again() -> None:
    demands: list[None] = []
    stream = BodyStream(4, lambda: demands.append(None))
    reader = Reader(stream, 2, 2, 2, 2).go()
    assert len(demands) == 1
    stream.feed(b"123456789")
    assert stream.is_full
    settle(reader)
    assert len(demands) == 2  # once below half of the limit
    assert not stream.is_full


def test_coroutines_may_iterate_and_read() -> None:
    async def read() -> list[bytes]:
        stream = BodyStream(100)
        feed = asyncio.get_running_loop().call_soon
        feed(stream.feed, b"ab")
        feed(stream.feed, b"cd")
        feed(stream.end)
        return [await stream.read(1), *[piece async for piece in stream], await stream.read()]

    assert asyncio.run(read()) == [b"a", b"b", b"cd", b""]


def test_a_coroutine_that_gives_up_makes_room_for_another() -> None:
    async def read() -> bytes:
        stream = BodyStream(100)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(stream.read(1), 0)
        asyncio.get_running_loop().call_soon(stream.feed, b"a")
        data: bytes = await stream.read(1)
        return data

    assert asyncio.run(read()) == b"a"


def test_yield_from_reads_too() -> None:
    class Other(Reader):
        @handler("go", override=True)
        def _on_go(self) -> Any:
            self.got.append((yield from self.stream.read(1)))

    assert Other(BodyStream.of(b"a")).go().got == [b"a"]


# -- HTTP ------------------------------------------------------------------------------------------


class App(BaseComponent):
    """Answers requests by a generator, which gets the request when its head is there."""

    channel = "web"

    def __init__(self, answer: Callable[[App, Any, Any], Any]) -> None:
        super().__init__()
        self.answer = answer
        self.requests: list[wrappers.Request] = []
        self.got: list[Any] = []

    @handler("request", stream=True)
    def _on_request(self, request: wrappers.Request, response: wrappers.Response) -> Any:
        self.requests.append(request)
        return self.answer(self, request, response)


class Errors(BaseComponent):
    """Takes the errors that a test expects, so that nobody logs them."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[type[BaseException]] = []

    @handler("error", channel="*")
    def _on_error(self, kind: Any, *rest: Any) -> None:
        self.seen.append(kind)


def _read_all(app: App, request: Any, response: Any) -> Any:
    while piece := (yield request.body.read(65536)):
        app.got.append(piece)
    yield f"{sum(map(len, app.got))} bytes"


def _read_first(app: App, request: Any, response: Any) -> Any:
    app.got.append((yield request.body.read(65536)))
    yield "enough"


def _ignore(app: App, request: Any, response: Any) -> Any:
    return "no thanks"


def _head(length: int | None, *headers: str, target: str = "/") -> bytes:
    framing = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    return get(target, framing, *headers, method="POST")


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


@pytest.fixture(autouse=True)
def _no_waiting_for_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests may end, and fail, in the middle of an answer."""
    monkeypatch.setattr(MemoryServer, "stop_timeout", 0)


def _codes(client: Client) -> list[int]:
    return [reply.code for reply in parse(client.received)]


def test_a_request_is_dispatched_at_the_end_of_its_head() -> None:
    app = App(_read_all)
    with serving(app) as server:
        client = server.connect()
        client.feed(_head(5))
        assert len(app.requests) == 1
        client.feed(b"ab")
        client.feed(b"c")
        assert app.got == [b"ab", b"c"]
        assert client.received == b""
        assert client.ask(b"de").body == b"5 bytes"
        assert client.ask(post(b"xyz")).body == b"8 bytes"  # on the same connection


@pytest.mark.parametrize("data", [post(b"abc"), _head(None) + _chunk(b"abc") + b"0\r\n\r\n"])
def test_a_body_may_come_with_its_head_or_byte_by_byte(data: bytes) -> None:
    app = App(_read_all)
    with serving(app) as server:
        client = server.connect()
        assert client.ask(data).body == b"3 bytes"
        assert client.ask(*[bytes([byte]) for byte in data]).body == b"6 bytes"


def test_without_a_body_it_is_empty() -> None:
    with serving(App(_read_all)) as server:
        assert server.connect().get().body == b"0 bytes"


def test_requests_that_follow_wait_for_the_answer() -> None:
    app = App(_read_all)
    with serving(app) as server:
        client = server.connect()
        client.feed(_head(2))
        client.feed(b"ab" + get("/next"))
        assert [request.path for request in app.requests] == ["/", "/next"]
        assert _codes(client) == [200, 200]


def test_coroutines_are_fed_too() -> None:
    class Root(Controller):
        @expose(stream=True)
        async def count(self, **parameters: str) -> str:
            sizes = [len(piece) async for piece in self.request.body]
            return f"{sum(sizes)} {parameters}"

    with serving(Dispatcher(), Root()) as server:
        client = server.connect()
        client.feed(_head(4, target="/count?a=b"))
        client.feed(b"ab")
        assert client.ask(b"cd").body == b"4 {'a': 'b'}"
        assert client.get("/count").body == b"0 {}"


def test_other_methods_beside_it_get_their_bodies_whole() -> None:
    class Root(Controller):
        def form(self, **fields: str) -> str:
            return repr(fields)

    form = "Content-Type: application/x-www-form-urlencoded"
    app = App(_read_all)
    with serving(Dispatcher(), Root(), app) as server:
        client = server.connect()
        assert client.ask(post(b"a=1", form, target="/form")).body == b"{'a': '1'}"
        assert client.ask(post(b"abc", target="/other")).body == b"3 bytes"


def test_the_first_who_knows_decides() -> None:
    class Knows(BaseComponent):
        channel = "web"

        def wants_stream(self, request: wrappers.Request) -> bool | None:
            return None if request.path == "/other" else False

        @handler("request", priority=2)
        def _on_request(self, request: Any, response: Any) -> Any:
            return None

    app = App(_read_all)
    with serving(Knows(), app, Errors()) as server:
        client = server.connect()
        client.feed(_head(2, target="/whole"))
        assert app.requests == []
        client.feed(b"ab")
        assert not isinstance(app.requests.pop().body, BodyStream)
        client = server.connect()
        client.feed(_head(2, target="/other"))
        assert isinstance(app.requests.pop().body, BodyStream)


# -- back-pressure ---------------------------------------------------------------------------------


class Gate(Event):
    """Lets a reader go on."""


def _read_slowly(app: App, request: Any, response: Any) -> Any:
    while True:
        yield app.wait("gate")
        piece = yield request.body.read(1000)
        if not piece:
            return
        app.got.append(piece)


class Slow(App):
    """Reads a piece for each ``Gate``."""

    def __init__(self) -> None:
        super().__init__(_read_slowly)

    def open(self) -> None:
        self.fire(Gate())
        settle(self.root)


def test_a_client_is_not_read_while_its_body_waits() -> None:
    app = Slow()
    with serving(app, stream_buffer_bytes=2000) as server:
        client = server.connect()
        held = server.server.held
        client.feed(_head(9000), b"x" * 2000)
        assert client.sock not in held
        client.feed(b"x" * 1000)
        assert client.sock in held
        app.open()
        assert client.sock in held  # until half of it is gone
        app.open()
        assert client.sock not in held


def test_the_next_request_is_read_after_a_pause() -> None:
    app = App(_ignore)
    with serving(app, stream_buffer_bytes=10) as server:
        client = server.connect()
        app.answer = _read_all
        client.feed(_head(100), b"x" * 60, b"x" * 40)
        assert client.get("/").body == b"100 bytes"
        assert not server.server.held


# -- 100-continue ----------------------------------------------------------------------------------


def test_a_body_is_asked_for_when_it_is_read_first() -> None:
    app = Slow()
    with serving(app) as server:
        client = server.connect()
        client.feed(_head(3, "Expect: 100-continue"))
        assert client.received == b""
        app.open()
        assert client.received == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.feed(b"a")
        app.open()
        client.feed(b"bc")
        app.open()
        app.open()
        assert client.received.count(b"100 Continue") == 1
        assert app.got == [b"a", b"bc"]


def test_a_client_that_does_not_wait_is_not_asked() -> None:
    with serving(App(_read_all)) as server:
        client = server.connect()
        assert client.ask(_head(3, "Expect: 100-continue") + b"abc").body == b"3 bytes"


def test_a_body_that_nobody_asked_for_ends_the_connection() -> None:
    with serving(App(_ignore)) as server:
        client = server.connect()
        reply = client.ask(_head(3, "Expect: 100-continue"))
        assert (reply.code, reply.headers["connection"]) == (200, "close")
        assert client.is_closed


# -- bodies that are not read ----------------------------------------------------------------------


@pytest.mark.parametrize("answer", [_ignore, _read_first])
@pytest.mark.parametrize("length", [65536, None])
def test_a_short_rest_is_thrown_away(answer: Any, length: int | None) -> None:
    app = App(answer)
    with serving(app) as server:
        client = server.connect()
        pieces = [b"x" * 1024] * 64
        client.feed(_head(length))
        for piece in pieces:
            client.feed(piece if length else _chunk(piece))
        if length is None:
            client.feed(b"0\r\n\r\n")
        assert _codes(client) == [200]
        assert not client.is_closed
        app.answer = _ignore
        client.get("/again")
        assert _codes(client) == [200, 200]


def test_a_long_rest_closes() -> None:
    with serving(App(_ignore)) as server:
        client = server.connect()
        reply = client.ask(_head(65537))
        assert reply.headers["connection"] == "close"
        assert client.is_closed


def test_a_long_rest_of_unknown_length_closes() -> None:
    with serving(App(_ignore)) as server:
        client = server.connect()
        assert "connection" not in client.ask(_head(None)).headers
        client.feed(_chunk(b"x" * 65000))
        assert not client.is_closed
        client.feed(_chunk(b"x" * 600))
        assert client.is_closed


def test_a_request_right_behind_a_rest_is_answered() -> None:
    with serving(App(_ignore)) as server:
        client = server.connect()
        client.feed(_head(3), b"abc" + post(b"defg") + get())
        assert _codes(client) == [200, 200, 200]


def test_what_is_read_after_the_response_is_an_error() -> None:
    app = App(_ignore)
    with serving(app) as server:
        server.connect().feed(_head(3))
        reader = Reader(app.requests[0].body, 1).go()
        assert reader.got == [ValueError]


def test_a_streamed_answer_may_come_while_the_body_is_read() -> None:
    from circuits.web import Stream

    def echo(app: App, request: Any, response: Any) -> Any:
        response.stream = True
        app.fire(Gate(request, response))
        return response

    class Echo(App):
        @handler("gate")
        def _on_gate(self, request: Any, response: Any) -> Any:
            while piece := (yield request.body.read(100)):
                self.fire(Stream(response, piece))
            self.fire(Stream(response, None))

    with serving(Echo(echo)) as server:
        client = server.connect()
        client.feed(_head(4))
        client.feed(b"ab")
        assert client.received.endswith(b"2\r\nab\r\n")
        client.feed(b"cd")
        (reply,) = parse(client.received)
        assert (reply.body, reply.is_whole, client.is_closed) == (b"abcd", True, False)


# -- faults ----------------------------------------------------------------------------------------


def _reading(kind: list[Any]) -> Callable[[App, Any, Any], Any]:
    def answer(app: App, request: Any, response: Any) -> Any:
        try:
            while (yield request.body.read(65536)):
                pass
        except Exception as problem:
            kind.append(type(problem))
            raise

    return answer


def test_a_reader_is_told_that_its_client_has_gone() -> None:
    seen: list[Any] = []
    with serving(App(_reading(seen)), Errors()) as server:
        client = server.connect()
        client.feed(_head(5), b"ab")
        client.leave()
        assert len(seen) == 1
        assert issubclass(seen[0], ConnectionResetError)
        assert server.http._connections == {}
        assert client.received == b""


def test_a_client_that_has_gone_is_a_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with serving(App(_reading([]))) as server:
        client = server.connect()
        client.feed(_head(5), b"ab")
        client.leave()
    assert [(r.levelname, r.exc_info, r.message.count("\n")) for r in caplog.records] == [
        ("INFO", None, 0)
    ]


@pytest.mark.parametrize(
    ("data", "kind", "code"),
    [
        (_chunk(b"abc") + b"oops\r\n", exceptions.BadRequest, 400),
        (_chunk(b"x" * 11), exceptions.RequestEntityTooLarge, 413),
    ],
)
def test_a_reader_is_told_what_is_wrong_and_the_client_too(
    data: bytes, kind: Any, code: int
) -> None:
    seen: list[Any] = []
    errors = Errors()
    with serving(App(_reading(seen)), errors, limits=Limits(stream_body_bytes=10)) as server:
        client = server.connect()
        client.feed(_head(None), data)
        assert seen == errors.seen == [kind]
        assert _codes(client) == [code]
        assert client.is_closed


def test_a_length_beyond_the_limit_is_refused_before_anybody_reads() -> None:
    app = App(_read_all)
    with serving(app, limits=Limits(stream_body_bytes=10)) as server:
        client = server.connect()
        assert client.ask(_head(11)).code == 413
        assert app.requests == []


def test_a_fault_in_a_rest_that_nobody_reads_closes() -> None:
    with serving(App(_ignore)) as server:
        client = server.connect()
        client.feed(_head(None), b"oops\r\n")
        assert _codes(client) == [200]
        assert client.is_closed


def test_a_client_that_ends_in_its_body_is_answered() -> None:
    seen: list[Any] = []
    with serving(App(_reading(seen)), Errors()) as server:
        client = server.connect()
        client.feed(_head(5), b"ab")
        assert server.http.end_of_input(client.sock)
        settle(server)
        assert seen == [exceptions.BadRequest]
        assert _codes(client) == [400]


def test_a_body_that_is_too_slow_is_given_up(virtual_clock: VirtualClock) -> None:
    seen: list[Any] = []
    with serving(App(_reading(seen)), Errors(), body_timeout=4) as server:
        client = server.connect()
        client.feed(_head(5), b"ab")
        settle(server, until=virtual_clock.now + 4)
        assert seen == []
        settle(server, until=virtual_clock.now + 3)
        assert seen == [exceptions.RequestTimeout]
        assert _codes(client) == [408]
        assert client.is_closed


@pytest.mark.parametrize("headers", [("Expect: 100-continue",), ()])
def test_a_handler_may_take_its_time(virtual_clock: VirtualClock, headers: tuple[str, ...]) -> None:
    """Neither a client that was not asked yet nor one that is not read is too slow."""
    app = Slow()
    with serving(app, body_timeout=4, stream_buffer_bytes=10) as server:
        client = server.connect()
        client.feed(_head(30, *headers))
        if not headers:
            client.feed(b"x" * 20)
        settle(server, until=virtual_clock.now + 60)
        app.open()
        assert client.received in (b"", b"HTTP/1.1 100 Continue\r\n\r\n")
        client.feed(b"x" * 10)
        assert not client.is_closed


def test_a_rest_that_is_too_slow_is_given_up(virtual_clock: VirtualClock) -> None:
    with serving(App(_ignore), body_timeout=4) as server:
        client = server.connect()
        client.ask(_head(5))
        settle(server, until=virtual_clock.now + 7)
        assert client.is_closed
        assert _codes(client) == [200]


def test_a_stop_waits_for_a_body_that_is_read() -> None:
    app = App(_read_all)
    with serving(app) as server:
        client = server.connect()
        client.feed(_head(3), b"a")
        server.stop()
        settle(server)
        client.feed(b"bc")
        (reply,) = parse(client.received)
        assert (reply.body, reply.headers["connection"]) == (b"3 bytes", "close")


def test_leaving_the_tree_tells_the_reader() -> None:
    seen: list[Any] = []
    with serving(App(_reading(seen)), Errors()) as server:
        assert isinstance(server, MemoryServer)
        server.connect().feed(_head(5))
        server.http.unregister()
        settle(server)
        assert len(seen) == 1
    assert issubclass(seen[0], ConnectionResetError)


def test_what_was_gathered_for_a_hosted_application_is_closed() -> None:
    request = wrappers.Request(None, "POST", "http", "/", (1, 1), "")
    request.body = BodyStream.of(b"all of it")
    gathering = gather(request)
    reading = next(gathering)
    with pytest.raises(StopIteration):
        while True:
            reading = gathering.send(reading._stream._take(reading.size))
    body = request.body
    assert body.read() == b"all of it"
    request.release()
    assert body.closed
