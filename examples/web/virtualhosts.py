#!/usr/bin/env python
"""Two sites in one server: which one answers depends on the host that was asked.

    python examples/web/virtualhosts.py [-b ADDRESS:PORT]

Try it with ``curl -H "Host: forum.example.com" http://127.0.0.1:8000/``.
"""

from __future__ import annotations

import argparse

from circuits.web import Controller, Server, VirtualHosts


class Root(Controller):
    def index(self):
        return "I am the main site\n"


class Forum(Controller):
    channel = "/forum"

    def index(self):
        return "I am the forum\n"

    def topic(self, number):
        return f"Topic {number}, at {self.url()}\n"


def main():
    parser = argparse.ArgumentParser(description="Serves two sites.")
    parser.add_argument("-b", "--bind", default="127.0.0.1:8000", metavar="ADDRESS:PORT")
    app = Server(parser.parse_args().bind)
    VirtualHosts({"forum.example.com": "/forum"}).register(app)
    Root().register(app)
    Forum().register(app)
    print(f"Serving {app.base}/", flush=True)
    app.run()


if __name__ == "__main__":
    main()
