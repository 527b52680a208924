"""An application that has nothing to do makes no system call at all."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support import require_program

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc"),
]

#: How long an application is watched, in seconds; the curious may make it longer.
SECONDS = float(os.environ.get("CIRCUITS_IDLE_SECONDS", "2"))

APPLICATION = """
import sys
from circuits import Component, Event, Timer
from circuits.core.pollers import EPoll
from circuits.web import Controller, Server

class Part(Component):
    def ping(self):
        pass

class Root(Controller):
    def index(self):
        return "hello"

class App(Component):
    def ready(self, *args):
        print("idle", flush=True)

    def started(self, component):
        if "server" not in sys.argv:
            print("idle", flush=True)

app = App()
for _ in range(100):
    Part().register(app)
Timer(3600, Event.create("ping")).register(app)
if "poller" in sys.argv:
    EPoll().register(app)
if "server" in sys.argv:
    (Server(("127.0.0.1", 0)) + Root()).register(app)
app.run()
"""


def _switches(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"^voluntary_ctxt_switches:\s+(\d+)$", status, re.MULTILINE)
    assert found is not None
    return int(found[1])


def _asleep(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"


@pytest.fixture(params=["bare", "poller", "server"])
def idle(request: pytest.FixtureRequest) -> object:
    child = subprocess.Popen(
        [sys.executable, "-c", APPLICATION, request.param], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    try:
        assert child.stdout.readline() == "idle\n"
        deadline = time.monotonic() + 10
        while not _asleep(child.pid):
            assert time.monotonic() < deadline, "it never went to sleep"
            os.sched_yield()
        yield child.pid
        child.send_signal(signal.SIGTERM)
        assert child.wait(10) == 0
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


def test_it_is_never_woken(idle: int) -> None:
    time.sleep(0.2)  # what the start has left behind, such as a look-up in a thread, may end
    before = _switches(idle)
    time.sleep(SECONDS)  # there is no event for nothing happening
    assert _switches(idle) == before


def test_it_makes_no_system_call(idle: int, tmp_path: Path) -> None:
    strace = require_program("strace")
    log = tmp_path / "calls"
    watcher = subprocess.Popen(
        [strace, "-f", "-o", str(log), "-p", str(idle)],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert watcher.stderr is not None
    first = watcher.stderr.readline()
    if "attached" not in first:
        watcher.wait()
        watcher.stderr.close()
        pytest.skip(f"strace may not look at other processes here: {first.strip()}")
    time.sleep(SECONDS)
    watcher.send_signal(signal.SIGINT)
    watcher.wait(10)
    watcher.stderr.close()
    # The call that it sleeps in is shown as begun or resumed; a second one would be a wake-up.
    calls = [line for line in log.read_text().splitlines() if "detached" not in line]
    assert len(calls) <= 1, calls
