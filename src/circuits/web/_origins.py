"""Origins, as browsers name the sites that scripts come from (RFC 6454)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .wrappers import Request

__all__ = ["own_authority", "parse_origin", "parse_origins"]

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def parse_origin(text: str) -> tuple[str, str, int | None] | None:
    """Scheme, host and port of an origin; ``None`` if it is none, such as ``"null"``."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return None
    scheme, host = parts.scheme.lower(), parts.hostname
    if not scheme or not host or parts.path or parts.query or parts.fragment or "@" in parts.netloc:
        return None
    return scheme, host, _DEFAULT_PORTS.get(scheme) if port is None else port


def parse_origins(origins: str | Iterable[str]) -> frozenset[tuple[str, str, int | None]]:
    """The origins that an application names.

    Raises:
        ValueError: One of them is none.
    """
    found = set()
    for text in [origins] if isinstance(origins, str) else origins:
        origin = parse_origin(text)
        if origin is None:
            raise ValueError(
                f"an origin is written like https://example.org or http://127.0.0.1:8000, "
                f"without a path, not {text!r}"
            )
        found.add(origin)
    return frozenset(found)


def own_authority(request: Request, scheme: str) -> tuple[str | None, int | None]:
    """Host and port of this server, as an origin of that scheme would have them."""
    own = parse_origin(f"{scheme}://{urlsplit(request.base).netloc}")
    return (None, None) if own is None else own[1:]
