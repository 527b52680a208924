"""The same file, read whole for each request by a bare ASGI application; uvloop and httptools."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import uvicorn
from serving import FILE_NAME, folder_with_file, listening_socket

PATH = Path(folder_with_file(), FILE_NAME)


async def application(scope: Any, receive: Any, send: Any) -> None:
    data = PATH.read_bytes()
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [
                (b"content-type", b"application/octet-stream"),
                (b"content-length", str(len(data)).encode()),
            ],
        }
    )
    await send({"type": "http.response.body", "body": data})


sock = listening_socket()
config = uvicorn.Config(
    application, loop="uvloop", http="httptools", access_log=False, log_level="warning",
    lifespan="off",
)  # fmt: skip
uvicorn.Server(config).run(sockets=[sock])
