"""Supervised processes: killed, hanging, crashing at once, and gone at the end."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from circuits import Component, Event, Manager, Supervisor, Task, Timer, Worker, handler
from circuits.core.errors import WorkerLostError
from circuits.testing import Recorder

from .process_support import (
    SECONDS,
    Program,
    Quiet,
    eventually,
    is_alive,
    needs_fork,
    no_leaks,  # noqa: F401 - a fixture
    perform,
)

pytestmark = [pytest.mark.usefixtures("no_leaks"), needs_fork]


class Hello(Event): ...


class End(Event): ...


class Far(Component):
    channel = "far"

    def hello(self) -> int:
        return os.getpid()

    def end(self, code: Any) -> None:
        self.stop(code)


def supervised(**options: Any) -> tuple[Manager, Supervisor, Recorder]:
    app = Manager()
    Quiet().register(app)
    seen = Recorder("crashed", "restarted", "gave_up", "bridge_lost").register(app)
    return app, Supervisor(**options).register(app), seen


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def until(condition: Any) -> None:
    while not condition():
        await asyncio.sleep(0.002)


async def answering(self: Any) -> int:
    """The id of a child that answers, once there is one."""
    while True:
        value = self.fire(Hello(), "far")
        await asyncio.sleep(0.005)
        if value.result and not value.errors:
            return int(value.value)


def test_a_killed_process_is_started_again_at_once() -> None:
    app, supervisor, seen = supervised(intensity=100)
    supervisor.add(Far, process=True, link=True)
    taken = []

    async def body(self: Any) -> None:
        for _ in range(5):
            pid = await answering(self)
            assert pid == supervisor.child("Far").pid
            begin = time.perf_counter()
            os.kill(pid, signal.SIGKILL)
            await until(lambda p=pid: getattr(supervisor.child("Far"), "pid", p) != p)
            taken.append(time.perf_counter() - begin)
            assert not is_alive(pid)

    perform(app, body)
    assert [str(r.args[1]) for r in seen.named("crashed")] == [
        "process Far ended with exit status -9"
    ] * 5
    assert len(seen.named("restarted")) == 5
    assert len(seen.named("bridge_lost")) == 5
    assert sorted(taken)[2] < 5  # the figure is in the benchmarks


def test_what_was_under_way_fails_and_the_next_one_works() -> None:
    app, supervisor, _ = supervised(intensity=100)
    supervisor.add(Far, process=True, link=True)

    async def body(self: Any) -> None:
        for _ in range(3):
            pid = await answering(self)
            values = [self.fire(Hello(), "far") for _ in range(100)]
            os.kill(pid, signal.SIGKILL)
            await until(
                lambda v=values: all(value.result or not value.event.waitingHandlers for value in v)
            )

    perform(app, body)
    assert not app._tasks


@pytest.mark.parametrize(
    ("restart", "code", "again"),
    [
        ("failure", None, False),
        ("failure", 3, True),
        ("always", None, True),
        ("never", 3, False),
    ],
)
def test_a_process_that_ends_by_itself(restart: str, code: Any, again: bool) -> None:
    app, supervisor, seen = supervised()
    supervisor.add(Far, "far", process=True, link=True, restart=restart)

    async def body(self: Any) -> None:
        pid = await answering(self)
        self.fire(End(code), "far")
        await until(lambda: not is_alive(pid))
        if again:
            assert await answering(self) != pid
        else:
            await until(lambda: not supervisor.names or supervisor.child("far") is None)

    perform(app, body)
    assert len(seen.named("restarted")) == again


def test_processes_end_in_reverse_order_when_the_application_stops() -> None:
    reader, writer = os.pipe()

    def child(name: str) -> Any:
        class Named(Component):
            channel = name

            def started(self, component: Any) -> None:
                os.write(writer, b"+" + name.encode())

            @handler("stopped")
            def _on_stopped(self, component: Any) -> None:
                os.write(writer, b"-" + name.encode())

        return Named

    app, supervisor, seen = supervised()
    for name in "abc":
        supervisor.add(child(name), name, process=True)

    async def body(self: Any) -> None:
        got = b""
        while len(got) < 6:
            got += os.read(reader, 10)

    perform(app, body)
    assert os.read(reader, 100) == b"-c-b-a"
    assert not seen.named("crashed")
    os.close(reader)
    os.close(writer)


def test_a_process_that_hangs_is_killed_at_the_end() -> None:
    reader, writer = os.pipe()

    class Hanging(Component):
        def started(self, component: Any) -> None:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            os.write(writer, b"x")
            time.sleep(60)

    app, supervisor, _ = supervised()
    app.stop_timeout = 0.3
    supervisor.add(Hanging, process=True)

    async def body(self: Any) -> None:
        os.read(reader, 1)

    begin = time.monotonic()
    perform(app, body)
    assert time.monotonic() - begin < 5
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
def test_processes_and_components_together(strategy: str) -> None:
    app, supervisor, seen = supervised(strategy=strategy)

    class Near(Component):
        channel = "near"

    supervisor.add(Far, process=True, link=True)
    supervisor.add(Near)

    async def body(self: Any) -> None:
        pid, near = await answering(self), supervisor.child("Near")
        os.kill(pid, signal.SIGKILL)
        await until(lambda: supervisor.child("Near") not in (None, near))
        assert await answering(self) != pid

    perform(app, body)
    assert [r.args[0] for r in seen.named("restarted")] == ["Far", "Near"]


def test_a_process_that_always_crashes_is_given_up_with_all_above_it() -> None:
    class Crashing(Component):
        channel = "crashing"

        def started(self, component: Any) -> None:
            os._exit(3)

    inners = []

    def team() -> Supervisor:
        inner = Supervisor(intensity=1, channel="inner")
        inner.add(Crashing, process=True)
        inner.add(Far, process=True)
        inners.append(inner)
        return inner

    app, outer, seen = supervised(intensity=1)
    outer.add(team)
    watchdog = Timer(SECONDS, Event.create("Bark"), "watchdog").register(app)

    @handler("bark", channel="watchdog")
    def _on_bark(self: Any) -> None:
        self.stop()

    app.addHandler(_on_bark)
    with pytest.raises(SystemExit) as caught:
        app.run()
    watchdog.unregister()
    assert caught.value.code == 1
    assert len(inners) == 2
    assert [r.args[0] for r in seen.named("gave_up")] == [*inners, outer]
    assert not seen.named("crashed")[0].args[1].args[0].endswith("0")


def test_a_process_is_gone_when_it_is_removed_or_the_supervisor_leaves() -> None:
    app, supervisor, seen = supervised()
    supervisor.add(Far, "one", process=True, link=True)
    supervisor.add(Far, "two", process=True, link=True)

    async def body(self: Any) -> None:
        pids = {name: supervisor.child(name).pid for name in ("one", "two")}
        supervisor.remove("one")
        await until(lambda: not is_alive(pids["one"]))
        assert is_alive(pids["two"])
        supervisor.unregister()
        await until(lambda: supervisor.parent is supervisor)
        assert not is_alive(pids["two"])

    perform(app, body)
    assert not seen.named("crashed")


def test_a_child_is_added_while_the_application_runs() -> None:
    app, supervisor, _ = supervised()

    async def body(self: Any) -> None:
        supervisor.add(Far, process=True, link=True)
        assert await answering(self) == supervisor.child("Far").pid

    perform(app, body)


def test_processes_are_started_in_every_run() -> None:
    app, supervisor, _ = supervised()
    supervisor.add(Far, process=True, link=True)

    async def body(self: Any) -> None:
        await answering(self)

    perform(app, body)
    assert supervisor.child("Far") is None
    perform(app, body)


def test_a_worker_may_be_started_again() -> None:
    """It replaces dead processes itself; here its loss is declared fatal."""
    app, supervisor, seen = supervised()
    supervisor.add(lambda: Worker(process=True, workers=1), "worker", fatal=WorkerLostError)

    async def body(self: Any) -> None:
        before = supervisor.child("worker")
        with pytest.raises(WorkerLostError):
            await self.call(Task(die), "worker")
        await until(lambda: supervisor.child("worker") not in (None, before))
        assert await self.call(Task(os.getpid), "worker") != os.getpid()

    perform(app, body)
    assert [r.args[0] for r in seen.named("restarted")] == ["worker"]


_PROGRAM = """
import os
from circuits import Component, Manager, Supervisor, handler

class Child(Component):
    channel = "child"

class Inner(Supervisor):
    def init(self, *args, **kwargs):
        super().init(channel="inner")
        self.add(Child, "a", process=True)
        self.add(Child, "b", process=True)

class App(Component):
    channel = "app"

    def started(self, component):
        yield
        inner = outer.child("Inner")
        print(*(inner.child(n).pid for n in "ab"), flush=True)

app = App()
outer = Supervisor().register(app)
outer.add(Inner)
app.run()
print("over", flush=True)
"""


@pytest.mark.parametrize(
    ("number", "of_all"), [(signal.SIGTERM, False), (signal.SIGINT, True)], ids=["TERM", "^C"]
)
def test_signals_end_all_processes(number: int, of_all: bool, tmp_path: Path) -> None:
    with Program(_PROGRAM, tmp_path) as program:
        pids = [int(pid) for pid in program.line().split()]
        if of_all:
            os.killpg(program.process.pid, number)
        else:
            program.process.send_signal(number)
        assert program.rest() == ("over\n", "", 0)
        assert not any(map(is_alive, pids))


def test_a_killed_supervisor_takes_its_processes_along(tmp_path: Path) -> None:
    with Program(_PROGRAM, tmp_path) as program:
        pids = [int(pid) for pid in program.line().split()]
        program.process.kill()
        eventually(lambda: not any(map(is_alive, pids)), "the end of the processes")
