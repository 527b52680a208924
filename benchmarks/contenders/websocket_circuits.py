"""WebSocket echo, in the spelling that the command line names; ``compiled``: with compiled masking."""

from __future__ import annotations

import sys
from collections.abc import Generator
from typing import Any

from serving import announce, many_descriptors

from circuits import Component
from circuits.net.sockets import Write
from circuits.web import Controller, Server, WebSocket, WebSockets, expose

if "compiled" not in sys.argv:
    sys.modules["websockets"] = None  # type: ignore[assignment]  # so it cannot be imported


class Echo(Component):
    channel = "ws"

    def read(self, sock: object, message: str | bytes) -> None:
        self.fire(Write(sock, message))


class Async(Controller):
    @expose.websocket
    async def ws(self, websocket: WebSocket) -> None:
        async for message in websocket:
            await websocket.send(message)


class Generated(Controller):
    @expose.websocket
    def ws(self, websocket: WebSocket) -> Generator[Any, Any, None]:
        while True:
            message = yield websocket.receive()
            yield websocket.send(message)


many_descriptors()
server = Server(("127.0.0.1", 0))
spelling = (sys.argv[1:] or ["events"])[0]
if spelling == "events":
    WebSockets("/ws").register(server)
    Echo().register(server)
else:
    {"async": Async, "generator": Generated}[spelling]().register(server)
announce(server.port or 0)
server.run()
