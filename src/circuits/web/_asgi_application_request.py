"""A request made of what an ASGI server tells: its scope."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from circuits._wire.websocket import make_key
from circuits.core import _clock

from . import exceptions, wrappers
from ._paths import parse_target

if TYPE_CHECKING:
    from ._asgi_application import ASGIConnection
    from ._asgi_hosting import Message

__all__ = ["make_request"]

#: What a handshake has of its own, which the server has seen to.
_HANDSHAKE = frozenset((
    "upgrade", "connection", "sec-websocket-key", "sec-websocket-version",
    "sec-websocket-extensions", "sec-websocket-protocol",
))  # fmt: skip


def make_request(
    scope: Message, line: ASGIConnection
) -> tuple[wrappers.Request, exceptions.HTTPException | None, str | None]:
    """Make a request of a scope.

    Args:
        scope: What an ASGI server says of it.
        line: The call, in place of a connection.

    Returns:
        The request, what is wrong with it, and where it should be sent instead.
    """
    root_path = scope.get("root_path", "")
    path = scope["path"]
    if root_path and (path + "/").startswith(root_path.rstrip("/") + "/"):
        path = path[len(root_path.rstrip("/")) :]
        target = quote(path or "/")
    else:
        raw_path = scope.get("raw_path")
        target = raw_path.partition(b"?")[0].decode("latin-1") if raw_path else quote(path)
    if query := scope.get("query_string", b"").decode("latin-1"):
        target = f"{target}?{query}"
    is_websocket = scope["type"] == "websocket"
    method = "GET" if is_websocket else scope["method"]
    scheme = scope.get("scheme", "http").replace("ws", "http", 1)
    pairs = [
        (bytes(name).decode("latin-1"), bytes(value).decode("latin-1"))
        for name, value in scope["headers"]
    ]
    if is_websocket:
        pairs = [pair for pair in pairs if pair[0].lower() not in _HANDSHAKE]
        pairs += [
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", make_key(_clock.random_bytes)),
        ]
        if subprotocols := scope.get("subprotocols"):
            pairs.append(("Sec-WebSocket-Protocol", ", ".join(subprotocols)))
    refusal: exceptions.HTTPException | None = None
    parsed, raw, qs, redirect = "/", "/", "", None
    try:
        parsed, raw, qs, _, redirect = parse_target(target, method)
    except exceptions.HTTPException as problem:
        refusal = problem
    version = (1, 0) if scope.get("http_version") == "1.0" and not is_websocket else (1, 1)
    request = wrappers.Request(line.sock, method, scheme, parsed, version, qs, pairs, None, raw)
    request.script_name = root_path.rstrip("/")
    host, port = scope.get("server") or ("localhost", None)
    request.host = host
    request.local = wrappers.Host(host, port or (443 if scheme == "https" else 80))
    request.remote = wrappers.Host(*(line.peer or (None, None)))
    request._http_component = line.owner
    request.asgi_scope = scope  # type: ignore[attr-defined]  # documented; only here
    return request, refusal, redirect
