"""Trees in processes of their own, the bridges to them, and what befalls them."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from circuits import Bridge, Component, Event, Ipc, Manager, Task, Worker, handler, sleep
from circuits.core.errors import NotSendableError, PeerLostError, UnregistrableError
from circuits.core.pollers import EPoll, Poll, Select
from circuits.net.sockets import Pipe
from circuits.testing import Recorder

from .process_support import (
    Idle,
    Program,
    Quiet,
    eventually,
    is_alive,
    needs_fork,
    no_leaks,  # noqa: F401 - a fixture
    perform,
)

pytestmark = [pytest.mark.usefixtures("no_leaks"), needs_fork]


class Hello(Event):
    success = True


class Bad(Event): ...


class Slow(Event): ...


class Ask(Event): ...


class Question(Event): ...


class Told(Event): ...


class Finish(Event): ...


class Count(Event): ...


class Far(Component):
    """Runs in the child."""

    channel = "far"

    def hello(self, *args: Any) -> int:
        return os.getpid()

    def bad(self) -> None:
        raise ValueError("bad")

    def slow(self) -> Any:
        yield sleep(60)

    def ask(self) -> Any:
        answer = yield self.call(Question(), "near")
        return answer.value

    def count(self, number: int) -> int:
        return number

    def finish(self, code: Any) -> None:
        self.stop(code)


class Near(Component):
    """Runs here."""

    channel = "near"

    def question(self) -> tuple[int, str]:
        return os.getpid(), "near"


Made = tuple[Manager, Far, Any, Bridge]


def linked(app: Manager | None = None) -> Made:
    app = Manager() if app is None else app
    Quiet().register(app)
    far = Far()
    Quiet().register(far)
    process, bridge = far.start(process=True, link=app)
    return app, far, process, bridge


def test_the_reference_scenario() -> None:
    """The manager runs in a thread, so the child is forked beside one."""
    manager = Manager()
    watcher = Recorder("ready").register(manager)
    manager.start()
    app = Far()
    process, bridge = app.start(process=True, link=manager)
    watcher.wait_for("ready", bridge)
    value = manager.fire(Hello(), "far")
    eventually(lambda: value.result)
    assert value.value == app.pid == process.pid != os.getpid()
    app.stop()
    assert process.exitcode == 0
    app.join()
    manager.stop()
    manager.join()


def test_results_failures_and_calls_cross_both_ways() -> None:
    app, far, process, _ = linked()
    Near().register(app)

    async def body(self: Any) -> None:
        await self.wait("ready", "*")
        assert await self.call(Hello(), "far") == process.pid
        with pytest.raises(ValueError, match="bad"):
            await self.call(Bad(), "far")
        assert await self.call(Ask(), "far") == (os.getpid(), "near")
        with pytest.raises(NotSendableError):
            await self.call(Hello(lambda: 1), "far")
        counted = await asyncio.gather(*(_result(self, Count(n)) for n in range(500)))
        assert counted == list(range(500))
        assert await self.call(Ipc(Hello(), "far"), "anywhere") == process.pid

    perform(app, body)
    far.join()
    assert process.exitcode == 0  # it ended since nobody is there any more


async def _result(self: Any, event: Event) -> Any:
    return await self.call(event, "far")


def test_events_before_the_child_is_ready_are_not_lost() -> None:
    app, _, process, _ = linked()
    value = app.fire(Hello(), "far")

    async def body(self: Any) -> None:
        while not value.result:
            await asyncio.sleep(0.005)

    perform(app, body)
    assert value.value == process.pid
    assert process.exitcode == 0  # a linked child ends with the application


def test_a_child_without_link_runs_until_it_is_stopped() -> None:
    reader, writer = os.pipe()

    class App(Component):
        channel = "app"

        def started(self, component: Any) -> None:
            os.write(writer, b"started ")

        def stopped(self, component: Any) -> None:
            os.write(writer, b"stopped")

    app = App()
    process, bridge = app.start(process=True)
    assert bridge is None
    assert app.pid == process.pid
    assert not app.running
    assert os.read(reader, 100) == b"started "
    app.stop()
    assert os.read(reader, 100) == b"stopped"
    assert process.exitcode == 0
    app.stop()
    app.join()
    os.close(reader)
    os.close(writer)


def test_a_tree_can_be_started_again_when_its_process_has_ended() -> None:
    app = Far()
    first, _ = app.start(process=True)
    with pytest.raises(UnregistrableError, match=f"as process {first.pid}"):
        app.start(process=True)
    app.stop()
    second, _ = app.start(process=True)
    assert second.pid != first.pid
    app.stop()


@pytest.mark.parametrize(("code", "status"), [(None, 0), (3, 3), ("text", 1)])
def test_the_exit_status_of_the_child(code: Any, status: int, capfd: Any) -> None:
    app, far, process, _ = linked()

    async def body(self: Any) -> None:
        await self.wait("ready", "*")
        self.fire(Finish(code), "far")
        await self.wait("bridge_lost", "*")

    perform(app, body)
    far.join()
    assert process.exitcode == status


@pytest.mark.parametrize("name", ["started", "stopped"])
def test_handlers_of_started_and_stopped_may_raise_in_the_child(name: str) -> None:
    reader, writer = os.pipe()

    class Broken(Component):
        channel = "broken"

        @handler(name, channel="*")
        def _break(self, component: Any) -> None:
            raise ZeroDivisionError(f"in {name}")

        @handler("error", channel="*")
        def _on_error(self, kind: Any, problem: Any, *rest: Any) -> None:
            os.write(writer, str(problem).encode())

    app = Manager()
    far = Far() + Broken()
    process, _ = far.start(process=True, link=app)

    async def body(self: Any) -> None:
        await self.wait("ready", "*")
        assert await self.call(Hello(), "far") == process.pid

    perform(app, body)
    assert process.exitcode == 0
    assert os.read(reader, 100) == f"in {name}".encode()
    os.close(reader)
    os.close(writer)


def test_a_killed_child_is_a_lost_peer() -> None:
    app, far, process, bridge = linked()
    seen = Recorder("bridge_lost", "error").register(app)

    async def body(self: Any) -> None:
        await self.wait("ready", "*")
        busy = [self.fire(Count(n), "far") for n in range(200)]
        waiting = [self.fire(Slow(), "far"), self.fire(Ipc(Slow(), "far"))]
        await asyncio.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        values = [*waiting, *busy]
        while not all(v.result for v in values):
            await asyncio.sleep(0.005)
        assert [type(v.value[1]) for v in waiting] == [PeerLostError] * 2
        for number, value in enumerate(busy):
            assert value.value == number or isinstance(value.value[1], PeerLostError)
        while process.is_alive() or bridge.parent is not bridge:
            await asyncio.sleep(0.005)
        # Nobody there handles it any more, and it is not sent.
        assert not self.fire(Hello(), "far").result

    perform(app, body)
    assert len(seen.named("bridge_lost")) == 1
    assert process.exitcode == -signal.SIGKILL
    far.join()


def test_killed_under_load_from_both_sides() -> None:
    """Whatever was under way has its result or its failure, each time."""
    app = Manager()
    Quiet().register(app)
    Near().register(app)

    async def body(self: Any) -> None:
        for _ in range(5):
            far = Far()
            Quiet().register(far)
            process, bridge = far.start(process=True, link=app)
            while bridge._wanted is None:
                await asyncio.sleep(0.001)
            values = [self.fire(Ask(), "far") for _ in range(200)]
            await asyncio.sleep(0.01)
            process.kill()
            while not all(v.result for v in values):
                await asyncio.sleep(0.001)
            for value in values:
                done = value.value == (os.getpid(), "near")
                assert done or isinstance(value.value[1], PeerLostError)
            while process.is_alive():
                await asyncio.sleep(0.001)

    perform(app, body)
    assert not app._tasks


def test_children_do_not_keep_the_pipes_of_each_other() -> None:
    app = Manager()
    Quiet().register(app)
    fars = [Far(channel=f"far-{n}") for n in range(3)]
    made = [far.start(process=True, link=app) for far in fars]

    async def body(self: Any) -> None:
        while any(bridge._wanted is None for _, bridge in made):
            await asyncio.sleep(0.005)
        for n, (process, _) in enumerate(made):
            assert await self.call(Hello(), f"far-{n}") == process.pid
        # The first one hears that its bridge is closed, though the others were forked later.
        made[0][1].unregister()
        while made[0][0].is_alive():
            await asyncio.sleep(0.005)
        assert [p.is_alive() for p, _ in made] == [False, True, True]

    perform(app, body)
    for far in fars:
        far.join()
    assert [p.exitcode for p, _ in made] == [0, 0, 0]


@pytest.mark.parametrize("kind", [Select, Poll, EPoll])
def test_pollers_are_made_anew_in_the_child(kind: Any) -> None:
    app = Manager()
    kind().register(app)
    Quiet().register(app)
    far = Far()
    kind().register(far)
    process, _ = far.start(process=True, link=app)

    async def body(self: Any) -> None:
        await self.wait("ready", "*")
        assert await self.call(Hello(), "far") == process.pid
        # A wake-up from another thread, which must not reach the child.
        timer = threading.Timer(0.02, lambda: self.fire(Told(), "script"))
        timer.start()
        await self.wait(Told, "script")
        assert await self.call(Hello(), "far") == process.pid
        timer.join()

    perform(app, body)
    far.join()
    assert process.exitcode == 0


def test_timers_and_coroutines_go_on_in_the_child() -> None:
    class Clock(Component):
        channel = "far"

        async def hello(self) -> int:
            await asyncio.sleep(0.01)
            await sleep(0.01)
            return os.getpid()

    app = Manager()
    far = Clock()
    process, _ = far.start(process=True, link=app)

    async def body(self: Any) -> None:
        await self.wait("ready", "*")
        assert await self.call(Hello(), "far") == process.pid

    perform(app, body)
    far.join()
    assert process.exitcode == 0


def test_a_child_may_be_started_by_a_handler_of_a_running_tree() -> None:
    app = Manager()
    Quiet().register(app)

    async def body(self: Any) -> None:
        far = Far()
        process, bridge = far.start(process=True, link=self)
        assert (await self.wait("ready", bridge.channel)).args == [bridge]
        assert bridge.parent is self
        assert await self.call(Hello(), "far") == process.pid
        far.stop()
        assert process.exitcode == 0

    perform(app, body)


def test_a_child_may_have_workers() -> None:
    class Busy(Component):
        channel = "far"

        def hello(self) -> Any:
            value = yield self.call(Task(os.getpid), "threads")
            return value.value

    app = Manager()
    far = Busy() + Worker(workers=1, channel="threads")
    process, _ = far.start(process=True, link=app)

    async def body(self: Any) -> None:
        await self.wait("ready", "*")
        assert await self.call(Hello(), "far") == process.pid

    perform(app, body)
    far.join()
    assert process.exitcode == 0


def test_the_stop_of_a_child_that_hangs_ends_it() -> None:
    class Hanging(Component):
        channel = "far"
        stop_timeout = 0.1

        def started(self, component: Any) -> None:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            os.write(writer, b"x")
            time.sleep(60)

    reader, writer = os.pipe()
    app = Hanging()
    process, _ = app.start(process=True)
    os.read(reader, 1)
    app.stop()
    assert process.exitcode == -signal.SIGKILL
    os.close(reader)
    os.close(writer)


def test_a_pipe_of_socket_components_will_do() -> None:
    """What ``link`` does, by hand: ``run(socket)`` in the child."""
    app = Manager()
    Quiet().register(app)
    near, far_end = Pipe("near-end", "far-end")
    pid = os.fork()
    if not pid:
        near._sock.close()
        try:
            far = Far()

            @handler("bridge_lost", channel="*")
            def end(self: Manager, *args: Any) -> None:
                self.stop()

            far.addHandler(end)
            far.run(far_end)
        finally:
            os._exit(0)
    far_end._sock.close()
    Bridge(near, channel=near.channel).register(app)

    async def body(self: Any) -> None:
        assert await self.call(Hello(), "far") == pid

    perform(app, body)
    assert os.waitpid(pid, 0)[1] == 0


@pytest.mark.parametrize(
    ("kwargs", "kind", "text"),
    [
        ({"link": True, "process": True}, TypeError, "link must be a manager, not True"),
        ({"link": Manager()}, TypeError, "add process=True"),
        ({"process": "telepathy"}, OSError, "cannot telepathy processes"),
        ({"process": "spawn"}, TypeError, "__reduce__"),
    ],
)
def test_arguments_are_checked(kwargs: Any, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind, match=text):
        Idle().start(**kwargs)


def test_only_a_tree_that_does_not_run_can_be_started() -> None:
    app = Manager()
    part = Idle().register(app)
    with pytest.raises(UnregistrableError, match="part of a tree"):
        part.start(process=True)
    with app.running():
        with pytest.raises(UnregistrableError, match="it runs"):
            app.start(process=True)


def test_where_nothing_can_be_forked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multiprocessing, "get_all_start_methods", lambda: ["spawn"])
    with pytest.raises(OSError, match="cannot fork processes: it has spawn"):
        Idle().start(process=True, link=Manager())


def test_a_failed_fork_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(process: Any, method: str) -> None:
        raise BlockingIOError("no room")

    monkeypatch.setattr("circuits.core._process.starting._start", refuse)
    app, far = Manager(), Far()
    with pytest.raises(BlockingIOError):
        far.start(process=True, link=app)
    assert not app.components
    assert far.pid == os.getpid()


class Sent(Far):
    """Can be made in another process."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[()]]:
        return (type(self), ())


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_tree_that_can_be_sent_may_be_spawned(method: str) -> None:
    app, far = Manager(), Sent()
    process, _ = far.start(process=method, link=app)

    async def body(self: Any) -> None:
        await self.wait("ready", "*")
        assert await self.call(Hello(), "far") == process.pid

    perform(app, body)
    far.join()
    assert process.exitcode == 0


_PROGRAM = """
import os, sys, time
from circuits import Component, handler

class Child(Component):
    channel = "child"

    def started(self, component):
        os.write(1, b"%d\\n" % os.getpid())  # in one piece, also where Python does not buffer
        {busy}

class Parent(Component):
    channel = "parent"

parent = Parent()
child = Child()
child.start(process=True{link})
parent.run()
child.join()
print("over", child._run_process.exitcode, flush=True)
"""


@pytest.mark.parametrize("link", ["", ", link=parent"], ids=["alone", "linked"])
@pytest.mark.parametrize("busy", ["", "time.sleep(0.3)"], ids=["idle", "busy"])
def test_a_child_ends_when_its_parent_is_killed(link: str, busy: str, tmp_path: Path) -> None:
    with Program(_PROGRAM.format(link=link, busy=busy), tmp_path) as program:
        pid = int(program.line())
        program.process.kill()
        eventually(lambda: not is_alive(pid), "the end of the child")


#: The same, with a parent that says when it runs: a signal that comes before is Python's.
_PROGRAM_OF_TWO = _PROGRAM.replace(
    'channel = "parent"\n',
    'channel = "parent"\n\n    def started(self, component):\n        os.write(1, b"parent\\n")\n',
)


def test_ctrl_c_ends_parent_and_child(tmp_path: Path) -> None:
    with Program(_PROGRAM_OF_TWO.format(link=", link=parent", busy=""), tmp_path) as program:
        lines = {program.line().strip(), program.line().strip()}
        (pid,) = map(int, lines - {"parent"})
        os.killpg(program.process.pid, signal.SIGINT)
        assert program.rest() == ("over 0\n", "", 0)
        assert not is_alive(pid)


def test_sigterm_at_the_parent_ends_a_linked_child(tmp_path: Path) -> None:
    with Program(_PROGRAM_OF_TWO.format(link=", link=parent", busy=""), tmp_path) as program:
        assert "parent" in {program.line().strip(), program.line().strip()}
        program.process.terminate()
        assert program.rest() == ("over 0\n", "", 0)
