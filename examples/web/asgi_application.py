#!/usr/bin/env python
"""Components as an ASGI application, for uvicorn, hypercorn or another server.

cd examples/web; uvicorn asgi_application:application
"""

from __future__ import annotations

from circuits import sleep
from circuits.web import Controller, WebSocket, expose
from circuits.web.asgi import Application


class Root(Controller):
    def index(self):
        return "Hello World!\n"

    def slow(self):
        yield sleep(0.2)
        yield "Here I am\n"

    def numbers(self):
        return (f"{number}\n" for number in range(3))

    @expose.websocket
    async def echo(self, websocket: WebSocket):
        async for message in websocket:
            await websocket.send(message)


application = Application() + Root()
