"""The ``circuits.web`` program as it is started from a shell."""

from __future__ import annotations

import os
import re
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.integration.web_support import SECONDS, Wire, running


def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "circuits.web", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        cwd=cwd,
        check=False,
    )


def test_it_tells_its_version() -> None:
    done = run("--version")
    assert done.returncode == 0
    assert done.stdout.startswith("circuits/")


def test_a_port_that_is_taken_is_an_error_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("-b", f"127.0.0.1:{port}", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(f"circuits.web: cannot listen on 127.0.0.1:{port}: ")
    assert done.stderr.count("\n") == 1


def test_an_application_that_cannot_be_imported_shows_why(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("import no_such_module_anywhere\n")
    done = run("-b", "127.0.0.1:0", "app:App", cwd=tmp_path)
    assert done.returncode == 1
    assert "no_such_module_anywhere" in done.stderr
    assert "app.py" in done.stderr


@pytest.mark.parametrize("poller", ["select", "poll", "epoll"])
def test_every_poller_serves(tmp_path: Path, poller: str) -> None:
    with running("-m", "circuits.web", "-t", poller, "-b", "127.0.0.1:0", tmp_path) as program:
        assert program.get("/hello").body == b"Hello World!"


@pytest.mark.skipif(hasattr(__import__("select"), "kqueue"), reason="kqueue is there")
def test_a_poller_that_is_not_there_is_replaced(tmp_path: Path) -> None:
    with running("-m", "circuits.web", "-t", "kqueue", "-b", "127.0.0.1:0", tmp_path) as program:
        assert program.get("/hello").body == b"Hello World!"
    assert "no kqueue here" in program.output


def test_an_access_log_that_nobody_reads_stops_nobody(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "circuits.web", "-s", "base", "-b", "127.0.0.1:0"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as program:
        assert program.stderr is not None
        assert program.stdout is not None
        try:
            found = re.search(r"http://127\.0\.0\.1:(\d+)/", program.stderr.readline())
            assert found is not None
            with Wire(int(found[1])) as wire:
                agent = "x" * 4000
                for _ in range(100):  # six times what a pipe takes
                    assert wire.get("/", f"User-Agent: {agent}").body == b"Hello World!"
                for _ in range(100):
                    assert agent in program.stdout.readline()
        finally:
            program.kill()


def test_the_base_server_greets_whatever_is_asked(tmp_path: Path) -> None:
    with running("-m", "circuits.web", "-s", "base", "-b", "127.0.0.1:0", cwd=tmp_path) as program:
        assert program.get("/any/thing").body == b"Hello World!"


def test_debugging_shows_components_and_events(tmp_path: Path) -> None:
    with running("-m", "circuits.web", "-d", "-b", "127.0.0.1:0", tmp_path) as program:
        assert program.get("/hello").code == 200
    assert "\n  Server/web\n" in program.output
    assert "<hello[/.hello]" in program.output


def test_profiling_prints_a_profile_at_the_end(tmp_path: Path) -> None:
    with running("-m", "circuits.web", "-p", "-b", "127.0.0.1:0", tmp_path) as program:
        assert program.get("/hello").code == 200
    assert "cumulative" in program.output


def test_the_current_folder_is_the_default(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("here")
    with running("-m", "circuits.web", "-b", "127.0.0.1:0", cwd=tmp_path) as program:
        assert program.get("/a.txt").body == b"here"


def test_an_application_may_bring_its_own_server(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "from circuits.web import Controller, Server\n"
        "class Root(Controller):\n"
        "    def index(self):\n"
        "        return 'own'\n"
        "app = Server(('127.0.0.1', 0)) + Root()\n"
    )
    with running("-m", "circuits.web", "app:app", cwd=tmp_path) as program:
        assert program.get("/").body == b"own"


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="needs root")
def test_it_gives_up_being_root(tmp_path: Path) -> None:
    module = tmp_path / "who.py"
    module.write_text(
        "import os\n"
        "from circuits.web import Controller\n"
        "class Root(Controller):\n"
        "    def index(self):\n"
        "        umask = os.umask(0)\n"
        "        return f'{os.getuid()} {os.getgid()} {os.getgroups()} {umask:o}'\n"
    )
    import pwd

    user = pwd.getpwnam("nobody")
    command = ["-m", "circuits.web", "-b", "127.0.0.1:0", "--user", "nobody", "--umask", "027"]
    with running(*command, "who:Root", cwd=tmp_path) as program:
        expected = f"{user.pw_uid} {user.pw_gid} [{user.pw_gid}] 27"
        assert program.get("/").body.decode() == expected


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="needs root")
@pytest.mark.parametrize("workers", [(), ("--workers", "2")], ids=["one", "workers"])
def test_its_unix_socket_is_for_the_group_that_it_has(
    workers: tuple[str, ...], tmp_path: Path
) -> None:
    import grp
    import pwd

    path = tmp_path / "web.sock"
    options = ["-b", f"unix:{path}", "--mode", "660", "--user", "nobody", "--group", "mail"]
    served = re.compile(rb"Serving .* on .*")
    with running("-m", "circuits.web", *options, *workers, os.fspath(tmp_path), greeting=served):
        found = path.stat()
    assert stat.S_IMODE(found.st_mode) == 0o660
    owner = pwd.getpwnam("nobody").pw_uid
    assert (found.st_uid, found.st_gid) == (owner, grp.getgrnam("mail").gr_gid)


def test_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "web.sock"
    process = subprocess.Popen(
        [sys.executable, "-m", "circuits.web", "-b", os.fspath(path), os.fspath(tmp_path)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert process.stderr is not None
        assert (
            process.stderr.readline().decode() == f"Serving {tmp_path} on {path} (Ctrl-C stops)\n"
        )
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(SECONDS)
            sock.connect(os.fspath(path))
            sock.sendall(b"GET /hello HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
            received = b""
            while data := sock.recv(65536):
                received += data
        assert received.endswith(b"Hello World!")
        process.terminate()
        assert process.wait(SECONDS) == 0
        assert not path.exists()
    finally:
        process.kill()
        process.communicate(timeout=SECONDS)


def test_validation_by_wsgiref(tmp_path: Path) -> None:
    with running("-m", "circuits.web", "-v", "-b", "127.0.0.1:0", cwd=tmp_path) as program:
        answer = program.get("/hello")
        assert (answer.code, answer.body) == (200, b"Hello World!")
        assert program.get("/missing").code == 404
    assert "AssertionError" not in program.output


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_an_interrupt_ends_it_well(tmp_path: Path) -> None:
    import signal

    with running("-m", "circuits.web", "-b", "127.0.0.1:0", tmp_path) as program:
        began = time.monotonic()
        program.process.send_signal(signal.SIGINT)
        assert program.process.wait(SECONDS) == 0
        assert time.monotonic() - began < SECONDS / 4
    assert "Traceback" not in program.output
