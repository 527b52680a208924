"""What a hosted ASGI application is told: the scope of a request (ASGI 3.0, HTTP 2.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from circuits._wire.http1 import SharedHeaders

from ._paths import unescape_segment
from .headers import to_wire

if TYPE_CHECKING:
    from ._request import Request

__all__ = ["make_scope", "scope_headers", "turn_to_websocket"]


def scope_headers(request: Request) -> tuple[tuple[tuple[bytes, bytes], ...], bool]:
    """The fields of a request as applications get them, and whether it asks for another protocol."""
    pairs: Any = request._pairs if request._headers is None else request.headers.items()
    is_shared = pairs.__class__ is SharedHeaders
    if is_shared and pairs.form is not None:
        return pairs.form  # type: ignore[no-any-return]  # which is kept for us
    try:
        headers = [(_names[name], value.encode("latin-1")) for name, value in pairs]
    except UnicodeEncodeError:  # somebody has changed them
        headers = [(_names[name], to_wire(value)) for name, value in pairs]
    form = tuple(headers), b"upgrade" in dict(headers)
    if is_shared:
        pairs.form = form
    return form


def make_scope(
    request: Request, root_path: str, path: str, headers: tuple[tuple[bytes, bytes], ...]
) -> dict[str, Any]:
    """Make what an application is told of a request.

    Args:
        request: The request.
        root_path: The part of the path that leads to the application.
        path: The rest of the path.
        headers: See :func:`scope_headers`.
    """
    if "%" in path:
        path = "/".join([unescape_segment(segment) for segment in path.split("/")])
    client = request.client
    server = request._local_address()
    return {
        "type": "http",
        # The second one is that of the messages for HTTP and WebSocket.
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1" if request.protocol == (1, 1) else "1.0",
        "method": request.method,
        "scheme": request.scheme,
        "path": root_path + path,
        "raw_path": to_wire(request.raw_path),
        "query_string": to_wire(request.qs),
        "root_path": root_path,
        "headers": [*headers],  # which applications change
        "client": client if client[0] else None,
        "server": server if server[0] else (request.host or "localhost", None),
        "extensions": {"http.response.pathsend": {}},
    }


def turn_to_websocket(scope: dict[str, Any]) -> None:
    """Have a request ask for a WebSocket."""
    del scope["method"]
    scope["type"] = "websocket"
    scope["scheme"] = scope["scheme"].replace("http", "ws", 1)
    scope["extensions"] = {"websocket.http.response": {}}


class _Names(dict[str, bytes]):
    """Names of fields as applications get them. Bounded: names may come from anywhere."""

    def __missing__(self, name: str) -> bytes:
        if len(self) >= _NAMES_LIMIT:
            self.clear()
        wire = self[name] = to_wire(name.lower())
        return wire


_names = _Names()
_NAMES_LIMIT = 512
