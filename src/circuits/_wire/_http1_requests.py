"""Decoding HTTP/1.1 requests; what a server does."""

from __future__ import annotations

from circuits._wire._http1_body import ChunkedBody, SizedBody
from circuits._wire._http1_decoder import BODY, CLOSED, DEFAULT_LIMITS, HEAD, SWITCHED, Decoder
from circuits._wire._http1_head import (
    MEMO_BYTES,
    METHODS,
    RequestFacts,
    memo_for,
    parse_request_line,
    parse_target,
    parse_version,
    request_facts,
)
from circuits._wire._http1_messages import (
    Data,
    EndOfMessage,
    Limits,
    RemoteProtocolError,
    RequestHead,
)

__all__ = ["RequestDecoder"]

_new_head = tuple.__new__  # three quarters of the time of calling the class


class RequestDecoder(Decoder):
    """Decodes what a client sends.

    Attributes:
        limits: What is accepted at most.
        state: Where the decoder is; for reading only.
        buffer: What was received; its ``data`` is empty if no message has yet to use any of it.
    """

    __slots__ = (
        "_empty_lines",
        "_last_facts",
        "_last_key",
        "_memo",
        "_remembered",
        "_short_line_bytes",
    )

    _blame = 400

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        super().__init__(limits)
        self._memo = memo_for(limits)
        self._remembered = self._memo.facts
        # The last header block with credentials, which others shall not remember.
        self._last_key = b""
        self._last_facts: RequestFacts | None = None
        self._empty_lines = 0
        # For what is left of a line when the version was cut off.
        self._short_line_bytes = limits.request_line_bytes - len(" HTTP/1.1")

    def next_message(self) -> RequestHead | Data | EndOfMessage | None:
        """The next message, or ``None`` as long as it needs more bytes.

        After a request that is not ``keep_alive`` the state becomes ``CLOSED``: what the client
        still sends is dropped. After CONNECT it becomes ``SWITCHED``. After a request with
        ``upgrade``, either `release` what follows or go on with `next_message`.

        Raises:
            RemoteProtocolError: Answer its status, if it has one, and close the connection.
        """
        if self.state is not HEAD:
            return self._next_of_body() if self.state is BODY else None
        buffer = self.buffer
        data = buffer.data
        start = buffer.start
        line_end = end = 0
        key = b""
        facts = None
        try:
            # A key of the memo begins at the version, which decides as much as the fields do.
            # Most reads contain one head and nothing else. Keys have an empty line only at their
            # end, so if the memo knows all that came, no search for the end is needed.
            if buffer.searched == start:
                line_end = data.find(b" HTTP/", start)
                key = bytes(data[line_end : line_end + MEMO_BYTES + 1])
                facts = self._remembered.get(key)
                end = len(data)
            if facts is None and key and key == self._last_key:
                facts = self._last_facts
            if facts is None:
                end = data.find(b"\r\n\r\n", buffer.searched) + 4
                if end < 4:
                    return self._incomplete_head()
                if not start < line_end < end:
                    line_end = data.find(b" HTTP/", start, end)
                if len(key) != end - line_end or end != len(data):
                    key = bytes(data[line_end:end])
                    facts = self._remembered.get(key)
            method, _, target = data[start:line_end].decode("latin-1").partition(" ")
            origin_form = target
            authority = None
            if (
                method not in METHODS
                or target[:1] != "/"
                or " " in target
                or "#" in target
                or not target.isascii()
                or not target.isprintable()
                or line_end - start > self._short_line_bytes
            ):
                if self._skip_empty_lines():
                    return self.next_message()
                # Unusual or malformed. Once it has passed, `line_end` is known to be right.
                method, target, origin_form, authority = self._parse_line(data, start)
            if facts is None:
                facts = self._parse_block(key)
            version, headers, host, keep_alive, length, chunked, expect, upgrade, _ = facts
            if authority is not None:
                host = authority
            if method == "CONNECT":
                # Whatever follows belongs to the tunnel, or to nobody (RFC 9112, 11.2).
                keep_alive, length, chunked = False, None, False
            head = _new_head(
                RequestHead,
                (
                    method, target, origin_form, version, headers, host, keep_alive, length,
                    chunked, expect, upgrade,
                ),
            )  # fmt: skip
            if chunked or length:
                self._begin_body(head)
            elif not keep_alive:
                self.state = SWITCHED if method == "CONNECT" else CLOSED
        except RemoteProtocolError:
            self._close()
            raise
        # The same as buffer.skip(), which would be a call.
        if end == len(data):
            buffer.data = b""
            buffer.start = buffer.searched = 0
        else:
            buffer.start = buffer.searched = end
        self._line_length = -1
        self._empty_lines = 0
        return head

    def _parse_line(self, data: bytes | bytearray, start: int) -> tuple[str, str, str, str | None]:
        """Parse any request line: method, target, its origin form and its authority."""
        line_end = data.find(b"\r\n", start)
        self._check_line_length(line_end - start)
        method, target, _ = parse_request_line(data[start:line_end].decode("latin-1"))
        return method, target, *parse_target(method, target)

    def _parse_block(self, key: bytes) -> RequestFacts:
        """Parse a head from its version on, which begins with a space."""
        if key == self._last_key and self._last_facts is not None:
            return self._last_facts
        if key.startswith(b" HTTP/1.1\r\n"):
            version_end = 9
            version = (1, 1)
        else:
            version_end = key.find(b"\r\n")
            version = parse_version(key[1:version_end].decode("latin-1"))
        if len(key) - version_end - 4 > self.limits.header_block_bytes:  # most need no call
            self._check_block_length(len(key) - version_end - 4)
        facts = request_facts(version, key[version_end + 2 : -2].decode("latin-1"), self.limits)
        if not facts[-1]:
            self._memo.offer(key, facts)
        elif len(key) <= MEMO_BYTES:
            self._last_key, self._last_facts = key, facts
        return facts

    def limit_body(self, body_bytes: int | None) -> None:
        """Set how long the body of the latest head may be, if that says nothing of its length."""
        if isinstance(self._body, ChunkedBody):
            self._body.limit(body_bytes)

    def _begin_body(self, head: RequestHead) -> None:
        limit = self.limits.body_bytes
        self._keep_alive = head.keep_alive
        if head.chunked:
            self._body = ChunkedBody(self.limits, self._blame)
            self.state = BODY
        elif head.content_length:
            if limit is not None and head.content_length > limit:
                raise RemoteProtocolError(
                    413, f"body of {head.content_length} bytes, limit {limit}", head
                )
            self._body = SizedBody(head.content_length)
            self.state = BODY

    def _skip_empty_lines(self) -> bool:
        """Skip empty lines before a request line; whether there were any."""
        buffer = self.buffer
        skipped = False
        while buffer.data.startswith(b"\r\n", buffer.start) and len(buffer):
            self._empty_lines += 1
            if self._empty_lines > self.limits.empty_lines:
                raise RemoteProtocolError(400, "too many empty lines before a request")
            buffer.skip(2)
            skipped = True
        return skipped

    def _incomplete_head(self) -> RequestHead | Data | EndOfMessage | None:
        if self._line_length < 0 and self._skip_empty_lines():
            return self.next_message()
        if self.pending_bytes:
            self._check_incomplete_head()
        elif self._eof:
            self._close()
        return None

    def _check_line(self, line: str) -> None:
        method, target, _ = parse_request_line(line)
        parse_target(method, target)
