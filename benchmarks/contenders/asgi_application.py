"""Hello by an ASGI application: a bare function, or a route of starlette."""

from __future__ import annotations

from typing import Any

BODY = b"Hello World!"


async def bare(scope: Any, receive: Any, send: Any) -> None:
    headers = [(b"content-type", b"text/html; charset=utf-8"), (b"content-length", b"12")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": BODY})


def choose(name: str) -> Any:
    """The application of that name."""
    if name == "bare":
        return bare
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import HTMLResponse
    from starlette.routing import Route

    async def index(request: Request) -> HTMLResponse:
        return HTMLResponse(BODY)

    return Starlette(routes=[Route("/", index)])
