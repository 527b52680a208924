r"""Lines of text: bytes to lines, without input or output.

    decoder = LineDecoder(limit_bytes=1000)
    decoder.receive_data(b"one\r\ntwo\nthr")
    decoder.next_message()          # b"one"
    decoder.next_message()          # b"two"
    decoder.next_message()          # None: more bytes are needed
    decoder.rest                    # b"thr"

A line ends in LF, with or without a CR before it. A line that is longer than the limit is reported
once, in its place among the others, and the bytes up to its end are dropped as they come. Where
the data is cut makes no difference to what comes out.

    ProtocolError
        LineTooLongError        the peer sends a line, perhaps an endless one, past the limit
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from circuits._wire import ProtocolError

__all__ = ["LIMIT_BYTES", "LINE_END", "LineDecoder", "LineTooLongError", "Splitter", "split_lines"]

#: How lines end.
LINE_END: Final = re.compile(rb"\r?\n")

#: Default limit of a line without its end. No text protocol asks for more than a few kilobytes,
#: and each connection may make us keep this much.
LIMIT_BYTES: Final = 65536

#: What is kept of a line that is dropped, when a splitter of the application's own looks for its
#: end: more than any separator is long.
_OVERLAP: Final = 64

#: How many lines are taken apart at once. What is behind them stays bytes until somebody wants it: who
#: fills a read with line ends makes us keep no more than he has sent.
_AT_ONCE: Final = 256

#: A rest of this many bytes is shown to a splitter of one's own as it is, with each piece of data.
_LOOKED_THROUGH: Final = 1024

#: How much of a line that is too long an error shows.
_SHOWN: Final = 64

#: Splits data and what was left over before into whole lines and a new rest.
Splitter = Callable[[Any, Any], tuple[Any, Any]]


class LineTooLongError(ProtocolError):
    """A line is longer than the limit, or did not end within it.

    Args:
        limit_bytes: The limit.
        beginning: How the line begins; for a log, escape it.
    """

    def __init__(self, limit_bytes: int, beginning: bytes) -> None:
        super().__init__(limit_bytes, beginning)
        self.limit_bytes = limit_bytes
        self.beginning = beginning

    def __str__(self) -> str:
        return f"a line longer than {self.limit_bytes} bytes begins with {self.beginning!r}"


def split_lines(data: bytes, buffer: bytes) -> tuple[list[bytes], bytes]:
    """Split what was left over before and `data` into whole lines and a new rest."""
    *lines, rest = LINE_END.split(buffer + data)
    return lines, rest


class LineDecoder:
    """Decodes what a peer sends.

    Args:
        limit_bytes: Longest line without its end; ``None`` for no limit.
        splitter: Splits instead of `split_lines`, and is given the rest with each piece of data
            anew.

    Attributes:
        limit_bytes: As above.
    """

    __slots__ = (
        "_behind", "_deferred", "_discarding", "_messages", "_rest", "_splitter", "limit_bytes",
    )  # fmt: skip

    def __init__(
        self, limit_bytes: int | None = LIMIT_BYTES, splitter: Splitter | None = None
    ) -> None:
        if limit_bytes is not None and limit_bytes < 1:
            raise ValueError(f"limit_bytes must be at least 1, not {limit_bytes}")
        self.limit_bytes = limit_bytes
        self._splitter = None if splitter is split_lines else splitter
        self._messages: deque[Any] = deque()
        self._behind = b""  # whole lines behind those, without the last LF
        # Grows in place, so that a line which comes one byte at a time stays linear. What a
        # splitter has left over is of its own kind, and stays as it is.
        self._rest: Any = bytearray() if self._splitter is None else b""
        self._discarding = False
        self._deferred = bytearray()  # behind the rest, for a splitter

    @property
    def rest(self) -> Any:
        """The beginning of a line that has not ended yet. May be set."""
        self.catch_up()
        return bytes(self._rest) if isinstance(self._rest, bytearray) else self._rest

    @rest.setter
    def rest(self, rest: Any) -> None:
        self._deferred = bytearray()
        self._rest = bytearray(rest) if self._splitter is None else rest

    def receive_data(self, data: bytes | bytearray | memoryview) -> None:
        """Take what the peer has sent."""
        if self._splitter is not None:
            self._split(data)
            return
        if self._behind:
            self._split_behind(-1)
        pieces = bytes(data).split(b"\n", _AT_ONCE)
        self._rest += pieces[0]
        if len(pieces) > 1:
            if self._discarding:
                self._discarding = False
            else:
                self._add(bytes(self._rest).removesuffix(b"\r"))
            for piece in pieces[1:-1]:
                self._add(piece.removesuffix(b"\r"))
            last = pieces[-1]
            if len(pieces) > _AT_ONCE and b"\n" in last:
                self._behind, _, last = last.rpartition(b"\n")
                if not self._behind:  # a single empty line
                    self._add(b"")
            self._rest = bytearray(last)
        self._check_rest()

    @property
    def has_message(self) -> bool:
        """Whether there is a next line."""
        return bool(self._messages or self._behind)

    @property
    def is_unfinished(self) -> bool:
        """Whether a line has begun, or what is too long goes on."""
        return bool(self._rest) or self._discarding or bool(self._deferred)

    def next_message(self) -> Any:
        """The next line without its end, or ``None`` as long as it needs more bytes.

        A `LineTooLongError` is returned, not raised: the lines after it are good.
        """
        if not self._messages and self._behind:
            self._split_behind(_AT_ONCE)
        return self._messages.popleft() if self._messages else None

    def drop_line(self) -> None:
        """Drop the beginning of the line that has not ended, and the rest of it when it comes."""
        self._discarding = True
        self._check_rest()

    def _split_behind(self, count: int) -> None:
        *lines, last = self._behind.split(b"\n", count)
        self._behind = b""
        if len(lines) == count and last:
            self._behind = last
        else:
            lines.append(last)
        for line in lines:
            self._add(line.removesuffix(b"\r"))

    @property
    def is_deferred(self) -> bool:
        """Whether a splitter of one's own has not been shown everything yet; see `catch_up`."""
        return bool(self._deferred)

    def catch_up(self) -> None:
        """Show a splitter of one's own what was put off.

        Of what has come in many pieces without the end of a line, only the last bytes are shown to
        it with each of them, and the whole whenever that has grown by a part: it would look through
        the whole each time, which takes quadratic time. A splitter for which the end of a line is
        not at the end of what it is shown is late by that, unless this is called.
        """
        if self._deferred:
            data, self._deferred = self._deferred, bytearray()
            self._split_all(bytes(data))

    def _split(self, data: bytes | bytearray | memoryview) -> None:
        assert self._splitter is not None
        rest = self._rest
        if rest.__class__ is not bytes or len(rest) <= _LOOKED_THROUGH:
            self._split_all(data)
            return
        deferred = self._deferred
        tail = bytes(deferred[-_OVERLAP:])
        if len(tail) < _OVERLAP:
            tail = rest[len(tail) - _OVERLAP :] + tail
        lines, _ = self._splitter(data, tail)
        deferred += data
        if lines or len(deferred) * 8 > len(rest):
            self.catch_up()

    def _split_all(self, data: bytes | bytearray | memoryview) -> None:
        assert self._splitter is not None
        lines, self._rest = self._splitter(data, self._rest)
        for line in lines:
            if self._discarding:
                self._discarding = False
            else:
                self._add(line)
        self._check_rest()

    def _add(self, line: Any) -> None:
        if self.limit_bytes is not None and len(line) > self.limit_bytes:
            line = LineTooLongError(self.limit_bytes, bytes(line[: min(_SHOWN, self.limit_bytes)]))
        self._messages.append(line)

    def _check_rest(self) -> None:
        limit, rest = self.limit_bytes, self._rest
        if self._discarding and self._splitter is None:
            rest.clear()
        elif self._discarding:
            self._rest = rest[-_OVERLAP:]
        elif limit is not None and len(rest) > limit:
            # One CR more may belong to the end of the line.
            if self._splitter is None and len(rest) == limit + 1 and rest[-1] == 13:
                return
            if self._behind:
                self._split_behind(-1)  # which comes before
            self._messages.append(LineTooLongError(limit, bytes(rest[: min(_SHOWN, limit)])))
            self._discarding = True
            self._check_rest()
