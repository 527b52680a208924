#!/usr/bin/env python
"""An ASGI application in a server of circuits, beside a controller.

    python examples/web/asgi_gateway.py [-b ADDRESS:PORT]

Put in your Starlette or FastAPI application in place of ``hello``.
"""

from __future__ import annotations

import argparse

from circuits.web import Controller, Server
from circuits.web.asgi import Gateway


async def hello(scope, receive, send):
    if scope["type"] == "websocket":
        await echo(receive, send)
    elif scope["type"] == "http":
        text = f"Hello from {scope['root_path']}, asked for {scope['path']}\n"
        headers = [(b"content-type", b"text/plain; charset=utf-8")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": text.encode()})
    else:
        raise NotImplementedError(scope["type"])


async def echo(receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})


class Root(Controller):
    def index(self):
        return "Look at /hello\n"


def main():
    parser = argparse.ArgumentParser(description="Serves an ASGI application.")
    parser.add_argument("-b", "--bind", default="127.0.0.1:8000", metavar="ADDRESS:PORT")
    app = Server(parser.parse_args().bind)
    Gateway({"/hello": hello}).register(app)
    Root().register(app)
    print(f"Serving {app.base}/", flush=True)
    app.run()


if __name__ == "__main__":
    main()
