"""Bodies of responses that are sent piece by piece.

Each piece is an event, ``stream``, and is written when that is handled. One is on its way at a
time, and none while the client does not keep up, so memory stays flat however long the body is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from circuits._wire.http1 import BodyEncoder

from . import events
from ._exchange_errors import start_over
from ._pieces import NOT_YET, AsyncPieces
from ._response_body import FileRange

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from circuits.core._causes import Cause
    from circuits.core.events import BaseEvent

    from . import wrappers
    from ._exchange import Exchange
    from .http import HTTP

__all__ = ["Outgoing", "has_filter"]


class Outgoing:
    """The body of the response of one exchange."""

    __slots__ = (
        "_cause", "_early", "_encoder", "_event", "_exchange", "_is_sent", "_source", "_write_head",
    )  # fmt: skip

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._early: list[Any] = []  # what was pushed before the head was written
        self._encoder: BodyEncoder | None = None
        self._source: Iterator[Any] | None = None  # without one, the application pushes
        # On whose behalf pieces are fired: not on that of the piece before, which would keep all.
        self._cause: Cause | None = None
        self._event: BaseEvent | None = None  # the piece that is on its way
        self._is_sent = False  # it was written
        self._write_head: Callable[[], object] | None = None  # until there is a piece

    def prepare(self, response: wrappers.Response) -> None:
        """Get ready to send a body.

        Raises:
            Exception: It cannot be sent.
        """
        length = response.headers.get("Content-Length")
        if response.chunked or length is None:
            encoder = BodyEncoder(chunked=response.chunked)
        elif length.isascii() and length.isdigit():
            encoder = BodyEncoder(int(length))
        else:
            raise ValueError(f"Content-Length must be a number of bytes, not {length!r:.80}")
        body: Any = response._body
        owner = self._exchange.connection.owner
        source: Any
        if hasattr(body, "__aiter__"):
            source = AsyncPieces(body, owner.run_aside, owner._tree_engine.schedule)
        else:
            source = iter(body) if body else None
        self._source = source
        self._encoder = encoder
        if hasattr(source, "attach"):
            source.attach(self.pull)

    @property
    def is_waiting(self) -> bool:
        """Whether the head is not written yet, as the first piece is waited for."""
        return self._write_head is not None

    @property
    def held_bytes(self) -> int:
        """What a thread has made and the client has not taken."""
        held_bytes: int = getattr(self._source, "held_bytes", 0)
        return held_bytes

    def begin(self, write_head: Callable[[], object]) -> None:
        """Have the head and the first piece sent.

        The head of what is made piece by piece waits for the first one, which may be an error.
        """
        self._write_head = write_head
        if not self._is_made():
            self._begin_body()
        owner = self._exchange.connection.owner
        cause = self._cause = owner._tree_engine.queue.cause
        if cause is not None:
            cause.hold()
        if self._source is not None:
            self.pull()
            return
        # Without a body the application fires ``Stream`` by itself, and may have begun already.
        early, self._early = self._early, []
        for data in early:
            owner.fire(events.Stream(self._exchange.response, data))

    def _is_made(self) -> bool:
        """Whether the pieces are made while they are sent, and are no events that may be late."""
        source = self._source
        return not (
            source is None
            or source.__class__ is FileRange
            or (hasattr(source, "attach") and source.__class__ is not AsyncPieces)
            or self._is_of_events
        )

    @property
    def _is_of_events(self) -> bool:
        """Whether it is a stream of events, which goes on for ever."""
        kind = self._exchange.response.headers["Content-Type"] or ""
        return kind.startswith("text/event-stream")

    def stop(self) -> None:
        """The application stops: end what would go on for ever; its client comes back by itself."""
        if self._is_of_events:
            self.pull()

    def _begin_body(self) -> None:
        write_head, self._write_head = self._write_head, None
        if write_head is not None:
            write_head()

    def pull(self) -> None:
        """Have the next piece sent, unless one is on its way, or the client does not keep up."""
        exchange, source = self._exchange, self._source
        if source is None or self._event is not None or exchange.connection.is_congested:
            return
        owner = exchange.connection.owner
        is_hidden = owner.stream_door.methods() is not None
        chunk: Any = None
        try:
            if is_hidden and source.__class__ is FileRange:
                self._send_file(source)
            if owner.stopping and self._is_of_events:
                raise StopIteration
            while chunk is None or not len(chunk):
                chunk = next(source)
                if chunk is NOT_YET:
                    return
                self._begin_body()
        except StopIteration:
            self._begin_body()
            chunk = None
        except BaseException as problem:
            if self._write_head is not None:
                start_over(exchange, problem)
                return
            owner.report(problem)
            exchange.cut()
            return
        if chunk is None and is_hidden:
            owner.stream_door.call(exchange.response, None)
            return
        event = self._event = events.Stream(exchange.response, chunk)
        self._is_sent = False
        owner.watch(event, self._pull_on)
        queue = owner._tree_engine.queue
        before = queue.set_cause(self._cause)
        owner.fire(event)
        queue.set_cause(before)

    def _pull_on(self) -> None:
        """All handlers of a piece are done."""
        event, self._event = self._event, None
        if event is None:
            return
        if not self._is_sent and (event.value.errors or event.args[1] is None):
            self._exchange.cut()  # a filter has failed, or kept the end to itself
        else:
            self.pull()

    def _send_file(self, source: FileRange) -> None:
        """Have the kernel send a file, as far as it can do so at once."""
        encoder, connection = self._encoder, self._exchange.connection
        if encoder is not None and not encoder.chunked:
            count = connection.owner.transport.send_file(
                connection.sock, source.file, source.offset, source.remaining
            )
            source.advance(count)
            encoder.skip(count)

    def push(self, data: Any) -> None:
        """Write a piece, or the end (``None``).

        Raises:
            Exception: It is no text or bytes, or does not fit the announced length. The
                connection is cut.
        """
        encoder, exchange = self._encoder, self._exchange
        if encoder is None:
            self._early.append(data)
            return
        if data is None and not self.is_pulled and has_filter(exchange.connection.owner, "stream"):
            # One may have failed at a piece before; that is told behind what was pushed.
            exchange.connection.owner.later(self._write, None)
        else:
            self._write(data)

    def _write(self, data: Any) -> None:
        encoder, exchange = self._encoder, self._exchange
        if encoder is None or exchange.outgoing is not self:
            return
        self._is_sent = True
        self._begin_body()
        try:
            if data is None:
                piece: Any = encoder.end()
            else:
                piece = encoder.send(exchange.response.encode_part(data))
        except BaseException:
            exchange.cut()
            raise
        if piece:
            exchange.connection.write(piece)
        if data is None:
            exchange.finish()

    @property
    def is_pulled(self) -> bool:
        """Whether the pieces come from an iterator."""
        return self._source is not None

    @property
    def is_open_ended(self) -> bool:
        """Whether a close is what tells the client that it has everything."""
        encoder = self._encoder
        return encoder is not None and not encoder.chunked and encoder.remaining is None

    def close(self) -> None:
        """Nothing more is sent."""
        source: Any = self._source
        self._source = self._event = None
        try:
            if source is not self._exchange.response._body and hasattr(source, "close"):
                source.close()
        finally:
            if self._cause is not None:
                self._exchange.connection.owner._tree_engine.end_hold(self._cause)


def has_filter(http: HTTP, *names: str) -> bool:
    """Whether a filter of such an event may keep it from us."""
    for name in names:
        for _, _, is_filter in http._tree_engine.route(name, http._tree_channels):
            if is_filter:
                return True
    return False
