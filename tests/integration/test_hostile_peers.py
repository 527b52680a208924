"""Clients that behave badly, before everything that a web server has to offer.

Whatever they do: others are answered meanwhile, and when they have gone, nothing is left of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import statistics
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from circuits.web import Controller, EventStream, Server, asgi, expose, wsgi
from tests.integration.hostile import fill, half_close, reset
from tests.integration.net_support import descriptors, dial, eventually, running
from tests.integration.web_support import Wire

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="needs /proc"),
]

PEERS = 6
PIECE = b"x" * 8192
#: What all peers of a test together may make a server keep.
MEMORY = 64 * 1024 * 1024


class Log:
    """How many bodies have begun, and how many of them have ended."""

    def __init__(self) -> None:
        self.begun = 0
        self.ended = 0


class Endless:
    """A body of a WSGI application."""

    def __init__(self, log: Log) -> None:
        self._log = log
        log.begun += 1

    def __iter__(self) -> Endless:
        return self

    def __next__(self) -> bytes:
        return PIECE

    def close(self) -> None:
        self._log.ended += 1


class Pages(Controller):
    def __init__(self, log: Log) -> None:
        super().__init__()
        self.log = log

    def page(self) -> str:
        return "page"

    async def pieces(self) -> AsyncIterator[bytes]:
        self.log.begun += 1
        try:
            while True:
                yield PIECE
        finally:
            self.log.ended += 1

    @expose("events")
    def ticks(self) -> EventStream:
        return EventStream(self._events(), heartbeat=0.01)

    async def _events(self) -> AsyncIterator[dict[str, Any]]:
        self.log.begun += 1
        try:
            for number in range(1_000_000):
                yield {"id": number, "data": "x" * 8192}
                if number % 100 == 99:
                    await asyncio.sleep(0.02)  # a heartbeat comes between
        finally:
            self.log.ended += 1

    def silence(self) -> EventStream:
        return EventStream(self._silence(), heartbeat=0.01)

    async def _silence(self) -> AsyncIterator[str]:
        self.log.begun += 1
        try:
            await asyncio.Event().wait()
            yield ""
        finally:
            self.log.ended += 1

    def gathered(self) -> str:
        return str(len(self.request.body.read()))

    def form(self, **fields: Any) -> str:
        return str(sorted(fields))

    @expose("taken", stream=True)
    async def taken(self) -> str:
        return str(sum([len(piece) async for piece in self.request.body]))


class Site:
    """A server that has everything, in a thread."""

    def __init__(self) -> None:
        self.log = log = Log()

        def wsgi_app(environ: dict[str, Any], start_response: Any) -> Any:
            start_response("200 OK", [])
            if environ["PATH_INFO"] == "/endless":
                return Endless(log)
            return [str(len(environ["wsgi.input"].read())).encode()]

        async def asgi_app(scope: Any, receive: Any, send: Any) -> None:
            log.begun += 1
            try:
                message = await receive()
                if scope["path"].endswith("/read"):
                    while message.get("more_body"):
                        message = await receive()
                await send({"type": "http.response.start", "status": 200, "headers": []})
                if scope["path"].endswith("/endless"):
                    while True:
                        piece = {"type": "http.response.body", "body": PIECE, "more_body": True}
                        await send(piece)
                await send({"type": "http.response.body", "body": b"read", "more_body": False})
            finally:
                log.ended += 1

        self.server = Server(("127.0.0.1", 0))
        wsgi.Gateway({"/wsgi": wsgi_app, "/late": wsgi_app}).register(self.server)
        wsgi.Gateway({"/threads": wsgi_app}, threads=2).register(self.server)
        asgi.Gateway({"/asgi": asgi_app}, lifespan=False).register(self.server)
        Pages(log).register(self.server)

    def others_are_answered(self) -> None:
        """Somebody comes, and somebody else stays."""
        port = self.server.port
        assert port is not None
        with Wire(port) as staying:
            for _ in range(5):
                assert staying.get("/page").body == b"page"
                with Wire(port) as coming:
                    assert coming.get("/page").body == b"page"

    def is_quiet(self) -> bool:
        return (
            not self.server.http._connections
            and not self.server.server._clients
            and not list(self.server._tree_engine.tasks)
            and self.log.begun == self.log.ended
        )

    @contextlib.contextmanager
    def rest(self) -> Iterator[None]:
        """Whatever happens in the block, nothing of it may be left."""
        files, threads, memory = descriptors(), set(threading.enumerate()), _rss()
        yield
        eventually(self.is_quiet, f"something is left: {self.log.__dict__}")
        assert descriptors() <= files
        new = {thread.name for thread in set(threading.enumerate()) - threads}
        assert new <= {"wsgi-1", "wsgi-2"}  # they stay for the next calls
        assert _rss() - memory < MEMORY


def _rss() -> int:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    site = Site()
    with running(site.server):
        port = site.server.port
        assert port is not None
        with Wire(port) as wire:  # the first coroutine opens descriptors for all
            wire.send(b"POST /asgi/read HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\n\r\nx")
            assert wire.answer().body == b"read"
        eventually(site.is_quiet, "something is left of the first connection")
        yield site


LEAVE: list[Any] = [
    pytest.param(socket.socket.close, id="closes"),
    pytest.param(reset, id="resets"),
]

# -- in the middle of a response -------------------------------------------------------------------

ENDLESS = ["/pieces", "/events", "/silence", "/wsgi/endless", "/threads/endless", "/asgi/endless"]


def _vanish(sock: socket.socket, target: str) -> None:
    """Gone before anything is answered."""


def _read_nothing(sock: socket.socket, target: str) -> None:
    assert sock.recv(1)


def _read_slowly(sock: socket.socket, target: str) -> None:
    for _ in range(20):
        assert sock.recv(100)


def _only_send(sock: socket.socket, target: str) -> None:
    fill(sock, f"GET {target} HTTP/1.1\r\nHost: t\r\n\r\n".encode() * 100)


def _finish(sock: socket.socket, target: str) -> None:
    half_close(sock)
    assert sock.recv(1)


@pytest.mark.parametrize("leave", LEAVE)
@pytest.mark.parametrize("act", [_vanish, _read_nothing, _read_slowly, _only_send, _finish])
@pytest.mark.parametrize("target", ENDLESS)
def test_who_takes_no_response(
    site: Site, target: str, act: Callable[[socket.socket, str], None], leave: Any
) -> None:
    # With threads, more clients than threads wait for those before them.
    count = 2 if target == "/threads/endless" else PEERS
    with site.rest():
        socks = [dial(site.server.port) for _ in range(count)]
        for sock in socks:
            sock.sendall(f"GET {target} HTTP/1.1\r\nHost: t\r\n\r\n".encode())
            act(sock, target)
        site.others_are_answered()
        for sock in socks:
            leave(sock)
        site.others_are_answered()


def test_calls_wait_for_threads_and_are_forgotten_when_their_clients_go(site: Site) -> None:
    with site.rest():
        socks = [dial(site.server.port) for _ in range(PEERS)]
        for sock in socks:
            sock.sendall(b"GET /threads/endless HTTP/1.1\r\nHost: t\r\n\r\n")
        site.others_are_answered()
        for sock in reversed(socks):
            reset(sock)
            site.others_are_answered()


# -- in the middle of a request --------------------------------------------------------------------

_FORM = b"multipart/form-data; boundary=b"
_PART = b'--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n'
BODIES = ["/gathered", "/form", "/taken", "/wsgi/read", "/threads/read", "/asgi/read"]


def _begin(target: str, *fields: bytes) -> bytes:
    kind = _FORM if target == "/form" else b"application/octet-stream"
    lines = [b"POST %s HTTP/1.1" % target.encode(), b"Host: t", b"Content-Type: " + kind, *fields]
    return b"\r\n".join([*lines, b"", _PART if target == "/form" else b""])


def _in_the_head(sock: socket.socket, target: str) -> None:
    sock.sendall(_begin(target, b"Content-Length: 100000").partition(b"\r\n\r\n")[0])


def _in_the_body(sock: socket.socket, target: str) -> None:
    sock.sendall(_begin(target, b"Content-Length: 100000") + bytes(50_000))


def _in_a_large_body(sock: socket.socket, target: str) -> None:
    """Which is in a file, where it is gathered."""
    sock.sendall(_begin(target, b"Content-Length: 8000000"))
    sock.sendall(bytes(3_000_000))


def _in_a_chunk(sock: socket.socket, target: str) -> None:
    begin, mark, part = _begin(target, b"Transfer-Encoding: chunked").partition(b"\r\n\r\n")
    sock.sendall(begin + mark + b"%x\r\n%b\r\n" % (len(part) + 5, part + b"12345") + b"ff\r\nabc")


def _byte_by_byte(sock: socket.socket, target: str) -> None:
    for byte in _begin(target, b"Content-Length: 1000") + b"abc":
        sock.sendall(bytes([byte]))


def _without_an_end(sock: socket.socket, target: str) -> None:
    begin, mark, part = _begin(target, b"Transfer-Encoding: chunked").partition(b"\r\n\r\n")
    sock.sendall(begin + mark + (b"%x\r\n%b\r\n" % (len(part), part) if part else b""))
    fill(sock, b"10000\r\n" + bytes(65536) + b"\r\n")


ACTS = [_in_the_head, _in_the_body, _in_a_large_body, _in_a_chunk, _byte_by_byte, _without_an_end]


@pytest.mark.parametrize("data", [b"GET /page HTTP/1.1\r\nHost: t\r\n\r\n", b"1\r\nx\r\n"])
def test_a_crowd_that_sends_very_much_to_do(site: Site, data: bytes) -> None:
    with site.rest():
        socks = [dial(site.server.port) for _ in range(100)]
        for sock in socks:
            if data.startswith(b"1"):
                sock.sendall(_begin("/gathered", b"Transfer-Encoding: chunked"))
            sock.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                sock.send(data * 10_000)  # as much as is read at once, and more
        waits = []
        for _ in range(5):
            begin = time.monotonic()
            site.others_are_answered()
            waits.append((time.monotonic() - begin) / 10)
        for sock in socks:
            reset(sock)
        # Alone, it is milliseconds. One turn for each of them before would be a second or more.
        assert statistics.median(waits) < 0.3, waits


@pytest.mark.parametrize("leave", LEAVE)
@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("target", BODIES)
def test_who_sends_no_whole_request(
    site: Site, target: str, act: Callable[[socket.socket, str], None], leave: Any
) -> None:
    with site.rest():
        socks = [dial(site.server.port) for _ in range(PEERS)]
        for sock in socks:
            act(sock, target)
        site.others_are_answered()
        for sock in socks:
            leave(sock)
        site.others_are_answered()


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("target", BODIES)
def test_who_half_closes_in_the_middle_of_a_request_is_told(
    site: Site, target: str, act: Callable[[socket.socket, str], None]
) -> None:
    with site.rest():
        socks = [dial(site.server.port) for _ in range(PEERS)]
        for sock in socks:
            act(sock, target)
            half_close(sock)
        site.others_are_answered()
        for sock in socks:
            answer = b""
            with contextlib.suppress(ConnectionResetError):
                while data := sock.recv(65536):
                    answer += data
            assert answer[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 413")
            sock.close()
