#!/usr/bin/env python
"""Forward a port: what connects here is connected to there.

    python examples/portforward.py [-d] [--debug] SOURCE TARGET

Both are ``ADDRESS:PORT``. ``-d`` goes to the background and leaves its process id in a file;
``--debug`` shows all events.
"""

from __future__ import annotations

import argparse
import uuid
from pathlib import Path

from circuits import Component, Debugger, handler
from circuits.net.sockets import Close, Connect, TCPClient, TCPServer, Write


class Tunnel(Component):
    """One connection through: the client of the target has a channel of its own.

    A channel is any object that can be hashed; here it is a UUID.
    """

    def init(self, source, sock, target, channel):
        self.source = source
        self.sock = sock
        self.target = target
        self.waiting = []  # what has come before there was a connection; None afterwards
        self.finishing = False
        self.client = TCPClient(channel=channel).register(self)

    def ready(self, client):
        self.fire(Connect(*self.target))

    def connected(self, host, port):
        for data in self.waiting:
            self.fire(Write(data))
        self.waiting = None
        if self.finishing:
            self.fire(Close())
        else:
            self.source.resume_reading(self.sock)

    def read(self, data):
        self.fire(Write(self.sock, data), "source")

    def pause(self):
        self.source.pause_reading(self.sock)

    def resume(self):
        self.source.resume_reading(self.sock)

    def disconnected(self):
        self.fire(Close(self.sock), "source")
        self.unregister()

    def unreachable(self, host, port, reason=None):
        print(f"{host}:{port} cannot be reached: {reason}", flush=True)
        self.waiting.clear()
        if self.finishing:
            self.unregister()
        else:
            self.fire(Close(self.sock), "source")

    @handler(False)
    def forward(self, data):
        if self.waiting is None:
            self.fire(Write(data))
        else:
            self.waiting.append(data)
            # It shall not fill our memory while we connect.
            self.source.pause_reading(self.sock)

    @handler(False)
    def finish(self):
        if self.waiting:
            self.finishing = True  # what has come shall still arrive
        elif self.client.connected:
            self.fire(Close())  # when all is written; then comes disconnected
        else:
            self.unregister()


class PortForwarder(Component):
    channel = "source"

    def init(self, source, target):
        host, _, port = target.rpartition(":")
        self.target = (host, int(port))
        self.tunnels = {}  # by socket
        self.server = TCPServer(source, channel=self.channel).register(self)

    def ready(self, server, bind):
        print(f"Forwarding {bind[0]}:{bind[1]} to {self.target[0]}:{self.target[1]}", flush=True)

    def connect(self, sock, host, port):
        channel = uuid.uuid4()
        tunnel = Tunnel(self.server, sock, self.target, channel=channel)
        self.tunnels[sock] = tunnel.register(self)

    def read(self, sock, data):
        self.tunnels[sock].forward(data)

    def pause(self, sock):
        self.tunnels[sock].client.pause_reading()

    def resume(self, sock):
        self.tunnels[sock].client.resume_reading()

    def disconnect(self, sock):
        self.tunnels.pop(sock).finish()


def main():
    parser = argparse.ArgumentParser(description="Forward a port.")
    parser.add_argument("source", metavar="SOURCE", help="where to listen, ADDRESS:PORT")
    parser.add_argument("target", metavar="TARGET", help="where to connect, ADDRESS:PORT")
    parser.add_argument("-d", "--daemon", action="store_true", help="go to the background")
    parser.add_argument("--pidfile", type=Path, default=Path("portforward.pid"))
    parser.add_argument("--debug", action="store_true", help="show all events")
    options = parser.parse_args()
    for address in (options.source, options.target):
        host, _, port = address.rpartition(":")
        if not (host and port.isdigit()):
            parser.error(f"{address!r} is not ADDRESS:PORT")
    app = PortForwarder(options.source, options.target)
    if options.debug:
        Debugger().register(app)
    if options.daemon:
        from circuits.app import Daemon

        Daemon(options.pidfile.absolute()).register(app)
    app.run()


if __name__ == "__main__":
    main()
