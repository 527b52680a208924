"""Sessions with real peers, recorded, and replayed without them."""

from __future__ import annotations

import ast
import contextlib
import gc
import http.client
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from circuits import Component, Manager, Worker, handler
from circuits.app.recording import RecordingError
from circuits.core.pollers import BasePoller
from circuits.net.events import StartTLS
from circuits.net.sockets import TCPClient, TCPServer, Write
from circuits.testing import Recorder, replay
from circuits.web import Server
from circuits.web.client import Connect
from circuits.web.websocket import WebSocketClient
from circuits.web.websockets import WebSocketsDispatcher
from tests.certificates import Certificates
from tests.support import unused_port

from .net_support import eventually
from .recorded_apps import Caller, Echo, Note, Service, Site, Unknown, measured, recorded, unknown

_RUNS = 100
_SECONDS = 20.0


@contextlib.contextmanager
def running(app: Manager) -> Iterator[Recorder]:
    """Run an application in a thread, as long as the block takes."""
    watch = Recorder("started", "note", "beat", "disconnect", "error", "stopped").register(app)
    app.start()
    watch.wait_for("started")
    try:
        yield watch
    finally:
        app.stop()
        app.join()


def connected(app: Any) -> socket.socket:
    return socket.create_connection(("127.0.0.1", app.server.port), _SECONDS)


def answer(sock: socket.socket, question: bytes) -> bytes:
    sock.sendall(question)
    return sock.recv(4096)


def watched(make: Callable[[], Manager]) -> Callable[[], Manager]:
    """The same application as ``running`` makes."""

    def made() -> Manager:
        app: Manager = recorded("", make)
        Recorder("started", "note", "beat", "disconnect", "error", "stopped").register(app)
        return app

    return made


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "session.rec"


def test_a_session_with_a_server_is_the_same_each_time(path: Path) -> None:
    app = recorded(path, Service)
    heard: list[bytes] = []
    with running(app) as watch:
        for number in range(3):
            with connected(app) as sock:
                heard.append(sock.recv(100))
                heard += [answer(sock, b"%d" % n) for n in (number, 13)]
        watch.wait_for("beat")
        with connected(app) as sock:
            heard.append(sock.recv(100))
            sock.sendall(b"crash")
            watch.wait_for("error", KeyError)
    make = watched(Service)
    first = replay(path, make)
    assert b"".join(first.sent.values()) == b"".join(heard)
    assert first.diverged_at is None
    assert first.lost == []
    raised = ["LookupError('there is no 13', 13)"] * 3 + ["KeyError('crash')"]
    assert [repr(problem) for problem in first.errors] == raised
    assert first.recorded_errors[-1][1:] == (
        f"{Service.__module__}.Service.read",
        "KeyError",
        "'crash'",
    )
    for _ in range(_RUNS):
        again = replay(path, make)
        assert again.trace == first.trace
        assert again.sent == first.sent


def test_a_session_with_a_web_server_is_the_same_each_time(path: Path) -> None:
    app = recorded(path, Site)
    bodies = []
    with running(app):
        client = http.client.HTTPConnection("127.0.0.1", app.server.port, timeout=_SECONDS)
        cookies: dict[str, str] = {}
        for place in ("/", "/", "/squared/7", "/slowly/8", "/nowhere", "/crash", "/"):
            client.request("GET", place, headers=cookies)
            response = client.getresponse()
            if response.getheader("Set-Cookie"):
                cookies = {"Cookie": response.headers["Set-Cookie"].partition(";")[0]}
            bodies.append(response.read())
        client.close()

    make = watched(Site)
    first = replay(path, make)
    assert (first.diverged_at, first.lost) == (None, [])
    sent = b"".join(first.sent.values())
    assert all(body in sent for body in bodies)
    assert bodies[-1].startswith(b"visit 3 at ")
    assert bodies[3] == b"8 squared"
    assert len({replay(path, make).trace for _ in range(_RUNS)} | {first.trace}) == 1


def test_every_poller_can_be_recorded(path: Path, poller: BasePoller) -> None:
    app = recorded(path, partial(Service, poller))
    with running(app), connected(app) as sock:
        heard = sock.recv(100) + answer(sock, b"5")
    replayed = replay(path, watched(lambda: Service(type(poller)())))
    assert replayed.sent == {2: heard}
    assert (replayed.diverged_at, replayed.lost) == (None, [])


def test_results_of_processes_are_replayed_without_them(path: Path) -> None:
    app = recorded(path, partial(Service, process=True))
    with running(app), connected(app) as sock:
        heard = sock.recv(100) + answer(sock, b"5") + answer(sock, b"13")
    assert b"LookupError('there is no 13', 13)" in heard
    replayed = replay(path, watched(partial(Service, process=True)))
    assert replayed.sent == {2: heard}


def test_a_result_of_an_unknown_type_is_named(path: Path) -> None:
    class Asking(Component):
        def init(self) -> None:
            Worker().register(self)
            self.got: Any = None

        def note(self, text: str, payload: Any) -> Generator[Any, Any, None]:
            from circuits import Task

            value = yield self.call(Task(unknown), "worker")
            self.got = value.value
            self.stop()

    app = recorded(path, Asking)
    with running(app) as watch:
        app.fire(Note("go", None), app)
        watch.wait_for("stopped")
    assert isinstance(app.got, Unknown)
    replayed = replay(path, watched(Asking))
    (named,) = [text for text in replayed.lost if "unknown" in text]
    assert "the result of tests.integration.recorded_apps.unknown" in named
    assert "recorded_apps.Unknown" in named
    (problem,) = replayed.errors
    assert "not recorded" in str(problem)


@pytest.mark.parametrize("process", [False, True])
def test_jobs_that_are_over_are_not_kept(path: Path, process: bool) -> None:
    app = recorded(path, partial(Service, process=process))
    with running(app), connected(app) as sock:
        sock.recv(100)
        for number in range(5):
            answer(sock, b"%d" % number)
        gc.collect()
        jobs = [thing for thing in gc.get_objects() if type(thing).__name__ == "_Job"]
        assert len([job for job in jobs if job.owner.root is app]) <= 1  # that of a thread's frame


def test_datagrams_are_replayed(path: Path) -> None:
    app = recorded(path, Echo)
    with running(app), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(_SECONDS)
        for text in (b"one", b"", b"three"):
            sock.sendto(text, ("127.0.0.1", app.server.port))
            assert sock.recv(100) == text.upper()
    replayed = replay(path, watched(Echo))
    assert replayed.sent == {1: b"ONETHREE"}
    assert (replayed.diverged_at, replayed.lost) == (None, [])


def test_a_client_gets_its_names_and_its_server_from_the_recording(path: Path) -> None:
    server = Service()
    with running(server):
        caller = recorded(path, partial(Caller, server.server.port or 0))
        caller.run()
    assert caller.heard
    replayed = replay(path, partial(Caller, caller.port))  # nobody listens there any more
    assert isinstance(replayed.app, Caller)
    assert replayed.app.heard == caller.heard
    assert replayed.sent == {1: b"7"}


def test_a_client_that_finds_nobody(path: Path) -> None:
    port = unused_port()
    caller = recorded(path, partial(Caller, port))
    caller.run()
    assert "unreachable" in replay(path, partial(Caller, port)).trace


def test_what_other_threads_fire_is_replayed_in_its_place(path: Path) -> None:
    app = recorded(path, Service)
    with running(app) as watch, connected(app) as sock:
        sock.recv(100)
        watch.clear()
        (peer,) = app.server._clients
        for payload in ((1, "two", b"3"), {"a": {4.5}}, measured(3), KeyError("x"), app, peer):
            app.fire(Note("known", payload), "server")
        app.fire(Note("first", None), "server", priority=-1)
        app.fire(Note("unknown", Unknown()), "server")
        app.fire(Note("last", None), "server")
        while len(watch.named("note")) < 9:
            watch.wait_for("note", "last")
        assert sock.recv(100) == b"noted"
    replayed = replay(path, watched(Service))
    again = replayed.app
    assert isinstance(again, Service)
    kept = [(text, payload) for text, payload in app.notes if text != "unknown"]
    assert [text for text, _ in again.notes] == [text for text, _ in kept]
    payloads = [payload for text, payload in again.notes if text == "known"]
    assert payloads[:3] == [(1, "two", b"3"), {"a": {4.5}}, measured(3)]
    assert repr(payloads[3]) == "KeyError('x')"
    assert payloads[4] is again
    assert replayed.sent[2].endswith(b"noted")
    assert any("note, fired by another thread" in text for text in replayed.lost)


def test_a_recording_costs_a_stop_from_another_thread_nothing(path: Path) -> None:
    app = recorded(path, Service)
    with running(app), connected(app) as sock:
        sock.recv(100)
    assert app.recording.ended == "the application has ended"
    replayed = replay(path, watched(Service))
    assert replayed.ended == "the application has ended"
    assert replayed.trace.splitlines()[-1].endswith("closed [server] ()")


class Talker(Component):
    """A client that speaks WebSocket."""

    channel = "talk"

    def __init__(self, url: str) -> None:
        super().__init__()
        WebSocketClient(url, wchannel="talk").register(self)
        self.heard: list[str] = []

    def started(self, manager: Manager) -> None:
        self.fire(Connect(), "wsclient")

    def connected(self, *args: Any) -> None:
        self.fire(Write("hello"))

    def read(self, text: str) -> None:
        self.heard.append(text)
        self.stop()


class Chat(Component):
    channel = "ws"

    def read(self, sock: Any, text: str) -> None:
        self.fire(Write(sock, text.upper()))


def test_both_ends_of_a_websocket_are_replayed(tmp_path: Path) -> None:
    def site() -> Server:
        server = Server(("127.0.0.1", 0))
        server += WebSocketsDispatcher("/ws", wchannel="ws") + Chat()
        return server

    server = site()
    with running(server):
        url = f"ws://127.0.0.1:{server.port}/ws"
        make = partial(Talker, url)
        talker = recorded(tmp_path / "client.rec", make)
        talker.run()
    assert talker.heard == ["HELLO"]
    replayed = replay(tmp_path / "client.rec", make)
    assert isinstance(replayed.app, Talker)
    assert replayed.app.heard == ["HELLO"]
    assert (replayed.errors, replayed.diverged_at) == ([], None)
    assert replay(tmp_path / "client.rec", make).trace == replayed.trace

    app = recorded(tmp_path / "server.rec", site)
    with running(app):
        Talker(f"ws://127.0.0.1:{app.port}/ws").run()
    replayed = replay(tmp_path / "server.rec", watched(site))
    assert b"HELLO" in replayed.sent[2]
    assert (replayed.errors, replayed.diverged_at) == ([], None)


# -- TLS -----------------------------------------------------------------------------------------


class Secure(Component):
    """A server that speaks TLS, from the beginning or when it is asked to."""

    channel = "server"

    def __init__(self, certfile: Path, secure: bool = True) -> None:
        super().__init__()
        self.server = TCPServer(("127.0.0.1", 0), secure=secure, certfile=certfile).register(self)

    def read(self, sock: Any, data: bytes) -> bytes | None:
        if data == b"upgrade":
            self.fire(Write(sock, b"go on"))
            self.fire(StartTLS(sock))
            return None
        return data.upper()


class SecureCaller(Component):
    """A client that speaks TLS."""

    channel = "client"

    def __init__(self, port: int, authority: Path) -> None:
        super().__init__()
        self.port, self.authority = port, authority
        self.client = TCPClient().register(self)
        self.heard = b""

    def started(self, manager: Manager) -> None:
        self.client.connect("localhost", self.port, secure=True, ca_certs=self.authority)

    def connected(self, host: str, port: int) -> None:
        self.fire(Write(b"called"))

    def read(self, data: bytes) -> None:
        self.heard += data
        self.stop()


def secured(plain: socket.socket, certificates: Certificates) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=certificates.authority)
    return context.wrap_socket(plain, server_hostname="localhost")


def test_what_tls_carries_is_replayed(path: Path, certificates: Certificates) -> None:
    make = partial(Secure, certificates.server)
    app = recorded(path, make)
    large = bytes(range(97, 123)) * 10_000
    with running(app) as watch:
        with secured(connected(app), certificates) as sock:
            assert answer(sock, b"secret") == b"SECRET"
            sender = threading.Thread(target=sock.sendall, args=(large,))
            sender.start()
            heard = b""
            while len(heard) < len(large):
                heard += sock.recv(65536)
            sender.join()
        with connected(app) as plain:
            plain.sendall(b"no TLS at all\r\n")
            plain.recv(100)
        watch.wait_for("disconnect")
    first = replay(path, watched(make))
    assert first.sent == {2: b"SECRET" + large.upper()}
    assert (first.errors, first.lost, first.diverged_at) == ([], [], None)
    assert "socket_error" in first.trace
    assert {replay(path, watched(make)).trace for _ in range(5)} == {first.trace}


def test_an_upgrade_to_tls_is_replayed(path: Path, certificates: Certificates) -> None:
    make = partial(Secure, certificates.server, secure=False)
    app = recorded(path, make)
    with running(app), connected(app) as plain:
        assert answer(plain, b"upgrade") == b"go on"
        with secured(plain, certificates) as sock:
            assert answer(sock, b"secret") == b"SECRET"
    replayed = replay(path, watched(make))
    assert replayed.sent == {2: b"go onSECRET"}
    assert (replayed.errors, replayed.lost, replayed.diverged_at) == ([], [], None)


def test_a_client_with_tls_is_replayed(path: Path, certificates: Certificates) -> None:
    server = Secure(certificates.server)
    with running(server):
        make = partial(SecureCaller, server.server.port or 0, certificates.authority)
        caller = recorded(path, make)
        caller.run()
    assert caller.heard == b"CALLED"
    replayed = replay(path, make)
    assert isinstance(replayed.app, SecureCaller)
    assert replayed.app.heard == b"CALLED"
    assert replayed.sent == {1: b"called"}


# -- what cannot be replayed -------------------------------------------------------------------


def test_foreign_input_in_asyncio_is_named(path: Path) -> None:
    import asyncio

    class Foreign(Component):
        async def started(self, manager: Manager) -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            await reader.read(1)
            writer.close()
            await asyncio.to_thread(measured, 1)
            self.stop()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def serve() -> None:
            sock, _ = listener.accept()
            with sock:
                sock.sendall(b"x")

        thread = threading.Thread(target=serve)
        thread.start()
        app = recorded(path, Foreign)
        app.run()
        thread.join()
    named = "\n".join(replay(path, Component).lost)
    assert "asyncio: _SelectorSocketTransport, by descriptors of its own" in named
    assert "asyncio: results of threads" in named


def test_descriptors_that_are_no_sockets_are_named(path: Path) -> None:
    from circuits.io import Process

    class Runs(Component):
        channel = "runs"

        def started(self, manager: Manager) -> None:
            Process(["echo", "hello"]).register(self).start()

        @handler("terminated", channel="process")
        def _on_terminated(self, process: Process) -> None:
            self.stop()

    app = recorded(path, Runs)
    app.run()
    named = replay(path, Component).lost
    assert any("is no socket" in text for text in named)


# -- processes ---------------------------------------------------------------------------------


def program(folder: Path) -> subprocess.Popen[bytes]:
    environment = dict(os.environ)
    root = Path(__file__).parents[2]
    environment["PYTHONPATH"] = os.pathsep.join([str(root / "src"), str(root)])
    return subprocess.Popen(
        [sys.executable, "-m", "tests.integration.recorded_apps"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def port_of(process: subprocess.Popen[bytes]) -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


def command(folder: Path, *args: str, **variables: str) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": f"{root / 'src'}{os.pathsep}{root}", **variables}
    return subprocess.run(
        [sys.executable, *args],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_crash_becomes_a_test_by_one_command(tmp_path: Path) -> None:
    process = program(tmp_path)
    with process:
        address = "127.0.0.1", port_of(process)
        with socket.create_connection(address, _SECONDS) as sock:
            assert answer(sock, b"12") == b"fine"
            sock.sendall(b"13")
            with socket.create_connection(address, _SECONDS) as other:
                assert answer(other, b"12") == b"fine"
        process.send_signal(signal.SIGTERM)
        assert process.wait(_SECONDS) == 0
    assert (tmp_path / "crash.rec").stat().st_mode & 0o777 == 0o600

    made = command(tmp_path, "-m", "circuits", "replay", "crash.rec", "--test")
    assert made.returncode == 0, made.stderr
    assert "KeyError: 'thirteen'" in made.stdout
    text = (tmp_path / "test_crash.py").read_text()
    ast.parse(text)
    assert "from tests.integration.recorded_apps import Crashing" in text
    assert "Crashing.read raises KeyError" in text

    pytest_of = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "test_crash.py")
    failed = command(tmp_path, *pytest_of)
    assert failed.returncode == 1
    assert "KeyError: 'thirteen'" in failed.stdout
    cured = command(tmp_path, *pytest_of, CURED="1")
    assert cured.returncode == 0, cured.stdout


def test_the_signal_is_replayed(tmp_path: Path) -> None:
    process = program(tmp_path)
    with process:
        port_of(process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(_SECONDS) == 0
    traced = command(tmp_path, "-m", "circuits", "replay", "crash.rec", "--trace")
    assert traced.returncode == 0, traced.stderr
    lines = [line.split(maxsplit=1)[1] for line in traced.stdout.splitlines()[1:-1]]
    assert lines[-3].startswith(f"signal [server] ({int(signal.SIGTERM)}, None)")
    assert lines[-2].startswith("stopped [server]")
    assert lines[-1].startswith("closed [server]")


def test_what_a_killed_process_leaves_is_refused_unless_asked_for(tmp_path: Path) -> None:
    process = program(tmp_path)
    with process:
        with socket.create_connection(("127.0.0.1", port_of(process)), _SECONDS) as sock:
            assert answer(sock, b"12") == b"fine"
        process.kill()
        process.wait(_SECONDS)
    refused = command(tmp_path, "-m", "circuits", "replay", "crash.rec")
    assert refused.returncode == 2
    assert "its end is missing" in refused.stderr
    partial = command(tmp_path, "-m", "circuits", "replay", "crash.rec", "--partial")
    assert partial.returncode == 0, partial.stderr
    assert "0 errors; cut" in partial.stdout


def test_what_came_is_written_while_nothing_happens(tmp_path: Path) -> None:
    process = program(tmp_path)
    with process:
        with socket.create_connection(("127.0.0.1", port_of(process)), _SECONDS) as sock:
            assert answer(sock, b"unmistakable 12") == b"fine"
            file = tmp_path / "crash.rec"
            eventually(lambda: b"unmistakable" in file.read_bytes(), "it was not written")
        process.kill()
        process.wait(_SECONDS)


def test_a_recording_that_is_there_is_kept(tmp_path: Path) -> None:
    for _ in range(2):
        process = program(tmp_path)
        with process:
            port_of(process)
            process.send_signal(signal.SIGTERM)
            process.wait(_SECONDS)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["crash.rec", "crash.rec.1"]


def test_a_forked_child_leaves_the_recording_to_its_parent(path: Path) -> None:
    app = recorded(path, Service)
    with running(app), connected(app) as sock:
        sock.recv(100)
        other = Component()
        process, _ = other.start(process=True)
        other.stop()
        process.join()
        assert app.recording.ended is None
        answer(sock, b"3")
    assert replay(path, watched(Service)).diverged_at is None


def test_a_recording_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "no.rec").write_text("something else")
    with pytest.raises(RecordingError, match="this is no recording of circuits"):
        replay(tmp_path / "no.rec", Component)
