"""The race for the first address that answers."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from circuits import Manager
from circuits.net import sockets
from circuits.net._connecting import interleaved
from circuits.net.sockets import TCPClient
from circuits.testing import MemoryConnection, VirtualClock, settle

from .net_fakes import FakeClient, FakeSocket, fake_socket, stuff
from .test_sockets import Application, Names

Run = Callable[[Manager], Manager]


class Race:
    """A client, and the sockets with which it will try one address after the other."""

    def __init__(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        self._run = run
        self._monkeypatch = monkeypatch
        self.peers: list[MemoryConnection] = []
        self.sockets: list[FakeSocket] = []

    def __call__(self, *outcomes: int, **options: Any) -> Application:
        """Begin; an outcome is an error, 0 for success, or EINPROGRESS for silence."""
        for outcome in outcomes:
            sock, peer = fake_socket(outcome)
            if outcome == errno.EINPROGRESS:
                stuff(sock)
            self.sockets.append(sock)
            self.peers.append(peer)
        self.client = FakeClient(*self.sockets, **options)
        app = Application(self.client)
        self._run(app)
        app.told()
        Names(self._monkeypatch, *(("192.0.2.1", number) for number in range(len(outcomes))))
        self.client.connect("example.org", 80)
        settle(app)
        return app

    def answer(self, number: int) -> None:
        """Let an address answer that has been silent."""
        self.peers[number].received()

    @property
    def tried(self) -> list[bool]:
        return [sock.dialled is not None for sock in self.sockets]

    @property
    def is_open(self) -> list[bool]:
        return [sock.fileno() >= 0 for sock in self.sockets]


@pytest.fixture
def race(
    app_runner: Run, monkeypatch: pytest.MonkeyPatch, virtual_clock: VirtualClock
) -> Iterator[Race]:
    made = Race(app_runner, monkeypatch)
    yield made
    for end in (*made.peers, *made.sockets):
        end.close()


SILENT = errno.EINPROGRESS
REFUSED = errno.ECONNREFUSED


def test_silence_lets_the_next_one_start_beside(race: Race, virtual_clock: VirtualClock) -> None:
    app = race(SILENT, SILENT, 0)
    assert race.tried == [True, False, False]
    settle(app, until=virtual_clock.now + 0.3)
    assert race.tried == [True, True, False]
    race.answer(0)  # late, but before all others
    assert app.told() == [("connected", "example.org", 80)]
    assert race.client._sock is race.sockets[0]
    assert race.is_open == [True, False, True]
    settle(app, until=virtual_clock.now + 10)
    assert race.tried == [True, True, False]


def test_a_refusal_lets_the_next_one_start_at_once(race: Race) -> None:
    app = race(REFUSED, REFUSED, 0)
    assert app.told() == [("connected", "example.org", 80)]


def test_a_late_refusal_lets_the_next_one_start_at_once(race: Race) -> None:
    app = race(SILENT, 0)
    race.sockets[0].error = REFUSED
    race.answer(0)
    assert app.told() == [("connected", "example.org", 80)]
    assert race.client._sock is race.sockets[1]


def test_all_are_waited_for(race: Race, virtual_clock: VirtualClock) -> None:
    app = race(SILENT, REFUSED)
    settle(app, until=virtual_clock.now + 1)
    assert app.told() == []  # the first may answer yet
    race.sockets[0].error = errno.EHOSTUNREACH
    race.answer(0)
    unreachable, told = app.told()
    assert unreachable[:3] == ("unreachable", "example.org", 80)
    assert told[1].errno == errno.EHOSTUNREACH


def test_the_time_limit_ends_all(race: Race, virtual_clock: VirtualClock) -> None:
    app = race(SILENT, SILENT, connect_timeout=2)
    settle(app, until=virtual_clock.now + 1.9)
    assert app.told() == []
    settle(app, until=virtual_clock.now + 0.2)
    unreachable, told = app.told()
    assert (unreachable[0], type(told[1])) == ("unreachable", TimeoutError)
    assert race.is_open == [False, False]


@pytest.mark.parametrize("how", ["close", "unregister"])
def test_giving_up_ends_all(race: Race, virtual_clock: VirtualClock, how: str) -> None:
    app = race(SILENT, SILENT)
    settle(app, until=virtual_clock.now + 1)
    getattr(race.client, how)()
    race.answer(0)
    assert app.told() == []
    assert race.is_open == [False, False]


def test_another_poller_takes_over(race: Race) -> None:
    app = race(SILENT)
    race.client._poller.unregister()  # type: ignore[union-attr]
    settle(app)
    race.answer(0)
    assert app.told() == [("connected", "example.org", 80)]


SIX, FOUR = socket.AF_INET6, socket.AF_INET


def test_families_take_turns_and_nothing_comes_twice() -> None:
    found: list[tuple[int, Any]] = [(SIX, 1), (SIX, 2), (SIX, 1), (SIX, 3), (FOUR, 1), (FOUR, 2)]
    assert interleaved(found) == [(SIX, 1), (FOUR, 1), (SIX, 2), (FOUR, 2), (SIX, 3)]
    assert interleaved([]) == []


def test_a_client_for_both_families(app_runner: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[int, FakeSocket, MemoryConnection]] = []

    class Either(TCPClient):
        def _make_socket(self, family: int) -> Any:
            made.append((family, *fake_socket(REFUSED if family == SIX else 0)))
            return made[-1][1]

    def getaddrinfo(host: str, port: int, family: int, kind: int) -> Any:
        assert family == socket.AF_UNSPEC
        return [
            (SIX, kind, 6, "", ("2001:db8::1", port, 0, 0)),
            (FOUR, kind, 6, "", ("192.0.2.1", port)),
        ]

    monkeypatch.setattr(sockets, "getaddrinfo", getaddrinfo)
    client = Either(socket_family=socket.AF_UNSPEC)
    assert client._sock is None
    app = Application(client)
    app_runner(app)
    app.told()
    client.connect("example.org", 80)
    settle(app, until=lambda: client.connected)
    assert app.told() == [("connected", "example.org", 80)]
    client.close()
    client.connect("::1", 80)  # no name: nothing is looked up
    settle(app)
    client.connect("127.0.0.1", 80)
    settle(app)
    assert [family for family, *_ in made] == [SIX, FOUR, SIX, FOUR]
    client.close()
    for _, sock, peer in made:
        sock.close()
        peer.close()
