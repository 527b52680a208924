"""Bodies from asynchronous generators: piece by piece, as fast as the client, closed with it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from circuits import Event, handler, sleep
from circuits.testing import VirtualClock, settle
from circuits.web import Controller, EventStream, ServerSentEvent
from circuits.web.dispatchers import Dispatcher
from tests.web.http_support import App, Client, Errors, get, parse, serving

Pieces = Callable[[Any], AsyncIterator[Any]]


class Root(Controller):
    """Methods that stream; what became of them is in ``seen``."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    async def numbers(self, count: int) -> AsyncIterator[str]:
        try:
            for number in range(count):
                self.seen.append(f"{number} {self.request.path}")
                yield f"{number},"
                await sleep(0)
        finally:
            self.seen.append(f"closed {self.request.path}")

    async def large(self) -> AsyncIterator[bytes]:
        for number in range(100):
            self.seen.append(str(number))
            yield b"x" * 1000

    async def fails(self) -> AsyncIterator[str]:
        yield "a"
        raise ValueError("in the middle")

    async def nothing(self) -> AsyncIterator[str]:
        return
        yield ""

    async def blanks(self) -> AsyncIterator[Any]:
        for piece in ("", None, "a", b"", "b"):
            yield piece

    def as_body(self) -> Any:
        self.response.stream = True
        self.response.body = self.numbers(2)
        return self.response

    async def waits(self) -> AsyncIterator[str]:
        yield "a"
        try:
            await sleep(1000)
        finally:
            self.seen.append("left")

    def news(self) -> Any:
        return EventStream(self._events(), heartbeat=15)

    async def _events(self) -> AsyncIterator[Any]:
        try:
            yield self.request.last_event_id or "none"
            yield {"data": {"a": 1}, "event": "news", "id": 7, "retry": 500}
            await sleep(40)
            yield ServerSentEvent("two\nlines", comment="c")
        finally:
            self.seen.append("closed")

    def plain(self) -> Any:
        return EventStream(str(number) for number in range(2))

    async def late(self) -> Any:
        await sleep(0)
        return EventStream(self._events(), heartbeat=None)


@pytest.fixture
def root() -> Root:
    return Root()


def test_pieces_are_sent_as_they_come(root: Root) -> None:
    with serving(Dispatcher(), root) as server:
        reply = server.connect().get("/numbers/3")
    assert (reply.body, reply.headers["transfer-encoding"]) == (b"0,1,2,", "chunked")
    assert root.seen == [*[f"{n} /numbers/3" for n in range(3)], "closed /numbers/3"]


@pytest.mark.parametrize(
    ("path", "body"), [("/nothing", b""), ("/blanks", b"ab"), ("/as_body", b"0,1,")]
)
def test_other_ways_to_stream(root: Root, path: str, body: bytes) -> None:
    with serving(Dispatcher(), root) as server:
        client = server.connect()
        for _ in range(2):  # the connection goes on
            reply = client.get(path)
            assert (reply.code, reply.body, reply.is_whole) == (200, body, True)


def test_a_head_has_no_pieces_and_starts_nothing(root: Root) -> None:
    with serving(Dispatcher(), root) as server:
        assert server.connect().get("/numbers/3", method="HEAD").body == b""
    assert root.seen == []


def test_two_clients_get_their_own(root: Root) -> None:
    with serving(Dispatcher(), root) as server:
        clients = [server.connect() for _ in range(2)]
        for client, count in zip(clients, (2, 3), strict=True):
            server.fire(_read(client, get(f"/numbers/{count}")))
        settle(server)
        assert [parse(c.received)[0].body for c in clients] == [b"0,1,", b"0,1,2,"]


def _read(client: Client, data: bytes) -> Event:
    from circuits.net.sockets import Read

    return Read(client.sock, data)


def test_no_piece_is_made_for_a_client_that_does_not_take_them(root: Root) -> None:
    with serving(Dispatcher(), root) as server:
        server.server.high_water = 5000
        client = server.connect()
        client.feed(get("/large"))
        made = len(root.seen)
        assert made < 10
        server.server.take(client.sock)
        settle(server)
        assert made < len(root.seen) < 20
        while client.sock in server.server.congested:
            server.server.take(client.sock)
            settle(server)
        assert parse(client.received)[0].body == b"x" * 100_000


def test_an_error_in_the_middle_cuts_the_connection(root: Root) -> None:
    errors = Errors()
    with serving(Dispatcher(), root, errors) as server:
        client = server.connect()
        client.feed(get("/fails"))
        assert client.is_closed
        assert not parse(client.received)[0].is_whole
    assert [str(problem) for problem in errors.seen] == ["in the middle"]


def test_who_leaves_ends_the_generator(root: Root) -> None:
    with serving(Dispatcher(), root) as server:
        client = server.connect()
        client.feed(get("/waits"))
        assert root.seen == []
        client.leave()
        assert root.seen == ["left"]
        assert server.connect().get("/numbers/1").body == b"0,"


@pytest.mark.usefixtures("handler_errors")
def test_a_stop_ends_the_generator(root: Root) -> None:
    with serving(Dispatcher(), root) as server:
        server.stop_timeout = 0
        server.connect().feed(get("/waits"))
    assert root.seen == ["left"]


def test_a_handler_of_requests_streams_too() -> None:
    async def pieces() -> AsyncIterator[str]:
        yield "a"
        yield "b"

    def answer(app: App, request: Any, response: Any) -> Any:
        response.stream = True
        response.body = pieces()
        return response

    with serving(App(answer)) as server:
        assert server.connect().get("/").body == b"ab"


# -- events ------------------------------------------------------------------------------------


def test_events_are_sent_with_heartbeats_between(root: Root) -> None:
    with VirtualClock() as clock, serving(Dispatcher(), root) as server:
        client = server.connect()
        client.feed(get("/news", "Last-Event-ID: \xe2\x82\xac5"))
        reply = parse(client.received)[0]
        assert reply.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert (reply.headers["cache-control"], reply.headers["x-accel-buffering"]) == (
            "no-store",
            "no",
        )
        first = 'data: €5\n\nevent: news\nid: 7\nretry: 500\ndata: {"a": 1}\n\n'.encode()
        assert reply.body == first
        for beats in (1, 2):
            clock.advance(15)
            settle(server)
            assert parse(client.received)[0].body == first + b":\n\n" * beats
        clock.advance(10)
        settle(server)
        reply = parse(client.received)[0]
        assert reply.body == first + b":\n\n" * 2 + b": c\ndata: two\ndata: lines\n\n"
        assert reply.is_whole
        assert root.seen == ["closed"]
        assert client.get("/plain").body == b"data: 0\n\ndata: 1\n\n"


def test_no_heartbeats_pile_up_for_a_client_that_does_not_read(root: Root) -> None:
    with VirtualClock() as clock, serving(Dispatcher(), root) as server:
        server.server.high_water = 10
        client = server.connect()
        client.feed(get("/news"))
        assert client.sock in server.server.congested
        server.server.high_water = 5000  # for others
        before = client.received
        for _ in range(20):
            clock.advance(15)
            settle(server)
        assert client.received == before
        assert server.connect().get("/numbers/1").body == b"0,"
        client.leave()
        assert root.seen[-1] == "closed"
        assert not list(server._tree_engine.tasks)


def test_events_end_when_the_client_leaves(root: Root) -> None:
    with VirtualClock() as clock, serving(Dispatcher(), root) as server:
        client = server.connect()
        client.feed(get("/late"))
        assert b"data: none\n\n" in client.received
        before = client.received
        clock.advance(20)
        settle(server)
        assert client.received == before  # without a heartbeat
        client.leave()
        assert root.seen == ["closed"]


@pytest.mark.parametrize("path", ["/late", "/news"])
def test_a_stop_ends_a_stream_of_events_at_once(root: Root, path: str) -> None:
    with VirtualClock() as clock, serving(Dispatcher(), root) as server:
        client = server.connect()
        client.feed(get(path))
        assert b"data: none\n\n" in client.received
        began = clock.now
        server.stop()
        settle(server)
        assert client.received.endswith(b"\r\n0\r\n\r\n")
        assert client.is_closed
        assert root.seen == ["closed"]
        assert clock.now == began


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (ServerSentEvent("a"), b"data: a\n\n"),
        (ServerSentEvent("a\r\nb\rc"), b"data: a\ndata: b\ndata: c\n\n"),
        (ServerSentEvent(""), b"data: \n\n"),
        (ServerSentEvent(0), b"data: 0\n\n"),
        (ServerSentEvent(id="x"), b"id: x\n\n"),
        (ServerSentEvent(comment="a\nb"), b": a\n: b\n\n"),
        (ServerSentEvent(retry=5), b"retry: 5\n\n"),
    ],
)
def test_an_event_as_it_is_sent(event: ServerSentEvent, text: bytes) -> None:
    assert event.encode() == text


@pytest.mark.parametrize("event", [ServerSentEvent(event="a\nb"), ServerSentEvent(id="a\0")])
def test_names_and_ids_are_lines(event: ServerSentEvent) -> None:
    with pytest.raises(ValueError, match="of an event cannot be"):
        event.encode()


@pytest.mark.parametrize("odd", [{"a": 1}, 7, b"a"])
def test_what_is_no_event_cuts_the_stream(odd: Any) -> None:
    class Odd(Controller):
        def index(self) -> Any:
            return EventStream(["a", odd])

    errors = Errors()
    with serving(Dispatcher(), Odd(), errors) as server:
        client = server.connect()
        client.feed(get("/"))
        assert client.is_closed
    assert "event" in str(errors.seen[0])


def test_a_stream_wants_an_iterable_and_a_time() -> None:
    with pytest.raises(TypeError, match="iterable"):
        EventStream(7)
    with pytest.raises(ValueError, match="heartbeat"):
        EventStream([], heartbeat=0)


def test_a_filter_sees_the_pieces(root: Root) -> None:
    class Upper(App):
        @handler("stream", priority=1, filter=True)
        def _on_stream(self, event: Any, response: Any, data: Any) -> None:
            if data is not None:
                event[1] = data.upper()

    with serving(Dispatcher(), root, Upper(None)) as server:
        assert server.connect().get("/blanks").body == b"AB"
