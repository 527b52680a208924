"""Real children: streams, signals, ends, and what becomes of them when we end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from circuits import BaseComponent, handler
from circuits.core.pollers import BasePoller, EPoll, Poll, Select
from circuits.io import Close, Open, Process
from circuits.io.process import Kill, Signal, Start, Stop, Wait, Write

from .net_support import SECONDS, Journal, Running, descriptors, eventually, running


def start(program: Running, process: Process, journal: Journal, count: int = 1) -> int:
    """Start a process; its pid."""
    program.app.fire(Start(), process)
    assert journal.expect("started", count) == (process,)
    assert process.p is not None
    return process.p.pid


def is_child(pid: int) -> bool:
    """Whether there is still such a child of ours, dead or alive."""
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
    except ChildProcessError:
        return False
    return True


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture(params=[EPoll, Poll, Select])
def poller(request: pytest.FixtureRequest) -> BasePoller:
    made: BasePoller = request.param()
    return made


def test_input_output_and_end(poller: BasePoller) -> None:
    process, journal = Process(["cat"]), Journal("process")
    with running(poller, process, journal) as program:
        before = program.inside(descriptors)
        pid = start(program, process, journal)
        out = Journal(f"{pid}.stdout").register(program.app)
        program.app.fire(Write(b"hello "), "process")
        program.app.fire(Write("world"), "process")
        program.app.fire(Close(), f"{pid}.stdin")
        assert journal.expect("stopped") == (process,)
        assert journal.expect("terminated") == (process,)
        assert process.status == 0
        assert process.stdout.getvalue() == b"hello world"
        assert not is_child(pid)
        out.expect("closed")
        assert b"".join(data for (data,) in out.of("read")) == b"hello world"
        assert out.names.index("eof") + 1 == out.names.index("closed")
        eventually(lambda: program.inside(descriptors) <= before, "a descriptor is left open")
        assert not process.components
    assert journal.names.count("stopped") == 1


def test_both_outputs_and_the_status() -> None:
    process = Process("echo out; echo err >&2; exit 3", shell=True)
    journal = Journal("process")
    with running(process, journal) as program:
        start(program, process, journal)
        journal.expect("stopped")
        assert (process.stdout.getvalue(), process.stderr.getvalue()) == (b"out\n", b"err\n")
        assert process.status == 3


def test_a_process_can_be_started_again(tmp_path: Path) -> None:
    process, journal = Process(["pwd"], cwd=str(tmp_path)), Journal("process")
    with running(process, journal) as program:
        for count in (1, 2, 3):
            start(program, process, journal, count)
            journal.expect("stopped", count)
            assert process.stdout.getvalue().strip() == str(tmp_path).encode()


def test_starting_twice_is_told() -> None:
    process, journal = Process(["cat"]), Journal("process")
    with running(process, journal) as program:
        start(program, process, journal)
        program.app.fire(Start(), process)
        assert "is already running" in str(journal.expect("io_error")[0])


@pytest.mark.parametrize(
    ("event", "number"),
    [(Stop(), signal.SIGTERM), (Kill(), signal.SIGKILL), (Signal(signal.SIGHUP), signal.SIGHUP)],
)
def test_signals(event: Any, number: int) -> None:
    process, journal = Process(["sleep", "60"]), Journal("process")
    with running(process, journal) as program:
        start(program, process, journal)
        program.app.fire(event, "process")
        journal.expect("stopped")
        assert process.status == -number
        program.app.fire(Kill(), "process")  # nobody is there any more
        program.app.fire(Stop(), "process")
    assert "error" not in journal.names


def test_a_child_that_somebody_else_kills() -> None:
    process, journal = Process(["sleep", "60"]), Journal("process")
    with running(process, journal) as program:
        pid = start(program, process, journal)
        os.kill(pid, signal.SIGKILL)
        journal.expect("stopped")
        assert process.status == -signal.SIGKILL
        assert not is_child(pid)


def test_waiting_gives_the_status_and_does_not_block() -> None:
    results: list[Any] = []

    class Asker(BaseComponent):
        channel = "asker"

        @handler("started", channel="process")
        def _on_started(self, process: Process) -> Any:
            value = yield self.call(Wait(), "process")
            results.append(value.value)
            results.append((yield process.wait()))

    process, journal = Process("read line; exit 7", shell=True), Journal("process")
    with running(process, journal, Asker()) as program:
        start(program, process, journal)
        assert program.inside(lambda: list(results)) == []  # the loop goes on meanwhile
        program.app.fire(Write(b"\n"), "process")
        journal.expect("stopped")
        eventually(lambda: results == [7, 7], "nobody told the waiter")


def test_awaiting() -> None:
    results: list[Any] = []

    class Asker(BaseComponent):
        channel = "asker"

        @handler("started", channel="process")
        async def _on_started(self, process: Process) -> None:
            results.append(await process.wait())
            results.append(await process.wait())
            results.append(await self.call(Wait(), "process"))

    process, journal = Process(["false"]), Journal("process")
    with running(process, journal, Asker()) as program:
        start(program, process, journal)
        eventually(lambda: results == [1, 1, 1], "nobody told the waiter")


def test_a_flood_of_output_is_bounded() -> None:
    limit = 1_000_000
    process = Process(["head", "-c", "20000000", "/dev/zero"], max_output=limit)
    journal, total = Journal("process"), [0]

    class Counter(BaseComponent):
        @handler("read", channel="*")
        def _on_read(self, data: bytes) -> None:
            total[0] += len(data)

    with running(process, journal, Counter()) as program:
        start(program, process, journal)
        journal.expect("stopped")
    assert total[0] == 20_000_000
    assert len(process.stdout.getvalue()) == limit
    assert len(journal.of("io_error")) == 1


def test_output_waits_while_reading_is_paused() -> None:
    process, journal = (
        Process("head -c 1000000 /dev/zero; echo >&2", shell=True),
        Journal("process"),
    )
    with running(process, journal) as program:

        def start_paused() -> None:
            process.start()
            process.pause_reading()

        program.inside(start_paused)
        journal.expect("started")
        assert program.inside(lambda: len(process.stdout.getvalue())) == 0
        assert process.status is None
        program.inside(process.resume_reading)
        journal.expect("stopped")
        assert len(process.stdout.getvalue()) == 1_000_000


def test_a_child_that_never_reads() -> None:
    process, journal = Process(["sleep", "60"], max_pending=3_000_000), Journal("process")
    with running(process, journal) as program:
        start(program, process, journal)
        for _ in range(5):
            program.app.fire(Write(b"x" * 1_000_000), "process")
        journal.expect("pause")
        problem = journal.expect("io_error")[0]
        assert "does not read" in str(problem)
        assert "stopped" not in journal.names
        program.app.fire(Kill(), "process")
        journal.expect("stopped")


def test_a_child_that_ends_before_its_pipes_are_even_used() -> None:
    process, journal = Process(["echo", "out"]), Journal("process")
    with running(process, journal) as program:
        before = program.inside(descriptors)

        def start_late() -> None:
            process.start()
            process.write(b"too late")
            assert process.p is not None
            process.p.wait(SECONDS)
            process._look()

        program.inside(start_late)
        journal.expect("stopped")
        assert process.stdout.getvalue() == b"out\n"
        assert "8 bytes came too late" in str(journal.expect("io_error")[0])
        eventually(lambda: program.inside(descriptors) <= before, "a descriptor is left open")


def test_a_pipe_cannot_be_opened_again() -> None:
    process, journal = Process(["cat"]), Journal("process")
    with running(process, journal) as program:
        pid = start(program, process, journal)
        program.inside(lambda: None)
        program.app.fire(Open(), f"{pid}.stdout")
        assert "cannot be opened again" in str(journal.expect("io_error")[0])
        program.app.fire(Close(), f"{pid}.stdin")
        journal.expect("stopped")


def test_who_waits_may_leave() -> None:
    class Asker(BaseComponent):
        channel = "asker"

        @handler("started", channel="process")
        def _on_started(self, process: Process) -> Any:
            yield process.wait()

    process, journal, asker = Process(["cat"]), Journal("process"), Asker()
    with running(process, journal, asker) as program:
        pid = start(program, process, journal)
        eventually(lambda: process._waiting, "nobody waits")
        asker.unregister()
        eventually(lambda: not process._waiting, "somebody waits still")
        program.app.fire(Close(), f"{pid}.stdin")
        journal.expect("stopped")


def test_a_child_that_ends_before_it_has_read_all() -> None:
    process, journal = Process("read line", shell=True), Journal("process")
    with running(process, journal) as program:
        start(program, process, journal)
        program.app.fire(Write(b"line\n" + b"x" * 1_000_000), "process")
        journal.expect("stopped")
        assert isinstance(journal.expect("io_error")[0], BrokenPipeError)
        assert process.status == 0


def test_much_goes_through() -> None:
    data = bytes(range(256)) * 40_000
    process, journal = Process(["cat"]), Journal("process")
    with running(process, journal) as program:
        pid = start(program, process, journal)
        program.app.fire(Write(data), "process")
        program.app.fire(Close(), f"{pid}.stdin")
        journal.expect("stopped")
        assert process.stdout.getvalue() == data


def test_who_inherits_the_output_holds_the_end_up_only_so_long() -> None:
    process = Process("sleep 60 & echo $!", shell=True, output_grace=0.2)
    journal = Journal("process")
    with running(process, journal) as program:
        start(program, process, journal)
        journal.expect("stopped")
        os.kill(int(process.stdout.getvalue()), signal.SIGKILL)
        assert process.status == 0


#: One piece is written, however Python buffers: who has seen it may close the pipe.
_STUBBORN = """\
import signal, sys
signal.signal(15, signal.SIG_IGN)
sys.stdout.write("ready\\n")
sys.stdout.flush()
sys.stdin.read()
while True: signal.pause()
"""


def stubborn(**options: Any) -> Process:
    """A process that does not end when it is asked to."""
    return Process([sys.executable, "-c", _STUBBORN], **options)


@pytest.mark.parametrize(
    ("make", "number"), [(stubborn, 9), (lambda: Process(["sleep", "60"]), 15)]
)
def test_the_end_of_the_application_ends_children(make: Callable[[], Process], number: int) -> None:
    process, journal = make(), Journal("process")
    process._grace = 0.3
    with running(process, journal) as program:
        pid = start(program, process, journal)
        if number == 9:
            eventually(lambda: process.stdout.getvalue(), "the child is not ready")
        since = time.monotonic()
    assert process.status == -number
    assert not is_child(pid)
    assert journal.names[-2:] == ["stopped", "terminated"]
    assert time.monotonic() - since < 5


@pytest.mark.parametrize(
    ("make", "number"), [(stubborn, 9), (lambda: Process(["sleep", "60"]), 15)]
)
def test_leaving_ends_the_child(make: Callable[[], Process], number: int) -> None:
    process, journal = make(), Journal("process")
    process._grace = 0.3
    with running(process, journal) as program:
        before = program.inside(descriptors)
        pid = start(program, process, journal)
        if number == 9:
            eventually(lambda: process.stdout.getvalue(), "the child is not ready")
        process.unregister()
        eventually(lambda: process not in program.app.components, "it does not leave")
        assert process.status == -number
        assert not is_child(pid)
        program.inside(lambda: None)
        # It has taken its poller along, and another one is there now.
        eventually(lambda: program.inside(descriptors) <= before, "a descriptor is left open")


def test_who_inherits_the_output_does_not_hold_up_the_end_of_the_application() -> None:
    process, journal = Process("sleep 60 & echo $!; wait", shell=True), Journal("process")
    with running(process, journal) as program:
        program.app.stop_timeout = 1.0
        start(program, process, journal)
        eventually(lambda: process.stdout.getvalue(), "the child is not ready")
        since = time.monotonic()
    os.kill(int(process.stdout.getvalue()), signal.SIGKILL)
    assert time.monotonic() - since < 5
    assert journal.names[-2:] == ["stopped", "terminated"]
    assert process.status == -signal.SIGTERM


def test_many_children_at_once() -> None:
    processes = [Process(["sh", "-c", f"echo {n}; exit {n}"], channel=n + 1) for n in range(40)]
    journals = [Journal(n + 1) for n in range(40)]
    with running(*processes, *journals) as program:
        before = program.inside(descriptors)
        for process in processes:
            program.app.fire(Start(), process)
        for number, journal in enumerate(journals):
            journal.expect("stopped")
            assert processes[number].status == number
            assert processes[number].stdout.getvalue() == b"%d\n" % number
        eventually(lambda: program.inside(descriptors) <= before, "a descriptor is left open")


def test_without_the_help_of_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    process, journal = (
        Process(["sh", "-c", "exec >&- 2>&-; sleep 0.15; exit 4"]),
        Journal("process"),
    )
    with running(process, journal) as program:
        start(program, process, journal)
        journal.expect("stopped")
        assert process.status == 4


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs pidfd_open")
def test_a_running_child_costs_nothing() -> None:
    process, journal = Process(["cat"]), Journal("process")
    with running(process, journal) as program:
        start(program, process, journal)
        program.inside(lambda: None)
        engine: Any = program.app._tree_engine
        eventually(lambda: engine.queue.sleeping, "the loop does not come to rest")
        assert program.app._tree_engine.schedule.next_deadline() is None


def test_other_children_are_left_to_others() -> None:
    handler_before = signal.getsignal(signal.SIGCHLD)
    with subprocess.Popen(["sh", "-c", "exit 5"]) as other:
        process, journal = Process(["true"]), Journal("process")
        with running(process, journal) as program:
            start(program, process, journal)
            journal.expect("stopped")
        assert other.wait(SECONDS) == 5
    assert signal.getsignal(signal.SIGCHLD) is handler_before


_PROGRAM = """
import sys
from circuits import Component
from circuits.io import Process

class App(Component):
    def started(self, component):
        if component is self:
            self.process = Process(["sleep", "60"]).register(self)
            self.process.start()
            print(self.process.p.pid, flush=True)

App().run()
"""


def test_an_interrupted_program_leaves_no_child() -> None:
    program = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", _PROGRAM],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert program.stdout is not None
    pid = int(program.stdout.readline())
    program.send_signal(signal.SIGINT)
    _, errors = program.communicate(timeout=SECONDS)
    assert (program.returncode, errors) == (0, b"")
    assert not is_alive(pid)


_SOMEBODY_ELSE_TAKES_IT = """
import os, signal, sys
from circuits import Component, handler, sleep
from circuits.io import Process

if sys.argv[1] == "ignored":
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)

class App(Component):
    channel = "app"

    @handler("started", channel="*")
    def _on_started(self, component):
        if component is self:
            Process(["sh", "-c", "read line; exit " + sys.argv[2]]).register(self).start()

    @handler("started", channel="process")
    def _on_process(self, process):
        if sys.argv[1] == "taken":
            process.write("go\\n")
            while os.waitid(os.P_PID, process.p.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
                yield sleep(0.001)
            os.waitpid(process.p.pid, 0)
        else:
            process.write("go\\n")
            yield

    @handler("terminated", channel="process")
    def _on_terminated(self, process):
        print(process.status)
        self.stop()

App().run()
"""


@pytest.mark.parametrize("status", ["0", "3"])
@pytest.mark.parametrize("how", ["ignored", "taken"])
def test_a_status_that_somebody_else_has_taken_is_never_success(how: str, status: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _SOMEBODY_ELSE_TAKES_IT, how, status],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    )
    # The one who waits first gets it.
    assert done.stdout in (["255\n"] if how == "ignored" else ["255\n", f"{status}\n"])
