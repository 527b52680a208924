"""WebSocket frames, both roles, with and without compression, beside wsproto and websockets."""

from __future__ import annotations

import codecs
import random
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import websockets.protocol
import wsproto.connection
import wsproto.extensions
from websockets.exceptions import PayloadTooBig, ProtocolError
from websockets.extensions import permessage_deflate
from websockets.frames import Opcode
from websockets.headers import parse_extension
from wsproto import events

from circuits._wire import websocket
from circuits._wire.websocket import Close, Codec, Deflate, Limits, NegotiationError, Ping, Pong
from tests._wire.websocket_support import frame
from tests.fuzz.engine import Target, normal

_LIMITS = Limits(message_bytes=65536)
_KEY = b"\x37\xfa\x21\x3d"


def _compressed(data: bytes) -> bytes:
    deflater = zlib.compressobj(wbits=-15)
    return (deflater.compress(data) + deflater.flush(zlib.Z_SYNC_FLUSH))[:-4]


def _refused(code: int) -> str:
    return f"refused {code}"


class Frames(Target):
    """The bytes that one side receives."""

    peers = ("wsproto", "websockets")
    most_held = 65536 + 4 * 16384
    most_memory = 3 << 20

    def __init__(self, name: str, is_client: bool, deflate: bool) -> None:
        self.name = name
        self._is_client = is_client
        self._deflate = Deflate(minimum_bytes=0) if deflate else None
        key = None if is_client else _KEY
        text, more = "Häuschen €".encode(), dict[str, Any](key=key)
        words = [
            *(frame(1, text, **more), frame(2, b"\0\xff" * 20, **more), frame(1, b"", **more)),
            *(frame(1, text[:3], final=False, **more), frame(0, text[3:], **more)),
            *(frame(0, b"", final=False, **more), frame(2, b"", final=False, **more)),
            *(frame(9, b"ping", **more), frame(10, b"", **more), frame(9, b"x" * 125, **more)),
            *(frame(8, b"", **more), frame(8, b"\x03\xe8bye", **more), frame(8, b"\x03", **more)),
            *(
                frame(8, b"\x03\xed", **more),
                frame(8, b"\x03\xe8\xff", **more),
                frame(11, b"", **more),
            ),
            *(frame(2, b"x" * 130, **more), frame(1, text[:2], **more), frame(1, b"\xff", **more)),
            *(frame(1, b"a", rsv=0x40, **more), frame(2, b"", rsv=0x20, **more)),
            frame(2, b"key", key=None if key else _KEY),
        ]
        if deflate:
            packed = _compressed(text * 9)
            words += [
                frame(1, packed, rsv=0x40, **more),
                frame(1, packed[:5], rsv=0x40, final=False, **more),
                frame(0, packed[5:], **more),
                frame(2, _compressed(b"0" * 70000), rsv=0x40, **more),
                frame(2, b"\x03\0", rsv=0x40, **more),  # a last block
                frame(2, b"", rsv=0x40, **more),
                frame(9, b"", rsv=0x40, **more),
            ]
        self.words = words
        self.seeds = [
            b"".join(words[:3]),
            b"".join(words[3:5]),
            words[3] + words[7] + words[4],
            *words,
        ]

    def fresh(self, chance: random.Random) -> bytes:
        if chance.random() < 0.5:
            return super().fresh(chance)
        frames = []
        for _ in range(chance.randrange(1, 8)):
            payload = chance.choice(
                [b"", b"abc", "äö€😀".encode(), chance.randbytes(chance.randrange(9))]
            )
            rsv = 0
            if self._deflate is not None and chance.random() < 0.5:
                rsv, payload = 0x40, _compressed(payload)
                payload = (
                    payload[: chance.randrange(len(payload) + 1)]
                    if chance.random() < 0.2
                    else payload
                )
            frames.append(
                frame(
                    chance.choice([0, 0, 1, 1, 2, 8, 9, 10, 3]),
                    payload,
                    final=chance.random() < 0.6,
                    rsv=rsv if chance.random() < 0.95 else 0x10,
                    key=None if self._is_client else chance.randbytes(4),
                )
            )
        return b"".join(frames)

    def _codec(self, limits: Limits = _LIMITS) -> Codec:
        return Codec(self._is_client, self._deflate, limits)

    def outcome(self, pieces: Iterable[bytes]) -> list[Any]:
        codec, found = self._codec(), list[Any]()
        try:
            for piece in pieces:
                codec.receive_data(piece)
                while (message := codec.next_message()) is not None:
                    found.append(message)
        except websocket.RemoteProtocolError as problem:
            assert codec.held_bytes == 0
            found.append(problem.code)
        return found

    def steps(self, pieces: Iterable[bytes]) -> Iterator[int]:
        codec = self._codec()
        try:
            for piece in pieces:
                codec.receive_data(piece)
                while codec.next_message() is not None:
                    pass
                yield codec.held_bytes
        except websocket.RemoteProtocolError:
            yield 0

    def check(self, data: bytes, whole: list[Any]) -> Iterator[tuple[str, str, str]]:
        for peer, theirs in (
            ("wsproto", self._wsproto(data)),
            ("websockets", self._websockets(data)),
        ):
            for what in _differences(whole, theirs):
                yield peer, what, f"{whole} / {theirs}"
        # And what was received is sent again, so that others receive the same.
        sender = Codec(not self._is_client, self._deflate)
        messages = [m for m in whole if not isinstance(m, int | Close)]
        sent = b"".join(
            sender.send_ping(m.payload)
            if isinstance(m, Ping)
            else sender.send_pong(m.payload)
            if isinstance(m, Pong)
            else sender.send(m)
            for m in messages
        )
        for peer, theirs in (
            ("wsproto", self._wsproto(sent)),
            ("websockets", self._websockets(sent)),
            ("ours", self.outcome([sent])),
        ):
            if theirs != messages:
                yield peer, "otherwise when sent", f"{messages} / {theirs} / {sent!r}"

    def _wsproto(self, data: bytes) -> list[Any]:
        extensions: list[Any] = []
        if self._deflate is not None:
            extension = wsproto.extensions.PerMessageDeflate()
            extension.finalize("permessage-deflate")
            extensions.append(extension)
        kind = wsproto.connection.ConnectionType
        connection = wsproto.connection.Connection(
            kind.CLIENT if self._is_client else kind.SERVER, extensions
        )
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
                is_wrong = connection.state is not wsproto.connection.ConnectionState.REMOTE_CLOSING
                found.append(
                    int(event.code) if is_wrong else Close(int(event.code), event.reason or "")
                )
        return found

    def _websockets(self, data: bytes) -> list[Any]:
        side = websockets.protocol.CLIENT if self._is_client else websockets.protocol.SERVER
        protocol = websockets.protocol.Protocol(side, max_size=None)
        if self._deflate is not None:
            protocol.extensions = [permessage_deflate.PerMessageDeflate(False, False, 15, 15)]
        protocol.receive_data(data)
        found: list[Any] = []
        parts: list[bytes] = []
        is_text = False
        decoder = codecs.getincrementaldecoder("utf-8")()
        for event in protocol.events_received():
            assert isinstance(event, websockets.frames.Frame)
            payload = bytes(event.data)
            if event.opcode is Opcode.PING:
                found.append(Ping(payload))
            elif event.opcode is Opcode.PONG:
                found.append(Pong(payload))
            elif event.opcode is Opcode.CLOSE:
                close = websockets.frames.Close.parse(payload)
                found.append(Close(close.code, close.reason))
                return found
            else:
                if event.opcode is not Opcode.CONT:
                    is_text = event.opcode is Opcode.TEXT
                    decoder.reset()
                parts.append(payload)
                if is_text:
                    try:
                        decoder.decode(payload, event.fin)
                    except UnicodeDecodeError:
                        found.append(1007)
                        return found
                if event.fin:
                    joined = b"".join(parts)
                    found.append(joined.decode() if is_text else joined)
                    parts.clear()
        problem = protocol.parser_exc
        if isinstance(problem, PayloadTooBig):
            found.append(1009)
        elif isinstance(problem, UnicodeDecodeError):
            found.append(1007)
        elif isinstance(problem, ProtocolError):
            found.append(1002)
        elif problem is not None and not isinstance(problem, EOFError):
            found.append(type(problem).__name__)
        return found


def _differences(ours: list[Any], theirs: list[Any]) -> Iterator[str]:
    for mine, other in zip(ours, theirs, strict=False):
        if mine == other and type(mine) is type(other):
            continue
        if isinstance(mine, int) and isinstance(other, int):
            yield f"refused here with {mine}, there with {other}"
        elif isinstance(mine, int):
            yield f"refused here with {mine}"
        elif (isinstance(other, int | str) and not isinstance(mine, str)) or isinstance(other, int):
            yield f"refused there with {other}"
        else:
            yield f"otherwise: {type(mine).__name__} / {type(other).__name__}"
        return
    if len(theirs) > len(ours):
        more = theirs[len(ours)]
        if not (ours and isinstance(ours[-1], Close)):
            yield (
                f"waits here, refused there with {more}" if isinstance(more, int) else "waits here"
            )
    elif len(ours) > len(theirs) and not isinstance(ours[len(theirs)], int):
        yield "waits there"


class Extensions(Target):
    """The header ``Sec-WebSocket-Extensions``, as a server and as a client reads it."""

    name = "websocket-extensions"
    seeds = [
        b"permessage-deflate; client_max_window_bits",
        b'permessage-deflate; server_max_window_bits="10", permessage-deflate',
        b"permessage-deflate;server_no_context_takeover; client_no_context_takeover;client_max_window_bits=9",
        b"x-webkit-deflate-frame, , foo; a=b",
    ]
    words = [
        *(
            b"permessage-deflate",
            b";",
            b",",
            b"=",
            b'"',
            b" ",
            b"\t",
            b"\\",
            b"8",
            b"15",
            b"16",
            b"a",
        ),
        *(
            b"server_max_window_bits",
            b"client_max_window_bits",
            b"=10",
            b'="10"',
            b"\xe4",
            b"\0",
            b"\r\n",
        ),
        *(b"server_no_context_takeover", b"client_no_context_takeover"),
    ]
    peers = ("websockets",)
    most_memory = 16 << 20  # a header has 64 KiB at most, and 512 are measured

    def outcome(self, pieces: Iterable[bytes]) -> list[Any]:
        header = b"".join(pieces).decode("latin-1")
        found: list[Any] = []
        for read in (
            lambda: Deflate().answer(header),
            lambda: Deflate(server_max_window_bits=12).accepted(header),
            lambda: websocket.parse_extensions(header),
        ):
            try:
                found.append(repr(read()))
            except NegotiationError as problem:
                found.append(f"refused {problem}")
        return found

    def steps(self, pieces: Iterable[bytes]) -> Iterator[int]:
        self.outcome(pieces)
        yield 0

    def check(self, data: bytes, whole: list[Any]) -> Iterator[tuple[str, str, str]]:
        header = data.strip(b" \t").decode("latin-1")  # as HTTP does
        ours: Any
        theirs: Any
        try:
            ours = websocket.parse_extensions(header)
        except NegotiationError as problem:
            ours = str(problem)
        try:
            theirs = parse_extension(header)
        except Exception as problem:
            theirs = str(problem).partition(" at ")[0]
        if ours == theirs or (isinstance(ours, str) and isinstance(theirs, str)):
            return
        if isinstance(ours, str):
            yield "websockets", f"refused here: {normal(ours)}", f"{ours} / {theirs}"
        elif isinstance(theirs, str):
            yield "websockets", f"refused there: {normal(theirs)}", f"{ours} / {theirs}"
        else:
            yield "websockets", "otherwise", f"{ours} / {theirs}"


TARGETS: list[Target] = [
    Frames("websocket-server", is_client=False, deflate=False),
    Frames("websocket-client", is_client=True, deflate=False),
    Frames("websocket-deflate", is_client=False, deflate=True),
    Extensions(),
]
