#!/usr/bin/env python
"""Talk to a server: what is typed is sent, what comes is shown.

    python examples/telnet.py [-s] HOST PORT
    python examples/telnet.py PATH

``-s`` speaks TLS, and demands a certificate that the system trusts. A path is that of a UNIX socket.
"""

from __future__ import annotations

import argparse
import sys

from circuits import Component, Debugger, handler
from circuits.io import stdin
from circuits.net.sockets import Close, Connect, TCPClient, UNIXClient, Write


class Telnet(Component):
    channel = "telnet"

    def init(self, *where, secure=False):
        self.where = where
        client = TCPClient if len(where) == 2 else UNIXClient
        client(channel=self.channel).register(self)
        # It is not ready to connect yet. It will as soon as it is.
        self.fire(Connect(*where, secure=secure))

    def ready(self, client):
        print("Trying", *self.where, "...", flush=True)

    def connected(self, host, port=None):
        print("Connected to", *self.where, flush=True)
        stdin.register(self)  # not before: there would be nobody to send it to

    def socket_error(self, problem):
        print(f"Error: {problem}", file=sys.stderr, flush=True)

    def unreachable(self, host, port, reason=None):
        raise SystemExit(1)

    @handler("read", channel="stdin")
    def typed(self, data):
        self.fire(Write(data))

    @handler("eof", channel="stdin")
    def input_ended(self):
        self.fire(Close())

    def read(self, data):
        sys.stdout.buffer.write(data)
        sys.stdout.flush()

    def disconnected(self):
        print("Connection closed", flush=True)
        raise SystemExit(0)


def main():
    parser = argparse.ArgumentParser(description="Talk to a server.")
    parser.add_argument("host", help="name or address of the server, or the path of its socket")
    parser.add_argument("port", type=int, nargs="?")
    parser.add_argument("-s", "--secure", action="store_true", help="speak TLS")
    parser.add_argument("-d", "--debug", action="store_true", help="show all events")
    options = parser.parse_args()
    where = (options.host,) if options.port is None else (options.host, options.port)
    app = Telnet(*where, secure=options.secure)
    if options.debug:
        Debugger().register(app)
    app.run()


if __name__ == "__main__":
    main()
