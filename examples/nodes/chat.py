"""A chat of two machines, or more: one listens, the others connect to it.

    chat.py alice --listen 0.0.0.0:7000 --secret xyz
    chat.py bob --connect alice.example:7000 --secret xyz

What one types, all others see. Who connects is told to those who listen by the name that it gives.
"""

from __future__ import annotations

import argparse

from circuits import Component, Event, handler
from circuits.io import stdin
from circuits.node import Node, Remote


class Say(Event):
    who: str
    line: str


class Chat(Component):
    channel = "chat"

    def init(self, name, node):
        self.me = name
        self.node = node
        self.others = set()

    def say(self, who, line):
        """A line of somebody: shown, and passed on by who listens."""
        print(f"<{who}> {line}", flush=True)
        if self.node.server is not None:
            self.pass_on(who, line)

    @handler(False)
    def pass_on(self, who, line):
        for other in self.others - {who}:
            self.fire(Remote(Say(who, line), other, "chat", timeout=5))

    @handler("read", channel="stdin")
    def _on_typed(self, data):
        for line in data.decode().splitlines():
            self.pass_on(self.me, line)

    @handler("eof", channel="stdin")
    def _on_end(self, *args):
        self.root.stop()

    @handler("connected_to", channel="node")
    def _on_connected_to(self, name, host, port):
        self.others.add(name)
        print(f"* {name} is here", flush=True)

    @handler("disconnected_from", channel="node")
    def _on_disconnected_from(self, name, host, port, reason):
        self.others.discard(name)
        print(f"* {name} is gone: {reason}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("--listen", metavar="HOST:PORT")
    parser.add_argument("--connect", metavar="HOST:PORT")
    parser.add_argument("--secret")
    options = parser.parse_args()
    node = Node(options.listen, name=options.name, secret=options.secret, accept=[Say])
    app = Component() + node + Chat(options.name, node) + stdin
    if options.connect:
        host, _, port = options.connect.rpartition(":")
        node.add("the others", host, int(port))
    if options.listen:
        print(f"listening at {node.host}:{node.port}", flush=True)
    app.run()


if __name__ == "__main__":
    main()
