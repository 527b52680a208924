"""A file of 1 MiB below a docroot, by Static."""

from __future__ import annotations

from serving import announce, folder_with_file, many_descriptors

from circuits.web import Server, Static

many_descriptors()
server = Server(("127.0.0.1", 0))
Static(docroot=folder_with_file()).register(server)
announce(server.port)
server.run()
