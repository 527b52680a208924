"""Workers, bridges and processes as they are documented: names, signatures, behaviour."""

from __future__ import annotations

import inspect
import os
from typing import Any

import pytest

import circuits
from circuits import Bridge, Component, Event, Ipc, Manager, Supervisor, Task, Worker
from circuits.core import bridge, supervisor, workers
from circuits.core.components import BaseComponent
from circuits.core.events import Event as CoreEvent
from circuits.testing import settle


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (circuits.Task, workers.Task),
        (circuits.Worker, workers.Worker),
        (circuits.Bridge, bridge.Bridge),
        (circuits.Ipc, bridge.Ipc),
        (circuits.ipc, bridge.Ipc),
        (circuits.Supervisor, supervisor.Supervisor),
    ],
)
def test_friendly_names_are_the_same_things(one: Any, other: Any) -> None:
    assert one is other


@pytest.mark.parametrize("module", [circuits, circuits.core])
def test_lazy_names_are_listed_and_others_are_missing(module: Any) -> None:
    assert {"Task", "Worker", "Bridge", "Supervisor"} <= set(dir(module))
    with pytest.raises(AttributeError, match="nothing_of_this_name"):
        _ = module.nothing_of_this_name


@pytest.mark.parametrize(
    ("thing", "documented"),
    [
        (Task, "(f, *args, **kwargs)"),
        (Worker, "(*args, **kwargs)"),
        (
            Worker.init,
            "(self, process=False, workers=None, channel='worker', *, backlog=10000, timeout=None)",
        ),
        (Bridge.init, "(self, socket, channel='bridge', *, forward=True, limit_bytes=268435456)"),
        (Ipc, "(event, channel=None)"),
        (Manager.start, "(self, process=False, link=None, *, implicit=True)"),
        (Manager.join, "(self)"),
        (Manager.run, "(self, socket=None)"),
        (
            Supervisor.init,
            "(self, strategy='one_for_one', intensity=3, period=5.0, channel='supervisor', *, escalate=True, delay=0.05, max_delay=30.0)",
        ),
    ],
)
def test_signatures(thing: Any, documented: str) -> None:
    signature = inspect.signature(thing)
    bare = signature.replace(
        parameters=[p.replace(annotation=p.empty) for p in signature.parameters.values()],
        return_annotation=signature.empty,
    )
    assert str(bare) == documented


def test_bases() -> None:
    assert issubclass(Worker, BaseComponent)
    assert issubclass(Bridge, BaseComponent)
    assert issubclass(Task, CoreEvent)


def test_the_event_of_a_task_carries_the_function() -> None:
    task = Task(max, 1, 2, key=abs)
    assert task.name == "task"
    assert task.args == [max, 1, 2]
    assert task.kwargs == {"key": abs}
    assert not task.success


def test_defaults_of_a_worker() -> None:
    worker = Worker()
    assert worker.channel == "worker"
    assert worker.workers == workers.DEFAULT_WORKERS == 10
    assert Worker(process=True).workers == (getattr(os, "process_cpu_count", os.cpu_count)() or 1)


def test_a_worker_executes_what_is_fired_at_it(app_thread: Any) -> None:
    app = Manager()
    worker = Worker().register(app)
    app_thread(app)
    values = [worker.fire(Task(pow, 2, 10)), app.fire(Task(pow, 3, 2), "worker")]
    while not all(value.result for value in values):
        os.sched_yield()
    assert [value.value for value in values] == [1024, 9]


def test_the_names_that_a_bridge_keeps_are_of_the_class() -> None:
    assert {"registered", "unregistered", "started", "stopped", "error"} <= set(Bridge.ignore)
    assert {"generate_events", "read", "write", "_read", "_write"} <= set(Bridge.ignore)


class Hello(Event): ...


class App(Component):
    channel = "app"

    def hello(self) -> str:
        return f"Hello from {os.getpid()}"


@pytest.mark.process
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_the_documented_scenario_of_a_linked_process() -> None:
    manager = Manager()
    app = App()
    _, link = app.start(process=True, link=manager)
    with manager.running():
        while link._wanted is None:
            manager.tick(0.1)
        value = manager.fire(Hello())
        while not value.result:
            manager.tick(0.1)
        assert value.value == f"Hello from {app.pid}"
        assert app.pid != os.getpid()
    app.join()
    settle(manager)


def test_link_is_a_component() -> None:
    with pytest.raises(TypeError):
        App().start(process=True, link=True)  # type: ignore[arg-type]


def test_join_returns_at_once_when_nothing_was_started() -> None:
    App().join()


def test_supervised_events_have_documented_names() -> None:
    names = [supervisor.Crashed.name, supervisor.Restarted.name, supervisor.GaveUp.name]
    assert names == ["crashed", "restarted", "gave_up"]
