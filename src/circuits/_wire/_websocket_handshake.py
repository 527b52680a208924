"""The opening handshake of WebSocket (RFC 6455, 4), for servers and clients.

Headers are pairs of name and value, as the HTTP codec gives and takes them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from circuits._wire._websocket_deflate import Deflate, NegotiationError

__all__ = [
    "Agreement",
    "HandshakeError",
    "HandshakeRequest",
    "accept_key",
    "check_request",
    "check_response",
    "choose_subprotocol",
    "is_valid_key",
    "make_key",
    "request_headers",
    "response_headers",
]

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VERSION: Final = "13"

Headers = Iterable[tuple[str, str]]


class HandshakeError(Exception):
    """The handshake is refused.

    Args:
        status: What a server answers; 0 where the peer is a server.
        reason: What is wrong.
        headers: What the answer must contain.
    """

    def __init__(self, status: int, reason: str, headers: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(status, reason)
        self.status = status
        self.reason = reason
        self.headers = tuple(headers)

    def __str__(self) -> str:
        return f"{self.status}: {self.reason}" if self.status else self.reason


@dataclass(frozen=True, slots=True)
class HandshakeRequest:
    """What a client asks for.

    Attributes:
        key: Its key.
        subprotocols: Those that it offers, the preferred one first.
        extensions: The value of ``Sec-WebSocket-Extensions``.
        origin: The site that a browser's script comes from; ``None`` for other clients.
    """

    key: str
    subprotocols: tuple[str, ...] = ()
    extensions: str = ""
    origin: str | None = None


@dataclass(frozen=True, slots=True)
class Agreement:
    """What both sides have agreed on.

    Attributes:
        subprotocol: The one that is spoken, ``None`` if none was chosen.
        deflate: How messages are compressed, ``None`` if they are not.
        headers: What else a server must put into its response.
    """

    subprotocol: str | None = None
    deflate: Deflate | None = None
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)


def accept_key(key: str) -> str:
    """What proves that the server has understood the client's key."""
    digest = hashlib.sha1(key.encode("latin-1") + _GUID, usedforsecurity=False).digest()
    return base64.b64encode(digest).decode()


def make_key(random_bytes: Callable[[int], bytes] = os.urandom) -> str:
    """A fresh key for a client, of bytes that this function gives."""
    return base64.b64encode(random_bytes(16)).decode()


def is_valid_key(key: str) -> bool:
    """Whether a key is sixteen bytes in base64."""
    try:
        return len(key) == 24 and len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        return False


def choose_subprotocol(offered: Iterable[str], supported: Iterable[str]) -> str | None:
    """The first of the offered subprotocols that is supported, or ``None``."""
    known = frozenset(supported)
    return next((name for name in offered if name in known), None)


def _values(headers: Headers, name: str) -> list[str]:
    return [value for known, value in headers if known.lower() == name]


def _tokens(headers: Headers, name: str) -> list[str]:
    joined = ",".join(_values(headers, name))
    return [token for part in joined.split(",") if (token := part.strip(" \t"))]


def _has_token(headers: Headers, name: str, token: str) -> bool:
    return any(known.lower() == token for known in _tokens(headers, name))


def _single(headers: Headers, name: str) -> str:
    """The value of a header that comes once; otherwise an empty one."""
    values = _values(headers, name)
    return values[0].strip(" \t") if len(values) == 1 else ""


# -- servers -----------------------------------------------------------------------------------


def check_request(method: str, version: tuple[int, int], headers: Headers) -> HandshakeRequest:
    """Check what a client sends.

    Args:
        method: Of the request.
        version: Of HTTP.
        headers: Of the request.

    Raises:
        HandshakeError: It is no handshake of this version of WebSocket: 400 or 426.
    """
    fields = list(headers)
    if method != "GET":
        raise HandshakeError(400, f"the method of a handshake is GET, not {method}")
    if version < (1, 1):
        raise HandshakeError(400, "a handshake needs HTTP/1.1")
    if not _values(fields, "host"):
        raise HandshakeError(400, "the Host is missing")
    if not _has_token(fields, "upgrade", "websocket"):
        raise HandshakeError(400, "Upgrade does not ask for websocket")
    if not _has_token(fields, "connection", "upgrade"):
        raise HandshakeError(400, "Connection does not contain Upgrade")
    if _single(fields, "sec-websocket-version") != _VERSION:
        raise HandshakeError(
            426, "only version 13 is spoken here", [("Sec-WebSocket-Version", _VERSION)]
        )
    key = _single(fields, "sec-websocket-key")
    if not is_valid_key(key):
        raise HandshakeError(400, "Sec-WebSocket-Key is not 16 bytes in base64")
    subprotocols = _tokens(fields, "sec-websocket-protocol")
    if len(set(subprotocols)) != len(subprotocols) or not all(map(_TOKEN.fullmatch, subprotocols)):
        raise HandshakeError(400, "malformed Sec-WebSocket-Protocol")
    origins = _values(fields, "origin")
    if len(origins) > 1:
        raise HandshakeError(400, "several Origins")
    return HandshakeRequest(
        key,
        tuple(subprotocols),
        ", ".join(_values(fields, "sec-websocket-extensions")),
        origins[0] if origins else None,
    )


def response_headers(
    request: HandshakeRequest,
    subprotocol: str | None = None,
    deflate: Deflate | None = None,
) -> Agreement:
    """What a server answers with 101.

    Args:
        request: What the client asks for.
        subprotocol: One of those that it offers, or ``None``.
        deflate: How the server is willing to compress; ``None``: not at all.

    Returns:
        What is agreed now, with the headers of the response.

    Raises:
        HandshakeError: The extensions are malformed.
        ValueError: The subprotocol was not offered.
    """
    headers = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", accept_key(request.key)),
    ]
    if subprotocol is not None:
        if subprotocol not in request.subprotocols:
            raise ValueError(f"the client does not offer the subprotocol {subprotocol!r}")
        headers.append(("Sec-WebSocket-Protocol", subprotocol))
    agreed = None
    if deflate is not None:
        try:
            answer = deflate.answer(request.extensions)
        except NegotiationError as problem:
            raise HandshakeError(400, str(problem)) from None
        if answer is not None:
            headers.append(("Sec-WebSocket-Extensions", answer[0]))
            agreed = answer[1]
    return Agreement(subprotocol, agreed, tuple(headers))


# -- clients -----------------------------------------------------------------------------------


def request_headers(
    key: str, subprotocols: Sequence[str] = (), deflate: Deflate | None = None
) -> list[tuple[str, str]]:
    """The headers of a client's request, besides Host.

    Raises:
        ValueError: A subprotocol is no token.
    """
    headers = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", key),
        ("Sec-WebSocket-Version", _VERSION),
    ]
    for name in subprotocols:
        if not _TOKEN.fullmatch(name):
            raise ValueError(f"no subprotocol may be called {name!r}")
    if subprotocols:
        headers.append(("Sec-WebSocket-Protocol", ", ".join(subprotocols)))
    if deflate is not None:
        headers.append(("Sec-WebSocket-Extensions", deflate.offer()))
    return headers


def check_response(
    status: int,
    headers: Headers,
    key: str,
    subprotocols: Sequence[str] = (),
    deflate: Deflate | None = None,
) -> Agreement:
    """Check what a server answers.

    Args:
        status: Of the response.
        headers: Of the response.
        key: That was sent.
        subprotocols: Those that were offered.
        deflate: What was offered.

    Raises:
        HandshakeError: The server does not agree, or does something that was not offered.
    """
    fields = list(headers)
    if status != 101:
        raise HandshakeError(0, f"the server answers with {status} instead of 101")
    if _single(fields, "upgrade").lower() != "websocket":
        raise HandshakeError(0, "the server does not upgrade to websocket")
    if not _has_token(fields, "connection", "upgrade"):
        raise HandshakeError(0, "Connection does not contain Upgrade")
    if _single(fields, "sec-websocket-accept") != accept_key(key):
        raise HandshakeError(0, "Sec-WebSocket-Accept does not fit the key")
    chosen = _values(fields, "sec-websocket-protocol")
    if len(chosen) > 1 or (chosen and chosen[0].strip(" \t") not in subprotocols):
        raise HandshakeError(0, f"the server speaks what was not offered: {', '.join(chosen)!r}")
    extensions = ", ".join(_values(fields, "sec-websocket-extensions"))
    agreed = None
    if extensions:
        if deflate is None:
            raise HandshakeError(0, f"the server uses what was not offered: {extensions[:200]!r}")
        try:
            agreed = deflate.accepted(extensions)
        except NegotiationError as problem:
            raise HandshakeError(0, str(problem)) from None
    return Agreement(chosen[0].strip(" \t") if chosen else None, agreed)
