"""Nodes within one process: sockets in memory, one virtual clock, and peers made by hand."""

from __future__ import annotations

import errno
import json
import socket
from contextlib import ExitStack
from typing import Any

from circuits import BaseComponent, Component, Event, Manager, handler
from circuits.node import Node
from circuits.node._sockets import Dialler, Listener
from circuits.node.client import Client
from circuits.node.server import Server
from circuits.testing import MemoryConnection, VirtualClock, settle
from circuits.testing.settling import _next_deadline
from tests.net.net_fakes import FakeSocket
from tests.net.net_fakes import Listener as FakeListener

HOST = "127.0.0.1"
NONCE = "0123456789abcdef" * 2


class _Socket(FakeSocket):
    """A socket that connects within a world."""

    world: World

    def connect_ex(self, address: Any) -> int:
        self.world.attempts.append((self.world.clock.now, address))
        waiting = self.world.listeners.get(address[1])
        if waiting is None:
            return errno.ECONNREFUSED
        _one, other = self.ends
        waiting.dial(MemoryConnection(self.world.wire(other), address, (HOST, 4711)))
        return 0

    ends: tuple[Any, Any]


class _Dialler(Dialler):
    world: World

    def _make_socket(self, family: int) -> Any:
        ends = socket.socketpair()
        sock = _Socket(ends[0], (HOST, 4711), (HOST, 0))
        sock.world, sock.ends = self.world, ends
        self.world.sockets += [sock, ends[1]]
        return sock


class _Client(Client):
    world: World

    def _make_dialler(self, channel: Any) -> Dialler:
        _Dialler.world = World.current
        return _Dialler(channel=channel)


class _Listener(Listener):
    def _create_socket(self) -> Any:
        port = self._bind[1] or 1000 + len(World.current.listeners)
        fake = World.current.listeners[port] = FakeListener()
        World.current.sockets.append(fake)
        fake.getsockname = lambda: (HOST, port)  # type: ignore[method-assign]
        return fake


class _Server(Server):
    def _make_listener(self, address: Any, channel: Any, tls: Any) -> Listener:
        return _Listener(address, channel=channel)


class MemoryNode(Node):
    """A node whose sockets are in memory."""

    def _make_server(self, bind: Any) -> Server:
        return _Server(bind, self.channel, hub=self._hub, socket_channel=f"{self.channel}_server")

    def _make_client(self, name: str, host: str, port: int, **options: Any) -> Client:
        return _Client(host, port, self.channel, node=name, hub=self._hub, **options)


class Journal(BaseComponent):
    """Keeps what nodes tell, and the failures, which are not logged then."""

    channel = "*"

    def init(self) -> None:
        self.entries: list[tuple[Any, ...]] = []
        self.errors: list[BaseException] = []

    @handler("connected_to", "disconnected_from", channel="*")
    def _on_told(self, event: Event, *args: Any) -> None:
        self.entries.append((event.name, *args))

    @handler("error", channel="*")
    def _on_error(self, kind: Any, problem: BaseException, *args: Any) -> None:
        self.errors.append(problem)

    def of(self, name: str) -> list[tuple[Any, ...]]:
        return [entry[1:] for entry in self.entries if entry[0] == name]


class Side:
    """One application with a node."""

    def __init__(self, app: Manager, node: Node, journal: Journal) -> None:
        self.app, self.node, self.journal = app, node, journal


class World:
    """All applications of a test, turned together, in virtual time."""

    current: World

    def __init__(self, stack: ExitStack, clock: VirtualClock) -> None:
        World.current = self
        self.stack = stack
        self.clock = clock
        self.apps: list[Manager] = []
        self.listeners: dict[int, FakeListener] = {}
        self.attempts: list[tuple[float, Any]] = []
        self.sockets: list[Any] = []

    def node(self, *components: Any, bind: Any = None, **options: Any) -> Side:
        """Run an application with a node."""
        app = Component(channel="app")
        for component in components:
            component.register(app)
        journal = Journal().register(app)
        node = MemoryNode(bind, **options).register(app)
        self.stack.enter_context(app.running())
        self.apps.append(app)
        self.settle()
        return Side(app, node, journal)

    def wire(self, end: Any) -> Any:
        """What the other side gets of a connection: the other end, or that of something between."""
        return end

    def settle(self) -> None:
        """Turn all until nothing happens."""
        for _ in range(30):
            made = sum(settle(app) for app in self.apps)
            if made <= len(self.apps):
                break

    def run(self, seconds: float) -> None:
        """Let time pass, for all together."""
        limit = self.clock.now + seconds
        self.settle()
        while True:
            moments = self._moments()
            due = min((m for m in moments if m is not None and m <= limit), default=None)
            if due is None:
                break
            self.clock.advance_to(due)
            self.settle()
        self.clock.advance_to(limit)
        self.settle()

    def _moments(self) -> list[float | None]:
        return [_next_deadline(app._tree_engine) for app in self.apps]

    def pair(self, *components: Any, near: Any = (), version: int = 2, **options: Any) -> Any:
        """Two nodes, ``near`` and ``far``, the first of which has connected."""
        near_options = {k[5:]: options.pop(k) for k in list(options) if k.startswith("near_")}
        forward = options.pop("forward", ())
        far = self.node(*components, bind=0, name="far", **options)
        one = self.node(*near, name="near", **near_options)
        one.node.add("far", HOST, far.node.port or 0, version=version, forward=forward)
        self.run(0.01)
        return one, far

    def dial(self, side: Side) -> Peer:
        """Connect to a node by hand."""
        one, other = socket.socketpair()
        self.sockets += [one, other]
        assert side.node.port is not None
        self.listeners[side.node.port].dial(MemoryConnection(other, (HOST, 1), (HOST, 4711)))
        peer = Peer(self, one)
        self.settle()
        return peer

    def listen(self, port: int) -> FakeListener:
        """Listen by hand."""
        waiting = self.listeners[port] = FakeListener()
        self.sockets.append(waiting)
        return waiting

    def accept(self, waiting: FakeListener) -> Peer:
        """The peer that has connected to a port that we listen at by hand."""
        connection, _ = waiting.accept()
        return Peer(self, connection._socket)

    def stop(self) -> None:
        """Stop all: as time stands still otherwise, what is waited for would never come."""
        for app in self.apps:
            app.stop()
        self.run(20)

    def close(self) -> None:
        for sock in self.sockets:
            sock.close()


class Peer:
    """A peer that speaks by hand."""

    def __init__(self, world: World, sock: Any) -> None:
        self.world = world
        self.sock = sock
        sock.setblocking(False)
        self.buffer = b""

    def send(self, *bodies: Any, version: int = 2) -> None:
        """Send packets, and see what happens."""
        for body in bodies:
            data = json.dumps(body).encode()
            framed = len(data).to_bytes(4, "big") + data if version == 2 else data + b"\r\n\r\n"
            self.sock.send(framed)
        self.world.settle()

    def send_bytes(self, data: bytes) -> None:
        self.sock.send(data)
        self.world.settle()

    def offer(self, name: str | None = None, features: Any = ()) -> Any:
        """Offer version 2; the answer."""
        offer = {"circuits": 2, "name": name, "nonce": NONCE, "features": list(features)}
        self.send(offer, version=1)
        return self.take(1)[0]

    def read(self) -> bytes:
        """What has come, as it is."""
        self.world.settle()
        found = b""
        try:
            while data := self.sock.recv(1 << 20):
                found += data
        except (BlockingIOError, ConnectionResetError):
            pass
        return found

    def take(self, count: int | None = None) -> list[Any]:
        """The packets that have come; all of them, or just as many as expected."""
        self.buffer += self.read()
        found = []
        while self.buffer:
            if self.buffer[:1] == b"\0":
                size = int.from_bytes(self.buffer[:4], "big")
                body, self.buffer = self.buffer[4 : 4 + size], self.buffer[4 + size :]
            else:
                body, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
            found.append(json.loads(body))
        if count is not None:
            assert len(found) == count, found
        return found

    @property
    def at_end(self) -> bool:
        """Whether the other side has closed."""
        self.world.settle()
        try:
            return bool(self.sock.recv(1, socket.MSG_PEEK) == b"")
        except BlockingIOError:
            return False
        except ConnectionResetError:
            return True

    def close(self) -> None:
        self.sock.close()
        self.world.settle()
