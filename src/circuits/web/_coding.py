"""Content codings: which one a client likes best, and how a body becomes it (RFC 9110, 8.4, 12.5.3)."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any, Protocol

try:
    from compression import zstd as _std_zstd  # type: ignore[import-not-found, unused-ignore]
except ImportError:  # before Python 3.14
    _std_zstd = None
try:
    import zstandard as _zstandard
except ImportError:  # the extra "web" is not installed
    _zstandard = None  # type: ignore[assignment, unused-ignore]  # a module, if there is one
try:
    import brotli as _brotli  # type: ignore[import-untyped, unused-ignore]
except ImportError:
    _brotli = None  # type: ignore[assignment, unused-ignore]

from ._pieces import NOT_YET
from ._response_body import FileRange

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from .headers import Headers
    from .wrappers import Response

__all__ = ["available", "choose", "code_body", "mark_coded"]


class Encoder(Protocol):
    """What makes a coding."""

    def add(self, data: bytes) -> bytes:
        """Take more; give what there is."""

    def flush(self) -> bytes:
        """Give all that was taken so far, so that the client can read it."""

    def end(self) -> bytes:
        """Give the rest."""


class _Gzip:
    def __init__(self, level: int) -> None:
        # Without a time stamp: the same content is the same bytes.
        self._object = zlib.compressobj(level, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
        self.add = self._object.compress

    def flush(self) -> bytes:
        return self._object.flush(zlib.Z_SYNC_FLUSH)

    def end(self) -> bytes:
        return self._object.flush()


class _Zstandard:
    def __init__(self, level: int) -> None:
        self._object: Any = _zstandard.ZstdCompressor(level=level).compressobj()
        self.add = self._object.compress

    def flush(self) -> bytes:
        return bytes(self._object.flush(_zstandard.COMPRESSOBJ_FLUSH_BLOCK))

    def end(self) -> bytes:
        return bytes(self._object.flush())


class _StandardZstd:
    def __init__(self, level: int) -> None:
        self._object: Any = _std_zstd.ZstdCompressor(level=level)
        self.add = self._object.compress

    def flush(self) -> bytes:
        return bytes(self._object.flush(self._object.FLUSH_BLOCK))

    def end(self) -> bytes:
        return bytes(self._object.flush())


class _Brotli:
    def __init__(self, level: int) -> None:
        self._object: Any = _brotli.Compressor(quality=level)
        self.add = self._object.process

    def flush(self) -> bytes:
        return bytes(self._object.flush())

    def end(self) -> bytes:
        return bytes(self._object.finish())


def available() -> dict[str, Callable[[int], Encoder]]:
    """The codings that can be made here, the one that we like best first."""
    codings: dict[str, Callable[[int], Encoder]] = {}
    if _std_zstd is not None:
        codings["zstd"] = _StandardZstd
    elif _zstandard is not None:
        codings["zstd"] = _Zstandard
    if _brotli is not None:
        codings["br"] = _Brotli
    codings["gzip"] = _Gzip
    return codings


def choose(accepted: Sequence[tuple[str, float]], offered: Sequence[str]) -> str | None:
    """Which coding to use; ``None`` is none.

    Args:
        accepted: What the client says, with how much it likes that.
        offered: What can be made, the best first.
    """
    likes = {name.lower(): quality for name, quality in accepted}
    rest = likes.get("*", 0.0)
    identity = likes.get("identity", 0.0)
    best, best_quality = None, max(identity, 1e-9)
    for name in offered:
        quality = likes.get(name, likes.get("x-gzip", rest) if name == "gzip" else rest)
        if quality > best_quality or (quality == best_quality and best is None):
            best, best_quality = name, quality
    return best


def encode_whole(encoder: Encoder, data: bytes) -> bytes:
    """Code a body that is all there."""
    return encoder.add(data) + encoder.end()


def encode_pieces(
    encoder: Encoder, pieces: Any, to_bytes: Callable[[Any], bytes], flush: bool
) -> Iterator[Any]:
    """Code a body piece by piece.

    Args:
        encoder: What codes.
        pieces: The pieces; closed at the end.
        to_bytes: Makes bytes of a piece.
        flush: Whether the client can read each piece when it has come.
    """
    try:
        for piece in pieces:
            if piece is NOT_YET:
                yield piece
            elif piece is not None and len(piece):
                yield encoder.add(to_bytes(piece)) + (encoder.flush() if flush else b"")
        yield encoder.end()
    finally:
        close = getattr(pieces, "close", None)
        if close is not None:
            close()


async def encode_async(
    encoder: Encoder, pieces: Any, to_bytes: Callable[[Any], bytes]
) -> AsyncIterator[bytes]:
    """Code a body that comes asynchronously, so that the client can read each piece at once."""
    iterator = aiter(pieces)
    try:
        async for piece in iterator:
            if piece is not None and len(piece):
                yield encoder.add(to_bytes(piece)) + encoder.flush()
        yield encoder.end()
    finally:
        close = getattr(iterator, "aclose", None)
        if close is not None:
            await close()


def mark_coded(headers: Headers, name: str) -> None:
    """Say that a body is coded: it has other bytes than those that a tag or a range stands for."""
    headers["Content-Encoding"] = name
    del headers["Accept-Ranges"]
    tag = headers["ETag"]
    if tag is not None and not tag.startswith("W/"):
        headers["ETag"] = f"W/{tag}"


def code_body(response: Response, encoder: Encoder, name: str) -> None:
    """Replace the body of a response by a coded one, and say so."""
    mark_coded(response.headers, name)
    body = response.body
    to_bytes = response.encode_part
    if isinstance(body, list) and not response.stream:
        data = b"".join([to_bytes(part) for part in body if part is not None])
        response.body = encode_whole(encoder, data)
    elif hasattr(body, "__aiter__"):
        idle = getattr(body, "idle", None)
        response.body = _CodedAsync(encode_async(encoder, body, to_bytes), idle, encoder)
    else:
        pieces = encode_pieces(encoder, body, to_bytes, not isinstance(body, FileRange))
        response.body = _CodedAttached(pieces, body) if hasattr(body, "attach") else pieces
    del response.headers["Content-Length"]


class _CodedAsync:
    """Pieces that come asynchronously, with what is sent between them coded like them."""

    def __init__(self, pieces: Any, idle: tuple[float, bytes] | None, encoder: Encoder) -> None:
        self._pieces = pieces
        self._piece = b"" if idle is None else idle[1]
        self._encoder = encoder
        #: Seconds, and what makes the piece that is sent when nothing has come for so long.
        self.idle = None if idle is None else (idle[0], self._code_idle)

    def _code_idle(self) -> bytes:
        return self._encoder.add(self._piece) + self._encoder.flush()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(self._pieces)


class _CodedAttached:
    """Coded pieces from another thread."""

    def __init__(self, pieces: Any, source: Any) -> None:
        self._pieces = pieces
        self.attach = source.attach
        self.close = pieces.close

    def __iter__(self) -> _CodedAttached:
        return self

    def __next__(self) -> Any:
        return next(self._pieces)
