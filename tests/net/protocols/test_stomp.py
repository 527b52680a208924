"""The STOMP client, on a socket that goes nowhere."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import Any

import pytest

from circuits import BaseComponent
from circuits._wire.stomp import Frame, FrameDecoder, encode
from circuits.net import sockets
from circuits.net.protocols import stomp
from circuits.net.protocols.stomp import StompClient, StompError
from circuits.net.sockets import Connected, Disconnected, Read, SocketError, StartTLSDone
from circuits.testing import VirtualClock, settle

from .protocol_support import Bench


class FakeSocket(BaseComponent):
    """Does as it is told, and writes down what."""

    def __init__(self, **options: Any) -> None:
        super().__init__(channel=options["channel"])
        self.options = options
        self.calls: list[tuple[Any, ...]] = []
        self.decoder = FrameDecoder()
        self.connected = False

    def connect(self, *args: Any, **kwargs: Any) -> None:
        self.calls.append((*args, kwargs))

    def starttls(self, **kwargs: Any) -> None:
        self.calls.append(("starttls", kwargs))

    def write(self, data: bytes) -> None:
        self.calls.append(("write", data))

    def close(self) -> None:
        if self.connected:
            self.connected = False
            self.fire(Disconnected())

    def sent(self) -> list[Any]:
        """Frames that were written since the last time."""
        for call in self.calls:
            if call[0] == "write":
                self.decoder.receive_data(call[1])
        self.calls.clear()
        found = []
        while (message := self.decoder.next_message()) is not None:
            found.append(message)
        return found


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[VirtualClock]:
    monkeypatch.setattr(sockets, "TCPClient", FakeSocket)
    with VirtualClock() as clock:
        yield clock


class Table(Bench):
    def __init__(self, **options: Any) -> None:
        options.setdefault("use_ssl", False)
        self.client = StompClient("broker", 61613, **options)
        self.wire: Any = self.client._socket
        super().__init__(self.client, on="stomp", ignore=("connected_done", "disconnected_done"))

    def told(self) -> list[tuple[Any, ...]]:
        """Events on the client's channel that are neither requests nor their success."""
        settle(self)
        found: list[tuple[Any, ...]] = []
        for record in self.recorder.records:
            if record.channels == ("stomp",) and not record.name.endswith("_success"):
                found.append((record.name, record.kwargs))
        self.recorder.clear()
        return found

    def socket_tells(self, *events: Any) -> list[tuple[Any, ...]]:
        for event in events:
            if isinstance(event, Connected):
                self.wire.connected = True
            self.fire(event, self.wire.channel)
        return self.told()

    def frame(self, command: str, body: bytes = b"", /, **headers: str) -> list[tuple[Any, ...]]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.socket_tells(Read(encode(Frame(command, named, body))))

    def connected(self, **headers: str) -> None:
        self.feed(stomp.connect())
        self.socket_tells(Connected("broker", 61613))
        assert self.frame("CONNECTED", **{"version": "1.2", **headers}) == [("connected", {})]
        self.wire.calls.clear()


def test_connecting() -> None:
    table = Table(username="me", password="secret", heartbeats=(1000, 2000), connect_timeout=7)
    assert table.wire.options["connect_timeout"] == 7
    table.feed(stomp.connect(host="virtual"))
    assert table.wire.calls == [("broker", 61613, {})]
    assert table.socket_tells(Connected("broker", 61613)) == []
    (frame,) = table.wire.sent()
    assert frame == Frame(
        "CONNECT",
        {
            "accept-version": "1.0,1.1,1.2",
            "host": "virtual",
            "heart-beat": "1000,2000",
            "login": "me",
            "passcode": "secret",
        },
    )
    assert not table.client.connected
    assert table.frame("CONNECTED", version="1.2") == [("connected", {})]
    assert table.client.connected


def test_the_success_of_events_is_told() -> None:
    table = Table()
    table.fire(stomp.connect(), "stomp")
    settle(table)
    assert len(table.recorder.named("connect_success")) == 1


def test_tls() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    table = Table(use_ssl=True, ssl_context=context)
    table.feed(stomp.connect())
    assert table.wire.calls == [("broker", 61613, {"secure": True, "context": context})]
    default = Table(use_ssl=True)
    default.feed(stomp.connect())
    made = default.wire.calls[0][2]["context"]
    assert made.verify_mode is ssl.CERT_REQUIRED
    assert made.check_hostname


def test_a_proxy() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    table = Table(
        use_ssl=True,
        ssl_context=context,
        proxy_host="proxy",
        proxy_port=3128,
        proxy_user="u",
        proxy_password="p",
    )
    table.feed(stomp.connect())
    assert table.wire.calls == [("proxy", 3128, {})]
    table.socket_tells(Connected("proxy", 3128))
    head = table.wire.calls[1][1]
    assert head.startswith(b"CONNECT broker:61613 HTTP/1.1\r\nHost: broker:61613\r\n")
    assert b"\r\nProxy-Authorization: Basic dTpw\r\n" in head
    table.socket_tells(Read(b"HTTP/1.1 200 "), Read(b"OK\r\n\r\n"))
    assert table.wire.calls[2:] == [("starttls", {"context": context, "server_hostname": "broker"})]
    table.wire.calls.clear()
    table.socket_tells(StartTLSDone(None, None))
    assert table.wire.sent()[0].command == "CONNECT"


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n", b"nonsense\r\n\r\n"]
)
def test_a_proxy_that_refuses(answer: bytes) -> None:
    table = Table(proxy_host="proxy")
    table.feed(stomp.connect())
    table.socket_tells(Connected("proxy", 8080))
    assert table.socket_tells(Read(answer)) == [("connection_failed", {})]


def test_a_proxy_without_tls() -> None:
    table = Table(proxy_host="proxy")
    table.feed(stomp.connect())
    table.socket_tells(Connected("proxy", 8080))
    table.wire.calls.clear()
    table.socket_tells(Read(b"HTTP/1.1 200 OK\r\n\r\n"))
    assert table.wire.sent()[0].command == "CONNECT"


def test_who_cannot_be_reached() -> None:
    table = Table()
    table.feed(stomp.connect())
    table.fire(SocketError(OSError("refused")), table.wire.channel)
    settle(table)
    (record,) = table.recorder.named("connection_failed")
    assert isinstance(record.event, stomp.connection_failed)
    assert str(record.event.reason) == "refused"
    # It may be tried again.
    assert table.feed(stomp.connect())[-1][0] == "connect"


def test_who_does_not_answer(clock: VirtualClock) -> None:
    table = Table(connected_timeout=3)
    table.feed(stomp.connect())
    table.socket_tells(Connected("broker", 1))
    clock.advance(3.1)
    assert table.told() == [("connection_failed", {})]


def test_giving_up_before_there_is_a_connection() -> None:
    table = Table()
    table.feed(stomp.connect())
    told = table.feed(stomp.disconnect())
    assert told[-1] == ("connection_failed", {})
    assert not table.feed(stomp.disconnect())[1:]


def test_giving_up_before_the_broker_has_answered() -> None:
    table = Table(connected_timeout=None)
    table.feed(stomp.connect())
    table.socket_tells(Connected("broker", 1))
    assert table.feed(stomp.disconnect())[-1] == ("connection_failed", {})


def test_who_refuses() -> None:
    table = Table()
    table.feed(stomp.connect())
    table.socket_tells(Connected("broker", 1))
    told = table.frame("ERROR", b"details", message="wrong password")
    assert [name for name, _ in told] == ["on_stomp_error", "connection_failed"]
    assert told[0][1]["message"] == b"details"
    assert str(told[0][1]["error"]) == "wrong password"


@pytest.mark.parametrize("headers", [{"version": "2.0"}, {"version": "1.2", "heart_beat": "x"}])
def test_an_answer_that_makes_no_sense(headers: dict[str, str]) -> None:
    table = Table()
    table.feed(stomp.connect())
    table.socket_tells(Connected("broker", 1))
    assert table.frame("CONNECTED", **headers) == [("connection_failed", {})]


def failures(table: Table, *events: Any) -> list[str]:
    for event in events:
        table.fire(event, "stomp")
    settle(table)
    found = [str(r.args[1]) for r in table.recorder.named("error")]
    assert all(isinstance(r.args[1], StompError) for r in table.recorder.named("error"))
    table.recorder.clear()
    return found


def test_sending() -> None:
    table = Table()
    table.connected()
    table.feed(stomp.send({"n": 1}, "grüße", "/q", receipt="r"), stomp.send(None, b"\0", "/q"))
    assert table.wire.sent() == [
        Frame(
            "SEND",
            {"destination": "/q", "n": "1", "receipt": "r", "content-length": "7"},
            "grüße".encode(),
        ),
        Frame("SEND", {"destination": "/q", "content-length": "1"}, b"\0"),
    ]


def test_what_cannot_be_sent() -> None:
    table = Table()
    (problem,) = failures(table, stomp.send({}, "x", "/q"))
    assert problem == "SEND cannot be sent: the client is not connected"
    table.connected()
    assert len(failures(table, stomp.connect())) == 1
    assert len(failures(table, stomp.unsubscribe("/q"))) == 1
    assert len(failures(table, stomp.subscribe("/q", ack="perhaps"))) == 1
    assert len(failures(table, stomp.subscribe("/q"), stomp.subscribe("/q"))) == 1
    assert len(failures(table, stomp.ack(Frame("MESSAGE")))) == 1


def test_subscriptions_and_messages() -> None:
    table = Table()
    table.connected()
    table.feed(stomp.subscribe("/a"), stomp.subscribe("/b", ack="auto"))
    one, other = table.wire.sent()
    assert one.headers == {"id": "0", "destination": "/a", "ack": "client-individual"}
    assert other.headers == {"id": "1", "destination": "/b", "ack": "auto"}
    assert set(table.client.subscribed) == {"/a", "/b"}
    table.fire(
        Read(encode(Frame("MESSAGE", {"subscription": "1", "ack": "7"}, b"x"))), table.wire.channel
    )
    settle(table)
    (record,) = table.recorder.named("message")
    assert record.kwargs["message"] == b"x"
    assert record.kwargs["headers"]["ack"] == "7"
    assert isinstance(record.event, stomp.message)
    assert table.client.get_subscription(record.event.frame) == "/b"
    table.feed(stomp.ack(record.event.frame), stomp.nack(record.event.frame))
    assert table.wire.sent() == [Frame("ACK", {"id": "7"}), Frame("NACK", {"id": "7"})]
    table.feed(stomp.unsubscribe("/b"))
    assert table.wire.sent()[0].headers["id"] == "1"
    assert table.client.get_subscription(record.event.frame) is None


def test_acknowledging_in_version_1_0() -> None:
    table = Table(version="1.0")
    table.connected(version="1.0")
    table.feed(stomp.ack(Frame("MESSAGE", {"message-id": "m"})))
    assert table.wire.sent() == [Frame("ACK", {"message-id": "m"})]


def test_what_nobody_has_asked_for_is_left_alone() -> None:
    table = Table()
    table.connected()
    assert table.frame("RECEIPT", receipt_id="x") == []
    assert table.frame("NEWER", x="y") == []


def test_acknowledging_in_version_1_1() -> None:
    table = Table(version="1.1")
    table.connected(version="1.1")
    table.feed(stomp.ack(Frame("MESSAGE", {"message-id": "m", "subscription": "0"})))
    assert table.wire.sent() == [Frame("ACK", {"message-id": "m", "subscription": "0"})]


def test_disconnecting() -> None:
    table = Table()
    table.connected()
    table.fire(stomp.disconnect(), "stomp")
    settle(table)
    assert table.wire.sent() == [Frame("DISCONNECT")]
    events = [r.event for r in table.recorder.named("disconnected") if r.channels == ("stomp",)]
    assert [(e.reconnect, e.kwargs) for e in events] == [(False, {"receipt": None})]  # type: ignore[attr-defined]


def test_disconnecting_with_a_receipt() -> None:
    table = Table()
    table.connected()
    table.feed(stomp.disconnect(receipt="bye"))
    assert table.wire.sent() == [Frame("DISCONNECT", {"receipt": "bye"})]
    assert table.frame("RECEIPT", receipt_id="other") == []
    assert table.frame("RECEIPT", receipt_id="bye") == [("disconnected", {"receipt": "bye"})]


def test_a_connection_that_breaks() -> None:
    table = Table()
    table.connected()
    table.feed(stomp.subscribe("/a"))
    table.wire.connected = False
    table.fire(Disconnected(), table.wire.channel)
    settle(table)
    events = [r.event for r in table.recorder.named("disconnected") if r.channels == ("stomp",)]
    assert [e.reconnect for e in events] == [True]  # type: ignore[attr-defined]
    assert not table.client.connected
    assert not table.client.subscribed


def test_a_broker_that_breaks_the_rules() -> None:
    table = Table()
    table.connected()
    assert table.socket_tells(Read(b"nonsense\n\n\0")) == [("disconnected", {"receipt": None})]


def test_signs_of_life(clock: VirtualClock) -> None:
    table = Table(heartbeats=(1000, 2000))
    table.connected(heart_beat="2000,1500")
    clock.advance(1.6)
    settle(table)
    assert [call for call in table.wire.calls if call[0] == "write"] == [("write", b"\n")]
    table.socket_tells(Read(b"\n"))
    clock.advance(2.5)
    assert "heartbeat_timeout" not in [name for name, _ in table.told()]
    clock.advance(2.5)
    names = [name for name, _ in table.told()]
    assert names[-2:] == ["heartbeat_timeout", "disconnected"]
    clock.advance(100)
    assert table.told() == []


def test_leaving_the_tree(clock: VirtualClock) -> None:
    table = Table()
    table.feed(stomp.connect())
    table.socket_tells(Connected("broker", 1))
    table.client.unregister()
    settle(table)
    assert len(table._tree_engine.schedule) == 0
