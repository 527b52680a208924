"""Signals wake the loop, whatever it waits in, even those that come just before it sleeps."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from circuits import Component, Manager
from circuits.core._signal_pipe import SignalPipe
from circuits.core.pollers import EPoll, Poll, Select

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.name != "posix", reason="only POSIX has such signals"),
]


@pytest.fixture
def pipe() -> object:
    pipe = SignalPipe()
    pipe.open()
    yield pipe
    if pipe.number >= 0:
        pipe.close()


@pytest.mark.parametrize("poller", [Select, Poll, EPoll])
def test_a_poller_wakes_up_for_a_byte_in_the_pipe(poller: type, pipe: SignalPipe) -> None:
    waiting = poller().register(Manager())
    pipe.watch_with(waiting)
    pipe.resume()
    ready = waiting.block(5)
    waiting.report(ready)
    assert [number for number, _ in ready] == [pipe.number]
    assert waiting.block(0) == []
    pipe.watch_with(None)
    pipe.resume()
    assert waiting.block(0) == []
    waiting.unregister()
    while len(waiting.root):
        waiting.root.flush()


def test_a_signal_writes_into_the_pipe(pipe: SignalPipe) -> None:
    before = signal.signal(signal.SIGUSR1, lambda number, frame: None)
    try:
        signal.raise_signal(signal.SIGUSR1)
        assert os.read(pipe.number, 10) == bytes([signal.SIGUSR1])
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_who_had_the_signals_before_gets_them_back() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    previous = signal.set_wakeup_fd(writer)
    try:
        pipe = SignalPipe()
        pipe.open()
        pipe.close()
        assert signal.set_wakeup_fd(writer) == writer
    finally:
        signal.set_wakeup_fd(previous)
        os.close(reader)
        os.close(writer)


class Once(Component):
    def started(self, component: object) -> None:
        self.inside = signal.set_wakeup_fd(-1)
        signal.set_wakeup_fd(self.inside)
        self.stop()


def test_a_run_listens_and_leaves_nothing_behind() -> None:
    before = set(os.listdir("/proc/self/fd"))
    app = Once()
    for _ in range(3):
        app.run()
        assert app.inside >= 0
    assert signal.set_wakeup_fd(-1) == -1
    assert set(os.listdir("/proc/self/fd")) == before


WAITING = """
import os, signal, sys
from circuits import Component
from circuits.core import pollers

class App(Component):
    def started(self, component):
        print("ready", flush=True)

    async def never(self):
        pass

app = App()
name = sys.argv[1]
if name in ("Select", "Poll", "EPoll"):
    getattr(pollers, name)().register(app)
if name == "Coroutines":
    from circuits import Event
    app.fire(Event.create("never"))
app.run()
print("ended", flush=True)
"""


@pytest.mark.parametrize("waiter", ["none", "Select", "Poll", "EPoll", "Coroutines"])
def test_sigterm_ends_a_run_that_sleeps(waiter: str) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", WAITING, waiter], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    try:
        assert child.stdout.readline() == "ready\n"
        child.send_signal(signal.SIGTERM)
        assert child.stdout.readline() == "ended\n"
        assert child.wait(10) == 0
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


def test_a_run_without_the_pipe_runs_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(number: int, **options: bool) -> int:
        raise ValueError("set_wakeup_fd only works in main thread of the main interpreter")

    class Stopping(Component):
        def started(self, component: object) -> None:
            self.stop()

    before = set(os.listdir("/proc/self/fd"))
    monkeypatch.setattr("circuits.core._signal_pipe.signal.set_wakeup_fd", refuse)
    app = Stopping()
    app.run()
    assert not app.running
    assert set(os.listdir("/proc/self/fd")) == before
