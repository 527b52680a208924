"""The codec of STOMP frames."""

from __future__ import annotations

from typing import Any

import pytest

from circuits._wire.stomp import (
    HEARTBEAT,
    Frame,
    FrameDecoder,
    Limits,
    LocalProtocolError,
    RemoteProtocolError,
    encode,
    heartbeat_intervals,
)


def feed(decoder: FrameDecoder, *pieces: bytes) -> list[Any]:
    found: list[Any] = []
    for piece in pieces:
        decoder.receive_data(piece)
        try:
            while (message := decoder.next_message()) is not None:
                found.append(message)
        except RemoteProtocolError as problem:
            found.append(str(problem))
    return found


STREAM = (
    b"CONNECTED\nversion:1.2\nescaped:a\\cb\n\n\0\n\r\n"
    b"MESSAGE\r\nid:1\r\nid:2\r\nname:gr\xc3\xbc\\n\\r\\c\\\\\r\n\r\nhello\0"
    b"MESSAGE\ncontent-length:3\n\na\0b\0\n"
)
FRAMES: list[Any] = [
    Frame("CONNECTED", {"version": "1.2", "escaped": "a\\cb"}),
    HEARTBEAT,
    HEARTBEAT,
    Frame("MESSAGE", {"id": "1", "name": "grü\n\r:\\"}, b"hello"),
    Frame("MESSAGE", {"content-length": "3"}, b"a\0b"),
    HEARTBEAT,
]


@pytest.mark.parametrize("cut", range(len(STREAM)))
def test_where_it_is_cut_makes_no_difference(cut: int) -> None:
    assert feed(FrameDecoder(), STREAM[:cut], STREAM[cut:]) == FRAMES


def test_one_byte_at_a_time() -> None:
    assert feed(FrameDecoder(), *[bytes([byte]) for byte in STREAM]) == FRAMES


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"hello\n\n\0", "a frame begins with 'hello'"),
        (b"SEND\nnocolon\n\n\0", "a header without a colon: 'nocolon'"),
        (b"SEND\n:x\n\n\0", "a header without a colon: ':x'"),
        (b"SEND\na:\\t\n\n\0", r"undefined escape '\\t' in a header"),
        (b"SEND\na:\\\n\n\0", r"undefined escape '\\' in a header"),
        (b"SEND\na:\xff\n\n\0", "headers that are not UTF-8"),
        (b"SEND\na:\0\n\n\0", "NUL in the headers"),
        (b"SEND\ncontent-length:-1\n\n\0", "malformed content-length '-1'"),
        (b"SEND\ncontent-length:1\n\nab\0", "no NUL after a body"),
        (b"SEND\ncontent-length:11\n\n", "body of more than 10 bytes"),
        (b"SEND\n\n" + b"x" * 11, "body of more than 10 bytes"),
        (b"SEND\n\n" + b"x" * 11 + b"\0", "body of more than 10 bytes"),
        (b"SEND\na:" + b"x" * 100, "command and headers of more than 50 bytes"),
        (b"SEND\na:" + b"x" * 100 + b"\n\n\0", "command and headers of more than 50 bytes"),
        (b"SEND\na:b\nc:d\ne:f\n\n\0", "more than 2 headers"),
    ],
)
def test_what_is_refused(data: bytes, why: str) -> None:
    limits = Limits(head_bytes=50, header_count=2, body_bytes=10)
    decoder = FrameDecoder(limits)
    assert feed(decoder, data) == [why]
    assert feed(decoder, b"SEND\n\n\0") == []
    assert decoder.pending_bytes == 0
    assert feed(FrameDecoder(limits), *[bytes([b]) for b in data])[:1] == [why]


def test_version_1_0_knows_no_escapes() -> None:
    decoder = FrameDecoder()
    decoder.version = "1.0"
    assert feed(decoder, b"SEND\na:\\t\n\n\0") == [Frame("SEND", {"a": "\\t"})]


def test_what_is_encoded_is_decoded() -> None:
    frame = Frame("SEND", {"destination": "/q:1\r\n\\", "ü": ""}, b"a\0b")
    (found,) = feed(FrameDecoder(), encode(frame))
    assert found.headers.pop("content-length") == "3"
    assert found == frame


@pytest.mark.parametrize(
    ("frame", "version", "data"),
    [
        (Frame("SEND"), "1.2", b"SEND\n\n\0"),
        (Frame("SEND", {"a": "b:c"}), "1.1", b"SEND\na:b\\cc\n\n\0"),
        (Frame("SEND", {"a": "b:c"}), "1.0", b"SEND\na:b:c\n\n\0"),
        (Frame("CONNECT", {"a": "b:c"}), "1.2", b"CONNECT\na:b:c\n\n\0"),
        (Frame("SEND", {"content-length": "1"}, b"x"), "1.2", b"SEND\ncontent-length:1\n\nx\0"),
    ],
)
def test_encoding(frame: Frame, version: str, data: bytes) -> None:
    assert encode(frame, version) == data


@pytest.mark.parametrize(
    ("frame", "version"),
    [
        (Frame("send"), "1.2"),
        (Frame("SEND\nX"), "1.2"),
        (Frame("SEND", {"": "x"}), "1.2"),
        (Frame("SEND", {"a": "x\0"}), "1.2"),
        (Frame("SEND", {"a": "x\r"}), "1.1"),
        (Frame("SEND", {"a": "x\ny"}), "1.0"),
        (Frame("SEND", {"a:b": "x"}), "1.0"),
        (Frame("CONNECT", {"login": "x\nadmin:y"}), "1.2"),
    ],
)
def test_nothing_can_be_injected(frame: Frame, version: str) -> None:
    with pytest.raises(LocalProtocolError):
        encode(frame, version)


def test_heartbeats() -> None:
    assert heartbeat_intervals((0, 0), "0,0") == (0, 0)
    assert heartbeat_intervals((1000, 2000), "500,3000") == (3, 2)
    assert heartbeat_intervals((1000, 2000), "5000,0") == (0, 5)
    for header in ("", "1", "a,b", "-1,0", "1,2,3"):
        with pytest.raises(RemoteProtocolError):
            heartbeat_intervals((1, 1), header)


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n", b"\n\r\n", b"\r\n\n"])
def test_the_limit_of_a_head_is_exact_wherever_it_is_cut(end: bytes) -> None:
    limits = Limits(head_bytes=20)
    for size, is_good in ((20, True), (21, False), (22, False), (23, False)):
        data = b"SEND\na:" + b"x" * (size - 7) + end + b"\0"
        for at in range(1, len(data)):
            decoder, found = FrameDecoder(limits), None
            try:
                for piece in (data[:at], data[at:]):
                    decoder.receive_data(piece)
                    found = decoder.next_message()
                assert found is not None
                assert is_good, (size, at)
            except RemoteProtocolError:
                assert not is_good, (size, at)
