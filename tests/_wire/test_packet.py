"""Packets of nodes: the codec alone."""

from __future__ import annotations

import datetime
import json
import time
import uuid
from decimal import Decimal
from typing import Any

import pytest

from circuits._wire import packet as wire
from circuits._wire.packet import Control, Malformed, Offer, PacketDecoder, Reply, Request

EVENT = b'{"id": 7, "name": "greet", "args": ["bob"], "kwargs": {"n": 1}, "success": true, "failure": false, "notify": false, "channels": ["a", "b"]}'
NONCE = "0123456789abcdef" * 2


def two(body: object) -> bytes:
    data = json.dumps(body).encode()
    return len(data).to_bytes(4, "big") + data


def decode(data: bytes, **options: Any) -> list[Any]:
    decoder = PacketDecoder(**options)
    decoder.receive_data(data)
    found = []
    while (message := decoder.next_message()) is not None:
        found.append(message)
    return found


# -- framing -----------------------------------------------------------------------------------


def test_both_kinds_come_in_one_stream_in_any_pieces() -> None:
    reply = {"v": 2, "id": "x", "value": 5, "errors": False}
    stream = EVENT + b"\r\n\r\n" + two(reply) + two({"ping": 1}) + EVENT + b"\r\n\r\n"
    whole = decode(stream)
    assert [type(m) for m in whole] == [Request, Reply, Control, Request]
    assert [m.version for m in whole] == [1, 2, 2, 1]
    for size in (1, 2, 3, 5, 7, len(EVENT) + 1):
        decoder = PacketDecoder()
        found = []
        for start in range(0, len(stream), size):
            decoder.receive_data(stream[start : start + size])
            while (message := decoder.next_message()) is not None:
                found.append(message)
        assert found == whole
        assert decoder.pending_bytes == 0


def test_an_event_of_version_1() -> None:
    (request,) = decode(EVENT + b"\r\n\r\n")
    assert request == Request(1, 7, "greet", ["bob"], {"n": 1}, ("a", "b"), True, False, False)


@pytest.mark.parametrize("first", [b"[", b" ", b"\r", b"\x01", b"\xff", b"G"])
def test_another_first_byte_breaks_the_connection(first: bytes) -> None:
    decoder = PacketDecoder()
    decoder.receive_data(first + EVENT)
    with pytest.raises(wire.RemoteProtocolError):
        decoder.next_message()
    decoder.receive_data(EVENT + b"\r\n\r\n")
    assert decoder.next_message() is None


def test_a_packet_over_the_limit_breaks_the_connection_before_it_is_there() -> None:
    decoder = PacketDecoder(100)
    decoder.receive_data((101).to_bytes(4, "big"))
    with pytest.raises(wire.RemoteProtocolError, match="101 bytes, at most 100"):
        decoder.next_message()
    decoder = PacketDecoder(100)
    decoder.receive_data(b'{"id": "' + b"x" * 200)
    with pytest.raises(wire.RemoteProtocolError, match="more than 100"):
        decoder.next_message()


def test_a_packet_of_just_the_limit_passes() -> None:
    body = b'{"ping": "' + b"x" * 100 + b'"}'
    for data in (body + b"\r\n\r\n", len(body).to_bytes(4, "big") + body):
        assert len(decode(data, limit=len(body))) == 1
        with pytest.raises(wire.RemoteProtocolError):
            decode(data, limit=len(body) - 1)


@pytest.mark.parametrize("limit", [0, -1, 1 << 24])
def test_the_limit_keeps_the_first_byte_zero(limit: int) -> None:
    with pytest.raises(ValueError, match="1 to 16777215 bytes"):
        PacketDecoder(limit)


def test_one_byte_at_a_time_is_linear() -> None:
    def cost(size: int) -> float:
        decoder = PacketDecoder()
        data = b'{"id": "' + b"x" * size
        begun = time.process_time()
        for n in range(len(data)):
            decoder.receive_data(data[n : n + 1])
            decoder.next_message()
        return time.process_time() - begun

    small, large = min(cost(20_000) for _ in range(3)), cost(160_000)
    assert large < small * 40  # eight times is linear, sixty-four is quadratic


# -- what a packet says ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"", b"5", b"[1]", b"{", b'{"name"', b'{"id": NaN, "name": "x"}', b'{"id": 1}', b"\xff\xfe",
        b'{"name": 5}', b'{"name": ""}', b'{"name": "a\\u0000"}', b'{"name": "\\ud800"}',
        b'{"name": "x", "args": {}}', b'{"name": "x", "kwargs": []}',
        b'{"name": "x", "channels": "a"}', b'{"name": "x", "channels": [5]}',
        b'{"name": "x", "id": [1]}', b'{"name": "x", "id": 1e999}',
        b'{"name": "x", "id": "\\ud800"}',
        b'{"circuits": 1, "nonce": "%s"}', b'{"circuits": 2, "nonce": "xyz"}',
        b'{"circuits": 2, "name": "", "nonce": "0123456789abcdef0123456789abcdef"}',
        b'{"name": "' + b"x" * 256 + b'"}',
        b"[" * 100_000, b'{"a":' * 50_000, b'{"name": "x", "id": ' + b"9" * 5000 + b"}",
    ],
)  # fmt: skip
def test_what_cannot_be_understood_is_passed_over(body: bytes) -> None:
    framed = len(body).to_bytes(4, "big") + body
    found = decode(framed + two({"ping": 1}))
    assert [type(m) for m in found] == [Malformed, Control]


def test_a_malformed_request_keeps_its_id_for_the_answer() -> None:
    (message,) = decode(two({"name": "x", "id": "77", "args": 5}))
    assert (message.id, message.version) == ("77", 2)


@pytest.mark.parametrize("id", ["x", 5, 1.5, True, None])
def test_an_id_is_any_scalar(id: Any) -> None:
    (message,) = decode(two({"name": "x", "id": id}))
    assert message.id is id or message.id == id


def test_keys_are_closed_and_flags_are_booleans() -> None:
    body = {
        "name": "x", "__class__": "y", "handler": 5, "value_changed": 1, "notify": "stopped",
        "success": 1, "failure": "yes",
    }  # fmt: skip
    (message,) = decode(two(body))
    assert message == Request(2, None, "x", [], {})


@pytest.mark.parametrize(
    ("timeout", "found"),
    [(29.5, 29.5), (0, 0), (-1, -1), ("5", None), (True, None), (None, None), (10**400, 1e9)],
    ids=str,
)
def test_a_timeout_is_a_number(timeout: Any, found: Any) -> None:
    (message,) = decode(two({"name": "x", "timeout": timeout}))
    assert message.timeout == found


def test_a_traceparent_has_its_form() -> None:
    good = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    for trace, found in ((good, good), ("00-xyz", None), (5, None), (good + "\n", None)):
        (message,) = decode(two({"name": "x", "traceparent": trace}))
        assert message.traceparent == found


def test_an_offer() -> None:
    offer = {"circuits": 2, "name": "me", "nonce": NONCE, "features": ["msgpack", 5]}
    (found,) = decode(json.dumps(offer).encode() + b"\r\n\r\n")
    assert found == Offer(1, 2, "me", NONCE, ("msgpack",))
    (found,) = decode(two({**offer, "features": 7, "name": None}))
    assert found == Offer(2, 2, None, NONCE, ())


@pytest.mark.parametrize("kind", ["ping", "pong", "proof", "replaced"])
def test_controls(kind: str) -> None:
    assert decode(two({kind: 5})) == [Control(2, kind, 5)]


def test_a_name_beside_an_offer_is_that_of_the_node() -> None:
    (found,) = decode(two({"circuits": 2, "name": "stopped", "nonce": NONCE}))
    assert isinstance(found, Offer)


# -- encoding ----------------------------------------------------------------------------------


def test_version_1_has_all_keys_and_is_ascii() -> None:
    body = wire.request_body(1, 0, "greet", ["ü"], None, ("a",), ["success"], 5.0)
    data = wire.encode(body, 1)
    assert data.endswith(b"\r\n\r\n")
    assert data.isascii()
    assert json.loads(data) == {
        "id": 0, "name": "greet", "args": ["ü"], "kwargs": {}, "success": True, "failure": False,
        "notify": False, "channels": ["a"],
    }  # fmt: skip


def test_version_2_has_the_length_first_and_only_what_is_needed() -> None:
    request = Request(2, "f0", "greet", ["ü"], {}, timeout=1.5)
    data = wire.encode(wire.request_body(2, "f0", "greet", ["ü"], {}, timeout=1.5), 2)
    assert int.from_bytes(data[:4], "big") == len(data) - 4
    assert json.loads(data[4:]) == {
        "v": 2, "id": "f0", "name": "greet", "args": ["ü"], "timeout": 1.5,
    }  # fmt: skip
    assert decode(data) == [request]


def test_replies() -> None:
    assert decode(wire.encode(wire.reply_body(7, "x"), 1)) == [Reply(1, 7, "x", False)]
    reply = wire.reply_body("f0", ["ValueError", "no", []], True, 2)
    assert decode(wire.encode(reply, 2)) == [Reply(2, "f0", ["ValueError", "no", []], True)]


@pytest.mark.parametrize("version", [1, 2])
def test_a_packet_that_is_too_large_is_a_value_error_at_the_sender(version: int) -> None:
    body = {"id": 1, "value": "x" * 100}
    with pytest.raises(ValueError, match="at most 50 are allowed"):
        wire.encode(body, version, 50)


@pytest.mark.parametrize("bad", ["\ud800", 10**5000], ids=["text", "number"])
def test_a_text_that_is_no_utf_8_and_a_huge_number_are_refused_with_their_place(bad: Any) -> None:
    body = {"name": "x", "args": [1, {"when": [bad]}]}
    with pytest.raises(TypeError, match=r"args\[1\]\['when'\]\[0\] cannot be sent"):
        wire.encode(body, 2)


def test_messagepack_where_it_was_agreed_on() -> None:
    msgspec = pytest.importorskip("msgspec")
    request = Request(2, "f0", "greet", [1, "ü", 2.5, None], {"a": [True]}, ("a",))
    body = wire.request_body(2, "f0", "greet", [1, "ü", 2.5, None], {"a": [True]}, ("a",))
    data = wire.encode(body, 2, pack=msgspec.msgpack.encode)
    decoder = PacketDecoder()
    decoder.unpack = msgspec.msgpack.decode
    decoder.receive_data(data + two({"ping": 1}))
    assert decoder.next_message() == request
    assert decoder.next_message() == Control(2, "ping", 1)
    body = {"name": "x", "args": [1 << 70]}  # only JSON has it
    decoder.receive_data(wire.encode(body, 2, pack=msgspec.msgpack.encode))
    found = decoder.next_message()
    assert isinstance(found, Request)
    assert found.args == [1 << 70]


# -- values ------------------------------------------------------------------------------------

VALUES = [
    (b"\0\1", {"$bytes": "AAE="}),
    (datetime.datetime(2026, 1, 2, 3, 4, 5, 6), {"$datetime": "2026-01-02T03:04:05.000006"}),
    (datetime.date(2026, 1, 2), {"$date": "2026-01-02"}),
    (datetime.time(3, 4), {"$time": "03:04:00"}),
    (datetime.timedelta(days=1, seconds=2), {"$timedelta": 86402}),
    (datetime.timedelta(milliseconds=1500), {"$timedelta": 1.5}),
    (Decimal("1.50"), {"$decimal": "1.50"}),
    (uuid.UUID(int=5), {"$uuid": "00000000-0000-0000-0000-000000000005"}),
    ((1, (2,)), {"$tuple": [1, {"$tuple": [2]}]}),
    ({5}, {"$set": [5]}),
    (frozenset([5]), {"$frozenset": [5]}),
    ({1: 2}, {"$map": [[1, 2]]}),
    ({"$bytes": 5}, {"$map": [["$bytes", 5]]}),
    ({"$a": 1, "b": 2}, {"$a": 1, "b": 2}),
    ({(1, 2): {3}}, {"$map": [[{"$tuple": [1, 2]}, {"$set": [3]}]]}),
    ([{"a": [None, True, 1.5, "x"]}], [{"a": [None, True, 1.5, "x"]}]),
]


@pytest.mark.parametrize(("value", "lowered"), VALUES)
def test_values_beyond_json(value: Any, lowered: Any) -> None:
    found = wire.lower(value, "value")
    assert found == lowered
    back = wire.lift(json.loads(json.dumps(found)))
    assert back == value
    assert type(back) is type(value)


def _circle() -> list[Any]:
    circle: list[Any] = []
    circle.append({"again": circle})
    return circle


def _nested(depth: int) -> Any:
    value: Any = 5
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ([0, {"when": object()}], "args[1]['when']"),
        ([float("nan")], "args[0]"),
        ([(1, float("inf"))], "args[0][1]"),
        ([Decimal("NaN")], "args[0]"),
        ([{1: lambda: 0}], "args[0][1]"),
        ([{"a": {2j}}], "args[0]['a'][0]"),
        ([range(3)], "args[0]"),
        ([_nested(64)], "args[0]"),
        (_circle(), "args[0]['again'][0]"),
    ],
)
def test_what_does_not_travel_is_refused_with_its_place(value: Any, place: str) -> None:
    with pytest.raises(TypeError) as caught:
        wire.lower(value, "args")
    assert str(caught.value).startswith(place)


def test_sixty_four_containers_travel() -> None:
    for value in (_nested(64), [[(_nested(61),)]]):
        assert wire.lift(json.loads(json.dumps(wire.lower(value, "v")))) == value
    with pytest.raises(wire.UnreadableError, match="nested"):
        wire.lift(_nested(65))


def test_what_contains_one_thing_very_often_is_refused_in_time() -> None:
    value: Any = [1]
    for _ in range(60):
        value = [value, value]
    with pytest.raises(ValueError, match="more items"):
        wire.lower(value, "args", most=10_000)


def test_version_1_has_no_tags() -> None:
    assert wire.lower((1, [(2,)], {"$a": 1}), "args", is_plain=True) == [1, [[2]], {"$a": 1}]
    for value in (b"x", {1: 2}, {5}, datetime.date(2026, 1, 1)):
        with pytest.raises(TypeError, match=r"args\[0\] cannot be sent: the peer speaks version 1"):
            wire.lower([value], "args", is_plain=True)
    tagged = {"$bytes": "AAE="}
    assert wire.lift(dict(tagged), is_plain=True) == tagged


@pytest.mark.parametrize(
    "value",
    [
        {"$bytes": 5}, {"$bytes": "ä"}, {"$bytes": "A"}, {"$datetime": "yesterday"}, {"$date": 1},
        {"$time": "25:00"}, {"$timedelta": "1"}, {"$timedelta": True}, {"$timedelta": 1e300},
        {"$decimal": "x"}, {"$decimal": "NaN"}, {"$decimal": "Infinity"}, {"$uuid": "x"},
        {"$uuid": "{00000000-0000-0000-0000-000000000005}"}, {"$tuple": 5}, {"$set": {"a": 1}},
        {"$set": [[1]]}, {"$map": [[1]]}, {"$map": [[[1], 2]]}, {"$map": {"a": 1}},
        {"$data": 5}, {"$data": {"type": "X"}}, {"$data": {"type": 5, "fields": {}}},
        {"$data": {"type": "X", "fields": []}}, {"$data": {"type": "X", "fields": {}}},
        {"$data": {"type": "X", "fields": {}, "more": 1}}, {"$what": []}, {"$": 1},
        {"a": {"$bytes": None}}, [float("inf")], {"$tuple": [float("nan")]}, {"$timedelta": 1e999},
        b"bytes", {5: 6},
    ],
)  # fmt: skip
def test_malformed_values_are_unreadable(value: Any) -> None:
    with pytest.raises(wire.UnreadableError):
        wire.lift(value)


def test_dataclasses_are_described_and_made_by_others() -> None:
    class Point:
        def __init__(self, x: Any, y: Any) -> None:
            self.x, self.y = x, y

    def describe(value: Any) -> Any:
        return ("Point", vars(value)) if isinstance(value, Point) else None

    def make(name: str, fields: dict[str, Any]) -> Any:
        if name != "Point":
            raise TypeError(f"the type {name!r} is not known here")
        return Point(**fields)

    lowered = wire.lower([Point(1, (2,))], "args", describe)
    assert lowered == [{"$data": {"type": "Point", "fields": {"x": 1, "y": {"$tuple": [2]}}}}]
    (made,) = wire.lift(lowered, make)
    assert (made.x, made.y) == (1, (2,))
    with pytest.raises(wire.UnreadableError, match="'Other' is not known") as caught:
        wire.lift({"$data": {"type": "Other", "fields": {}}}, make)
    assert caught.value.type_name == "TypeError"
    with pytest.raises(TypeError, match=r"args\[0\]\.y cannot be sent"):
        wire.lower([Point(1, object())], "args", describe)
