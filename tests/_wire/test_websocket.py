"""The WebSocket codec: frames, messages, closing."""

from __future__ import annotations

import struct
import time
import tracemalloc
from typing import Any

import pytest

from circuits._wire.websocket import (
    Close,
    Codec,
    Deflate,
    Limits,
    LocalProtocolError,
    Ping,
    Pong,
    RemoteProtocolError,
    SharedMessage,
    State,
    mask,
)

from .websocket_support import KEY, bytewise, feed, frame

TEXT, BINARY, CLOSE, PING, PONG, MORE = 1, 2, 8, 9, 10, 0


def server(**limits: Any) -> Codec:
    return Codec(is_client=False, limits=Limits(**limits))


def client() -> Codec:
    return Codec(is_client=True)


# -- the examples of RFC 6455, 5.7 -------------------------------------------------------------


@pytest.mark.parametrize(
    ("is_client", "hexadecimal", "messages"),
    [
        (True, "810548656c6c6f", ["Hello"]),
        (False, "818537fa213d7f9f4d5158", ["Hello"]),
        (True, "010348656c 80026c6f", ["Hello"]),
        (True, "890548656c6c6f", [Ping(b"Hello")]),
        (False, "8a8537fa213d7f9f4d5158", [Pong(b"Hello")]),
        (True, "827e0100" + "2a" * 256, [b"*" * 256]),
        (True, "827f0000000000010000" + "2a" * 65536, [b"*" * 65536]),
    ],
)
def test_examples_of_the_standard(is_client: bool, hexadecimal: str, messages: list[Any]) -> None:
    data = bytes.fromhex(hexadecimal)
    assert feed(Codec(is_client), [data]) == messages
    assert feed(Codec(is_client), bytewise(data)) == messages


def test_examples_of_the_standard_are_sent() -> None:
    codec = Codec(is_client=False)
    assert codec.send("Hello") == bytes.fromhex("810548656c6c6f")
    assert codec.send("Hel", final=False) + codec.send("lo") == bytes.fromhex("010348656c80026c6f")
    assert codec.send_ping(b"Hello") == bytes.fromhex("890548656c6c6f")
    assert codec.send(b"*" * 256) == bytes.fromhex("827e0100") + b"*" * 256
    assert codec.send(b"*" * 65536) == bytes.fromhex("827f0000000000010000") + b"*" * 65536


# -- receiving ---------------------------------------------------------------------------------

STREAM = b"".join(
    [
        frame(TEXT, "grüße".encode()),
        frame(BINARY, b"\0\xff"),
        frame(TEXT, b""),
        frame(TEXT, "g\u00fc\U0001f600"[:2].encode()[:2], final=False),
        frame(PING, b"in between"),
        frame(MORE, "ü\U0001f600".encode()[1:3], final=False),
        frame(PONG),
        frame(MORE, b"", final=False),
        frame(MORE, "\U0001f600!".encode()[1:]),
        frame(BINARY, b"a" * 200, key=b"\0\0\0\0"),
        frame(BINARY, b"b", final=False),
        frame(MORE, b""),
        frame(CLOSE, struct.pack("!H", 1001) + "tschüß".encode()),
        b"what comes after the end",
    ]
)
MESSAGES: list[Any] = [
    "grüße",
    b"\0\xff",
    "",
    Ping(b"in between"),
    Pong(),
    "gü\U0001f600!",
    b"a" * 200,
    b"b",
    Close(1001, "tschüß"),
]


@pytest.mark.parametrize("cut", range(len(STREAM) + 1))
def test_where_it_is_cut_makes_no_difference(cut: int) -> None:
    assert feed(server(), [STREAM[:cut], STREAM[cut:]]) == MESSAGES


def test_one_byte_at_a_time() -> None:
    assert feed(server(), bytewise(STREAM)) == MESSAGES


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 100_001])
@pytest.mark.parametrize("is_client", [True, False])
def test_all_lengths_both_ways(size: int, is_client: bool) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    sent = Codec(is_client).send(data[:size])
    for step in (len(sent), 60_000, 1000):
        pieces = [sent[i : i + step] for i in range(0, len(sent), step)]
        assert feed(Codec(not is_client), pieces) == [data[:size]]


@pytest.mark.parametrize("size", [*range(12), 299, 300, 301, 303, 1000])
def test_masking_is_exclusive_or(size: int) -> None:
    data = bytes(i * 7 % 256 for i in range(size))
    for key in (KEY, b"\0\xff\0\x01", b"\0\0\0\0"):
        expected = bytes(byte ^ key[i % 4] for i, byte in enumerate(data))
        assert mask(data, key) == expected
        assert mask(memoryview(data), key) == expected


def test_how_a_codec_masks_can_be_chosen() -> None:
    def noting(data: bytes | bytearray | memoryview, key: bytes) -> bytes:
        sizes.append(len(data))
        return mask(data, key)

    sizes: list[int] = []
    client, server = Codec(True, mask=noting), Codec(False, mask=noting)
    for size in (0, 1, 125, 126, 70_000):
        server.receive_data(client.send(bytes(size)))
        assert server.next_message() == bytes(size)
    server.receive_data(client.send_ping(b"?"))
    assert server.next_message() == Ping(b"?")
    assert sizes == [0, 0, 1, 1, 125, 125, 126, 126, 70_000, 70_000, 1, 1]


def test_a_client_masks_with_another_key_each_time() -> None:
    codec = client()
    sent = {codec.send(b"same") for _ in range(8)}
    assert len(sent) == 8
    assert [feed(server(), [data]) for data in sent] == [[b"same"]] * 8


@pytest.mark.parametrize(
    ("data", "code", "why"),
    [
        (frame(TEXT, b"x", key=None), 1002, "does not mask"),
        (frame(TEXT, b"x", rsv=0x40), 1002, "reserved"),
        (frame(TEXT, b"x", rsv=0x20), 1002, "reserved"),
        (frame(PING, b"x", rsv=0x10), 1002, "reserved"),
        (frame(3), 1002, "unknown opcode 3"),
        (frame(7), 1002, "unknown opcode 7"),
        (frame(11), 1002, "unknown opcode 11"),
        (frame(15), 1002, "unknown opcode 15"),
        (frame(PING, final=False), 1002, "fragmented"),
        (frame(CLOSE, final=False), 1002, "fragmented"),
        (frame(PING, b"x" * 126), 1002, "longer than 125"),
        (frame(MORE, b"x"), 1002, "continuation frame without"),
        (frame(TEXT, final=False) + frame(TEXT), 1002, "before the last one has ended"),
        (frame(TEXT, final=False) + frame(BINARY), 1002, "before the last one has ended"),
        (b"\x82\xfe\x00\x7d" + KEY, 1002, "malformed length 125"),
        (b"\x82\xff" + struct.pack("!Q", 65535) + KEY, 1002, "malformed length 65535"),
        (b"\x82\xff" + struct.pack("!Q", 1 << 63) + KEY, 1002, f"malformed length {1 << 63}"),
        (frame(CLOSE, b"\x03"), 1002, "payload of 1 byte"),
        (frame(CLOSE, struct.pack("!H", 999)), 1002, "code 999"),
        (frame(CLOSE, struct.pack("!H", 1004)), 1002, "code 1004"),
        (frame(CLOSE, struct.pack("!H", 1005)), 1002, "code 1005"),
        (frame(CLOSE, struct.pack("!H", 1006)), 1002, "code 1006"),
        (frame(CLOSE, struct.pack("!H", 1015)), 1002, "code 1015"),
        (frame(CLOSE, struct.pack("!H", 2999)), 1002, "code 2999"),
        (frame(CLOSE, struct.pack("!H", 5000)), 1002, "code 5000"),
        (frame(CLOSE, struct.pack("!H", 1000) + b"\xff"), 1007, "UTF-8"),
        (frame(TEXT, b"\xff"), 1007, "UTF-8"),
        (frame(TEXT, b"\xc3"), 1007, "UTF-8"),
        (frame(TEXT, b"\xed\xa0\x80"), 1007, "UTF-8"),
        (frame(TEXT, b"\xc0\xaf"), 1007, "UTF-8"),
        (frame(TEXT, b"\xf4\x90\x80\x80"), 1007, "UTF-8"),
        (frame(TEXT, b"x" * 200 + b"\xff"), 1007, "UTF-8"),
        (frame(TEXT, b"\xc3", final=False) + frame(MORE, b"("), 1007, "UTF-8"),
        (frame(TEXT, b"\xc3", final=False) + frame(MORE), 1007, "UTF-8"),
    ],
)
def test_what_breaks_the_rules_is_refused(data: bytes, code: int, why: str) -> None:
    codec = server()
    codec.receive_data(data)
    with pytest.raises(RemoteProtocolError, match=why) as caught:
        codec.next_message()
    assert caught.value.code == code
    assert codec.state is State.CLOSED
    codec.receive_data(frame(TEXT, b"more"))
    assert codec.next_message() is None
    assert feed(server(), bytewise(data)) == [code]
    # The peer may be told, once.
    assert feed(client(), [codec.send_close(code, why)]) == [Close(code, why)]


def test_the_first_byte_that_is_wrong_is_enough() -> None:
    assert feed(server(), [b"\x83"]) == [1002]
    assert feed(server(), [b"\x81\x05"]) == [1002]
    assert feed(server(), [frame(TEXT, b"\xff" + b"x" * 99)[:8]]) == [1007]
    assert feed(server(), [frame(TEXT, b"\xce\xba\xff", final=False)]) == [1007]
    assert feed(server(message_bytes=9), [b"\x82\x8a"]) == []
    assert feed(server(message_bytes=9), [b"\x82\x8aKEY?"]) == [1009]


def test_a_server_must_not_mask() -> None:
    assert feed(client(), [frame(TEXT, b"x")]) == [1002]
    assert feed(client(), [frame(PING)]) == [1002]


def test_messages_are_limited() -> None:
    limited = {"message_bytes": 10}
    assert feed(server(**limited), [frame(TEXT, b"x" * 10)]) == ["x" * 10]
    assert feed(server(**limited), [frame(TEXT, b"x" * 11)]) == [1009]
    parts = frame(BINARY, b"x" * 6, final=False) + frame(MORE, b"x" * 4)
    assert feed(server(**limited), [parts]) == [b"x" * 10]
    assert feed(server(**limited), [parts[:-10], frame(MORE, b"x" * 5)]) == [1009]
    huge = b"\x82\xff" + struct.pack("!Q", (1 << 63) - 1) + KEY
    assert feed(server(), [huge]) == [1009]


def test_the_limit_counts_anew_for_each_message() -> None:
    parts = frame(BINARY, b"x" * 6, final=False) + frame(MORE, b"x" * 4)
    assert feed(server(message_bytes=10), [parts * 3]) == [b"x" * 10] * 3


def test_frames_are_limited_on_their_own() -> None:
    limited = {"frame_bytes": 10, "message_bytes": None}
    part = frame(BINARY, b"x" * 10, final=False)
    assert feed(server(**limited), [part, frame(MORE, b"x" * 10)]) == [b"x" * 20]
    assert feed(server(**limited), [frame(BINARY, b"x" * 11)]) == [1009]
    assert feed(server(frame_bytes=None, message_bytes=None), [frame(TEXT, b"x" * 500)]) == [
        "x" * 500
    ]


def test_a_message_without_end_takes_no_more_than_its_bytes() -> None:
    codec = server()
    pieces = [frame(BINARY, b"", final=False), *[frame(MORE, final=False)] * 1000]
    assert feed(codec, pieces) == []
    assert codec.held_bytes == 0
    assert codec.is_receiving


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_a_message_in_small_pieces_takes_no_more_than_its_bytes(opcode: int) -> None:
    codec = server()
    pieces = [frame(opcode, b"xy", final=False), *[frame(MORE, b"xy", final=False)] * 10_000]
    tracemalloc.start()
    try:
        assert feed(codec, pieces) == []
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert codec.held_bytes == 20_002
    assert held < 1.5 * 20_002
    assert [len(message) for message in feed(codec, [frame(MORE)])] == [20_002]
    assert codec.held_bytes == 0


@pytest.mark.parametrize("size", [0, 5, 125, 126, 70_000])
def test_a_message_that_was_the_last_leaves_nothing(size: int) -> None:
    """Whoever has got it need not ask whether there is another one."""
    codec = server()
    codec.receive_data(frame(BINARY, bytes(size)) * 2)
    assert codec.next_message() == bytes(size)
    assert codec.pending_bytes > size
    assert codec.next_message() == bytes(size)
    assert codec.held_bytes == codec.pending_bytes == 0
    codec.receive_data(bytearray(frame(TEXT, b"next")))
    assert codec.next_message() == "next"


def test_what_is_used_up_is_not_kept() -> None:
    codec = server()
    assert feed(codec, [frame(BINARY, bytes(30_000))]) == [bytes(30_000)]
    assert feed(codec, [frame(TEXT, b"x" * 100) * 100]) == ["x" * 100] * 100
    assert codec.held_bytes == 0


def test_much_may_be_received_before_anything_is_asked_for() -> None:
    codec = server()
    data = frame(TEXT, b"hello") * 60_000
    start = time.process_time()
    for position in range(0, len(data), 7):
        codec.receive_data(data[position : position + 7])
    assert codec.pending_bytes == len(data)
    assert feed(codec, [b""]) == ["hello"] * 60_000
    assert time.process_time() - start < 5  # ten times that, if each piece was joined to the rest


def test_others_get_their_turn_between_the_frames_of_a_message() -> None:
    codec = server(frames_at_once=10)
    more = frame(MORE, b"y", final=False)
    codec.receive_data(frame(TEXT, b"x", final=False) + more * 24 + frame(MORE, b"z"))
    for _ in range(2):
        assert codec.next_message() is None
        assert codec.is_interrupted
    assert codec.next_message() == "x" + "y" * 24 + "z"
    assert codec.next_message() is None
    assert not codec.is_interrupted


# -- messages for many --------------------------------------------------------------------------


@pytest.mark.parametrize("message", ["x" * 500, b"y" * 500, "", "short", bytearray(70_000)])
@pytest.mark.parametrize("bits", [9, 15])
def test_a_shared_message_fits_between_others(message: Any, bits: int) -> None:
    deflate = Deflate(server_max_window_bits=bits)
    sides = [
        (Codec(False, agreed), Codec(True, agreed))
        for agreed in (None, deflate, deflate, Deflate(server_no_context_takeover=True))
    ]
    text = "as it was said before, " * 50
    shared = SharedMessage(message)
    for ours, theirs in sides:
        sent = [ours.send(text), ours.send_shared(shared), ours.send(text), ours.send(message)]
        sent += [ours.send_shared(shared)] * 2
        assert feed(theirs, sent) == [text, message, text, message, message, message]
    assert sides[1][0].send_shared(shared) is sides[2][0].send_shared(shared)


def test_what_cannot_be_shared() -> None:
    shared = SharedMessage("x")
    with pytest.raises(LocalProtocolError):
        client().send_shared(shared)
    codec = server()
    codec.send("x", final=False)
    with pytest.raises(LocalProtocolError):
        codec.send_shared(shared)
    codec = server()
    codec.send_close()
    with pytest.raises(LocalProtocolError):
        codec.send_shared(shared)


def test_what_is_received_is_the_receivers() -> None:
    codec = server()
    data = bytearray(frame(BINARY, b"x" * 200))
    codec.receive_data(data[:100])
    rest = data[100:]
    codec.receive_data(rest)
    rest[:] = bytes(len(rest))
    assert codec.next_message() == b"x" * 200


def test_a_close_without_code() -> None:
    assert feed(server(), [frame(CLOSE)]) == [Close(1005, "")]


def test_a_close_within_a_message_drops_it() -> None:
    codec = server()
    assert feed(codec, [frame(TEXT, b"x", final=False) + frame(CLOSE)]) == [Close()]
    assert not codec.is_receiving


@pytest.mark.parametrize("code", [1000, 1003, 1007, 1011, 1014, 3000, 4999])
def test_codes_that_may_be_sent(code: int) -> None:
    assert feed(client(), [server().send_close(code, "bye")]) == [Close(code, "bye")]


# -- sending and closing -----------------------------------------------------------------------


def test_parts_may_have_control_frames_between_them() -> None:
    codec, peer = client(), server()
    sent = [
        codec.send(b"a", final=False),
        codec.send_ping(b"?"),
        codec.send(b"b", final=False),
        codec.send(b"c"),
        codec.send("d"),
    ]
    assert feed(peer, sent) == [Ping(b"?"), b"abc", "d"]


def test_parts_are_of_one_kind() -> None:
    codec = server()
    codec.send("a", final=False)
    with pytest.raises(LocalProtocolError, match="all text or all binary"):
        codec.send(b"b")


def test_any_bytes_are_binary() -> None:
    codec = server()
    for data in (bytearray(b"ab"), memoryview(b"ab"), memoryview(b"a_b_")[::2]):
        assert feed(client(), [codec.send(data)]) == [b"ab"]


def test_we_close_first() -> None:
    codec, peer = server(), client()
    closing = codec.send_close(1001, "going")
    assert codec.state is State.CLOSING
    with pytest.raises(LocalProtocolError):
        codec.send("too late")
    with pytest.raises(LocalProtocolError):
        codec.send_ping()
    with pytest.raises(LocalProtocolError):
        codec.send_close()
    assert feed(peer, [closing]) == [Close(1001, "going")]
    assert peer.state is State.PEER_CLOSED
    with pytest.raises(LocalProtocolError):
        peer.send("too late")
    answer = peer.send_close(1001)
    assert peer.state is State.CLOSED
    # What the peer had sent before is still delivered.
    assert feed(codec, [frame(TEXT, b"late"), answer]) == ["late", Close(1001)]
    assert codec.state is State.CLOSED


def test_a_close_without_a_code_is_answered_without_one() -> None:
    assert server().send_close(1005) == server().send_close(None) == b"\x88\x00"


@pytest.mark.parametrize(
    ("code", "reason"), [(1006, ""), (1015, ""), (999, ""), (5000, ""), (1000, "x" * 124)]
)
def test_what_no_close_frame_may_have(code: int, reason: str) -> None:
    with pytest.raises(LocalProtocolError):
        server().send_close(code, reason)


def test_a_reason_needs_a_code() -> None:
    with pytest.raises(LocalProtocolError):
        server().send_close(None, "why")


def test_pings_are_short() -> None:
    with pytest.raises(LocalProtocolError):
        server().send_ping(b"x" * 126)
    assert feed(client(), [server().send_pong(b"x" * 125)]) == [Pong(b"x" * 125)]


def test_errors_show_code_and_reason() -> None:
    assert str(RemoteProtocolError(1002, "why")) == "1002: why"
