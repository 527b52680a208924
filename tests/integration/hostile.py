"""Hostile clients, for any server: they read nothing, dribble, half-close, reset, flood, or say nothing.

A `Siege` starts a server in a process of its own, lets a crowd loose on it from another, and asks it
as any other client would meanwhile. `test_hostile_peers` has what a single one of them can do to a
request, in more detail.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import re
import selectors
import socket
import ssl
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests._wire.websocket_support import frame
from tests.integration import web_support

__all__ = [
    "ACTS",
    "SERVICES",
    "Service",
    "Siege",
    "besieged",
    "fill",
    "half_close",
    "reset",
]

SECONDS = 20.0
PROGRAM = Path(__file__).parent / "hostile_program.py"


def reset(sock: socket.socket) -> None:
    """End a connection without a farewell."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    sock.close()


def half_close(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it may have been refused already
        sock.shutdown(socket.SHUT_WR)


def fill(sock: socket.socket, data: bytes) -> None:
    """Send until nothing more is taken, and not much more than the system buffers."""
    sock.setblocking(False)
    with contextlib.suppress(BlockingIOError, ConnectionError):
        for _ in range(32 * 1024 * 1024 // len(data)):
            sock.send(data)
    sock.settimeout(SECONDS)


# -- what servers are asked ------------------------------------------------------------------------


@dataclass(frozen=True)
class Service:
    """What clients say to a kind of server.

    Attributes:
        kind: As the program calls it.
        request: What a good client asks.
        answer: What it waits for.
        large: What asks for much.
        flood: What has no end when it is repeated.
        greeting: What comes first on a connection.
        greeted: How the answer to that ends.
        is_tls: Whether all is in TLS.
    """

    kind: str
    request: bytes
    answer: bytes
    large: bytes
    flood: bytes
    greeting: bytes = b""
    greeted: bytes = b""
    is_tls: bool = False


def _get(target: str) -> bytes:
    return f"GET {target} HTTP/1.1\r\nHost: t\r\n\r\n".encode()


_CHUNK = b"4000\r\n" + bytes(0x4000) + b"\r\n"
_UPLOAD = b"POST /%b HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\nContent-Type: %b\r\n\r\n"
_PART = b'--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n'
_FORM = _UPLOAD % (b"form", b"multipart/form-data; boundary=b") + b"%x\r\n%b\r\n" % (
    len(_PART),
    _PART,
)
_SHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: t\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
_PACKET = b'{"id": 1, "name": "greet", "args": ["%b"], "kwargs": {}, "channels": ["*"]}\r\n\r\n'

SERVICES: dict[str, Service] = {
    service.kind: service
    for service in (
        Service("tcp", b"ping", b"ping", bytes(65536), bytes(8192)),
        Service("unix", b"ping", b"ping", bytes(65536), bytes(8192)),
        Service("tls", b"ping", b"ping", bytes(65536), bytes(8192), is_tls=True),
        Service("udp", b"ping", b"ping", bytes(1000), bytes(1000)),
        Service("line", b"ping\r\n", b"ping\n", (b"x" * 999 + b"\n") * 30, b"x" * 8192),
        Service("irc", b"PING :me\r\n", b"PONG", b"PRIVMSG x :%b\r\n" % (b"x" * 400), b"x" * 8192),
        # Each byte costs an event, so these are handed out in shares.
        Service("lines", b"ping\r\n", b"ping\n", b"x\n" * 4000, b"x\n" * 4000),
        Service("pings", b"PING :me\r\n", b"PONG", b"PING :me\r\n" * 500, b"PING :me\r\n" * 500),
        Service("node", _PACKET % b"x", b"hello", _PACKET % (b"x" * 8192), b"\0\0\0\2{}" * 1000),
        Service("http", _get("/page"), b"page", _get("/large"), _get("/large") * 16),
        Service("https", _get("/page"), b"page", _get("/large"), _get("/large") * 16, is_tls=True),
        Service("pieces", _get("/page"), b"page", _get("/pieces"), _get("/pieces") * 16),
        Service("sse", _get("/page"), b"page", _get("/ticks"), _get("/ticks") * 16),
        Service("uploads", _get("/page"), b"page", _FORM, _FORM + _CHUNK * 50),
        Service(
            "taken",
            _get("/page"),
            b"page",
            _UPLOAD % (b"taken", b"x/x"),
            _UPLOAD % (b"taken", b"x/x") + _CHUNK * 50,
        ),
        Service("wsgi", _get("/page"), b"page", _get("/large"), _get("/large") * 16),
        Service("asgi", _get("/page"), b"page", _get("/large"), _get("/large") * 16),
        Service(
            "websocket",
            frame(1, b"ping"),
            b"\x81\x04ping",
            frame(2, bytes(65536)),
            frame(2, bytes(4096), final=False) + frame(0, b"") + frame(9, b"x" * 100) * 20,
            _SHAKE,
            b"\r\n\r\n",
        ),
    )
}


def _connect(service: Service, address: Any) -> socket.socket:
    if service.kind == "unix":
        sock = socket.socket(socket.AF_UNIX)
    elif service.kind == "udp":
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    else:
        sock = socket.socket()
    try:
        sock.settimeout(SECONDS)
        sock.connect(address)
        if service.is_tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            sock = context.wrap_socket(sock)
    except BaseException:
        sock.close()
        raise
    return sock


# -- the crowd, in a process of its own ------------------------------------------------------------

ACTS = ("reads nothing", "dribbles", "half-closes", "resets", "floods", "is silent")
_BUSY = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class _Hostile:
    """One hostile client, which comes again when it was thrown out."""

    def __init__(self, service: Service, address: Any, act: str) -> None:
        self.service, self.address, self.act = service, address, act
        self.sock: socket.socket | None = None
        self.left = b""
        self.turns = 0

    def step(self) -> None:
        """Do a little of what it does."""
        try:
            if self.sock is None:
                self.sock = _connect(self.service, self.address)
                self.sock.setblocking(False)
                self.left = self.service.greeting
                self.turns = 0
            self.turns += 1
            getattr(self, "_" + self.act.replace(" ", "_").replace("-", "_"))()
        except _BUSY:
            pass
        except OSError:
            self.leave()

    def leave(self) -> None:
        if self.sock is not None:
            reset(self.sock)
            self.sock = None

    def _send(self, more: bytes, most: int = 65536) -> None:
        assert self.sock is not None
        if not self.left:
            self.left = more
        sent = self.sock.send(self.left[:most])
        self.left = self.left[sent:]

    def _drop(self) -> None:
        assert self.sock is not None
        for _ in range(4):
            if not self.sock.recv(65536) and self.service.kind != "udp":
                self.leave()
                return

    def _reads_nothing(self) -> None:
        self._send(self.service.large)

    def _dribbles(self) -> None:
        self._send(self.service.request, 1)
        self._drop()

    def _half_closes(self) -> None:
        if self.turns <= 2:
            self._send(self.service.large)
        elif self.turns == 3:
            assert self.sock is not None
            half_close(self.sock)
        elif self.turns > 50:
            self._drop()

    def _resets(self) -> None:
        self._send(self.service.large)
        if self.turns % 3 == 0:
            self.leave()

    def _floods(self) -> None:
        with contextlib.suppress(*_BUSY):
            self._send(self.service.flood)
        self._drop()

    def _is_silent(self) -> None:
        assert self.sock is not None
        if self.turns % 100 == 0 and not self.sock.recv(1):
            self.leave()


def _crowd(kind: str, address: Any, count: int, pipe: Any) -> None:
    """Let them loose until something comes through the pipe."""
    service = SERVICES[kind]
    peers = [_Hostile(service, address, ACTS[i % len(ACTS)]) for i in range(count)]
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        is_first = True
        while not selector.select(0 if is_first else 0.01):
            for peer in peers:
                peer.step()
            if is_first:
                pipe.send("all are there")
                is_first = False
    for peer in peers:
        peer.leave()


# -- the siege -------------------------------------------------------------------------------------


@dataclass
class Siege:
    """A server in a process, and what is seen of it.

    Attributes:
        service: What it serves.
        address: Where.
        pid: Its process.
        latencies: Seconds that other clients have waited, for each answer.
        most_memory: The most memory that was seen, in bytes.
    """

    service: Service
    address: Any
    pid: int
    latencies: list[float] = field(default_factory=list)
    most_memory: int = 0
    lost: int = 0

    def memory(self) -> int:
        with open(f"/proc/{self.pid}/statm") as statm:
            found = int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        self.most_memory = max(self.most_memory, found)
        return found

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def ask(self) -> None:
        """Come as any other client, ask, and go; keeps how long it took from the request on."""
        with _connect(self.service, self.address) as sock:
            if self.service.kind == "udp":
                sock.settimeout(0.5)
            if self.service.greeting:
                sock.sendall(self.service.greeting)
                _read_until(sock, self.service.greeted)
            begun = time.monotonic()
            sock.sendall(self.service.request)
            try:
                _read_until(sock, self.service.answer)
            except TimeoutError:
                if self.service.kind != "udp":
                    raise
                self.lost += 1  # as datagrams may be
                return
            self.latencies.append(time.monotonic() - begun)

    @contextlib.contextmanager
    def crowd(self, count: int) -> Iterator[None]:
        """Have so many hostile clients while the block runs."""
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe()
        process = context.Process(
            target=_crowd, args=(self.service.kind, self.address, count, there)
        )
        process.start()
        try:
            there.close()
            assert here.poll(3 * SECONDS), "the crowd did not come"
            here.recv()
            yield
            here.send("enough")
            process.join(SECONDS)
            assert process.exitcode == 0, process.exitcode
        finally:
            here.close()
            if process.is_alive():
                process.kill()
                process.join()

    def endure(self, count: int, seconds: float) -> None:
        """Be besieged for some time, and answer others meanwhile."""
        with self.crowd(count):
            end = time.monotonic() + seconds
            while time.monotonic() < end or not self.latencies:
                self.ask()
                self.memory()

    def settle(self, descriptors: int) -> int:
        """How many descriptors are left over, once the last connection had time to go."""
        deadline = time.monotonic() + SECONDS
        while (left := self.descriptors() - descriptors) > 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        return max(0, left)

    @property
    def median(self) -> float:
        return statistics.median(self.latencies)


def _read_until(sock: socket.socket, end: bytes) -> None:
    seen = b""
    while end not in seen:
        data = sock.recv(65536)
        assert data, f"the server closed before {end!r}: {seen!r}"
        seen += data


@contextlib.contextmanager
def besieged(kind: str, folder: Path, certificate: str = "") -> Iterator[Siege]:
    """Start a server of a kind; in the end it must stop by itself when it is asked to."""
    service = SERVICES[kind]
    path = folder / "socket"
    path.unlink(missing_ok=True)
    arguments = [str(path)] if kind == "unix" else [certificate] if service.is_tls else []
    greeting = re.compile(rb"serving (\d+)\n")
    log = folder / f"{kind}.log"
    command = json.dumps([kind, str(log), *arguments])
    with web_support.running(PROGRAM, command, greeting=greeting) as program:
        address: Any = str(path) if kind == "unix" else ("127.0.0.1", program.port)
        siege = Siege(service, address, program.process.pid)
        # What is made for the first one stays, and so does the loop of the first coroutine.
        siege.ask()
        with _connect(service, address) as sock:
            sock.sendall(service.greeting + service.large)
            if service.kind != "udp" and service.answer == b"page":
                sock.settimeout(0.2)
                with contextlib.suppress(TimeoutError):
                    sock.recv(1)
        siege.ask()
        siege.latencies.clear()
        yield siege
    assert "Traceback" not in log.read_text(), log.read_text()[:2000]
    assert "ERROR" not in log.read_text(), log.read_text()[:2000]
