"""Clients of the web: what they have in common (manual: circuits.web.client)."""

from __future__ import annotations

from urllib.parse import urlsplit

from circuits.core.errors import CircuitsError
from circuits.net.sockets import Close, Connect, Write

__all__ = ["Close", "Connect", "HTTPException", "NotConnected", "Write", "parse_url"]


class HTTPException(CircuitsError):
    """A request could not be made."""


class NotConnected(HTTPException):
    """There is no connection."""


def parse_url(url: str) -> tuple[str, int, str, bool]:
    """Take a URL apart.

    Returns:
        Host, port, what to ask for with the query, and whether to speak TLS.

    Raises:
        ValueError: It is not an absolute one of ``http`` or ``https``.
    """
    return parse_absolute(url, "http", "https")


def parse_absolute(url: str, plain: str, secure: str) -> tuple[str, int, str, bool]:
    """Do that for another scheme, and the one that it has with TLS."""
    if any(character <= " " or character == "\x7f" for character in url):
        raise ValueError(f"a URL contains no blanks and no control characters: {url!r}")
    parts = urlsplit(url)
    scheme, host = parts.scheme.lower(), parts.hostname
    if scheme not in (plain, secure) or not host:
        raise ValueError(f"{url!r} is not an absolute URL of {plain} or {secure}")
    resource = parts.path or "/"
    if parts.query:
        resource = f"{resource}?{parts.query}"
    is_secure = scheme == secure
    port = (443 if is_secure else 80) if parts.port is None else parts.port
    return host, port, resource, is_secure
