"""Servers for the HTTP client that are in memory: what it connects to, the test answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from circuits import Component, handler
from circuits.net import sockets
from circuits.net._clients import _Target
from circuits.net.sockets import TCPClient
from circuits.testing import MemoryConnection, VirtualClock, memory_pair, settle

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def reply(status: str = "200 OK", body: bytes = b"", **headers: str) -> bytes:
    """A response with a length."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class Line:
    """The server's end of a connection.

    Attributes:
        address: Host and port that the client has dialled.
        got: What the client has sent since the last request that was answered.
        total: How many bytes it has sent.
    """

    def __init__(self, end: MemoryConnection, address: tuple[str, int]) -> None:
        self.end = end
        self.address = address
        self.got = b""
        self.total = 0

    def receive(self) -> bytes:
        """What has come."""
        try:
            data = self.end.recv(1 << 20)
        except OSError:
            return b""
        self.total += len(data)
        return data

    def send(self, data: bytes) -> int:
        """Send what there is room for."""
        try:
            return self.end.send(data)
        except OSError:
            return 0

    @property
    def is_closed(self) -> bool:
        """Whether the client has closed it; what it has sent before is lost."""
        try:
            while self.end.recv(1 << 20):
                pass
        except BlockingIOError:
            return False
        except OSError:
            pass  # reset
        return True

    def close(self) -> None:
        self.end.close()


Answer = Callable[[Line, bytes], bytes | None]


class Network:
    """What clients of a test reach.

    Attributes:
        app: The application; the test makes it turn.
        answer: Makes the response to what has come of a request; ``b""`` waits for more, ``None``
            closes the connection.
        lines: The connections, in their order.
        requests: What was answered.
        refuses: Whether nobody is there.
        reads: Whether anything is read.
    """

    def __init__(self, app: Component) -> None:
        self.app = app
        self.lines: list[Line] = []
        self.requests: list[bytes] = []
        self.refuses = False
        self.reads = True
        self.answer: Answer = lambda line, request: OK

    def dial(self, address: tuple[str, int]) -> MemoryConnection:
        if self.refuses:
            raise ConnectionRefusedError("nobody is there")
        ours, theirs = memory_pair()
        self.lines.append(Line(ours, address))
        return theirs

    def turn(self) -> None:
        """Answer what has come."""
        for line in self.lines:
            if not self.reads or line.end.fileno() < 0 or not (data := line.receive()):
                continue
            line.got += data
            answer = self.answer(line, line.got)
            if answer is None:
                self.requests.append(line.got)
                line.close()
            elif answer:
                self.requests.append(line.got)
                line.got = b""
                line.send(answer)

    def until(self, done: Callable[[], object], turns: int = 2000) -> None:
        """Turn everything until something is true."""
        for _ in range(turns):
            if done():
                return
            self.turn()
            self.app.tick(0)
        raise AssertionError("it does not come")

    def wait(self, pending: Any) -> Any:
        """The result of a request, or of a piece."""
        self.until(lambda: pending.is_done)
        return pending.take()

    def settle(self) -> None:
        for _ in range(10):
            self.turn()
            settle(self.app)


@contextmanager
def network(monkeypatch: pytest.MonkeyPatch) -> Iterator[Network]:
    """Have clients connect to servers in memory, on a virtual clock."""
    for name in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.delenv(f"{name}_proxy".upper(), raising=False)
    monkeypatch.delenv("REQUEST_METHOD", raising=False)
    app = Component()
    net = Network(app)

    class Transport(TCPClient):
        """Reaches whom it dials at once."""

        @handler("connect")
        def connect(self, host: str, port: int, secure: bool = False, **kwargs: Any) -> None:
            target = self._target = _Target((host, port))
            target.take_tls(secure, kwargs)
            self.host, self.port = host, port
            try:
                end = net.dial((host, port))
            except OSError as problem:
                self._report(target, problem)
                return
            nothing: Any = None
            self._won(nothing, end)

        def _create_socket(self) -> Any:
            return None

    monkeypatch.setattr(sockets, "TCPClient", Transport)
    with VirtualClock(), app.running():
        settle(app)
        yield net
    for line in net.lines:
        line.close()
