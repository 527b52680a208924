"""Decoding HTTP/1.1 responses; what a client does."""

from __future__ import annotations

from collections import deque

from circuits._wire._http1_body import ChunkedBody, CloseDelimitedBody, SizedBody
from circuits._wire._http1_decoder import BODY, CLOSED, DEFAULT_LIMITS, HEAD, SWITCHED, Decoder
from circuits._wire._http1_head import parse_status_line, response_head
from circuits._wire._http1_messages import (
    Data,
    EndOfMessage,
    Limits,
    RemoteProtocolError,
    ResponseHead,
)

__all__ = ["ResponseDecoder"]


class ResponseDecoder(Decoder):
    """Decodes what a server sends.

    What a response means depends on its request, so call `expect` for each request that is sent,
    in order. All errors have ``None`` as status.

    Args:
        limits: What is accepted at most.
        assume_method: Method of a request that nobody has announced; with ``None``, bytes that
            arrive when nothing is expected are an error.

    Attributes:
        limits: What is accepted at most.
        state: Where the decoder is; for reading only.
        buffer: What was received; its ``data`` is empty if no message has yet to use any of it.
    """

    __slots__ = ("_assume_method", "_expected", "_interim_responses")

    def __init__(self, limits: Limits = DEFAULT_LIMITS, assume_method: str | None = None) -> None:
        super().__init__(limits)
        self._assume_method = assume_method
        self._expected: deque[str] = deque()
        self._interim_responses = 0

    def expect(self, method: str) -> None:
        """Announce the method of the next request that is sent."""
        self._expected.append(method)

    @property
    def expected_responses(self) -> int:
        """Announced requests whose response has not begun, or is interim so far."""
        return len(self._expected)

    def next_message(self) -> ResponseHead | Data | EndOfMessage | None:
        """The next message, or ``None`` as long as it needs more bytes.

        Heads that are ``interim`` (100, 103) are messages as well; the final one follows. After
        a head that is ``switched`` the state is ``SWITCHED``: `release` gives the other
        protocol's bytes. After a response that is not ``keep_alive`` it is ``CLOSED``.

        Raises:
            RemoteProtocolError: Close the connection.
        """
        if self.state is not HEAD:
            return self._next_of_body() if self.state is BODY else None
        try:
            return self._next_head()
        except RemoteProtocolError:
            self._close()
            raise

    def _next_head(self) -> ResponseHead | None:
        buffer = self.buffer
        data, start = buffer.data, buffer.start
        method = self._expected[0] if self._expected else self._assume_method
        if not len(buffer):
            if self._eof:
                if self._expected:
                    raise RemoteProtocolError(None, "the connection ended before the response")
                self._close()
            return None
        if method is None:
            raise RemoteProtocolError(None, "a response that no request has asked for")
        end = data.find(b"\r\n\r\n", buffer.searched)
        if end < 0:
            self._check_incomplete_head()
            if not b"HTTP/".startswith(bytes(data[start : start + 5])):
                raise RemoteProtocolError(None, "what has come is no response of HTTP")
            return None
        line_end = data.find(b"\r\n", start)
        self._check_line_length(line_end - start)
        self._check_block_length(end - line_end)
        head = response_head(
            data[start:line_end].decode("latin-1"),
            data[line_end + 2 : end + 2].decode("latin-1"),
            method,
            self.limits,
        )
        if head.interim:
            self._interim_responses += 1
            if self._interim_responses > self.limits.interim_responses:
                raise RemoteProtocolError(None, "too many interim responses")
        else:
            self._interim_responses = 0
            if self._expected:
                self._expected.popleft()
            self._begin_body(head)
        buffer.skip(end + 4 - start)
        self._line_length = -1
        return head

    def _begin_body(self, head: ResponseHead) -> None:
        self._keep_alive = head.keep_alive
        if head.switched:
            self.state = SWITCHED
        elif not head.has_body:
            if not head.keep_alive:
                self.state = CLOSED
        else:
            limit = self.limits.body_bytes
            length = head.content_length
            if head.chunked:
                self._body = ChunkedBody(self.limits, self._blame)
            elif length is None:
                self._body = CloseDelimitedBody(self.limits)
            elif limit is not None and length > limit:
                raise RemoteProtocolError(None, f"body of {length} bytes, limit {limit}")
            else:
                self._body = SizedBody(length)
            self.state = BODY

    def _check_line(self, line: str) -> None:
        parse_status_line(line)
