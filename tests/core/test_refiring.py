"""One event object that is fired again while its handlers are suspended, or queued."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Generator
from typing import Any, ClassVar

import pytest

from circuits import Component, Event, Timer, handler, sleep
from circuits.core._causes import Cause, Firing
from circuits.testing import VirtualClock, settle


class job(Event):
    success = True
    failure = True
    complete = True
    alert_done = True
    notify = True


class effect(Event):
    pass


class App(Component):
    """Hears all feedback of jobs, which take a second each, and so do their effects."""

    channel = "a"

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[str, Any]] = []
        self.begun = 0

    def job(self, problem: type[Exception] | None = None) -> Generator[Any, Any, int]:
        self.begun += 1
        number = self.begun
        yield sleep(1)
        if problem is not None:
            raise problem
        self.fire(effect())
        return number

    def effect(self) -> Generator[Any]:
        yield sleep(1)

    def job_success(self, source: Event, value: Any) -> None:
        self.told.append(("success", value))

    def job_failure(self, source: Event, error: Any) -> None:
        self.told.append(("failure", error[0]))

    def job_complete(self, source: Event, value: Any) -> None:
        self.told.append(("complete", value))

    def job_done(self, source: Event, value: Any) -> None:
        self.told.append(("done", value))

    def error(self, *args: Any) -> None:
        pass

    def of(self, topic: str) -> list[Any]:
        return [value for name, value in self.told if name == topic]


def alive(kind: type) -> int:
    gc.collect()
    return sum(type(thing) is kind for thing in gc.get_objects())


def test_again_while_it_is_suspended(virtual_clock: VirtualClock) -> None:
    app, event = App(), job()
    values = []
    for _ in range(3):
        values.append(app.fire(event))
        settle(app, until=virtual_clock.now + 0.25)
    assert event.waitingHandlers == 3
    settle(app, until=virtual_clock.now + 5)
    assert [value.value for value in values] == [1, 2, 3]
    assert app.of("success") == app.of("complete") == app.of("done") == [1, 2, 3]
    assert event.waitingHandlers == 0


def test_each_is_complete_when_its_own_effects_are_over(virtual_clock: VirtualClock) -> None:
    app, event = App(), job()
    app.fire(event)
    settle(app, until=virtual_clock.now + 0.5)
    app.fire(event)
    settle(app, until=virtual_clock.now + 1.75)
    assert app.of("success") == [1, 2]
    assert app.of("complete") == [1]
    settle(app, until=virtual_clock.now + 1)
    assert app.of("complete") == [1, 2]


def test_a_failure_is_that_of_one_firing(virtual_clock: VirtualClock) -> None:
    app, event = App(), job()
    first = app.fire(event)
    settle(app, until=virtual_clock.now + 0.5)
    event.args[:] = [ValueError]
    second = app.fire(event)
    settle(app, until=virtual_clock.now + 0.25)
    event.args[:] = []
    third = app.fire(event)
    settle(app, until=virtual_clock.now + 5)
    assert app.of("success") == [1, 3]
    assert app.of("failure") == [ValueError]
    assert len(app.of("complete")) == 3
    assert [value.errors for value in (first, second, third)] == [False, True, False]


def test_on_another_channel_feedback_goes_where_each_was_fired(
    virtual_clock: VirtualClock,
) -> None:
    class Other(Component):
        channel = "b"

        def __init__(self) -> None:
            super().__init__()
            self.told: list[str] = []

        def job_success(self, *args: Any) -> None:
            self.told.append("success")

        def job_complete(self, *args: Any) -> None:
            self.told.append("complete")

        def job(self) -> Generator[Any]:
            yield sleep(3)

    app, event = App(), job()
    other = Other().register(app)
    settle(app)
    app.fire(event, "a")
    settle(app, until=virtual_clock.now + 0.5)
    app.fire(event, "b")
    settle(app, until=virtual_clock.now + 2)
    assert [name for name, _ in app.told] == ["done", "success", "complete"]
    assert other.told == []
    settle(app, until=virtual_clock.now + 2)
    assert other.told == ["success", "complete"]
    assert len(app.told) == 3


def test_before_its_first_dispatch_each_firing_is_told_of(virtual_clock: VirtualClock) -> None:
    app, event = App(), job()
    for _ in range(3):
        app.fire(event)
    settle(app, until=virtual_clock.now + 5)
    assert app.begun == 3
    for topic in ("success", "complete", "done"):
        assert len(app.of(topic)) == 3
    assert event.waitingHandlers == 0


def test_a_persistent_timer_piles_nothing_up(app_runner: Callable[..., Any]) -> None:
    """The handler takes four times as long as the interval."""
    with VirtualClock() as clock:
        app = app_runner(App())
        event = job()
        Timer(0.25, event, "a", persist=True).register(app)
        settle(app, until=clock.now + 20)
        causes, firings = alive(Cause), alive(Firing)
        begun, told = app.begun, len(app.of("success"))
        settle(app, until=clock.now + 100)
        assert app.begun - begun == 400
        assert len(app.of("success")) - told == 400
        assert app.of("success") == [*range(1, len(app.of("success")) + 1)]
        assert abs(alive(Cause) - causes) <= 2
        assert abs(alive(Firing) - firings) <= 2
        assert event.waitingHandlers <= 5


@pytest.mark.parametrize("complete", [False, True])
def test_two_calls_of_one_object_both_end(virtual_clock: VirtualClock, complete: bool) -> None:
    event = job()
    event.complete = complete

    class Caller(Component):
        def __init__(self) -> None:
            super().__init__()
            self.ended = 0

        def begin(self) -> Generator[Any]:
            yield self.call(event, "a")
            self.ended += 1

    app = App()
    caller = Caller().register(app)
    settle(app)
    app.fire(Event.create("begin"), "*")
    app.fire(Event.create("begin"), "*")
    settle(app, until=virtual_clock.now + 5)
    assert caller.ended == 2
    assert app.begun == 2
    assert not app._tasks


def test_two_calls_one_after_the_other_get_their_own_results(virtual_clock: VirtualClock) -> None:
    event = job()

    class Caller(Component):
        def __init__(self) -> None:
            super().__init__()
            self.got: list[Any] = []

        def begin(self) -> Generator[Any]:
            value: Any = yield self.call(event, "a")
            self.got.append(value.value)

    app = App()
    caller = Caller().register(app)
    settle(app)
    for _ in range(2):
        app.fire(Event.create("begin"), "*")
        settle(app, until=virtual_clock.now + 0.5)
    settle(app, until=virtual_clock.now + 5)
    assert caller.got == [1, 2]


def test_the_object_goes_when_nobody_holds_it(virtual_clock: VirtualClock) -> None:
    app, event = App(), job()
    for _ in range(3):
        app.fire(event)
        settle(app, until=virtual_clock.now + 0.25)
    settle(app, until=virtual_clock.now + 5)
    app.told.clear()
    gone = weakref.ref(event)
    del event
    gc.collect()
    assert gone() is None


# -- fired again while it is still queued ------------------------------------------------------


class ask(Event):
    success = True


class Answering(Component):
    """Answers how often it was asked, and on which channels; hears of successes on both."""

    channel = "a"

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[Any, ...]] = []
        self.successes: list[tuple[str, int]] = []

    @handler("ask", channel="*")
    def _on_ask(self, event: Event, *args: Any) -> int:
        self.asked.append(event.channels)
        return len(self.asked)

    @handler("ask_success", channel="a")
    def _on_success_at_a(self, source: Event, value: int) -> None:
        self.successes.append(("a", value))

    @handler("ask_success", channel="b")
    def _on_success_at_b(self, source: Event, value: int) -> None:
        self.successes.append(("b", value))


def test_each_firing_has_its_own_value_and_channels() -> None:
    app = Answering()
    event = ask()
    values = [app.fire(event, channel) for channel in ("a", "b", "a")]
    assert event.channels == ("a",)
    assert event.value is values[2]
    assert event in app._tree_engine.queue
    settle(app)
    assert [value.value for value in values] == [1, 2, 3]
    assert app.asked == [("a",), ("b",), ("a",)]
    assert app.successes == [("a", 1), ("b", 2), ("a", 3)]
    assert event not in app._tree_engine.queue


def test_a_firing_with_priority_overtakes_the_first() -> None:
    app = Answering()
    event = ask()
    later = app.fire(event, "a")
    sooner = app.fire(event, "b", priority=-1)
    settle(app)
    assert (sooner.value, later.value) == (1, 2)
    assert app.successes == [("b", 1), ("a", 2)]


def test_a_handler_may_fire_its_own_event_several_times() -> None:
    class Echo(Component):
        values: ClassVar[list[Any]] = []
        left = 5

        @handler("ask")
        def _on_ask(self, event: Event) -> int:
            for _ in range(2):
                if self.left:
                    self.left -= 1
                    self.values.append(self.fire(event))
            return self.left

    app = Echo()
    first = app.fire(ask())
    settle(app)
    assert first.value == 3
    assert [value.value for value in app.values] == [1, 0, 0, 0, 0]


def test_a_flush_in_a_handler_dispatches_its_own_event_apart() -> None:
    class Nesting(Component):
        depth = 0

        @handler("ask")
        def _on_ask(self, event: Event) -> str:
            self.depth += 1
            depth = self.depth
            if depth < 3:
                self.inner = self.fire(event, f"deep {depth}", "*")
                self.flush()
            return f"answer {depth} at {event.channels[0]}"

    app = Nesting()
    outer = app.fire(ask(), "*")
    settle(app)
    assert outer.value == "answer 1 at *"
    assert app.inner.value == "answer 3 at deep 2"


def test_calls_of_one_event_get_their_own_results() -> None:
    class Caller(Component):
        results: ClassVar[list[Any]] = []

        def begin(self, asked: Event) -> Generator[Any, Any, None]:
            value = yield self.call(asked, "a")
            self.results.append(value.value)

    app = Caller()
    Answering().register(app)
    event = ask()
    for _ in range(3):
        app.fire(Event.create("begin", event))
    settle(app)
    assert app.results == [1, 2, 3]


@pytest.mark.parametrize("counted_first", [False, True])
def test_only_the_firing_that_was_caused_is_counted(counted_first: bool) -> None:
    class outer(Event):
        complete = True

    class slow(Event):
        pass

    class Counting(Component):
        told: ClassVar[list[str]] = []
        begun = 0

        def __init__(self) -> None:
            super().__init__()
            self.event = slow()
            self.told.clear()

        def outer(self) -> None:
            self.fire(self.event)
            if counted_first:
                self.fire(Event.create("other"))

        def other(self) -> None:
            self.fire(self.event)

        def slow(self) -> Generator[Any, Any, None]:
            self.begun += 1
            number = self.begun
            yield sleep(number)
            self.told.append(f"slow {number}")

        def outer_complete(self, *args: Any) -> None:
            self.told.append("complete")

    with VirtualClock() as clock:
        app = Counting()
        if not counted_first:
            app.fire(app.event)  # on nobody's behalf
        app.fire(outer())
        with app.running():
            settle(app)
            clock.advance(5)
            settle(app)
    assert app.told == ["slow 1", "slow 2", "complete"]


def test_many_firings_of_one_event_take_linear_time() -> None:
    class Counter(Component):
        seen = 0

        def ask(self) -> None:
            self.seen += 1

    app = Counter()
    event = ask()
    for _ in range(50_000):
        app.fire(event)
    settle(app)
    assert app.seen == 50_000
    assert not event._event_refirings
