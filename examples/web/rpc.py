#!/usr/bin/env python
"""Components whose handlers are called over XML-RPC and JSON-RPC, beside a page.

    python examples/web/rpc.py [-b ADDRESS:PORT]

Try it with ``xmlrpc.client.ServerProxy("http://127.0.0.1:8000/xml")``, or with
``curl -d '{"jsonrpc": "2.0", "method": "calc.add", "params": [1, 2], "id": 1}'
http://127.0.0.1:8000/json``.
"""

from __future__ import annotations

import argparse

from circuits import Component, sleep
from circuits.web import JSONRPC, XMLRPC, Controller, Server


class Calculator(Component):
    channel = "calc"

    def add(self, a, b):
        return a + b

    def divide(self, a, b):
        return a / b  # dividing by 0 is the caller's error

    def slow(self, text):
        yield sleep(0.2)  # others are served meanwhile
        yield text.upper()


class Root(Controller):
    def index(self):
        return "Call calc.add, calc.divide or calc.slow at /xml or /json\n"


def main():
    parser = argparse.ArgumentParser(description="Serves remote calls.")
    parser.add_argument("-b", "--bind", default="127.0.0.1:8000", metavar="ADDRESS:PORT")
    app = Server(parser.parse_args().bind)
    XMLRPC("/xml").register(app)
    JSONRPC("/json").register(app)
    Calculator().register(app)
    Root().register(app)
    print(f"Serving {app.base}/", flush=True)
    app.run()


if __name__ == "__main__":
    main()
