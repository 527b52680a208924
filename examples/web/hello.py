#!/usr/bin/env python
"""A page, and one that ends the program.

python examples/web/hello.py [-b ADDRESS:PORT]
"""

from __future__ import annotations

import argparse

from circuits.web import Controller, Server


class Root(Controller):
    def index(self):
        return "Hello World!"

    def exit(self):
        raise SystemExit


def main():
    parser = argparse.ArgumentParser(description="Greets.")
    parser.add_argument("-b", "--bind", default="127.0.0.1:8000", metavar="ADDRESS:PORT")
    app = Server(parser.parse_args().bind) + Root()
    print(f"Serving {app.base}/", flush=True)
    app.run()


if __name__ == "__main__":
    main()
