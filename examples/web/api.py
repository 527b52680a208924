#!/usr/bin/env python
"""Data instead of pages: a controller of it, a method of it, and a decorator of one's own.

python examples/web/api.py [-b ADDRESS:PORT]
"""

from __future__ import annotations

import argparse
import json
from functools import wraps

from circuits.web import Controller, JSONController, Server, exposeJSON


def as_json(function):
    """Have what a method returns sent as JSON."""

    @wraps(function)
    def encoded(self, *args, **kwargs):
        self.response.headers["Content-Type"] = "application/json"
        return json.dumps(function(self, *args, **kwargs), indent=1)

    return encoded


class Numbers(JSONController):
    channel = "/numbers"

    def index(self):
        return [1, 2, 3]

    def double(self, number: int):
        return {"number": number, "double": number * 2}


class Root(Controller):
    @exposeJSON("data")
    def _data(self):
        return {"made by": "exposeJSON"}

    @as_json
    def own(self):
        return {"made by": "as_json"}


def main():
    parser = argparse.ArgumentParser(description="Answers with JSON.")
    parser.add_argument("-b", "--bind", default="127.0.0.1:8000", metavar="ADDRESS:PORT")
    app = Server(parser.parse_args().bind) + Root() + Numbers()
    print(f"Serving {app.base}/", flush=True)
    app.run()


if __name__ == "__main__":
    main()
