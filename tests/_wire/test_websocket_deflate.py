"""Compression of WebSocket messages: negotiation, and messages both ways (RFC 7692)."""

from __future__ import annotations

import zlib
from itertools import product

import pytest

from circuits._wire.websocket import Codec, Deflate, Limits, NegotiationError, parse_extensions

from .websocket_support import bytewise, feed, frame

PLAIN = Deflate()


# -- the examples of RFC 7692, 7.2.3 -----------------------------------------------------------


@pytest.mark.parametrize(
    ("hexadecimal", "messages"),
    [
        ("c107f248cdc9c90700", ["Hello"]),
        ("4103f248cd 8004c9c90700", ["Hello"]),
        ("c107f248cdc9c90700 c105f200110000", ["Hello", "Hello"]),
        ("c10b000500faff48656c6c6f00", ["Hello"]),
        ("c108f348cdc9c9070000", ["Hello"]),
        ("c10df248050000 00ffff cac9c90700", ["Hello"]),
    ],
)
def test_examples_of_the_standard(hexadecimal: str, messages: list[str]) -> None:
    data = bytes.fromhex(hexadecimal)
    assert feed(Codec(True, PLAIN), [data]) == messages
    assert feed(Codec(True, PLAIN), bytewise(data)) == messages


SETTINGS = [
    Deflate(
        server_no_context_takeover=one,
        client_no_context_takeover=other,
        server_max_window_bits=bits,
        client_max_window_bits=24 - bits,
        minimum_bytes=minimum,
    )
    for one, other, bits, minimum in product([True, False], [True, False], [9, 15], [0, 64])
]
SAMPLES: list[str | bytes] = [
    "Hello" * 50,
    "Hello" * 50,
    b"",
    "",
    bytes(range(256)) * 300,
    "ü" * 100,
    "x",
]


@pytest.mark.parametrize("deflate", SETTINGS)
@pytest.mark.parametrize("is_client", [True, False])
def test_both_sides_agree(deflate: Deflate, is_client: bool) -> None:
    one, other = Codec(is_client, deflate), Codec(not is_client, deflate)
    sent = b"".join(one.send(message) for message in SAMPLES)
    sent += one.send("in ", final=False) + one.send("", final=False) + one.send("parts")
    sent += one.send(b"", final=False) + one.send(b"")
    assert feed(other, [sent[i : i + 700] for i in range(0, len(sent), 700)]) == [
        *SAMPLES,
        "in parts",
        b"",
    ]


def test_what_repeats_gets_smaller() -> None:
    codec = Codec(False, PLAIN)
    first, second = codec.send("Hello" * 50), codec.send("Hello" * 50)
    assert len(second) < len(first) < 60
    alone = Codec(False, Deflate(server_no_context_takeover=True))
    assert alone.send("Hello" * 50) == alone.send("Hello" * 50)


def test_small_messages_are_left_alone() -> None:
    assert Codec(False, PLAIN).send("Hello") == b"\x81\x05Hello"


def test_a_bomb_is_stopped_before_it_is_large() -> None:
    bomb = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = bomb.compress(bytes(50_000_000)) + bomb.flush(zlib.Z_SYNC_FLUSH)
    codec = Codec(False, PLAIN, Limits(message_bytes=1000))
    assert feed(codec, [frame(2, data[:-4], rsv=0x40)]) == [1009]


def test_the_limit_is_that_of_the_message() -> None:
    sender = Codec(True, Deflate(minimum_bytes=0))
    exact = sender.send("x" * 1000)
    assert feed(Codec(False, PLAIN, Limits(message_bytes=1000)), [exact]) == ["x" * 1000]
    assert feed(Codec(False, PLAIN, Limits(message_bytes=999)), [exact]) == [1009]
    parts = [sender.send("x" * 600, final=False), sender.send("x" * 600)]
    assert feed(Codec(False, PLAIN, Limits(message_bytes=1000)), [exact, *parts]) == [
        "x" * 1000,
        1009,
    ]


def test_without_a_limit_everything_comes_out() -> None:
    codec = Codec(False, PLAIN, Limits(message_bytes=None))
    assert feed(codec, [Codec(True, PLAIN).send(bytes(1_000_000))]) == [bytes(1_000_000)]


def test_what_is_not_compressed_at_all() -> None:
    assert feed(Codec(False, PLAIN), [frame(1, b"\xff\xff\xff", rsv=0x40)]) == [1007]


def test_decompressed_text_is_checked_too() -> None:
    data = Codec(True, Deflate(minimum_bytes=0)).send(b"\xff" * 10)
    as_text = bytes([0xC1]) + data[1:]
    assert feed(Codec(False, PLAIN), [as_text]) == [1007]


def test_only_the_first_frame_says_that_it_is_compressed() -> None:
    codec = Codec(False, PLAIN)
    assert feed(codec, [frame(1, b"x", final=False), frame(0, b"y", rsv=0x40)]) == [1002]
    assert feed(Codec(False, PLAIN), [frame(9, b"y", rsv=0x40)]) == [1002]
    assert feed(Codec(False, PLAIN), [frame(1, b"y", rsv=0x60)]) == [1002]


# -- negotiation -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "offers", "answer"),
    [
        (Deflate(), "permessage-deflate", "permessage-deflate"),
        (Deflate(), "permessage-deflate; client_max_window_bits", "permessage-deflate"),
        (Deflate(), "x-other, permessage-deflate", "permessage-deflate"),
        (
            Deflate(),
            'permessage-deflate; server_max_window_bits="10"; server_no_context_takeover',
            "permessage-deflate; server_no_context_takeover; server_max_window_bits=10",
        ),
        (
            Deflate(server_max_window_bits=12, client_max_window_bits=11),
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate; server_max_window_bits=12; client_max_window_bits=11",
        ),
        (
            Deflate(client_no_context_takeover=True, client_max_window_bits=9),
            "permessage-deflate",
            "permessage-deflate; client_no_context_takeover",
        ),
        (
            Deflate(),
            "permessage-deflate; client_max_window_bits=8",
            "permessage-deflate; client_max_window_bits=8",
        ),
        (
            Deflate(),
            "permessage-deflate; server_max_window_bits=8, permessage-deflate",
            "permessage-deflate",
        ),
        (Deflate(), "permessage-deflate; server_max_window_bits=8", None),
        (Deflate(), "permessage-deflate; server_max_window_bits", None),
        (Deflate(), "permessage-deflate; server_max_window_bits=16", None),
        (Deflate(), "permessage-deflate; server_max_window_bits=010", None),
        (Deflate(), "permessage-deflate; client_no_context_takeover=1", None),
        (Deflate(), "permessage-deflate; unknown", None),
        (
            Deflate(),
            "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
            None,
        ),
        (Deflate(), "x-other", None),
        (Deflate(), "", None),
    ],
)
def test_what_a_server_answers(settings: Deflate, offers: str, answer: str | None) -> None:
    agreed = settings.answer(offers)
    assert (agreed and agreed[0]) == answer


def test_what_a_server_does_then() -> None:
    agreed = Deflate().answer(
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
        "server_max_window_bits=10; client_max_window_bits=11"
    )
    assert agreed is not None
    assert agreed[1] == Deflate(True, True, 10, 11)


@pytest.mark.parametrize(
    ("settings", "offer"),
    [
        (Deflate(), "permessage-deflate; client_max_window_bits"),
        (
            Deflate(True, True, 10, 11),
            (
                "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
                "server_max_window_bits=10; client_max_window_bits=11"
            ),
        ),
    ],
)
def test_what_a_client_offers(settings: Deflate, offer: str) -> None:
    assert settings.offer() == offer
    agreed = Deflate().answer(offer)
    assert agreed is not None
    assert settings.accepted(agreed[0]) is not None


@pytest.mark.parametrize(
    ("settings", "answer", "agreed"),
    [
        (Deflate(), "permessage-deflate", Deflate()),
        (Deflate(), "", None),
        (
            Deflate(),
            "permessage-deflate; server_no_context_takeover; client_max_window_bits=10",
            Deflate(server_no_context_takeover=True, client_max_window_bits=10),
        ),
        (
            Deflate(client_no_context_takeover=True),
            "permessage-deflate; server_max_window_bits=9",
            Deflate(client_no_context_takeover=True, server_max_window_bits=9),
        ),
    ],
)
def test_what_a_client_understands(settings: Deflate, answer: str, agreed: Deflate | None) -> None:
    assert settings.accepted(answer) == agreed


@pytest.mark.parametrize(
    ("settings", "answer"),
    [
        (Deflate(), "x-other"),
        (Deflate(), "permessage-deflate, permessage-deflate"),
        (Deflate(), "permessage-deflate; unknown"),
        (Deflate(), "permessage-deflate; server_no_context_takeover=1"),
        (
            Deflate(),
            "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        ),
        (Deflate(), "permessage-deflate; client_max_window_bits"),
        (Deflate(), "permessage-deflate; client_max_window_bits=8"),
        (Deflate(server_max_window_bits=10), "permessage-deflate; server_max_window_bits=11"),
        (Deflate(server_max_window_bits=10), "permessage-deflate"),
        (Deflate(server_no_context_takeover=True), "permessage-deflate"),
    ],
)
def test_answers_that_do_not_fit(settings: Deflate, answer: str) -> None:
    with pytest.raises(NegotiationError):
        settings.accepted(answer)


@pytest.mark.parametrize("header", ["a b", "a; b c", "a; b=", 'a; b="', "a;", ";a", "é", "a," * 99])
def test_malformed_extensions(header: str) -> None:
    with pytest.raises(NegotiationError):
        parse_extensions(header)


def test_extensions_and_their_parameters() -> None:
    assert parse_extensions('a; b; c=1 ; d = "2", ,e') == [
        ("a", [("b", None), ("c", "1"), ("d", "2")]),
        ("e", []),
    ]


@pytest.mark.parametrize("bits", [8, 16])
def test_windows_that_zlib_cannot_make(bits: int) -> None:
    with pytest.raises(ValueError, match="9 to 15"):
        Deflate(server_max_window_bits=bits)


# -- last blocks within a message --


def _ended(text: bytes) -> bytes:
    compress = zlib.compressobj(wbits=-15)
    return compress.compress(text) + compress.flush()


@pytest.mark.parametrize("count", [1, 2, 5])
def test_what_follows_a_last_block_counts_wherever_the_data_is_cut(count: int) -> None:
    text = b"".join(_ended(b"part %d " % number) for number in range(count)) + b"\x00"
    data = frame(1, text, rsv=0x40)
    expected = ["".join(f"part {number} " for number in range(count))]
    for cut in range(len(data) + 1):
        assert feed(Codec(False, PLAIN), [data[:cut], data[cut:]]) == expected
    assert feed(Codec(False, PLAIN), bytewise(data)) == expected


@pytest.mark.parametrize("cut", [False, True])
def test_many_last_blocks_are_refused(cut: bool) -> None:
    data = frame(1, _ended(b"") * 100_000, rsv=0x40)
    assert feed(Codec(False, PLAIN), bytewise(data) if cut else [data]) == [1007]
