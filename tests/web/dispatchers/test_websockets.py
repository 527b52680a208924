"""WebSockets: the handshake, and connections by events."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from circuits import sleep
from circuits._wire.websocket import Deflate
from circuits.net.sockets import Close, Read, SocketError, Write
from circuits.testing import VirtualClock, settle
from circuits.web import Controller, WebSockets
from circuits.web.websockets import WebSocketsDispatcher
from tests._wire.websocket_support import frame
from tests.web.http_support import FakeSocket, get
from tests.web.websocket_support import ACCEPT, KEY, Journal, Peer, handshake, running

TEXT, BINARY, CLOSE, PING, MORE = 1, 2, 8, 9, 0


def echo(journal: Journal, name: str, *args: Any) -> None:
    if name == "read":
        journal.fire(Write(*args))


# -- the handshake ---------------------------------------------------------------------------------


def test_a_handshake_is_answered() -> None:
    with running(WebSockets("/ws"), Journal()) as server:
        peer = Peer(server)
        assert peer.head.line == "HTTP/1.1 101 Switching Protocols"
        headers = peer.head.headers
        assert (headers["upgrade"], headers["connection"]) == ("websocket", "Upgrade")
        assert headers["sec-websocket-accept"] == ACCEPT
        assert not {"content-type", "content-length", "transfer-encoding"} & headers.keys()
        assert not {"sec-websocket-protocol", "sec-websocket-extensions"} & headers.keys()


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (get("/ws"), 400),
        (handshake(method="POST"), 400),
        (handshake(Upgrade="h2c"), 400),
        (handshake(Connection="keep-alive"), 400),
        (handshake(Sec_WebSocket_Key=None), 400),
        (handshake(Sec_WebSocket_Key="!!!!"), 400),
        (handshake(Sec_WebSocket_Key="AAAA"), 400),
        (handshake(Sec_WebSocket_Version=None), 426),
        (handshake(Sec_WebSocket_Version="8"), 426),
        (handshake(Sec_WebSocket_Protocol="a, a"), 400),
        (handshake(Sec_WebSocket_Extensions="permessage-deflate; ="), 400),
        (handshake(version="1.0"), 400),
        (handshake(Origin="https://elsewhere.example"), 403),
        (handshake(Origin="null"), 403),
        (handshake(Origin="http://test:81"), 403),
    ],
)
def test_what_is_no_handshake_is_refused(request_: bytes, code: int) -> None:
    journal = Journal()
    with running(WebSockets("/ws"), journal) as server:
        reply = server.connect().ask(request_)
        assert reply.code == code
        assert "sec-websocket-accept" not in reply.headers
        assert journal.seen == []
        if code == 426:
            assert reply.headers["sec-websocket-version"] == "13"
            assert reply.headers["upgrade"] == "websocket"
            assert reply.headers["connection"] == "Upgrade, close"


@pytest.mark.parametrize(
    "fields",
    [
        {"Upgrade": "WebSocket"},
        {"Upgrade": "h2c, websocket"},
        {"Connection": "keep-alive, Upgrade"},
        {"Origin": "http://test"},
        {"Origin": "https://TEST"},
        {"Host": "test:8000", "Origin": "http://test:8000"},
    ],
)
def test_spellings_of_a_handshake(fields: dict[str, str]) -> None:
    data = handshake(**{name: value for name, value in fields.items() if name != "Host"})
    if "Host" in fields:
        data = data.replace(b"Host: test\r\n", b"Host: test:8000\r\n")
    with running(WebSockets("/ws")) as server:
        client = server.connect()
        client.feed(data)
        assert client.received.startswith(b"HTTP/1.1 101 ")


@pytest.mark.parametrize(
    ("origins", "admitted", "refused"),
    [
        ("*", ["null", "https://a.example"], []),
        ("https://a.example", ["https://a.example", "HTTPS://A.example:443"], ["http://test"]),
        (["https://a.example", "http://b.example:81"], ["http://b.example:81"], ["null"]),
        ([], [], ["http://test"]),
    ],
)
def test_origins(origins: Any, admitted: list[str], refused: list[str]) -> None:
    with running(WebSockets("/ws", origins=origins)) as server:
        assert Peer(server).head.code == 101  # who does not say where it comes from
        for origin in admitted:
            assert Peer(server, Origin=origin).head.code == 101
        for origin in refused:
            assert Peer(server, Origin=origin).head.code == 403


def test_what_is_no_origin_is_told_at_once() -> None:
    with pytest.raises(ValueError, match="an origin is written like"):
        WebSockets(origins="a.example")


@pytest.mark.parametrize("name", ["protocols", "subprotocols"])
@pytest.mark.parametrize(
    ("offered", "chosen"), [("b, a", "b"), ("x, a", "a"), ("x", None), (None, None)]
)
def test_the_favourite_subprotocol_of_the_client(
    name: str, offered: str | None, chosen: str | None
) -> None:
    websockets: Any = WebSockets("/ws", **{name: ["a", "b"]})  # type: ignore[arg-type]  # either of them
    with running(websockets) as server:
        peer = Peer(server, Sec_WebSocket_Protocol=offered)
        assert peer.head.headers.get("sec-websocket-protocol") == chosen
        assert websockets.websockets[peer.sock].subprotocol == chosen


def test_a_subclass_chooses_the_subprotocol() -> None:
    class Own(WebSockets):
        def select_subprotocol(self, subprotocols: Any) -> str | None:
            return str(subprotocols[-1]) if subprotocols else None

    with running(Own("/ws")) as server:
        peer = Peer(server, Sec_WebSocket_Protocol="a, b")
        assert peer.head.headers["sec-websocket-protocol"] == "b"


class Pages(Controller):
    def index(self, *path: str) -> str:
        return "a page"


@pytest.mark.parametrize("path", ["/ws", "ws", "/ws/"])
def test_the_path_is_matched_by_segments(path: str) -> None:
    with running(WebSockets(path), Pages()) as server:
        assert Peer(server, "/ws").head.code == 101
        assert Peer(server, "/ws/a/b?c=d").head.code == 101
        assert server.connect().get("/ws/x").code == 400
        assert server.connect().get("/wsx").body == b"a page"
        assert server.connect().get("/").body == b"a page"


def test_without_a_path_every_request_is_a_handshake() -> None:
    with running(WebSockets(), Pages()) as server:
        assert Peer(server, "/any/where").head.code == 101
        assert server.connect().get("/").code == 400


def test_compression_is_agreed_on() -> None:
    offer = "permessage-deflate; client_max_window_bits"
    with running(WebSockets("/ws"), Journal(act=echo)) as server:
        deflate = Deflate(server_max_window_bits=12, client_max_window_bits=12)
        peer = Peer(server, deflate=deflate, Sec_WebSocket_Extensions=offer)
        assert peer.head.headers["sec-websocket-extensions"].startswith("permessage-deflate")
        peer.send("ho " * 1000)
        assert len(peer.client.writes[-1]) < 100
        assert peer.received() == ["ho " * 1000]
    with running(WebSockets("/ws", compression=False)) as server:
        peer = Peer(server, Sec_WebSocket_Extensions=offer)
        assert "sec-websocket-extensions" not in peer.head.headers


# -- events ----------------------------------------------------------------------------------------


def test_the_events_of_a_connection() -> None:
    journal = Journal()
    with running(WebSockets("/ws"), journal) as server:
        peer = Peer(server, "/ws?a=b")
        peer.send("text", b"binary")
        peer.close(4000, "bye")
        sock = peer.sock
        assert journal.seen == [
            ("connect", sock, "192.0.2.1", sock.number),
            ("read", sock, "text"),
            ("read", sock, b"binary"),
            ("close", sock),
            ("disconnect", sock),
        ]
        assert [event.request.qs for event in journal.noted if event.name != "close"] == ["a=b"] * 4
        closing, end = journal.noted[-2:]
        assert (closing.code, closing.reason) == (end.code, end.reason) == (4000, "bye")
        assert peer.received() == [4000]
        assert peer.client.is_closed


def test_a_greeting_comes_behind_the_handshake() -> None:
    def greet(journal: Journal, name: str, *args: Any) -> None:
        if name == "connect":
            assert server.server.writes, "the handshake was not answered yet"
            journal.fire(Write(args[0], "welcome"))

    journal = Journal(act=greet)
    with running(WebSockets("/ws"), journal) as server:
        peer = Peer(server, early=["first", "second"])
        assert peer.received() == ["welcome"]
        assert journal.names() == ["connect", "read", "read"]


def test_without_an_address_host_and_port_are_none() -> None:
    journal = Journal()
    with running(WebSockets("/ws"), journal) as server:
        client = server.connect(announce=False)
        client.feed(handshake())
        assert journal.seen == [("connect", client.sock, None, None)]


@pytest.mark.parametrize("sent", ["text", b"bytes", bytearray(b"bytes"), memoryview(b"bytes")])
def test_what_can_be_written(sent: Any) -> None:
    with running(WebSockets("/ws")) as server:
        peer = Peer(server)
        server.fire(Write(peer.sock, sent), "ws")
        settle(server)
        assert peer.received() == ["text" if isinstance(sent, str) else b"bytes"]


def test_connections_are_strangers_to_each_other() -> None:
    journal = Journal(act=echo)
    with running(WebSockets("/ws"), journal) as server:
        peers = [Peer(server) for _ in range(3)]
        for number, peer in enumerate(peers):
            peer.send(f"to {number}")
        assert [peer.received() for peer in peers] == [["to 0"], ["to 1"], ["to 2"]]
        server.fire(Close(peers[1].sock, 4001, "only you"), "ws")
        settle(server)
        assert [peer.received() for peer in peers] == [[], [4001], []]
        server.fire(Write(FakeSocket(99), "nobody"), "ws")
        server.fire(Write("for a client"), "ws")
        server.fire(Close(FakeSocket(99)), "ws")
        settle(server)
        assert [peer.received() for peer in peers] == [[], [], []]


def test_two_dispatchers_on_one_channel() -> None:
    journal = Journal(act=echo)
    with running(WebSockets("/a"), WebSockets("/b"), journal) as server:
        peers = [Peer(server, "/a"), Peer(server, "/b")]
        for peer in peers:
            peer.send("x")
        assert [peer.received() for peer in peers] == [["x"], ["x"]]
        assert len(journal.seen) == 4


@pytest.mark.parametrize(
    "make",
    [
        lambda: WebSockets("/ws", wchannel="own"),
        lambda: WebSockets("/ws", wschannel="own"),
        lambda: WebSockets("/ws", "own"),
        lambda: WebSocketsDispatcher("/ws", "own"),
        lambda: WebSocketsDispatcher("/ws", wschannel="own"),
        lambda: WebSocketsDispatcher("/ws", wchannel="own"),
    ],
)
def test_the_channel_of_messages(make: Any) -> None:
    journal = Journal("own")
    websockets = make()
    assert websockets.wchannel == "own"
    with running(websockets, journal) as server:
        Peer(server).send("x")
        assert journal.names() == ["connect", "read"]


def test_default_channels() -> None:
    assert (WebSockets().wchannel, WebSocketsDispatcher().wchannel) == ("ws", "wsserver")
    assert (WebSockets().channel, WebSockets(channel="other").channel) == ("web", "other")


# -- closing ---------------------------------------------------------------------------------------


def test_we_close_and_the_client_agrees() -> None:
    journal = Journal()
    with running(WebSockets("/ws"), journal) as server:
        peer = Peer(server)
        server.fire(Close(peer.sock, 4000, "enough"), "ws")
        server.fire(Write(peer.sock, "too late"), "ws")
        server.fire(Close(peer.sock), "ws")
        settle(server)
        assert not peer.client.is_closed
        peer.send("this is not looked at")
        assert peer.received() == [4000]
        peer.close(4000)
        assert peer.client.is_closed
        assert journal.names() == ["connect", "close", "close", "disconnect"]


def test_a_client_that_does_not_agree_has_a_time(virtual_clock: VirtualClock) -> None:
    with running(WebSockets("/ws", close_timeout=3)) as server:
        peer = Peer(server)
        server.fire(Close(peer.sock), "ws")
        settle(server, until=virtual_clock.now + 2.9)
        assert not peer.client.is_closed
        settle(server, until=virtual_clock.now + 0.2)
        assert peer.client.is_closed


def test_close_without_a_socket_is_for_all() -> None:
    with running(WebSockets("/ws")) as server:
        peers = [Peer(server), Peer(server)]
        server.fire(Close(), "ws")
        settle(server)
        assert [peer.received() for peer in peers] == [[1000], [1000]]


def test_a_client_that_vanishes() -> None:
    journal = Journal()
    with running(websockets := WebSockets("/ws"), journal) as server:
        peer = Peer(server)
        peer.raw(frame(TEXT, b"half", final=False))
        peer.client.leave()
        assert journal.names() == ["connect", "disconnect"]
        assert journal.noted[-1].code == 1006
        assert not websockets.websockets
        assert websockets._policy.held_bytes == 0


def test_a_connection_that_fails_tells_why() -> None:
    journal = Journal()
    with running(WebSockets("/ws"), journal) as server:
        peer = Peer(server)
        problem = ConnectionResetError(104, "Connection reset by peer")
        server.fire(SocketError(peer.client.sock, problem), "web")
        peer.client.leave()
        server.fire(SocketError(peer.client.sock, problem), "web")  # of nobody by now
        settle(server)
        assert journal.names() == ["connect", "socket_error", "disconnect"]
        assert (journal.noted[-1].code, journal.noted[-1].reason) == (
            1006,
            "[Errno 104] Connection reset by peer",
        )


def test_a_client_that_only_stops_writing() -> None:
    journal = Journal()
    with running(WebSockets("/ws"), journal) as server:
        peer = Peer(server)
        assert not peer.client.end()  # nobody who speaks WebSocket does that: it is closed
        peer.client.leave()
        assert journal.names() == ["connect", "disconnect"]


def test_a_stop_is_told() -> None:
    journal = Journal()
    with running(WebSockets("/ws"), journal) as server:
        peer = Peer(server)
        server.stop()
    assert peer.received() == [1001]
    assert journal.names()[0] == "connect"


def test_a_dispatcher_that_leaves_closes_its_connections() -> None:
    with running(websockets := WebSockets("/ws")) as server:
        peer = Peer(server)
        websockets.unregister()
        settle(server)
        assert peer.received() == [1001]
        peer.close(1001)
        assert peer.client.is_closed


def test_a_tree_that_leaves_takes_them_along() -> None:
    with running(WebSockets("/ws")) as server:
        peer = Peer(server)
        server.http.unregister()
        settle(server)
        assert not server.http._connections
        assert peer.client.sock


# -- what breaks the rules -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(TEXT, b"x", key=None), 1002),
        (frame(3, b"x"), 1002),
        (frame(TEXT, b"x", rsv=0x40), 1002),
        (frame(PING, b"x" * 126), 1002),
        (frame(PING, b"x", final=False), 1002),
        (frame(MORE, b"x"), 1002),
        (frame(CLOSE, b"x"), 1002),
        (frame(TEXT, b"\xff"), 1007),
        (frame(TEXT, b"\xff", final=False), 1007),
        (frame(BINARY, b"x" * 1001), 1009),
        (frame(BINARY, b"x" * 900, final=False) + frame(MORE, b"x" * 900, final=False), 1009),
        (b"\x82\xff" + b"\x7f" + b"\xff" * 7 + b"abcd", 1009),
    ],
)
def test_who_breaks_the_rules_is_told_and_closed(
    virtual_clock: VirtualClock, data: bytes, code: int
) -> None:
    journal = Journal()
    with running(WebSockets("/ws", max_message_bytes=1000), journal) as server:
        server.server.can_finish = True
        other, peer = Peer(server), Peer(server)
        peer.raw(data + frame(TEXT, b"not looked at"))
        assert peer.received() == [code]
        assert peer.sock in server.server.half_closed  # it may have more to say, and reads this
        peer.raw(b"anything")
        settle(server, until=virtual_clock.now + 6)
        assert peer.client.is_closed
        assert journal.names()[2:] == ["socket_error", "disconnect"]
        assert journal.seen[2][1] is peer.sock
        assert journal.noted[-1].code == code
        assert other.received() == []


def test_pings_are_answered() -> None:
    with running(WebSockets("/ws")) as server:
        peer = Peer(server)
        peer.raw(frame(PING, b"payload"))
        (pong,) = peer.received()
        assert pong.payload == b"payload"


def test_who_answers_pings_stays(virtual_clock: VirtualClock) -> None:
    with running(WebSockets("/ws", ping_interval=10, ping_timeout=4)) as server:
        peer = Peer(server)
        for _ in range(5):
            settle(server, until=virtual_clock.now + 10)
            assert len(peer.received()) == 1
            peer.raw(peer.codec.send_pong())


def test_who_does_not_answer_pings_is_given_up(virtual_clock: VirtualClock) -> None:
    journal = Journal()
    with running(WebSockets("/ws", ping_interval=10, ping_timeout=4), journal) as server:
        peer = Peer(server)
        settle(server, until=virtual_clock.now + 13.9)
        assert not peer.client.is_closed
        settle(server, until=virtual_clock.now + 0.2)
        assert peer.client.is_closed
        assert journal.names() == ["connect", "socket_error", "disconnect"]
        assert journal.noted[-1].code == 1011


def test_nobody_has_to_be_pinged(virtual_clock: VirtualClock) -> None:
    with running(WebSockets("/ws", ping_interval=None)) as server:
        peer = Peer(server)
        settle(server, until=virtual_clock.now + 10_000)
        assert peer.received() == []
        assert not peer.client.is_closed


# -- bounds ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        frame(TEXT, b"x") * 2000,
        frame(PING) * 2000,
        frame(TEXT, b"x", final=False) + frame(MORE, final=False) * 2000,
        frame(TEXT, b"x", final=False) + frame(MORE, b"y", final=False) * 2000,
    ],
    ids=["messages", "pings", "empty frames", "small frames"],
)
def test_a_flood_does_not_keep_others_waiting(data: bytes) -> None:
    turns: list[Any] = []
    journal = Journal(act=lambda journal, name, sock, *rest: turns.append(sock))
    with running(websockets := WebSockets("/ws"), journal) as server:
        peer, other = Peer(server), Peer(server)
        turns.clear()
        codec: Any = websockets.websockets[peer.sock]._codec
        peer.client.server.fire(Read(peer.sock, data))
        peer.client.server.fire(Read(other.sock, other.codec.send("me, too")))
        while other.sock not in turns:
            server.tick(0)
        left = codec.pending_bytes
        assert left > len(data) * 0.8
        assert peer.sock in server.server.held  # nothing more is read meanwhile
        settle(server)
        assert codec.pending_bytes == 0
        assert peer.sock not in server.server.held
        if data.startswith(frame(TEXT, b"x")):
            assert turns.count(peer.sock) == 2000


def test_many_floods_have_few_turns_at_a_time() -> None:
    heard: list[Any] = []
    journal = Journal(act=lambda journal, name, sock, *rest: heard.append(sock))
    with running(WebSockets("/ws"), journal) as server:
        peers = [Peer(server) for _ in range(40)]
        for peer in peers:
            server.fire(Read(peer.sock, frame(TEXT, b"x") * 500))
        while len(heard) < 40 * 32:
            server.tick(0)
        most = before = 0
        while len(heard) < 40 * 500 + 40:
            before = len(heard)
            server.tick(0)
            most = max(most, len(heard) - before)
        assert 32 <= most <= 4 * 32
        assert not server.server.held


def test_no_more_is_read_while_handlers_are_suspended(virtual_clock: VirtualClock) -> None:
    running_now = most = done = 0

    def act(journal: Journal, name: str, *args: Any) -> Any:
        return work() if name == "read" else None

    def work() -> Generator[Any, Any, None]:
        nonlocal running_now, most, done
        running_now += 1
        most = max(most, running_now)
        yield sleep(1)
        running_now -= 1
        done += 1

    with running(websockets := WebSockets("/ws", ping_interval=None), Journal(act=act)) as server:
        peer = Peer(server)
        peer.send(*["x" * 10] * 1000)
        assert peer.sock in server.server.held
        settle(server, until=virtual_clock.now + 100)
        assert (done, running_now) == (1000, 0)
        assert most <= 64
        assert peer.sock not in server.server.held
        assert websockets._policy.held_bytes == 0
        peer.send(*[b"x" * 200_000] * 4)  # these wait for their size, and not for their number
        assert running_now == 2
        settle(server, until=virtual_clock.now + 10)
        assert done == 1004


def test_all_connections_together_have_a_bound() -> None:
    with running(websockets := WebSockets("/ws", buffered_bytes=300_000), Journal()) as server:
        peers = [Peer(server) for _ in range(5)]
        part = frame(BINARY, b"x" * 100_000, final=False)
        for peer in peers[:3]:
            peer.raw(part)
        assert websockets._policy.held_bytes == 300_000
        peers[3].raw(part)
        assert peers[3].received() == [1013]
        peers[4].send("a small one is taken nevertheless")
        assert peers[4].received() == []
        peers[0].client.leave()
        peers[1].raw(frame(MORE))
        assert websockets._policy.held_bytes == 100_000
        peers[3].client.leave()
        peers[2].client.leave()
        assert websockets._policy.held_bytes == 0


def test_pause_and_resume_are_told() -> None:
    journal = Journal()
    with running(WebSockets("/ws"), journal) as server:
        peer = Peer(server)
        server.server.high_water = 1000
        server.fire(Write(peer.sock, "x" * 2000), "ws")
        settle(server)
        server.server.take(peer.sock)
        settle(server)
        assert journal.seen[1:] == [("pause", peer.sock), ("resume", peer.sock)]


def test_who_does_not_read_and_does_not_agree_is_reset(virtual_clock: VirtualClock) -> None:
    with running(WebSockets("/ws", ping_interval=None)) as server:
        peer = Peer(server)
        server.server.high_water = 1000
        server.fire(Write(peer.sock, "x" * 2000), "ws")
        server.fire(Close(peer.sock), "ws")
        settle(server, until=virtual_clock.now + 11)
        assert peer.client.is_reset


# -- broadcast -------------------------------------------------------------------------------------


def test_a_broadcast_reaches_everybody() -> None:
    offer = "permessage-deflate; client_max_window_bits"
    deflate = Deflate(server_max_window_bits=12, client_max_window_bits=12)
    with running(websockets := WebSockets("/ws"), Journal()) as server:
        plain = [Peer(server), Peer(server)]
        packed = [Peer(server, deflate=deflate, Sec_WebSocket_Extensions=offer) for _ in range(2)]
        messages: list[str | bytes] = ["", "x" * 500, b"y" * 500]
        for message in messages:
            assert websockets.broadcast(message) == 4
            server.fire(Write(packed[0].sock, "x" * 500), "ws")
            settle(server)
            assert plain[0].received() == plain[1].received() == packed[1].received() == [message]
            assert packed[0].received() == [message, "x" * 500]
        # What is encoded is encoded once.
        websockets.broadcast("z" * 500)
        writes = [peer.client.writes[-1] for peer in (*plain, *packed)]
        assert writes[0] is writes[1]
        assert writes[2] is writes[3]


def test_a_broadcast_to_some() -> None:
    with running(websockets := WebSockets("/ws")) as server:
        red, blue = Peer(server, "/ws/red"), Peer(server, "/ws/blue")
        where = lambda websocket: websocket.request.path == "/ws/red"  # noqa: E731
        assert websockets.broadcast("hello", where) == 1
        assert (red.received(), blue.received()) == (["hello"], [])


def test_a_broadcast_waits_for_nobody() -> None:
    with running(websockets := WebSockets("/ws"), Journal()) as server:
        slow, quick, going = Peer(server), Peer(server), Peer(server)
        server.fire(Close(going.sock), "ws")
        server.server.high_water = 1000
        server.fire(Write(slow.sock, "x" * 2000), "ws")
        settle(server)
        assert websockets.broadcast("hello") == 1
        assert slow.received() == ["x" * 2000, 1013]
        assert quick.received() == ["hello"]
        assert going.received() == [1000]


# -- elsewhere -------------------------------------------------------------------------------------


def test_key_and_answer_are_those_of_the_standard() -> None:
    assert (KEY, ACCEPT) == ("dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")


def test_observers_see_the_same() -> None:
    from circuits.testing import Recorder

    recorder = Recorder("read", "write", "close", "connect")
    journal = Journal(act=echo)
    with running(WebSockets("/ws"), journal, recorder) as server:
        peer = Peer(server, early=["a"])
        peer.send("b")
        assert peer.received() == ["a", "b"]
        peer.close()
        assert peer.received() == [1000]
