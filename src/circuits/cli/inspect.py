"""``circuits inspect``: the page of the inspector, for a process that runs already."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from circuits.core.components import BaseComponent
from circuits.core.handlers import handler
from circuits.net.sockets import Connect, UNIXClient, Write
from circuits.web.apps.inspector import Inspector
from circuits.web.controllers import Controller
from circuits.web.servers import Server

from ._attached import NotThereError, add_target, find, open_socket

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Relay", "main", "make_parser"]

_PROG = "circuits inspect"

#: The longest line that a process tells.
_LINE_BYTES = 16 * 1024 * 1024


class Relay(Inspector):
    """The page of another process, over the UNIX socket of its ``Attach``.

    It is connected while a page is open.

    Args:
        path: Of the socket.
    """

    def __init__(self, path: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._path = path
        self._latest: dict[str, Any] = {}
        self._rest = b""
        self._client: UNIXClient | None = None

    def _begin(self) -> None:
        if self._client is None:
            self._latest.clear()
            self._rest = b""
            self._client = UNIXClient(channel="relay").register(self)
            self.fire(Connect(self._path), self._client)

    def _end(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.unregister()

    def _greeting(self) -> list[dict[str, Any]]:
        return list(self._latest.values())

    @handler("connected", channel="relay")
    def _on_connected(self, *where: Any) -> None:
        if self._client is not None:
            self.fire(Write(json.dumps({"limit": 200}).encode() + b"\n"), self._client)

    @handler("read", channel="relay")
    def _on_read(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LINE_BYTES:
            self._lost()
            return
        for line in lines:
            message = json.loads(line)
            if message["type"] in ("tree", "state", "errors"):
                self._latest[message["type"]] = message
            elif message["type"] == "tick" and message["errors"] and "errors" in self._latest:
                kept = [*self._latest["errors"]["errors"], *message["errors"]][-50:]
                self._latest["errors"] = {"type": "errors", "errors": kept}
            self._send(self._pages.websockets, [message])

    @handler("unreachable", "disconnected", "socket_error", channel="relay")
    def _on_lost(self, *args: Any) -> None:
        self._lost()

    def _lost(self) -> None:
        """The process has gone: its pages try again."""
        for websocket in list(self._pages.websockets):
            websocket._shut(1012, "the process has gone")


class _Root(Controller):
    """Leads to the page."""

    def index(self) -> Any:
        return self.redirect("/inspector")


def make_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(
        prog=_PROG,
        description="Serve a live page of a running process, which has circuits.app.Attach in its tree, "
        "to this machine.",
        epilog="It goes on until Ctrl-C.",
    )
    add_target(parser)
    parser.add_argument(
        "-p",
        "--port",
        type=int,
        default=8765,
        help="the port of the page (default: 8765; 0: a free one)",
    )
    parser.add_argument("--open", action="store_true", help="show the page in a browser")
    return parser


class _Teller(BaseComponent):
    """Tells where the page is when it is there."""

    def __init__(self, opens: bool) -> None:
        super().__init__()
        self._opens = opens

    @handler("ready", channel="*")
    def _on_ready(self, server: Any, *bind: Any) -> None:
        url = f"http://127.0.0.1:{server.port}/inspector"
        print(f"The inspector is at {url} (Ctrl-C ends it)", flush=True)
        if self._opens:
            import webbrowser

            webbrowser.open(url)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; the exit status is 1 if there is no such process."""
    options = make_parser().parse_args(argv)
    try:
        path = find(options.target)
        open_socket(path).close()
        app = Server(("127.0.0.1", options.port), display_banner=False)
    except (NotThereError, OSError) as problem:
        print(f"{_PROG}: {problem}", file=sys.stderr)
        return 1
    app += Relay(path)
    app += _Root()
    app += _Teller(options.open)
    app.run()
    return 0
