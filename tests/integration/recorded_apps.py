"""Applications that tests record and replay."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Generator
from typing import Any

from circuits import Component, Event, Task, Timer, Worker, handler
from circuits.app import Recording
from circuits.core import _clock
from circuits.core.manager import Manager
from circuits.core.pollers import BasePoller
from circuits.net.sockets import Connect, TCPClient, TCPServer, UDPServer, Write
from circuits.web import Controller, Server
from circuits.web.sessions import Sessions


class Beat(Event[None]): ...


class Note(Event[None]):
    text: str
    payload: Any


@dataclasses.dataclass
class Answer:
    number: int
    text: str


def measured(number: int) -> Answer:
    """What a worker is asked for."""
    if number == 13:
        raise LookupError("there is no 13", 13)
    return Answer(number * number, f"{number} squared")


class Unknown:
    """What no recording can hold."""


def unknown() -> Unknown:
    return Unknown()


class Service(Component):
    """A TCP server whose answers have times, random ids and results of workers in them."""

    channel = "server"

    def __init__(self, poller: BasePoller | None = None, *, process: bool = False) -> None:
        super().__init__()
        if poller is not None:
            poller.register(self)
        self.server = TCPServer(("127.0.0.1", 0)).register(self)
        Worker(process=process, workers=2).register(self)
        Timer(0.01, Beat(), persist=True).register(self)
        self.beats = 0
        self.notes: list[tuple[str, Any]] = []

    def beat(self) -> None:
        self.beats += 1

    def note(self, text: str, payload: Any) -> None:
        self.notes.append((text, payload))
        if payload is not None and hasattr(payload, "fileno"):
            self.fire(Write(payload, b"noted"))

    def connect(self, sock: Any, host: str, port: int) -> None:
        self.fire(Write(sock, b"%s %d\n" % (_clock.random_bytes(4).hex().encode(), port)))

    def read(self, sock: Any, data: bytes) -> Generator[Any, Any, None]:
        if data == b"crash":
            raise KeyError("crash")
        value = yield self.call(Task(measured, int(data)), "worker")
        if not value.errors:
            token = _clock.random_bytes(8).hex()
            text = f"{value.value.number} {token} {_clock.now():.9f} {_clock.wall()} {self.beats}"
            self.fire(Write(sock, text.encode()))
        else:
            self.fire(Write(sock, repr(value.value[1]).encode()))


class Root(Controller):
    """Pages with sessions, ids, workers, and coroutines."""

    def index(self) -> str:
        self.session["visits"] = self.session.get("visits", 0) + 1
        return f"visit {self.session['visits']} at {_clock.wall()} as {self.request.id}"

    def squared(self, number: str) -> Generator[Any, Any, None]:
        value = yield self.call(Task(measured, int(number)), "worker")
        yield value.value.text

    async def slowly(self, number: str) -> str:
        await asyncio.sleep(0.005)
        answer = await self.call(Task(measured, int(number)), "worker")
        return str(answer.text)

    def crash(self) -> str:
        raise KeyError("crash")


class Site(Component):
    """The web server, with what tells where it is."""

    def __init__(self) -> None:
        super().__init__()
        self.server = Server(("127.0.0.1", 0)).register(self)
        (self.server + Root() + Sessions() + Worker() + Timer(0.01, Beat(), persist=True))


class Echo(Component):
    """Datagrams, sent back."""

    channel = "udp"

    def __init__(self) -> None:
        super().__init__()
        self.server = UDPServer(("127.0.0.1", 0), channel="udp").register(self)

    def read(self, address: Any, data: bytes) -> None:
        self.fire(Write(address, data.upper()))


class Caller(Component):
    """A client that knows its server by name."""

    channel = "client"

    def __init__(self, port: int) -> None:
        super().__init__()
        self.port = port
        self.client = TCPClient().register(self)
        self.heard = b""

    def started(self, manager: Manager) -> None:
        self.fire(Connect("localhost", self.port))

    def connected(self, host: str, port: int) -> None:
        self.fire(Write(b"7"))

    def read(self, data: bytes) -> None:
        self.heard += data
        if b" " in self.heard.partition(b"\n")[2]:
            self.stop()

    @handler("unreachable")
    def _on_unreachable(self, *args: Any) -> None:
        self.stop()


def recorded(path: Any, make: Callable[[], Any], **options: Any) -> Any:
    """An application with a recording, which knows what its constructors were given."""
    recording = Recording(path, **options)
    app = make()
    app.recording = recording.register(app)
    return app


class Crashing(Component):
    """What the command is tried with: a bug that can be cured from outside."""

    channel = "server"

    def __init__(self) -> None:
        super().__init__()
        Recording("crash.rec").register(self)
        self.server = TCPServer(("127.0.0.1", 0)).register(self)

    def ready(self, server: TCPServer, bind: tuple[str, int]) -> None:
        print(bind[1], flush=True)

    def read(self, sock: Any, data: bytes) -> bytes:
        import os

        if data == b"13" and "CURED" not in os.environ:
            raise KeyError("thirteen")
        return b"fine"


if __name__ == "__main__":
    Crashing().run()
