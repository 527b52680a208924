#!/usr/bin/env python
"""WSGI applications in a server of circuits, beside a controller.

    python examples/web/wsgi_gateway.py [-b ADDRESS:PORT] [-t THREADS]

Put in your Flask or Django application in place of ``hello``.
"""

from __future__ import annotations

import argparse

from circuits.web import Controller, Server
from circuits.web.wsgi import Gateway


def hello(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return [f"Hello from {environ['SCRIPT_NAME']}, asked for {environ['PATH_INFO']}\n".encode()]


def count(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    for number in range(3):
        yield f"{number}\n".encode()


class Root(Controller):
    def index(self):
        return "Look at /hello and /count\n"


def main():
    parser = argparse.ArgumentParser(description="Serves WSGI applications.")
    parser.add_argument("-b", "--bind", default="127.0.0.1:8000", metavar="ADDRESS:PORT")
    parser.add_argument("-t", "--threads", type=int, default=8)
    options = parser.parse_args()
    app = Server(options.bind)
    Gateway({"/hello": hello, "/count": count}, threads=options.threads).register(app)
    Root().register(app)
    print(f"Serving {app.base}/", flush=True)
    app.run()


if __name__ == "__main__":
    main()
