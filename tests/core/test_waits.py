"""What suspended handlers wait for: call, wait, timeouts, sleep."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import pytest

import circuits
from circuits import Component, Event, Manager, TimeoutError, Value, handler, sleep
from circuits.core._waits import Wait
from circuits.testing import VirtualClock, settle


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


# -- call --


class Callee(Log):
    channel = "callee"

    def foo(self, *args: Any) -> Any:
        return ["called", *args]


@pytest.mark.parametrize("method", ["call", "callEvent"])
@pytest.mark.parametrize(
    "channels", [("callee",), ("*",), ("other", "callee"), ("instance",), ("none", "*")]
)
def test_call_gives_the_value_on_every_kind_of_channel(
    method: str, channels: tuple[Any, ...]
) -> None:
    class App(Log):
        def go(self) -> Steps:
            where = [callee if c == "instance" else c for c in channels]
            value = yield getattr(self, method)(foo(1), *where)
            self.log.append(value)

    app = App()
    callee = Callee().register(app)
    app.fire(go())
    settle(app)
    (value,) = app.log
    assert isinstance(value, Value)
    assert value.value == ["called", 1]


def test_call_uses_the_channels_of_fire() -> None:
    class Sub(Callee):
        def go(self) -> Steps:
            value = yield self.call(foo())
            self.log.append(value.value)

    app = Sub()
    app.fire(go())
    settle(app)
    assert app.log == [["called"]]


def test_call_waits_for_all_handlers_and_their_suspended_parts() -> None:
    class Slow(Component):
        def foo(self) -> Steps:
            for _ in range(5):
                yield
            return "slow"

    class App(Log):
        def go(self) -> Steps:
            value = yield self.call(foo())
            self.log.append(value.value)

        def foo(self) -> str:
            return "quick"

    app = App() + Slow()
    app.fire(go())
    settle(app)
    assert app.log == [["quick", "slow"]]


@pytest.mark.parametrize("suspended", [False, True])
def test_a_called_event_that_failed_is_a_value_with_errors(suspended: bool) -> None:
    class App(Log):
        def go(self) -> Steps:
            value = yield self.call(foo())
            self.log.append((value.errors, value[0]))

        def foo(self) -> Any:
            if suspended:
                return self.later()
            raise ValueError

        @handler(False)
        def later(self) -> Steps:
            yield
            raise ValueError

    app = App() + Quiet()
    app.fire(go())
    settle(app)
    assert app.log == [(True, ValueError)]


def test_call_is_about_that_very_event() -> None:
    class App(Log):
        def go(self) -> Steps:
            self.fire(foo("other"))
            value = yield self.call(foo("mine"))
            self.log.append(value.value)

        def foo(self, which: str) -> str:
            return which

    app = App()
    app.fire(go())
    settle(app)
    assert app.log == ["mine"]


def test_calls_nest_and_may_run_side_by_side() -> None:
    class Sum(Event):
        pass

    class App(Log):
        def sum(self, n: int) -> Steps:
            if n == 0:
                return 0
            value = yield self.call(Sum(n - 1))
            return n + value.value

    app = App()
    values = [app.fire(Sum(n)) for n in range(20)]
    settle(app)
    assert [v.value for v in values] == [n * (n + 1) // 2 for n in range(20)]


def test_nothing_is_left_behind_after_a_call() -> None:
    class App(Log):
        def go(self) -> Steps:
            yield self.call(foo(), "a", "b")
            yield self.wait(Event.create("never"), timeout=0)

    app = App() + Quiet()
    before = {name: len(handlers) for name, handlers in app._handlers.items()}
    app.fire(go())
    settle(app)
    assert {name: len(handlers) for name, handlers in app._handlers.items()} == before
    assert not app._tree_engine.tasks.awaited
    assert app._tasks == set()


def test_nothing_is_fired_before_the_first_advance() -> None:
    app = Log()
    for made in (app.call(foo()), app.wait("foo")):
        assert len(app) == 0
        assert not app._tree_engine.tasks.awaited
        made.close()


# -- wait --


@pytest.mark.parametrize("method", ["wait", "waitEvent"])
@pytest.mark.parametrize("event", ["foo", foo])
def test_wait_gives_the_value_of_the_next_event_of_a_name(method: str, event: Any) -> None:
    class App(Log):
        def go(self) -> Steps:
            value = yield getattr(self, method)(event)
            self.log.append(value.value)

        def foo(self, number: int) -> int:
            return number

    app = App()
    app.fire(go())
    settle(app)
    assert app.log == []
    app.fire(foo(1))
    app.fire(foo(2))
    settle(app)
    assert app.log == [1]


def test_wait_after_fire_in_the_same_step_does_not_miss_it() -> None:
    class App(Log):
        def go(self) -> Steps:
            self.fire(foo())
            yield self.wait("foo")
            self.log.append("seen")

    app = App()
    app.fire(go())
    settle(app)
    assert app.log == ["seen"]


@pytest.mark.parametrize(
    ("mine", "waited", "fired", "seen"),
    [
        ("a", (), ("a",), True),
        ("a", (), ("b",), False),
        ("a", (), ("*",), True),
        ("a", (), ("b", "a"), True),
        ("a", ("b",), ("b",), True),
        ("a", ("b",), ("a",), False),
        ("a", ("b", "c"), ("c",), True),
        ("a", ("*",), ("z",), True),
        ("*", (), ("z",), True),
    ],
)
def test_the_channels_of_wait(mine: str, waited: Any, fired: Any, seen: bool) -> None:
    class App(Log):
        def go(self) -> Steps:
            yield self.wait("foo", *waited)
            self.log.append("seen")

    app = App(channel=mine)
    app.fire(go())
    settle(app)
    app.fire(foo(), *fired)
    settle(app)
    assert app.log == (["seen"] if seen else [])
    app.fire(foo(), "*")
    settle(app)
    assert app.log == ["seen"]
    assert not app._tree_engine.tasks.awaited


def test_a_plain_manager_waits_on_every_channel() -> None:
    app = Manager()
    waiting = app.wait("foo")
    assert next(waiting) is None
    app.fire(foo(), "anywhere")
    settle(app)
    assert list(waiting) == []


def test_wait_for_a_very_event() -> None:
    class App(Log):
        def go(self, which: Event) -> Steps:
            value = yield self.wait(which)
            self.log.append(value.value)

        def foo(self, which: str) -> str:
            return which

    app = App()
    mine = foo("mine")
    app.fire(Event.create("go", mine))
    app.flush()
    app.tick()
    app.fire(foo("other"))
    settle(app)
    assert app.log == []
    app.fire(mine)
    settle(app)
    assert app.log == ["mine"]


def test_wait_ends_when_the_event_has_been_handled_completely() -> None:
    class App(Log):
        def go(self) -> Steps:
            yield self.wait("foo")
            self.log.append("after")

        def foo(self) -> Steps:
            yield
            yield
            self.log.append("handled")

    app = App()
    app.fire(go())
    app.flush()
    app.fire(foo())
    settle(app)
    assert app.log == ["handled", "after"]


def test_an_event_whose_dispatch_began_before_is_not_the_one() -> None:
    class App(Log):
        def foo(self, number: int) -> Steps:
            if number == 1:
                self.fire(go())
            for _ in range(10):
                yield
            return number

        def go(self) -> Steps:
            value = yield self.wait("foo")
            self.log.append(value.value)

    app = App()
    app.fire(foo(1))
    settle(app)
    assert app.log == []
    app.fire(foo(2))
    settle(app)
    assert app.log == [2]


@pytest.mark.parametrize("thing", [3, None, object()])
def test_wait_takes_names_classes_and_events(thing: Any) -> None:
    with pytest.raises(TypeError, match="an event, its class or its name"):
        Log().wait(thing)


def test_many_may_wait_for_the_same() -> None:
    class App(Log):
        def go(self, number: int) -> Steps:
            yield self.wait("foo")
            self.log.append(number)

    app = App()
    for number in range(3):
        app.fire(go(number))
    settle(app)
    app.fire(foo())
    settle(app)
    assert app.log == [0, 1, 2]


# -- driven by hand --


@pytest.mark.parametrize("how", ["call", "wait"])
def test_the_objects_can_be_driven_by_hand(how: str) -> None:
    class App(Log):
        def foo(self) -> Steps:
            yield
            self.log.append("handled")

    app = App()
    driven = app.call(foo()) if how == "call" else app.wait("foo")
    for turn, nothing in enumerate(driven):
        assert nothing is None
        if how == "wait" and turn == 0:
            app.fire(foo())
        app.tick()
        assert turn < 10
    assert app.log == ["handled"]
    assert not app._tree_engine.tasks.awaited


def test_they_can_be_driven_from_another_thread(app_thread: Callable[[Any], Any]) -> None:
    class App(Log):
        def foo(self) -> str:
            return "x"

    app = app_thread(App())
    waiting = app.wait("foo")
    assert next(waiting) is None
    value = app.fire(foo())
    recorder_turns = 0
    while next(waiting, "over") is None:
        recorder_turns += 1
    assert value.value == "x"


@pytest.mark.parametrize("kind", ["call", "wait"])
def test_yield_from_works_like_yield(kind: str) -> None:
    class App(Log):
        def go(self) -> Steps:
            if kind == "call":
                value = yield from self.call(foo())
            else:
                self.fire(foo())
                value = yield from self.wait("foo")
            self.log.append(value.value)

        def foo(self) -> str:
            return "x"

    app = App()
    app.fire(go())
    settle(app)
    assert app.log == ["x"]


# -- timeouts --


@pytest.mark.parametrize("how", ["yield", "yield from"])
@pytest.mark.parametrize("kind", ["call", "wait"])
def test_a_timeout_is_raised_at_the_yield(virtual_clock: VirtualClock, how: str, kind: str) -> None:
    class App(Log):
        def go(self) -> Steps:
            thing: Any = (
                self.call(foo(), timeout=5) if kind == "call" else self.wait("foo", timeout=5)
            )
            try:
                if how == "yield":
                    yield thing
                else:
                    yield from thing
            except TimeoutError as problem:
                self.log.append((virtual_clock.now, str(problem)))

        def foo(self) -> Steps:
            yield self.wait("never")

    app = App()
    app.fire(go())
    settle(app, until=virtual_clock.now + 10)
    ((moment, text),) = app.log
    assert moment == 1005
    for part in ("foo", "App/*", "5 s"):
        assert part in text


def test_the_exception_is_the_built_in_one_too() -> None:
    import builtins

    assert issubclass(circuits.TimeoutError, builtins.TimeoutError)
    assert circuits.core.errors.TimeoutError is circuits.TimeoutError


def test_in_time_nothing_is_raised(virtual_clock: VirtualClock) -> None:
    class App(Log):
        def go(self) -> Steps:
            value = yield self.call(foo(), timeout=5)
            self.log.append(value.value)

        def foo(self) -> Steps:
            yield sleep(4)
            return "in time"

    app = App()
    app.fire(go())
    settle(app, until=virtual_clock.now + 20)
    assert app.log == ["in time"]
    assert len(app._tree_engine.schedule) == 0


def test_no_time_at_all_gives_up_even_if_it_is_handled_at_once() -> None:
    class App(Log):
        def go(self) -> Steps:
            try:
                yield self.call(foo(), timeout=0)
            except TimeoutError:
                self.log.append("timeout")

        def foo(self) -> None:
            self.log.append("handled")

    app = App()
    app.fire(go())
    settle(app)
    assert sorted(app.log) == ["handled", "timeout"]


@pytest.mark.parametrize("timeout", [None, -1, -0.5])
def test_no_timeout_means_never(virtual_clock: VirtualClock, timeout: Any) -> None:
    class App(Log):
        def go(self) -> Steps:
            yield self.wait("foo", timeout=timeout)
            self.log.append("seen")

    app = App()
    app.fire(go())
    settle(app, until=virtual_clock.now + 1e6)
    app.fire(foo())
    settle(app)
    assert app.log == ["seen"]


def test_a_pending_timeout_bounds_the_idle_wait(virtual_clock: VirtualClock) -> None:
    class App(Log):
        def go(self) -> Steps:
            yield self.wait("never", timeout=7)

    app = App()
    app.fire(go())
    settle(app)
    assert app._tree_engine.loop.time_to_wait(-1) == 7


def test_an_uncaught_timeout_is_a_failure(virtual_clock: VirtualClock) -> None:
    class App(Log):
        def go(self) -> Steps:
            yield self.wait("never", timeout=7)

    app = App() + Quiet()
    value = app.fire(go())
    settle(app, until=virtual_clock.now + 8)
    assert value.errors
    assert value[0] is TimeoutError


@pytest.mark.parametrize("kind", ["call", "wait"])
def test_driven_by_hand_it_is_raised_too(virtual_clock: VirtualClock, kind: str) -> None:
    app = Log()
    driven = app.call(foo(), timeout=3) if kind == "call" else app.wait("foo", timeout=3)
    next(driven)
    virtual_clock.advance(2)
    next(driven)
    virtual_clock.advance(1)
    with pytest.raises(TimeoutError):
        next(driven)
    assert not app._tree_engine.tasks.awaited


@pytest.mark.parametrize("timeout", ["5", True, object()])
def test_a_timeout_is_a_number(timeout: Any) -> None:
    with pytest.raises(TypeError, match="timeout must be a number"):
        Log().wait("foo", timeout=timeout)
    with pytest.raises(TypeError, match="timeout must be a number"):
        Log().call(foo(), timeout=timeout)


# -- sleep --


def test_sleep_suspends_for_that_time(virtual_clock: VirtualClock) -> None:
    class App(Log):
        def go(self) -> Steps:
            yield sleep(1.5)
            self.log.append(virtual_clock.now)
            yield from sleep(2)
            self.log.append(virtual_clock.now)

    app = App()
    app.fire(go())
    settle(app, until=virtual_clock.now + 10)
    assert app.log == [1001.5, 1003.5]


def test_sleepers_wake_in_order(virtual_clock: VirtualClock) -> None:
    class App(Log):
        def go(self, seconds: float) -> Steps:
            yield sleep(seconds)
            self.log.append(seconds)

    app = App()
    for seconds in (3, 1, 2, 1):
        app.fire(go(seconds))
    settle(app, until=virtual_clock.now + 10)
    assert app.log == [1, 1, 2, 3]


@pytest.mark.parametrize("seconds", ["1", None, True, object()])
def test_sleep_takes_a_number(seconds: Any) -> None:
    with pytest.raises(TypeError, match="sleep must be a number"):
        sleep(seconds)


@pytest.mark.parametrize("seconds", [-1, float("nan")])
def test_sleep_takes_no_negative_time(seconds: float) -> None:
    with pytest.raises(ValueError, match="sleep"):
        sleep(seconds)


@pytest.mark.parametrize("what", ["a name", "an event"])
@pytest.mark.parametrize("how", ["by a stop", "by leaving"])
def test_waits_are_ended_without_a_look_at_each_other(
    what: str, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[Any] = []

    def compare(wait: Wait, other: object) -> bool:
        compared.append(other)
        return wait is other

    monkeypatch.setattr(Wait, "__hash__", object.__hash__)
    monkeypatch.setattr(Wait, "__eq__", compare)

    class App(Component):
        channel = "app"

        def many(self) -> Steps:
            yield self.wait("never" if what == "a name" else never)

    class Holds(Component):
        def never(self) -> Steps:
            yield sleep(1000)

    root, never = Holds(), Event.create("never")
    app = App().register(root)
    with root.running():
        root.fire(never, root)
        for _ in range(50):
            app.fire(Event.create("many"))
        for _ in range(3):
            root.tick(0)
        assert len(root._tasks) == 51
        if how == "by leaving":
            app.unregister()
            for _ in range(5):
                root.tick(0)
            assert len(root._tasks) == 1
    assert not root._tasks
    assert not compared


@pytest.mark.parametrize("how", ["yield", "await"])
def test_two_handlers_do_not_wait_with_one_wait(how: str) -> None:
    class App(Log):
        def __init__(self) -> None:
            super().__init__()
            self.one = self.wait("foo")

        def go(self) -> Steps:
            yield self.one
            self.log.append("resumed")

        async def went(self) -> None:
            await self.one
            self.log.append("resumed")

        def error(self, kind: Any, problem: Exception, *args: Any) -> None:
            self.log.append(str(problem))

    app = App()
    with app.running():
        for _ in range(2):
            app.fire(Event.create("go" if how == "yield" else "went"))
        settle(app, until=lambda: bool(app.log))
        app.fire(foo())
        settle(app, until=lambda: "resumed" in app.log and not app._tasks)
    assert app.log == [
        "another handler waits with this <wait 'foo'>: each needs one of its own",
        "resumed",
    ]


def test_many_handlers_may_sleep_with_one_sleep() -> None:
    class Sleeper(Log):
        one = sleep(1)

        def go(self) -> Steps:
            yield self.one
            self.log.append("awake")

    with VirtualClock() as clock:
        app = Manager()
        first, second, third = (Sleeper(channel=n).register(app) for n in range(1, 4))
        with app.running():
            app.fire(go(), "*")
            settle(app)
            second.register(second)  # cancels its handler, and no other one
            clock.advance(1)
            settle(app)
    assert [first.log, second.log, third.log] == [["awake"], [], ["awake"]]
