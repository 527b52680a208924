"""Properties of the WebSocket codec: cuts mean nothing, and others understand the same."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto import events
from wsproto.connection import Connection, ConnectionType
from wsproto.extensions import PerMessageDeflate

from circuits._wire.websocket import Close, Codec, Deflate, Limits, Ping, Pong, mask
from tests._wire.websocket_support import feed, frame

MESSAGES = st.one_of(
    st.text(max_size=300),
    st.binary(max_size=300),
    st.builds(Ping, st.binary(max_size=125)),
    st.builds(Pong, st.binary(max_size=125)),
)
CUTS = st.lists(st.integers(min_value=0), max_size=8)
FRAMES = st.builds(
    frame,
    st.sampled_from([0, 0, 1, 1, 2, 8, 9, 10, 3]),
    st.one_of(st.binary(max_size=4), st.text(max_size=4).map(str.encode), st.just(b"x" * 130)),
    final=st.booleans(),
    rsv=st.sampled_from([0, 0, 0, 0, 0, 0x40, 0x10]),
    key=st.sampled_from([b"\1\2\3\4", b"\0\0\0\0", b"\1\2\3\4", None]),
)


def cut(data: bytes, positions: list[int]) -> list[bytes]:
    edges = [0, *sorted(position % (len(data) + 1) for position in positions), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def sent_by(codec: Codec, message: Any) -> bytes:
    if isinstance(message, Ping):
        return codec.send_ping(message.payload)
    if isinstance(message, Pong):
        return codec.send_pong(message.payload)
    return codec.send(message)


@pytest.mark.parametrize("deflate", [None, Deflate(minimum_bytes=0)])
@given(messages=st.lists(MESSAGES, max_size=6), cuts=CUTS, is_client=st.booleans())
def test_what_is_sent_is_what_is_received(
    deflate: Deflate | None, messages: list[Any], cuts: list[int], is_client: bool
) -> None:
    sender = Codec(is_client, deflate)
    data = b"".join(sent_by(sender, message) for message in messages)
    assert feed(Codec(not is_client, deflate), cut(data, cuts)) == messages


@given(frames=st.lists(FRAMES, max_size=8), cuts=CUTS)
def test_cuts_mean_nothing_in_garbage_either(frames: list[bytes], cuts: list[int]) -> None:
    data = b"".join(frames)
    limits = Limits(message_bytes=200)
    whole = feed(Codec(False, limits=limits), [data])
    assert feed(Codec(False, limits=limits), cut(data, cuts)) == whole
    assert feed(Codec(False, limits=limits), [data[i : i + 1] for i in range(len(data))]) == whole


@given(data=st.binary(max_size=700), key=st.binary(min_size=4, max_size=4))
def test_masking_twice_changes_nothing(data: bytes, key: bytes) -> None:
    assert mask(mask(data, key), key) == data


# -- against wsproto ---------------------------------------------------------------------------


def theirs(is_client: bool, deflate: bool) -> Connection:
    extensions: list[Any] = []
    if deflate:
        extension = PerMessageDeflate()
        extension.finalize("permessage-deflate")
        extensions.append(extension)
    kind = ConnectionType.CLIENT if is_client else ConnectionType.SERVER
    return Connection(kind, extensions)


def understood(connection: Connection, data: bytes) -> list[Any]:
    """What wsproto makes of it, in our terms."""
    connection.receive_data(data)
    found: list[Any] = []
    parts: list[Any] = []
    for event in connection.events():
        if isinstance(event, events.Message):
            parts.append(event.data)
            if event.message_finished:
                empty: Any = b"" if isinstance(event, events.BytesMessage) else ""
                found.append(empty.join(parts))
                parts.clear()
        elif isinstance(event, events.Ping):
            found.append(Ping(bytes(event.payload)))
        elif isinstance(event, events.Pong):
            found.append(Pong(bytes(event.payload)))
        elif isinstance(event, events.CloseConnection):
            found.append(Close(event.code, event.reason or ""))
    return found


@pytest.mark.parametrize("deflate", [False, True])
@given(messages=st.lists(MESSAGES, max_size=6), is_client=st.booleans())
def test_others_understand_what_we_send(
    deflate: bool, messages: list[Any], is_client: bool
) -> None:
    ours = Codec(is_client, Deflate(minimum_bytes=20) if deflate else None)
    data = b"".join(sent_by(ours, message) for message in messages) + ours.send_close(1001, "x")
    assert understood(theirs(not is_client, deflate), data) == [*messages, Close(1001, "x")]


@pytest.mark.parametrize("deflate", [False, True])
@given(messages=st.lists(MESSAGES, max_size=6), cuts=CUTS, is_client=st.booleans())
def test_we_understand_what_others_send(
    deflate: bool, messages: list[Any], cuts: list[int], is_client: bool
) -> None:
    other = theirs(not is_client, deflate)
    data = b""
    for message in messages:
        if isinstance(message, str):
            data += other.send(events.TextMessage(message))
        elif isinstance(message, bytes):
            data += other.send(events.BytesMessage(message))
        elif isinstance(message, Ping):
            data += other.send(events.Ping(message.payload))
        else:
            data += other.send(events.Pong(message.payload))
    data += other.send(events.CloseConnection(1000, "bye"))
    ours = Codec(is_client, Deflate() if deflate else None)
    assert feed(ours, cut(data, cuts)) == [*messages, Close(1000, "bye")]


@given(frames=st.lists(FRAMES, max_size=8))
def test_garbage_is_understood_in_the_same_way(frames: list[bytes]) -> None:
    data = b"".join(frames)
    expected = understood(theirs(is_client=False, deflate=False), data)
    found = feed(Codec(False), [data])
    if found and isinstance(found[-1], int):
        # Theirs reports what is wrong as if the peer had closed for that reason.
        assert expected
        expected[-1] = int(expected[-1].code)
    assert found == expected
