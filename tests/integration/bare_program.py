"""A system that lacks what Linux has: names are taken out of the standard library, then all is tried.

Run by ``test_bare_platform``: ``python bare_program.py NAME...``; a name is ``module.attribute``, or a
module that cannot be imported. Prints what was done, a line each.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.util
import os
import pkgutil
import signal
import socket
import sys
import threading
from typing import Any

#: Libraries of others that some modules are for.
_EXTRAS = (
    "nats",
    "msgspec",
    "serial",
    "watchfiles",
    "opentelemetry",
    "rich",
    "multipart",
    "uvloop",
)


class Missing(importlib.abc.MetaPathFinder):
    """Modules that this system does not have."""

    def __init__(self, names: set[str]) -> None:
        self.names = names

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name in self.names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def _without(self: Any) -> Any:
    raise AttributeError("not on this system")


def take_away(names: list[str]) -> None:
    """Make the standard library smaller."""
    modules = set()
    for name in names:
        module, _, attribute = name.partition(".")
        if not attribute:
            modules.add(name)
            sys.modules.pop(name, None)
        elif "." in attribute:
            cls, _, method = attribute.partition(".")
            setattr(getattr(importlib.import_module(module), cls), method, property(_without))
        elif hasattr(importlib.import_module(module), attribute):
            delattr(importlib.import_module(module), attribute)
    sys.meta_path.insert(0, Missing(modules))
    if not hasattr(socket, "AF_UNIX"):
        socket.socketpair = pair  # type: ignore[assignment]


def pair(*options: Any) -> tuple[socket.socket, socket.socket]:
    """A pair as it is made where there are no UNIX sockets."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        one = socket.create_connection(listener.getsockname())
        return one, listener.accept()[0]


def import_all() -> int:
    """Import every module; how many there are."""
    import circuits

    count = 0
    for found in pkgutil.walk_packages(circuits.__path__, "circuits."):
        if found.name.endswith("__main__"):
            continue
        try:
            importlib.import_module(found.name)
        except ModuleNotFoundError as problem:
            if (problem.name or "").partition(".")[0] not in _EXTRAS:
                raise
            continue  # that library is not installed here
        count += 1
    return count


def main() -> None:
    # What the standard library itself needs of it is loaded before.
    import asyncio  # noqa: F401
    import concurrent.futures.process  # noqa: F401
    import logging
    import multiprocessing.util  # noqa: F401
    import socketserver  # noqa: F401
    import ssl  # noqa: F401
    import subprocess  # noqa: F401
    import tempfile  # noqa: F401

    logging.basicConfig()
    take_away(sys.argv[1:])
    from circuits.core import _latch

    _latch.SOCKETS_ONLY = not hasattr(socket, "AF_UNIX")
    print("imported", import_all() > 100)

    from circuits import Component, Event, Timer, Worker, handler, sleep, task
    from circuits.core.pollers import BasePoller, Select
    from circuits.net.sockets import UNIXServer
    from circuits.web import Controller, Server
    from circuits.web.client import Client

    class Root(Controller):
        def index(self) -> str:
            return "hello"

        def large(self) -> bytes:
            return bytes(1_000_000)

    class App(Component):
        channel = "app"

        def started(self, *args: Any) -> None:
            self.fire(Event.create("begin"))

        def begin(self) -> Any:
            yield sleep(0.01)
            value = yield self.call(task(pow, 2, 10), "worker")
            print("worker", value.value)
            yield from self.ask_web()
            Timer(0.01, Event.create("over"), "app").register(self)

        def ask_web(self) -> Any:
            client = Client(channel="client").register(self)
            for path in ("/", "/large"):
                response = yield client.get(f"http://127.0.0.1:{web.port}{path}")
                print("web", response.status, len(response.body.read()))

        async def over(self) -> None:
            await sleep(0.01)
            print("poller", type(poller_of(app)).__name__)
            self.stop()

        @handler("error", channel="*")
        def _on_error(self, kind: Any, problem: Any, lines: Any, *args: Any) -> None:
            print("error", repr(problem), *lines)
            self.stop()

    def poller_of(tree: Any) -> Any:
        from circuits.core.utils import findtype

        return findtype(tree, BasePoller)

    app = App()
    Worker(channel="worker").register(app)
    web = Server(("127.0.0.1", 0)).register(app)
    Root().register(web)
    app.run()
    if not hasattr(socket, "AF_UNIX"):
        try:
            UNIXServer("/tmp/never")
        except Exception as problem:
            print("unix", type(problem).__name__, problem)
    # Signals end a wait without any poller, and one in a poller; in threads there are none.
    watched = Component()
    Select().register(watched)
    for tree in (Component(), watched):
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM)).start()
        tree.run()
        print("signalled")
    other = Component()
    other.start()
    other.stop()
    other.join()
    print("end")


if __name__ == "__main__":
    main()
