"""Echo over TLS by an asyncio Protocol."""

from __future__ import annotations

import asyncio
import ssl

from serving import certificate, listening_socket


class Echo(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


async def serve() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate())
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Echo, sock=listening_socket(), ssl=context)
    await server.serve_forever()


asyncio.run(serve())
