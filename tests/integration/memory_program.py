"""A web server that may have little more memory than it has: ``python memory_program.py BYTES``."""

from __future__ import annotations

import resource
import sys
from typing import Any

from circuits import handler
from circuits.web import Controller, Server

_MORE = int(sys.argv[1])


class Root(Controller):
    def index(self) -> str:
        return "here"

    def much(self) -> bytes:
        return bytes(4 * _MORE)

    def echo(self, *args: Any) -> str:
        body = self.request.body.read()
        return f"{len(body)} {len(body * 8)}"


class Limited(Server):
    @handler("ready", channel="*")
    def _on_ready(self, *args: Any) -> None:
        with open("/proc/self/statm", encoding="ascii") as file:
            pages = int(file.read().split()[0])
        limit = pages * resource.getpagesize() + _MORE
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        print(self.port, flush=True)


if __name__ == "__main__":
    server = Limited(("127.0.0.1", 0))
    Root().register(server)
    server.run()
