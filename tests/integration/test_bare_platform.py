"""The framework on systems that lack what Linux has: fakes of them, in processes of their own.

Everything can be imported, and what there is a fallback for works: waiting, sending, signals,
threads, the web. What there is none for says so where it is made.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="fakes them on POSIX")

_PROGRAM = Path(__file__).with_name("bare_program.py")

# What is not there.
_NO_EPOLL = ("select.epoll", "os.eventfd")
_NO_POLL = ("select.epoll", "select.poll", "select.kqueue")
_WINDOWS = (
    *_NO_POLL, "os.eventfd", "socket.socket.sendmsg", "socket.AF_UNIX", "os.fork", "os.sendfile",
    "os.pidfd_open", "fcntl", "termios", "pwd", "grp", "resource", "tty", "pty",
    "signal.SIGHUP", "signal.SIGUSR1", "signal.SIGUSR2", "signal.SIGCHLD", "signal.pthread_sigmask",
    "os.getuid", "os.geteuid", "os.setuid", "os.setsid", "os.killpg", "os.register_at_fork",
)  # fmt: skip


@pytest.mark.parametrize(
    ("missing", "poller"),
    [
        ((), None),
        (_NO_EPOLL, "Poll"),
        (_NO_POLL, "Select"),
        (("socket.socket.sendmsg",), None),
        (("socket.AF_UNIX",), None),
        (("os.fork", "os.register_at_fork"), None),
        (("os.sendfile",), None),
        (_WINDOWS, "Select"),
    ],
    ids=["nothing", "epoll", "poll", "sendmsg", "unix", "fork", "sendfile", "all of it"],
)
def test_what_is_not_there_is_not_needed(missing: tuple[str, ...], poller: str | None) -> None:
    done = subprocess.run(
        [sys.executable, str(_PROGRAM), *missing],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    found = [line for line in lines if line.startswith("poller ")]
    assert len(found) == 1, lines
    assert poller is None or found == [f"poller {poller}"]
    unix = ["unix OSError [Errno 97] this platform has no UNIX sockets"]
    assert [line for line in lines if line not in found] == [
        "imported True",
        "worker 1024",
        "web 200 5",
        "web 200 1000000",
        *(unix if "socket.AF_UNIX" in missing else []),
        "signalled",
        "signalled",
        "end",
    ], done.stderr
