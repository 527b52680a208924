"""The handshake of a WebSocket client: what it sends, and what it expects."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from circuits._wire.http1 import LocalProtocolError, ResponseHead, encode_request_head
from circuits._wire.websocket import check_response, make_key, request_headers
from circuits.core import _clock

from ._client_auth import basic
from ._client_request import host_header, parse_absolute, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from circuits.net.protocols.websocket import Deflate

__all__ = ["ClientHandshake"]

#: Of a request: what a caller must not set, since it is the handshake.
_OURS = frozenset(("connection", "upgrade", "sec-websocket-key", "sec-websocket-version"))


class ClientHandshake:
    """What is sent, and what is expected.

    Attributes:
        host, port, secure: Where to.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        subprotocols: Iterable[str],
        deflate: Deflate | None,
    ) -> None:
        self.host, self.port, resource, self.secure = parse_absolute(url, "ws", "wss")
        parts = urlsplit(url)
        if parts.fragment or url.endswith("#"):
            raise ValueError(f"the URL of a WebSocket has no fragment: {url!r}")
        self._resource = quoted(resource)
        self._subprotocols = tuple(subprotocols)
        self._deflate = deflate
        host = host_header(self.host, self.port, self.secure)
        given = {name.lower() for name in headers}
        if refused := given & _OURS:
            raise ValueError(f"the handshake sets {', '.join(sorted(refused))} itself")
        self._headers = [] if "host" in given else [("Host", host)]
        if parts.username is not None and "authorization" not in given:
            user, password = unquote(parts.username), unquote(parts.password or "")
            self._headers.append(("Authorization", basic(user, password)))
        self._headers += headers.items()
        self._key = ""
        try:
            self.begin()  # an error shows when it is made, and not when it is used
        except LocalProtocolError as problem:
            raise ValueError(str(problem)) from None

    def begin(self) -> bytes:
        """The request."""
        self._key = make_key(_clock.random_bytes)
        ours = request_headers(self._key, self._subprotocols, self._deflate)
        return encode_request_head("GET", self._resource, [*self._headers, *ours])

    def end(self, head: ResponseHead) -> tuple[str | None, Deflate | None]:
        """The subprotocol and the compression that the server agrees to.

        Raises:
            HandshakeError: It does not agree, or to what was not asked for.
        """
        agreement = check_response(
            head.status, head.headers, self._key, self._subprotocols, self._deflate
        )
        return agreement.subprotocol, agreement.deflate
