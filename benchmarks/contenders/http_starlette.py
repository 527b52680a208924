"""Hello by a route of starlette, on uvicorn with uvloop and httptools."""

from __future__ import annotations

import uvicorn
from serving import listening_socket
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route


async def index(request: Request) -> HTMLResponse:
    return HTMLResponse("Hello World!")


sock = listening_socket()
config = uvicorn.Config(
    Starlette(routes=[Route("/", index)]), loop="uvloop", http="httptools", access_log=False,
    log_level="warning", lifespan="off",
)  # fmt: skip
uvicorn.Server(config).run(sockets=[sock])
