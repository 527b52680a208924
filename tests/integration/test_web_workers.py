"""Worker processes of the ``circuits.web`` program: how they are shared out, replaced and ended."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import ssl
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.certificates import Certificates
from tests.integration.process_support import eventually, is_alive, needs_fork
from tests.integration.web_support import SECONDS, Program, Wire, running
from tests.support import unused_port

pytestmark = [pytest.mark.integration, needs_fork]

_SITE = """
import os
from circuits import sleep
from circuits.web import Controller

VERSION = "one"

class Root(Controller):
    def index(self):
        return str(os.getpid())

    def version(self):
        return VERSION

    def slow(self):
        open("begun", "a").close()
        yield sleep(1)
        yield f"slow {os.getpid()}"
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "site_of_test.py").write_text(_SITE)
    return tmp_path


def start(site: Path, *options: str):  # type: ignore[no-untyped-def]
    return running(
        *("-m", "circuits.web", "-b", "127.0.0.1:0", "--workers", "2", "--no-access-log"),
        *(*options, "site_of_test:Root"),
        cwd=site,
    )


def workers(program: Program) -> set[int]:
    """The processes that the master has, when there are two that can be asked."""
    path = Path(f"/proc/{program.process.pid}/task/{program.process.pid}/children")
    found: set[int] = set()
    asked: set[int] = set()

    def have_answered() -> bool:
        # Looked for each time: one of them may be about to end.
        found.clear()
        found.update(int(pid) for pid in path.read_text().split())
        if len(found) != 2:
            return False
        asked.add(int(program.get("/").body))
        return asked >= found

    eventually(have_answered, "an answer of two workers")
    return found


def hear(program: Program, words: bytes) -> bytes:
    """What the program says until it has said that."""
    assert program.process.stdout is not None
    number, said = program.process.stdout.fileno(), b""
    while words not in said:
        assert select.select([number], [], [], SECONDS)[0], said
        data = os.read(number, 65536)
        assert data, said
        said += data
    return said


def begin_slow(program: Program, site: Path) -> tuple[threading.Thread, list[bytes]]:
    """A request in flight, which is being handled when this returns."""
    (site / "begun").unlink(missing_ok=True)
    bodies: list[bytes] = []
    thread = threading.Thread(target=lambda: bodies.append(program.get("/slow").body))
    thread.start()
    eventually((site / "begun").exists, "the slow request")
    return thread, bodies


def test_both_workers_serve_and_end_with_their_master(site: Path) -> None:
    with start(site) as program:
        found = workers(program)
        assert program.process.pid not in found
    assert not any(is_alive(pid) for pid in found)
    assert program.output.count("Serving") == 1
    assert ", 2 workers" in program.output


def test_the_workers_share_what_comes(site: Path) -> None:
    with start(site) as program, contextlib.ExitStack() as open_ones:
        found = workers(program)
        served: dict[int, int] = {}
        # On a quiet machine between 40 and 60 of a hundred; this one may have others to serve for
        # a while, which decides who is woken up first.
        for number in range(3000):
            if number % 300 == 0:
                if served and min(served.values()) >= 90:
                    break
                served = dict.fromkeys(found, 0)
            wire = Wire(program.port)
            if number % 2:  # some stay, some go
                open_ones.enter_context(wire)
            served[int(wire.get("/").body)] += 1
            if not number % 2:
                wire.__exit__()
        assert min(served.values()) >= 90, served


def test_the_end_waits_for_requests_in_flight_and_no_signal_comes_twice(site: Path) -> None:
    with start(site) as program:
        found = workers(program)
        thread, bodies = begin_slow(program, site)
        for pid in found:  # as a terminal does it
            os.kill(pid, signal.SIGINT)
        program.process.send_signal(signal.SIGINT)
        thread.join(SECONDS)
        assert program.process.wait(SECONDS) == 0
    assert bodies[0].startswith(b"slow")


def test_a_worker_that_is_killed_loses_its_own_requests_only(site: Path) -> None:
    with start(site) as program:
        found = workers(program)
        kept = [program.connect() for _ in range(16)]
        owners = [int(wire.get("/").body) for wire in kept]
        victim = next(iter(found))
        os.kill(victim, signal.SIGKILL)
        for wire, owner in zip(kept, owners, strict=True):
            if owner != victim:
                assert int(wire.get("/").body) == owner
            wire.__exit__()
        for _ in range(20):  # nothing that waited at the socket was lost
            assert program.get("/").code == 200
        after = workers(program)
        assert victim not in after
        assert found - {victim} < after
    assert "exit status -9; another one is started" in program.output


def test_a_reload_serves_new_code_and_loses_no_request(site: Path) -> None:
    with start(site) as program:
        found = workers(program)
        thread, bodies = begin_slow(program, site)
        failures: list[object] = []
        stop = threading.Event()

        def ask() -> None:
            while not stop.is_set():
                try:
                    if program.get("/version").code != 200:
                        failures.append("status")
                except Exception as problem:
                    failures.append(problem)

        asking = threading.Thread(target=ask)
        asking.start()
        (site / "site_of_test.py").write_text(_SITE.replace('"one"', '"twofold"'))
        program.process.send_signal(signal.SIGHUP)
        eventually(lambda: not any(is_alive(pid) for pid in found), "the end of the old ones")
        stop.set()
        asking.join(SECONDS)
        thread.join(SECONDS)
        assert failures == []
        assert bodies[0].startswith(b"slow")
        assert not workers(program) & found
        assert program.get("/version").body == b"twofold"


def test_reloads_under_load_lose_no_request(site: Path) -> None:
    with start(site) as program:
        stop = threading.Event()
        served: list[int] = []
        failures: list[str] = []

        def ask(count: int) -> None:
            while not stop.is_set():
                with program.connect() as wire:
                    for number in range(count):
                        try:
                            answer = wire.get("/")
                        except (EOFError, ConnectionResetError) as problem:
                            # What was idle may be closed whatever is on its way to it, and its
                            # client asks again (RFC 9112, 9.3.1); not a new connection.
                            if number == 0:
                                failures.append(repr(problem))
                            break
                        served.append(int(answer.body))
                        if answer["Connection"] == "close":
                            break

        with contextlib.ExitStack() as asking:
            for count in (1, 1, 1, 2, 5, 100, 100, 100):
                thread = threading.Thread(target=ask, args=(count,))
                thread.start()
                asking.callback(thread.join, SECONDS)
            asking.callback(stop.set)
            for _ in range(3):
                found = workers(program)
                thread, bodies = begin_slow(program, site)
                program.process.send_signal(signal.SIGHUP)
                eventually(lambda: not any(is_alive(pid) for pid in found), "the end of the old")  # noqa: B023
                thread.join(SECONDS)
                assert bodies[0].startswith(b"slow")
            found = workers(program)
        assert failures == []
        assert found < set(served)


def test_a_reload_that_fails_leaves_the_old_workers(site: Path) -> None:
    with start(site) as program:
        found = workers(program)
        (site / "site_of_test.py").write_text("raise RuntimeError('not today')\n")
        program.process.send_signal(signal.SIGHUP)
        assert b"not today" in hear(program, b"the old ones go on")
        eventually(lambda: workers(program) == found, "the old ones alone")


def test_an_application_that_fails_ends_it_once(site: Path) -> None:
    (site / "site_of_test.py").write_text("raise RuntimeError('never')\n")
    done = subprocess.run(
        [sys.executable, "-m", "circuits.web", "-b", "127.0.0.1:0", "-j", "3", "site_of_test:Root"],
        cwd=site,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.count("RuntimeError: never") == 1
    assert done.stderr.endswith("circuits.web: no worker could be started\n")


def test_workers_end_when_their_master_is_killed(site: Path) -> None:
    with start(site) as program:
        found = workers(program)
        program.process.kill()
        program.process.wait(SECONDS)
        eventually(lambda: not any(is_alive(pid) for pid in found), "the end of the workers")
        program.process.returncode = 0  # as was asked for


# -- one process ---------------------------------------------------------------------------------


def test_readiness_is_denied_before_the_end(site: Path) -> None:
    (site / "site_of_test.py").write_text(
        _SITE + "from circuits.web import Health\nclass App(Root):\n"
        "    channel = '/'\n"
        "    def init(self): Health().register(self)\n"
    )
    with running(
        *("-m", "circuits.web", "-b", "127.0.0.1:0", "--drain-delay", "1", "site_of_test:App"),
        cwd=site,
    ) as program:
        assert program.get("/readyz").code == 200
        program.process.send_signal(signal.SIGTERM)
        eventually(lambda: program.get("/readyz").code == 503, "a denial")
        assert program.get("/").code == 200
        assert program.process.wait(SECONDS) == 0


def test_a_hang_up_reads_the_certificate_again(
    site: Path, certificates: Certificates, tmp_path: Path
) -> None:
    pem = tmp_path / "server.pem"
    pem.write_bytes(Path(certificates.server).read_bytes())
    log = tmp_path / "access.log"
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "circuits.web", "-b", "127.0.0.1:0", "--certfile", pem),
            *("--access-log", log, "--pid", tmp_path / "pid", "site_of_test:Root"),
        ],
        cwd=site,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        greeting = process.stderr.readline()
        assert "https://127.0.0.1:" in greeting
        assert (tmp_path / "pid").read_text() == f"{process.pid}\n"
        port = int(greeting.rpartition("127.0.0.1:")[2].partition("/")[0])

        def shown() -> str:
            return ssl.get_server_certificate(("127.0.0.1", port), timeout=SECONDS)

        first = shown()
        pem.write_text("not a certificate")
        process.send_signal(signal.SIGHUP)
        assert "the certificate stays as it was" in process.stderr.readline()
        assert shown() == first
        log.rename(tmp_path / "access.log.1")
        pem.write_bytes(Path(certificates.stranger).read_bytes())
        process.send_signal(signal.SIGHUP)
        eventually(lambda: shown() != first, "the other certificate")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with (
            socket.create_connection(("127.0.0.1", port), SECONDS) as plain,
            context.wrap_socket(plain) as sock,
        ):
            sock.sendall(b"GET / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
            while sock.recv(65536):
                pass
        eventually(log.exists, "a new log")
        process.terminate()
        assert process.wait(SECONDS) == 0
        assert not (tmp_path / "pid").exists()
    finally:
        process.kill()
        process.communicate(timeout=SECONDS)


def test_a_unix_socket_has_its_mode(site: Path) -> None:
    path = site / "web.sock"
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "circuits.web", "-b", "unix:web.sock", "--mode", "640"),
            *("--workers", "2", "site_of_test:Root"),
        ],
        cwd=site,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        assert "on web.sock (" in process.stderr.readline()
        assert path.stat().st_mode & 0o777 == 0o640
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(SECONDS)
            sock.connect(os.fspath(path))
            sock.sendall(b"GET /version HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
            received = b""
            while data := sock.recv(65536):
                received += data
        assert received.endswith(b"one")
        process.terminate()
        assert process.wait(SECONDS) == 0
    finally:
        process.kill()
        process.communicate(timeout=SECONDS)


@pytest.mark.parametrize("number", ["1", "2"])
@pytest.mark.parametrize("way", ["systemd", "fd"])
def test_a_socket_that_was_passed_on_is_served_and_stays_open(
    site: Path, number: str, way: str
) -> None:
    code = "import os, sys; os.dup2(int(sys.argv[1]), 3); "
    arguments = ["--workers", number, "--no-access-log", "site_of_test:Root"]
    if way == "systemd":
        code += "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1'); "
    else:
        arguments = ["-b", "fd:3", *arguments]
    code += "os.set_inheritable(3, True); from circuits.web.main import main; main(sys.argv[2:])"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        for _ in range(2):  # as a service that is started again
            process = subprocess.Popen(
                [sys.executable, "-c", code, str(listener.fileno()), *arguments],
                cwd=site,
                stderr=subprocess.PIPE,
                pass_fds=[listener.fileno()],
                text=True,
            )
            try:
                assert process.stderr is not None
                assert f"http://127.0.0.1:{port}/" in process.stderr.readline()
                assert Program(process, port, "").get("/version").body == b"one"  # type: ignore[arg-type]
                process.terminate()
                assert process.wait(SECONDS) == 0
            finally:
                process.kill()
                process.communicate(timeout=SECONDS)
        with socket.create_connection(("127.0.0.1", port), SECONDS):
            pass  # it waits for the next one


def test_development_begins_anew_at_changed_files_and_survives_mistakes(site: Path) -> None:
    port = unused_port()
    file = site / "site_of_test.py"
    with running(
        *("-m", "circuits.web", "-b", f"127.0.0.1:{port}", "--reload", "site_of_test:Root"),
        cwd=site,
    ) as program:

        def serves(version: bytes) -> bool:
            try:
                return program.get("/version").body == version
            except OSError:
                return False

        assert serves(b"one")
        file.write_text("this is no Python")
        hear(program, b"SyntaxError")
        file.write_text(_SITE.replace('"one"', '"repaired"'))
        eventually(lambda: serves(b"repaired"), "the repaired one")
