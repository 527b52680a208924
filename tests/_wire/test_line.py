"""The codec of lines."""

from __future__ import annotations

import random
from typing import Any

import pytest

from circuits._wire.line import LineDecoder, LineTooLongError, split_lines

STREAM = b"one\r\n\r\nto\xc3\xbc\n\rx\r\r\n" + b"y" * 12 + b"\n" + b"z" * 10 + b"\r\nrest\r"


def shown(messages: list[Any]) -> list[Any]:
    return [repr(m) if isinstance(m, LineTooLongError) else m for m in messages]


def decode(decoder: LineDecoder, *pieces: bytes) -> list[Any]:
    found = []
    for piece in pieces:
        decoder.receive_data(piece)
        while (message := decoder.next_message()) is not None:
            found.append(message)
    return shown(found)


WHOLE = [b"one", b"", b"to\xc3\xbc", b"\rx\r", repr(LineTooLongError(10, b"y" * 10)), b"z" * 10]


def test_lines_end_in_lf_and_a_cr_before_it_is_dropped() -> None:
    decoder = LineDecoder(10)
    assert decode(decoder, STREAM) == WHOLE
    assert decoder.rest == b"rest\r"


@pytest.mark.parametrize("cut", range(1, len(STREAM)))
def test_where_it_is_cut_makes_no_difference(cut: int) -> None:
    decoder = LineDecoder(10)
    assert decode(decoder, STREAM[:cut], STREAM[cut:]) == WHOLE
    assert decoder.rest == b"rest\r"


def test_one_byte_at_a_time() -> None:
    assert decode(LineDecoder(10), *[bytes([byte]) for byte in STREAM]) == WHOLE


def test_an_endless_line_is_reported_once_and_kept_nowhere() -> None:
    decoder = LineDecoder(10)
    found = decode(decoder, *[b"x" * 7] * 1000)
    assert found == [repr(LineTooLongError(10, b"x" * 10))]
    assert decoder.rest == b""
    assert decode(decoder, b"\ngood\n") == [b"good"]


def test_a_line_of_the_limit_passes_with_either_end() -> None:
    assert decode(LineDecoder(3), b"abc", b"\r", b"\n", b"abc\n") == [b"abc", b"abc"]


def test_a_cr_past_the_limit_that_ends_nothing_counts() -> None:
    assert decode(LineDecoder(3), b"abc\r", b"d\n", b"e\n") == [
        repr(LineTooLongError(3, b"abc")),
        b"e",
    ]


def test_without_a_limit_nothing_is_too_long() -> None:
    assert decode(LineDecoder(None), b"x" * 100_000, b"\n") == [b"x" * 100_000]


def test_a_limit_below_one_makes_no_sense() -> None:
    with pytest.raises(ValueError, match="limit_bytes must be at least 1, not 0"):
        LineDecoder(0)


def test_the_error_tells_the_limit_and_the_beginning() -> None:
    problem = LineTooLongError(5, b"ab\0")
    assert str(problem) == r"a line longer than 5 bytes begins with b'ab\x00'"


def test_the_rest_may_be_set() -> None:
    decoder = LineDecoder()
    decoder.rest = b"on"
    assert decode(decoder, b"e\n") == [b"one"]


def by_semicolons(data: bytes, buffer: bytes) -> tuple[list[bytes], bytes]:
    *lines, rest = (buffer + data).split(b";;")
    return lines, rest


def test_a_splitter_of_its_own() -> None:
    decoder = LineDecoder(8, by_semicolons)
    assert decode(decoder, b"a;;b\n;", b";c") == [b"a", b"b\n"]
    assert decoder.rest == b"c"


def test_what_a_splitter_leaves_is_limited_too() -> None:
    decoder = LineDecoder(8, by_semicolons)
    error = repr(LineTooLongError(8, b"x" * 8))
    assert decode(decoder, b"x" * 9, *[b"y" * 99] * 99, b"y;", b";good;;") == [error, b"good"]
    assert decode(decoder, b"x" * 9 + b";;good;;") == [error, b"good"]
    assert len(decoder.rest) == 0


@pytest.mark.parametrize(
    ("data", "buffer", "lines", "rest"),
    [
        (b"a\r\nb\nc", b"", [b"a", b"b"], b"c"),
        (b"\nb", b"a\r", [b"a"], b"b"),
        (b"", b"a", [], b"a"),
        (b"a\r", b"", [], b"a\r"),
    ],
)
def test_split_lines(data: bytes, buffer: bytes, lines: list[bytes], rest: bytes) -> None:
    assert split_lines(data, buffer) == (lines, rest)


@pytest.mark.parametrize("end", [b"", b"\n", b"rest", b"\nrest", b"\r\nrest\r"])
@pytest.mark.parametrize("count", [255, 256, 257, 258, 513, 2000])
def test_many_lines_in_one_piece(count: int, end: bytes) -> None:
    data = b"1\n" * count + end
    *expected, rest = data.replace(b"\r\n", b"\n").split(b"\n")
    decoder = LineDecoder()
    decoder.receive_data(data)
    assert decoder.rest == rest
    found = []
    while decoder.has_message:
        found.append(decoder.next_message())
    assert found == expected
    assert decoder.next_message() is None


def test_many_lines_stay_bytes_until_they_are_asked_for() -> None:
    decoder = LineDecoder()
    decoder.receive_data(b"\n" * 65536)
    assert len(decoder._messages) <= 256
    assert sum(decoder.next_message() == b"" for _ in range(65537)) == 65536


def test_what_comes_before_many_lines_are_asked_for_is_behind_them() -> None:
    decoder = LineDecoder(4)
    decoder.receive_data(b"1\n" * 600 + b"to")
    decoder.receive_data(b"o long, ")
    decoder.receive_data(b"and\n2\n" + b"3\n" * 600 + b"too long, again")
    decoder.receive_data(b"\n4\n")
    found = [decoder.next_message() for _ in range(1204)]
    assert found[:600] == [b"1"] * 600
    assert found[601:1202] == [b"2"] + [b"3"] * 600
    assert found[1203] == b"4"
    assert [type(found[600]), type(found[1202])] == [LineTooLongError] * 2
    assert decoder.next_message() is None


@pytest.mark.parametrize("splitter", [None, lambda new, old: split_lines(new, old)])
def test_a_line_that_has_lost_its_beginning_is_dropped(splitter: Any) -> None:
    decoder = LineDecoder(splitter=splitter)
    decoder.receive_data(b"1\nbeg")
    decoder.drop_line()
    decoder.receive_data(b"end\n2\n")
    assert [decoder.next_message() for _ in range(3)] == [b"1", b"2", None]


# -- splitters of one's own, and many pieces --


def by_words(data: bytes, rest: bytes) -> tuple[list[bytes], bytes]:
    *lines, rest = (rest + bytes(data)).split(b"END")
    return lines, rest


@pytest.mark.parametrize("splitter", [None, by_words])
def test_a_long_line_in_many_pieces_takes_linear_time(splitter: Any) -> None:
    shown = 0

    def counting(data: bytes, rest: bytes) -> tuple[list[bytes], bytes]:
        nonlocal shown
        shown += len(data) + len(rest)
        return by_words(data, rest)

    decoder = LineDecoder(10**6, None if splitter is None else counting)
    count = 60_000
    for _ in range(count):
        decoder.receive_data(b"a")
    decoder.receive_data(b"\n" if splitter is None else b"END")
    assert decoder.next_message() == b"a" * count
    # A piece with the last 64 bytes, and the whole some times.
    assert shown < 200 * count


@pytest.mark.parametrize("seed", range(20))
def test_cuts_do_not_change_what_a_splitter_finds(seed: int) -> None:
    rng = random.Random(seed)
    lines = [
        rng.choice([b"E", b"EN", b"a", b"D"]) * rng.choice([0, 1, 900, 3000]) for _ in range(20)
    ]
    data = b"END".join(lines) + b"END"
    whole = LineDecoder(None, by_words)
    whole.receive_data(data)
    cut = LineDecoder(None, by_words)
    start = 0
    while start < len(data):
        size = rng.choice([1, 2, 3, 64, 500])
        cut.receive_data(data[start : start + size])
        start += size
    expected = []
    while (line := whole.next_message()) is not None:
        expected.append(line)
    found = []
    while (line := cut.next_message()) is not None:
        found.append(line)
    assert found == expected
    assert cut.rest == whole.rest == b""


def test_a_splitter_that_counts_sees_everything_when_asked() -> None:
    def by_length(data: bytes, rest: bytes) -> tuple[list[bytes], bytes]:
        rest += bytes(data)
        lines = []
        while len(rest) >= 4 and len(rest) >= 4 + (size := int(rest[:4])):
            lines.append(rest[4 : 4 + size])
            rest = rest[4 + size :]
        return lines, rest

    decoder = LineDecoder(None, by_length)
    for byte in b"3000" + b"1" * 3000:
        decoder.receive_data(bytes([byte]))
    decoder.catch_up()
    assert decoder.next_message() == b"1" * 3000
    assert not decoder.is_deferred
