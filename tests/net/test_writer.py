"""What a connection keeps for the kernel: pieces, in order, and no more than is allowed."""

from __future__ import annotations

import errno
import random
import tracemalloc
from collections.abc import Iterator

import pytest

from circuits.net._writer import Writer, is_for_later
from circuits.testing import MemoryConnection, memory_pair


@pytest.fixture
def pair() -> Iterator[tuple[MemoryConnection, MemoryConnection]]:
    here, there = memory_pair()
    yield here, there
    here.close()
    there.close()


def test_pieces_leave_in_order(pair: tuple[MemoryConnection, MemoryConnection]) -> None:
    here, there = pair
    writer = Writer(1000)
    for piece in (b"one", b"", b"two", b"three"):
        writer.keep(piece)
    assert (writer.pending_bytes, writer.joined()) == (11, b"onetwothree")
    while not writer.flush(here):
        pass
    assert there.received() == b"onetwothree"
    assert (writer.pending_bytes, writer.flushed_bytes) == (0, 11)


def test_small_pieces_take_what_they_are_long(
    pair: tuple[MemoryConnection, MemoryConnection],
) -> None:
    here, there = pair
    writer = Writer(10**7)
    tracemalloc.start()
    try:
        for number in range(20_000):
            writer.keep(b"%7d" % number)
        assert tracemalloc.get_traced_memory()[0] < 2 * 140_000
    finally:
        tracemalloc.stop()
    assert writer.pending_bytes == 140_000
    received = bytearray()
    while not writer.flush(here):
        received += there.received()
    received += there.received()
    assert received == b"".join(b"%7d" % number for number in range(20_000))


@pytest.mark.parametrize("seed", range(5))
def test_pieces_of_all_sizes_leave_in_order(
    pair: tuple[MemoryConnection, MemoryConnection], seed: int
) -> None:
    here, there = pair
    rng = random.Random(seed)
    writer = Writer(10**8)
    sent, received = bytearray(), bytearray()
    for _ in range(300):
        piece = rng.randbytes(rng.choice([1, 7, 1000, 1023, 1024, 5000, 20_000]))
        sent += piece
        writer.keep(piece)
        if rng.random() < 0.1:
            writer.flush(here)
            received += there.received()
        assert writer.pending_bytes == len(writer.joined())
    while not writer.flush(here):
        received += there.received()
    assert received + there.received() == sent


def test_what_was_sent_is_not_kept() -> None:
    writer = Writer(1000)
    writer.keep(b"abcdef", 4)
    assert writer.joined() == b"ef"


def test_what_others_may_change_is_copied() -> None:
    writer = Writer(1000)
    data = bytearray(b"abcdef")
    writer.keep(data, 2)
    data[:] = b"xxxxxx"
    assert writer.joined() == b"cdef"


def test_one_piece_may_be_large_and_nothing_follows_it() -> None:
    writer = Writer(3)
    writer.keep(b"large piece")
    with pytest.raises(OSError, match="11 bytes are pending"):
        writer.keep(b"x")
    assert writer.joined() == b"large piece"


def test_a_writer_without_file_is_ready_for_pieces(
    pair: tuple[MemoryConnection, MemoryConnection],
) -> None:
    writer = Writer(3)
    assert not writer.is_sending_file
    assert writer.flush_file(pair[0])
    assert writer.flush(pair[0])
    writer.close()


@pytest.mark.parametrize(
    ("problem", "is_later"),
    [
        (BlockingIOError(), True),
        (InterruptedError(), True),
        (OSError(errno.ENOBUFS, ""), True),
        (OSError(errno.EAGAIN, ""), True),
        (OSError(errno.EPIPE, ""), False),
        (OSError(), False),
    ],
)
def test_which_errors_mean_later(problem: OSError, is_later: bool) -> None:
    assert is_for_later(problem) is is_later
