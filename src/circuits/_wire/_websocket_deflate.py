"""Compression of WebSocket messages: permessage-deflate (RFC 7692)."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass, replace
from typing import Final

from circuits._wire._websocket_messages import INVALID_DATA, TOO_BIG, RemoteProtocolError

__all__ = ["Deflate", "Inflater", "Deflater", "NegotiationError", "parse_extensions"]

#: How many last blocks a message may have: what follows each is copied, and begins anew.
_MOST_ENDS: Final = 64

_NAME: Final = "permessage-deflate"
_TAIL: Final = b"\x00\x00\xff\xff"
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PARAMETER: Final = re.compile(
    r"[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)"
    r'(?:[ \t]*=[ \t]*(?:([!#$%&\'*+.^_`|~0-9A-Za-z-]+)|"([!#$%&\'*+.^_`|~0-9A-Za-z-]+)"))?[ \t]*'
)
_BITS: Final = re.compile(r"[89]|1[0-5]")

#: Extensions in a header: each costs objects.
_EXTENSIONS_LIMIT: Final = 32


class NegotiationError(ValueError):
    """A header about extensions that is malformed, or an answer that was not asked for."""


@dataclass(frozen=True, slots=True)
class Deflate:
    """How messages are compressed. On the server's side also what it is willing to accept.

    Attributes:
        server_no_context_takeover: The server compresses each message on its own, which saves
            memory on both sides and costs compression.
        client_no_context_takeover: The client does so.
        server_max_window_bits: Binary logarithm of the window of the server, 9 to 15.
        client_max_window_bits: Of the window of the client.
        level: Of zlib, 1 to 9.
        memory_level: Of zlib, 1 to 9. With 15 bits, 5 takes 144 KiB for each connection that
            keeps its context, the 8 of zlib 256 KiB, for a few per cent of compression.
        minimum_bytes: Smaller messages are not compressed: they would hardly get smaller.
    """

    server_no_context_takeover: bool = False
    client_no_context_takeover: bool = False
    server_max_window_bits: int = 15
    client_max_window_bits: int = 15
    level: int = 6
    memory_level: int = 5
    minimum_bytes: int = 64

    def __post_init__(self) -> None:
        for bits in (self.server_max_window_bits, self.client_max_window_bits):
            # zlib cannot compress with 8.
            if not 9 <= bits <= 15:
                raise ValueError(f"a window has 9 to 15 bits, not {bits}")

    # -- negotiation --

    def offer(self) -> str:
        """What a client asks for: the value of ``Sec-WebSocket-Extensions``."""
        words = [_NAME]
        if self.server_no_context_takeover:
            words.append("server_no_context_takeover")
        if self.client_no_context_takeover:
            words.append("client_no_context_takeover")
        if self.server_max_window_bits < 15:
            words.append(f"server_max_window_bits={self.server_max_window_bits}")
        words.append(
            "client_max_window_bits"
            + (f"={self.client_max_window_bits}" if self.client_max_window_bits < 15 else "")
        )
        return "; ".join(words)

    def answer(self, offers: str) -> tuple[str, Deflate] | None:
        """What a server answers to the offers of a client.

        Args:
            offers: The values of the client's ``Sec-WebSocket-Extensions``, joined with commas.

        Returns:
            The value for the response, and what is agreed; ``None`` if there is no offer that
            can be accepted: then there is no compression.

        Raises:
            NegotiationError: The header is malformed.
        """
        for name, params in parse_extensions(offers):
            if name == _NAME:
                agreed = self._accept(params)
                if agreed is not None:
                    return agreed
        return None

    def _accept(self, params: list[tuple[str, str | None]]) -> tuple[str, Deflate] | None:
        given = dict(params)
        if len(given) != len(params):
            return None
        words = [_NAME]
        server_bits, client_bits = self.server_max_window_bits, 15
        server_alone, client_alone = (
            self.server_no_context_takeover,
            self.client_no_context_takeover,
        )
        for name, value in params:
            if name == "server_no_context_takeover" and value is None:
                server_alone = True
            elif name == "client_no_context_takeover" and value is None:
                client_alone = True
            elif name == "server_max_window_bits" and value and _BITS.fullmatch(value):
                if value == "8":
                    return None
                server_bits = min(server_bits, int(value))
            elif name == "client_max_window_bits" and (value is None or _BITS.fullmatch(value)):
                client_bits = min(self.client_max_window_bits, int(value or 15))
            else:
                return None
        if server_alone:
            words.append("server_no_context_takeover")
        if client_alone:
            words.append("client_no_context_takeover")
        if server_bits < 15:
            words.append(f"server_max_window_bits={server_bits}")
        if client_bits < 15:
            words.append(f"client_max_window_bits={client_bits}")
        agreed = replace(
            self,
            server_no_context_takeover=server_alone,
            client_no_context_takeover=client_alone,
            server_max_window_bits=server_bits,
            # What was made with 8 bits, which zlib cannot, 9 will do for.
            client_max_window_bits=max(client_bits, 9),
        )
        return "; ".join(words), agreed

    def accepted(self, answer: str) -> Deflate | None:
        """What a client has agreed on, by the answer of the server to its `offer`.

        Returns:
            ``None`` if there is no compression.

        Raises:
            NegotiationError: The answer is malformed, or does not fit the offer.
        """
        extensions = parse_extensions(answer)
        if not extensions:
            return None
        if len(extensions) > 1 or extensions[0][0] != _NAME:
            raise NegotiationError(f"the server uses extensions that were not offered: {answer!r}")
        params = extensions[0][1]
        given = dict(params)
        if len(given) != len(params):
            raise NegotiationError(f"duplicate parameter: {answer!r}")
        client_bits, server_bits = self.client_max_window_bits, 15
        for name, value in params:
            if name.endswith("_no_context_takeover") and value is None and name in _FLAGS:
                continue
            if value is not None and _BITS.fullmatch(value):
                if name == "server_max_window_bits" and int(value) <= self.server_max_window_bits:
                    server_bits = max(int(value), 9)
                    continue
                if name == "client_max_window_bits" and int(value) >= 9:
                    client_bits = min(client_bits, int(value))
                    continue
            raise NegotiationError(f"the server answers with {name}={value}, which does not fit")
        if self.server_max_window_bits < 15 and "server_max_window_bits" not in given:
            raise NegotiationError("the server ignores server_max_window_bits")
        if self.server_no_context_takeover and "server_no_context_takeover" not in given:
            raise NegotiationError("the server ignores server_no_context_takeover")
        return replace(
            self,
            server_no_context_takeover="server_no_context_takeover" in given,
            client_no_context_takeover=self.client_no_context_takeover
            or "client_no_context_takeover" in given,
            server_max_window_bits=server_bits,
            client_max_window_bits=client_bits,
        )


_FLAGS: Final = frozenset(["server_no_context_takeover", "client_no_context_takeover"])


def parse_extensions(header: str) -> list[tuple[str, list[tuple[str, str | None]]]]:
    """Parse ``Sec-WebSocket-Extensions``: names, each with its parameters.

    Raises:
        NegotiationError: It is malformed, or has very many.
    """
    found: list[tuple[str, list[tuple[str, str | None]]]] = []
    for extension in header.split(","):
        name, *params = extension.split(";")
        name = name.strip(" \t")
        if not name and not params:
            continue  # an empty element of a list means nothing (RFC 9110, 5.6.1)
        if not _TOKEN.fullmatch(name) or len(found) + len(params) > _EXTENSIONS_LIMIT:
            raise NegotiationError(f"malformed extensions: {header[:200]!r}")
        parsed: list[tuple[str, str | None]] = []
        for param in params:
            match = _PARAMETER.fullmatch(param)
            if match is None:
                raise NegotiationError(f"malformed extensions: {header[:200]!r}")
            parsed.append((match[1], match[2] or match[3]))
        found.append((name, parsed))
    return found


class Deflater:
    """Compresses what one side sends.

    Args:
        deflate: What was agreed.
        is_client: Which side.
    """

    __slots__ = ("_alone", "_bits", "_deflate", "_object")

    def __init__(self, deflate: Deflate, is_client: bool) -> None:
        self._deflate = deflate
        if is_client:
            self._alone = deflate.client_no_context_takeover
            self._bits = deflate.client_max_window_bits
        else:
            self._alone = deflate.server_no_context_takeover
            self._bits = deflate.server_max_window_bits
        # Made when the first message is compressed: most connections are quiet.
        self._object: zlib._Compress | None = None

    @property
    def bits(self) -> int:
        """Binary logarithm of the window."""
        return self._bits

    def forget(self) -> None:
        """Refer to nothing that was sent: the peer has got something else since."""
        self._object = None

    def compress(self, data: bytes | bytearray | memoryview, final: bool) -> bytes:
        """Compress a message, or a part of one."""
        deflate = self._deflate
        if self._object is None:
            self._object = zlib.compressobj(
                deflate.level, zlib.DEFLATED, -self._bits, deflate.memory_level
            )
        compressed = self._object.compress(data) + self._object.flush(zlib.Z_SYNC_FLUSH)
        if not final:
            return compressed
        if self._alone:
            self._object = None
        assert compressed.endswith(_TAIL)
        # An empty message that ends one of several parts: at least one byte (RFC 7692, 7.2.3.6).
        return compressed[:-4] or b"\x00"


class Inflater:
    """Decompresses what the peer sends.

    Args:
        deflate: What was agreed.
        is_client: Which side we are.
    """

    __slots__ = ("_alone", "_bits", "_ends", "_object")

    def __init__(self, deflate: Deflate, is_client: bool) -> None:
        self._ends = 0  # last blocks in this message
        # A window as large as was agreed on: it stays in memory between messages.
        if is_client:
            self._alone = deflate.server_no_context_takeover
            self._bits = deflate.server_max_window_bits
        else:
            self._alone = deflate.client_no_context_takeover
            self._bits = deflate.client_max_window_bits
        self._object: zlib._Decompress | None = None

    def decompress(self, data: bytes, final: bool, limit_bytes: int | None) -> bytes:
        """Decompress a part of a message.

        Args:
            data: The part.
            final: Whether it is the last.
            limit_bytes: How much may come out.

        Raises:
            RemoteProtocolError: More comes out, or it cannot be decompressed.
        """
        inflated = b""
        while data:  # a last block may be followed by others, wherever the data was cut
            piece, data = self._inflate(data, limit_bytes)
            inflated = inflated + piece if inflated else piece
            if limit_bytes is not None:
                limit_bytes -= len(piece)
        if final:
            if self._object is not None:
                inflated += self._inflate(_TAIL, limit_bytes)[0]
            self._ends = 0
            if self._alone:
                self._object = None
        return inflated

    def _inflate(self, data: bytes, limit_bytes: int | None) -> tuple[bytes, bytes]:
        """Decompress up to the end of a last block; what there was, and what follows."""
        if self._object is None:
            self._object = zlib.decompressobj(-self._bits)
        inflate = self._object
        try:
            if limit_bytes is None:
                inflated = inflate.decompress(data)
            else:
                # One byte more than allowed shows that it is too much.
                inflated = inflate.decompress(data, limit_bytes + 1)
        except zlib.error as problem:
            raise RemoteProtocolError(INVALID_DATA, f"cannot be decompressed: {problem}") from None
        if limit_bytes is not None and len(inflated) > limit_bytes:
            raise RemoteProtocolError(TOO_BIG, f"message is too big, {limit_bytes} bytes are left")
        if not inflate.eof:
            return inflated, b""
        # A last block is allowed, but then nothing of it may be referred to (7.2.3.4).
        self._object = None
        self._ends += 1
        if self._ends > _MOST_ENDS:
            raise RemoteProtocolError(INVALID_DATA, f"more than {_MOST_ENDS} last blocks")
        return inflated, inflate.unused_data
