"""Hello by a Controller behind the default dispatcher."""

from __future__ import annotations

from serving import announce, many_descriptors

from circuits.web import Controller, Server


class Root(Controller):
    def index(self) -> str:
        return "Hello World!"


many_descriptors()
server = Server(("127.0.0.1", 0), display_banner=False)
Root().register(server)
announce(server.port)
server.run()
