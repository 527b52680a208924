"""Tasks, workers and bridges as programs of 2.1 and of the 3.x line use them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from typing import Any

import pytest

import circuits
from circuits import Bridge, Component, Event, Manager, Worker, handler
from circuits.core import bridge, workers
from circuits.core.workers import Task, task

Run = Callable[[Manager], Manager]


def fail() -> None:
    raise LookupError("nothing there")


def nothing() -> None:
    """Return nothing."""


class Told(Component):
    """Keeps what is told about tasks."""

    def init(self) -> None:
        self.told: list[Any] = []

    def task_success(self, source: Event, result: Any) -> None:
        self.told.append(("success", source, result))

    def task_failure(self, source: Event, error: Any) -> None:
        self.told.append(("failure", source, error))

    def error(self, kind: type[BaseException], *rest: Any) -> None:
        self.told.append(("error", kind))


def turn_until(app: Manager, condition: Callable[[], object]) -> None:
    for _ in range(25_000):
        if condition():
            return
        app.tick(0.002)
    raise AssertionError("it never came")


@pytest.fixture
def told(app_runner: Run) -> Told:
    told = Told()
    Worker(workers=2).register(told)
    app_runner(told)
    return told


def fired(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Task:
    event = Task(function, *args, **kwargs)
    event.success = event.failure = True
    return event


def test_the_result_of_the_function_is_that_of_the_event(told: Told) -> None:
    event = fired(divmod, 17, 5)
    value = told.fire(event, "worker")
    turn_until(told, lambda: told.told)
    assert told.told == [("success", event, (3, 2))]
    assert value.value == (3, 2)
    assert not value.errors


def test_none_is_no_result_but_a_success(told: Told) -> None:
    event = fired(nothing)
    value = told.fire(event, "worker")
    turn_until(told, lambda: told.told)
    assert told.told == [("success", event, None)]
    assert not value.result


def test_what_the_function_raises_is_a_failure_and_an_error(told: Told) -> None:
    event = fired(fail)
    value = told.fire(event, "worker")
    turn_until(told, lambda: len(told.told) == 2)
    [(_, source, error), (_, kind)] = told.told
    assert kind is LookupError
    assert source is event
    assert value.errors
    assert value.value is error
    assert (error[0], str(error[1])) == (LookupError, "nothing there")
    assert "in fail" in "".join(error[2])


def test_another_thread_may_fire_at_the_worker(app_runner: Run) -> None:
    app = Manager()
    worker = Worker().register(app)
    app_runner(app)
    values = []
    thread = threading.Thread(target=lambda: values.append(worker.fire(Task(max, 3, 4))))
    thread.start()
    thread.join(10)
    turn_until(app, lambda: values[0].result)
    assert values[0].value == 4


def test_a_worker_has_the_channel_that_it_is_given(app_runner: Run) -> None:
    app = Manager()
    Worker(channel="elsewhere").register(app)
    app_runner(app)
    value = app.fire(Task(abs, -2), "elsewhere")
    ignored = app.fire(Task(abs, -2), "worker")
    turn_until(app, lambda: value.result)
    assert value.value == 2
    assert not ignored.result


def test_tasks_in_the_spelling_of_3x(app_runner: Run) -> None:
    class App(Component):
        def init(self) -> None:
            self.found: list[Any] = []
            Worker().register(self)

        def go(self) -> Generator[Any, Any, None]:
            value = yield self.call(circuits.task(pow, 2, 5), "worker")
            self.found.append(value.value)

    app = App()
    app_runner(app)
    app.fire(Event.create("go"))
    turn_until(app, lambda: app.found)
    assert app.found == [32]
    assert circuits.task is task
    assert issubclass(task, Task)
    assert circuits.Task is Task
    assert "task" in workers.__all__


def test_what_a_bridge_keeps_for_itself() -> None:
    kept = (
        "registered unregistered started stopped error value_changed generate_events read write "
        "close connected connect disconnect disconnected _read _write "
        "ready signal prepare_unregister"
    )
    assert set(kept.split()) <= set(Bridge.ignore)
    assert Bridge.channel == "bridge"
    assert bridge.ipc is bridge.Ipc


def test_start_gives_what_runs_and_the_bridge() -> None:
    class App(Component):
        @handler("hello")
        def _on_hello(self) -> str:
            return threading.current_thread().name

    app = App()
    thread, link = app.start()
    value = app.fire(Event.create("hello"))
    while not value.result and thread.is_alive():
        thread.join(0.001)
    app.stop()
    app.join()
    assert link is None
    assert thread.daemon
    assert not thread.is_alive()
    assert value.value == thread.name == app.name
