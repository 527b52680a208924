"""Packets of nodes: what was sent arrives, and nothing that arrives does harm."""

from __future__ import annotations

import datetime
import json
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from circuits._wire import packet as wire

_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
_hashable = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), _texts, st.binary(max_size=10),
    st.floats(allow_nan=False, allow_infinity=False), st.decimals(allow_nan=False, allow_infinity=False),
    st.uuids(), st.dates(), st.times(), st.datetimes(),
    st.timedeltas(datetime.timedelta(days=-40_000), datetime.timedelta(days=40_000)),
)  # fmt: skip
_keys = st.one_of(_hashable, st.tuples(_hashable, _hashable), st.frozensets(_hashable, max_size=3))
_values = st.recursive(
    _hashable,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(st.one_of(_texts, st.just("$set")), inner, max_size=3),
        st.dictionaries(_keys, inner, max_size=3),
        st.sets(_hashable, max_size=3),
        st.frozensets(_hashable, max_size=3),
    ),
    max_leaves=20,
)


def _same(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[k], other[k]) for k in one)
    return bool(one == other)


@given(args=st.lists(_values, max_size=3), kwargs=st.dictionaries(_texts, _values, max_size=2))
def test_what_was_sent_arrives(args: Any, kwargs: Any) -> None:
    for pack in (None, msgspec.msgpack.encode):
        lowered = {key: wire.lower(value, key) for key, value in kwargs.items()}
        body = wire.request_body(2, "f0", "x", wire.lower(args, "args"), lowered)
        decoder = wire.PacketDecoder()
        decoder.unpack = msgspec.msgpack.decode
        decoder.receive_data(wire.encode(body, 2, pack=pack))
        found = decoder.next_message()
        assert isinstance(found, wire.Request)
        assert _same(wire.lift(found.args), args)
        assert _same({k: wire.lift(v) for k, v in found.kwargs.items()}, kwargs)


_KEYS = """
$bytes $set $map $data $tuple $decimal $uuid $date $timedelta id name args kwargs channels value
errors circuits nonce ping proof type fields
"""

_json = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.one_of(
                st.text(max_size=3),
                st.sampled_from(_KEYS.split()),
            ),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=15,
)


def _read_all(decoder: wire.PacketDecoder) -> None:
    """Read what there is; only the errors of the codec may come."""
    try:
        while (message := decoder.next_message()) is not None:
            for part in ("args", "kwargs", "value"):
                if hasattr(message, part):
                    try:
                        wire.lift(getattr(message, part))
                    except wire.UnreadableError:
                        pass
    except wire.RemoteProtocolError:
        pass


def _unpack(data: bytes) -> Any:
    try:
        return msgspec.msgpack.decode(data)
    except msgspec.MsgspecError as problem:
        raise ValueError from problem


@given(body=_json, version=st.sampled_from([1, 2]))
def test_any_object_is_understood_or_passed_over(body: Any, version: int) -> None:
    data = json.dumps(body).encode()
    decoder = wire.PacketDecoder()
    framed = data + b"\r\n\r\n" if version == 1 else len(data).to_bytes(4, "big") + data
    decoder.receive_data(framed)
    _read_all(decoder)


@given(
    pieces=st.lists(
        st.one_of(
            st.binary(max_size=50),
            st.binary(max_size=50).map(lambda data: len(data).to_bytes(4, "big") + data),
            st.binary(max_size=50).map(lambda data: b"{" + data + b"\r\n\r\n"),
        ),
        max_size=6,
    ),
    packs=st.booleans(),
)
def test_any_bytes_raise_nothing_but_the_error_of_the_codec(
    pieces: list[bytes], packs: bool
) -> None:
    decoder = wire.PacketDecoder(1000)
    if packs:
        decoder.unpack = _unpack
    for piece in pieces:
        decoder.receive_data(piece)
        _read_all(decoder)
    assert decoder.pending_bytes <= 1004
