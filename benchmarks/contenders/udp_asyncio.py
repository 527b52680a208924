"""Echo of datagrams by an asyncio DatagramProtocol."""

from __future__ import annotations

import asyncio

from serving import announce


class Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert hasattr(transport, "sendto")
        self.transport = transport

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        self.transport.sendto(data, address)


async def serve() -> None:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Echo, local_addr=("127.0.0.1", 0))
    announce(transport.get_extra_info("sockname")[1])
    await asyncio.get_running_loop().create_future()


asyncio.run(serve())
