"""The loop never ends by accident, and always when it is told to: as a program of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.name != "posix", reason="only POSIX has such signals"),
]

_HEAD = "import os, signal, sys, threading, time\nfrom circuits import *\n"


def run(program: str, *args: str, **options: object) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    done: subprocess.CompletedProcess[str] = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _HEAD + program, *args],
        capture_output=True, text=True, timeout=30, check=False, **options,  # type: ignore[call-overload]
    )  # fmt: skip
    return done


_LONG = """
class App(Component):
    {asynchronous}
    def started(self, component):
        {begin}
        yield

class Beat(Component):
    def beat(self):
        print("alive", flush=True)
        self.root.stop()

app = App() + Beat()
{poller}
Timer(0.05, Event.create("beat")).register(app)
# By the time that it beats, it has begun a long wait many times.
app.stop_timeout = 0
app.run()
"""


@pytest.mark.parametrize("asynchronous", [False, True], ids=["plain", "hosted"])
@pytest.mark.parametrize("poller", ["None", "Select", "Poll", "EPoll"])
def test_no_wait_is_too_long(poller: str, asynchronous: bool) -> None:
    """With one that beats, and so without: the longest wait is what is left when that has gone."""
    begin = (
        "Timer(30 * 86400, Event.create('x')).register(self);"
        "Timer(float('inf'), Event.create('x')).register(self);"
        "threading.Timer(0.2, lambda: self.fire(Event.create('beat'))).start();"
        "yield sleep(1e9)"
    )
    program = _LONG.format(
        begin=begin,
        asynchronous="async def registered(self, *args): pass" if asynchronous else "",
        poller=""
        if poller == "None"
        else f"import circuits.core.pollers as p; p.{poller}().register(app)",
    ).replace('Timer(0.05, Event.create("beat")).register(app)\n', "")
    done = run(program)
    assert (done.stdout, done.stderr, done.returncode) == ("alive\n", "", 0)


_TWO_SIGNALS = """
class App(Component):
    def started(self, component):
        self.fire(Event.create("twice"))
        print("begin", flush=True)
        threading.Thread(target=send, daemon=True).start()

    def twice(self):
        self.fire(Event.create("twice"))
        self.fire(Event.create("twice"))

def send():
    for _ in range(100):  # two that come before the first is heard of are one
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.2)

signal.signal(signal.SIGTERM, lambda *_: None)  # for one that comes when the run is over
App().run()
print("end", flush=True)
"""


def test_a_second_signal_ends_at_once_whatever_is_queued() -> None:
    done = run(_TWO_SIGNALS)
    assert done.stdout == "begin\nend\n"


def test_a_second_signal_ends_what_is_waited_for_at_the_end() -> None:
    done = run(
        """
class App(Component):
    stop_timeout = 1000

    def started(self, component):
        self.fire(Event.create("wait"))
        os.kill(os.getpid(), signal.SIGTERM)

    def wait(self):
        try:
            yield sleep(1e9)
        finally:
            print("cancelled", flush=True)

    def stopped(self, component):
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM)).start()
        yield sleep(1e9)

App().run()
print("end")
"""
    )
    assert (done.stdout, done.stderr, done.returncode) == ("cancelled\nend\n", "", 0)


def test_a_handler_called_stop_keeps_no_signal_from_ending_it() -> None:
    done = run(
        """
class App(Component):
    def stop(self):
        print("event", flush=True)
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()

    def started(self, component):
        self.fire(Event.create("stop"))

App().run()
print("end")
"""
    )
    assert done.stdout == "event\nend\n"


def test_a_run_in_a_thread_is_ended_with_the_program(tmp_path: Path) -> None:
    """What is written is written, and ``stopped`` is heard."""
    done = run(
        """
from circuits.io import File, Write

class App(Component):
    def started(self, component):
        self.file = File(sys.argv[1], "w").register(self)
        threading.main_thread().join()  # so the main program has ended

    @handler("opened", channel="file")
    def _on_opened(self, *args):
        for _ in range(20):
            self.fire(Write(b"x" * 100000), self.file)

    def stopped(self, component):
        print("stopped", flush=True)

App().start()
""",
        str(tmp_path / "data"),
    )
    assert (done.stdout, done.returncode) == ("stopped\n", 0)


def test_a_stop_timeout_bounds_the_end_of_a_program_with_a_run_in_a_thread() -> None:
    done = run(
        """
class App(Component):
    stop_timeout = 0.1
    def stopped(self, component):
        time.sleep(3600)

app = App()
app.start()
"""
    )
    assert done.returncode == 0


_FORKING = """
class App(Component):
    beats = 0
    {coroutine}

    def started(self, component):
        {poller}
        Timer(0.05, Event.create("part")).register(self)

    def part(self):
        self.who = "parent" if os.fork() else "child"
        Timer(0.02, Event.create("beat"), persist=True).register(self)

    def beat(self):
        self.beats += 1
        if self.beats == 5:
            os.write(1, self.who.encode() + b" ")
            os.kill(os.getpid(), signal.SIGTERM)

App().run()
"""


@pytest.mark.parametrize("poller", ["pass", "EPoll", "Select"])
@pytest.mark.parametrize("coroutine", ["", "async def nothing(self): ..."])
def test_both_go_on_after_any_fork(poller: str, coroutine: str) -> None:
    if poller != "pass":
        poller = f"import circuits.core.pollers as p; p.{poller}().register(self)"
    done = run(_FORKING.format(poller=poller, coroutine=coroutine))
    assert sorted(done.stdout.split()) == ["child", "parent"]
    assert done.stderr == ""


def test_a_signal_that_is_ignored_stays_so() -> None:
    def ignore() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    done = run(
        """
class App(Component):
    def started(self, component):
        os.kill(os.getpid(), signal.SIGINT)
        Timer(0.05, Event.create("later")).register(self)

    def later(self):
        print("still here", flush=True)
        os.kill(os.getpid(), signal.SIGTERM)

App().run()
""",
        preexec_fn=ignore,
    )
    assert done.stdout == "still here\n"
