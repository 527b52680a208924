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


_RELOADS = """
import os, signal, sys
from circuits import Component, Event, handler

class Part(Component):
    channel = "part"

    def hang_up(self):
        print("reload", flush=True)
        if "leaves" in sys.argv:
            self.unregister()
        else:
            self.root.stop()

class App(Component):
    def started(self, component):
        os.kill(os.getpid(), signal.SIGHUP)

    @handler("unregistered", channel="*")
    def _on_unregistered(self, component, manager):
        os.kill(os.getpid(), signal.SIGHUP)  # as without it

before = signal.getsignal(signal.SIGHUP)
app = App() + Part()
app.run()
print("restored", signal.getsignal(signal.SIGHUP) == before, flush=True)
"""


@pytest.mark.parametrize("leaves", [False, True])
def test_a_component_with_a_handler_of_its_name_reloads(leaves: bool) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _RELOADS, *(["leaves"] if leaves else [])],
        capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    assert done.stdout.splitlines() == (["reload"] if leaves else ["reload", "restored True"])
    assert done.returncode == (-signal.SIGHUP if leaves else 0)


@pytest.mark.parametrize("arguments", [(), ("want", "regret")])
def test_else_it_does_what_it_always_does(arguments: tuple[str, ...]) -> None:
    done = _run(*arguments)
    assert done.stdout == ""
    assert done.returncode == -signal.SIGHUP
