"""The same application in waitress, with its four threads."""

from __future__ import annotations

import waitress
from serving import listening_socket
from wsgi_application import application

waitress.serve(application, sockets=[listening_socket()], connection_limit=1000, _quiet=True)
