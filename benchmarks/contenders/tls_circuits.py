"""Echo over TLS by a component of circuits."""

from __future__ import annotations

from serving import announce, certificate, many_descriptors

from circuits import handler
from circuits.net.sockets import TCPServer


class Echo(TCPServer):
    @handler("read")
    def _on_echo(self, sock: object, data: bytes) -> bytes:
        return data


many_descriptors()
server = Echo(("127.0.0.1", 0), secure=True, certfile=certificate())
announce(server.port)
server.run()
