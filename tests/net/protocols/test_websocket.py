"""The component that speaks WebSocket: events, closing in order, limits of time and size."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from circuits import Manager, TimeoutError, handler
from circuits._wire.websocket import Close as CloseFrame
from circuits._wire.websocket import Codec, Ping, Pong
from circuits.core.utils import flatten
from circuits.net.protocols.websocket import Closing, Deflate, WebSocketCodec
from circuits.net.sockets import Close, Disconnect, Disconnected, Pause, Read, Resume, Write
from circuits.testing import VirtualClock, settle

from .protocol_support import Bench, Wire, shown


class Table(Bench):
    """A codec below a transport, and the codec of the other side.

    Args:
        sock: As for the component.
        **options: For the component.
    """

    def __init__(self, sock: Any = None, **options: Any) -> None:
        self.who = () if sock is None else (sock,)
        deflate = options.get("deflate")
        self.peer = Codec(is_client=sock is not None, deflate=deflate)
        self.codec = WebSocketCodec(sock, **options)
        self.wire = Wire()
        self.codec.register(self.wire)
        super().__init__(self.wire, on="ws")

    def arrives(self, data: bytes, sock: Any = None) -> list[tuple[Any, ...]]:
        who = self.who if sock is None else (sock,)
        return self.feed(Read(*who, data), on="wire")

    def told(self) -> list[tuple[Any, ...]]:
        """What happened on its own channel and to the transport; what was sent is decoded."""
        settle(self)
        found: list[tuple[Any, ...]] = []
        for record in self.recorder.records:
            if record.channels == ("wire",) and record.name == "write":
                assert record.args[:-1] == self.who
                self.peer.receive_data(record.args[-1])
                while (message := self.peer.next_message()) is not None:
                    found.append(("sent", message))
            elif record.channels == ("wire",) and record.name != "read":
                found.append((f"raw {record.name}", *record.args))
            elif record.channels != ("wire",) and record.name != "write":
                found.append((record.name, *record.args))
        self.recorder.clear()
        return shown(found)


@pytest.fixture(params=[None, "A"], ids=["client", "server"])
def table(request: pytest.FixtureRequest) -> Table:
    return Table(request.param)


def test_messages_come_as_they_are(table: Table) -> None:
    sent = table.peer.send("grüße") + table.peer.send(b"\xff")
    assert table.arrives(sent) == [("read", *table.who, "grüße"), ("read", *table.who, b"\xff")]


def test_messages_may_be_cut_anywhere(table: Table) -> None:
    sent = (
        table.peer.send("x" * 200, final=False) + table.peer.send_ping(b"?") + table.peer.send("y")
    )
    told = [entry for byte in sent for entry in table.arrives(bytes([byte]))]
    assert told == [("sent", Pong(b"?")), ("read", *table.who, "x" * 200 + "y")]


@pytest.mark.parametrize("message", ["text", b"bytes", bytearray(b"bytes"), memoryview(b"bytes")])
def test_messages_are_sent(table: Table, message: Any) -> None:
    expected = message if isinstance(message, str) else b"bytes"
    assert table.feed(Write(*table.who, message)) == [("sent", expected)]


def test_raw_reads_are_taken_away(table: Table) -> None:
    seen: list[Any] = []
    table.wire.addHandler(_watcher(seen))
    table.arrives(table.peer.send("x"))
    assert seen == []
    table.arrives(b"for another", sock="B")
    assert seen == [("B", b"for another")]


def _watcher(seen: list[Any]) -> Any:
    @handler("read", priority=9)
    def _on_read(self: Any, *args: Any) -> None:
        seen.append(args)

    return _on_read


def test_pings_are_answered_and_pongs_ignored(table: Table) -> None:
    told = table.arrives(table.peer.send_ping(b"a") + table.peer.send_pong(b"b"))
    assert told == [("sent", Pong(b"a"))]


def test_only_its_own_socket_counts() -> None:
    table = Table("A")
    assert table.feed(Write("B", "x"), Write("x"), Close("B"), Close()) == [
        ("close", "B"),
        ("close",),
    ]
    assert table.feed(Write("A", "x")) == [("sent", "x")]
    assert table.arrives(b"\xff\xff", sock="B") == []


def test_a_client_leaves_the_events_of_servers_alone() -> None:
    table = Table()
    assert table.feed(Write("A", "x"), Close("A")) == [("close", "A")]
    assert table.arrives(b"\xff\xff", sock="B") == []


def test_what_was_read_after_the_handshake() -> None:
    data = Codec(is_client=True).send("early")
    table = Table("A", data=data[:5])
    assert table.arrives(data[5:]) == [("read", "A", "early")]
    bench = Bench(on="ws")
    WebSocketCodec("A", data=bytearray(data)).register(bench)
    settle(bench)
    assert [record.args for record in bench.recorder.named("read")] == [("A", "early")]


def test_several_on_one_channel() -> None:
    wire = Wire()
    bench = Bench(wire, on="ws")
    for sock in "AB":
        WebSocketCodec(sock).register(wire)
    bench.told()
    bench.fire(Read("B", Codec(True).send("hello")), "wire")
    settle(bench)
    reads = [r.args for r in bench.recorder.named("read") if r.channels == ("ws",)]
    bench.fire(Write("A", "only A"), "ws")
    settle(bench)
    writes = [r.args[0] for r in bench.recorder.named("write") if r.channels == ("wire",)]
    assert writes == ["A"]
    assert reads == [("B", "hello")]


# -- closing -----------------------------------------------------------------------------------


def test_the_peer_of_a_server_closes() -> None:
    table = Table("A")
    told = table.arrives(table.peer.send_close(1001, "going"))
    assert told == [("close", "A"), ("sent", CloseFrame(1001)), ("raw close", "A")]
    assert table.feed(Write("A", "late")) == []


def test_the_peer_of_a_client_closes() -> None:
    with VirtualClock() as clock:
        table = Table()
        assert table.arrives(table.peer.send_close(4000, "x")) == [
            ("close",),
            ("sent", CloseFrame(4000)),
        ]
        # The server closes the transport; but a client does not wait for ever.
        clock.advance(9.9)
        assert table.told() == []
        clock.advance(0.2)
        assert table.told() == [("raw close",)]


def test_a_close_without_code_is_answered_without_one(table: Table) -> None:
    assert ("sent", CloseFrame(1005)) in table.arrives(table.peer.send_close(None))


def test_the_event_tells_why(table: Table) -> None:
    table.fire(Read(*table.who, table.peer.send_close(1001, "going")), "wire")
    settle(table)
    (record,) = [r for r in table.recorder.named("close") if r.channels == ("ws",)]
    assert isinstance(record.event, Closing)
    assert (record.event.code, record.event.reason) == (1001, "going")


def test_we_close(table: Table) -> None:
    assert table.feed(Close(*table.who)) == [("close", *table.who), ("sent", CloseFrame(1000))]
    assert table.feed(Write(*table.who, "late"), Close(*table.who)) == [("close", *table.who)]
    # The peer may have something to say before it agrees; a ping is not answered any more.
    other = Codec(is_client=bool(table.who))
    last = other.send("last") + other.send_ping() + other.send_close(1000)
    told = table.arrives(last)
    assert told[0] == ("read", *table.who, "last")
    # Only a server closes the transport at once.
    assert told[1:] == ([("raw close", *table.who)] if table.who else [])


def test_we_close_with_a_code(table: Table) -> None:
    told = table.feed(Close(*table.who, 4321, "because"))
    assert told[1:] == [("sent", CloseFrame(4321, "because"))]


@pytest.mark.parametrize("sock", [None, "A"])
def test_a_peer_that_does_not_agree_is_cut_off(sock: Any) -> None:
    with VirtualClock() as clock:
        table = Table(sock, close_timeout=3.0)
        table.feed(Close(*table.who))
        clock.advance(2.9)
        assert table.told() == []
        clock.advance(0.2)
        assert table.told() == [("raw close", *table.who)]
        clock.advance(60)
        assert table.told() == []


def test_a_peer_may_be_given_all_the_time() -> None:
    with VirtualClock() as clock:
        table = Table(close_timeout=None)
        table.feed(Close())
        clock.advance(1e6)
        assert table.told() == []


# -- what goes wrong ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "code", "problem"),
    [
        (b"\x83\x80KEY?", 1002, "1002: unknown opcode 3"),
        (b"\x81\x81\0\0\0\0\xff", 1007, "1007: text that is not UTF-8"),
        (b"\x82\xff" + struct.pack("!Q", 1 << 40) + b"KEY?", 1009, "1009: message of"),
    ],
)
def test_a_peer_that_breaks_the_rules(data: bytes, code: int, problem: str) -> None:
    table = Table("A")
    told = table.arrives(table.peer.send("good") + data)
    assert [entry[0] for entry in told] == ["read", "sent", "socket_error", "raw close"]
    assert told[1][1].code == code
    assert problem in told[2][2]
    assert table.arrives(b"more") == []


def test_a_long_problem_fits_into_a_close_frame() -> None:
    table = Table("A", deflate=Deflate())
    told = table.arrives(b"\x81\x01x")
    assert [entry[0] for entry in told] == ["sent", "socket_error", "raw close"]


def test_a_peer_that_breaks_the_rules_while_we_close() -> None:
    table = Table("A")
    table.feed(Close("A"))
    assert [entry[0] for entry in table.arrives(b"\xff\xff")] == ["socket_error", "raw close"]


def test_nothing_happens_after_the_end() -> None:
    table = Table("A")
    table.arrives(table.peer.send_close())
    assert table.feed(Close("A"), Write("A", "x")) == [("close", "A")]


def test_messages_are_limited() -> None:
    table = Table("A", max_size=10)
    assert table.arrives(table.peer.send("x" * 10)) == [("read", "A", "x" * 10)]
    told = table.arrives(table.peer.send("x" * 11))
    assert told[0][1].code == 1009


def test_compression() -> None:
    table = Table("A", deflate=Deflate())
    assert table.arrives(table.peer.send("x" * 1000)) == [("read", "A", "x" * 1000)]
    assert table.feed(Write("A", "y" * 1000)) == [("sent", "y" * 1000)]


# -- silence -----------------------------------------------------------------------------------


def test_a_silent_peer_is_pinged_and_then_given_up(table: Table) -> None:
    with VirtualClock() as clock:
        table = Table(*table.who, ping_interval=5.0)
        clock.advance(5.1)
        assert table.told() == [("sent", Ping())]
        table.arrives(table.peer.send_pong())
        clock.advance(5.1)
        assert table.told() == [("sent", Ping())]
        clock.advance(5.1)
        told = table.told()
        assert [entry[0] for entry in told] == ["sent", "socket_error", "raw close"]
        assert told[0][1] == CloseFrame(1011, "no answer to a ping")
        assert "does not answer" in told[1][-1]
        clock.advance(60)
        assert table.told() == []


def test_the_error_of_a_silent_peer_is_a_timeout() -> None:
    with VirtualClock() as clock:
        table = Table(ping_interval=5.0)
        for _ in range(2):
            clock.advance(5.1)
            settle(table)
        (record,) = table.recorder.named("socket_error")
        assert isinstance(record.args[0], TimeoutError)


def test_a_connection_that_closes_is_not_pinged() -> None:
    with VirtualClock() as clock:
        table = Table(ping_interval=1.0, close_timeout=None)
        table.feed(Close())
        clock.advance(10)
        assert table.told() == []


def test_who_does_not_read_is_not_heaped_with_answers(table: Table) -> None:
    table.feed(Pause(*table.who), on="wire")
    pings = b"".join(table.peer.send_ping(b"%d" % number) for number in range(1000))
    assert table.arrives(pings) == []
    assert [e for e in table.feed(Resume("B"), on="wire") if e[0] == "sent"] == []
    assert table.feed(Resume(*table.who), on="wire")[-1] == ("sent", Pong(b"999"))


def test_who_closes_without_reading_gets_one_answer(table: Table) -> None:
    table.feed(Pause(*table.who), on="wire")
    told = table.arrives(table.peer.send_ping() + table.peer.send_close(1000, "bye"))
    assert [entry for entry in told if entry[0] == "sent"] == [("sent", CloseFrame(1000, ""))]


# -- the end of the connection -----------------------------------------------------------------


def test_it_leaves_with_its_connection(table: Table) -> None:
    end = Disconnect("A") if table.who else Disconnected()
    if table.who:
        table.feed(Disconnect("B"), on="wire")
        assert table.codec in flatten(table)
    table.feed(end, on="wire")
    assert table.codec not in list(flatten(table))


def test_nothing_is_due_after_the_end(table: Table) -> None:
    with VirtualClock() as clock:
        table = Table(*table.who, ping_interval=1.0)
        table.feed(Close(*table.who))
        table.feed(Disconnect("A") if table.who else Disconnected(), on="wire")
        table.recorder.clear()
        clock.advance(100)
        assert table.told() == []
        assert len(table._tree_engine.schedule) == 0


def test_it_may_be_taken_out_by_hand(table: Table) -> None:
    with VirtualClock():
        table = Table(*table.who, ping_interval=1.0)
        table.codec.unregister()
        settle(table)
        assert len(table._tree_engine.schedule) == 0
        seen: list[Any] = []
        table.wire.addHandler(_watcher(seen))
        table.arrives(table.peer.send("x"))
        assert len(seen) == 1


def test_another_transport() -> None:
    first, second = Wire(channel="one"), Wire(channel="two")
    root = Manager()
    first.register(root)
    second.register(root)
    codec = WebSocketCodec("A").register(first)
    codec.register(second)
    assert [spec.channel for spec in codec._tree_specs if spec.channel in ("one", "two")] == [
        "two"
    ] * 3
