"""A server over real sockets: what costs time, descriptors or trust."""

from __future__ import annotations

import gc
import os
import random
import select
import socket
import ssl
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from circuits import Event, sleep
from circuits.core.manager import Manager
from circuits.testing import Recorder
from circuits.web import BaseServer, Controller, Server, expose
from tests.certificates import Certificates
from tests.integration.web_support import SECONDS, Wire, running

_FOLDER = Path("/proc/self/fd")
_SERVED = random.Random(1).randbytes(9_000_000)


class Root(Controller):
    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def index(self) -> str:
        return "index"

    def file(self) -> Any:
        return (self.folder / "large").open("rb")

    def served(self) -> Any:
        return self.serve_file(str(self.folder / "served"))

    def echo(self) -> Any:
        return self.request.body.read()

    def huge(self) -> bytes:
        return b"h" * 75_000_000

    def broken(self) -> Any:
        def pieces() -> Iterator[str]:
            yield "some"
            raise RuntimeError("broken")

        self.response.body = pieces()
        return self.response

    def halts(self) -> Any:
        async def pieces() -> Any:
            yield b"some"
            await sleep(1000)

        self.response.stream = True
        self.response.body = pieces()
        return self.response

    def endless(self) -> Any:
        self.response.body = iter([b"e" * 50_000] * 4000)
        return self.response

    def slow(self) -> Any:
        yield sleep(0.2)
        yield "slow"

    @expose(stream=True)
    async def upload(self, pause: str = "") -> str:
        if pause:
            await sleep(float(pause))
        return str(sum([len(piece) async for piece in self.request.body]))

    @expose(stream=True)
    def early(self) -> str:
        return "enough"


class Runner:
    """An application in a thread."""

    def __init__(self, app: Manager, server: BaseServer) -> None:
        self.app = app
        self.server = server

    def connect(self) -> Wire:
        assert self.server.port is not None
        return Wire(self.server.port)

    def __enter__(self) -> Runner:
        watch = Recorder("started").register(self.app)
        self.app.start()
        watch.wait_for("started")
        return self

    def __exit__(self, *problem: object) -> None:
        self.app.stop()
        self.app.join()


def _runner(folder: Path, **options: Any) -> Runner:
    (folder / "large").write_bytes(b"x" * 4_000_000)
    (folder / "served").write_bytes(_SERVED)
    server = Server(("127.0.0.1", 0), **options)
    Root(folder).register(server)
    return Runner(server, server)


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[Runner]:
    with _runner(tmp_path) as runner:
        yield runner


# -- time ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [b"GET / HT", b"GET / HTTP/1.1\r\nHost: t\r\n", b"POST / HTTP/1.1\r\nHost: t\r\nContent-"],
)
def test_a_slow_head_is_answered_with_408(tmp_path: Path, data: bytes) -> None:
    with _runner(tmp_path, header_timeout=0.2) as runner, runner.connect() as wire:
        wire.send(data)
        answer = wire.answer()
        assert (answer.code, answer["Connection"]) == (408, "close")
        assert wire.is_closed()


def test_a_slow_body_is_answered_with_408(tmp_path: Path) -> None:
    with _runner(tmp_path, body_timeout=0.2) as runner, runner.connect() as wire:
        wire.send(b"POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nab")
        assert wire.answer().code == 408
        assert wire.is_closed()


@pytest.mark.parametrize("says", [b"", b"GET / HTTP/1.1\r\nHost: t\r\n\r\n"])
def test_an_idle_client_is_sent_away(tmp_path: Path, says: bytes) -> None:
    with _runner(tmp_path, header_timeout=0.2, idle_timeout=0.2) as runner:
        with runner.connect() as wire:
            if says:
                assert wire.send(says).answer().code == 200
            assert wire.is_closed()


def test_a_client_that_never_reads_is_given_up(tmp_path: Path) -> None:
    with _runner(tmp_path, write_timeout=0.4) as runner:
        with runner.connect() as wire:
            wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            wire.send(b"GET /file HTTP/1.1\r\nHost: t\r\n\r\n" * 3)
            _wait_until(lambda: runner.server.http._connections)
            _wait_until(lambda: not runner.server.http._connections)
            with runner.connect() as other:
                assert other.get("/").code == 200


def test_a_head_that_drips_is_given_up(tmp_path: Path) -> None:
    """Each byte on its own is progress, but not enough of it."""
    with _runner(tmp_path, header_timeout=0.3) as runner, runner.connect() as wire:
        for byte in b"GET / HTTP/1.1\r\nHost: t\r\nX: " + b"x" * 2000:
            wire.sock.sendall(bytes([byte]))
            if select.select([wire.sock], [], [], 0.01)[0]:
                break
        assert wire.answer().code == 408
        assert wire.is_closed()


def _encrypted(runner: Runner, certificates: Certificates) -> Wire:
    wire = runner.connect()
    context = ssl.create_default_context(cafile=certificates.authority)
    wire.sock = context.wrap_socket(wire.sock, server_hostname="localhost")
    return wire


def test_an_answer_before_the_end_of_a_body_is_seen_under_tls(
    tmp_path: Path, certificates: Certificates
) -> None:
    options = {"secure": True, "certfile": str(certificates.server), "body_bytes": 10}
    with _runner(tmp_path, **options) as runner, _encrypted(runner, certificates) as wire:
        wire.send(b"POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 3000000\r\n\r\n")
        wire.sock.sendall(b"x" * 3_000_000)
        assert wire.answer().code == 413
        assert wire.is_closed()


def test_a_file_is_encrypted(tmp_path: Path, certificates: Certificates) -> None:
    options = {"secure": True, "certfile": str(certificates.server)}
    with _runner(tmp_path, **options) as runner, _encrypted(runner, certificates) as wire:
        assert wire.get("/served").body == _SERVED


# -- answers of any size -----------------------------------------------------------------------------


@pytest.mark.parametrize("is_secure", [False, True])
def test_one_large_answer_arrives(
    tmp_path: Path, certificates: Certificates, is_secure: bool
) -> None:
    options: dict[str, Any] = {"secure": True, "certfile": str(certificates.server)}
    with _runner(tmp_path, **(options if is_secure else {})) as runner:
        with _encrypted(runner, certificates) if is_secure else runner.connect() as wire:
            wire.sock.sendall(b"GET /huge HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
            got = 0
            while data := wire.sock.recv(1 << 20):
                got += len(data)
    assert got > 75_000_000


@pytest.mark.usefixtures("handler_errors")
def test_a_body_without_length_that_breaks_off_is_reset(runner: Runner) -> None:
    with runner.connect() as wire:
        wire.sock.sendall(b"GET /broken HTTP/1.0\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            while wire.sock.recv(65536):
                pass


@pytest.mark.usefixtures("handler_errors")
def test_a_body_without_length_that_breaks_off_has_no_end_under_tls(
    tmp_path: Path, certificates: Certificates
) -> None:
    options: dict[str, Any] = {"secure": True, "certfile": str(certificates.server)}
    context = ssl.create_default_context(cafile=certificates.authority)
    with _runner(tmp_path, **options) as runner, runner.connect() as wire:
        wire.sock = sock = context.wrap_socket(
            wire.sock, server_hostname="localhost", suppress_ragged_eofs=False
        )
        sock.sendall(b"GET /broken HTTP/1.0\r\n\r\n")
        with pytest.raises((ssl.SSLEOFError, ConnectionResetError)):
            while sock.recv(65536):
                pass


@pytest.mark.parametrize("end", ["stop", "leave"])
def test_a_body_without_length_does_not_end_with_the_server(runner: Runner, end: str) -> None:
    runner.server.stop_timeout = 0.2
    with runner.connect() as wire:
        wire.sock.sendall(b"GET /halts HTTP/1.0\r\n\r\n")
        wire.until(b"\r\n\r\n")
        wire.exactly(4)
        if end == "stop":
            runner.server.stop()
        else:
            runner.server.fire(Event.create("Unregister", runner.server.http))
        with pytest.raises(ConnectionResetError):
            wire.sock.recv(65536)


def test_a_long_stream_needs_no_memory(tmp_path: Path, certificates: Certificates) -> None:
    options: dict[str, Any] = {"secure": True, "certfile": str(certificates.server)}
    runner = _runner(tmp_path, **options)
    Recorder("response_complete").register(runner.server)
    with runner, _encrypted(runner, certificates) as wire:
        wire.sock.sendall(b"GET /endless HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
        got = 0
        counts: list[int] = []
        while data := wire.sock.recv(1 << 20):
            got += len(data)
            if got > 20_000_000 * (len(counts) + 1):
                counts.append(len(gc.get_objects()))
    assert got > 200_000_000
    assert len(counts) == 10
    assert max(counts) < counts[0] + 2000  # 4000 pieces, of which each would leave several


# -- files -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("pause", [0.0, 0.001])
def test_a_file_arrives_whole_however_the_client_reads(runner: Runner, pause: float) -> None:
    with runner.connect() as wire:
        wire.send(b"GET /served HTTP/1.1\r\nHost: t\r\n\r\n")
        wire.until(b"\r\n\r\n")
        waiting = threading.Event()
        for start in range(0, len(_SERVED), 200_000):
            expected = _SERVED[start : start + 200_000]
            assert wire.exactly(len(expected)) == expected
            waiting.wait(pause)
        part = wire.get("/served", "Range: bytes=7000000-")
        assert (part.code, part.body) == (206, _SERVED[7_000_000:])


def test_a_file_that_shrinks_breaks_the_connection(runner: Runner, tmp_path: Path) -> None:
    with runner.connect() as wire:
        wire.send(b"GET /served HTTP/1.1\r\nHost: t\r\n\r\n").until(b"\r\n\r\n")
        os.truncate(tmp_path / "served", 5_000_000)
        assert len(wire.rest()) < len(_SERVED)


def test_a_file_that_shrinks_while_a_slow_client_waits(runner: Runner, tmp_path: Path) -> None:
    with runner.connect() as wire:
        wire.send(b"GET /served HTTP/1.1\r\nHost: t\r\n\r\n").until(b"\r\n\r\n")
        threading.Event().wait(0.2)  # until nothing more fits into the socket
        os.truncate(tmp_path / "served", 1_000)
        assert len(wire.rest()) < len(_SERVED)
        assert wire.is_closed()
    with runner.connect() as wire:
        assert wire.get("/").code == 200  # the server lives


def test_requests_behind_a_file_are_answered_after_it(runner: Runner) -> None:
    with runner.connect() as wire:
        wire.send(b"GET /served HTTP/1.1\r\nHost: t\r\n\r\n" * 2)
        wire.send(b"GET / HTTP/1.1\r\nHost: t\r\n\r\n")
        for _ in range(2):
            assert wire.answer().body == _SERVED
        assert wire.answer().code == 200


# -- uploads ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("pause", ["", "?pause=0.2"])
def test_a_streamed_upload_arrives_whole(runner: Runner, pause: str) -> None:
    size = 8_000_000
    with runner.connect() as wire:
        head = f"POST /upload{pause} HTTP/1.1\r\nHost: t\r\nContent-Length: {size}\r\n\r\n"
        wire.send(head.encode() + b"x" * size)
        assert wire.answer().body == str(size).encode()
        assert wire.get("/").code == 200


def test_a_streamed_upload_is_asked_for(runner: Runner) -> None:
    with runner.connect() as wire:
        wire.send(b"POST /upload HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\n")
        wire.send(b"Expect: 100-continue\r\n\r\n")
        assert wire.answer().code == 100
        assert wire.send(b"abc").answer().body == b"3"


@pytest.mark.parametrize(("target", "code"), [("/echo", 413), ("/early", 200)])
def test_an_answer_before_the_end_of_a_body_is_seen(runner: Runner, target: str, code: int) -> None:
    """The client still writes when the server has answered, and reads the answer afterwards."""
    size = runner.server.http.limits.body_bytes
    assert size is not None
    size += 1 if code == 413 else 0
    with runner.connect() as wire:
        wire.send(f"POST {target} HTTP/1.1\r\nHost: t\r\nContent-Length: {size}\r\n\r\n".encode())
        for _ in range(10):
            wire.sock.sendall(b"x" * 1_000_000)
        answer = wire.answer()
        assert (answer.code, answer["Connection"]) == (code, "close")
        assert wire.is_closed()


# -- descriptors -----------------------------------------------------------------------------------


def _open_descriptors() -> int:
    return len(os.listdir(_FOLDER))


def _wait_until_quiet(runner: Runner) -> None:
    with runner.connect() as wire:  # accepted after all that came before
        assert wire.get("/", "Connection: close").code == 200
    _wait_until(lambda: not (runner.server.http._connections or runner.server.server._clients))


def _wait_until(is_true: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS
    pause = threading.Event()
    while not is_true():
        assert time.monotonic() < deadline, "it does not come true"
        pause.wait(0.01)


@pytest.mark.skipif(not _FOLDER.exists(), reason="needs /proc")
@pytest.mark.parametrize("leaves", ["never", "in the answer", "in its body", "in the head"])
def test_descriptors_are_given_back(runner: Runner, leaves: str) -> None:
    def visit() -> None:
        with runner.connect() as wire:
            if leaves == "never":
                assert len(wire.get("/file").body) == 4_000_000
            elif leaves == "in the answer":
                wire.send(b"GET /file HTTP/1.1\r\nHost: t\r\n\r\n").until(b"\r\n\r\n")
            elif leaves == "in its body":
                wire.send(b"POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 9999999\r\n\r\n")
                wire.send(b"x" * 1_200_000)  # more than is kept in memory
            else:
                wire.send(b"GET / HTTP/1.1\r\n")

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        visit()
        _wait_until_quiet(runner)
        gc.collect()
        before = _open_descriptors()
        for _ in range(20 if leaves == "never" else 200):
            visit()
        _wait_until_quiet(runner)
        _wait_until(lambda: _open_descriptors() <= before)
        gc.collect()
    assert [warning for warning in caught if warning.category is ResourceWarning] == []


# -- trust -----------------------------------------------------------------------------------------

_SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: t\r\n\r\n"


def _post(*fields: bytes, body: bytes = b"") -> bytes:
    return b"\r\n".join([b"POST /echo HTTP/1.1", b"Host: t", *fields, b"", b""]) + body


_DESYNC = {
    "length and chunked": _post(
        b"Content-Length: 4", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"
    ),
    "chunked and length": _post(
        b"Transfer-Encoding: chunked", b"Content-Length: 4", body=b"0\r\n\r\n"
    ),
    "two lengths": _post(b"Content-Length: 4", b"Content-Length: 5", body=b"abcde"),
    "a list of lengths": _post(b"Content-Length: 4, 5", body=b"abcde"),
    "negative length": _post(b"Content-Length: -4", body=b"abcd"),
    "signed length": _post(b"Content-Length: +4", body=b"abcd"),
    "hexadecimal length": _post(b"Content-Length: 0x4", body=b"abcd"),
    "length with a blank": _post(b"Content-Length: 4 4", body=b"abcd"),
    "length with an underscore": _post(b"Content-Length: 1_0", body=b"abcdabcdab"),
    "empty length": _post(b"Content-Length: "),
    "xchunked": _post(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n"),
    "chunked twice": _post(
        b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"
    ),
    "identity": _post(b"Transfer-Encoding: identity", b"Content-Length: 4", body=b"abcd"),
    "chunked, identity": _post(b"Transfer-Encoding: chunked, identity", body=b"0\r\n\r\n"),
    "quoted chunked": _post(b'Transfer-Encoding: "chunked"', body=b"0\r\n\r\n"),
    "chunked with a tab inside": _post(b"Transfer-Encoding: \x0bchunked", body=b"0\r\n\r\n"),
    "blank before the colon": _post(b"Content-Length : 4", body=b"abcd"),
    "tab before the colon": _post(b"Transfer-Encoding\t: chunked", body=b"0\r\n\r\n"),
    "folded line": _post(b"Transfer-Encoding:\r\n chunked", body=b"0\r\n\r\n"),
    "bare line ends": b"POST /echo HTTP/1.1\nHost: t\nContent-Length: 4\n\nabcd",
    "one bare line end": b"POST /echo HTTP/1.1\r\nHost: t\nContent-Length: 4\r\n\r\nabcd",
    "chunk size with a prefix": _post(
        b"Transfer-Encoding: chunked", body=b"0x4\r\nabcd\r\n0\r\n\r\n"
    ),
    "chunk size with a sign": _post(b"Transfer-Encoding: chunked", body=b"+4\r\nabcd\r\n0\r\n\r\n"),
    "chunk size with a blank": _post(
        b"Transfer-Encoding: chunked", body=b" 4\r\nabcd\r\n0\r\n\r\n"
    ),
    "chunk size too large": _post(
        b"Transfer-Encoding: chunked", body=b"10000000000000004\r\nabcd\r\n0\r\n\r\n"
    ),
    "chunk without its end": _post(b"Transfer-Encoding: chunked", body=b"3\r\nabcd\r\n0\r\n\r\n"),
    "chunk with a bare end": _post(b"Transfer-Encoding: chunked", body=b"4\nabcd\r\n0\r\n\r\n"),
    "chunked in 1.0": (
        b"POST /echo HTTP/1.0\r\nHost: t\r\nConnection: keep-alive\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    "nul in a field": _post(b"Content-Length: 4\x00", body=b"abcd"),
    "length in the first line": b"POST /echo HTTP/1.1 \r\nHost: t\r\nContent-Length: 4\r\n\r\nabcd",
}


@pytest.mark.parametrize("name", _DESYNC)
def test_a_request_without_a_clear_end_is_refused(runner: Runner, name: str) -> None:
    with runner.connect() as wire:
        wire.send(_DESYNC[name] + _SMUGGLED)
        answer = wire.answer()
        assert answer.code in (400, 501)
        assert answer["Connection"] == "close"
        assert wire.is_closed()
    with runner.connect() as wire:
        assert wire.get("/").body == b"index"


# -- the end ---------------------------------------------------------------------------------------


def test_a_client_that_has_said_its_last_is_answered(runner: Runner) -> None:
    with runner.connect() as wire:
        wire.send(b"GET /slow HTTP/1.1\r\nHost: t\r\n\r\n")
        wire.sock.shutdown(socket.SHUT_WR)
        assert wire.answer().body == b"slow"
        assert wire.is_closed()


_PROGRAM = """
from circuits import sleep
from circuits.web import Controller, Server

class Root(Controller):
    def index(self):
        return "index"

    def slow(self):
        yield sleep(1)
        yield "slow"

    def stream(self):
        self.response.stream = True
        self.response.body = (f"{n};" * 2000 for n in range(500))
        return self.response

server = Server(("127.0.0.1", 0))
Root().register(server)
print(server.base + "/")
server.run()
"""


def test_fifty_requests_in_flight_survive_sigterm(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(_PROGRAM)
    with running(tmp_path / "program.py") as program:
        wires = [program.connect() for _ in range(50)]
        try:
            for number, wire in enumerate(wires):
                target = b"/stream" if number % 5 == 0 else b"/slow"
                wire.send(b"GET %b HTTP/1.1\r\nHost: t\r\n\r\n" % target)
            assert program.get("/").body == b"index"  # those before have been read by now
            began = time.monotonic()
            reader = threading.Thread(target=program.terminate)
            reader.start()
            answers = [wire.answer() for wire in wires]
            reader.join()
            assert time.monotonic() - began < SECONDS / 2
            assert program.process.returncode == 0, program.output
            assert [answer.code for answer in answers] == [200] * 50
            assert {len(answer.body) for answer in answers} == {
                len(b"slow"),
                sum(len(f"{n};") * 2000 for n in range(500)),
            }
            assert all(wire.is_closed() for wire in wires)
            assert program.output.count("\n") == 1, program.output
        finally:
            for wire in wires:
                wire.sock.close()
