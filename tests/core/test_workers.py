"""Workers over a pool that executes when the test says so: no thread, no process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from circuits import Component, Event, Manager, Task, Worker, handler
from circuits.core import workers
from circuits.core.errors import (
    BacklogFullError,
    TaskCancelledError,
    TaskTimeoutError,
    WorkerStoppedError,
)
from circuits.testing import Recorder, VirtualClock, settle


class ManualPool:
    """An executor that executes what it was given when asked to."""

    def __init__(self) -> None:
        self.calls: list[Callable[[], Any]] = []
        self.told: list[dict[str, bool]] = []

    def submit(self, function: Callable[[], Any]) -> None:
        self.calls.append(function)

    def execute(self) -> None:
        while self.calls:
            self.calls.pop(0)()

    def shutdown(self, **options: bool) -> None:
        self.told.append(options)


Made = tuple[Manager, Worker, ManualPool, Recorder]


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> ManualPool:
    pool = ManualPool()
    monkeypatch.setattr(Worker, "_make_pool", lambda self: pool)
    return pool


@pytest.fixture
def make(
    pool: ManualPool, app_runner: Callable[[Manager], Manager], recorder: Callable[..., Recorder]
) -> Callable[..., Made]:
    def make(*args: Any, **kwargs: Any) -> Made:
        app = app_runner(Manager())
        seen = recorder(app)
        worker = Worker(*args, **kwargs).register(app)
        settle(app)
        return app, worker, pool, seen

    return make


def observed(*args: Any, **kwargs: Any) -> Task:
    task = Task(*args, **kwargs)
    task.success = task.failure = task.complete = True
    return task


def begin(worker: Worker) -> Any:
    """Take a task as a thread does that is still executing it."""
    return worker._waiting.popleft()


def end(worker: Worker, job: Any, result: Any) -> None:
    job.result = result
    worker._executed(job)


def fail(problem: BaseException) -> None:
    raise problem


def test_the_result_is_the_value(make: Callable[..., Made]) -> None:
    app, _, pool, seen = make()
    value = app.fire(observed(lambda a, b: a + b, 1, b=2), "worker")
    settle(app)
    assert value.value is None
    assert "task_success" not in seen.names
    pool.execute()
    settle(app)
    assert value.value == 3
    assert [n for n in seen.names if n.startswith("task_")] == ["task_success", "task_complete"]


def test_no_result_is_a_success_too(make: Callable[..., Made]) -> None:
    app, _, pool, seen = make()
    value = app.fire(observed(lambda: None), "worker")
    settle(app)
    pool.execute()
    settle(app)
    assert not value.result
    assert "task_success" in seen.names


def test_what_is_raised_is_the_failure(make: Callable[..., Made]) -> None:
    app, _, pool, seen = make()
    problem = ValueError("no")
    value = app.fire(observed(fail, problem), "worker")
    settle(app)
    pool.execute()
    settle(app)
    assert value.errors
    assert value.value[1] is problem
    assert "task_failure" in seen.names
    assert "error" in seen.names
    assert "task_success" not in seen.names


async def _coroutine() -> None: ...


@pytest.mark.parametrize("is_process", [False, True])
def test_a_coroutine_is_refused_by_name(make: Callable[..., Made], is_process: bool) -> None:
    app, _, pool, _ = make(process=is_process)
    value = app.fire(Task(_coroutine), "worker")
    settle(app)
    assert not pool.calls
    assert value.errors
    assert "_coroutine is a coroutine, which needs no worker" in str(value.value[1])


def test_a_worker_alone_takes_what_it_fires(pool: ManualPool) -> None:
    worker = Worker()
    value = worker.fire(Task(lambda: "alone"))
    settle(worker)
    pool.execute()
    settle(worker)
    assert value.value == "alone"


@pytest.mark.parametrize("kind", ["generator", "coroutine"])
def test_a_handler_waits_for_the_result(make: Callable[..., Made], kind: str) -> None:
    app, _, pool, _ = make()

    class Asking(Component):
        channel = "asking"
        got: list[Any] = []

        @handler("generator")
        def _ask(self) -> Any:
            value = yield self.call(Task(lambda: 42), "worker")
            self.got.append(value.value)

        @handler("coroutine")
        async def _ask_too(self) -> None:
            self.got.append(await self.call(Task(lambda: 42), "worker"))
            with pytest.raises(ZeroDivisionError):
                await self.call(Task(lambda: 1 / 0), "worker")

    asking = Asking().register(app)
    app.fire(Event.create(kind), "asking")
    settle(app)
    pool.execute()
    settle(app)
    pool.execute()
    settle(app)
    assert asking.got == [42]
    assert not app._tasks


def test_keyboard_interrupt_reaches_the_application(make: Callable[..., Made]) -> None:
    app, _, pool, _ = make()
    app.fire(Task(fail, KeyboardInterrupt()), "worker")
    settle(app)
    pool.execute()
    settle(app)
    assert not app.running


def test_system_exit_is_the_exit_status(pool: ManualPool) -> None:
    app = Manager()
    Worker().register(app)

    with pytest.raises(SystemExit) as caught, app.running():
        app.fire(Task(fail, SystemExit(3)), "worker")
        settle(app)
        pool.execute()
        settle(app)
    assert caught.value.code == 3


def test_one_task_too_many_is_refused_and_the_others_are_not(make: Callable[..., Made]) -> None:
    app, _, pool, _ = make(workers=2, backlog=1)
    values = [app.fire(Task(lambda: "done"), "worker") for _ in range(4)]
    settle(app)
    assert [v.errors for v in values] == [False, False, False, True]
    assert isinstance(values[3].value[1], BacklogFullError)
    assert "executes 2 tasks at a time, and 1 are waiting" in str(values[3].value[1])
    pool.execute()
    settle(app)
    again = app.fire(Task(lambda: "again"), "worker")
    settle(app)
    pool.execute()
    settle(app)
    assert [v.value for v in values[:3]] == ["done"] * 3
    assert again.value == "again"


def test_without_a_limit_all_wait(make: Callable[..., Made]) -> None:
    app, _, pool, _ = make(workers=1, backlog=None)
    values = [app.fire(Task(lambda: 1), "worker") for _ in range(50)]
    settle(app)
    pool.execute()
    settle(app)
    assert [v.value for v in values] == [1] * 50


def test_many_results_need_one_event(make: Callable[..., Made]) -> None:
    app, worker, pool, _ = make()
    for _ in range(20):
        app.fire(Task(lambda: 1), "worker")
    settle(app)
    pool.execute()
    assert len(app) == 1
    settle(app)
    assert not worker._jobs


def test_a_waiting_task_can_be_taken_back(make: Callable[..., Made]) -> None:
    app, worker, pool, _ = make()
    task = Task(lambda: 1)
    value = app.fire(task, "worker")
    settle(app)
    assert worker.cancel(task)
    settle(app)
    assert isinstance(value.value[1], TaskCancelledError)
    assert not worker.cancel(task)
    pool.execute()
    settle(app)
    assert len(value.exceptions) == 1


def test_a_task_in_a_thread_cannot_be_taken_back(make: Callable[..., Made]) -> None:
    app, worker, _, _ = make()
    task = Task(lambda: 1)
    value = app.fire(task, "worker")
    settle(app)
    job = begin(worker)
    assert not worker.cancel(task)
    end(worker, job, "late")
    settle(app)
    assert value.value == "late"


def test_an_unknown_task_is_not_taken_back(make: Callable[..., Made]) -> None:
    _, worker, _, _ = make()
    assert not worker.cancel(Task(print))


def test_a_task_that_takes_too_long_fails(
    virtual_clock: VirtualClock, make: Callable[..., Made]
) -> None:
    app, worker, pool, _ = make(timeout=5)
    value = app.fire(Task(lambda: "late"), "worker")
    quick = app.fire(Task(lambda: "quick"), "worker")
    settle(app)
    job = begin(worker)
    pool.execute()
    settle(app, until=virtual_clock() + 6)
    assert isinstance(value.value[1], TaskTimeoutError)
    assert isinstance(value.value[1], TimeoutError)
    assert "after 5 s" in str(value.value[1])
    assert quick.value == "quick"
    end(worker, job, "late")
    settle(app)
    assert len(value.exceptions) == 1


def test_a_stop_waits_for_tasks(pool: ManualPool) -> None:
    app = Manager()
    Worker().register(app)
    values = []
    with app.running():
        values.append(app.fire(Task(lambda: "finished"), "worker"))
        settle(app)
        app.stop()
        settle(app)
        assert pool.told == []
        # Taken while the application stops: a request that is being answered may need it.
        values.append(app.fire(Task(lambda: "too"), "worker"))
        settle(app)
        pool.execute()
    assert [v.value for v in values] == ["finished", "too"]
    assert pool.told == [{"wait": True, "cancel_futures": True}]


def test_a_stop_does_not_wait_for_ever(pool: ManualPool, virtual_clock: VirtualClock) -> None:
    app = Manager()
    worker = Worker().register(app)
    with app.running():
        value = app.fire(Task(lambda: "late"), "worker")
        waiting = app.fire(Task(lambda: "never"), "worker")
        settle(app)
        job = begin(worker)
        app.stop()
        settle(app, until=virtual_clock() + app.stop_timeout)
    assert isinstance(value.value[1], WorkerStoppedError)
    assert isinstance(waiting.value[1], WorkerStoppedError)
    assert not worker._waiting
    # The thread is busy: it is not waited for.
    assert pool.told == [{"wait": False, "cancel_futures": True}]
    end(worker, job, "late")
    settle(app)
    assert len(value.exceptions) == 1


def test_an_idle_worker_ends_its_pool_at_once(make: Callable[..., Made]) -> None:
    app, worker, pool, _ = make()
    assert worker.pool is pool
    app.stop()
    settle(app)
    assert len(pool.told) == 1


def test_a_worker_works_in_the_next_run(pool: ManualPool) -> None:
    app = Manager()
    worker = Worker().register(app)
    for n in (1, 2):
        with app.running():
            value = app.fire(Task(lambda n=n: n), "worker")
            settle(app)
            pool.execute()
            settle(app)
        assert value.value == n
        assert len(pool.told) == n
    assert not worker._jobs


def test_tasks_fail_when_the_worker_leaves(make: Callable[..., Made]) -> None:
    app, worker, pool, seen = make()
    value = app.fire(observed(lambda: 1), "worker")
    settle(app)
    worker.unregister()
    settle(app)
    assert isinstance(value.value[1], WorkerStoppedError)
    assert "task_failure" in seen.names
    assert worker.root is worker
    assert len(pool.told) == 1
    assert not app._tasks


def test_tasks_fail_when_the_worker_is_moved(make: Callable[..., Made]) -> None:
    app, worker, pool, _ = make()
    app.fire(Task(lambda: 1), "worker")
    settle(app)
    other = Manager()
    worker.register(other)
    settle(app)
    assert not app._tasks
    assert not worker._jobs
    value = other.fire(Task(lambda: 2), "worker")
    settle(other)
    pool.execute()
    settle(other)
    assert value.value == 2


def test_the_stop_of_something_else_is_not_ours(make: Callable[..., Made]) -> None:
    app, _, pool, _ = make()
    _ = app.fire(Task(lambda: 1), "worker")
    settle(app)
    app.fire(Event.create("Stopped", Component()), "worker")
    settle(app)
    assert pool.told == []
    pool.execute()
    settle(app)


def test_a_pool_that_refuses_is_a_failure(make: Callable[..., Made]) -> None:
    app, worker, pool, _ = make()

    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("can't start new thread")

    pool.submit = refuse  # type: ignore[method-assign]
    value = app.fire(Task(lambda: 1), "worker")
    settle(app)
    assert isinstance(value.value[1], RuntimeError)
    assert not worker._jobs
    assert not worker._waiting
    assert worker._takers == 0


def test_a_pool_is_given_as_many_calls_as_it_has_threads(make: Callable[..., Made]) -> None:
    app, worker, pool, _ = make(workers=2)
    values = [app.fire(Task(lambda: 1), "worker") for _ in range(5)]
    settle(app)
    assert len(pool.calls) == 2
    pool.execute()
    settle(app)
    assert worker._takers == 0
    assert [v.value for v in values] == [1] * 5


def test_a_task_is_an_effect_of_what_fired_it(make: Callable[..., Made]) -> None:
    app, _, pool, seen = make()

    class Batch(Event):
        complete = True

    class Batches(Component):
        channel = "batches"

        def batch(self) -> None:
            for n in range(3):
                self.fire(Task(lambda n=n: n), "worker")
            self.fire(Task(fail, ValueError()), "worker")

    Batches().register(app)
    app.fire(Batch(), "batches")
    settle(app)
    assert "batch_complete" not in seen.names
    pool.execute()
    settle(app)
    assert seen.names.index("batch_complete") > seen.names.index("error")


def test_a_handler_may_take_a_task_back(make: Callable[..., Made]) -> None:
    app, worker, pool, _ = make()

    class Undecided(Component):
        channel = "undecided"

        @handler("go")
        def _go(self) -> Any:
            task = Task(lambda: 1)
            self.fire(task, "worker")
            yield
            assert worker.cancel(task)
            got = yield self.call(Task(lambda: 2), "worker")
            return got.value

    Undecided().register(app)
    value = app.fire(Event.create("go"), "undecided")
    settle(app)
    pool.execute()
    settle(app)
    assert value.value == 2


@pytest.mark.parametrize(
    ("kwargs", "kind"),
    [
        ({"workers": -1}, ValueError),
        ({"workers": 1.5}, TypeError),
        ({"workers": True}, TypeError),
        ({"backlog": -1}, ValueError),
        ({"timeout": "5"}, TypeError),
    ],
)
def test_arguments_are_checked(kwargs: dict[str, Any], kind: type[Exception]) -> None:
    with pytest.raises(kind):
        Worker(**kwargs)


def test_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Worker().workers == workers.DEFAULT_WORKERS == 10
    assert Worker(workers=0).workers == 10
    assert Worker().channel == "worker"
    assert Worker(False, 3, "mine").channel == "mine"
    monkeypatch.setattr("os.cpu_count", lambda: 7)
    monkeypatch.setattr("os.process_cpu_count", lambda: 7, raising=False)
    assert Worker(process=True).workers == 7
    monkeypatch.setattr("os.cpu_count", lambda: None)
    monkeypatch.setattr("os.process_cpu_count", lambda: None, raising=False)
    assert Worker(process=True).workers == 1


def test_making_a_worker_starts_nothing() -> None:
    worker = Worker()
    assert worker._pool is None
    pool = worker.pool
    assert pool is worker.pool
    assert type(pool).__name__ == "ThreadPoolExecutor"
    worker._dismiss()
