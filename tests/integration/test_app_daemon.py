"""A real daemon: forked twice, ticking, serving, and gone at SIGTERM."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import LOAD_ALL

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")

SECONDS = 20.0

_PROGRAM = """
import os, sys
from circuits import Component, Event, Timer, handler, sleep
from circuits.app import Daemon
from circuits.net.sockets import TCPServer

folder = sys.argv[1]

class App(Component):
    channel = "app"
    beats = 0

    def init(self):
        Timer(0.01, Event.create("beat"), "app", persist=True).register(self)

    def beat(self):
        self.beats += 1

    {more}

    @handler("read", channel="server")
    def _on_read(self, sock, data):
        if data == b"beats":
            return str(self.beats).encode()
        if data == b"raise":
            raise ValueError("as you wish")
        if data == b"state":
            null = os.stat(0).st_rdev == os.stat(os.devnull).st_rdev
            leads = os.getpid() == os.getsid(0)
            old = os.umask(0)
            os.umask(old)
            return repr((os.getcwd(), null, leads, old, os.getpid(), os.getppid())).encode()
        return data.upper()

app = App()
server = TCPServer(("127.0.0.1", 0)).register(app)
print(server.port, flush=True)
{daemon}
app.run()
print("over", flush=True)
"""

_DAEMON = 'Daemon("app.pid", path=folder, stdout="out", stderr="err").register(app)'


class Daemonised:
    """A daemon, and the process that the user started."""

    def __init__(self, folder: Path, source: str) -> None:
        self.folder = folder
        self.pidfile = folder / "app.pid"
        program = folder / "program.py"
        program.write_text(source)
        self.process = subprocess.Popen(
            [sys.executable, "-X", "dev", "-W", "error", os.fspath(program), os.fspath(folder)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.out, self.err = self.process.communicate(timeout=SECONDS)
        self.status = self.process.returncode
        self.pid: int | None = None

    def started(self) -> Daemonised:
        assert (self.status, self.err) == (0, "")
        wait(lambda: self.pidfile.exists() and self.pidfile.read_text() != "")
        self.pid = int(self.pidfile.read_text())
        assert self.pid != self.process.pid
        return self

    def ask(self, question: bytes) -> str:
        with socket.create_connection(("127.0.0.1", int(self.out)), timeout=SECONDS) as sock:
            sock.sendall(question)
            return sock.recv(1000).decode()

    def is_alive(self) -> bool:
        assert self.pid is not None
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            os.kill(self.pid, 0)
            # An orphan of ours, which nobody reaps in some containers, is not alive.
            return "\nState:\tZ" not in Path(f"/proc/{self.pid}/status").read_text()
        return False

    def end(self, number: int = signal.SIGTERM) -> None:
        assert self.pid is not None
        os.kill(self.pid, number)
        wait(lambda: not self.is_alive())

    def read(self, name: str) -> str:
        try:
            return (self.folder / name).read_text()
        except FileNotFoundError:  # not yet, or not any more
            return ""


def wait(condition: Callable[[], bool]) -> None:
    """Wait for another process, which has no other way to tell us."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "that takes too long"
        time.sleep(0.01)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Daemonised]]:
    """Function that starts a program; what it leaves behind is killed in the end."""
    made: list[Daemonised] = []

    def begin(more: str = "", daemon: str = _DAEMON) -> Daemonised:
        made.append(Daemonised(tmp_path, _PROGRAM.format(more=more, daemon=daemon)))
        return made[-1]

    yield begin
    for one in made:
        if one.pid is None and one.read("app.pid").isdigit():  # the test failed before it asked
            one.pid = int(one.read("app.pid"))
        if one.pid is not None and one.is_alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(one.pid, signal.SIGKILL)


def test_it_ticks_serves_and_ends(start: Callable[..., Daemonised]) -> None:
    daemon = start().started()
    assert daemon.pidfile.read_text() == str(daemon.pid)
    assert daemon.ask(b"hello") == "HELLO"
    before = int(daemon.ask(b"beats"))
    wait(lambda: int(daemon.ask(b"beats")) > before)
    cwd, null, leads, umask, pid, parent = eval(daemon.ask(b"state"))
    assert cwd == os.path.realpath(daemon.folder)
    assert null
    assert not leads
    assert umask == 0o077
    assert pid == daemon.pid
    assert parent != daemon.process.pid
    assert stat.S_IMODE(daemon.pidfile.stat().st_mode) & 0o022 == 0
    daemon.end()
    assert not daemon.pidfile.exists()
    assert daemon.read("out") == "over\n"
    assert daemon.read("err") == ""


def test_coroutines_go_on(start: Callable[..., Daemonised]) -> None:
    more = """
    @handler("started", channel="*")
    async def _before(self, component):
        import asyncio
        while True:
            await asyncio.sleep(0.001)
            self.beats += 1000000
    """
    daemon = start(more).started()
    assert daemon.ask(b"hello") == "HELLO"
    before = int(daemon.ask(b"beats")) // 1000000
    wait(lambda: int(daemon.ask(b"beats")) // 1000000 > before)
    daemon.end()
    assert daemon.read("err") == ""
    assert not daemon.pidfile.exists()


def test_a_daemon_that_comes_later(start: Callable[..., Daemonised]) -> None:
    more = """
    def started(self, component):
        yield sleep(0.02)
        Daemon("app.pid", path=folder, stdout="out", stderr="err").register(self)

    @handler("daemonized", channel="daemon")
    def _on_daemonized(self, daemon):
        print("daemonized", os.path.exists(daemon.pidfile), flush=True)
    """
    daemon = start(more, daemon="").started()
    assert daemon.ask(b"hello") == "HELLO"
    daemon.end()
    assert daemon.read("out") == "daemonized True\nover\n"
    assert daemon.read("err") == ""


def test_a_second_one_is_refused_and_the_first_lives(start: Callable[..., Daemonised]) -> None:
    first = start().started()
    second = start()
    assert second.status == 1
    assert second.err == (
        f"cannot become a daemon: {first.pidfile} belongs to process {first.pid}, "
        "which is running\n"
    )
    assert first.ask(b"hello") == "HELLO"
    first.end()
    assert not first.pidfile.exists()


def test_what_a_killed_one_leaves_is_no_obstacle(start: Callable[..., Daemonised]) -> None:
    first = start().started()
    first.end(signal.SIGKILL)
    assert first.pidfile.read_text() == str(first.pid)
    second = start()
    wait(lambda: second.pidfile.read_text() not in ("", str(first.pid)))
    second.started()
    assert second.ask(b"hello") == "HELLO"
    second.end()
    assert not second.pidfile.exists()


@pytest.mark.parametrize(
    "daemon",
    [
        'Daemon("missing/app.pid", path=folder).register(app)',
        'Daemon("app.pid", path=folder + "/missing").register(app)',
        'Daemon("app.pid", path=folder, stdin="missing").register(app)',
        'Daemon("app.pid", path=folder, stdout="missing/out").register(app)',
        'Daemon("app.pid", path="/proc/nothing").register(app)',
        "Daemon(folder, path=folder).register(app)",
    ],
)
def test_what_cannot_be_is_told_to_the_user(start: Callable[..., Daemonised], daemon: str) -> None:
    failed = start(daemon=daemon)
    assert failed.status == 1
    assert failed.err.startswith("cannot become a daemon: [Errno ")
    assert failed.err.count("\n") == 1


@pytest.mark.skipif(getattr(os, "geteuid", int)() != 0, reason="needs to become another user")
def test_a_daemon_without_permission(start: Callable[..., Daemonised], tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    locked = tmp_path / "locked"
    locked.mkdir()
    daemon = 'os.setuid(65534)\nDaemon("app.pid", path=folder).register(app)'
    failed = start(daemon=f"{LOAD_ALL}\n{daemon}")
    assert failed.status == 1
    assert "Permission denied" in failed.err
    assert failed.err.count("\n") == 1


@pytest.mark.parametrize("which", [1, 2])
def test_a_fork_that_fails_is_told(start: Callable[..., Daemonised], which: int) -> None:
    daemon = f"""
real, calls = os.fork, []
def fork():
    calls.append(1)
    if len(calls) == {which}:
        raise BlockingIOError(11, "no room for another process")
    return real()
os.fork = fork
{_DAEMON}
"""
    failed = start(daemon=daemon)
    assert failed.status == 1
    assert failed.err == "cannot become a daemon: [Errno 11] no room for another process\n"


def test_a_loop_in_a_thread_stays_where_it_is(start: Callable[..., Daemonised]) -> None:
    daemon = f"{_DAEMON}\napp.start()\napp.join()\nsys.exit(5)"
    failed = start(daemon=daemon)
    assert failed.status == 5
    assert "does not run in the main thread" in failed.err


_THREAD = """
    def started(self, component):
        import threading, warnings
        warnings.simplefilter("{action}", RuntimeWarning)
        threading.Thread(target=threading.Event().wait, name="busy", daemon=True).start()
"""


def test_threads_that_stay_behind_are_told_of(start: Callable[..., Daemonised]) -> None:
    daemon = start(_THREAD.format(action="always"))
    assert "RuntimeWarning: threads do not go along into the background: busy;" in daemon.err
    daemon.err = ""
    daemon.started()
    assert daemon.ask(b"hello") == "HELLO"
    daemon.end()


def test_a_warning_that_is_an_error_keeps_it_in_the_foreground(
    start: Callable[..., Daemonised],
) -> None:
    more = (
        _THREAD.format(action="error")
        + """
    @handler("daemonize", channel="daemon", priority=-1)
    def _after(self):
        self.stop()
"""
    )
    failed = start(more)
    assert "threads do not go along" in failed.err
    assert failed.out.endswith("over\n")
    assert not failed.pidfile.exists()


def test_handlers_that_raise_do_no_harm(start: Callable[..., Daemonised]) -> None:
    more = """
    @handler("started", channel="*")
    def _fails(self, component):
        raise ValueError("in started")

    @handler("stopped", channel="*", priority=200)
    def _fails_too(self, component):
        raise ValueError("in stopped")

    @handler("error", channel="*")
    def _on_error(self, etype, evalue, tb, handler=None):
        with open(folder + "/errors", "a") as file:
            file.write(f"{evalue}\\n")
    """
    daemon = start(more).started()
    assert daemon.ask(b"hello") == "HELLO"
    daemon.end()
    assert not daemon.pidfile.exists()
    assert daemon.read("errors") == "in started\nin stopped\n"


def test_errors_are_in_the_file_of_standard_error(start: Callable[..., Daemonised]) -> None:
    daemon = start().started()
    with socket.create_connection(("127.0.0.1", int(daemon.out)), timeout=SECONDS) as sock:
        sock.sendall(b"raise")
        wait(lambda: "as you wish" in daemon.read("err"))
    daemon.end()


def test_a_standard_stream_that_the_program_has_closed(start: Callable[..., Daemonised]) -> None:
    # What the child opens first, its poller, would take its number.
    more = """
    @handler("daemonize", channel="daemon", priority=1)
    def _close(self):
        os.close(0)
    """
    running = start(more).started()
    assert eval(running.ask(b"state"))[1]
    running.end()
    assert running.read("out") == "over\n"
    assert not running.pidfile.exists()


def test_something_else_in_the_place_of_a_standard_stream(start: Callable[..., Daemonised]) -> None:
    """As in a program that was started without standard input."""
    daemon = f"""
os.dup2(os.open("/dev/zero", os.O_RDONLY), 0)
sys.__stdin__ = None
{_DAEMON}
"""
    running = start(daemon=daemon).started()
    assert not eval(running.ask(b"state"))[1]
    running.end()


def test_files_are_appended_to(start: Callable[..., Daemonised], tmp_path: Path) -> None:
    (tmp_path / "out").write_text("before\n")
    start().started().end()
    assert (tmp_path / "out").read_text() == "before\nover\n"


def test_a_second_one_is_refused_before_anything_has_begun(
    start: Callable[..., Daemonised],
) -> None:
    more = """
    @handler("started", channel="*", priority=1000)
    def _on_started(self, component):
        with open(os.path.join(folder, "begun"), "a") as file:
            file.write("x")
"""
    first = start(more).started()
    second = start(more)
    assert second.status == 1
    assert first.read("begun") == "x"
    first.end()


@pytest.mark.parametrize("name", ["app.pid", "out", "err"])
def test_no_link_is_followed(start: Callable[..., Daemonised], tmp_path: Path, name: str) -> None:
    target = tmp_path / "precious"
    target.write_text("12345")
    (tmp_path / name).symlink_to(target)
    refused = start()
    assert refused.status == 1
    assert "symbolic link" in refused.err
    assert target.read_text() == "12345"
    assert name == "app.pid" or not refused.pidfile.exists()
    (tmp_path / name).unlink()


def test_files_can_be_read_by_their_owner_alone(start: Callable[..., Daemonised]) -> None:
    daemon = start().started()
    for name in ("app.pid", "out", "err"):
        assert stat.S_IMODE((daemon.folder / name).stat().st_mode) == 0o600
    daemon.end()
