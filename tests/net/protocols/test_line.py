"""The component that makes lines."""

from __future__ import annotations

from typing import Any

import pytest

from circuits.net.protocols.line import LINESEP, LP, splitLines
from circuits.net.sockets import Disconnect, Disconnected, Read

from .protocol_support import Bench, shown


def test_lines_of_a_client() -> None:
    lp = LP(channel="x")
    bench = Bench(lp)
    assert bench.feed(Read(b"one\r\ntwo\n\nthr")) == [
        ("line", "one"),
        ("line", "two"),
        ("line", ""),
    ]
    assert lp.buffer == b"thr"
    assert bench.feed(Read(b"ee\n")) == [("line", "three")]
    assert lp.buffer == b""


def test_lines_of_several_clients() -> None:
    bench = Bench(LP(channel="x"))
    assert bench.feed(Read("A", b"on"), Read("B", b"tw"), Read("A", b"e\n"), Read("B", b"o\n")) == [
        ("line", "A", "one"),
        ("line", "B", "two"),
    ]


def test_what_a_connection_leaves_is_dropped() -> None:
    lp = LP(channel="x")
    bench = Bench(lp)
    bench.feed(Read("A", b"lost"), Read(b"lost"), Disconnect("A"), Disconnected())
    assert bench.feed(Read("A", b"new\n"), Read(b"new\n")) == [
        ("line", "A", "new"),
        ("line", "new"),
    ]
    assert not lp._decoders["A"].rest
    bench.feed(Disconnect("A"), Disconnect())
    assert not lp._decoders


def test_the_buffer_may_be_set() -> None:
    lp = LP(channel="x")
    lp.buffer = b"on"
    assert Bench(lp).feed(Read(b"e\n")) == [("line", "one")]


def test_a_character_may_be_cut() -> None:
    data = "grüße\n".encode()
    bench = Bench(LP(channel="x"))
    told = [entry for byte in data for entry in bench.feed(Read(bytes([byte])))]
    assert told == [("line", "grüße")]


def test_what_cannot_be_decoded_is_replaced() -> None:
    assert Bench(LP(channel="x")).feed(Read(b"a\xffb\n")) == [("line", "a\ufffdb")]


def test_encodings() -> None:
    assert Bench(LP(channel="x", encoding="latin-1")).feed(Read(b"\xfc\n")) == [("line", "ü")]
    assert Bench(LP(channel="x", encoding=None)).feed(Read(b"\xfc\n")) == [("line", b"\xfc")]
    with pytest.raises(LookupError):
        LP(encoding="no such encoding")


def test_it_listens_everywhere_by_default() -> None:
    lp = LP()
    assert lp.channel == "*"
    assert Bench(lp, on="anywhere").feed(Read(b"a\n")) == [("line", "a")]


@pytest.mark.parametrize("sock", [(), ("A",)])
def test_an_endless_line_is_one_event(sock: tuple[Any, ...]) -> None:
    bench = Bench(LP(channel="x", max_line=8))
    told = bench.feed(
        Read(*sock, b"good\n"), *[Read(*sock, b"bad" * 9)] * 99, Read(*sock, b"!\nfine\n")
    )
    assert shown(told) == [
        ("line", *sock, "good"),
        ("socket_error", *sock, "a line longer than 8 bytes begins with b'badbadba'"),
        ("line", *sock, "fine"),
    ]


def test_the_limit_is_64_kib_unless_there_is_none() -> None:
    line = b"x" * 65537 + b"\n"
    assert Bench(LP(channel="x")).feed(Read(line))[0][0] == "socket_error"
    assert Bench(LP(channel="x", max_line=None)).feed(Read(line))[0][0] == "line"


def by_semicolons(data: Any, buffer: Any) -> tuple[list[Any], Any]:
    *lines, rest = (buffer + data).split(b";")
    return lines, rest


def test_a_splitter_of_ones_own() -> None:
    lp = LP(channel="x", splitter=by_semicolons)
    assert Bench(lp).feed(Read(b"a;b\n;c")) == [("line", "a"), ("line", "b\n")]
    assert lp.buffer == b"c"


def test_a_splitter_may_give_text() -> None:
    def split(data: bytes, buffer: bytes) -> tuple[list[str], bytes]:
        return [data.decode()], b""

    assert Bench(LP(channel="x", splitter=split)).feed(Read(b"a")) == [("line", "a")]


def test_buffers_kept_elsewhere() -> None:
    buffers: dict[Any, bytes] = {"A": b"o"}
    seen: list[tuple[Any, ...]] = []

    def update(sock: Any, rest: bytes) -> None:
        seen.append((sock, rest, len(bench.recorder.named("line"))))
        buffers[sock] = rest

    lp = LP(channel="x", getBuffer=buffers.__getitem__, updateBuffer=update)
    bench = Bench(lp)
    assert bench.feed(Read("A", b"ne\ntw"), Read("B", b"x\n")) == [
        ("line", "A", "one"),
        ("line", "B", "x"),
    ]
    # Before the lines are fired, and an unknown socket has an empty buffer.
    assert seen == [("A", b"tw", 0), ("B", b"", 0)]
    assert bench.feed(Read("A", b"o\n")) == [("line", "A", "two")]


def test_a_buffer_that_is_none_is_empty() -> None:
    lp = LP(channel="x", getBuffer=lambda sock: None)
    assert Bench(lp).feed(Read("A", b"a\n")) == [("line", "A", "a")]


def test_the_function() -> None:
    assert splitLines(b"b\r\nc", b"a") == ([b"ab"], b"c")
    assert LINESEP.split(b"a\r\nb\nc") == [b"a", b"b", b"c"]
