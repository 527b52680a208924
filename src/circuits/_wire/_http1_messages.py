"""Limits, errors and messages of `circuits._wire.http1`, which is their public face.

ProtocolError
    RemoteProtocolError     the peer broke the rules, or passed a limit
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from circuits._wire import ProtocolError

Headers = tuple[tuple[str, str], ...]


class SharedHeaders(Headers):
    """Header fields that come with each request whose header block is the same.

    Attributes:
        form: What whoever gets them has made of them, and wants to find when they come again;
            ``None`` at first.
        visitor: Likewise, whom somebody has recognised by their cookie.
    """

    form: Any = None
    visitor: Any = None


@dataclass(frozen=True)
class Limits:
    """What a decoder accepts at most. Sizes are in bytes.

    Attributes:
        request_line_bytes: Request or status line without its line end. 8 KiB is what other
            servers and proxies let through; longer is answered with 414.
        header_block_bytes: All field lines with their line ends. 64 KiB leaves room for large
            cookies and tokens; more is answered with 431. Chunked bodies: the trailers likewise.
        header_count: Field lines. Each costs objects, far more than its bytes; 431.
        body_bytes: Decoded body, ``None`` for no limit. 16 MiB suits forms; 413. A length that
            is announced is refused before any of the body is read.
        chunk_line_bytes: Line with the size of a chunk. A size needs 16 digits at most, the rest
            are extensions, which nobody uses; 400.
        chunk_extension_bytes: All extensions of one body together, since a peer could wrap each
            byte of a body in a long line; 400.
        empty_lines: Empty lines before a request line, which old clients send after a body
            (RFC 9112, 2.2); 400.
        interim_responses: 1xx responses before the final one, so that a server cannot keep a
            client busy for ever.
        pending_bytes: Unread bytes at which a decoder takes no more. The codec does not read
            ahead, so a caller that stops asking for messages must stop receiving, too.
    """

    request_line_bytes: int = 8192
    header_block_bytes: int = 65536
    header_count: int = 100
    body_bytes: int | None = 16 * 1024 * 1024
    chunk_line_bytes: int = 1024
    chunk_extension_bytes: int = 16384
    empty_lines: int = 4
    interim_responses: int = 16
    pending_bytes: int = 1024 * 1024


class RemoteProtocolError(ProtocolError):
    """The peer's message is malformed, ambiguous, too large or of a kind that is not spoken here.

    Args:
        status: What a server answers before it closes the connection; ``None`` to close without
            an answer, because the peer does not speak HTTP or is a server itself.
        reason: What is wrong, for a log. It may quote the peer: escape it before it goes into
            a page.
        head: The request that is refused, when its head was good but its body is too large.
    """

    def __init__(self, status: int | None, reason: str, head: RequestHead | None = None) -> None:
        super().__init__(status, reason)
        self.status = status
        self.reason = reason
        self.head = head

    def __str__(self) -> str:
        return self.reason if self.status is None else f"{self.status}: {self.reason}"


# Messages are no frozen dataclasses: that would add a microsecond to each request.


class RequestHead(NamedTuple):
    """A request line and its header fields.

    Attributes:
        method: As sent; methods are case-sensitive.
        target: As sent, printable ASCII without ``#``.
        origin_form: `target` without scheme and authority: ``/path?query``, ``*``, or for
            CONNECT the authority.
        version: ``(1, n)`` as sent.
        headers: Pairs of name and value in the order and spelling sent, decoded as ISO-8859-1.
            Identical header blocks may share one tuple.
        host: Authority that is asked for: of an absolute target, else the ``Host`` field;
            ``None`` without either.
        keep_alive: The connection can be used for another request afterwards.
        content_length: Bytes of the body if announced.
        chunked: The body comes in chunks.
        expect_continue: The client waits for ``100 Continue`` before it sends the body.
        upgrade: The client offers another protocol; see the ``Upgrade`` field.
    """

    method: str
    target: str
    origin_form: str
    version: tuple[int, int]
    headers: Headers
    host: str | None
    keep_alive: bool
    content_length: int | None
    chunked: bool
    expect_continue: bool
    upgrade: bool

    @property
    def has_body(self) -> bool:
        """`Data` and `EndOfMessage` follow; otherwise the message is complete."""
        return self.chunked or bool(self.content_length)


@dataclass(slots=True)
class ResponseHead:
    """A status line and its header fields.

    Attributes:
        status: 100 to 999.
        reason: As sent, often empty.
        version: ``(1, n)`` as sent.
        headers: Pairs of name and value as sent, folded lines joined, decoded as ISO-8859-1.
        keep_alive: The connection can be used for another request afterwards.
        content_length: As announced, which for HEAD and 304 says nothing about this message.
        chunked: The body comes in chunks.
        has_body: `Data` and `EndOfMessage` follow; otherwise the message is complete.
        switched: What follows is another protocol: 101, or 2xx to CONNECT.
    """

    status: int
    reason: str
    version: tuple[int, int]
    headers: Headers
    keep_alive: bool
    content_length: int | None
    chunked: bool
    has_body: bool
    switched: bool

    @property
    def interim(self) -> bool:
        """The final response to the same request is still to come."""
        return self.status < 200 and not self.switched


@dataclass(slots=True)
class Data:
    """A piece of a body, never empty. Where it is cut has no meaning."""

    data: bytes


@dataclass(frozen=True, slots=True)
class EndOfMessage:
    """The body is complete. Trailer fields were checked and dropped."""


END_OF_MESSAGE: Final = EndOfMessage()
