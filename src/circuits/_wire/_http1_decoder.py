"""What decoding HTTP/1.1 has of both directions: the buffer, bodies, incomplete heads, the end."""

from __future__ import annotations

from enum import Enum
from typing import Final

from circuits._wire import LocalProtocolError
from circuits._wire._http1_body import ChunkedBody, CloseDelimitedBody, SizedBody
from circuits._wire._http1_head import BAD_BYTES
from circuits._wire._http1_messages import (
    END_OF_MESSAGE,
    Data,
    EndOfMessage,
    Limits,
    RemoteProtocolError,
)
from circuits._wire.buffer import ReceiveBuffer

__all__ = ["BODY", "CLOSED", "DEFAULT_LIMITS", "HEAD", "SWITCHED", "Decoder", "State"]

DEFAULT_LIMITS: Final = Limits()


class State(Enum):
    """Where a decoder is."""

    HEAD = "before or inside a head"
    BODY = "inside a body, or before its end"
    SWITCHED = "another protocol follows, see release()"
    CLOSED = "nothing else will come, what is received is dropped"


# Looking up a member of an enum is slow on Python 3.11, and this happens for each message.
HEAD: Final = State.HEAD
BODY: Final = State.BODY
SWITCHED: Final = State.SWITCHED
CLOSED: Final = State.CLOSED


class Decoder:
    """What both directions share: the buffer, bodies, incomplete heads, the connection's end."""

    # Status for a malformed message: a server answers it, a client has nobody to answer to.
    _blame: int | None = None

    __slots__ = (
        "_body", "_ends_bodies", "_eof", "_keep_alive", "_line_length", "buffer", "limits", "state",
    )  # fmt: skip

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self.limits = limits
        self.state = HEAD
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
        if self.state is CLOSED:
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
        self.state = CLOSED
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
        self.state = HEAD if self._keep_alive else CLOSED
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
