"""Connections: sending, draining, limits and errors, without a network and without events."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from typing import Any

import pytest

from circuits import Event
from circuits.net._connection import READ_BYTES, Connection, Limits, State, as_bytes, shut
from circuits.testing import MemoryConnection

from .net_fakes import Poller

SMALL = Limits(high_water=100, low_water=40, max_pending=1000, bufsize=64)

Pairs = Callable[[], tuple[MemoryConnection, MemoryConnection]]


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

    def _reads_finished(self, connection: Connection, *, is_told: bool = False) -> None:
        self.told.append("read")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_connection_"):  # what else a connection may tell
            return lambda *args: None
        raise AttributeError(name)


class Case:
    def __init__(self, pairs: Pairs, limits: Limits = SMALL) -> None:
        self.owner = Owner()
        self.poller = self.owner._poller
        self.here, self.there = pairs()
        self.connection = Connection(self.owner, self.here, limits)
        self.connection.watch()

    @property
    def is_reading(self) -> bool:
        return self.here in self.poller.reading

    @property
    def is_writing(self) -> bool:
        return self.here in self.poller.writing


@pytest.fixture
def case(connections: Pairs) -> Case:
    return Case(connections)


# -- writing --


def test_data_is_sent_at_once(case: Case) -> None:
    case.connection.write(b"hello")
    assert case.there.received() == b"hello"
    assert not case.is_writing
    assert case.connection.pending_bytes == 0


def test_what_was_not_taken_is_kept_and_the_poller_asked(case: Case) -> None:
    case.here.send_limit = 3
    case.connection.write(b"hello")
    assert case.there.received() == b"hel"
    assert case.is_writing
    assert case.connection.pending_bytes == 2
    case.connection.write(b" you")
    assert case.there.received() == b""  # the order stays
    case.here.send_limit = None
    case.connection.flush()
    assert case.there.received() == b"lo you"
    assert not case.is_writing
    assert case.connection.pending_bytes == 0


def test_nothing_to_send_does_nothing(case: Case) -> None:
    case.connection.write(b"")
    case.here.send_limit = 0
    case.connection.write(b"x")
    case.connection.write(b"")
    assert case.connection.pending_bytes == 1


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_any_sizes_of_pieces_arrive_in_order(connections: Pairs, size: int) -> None:
    case = Case(connections, Limits())
    case.here.send_limit = size
    pieces = [bytes([65 + n]) * n for n in range(20)]
    for piece in pieces:
        case.connection.write(piece)
    received = case.there.received()
    while case.connection.pending_bytes:
        case.connection.flush()
        received += case.there.received()
    assert received == b"".join(pieces)
    assert not case.is_writing


def test_many_pieces_leave_in_few_calls(connections: Pairs) -> None:
    case = Case(connections, Limits())
    case.here.send_limit = 0
    for n in range(1000):
        case.connection.write(b"%03d" % n)
    case.here.send_limit = None
    flushes = 0
    while case.connection.pending_bytes:
        case.connection.flush()
        flushes += 1
    assert flushes <= 4
    assert case.there.received() == b"".join(b"%03d" % n for n in range(1000))


@pytest.mark.parametrize("make", [bytearray, lambda data: memoryview(bytearray(data))])
def test_kept_data_is_a_copy(case: Case, make: Any) -> None:
    data = make(b"hello")
    case.here.send_limit = 2
    case.connection.write(data)
    case.connection.write(data)
    data[:] = b"XXXXX"
    case.here.send_limit = None
    case.connection.flush()
    assert case.there.received() == b"hello" * 2


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.EINTR, errno.ENOBUFS])
def test_a_shortage_keeps_the_data(case: Case, number: int) -> None:
    case.here.send_error = OSError(number, "later")
    case.connection.write(b"one")
    case.here.send_error = OSError(number, "later")
    case.connection.flush()
    assert case.connection.pending_bytes == 3
    assert case.is_writing
    case.connection.flush()
    assert case.there.received() == b"one"
    assert case.owner.told == []


@pytest.mark.parametrize("number", [errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN, errno.EIO])
@pytest.mark.parametrize("is_pending", [False, True])
def test_an_error_is_told_and_closes(case: Case, number: int, is_pending: bool) -> None:
    if is_pending:
        case.here.send_limit = 0
        case.connection.write(b"one")
    case.here.send_error = OSError(number, "broken")
    if is_pending:
        case.connection.flush()
    else:
        case.connection.write(b"one")
    assert case.owner.told == [number, "closed"]
    assert case.here.fileno() == -1
    assert not case.is_reading
    assert not case.is_writing


def test_nothing_is_sent_after_the_end(case: Case) -> None:
    case.connection.close()
    case.connection.write(b"late")
    assert case.there.at_end


def test_data_must_be_bytes() -> None:
    assert as_bytes(b"x") == b"x"
    assert as_bytes(bytearray(b"x")) == b"x"
    assert bytes(as_bytes(memoryview(b"xy").cast("H"))) == b"xy"
    for wrong in ("x", 1, None, ["x"]):
        with pytest.raises(TypeError, match=type(wrong).__name__):
            as_bytes(wrong)


# -- peers that do not keep up --


def test_pause_above_the_high_water_mark_and_resume_below_the_low_one(case: Case) -> None:
    case.here.send_limit = 0
    case.connection.write(b"x" * 100)
    assert case.owner.told == []
    case.connection.write(b"x")
    assert case.owner.told == ["pause"]
    assert not case.is_reading  # who does not read is not read from
    case.connection.write(b"x")
    case.here.send_limit = 50
    case.connection.flush()
    assert case.connection.pending_bytes == 52
    assert case.owner.told == ["pause"]
    case.connection.flush()
    assert case.owner.told == ["pause", "resume"]
    assert case.is_reading


def test_too_much_ends_the_connection(case: Case) -> None:
    case.here.send_limit = 0
    case.connection.write(b"x" * 1000)
    case.connection.write(b"x")
    assert case.owner.told == ["pause"]
    case.connection.write(b"x")
    assert case.owner.told == ["pause", errno.ENOBUFS, "closed"]


@pytest.mark.parametrize("sent", [0, 1, 999])
def test_one_large_piece_is_not_too_much(case: Case, sent: int) -> None:
    case.here.send_limit = sent
    case.connection.write(b"x" * 5000)
    assert case.owner.told == ["pause"]
    case.here.send_limit = None
    case.connection.flush()
    assert case.owner.told == ["pause", "resume"]
    assert case.there.received() == b"x" * 5000


def test_a_reset_is_told_as_closed(case: Case) -> None:
    case.here.send_limit = 0
    case.connection.write(b"x")
    case.connection.reset()
    case.connection.reset()
    assert case.owner.told == ["closed"]
    assert case.connection.pending_bytes == 0


def test_a_pause_asked_for_outlasts_congestion(case: Case) -> None:
    case.connection.hold_reading(True)
    assert not case.is_reading
    case.here.send_limit = 0
    case.connection.write(b"x" * 200)
    case.here.send_limit = None
    case.connection.flush()
    assert case.owner.told == ["pause", "resume"]
    assert not case.is_reading
    case.connection.hold_reading(False)
    assert case.is_reading


def test_draining_does_not_resume(case: Case) -> None:
    case.here.send_limit = 0
    case.connection.write(b"x" * 200)
    case.connection.close()
    case.here.send_limit = None
    case.connection.flush()
    assert case.owner.told == ["pause", "closed"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"bufsize": 0},
        {"low_water": -1},
        {"high_water": 10, "low_water": 11},
        {"high_water": 100, "low_water": 0, "max_pending": 99},
    ],
)
def test_limits_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must hold"):
        Limits(**wrong)


# -- reading --


def test_reading(case: Case) -> None:
    assert case.connection.receive() is None
    case.there.send(b"hello")
    assert case.connection.receive() == b"hello"
    case.there.close()
    assert case.connection.receive() == b""
    assert case.owner.told == []


def test_the_buffer_follows_the_traffic(connections: Pairs) -> None:
    case = Case(connections, Limits(bufsize=1024))
    sizes = []
    case.there.send(b"x" * 150_000)
    while (data := case.connection.receive()) is not None:
        sizes.append(len(data))
    assert sizes[:5] == [1024, 4096, 16384, 65536, min(READ_BYTES, 150_000 - 87040)]
    for _ in range(5):
        case.there.send(b"y")
        assert case.connection.receive() == b"y"
    case.there.send(b"z" * 5000)
    received = case.connection.receive()
    assert received is not None
    assert len(received) == 1024


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.EINTR])
def test_an_interrupted_read_is_no_error(case: Case, number: int) -> None:
    case.here.receive_error = OSError(number, "later")
    assert case.connection.receive() is None
    assert case.owner.told == []


def test_a_failed_read_is_told_and_closes(case: Case) -> None:
    case.here.receive_error = OSError(errno.ECONNRESET, "reset")
    assert case.connection.receive() is None
    assert case.owner.told == [errno.ECONNRESET, "closed"]


def test_the_end_of_input_leaves_the_way_out_open(case: Case) -> None:
    case.connection.end_of_input()
    assert not case.is_reading
    assert case.connection.state is State.OPEN
    case.connection.write(b"reply")
    assert case.there.received() == b"reply"


def test_the_last_read_event_is_waited_for(case: Case) -> None:
    events = [Event.create("Read") for _ in range(2)]
    for event in events:
        case.connection.expect(event)
    case.connection.resolve(events[0], events[0].value)
    case.connection.end_of_input()
    assert case.owner.told == []
    case.connection.resolve(events[1], events[1].value)
    assert case.owner.told == ["read"]


# -- ending --


def test_close_with_nothing_pending(case: Case) -> None:
    case.connection.close()
    assert case.connection.state is State.CLOSED
    assert case.owner.told == ["closed"]
    assert case.there.at_end
    case.connection.close()
    case.connection.finish()
    case.connection.fail(OSError(errno.EIO, "late"))
    assert case.owner.told == ["closed"]


def test_close_waits_until_all_is_sent(case: Case) -> None:
    case.here.send_limit = 0
    case.connection.write(b"hello")
    case.connection.close()
    assert case.connection.state is State.DRAINING
    assert not case.is_reading
    assert case.is_writing
    case.connection.write(b"late")
    case.connection.close()
    case.here.send_limit = None
    case.connection.flush()
    assert case.there.received() == b"hello"
    assert case.there.at_end
    assert case.owner.told == ["closed"]


def test_finish_drops_what_is_pending(case: Case) -> None:
    case.here.send_limit = 0
    case.connection.write(b"hello")
    case.connection.finish()
    assert case.there.received() == b""
    assert case.connection.pending_bytes == 0
    assert case.owner.told == ["closed"]


@pytest.mark.parametrize(
    ("end", "is_cut"),
    [
        (lambda connection: connection.close(), False),
        (lambda connection: connection.finish(), False),
        (lambda connection: connection.fail(OSError(errno.EIO, "broken")), False),
        (lambda connection: connection.reset(), True),
    ],
)
@pytest.mark.parametrize("is_pending", [False, True])
def test_what_is_lost_is_not_followed_by_an_end(
    case: Case, end: Callable[[Connection], None], is_cut: bool, is_pending: bool
) -> None:
    options: list[tuple[Any, ...]] = []
    case.here.setsockopt = lambda *option: options.append(option)  # type: ignore[method-assign]
    if is_pending:
        case.here.send_limit = 0
        case.connection.write(b"hello")
    end(case.connection)
    is_lost = is_cut or (is_pending and case.connection.is_closed)  # a close waits for it
    assert [option[1] for option in options] == [socket.SO_LINGER] * is_lost


def test_a_failing_shutdown_does_not_skip_the_close() -> None:
    sock = socket.socket()  # was never connected
    shut(sock)
    assert sock.fileno() == -1


# -- pollers --


@pytest.mark.parametrize("refusal", [OSError(errno.EINVAL, "too large"), ValueError("too large")])
def test_a_descriptor_that_cannot_be_watched_ends_its_connection(
    connections: Pairs, refusal: Exception
) -> None:
    case = Case(connections)
    case.poller.reading.clear()
    case.poller.refusal = refusal
    case.connection.watch()
    assert case.owner.told[-1] == "closed"
    assert case.here.fileno() == -1


def test_another_poller_is_told_what_matters(case: Case) -> None:
    case.here.send_limit = 0
    case.connection.write(b"x")
    other: Any = Poller()
    case.owner._poller = other
    case.connection.watch()
    assert other.reading == other.writing == {case.here}


def test_without_a_poller_data_is_sent_all_the_same(connections: Pairs) -> None:
    owner = Owner()
    owner._poller = None
    here, there = connections()
    connection = Connection(owner, here, SMALL)
    connection.watch()
    here.send_limit = 1
    connection.write(b"ab")
    connection.flush()
    assert there.received() == b"ab"
    connection.close()
    assert owner.told == ["closed"]


# -- one direction --


def test_the_end_of_output_waits_until_all_is_sent(case: Case) -> None:
    case.here.send_limit = 0
    case.connection.write(b"last")
    case.connection.end_output()
    case.connection.write(b"too late")
    assert case.is_reading
    case.here.send_limit = None
    case.connection.flush()
    assert case.there.received() == b"last"
    assert case.there.at_end
    assert not case.is_writing
    case.there.send(b"answer")
    assert case.connection.receive() == b"answer"
    assert case.owner.told == []


def test_the_end_of_output_comes_once(case: Case) -> None:
    case.connection.end_output()
    case.connection.end_output()
    assert case.there.at_end
    case.connection.close()
    assert case.owner.told == ["closed"]
    case.connection.end_output()
    assert case.owner.told == ["closed"]


def test_an_end_of_output_that_fails_closes(case: Case) -> None:
    case.here._socket.shutdown(socket.SHUT_RDWR)
    case.there.close()

    def shutdown(how: int) -> None:
        raise OSError(errno.ENOTCONN, "gone")

    case.here.shutdown = shutdown  # type: ignore[attr-defined]
    case.connection.end_output()
    assert case.owner.told == [errno.ENOTCONN, "closed"]


# -- hanging up --


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (0, ["closed"]),
        (errno.ECONNRESET, [errno.ECONNRESET, "closed"]),
        (OSError(errno.EBADF, "closed"), [errno.EBADF, "closed"]),
    ],
)
def test_a_hang_up_is_an_end_or_an_error(case: Case, code: Any, told: list[Any]) -> None:
    def getsockopt(*option: int) -> int:
        if isinstance(code, OSError):
            raise code
        return int(code)

    case.here.getsockopt = getsockopt  # type: ignore[method-assign,assignment]
    case.connection.hung_up()
    assert case.owner.told == told


def test_a_hang_up_leaves_what_has_not_been_read(case: Case) -> None:
    case.there.send(b"last words")
    case.connection.hold_reading(True)
    case.there.close()
    case.poller.discard(case.here)  # as pollers do
    case.connection.hung_up()
    assert case.owner.told == []
    case.connection.hold_reading(False)
    assert case.is_reading
    assert case.connection.receive() == b"last words"
    assert case.connection.receive() == b""
