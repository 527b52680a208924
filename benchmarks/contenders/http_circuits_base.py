"""Hello by a component that handles requests itself, without a dispatcher."""

from __future__ import annotations

from serving import announce, many_descriptors

from circuits import Component
from circuits.web import BaseServer


class Root(Component):
    channel = "web"

    def request(self, request: object, response: object) -> str:
        return "Hello World!"


many_descriptors()
server = BaseServer(("127.0.0.1", 0), display_banner=False)
Root().register(server)
announce(server.port)
server.run()
