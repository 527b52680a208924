"""WebSocket echo by the library `websockets`, as its documentation has it."""

from __future__ import annotations

import asyncio

from serving import listening_socket
from websockets.asyncio.server import ServerConnection, serve


async def echo(websocket: ServerConnection) -> None:
    async for message in websocket:
        await websocket.send(message)


async def main() -> None:
    async with serve(echo, sock=listening_socket()) as server:
        await server.serve_forever()


asyncio.run(main())
