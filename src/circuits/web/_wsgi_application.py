"""Our components behind a WSGI server: a call in place of a connection.

A :class:`WSGIConnection` is the thread of the server, which waits. Its exchange is like any other, but
that the response is handed over instead of written.
"""

from __future__ import annotations

import threading
from itertools import islice
from typing import TYPE_CHECKING, Any

from . import wrappers
from ._exchange import Exchange, State
from ._pieces import Feed
from ._status import has_no_body
from .headers import HOP_BY_HOP, to_wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ._hosted_tree import HostedHTTP
    from ._transport import Takeover

__all__ = ["WSGIBody", "WSGIConnection", "WSGIExchange", "plain_fields"]


class WSGIConnection:
    """The thread of a WSGI server that waits for a response; what a connection is elsewhere.

    Attributes:
        head: Status and fields, when they are known.
        body: The whole body, or an iterator of it.
        feed: The body, where it is pushed by events.
        is_ready: Whether there is a response.
    """

    sock = None
    successor: Takeover | None = None
    is_congested = False
    incoming = None

    def __init__(self, owner: HostedHTTP) -> None:
        self.owner = owner
        self.exchange: Exchange | None = None
        self.head: tuple[str, list[tuple[str, str]]] | None = None
        self.body: Any = b""
        self.feed = Feed()  # what the application pushes by events
        self.is_ready = threading.Event()

    def expect_another(self) -> None:
        """Wait for a response in place of one whose body could not be begun."""
        self.is_ready.clear()
        self.feed = Feed()

    def deliver(self, status: str, fields: list[tuple[str, str]], body: Any) -> None:
        if not self.is_ready.is_set():
            self.head, self.body = (status, fields), body
            self.is_ready.set()

    def write(self, data: bytes) -> None:
        """Answer without anything of the exchange, which could not be sent, but for the status."""
        self.give_up(data[9:].partition(b"\r\n")[0].decode("latin-1"))

    def give_up(self, status: str) -> None:
        """Answer with a status and nothing else, if there is no response yet."""
        self.deliver(status, [("Content-Type", "text/plain"), ("Content-Length", "0")], b"")

    def finished(self, must_close: bool, is_switched: bool = False) -> None:
        """There is nothing to go on with."""

    def cut(self, is_reset: bool = False) -> None:
        self.feed.end(RuntimeError("the response broke off"))


class WSGIExchange(Exchange):
    """A request whose response goes to a :class:`WSGIConnection`."""

    __slots__ = ()

    can_be_taken_over = False

    connection: WSGIConnection

    def send(self, response: wrappers.Response) -> None:
        if not self.takes(response):
            return
        payload = response._prepare()
        fields = [(name, _native(value)) for name, value in plain_fields(response)]
        body: Any = payload
        if self.request.method == "HEAD" or has_no_body(response.code):
            body = b""
        elif payload is None:
            # Without a body the application pushes it, and may have begun already.
            body = self.connection.feed
            if hasattr(response._body, "__aiter__"):
                self.connection.owner.run_aside(body.fill(response._body, response.encode_part))
            elif response._body:
                body = iter(response._body)
        self.state = State.SENDING if payload is not None else State.STREAMING
        self.connection.deliver(_native(f"{response.status}"), fields, body)

    def push(self, data: Any) -> None:
        feed = self.connection.feed
        if data is None:
            feed.end()
        elif not feed.is_closed:
            feed.push(self.response.encode_part(data))


def plain_fields(response: wrappers.Response) -> list[tuple[str, str]]:
    """The fields of a response without those of the connection, which is the server's."""
    left_out = HOP_BY_HOP
    if has_no_body(response.code):
        left_out |= {"content-type"}
    return [field for field in response.headers.items() if field[0].lower() not in left_out]


def _native(value: str) -> str:
    return to_wire(value).decode("latin-1")


class WSGIBody:
    """The body of a response for a WSGI server, which closes it."""

    def __init__(
        self, source: Any, exchange: WSGIExchange, close: Callable[[WSGIExchange], None]
    ) -> None:
        self._source: Iterator[Any] = source
        self._exchange = exchange
        self._close = close
        self._first: list[bytes] = []

    def begin(self) -> None:
        """Have the first piece made, which may raise. No server sends the head before it."""
        self._first = [*islice(self, 1)]

    def __iter__(self) -> WSGIBody:
        return self

    def __next__(self) -> bytes:
        if self._first:
            return self._first.pop()
        piece: Any = None
        while piece is None:
            piece = next(self._source)
        return self._exchange.response.encode_part(piece)

    def close(self) -> None:
        close = getattr(self._source, "close", None)
        try:
            if close is not None:
                close()
        finally:
            self._close(self._exchange)
