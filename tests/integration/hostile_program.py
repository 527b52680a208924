"""A server of the kind that its argument names, for hostile clients to be let loose on."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

from circuits import Component
from circuits.net.protocols.irc import IRC
from circuits.net.protocols.line import LP
from circuits.net.sockets import TCPServer, UDPServer, UNIXServer, Write
from circuits.node import Node
from circuits.web import (
    Controller,
    EventStream,
    Server,
    WebSocket,
    asgi,
    expose,
    wsgi,
)

PAGE = b"p" * (1024 * 1024)
ADDRESS = ("127.0.0.1", 0)


class Echo(Component):
    channel = "server"

    def read(self, *args: Any) -> None:
        self.fire(Write(*args))


class LineEcho(Component):
    channel = "server"

    def line(self, sock: Any, line: str) -> None:
        self.fire(Write(sock, f"{line}\n".encode()))


class Pongs(Component):
    channel = "server"

    def ping(self, sock: Any, source: Any, *words: str) -> None:
        self.fire(Write(sock, f"PONG {words[0]}\r\n".encode()))


class Pages(Controller):
    def page(self) -> str:
        return "page"

    def large(self) -> bytes:
        return PAGE

    async def pieces(self) -> AsyncIterator[bytes]:
        for _ in range(128):
            yield PAGE[:8192]

    def ticks(self) -> EventStream:
        return EventStream(self._ticks(), heartbeat=0.1)

    async def _ticks(self) -> AsyncIterator[dict[str, Any]]:
        while True:
            yield {"data": "x" * 1024}
            await asyncio.sleep(0.01)

    def form(self, **fields: Any) -> str:
        return str(len(fields))

    @expose("taken", stream=True)
    async def taken(self) -> str:
        return str(sum([len(piece) async for piece in self.request.body]))

    @expose.websocket("ws")
    async def ws(self, websocket: WebSocket) -> None:
        async for message in websocket:
            await websocket.send(message)


def wsgi_app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
    start_response("200 OK", [])
    if environ["PATH_INFO"] == "/large":
        return iter([PAGE[:8192]] * 128)
    environ["wsgi.input"].read()
    return iter([b"page"])


async def asgi_app(scope: Any, receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(128 if scope["path"].endswith("/large") else 0):
        await send({"type": "http.response.body", "body": PAGE[:8192], "more_body": True})
    await send({"type": "http.response.body", "body": b"page", "more_body": False})


class Greetings(Component):
    def greet(self, name: str) -> str:
        return f"hello {name}"


def main(kind: str, log: str, *arguments: str) -> None:
    """Serve, and print where as ``serving PORT``; what goes wrong is in a file."""
    os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
    app = Component()
    where: Any = None
    if kind in ("tcp", "tls", "unix", "udp"):
        server: Any
        if kind == "unix":
            server = UNIXServer(arguments[0])
        elif kind == "udp":
            server = UDPServer(ADDRESS)
        else:
            options: dict[str, Any] = (
                {"secure": True, "certfile": arguments[0]} if kind == "tls" else {}
            )
            server = TCPServer(ADDRESS, **options)
        server.register(app)
        Echo().register(app)
        where = server
    elif kind in ("line", "lines", "irc", "pings"):
        where = TCPServer(ADDRESS).register(app)
        if kind.startswith("line"):
            LP().register(where)
            LineEcho().register(app)
        else:
            IRC(channel="server").register(where)
            Pongs().register(app)
    elif kind == "node":
        where = Node(bind=0).register(app)
        Greetings().register(app)
    else:
        options = {"secure": True, "certfile": arguments[0]} if kind == "https" else {}
        where = Server(ADDRESS, **options).register(app)
        if kind == "wsgi":
            wsgi.Gateway({"/": wsgi_app}, threads=4).register(where)
        elif kind == "asgi":
            asgi.Gateway({"/": asgi_app}, lifespan=False).register(where)
        else:
            Pages().register(where)

    class Starts(Component):
        def started(self, *args: Any) -> Any:
            while getattr(where, "port", None) is None and kind != "unix":
                yield
            print("serving", getattr(where, "port", 0) or 0, flush=True)

    Starts().register(app)
    app.run()


if __name__ == "__main__":
    main(*json.loads(sys.argv[1]))
