"""Hello by a Controller behind the default dispatcher; and beside it what concerns no request."""

from __future__ import annotations

import os
import sys
from typing import Any

from serving import announce, folder_with_file, many_descriptors

from circuits import Component, Event, Timer, handler
from circuits.app import Attach
from circuits.web import Controller, Server, Sessions, Static
from circuits.web.apps.inspector import Inspector


class Root(Controller):
    def index(self) -> str:
        return "Hello World!"

    def enter(self) -> str:
        self.session["name"] = "somebody"
        return "Hello somebody!"


class Waiter(Component):
    channel = "beside"

    @handler("started", channel="*")
    def _on_started(self, component: object) -> Any:
        yield self.wait("never")


class Coroutine(Component):
    channel = "beside"

    async def never(self) -> None:
        pass


class CoroutineWaiter(Component):
    channel = "beside"

    @handler("started", channel="*")
    async def _on_started(self, component: object) -> None:
        await self.wait("never")


BESIDE = {
    "waiter": Waiter,
    "coroutine": Coroutine,
    "coroutine_waiter": CoroutineWaiter,
    "inspector": Inspector,
    "attach": lambda: Attach(f"/tmp/circuits-bench-{os.getpid()}.sock"),
    "static": lambda: Static("/static", docroot=folder_with_file()),
    "sessions": Sessions,
    "timer": lambda: Timer(0.1, Event.create("Tick"), "beside", persist=True),
}

many_descriptors()
server = Server(("127.0.0.1", 0), display_banner=False)
Root().register(server)
for name in sys.argv[1:]:
    BESIDE[name]().register(server)
server.start_timeout = 0  # what waits here does so for ever
announce(server.port)
server.run()
