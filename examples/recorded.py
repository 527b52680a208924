#!/usr/bin/env python
"""A service whose crashes can be made tests.

Run it, divide something by zero at port 8000 (``printf 0 | nc localhost 8000``), end it with
Ctrl-C, and in the same folder::

    circuits replay recorded.rec --app recorded:Divider --test
"""

from __future__ import annotations

import argparse
from typing import Any

from circuits import Component
from circuits.app import Recording
from circuits.net.sockets import TCPServer


class Divider(Component):
    """Divides a hundred by what it is sent."""

    channel = "server"

    def __init__(self, port: int = 0, file: str = "recorded.rec") -> None:
        super().__init__()
        Recording(file).register(self)  # first: it knows what the others ask for
        TCPServer(("127.0.0.1", port)).register(self)

    def ready(self, server: TCPServer, bind: tuple[str, int]) -> None:
        print(f"Listening on {bind[0]}:{bind[1]}", flush=True)

    def read(self, sock: Any, data: bytes) -> bytes:
        return b"%d\n" % (100 // int(data))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-p", "--port", type=int, default=8000)
    parser.add_argument("-f", "--file", default="recorded.rec")
    options = parser.parse_args()
    Divider(options.port, options.file).run()
