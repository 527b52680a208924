"""The sending side of `circuits._wire.websocket`: messages and control frames to bytes."""

from __future__ import annotations

import struct
from collections.abc import Callable
from enum import Enum
from typing import Final

from circuits._wire import LocalProtocolError
from circuits._wire._websocket_deflate import Deflate, Deflater
from circuits._wire._websocket_masking import Mask
from circuits._wire._websocket_messages import NO_STATUS, NORMAL, is_sendable_code

CONTINUATION: Final = 0
TEXT: Final = 1
BINARY: Final = 2
CLOSE: Final = 8
PING: Final = 9
PONG: Final = 10

CONTROL_BYTES: Final = 125


class State(Enum):
    """Where a connection is."""

    OPEN = "messages go both ways"
    CLOSING = "we have sent a close frame and wait for the peer's"
    PEER_CLOSED = "the peer has sent a close frame and waits for ours"
    CLOSED = "both have closed, or the peer broke the rules: nothing else is received"


# Looking up a member of an enum is slow on Python 3.11.
_OPEN: Final = State.OPEN
_CLOSING: Final = State.CLOSING
_CLOSED: Final = State.CLOSED


#: What goes before a short payload that is not masked, by opcode and size, for a whole message.
_SHORT_HEADS: Final = tuple(
    tuple(bytes((0x80 | opcode, size)) for size in range(126)) for opcode in (0, TEXT, BINARY)
)


def server_frame(first: int, payload: bytes) -> bytes:
    """A frame that is not masked."""
    size = len(payload)
    if size < 126:
        return b"%c%c%b" % (first, size, payload)
    if size < 65536:
        return struct.pack("!BBH", first, 126, size) + payload
    return struct.pack("!BBQ", first, 127, size) + payload


class SharedMessage:
    """A message for many peers, which is encoded once.

    It is compressed without anything that a peer has got before. So whoever has got it must not
    be referred to what was sent before it, either.

    Args:
        message: Text for `str`, otherwise binary.
    """

    __slots__ = ("_compressed", "_opcode", "_plain", "payload")

    def __init__(self, message: str | bytes | bytearray | memoryview) -> None:
        self._opcode = TEXT if isinstance(message, str) else BINARY
        self.payload = message.encode() if isinstance(message, str) else bytes(message)
        self._plain: bytes | None = None
        self._compressed: dict[int, bytes] = {}  # by the size of the window

    def plain(self) -> bytes:
        """Its frame."""
        if self._plain is None:
            self._plain = server_frame(0x80 | self._opcode, self.payload)
        return self._plain

    def compressed(self, deflater: Deflater) -> bytes:
        """Its frame for who has agreed on this compression; the deflater has to be fresh."""
        frame = self._compressed.get(deflater.bits)
        if frame is None:
            payload = deflater.compress(self.payload, True)
            deflater.forget()
            frame = self._compressed[deflater.bits] = server_frame(0xC0 | self._opcode, payload)
        return frame


class Sender:
    """What one side sends, and where the connection is.

    Args:
        is_client: Which side: clients mask what they send, servers do not.
        deflate: What both sides have agreed on for compression.
        random_bytes: Gives the keys of masks: bytes that a script cannot foretell (10.3).
        mask: Masks.
    """

    __slots__ = (
        "_close_sent",
        "_deflater",
        "_is_client",
        "_mask",
        "_minimum_bytes",
        "_random_bytes",
        "_sending",
        "state",
    )

    def __init__(
        self,
        is_client: bool,
        deflate: Deflate | None,
        random_bytes: Callable[[int], bytes],
        mask: Mask,
    ) -> None:
        self.state = _OPEN
        self._mask = mask
        self._random_bytes = random_bytes
        self._is_client = is_client
        self._sending = 0  # opcode of the message that is being sent in parts
        self._close_sent = False
        self._deflater = None if deflate is None else Deflater(deflate, is_client)
        self._minimum_bytes = 0 if deflate is None else deflate.minimum_bytes

    @property
    def is_client(self) -> bool:
        """Whether this is the client's side."""
        return self._is_client

    def send(self, message: str | bytes | bytearray | memoryview, final: bool = True) -> bytes:
        """Make the bytes of a message, text for `str` and otherwise binary.

        Args:
            message: The message, or a part of it.
            final: ``False``: more parts follow, all of one kind. Pings, pongs and a close may
                come between them.

        Raises:
            LocalProtocolError: A close frame was sent, or a part is of another kind.
        """
        if self.state is not _OPEN:
            raise LocalProtocolError(f"no message can be sent when {self.state.value}")
        if message.__class__ is bytes:
            opcode, payload = BINARY, message
        elif isinstance(message, str):
            opcode, payload = TEXT, message.encode()
        else:
            opcode, payload = BINARY, bytes(message)
        if final and not self._sending and self._deflater is None:
            if len(payload) < 126 and not self._is_client:
                return _SHORT_HEADS[opcode][len(payload)] + payload
            return self._frame(0x80 | opcode, payload)
        return self._send_part(opcode, payload, final)

    def _send_part(self, opcode: int, payload: bytes, final: bool) -> bytes:
        first = opcode
        sending = self._sending
        if sending:
            if opcode != sending & 0x0F:
                raise LocalProtocolError("the parts of a message are all text or all binary")
            first = CONTINUATION
            compressed = sending & 0x40
        else:
            compressed = 0
            if self._deflater is not None and (not final or len(payload) >= self._minimum_bytes):
                compressed = 0x40
            first |= compressed
        self._sending = 0 if final else opcode | compressed
        if compressed:
            assert self._deflater is not None
            payload = self._deflater.compress(payload, final)
        return self._frame(first | (0x80 if final else 0), payload)

    def send_shared(self, message: SharedMessage) -> bytes:
        """Make the bytes of a message that others get, too; for servers, which do not mask.

        Raises:
            LocalProtocolError: A close frame was sent, or a message has begun that is sent in parts.
        """
        if self.state is not _OPEN or self._sending or self._is_client:
            raise LocalProtocolError("nothing can be shared by a client, within a message, or late")
        deflater = self._deflater
        if deflater is None or len(message.payload) < self._minimum_bytes:
            return message.plain()
        deflater.forget()
        return message.compressed(deflater)

    def send_ping(self, payload: bytes = b"") -> bytes:
        """Make a ping, with 125 bytes of payload at most."""
        return self._send_control(PING, payload)

    def send_pong(self, payload: bytes = b"") -> bytes:
        """Make a pong, usually with the payload of the ping that it answers."""
        return self._send_control(PONG, payload)

    def send_close(self, code: int | None = NORMAL, reason: str = "") -> bytes:
        """Make the close frame; nothing can be sent after it, but the peer's is still received.

        Args:
            code: Why: 1000 and so on. ``None``, or the 1005 of a `Close` without a code, sends
                none.
            reason: For a log, 123 bytes at most.

        Raises:
            LocalProtocolError: It was sent already, or the code or the reason are not allowed.
        """
        if self._close_sent:
            raise LocalProtocolError("a close frame is sent once")
        if code is None or code == NO_STATUS:
            if reason:
                raise LocalProtocolError("a reason needs a code")
            payload = b""
        elif not is_sendable_code(code):
            raise LocalProtocolError(f"a close frame may not have the code {code}")
        else:
            payload = struct.pack("!H", code) + reason.encode()
            if len(payload) > CONTROL_BYTES:
                raise LocalProtocolError("a reason has 123 bytes at most")
        self._close_sent = True
        self.state = _CLOSING if self.state is _OPEN else _CLOSED
        return self._frame(0x80 | CLOSE, payload)

    def _send_control(self, opcode: int, payload: bytes) -> bytes:
        if self._close_sent or self.state is _CLOSED:
            raise LocalProtocolError(f"nothing can be sent when {self.state.value}")
        if len(payload) > CONTROL_BYTES:
            raise LocalProtocolError("a ping or pong has 125 bytes at most")
        return self._frame(0x80 | opcode, bytes(payload))

    def _frame(self, first: int, payload: bytes) -> bytes:
        size = len(payload)
        if not self._is_client:
            if size < 126:
                return b"%c%c%b" % (first, size, payload)
            return server_frame(first, payload)
        key = self._random_bytes(4)
        if size < 126:
            return b"%c%c%b%b" % (first, 0x80 | size, key, self._mask(payload, key))
        if size < 65536:
            head = struct.pack("!BBH4s", first, 0xFE, size, key)
        else:
            head = struct.pack("!BBQ4s", first, 0xFF, size, key)
        return head + self._mask(payload, key)
