"""A proxy for TCP that delays, loses, holds and cuts, as networks do."""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading
import time
from collections import deque
from typing import Self

__all__ = ["FaultProxy"]


class _Way:
    """One direction of one connection: what has come and is not passed on yet."""

    def __init__(self, source: socket.socket, target: socket.socket, is_there: bool) -> None:
        self.source, self.target = source, target
        self.is_there = is_there  # from the client to the server
        self.pieces: deque[tuple[float, bytes]] = deque()
        self.is_over = False


class FaultProxy:
    """Passes connections on to a port of this machine, in a thread.

    Attributes:
        delay: Seconds that everything takes.
        holds: Ways on which nothing arrives until that ends: ``"there"``, ``"back"``, or both. What
            was sent meanwhile arrives then, as after a partition.
        loses: Ways on which everything is lost.
        port: Where to connect.
        connections: How many there were.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.delay = 0.0
        self.holds: set[str] = set()
        self.loses: set[str] = set()
        self.connections = 0
        self._ways: list[_Way] = []
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._cuts = threading.Event()
        self._has_cut = threading.Event()
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *problem: object) -> None:
        self.close()

    def partition(self) -> None:
        """Stop the traffic; the connections stay open."""
        self.holds = {"there", "back"}

    def heal(self) -> None:
        """End every fault."""
        self.holds, self.loses, self.delay = set(), set(), 0.0

    def cut(self) -> None:
        """Reset every connection."""
        self._has_cut.clear()
        self._cuts.set()
        assert self._has_cut.wait(10), "the proxy has ended"

    def close(self) -> None:
        self._ends.set()
        self._thread.join(10)

    # -- in the thread --

    def _run(self) -> None:
        while not self._ends.is_set():
            for key, _ in self._selector.select(0.002):
                if key.fileobj is self._listener:
                    self._accept()
                else:
                    self._receive(key.data)
            if self._cuts.is_set():
                self._drop_all()
                self._cuts.clear()
                self._has_cut.set()
            self._pass_on()
        self._drop_all()
        self._listener.close()
        self._selector.close()

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        try:
            server = socket.create_connection(("127.0.0.1", self._target), 5)
        except OSError:
            client.close()
            return
        self.connections += 1
        for source, target, is_there in ((client, server, True), (server, client, False)):
            source.setblocking(False)
            source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            way = _Way(source, target, is_there)
            self._ways.append(way)
            self._selector.register(source, selectors.EVENT_READ, way)

    def _receive(self, way: _Way) -> None:
        try:
            data = way.source.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        name = "there" if way.is_there else "back"
        if not data:
            way.is_over = True
            self._selector.unregister(way.source)
        elif name not in self.loses:
            way.pieces.append((time.monotonic() + self.delay, data))

    def _pass_on(self) -> None:
        now = time.monotonic()
        for way in list(self._ways):
            if ("there" if way.is_there else "back") in self.holds:
                continue
            while way.pieces and way.pieces[0][0] <= now:
                due, data = way.pieces.popleft()
                try:
                    sent = way.target.send(data)
                except BlockingIOError:
                    sent = 0
                except OSError:
                    self._drop(way)
                    break
                if sent < len(data):
                    way.pieces.appendleft((due, data[sent:]))
                    break
            if way.is_over and not way.pieces and way in self._ways:
                self._drop(way)

    def _drop(self, way: _Way) -> None:
        for one in [w for w in self._ways if w.source in (way.source, way.target)]:
            self._ways.remove(one)
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(one.source)
            one.source.close()

    def _drop_all(self) -> None:
        for way in list(self._ways):
            with contextlib.suppress(OSError):
                way.source.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        while self._ways:
            self._drop(self._ways[0])
