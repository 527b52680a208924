r"""STOMP frames, both directions, without input or output (STOMP 1.0 to 1.2).

    decoder = FrameDecoder()
    decoder.receive_data(b"MESSAGE\nsubscription:0\n\nhello\0\n")
    decoder.next_message()      # Frame("MESSAGE", {"subscription": "0"}, b"hello")
    decoder.next_message()      # HEARTBEAT: a line end between frames
    encode(Frame("SEND", {"destination": "/q"}, b"hello"))

Of repeated headers the first counts. CONNECT and CONNECTED are never escaped, so that all versions
understand them.

    ProtocolError
        LocalProtocolError      our frame has a header that cannot be written
        RemoteProtocolError     the peer's frame is malformed, or passes a limit
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from circuits._wire import LocalProtocolError, ProtocolError
from circuits._wire.buffer import ReceiveBuffer

__all__ = [
    "DEFAULT_LIMITS",
    "HEARTBEAT",
    "Frame",
    "FrameDecoder",
    "Heartbeat",
    "Limits",
    "LocalProtocolError",
    "RemoteProtocolError",
    "encode",
    "heartbeat_intervals",
]


@dataclass(frozen=True)
class Limits:
    """What a decoder accepts at most. Sizes are in bytes.

    Attributes:
        head_bytes: Command and headers. Brokers send a few hundred; 64 KiB leaves room for
            properties of applications.
        header_count: Headers: each costs objects.
        body_bytes: A body; it is held in memory until it is complete.
    """

    head_bytes: int = 65536
    header_count: int = 200
    body_bytes: int = 16 * 1024 * 1024


DEFAULT_LIMITS: Final = Limits()

_HEAD_END: Final = re.compile(rb"\r?\n\r?\n")
_HEAD_TAIL: Final = re.compile(rb"(?:\r?\n\r?|\r)\Z")  # what may become the end
_COMMAND: Final = re.compile(r"[A-Z]+")
_UNESCAPED: Final = {"r": "\r", "n": "\n", "c": ":", "\\": "\\"}
_ESCAPE: Final = re.compile(r"\\(.?)", re.DOTALL)
_ESCAPES: Final = {
    # 1.1 knows no escape for CR, which cannot be sent then.
    "1.1": str.maketrans({"\n": "\\n", ":": "\\c", "\\": "\\\\"}),
    "1.2": str.maketrans({"\r": "\\r", "\n": "\\n", ":": "\\c", "\\": "\\\\"}),
}
_NEVER_ESCAPED: Final = frozenset(["CONNECT", "CONNECTED", "STOMP"])
_LENGTH: Final = re.compile(r"[0-9]{1,18}")


class RemoteProtocolError(ProtocolError):
    """The peer's frame is malformed, or larger than allowed. Close the connection.

    Args:
        reason: What is wrong.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


@dataclass(slots=True)
class Frame:
    """One frame.

    Attributes:
        command: As sent.
        headers: Names and values.
        body: Bytes, perhaps none.
    """

    command: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A line end between frames: a sign of life."""


HEARTBEAT: Final = Heartbeat()


def encode(frame: Frame, version: str = "1.2") -> bytes:
    """Make the bytes of a frame. A body gets a ``content-length``.

    Raises:
        LocalProtocolError: The command is no word, or a header cannot be written in this
            version.
    """
    if not _COMMAND.fullmatch(frame.command):
        raise LocalProtocolError(f"a command is a word in capitals, not {frame.command!r}")
    escapes = None if frame.command in _NEVER_ESCAPED else _ESCAPES.get(version)
    headers = frame.headers
    if frame.body and "content-length" not in headers:
        headers = {**headers, "content-length": str(len(frame.body))}
    lines = [frame.command]
    for name, value in headers.items():
        if escapes is not None:
            name, value = name.translate(escapes), value.translate(escapes)
        if not name or ":" in name or any(c in name + value for c in "\r\n\0"):
            raise LocalProtocolError(f"the header {name!r}: {value!r} cannot be written")
        lines.append(f"{name}:{value}")
    return "\n".join(lines).encode() + b"\n\n" + frame.body + b"\0"


def heartbeat_intervals(ours: tuple[int, int], theirs: str) -> tuple[float, float]:
    """What two sides have agreed on.

    Args:
        ours: How often we are able to send, and how often we want to hear, in milliseconds; 0
            is never.
        theirs: The header ``heart-beat`` of the peer.

    Returns:
        Seconds between what we send, and between what we hear; 0 is never.

    Raises:
        RemoteProtocolError: The header is malformed.
    """
    there = re.fullmatch(r"\s*([0-9]{1,9})\s*,\s*([0-9]{1,9})\s*", theirs)
    if there is None:
        raise RemoteProtocolError(f"malformed heart-beat {theirs[:50]!r}")
    sends, wants = int(there[1]), int(there[2])
    send = max(ours[0], wants) if ours[0] and wants else 0
    hear = max(ours[1], sends) if ours[1] and sends else 0
    return send / 1000, hear / 1000


class FrameDecoder:
    """Decodes what a peer sends.

    Args:
        limits: What is accepted at most.

    Attributes:
        version: By which headers are unescaped; set it once it is agreed on.
    """

    __slots__ = ("_body_length", "_buffer", "_frame", "_is_broken", "limits", "version")

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self.limits = limits
        self.version = "1.2"
        self._buffer = ReceiveBuffer()
        self._frame: Frame | None = None  # whose body is not complete yet
        self._body_length = -1  # -1: up to NUL
        self._is_broken = False

    @property
    def pending_bytes(self) -> int:
        """Received bytes that no frame has used yet."""
        return len(self._buffer)

    def receive_data(self, data: bytes | bytearray | memoryview) -> None:
        """Take what the peer has sent."""
        if not self._is_broken and len(data):
            self._buffer.append(data)

    def next_message(self) -> Frame | Heartbeat | None:
        """The next frame or heart-beat, or ``None`` as long as it needs more bytes.

        Raises:
            RemoteProtocolError: Once; nothing else comes then.
        """
        try:
            if self._frame is None:
                message = self._next_head()
                if message is not None or self._frame is None:
                    return message
            return self._next_body()
        except RemoteProtocolError:
            self._is_broken = True
            self._buffer.clear()
            self._frame = None
            raise

    def _next_head(self) -> Heartbeat | None:
        buffer = self._buffer
        start = buffer.peek(2)
        if start[:1] == b"\n":
            buffer.skip(1)
            return HEARTBEAT
        if start == b"\r\n":
            buffer.skip(2)
            return HEARTBEAT
        limit = self.limits.head_bytes
        # The end is CR LF CR LF at most, of which three bytes may have been searched.
        begin = max(buffer.searched - 3, buffer.start)
        match = _HEAD_END.search(buffer.data, begin)
        size = len(buffer) if match is None else match.start() - buffer.start
        if match is None and (
            tail := _HEAD_TAIL.search(buffer.data, max(begin, len(buffer.data) - 3))
        ):
            size -= tail.end() - tail.start()
        if size > limit:
            raise RemoteProtocolError(f"command and headers of more than {limit} bytes")
        if match is None:
            buffer.searched = len(buffer.data)
            return None
        head = buffer.peek(size)
        buffer.skip(match.end() - buffer.start)
        self._begin(head)
        return None

    def _begin(self, head: bytes) -> None:
        try:
            text = head.decode()
        except UnicodeDecodeError:
            raise RemoteProtocolError("headers that are not UTF-8") from None
        if "\0" in text:
            raise RemoteProtocolError("NUL in the headers")
        command, *lines = (line.removesuffix("\r") for line in text.split("\n"))
        if not _COMMAND.fullmatch(command):
            raise RemoteProtocolError(f"a frame begins with {command[:50]!r}")
        if len(lines) > self.limits.header_count:
            raise RemoteProtocolError(f"more than {self.limits.header_count} headers")
        is_escaped = command not in _NEVER_ESCAPED and self.version != "1.0"
        headers: dict[str, str] = {}
        for line in lines:
            name, colon, value = line.partition(":")
            if not colon or not name:
                raise RemoteProtocolError(f"a header without a colon: {line[:50]!r}")
            if is_escaped:
                name, value = _unescape(name), _unescape(value)
            headers.setdefault(name, value)
        length = headers.get("content-length")
        if length is None:
            self._body_length = -1
        elif not _LENGTH.fullmatch(length):
            raise RemoteProtocolError(f"malformed content-length {length[:50]!r}")
        else:
            self._body_length = int(length)
            self._check_body(self._body_length)
        self._frame = Frame(command, headers)

    def _check_body(self, size: int) -> None:
        if size > self.limits.body_bytes:
            raise RemoteProtocolError(f"body of more than {self.limits.body_bytes} bytes")

    def _next_body(self) -> Frame | None:
        frame, buffer, length = self._frame, self._buffer, self._body_length
        assert frame is not None
        if length < 0:
            length = buffer.find(b"\0")
            self._check_body(len(buffer) if length < 0 else length)
            if length < 0:
                return None
        elif len(buffer) <= length:
            return None
        elif buffer.data[buffer.start + length] != 0:
            raise RemoteProtocolError("no NUL after a body")
        frame.body = buffer.take(length)
        buffer.skip(1)
        self._frame = None
        return frame


def _unescape(text: str) -> str:
    if "\\" not in text:
        return text

    def replace(match: re.Match[str]) -> str:
        try:
            return _UNESCAPED[match[1]]
        except KeyError:
            raise RemoteProtocolError(f"undefined escape {match[0]!r} in a header") from None

    return _ESCAPE.sub(replace, text)
