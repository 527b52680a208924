"""SIGHUP reaches a component that handles it, and ends a process that has none."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no SIGHUP"),
]

PROGRAM = """
import os, signal, sys
from circuits import Component, Event, handler

class App(Component):
    def started(self, component):
        if "want" in sys.argv:
            self._tree_engine.want_hang_up(self, True)
        if "regret" in sys.argv:
            self._tree_engine.want_hang_up(self, False)
        os.kill(os.getpid(), signal.SIGHUP)
        self.fire(Event.create("after"))

    def signal(self, number, frame):
        print("signal", number == signal.SIGHUP, flush=True)

    def after(self):
        self.stop()

before = signal.getsignal(signal.SIGHUP)
App().run()
print("restored", signal.getsignal(signal.SIGHUP) == before, flush=True)
"""


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def test_who_wants_it_gets_a_signal_event_and_goes_on() -> None:
    done = _run("want")
    assert done.stdout.splitlines() == ["signal True", "restored True"]
    assert done.returncode == 0


@pytest.mark.parametrize("arguments", [(), ("want", "regret")])
def test_else_it_does_what_it_always_does(arguments: tuple[str, ...]) -> None:
    done = _run(*arguments)
    assert done.stdout == ""
    assert done.returncode == -signal.SIGHUP
