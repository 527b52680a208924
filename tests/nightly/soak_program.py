"""One process with everything in it, for the load of `tests.nightly.soak`.

Prints its ports as JSON, and tells at ``/state`` what it is made of.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from types import MethodType
from typing import Any

from circuits import Component, Event, Timer, Worker, handler, sleep
from circuits.core.workers import Task
from circuits.io.process import Process
from circuits.net.sockets import TCPServer
from circuits.node import Node, Remote
from circuits.web import Server
from circuits.web.client import Client
from tests.integration.hostile_program import ADDRESS, Echo, Greetings, Pages

ECHOED = ["echo", "a child"]


class greet(Event):
    pass


class sum_up(Event):
    success = True
    complete = True


class go_wrong(Event):
    failure = True


class leave(Event):
    pass


class Kernel(Component):
    """Events that cause others, handlers that wait, and failures."""

    channel = "kernel"

    def init(self) -> None:
        self.seen: Counter[str] = Counter()

    def sum_up(self, depth: int) -> Any:
        if depth:
            value = yield self.call(sum_up(depth - 1))
            yield value.value + depth
        else:
            yield sleep(0)
            yield 0

    def go_wrong(self) -> None:
        raise ValueError("as it must")

    @handler("sum_up_success", "sum_up_complete", "go_wrong_failure")
    def _count(self, event: Event, *args: Any) -> None:
        self.seen[event.name] += 1


class Guest(Component):
    """Comes into the tree, waits for its timer, and leaves."""

    def init(self, number: int) -> None:
        self.channel = f"guest{number}"
        Timer(0.005, leave(), self.channel).register(self)

    def leave(self) -> None:
        self.unregister()


class Everything(Pages):
    """What `Pages` has, and a page for each other part."""

    def init(self, base: str) -> None:
        self.base = base
        self.client = Client().register(self)
        self.kernel_part = Kernel().register(self)
        self.guests = 0

    async def kernel(self) -> str:
        value = await self.call(sum_up(5), "kernel")
        self.fire(go_wrong(), "kernel")
        # Names of channels are remembered up to a limit: 4 MB, which is reached at any time.
        self.guests = (self.guests + 1) % 1000
        Guest(self.guests).register(self)
        return str(value)

    async def thread(self) -> str:
        return str(await self.call(Task(sum, [1, 2, 3]), "threads"))

    async def process(self) -> str:
        return str(await self.call(Task(sum, [1, 2, 3]), "processes"))

    async def failing_thread(self) -> str:
        try:
            return str(await self.call(Task(int, "no number"), "threads"))
        except ValueError:
            return "failed"

    async def remote(self) -> str:
        return str(await self.call(Remote(greet("you"), "here", "*")))

    async def child(self) -> str:
        process = Process(ECHOED).register(self)
        process.start()
        await process.wait()
        process.unregister()
        return process.stdout.getvalue().decode()

    async def fetch(self) -> str:
        response = await self.client.get(f"{self.base}/page")
        return response.text

    def boom(self) -> str:
        raise RuntimeError("as it must")

    def state(self) -> str:
        gc.collect()
        types = Counter(map(_kind, gc.get_objects()))
        return json.dumps(
            {
                "types": types,
                "descriptors": len(os.listdir("/proc/self/fd")),
                "threads": threading.active_count(),
                "tasks": len(self.root._tasks),
                "components": len(list(_walk(self.root))),
                "waiting": len(self.root),
            }
        )


def _kind(thing: Any) -> str:
    """Its type, and of what is everywhere a little more."""
    if type(thing) is MethodType:
        return f"method {getattr(thing.__func__, '__qualname__', '')}"
    if type(thing) is tuple:
        return f"tuple of {', '.join(type(item).__name__ for item in thing[:4])}"
    return f"{type(thing).__module__}.{type(thing).__qualname__}"


def _walk(component: Any) -> Iterator[Any]:
    yield component
    for below in component.components:
        yield from _walk(below)


class Silence(Component):
    """Handles ``error``, for what goes wrong here does so on purpose; anything else is told."""

    @handler("error", channel="*")
    def _on_error(self, kind: Any, problem: BaseException, *args: Any) -> None:
        if "as it must" not in str(problem) and "no number" not in str(problem):
            print(f"error {kind.__name__}: {problem}", file=sys.stderr, flush=True)


def main(log: str, certificate: str) -> None:
    os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
    app = Component(channel="app")
    Silence().register(app)
    for channel in ("tcp", "tls"):
        Echo(channel=channel).register(app)
    tcp = TCPServer(ADDRESS, channel="tcp").register(app)
    tls = TCPServer(ADDRESS, channel="tls", secure=True, certfile=certificate).register(app)
    web = Server(ADDRESS).register(app)
    assert web.port is not None
    Everything(f"http://127.0.0.1:{web.port}").register(web)
    Worker(channel="threads", workers=1).register(app)
    Worker(channel="processes", process=True, workers=1).register(app)
    node = Node(bind=0).register(app)
    Greetings().register(app)
    away = Node(channel="away").register(app)
    assert node.port is not None
    away.add("here", "127.0.0.1", node.port)
    ports = {"tcp": tcp.port, "tls": tls.port, "web": web.port, "node": node.port}
    print(json.dumps(ports), flush=True)
    app.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
