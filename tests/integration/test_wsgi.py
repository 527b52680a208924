"""WSGI over sockets: threads that block, clients that do not read, clients that go."""

from __future__ import annotations

import contextlib
import http.client
import socket
import struct
import threading
import wsgiref.simple_server
from collections.abc import Callable, Iterator
from typing import Any
from wsgiref.validate import validator

import pytest

from circuits import BaseComponent, handler
from circuits.web import BaseServer, Controller, Server
from circuits.web.wsgi import Application, Gateway
from tests.integration.web_support import SECONDS, Wire

pytestmark = pytest.mark.integration


@contextlib.contextmanager
def serving(apps: Any, *parts: BaseComponent, threads: int = 4) -> Iterator[BaseServer]:
    server = Server(("127.0.0.1", 0))
    server.stop_timeout = 5
    for part in (Gateway(apps, threads=threads), *parts):
        part.register(server)
    server.start()
    try:
        yield server
    finally:
        server.stop()
        server.join()


def port(server: BaseServer) -> int:
    assert server.port is not None
    return server.port


class Errors(BaseComponent):
    """Takes the errors that a test expects, so that nobody logs them."""

    @handler("error", channel="*")
    def _on_error(self, *args: Any) -> None:
        pass


class Root(Controller):
    def page(self) -> str:
        return "page"


def wait_for(event: threading.Event) -> None:
    assert event.wait(SECONDS), "it has not happened"


# -- threads -----------------------------------------------------------------------------------------


def test_applications_run_at_the_same_time_as_each_other_and_the_loop() -> None:
    barrier = threading.Barrier(4)

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        barrier.wait(SECONDS)  # passes when all four are here
        start_response("200 OK", [])
        return [str(environ["wsgi.multithread"]).encode()]

    with serving({"/app": app}, Root()) as server, contextlib.ExitStack() as stack:
        wires = [stack.enter_context(Wire(port(server))) for _ in range(3)]
        for wire in wires:
            wire.send(b"GET /app HTTP/1.1\r\nHost: test\r\n\r\n")
        with Wire(port(server)) as other:
            assert other.get("/page").body == b"page"  # three block, and nobody notices
            assert other.get("/app").body == b"True"
        assert [wire.answer().body for wire in wires] == [b"True"] * 3


def test_more_calls_than_threads_wait_for_one() -> None:
    running: list[int] = []
    most: list[int] = []
    lock = threading.Lock()

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        with lock:
            running.append(1)
            most.append(len(running))
        start_response("200 OK", [])
        with lock:
            running.pop()
        return [environ["PATH_INFO"].encode()]

    with serving(app, threads=2) as server, contextlib.ExitStack() as stack:
        wires = [stack.enter_context(Wire(port(server))) for _ in range(20)]
        for number, wire in enumerate(wires):
            wire.send(f"GET /{number} HTTP/1.1\r\nHost: test\r\n\r\n".encode())
        assert [wire.answer().body for wire in wires] == [f"/{n}".encode() for n in range(20)]
    assert max(most) <= 2


def test_threads_end_with_the_application() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [threading.current_thread().name.encode()]

    with serving(app) as server, Wire(port(server)) as wire:
        name = wire.get("/").body.decode()
        (thread,) = [t for t in threading.enumerate() if t.name == name]
        assert name.startswith("wsgi-")
    thread.join(SECONDS)
    assert not thread.is_alive()


@pytest.mark.parametrize("kind", ["list", "iterator", "write", "both", "lazy"])
def test_every_way_to_give_a_body(kind: str) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        write = start_response("200 Fine", [("X-A", "1"), ("Content-Type", "a/b")])
        if kind == "list":
            return [b"a", b"b"]
        if kind in ("write", "both"):
            write(b"a")
        if kind == "both":
            return iter([b"", b"b"])
        return [b"b"] if kind == "write" else iter([b"a", b"b"])

    def lazy(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 Fine", [("X-A", "1"), ("Content-Type", "a/b")])
        yield b"a"
        yield b"b"

    # The validator makes an iterator of everything.
    checked = app if kind == "list" else validator(lazy if kind == "lazy" else app)
    with serving(checked) as server, Wire(port(server)) as wire:
        for _ in range(3):
            answer = wire.get("/")
            assert (answer.line, answer["X-A"], answer.body) == ("HTTP/1.1 200 Fine", "1", b"ab")
            assert answer["Content-Length"] == ("2" if kind == "list" else None)


def test_pieces_leave_when_they_are_made() -> None:
    seen = threading.Event()

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        write = start_response("200 OK", [])
        write(b"one")
        wait_for(seen)
        yield b"two"

    def written(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [])(b"one")
        wait_for(seen)
        return [b"two"]

    for each in (app, written):
        seen.clear()
        with serving(each) as server, Wire(port(server)) as wire:
            wire.send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
            if each is app:  # its head is sent with the first piece that it gives
                seen.set()
            wire.until(b"one")
            seen.set()
            wire.until(b"two")


def test_an_error_before_the_head_is_500_and_after_it_cuts(capfd: Any) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        if environ["PATH_INFO"] == "/late":
            start_response("200 OK", [])(b"begun")
        raise KeyError("broken")

    with serving(app, Errors()) as server, Wire(port(server)) as wire:
        assert wire.get("/").code == 500
        with Wire(port(server)) as late, pytest.raises((EOFError, ConnectionResetError)):
            late.get("/late")
    assert capfd.readouterr().err.count("KeyError: 'broken'") == 2


# -- clients -------------------------------------------------------------------------------------------


class Endless:
    """A body without an end, which says how it goes."""

    def __init__(self) -> None:
        self.pieces = 0
        self.closes = 0
        self.is_closed = threading.Event()

    def __iter__(self) -> Endless:
        return self

    def __next__(self) -> bytes:
        self.pieces += 1
        return b"x" * 65536

    def close(self) -> None:
        self.closes += 1
        self.is_closed.set()


def reset(wire: Wire) -> None:
    wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.sock.close()


@pytest.mark.parametrize("threads", [0, 2])
@pytest.mark.parametrize("leave", [lambda wire: wire.sock.close(), reset], ids=["close", "reset"])
def test_a_client_that_goes_ends_the_body(threads: int, leave: Callable[[Wire], None]) -> None:
    body = Endless()

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [])
        return body

    with serving({"/app": app}, Root(), threads=threads) as server:
        wire = Wire(port(server))
        wire.send(b"GET /app HTTP/1.1\r\nHost: test\r\n\r\n")
        wire.until(b"xxx")
        leave(wire)
        wait_for(body.is_closed)
        with Wire(port(server)) as other:
            assert other.get("/page").body == b"page"
    wait_for(body.is_closed)
    assert body.closes == 1


@pytest.mark.parametrize("threads", [0, 2])
def test_a_client_that_does_not_read_stops_the_body(threads: int) -> None:
    body = Endless()

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [])
        return body

    with serving({"/app": app}, Root(), threads=threads) as server, Wire(port(server)) as wire:
        wire.send(b"GET /app HTTP/1.1\r\nHost: test\r\n\r\n")
        wire.until(b"xxx")
        with Wire(port(server)) as other:
            # Whatever the kernel takes: at some time as much as before is made, and no more.
            before = -1
            while before != body.pieces:
                before = body.pieces
                for _ in range(50):
                    assert other.get("/page").body == b"page"
            assert body.pieces * 65536 < 64 * 1024 * 1024
        made = body.pieces
        while body.pieces == made:  # it goes on when the client does
            wire.exactly(65536)
    wait_for(body.is_closed)
    assert body.closes == 1


def test_clients_that_do_not_read_pages_keep_no_thread() -> None:
    pieces = [bytes(8192)] * 128

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        return iter(pieces if environ["PATH_INFO"] == "/large" else [b"page"])

    with serving(app, threads=2) as server, contextlib.ExitStack() as stack:
        deaf = [stack.enter_context(Wire(port(server))) for _ in range(6)]
        for wire in deaf:  # more than what sockets hold, from each of them
            wire.send(b"GET /large HTTP/1.1\r\nHost: test\r\n\r\n" * 16)
        for _ in range(20):
            with Wire(port(server)) as other:
                assert other.get("/page").body == b"page"
        assert all(len(wire.answer().body) == 8192 * 128 for wire in deaf for _ in range(16))


def test_writing_to_a_client_that_has_gone_raises() -> None:
    raised = threading.Event()
    problems: list[BaseException] = []

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        write = start_response("200 OK", [])
        try:
            while True:
                write(b"x" * 65536)
        except OSError as problem:
            problems.append(problem)
            raised.set()
            raise

    with serving(app, threads=2) as server:
        wire = Wire(port(server))
        wire.send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
        wire.until(b"xxx")
        reset(wire)
        wait_for(raised)
    assert isinstance(problems[0], ConnectionResetError)


def test_a_request_in_flight_is_answered_at_stop() -> None:
    begun, stopped = threading.Event(), threading.Event()

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        begun.set()
        wait_for(stopped)
        start_response("200 OK", [])
        return [b"done"]

    class Stopped(BaseComponent):
        @handler("stopped", channel="*")
        def _on_stopped(self, *args: Any) -> None:
            stopped.set()

    with serving(app, Stopped()) as server, Wire(port(server)) as wire:
        wire.send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
        wait_for(begun)
        server.stop()
        assert wire.answer().body == b"done"


def test_a_large_body_comes_whole() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        data = environ["wsgi.input"].read()
        start_response("200 OK", [("Content-Length", str(len(data)))])
        return iter([data[n : n + 100_000] for n in range(0, len(data), 100_000)])

    data = bytes(range(256)) * 20_000
    with serving(app) as server:
        connection = http.client.HTTPConnection("127.0.0.1", port(server), timeout=SECONDS)
        with contextlib.closing(connection):
            for chunked in (False, True):
                body: Any = iter([data]) if chunked else data
                connection.request("POST", "/", body, encode_chunked=chunked)
                assert connection.getresponse().read() == data


def test_a_file_comes_whole(tmp_path: Any) -> None:
    data = bytes(range(256)) * 20_000
    (tmp_path / "f").write_bytes(data)

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"]((tmp_path / "f").open("rb"))

    for threads in (0, 2):
        with serving(app, threads=threads) as server, Wire(port(server)) as wire:
            answer = wire.get("/")
            assert answer["Content-Length"] == str(len(data))
            assert answer.body == data


# -- components behind another server --------------------------------------------------------------------


def test_components_in_the_server_of_the_standard_library() -> None:
    class Quiet(wsgiref.simple_server.WSGIRequestHandler):
        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    application = Application()
    Root().register(application)
    with wsgiref.simple_server.make_server(
        "127.0.0.1", 0, validator(application), handler_class=Quiet
    ) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            for _ in range(3):
                with Wire(server.server_port) as wire:
                    answer = wire.get("/page")
                    assert (answer.code, answer.body) == (200, b"page")
        finally:
            server.shutdown()
            thread.join(SECONDS)
            application.stop()
            application.join()
