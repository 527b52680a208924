#!/usr/bin/env python
"""A component that answers every request by itself, without a dispatcher.

python examples/web/hello_base.py [-b ADDRESS:PORT]
"""

from __future__ import annotations

import argparse

from circuits import Component
from circuits.web import BaseServer


class Hello(Component):
    channel = "web"

    def request(self, request, response):
        return f"Hello {request.path}"


def main():
    parser = argparse.ArgumentParser(description="Greets whatever is asked.")
    parser.add_argument("-b", "--bind", default="127.0.0.1:8000", metavar="ADDRESS:PORT")
    app = BaseServer(parser.parse_args().bind) + Hello()
    print(f"Serving {app.base}/", flush=True)
    app.run()


if __name__ == "__main__":
    main()
