"""Applications that run in a thread, and the events that they saw."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from circuits import BaseComponent, Component, Event, Manager, handler

#: Nothing in these tests takes long; this only bounds what goes wrong.
SECONDS = 20.0

#: Names that belong to the machinery and not to what is tested.
_SILENT = frozenset(
    {"_read", "_write", "_disconnect", "_resolved", "_end_of_input", "generate_events"}
)


class Journal(BaseComponent):
    """Keeps the events of one channel, and lets other threads wait for them."""

    def __init__(self, of: Any) -> None:
        super().__init__(channel=of)
        self.entries: list[tuple[Any, ...]] = []
        self._changed = threading.Condition()

    @handler(priority=100)
    def _on_any(self, event: Event, *args: Any, **kwargs: Any) -> None:
        if event.name in _SILENT or event.name.endswith("registered"):
            return
        with self._changed:
            self.entries.append((event.name, *args))
            self._changed.notify_all()

    @property
    def names(self) -> list[str]:
        return [entry[0] for entry in self.entries]

    def of(self, name: str) -> list[tuple[Any, ...]]:
        return [entry[1:] for entry in self.entries if entry[0] == name]

    def expect(self, name: str, count: int = 1) -> tuple[Any, ...]:
        """The arguments of the latest of ``count`` events of a name, once they are there."""
        with self._changed:
            there = self._changed.wait_for(lambda: self.names.count(name) >= count, SECONDS)
            assert there, f"{count} x {name} did not come: {self.names}"
        return self.of(name)[count - 1]

    def clear(self) -> None:
        with self._changed:
            self.entries.clear()


class Hooks(Component):
    """Runs functions of a test in the thread of the application."""

    channel = "hooks"

    def do(self, function: Callable[[], object]) -> object:
        return function()


class do(Event):
    pass


class Running:
    """An application in a thread."""

    def __init__(self, app: Manager, thread: threading.Thread) -> None:
        self.app = app
        self.thread = thread

    def inside(self, function: Callable[[], Any]) -> Any:
        """Call a function in the loop, and return what it returns."""
        done = threading.Event()
        results: list[Any] = []

        def work() -> None:
            try:
                results.append(function())
            except Exception as problem:
                results.append(problem)
            done.set()

        self.app.fire(do(work), "hooks")
        assert done.wait(SECONDS), "the loop does not answer"
        if isinstance(results[0], Exception):
            raise results[0]
        return results[0]

    def stop(self) -> None:
        self.app.stop()
        self.thread.join(SECONDS)
        assert not self.thread.is_alive(), "the application did not end"


@contextlib.contextmanager
def running(*components: Any) -> Iterator[Running]:
    """Run components in one application until the block ends."""
    app = Component(channel="app")
    for component in components:
        component.register(app)
    Hooks().register(app)
    thread, _ = app.start()
    program = Running(app, thread)
    try:
        yield program
    finally:
        program.stop()


def dial(server: Any) -> socket.socket:
    """Connect to a server, or to a port."""
    port = server if isinstance(server, int) else server.port
    return socket.create_connection(("127.0.0.1", port), timeout=SECONDS)


def read_all(sock: socket.socket) -> bytes:
    pieces = []
    while piece := sock.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)


def read_exactly(sock: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = sock.recv(count - len(data))
        assert piece, f"{count - len(data)} bytes are missing"
        data += piece
    return data


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def eventually(condition: Callable[[], object], what: str) -> None:
    """Wait for something that no event tells."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.002)
