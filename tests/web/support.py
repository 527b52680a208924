"""What the tests of the web package share: requests and responses without a server."""

from __future__ import annotations

from typing import Any

from circuits.web import wrappers

NOW = 1_700_000_000.0
NOW_TEXT = "Tue, 14 Nov 2023 22:13:20 GMT"


class FakeServer:
    """What a request asks of its server."""

    version = "circuits/test"
    host = "127.0.0.1"
    port = 8000
    secure = False
    debug = False
    display_banner = True


def make_request(
    method: str = "GET",
    path: str = "/",
    qs: str = "",
    *,
    protocol: tuple[int, int] = (1, 1),
    server: Any = None,
    headers: dict[str, str] | None = None,
    body: bytes = b"",
) -> wrappers.Request:
    pairs = tuple({"Host": "example.org", **(headers or {})}.items())
    request = wrappers.Request(
        None, method, "http", path, protocol, qs, pairs, server or FakeServer()
    )
    if body:
        request.body = body
    return request


def make(
    method: str = "GET", path: str = "/", qs: str = "", **kwargs: Any
) -> tuple[wrappers.Request, wrappers.Response]:
    request = make_request(method, path, qs, **kwargs)
    response = wrappers.Response(request)
    response.time = NOW
    return request, response
