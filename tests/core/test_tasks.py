"""Suspended handlers: steps, call, wait, sleep, timeouts."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator, Iterator
from typing import Any

import pytest

from circuits import Component, Event, Manager, handler
from circuits.core.manager import CallValue
from circuits.testing import Recorder, settle


class go(Event):
    pass


class foo(Event):
    pass


class Log(Component):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.log: list[Any] = []


class Quiet(Component):
    def error(self, *args: Any) -> None: ...


Steps = Generator[Any, Any, Any]


# -- steps --


def test_a_generator_is_not_advanced_during_dispatch_but_once_per_tick() -> None:
    class App(Log):
        def go(self) -> Steps:
            for number in range(3):
                self.log.append(number)
                yield

    app = App()
    event = go()
    value = app.fire(event)
    app.flush()
    assert app.log == []
    assert event.waitingHandlers == 1
    assert value.promise is True
    assert len(app._tasks) == 1
    for number in range(3):
        app.tick()
        assert app.log == list(range(number + 1))
    app.tick()
    assert event.waitingHandlers == 0
    assert app._tasks == set()


def test_tasks_go_in_the_order_of_their_scheduling() -> None:
    class App(Log):
        def go(self, name: str) -> Steps:
            for _ in range(3):
                self.log.append(name)
                yield

    app = App()
    app.fire(go("a"))
    app.flush()
    app.tick()
    app.fire(go("b"))
    app.fire(go("c"))
    app.flush()
    app.tick()
    assert app.log == ["a", "a", "b", "c"]
    app.tick()
    assert app.log == ["a", "a", "b", "c", "a", "b", "c"]


def test_tasks_go_before_the_queue() -> None:
    class App(Log):
        def go(self) -> Steps:
            self.log.append("task")
            yield

        def foo(self) -> None:
            self.log.append("event")

    app = App()
    app.fire(go())
    app.flush()
    app.fire(foo())
    app.tick()
    assert app.log == ["task", "event"]


@pytest.mark.parametrize(
    ("yields", "returns", "outcome"),
    [
        ([1], None, 1),
        ([1, 2], None, [1, 2]),
        ([None, 1, None], None, 1),
        ([], "returned", "returned"),
        ([1], 2, [1, 2]),
        ([0, ""], None, [0, ""]),
        ([[1]], None, [1]),
        ([], None, None),
    ],
)
def test_what_is_yielded_and_returned_is_a_result(
    yields: list[Any], returns: Any, outcome: Any
) -> None:
    class App(Log):
        def go(self) -> Steps:
            yield from yields
            return returns

    app = App()
    value = app.fire(go())
    settle(app)
    assert value.value == outcome
    assert value.result is (outcome is not None)


def test_a_value_that_is_yielded_is_nested() -> None:
    class App(Log):
        def go(self) -> Steps:
            yield self.fire(foo())

        def foo(self) -> str:
            return "inner"

    app = App()
    value = app.fire(go())
    settle(app)
    assert value.value == "inner"


@pytest.mark.parametrize("how", ["yield", "yield from"])
def test_a_generator_that_is_yielded_is_a_sub_task(how: str) -> None:
    class App(Log):
        def go(self) -> Steps:
            got = (yield self.sub()) if how == "yield" else (yield from self.sub())
            self.log.append(got)

        @handler(False)
        def sub(self) -> Steps:
            self.log.append("sub")
            yield
            value = yield self.call(foo())
            return value.value

        def foo(self) -> str:
            return "foo"

    app = App()
    app.fire(go())
    settle(app)
    assert app.log == ["sub", "foo"]


def test_a_sub_task_starts_in_the_same_tick() -> None:
    class App(Log):
        def go(self) -> Steps:
            self.log.append("outer")
            yield self.sub()

        @handler(False)
        def sub(self) -> Steps:
            self.log.append("sub")
            yield

    app = App()
    app.fire(go())
    app.flush()
    app.tick()
    assert app.log == ["outer", "sub"]


def test_what_a_sub_task_raises_arrives_at_the_yield() -> None:
    class App(Log):
        def go(self) -> Steps:
            try:
                yield self.sub()
            except ValueError as problem:
                self.log.append(f"caught {problem}")
            return "fine"

        @handler(False)
        def sub(self) -> Steps:
            yield
            raise ValueError("deep")

    app = App()
    recorder = Recorder("error").register(app)
    value = app.fire(go())
    settle(app)
    assert app.log == ["caught deep"]
    assert value.value == "fine"
    assert recorder.names == []


def test_a_coroutine_that_is_yielded_is_refused_where_it_is() -> None:
    class App(Log):
        async def later(self) -> None: ...

        def go(self) -> Steps:
            with pytest.raises(
                TypeError, match=r"the coroutine .*later is awaited in a handler with"
            ):
                yield self.later()
            yield "fine"

    app = App()
    value = app.fire(go())
    settle(app)
    assert value.value == "fine"


def test_a_failure_in_a_step_finishes_the_handler() -> None:
    class App(Log):
        def go(self) -> Steps:
            yield
            raise ValueError("late")

    app = App() + Quiet()
    recorder = Recorder().register(app)
    settle(app)
    recorder.clear()
    event = go()
    event.success = event.failure = event.complete = event.alert_done = True
    value = app.fire(event)
    settle(app)
    assert recorder.names == ["go", "go_failure", "error", "go_done", "go_complete"]
    assert recorder.named("error")[0].args[3] == app.go
    assert value.errors
    assert value[1].args == ("late",)
    assert event.waitingHandlers == 0
    assert app._tasks == set()


def test_the_end_of_the_last_suspended_handler_is_the_end_of_the_event() -> None:
    class One(Log):
        def __init__(self, steps: int) -> None:
            super().__init__()
            self.steps = steps

        def go(self) -> Steps:
            for _ in range(self.steps):
                yield

    app = One(1) + One(5)
    recorder = Recorder("go_success").register(app)
    event = go()
    event.success = True
    app.fire(event)
    app.flush()
    assert event.waitingHandlers == 2
    for _ in range(3):
        app.tick()
    assert event.waitingHandlers == 1
    assert recorder.names == []
    settle(app)
    assert recorder.names == ["go_success"]


def test_the_old_way_to_return_is_kept() -> None:
    class App(Log):
        def go(self) -> Steps:
            self.log.append((yield self.sub()))

        @handler(False)
        def sub(self) -> Steps:
            yield CallValue("via object")

    app = App()
    app.fire(go())
    settle(app)
    assert app.log == ["via object"]


def test_tasks_are_kept_at_the_root_while_the_tree_changes() -> None:
    class App(Log):
        def go(self) -> Steps:
            for _ in range(5):
                yield
            self.log.append("end")

    app, root = App(), Manager()
    app.fire(go())
    app.tick()
    app.tick()
    app.register(root)
    assert len(root._tasks) == 1
    settle(root)
    assert app.log == ["end"]


# -- the end --


def test_a_stop_closes_what_is_suspended() -> None:
    class App(Log):
        def go(self) -> Steps:
            try:
                yield self.wait("never")
            finally:
                self.log.append("closed")

    app = App()
    with app.running():
        app.fire(go())
        settle(app)
    assert app.log == ["closed"]
    assert app._tasks == set()
    assert not app._tree_engine.tasks.awaited


def test_a_generator_that_resists_being_closed_is_reported() -> None:
    class App(Log):
        def go(self) -> Steps:
            try:
                yield self.wait("never")
            except GeneratorExit:
                yield "no"

        def error(self, etype: Any, *args: Any) -> None:
            self.log.append(etype)

    app = App()
    with app.running():
        app.fire(go())
        settle(app)
    assert app.log == [RuntimeError]


# -- registerTask and its like --


def test_tasks_by_hand() -> None:
    app = Log()
    event = foo()
    app.fire(event)
    app.flush()

    def steps() -> Iterator[Any]:
        for number in range(3):
            app.log.append(number)
            yield

    generator = steps()
    app.registerTask((event, generator))
    app.tick()
    assert app.log == [0]
    app.processTask(event, generator)
    assert app.log == [0, 1]
    app.unregisterTask((event, generator))
    app.unregisterTask((event, generator))
    app.tick()
    assert app.log == [0, 1]
    assert app._tasks == set()


# -- coroutines as tasks (more in test_hosting) --


def test_a_generator_handler_may_await_nothing_but_a_coroutine_may() -> None:
    class App(Log):
        async def go(self) -> str:
            await asyncio.sleep(0)
            return "done"

    app = App()
    with app.running():
        value = app.fire(go())
        settle(app, until=lambda: value.result)
    assert value.value == "done"


@pytest.mark.usefixtures("looks_often")
@pytest.mark.parametrize("how", ["out of the tree", "to another place", "by unregister"])
def test_the_loop_cancels_what_another_thread_makes_leave(how: str, app_thread: Any) -> None:
    class Leaver(Log):
        channel = "leaver"

        def begin(self) -> Steps:
            try:
                yield self.wait("never")
            finally:
                self.log.append(threading.current_thread())
                place.fire(Event.create("ended", "generator"), "*")

        @handler("begin")
        async def begin_too(self) -> None:
            try:
                await self.wait("never")
            finally:
                self.log.append(threading.current_thread())
                place.fire(Event.create("ended", "coroutine"), "*")

        @handler("begin", priority=-1)
        def has_begun(self) -> Steps:
            yield
            yield
            self.fire(Event.create("begun"), "*")

    app, place = Log(), Log()
    place.register(app)
    recorder = Recorder("begun", "ended").register(app)
    leaver = Leaver().register(app)
    app_thread(app)
    app.fire(Event.create("begin"), "leaver")
    recorder.wait_for("begun")
    if how == "by unregister":
        leaver.unregister()
    else:
        leaver.register(leaver if how == "out of the tree" else place)
    recorder.wait_for("ended", "generator")
    recorder.wait_for("ended", "coroutine")
    thread = app._Manager__thread  # type: ignore[attr-defined]
    app.stop()
    app.join()
    assert leaver.log == [thread, thread]


class asked(Event):
    success = failure = True


class Cancels(Log):
    @handler("asked_success", "asked_failure", "error")
    def note(self, event: Event, *args: Any) -> None:
        self.log.append(event.name)


def test_a_coroutine_that_raises_cancelled_fails() -> None:
    class App(Cancels):
        async def asked(self) -> None:
            future = asyncio.get_running_loop().create_future()
            future.cancel()
            await future

        async def go(self) -> None:
            try:
                await self.call(asked())
            except asyncio.CancelledError:
                self.log.append("raised")

    app = App()
    with app.running():
        value = app.fire(asked())
        settle(app, until=lambda: "error" in app.log)
        assert app.log == ["asked_failure", "error"]
        app.fire(go())
        settle(app, until=lambda: "raised" in app.log)
    assert [type(problem) for problem in value.exceptions] == [asyncio.CancelledError]
    assert not value.cut


def test_a_coroutine_that_somebody_cancels_is_cut() -> None:
    class App(Cancels):
        async def asked(self) -> None:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await asyncio.sleep(1)

    app = App()
    with app.running():
        value = app.fire(asked())
        settle(app, until=lambda: bool(app.log))
    assert value.cut
    assert not value.errors
    assert "error" not in app.log
