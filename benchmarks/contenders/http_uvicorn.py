"""A bare ASGI application on uvicorn with uvloop and httptools."""

from __future__ import annotations

from typing import Any

import uvicorn
from serving import listening_socket

BODY = b"Hello World!"


async def application(scope: Any, receive: Any, send: Any) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-type", b"text/html; charset=utf-8"), (b"content-length", b"12")],
        }
    )
    await send({"type": "http.response.body", "body": BODY})


sock = listening_socket()
config = uvicorn.Config(
    application, loop="uvloop", http="httptools", access_log=False, log_level="warning",
    lifespan="off",
)  # fmt: skip
uvicorn.Server(config).run(sockets=[sock])
