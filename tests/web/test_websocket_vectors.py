"""What goes over the wire for what comes over it: conversations with a server that echoes.

Written by ourselves; the groups are those of the Autobahn suite, which `make nightly-autobahn`
runs. Each is fed in one piece and byte by byte, to events and to a coroutine.
"""

from __future__ import annotations

import struct
from typing import Any

import pytest

from circuits import Component
from circuits.net.sockets import Write
from circuits.web import Controller, WebSocket, WebSockets, expose
from tests._wire.websocket_support import bytewise, frame
from tests.web.websocket_support import Peer, running

MORE, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


def out(opcode: int, payload: bytes = b"") -> bytes:
    return frame(opcode, payload, key=None)


def closing(code: int, reason: bytes = b"", *, masked: bool = True) -> bytes:
    data = struct.pack("!H", code) + reason
    return frame(CLOSE, data) if masked else out(CLOSE, data)


def part(opcode: int, payload: bytes) -> bytes:
    return frame(opcode, payload, final=False)


GREEK = "κόσμε".encode()
BYE = closing(1000)

# name: what is sent, what is answered before the close frame, and the code of that.
VECTORS: dict[str, tuple[bytes, bytes, int | None]] = {
    # Messages of all lengths.
    **{
        f"1 {kind} {size}": (frame(kind, b"*" * size) + BYE, out(kind, b"*" * size), 1000)
        for kind in (TEXT, BINARY)
        for size in (0, 125, 126, 127, 128, 65535, 65536)
    },
    # Pings and pongs.
    "2 ping": (frame(PING) + BYE, out(PONG), 1000),
    "2 ping 125": (frame(PING, b"\xfe" * 125) + BYE, out(PONG, b"\xfe" * 125), 1000),
    "2 ping 126": (frame(PING, b"\xfe" * 126), b"", 1002),
    "2 pong": (frame(PONG, b"unasked") + BYE, b"", 1000),
    "2 pong ping": (frame(PONG, b"a") + frame(PING, b"b") + BYE, out(PONG, b"b"), 1000),
    "2 ten pings": (
        b"".join(frame(PING, b"%d" % n) for n in range(10)) + BYE,
        b"".join(out(PONG, b"%d" % n) for n in range(10)),
        1000,
    ),
    # Reserved bits; what came before is answered.
    **{
        f"3 rsv {rsv:x}": (
            frame(TEXT, b"first") + frame(TEXT, b"second", rsv=rsv) + frame(PING),
            out(TEXT, b"first"),
            1002,
        )
        for rsv in (0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70)
    },
    "3 ping": (frame(PING, b"x", rsv=0x10), b"", 1002),
    "3 close": (frame(CLOSE, b"\x03\xe8", rsv=0x40), b"", 1002),
    # Opcodes that are none.
    **{
        f"4 opcode {opcode}": (
            frame(TEXT, b"first") + frame(opcode, payload) + frame(PING),
            out(TEXT, b"first"),
            1002,
        )
        for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)
        for payload in (b"", b"x")
    },
    # Messages in pieces.
    "5 ping": (part(PING, b"a") + frame(MORE, b"b"), b"", 1002),
    "5 two": (part(TEXT, b"one ") + frame(MORE, b"two") + BYE, out(TEXT, b"one two"), 1000),
    "5 ping between": (
        part(TEXT, b"one ") + frame(PING, b"?") + frame(MORE, b"two") + BYE,
        out(PONG, b"?") + out(TEXT, b"one two"),
        1000,
    ),
    "5 more of nothing": (frame(MORE, b"x"), b"", 1002),
    "5 more of nothing, open": (part(MORE, b"x") + frame(TEXT, b"y"), b"", 1002),
    "5 after a message": (frame(TEXT, b"a") + frame(MORE, b"b"), out(TEXT, b"a"), 1002),
    "5 another in between": (part(TEXT, b"a") + frame(TEXT, b"b"), b"", 1002),
    "5 five, pings": (
        part(BINARY, b"1")
        + frame(PING, b"a")
        + part(MORE, b"2")
        + part(MORE, b"")
        + frame(PING, b"b")
        + part(MORE, b"3")
        + frame(MORE, b"4")
        + BYE,
        out(PONG, b"a") + out(PONG, b"b") + out(BINARY, b"1234"),
        1000,
    ),
    # UTF-8.
    "6 valid": (frame(TEXT, GREEK) + BYE, out(TEXT, GREEK), 1000),
    "6 within letters": (
        part(TEXT, GREEK[:1])
        + b"".join(part(MORE, GREEK[n : n + 1]) for n in range(1, 11))
        + (frame(MORE) + BYE),
        out(TEXT, GREEK),
        1000,
    ),
    "6 empty pieces": (part(TEXT, b"") + part(MORE, b"") + frame(MORE) + BYE, out(TEXT), 1000),
    **{
        f"6 invalid {data.hex()}": (frame(TEXT, data), b"", 1007)
        for data in (
            b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
            b"\xf4\x90\x80\x80",
            b"\xc0\xaf",
            b"\x80",
            b"\xff",
            b"\xf8\x88\x80\x80\x80",
            b"\xed\xbf\xbf",
            b"\xe2\x82",
        )
    },
    "6 at once": (part(TEXT, GREEK + b"\xff"), b"", 1007),  # without the end of the message
    "6 last letter is missing": (part(TEXT, GREEK[:-1]) + frame(MORE), b"", 1007),
    # Closing.
    "7 close": (frame(CLOSE), b"", None),
    "7 code": (closing(1000, b"bye"), b"", 1000),
    "7 twice": (BYE + BYE, b"", 1000),
    "7 ping behind": (BYE + frame(PING), b"", 1000),
    "7 message behind": (frame(TEXT, b"a") + BYE + frame(TEXT, b"b"), out(TEXT, b"a"), 1000),
    "7 in a message": (part(TEXT, b"a") + BYE + frame(MORE, b"b"), b"", 1000),
    "7 one byte": (frame(CLOSE, b"x"), b"", 1002),
    "7 123 bytes": (closing(1000, b"*" * 123), b"", 1000),
    "7 124 bytes": (closing(1000, b"*" * 124), b"", 1002),
    "7 invalid reason": (closing(1000, b"\xce\xba\xff"), b"", 1007),
    **{
        f"7 code {code}": (closing(code), b"", code)
        for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
    },
    **{
        f"7 no code {code}": (closing(code), b"", 1002)
        for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)
    },
    # Many messages.
    "10 fragments": (
        part(TEXT, b"x" * 1300) + part(MORE, b"x" * 1300) * 48 + frame(MORE, b"x" * 1300) + BYE,
        out(TEXT, b"x" * 65000),
        1000,
    ),
    "10 messages": (
        b"".join(frame(TEXT, b"%d" % n) for n in range(300)) + BYE,
        b"".join(out(TEXT, b"%d" % n) for n in range(300)),
        1000,
    ),
    "10 not masked": (frame(TEXT, b"a") + frame(TEXT, b"x", key=None), out(TEXT, b"a"), 1002),
}


class Echo(Component):
    channel = "ws"

    def read(self, sock: Any, message: str | bytes) -> None:
        self.fire(Write(sock, message))


class Pages(Controller):
    @expose.websocket("async")
    async def awaiting(self, websocket: WebSocket) -> None:
        async for message in websocket:
            await websocket.send(message)


@pytest.mark.parametrize("name", VECTORS)
@pytest.mark.parametrize("target", ["/events", "/async"])
@pytest.mark.parametrize("is_bytewise", [False, True], ids=["whole", "bytewise"])
def test_a_conversation(name: str, target: str, is_bytewise: bool) -> None:
    sent, answer, code = VECTORS[name]
    if is_bytewise and len(sent) > 3000:
        pytest.skip("nothing that shorter ones do not show")
    with running(WebSockets("/events"), Echo(), Pages()) as server:
        peer = Peer(server, target)
        before = len(peer.client.received)
        for piece in bytewise(sent) if is_bytewise else [sent]:
            if peer.client.is_closed:
                break  # at the first byte that shows what is wrong
            peer.raw(piece)
        received = peer.client.received[before:]
        assert received[: len(answer)] == answer
        end = received[len(answer) :]
        assert end[0] == 0x88
        assert len(end) == 2 + end[1]  # and nothing behind it
        assert (int.from_bytes(end[2:4]) if end[1] else None) == code
        assert peer.client.is_closed
