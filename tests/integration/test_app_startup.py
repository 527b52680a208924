"""A program with commands, as it is used from a shell; and the ways out of being root."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")

SECONDS = 20.0

_PROGRAM = """
import argparse
from circuits import Component, handler
from circuits.app import Log, Startup

parser = argparse.ArgumentParser()
parser.add_argument("-d", "--daemon", action="store_true")
parser.add_argument("path")
parser.add_argument("command")
opts = parser.parse_args()

class App(Component):
    @handler("ready", channel="env")
    def _on_ready(self):
        self.fire(Log("info", "ready"))

    @handler("stopped", channel="*", priority=10)
    def _on_stopped(self, component):
        self.fire(Log("info", "stopped"))

app = Component()
Startup(opts.path, opts, opts.command).register(app)
App().register(app)
app.run()
"""


def wait(condition: Callable[[], bool]) -> None:
    """Wait for another process, which has no other way to tell us."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "that takes too long"
        time.sleep(0.01)


class Site:
    """An environment, and the program that uses it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "site"
        self.pidfile = self.path / "log" / "site.pid"
        self.program = folder / "program.py"
        self.program.write_text(_PROGRAM)

    def do(self, *arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-X", "dev", "-W", "error", self.program, self.path, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.stdout == ""
        return done.returncode, done.stderr

    @property
    def pid(self) -> int:
        found: list[int] = []

        def is_written() -> bool:
            with contextlib.suppress(FileNotFoundError, ValueError):
                found.append(int(self.pidfile.read_text()))
            return bool(found)

        wait(is_written)
        return found[0]

    def logged(self, text: str) -> int:
        return (self.path / "log" / "site.log").read_text().count(text)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A place for an environment; what runs there is killed in the end."""
    made = Site(tmp_path)
    yield made
    with contextlib.suppress(FileNotFoundError, ProcessLookupError, ValueError):
        os.kill(int(made.pidfile.read_text()), signal.SIGKILL)


def test_the_life_of_a_site(site: Site) -> None:
    assert site.do("stop")[0] == 1
    assert site.do("init") == (0, "")
    assert site.do("--daemon", "start") == (0, "")
    first = site.pid
    wait(lambda: site.logged("ready") == 1)
    status, error = site.do("--daemon", "start")
    assert status == 1
    assert f"belongs to process {first}" in error
    assert site.do("--daemon", "restart") == (0, "")
    wait(lambda: site.pidfile.exists() and site.pidfile.read_text() not in ("", str(first)))
    second = site.pid
    assert second != first
    assert site.do("stop") == (0, "")
    wait(lambda: not site.pidfile.exists())
    assert site.do("stop")[0] == 1


def test_rehash_loads_again(site: Site) -> None:
    site.do("init")
    assert site.do("--daemon", "start") == (0, "")
    before = site.pid
    ready = site.logged("ready")
    assert site.do("rehash") == (0, "")
    # The command itself has written one line to the log, too.
    wait(lambda: site.logged("ready") >= ready + 2)
    assert site.pid == before
    assert site.do("stop") == (0, "")
    wait(lambda: not site.pidfile.exists())


@pytest.mark.skipif(getattr(os, "geteuid", int)() != 0, reason="needs root")
def test_root_becomes_nobody_once_a_server_listens() -> None:
    program = """
import os
from circuits import Component, handler
from circuits.app import DropPrivileges
from circuits.net.sockets import TCPServer

class App(Component):
    @handler("ready", channel="server", priority=-1)
    def _on_ready(self, server, bind):
        print(os.getuid(), os.geteuid(), os.getgroups() == [os.getgid()], os.umask(0))
        try:
            os.setuid(0)
        except PermissionError:
            print("for good")
        self.root.stop()

app = App()
TCPServer(("127.0.0.1", 0)).register(app)
DropPrivileges().register(app)
app.run()
"""
    import pwd

    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    uid = pwd.getpwnam("nobody").pw_uid
    assert done.stderr == ""
    assert done.stdout == f"{uid} {uid} True {0o077}\nfor good\n"


def test_a_service_tells_its_manager(tmp_path: Path) -> None:
    program = """
from circuits import Component
from circuits.app import Systemd
app = Component()
Systemd().register(app)
app.run()
"""
    address = os.fspath(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        manager.settimeout(SECONDS)
        process = subprocess.Popen(
            [sys.executable, "-X", "dev", "-W", "error", "-c", program],
            env={**os.environ, "NOTIFY_SOCKET": address, "WATCHDOG_USEC": "20000"},
            stderr=subprocess.PIPE,
        )
        try:
            heard = [manager.recv(100) for _ in range(4)]
            assert heard == [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1", b"WATCHDOG=1"]
            process.send_signal(signal.SIGTERM)
            while (last := manager.recv(100)) == b"WATCHDOG=1":
                pass
            assert last == b"STOPPING=1"
            assert process.communicate(timeout=SECONDS)[1] == b""
            assert process.returncode == 0
        finally:
            process.kill()
            process.communicate()
