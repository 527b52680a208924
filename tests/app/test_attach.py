"""circuits.app.attach: lines of JSON over a UNIX socket, for one user only."""

from __future__ import annotations

import json
import os
import socket
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from circuits import Component, Event
from circuits.app.attach import Attach, socket_folder, socket_path
from circuits.testing import VirtualClock, settle

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="UNIX sockets")


class Ping(Event):
    """Something happened."""


class App(Component):
    channel = "app"

    def ping(self, *args: Any) -> None: ...


class Peer:
    """Who looks, in the thread of the application."""

    def __init__(self, app: Any, path: str) -> None:
        self._app = app
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)
        self._socket.setblocking(False)
        self._rest = b""
        self.is_over = False
        settle(app, until=clock_of(app).now)

    def send(self, data: bytes | dict[str, Any]) -> None:
        self._socket.send(data if isinstance(data, bytes) else json.dumps(data).encode() + b"\n")

    def messages(self, seconds: float = 0.0) -> list[Any]:
        settle(self._app, until=clock_of(self._app).now + seconds)
        while True:
            try:
                data = self._socket.recv(1 << 20)
            except BlockingIOError:
                break
            if not data:
                self.is_over = True
                break
            self._rest += data
            settle(self._app, until=clock_of(self._app).now)
        *lines, self._rest = self._rest.split(b"\n")
        return [json.loads(line) for line in lines]

    def close(self) -> None:
        self._socket.close()
        settle(self._app, until=clock_of(self._app).now)


_CLOCKS: list[VirtualClock] = []


def clock_of(app: Any) -> VirtualClock:
    return _CLOCKS[-1]


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Any]:
    with VirtualClock() as clock:
        _CLOCKS.append(clock)
        app = App()
        app.attach = Attach(tmp_path / "app.sock").register(app)  # type: ignore[attr-defined]
        with app.running():
            settle(app)
            yield app


@pytest.fixture
def connect(app: Any, tmp_path: Path) -> Iterator[Callable[[], Peer]]:
    peers: list[Peer] = []

    def make() -> Peer:
        peers.append(Peer(app, str(tmp_path / "app.sock")))
        return peers[-1]

    yield make
    for peer in peers:
        peer.close()


def test_only_its_user_may_connect(app: Any, tmp_path: Path) -> None:
    assert stat.S_IMODE((tmp_path / "app.sock").stat().st_mode) == 0o600


def test_who_asks_is_told(app: Any, connect: Callable[[], Peer]) -> None:
    peer = connect()
    peer.send({"seconds": 1})
    assert [message["type"] for message in peer.messages()] == ["tree", "state", "errors"]
    app.fire(Ping("x"))
    [state, tick] = peer.messages(1.5)
    assert state["type"] == "state"
    assert [(trace["name"], trace["args"]) for trace in tick["traces"]] == [("ping", "'x'")]
    assert peer.messages(1)[-1]["traces"] == []


def test_it_may_choose(app: Any, connect: Callable[[], Peer]) -> None:
    peer, other = connect(), connect()
    peer.send({"names": ["other*"], "state": False, "payloads": False})
    other.send({"limit": None, "seconds": 0.5})
    peer.messages(), other.messages()
    app.fire(Ping("x"))
    app.fire(Event.create("other_one", "y"))
    [tick] = peer.messages(1.2)
    assert [(trace["name"], trace["args"]) for trace in tick["traces"]] == [("other_one", None)]
    seen = [
        trace["name"]
        for one in other.messages()
        if one["type"] == "tick"
        for trace in one["traces"]
    ]
    assert seen == ["ping", "other_one"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"hello\n", "Expecting value"),
        (b"[]\n", "a request is a JSON object"),
        (b'{"names": "x"}\n', "names is a list of texts"),
        (b'{"limit": "many"}\n', "limit is a number"),
        (b'{"seconds": null}\n', "seconds is a number"),
        (b'{"seconds": NaN}\n', "seconds is a number"),
        (b"x" * 70_000, "longer than 65536 bytes"),
        (b"[" * 60_000 + b"\n", ""),
    ],
)
def test_nonsense_is_refused(
    app: Any, connect: Callable[[], Peer], line: bytes, reason: str
) -> None:
    peer = connect()
    peer.send(line)
    [message] = peer.messages()
    assert message["type"] == "refused"
    assert reason in message["reason"]
    peer.messages(1)
    assert peer.is_over
    assert app._tree_engine.append == app._tree_engine.queue.append  # nobody looks


@pytest.mark.parametrize("number", ["1" + "0" * 400, "-1" + "0" * 400, "Infinity", "1e9"])
def test_numbers_without_measure_harm_nobody(
    app: Any, connect: Callable[[], Peer], number: str
) -> None:
    peer = connect()
    limit = 200 if number == "Infinity" else number
    peer.send(f'{{"seconds": {number}, "limit": {limit if limit != "1e9" else 5}}}\n'.encode())
    assert [one["type"] for one in peer.messages()] == ["tree", "state", "errors"]
    before = []
    app._tree_engine.schedule.call_in(30, lambda: before.append(app.fire(Ping())))
    [*_, tick] = peer.messages(60.5)
    assert before
    assert tick["type"] == "tick"


def test_when_everybody_has_gone_nobody_looks(app: Any, connect: Callable[[], Peer]) -> None:
    engine = app._tree_engine
    plain = engine.append
    peer = connect()
    peer.send({})
    peer.messages()
    assert engine.append != plain
    peer.close()
    assert engine.append == plain
    assert app.attach._clients == {}


def test_a_slow_reader_costs_no_memory(app: Any, connect: Callable[[], Peer]) -> None:
    peer = connect()
    peer.send({"limit": None})
    settle(app, until=clock_of(app).now)
    for _ in range(60):
        for _ in range(300):
            app.fire(Ping("x" * 150))
        settle(app, until=clock_of(app).now + 1)
    [client] = app.attach._clients.values()
    assert client.is_slow
    [connection] = app.attach.server._connections.values()
    assert connection.pending_bytes < 4 << 20
    told = [message for _ in range(3) for message in peer.messages(2)]
    dropped = [message["dropped"] for message in told if message["type"] == "tick"]
    assert sum(dropped) > 0  # and it is told so


def test_more_than_a_few_are_sent_away(app: Any, connect: Callable[[], Peer]) -> None:
    peers = [connect() for _ in range(17)]
    told = [peer.messages(0.1) for peer in peers]
    assert told == [[]] * 16 + [[{"type": "refused", "reason": "16 others are looking already"}]]
    assert [peer.is_over for peer in peers] == [False] * 16 + [True]


def test_who_asks_for_nothing_makes_room_for_others(app: Any, connect: Callable[[], Peer]) -> None:
    asks, *silent = [connect() for _ in range(16)]
    asks.send({})
    silent[0].send(b"{")
    for peer in silent:
        [message] = peer.messages(10)
        assert message == {"type": "refused", "reason": "nothing was asked for in 10 seconds"}
        peer.messages()
        assert peer.is_over
    silent[0].close()
    assert asks.messages(1)
    assert not asks.is_over
    late = connect()
    late.send({})
    assert late.messages()


def test_the_application_may_keep_payloads_to_itself(tmp_path: Path) -> None:
    with VirtualClock() as clock:
        _CLOCKS.append(clock)
        app = App()
        Attach(tmp_path / "quiet.sock", payloads=False).register(app)
        with app.running():
            settle(app)
            peer = Peer(app, str(tmp_path / "quiet.sock"))
            peer.send({"payloads": True})
            peer.messages()
            app.fire(Ping("secret"))
            assert "secret" not in json.dumps(peer.messages(1.5))
            peer.close()


def test_the_socket_is_in_a_folder_of_its_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert socket_path(12) == str(tmp_path / "circuits" / "12.sock")
    attach = Attach()
    assert attach.path == socket_path()
    assert stat.S_IMODE(os.stat(socket_folder()).st_mode) == 0o700
    attach.server._close_listener()
    os.chmod(socket_folder(), 0o777)
    with pytest.raises(PermissionError, match="that only its user"):
        Attach()
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert socket_folder().endswith(f"circuits-{os.getuid()}")
