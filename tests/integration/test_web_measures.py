"""Large bodies, thousands of connections and WebSockets: all are served, and memory stays.

The short form is part of the suite; `make nightly` moves a gigabyte, and opens ten times as many.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import resource
import select
import socket
import ssl
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.certificates import Certificates
from tests.integration.web_support import SECONDS, Answer, Program, Wire, running

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc"),
]

_IS_NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
if _IS_NIGHTLY:
    pytestmark.append(pytest.mark.nightly)  # what is not, and has no examples, is left out then
_BODY_BYTES = (1024 if _IS_NIGHTLY else 64) * 1024 * 1024
_CONNECTIONS = 5000 if _IS_NIGHTLY else 500
_WEBSOCKETS = 2000 if _IS_NIGHTLY else 200

#: What a transfer may take of memory, and a connection, and a WebSocket.
_GROWTH_BYTES = 16 * 1024 * 1024
_CONNECTION_BYTES = 4096
_WEBSOCKET_BYTES = 12 * 1024

_PIECE = bytes(range(256)) * 256

_SITE = """
import gc, hashlib, os
from circuits.web import Controller, Server, expose
from circuits.web.websockets import broadcast

PIECE = bytes(range(256)) * 256

class Root(Controller):
    def __init__(self):
        super().__init__()
        self.everybody = set()

    def index(self):
        return "x"

    def memory(self):
        gc.collect()
        with open("/proc/self/status") as lines:
            found = dict(line.split(":", 1) for line in lines)
        return {"now": int(found["VmRSS"].split()[0]), "most": int(found["VmHWM"].split()[0])}

    @expose(stream=True)
    async def take(self):
        digest = hashlib.sha256()
        async for piece in self.request.body:
            digest.update(piece)
        return digest.hexdigest()

    def keep(self, file, note):
        digest = hashlib.sha256()
        while piece := file.file.read(65536):
            digest.update(piece)
        return digest.hexdigest() + note

    async def give(self, pieces: int):
        for _ in range(pieces):
            yield PIECE

    def give_plain(self, pieces: int):
        self.response.stream = True
        self.response.body = (PIECE for _ in range(pieces))
        return self.response

    @expose.websocket
    async def ws(self, websocket):
        self.everybody.add(websocket)
        try:
            async for message in websocket:
                await websocket.send(message)
        finally:
            self.everybody.discard(websocket)

    def tell(self, text):
        broadcast(self.everybody, text)
        return str(len(self.everybody))
"""


class SecureWire(Wire):
    """A connection that may be one of TLS."""

    def __init__(self, port: int, context: ssl.SSLContext | None) -> None:
        super().__init__(port)
        if context is not None:
            self.sock = context.wrap_socket(self.sock, server_hostname="localhost")


class Site:
    """The program, and how it is connected to."""

    def __init__(self, program: Program, context: ssl.SSLContext | None) -> None:
        self._program = program
        self._context = context
        self.port = program.port

    def connect(self) -> Wire:
        return SecureWire(self.port, self._context)

    def memory(self, which: str) -> int:
        """How many bytes it has, or has had at most."""
        import json

        with self.connect() as wire:
            found: int = json.loads(wire.get("/memory").body)[which]
            return found * 1024


@contextlib.contextmanager
def _serving(folder: Path, context: ssl.SSLContext | None, *options: str) -> Iterator[Site]:
    (folder / "measured.py").write_text(_SITE)
    command = ["-m", "circuits.web", "-b", "127.0.0.1:0", "--access-log", "access.log", *options]
    command += ["--limit-body-bytes", "none", "measured:Root"]
    with running(*command, cwd=folder) as program:
        yield Site(program, context)
    assert (folder / "access.log").read_text()


@pytest.fixture(scope="module", params=["plain", "tls"])
def site(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    certificates: Certificates,
) -> Iterator[Site]:
    context, options = None, []
    if request.param == "tls":
        context = ssl.create_default_context(cafile=certificates.authority)
        options = ["--certfile", str(certificates.server)]
    with _serving(tmp_path_factory.mktemp("site"), context, *options) as served:
        yield served


# -- large bodies ----------------------------------------------------------------------------------


def _expected(number: int) -> str:
    digest = hashlib.sha256()
    for _ in range(number):
        digest.update(_PIECE)
    return digest.hexdigest()


def _send(wire: Wire, how: str, number: int) -> Answer:
    size = number * len(_PIECE)
    head, tail = b"POST /take HTTP/1.1\r\nHost: a\r\n", b""
    if how == "chunked":
        wire.send(head + b"Transfer-Encoding: chunked\r\n\r\n")
        for _ in range(number):
            wire.send(b"%x\r\n%b\r\n" % (len(_PIECE), _PIECE))
        return wire.send(b"0\r\n\r\n").answer()
    if how == "multipart":
        before = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        tail = b'\r\n--x\r\nContent-Disposition: form-data; name="note"\r\n\r\nn\r\n--x--\r\n'
        size += len(before) + len(tail)
        head = (
            b"POST /keep HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=x\r\n"
        )
        head += b"Content-Length: %d\r\n\r\n%b" % (size, before)
    else:
        head += b"Content-Length: %d\r\n\r\n" % size
    wire.send(head)
    for _ in range(number):
        wire.send(_PIECE)
    return wire.send(tail).answer()


@pytest.mark.parametrize("how", ["length", "chunked", "multipart"])
def test_an_upload_takes_no_memory(how: str, site: Site) -> None:
    with site.connect() as wire:
        assert _send(wire, how, 40).code == 200
        before = site.memory("most")
        number = _BODY_BYTES // len(_PIECE)
        answer = _send(wire, how, number)
        assert answer.body.decode() == _expected(number) + ("n" if how == "multipart" else "")
    assert site.memory("most") - before < _GROWTH_BYTES


@pytest.mark.parametrize("how", ["give", "give_plain"])
def test_a_download_takes_no_memory(how: str, site: Site) -> None:
    def fetch(number: int) -> None:
        wire.send(f"GET /{how}?pieces={number} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        wire.until(b"\r\n\r\n")
        received = 0
        digest = hashlib.sha256()
        while size := int(wire.until(b"\r\n"), 16):
            digest.update(wire.exactly(size))
            wire.exactly(2)
            received += size
        wire.exactly(2)
        assert received == number * len(_PIECE)
        assert digest.hexdigest() == _expected(number)

    with site.connect() as wire:
        fetch(40)
        before = site.memory("most")
        fetch(_BODY_BYTES // len(_PIECE))
    assert site.memory("most") - before < _GROWTH_BYTES


# -- many connections ------------------------------------------------------------------------------


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Site]:
    """One that nobody has asked for much before."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard < _CONNECTIONS + 200:
        pytest.skip(f"needs {_CONNECTIONS + 200} descriptors per process; the limit is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with _serving(tmp_path, None) as served:
        yield served


def _all_say(socks: list[socket.socket], words: bytes) -> None:
    """Each gets exactly that, in whatever order."""
    poll, by_number = select.poll(), {sock.fileno(): sock for sock in socks}
    seen = dict.fromkeys(by_number, b"")
    for number in by_number:
        poll.register(number, select.POLLIN)
    while by_number:
        ready = poll.poll(SECONDS * 1000)
        assert ready, f"{len(by_number)} of {len(socks)} got nothing"
        for number, _ in ready:
            data = by_number[number].recv(65536)
            assert data, "a connection was closed"
            seen[number] += data
            if len(seen[number]) >= len(words):
                poll.unregister(number)
                del by_number[number]
    assert set(seen.values()) == {words}


def test_connections_that_are_kept(alone: Site) -> None:
    request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(alone.connect())
        for _ in range(100):
            first.get("/")
        before = alone.memory("now")
        socks = []
        for _ in range(_CONNECTIONS):
            sock = stack.enter_context(alone.connect()).sock
            sock.sendall(request)
            socks.append(sock)
        _skip_answers(socks)
        each = (alone.memory("now") - before) / _CONNECTIONS
        for sock in socks:  # all are there still, and all are answered again
            sock.sendall(request)
        _skip_answers(socks)
        print(f"{each:.0f} bytes each")
        assert each <= _CONNECTION_BYTES


def _skip_answers(socks: list[socket.socket]) -> None:
    for sock in socks:
        answer = b""
        while not answer.endswith(b"\r\n\r\nx"):
            data = sock.recv(65536)
            assert data, "a connection was closed"
            answer += data
        assert answer.startswith(b"HTTP/1.1 200 ")


def test_websockets_all_hear_what_is_broadcast(alone: Site) -> None:
    handshake = (
        b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    with contextlib.ExitStack() as stack:
        control = stack.enter_context(alone.connect())

        def dial() -> socket.socket:
            wire = stack.enter_context(Wire(alone.port))
            wire.send(handshake).until(b"\r\n\r\n")
            wire.send(b"\x81\x82\0\0\0\0ok")
            assert wire.exactly(4) == b"\x81\x02ok"
            return wire.sock

        socks = [dial()]
        before = alone.memory("now")
        socks += [dial() for _ in range(_WEBSOCKETS)]
        each = (alone.memory("now") - before) / _WEBSOCKETS
        for number in range(5):
            text = f"{number}" * 200
            assert control.get(f"/tell?text={text}").body == str(len(socks)).encode()
            _all_say(socks, b"\x81\x7e" + struct.pack("!H", len(text)) + text.encode())
        for sock in socks:  # and each is heard by itself
            sock.sendall(b"\x81\x82\0\0\0\0me")
        _all_say(socks, b"\x81\x02me")
        print(f"{each:.0f} bytes each")
        assert each <= _WEBSOCKET_BYTES
