"""Replays of recordings that are written by hand: also by applications that have changed since."""

from __future__ import annotations

import errno
import socket
import struct
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from circuits import Component, Event, Manager, Timer
from circuits.app import Recording
from circuits.app._recording_file import RecordingFile, pack_number
from circuits.app._recording_values import Codec
from circuits.app._records import Kind
from circuits.app.recording import RecordingError
from circuits.core import _clock
from circuits.net.sockets import TCPServer, UNIXServer, Write
from circuits.testing import Replayed, VirtualClock, replay
from circuits.testing.replaying import ReplayError

_CODEC = Codec(lambda _: None)
_START = 500.0
_DATE = 1_700_000_000.0


def double(number: float) -> bytes:
    return struct.pack("<d", number)


class Script:
    """Writes a recording of a server at port 8000: the listener is 1."""

    def __init__(self, path: Path) -> None:
        self.path = path
        about = {"circuits": "x", "now": _START, "wall": _DATE, "seed": "seed"}
        self.file = RecordingFile(str(path), 1 << 20, 0, about)
        self.look(_START, [])
        names = {"getsockname": ("127.0.0.1", 8000), "getpeername": None}
        self.add(Kind.SOCKET, 1, _CODEC.dump({"listens": True, "kind": 1, **names}))

    def add(self, kind: int, *parts: int | bytes) -> None:
        encoded = [part if isinstance(part, bytes) else pack_number(part) for part in parts]
        self.file.add(kind, b"".join(encoded))

    def look(
        self, now: float, ready: list[tuple[int, int]], *, idle: bool = True, empties: int = 0
    ) -> None:
        entries = b"".join(pack_number(number) + bytes((bits,)) for number, bits in ready)
        self.add(Kind.LOOK, bytes((idle,)), double(now), empties, len(ready), entries)

    def accept(self, now: float, number: int) -> None:
        self.look(now, [(1, 1)])
        names = {"getsockname": ("127.0.0.1", 8000), "getpeername": ("10.0.0.7", 4711)}
        self.add(Kind.ACCEPTED, 1, b"\0", number, _CODEC.dump((("10.0.0.7", 4711), names)))
        self.add(Kind.ACCEPTED, 1, b"\1", errno.EAGAIN)

    def receive(self, now: float, number: int, data: bytes) -> None:
        self.look(now, [(number, 1)])
        self.add(Kind.RECEIVED, number, b"\0", data)

    def sent(self, number: int, data: bytes, count: int | None = None) -> None:
        count = len(data) if count is None else count
        self.add(Kind.SENT, number, b"\0", count, zlib.crc32(data[:count]))

    def done(self) -> Path:
        self.file.close("the application has ended")
        return self.path


@pytest.fixture
def script(tmp_path: Path) -> Script:
    return Script(tmp_path / "by-hand.rec")


class Base(Component):
    channel = "server"
    bufsize = 4096

    def init(self) -> None:
        self.server = TCPServer(("127.0.0.1", 8000), bufsize=self.bufsize).register(self)
        self.heard: list[Any] = []

    def connect(self, sock: Any, host: str, port: int) -> None:
        self.heard.append((host, port, sock.getpeername(), isinstance(sock, socket.socket)))

    def disconnect(self, sock: Any) -> None:
        self.heard.append("gone")


class Echo(Base):
    def read(self, sock: Any, data: bytes) -> None:
        self.heard.append(data)
        self.fire(Write(sock, data.upper()))


def hello(script: Script) -> Path:
    script.accept(501.0, 2)
    script.receive(502.0, 2, b"hello")
    script.sent(2, b"HELLO")
    script.receive(503.0, 2, b"")
    return script.done()


def heard(replayed: Replayed) -> list[Any]:
    app: Any = replayed.app
    return list(app.heard)


def test_a_server_gets_its_clients(script: Script) -> None:
    replayed = replay(hello(script), Echo)
    peer = ("10.0.0.7", 4711)
    assert heard(replayed) == [(*peer, peer, True), b"hello", "gone"]
    assert replayed.sent == {2: b"HELLO"}
    assert (replayed.errors, replayed.lost, replayed.diverged_at) == ([], [], None)
    lines = replayed.trace.splitlines()
    assert "    1.000000 connect [server] (#2, '10.0.0.7', 4711)" in lines
    assert "    2.000000 sent #2 b'HELLO'" in lines
    assert lines[-1] == "    3.000000 disconnect [server] (#2)"


def test_no_port_is_bound(script: Script) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        class Here(Echo):
            def init(self) -> None:
                self.server = TCPServer(("127.0.0.1", port)).register(self)
                self.heard = []

        assert replay(hello(script), Here).errors == []


def test_a_path_is_only_a_name(script: Script, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))  # of a process that serves there

        class Here(Component):
            def init(self) -> None:
                UNIXServer(str(path), mode=0o600, remove=True).register(self)

        replay(script.done(), Here)
        assert path.is_socket()


def test_everything_is_as_before_afterwards(script: Script) -> None:
    before = (_clock.now, _clock.wall, _clock.random_bytes, _clock.new_id)
    path = hello(script)
    with pytest.raises(ZeroDivisionError):
        replay(path, lambda: 1 // 0)  # type: ignore[arg-type,return-value]
    replay(path, Echo)
    assert (_clock.now, _clock.wall, _clock.random_bytes, _clock.new_id) == before
    with Recording(path.with_suffix(".new")).register(Component()).root.running():
        pass


def test_a_recording_of_the_application_records_nothing(script: Script, tmp_path: Path) -> None:
    class Recorded(Echo):
        def init(self) -> None:
            Recording(tmp_path / "again.rec").register(self)
            super().init()

    assert b"hello" in heard(replay(hello(script), Recorded))
    assert not (tmp_path / "again.rec").exists()


# -- applications that have changed ------------------------------------------------------------


def test_one_that_reads_less_at_a_time_gets_the_rest(script: Script) -> None:
    class Small(Echo):
        bufsize = 2

    script.accept(501.0, 2)
    script.receive(502.0, 2, b"hello")
    script.receive(503.0, 2, b" all")
    script.look(504.0, [(2, 1)])
    script.look(505.0, [(2, 1)])
    replayed = replay(script.done(), Small)
    assert b"".join(data for data in heard(replayed)[1:] if isinstance(data, bytes)) == b"hello all"


def test_one_that_answers_something_else_is_told_apart(script: Script) -> None:
    class Other(Base):
        def read(self, sock: Any, data: bytes) -> None:
            self.fire(Write(sock, b"something else"))

    replayed = replay(hello(script), Other)
    assert replayed.sent == {2: b"something else"}
    assert replayed.diverged_at == (2.0, 2)
    assert "from 2.000 s on it is not what was recorded: #2" in replayed.report()


def test_one_that_is_busier_gets_everything(script: Script) -> None:
    class Busy(Base):
        def read(self, sock: Any, data: bytes) -> Iterator[None]:
            for _ in range(50):
                self.fire(Event.create("more"))
                yield
            self.fire(Write(sock, data.upper()))

    assert replay(hello(script), Busy).sent == {2: b"HELLO"}


def test_one_that_never_waits_is_given_up(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("circuits.testing._player._PATIENCE", 100)

    class Endless(Echo):
        def started(self, manager: Manager) -> None:
            self.fire(Event.create("started", manager), "server")

    with pytest.raises(ReplayError, match="the application never waits"):
        replay(hello(script), Endless)


def test_one_that_asks_for_other_randomness_gets_the_same_each_time(script: Script) -> None:
    class Random(Base):
        def read(self, sock: Any, data: bytes) -> None:
            sizes = (8, 5, 8)
            self.heard += [_clock.random_bytes(size) for size in sizes]
            self.heard += [_clock.new_id(), _clock.new_id(), _clock.wall() - _DATE]

    script.accept(501.0, 2)
    script.receive(502.0, 2, b"x")
    script.add(Kind.RANDOM, b"recorded")
    script.add(Kind.ID, 7)
    path = script.done()
    first, again = (heard(replay(path, Random)) for _ in range(2))
    assert first == again
    assert first[1] == b"recorded"
    assert len(first[2]) == 5
    assert first[3] != b"recorded"
    assert first[4:] == [7, 8, 2.0, "gone"]


def test_timers_follow_the_recorded_clock(script: Script) -> None:
    class Timed(Echo):
        def init(self) -> None:
            super().init()
            Timer(1.5, Event.create("due")).register(self)

        def due(self) -> None:
            self.heard.append(_clock.now())

    script.look(501.0, [])
    script.look(502.0, [])
    script.look(503.0, [])
    assert heard(replay(script.done(), Timed)) == [502.0]


def test_readings_are_given_in_their_order(script: Script) -> None:
    class Asks(Base):
        def read(self, sock: Any, data: bytes) -> None:
            self.heard += [_clock.now() for _ in range(4)]

    script.accept(501.0, 2)
    script.receive(502.0, 2, b"x")
    for reading in (502.1, 502.2):
        script.add(Kind.NOW, double(reading))
    assert heard(replay(script.done(), Asks))[1:] == [502.1, 502.2, 502.2, 502.2, "gone"]


def test_what_the_system_did_not_take_is_not_taken(script: Script) -> None:
    script.accept(501.0, 2)
    script.receive(502.0, 2, b"hello")
    script.sent(2, b"HELLO", 2)
    script.look(503.0, [(2, 2)])
    script.add(Kind.SENT, 2, b"\1", errno.EAGAIN)
    script.look(504.0, [(2, 2)])
    script.sent(2, b"LLO")
    replayed = replay(script.done(), Echo)
    assert replayed.sent == {2: b"HELLO"}
    assert replayed.diverged_at is None
    sent = [line.split() for line in replayed.trace.splitlines() if " sent " in line]
    assert [(time, data) for time, _, _, data in sent] == [
        ("2.000000", "b'HE'"),
        ("4.000000", "b'LLO'"),
    ]


def test_errors_of_connections_come_back(script: Script) -> None:
    class Failing(Echo):
        def socket_error(self, sock: Any, problem: OSError) -> None:
            self.heard.append(problem.errno)

    script.accept(501.0, 2)
    script.look(502.0, [(2, 1)])
    script.add(Kind.RECEIVED, 2, b"\1", errno.ECONNRESET)
    assert heard(replay(script.done(), Failing))[1:] == [errno.ECONNRESET, "gone"]


def test_what_the_threads_of_a_replay_fire_is_not_heard(script: Script) -> None:
    class Threaded(Base):
        def read(self, sock: Any, data: bytes) -> None:
            thread = threading.Thread(target=lambda: self.fire(Event.create("own")))
            thread.start()
            thread.join()

    assert " own " not in replay(hello(script), Threaded).trace


def test_a_socket_that_was_not_there_is_named(script: Script) -> None:
    class More(Echo):
        def init(self) -> None:
            super().init()
            TCPServer(("127.0.0.1", 9)).register(self)

    assert replay(hello(script), More).lost == ["a socket that was not there when it was recorded"]


def test_exit_statuses_of_then_end_nothing(script: Script) -> None:
    class Exits(Base):
        def read(self, sock: Any, data: bytes) -> None:
            raise SystemExit(3)

    replayed = replay(hello(script), Exits)
    assert "stopped" in replayed.trace


# -- refusals ----------------------------------------------------------------------------------


def test_what_is_no_application_is_refused(script: Script) -> None:
    with pytest.raises(ReplayError, match="must return a component, not 5"):
        replay(script.done(), lambda: 5)  # type: ignore[arg-type,return-value]


def test_a_process_that_is_recorded_replays_nothing(script: Script, tmp_path: Path) -> None:
    recording = Recording(tmp_path / "other.rec")
    try:
        with pytest.raises(RuntimeError, match="this process is being recorded"):
            replay(script.done(), Echo)
    finally:
        recording.close()


@pytest.mark.parametrize(
    "record",
    [
        (Kind.LOOK, b""),
        (Kind.LOOK, b"\1" + bytes(8) + b"\0\5"),
        (Kind.NOW, b"123"),
        (Kind.SOCKET, b"\1{}"),
        (Kind.ACCEPTED, b"\1\0\2[]"),
        (Kind.ERROR, b"5"),
        (ord("?"), b"\1"),
    ],
    ids=str,
)
def test_records_that_say_nothing_are_refused(script: Script, record: tuple[int, bytes]) -> None:
    script.add(*record)
    with pytest.raises(RecordingError, match="it is damaged: a record says nothing of use"):
        replay(script.done(), Echo)


def test_under_a_virtual_clock_it_has_its_own(script: Script) -> None:
    with VirtualClock(7.0) as clock:
        replayed = replay(hello(script), Echo)
        assert _clock.now() == clock.now == 7.0
    assert replayed.trace.splitlines()[-1].startswith("    3.0")
