"""Feeding WebSocket codecs, and frames made by hand."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

from circuits._wire.websocket import Codec, RemoteProtocolError

KEY = b"\x37\xfa\x21\x3d"


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    final: bool = True,
    rsv: int = 0,
    key: bytes | None = KEY,
) -> bytes:
    """A frame as simple as possible, and with anything wrong that a test wants."""
    first = (0x80 if final else 0) | rsv | opcode
    bit = 0 if key is None else 0x80
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", first, bit | size)
    elif size < 65536:
        head = struct.pack("!BBH", first, bit | 126, size)
    else:
        head = struct.pack("!BBQ", first, bit | 127, size)
    if key is None:
        return head + payload
    return head + key + bytes(byte ^ key[i % 4] for i, byte in enumerate(payload))


def feed(codec: Codec, pieces: Iterable[bytes]) -> list[Any]:
    """All messages, and at the end the code of an error, if there is one."""
    found: list[Any] = []
    for piece in pieces:
        codec.receive_data(piece)
        try:
            while (message := codec.next_message()) is not None:
                found.append(message)
        except RemoteProtocolError as problem:
            found.append(problem.code)
            break
    return found


def bytewise(data: bytes) -> list[bytes]:
    return [data[i : i + 1] for i in range(len(data))]
