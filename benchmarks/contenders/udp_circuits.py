"""Echo of datagrams by a component of circuits."""

from __future__ import annotations

from serving import announce

from circuits import handler
from circuits.net.sockets import UDPServer


class Echo(UDPServer):
    @handler("read")
    def _on_echo(self, address: object, data: bytes) -> bytes:
        return data


server = Echo(("127.0.0.1", 0))
announce(server.port)
server.run()
