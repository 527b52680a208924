"""A WSGI application behind our gateway: called in the loop, or in as many threads as are asked for."""

from __future__ import annotations

import sys

from serving import announce, many_descriptors
from wsgi_application import application

from circuits.web import BaseServer
from circuits.web.wsgi import Gateway

many_descriptors()
server = BaseServer(("127.0.0.1", 0), display_banner=False)
Gateway(application, threads=int(sys.argv[1])).register(server)
announce(server.port or 0)
server.run()
