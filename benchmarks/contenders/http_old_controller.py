"""The Controller of circuits 3.2.5."""

from __future__ import annotations

import socket

from serving import announce, many_descriptors

from circuits.web import Controller, Server


class Root(Controller):
    def index(self) -> str:
        return "Hello World!"


many_descriptors()
with socket.socket() as probe:  # it does not tell which free port it took before it runs
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
server = Server(("127.0.0.1", port))
Root().register(server)
announce(port)
server.run()
