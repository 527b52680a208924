"""Sockets that listen and connect within the process."""

from __future__ import annotations

import os
import socket
from typing import Any

from circuits.core._held import close, hold
from circuits.net.sockets import TCPClient, TCPServer
from circuits.testing import MemoryConnection, memory_pair

ADDRESS = ("192.0.2.1", 80)


class Poller:
    """Remembers what is watched."""

    def __init__(self) -> None:
        self.reading: set[Any] = set()
        self.writing: set[Any] = set()
        self.refusal: Exception | None = None

    def addReader(self, source: Any, sock: Any) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.reading.add(sock)

    def addWriter(self, source: Any, sock: Any) -> None:
        self.writing.add(sock)

    def removeReader(self, sock: Any) -> None:
        self.reading.discard(sock)

    def removeWriter(self, sock: Any) -> None:
        self.writing.discard(sock)

    def isReading(self, sock: Any) -> bool:
        return sock in self.reading

    def discard(self, sock: Any) -> None:
        self.reading.discard(sock)
        self.writing.discard(sock)


class Listener:
    """A listening socket that is readable while somebody waits to be accepted."""

    def __init__(self) -> None:
        self._bell, self._button = memory_pair()
        self.waiting: list[Any] = []  # sockets to hand out, and errors to raise
        self.accepts = 0

    def dial(self, *outcomes: Any) -> list[MemoryConnection]:
        """Have peers wait; an error stands for one whose ``accept`` fails."""
        peers = []
        for outcome in outcomes or (None,):
            if outcome is None:
                outcome, peer = memory_pair()
                peers.append(peer)
            self.waiting.append(outcome)
        self._button.send(b"!")
        return peers

    def accept(self) -> tuple[Any, Any]:
        self.accepts += 1
        if not self.waiting:
            self._bell.received()
            raise BlockingIOError
        outcome = self.waiting.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome, ("192.0.2.9", 4711)

    def getsockname(self) -> Any:
        if self.fileno() < 0:
            raise OSError("closed")
        return ADDRESS

    def fileno(self) -> int:
        return self._bell.fileno()

    def shutdown(self, how: int) -> None:
        self._bell.shutdown(how)

    def close(self) -> None:
        self._bell.close()
        self._button.close()
        for outcome in self.waiting:
            if isinstance(outcome, MemoryConnection):
                outcome.close()


class FakeServer(TCPServer):
    """A server on a :class:`Listener`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(ADDRESS, **options)

    def _create_socket(self) -> Any:
        self.listener = Listener()
        return self.listener


class FakeSocket(MemoryConnection):
    """A socket that connects as it is told.

    Attributes:
        outcome: What ``connect_ex`` returns.
        error: What the system says about the attempt afterwards.
    """

    outcome: int | OSError = 0
    error = 0
    bound: Any = None
    dialled: Any = None

    def connect_ex(self, address: Any) -> int:
        self.dialled = address
        if isinstance(self.outcome, OSError):
            raise self.outcome
        return self.outcome

    def bind(self, address: Any) -> None:
        self.bound = address

    def getsockopt(self, level: int, *option: Any) -> int | bytes:
        if (level, *option) == (socket.SOL_SOCKET, socket.SO_ERROR):
            return self.error
        return super().getsockopt(level, *option)


class FakeClient(TCPClient):
    """A client whose sockets come from a list, and then from nowhere."""

    def __init__(self, *sockets: FakeSocket, **options: Any) -> None:
        self.sockets = list(sockets)
        self.peers: list[MemoryConnection] = []
        for sock in sockets:
            hold(sock)
        super().__init__(**options)

    def _create_socket(self) -> Any:
        if self.sockets:
            return self.sockets.pop(0)
        sock, peer = fake_socket()
        self.peers.append(peer)
        hold(peer)
        return sock

    def __del__(self) -> None:
        super().__del__()
        for end in (*self.peers, *self.sockets):
            close(end)


def fake_socket(outcome: int | OSError = 0, error: int = 0) -> tuple[FakeSocket, MemoryConnection]:
    """Make a socket and the end of the peer that it connects to."""
    one, other = socket.socketpair()
    sock = FakeSocket(one, ("127.0.0.1", 1), ADDRESS)
    sock.outcome = outcome
    sock.error = error
    return sock, MemoryConnection(other, ADDRESS, ("127.0.0.1", 1))


def failure(number: int) -> OSError:
    """The error that the system gives a number."""
    return OSError(number, os.strerror(number))


def stuff(sock: MemoryConnection) -> None:
    """Fill the way out, so that it is not writable until the peer has received it."""
    while True:
        try:
            sock._socket.send(bytes(65536))
        except BlockingIOError:
            return
