"""The same applications on uvicorn, with the loop and the parser that are named."""

from __future__ import annotations

import sys

import uvicorn
from asgi_application import choose
from serving import listening_socket

sock = listening_socket()
config = uvicorn.Config(
    choose(sys.argv[1]), loop=sys.argv[2], http=sys.argv[3], access_log=False,
    log_level="warning", lifespan="off",
)  # fmt: skip
uvicorn.Server(config).run(sockets=[sock])
