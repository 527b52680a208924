"""The client's side of HTTP: responses out of what a socket reads (circuits.net.protocols.http)."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator, Mapping
from io import BytesIO
from typing import Any

from circuits._wire.http1 import (
    DEFAULT_LIMITS,
    Data,
    Limits,
    RemoteProtocolError,
    ResponseDecoder,
    ResponseHead,
    State,
)
from circuits.core.components import BaseComponent
from circuits.core.events import Event
from circuits.core.handlers import handler
from circuits.net.sockets import SocketError

__all__ = [
    "HTTP",
    "RemoteProtocolError",
    "Request",
    "Response",
    "ResponseHeaders",
    "ResponseObject",
]


class Request(Event):
    """Send a request. Fired by anyone, but not handled here: see :mod:`circuits.web.client`."""


class Response(Event):
    """A response is complete. Fired by :class:`HTTP` on its channel; return values are ignored.

    Args:
        *args: ``(response,)``, a :class:`ResponseObject`.
    """


class ResponseHeaders(Mapping[str, str]):
    """The header fields of a response. Names are not case-sensitive.

    Fields that came more than once are joined with commas; see :meth:`get_all`.

    Args:
        fields: Pairs of name and value.
    """

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        self._fields: dict[str, list[tuple[str, str]]] = {}
        for name, value in fields:
            self._fields.setdefault(name.lower(), []).append((name, value))

    def get_all(self, name: str) -> list[str]:
        """The values of all fields of a name, in the order in which they came."""
        return [value for _, value in self._fields.get(name.lower(), ())]

    def __getitem__(self, name: str) -> str:
        return ", ".join(value for _, value in self._fields[name.lower()])

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._fields

    def __iter__(self) -> Iterator[str]:
        return (fields[0][0] for fields in self._fields.values())

    def __len__(self) -> int:
        return len(self._fields)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({dict(self)!r})"


class ResponseObject:
    """A response.

    Args:
        status: The number.
        message: The phrase after it, often empty.
        protocol: The version of HTTP, ``(1, 1)``.

    Attributes:
        status, message, protocol: As above.
        headers: The header fields, a mapping whose keys are not case-sensitive.
        body: File of the body, at its beginning.
        surplus: After 101, what the peer has sent of the other protocol already.
    """

    def __init__(self, status: int, message: str, protocol: tuple[int, int] | None = None) -> None:
        self.status = status
        self.message = message
        self.protocol = protocol
        self.headers: Mapping[str, str] = ResponseHeaders()
        self.body = BytesIO()
        self.surplus = b""

    @property
    def reason(self) -> str:
        """The phrase after the status."""
        return self.message

    @property
    def version(self) -> tuple[int, int] | None:
        """The version of HTTP."""
        return self.protocol

    def read(self, size: int = -1) -> bytes:
        """Read the body, or what is left of it."""
        return self.body.read(size)

    def __repr__(self) -> str:
        kind = self.headers.get("Content-Type")
        return f"<Response {self.status} {self.message} {kind} ({len(self.body.getbuffer())})>"


class HTTP(BaseComponent):
    """Makes ``response`` events out of the ``read`` events of a client.

    Handles ``read(data)`` and ``disconnected``; fires ``response`` for each response that is
    complete and, once for each that is malformed or past a limit, ``socket_error`` with a
    :class:`RemoteProtocolError`. Interim responses are skipped, except 101: after that, and after
    a successful CONNECT, nothing is read any more until ``disconnected``.

    Args:
        encoding: Of the header fields; what cannot be decoded is replaced.
        channel: Where the socket is.
        limits: What is accepted at most.

            .. versionadded:: 2.1
    """

    channel = "web"

    def __init__(
        self, encoding: str = "utf-8", channel: Any = "web", *, limits: Limits = DEFAULT_LIMITS
    ) -> None:
        super().__init__(channel=channel)
        codecs.lookup(encoding)  # raises the LookupError that names it
        self._encoding = encoding
        self._limits = limits
        self._reset()

    def expect(self, method: str) -> None:
        """Announce the method of the next request: a response to HEAD has no body.

        Requests that nobody announces count as GET.

        .. versionadded:: 2.1
        """
        self._decoder.expect(method)

    def _reset(self) -> None:
        self._decoder = ResponseDecoder(self._limits, assume_method="GET")
        self._response: ResponseObject | None = None
        self._is_switched = False

    @handler("read")
    def _on_read(self, data: bytes) -> None:
        if self._is_switched:
            return
        if self._decoder.state is State.CLOSED:
            self._reset()
        self._decoder.receive_data(data)
        self._decode()

    @handler("disconnected")
    def _on_disconnected(self) -> None:
        self._decoder.receive_eof()
        self._decode()
        self._reset()

    def _decode(self) -> None:
        decoder = self._decoder
        try:
            while (message := decoder.next_message()) is not None:
                if isinstance(message, ResponseHead):
                    if not message.interim:
                        self._begin(message)
                elif isinstance(message, Data):
                    assert self._response is not None
                    self._response.body.write(message.data)
                else:
                    self._finish()
        except RemoteProtocolError as problem:
            self._reset()
            self.fire(SocketError(problem))

    def _begin(self, head: ResponseHead) -> None:
        response = self._response = ResponseObject(
            head.status, self._text(head.reason), head.version
        )
        response.headers = ResponseHeaders(
            (name, self._text(value)) for name, value in head.headers
        )
        if not head.has_body:
            self._finish()

    def _text(self, text: str) -> str:
        """Decode what the codec gives as ISO-8859-1."""
        if text.isascii():
            return text
        return text.encode("latin-1").decode(self._encoding, "replace")

    def _finish(self) -> None:
        response = self._response
        assert response is not None
        self._response = None
        response.body.seek(0)
        if self._decoder.state is State.SWITCHED:
            self._is_switched = True
            response.surplus = self._decoder.release()
        self.fire(Response(response))
