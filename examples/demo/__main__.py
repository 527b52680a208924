"""A chat whose people come by browser, by telnet and by IRC: ``make demo``.

Each module here is one component, and most of them know only the room. This one puts them together.
"""

from __future__ import annotations

import argparse
import socket
import sys
from pathlib import Path

from circuits import Component, handler
from circuits.web import (
    CSRF,
    MemoryStore,
    RateLimit,
    SecurityHeaders,
    Server,
    Sessions,
    Static,
)
from circuits.web.apps.inspector import Inspector

from .browsers import Browsers
from .feed import Feed
from .irc import IRCServer
from .pages import ErrorPages, Root
from .pictures import PICTURE_BYTES, Pictures
from .robot import Keeper
from .room import Room
from .telnet import Telnet

STATIC = Path(__file__).parent / "static"


class Greeter(Component):
    """Tells where to look, as soon as everybody can come in."""

    def init(self, base: str, host: str, telnet: int, irc: int) -> None:
        self.text = (
            "A chat for browsers, telnet and IRC. Come in (Ctrl-C stops):\n"
            f"  by browser  {base}/\n"
            f"  by telnet   telnet {host} {telnet}\n"
            f"  by IRC      /connect {host} {irc}, then /join #circuits"
        )

    @handler("started", channel="*")
    def _on_started(self, component: Component) -> None:
        print(self.text, flush=True)


def free(host: str, port: int) -> tuple[str, int]:
    """An address to listen on: the port that was asked for, or any if that is taken."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((host, port))
        except OSError as problem:
            print(
                f"Port {port} is not free ({problem.strerror}); another will do.", file=sys.stderr
            )
            return host, 0
    return host, port


def make(host: str, port: int, telnet_port: int, irc_port: int) -> Server:
    """The whole application."""
    app = Server(
        free(host, port), access_log="-", body_bytes=PICTURE_BYTES + 10_000, connections=1000
    )
    room = Room().register(app)
    keeper = Keeper(room).register(app)
    telnet = Telnet(room, free(host, telnet_port)).register(app)
    irc = IRCServer(room, free(host, irc_port)).register(app)
    browsers = Browsers(room).register(app)
    feed = Feed(room, keeper).register(app)

    ports = {"telnet": telnet.server.port, "irc": irc.server.port}
    app += Root(room, browsers, keeper, feed, ports)
    app += Pictures(room, browsers, app.base)
    app += Static("/static", STATIC)
    app += ErrorPages()
    app += Sessions(store=MemoryStore(limit=10_000), idle=86_400, max_age=7 * 86_400, eager=False)
    app += CSRF()
    app += RateLimit(200, 10)
    app += SecurityHeaders(csp="default-src 'self'; frame-ancestors 'none'; base-uri 'none'")
    app += Inspector()
    app += Greeter(app.base, host, **ports)
    return app


def main() -> None:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__.splitlines()[0])
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (%(default)s)")
    parser.add_argument("--port", type=int, default=8000, help="for browsers (%(default)s)")
    parser.add_argument("--telnet", type=int, default=2323, help="port for telnet (%(default)s)")
    parser.add_argument("--irc", type=int, default=6667, help="port for IRC (%(default)s)")
    options = parser.parse_args()
    make(options.host, options.port, options.telnet, options.irc).run()


if __name__ == "__main__":
    main()
