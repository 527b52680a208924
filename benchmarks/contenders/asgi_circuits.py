"""An ASGI application behind our gateway."""

from __future__ import annotations

import sys

from asgi_application import choose
from serving import announce, many_descriptors

from circuits.web import BaseServer
from circuits.web.asgi import Gateway

many_descriptors()
server = BaseServer(("127.0.0.1", 0), display_banner=False)
Gateway(choose(sys.argv[1]), lifespan=False).register(server)
announce(server.port or 0)
server.run()
