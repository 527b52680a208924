#!/usr/bin/env python
"""What stands before and behind the controllers: who may come in, and how answers look.

Try it with ``curl -u admin:secret http://127.0.0.1:8000/``.

    python examples/web/filters.py [-b ADDRESS:PORT]
"""

from __future__ import annotations

import argparse

from circuits import Component, handler
from circuits.web import Controller, Server, errors, tools


class Near(Component):
    """Lets nobody in from another machine."""

    channel = "web"

    @handler("request", filter=True, priority=3)
    def _on_request(self, request, response):
        if not (request.remote.ip or "").startswith("127."):
            return errors.Forbidden(request, response)
        return None


class Login(Component):
    """Asks for a name and a password."""

    channel = "web"

    @handler("request", filter=True, priority=2)
    def _on_request(self, request, response):
        return tools.basic_auth(request, response, "examples", {"admin": "secret"}, str)


class Shout(Component):
    """Has everything in capital letters."""

    channel = "web"

    @handler("response", priority=1.0)
    def _on_response(self, response):
        response.body = "".join(response.body).upper()


class Root(Controller):
    def index(self):
        return f"Hello {self.request.login}!"


def main():
    parser = argparse.ArgumentParser(description="Greets whom it knows.")
    parser.add_argument("-b", "--bind", default="127.0.0.1:8000", metavar="ADDRESS:PORT")
    app = Server(parser.parse_args().bind) + Near() + Login() + Shout() + Root()
    print(f"Serving {app.base}/", flush=True)
    app.run()


if __name__ == "__main__":
    main()
