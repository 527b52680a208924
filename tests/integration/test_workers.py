"""Workers with real threads and processes, and what befalls them."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from circuits import Manager, Task, Worker, handler
from circuits.core import _poller_user
from circuits.core._process.pools import ProcessPool
from circuits.core.errors import (
    NotSendableError,
    RemoteError,
    TaskCancelledError,
    TaskTimeoutError,
    WorkerLostError,
    WorkerStoppedError,
)
from circuits.core.pollers import Poller

from .process_support import (
    Program,
    Quiet,
    eventually,
    is_alive,
    no_leaks,  # noqa: F401 - a fixture
    perform,
)

pytestmark = pytest.mark.usefixtures("no_leaks")

BOTH = pytest.mark.parametrize("process", [False, True], ids=["threads", "processes"])


# What processes execute must be found by name.


def add(one: int, other: int) -> int:
    return one + other


def where() -> tuple[int, int]:
    return os.getpid(), threading.get_ident()


def wait(seconds: float, result: Any = None) -> Any:
    time.sleep(seconds)
    return result


def fail() -> None:
    raise ValueError("on request")


def interrupt() -> None:
    raise KeyboardInterrupt


class OddError(Exception):
    def __init__(self, one: int, other: int) -> None:
        super().__init__(f"{one} and {other}")


def fail_oddly() -> None:
    raise OddError(1, 2)


def make_lock() -> Any:
    return threading.Lock()


def echo(data: bytes) -> bytes:
    return data


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def end() -> None:
    os._exit(7)


def close_everything() -> None:
    os.closerange(3, 64)


def make(process: bool, workers: int = 2, **options: Any) -> tuple[Manager, Worker, Quiet]:
    app = Manager()
    quiet = Quiet().register(app)
    return app, Worker(process=process, workers=workers, **options).register(app), quiet


@BOTH
def test_results_and_exceptions(process: bool) -> None:
    app, _, _ = make(process)

    async def body(self: Any) -> None:
        assert await self.call(Task(add, 1, other=2), "worker") == 3
        with pytest.raises(ValueError, match="on request"):
            await self.call(Task(fail), "worker")
        pid, thread = await self.call(Task(where), "worker")
        assert (pid != os.getpid()) is process
        assert thread != threading.get_ident() or process

    perform(app, body)


@BOTH
def test_tasks_are_executed_beside_each_other(process: bool) -> None:
    app, worker, _ = make(process, 4)

    async def body(self: Any) -> None:
        async def one(n: int) -> int:
            result: int = await self.call(Task(wait, 0.01, n), "worker")
            return result

        assert await asyncio.gather(*(one(n) for n in range(40))) == list(range(40))
        if process:
            assert len(worker.pool.pids) == 4

    perform(app, body)


@BOTH
def test_many_tasks_from_many_threads(process: bool) -> None:
    app, worker, _ = make(process)
    values: list[Any] = []

    def fire(number: int) -> None:
        values.extend(worker.fire(Task(add, number, n)) for n in range(50))

    async def body(self: Any) -> None:
        threads = [threading.Thread(target=fire, args=(1000 * n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        while len(values) < 200 or not all(v.result for v in values):
            await asyncio.sleep(0.005)
        for thread in threads:
            thread.join()

    perform(app, body)
    assert sorted(v.value for v in values) == sorted(
        1000 * n + m for n in range(4) for m in range(50)
    )


@BOTH
def test_the_keyboard_interrupt_of_a_task_stops_the_application(process: bool) -> None:
    app, _, _ = make(process)
    app.fire(Task(interrupt), "worker")
    app.run()  # and returns


@BOTH
def test_a_task_that_takes_too_long(process: bool) -> None:
    app, worker, quiet = make(process, 1, timeout=0.1)

    async def body(self: Any) -> None:
        with pytest.raises(TaskTimeoutError, match=r"test_workers.wait was not over after 0.1 s"):
            await self.call(Task(wait, 0.3 if not process else 60), "worker")
        worker.timeout = 5
        assert await self.call(Task(add, 1, 1), "worker") == 2

    perform(app, body)
    assert [type(p) for p in quiet.problems] == [TaskTimeoutError]


def test_a_process_that_executes_a_cancelled_task_is_killed() -> None:
    app, worker, _ = make(True, 1)

    async def body(self: Any) -> None:
        task = Task(wait, 60)
        value = self.fire(task, "worker")
        waiting = Task(add, 1, 1)
        other = self.fire(waiting, "worker")
        while not worker.pool.pids:
            await asyncio.sleep(0.005)
        (pid,) = worker.pool.pids
        assert worker.cancel(waiting)
        assert worker.cancel(task)
        assert not is_alive(pid)
        assert await self.call(Task(add, 1, 2), "worker") == 3
        for cancelled in (value, other):
            assert isinstance(cancelled.value[1], TaskCancelledError)

    perform(app, body)


@pytest.mark.parametrize("how", [die, end])
def test_a_dead_process_costs_the_one_task_that_it_executed(how: Any) -> None:
    app, worker, quiet = make(True, 2)

    async def body(self: Any) -> None:
        before = [self.fire(Task(wait, 0.05, n), "worker") for n in range(5)]
        lost = self.fire(Task(how), "worker")
        after = [self.fire(Task(wait, 0.01, n), "worker") for n in range(5)]
        while not all(v.result for v in [*before, lost, *after]):
            await asyncio.sleep(0.005)
        assert [v.value for v in before + after] == [*range(5), *range(5)]
        problem = lost.value[1]
        assert isinstance(problem, WorkerLostError)
        assert f"exit status {7 if how is end else -9}" in str(problem)
        assert f"test_workers.{how.__name__}" in str(problem)
        assert len(worker.pool.pids) <= 2

    perform(app, body)
    assert len(quiet.problems) == 1


def test_killed_under_load() -> None:
    """Each task has its result or a failure, and there are no more failures than kills."""
    app, worker, _ = make(True, 3)
    kills = 0

    async def body(self: Any) -> None:
        nonlocal kills
        values = [self.fire(Task(wait, 0.002, n), "worker") for n in range(300)]
        while not all(v.result for v in values):
            await asyncio.sleep(0.03)
            for pid in worker.pool.pids[:1]:
                if kills < 15 and is_alive(pid):
                    os.kill(pid, signal.SIGKILL)
                    kills += 1
        failed = [v for v in values if v.errors]
        assert kills > 3
        assert len(failed) <= kills
        assert {type(v.value[1]) for v in failed} <= {WorkerLostError}
        assert [v.value for v in values if not v.errors] == [
            n for n, v in enumerate(values) if not v.errors
        ]

    perform(app, body)


def test_a_process_killed_while_it_sends_a_large_result() -> None:
    app, worker, _ = make(True, 1)

    async def body(self: Any) -> None:
        for n in range(5):
            value = self.fire(Task(echo, b"x" * 20_000_000), "worker")
            while not worker.pool.pids:
                await asyncio.sleep(0.001)
            (pid,) = worker.pool.pids
            await asyncio.sleep(0.02 + 0.01 * n)
            os.kill(pid, signal.SIGKILL)
            while not value.result or pid in worker.pool.pids:
                await asyncio.sleep(0.001)
            assert value.value == b"x" * 20_000_000 or isinstance(value.value[1], WorkerLostError)
        assert await self.call(Task(add, 1, 1), "worker") == 2

    perform(app, body)


def test_an_idle_process_that_dies_is_replaced() -> None:
    app, worker, quiet = make(True, 1)

    async def body(self: Any) -> None:
        await self.call(Task(add, 1, 1), "worker")
        (pid,) = worker.pool.pids
        os.kill(pid, signal.SIGKILL)
        while worker.pool.pids:
            await asyncio.sleep(0.005)
        assert await self.call(Task(add, 1, 1), "worker") == 2

    perform(app, body)
    assert quiet.problems == []


def test_a_task_that_breaks_its_process_is_a_failure() -> None:
    app, _, _ = make(True, 1)

    async def body(self: Any) -> None:
        with pytest.raises(WorkerLostError):
            await self.call(Task(close_everything), "worker")
        assert await self.call(Task(add, 1, 1), "worker") == 2

    perform(app, body)


@pytest.mark.parametrize(
    ("task", "kind", "text"),
    [
        (lambda: Task(lambda: 1), NotSendableError, "<lambda>"),
        (lambda: Task(echo, threading.Lock()), NotSendableError, "test_workers.echo"),
        (lambda: Task(make_lock), NotSendableError, "result of .*make_lock"),
        (lambda: Task(fail_oddly), RemoteError, "OddError: 1 and 2"),
    ],
)
def test_what_cannot_be_sent_fails_by_name(
    task: Callable[[], Task], kind: type[Exception], text: str
) -> None:
    app, _, _ = make(True, 1)

    async def body(self: Any) -> None:
        with pytest.raises(kind, match=text):
            await self.call(task(), "worker")
        assert await self.call(Task(add, 1, 1), "worker") == 2

    perform(app, body)


def test_the_traceback_of_a_process_is_shown() -> None:
    app, _, _ = make(True, 1)

    async def body(self: Any) -> None:
        with pytest.raises(ValueError) as caught:
            await self.call(Task(fail), "worker")
        assert 'raise ValueError("on request")' in str(caught.value.__cause__)

    perform(app, body)


def test_the_error_of_a_process_tells_where_it_was_raised() -> None:
    app, _, _ = make(True, 1)
    errors: list[Any] = []

    @handler("error", channel="*")
    def _on_error(self: Manager, *args: Any) -> None:
        errors.append(args)

    app.addHandler(_on_error)
    task = Task(fail)

    async def body(self: Any) -> None:
        with pytest.raises(ValueError):
            await self.call(task, "worker")

    perform(app, body)
    [(kind, _, lines, _)] = errors
    assert kind is ValueError
    assert len(lines) == 1  # nothing of ours
    assert 'raise ValueError("on request")' in lines[0]
    assert task.value.value[2] == lines


def test_large_data_goes_both_ways() -> None:
    app, _, _ = make(True, 1)
    data = os.urandom(5_000_000)

    async def body(self: Any) -> None:
        assert await self.call(Task(echo, data), "worker") == data

    perform(app, body)


@BOTH
def test_a_stop_waits_for_tasks(process: bool) -> None:
    app, worker, quiet = make(process, 2)
    values: list[Any] = []

    async def body(self: Any) -> None:
        values.extend(self.fire(Task(wait, 0.05, n), "worker") for n in range(6))
        await asyncio.sleep(0.02)

    perform(app, body)
    assert [v.value for v in values] == list(range(6))
    assert quiet.problems == []
    if process:
        assert worker.pool.pids == []


@BOTH
def test_a_stop_does_not_wait_for_ever(process: bool) -> None:
    app, _, _ = make(process, 1)
    app.stop_timeout = 0.2
    values: list[Any] = []

    async def body(self: Any) -> None:
        values.append(self.fire(Task(wait, 4), "worker"))
        values.append(self.fire(Task(add, 1, 1), "worker"))
        await asyncio.sleep(0.02)

    begin = time.monotonic()
    perform(app, body)
    assert time.monotonic() - begin < 3.5
    assert [type(v.value[1]) for v in values] == [WorkerStoppedError] * 2


@BOTH
def test_everything_is_gone_when_the_worker_has_left(process: bool) -> None:
    app, worker, _ = make(process, 2)

    async def body(self: Any) -> None:
        values = [self.fire(Task(wait, 0.1, n), "worker") for n in range(4)]
        await asyncio.sleep(0.03)
        worker.unregister()
        while worker.parent is not worker:
            await asyncio.sleep(0.005)
        assert [type(v.value[1]) for v in values] == [WorkerStoppedError] * 4
        if process:
            assert worker.pool.pids == []

    perform(app, body)


@BOTH
def test_a_worker_works_in_every_run(process: bool) -> None:
    app, _, _ = make(process, 1)

    async def body(self: Any) -> None:
        assert await self.call(Task(add, 1, 1), "worker") == 2

    perform(app, body)
    perform(app, body)


def test_a_guest_of_asyncio_has_workers_too() -> None:
    app, _, _ = make(True, 1)
    threads = Worker(workers=1, channel="threads").register(app)
    got: list[Any] = []

    async def main() -> None:
        running = asyncio.create_task(app.run_async())
        values = [app.fire(Task(add, 1, 1), channel) for channel in ("worker", "threads")]
        async with asyncio.timeout(20):
            while not all(v.result for v in values):
                await asyncio.sleep(0.005)
        got.extend(v.value for v in values)
        app.stop()
        await running

    asyncio.run(main())
    assert got == [2, 2]
    assert not threads._jobs


def test_a_pool_that_is_made_but_not_used_starts_nothing() -> None:
    worker = Worker(process=True)
    assert isinstance(worker.pool, ProcessPool)
    assert worker.pool.pids == []


_PROGRAM = """
import os, signal, sys, time
from circuits import Component, Task, Worker, handler

def work(seconds):
    time.sleep(seconds)
    return "finished"

class App(Component):
    channel = "app"

    def started(self, component):
        self.values = [self.fire(Task(work, {seconds}), "worker") for _ in range(2)]
        while len(worker.pool.pids) < 2 or not all(s.is_ready for s in worker.pool._slots.values()):
            yield
        print(*worker.pool.pids, flush=True)

worker = Worker(process=True, workers=2)

def main():
    app = App()
    worker.register(app)
    app.run()
    print([v.value for v in app.values], flush=True)

{guard}main()
"""
_GUARD = "if __name__ == '__main__': "


def test_ctrl_c_reaches_all_and_costs_no_task(tmp_path: Path) -> None:
    with Program(_PROGRAM.format(seconds=0.5, guard=_GUARD), tmp_path) as program:
        pids = [int(pid) for pid in program.line().split()]
        os.killpg(program.process.pid, signal.SIGINT)
        out, err, status = program.rest()
        assert err == ""
        assert out == "['finished', 'finished']\n"
        assert status == 0
        assert not any(map(is_alive, pids))


def test_a_killed_application_leaves_no_processes_behind(tmp_path: Path) -> None:
    with Program(_PROGRAM.format(seconds=60, guard=_GUARD), tmp_path) as program:
        pids = [int(pid) for pid in program.line().split()]
        assert all(map(is_alive, pids))
        program.process.kill()
        eventually(lambda: not any(map(is_alive, pids)), "the end of the processes")


def test_a_main_module_without_guard_is_told(tmp_path: Path) -> None:
    text = """
from circuits import Component, Task, Worker

class App(Component):
    channel = "app"

    def started(self, component):
        value = yield self.call(Task(print, "executed"), "worker")
        print(value.value[1], flush=True)
        self.stop()

(App() + Worker(process=True, workers=1)).run()
"""
    with Program(text, tmp_path) as program:
        assert "if __name__ == '__main__'" in program.line()
        _, err, status = program.rest()
        assert "if __name__ == '__main__'" in err
        assert status == 0


def test_threads_that_ask_for_the_pool_at_once_get_the_same_one() -> None:
    worker = Worker(process=True)
    begin = threading.Barrier(8)
    found = []

    def ask() -> None:
        begin.wait(5)
        found.append(worker.pool)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert len({id(pool) for pool in found}) == 1
    assert len(found) == 8


def test_a_process_that_dies_while_it_is_idle_takes_no_task_along() -> None:
    """Also if the loop has had no time to hear of it."""
    app, worker, _ = make(True, 1)

    def kill(pid: int) -> None:
        os.kill(pid, signal.SIGKILL)
        ready, _, _ = select.select(list(worker.pool._slots), [], [], 10)
        assert ready  # its end of the pipe is closed, too

    async def body(self: Any) -> None:
        for number in range(3):
            assert await self.call(Task(add, number, 1), "worker") == number + 1
            kill(*worker.pool.pids)

    perform(app, body)


def test_a_process_that_dies_as_soon_as_it_is_started_fails_its_task(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def give(pool: ProcessPool, job: Any, frame: bytes) -> None:
        job.fail(WorkerLostError("it has died"))

    monkeypatch.setattr(ProcessPool, "_give_new", give)
    app, _, _ = make(True, 1)

    async def body(self: Any) -> None:
        with pytest.raises(WorkerLostError, match="it has died"):
            await self.call(Task(add, 1, 1), "worker", timeout=5)

    perform(app, body)


@pytest.mark.parametrize("what", ["no poller", "poller that takes no more"])
def test_a_process_that_nobody_can_hear_of_fails_its_task(
    what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any) -> None:
        raise OSError(28, "no space left")

    app = Manager()
    worker = Worker(process=True, workers=1).register(app)
    if what == "no poller":
        monkeypatch.setattr(_poller_user, "Poller", refuse)
    else:
        monkeypatch.setattr(Poller().register(app), "addReader", refuse)
    quiet = Quiet().register(app)
    values: list[Any] = []
    with app.running():
        for turn in range(2):
            values = [app.fire(Task(add, 1, turn), "worker") for _ in range(2)]
            deadline = time.monotonic() + 10
            while not all(value.result for value in values) and time.monotonic() < deadline:
                app.tick(0.01)
            if turn == 0:
                assert all(value.errors for value in values)
                assert not worker.pool.pids
                monkeypatch.undo()
        assert [value.value for value in values] == [2, 2]
    assert quiet.problems
