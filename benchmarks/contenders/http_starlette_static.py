"""The same file by ``StaticFiles`` of starlette, on uvicorn with uvloop and httptools."""

from __future__ import annotations

import uvicorn
from serving import folder_with_file, listening_socket
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

application = Starlette(routes=[Mount("/", StaticFiles(directory=folder_with_file()))])
sock = listening_socket()
config = uvicorn.Config(
    application, loop="uvloop", http="httptools", access_log=False, log_level="warning",
    lifespan="off",
)  # fmt: skip
uvicorn.Server(config).run(sockets=[sock])
