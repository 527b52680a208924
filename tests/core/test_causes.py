"""When an event is complete: what it caused, directly or not, is over."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from circuits import Component, Event, sleep
from circuits.core._causes import Cause
from circuits.testing import Recorder, VirtualClock, settle


class go(Event):
    complete = True


class step(Event):
    pass


class inner(Event):
    complete = True


class Log(Component):
    def __init__(self) -> None:
        super().__init__()
        self.log: list[str] = []

    def go_complete(self, evt: Event, value: Any) -> None:
        self.log.append("go complete")

    def inner_complete(self, evt: Event, value: Any) -> None:
        self.log.append("inner complete")


@pytest.fixture(params=["flushed", "running", "in a thread"])
def drive(request: pytest.FixtureRequest, app_thread: Any) -> Callable[[Log], None]:
    """Fires ``go`` and waits for its end, in each way that a tree can be driven."""

    def flushed(app: Log) -> None:
        app.fire(go())
        while len(app) or app._tasks:
            app.tick(0)

    def running(app: Log) -> None:
        with app.running():
            app.fire(go())
            settle(app)

    def in_a_thread(app: Log) -> None:
        recorder = Recorder("go_complete").register(app)
        app_thread(app)
        app.fire(go())
        recorder.wait_for("go_complete")
        app.stop()
        app.join()

    return {"flushed": flushed, "running": running, "in a thread": in_a_thread}[request.param]


def test_the_end_comes_after_all_causes(drive: Any) -> None:
    class App(Log):
        def go(self) -> None:
            self.log.append("go")
            self.fire(step(3))
            self.fire(step(1))

        def step(self, depth: int) -> None:
            self.log.append(f"step {depth}")
            if depth:
                self.fire(step(depth - 1))

    app = App()
    drive(app)
    assert app.log == [
        "go",
        "step 3",
        "step 1",
        "step 2",
        "step 0",
        "step 1",
        "step 0",
        "go complete",
    ]


def test_what_later_steps_of_a_generator_fire_counts(drive: Any) -> None:
    class App(Log):
        def go(self) -> Iterator[Any]:
            self.log.append("go")
            yield
            self.fire(step())
            yield
            self.log.append("end")

        def step(self) -> Iterator[Any]:
            yield
            self.log.append("step")

    app = App()
    drive(app)
    assert app.log[0] == "go"
    assert app.log[-1] == "go complete"
    assert sorted(app.log[1:-1]) == ["end", "step"]


def test_what_a_coroutine_fires_counts() -> None:
    class App(Log):
        async def go(self) -> None:
            await sleep(0)
            self.fire(step())

        async def step(self) -> None:
            await sleep(0)
            self.log.append("step")

    app = App()
    with app.running():
        app.fire(go())
        settle(app, until=lambda: "go complete" in app.log)
    assert app.log == ["step", "go complete"]


def test_what_is_called_counts_once(drive: Any) -> None:
    class App(Log):
        def go(self) -> Iterator[Any]:
            yield self.call(step())
            self.log.append("called")

        def step(self) -> Iterator[Any]:
            yield
            self.log.append("step")

    app = App()
    drive(app)
    assert app.log == ["step", "called", "go complete"]


def test_an_inner_one_is_complete_first(drive: Any) -> None:
    class App(Log):
        def go(self) -> None:
            self.fire(inner())
            self.fire(step())

        def inner(self) -> None:
            self.fire(step())

        def step(self) -> None:
            self.log.append("step")

    app = App()
    drive(app)
    assert app.log[:2] == ["step", "step"]
    assert app.log[2:] == ["inner complete", "go complete"]


def test_it_comes_after_a_failure_and_its_value_tells(drive: Any) -> None:
    class App(Log):
        def go(self) -> None:
            raise ValueError

        def error(self, *args: Any) -> None:
            self.log.append("error")

        def go_complete(self, evt: Event, value: Any) -> None:
            self.log.append(f"{evt.value.errors} {value[0].__name__}")

    app = App()
    drive(app)
    assert app.log == ["error", "go complete", "True ValueError"]


def test_what_an_error_causes_counts() -> None:
    class App(Log):
        def go(self) -> None:
            raise ValueError

        def error(self, *args: Any) -> None:
            self.fire(step())

        def step(self) -> None:
            self.log.append("step")

    app = App()
    app.fire(go())
    settle(app)
    assert app.log == ["step", "go complete"]


def test_events_of_others_do_not_count(virtual_clock: VirtualClock) -> None:
    class App(Log):
        def go(self) -> Iterator[Any]:
            yield sleep(1)

        def step(self) -> Iterator[Any]:
            yield sleep(60)
            self.log.append("step")

    app = App()
    app.fire(go())
    app.flush()
    app.fire(step())
    settle(app, until=virtual_clock.now + 2)
    assert app.log == ["go complete"]
    settle(app, until=virtual_clock.now + 60)
    assert app.log == ["go complete", "step"]


def test_events_of_other_threads_do_not_count(virtual_clock: VirtualClock) -> None:
    class App(Log):
        def go(self) -> None:
            thread = threading.Thread(target=lambda: self.fire(step()))
            thread.start()
            thread.join()

        def step(self) -> Iterator[Any]:
            yield sleep(60)

    app = App()
    with app.running():
        app.fire(go())
        settle(app)
        assert app.log == ["go complete"]


def test_two_at_the_same_time_are_apart(virtual_clock: VirtualClock) -> None:
    class App(Log):
        def go(self, seconds: float) -> Iterator[Any]:
            yield sleep(seconds)
            self.fire(step(seconds))

        def step(self, seconds: float) -> None:
            self.log.append(f"step {seconds}")

    app = App()
    app.fire(go(2))
    app.fire(go(1))
    settle(app, until=virtual_clock.now + 5)
    assert app.log == ["step 1", "go complete", "step 2", "go complete"]


def test_what_others_fire_within_a_nested_flush_does_not_count() -> None:
    class App(Log):
        def go(self) -> None:
            self.flush()
            self.fire(step(9))

        def step(self, number: int) -> None:
            self.log.append(f"step {number}")
            if number < 3:
                self.fire(step(number + 1))

    app = App()
    app.fire(go())
    app.fire(step(0))
    settle(app)
    assert app.log == ["step 0", "step 1", "step 9", "step 2", "go complete", "step 3"]


def test_an_event_fired_again_opens_a_new_cause() -> None:
    app = Log()
    event = go()
    for _ in range(3):
        app.fire(event)
        settle(app)
    assert app.log == ["go complete"] * 3


def test_causes_count() -> None:
    outer = Cause(go(), None)
    middle = Cause(inner(), outer)
    effect = step()
    middle.enter(effect)
    assert effect._event_causes is middle
    assert middle.leave() == []
    assert middle.leave() == [middle.event, outer.event]
