"""Echo by an asyncio Protocol."""

from __future__ import annotations

import asyncio

from serving import listening_socket


class Echo(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(Echo, sock=listening_socket())
    await server.serve_forever()


asyncio.run(serve())
