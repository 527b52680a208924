"""Bodies: three ways in which HTTP/1.1 marks their end (RFC 9112, 6 and 7).

Each has ``read(buffer, eof)``, which gives the next bytes, ``b""`` at the end, or ``None`` when
more must be received first.
"""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from enum import Enum
from itertools import chain
from typing import Final

from circuits._wire._http1_head import BAD_BYTES, TOKEN, parse_fields, shorten
from circuits._wire._http1_messages import Limits, RemoteProtocolError
from circuits._wire.buffer import ReceiveBuffer

_TOKEN: Final = TOKEN.pattern
_TOKEN_CHARACTER: Final = _TOKEN.rstrip("+")
_QUOTED: Final = r'"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*+"'
_CHUNK_LINE: Final = re.compile(
    r"([0-9A-Fa-f]{1,16})"
    # Whitespace around ";" and "=" would be legal, though nobody is to send it (RFC 9112, 7.1.1).
    # Next to the size it has been used for smuggling, and others refuse it, too.
    rf"((?:;{_TOKEN}(?:=(?:{_TOKEN}|{_QUOTED}))?+)*+)"
)
#: The end of a chunk with the size line of the next one.
_BETWEEN_CHUNKS: Final = re.compile(rf"\r\n{_CHUNK_LINE.pattern}\r\n".encode("latin-1"))
#: A chunk of one to four bytes by itself, behind the end of the chunk before it.
_TINY_CHUNK: Final = rb"\r\n0{0,15}(?:1\r\n(.)|2\r\n(..)|3\r\n(...)|4\r\n(....))"
_TINY_CHUNKS: Final = re.compile(_TINY_CHUNK, re.DOTALL)
#: How many chunks that are here become one piece at most.
_JOINED_CHUNKS: Final = 256
#: So many of the tiny ones are joined at a time: one has often been read before.
_RUN: Final = _JOINED_CHUNKS - 1
_TINY_RUN: Final = re.compile(rb"(?:%b){32,%d}+" % (_TINY_CHUNK, _RUN), re.DOTALL)
#: The same with or without extensions, and how long the line of such a one is at most.
_EXTENDED_CHUNK: Final = _TINY_CHUNK.replace(
    rb"\r\n(", rb"(;%b{1,32}+)?+\r\n(" % _TOKEN_CHARACTER.encode()
)
_EXTENDED_CHUNKS: Final = re.compile(_EXTENDED_CHUNK, re.DOTALL)
_EXTENDED_RUN: Final = re.compile(rb"(?:%b){4,%d}+" % (_EXTENDED_CHUNK, _RUN), re.DOTALL)
_EXTENDED_LINE: Final = 16 + 33 + 4
#: What small chunks are told by: to look there takes a fraction of reading a number.
_SMALL_SIZES: Final = {b"%x" % size: size for size in range(1, 17)}
_NOT_IN_TRAILERS: Final = frozenset(["content-length", "transfer-encoding", "host"])


def _too_large(blame: int | None, limit: int) -> RemoteProtocolError:
    return RemoteProtocolError(413 if blame else None, f"body longer than {limit} bytes")


class SizedBody:
    """A body whose length was announced, and checked, in the head."""

    __slots__ = ("_remaining",)

    def __init__(self, length: int) -> None:
        self._remaining = length

    def read(self, buffer: ReceiveBuffer, eof: bool) -> bytes | None:
        if not self._remaining:
            return b""
        data = buffer.take(self._remaining)
        self._remaining -= len(data)
        return data or None


class CloseDelimitedBody:
    """A body that ends with the connection; only responses may have one."""

    __slots__ = ("_limit", "_received")

    def __init__(self, limits: Limits) -> None:
        self._limit = limits.body_bytes
        self._received = 0

    def read(self, buffer: ReceiveBuffer, eof: bool) -> bytes | None:
        self._received += len(buffer)
        if self._limit is not None and self._received > self._limit:
            raise _too_large(None, self._limit)
        data = buffer.take_all()
        return data if data or eof else None


class _At(Enum):
    SIZE = "size line"
    DATA = "data"
    DATA_END = "line end after the data"
    TRAILER = "trailers"
    END = "end"


class ChunkedBody:
    """A body in chunks. Extensions are checked and ignored, trailers checked and dropped.

    Args:
        limits: What is accepted at most.
        blame: 400 where the peer is a client, ``None`` where it is a server.
    """

    __slots__ = (
        "_at", "_blame", "_extension_bytes", "_limits", "_problem", "_received", "_remaining",
    )  # fmt: skip

    def __init__(self, limits: Limits, blame: int | None) -> None:
        self._limits = limits
        self._blame = blame
        self._at = _At.SIZE
        self._remaining = 0  # of the current chunk
        self._received = 0  # announced by all chunks so far
        self._extension_bytes = 0
        self._problem: RemoteProtocolError | None = None  # with what comes behind the last data

    def limit(self, body_bytes: int | None) -> None:
        """Set how long it may be, in place of what the limits say."""
        self._limits = replace(self._limits, body_bytes=body_bytes)

    def read(self, buffer: ReceiveBuffer, eof: bool) -> bytes | None:
        if self._problem is not None:
            raise self._problem
        # Small ones would cost a message each; without an end, whoever reads could not stop.
        parts: list[bytes | bytearray] = []
        joined = 0
        try:
            while self._at is not _At.END and joined < _JOINED_CHUNKS:
                if self._at is _At.DATA:
                    part = buffer.take(self._remaining)
                    if not part:
                        break
                    parts.append(part)
                    joined += 1
                    self._remaining -= len(part)
                    if not self._remaining:
                        self._at = _At.DATA_END
                elif self._at is _At.DATA_END:
                    joined += self._join(buffer, parts, _JOINED_CHUNKS - joined)
                    line_end = buffer.peek(2)
                    if line_end != b"\r\n":
                        if not b"\r\n".startswith(line_end):
                            raise self._refuse("chunk longer than its size")
                        break
                    buffer.skip(2)
                    self._at = _At.SIZE
                elif self._at is _At.SIZE:
                    if not self._read_size(buffer):
                        break
                elif not self._read_trailers(buffer):
                    break
        except RemoteProtocolError as problem:
            if not parts:
                raise
            self._problem = problem  # what came before is given, as if it had come alone
        if parts:
            return bytes(parts[0]) if len(parts) == 1 else b"".join(parts)
        return b"" if self._at is _At.END else None

    def _join(self, buffer: ReceiveBuffer, parts: list[bytes | bytearray], wanted: int) -> int:
        """Add the chunks that are here whole, which is all that a client needs to send tiny ones.

        Whatever is unusual, wrong or not complete is left where it is.

        Returns:
            How many there were; ``wanted`` at most.
        """
        limits = self._limits
        if limits.chunk_line_bytes < 16:
            return 0  # so that a size by itself cannot be too long below
        most = sys.maxsize if limits.body_bytes is None else limits.body_bytes
        left = most - self._received
        data, position = buffer.data, buffer.start
        joined = 0
        run = _TINY_RUN.match(data, position) if wanted >= _RUN else None
        if run is not None:  # not one by one, which is what makes them dear
            found = _TINY_CHUNKS.findall(data, position, run.end())
            tiny = b"".join(chain.from_iterable(found))
            if len(tiny) <= left:
                parts.append(tiny)
                joined = len(found)
                left -= len(tiny)
                position = run.end()
        elif wanted >= _RUN:
            joined, tiny, position = self._read_extended(data, position, left)
            if joined:
                parts.append(tiny)
                left -= len(tiny)
        # The others, and what must be looked at more closely.
        match, length = _BETWEEN_CHUNKS.match, len(data)
        while joined < wanted:
            line = match(data, position)
            if line is None:
                break
            digits, extension = line.groups()
            begin = line.end()
            size = _SMALL_SIZES.get(digits) or int(digits, 16)
            end = begin + size
            if end > length or not 0 < size <= left:
                break
            if extension:
                extension_bytes = self._extension_bytes + len(extension)
                if (
                    begin - position > limits.chunk_line_bytes
                    or extension_bytes > limits.chunk_extension_bytes
                ):
                    break
                self._extension_bytes = extension_bytes
            parts.append(data[begin:end])
            joined += 1
            left -= size
            position = end
        self._received = most - left
        buffer.skip(position - buffer.start)
        return joined

    def _read_extended(
        self, data: bytes | bytearray, position: int, left: int
    ) -> tuple[int, bytes, int]:
        """Read tiny chunks of which some have extensions, unless that exceeds a limit.

        Returns:
            How many there were, what they held, and where they end.
        """
        limits = self._limits
        run = _EXTENDED_RUN.match(data, position)
        if run is None or limits.chunk_line_bytes < _EXTENDED_LINE:
            return 0, b"", position
        found = _EXTENDED_CHUNKS.findall(data, position, run.end())
        pieces = list(chain.from_iterable(found))
        tiny, extensions = b"".join(pieces[1::2]), b"".join(pieces[::2])
        extension_bytes = self._extension_bytes + len(extensions)
        if len(tiny) > left or extension_bytes > limits.chunk_extension_bytes:
            return 0, b"", position
        self._extension_bytes = extension_bytes
        return len(found), tiny, run.end()

    def _refuse(self, what: str) -> RemoteProtocolError:
        return RemoteProtocolError(self._blame, what)

    def _read_size(self, buffer: ReceiveBuffer) -> bool:
        limits = self._limits
        searched = buffer.searched
        length = buffer.find(b"\r\n")
        # Without a line end, the last byte may be its CR.
        if (length if length >= 0 else len(buffer) - 1) > limits.chunk_line_bytes:
            raise self._refuse(f"chunk line longer than {limits.chunk_line_bytes} bytes")
        if length < 0:
            if BAD_BYTES.search(buffer.data, max(searched - 1, buffer.start)):
                raise self._refuse("lone CR, lone LF or NUL in a chunk line")
            return False
        line = buffer.take(length).decode("latin-1")
        buffer.skip(2)
        match = _CHUNK_LINE.fullmatch(line)
        if match is None:
            raise self._refuse(f"malformed chunk size {shorten(line)}")
        self._extension_bytes += len(match[2])
        if self._extension_bytes > limits.chunk_extension_bytes:
            raise self._refuse(f"chunk extensions over {limits.chunk_extension_bytes} bytes")
        size = int(match[1], 16)
        self._received += size
        if limits.body_bytes is not None and self._received > limits.body_bytes:
            raise _too_large(self._blame, limits.body_bytes)
        self._remaining = size
        self._at = _At.DATA if size else _At.TRAILER
        return True

    def _read_trailers(self, buffer: ReceiveBuffer) -> bool:
        limits = self._limits
        start = buffer.peek(2)
        if start == b"\r\n":
            buffer.skip(2)
            self._at = _At.END
            return True
        searched = buffer.searched
        length = buffer.find(b"\r\n\r\n")
        # Line ends count, that of the last line is part of the delimiter.
        known = length + 2 if length >= 0 else len(buffer) - 1
        if known > limits.header_block_bytes:
            raise RemoteProtocolError(
                431 if self._blame else None, f"trailers over {limits.header_block_bytes} bytes"
            )
        if length < 0:
            if BAD_BYTES.search(buffer.data, max(searched - 1, buffer.start)):
                raise self._refuse("lone CR, lone LF or NUL in the trailers")
            return False
        block = buffer.take(length + 2).decode("latin-1")
        buffer.skip(2)
        for name, _ in parse_fields(block, limits, self._blame):
            # Somebody who merged them into the head would frame the message anew.
            if name.lower() in _NOT_IN_TRAILERS:
                raise self._refuse(f"{name} among the trailers")
        self._at = _At.END
        return True
