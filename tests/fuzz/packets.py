"""Packets of nodes, and the values in them; as JSON also beside msgspec."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from circuits._wire import packet as wire
from tests.fuzz.engine import Target, normal

_LIMIT = 3000


def _framed(body: Any) -> bytes:
    data = json.dumps(body, separators=(",", ":")).encode()
    return len(data).to_bytes(4, "big") + data


def _unpack(data: bytes) -> Any:
    try:
        return msgspec.msgpack.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as problem:
        raise ValueError(str(problem)) from None


_BODIES: list[Any] = [
    {
        "v": 2,
        "id": 1,
        "name": "greet",
        "args": [1, -2.5, "x", None, True, [1, {"a": []}]],
        "channels": ["a"],
    },
    {
        "v": 2,
        "id": "x",
        "name": "e",
        "args": [{"$bytes": "AAE="}],
        "kwargs": {"k": {"$tuple": [1]}},
    },
    {
        "v": 2,
        "id": 3,
        "value": {"$map": [[1, 2], [{"$uuid": "12345678-1234-1234-1234-123456789012"}, 3]]},
    },
    {"v": 2, "id": 4, "value": {"$set": [1, {"$frozenset": []}, {"$tuple": []}]}, "errors": True},
    {"id": None, "value": {"$datetime": "2026-01-02T03:04:05+01:00"}, "errors": False},
    {
        "id": 0,
        "value": [
            {"$date": "2026-01-02"},
            {"$time": "03:04"},
            {"$timedelta": 1.5},
            {"$decimal": "1E+3"},
        ],
    },
    {"id": 5, "value": {"$data": {"type": "Point", "fields": {"x": 1}}}},
    {"circuits": 2, "name": "n", "nonce": "0" * 32, "features": ["msgpack", 1]},
    {"ping": 1.5},
    {"proof": "abc"},
    {"name": "e", "timeout": 5, "traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01"},
]


def _make(name: str, fields: dict[str, Any]) -> Any:
    if name != "Point" or fields.keys() != {"x"}:
        raise TypeError(f"{name} is not known")
    return ("Point", fields["x"])


class Packets(Target):
    name = "packet"
    peers: Sequence[str] = ("msgspec",)
    seeds = [
        *(_framed(body) for body in _BODIES),
        *(json.dumps(body).encode() + b"\r\n\r\n" for body in _BODIES),
        *(
            len(data).to_bytes(4, "big") + data
            for data in (msgspec.msgpack.encode(body) for body in _BODIES)
        ),
    ]
    words = [
        *(
            b"{",
            b"}",
            b"[",
            b"]",
            b",",
            b":",
            b'"',
            b"\\u0000",
            b"\\ud800",
            b"null",
            b"true",
            b"1e999",
            b"NaN",
        ),
        *(
            b"-",
            b"0",
            b"1.5",
            b"\r\n\r\n",
            b"\0\0\0\2{}",
            b"\0\0\0",
            b"\0",
            b"\xc3\xa4",
            b"\xff",
            b" ",
            b"\t",
        ),
        *(
            b'{"$set":[',
            b'{"$map":[[',
            b'{"$tuple":[',
            b'{"$bytes":"',
            b'{"$decimal":"1E9999999"}',
            b"]}",
        ),
        *(
            b'{"$uuid":"',
            b'{"$date":"',
            b'{"$timedelta":1e12}',
            b'{"$data":{"type":"Point","fields":{"x":',
        ),
        *(
            b'"id":',
            b'"name":',
            b'"args":',
            b'"kwargs":',
            b'"value":',
            b'"channels":',
            b'"errors":true',
            b"[" * 70,
        ),
        *(b'"circuits":2', b'"ping":', b'"timeout":', b"9" * 40, b'{"id":1,"value":', b"}\r\n\r\n"),
    ]
    most_held = _LIMIT + 4 + 16384

    def _decoders(self) -> list[wire.PacketDecoder]:
        plain, packed = wire.PacketDecoder(_LIMIT), wire.PacketDecoder(_LIMIT)
        packed.unpack = _unpack
        return [plain, packed]

    def outcome(self, pieces: Iterable[bytes]) -> list[Any]:
        pieces, found = list(pieces), []
        for decoder in self._decoders():
            try:
                for piece in pieces:
                    decoder.receive_data(piece)
                    while (message := decoder.next_message()) is not None:
                        found.append(repr(message))  # before anything in it is changed
                        for part in ("args", "kwargs", "value", "content"):
                            if hasattr(message, part):
                                found.append(self._lifted(getattr(message, part)))
            except wire.RemoteProtocolError as problem:
                found.append(f"refused {problem}")
        return found

    def _lifted(self, value: Any) -> str:
        kept = copy.deepcopy(value)
        try:
            lifted = wire.lift(value, _make)
        except wire.UnreadableError as problem:
            return f"refused {problem}"
        again = repr(wire.lift(json.loads(json.dumps(wire.lower(lifted, "value")))))
        assert repr(lifted) == again or "NaN" in again, f"{kept} is {lifted}, sent again {again}"
        return repr(lifted)

    def steps(self, pieces: Iterable[bytes]) -> Iterator[int]:
        decoder = wire.PacketDecoder(_LIMIT)
        try:
            for piece in pieces:
                decoder.receive_data(piece)
                while decoder.next_message() is not None:
                    pass
                yield decoder.pending_bytes
        except wire.RemoteProtocolError:
            yield 0

    def check(self, data: bytes, whole: list[Any]) -> Iterator[tuple[str, str, str]]:
        for text in {data, data[4:], data.partition(b"\r\n\r\n")[0]}:
            if not text:
                continue
            ours: Any
            theirs: Any
            try:
                ours = repr(wire.read_json(text))
            except wire.UnreadableError as problem:
                ours = problem
            try:
                theirs = repr(msgspec.json.decode(text))
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
                theirs = problem
            if isinstance(ours, Exception) != isinstance(theirs, Exception):
                side = "here" if isinstance(ours, Exception) else "there"
                reason = normal(str(ours if isinstance(ours, Exception) else theirs))
                yield (
                    "msgspec",
                    f"refused {side}: {reason.partition(' (')[0]}",
                    f"{ours} / {theirs} / {text!r}",
                )
            elif not isinstance(ours, Exception) and ours != theirs:
                yield "msgspec", "otherwise", f"{ours} / {theirs} / {text!r}"


class Values(Packets):
    """Long values: what is read and lifted of one packet."""

    name = "packet-values"
    peers = ()
    most_memory = 40 << 20

    def steps(self, pieces: Iterable[bytes]) -> Iterator[int]:
        try:
            value = wire.read_json(b"".join(pieces).partition(b"\r\n\r\n")[0][-(1 << 18) :])
            wire.lift(value, _make)
            wire.parse(value, 2)
        except wire.UnreadableError:
            pass
        yield 0

    def check(self, data: bytes, whole: list[Any]) -> Iterator[tuple[str, str, str]]:
        return iter(())


TARGETS: list[Target] = [Packets(), Values()]
