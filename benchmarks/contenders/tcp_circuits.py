"""Echo by a component of circuits, in the spelling that the command line names."""

from __future__ import annotations

import sys

from serving import announce, many_descriptors

from circuits import Component, handler
from circuits.net.sockets import TCPServer, Write


class Returning(TCPServer):
    @handler("read")
    def _on_echo(self, sock: object, data: bytes) -> bytes:
        return data


class Writing(TCPServer):
    @handler("read")
    def _on_echo(self, sock: object, data: bytes) -> None:
        self.fire(Write(sock, data))


class Echo(Component):
    channel = "server"

    def read(self, sock: object, data: bytes) -> None:
        self.fire(Write(sock, data))


class WithComponent(TCPServer):
    def __init__(self, address: tuple[str, int]) -> None:
        super().__init__(address)
        Echo().register(self)


SPELLINGS = {"return": Returning, "write": Writing, "component": WithComponent}

many_descriptors()
server = SPELLINGS[(sys.argv[1:] or ["return"])[0]](("127.0.0.1", 0))
announce(server.port)
server.run()
