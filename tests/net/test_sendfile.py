"""Files that the kernel sends: over pairs of real sockets, since it takes nothing else."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from circuits.net._connection import Connection, Limits, State

from .net_fakes import Poller

pytestmark = pytest.mark.skipif(not hasattr(os, "sendfile"), reason="needs sendfile")

CONTENT = bytes(range(256)) * 20_000  # more than any socket takes at once


class Owner:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self._poller: Any = Poller()
        self.told: list[Any] = []

    def _connection_failed(self, connection: Connection, problem: OSError) -> None:
        self.told.append(problem.errno)

    def _connection_closed(self, connection: Connection) -> None:
        self.told.append("closed")

    def _connection_congested(self, connection: Connection, is_congested: bool) -> None:
        self.told.append("pause" if is_congested else "resume")

    def _connection_blocked(self, connection: Connection) -> None:
        self.told.append("blocked")


class Case:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.here, self.there = socket.socketpair()
        self.here.setblocking(False)
        self.there.setblocking(False)
        self.owner = Owner()
        self.connection = Connection(self.owner, self.here, Limits())  # type: ignore[arg-type]

    def send(self, offset: int = 0, count: int = len(CONTENT)) -> int:
        with self.path.open("rb") as file:
            return self.connection.send_file(file, offset, count)

    def received(self) -> bytes:
        """What has arrived by now."""
        pieces = []
        try:
            while piece := self.there.recv(1_000_000):
                pieces.append(piece)
        except BlockingIOError:
            pass
        return b"".join(pieces)

    def receive_all(self) -> bytes:
        """What arrives while the connection is told that it may write."""
        pieces = [self.received()]
        while self.connection.is_blocked:
            self.connection.flush()
            pieces.append(self.received())
        return b"".join(pieces)


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Case]:
    path = tmp_path / "content"
    path.write_bytes(CONTENT)
    made = Case(path)
    yield made
    made.connection.finish()
    made.there.close()


def test_a_small_part_leaves_at_once(case: Case) -> None:
    assert case.send(10, 1000) == 1000
    assert case.received() == CONTENT[10:1010]
    assert not case.connection.is_blocked
    assert case.owner.told == []


def test_what_does_not_fit_is_sent_later_from_a_file_that_is_closed_already(case: Case) -> None:
    assert case.send() == len(CONTENT)
    assert case.connection.is_sending_file
    assert case.owner.told == ["pause", "blocked"]
    assert case.here in case.owner._poller.writing
    assert case.here not in case.owner._poller.reading  # who does not read may not ask for more
    assert case.receive_all() == CONTENT
    assert case.owner.told == ["pause", "blocked", "resume"]
    assert case.here not in case.owner._poller.writing


def test_what_is_written_later_comes_later(case: Case) -> None:
    case.send()
    case.connection.write(b"and then")
    assert case.receive_all() == CONTENT + b"and then"


def test_a_close_waits_for_the_file(case: Case) -> None:
    case.send()
    case.connection.close()
    assert case.connection.state is State.DRAINING
    assert case.receive_all() == CONTENT
    assert case.owner.told == ["pause", "blocked", "closed"]


def test_the_end_of_output_waits_for_the_file(case: Case) -> None:
    case.send()
    case.connection.end_output()
    assert case.receive_all() == CONTENT
    assert case.there.recv(1) == b""
    assert case.connection.state is State.RECEIVING


def test_nothing_is_sent_behind_what_is_pending_or_after_the_end(case: Case) -> None:
    case.connection.write(CONTENT)
    assert case.send() == 0
    case.receive_all()
    case.connection.close()
    assert case.send() == 0


def test_nothing_is_begun_when_nothing_fits(case: Case) -> None:
    with pytest.raises(BlockingIOError):
        while True:
            case.here.send(CONTENT)
    assert case.send() == 0
    assert not case.connection.is_blocked


def test_a_file_that_is_too_short_from_the_beginning(case: Case) -> None:
    assert case.send(len(CONTENT) - 10, 50) == 10  # whoever reads the rest finds out
    assert case.owner.told == []


def test_a_file_that_shrinks_meanwhile_ends_the_connection(case: Case) -> None:
    case.send()
    os.truncate(case.path, 10)
    case.received()
    case.connection.flush()
    assert case.owner.told == ["pause", "blocked", errno.EIO, "closed"]


def test_a_peer_that_goes_ends_it(case: Case) -> None:
    case.send()
    case.there.close()
    case.connection.flush()
    assert case.owner.told[2:] == [errno.EPIPE, "closed"]


def test_a_peer_that_has_gone_before(case: Case) -> None:
    case.there.close()
    assert case.send() == 0
    assert case.owner.told == [errno.EPIPE, "closed"]


def test_no_descriptor_is_left(case: Case) -> None:
    before = len(os.listdir("/proc/self/fd"))
    case.send()
    assert len(os.listdir("/proc/self/fd")) == before + 1
    case.connection.finish()
    assert len(os.listdir("/proc/self/fd")) == before - 1  # that of the connection, too


def test_without_descriptors_the_rest_is_left_to_others(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dup(number: int) -> int:
        raise OSError(errno.EMFILE, "too many")

    monkeypatch.setattr("circuits.net._sendfile.os.dup", dup)
    assert 0 < case.send() < len(CONTENT)
    assert not case.connection.is_sending_file


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOSYS])
def test_what_the_kernel_cannot_send_is_left_to_others(
    case: Case, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def sendfile(*args: Any) -> int:
        raise OSError(number, "not this one")

    monkeypatch.setattr("circuits.net._sendfile.os.sendfile", sendfile)
    assert case.send() == 0
    assert case.owner.told == []


def test_a_descriptor_will_do(case: Case) -> None:
    number = os.open(case.path, os.O_RDONLY)
    try:
        assert case.connection.send_file(number, 0, 5) == 5
    finally:
        os.close(number)
    assert case.received() == CONTENT[:5]
