"""Messages to bytes: the sending half of `circuits._wire.http1`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from circuits._wire import LocalProtocolError
from circuits._wire._http1_head import TARGET, TOKEN, shorten

if TYPE_CHECKING:
    from collections.abc import Iterable

LAST_CHUNK: Final = b"0\r\n\r\n"

# Bytes that may stand in a line of a head. What is left of a head without them are its line
# ends, two for each line, or it carries something that somebody has injected.
_TEXT: Final = bytes([0x09, *range(0x20, 0x7F), *range(0x80, 0x100)])
_LINE_ENDS: Final = tuple(b"\r\n" * count for count in range(66))

# Names that were found to be tokens; programs use few different ones.
_GOOD_NAMES_COUNT: Final = 512
_good_names: set[str] = set()


def _encode_head(start_line: str, headers: Iterable[tuple[str, str]]) -> bytes:
    good_names = _good_names
    lines = [start_line]
    for name, value in headers:
        if name not in good_names:
            _check_name(name)
        lines.append(f"{name}: {value}")
    count = len(lines) + 1
    lines.append("\r\n")
    text = "\r\n".join(lines)
    try:
        head = text.encode("latin-1")
    except UnicodeEncodeError:
        head = b"\r\n".join(map(_encode_line, lines))
    line_ends = _LINE_ENDS[count] if count < len(_LINE_ENDS) else b"\r\n" * count
    if head.translate(None, _TEXT) != line_ends:
        _explain_bad_head(lines)
    return head


def _encode_line(line: str) -> bytes:
    try:
        return line.encode("latin-1")
    except UnicodeEncodeError:
        pass
    try:
        # The handler gives back bytes of file names that could not be decoded.
        return line.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise LocalProtocolError(f"lone surrogate in {shorten(line)}") from error


def _check_name(name: str) -> None:
    if TOKEN.fullmatch(name) is None:
        raise LocalProtocolError(f"malformed header name {shorten(name)}")
    if len(_good_names) >= _GOOD_NAMES_COUNT:
        _good_names.clear()
    _good_names.add(name)


def _explain_bad_head(lines: list[str]) -> None:
    for line in lines[:-1]:
        if _encode_line(line).translate(None, _TEXT):
            raise LocalProtocolError(f"control character in {shorten(line)}")
    raise LocalProtocolError("control character in the head")  # pragma: no cover


def encode_response_head(
    status: int,
    reason: str,
    headers: Iterable[tuple[str, str]],
    version: tuple[int, int] = (1, 1),
) -> bytes:
    """Status line, fields and the empty line after them.

    Text goes out as ISO-8859-1, a line for which that fails as UTF-8. Framing is up to the
    caller: a body needs ``Content-Length``, ``Transfer-Encoding`` or the end of the connection.

    Raises:
        LocalProtocolError: A name is not a token, or there is a control character somewhere,
            which CR, LF and NUL are, too.
    """
    if not 100 <= status <= 999:
        raise LocalProtocolError(f"status {status} is not in 100 to 999")
    return _encode_head(f"HTTP/{version[0]}.{version[1]} {status} {reason}", headers)


def encode_request_head(
    method: str,
    target: str,
    headers: Iterable[tuple[str, str]],
    version: tuple[int, int] = (1, 1),
) -> bytes:
    """Request line, fields and the empty line after them; see `encode_response_head`.

    Args:
        method: A token, sent as it is.
        target: Percent-encoded already, and without a fragment.
        headers: ``Host`` included.
        version: Protocol version to claim.

    Raises:
        LocalProtocolError: As above, or what each receiver could read in another way.
    """
    headers = list(headers)
    names = [name.lower() for name, _ in headers]
    for name in ("host", "content-length"):
        if names.count(name) > 1:
            raise LocalProtocolError(f"more than one {name} header")
    if TOKEN.fullmatch(method) is None:
        raise LocalProtocolError(f"malformed method {shorten(method)}")
    if TARGET.fullmatch(target) is None:
        raise LocalProtocolError(
            f"target {shorten(target)} is empty or not percent-encoded, or has a fragment"
        )
    return _encode_head(f"{method} {target} HTTP/{version[0]}.{version[1]}", headers)


def encode_chunk(data: bytes | bytearray | memoryview) -> bytes:
    """One chunk; nothing for no data, since an empty chunk would end the body."""
    size = len(data) if not isinstance(data, memoryview) else data.nbytes
    return b"".join((b"%x\r\n" % size, data, b"\r\n")) if size else b""


class BodyEncoder:
    """Frames a body and refuses one that breaks its own announcement.

    Too many bytes would be read as the next message, too few would swallow it.

    Args:
        content_length: Bytes that the head has announced.
        chunked: The head has announced chunks. With neither the connection's end ends the body.
    """

    __slots__ = ("chunked", "ended", "remaining")

    def __init__(self, content_length: int | None = None, *, chunked: bool = False) -> None:
        if chunked and content_length is not None:
            raise LocalProtocolError("a body has either a length or chunks")
        if content_length is not None and content_length < 0:
            raise LocalProtocolError(f"Content-Length {content_length} is negative")
        self.remaining = content_length
        self.chunked = chunked
        self.ended = False

    def send(self, data: bytes | bytearray | memoryview) -> bytes | bytearray | memoryview:
        """The bytes to write for the next piece of the body."""
        if self.ended:
            raise LocalProtocolError("the body has ended")
        if self.chunked:
            return encode_chunk(data)
        if self.remaining is not None:
            size = data.nbytes if isinstance(data, memoryview) else len(data)
            if size > self.remaining:
                raise LocalProtocolError(
                    f"the body is {size - self.remaining} bytes longer than its Content-Length"
                )
            self.remaining -= size
        return data

    def skip(self, size: int) -> None:
        """Take note that bytes of a body of known length were sent by other means."""
        if self.chunked or self.ended or (self.remaining is not None and size > self.remaining):
            raise LocalProtocolError(f"{size} bytes were sent past the announcement of the body")
        if self.remaining is not None:
            self.remaining -= size

    def end(self) -> bytes:
        """The bytes to write after the last piece. Calling it again gives nothing."""
        if self.ended:
            return b""
        if self.remaining:
            raise LocalProtocolError(
                f"the body is {self.remaining} bytes shorter than its Content-Length"
            )
        self.ended = True
        return LAST_CHUNK if self.chunked else b""
