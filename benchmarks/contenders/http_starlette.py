"""Hello by a route of starlette, on uvicorn with uvloop and httptools, in several spellings."""

from __future__ import annotations

import logging
import sys
import tempfile
from collections.abc import AsyncIterator
from typing import Any

import uvicorn
from serving import listening_socket
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

HELLO = "Hello World!"


async def plain(request: Request) -> Response:
    return HTMLResponse(HELLO)


async def header(request: Request) -> Response:
    return HTMLResponse(HELLO, headers={"X-Hello": "World"})


async def sets_cookie(request: Request) -> Response:
    response = HTMLResponse(HELLO)
    response.set_cookie("seen", "yes")
    return response


async def reads_cookie(request: Request) -> Response:
    return HTMLResponse(HELLO if request.cookies["seen"] == "yes" else "")


async def json(request: Request) -> Response:
    return JSONResponse({"success": True, "message": HELLO})


async def vpath(request: Request) -> Response:
    return HTMLResponse(HELLO if request.path_params["first"] else "")


async def query(request: Request) -> Response:
    return HTMLResponse(HELLO if request.query_params["first"] else "")


async def generator(request: Request) -> Response:
    async def pieces() -> AsyncIterator[str]:
        yield HELLO

    return StreamingResponse(pieces())


SPELLINGS: dict[str, Any] = {
    function.__name__: function
    for function in (plain, header, sets_cookie, reads_cookie, json, vpath, query, generator)
}
name = sys.argv[1] if len(sys.argv) > 1 else "plain"
is_logging = name == "log"
if is_logging:
    handle, log_path = tempfile.mkstemp(prefix="circuits-bench-", suffix=".log")
    logging.getLogger("uvicorn.access").addHandler(logging.FileHandler(log_path))
path = "/{first}/{second}" if name == "vpath" else "/"
sock = listening_socket()
config = uvicorn.Config(
    Starlette(routes=[Route(path, SPELLINGS.get(name, plain))]), loop="uvloop", http="httptools",
    access_log=is_logging, log_level="info" if is_logging else "warning", log_config=None,
    lifespan="off",
)  # fmt: skip
uvicorn.Server(config).run(sockets=[sock])
