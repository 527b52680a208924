"""Servers and clients that move to another tree while something is under way."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from circuits import Component, Event, Manager, sleep
from circuits.core.pollers import BasePoller
from circuits.core.utils import findtype
from circuits.net.sockets import TCPServer
from circuits.testing import settle


class Echo(Component):
    channel = "server"

    def read(self, sock: Any, data: bytes) -> bytes:
        return data


class Moving(Component):
    """A server with all that belongs to it."""

    def init(self) -> None:
        self.server = TCPServer(("127.0.0.1", 0)).register(self)
        self.echo = Echo().register(self)


def _is_answered(port: int | None) -> bool:
    with socket.create_connection(("127.0.0.1", port or 0), timeout=10) as sock:
        sock.sendall(b"are you there?")
        return sock.recv(100) == b"are you there?"


@pytest.mark.parametrize("trees", [2, 3])
def test_a_server_is_alive_wherever_other_threads_have_moved_it(
    app_thread: Any, trees: int
) -> None:
    homes = [app_thread(Manager()) for _ in range(trees)]
    moving = Moving().register(homes[0])
    busy = threading.Event()

    def keep_busy() -> None:
        # What is queued in a tree that the server leaves is lost; it must go on all the same.
        while not busy.is_set():
            with suppress(OSError), socket.create_connection(address, timeout=0.01) as sock:
                sock.sendall(bytes(65536))
                sock.recv(65536)

    address = ("127.0.0.1", moving.server.port or 0)
    client = threading.Thread(target=keep_busy, daemon=True)
    client.start()
    for number in range(1, 301):
        moving.register(homes[number % trees])
        time.sleep(0.0005 * (number % 4))
        if number % 100 == 0:
            assert _is_answered(moving.server.port)
    busy.set()
    client.join(10)
    assert _is_answered(moving.server.port)
    assert len(findtype(moving.root, BasePoller, all=True)) == 1


def test_the_end_of_input_comes_along() -> None:
    class Mover(Component):
        channel = "server"

        def read(self, sock: Any, data: bytes) -> Iterator[Any]:
            yield sleep(0.02)
            # Before what tells that all is read, which stays behind.
            self.fire(Event.create("move"))

        def move(self) -> None:
            moving.register(target)

    moving, app, target = Moving(), Manager(), Manager()
    moving.echo.unregister()
    settle(moving)
    Mover().register(moving)
    moving.register(app)
    with app.running(), target.running():
        settle(app)
        with socket.create_connection(("127.0.0.1", moving.server.port or 0), timeout=5) as client:
            settle(app)
            client.sendall(b"x")
            client.shutdown(socket.SHUT_WR)
            while moving.root is app:
                app.tick(0.01)
            settle(target)
            for _ in range(10):
                target.tick(0.01)
            assert not list(moving.server._owned())
        moving.unregister()
        settle(target)
