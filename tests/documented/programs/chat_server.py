"""A chat server for telnet: everybody gets what the others write."""

from __future__ import annotations

import sys
from typing import Any

from circuits import Component
from circuits.net.sockets import TCPServer, Write


class Chat(Component):
    def __init__(self, host: str, port: int = 8000) -> None:
        super().__init__()
        self._clients: list[Any] = []
        self.server = TCPServer((host, port)).register(self)

    def connect(self, sock: Any, host: str, port: int) -> None:
        self._clients.append(sock)

    def disconnect(self, sock: Any) -> None:
        self._clients.remove(sock)

    def read(self, sock: Any, data: bytes) -> None:
        for client in self._clients:
            if client != sock:
                self.fire(Write(client, data.strip()))


if __name__ == "__main__":
    chat = Chat("localhost", *map(int, sys.argv[1:]))
    print(chat.server.port, flush=True)
    chat.run()
