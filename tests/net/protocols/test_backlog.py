"""Floods: shares for each peer, others in between, nothing lost and nothing in another order."""

from __future__ import annotations

import os
import socket
from typing import Any

import pytest

from circuits import BaseComponent, Component, Event, Manager, handler
from circuits.core._turns import LEAST
from circuits.core._turns import PARTS as SHARE
from circuits.io import File
from circuits.net.protocols import _backlog
from circuits.net.protocols.irc import IRC
from circuits.net.protocols.line import LP, BacklogFullError
from circuits.net.protocols.websocket import WebSocketCodec
from circuits.net.sockets import (
    Disconnect,
    Disconnected,
    Read,
    UNIXClient,
    UNIXServer,
    Write,
)
from circuits.testing import Recorder, settle
from tests._wire.websocket_support import frame

from .protocol_support import Bench

MANY = 5 * SHARE + 3
FLOOD = b"".join(b"%d\n" % number for number in range(MANY))


class Source(BaseComponent):
    """Can be paused, and remembers it."""

    channel = "x"

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[Any, ...]] = []

    @handler("_hold_reading")
    def _on_hold_reading(self, *args: Any) -> None:
        self.told.append(args)


def numbers(told: list[tuple[Any, ...]], *who: Any) -> list[int]:
    return [int(entry[-1]) for entry in told if entry[:-1] == ("line", *who)]


@pytest.mark.parametrize("who", [(), ("A",)])
def test_all_lines_come_in_order_and_the_source_waits(who: tuple[Any, ...]) -> None:
    source, lp = Source(), LP(channel="x")
    bench = Bench(lp, source)
    told = bench.feed(Read(*who, FLOOD), Read(*who, b"999\n"))
    assert numbers(told, *who) == [*range(MANY), 999]
    assert source.told == [(True, *who), (False, *who)]
    assert not lp._backlog.peers


def test_a_share_is_nothing_to_wait_for() -> None:
    source, lp = Source(), LP(channel="x")
    bench = Bench(lp, source)
    assert len(bench.feed(Read("A", b"1\n" * SHARE))) == SHARE
    assert not source.told


def test_others_come_between_the_shares() -> None:
    bench = Bench(LP(channel="x"))
    told = bench.feed(Read("A", FLOOD), Read("B", FLOOD), Read("C", b"7\n" * LEAST))
    order = "".join(entry[1] for entry in told)
    # What may be done at once is used up by the first; the others have a little each.
    assert order.startswith("A" * SHARE + "B" * LEAST + "C" * LEAST)
    rest = order[SHARE + 2 * LEAST :]
    assert rest.startswith("A" * SHARE + "B" * SHARE + "A" * SHARE + "B" * SHARE)
    assert numbers(told, "A") == numbers(told, "B") == [*range(MANY)]


def test_what_is_fired_elsewhere_waits_for_one_share_only() -> None:
    class Other(Component):
        channel = "elsewhere"
        lines = 0
        seen: tuple[int, ...] = ()

        @handler("line", channel="x")
        def _on_line(self, *args: Any) -> None:
            self.lines += 1

        @handler("go")
        def _on_go(self) -> None:
            self.seen += (self.lines,)
            if len(self.seen) < 4:
                self.fire(Event.create("go"))

    other = Other()
    bench = Bench(LP(channel="x"), other)
    bench.fire(Read("A", b"1\n" * 20000), "x")
    bench.fire(Event.create("go"), "elsewhere")
    settle(bench, lambda: len(other.seen) == 4)
    assert max(other.seen) <= 2 * SHARE


def test_the_end_comes_behind_the_last_line() -> None:
    lp = LP(channel="x")
    bench = Bench(lp)
    told = bench.feed(Read("A", FLOOD), Disconnect("A"), Read("B", b"1\n"))
    told = [entry for entry in told if entry[1:2] == ("A",)]
    # Who records everything sees it when it comes, and when it is fired again.
    assert [entry[0] for entry in told] == ["disconnect", *["line"] * MANY, "disconnect"]
    assert not lp._backlog.peers
    assert "A" not in lp._decoders


@pytest.mark.parametrize("end", [Disconnected, lambda: Event.create("eof")])
def test_others_hear_of_the_end_once_and_last(end: Any) -> None:
    seen: list[Any] = []

    class Hears(Component):
        channel = "x"

        def line(self, line: str) -> None:
            seen.append(int(line))

        @handler("disconnected", "eof")
        def _on_end(self) -> None:
            seen.append("end")

    Bench(LP(channel="x"), Hears()).feed(Read(FLOOD), end(), Read(b"1000\n"))
    assert seen == [*range(MANY), "end", 1000]


@pytest.mark.parametrize("who", [(), ("A",)])
def test_a_source_that_cannot_wait_has_a_limit(
    who: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_backlog, "LIMIT_BYTES", 20)
    bench = Bench(LP(channel="x"))
    reads = [Read(*who, b"1\n" * 99), Read(*who, b"2\n" * 9), *[Read(*who, b"3\n")] * 9]
    told = bench.feed(*reads, Read(*who, b"4"))
    problems = [entry[-1] for entry in told if entry[0] == "socket_error"]
    assert [type(problem) for problem in problems] == [BacklogFullError]
    assert "cannot be paused" in str(problems[0])
    assert numbers(told, *who) == [1] * 99 + [2] * 9 + [3]
    # What came in pieces is not joined with what comes now.
    assert numbers(bench.feed(Read(*who, b"5\n6\n")), *who) == [6]


def test_many_small_reads_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_backlog, "LIMIT_READS", 5)
    told = Bench(LP(channel="x")).feed(Read(b"1\n" * 99), *[Read(b"2\n")] * 9)
    assert numbers(told) == [1] * 99 + [2] * 5
    assert sum(entry[0] == "socket_error" for entry in told) == 1


def test_what_was_read_may_be_used_again_by_its_owner() -> None:
    data = bytearray(b"2\n")
    bench = Bench(LP(channel="x"))
    bench.fire(Read(FLOOD), "x")
    bench.fire(Read(data), "x")
    bench.flush()
    data[:] = b"9\n"
    assert numbers(bench.told()) == [*range(MANY), 2]


def test_a_component_that_leaves_hands_out_everything() -> None:
    source, lp = Source(), LP(channel="x")
    bench = Bench(lp, source)
    bench.fire(Read("A", FLOOD), "x")
    bench.fire(Read("A", b"999\n"), "x")
    bench.flush()
    assert lp._backlog.peers
    lp.unregister()
    assert numbers(bench.told(), "A") == [*range(MANY), 999]
    assert source.told == [(True, "A"), (False, "A")]


def test_stored_beginnings_of_lines_are_asked_for_in_order() -> None:
    rests: dict[Any, Any] = {}
    lp = LP(channel="x", getBuffer=rests.get, updateBuffer=rests.__setitem__)
    told = Bench(lp).feed(Read("A", FLOOD + b"99"), Read("A", b"9\n"))
    assert numbers(told, "A") == [*range(MANY), 999]
    assert rests == {"A": b""}


def test_irc_answers_a_flood_in_shares() -> None:
    source = Source()
    bench = Bench(IRC(channel="x"), source)
    told = bench.feed(Read("A", b"PING :1\r\n" * MANY), Read("B", b"PING :2\r\n"))
    writes = [entry[1] for entry in told if entry[0] == "write"]
    assert writes.index("B") < 2 * SHARE
    assert writes.count("A") == MANY
    assert source.told == [(True, "A"), (False, "A")]


# -- sources ---------------------------------------------------------------------------------------


class Echo(Component):
    channel = "server"

    def line(self, sock: Any, line: str) -> None:
        self.fire(Write(sock, f"{line}\n".encode()))


@pytest.mark.parametrize("is_observed", [False, True])
def test_who_has_finished_writing_gets_all_the_answers(tmp_path: Any, is_observed: bool) -> None:
    class App(Manager):
        pass

    app = App()
    server = UNIXServer(str(tmp_path / "s"), channel="server", bufsize=65536).register(app)
    LP(channel="server").register(server)
    Echo().register(app)
    if is_observed:  # then every read is an event
        Recorder().register(app)
    answer = b""
    with app.running():
        settle(app)
        with socket.socket(socket.AF_UNIX) as peer:
            peer.connect(str(tmp_path / "s"))
            peer.sendall(FLOOD * 20)
            peer.shutdown(socket.SHUT_WR)
            peer.setblocking(False)
            while True:
                app.tick(0.01)
                try:
                    data = peer.recv(65536)
                except BlockingIOError:
                    continue
                if not data:
                    break
                answer += data
    assert answer == FLOOD * 20


def test_a_server_reads_nothing_while_a_client_has_a_backlog(tmp_path: Any) -> None:
    app = Manager()
    server = UNIXServer(str(tmp_path / "s"), channel="server", bufsize=4096).register(app)
    lp = LP(channel="server").register(server)
    counted: list[tuple[int, bool]] = []

    class Watch(Component):
        channel = "server"

        def read(self, sock: Any, data: bytes) -> None:
            counted.append((len(data), bool(lp._backlog.peers.get((sock,)))))

    Watch().register(app)
    with app.running(), socket.socket(socket.AF_UNIX) as peer:
        settle(app)
        peer.connect(str(tmp_path / "s"))
        peer.sendall(b"1\n" * 8192)
        settle(app, lambda: sum(size for size, _ in counted) == 16384)
    waited = [was_waiting for _, was_waiting in counted]
    assert len(waited) > 1
    # The protocol is asked before the watcher; a read while it had something would have two in a row.
    assert waited == [True] * len(waited)
    assert not any(connection.is_backlogged for connection in server._connections.values())


def test_a_pause_of_the_application_stays(tmp_path: Any) -> None:
    app = Manager()
    client = UNIXClient(channel="client").register(app)
    LP(channel="client").register(app)
    recorder = Recorder().register(app)
    listener = socket.socket(socket.AF_UNIX)
    with listener, app.running():
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        settle(app)
        client.connect(str(tmp_path / "s"))
        settle(app)
        peer, _ = listener.accept()
        with peer:
            peer.sendall(FLOOD)
            settle(app, lambda: recorder.named("line"))
            client.pause_reading()
            peer.sendall(b"999\n")
            settle(app)
            assert len(recorder.named("line")) == MANY
            client.resume_reading()
            settle(app, lambda: len(recorder.named("line")) > MANY)


def test_a_file_is_read_as_its_lines_are_handled(tmp_path: Any) -> None:
    path = tmp_path / "lines"
    path.write_bytes(FLOOD * 50)
    app = Manager()
    file = File(str(path), channel="x").register(app)
    lp = LP(channel="x").register(app)
    kept: list[int] = []

    class Watch(Component):
        channel = "x"

        def line(self, line: str) -> None:
            kept.append(sum(len(waiting.entries) for waiting in lp._backlog.peers.values()))

    Watch().register(app)
    recorder = Recorder(ignore=("generate_events",)).register(app)
    with app.running():
        settle(app, lambda: recorder.named("closed"))
    names = [record.name for record in recorder.records]
    assert names.count("line") == 50 * MANY
    assert max(i for i, name in enumerate(names) if name == "line") < names.index("eof")
    assert max(kept) == 0
    assert file._holds == 0


def test_a_pipe_that_is_held_keeps_what_its_writer_has_left() -> None:
    reading, writing = os.pipe()
    app = Manager()
    File(os.fdopen(reading, "rb"), channel="x", bufsize=600).register(app)
    LP(channel="x").register(app)
    recorder = Recorder().register(app)
    with app.running():
        os.write(writing, FLOOD * 5)
        os.close(writing)
        settle(app, lambda: recorder.named("closed"))
    assert len(recorder.named("line")) == 5 * MANY
    assert len(recorder.named("eof")) == 1


# -- WebSocket -------------------------------------------------------------------------------------

FRAMES = 100


@pytest.mark.parametrize("end", [None, Disconnect("A"), "unregister"])
def test_websocket_messages_come_in_shares(end: Any) -> None:
    class Wire(Source):
        channel = "wire"

    wire = Wire()
    bench = Bench(wire, on="wire")
    codec = WebSocketCodec("A", channel="ws").register(wire)
    settle(bench)
    bench.recorder.clear()
    bench.fire(Read("A", b"".join(frame(1, b"%d" % n) for n in range(FRAMES))), "wire")
    bench.flush()
    assert wire.told == [(True, "A")]
    assert codec.is_full
    if end == "unregister":
        codec.unregister()
    elif end is not None:
        bench.fire(end, "wire")
    settle(bench)
    messages = [r.args[1] for r in bench.recorder.named("read") if "ws" in r.channels]
    assert messages == [str(n) for n in range(FRAMES)]
    assert wire.told == [(True, "A"), (False, "A")]
    assert not codec.is_full


def test_a_websocket_whose_transport_cannot_wait_goes_on() -> None:
    class Wire(BaseComponent):
        channel = "wire"

    wire = Wire()
    bench = Bench(wire, on="wire")
    WebSocketCodec("A", channel="ws").register(wire)
    settle(bench)
    bench.recorder.clear()
    bench.fire(Read("A", frame(1, b"x") * FRAMES), "wire")
    settle(bench)
    assert len([r for r in bench.recorder.named("read") if "ws" in r.channels]) == FRAMES
