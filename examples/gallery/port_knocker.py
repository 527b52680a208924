#!/usr/bin/env python
"""A door that opens for those who know the knock.

    python examples/gallery/port_knocker.py [--host HOST] [--open SECONDS] PORT KNOCK KNOCK...

Nothing listens on PORT until somebody has connected to the KNOCK ports in their order. Then it does,
for a while, and for that address alone. It keeps away who looks around, not who listens in.

    for port in 7003 7001 7002; do nc -z 127.0.0.1 $port; done; nc 127.0.0.1 7000
"""

from __future__ import annotations

import argparse
import time
from collections import OrderedDict

from circuits import Component, Event, Timer
from circuits.net.sockets import Close, TCPServer, Write

#: Seconds for the whole knock, and addresses that are remembered.
PATIENCE, ADDRESSES = 10, 1000


class Knock(Event):
    """Somebody has knocked: ``(position, host)``."""


class Open(Event):
    """Somebody knows the knock: ``(host)``."""


class Shut(Event):
    """The time is up."""


class Plank(Component):
    """Listens at one port, and says nothing."""

    def init(self, position, bind):
        self.position, self.channel = position, ("plank", position)
        TCPServer(bind, channel=self.channel).register(self)

    def connect(self, sock, host, port):
        self.fire(Close(sock))
        self.fire(Knock(self.position, host), "door")


class Door(Component):
    channel = "door"

    def init(self, bind, seconds, knocks):
        self.bind, self.seconds, self.length = bind, seconds, len(knocks)
        self.heard = OrderedDict()  # by address: how many knocks were right, and since when
        self.server, self.welcome = None, set()  # the addresses that may come in
        for position, port in enumerate(knocks):
            Plank(position, (bind[0], port)).register(self)

    def knock(self, position, host):
        right, since = self.heard.pop(host, (0, time.monotonic()))
        if position != right or time.monotonic() - since > PATIENCE:
            right, since = 0, time.monotonic()
        right += position == right
        if right == self.length:
            self.fire(Open(host))
        elif right:
            self.heard[host] = (right, since)
            while len(self.heard) > ADDRESSES:
                self.heard.popitem(last=False)

    def open(self, host):
        self.welcome.add(host)
        if self.server is None:
            self.server = TCPServer(self.bind, channel=self.channel).register(self)
            Timer(self.seconds, Shut(), self.channel).register(self)
        print(f"open for {host}", flush=True)

    def shut(self):
        print("shut", flush=True)
        self.welcome.clear()
        server, self.server = self.server, None
        server.unregister()

    def connect(self, sock, host, port):
        self.fire(Write(sock, b"Come in!\n") if host in self.welcome else Close(sock))

    def read(self, sock, data):
        return data.upper()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A door that opens for those who know the knock.")
    parser.add_argument("port", type=int, metavar="PORT")
    parser.add_argument("knocks", type=int, nargs="+", metavar="KNOCK", help="ports, in order")
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (%(default)s)")
    parser.add_argument("--open", type=float, default=10, metavar="SECONDS", help="(%(default)s)")
    options = parser.parse_args()
    print("Listening for knocks", flush=True)
    Door((options.host, options.port), options.open, options.knocks).run()
