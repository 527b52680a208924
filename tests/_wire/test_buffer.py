"""The receive buffer: what it keeps, what it copies, how often it looks."""

from __future__ import annotations

import pytest

from circuits._wire.buffer import BufferFullError, ReceiveBuffer


def filled(*pieces: bytes) -> ReceiveBuffer:
    buffer = ReceiveBuffer()
    for piece in pieces:
        buffer.append(piece)
    return buffer


def test_one_piece_is_given_back_without_a_copy() -> None:
    piece = b"x" * 1000
    assert filled(piece).take_all() is piece


def test_take_gives_at_most_what_is_there() -> None:
    buffer = filled(b"ab", b"cd")
    assert buffer.take(3) == b"abc"
    assert len(buffer) == 1
    assert buffer.take(3) == b"d"
    assert buffer.take(3) == b""


def test_taken_bytes_are_immutable_and_independent() -> None:
    source = bytearray(b"abcd")
    buffer = ReceiveBuffer()
    buffer.append(source)
    source[:] = b"wxyz"
    buffer.append(b"ef")
    taken = buffer.take(2)
    assert type(taken) is bytes
    buffer.append(b"gh")
    assert taken + buffer.take_all() == b"abcdefgh"


def test_peek_and_skip() -> None:
    buffer = filled(b"abc", b"def")
    assert buffer.peek(4) == b"abcd"
    buffer.skip(4)
    assert buffer.peek(9) == b"ef"
    buffer.skip(9)
    assert len(buffer) == 0


def test_find_counts_from_the_first_unread_byte() -> None:
    buffer = filled(b"xxab\r\n")
    buffer.take(2)
    assert buffer.find(b"\r\n") == 2


def test_find_sees_a_delimiter_that_came_in_pieces() -> None:
    buffer = filled(b"abc")
    for piece in (b"\r", b"\n", b"\r"):
        assert buffer.find(b"\r\n\r\n") == -1
        buffer.append(piece)
    assert buffer.find(b"\r\n\r\n") == -1
    buffer.append(b"\n")
    assert buffer.find(b"\r\n\r\n") == 3


def test_find_remembers_its_place_when_read_bytes_are_dropped() -> None:
    buffer = filled(b"read", b"abc")
    buffer.take(4)
    assert buffer.find(b"\r\n") == -1
    buffer.append(b"d\r\n")
    assert buffer.find(b"\r\n") == 4


def test_bytes_are_searched_once() -> None:
    """The sum over all searches of what is left to look at grows with the length, not its square."""
    buffer = ReceiveBuffer()
    looked_at = 0
    for _ in range(5000):
        buffer.append(b"x")
        looked_at += len(buffer.data) - max(buffer.start, buffer.searched)
        assert buffer.find(b"\r\n\r\n") == -1
    assert looked_at <= 5000 * 4


def test_full_buffer_refuses_more() -> None:
    buffer = ReceiveBuffer(limit_bytes=4)
    buffer.append(b"abc")
    buffer.append(b"defgh")  # over the limit, but below it before
    with pytest.raises(BufferFullError, match="8 bytes are waiting to be read, the limit is 4"):
        buffer.append(b"i")
    buffer.take(5)
    buffer.append(b"i")
    assert buffer.take_all() == b"fghi"


def test_clear_drops_everything() -> None:
    buffer = filled(b"abc", b"def")
    buffer.find(b"\n")
    buffer.clear()
    buffer.append(b"\n")
    assert buffer.find(b"\n") == 0
