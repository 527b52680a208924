#!/usr/bin/env python
"""Components as a WSGI application, in the server of the standard library.

    python examples/web/wsgi_application.py [-b ADDRESS:PORT]

Any other WSGI server takes ``application`` as well.
"""

from __future__ import annotations

import argparse
from wsgiref.simple_server import make_server

from circuits import sleep
from circuits.web import Controller
from circuits.web.wsgi import Application


class Root(Controller):
    def index(self):
        return "Hello World!\n"

    def slow(self):
        yield sleep(0.2)
        yield "Here I am\n"


application = Application() + Root()


def main():
    parser = argparse.ArgumentParser(description="Serves components by wsgiref.")
    parser.add_argument("-b", "--bind", default="127.0.0.1:8000", metavar="ADDRESS:PORT")
    host, _, port = parser.parse_args().bind.rpartition(":")
    with make_server(host, int(port), application) as server:
        print(f"Serving http://{host}:{server.server_port}/", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
