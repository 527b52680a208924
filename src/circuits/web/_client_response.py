"""What a client gets: a response, whole or on its way."""

from __future__ import annotations

import codecs
import zlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from email.message import Message
from typing import TYPE_CHECKING, Any, Final

from circuits.net.protocols.http import ResponseHeaders, ResponseObject

from . import _json
from ._client_errors import ClientError, ProtocolError, StatusError
from ._client_outcome import Outcome

if TYPE_CHECKING:
    from typing import Self

    from circuits._wire.http1 import ResponseHead

    from ._client_request import ClientRequest

__all__ = ["Arriving", "ClientResponse", "Decompressor"]

#: So many bytes are decompressed at once.
_PIECE_BYTES: Final = 64 * 1024
_CODINGS: Final = frozenset({"gzip", "x-gzip", "deflate"})
#: Some servers compress twice; each more could blow up a thousandfold what nobody counts.
_MAX_CODINGS: Final = 2
#: With more than this waiting for whoever reads a response, nothing more is read of it.
_BUFFERED_BYTES: Final = 256 * 1024
#: Of a line; who has none in so much sends no lines.
_LINE_CHARACTERS: Final = 1024 * 1024
#: Encodings of names, which take very long for long texts, or replace nothing.
_NO_CHARSETS: Final = frozenset({"idna", "punycode", "undefined"})


class Arriving:
    """The body of a response on its way: what has come, and nobody has taken.

    Args:
        go_on: Called when there is room again, or somebody waits.
        close: Called when nobody wants the rest.
    """

    def __init__(self, go_on: Callable[[], object], close: Callable[[], object]) -> None:
        self._go_on = go_on
        self._close = close
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._waiting: Outcome | None = None
        self._problem: BaseException | None = None
        self._is_over = False

    @property
    def is_full(self) -> bool:
        """Whether enough has come for now."""
        return self._size >= _BUFFERED_BYTES

    @property
    def is_awaited(self) -> bool:
        """Whether somebody waits for a piece."""
        return self._waiting is not None

    def put(self, piece: bytes) -> None:
        """Something has come."""
        if self._waiting is not None:
            self._settle(piece)
        else:
            self._pieces.append(piece)
            self._size += len(piece)

    def end(self, problem: BaseException | None = None) -> None:
        """Nothing else comes; what has come can still be taken."""
        self._is_over, self._problem = True, problem
        if self._waiting is not None:
            self._settle(b"", problem)

    def _settle(self, piece: bytes, problem: BaseException | None = None) -> None:
        waiting, self._waiting = self._waiting, None
        assert waiting is not None
        waiting.settle(piece, problem)

    def take(self) -> Outcome:
        """The next piece, ``b""`` at the end."""
        if self._waiting is not None:
            raise RuntimeError("somebody else waits for the next piece of this response")
        outcome = Outcome(self._forget)
        if self._pieces:
            was_full = self.is_full
            piece = self._pieces.popleft()
            self._size -= len(piece)
            outcome.settle(piece)
            if was_full and not self.is_full:
                self._go_on()
        elif self._is_over:
            outcome.settle(b"", self._problem)
        else:
            self._waiting = outcome
            self._go_on()
        return outcome

    def _forget(self) -> None:
        self._waiting = None
        self._go_on()

    def close(self) -> None:
        """Nobody wants the rest."""
        self._pieces.clear()
        self._size = 0
        if not self._is_over:
            self._close()


class ClientResponse(ResponseObject):
    """A response.

    One of :meth:`~circuits.web.client.Client.stream` is there before its body, which is read
    piece by piece: ``async for piece in response`` (or ``response.iter_bytes()``), or, by
    generators, ``piece = yield response.receive()`` until that is empty. It is a context manager,
    of both kinds, that closes it.

    Attributes:
        status, reason, headers: As they came; ``headers.get_all(name)`` gives each one.
        method: What it answers.
        url: Where it is from, after redirects.
        history: The responses that redirected here.
        cookies: Those that it sets, by name.

    .. versionadded:: 2.1
    """

    def __init__(self, head: ResponseHead, request: ClientRequest) -> None:
        super().__init__(head.status, head.reason, head.version)
        self.headers: ResponseHeaders = ResponseHeaders(head.headers)
        self.method = request.method
        self.url = request.url
        self.history: list[ClientResponse] = []
        self.cookies: dict[str, str] = {}
        self._arriving: Arriving | None = None
        for line in self.headers.get_all("set-cookie"):
            name, equals, value = line.partition(";")[0].partition("=")
            if equals:
                self.cookies[name.strip()] = value.strip().strip('"')

    @property
    def content(self) -> bytes:
        """The body.

        Raises:
            ClientError: It has not been read yet; see :meth:`aread`.
        """
        if self._arriving is not None:
            raise ClientError("the body has not been read: await response.aread() first")
        return self.body.getvalue()

    @property
    def encoding(self) -> str:
        """How text is encoded: what ``Content-Type`` says, or UTF-8."""
        message = Message()
        message["Content-Type"] = self.headers.get("Content-Type", "")
        charset = message.get_content_charset("utf-8")
        try:
            "".encode(charset)
        except (LookupError, UnicodeError):
            return "utf-8"
        return "utf-8" if codecs.lookup(charset).name in _NO_CHARSETS else charset

    @property
    def text(self) -> str:
        """The body as text; what cannot be decoded is replaced."""
        return self.content.decode(self.encoding, "replace")

    def json(self) -> Any:
        """The body, read as JSON.

        Raises:
            ValueError: It is none.
        """
        return _json.decode(self.content)

    def raise_for_status(self) -> Self:
        """Raise :class:`StatusError` if the status is 400 or more; else give the response."""
        if self.status >= 400:
            raise StatusError(self)
        return self

    # -- as a stream --

    def receive(self) -> Outcome:
        """What gives the next piece of the body, decompressed, when it is awaited or yielded.

        The piece is ``b""`` at the end, and when all has been read before.

        Raises:
            RuntimeError: Somebody else waits for it.
        """
        if self._arriving is not None:
            return self._arriving.take()
        outcome = Outcome(lambda: None)
        outcome.settle(self.body.read(_PIECE_BYTES))
        return outcome

    async def iter_bytes(self) -> AsyncIterator[bytes]:
        """The pieces of the body, decompressed, as they come."""
        while piece := await self.receive():
            yield piece

    __aiter__ = iter_bytes

    async def iter_text(self) -> AsyncIterator[str]:
        """The body as text, as it comes; what cannot be decoded is replaced."""
        decoder = codecs.getincrementaldecoder(self.encoding)("replace")
        async for piece in self:
            if text := decoder.decode(piece):
                yield text
        if text := decoder.decode(b"", True):
            yield text

    async def iter_lines(self) -> AsyncIterator[str]:
        """The lines of the body, without their ends, as they come.

        Raises:
            ProtocolError: One is longer than a million characters.
        """
        rest: list[str] = []
        size = 0
        async for text in self.iter_text():
            first, *others = text.split("\n")
            rest.append(first)
            size += len(first)
            if size > _LINE_CHARACTERS:
                raise ProtocolError(f"a line is longer than {_LINE_CHARACTERS} characters")
            if others:
                *lines, last = "".join(rest), *others
                for line in lines:
                    yield line.removesuffix("\r")
                rest, size = [last], len(last)
        if last := "".join(rest):
            yield last

    async def aread(self) -> bytes:
        """Read all of the body that is left, which is ``content`` then."""
        if self._arriving is not None:
            async for piece in self:
                self.body.write(piece)
            self.body.seek(0)
            self._arriving = None
        return self.content

    def close(self) -> None:
        """Nobody wants the rest: the connection is closed, unless all of it has come."""
        if self._arriving is not None:
            self._arriving.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *problem: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *problem: object) -> None:
        self.close()


class _Inflater:
    """Undoes one coding."""

    def __init__(self, coding: str, limit: int | None) -> None:
        self._coding = coding
        self._limit = limit
        self._taken = 0
        self._object: Any = None
        self._has_ended = False  # one member, at least

    def feed(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for data in pieces:
            self._taken += len(data)
            if self._limit is not None and self._taken > self._limit:
                raise ProtocolError(f"the body is longer than {self._limit} bytes")
            yield from self._inflate(data)

    def _inflate(self, data: bytes) -> Iterator[bytes]:
        piece = b""
        # After a full piece there may be more, also without more data.
        while data or len(piece) == _PIECE_BYTES:
            if self._object is None:
                if self._has_ended and not (data := data.lstrip(b"\0")):
                    return  # padding
                # Some servers send "deflate" without the header of zlib.
                raw = self._coding == "deflate" and data[0] & 0x0F != 8
                self._object = zlib.decompressobj(-15 if raw else 47)
            try:
                piece = self._object.decompress(data, _PIECE_BYTES)
            except zlib.error as problem:
                raise ProtocolError(f"the body is not {self._coding}: {problem}") from None
            if piece:
                yield piece
            data = self._object.unconsumed_tail
            if self._object.eof:  # another member may follow
                data, piece = self._object.unused_data, b""
                self._object, self._has_ended = None, True

    def end(self) -> None:
        if self._object is not None:
            raise ProtocolError(f"the body ends in the middle of its {self._coding}")


class Decompressor:
    """Decompresses what comes, in pieces of bounded size.

    Args:
        coding: The values of ``Content-Encoding``, joined by commas; if one of them is unknown,
            nothing is changed.
        limit: How many bytes may be decompressed; what comes of them is not counted here.

    Raises:
        ProtocolError: There are too many.
    """

    def __init__(self, coding: str, limit: int | None = None) -> None:
        names = [name for part in coding.lower().split(",") if (name := part.strip())]
        names = [name for name in names if name != "identity"]
        self.is_known = bool(names) and _CODINGS.issuperset(names)
        if self.is_known and len(names) > _MAX_CODINGS:
            raise ProtocolError(f"the body is coded {len(names)} times, limit {_MAX_CODINGS}")
        # The last one that was applied comes off first.
        self._layers = [_Inflater(name, limit) for name in reversed(names) if self.is_known]

    def feed(self, data: bytes) -> Iterable[bytes]:
        """The pieces that some bytes make.

        Raises:
            ProtocolError: They make none, or there are too many of them.
        """
        pieces: Iterable[bytes] = (data,)
        for layer in self._layers:
            pieces = layer.feed(pieces)
        return pieces

    def end(self) -> None:
        """Nothing else comes.

        Raises:
            ProtocolError: Something is missing.
        """
        for layer in self._layers:
            layer.end()
