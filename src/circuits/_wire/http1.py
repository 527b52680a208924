r"""HTTP/1.1 in both directions, without input or output (RFC 9110, RFC 9112).

A server decodes requests and encodes responses, a client does the reverse:

    decoder = RequestDecoder()
    decoder.receive_data(b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n")
    head = decoder.next_message()          # RequestHead(method='GET', target='/', ...)
    decoder.next_message()                 # None: more bytes are needed
    encode_response_head(200, "OK", [("Content-Length", "0")])

``next_message()`` gives one message at a time: a head, then, only if ``head.has_body``, any number
of `Data` and one `EndOfMessage`. It never looks beyond that, so the next pipelined request
begins when it is asked for, and stays in ``pending_bytes`` until then. ``None`` means that more
bytes are needed, or, when ``state`` is ``CLOSED``, that nothing else will come. A malformed
message raises `RemoteProtocolError` once, and the decoder is closed.

The decoder is strict where leniency would let two parsers disagree. The deliberate choices:

- Lines end in CRLF. A lone CR or LF, a NUL, a space before a colon, a folded line (responses are
  unfolded) are refused as soon as they are seen.
- Content-Length with Transfer-Encoding is refused, and so are repeated Content-Length fields of
  a request even if they agree; responses may repeat the same one.
- The only transfer coding is ``chunked``, once.
- HTTP/1.2 and up count as 1.1, with their own version in the head. Other major versions: 505.

Speed: most requests arrive whole, and their fields have been seen before. Then the head costs
two searches, one look into a memo and one object. Otherwise one compiled expression reads all
fields. Incomplete heads take the slow path, where each byte is still searched only once.
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import Final

from circuits._wire import LocalProtocolError, ProtocolError
from circuits._wire._http1_body import ChunkedBody, CloseDelimitedBody, SizedBody
from circuits._wire._http1_head import (
    BAD_BYTES,
    MEMO_BYTES,
    METHODS,
    RequestFacts,
    memo_for,
    parse_request_line,
    parse_status_line,
    parse_target,
    parse_version,
    request_facts,
    response_head,
)
from circuits._wire._http1_messages import (
    END_OF_MESSAGE,
    Data,
    EndOfMessage,
    Headers,
    Limits,
    RemoteProtocolError,
    RequestHead,
    ResponseHead,
    SharedHeaders,
)
from circuits._wire._http1_send import (
    LAST_CHUNK,
    BodyEncoder,
    encode_chunk,
    encode_request_head,
    encode_response_head,
)
from circuits._wire.buffer import ReceiveBuffer

__all__ = [
    "DEFAULT_LIMITS",
    "END_OF_MESSAGE",
    "LAST_CHUNK",
    "BodyEncoder",
    "Data",
    "EndOfMessage",
    "Headers",
    "Limits",
    "LocalProtocolError",
    "ProtocolError",
    "RemoteProtocolError",
    "RequestDecoder",
    "RequestHead",
    "ResponseDecoder",
    "ResponseHead",
    "SharedHeaders",
    "State",
    "encode_chunk",
    "encode_request_head",
    "encode_response_head",
]

DEFAULT_LIMITS: Final = Limits()


class State(Enum):
    """Where a decoder is."""

    HEAD = "before or inside a head"
    BODY = "inside a body, or before its end"
    SWITCHED = "another protocol follows, see release()"
    CLOSED = "nothing else will come, what is received is dropped"


# Looking up a member of an enum is slow on Python 3.11, and this happens for each message.
_HEAD: Final = State.HEAD
_BODY: Final = State.BODY
_SWITCHED: Final = State.SWITCHED
_CLOSED: Final = State.CLOSED


_new_head = tuple.__new__  # three quarters of the time of calling the class


class _Decoder:
    """What both directions share: the buffer, bodies, incomplete heads, the connection's end."""

    # Status for a malformed message: a server answers it, a client has nobody to answer to.
    _blame: int | None = None

    __slots__ = (
        "_body", "_ends_bodies", "_eof", "_keep_alive", "_line_length", "buffer", "limits", "state",
    )  # fmt: skip

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self.limits = limits
        self.state = _HEAD
        self.buffer = ReceiveBuffer(limits.pending_bytes)
        self._body: SizedBody | ChunkedBody | CloseDelimitedBody | None = None
        self._keep_alive = True  # after the body that is being read
        self._line_length = -1  # of the start line of an incomplete head, once it was checked
        self._eof = self._ends_bodies = False

    @property
    def pending_bytes(self) -> int:
        """Received bytes that no message has used yet.

        In state ``HEAD``, zero means that the connection is idle.
        """
        buffer = self.buffer
        return len(buffer.data) - buffer.start

    @property
    def pending_heads(self) -> int:
        """How many heads may end in the received bytes that no message has used yet.

        An estimate from above, without decoding: what is in a body may look like the end of one.
        """
        return self.buffer.data.count(b"\r\n\r\n", self.buffer.start)

    def receive_data(self, data: bytes | bytearray | memoryview) -> None:
        """Take what the peer has sent.

        Raises:
            LocalProtocolError: `Limits.pending_bytes` are waiting to be read already, or the
                end was received before.
        """
        if self._eof:
            raise LocalProtocolError("data after the end of the connection")
        buffer = self.buffer
        if self.state is _CLOSED:
            return
        if not buffer.data and data.__class__ is bytes:
            buffer.data = data  # most reads; what append does with them, without the call
        else:
            buffer.append(data)

    def receive_eof(self, is_cut: bool = False) -> None:
        """Take notice that the peer will send nothing else.

        Call `next_message` afterwards until it gives ``None``: what arrived before is still
        decoded, a body that ends with the connection is completed, and a message that was cut
        off raises.

        Args:
            is_cut: The connection has failed; a body that ends with it is not complete either.
        """
        self._eof, self._ends_bodies = True, not is_cut

    def release(self) -> bytes:
        """Hand over the unread bytes, after a switch to another protocol, and close."""
        data = self.buffer.take_all()
        self._close()
        return data

    def _close(self) -> None:
        self.state = _CLOSED
        self._body = None
        self.buffer.clear()

    def _next_of_body(self) -> Data | EndOfMessage | None:
        body = self._body
        assert body is not None
        try:
            data = body.read(self.buffer, self._ends_bodies)
            if data is None and self._eof:
                raise RemoteProtocolError(self._blame, "the connection ended inside a body")
        except RemoteProtocolError:
            self._close()
            raise
        if data is None:
            return None
        if data:
            return Data(data)
        self._body = None
        self.state = _HEAD if self._keep_alive else _CLOSED
        return END_OF_MESSAGE

    def _check_line(self, line: str) -> None:
        """Raise if a start line is malformed, although its head is not complete yet."""
        raise NotImplementedError

    def _check_incomplete_head(self) -> None:
        """Refuse garbage and floods before a head is complete.

        To be called when its end was searched for and not found. Looks only at bytes that have
        come since the previous call, and marks them as searched.
        """
        buffer = self.buffer
        data, start, searched = buffer.data, buffer.start, buffer.searched
        unread = len(data) - start
        if data[start] == 0x16:
            raise RemoteProtocolError(None, "a TLS handshake arrived at a port without TLS")
        line_length = self._line_length
        if line_length < 0:
            line_end = data.find(b"\r\n", searched)
            if line_end < 0:
                self._check_line_length(unread - 1)  # the last byte may be a CR
            else:
                line_length = line_end - start
                self._check_line_length(line_length)
        bad = BAD_BYTES.search(data, max(searched - 1, start))
        # A CR before the head belongs to a body, and takes no LF along.
        if bad is not None or data[start] == 0x0A:
            place = bad.start() - start if bad is not None else 0
            raise RemoteProtocolError(
                self._blame, f"lone CR, lone LF or NUL at byte {place} of a head"
            )
        if line_length >= 0:
            if self._line_length < 0:
                self._check_line(data[start : start + line_length].decode("latin-1"))
                self._line_length = line_length
            # Not counted: the end of the start line, and one byte that may end the head.
            self._check_block_length(unread - line_length - 3)
        if self._eof:
            raise RemoteProtocolError(self._blame, "the connection ended inside a head")
        # The last three bytes may be the beginning of the end.
        buffer.searched = max(searched, len(data) - 3)

    def _check_line_length(self, length: int) -> None:
        if length > self.limits.request_line_bytes:
            status = 414 if self._blame else None
            raise RemoteProtocolError(
                status, f"start line longer than {self.limits.request_line_bytes} bytes"
            )

    def _check_block_length(self, length: int) -> None:
        if length > self.limits.header_block_bytes:
            status = 431 if self._blame else None
            raise RemoteProtocolError(
                status, f"header block longer than {self.limits.header_block_bytes} bytes"
            )


class RequestDecoder(_Decoder):
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
        if self.state is not _HEAD:
            return self._next_of_body() if self.state is _BODY else None
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
                self.state = _SWITCHED if method == "CONNECT" else _CLOSED
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
            self.state = _BODY
        elif head.content_length:
            if limit is not None and head.content_length > limit:
                raise RemoteProtocolError(
                    413, f"body of {head.content_length} bytes, limit {limit}", head
                )
            self._body = SizedBody(head.content_length)
            self.state = _BODY

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


class ResponseDecoder(_Decoder):
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
        if self.state is not _HEAD:
            return self._next_of_body() if self.state is _BODY else None
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
            self.state = _SWITCHED
        elif not head.has_body:
            if not head.keep_alive:
                self.state = _CLOSED
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
            self.state = _BODY

    def _check_line(self, line: str) -> None:
        parse_status_line(line)
