"""A program that hangs tells where, when it is asked from outside."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

_SECONDS = 20.0

_PROGRAM = """
from circuits import Component, Event, handler, sleep
from circuits.tools import TaskDump

class App(Component):
    channel = "app"

    def started(self, component):
        self.fire(Event.create("hang"))
        yield self.wait("answer", timeout=3600)

    def hang(self):
        yield sleep(0.01)
        print("hanging", flush=True)
        while self._running:  # the signal that ends it comes in between
            pass

app = App()
TaskDump().register(app)
app.run()
"""


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="this system has no SIGUSR1")
def test_a_loop_that_hangs_is_looked_into() -> None:
    process = subprocess.Popen(
        [sys.executable, "-X", "dev", "-W", "error", "-c", _PROGRAM],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "hanging\n"
        process.send_signal(signal.SIGUSR1)
        lines = [process.stderr.readline() for _ in range(8)]
        assert lines[0].endswith("[R]>: 2 suspended\n")
        assert lines[1].startswith("the loop is at <string>:")
        assert lines[2].startswith("<listener[*.started] (App.started)> of <Started[app.started]")
        assert lines[3].startswith(" waits for an event 'answer' on 'app', 3")
        assert lines[3].endswith(" s left\n")
        assert lines[4] == "  <string>:10 in App.started\n"
        assert lines[5].startswith("<listener[*.hang] (App.hang)> of ")
        assert lines[6] == " waits for nothing: it is running\n"
        assert lines[7].endswith(" in App.hang\n")
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=_SECONDS) == ("", "")
        assert process.returncode == 0
    finally:
        process.kill()
        process.communicate()
