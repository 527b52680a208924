"""The WebSocket client, with a transport and a server of the test."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from circuits import Component
from circuits._wire.websocket import Codec, Deflate, Pong, accept_key
from circuits.net.sockets import Close, Connected, Disconnected, Pause, Resume, Unreachable, Write
from circuits.net.sockets import Read as RawRead
from circuits.testing import VirtualClock, settle
from circuits.web.client import Connect
from circuits.web.websocket import WebSocketClient
from circuits.web.websockets import ConnectionClosed
from circuits.web.websockets import WebSocketClient as EagerClient
from tests._wire.websocket_support import frame
from tests.web.http_support import Errors
from tests.web.websocket_support import Journal


class Wire:
    """Stands for the TCP client, and for what is at the other end."""

    def __init__(self, client: WebSocketClient) -> None:
        self.client = client
        link: Any = client._link
        self.link = link
        self.link._transport.unregister()
        self.link._transport = self
        self.codec = Codec(False)
        self.sent = b""
        self.called: list[Any] = []
        self._connection = self
        self.is_congested = False
        self.is_open = False
        self.loses = True  # at the end of a test

    # -- what the link calls --

    def connect(self, *args: Any, **options: Any) -> None:
        self.called.append(("connect", *args, *options))

    def write(self, data: bytes) -> None:
        if self.is_open:
            self.sent += bytes(data)

    def close(self) -> None:
        self.called.append("close")
        self.lose()

    def _abort(self) -> None:
        self.called.append("abort")
        self.lose()

    def pause_reading(self) -> None:
        self.called.append("pause")

    def resume_reading(self) -> None:
        self.called.append("resume")

    # -- what the test does --

    def tell(self, event: Any) -> None:
        self.link.fire(event)
        settle(self.client)

    def reached(self) -> None:
        self.is_open = True
        self.tell(Connected("example.org", 80))

    def lose(self) -> None:
        if self.is_open:
            self.is_open = False
            self.link.fire(Disconnected())

    @property
    def request(self) -> dict[str, str]:
        line, *fields = self.sent.split(b"\r\n\r\n")[0].decode().split("\r\n")
        return {"": line, **dict(field.split(": ", 1) for field in fields)}

    def answer(self, *fields: str, accept: str | None = None, rest: bytes = b"") -> None:
        accept = accept_key(self.request["Sec-WebSocket-Key"]) if accept is None else accept
        lines = [
            "HTTP/1.1 101 Switching Protocols",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Accept: {accept}",
            *fields,
        ]
        self.sent = b""
        self.tell(RawRead("\r\n".join([*lines, "", ""]).encode() + rest))

    def send(self, *messages: Any) -> None:
        self.tell(RawRead(b"".join(self.codec.send(message) for message in messages)))

    def received(self) -> list[Any]:
        data, self.sent = self.sent, b""
        self.codec.receive_data(data)
        return list(iter(self.codec.next_message, None))


@contextmanager
def running(
    url: str = "ws://example.org/chat?a=b", kind: Any = WebSocketClient, **options: Any
) -> Iterator[tuple[Wire, Journal, Journal]]:
    """A client in an application; yields its wire, and the journals of its two channels."""
    app = Component()
    errors = Errors().register(app)
    client = kind(url, **options).register(app)
    wire = Wire(client)
    below, messages = Journal("wsclient").register(app), Journal("ws").register(app)
    with app.running():
        settle(app)
        yield wire, below, messages
        if wire.loses:
            wire.lose()
            settle(app)
    assert errors.seen == []
    assert not list(app._tree_engine.tasks)


@contextmanager
def connected(**options: Any) -> Iterator[tuple[Wire, Journal]]:
    with running(**options) as (wire, _, messages):
        wire.client.fire(Connect())
        settle(wire.client)
        wire.reached()
        wire.answer()
        assert wire.client.connected
        yield wire, messages


def test_the_handshake() -> None:
    with running(
        headers={"Origin": "http://a.example", "X-Test": "1"}, subprotocols=["x", "y"]
    ) as (wire, below, messages):
        assert not wire.client.connected
        wire.client.fire(Connect())
        settle(wire.client)
        assert wire.called == [("connect", "example.org", 80, False)]
        wire.reached()
        request = wire.request
        assert request[""] == "GET /chat?a=b HTTP/1.1"
        expected = {
            "Host": "example.org",
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Protocol": "x, y",
            "Origin": "http://a.example",
            "X-Test": "1",
        }
        assert expected.items() <= request.items()
        assert request["Sec-WebSocket-Extensions"].startswith("permessage-deflate")
        assert not wire.client.connected
        wire.answer("Sec-WebSocket-Protocol: y", rest=wire.codec.send("early"))
        assert wire.client.connected
        assert wire.client.websocket is not None
        assert wire.client.websocket.subprotocol == "y"
        assert below.seen == [("connect",), ("connected", "example.org", 80)]
        assert messages.seen == [("connected", "example.org", 80), ("read", "early")]


@pytest.mark.parametrize(
    ("url", "target", "host", "line"),
    [
        ("ws://h", ("h", 80, False), "h", "GET / HTTP/1.1"),
        (
            "WS://h:81/ä b?c".replace(" ", "%20"),
            ("h", 81, False),
            "h:81",
            "GET /%C3%A4%20b?c HTTP/1.1",
        ),
        ("wss://h/x", ("h", 443, True), "h", "GET /x HTTP/1.1"),
        ("wss://h:80/x", ("h", 80, True), "h:80", "GET /x HTTP/1.1"),
        ("ws://[::1]:8000/", ("::1", 8000, False), "[::1]:8000", "GET / HTTP/1.1"),
        (
            "ws://bücher.example/",
            ("bücher.example", 80, False),
            "xn--bcher-kva.example",
            "GET / HTTP/1.1",
        ),
    ],
)
def test_urls(url: str, target: Any, host: str, line: str) -> None:
    with running(url) as (wire, _, _):
        wire.client.fire(Connect())
        settle(wire.client)
        assert wire.called == [("connect", *target)]
        wire.reached()
        assert (wire.request["Host"], wire.request[""]) == (host, line)


def test_credentials_of_a_url() -> None:
    with running("ws://Jo:p%3Ass@h/") as (wire, _, _):
        wire.client.fire(Connect())
        settle(wire.client)
        wire.reached()
        assert wire.request["Authorization"] == "Basic Sm86cDpzcw=="


@pytest.mark.parametrize(
    "url",
    [
        "http://h/",
        "/chat",
        "h",
        "ws:///x",
        "ws://h/#part",
        "ws://h/a\r\nX: y",
        "ws://h/a b",
        "ws://h:x/",
        "ws://a%3Ab@h/",  # which would be another user
        "ws://a..b/",
    ],
)
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError):
        WebSocketClient(url)


@pytest.mark.parametrize(
    "headers",
    [
        {"X": "a\r\nY: b"},
        {"X\n": "a"},
        {"Upgrade": "h2c"},
        {"sec-websocket-key": "x"},
        {"X": "\0"},
        {"Host": "a", "host": "b"},
    ],
)
def test_headers_that_cannot_be_sent_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(ValueError):
        WebSocketClient("ws://h/", headers=headers)


def test_messages_both_ways() -> None:
    with connected() as (wire, messages):
        wire.send("text", b"binary")
        assert messages.seen[1:] == [("read", "text"), ("read", b"binary")]
        for message in ("x", b"y", bytearray(b"z")):
            wire.client.fire(Write(message), "ws")
        settle(wire.client)
        assert wire.received() == ["x", b"y", b"z"]


def test_what_is_written_early_is_sent_in_order() -> None:
    with running() as (wire, _, _):
        wire.client.fire(Write("1"), "ws")
        wire.client.fire(Connect())
        wire.client.fire(Write("2"), "ws")
        settle(wire.client)
        wire.reached()
        wire.client.fire(Write(b"3"), "ws")
        settle(wire.client)
        wire.answer()
        wire.client.fire(Write("4"), "ws")
        settle(wire.client)
        assert wire.received() == ["1", "2", b"3", "4"]


def test_events_of_servers_on_the_same_channel_are_left_alone() -> None:
    sock = object()
    with connected() as (wire, _):
        wire.client.fire(Write(sock, "for a client of a server"), "ws")
        wire.client.fire(Close(sock), "ws")
        wire.client.fire(Connect(sock, "host", 1))
        settle(wire.client)
        assert wire.received() == []
        assert wire.client.connected


def test_compression() -> None:
    with running() as (wire, _, messages):
        wire.client.fire(Connect())
        settle(wire.client)
        wire.reached()
        wire.answer("Sec-WebSocket-Extensions: permessage-deflate")
        wire.codec = Codec(False, Deflate())
        wire.client.fire(Write("ho " * 1000), "ws")
        settle(wire.client)
        assert len(wire.sent) < 100
        assert wire.received() == ["ho " * 1000]
        wire.send("hi " * 1000)
        assert messages.seen[-1] == ("read", "hi " * 1000)


# -- what goes wrong -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: ws://h/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"  # noqa: ISC004
        b"Sec-WebSocket-Accept: AAAA\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"X" * 100_000,
        b"\x81\x02hi",  # before there is an agreement
        b"HTTP/1.1 101 Switching\r\nX: " + b"x" * 100_000,
        b"HTTP/1.1 101 Switching\r\n" + b"X: y\r\n" * 20_000,
        b"HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n" * 100,
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1_000_000,
    ],
)
def test_a_server_that_does_not_agree(answer: bytes) -> None:
    with running() as (wire, below, messages):
        wire.client.fire(Write("never sent"), "ws")
        wire.client.fire(Connect())
        settle(wire.client)
        wire.reached()
        wire.tell(RawRead(answer))
        assert below.names() == ["connect", "connected", "not_connected", "disconnected"]
        assert isinstance(below.seen[2][1], Exception)
        assert messages.seen == []
        assert wire.called[1:] == ["close"]
        # Another attempt is another one.
        wire.sent = b""
        wire.client.fire(Connect())
        settle(wire.client)
        wire.reached()
        wire.answer()
        assert wire.client.connected
        assert wire.received() == []


def test_a_server_that_dribbles(virtual_clock: VirtualClock) -> None:
    """Something comes all the time, and no end of the head: the time is for all of it."""
    with running(connect_timeout=5) as (wire, below, _):
        wire.client.fire(Connect())
        settle(wire.client)
        wire.reached()
        wire.tell(RawRead(b"HTTP/1.1 101 Switching\r\nX: "))
        for _ in range(5):
            assert wire.is_open
            wire.tell(RawRead(b"x"))
            settle(wire.client, until=virtual_clock.now + 1)
        assert isinstance(below.seen[2][1], TimeoutError)
        assert not wire.is_open


def test_rubbish_behind_the_agreement() -> None:
    with running() as (wire, _, messages):
        wire.client.fire(Connect())
        settle(wire.client)
        wire.reached()
        wire.answer(rest=b"\xff" * 1000)
        assert not wire.client.connected
        assert [message.code for message in wire.received()] == [1002]
        assert messages.names() == ["connected", "socket_error", "disconnected"]


def test_what_was_not_offered_is_refused() -> None:
    for field in ("Sec-WebSocket-Protocol: x", "Sec-WebSocket-Extensions: x"):
        with running() as (wire, below, _):
            wire.client.fire(Connect())
            settle(wire.client)
            wire.reached()
            wire.answer(field)
            assert below.names()[2:] == ["not_connected", "disconnected"]


def test_a_server_that_is_not_there() -> None:
    with running() as (wire, below, _):
        wire.client.fire(Connect())
        settle(wire.client)
        problem = OSError("nobody there")
        wire.tell(Unreachable("example.org", 80, problem))
        assert below.seen[1:] == [("not_connected", problem)]


def test_a_server_that_goes_before_it_has_answered() -> None:
    with running() as (wire, below, messages):
        wire.client.fire(Connect())
        settle(wire.client)
        wire.reached()
        wire.lose()
        settle(wire.client)
        assert below.names()[1:] == ["connected", "not_connected", "disconnected"]
        assert messages.seen == []


def test_a_server_that_does_not_answer(virtual_clock: VirtualClock) -> None:
    with running(connect_timeout=5) as (wire, below, _):
        wire.client.fire(Connect())
        settle(wire.client)
        wire.reached()
        wire.tell(RawRead(b"HTTP/1.1 103 Early Hints\r\n\r\n"))
        settle(wire.client, until=virtual_clock.now + 6)
        assert "not_connected" in below.names()
        assert isinstance(below.seen[2][1], TimeoutError)


@pytest.mark.parametrize("how", ["event", "method", "stop"])
@pytest.mark.parametrize("is_reached", [False, True])
def test_it_can_be_given_up(how: str, is_reached: bool) -> None:
    with running() as (wire, below, _):
        wire.client.close()  # nothing has begun
        wire.client.fire(Connect())
        settle(wire.client)
        if is_reached:
            wire.reached()
        if how == "event":
            wire.client.fire(Close(), "ws")
        elif how == "method":
            wire.client.close()
        else:
            wire.client.stop()
        settle(wire.client)
        if not is_reached and how != "stop":
            wire.reached()  # the news come late
            assert not wire.client.connected
    assert "not_connected" in below.names()
    assert "close" in wire.called


def test_frames_of_a_server_must_not_be_masked() -> None:
    with connected() as (wire, messages):
        wire.tell(RawRead(frame(1, b"x")))
        assert [message.code for message in wire.received()] == [1002]
        assert messages.names()[1:] == ["socket_error", "disconnected"]
        assert "close" in wire.called


def test_a_message_that_is_too_long() -> None:
    with connected(max_message_bytes=10) as (wire, _):
        wire.send("x" * 11)
        assert [message.code for message in wire.received()] == [1009]


# -- the end ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["event", "method"])
def test_we_close(virtual_clock: VirtualClock, how: str) -> None:
    with connected() as (wire, messages):
        if how == "event":
            wire.client.fire(Close(4000, "enough"), "ws")
        else:
            wire.client.close(4000, "enough")
        wire.client.fire(Write("too late"), "ws")
        settle(wire.client)
        (close,) = wire.received()
        assert (close.code, close.reason) == (4000, "enough")
        assert not wire.client.connected
        wire.tell(RawRead(wire.codec.send_close(4000)))
        assert "close" not in wire.called  # the server closes first
        settle(wire.client, until=virtual_clock.now + 11)
        assert "close" in wire.called
        assert messages.names()[-1] == "disconnected"


def test_the_server_closes() -> None:
    with connected() as (wire, messages):
        wire.tell(RawRead(wire.codec.send_close(4001, "bye")))
        assert [message.code for message in wire.received()] == [4001]
        assert messages.names()[1:] == ["close"]
        wire.lose()
        settle(wire.client)
        assert messages.names()[1:] == ["close", "disconnected"]
        # What is written to who has gone is not kept for the next one.
        wire.client.fire(Write("nowhere"), "ws")
        wire.client.fire(Connect())
        settle(wire.client)
        wire.reached()
        wire.answer()
        assert wire.received() == []


def test_the_server_vanishes() -> None:
    with connected() as (wire, messages):
        wire.lose()
        settle(wire.client)
        assert messages.names()[1:] == ["disconnected"]


def test_a_stop_is_told() -> None:
    with connected() as (wire, _):
        wire.loses = False
        wire.client.stop()
    assert [message.code for message in wire.received()] == [1001]


def test_a_server_that_does_not_answer_pings(virtual_clock: VirtualClock) -> None:
    with connected(ping_interval=10, ping_timeout=5) as (wire, messages):
        settle(wire.client, until=virtual_clock.now + 16)
        assert messages.names()[1:] == ["socket_error", "disconnected"]


def test_pause_and_resume() -> None:
    with connected() as (wire, messages):
        wire.tell(Pause())
        wire.tell(Resume())
        assert messages.names()[1:] == ["pause", "resume"]


def test_pings_are_not_answered_one_by_one_while_the_server_does_not_read() -> None:
    with connected() as (wire, _):
        pings = [wire.codec.send_ping(b"%d" % number) for number in range(1, 100)]
        wire.tell(RawRead(pings[0]))
        wire.tell(Pause())
        wire.tell(RawRead(b"".join(pings[1:])))
        assert wire.received() == [Pong(b"1")]
        wire.tell(Resume())
        assert wire.received() == [Pong(b"99")]
        wire.tell(Pause())
        wire.tell(Resume())
        assert wire.received() == []


def test_who_does_not_read_and_does_not_agree_is_cut(virtual_clock: VirtualClock) -> None:
    with connected() as (wire, _):
        wire.is_congested = True
        wire.client.close()
        settle(wire.client, until=virtual_clock.now + 11)
        assert "abort" in wire.called


def test_a_flood_is_taken_in_turns() -> None:
    with connected() as (wire, messages):
        wire.send(*["x"] * 1000)
        assert len(messages.seen) == 1001
        assert wire.called[1:] == ["pause", "resume"]  # the rest waited until others had a turn


# -- for coroutines --------------------------------------------------------------------------------


class Talks(Component):
    def init(self, client: WebSocketClient) -> None:
        self.client = client
        self.heard: list[Any] = []

    async def talk(self) -> None:
        try:
            websocket = await self.client.open()
        except ConnectionClosed as problem:
            self.heard.append(str(problem))
            return
        await websocket.send("hello")
        async for message in websocket:
            self.heard.append(message)
        self.heard.append(websocket.close_code)

    def chat(self) -> Generator[Any, Any, None]:
        websocket = yield self.client.open()
        yield websocket.send("hello")
        self.heard.append((yield websocket.receive()))
        again = yield self.client.open()
        assert again is websocket
        yield websocket.close()
        self.heard.append(websocket.close_code)


@pytest.mark.parametrize("name", ["talk", "chat"])
def test_a_coroutine_opens_it(name: str) -> None:
    from circuits import Event

    with running() as (wire, _, messages):
        talks = Talks(wire.client).register(wire.client)
        talks.fire(Event.create(name))
        settle(wire.client)
        assert wire.called == [("connect", "example.org", 80, False)]
        wire.reached()
        wire.answer(rest=wire.codec.send("early"))
        if name == "talk":
            wire.send("more")
            assert wire.received() == ["hello"]
        wire.tell(RawRead(wire.codec.send_close(4001)))
        wire.lose()
        settle(wire.client)
        assert talks.heard == (["early", "more", 4001] if name == "talk" else ["early", 4001])
        assert "read" not in messages.names()


def test_a_coroutine_is_told_that_nothing_came_of_it() -> None:
    from circuits import Event

    with running() as (wire, _, _):
        talks = Talks(wire.client).register(wire.client)
        talks.fire(Event.create("talk"))
        settle(wire.client)
        wire.tell(Unreachable("example.org", 80, OSError("nobody there")))
        assert talks.heard == ["the WebSocket is closed: 1006 nobody there"]


# -- names -----------------------------------------------------------------------------------------


def test_the_one_that_connects_by_itself() -> None:
    client = EagerClient("ws://127.0.0.1:1/", wschannel="own")
    assert client._messages.channel == "own"
    assert EagerClient("ws://127.0.0.1:1/")._messages.channel == "ws"
    from circuits.net.sockets import Ready

    with running(kind=EagerClient) as (wire, _, _):
        wire.tell(Ready(wire))
        assert wire.called == [("connect", "example.org", 80, False)]
        wire.client.fire(Connect())
        settle(wire.client)
        assert len(wire.called) == 1


def test_the_names_of_channels() -> None:
    client = WebSocketClient("ws://h/", "a", "b")
    assert (client.channel, client._messages.channel) == ("a", "b")
    assert WebSocketClient("ws://h/", wschannel="c")._messages.channel == "c"
    assert WebSocketClient("ws://h/").channel == "wsclient"
