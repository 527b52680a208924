from __future__ import annotations

import datetime as dt
import threading
from typing import Any, cast

import pytest

from circuits import Component, Event, Timer, handler
from circuits.core._loop import LONGEST_WAIT
from circuits.core.events import Registered, Unregister
from circuits.testing import Recorder, VirtualClock, settle


class foo(Event):
    pass


def test_it_fires_once_and_leaves(virtual_clock: VirtualClock) -> None:
    app = Component()
    recorder = Recorder("foo").register(app)
    timer = Timer(5, foo(1)).register(app)
    with app.running():
        settle(app, until=virtual_clock.now + 4.999)
        assert recorder.names == []
        settle(app, until=virtual_clock.now + 0.001)
        assert recorder.expect("foo", 1).channels == ("*",)
        settle(app, until=virtual_clock.now + 100)
    assert recorder.names == ["foo"]
    assert timer not in app
    assert timer.parent is timer


def test_a_persistent_one_goes_on_from_the_moment_it_fired(virtual_clock: VirtualClock) -> None:
    app = Component()
    recorder = Recorder("foo").register(app)
    event = foo()
    timer = Timer(5, event, persist=True).register(app)
    with app.running():
        virtual_clock.advance(17)  # a busy loop: no burst of the three that were due
        settle(app)
        assert recorder.names == ["foo"]
        settle(app, until=virtual_clock.now + 4.9)
        assert recorder.names == ["foo"]
        settle(app, until=virtual_clock.now + 5.1)
        assert [r.event for r in recorder] == [event] * 3
        timer.unregister()
        settle(app, until=virtual_clock.now + 50)
    assert len(recorder.names) == 3


@pytest.mark.parametrize(
    ("channels", "own", "expected"),
    [
        ((), (), ("*",)),
        (("a", "b"), (), ("a", "b")),
        ((), ("c",), ("c",)),
        (("a",), ("c",), ("a",)),
    ],
)
def test_where_it_fires(
    virtual_clock: VirtualClock, channels: Any, own: Any, expected: Any
) -> None:
    app = Component()
    recorder = Recorder("foo").register(app)
    event = foo()
    if own:
        event.channels = own
    Timer(1, event, *channels).register(app)
    with app.running():
        settle(app, until=virtual_clock.now + 1)
    assert recorder.expect("foo").channels == expected


def test_attributes(virtual_clock: VirtualClock) -> None:
    event = foo()
    timer = Timer(2.5, event, "a", persist=True)
    assert timer.interval == 2.5
    assert timer.event is event
    assert timer.channels == ("a",)
    assert timer.persist is True
    assert timer.expiry == virtual_clock.now + 2.5
    assert timer.channel == "*"
    assert Timer(1, event).persist is False


@pytest.mark.parametrize(("interval", "moment"), [(None, 8), (2, 5)])
def test_reset_counts_anew(
    virtual_clock: VirtualClock, interval: float | None, moment: float
) -> None:
    app = Component()
    recorder = Recorder("foo").register(app)
    timer = Timer(5, foo()).register(app)
    start = virtual_clock.now
    with app.running():
        settle(app, until=start + 3)
        timer.reset() if interval is None else timer.reset(interval)
        assert timer.expiry == start + moment
        settle(app, until=start + moment - 0.001)
        assert recorder.names == []
        settle(app, until=start + moment)
        assert recorder.names == ["foo"]


def test_unregistered_in_time_it_does_not_fire(virtual_clock: VirtualClock) -> None:
    app = Component()
    recorder = Recorder("foo").register(app)
    timer = Timer(5, foo()).register(app)
    with app.running():
        settle(app)
        timer.unregister()
        virtual_clock.advance(10)
        settle(app)
    assert recorder.names == []
    assert len(app._tree_engine.schedule) == 0


def test_registered_before_its_parent_has_a_tree(virtual_clock: VirtualClock) -> None:
    part, app = Component(), Component()
    Timer(5, foo()).register(part)
    part.register(app)
    recorder = Recorder("foo").register(app)
    with app.running():
        settle(app, until=virtual_clock.now + 5)
    assert recorder.names == ["foo"]


@pytest.mark.parametrize("zone", [None, dt.UTC, dt.timezone(dt.timedelta(hours=5, minutes=30))])
def test_a_moment_becomes_a_span_with_fractions(zone: dt.tzinfo | None) -> None:
    when = dt.datetime.now(zone) + dt.timedelta(seconds=10, microseconds=500_000)
    interval = Timer(when, foo()).interval
    assert interval == pytest.approx(10.5, abs=0.4)
    later = Timer(when + dt.timedelta(microseconds=250_000), foo()).interval
    assert later - interval == pytest.approx(0.25, abs=0.2)


def test_a_moment_that_has_passed_is_now() -> None:
    assert Timer(dt.datetime(2000, 1, 1), foo()).interval == 0


@pytest.mark.parametrize(
    ("interval", "event", "problem"),
    [
        ("5", foo(), TypeError),
        (True, foo(), TypeError),
        (None, foo(), TypeError),
        (-1, foo(), ValueError),
        (float("nan"), foo(), ValueError),
        (5, foo, TypeError),
        (5, "foo", TypeError),
    ],
)
def test_mistakes_are_refused(interval: Any, event: Any, problem: type[Exception]) -> None:
    with pytest.raises(problem, match=r"interval|timer"):
        Timer(interval, event)


def test_it_bounds_the_idle_wait(virtual_clock: VirtualClock) -> None:
    app = Component()
    Timer(30, foo()).register(app)
    Timer(20, foo()).register(app)
    settle(app)
    assert app._tree_engine.loop.time_to_wait(-1) == 20
    assert app._tree_engine.loop.time_to_wait(5) == 5
    virtual_clock.advance(50)
    assert app._tree_engine.loop.time_to_wait(-1) == 0


def test_one_registered_from_another_thread_wakes_the_loop(app_thread: Any) -> None:
    app = Component()
    recorder = Recorder("foo").register(app)
    app_thread(app)
    Timer(0, foo()).register(app)
    recorder.wait_for("foo")


def test_one_reset_by_another_thread_wakes_the_loop(app_thread: Any) -> None:
    app = Component()
    recorder = Recorder("foo").register(app)
    timer = Timer(3600, foo()).register(app)
    app_thread(app)
    timer.reset(0)
    recorder.wait_for("foo")


def test_one_reset_when_the_loop_has_worked_out_how_long_to_sleep(app_thread: Any) -> None:
    app = Component()
    recorder = Recorder("foo").register(app)
    timer = Timer(3600, foo()).register(app)
    loop = app._tree_engine.loop
    work_out, others = loop.time_to_wait, [threading.Thread(target=timer.reset, args=(0,))]

    def time_to_wait(timeout: float) -> float:
        seconds = work_out(timeout)
        if seconds > 1 and others:
            other = others.pop()
            other.start()
            other.join()
        return seconds

    loop.time_to_wait = time_to_wait  # type: ignore[method-assign]
    app_thread(app)
    recorder.wait_for("foo")


def test_one_reset_by_another_thread_while_it_fires_counts_once(app_thread: Any) -> None:
    class Busy(Timer):
        def fire(self, event: Any, *channels: Any, **kwargs: Any) -> Any:
            if event is self.event:
                other = threading.Thread(target=self.reset, args=(3600,))
                other.start()
                other.join()
            return super().fire(event, *channels, **kwargs)

    app = Component()
    recorder = Recorder("foo", "last").register(app)
    Busy(0, foo(), persist=True).register(app)
    app_thread(app)
    recorder.wait_for("foo")
    app.fire(Event.create("last"))
    recorder.wait_for("last")
    assert [entry.is_pending for entry in app._tree_engine.schedule.heap].count(True) == 1


def test_ten_thousand_timers(virtual_clock: VirtualClock) -> None:
    class Counts(Component):
        count = 0

        def foo(self) -> None:
            self.count += 1

    app = Counts()
    for number in range(10_000):
        Timer(number % 100, foo()).register(app)
    with app.running():
        settle(app, until=virtual_clock.now + 100, turns=1_000_000)
    assert app.count == 10_000
    assert len(app.components) == 0


def test_waits_for_it_are_rounded_up_to_whole_milliseconds(virtual_clock: VirtualClock) -> None:
    app = Component()
    Timer(0.0123, foo()).register(app)
    settle(app)
    assert app._tree_engine.loop.time_to_wait(-1) == pytest.approx(0.013)


def test_an_expired_one_is_out_of_the_tree_before_its_event_is_handled_if_nobody_hears_of_it(
    virtual_clock: VirtualClock,
) -> None:
    class App(Component):
        def init(self) -> None:
            self.seen: list[bool] = []

        def foo(self) -> None:
            self.seen.append(timer in self.components)

    app = App()
    timer = Timer(1, foo()).register(app)
    virtual_clock.advance(2)
    settle(app)
    assert app.seen == [False]
    assert timer.parent is timer


@pytest.mark.parametrize(
    "name", ["prepare_unregister", "prepare_unregister_complete", "unregistered"]
)
def test_who_listens_is_told_that_one_leaves(virtual_clock: VirtualClock, name: str) -> None:
    app = Component()
    recorder = Recorder(name, ignore=()).register(app)
    timer = Timer(1, foo()).register(app)
    virtual_clock.advance(2)
    settle(app)
    assert recorder.names == [name]
    assert timer.parent is timer


class Making(Component):
    """Makes timers in a handler of a tree that runs."""

    def foo(self, count: int) -> None:
        for _ in range(count):
            Timer(60, foo(0)).register(self)


@pytest.mark.parametrize("channel", ["*", "other"])
def test_who_listens_is_told_that_one_joins_a_running_tree(channel: str) -> None:
    class Watching(Component):
        def init(self) -> None:
            self.seen: list[object] = []

        @handler("registered", channel=channel)
        def on_registered(self, component: object, manager: object) -> None:
            if isinstance(component, Timer):
                self.seen.append(component)

    app = Making()
    watching = Watching().register(app)
    with app.running():
        settle(app)
        app.fire(foo(1))
        settle(app)
        timers = [part for part in app.components if isinstance(part, Timer)]
    assert len(timers) == 1
    # A timer's channel is "*": what it fires reaches every channel.
    assert watching.seen == timers


def test_who_waits_for_it_is_told_that_one_joins() -> None:
    class Waiting(Making):
        seen = False

        def started(self, component: object) -> Any:
            yield self.wait("registered")
            self.seen = True

    app = Waiting()
    with app.running():
        settle(app)
        app.fire(foo(1))
        settle(app)
        assert app.seen


def test_where_nobody_listens_no_event_tells_that_one_joins() -> None:
    class Looking(Making):
        queued = -1

        @handler("foo", priority=-1)
        def on_made(self, count: int) -> None:
            self.queued = len(self)

    app = Looking()
    with app.running():
        settle(app)
        app.fire(foo(3))
        settle(app)
        assert app.queued == 0
        assert len(app.components) == 3


@pytest.mark.parametrize("targeted", [False, True])
def test_one_among_many_leaves_when_asked_by_the_event(targeted: bool) -> None:
    app = Making()
    with app.running():
        app.fire(foo(3))
        settle(app)
        first, second, third = app.components
        if targeted:
            app.fire(Unregister(), second)
        else:
            app.fire(Unregister(second))
        settle(app)
        assert list(app.components) == [first, third]
        app.fire(Unregister(third))  # nothing is left of what was found out for the one before
        settle(app)
        assert list(app.components) == [first]


def test_one_with_a_handler_of_its_own_or_on_a_channel_leaves_by_the_event_too() -> None:
    app = Making()
    with app.running():
        app.fire(foo(3))
        settle(app)
        first, second, third = cast("list[Timer]", [*app.components])

        @handler("bar")
        def on_bar(self: Any) -> str:
            return "heard"

        second.addHandler(on_bar)
        third.channel = "third"
        value = app.fire(Event.create("bar"))
        settle(app)
        assert value.value == "heard"
        app.fire(Unregister(second))
        app.fire(Unregister(third), "third")
        settle(app)
        assert list(app.components) == [first]
        routes = app._tree_engine.routes
        assert not routes.is_known("bar")
        assert set(routes.handling("unregister")) == {app, first}


def test_one_that_got_a_handler_before_it_joined_leaves_by_the_event_too() -> None:
    @handler("bar")
    def on_bar(self: Any) -> str:
        return "heard"

    app = Component()
    timer = Timer(60, foo(0))
    timer.addHandler(on_bar)
    timer.register(app)
    app.fire(Unregister(timer))
    settle(app)
    assert not app.components


def test_one_that_comes_after_somebody_has_asked_leaves_by_the_event_too() -> None:
    app = Making()
    with app.running():
        app.fire(Unregister(app))
        settle(app)
        app.fire(foo(1))
        settle(app)
        (timer,) = app.components
        app.fire(Unregister(timer))
        settle(app)
        assert not app.components


def test_one_that_comes_and_goes_changes_nothing_that_was_found_out_of_others() -> None:
    app = Making()
    with app.running():
        app.fire(foo(1))
        settle(app)
        engine = app._tree_engine
        before = engine.queue.epoch, engine.routes.version
        Timer(0, Event.create("bar")).register(app)._expire()
        assert len(app.components) == 1
        assert (engine.queue.epoch, engine.routes.version) == before


@pytest.mark.parametrize("attribute", ["_on_unregister", "_on_prepare_unregister_complete"])
def test_a_handler_in_the_place_of_one_that_each_component_has_is_found(attribute: str) -> None:
    @handler("bar", override=True)
    def on_bar(self: object) -> str:
        return "heard"

    app = Component()
    type("Own", (Timer,), {attribute: on_bar})(60, foo(0)).register(app)
    value = app.fire(Event.create("bar"))
    settle(app)
    assert value.value == "heard"


def test_who_asks_for_the_success_of_registered_hears_it_of_timers() -> None:
    class Watching(Making):
        count = 0

        def registered_success(self, source: Event, *args: object) -> None:
            self.count += isinstance(source.args[0], Timer)

    app = Watching()
    Registered.success = True
    try:
        with app.running():
            app.fire(foo(2))
            settle(app)
    finally:
        Registered.success = False
    assert app.count == 2


def test_one_that_another_thread_moves_while_it_is_due_fires_where_it_comes_to(
    virtual_clock: VirtualClock,
) -> None:
    app, other = Recorder(), Recorder()
    timer = Timer(1, foo(0)).register(app)
    timer._tree_detach()
    timer._expire()  # as the loop does when it has just taken it out of the schedule
    timer.register(other)
    with other.running():
        virtual_clock.advance(1)
        settle(other)
    assert "foo" not in app.names
    assert "foo" in other.names


def test_after_the_stop_only_what_its_handlers_ask_for_fires(virtual_clock: VirtualClock) -> None:
    class App(Component):
        def stopped(self, component: Any) -> Any:
            Timer(1, foo("late")).register(self)
            virtual_clock.advance(10)
            yield self.wait("foo")

    app = App()
    recorder = Recorder("foo").register(app)
    once = Timer(5, foo("once")).register(app)
    Timer(5, foo("again"), persist=True).register(app)
    with app.running():
        settle(app)
        app.stop()
        settle(app)
        virtual_clock.advance(100)
        settle(app)
    assert [record.args for record in recorder] == [("late",)]
    assert once in app
    with app.running():  # where it runs again, they are due
        settle(app)
    assert {record.args for record in recorder} == {("late",), ("once",), ("again",)}


@pytest.mark.parametrize("interval", [float("inf"), 1e300, 3e9])
def test_a_time_beyond_all_limits_is_waited_for(
    virtual_clock: VirtualClock, interval: float
) -> None:
    app = Component()
    recorder = Recorder("foo").register(app)
    Timer(interval, foo()).register(app)
    with app.running():
        settle(app)
        loop = app._tree_engine.loop
        assert loop.time_to_wait(-1) == LONGEST_WAIT
        assert loop.time_to_wait(float("inf")) == LONGEST_WAIT
        settle(app)
        assert recorder.names == []


@pytest.mark.parametrize(
    ("given", "text"), [(foo, r"write foo\(...\)"), (None, "not None"), (len, "not <built-in")]
)
def test_a_timer_needs_an_event(given: Any, text: str) -> None:
    with pytest.raises(TypeError, match=rf"a timer is made as Timer\(seconds, event\): .*{text}"):
        Timer(1, given)
