"""The program's ``--validate``: what we say to a WSGI server, looked at by that."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING
from wsgiref.simple_server import make_server
from wsgiref.validate import validator

from ._command_line import DEFAULT_HOST, DEFAULT_PORT
from ._program import say
from .wsgi import Application

if TYPE_CHECKING:
    import argparse

    from circuits.core.components import BaseComponent

__all__ = ["validate"]


def validate(
    parser: argparse.ArgumentParser, options: argparse.Namespace, root: BaseComponent
) -> int:
    """Serve the greeting by somebody else's WSGI server, which looks at all that we say."""
    options.bind = options.bind or (DEFAULT_HOST, DEFAULT_PORT)
    if not isinstance(options.bind, tuple):
        parser.error("--validate needs an address and a port")
    application = Application()
    root.register(application)

    host, port = options.bind
    with make_server(host, port, validator(application)) as server:
        # An exception that is raised here may come out in a handler of wsgiref, which keeps it.
        def stop(*args: object) -> None:
            threading.Thread(target=server.shutdown, daemon=True).start()

        before = [
            (number, signal.signal(number, stop)) for number in (signal.SIGINT, signal.SIGTERM)
        ]
        try:
            say(f"Serving /hello by wsgiref on http://{host}:{server.server_port}/ (Ctrl-C stops)")
            server.serve_forever(poll_interval=0.1)
        finally:
            for number, handler_before in before:
                signal.signal(number, handler_before)
    return 0
