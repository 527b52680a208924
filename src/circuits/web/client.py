"""Clients of the web: what they have in common (manual: circuits.web.client)."""

from __future__ import annotations

from circuits.net.sockets import Close, Connect, Write

from ._client_messages import HTTPException, NotConnected, parse_absolute

__all__ = ["Close", "Connect", "HTTPException", "NotConnected", "Write", "parse_url"]


def parse_url(url: str) -> tuple[str, int, str, bool]:
    """Take a URL apart.

    Returns:
        Host, port, what to ask for with the query, and whether to speak TLS.

    Raises:
        ValueError: It is not an absolute one of ``http`` or ``https``.
    """
    return parse_absolute(url, "http", "https")
