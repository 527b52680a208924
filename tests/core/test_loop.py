"""Turns of the loop: what is stepped, fired and dispatched, and how it waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from socket import socketpair
from threading import Thread
from typing import Any

import pytest

from circuits import BaseComponent, Component, Event, Manager, Timer, handler
from circuits.core._dispatch import EVENTS_PER_TURN
from circuits.core._loop import DRAIN_TURNS, Loop
from circuits.core.pollers import BasePoller, Poller
from circuits.testing import Recorder, VirtualClock, settle


class foo(Event):
    pass


class bar(Event):
    pass


class Log(Component):
    def __init__(self) -> None:
        super().__init__()
        self.log: list[Any] = []


class App(Component):
    channel = "app"

    def __init__(self, at_start: Callable[[App], object] = lambda app: app.stop()) -> None:
        super().__init__()
        self.at_start = at_start
        self.log: list[str] = []

    @handler("started", channel="*")
    def _on_started(self, component: Any) -> None:
        self.at_start(self)


# -- tick --


def test_a_plain_tick_advances_tasks_then_the_queue_and_never_waits() -> None:
    class Steps(App):
        def foo(self) -> Iterator[None]:
            self.log.append("step")
            yield
            self.log.append("end")

    app = Steps()
    recorder = Recorder("generate_events", ignore=()).register(app)
    app.fire(foo())
    app.tick()
    assert app.log == []
    app.tick()
    app.tick()
    assert app.log == ["step", "end"]
    app.tick(-1)
    assert recorder.names == []


def test_timers_do_not_count_in_a_tree_that_does_not_run(virtual_clock: VirtualClock) -> None:
    app = App()
    recorder = Recorder("foo").register(app)
    Timer(5, foo()).register(app)
    virtual_clock.advance(10)
    for _ in range(3):
        app.tick()
    assert recorder.names == []
    with app.running():
        app.tick(0)
        app.tick(0)
    assert recorder.names == ["foo"]


@pytest.mark.parametrize("timeout", [None, "1", True])
def test_the_timeout_is_a_number(timeout: Any) -> None:
    with pytest.raises(TypeError, match="timeout must be a number"):
        Manager().tick(timeout)


# -- GenerateEvents --


class Source(Log):
    """Asks to be called again soon, a few times."""

    @handler("generate_events", channel="*")
    def _generate(self, event: Any) -> None:
        self.log.append(event.time_left)
        event.reduce_time_left(0)


def test_generate_events_comes_once_per_turn_while_running_only() -> None:
    app = Source()
    app.tick(0)
    assert app.log == []
    with app.running():
        app.tick(0)
        app.tick(0)
        assert len(app.log) == 2


@pytest.mark.parametrize(("busy", "time_left"), [(False, 5), (True, 0)])
def test_its_time_is_what_may_be_waited(busy: bool, time_left: float) -> None:
    class App(Source):
        def foo(self) -> None:
            if not self.log:
                self.fire(foo())

    app = App()
    with app.running():
        settle(app)
        app.log.clear()
        if busy:
            app.fire(foo())
        for _ in range(20):  # a busy loop asks less often
            app.tick(5)
            if app.log:
                break
        assert app.log[0] == time_left


def test_a_bare_yield_bounds_the_wait() -> None:
    class App(Source):
        def foo(self) -> Iterator[Any]:
            while True:
                yield

    app = App()
    with app.running():
        app.fire(foo())
        settle(app)
        app.log.clear()
        app.tick(5)
        assert app.log == [0.1]
        app.log.clear()
        app.fire(bar())  # after which it is looked at again at once
        app.tick(5)
        assert app.log == [0]


def test_a_fire_by_its_handler_takes_the_time_away() -> None:
    class App(Log):
        @handler("generate_events", channel="*", priority=1)
        def _fires(self, event: Any) -> None:
            if not self.log:
                self.fire(foo())
                self.log.append(event.time_left)

    app = App()
    with app.running():
        app.tick(60)
        app.log.clear()
        app.tick(60)
        assert app.log == [0]


def test_the_last_in_turn_waits_and_the_filter_keeps_it_from_that() -> None:
    class Waits(Log):
        @handler("generate_events", channel="*", priority=-9, filter=True)
        def _wait(self, event: Any) -> bool:
            self.log.append(event.time_left)
            return True

        def resume(self) -> None:
            self.log.append("resume")

    app = Waits()
    with app.running():
        settle(app)
        app.log.clear()
        app.tick(3600)
        assert app.log == [3600]


def test_a_waiting_component_is_resumed_by_a_fire() -> None:
    class Waits(Log):
        @handler("generate_events", channel="*", filter=True)
        def _wait(self, event: Any) -> bool:
            if event.time_left < 0 or event.time_left > 1:
                self.fire(foo())  # as another thread would, while we wait
            return True

        def resume(self) -> None:
            self.log.append("resume")

    app = Waits()
    with app.running():
        settle(app)
        app.tick(3600)
        assert app.log == ["resume"]


def test_a_handler_that_stops_the_event_and_raises_stops_it() -> None:
    ran = []

    class First(Component):
        @handler("halt", priority=1)
        def _on_halt(self, event: Event[None]) -> None:
            event.stop()
            raise ValueError("after the stop")

        @handler("halt")
        def _on_halt_too(self) -> None:
            ran.append("too late")

    class Errors(Component):
        def error(self, *args: object) -> None:
            ran.append("error")

    class Halt(Event[None]):
        """Stopped by its first handler."""

    app = First() + Errors()
    app.fire(Halt())
    while len(app):
        app.flush()
    assert ran == ["error"]


# -- waiting again --


class Scripted(BasePoller):
    """Does one thing in each wait, as a descriptor would bring it about."""

    def __init__(self, *steps: Callable[[], object]) -> None:
        self.steps = list(steps)
        self.waits: list[float] = []
        super().__init__()

    def _set_interest(self, number: int, before: int, after: int) -> None:
        """There is no kernel."""

    def block(self, timeout: float) -> Any:
        self.waits.append(timeout)
        return self.steps[:1]

    def report(self, ready: Any) -> None:
        self.steps.pop(0)()


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The turns that are made."""
    made = []
    turn = Loop.turn

    def note(loop: Loop, timeout: float, stays: bool = False) -> None:
        made.append(timeout)
        turn(loop, timeout, stays)

    monkeypatch.setattr(Loop, "turn", note)
    return made


def nothing() -> None:
    """What leaves nothing to do."""


def test_where_a_turn_would_do_nothing_there_is_only_another_wait(turns: list[float]) -> None:
    app = Component()
    poller = Scripted(*[nothing] * 10, turns.clear, *[nothing] * 10, app.stop).register(app)
    app.run()
    assert poller.waits[:22] == [-1.0] * 22
    assert len(turns) < 10  # the end


def test_a_tick_waits_once() -> None:
    app = Component()
    poller = Scripted(*[nothing] * 10).register(app)
    with app.running():
        app.tick(0)
        assert not app._tree_engine.queue
        poller.waits.clear()
        app.tick()
        assert poller.waits == [-1.0]


def test_what_is_left_to_do_has_a_turn() -> None:
    class App(Log):
        def foo(self) -> None:
            self.log.append(len(poller.waits))

    app = App()
    steps = (nothing, nothing, lambda: app.fire(foo()), nothing, app.stop)
    poller: Scripted = Scripted(*steps).register(app)
    app.run()
    assert app.log == [3]


def test_each_wait_is_as_long_as_the_next_timer_allows(virtual_clock: VirtualClock) -> None:
    class App(Log):
        def foo(self) -> None:
            self.log.append(len(poller.waits))

    app = App()
    schedule = app._tree_engine.schedule
    made: list[Any] = []
    poller: Scripted = Scripted(
        nothing,
        lambda: made.append(schedule.call_in(5, nothing)),
        lambda: virtual_clock.advance(2),
        lambda: made[0].cancel(),
        lambda: made.append(schedule.call_in(1, lambda: app.fire(foo()))),
        lambda: virtual_clock.advance(1),
        app.stop,
    ).register(app)
    app.run()
    assert poller.waits[:7] == [-1.0, -1.0, 5.0, 3.0, -1.0, 1.0, -1.0]
    assert app.log == [6]


def test_in_a_forked_child_the_next_wait_begins_with_a_turn(turns: list[float]) -> None:
    """So that signals end it, which write into another pipe there."""
    app = Component()
    loop = app._tree_engine.loop
    steps = (nothing, turns.clear, loop.forget_signalled, lambda: turns.append(0), app.stop)
    Scripted(*steps).register(app)
    app.run()
    assert turns[:2] == [-1.0, 0]


def test_a_turn_within_a_wait_takes_nothing_from_it(app_thread: Any) -> None:
    """Others can still end the wait that comes after it."""
    app = Log()
    app.addHandler(handler("foo")(lambda self: self.stop()))
    poller = Poller().register(app)
    here, there = socketpair()
    with here, there:

        class Nested(BaseComponent):
            channel = "nested"

            @handler("_read")
            def _on_read(self, fd: Any) -> None:
                fd.recv(1)
                self.root.tick(0)
                Thread(target=app.fire, args=(foo(),)).start()

        poller.addReader(Nested().register(app), here)
        there.send(b"x")
        app_thread(app)
        app.join()
        assert not app.running
        poller.discard(here)


# -- between two descriptors --


class Chained(Log):
    """Each event fires the next one."""

    def foo(self, number: int = 0) -> None:
        self.log.append(number)
        if number < 20:
            self.fire(foo(number + 1))


def test_what_a_step_has_left_is_dispatched_but_not_for_ever() -> None:
    app = Chained()
    loop = app._tree_engine.loop
    with app.running():
        settle(app)
        app.fire(foo())
        loop.drain()
        assert app.log == [*range(DRAIN_TURNS)]
        settle(app)


def test_within_another_turn_nothing_is_dispatched_ahead() -> None:
    class App(Log):
        def bar(self) -> None:
            self.fire(foo())
            self.root.tick(0)  # within which a descriptor may be ready

        def foo(self) -> None:
            self.log.append("foo")
            self.fire(Event.create("late"))
            self._tree_engine.loop.drain()
            self.log.append("end of foo")

        def late(self) -> None:
            self.log.append("late")

    app = App()
    with app.running():
        app.fire(bar())
        settle(app)
    assert app.log == ["foo", "end of foo", "late"]


def test_who_looks_once_a_turn_keeps_its_place() -> None:
    class App(Log):
        def bar(self) -> Iterator[None]:
            for number in range(3):
                self.log.append(number)
                yield None

        def foo(self, number: int = 0) -> None:
            self.log.append("foo")
            if number < 3:
                self.fire(foo(number + 1))

    logs = []
    for drains in (False, True):
        app = App()
        with app.running():
            settle(app)
            app.fire(bar())
            app.fire(foo())
            if drains:
                app._tree_engine.loop.drain()
            settle(app)
        logs.append(app.log)
    assert logs[0] == logs[1]


def test_what_asyncio_is_to_step_goes_before_what_is_queued() -> None:
    class App(Log):
        async def bar(self) -> None:
            self.log.append("bar")

        def foo(self, number: int = 0) -> None:
            self.log.append("foo")
            if number < 3:
                self.fire(foo(number + 1))

    app = App()
    with app.running():
        settle(app)
        app.fire(bar())
        app.fire(foo())
        app._tree_engine.loop.drain()
        assert app.log == ["foo"]
        settle(app)
    assert "bar" in app.log


def test_a_turn_dispatches_so_many_events_and_goes_on_with_the_same_batch() -> None:
    class Many(App):
        def foo(self, number: int) -> None:
            self.log.append(str(number))

    app = Many(lambda app: None)
    with app.running():
        settle(app)
        for number in range(3 * EVENTS_PER_TURN):
            app.fire(foo(number), priority=-number)
        app.fire(foo(-1), priority=1)
        app.tick(0)
        assert len(app.log) == EVENTS_PER_TURN
        # What comes later is of a later batch, however urgent it is.
        app.fire(foo(-2), priority=-1e9)
        settle(app)
    numbers = list(map(int, app.log))
    assert numbers[:-2] == [*range(3 * EVENTS_PER_TURN - 1, -1, -1)]
    assert numbers[-2:] == [-1, -2]


def test_a_handler_that_flushes_has_the_whole_batch_dispatched() -> None:
    class Many(App):
        def foo(self, number: int) -> None:
            if number == 0:
                self.flush()
                self.log.append("flushed")
            else:
                self.log.append(str(number))

    app = Many(lambda app: None)
    with app.running():
        settle(app)
        for number in range(2 * EVENTS_PER_TURN):
            app.fire(foo(number))
        app.tick(0)
    assert app.log[-1] == "flushed"
    assert len(app.log) == 2 * EVENTS_PER_TURN


def test_timers_have_their_turns_however_many_events_are_queued() -> None:
    class Flood(App):
        def bar(self) -> None:
            self.stop()

        def foo(self) -> None:
            for _ in range(2 if self.running else 0):
                self.fire(foo())

    app = Flood(lambda app: app.fire(foo()))
    app.stop_timeout = 0
    Timer(0.01, bar()).register(app)
    app.run()
    assert not app.running
