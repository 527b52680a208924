r"""WebSocket: handshake, frames and messages, both roles, without input or output (RFC 6455).

After the handshake (`check_request`, `response_headers`; `request_headers`, `check_response`), each
side has a codec:

    codec = Codec(is_client=False, deflate=agreement.deflate)
    codec.receive_data(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58")
    codec.next_message()            # "Hello"
    codec.next_message()            # None: more bytes are needed
    codec.send("Hello")             # b"\x81\x05Hello"

Messages are `str`, `bytes`, `Ping`, `Pong` and `Close`. The codec answers nothing by itself: answer
`Ping` with ``send_pong(ping.payload)``, `Close` with ``send_close(close.code)``, and a
`RemoteProtocolError`, which ``next_message()`` raises once, with ``send_close(error.code)``.

Payloads are unmasked, decompressed and checked as they arrive, so text that is not UTF-8 and
messages that are too big are refused at the first byte that shows it. Where the data is cut makes
no other difference. What there is of a message costs as many bytes, in however many frames it
comes. Speed: a frame that arrives whole, as nearly all do, takes a short way.
"""

from __future__ import annotations

import codecs
import os
from collections.abc import Callable
from typing import Final

from circuits._wire import LocalProtocolError, ProtocolError, _websocket_handshake
from circuits._wire._websocket_deflate import Deflate, Inflater, NegotiationError, parse_extensions
from circuits._wire._websocket_handshake import *  # noqa: F403 - a part of this module
from circuits._wire._websocket_masking import Mask, mask
from circuits._wire._websocket_messages import (
    ABNORMAL,
    GOING_AWAY,
    INTERNAL_ERROR,
    INVALID_DATA,
    NO_STATUS,
    NORMAL,
    PROTOCOL_ERROR,
    TOO_BIG,
    TRY_AGAIN_LATER,
    Close,
    Limits,
    Ping,
    Pong,
    RemoteProtocolError,
    is_sendable_code,
)
from circuits._wire._websocket_sending import (
    BINARY,
    CLOSE,
    CONTINUATION,
    CONTROL_BYTES,
    PING,
    PONG,
    TEXT,
    Sender,
    SharedMessage,
    State,
)

__all__ = [
    "ABNORMAL",
    "DEFAULT_LIMITS",
    "GOING_AWAY",
    "INTERNAL_ERROR",
    "INVALID_DATA",
    "NORMAL",
    "NO_STATUS",
    "PROTOCOL_ERROR",
    "TOO_BIG",
    "TRY_AGAIN_LATER",
    "Close",
    "Codec",
    "Deflate",
    "Limits",
    "LocalProtocolError",
    "Mask",
    "Message",
    "NegotiationError",
    "Ping",
    "Pong",
    "ProtocolError",
    "RemoteProtocolError",
    "SharedMessage",
    "State",
    "is_sendable_code",
    "mask",
    "parse_extensions",
]
__all__ += _websocket_handshake.__all__

Message = str | bytes | Ping | Pong | Close

DEFAULT_LIMITS: Final = Limits()

_CLOSED: Final = State.CLOSED
_PEER_CLOSED: Final = State.PEER_CLOSED


_NO_KEY: Final = b"\0\0\0\0"

_UTF8: Final = codecs.getincrementaldecoder("utf-8")


class Codec(Sender):
    """One side of a connection, after the handshake.

    Args:
        is_client: Which side: clients mask what they send, servers do not.
        deflate: What both sides have agreed on for compression.
        limits: What is accepted at most.
        random_bytes: Gives the keys of masks: bytes that a script cannot foretell (10.3).
        mask: Masks, and unmasks; another one than ours may be faster.

    Attributes:
        state: Where the connection is; for reading only.
        limits: As above.
        is_interrupted: The last ``None`` of `next_message` was for the limit ``frames_at_once``:
            call it again, after others.
    """

    __slots__ = (
        "_allowed_rsv",
        "_behind",
        "_data",
        "_frame_final",
        "_is_end_due",
        "_problem",
        "_inflater",
        "_is_compressed",
        "_key",
        "_mask_bit",
        "_message",
        "_opcode",
        "_position",
        "_remaining",
        "_short_bytes",
        "_short_header",
        "_size",
        "_utf8",
        "is_interrupted",
        "limits",
    )

    def __init__(
        self,
        is_client: bool,
        deflate: Deflate | None = None,
        limits: Limits = DEFAULT_LIMITS,
        random_bytes: Callable[[int], bytes] = os.urandom,
        mask: Mask = mask,
    ) -> None:
        super().__init__(is_client, deflate, random_bytes, mask)
        self.limits = limits
        self._mask_bit = 0 if is_client else 0x80  # of frames that we receive
        self._short_header = 2 if is_client else 6
        # Payloads up to this size need no look at the limits.
        sizes = (125, limits.message_bytes, limits.frame_bytes)
        self._short_bytes = min(size for size in sizes if size is not None)
        self._data: bytes = b""
        self._position = 0
        self._behind: list[bytes] = []  # what has come since, to be joined once
        self._problem: RemoteProtocolError | None = None  # that was not told yet
        self._is_end_due = False  # the end is the next thing to be given
        self.is_interrupted = False
        # The message that is being received, and the frame of it.
        self._opcode = 0  # 0 while there is none
        self._is_compressed = False
        self._message = bytearray()  # what is here of it, decompressed
        self._size = 0  # of that
        self._utf8: codecs.IncrementalDecoder | None = None
        self._remaining = -1  # bytes of the frame that are missing; -1 between frames
        self._frame_final = False
        self._key = _NO_KEY
        self._inflater: Inflater | None = None
        self._allowed_rsv = 0
        if deflate is not None:
            self._inflater = Inflater(deflate, is_client)
            self._allowed_rsv = 0x40

    @property
    def pending_bytes(self) -> int:
        """Received bytes that no message has used yet, parts of messages apart."""
        return len(self._data) - self._position + sum(map(len, self._behind))

    @property
    def held_bytes(self) -> int:
        """What is kept in memory until it is a message, or is asked for."""
        return len(self._message) + len(self._data) + sum(map(len, self._behind))

    @property
    def is_receiving(self) -> bool:
        """Whether a message has begun, but not ended."""
        return self._opcode != 0 or self._remaining >= 0 or self.pending_bytes > 0

    # -- receiving --

    def receive_data(self, data: bytes | bytearray | memoryview) -> None:
        """Take what the peer has sent."""
        if self.state is _CLOSED or self.state is _PEER_CLOSED:
            return
        if data.__class__ is not bytes:
            data = bytes(data)
        if not self._data:  # as it mostly is: all that came before is used up
            self._data = data
        elif self._position == len(self._data) and not self._behind:
            self._data = data
            self._position = 0
        else:
            self._behind.append(data)

    def next_message(self) -> Message | None:
        """The next message, or ``None`` as long as it needs more bytes.

        After a `Close` there is nothing else.

        Raises:
            RemoteProtocolError: Tell the peer, and close the connection.
        """
        data = self._data
        position = self._position
        try:
            # What follows is the short way, for a whole message in one whole frame.
            if position < len(data) - 1 and not self._opcode and not self._behind:
                first = data[position]
                if first == 0x81 or first == 0x82:
                    length = data[position + 1] ^ self._mask_bit
                    begin = position + self._short_header
                    end = begin + length
                    if length <= self._short_bytes and end <= len(data):
                        payload = data[begin:end]
                        if end == len(data):  # nobody needs to keep what is used up
                            self._data = b""
                            self._position = 0
                        else:
                            self._position = end
                        if self._mask_bit:
                            payload = self._mask(payload, data[begin - 4 : begin])
                        return payload if first == 0x82 else payload.decode()
            elif (
                position == len(data)
                and self._remaining < 0
                and not self._behind
                and self._problem is None
            ):
                self._data = b""  # nobody needs to keep what is used up
                self._position = 0
                self.is_interrupted = False
                return None
            return self._next_message()
        except RemoteProtocolError as problem:
            self._failed(problem)
        except UnicodeDecodeError as problem:
            text = f"text that is not UTF-8: {problem}"
            self._failed(RemoteProtocolError(INVALID_DATA, text))
        return None

    def _failed(self, problem: RemoteProtocolError) -> None:
        if self._interrupts_end():
            self._problem = problem
            self._short_bytes = -1  # what has come behind it is not looked at
            return
        self._give_up()
        raise problem from None

    def _interrupts_end(self) -> bool:
        """Whether nothing is given for once before the end."""
        if self._is_end_due or self.limits.frames_at_once is None:
            return False
        self._is_end_due = self.is_interrupted = True
        return True

    def _next_message(self) -> Message | None:
        if self._problem is not None:
            raise self._problem
        if self._behind:
            # Payloads are used up as they come: a header or a control frame is what is left
            # over, unless the caller receives more before it has read all messages.
            self._data = b"".join([self._data[self._position :], *self._behind])
            self._behind = []
            self._position = 0
        self.is_interrupted = False
        frames = 0
        while True:
            if self._remaining >= 0:
                message = self._read_payload()
                if message is not None:
                    return message
                if self._remaining >= 0:
                    return None
                frames += 1
                if frames == self.limits.frames_at_once:
                    self.is_interrupted = True
                    return None
                continue
            data = self._data
            position = self._position
            available = len(data) - position
            if available < 2:
                if available == 1:
                    self._check_first(data[position])
                return None
            first = data[position]
            second = data[position + 1]
            length = second & 0x7F
            masked = second & 0x80
            opcode = first & 0x0F
            self._check_first(first)
            if masked != self._mask_bit:
                raise RemoteProtocolError(
                    PROTOCOL_ERROR,
                    "a server masks its frames" if masked else "a client does not mask its frames",
                )
            if opcode >= CLOSE and length > CONTROL_BYTES:
                raise RemoteProtocolError(PROTOCOL_ERROR, "a control frame is longer than 125")
            header = 2 if length < 126 else 4 if length == 126 else 10
            if masked:
                header += 4
            if available < header:
                return None
            if length == 126:
                length = int.from_bytes(data[position + 2 : position + 4])
                if length < 126:
                    raise RemoteProtocolError(PROTOCOL_ERROR, f"malformed length {length}")
            elif length == 127:
                length = int.from_bytes(data[position + 2 : position + 10])
                if length < 65536 or length >> 63:
                    raise RemoteProtocolError(PROTOCOL_ERROR, f"malformed length {length}")
            key = data[position + header - 4 : position + header] if masked else _NO_KEY
            if opcode >= CLOSE:
                if available < header + length:
                    return None
                payload = data[position + header : position + header + length]
                if opcode == CLOSE and self._interrupts_end():
                    return None
                self._position = position + header + length
                return self._control(opcode, self._mask(payload, key) if masked else payload)
            self._begin_frame(first, length)
            self._key = key
            self._position = position + header

    def _check_first(self, first: int) -> None:
        """Check all that the first byte of a frame tells."""
        opcode = first & 0x0F
        if first & 0x70:
            # Only the first frame of a message may say that it is compressed.
            if first & 0x70 & ~self._allowed_rsv or opcode not in (TEXT, BINARY):
                raise RemoteProtocolError(PROTOCOL_ERROR, "a reserved bit is set")
        if opcode >= CLOSE:
            if opcode > PONG:
                raise RemoteProtocolError(PROTOCOL_ERROR, f"unknown opcode {opcode}")
            if not first & 0x80:
                raise RemoteProtocolError(PROTOCOL_ERROR, "a control frame is fragmented")
        elif opcode > BINARY:
            raise RemoteProtocolError(PROTOCOL_ERROR, f"unknown opcode {opcode}")
        elif opcode == CONTINUATION:
            if not self._opcode:
                raise RemoteProtocolError(PROTOCOL_ERROR, "continuation frame without a message")
        elif self._opcode:
            raise RemoteProtocolError(PROTOCOL_ERROR, "new message before the last one has ended")

    def _begin_frame(self, first: int, length: int) -> None:
        limits = self.limits
        if limits.frame_bytes is not None and length > limits.frame_bytes:
            raise _too_big(length, limits.frame_bytes)
        opcode = first & 0x0F
        if opcode:
            self._opcode = opcode
            self._is_compressed = bool(first & 0x40)
            self._utf8 = None
            self._size = 0
        if not self._is_compressed and limits.message_bytes is not None:
            if self._size + length > limits.message_bytes:
                raise _too_big(self._size + length, limits.message_bytes)
        self._remaining = length
        self._frame_final = first >= 0x80

    def _read_payload(self) -> str | bytes | None:
        """Use what is there of a payload; the message, if that was the end of it."""
        data, position, remaining = self._data, self._position, self._remaining
        available = len(data) - position
        size = min(available, remaining)
        if not size and remaining:
            return None
        key = self._key
        if key != _NO_KEY and size:
            # Not copied only to be copied again.
            piece = self._mask(memoryview(data)[position : position + size], key)
        elif size == len(data):
            piece = data
        else:
            piece = data[position : position + size]
        if position + size == len(data):
            self._data = b""
            self._position = 0
        else:
            self._position = position + size
        remaining -= size
        turn = size & 3
        if turn and remaining:
            self._key = key[turn:] + key[:turn]
        is_last = not remaining and self._frame_final
        if self._is_compressed:
            piece = self._inflate(piece, is_last)
        self._remaining = remaining or -1
        is_text = self._opcode == TEXT
        message: str | bytes
        if is_last and not self._size:  # all of it at once
            message = piece.decode() if is_text else piece
        else:
            self._size += len(piece)
            self._message += piece
            if is_text:
                self._check_text(piece, is_last)
            if not is_last:
                return None
            message = self._message.decode() if is_text else bytes(self._message)
            self._message = bytearray()
        self._opcode = 0
        return message

    def _check_text(self, piece: bytes, is_last: bool) -> None:
        """Fail at the first byte that is not UTF-8, and not when everything is here."""
        if self._utf8 is None:
            self._utf8 = _UTF8()
        self._utf8.decode(piece, is_last)

    def _inflate(self, piece: bytes, is_last: bool) -> bytes:
        assert self._inflater is not None
        limit = self.limits.message_bytes
        left = None if limit is None else limit - self._size
        return self._inflater.decompress(piece, is_last, left)

    def _control(self, opcode: int, payload: bytes) -> Message:
        if opcode == PING:
            return Ping(payload)
        if opcode == PONG:
            return Pong(payload)
        code, reason = NO_STATUS, ""
        if payload:
            if len(payload) < 2:
                raise RemoteProtocolError(PROTOCOL_ERROR, "close frame with a payload of 1 byte")
            code = int.from_bytes(payload[:2])
            if not is_sendable_code(code):
                raise RemoteProtocolError(PROTOCOL_ERROR, f"a close frame with the code {code}")
            reason = payload[2:].decode()
        self._forget()
        self.state = _CLOSED if self._close_sent else _PEER_CLOSED
        return Close(code, reason)

    def _give_up(self) -> None:
        self.state = _CLOSED
        self._forget()

    def _forget(self) -> None:
        """Drop what is not complete: it never will be."""
        self._data = b""
        self._position = 0
        self._behind = []
        self._message = bytearray()
        self._opcode = 0
        self._remaining = -1


def _too_big(size: int, limit: int) -> RemoteProtocolError:
    return RemoteProtocolError(TOO_BIG, f"message of {size} bytes, limit {limit}")
