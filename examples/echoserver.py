#!/usr/bin/env python
"""Echo server: sends back whatever it gets.

    python examples/echoserver.py [-b ADDRESS:PORT] [-d]

Try it with ``telnet 127.0.0.1 8000``. ``-d`` shows all events.
"""

from __future__ import annotations

import argparse

from circuits import Debugger, handler
from circuits.net.sockets import TCPServer


class EchoServer(TCPServer):
    # A server takes only methods that are marked as handlers.
    @handler("ready")
    def announce(self, server, bind):
        print(f"Listening on {bind[0]}:{bind[1]}", flush=True)

    @handler("read")
    def echo(self, sock, data):
        return data  # bytes that a handler of read returns are written back


def main():
    parser = argparse.ArgumentParser(description="Sends back whatever it gets.")
    parser.add_argument("-b", "--bind", default="127.0.0.1:8000", metavar="ADDRESS:PORT")
    parser.add_argument("-d", "--debug", action="store_true", help="show all events")
    options = parser.parse_args()
    app = EchoServer(options.bind)
    if options.debug:
        Debugger().register(app)
    app.run()


if __name__ == "__main__":
    main()
