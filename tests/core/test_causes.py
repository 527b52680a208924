"""When an event is complete: what it caused, directly or not, is over."""

from __future__ import annotations

import gc
import threading
import weakref
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


@pytest.mark.usefixtures("looks_often")
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


@pytest.mark.usefixtures("looks_often")
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
    app = Component()
    app._tree_engine.queue.set_cause(middle)
    app.fire(effect)
    assert effect._event_cause is middle
    assert middle.leave(lambda cause: True) == []
    assert middle.leave(lambda cause: True) == [middle, outer]


# -- long chains -------------------------------------------------------------------------------

#: Every link asks for ``complete`` and is fired on behalf of the one before.
_LINKS = 1500

#: How many links may be alive at any time: the one that is handled, the next one, and what holds
#: the last one's result.
_ALIVE = 8


class link(Event):
    complete = True


class between(Event):
    pass


class Chain(Log):
    """A chain, each link of which is fired by the one before in some way.

    Attributes:
        in_circles: Whether events that have ended wait for the collector of circles.
    """

    in_circles = False

    def __init__(self, links: int = _LINKS) -> None:
        super().__init__()
        self.left = links
        self.most = 0
        self.links: weakref.WeakSet[Event] = weakref.WeakSet()

    def go(self) -> None:
        self.next_link()

    def make(self) -> Event | None:
        if not self.left:
            self.log.append("end of the chain")
            return None
        self.left -= 1
        if not self.left % 500:
            if self.in_circles:
                gc.collect()
            self.most = max(self.most, len(self.links))
        made = link()
        self.links.add(made)
        return made

    def next_link(self) -> None:
        made = self.make()
        if made is not None:
            self.fire(made)


class Plain(Chain):
    def link(self) -> None:
        self.next_link()


class Through(Chain):
    def link(self) -> None:
        self.fire(between())

    def between(self) -> None:
        self.next_link()


class Stepwise(Chain):
    in_circles = True

    def link(self) -> Iterator[Any]:
        yield sleep(0)
        self.next_link()


class Looking(Chain):
    in_circles = True

    def link(self) -> Iterator[Any]:
        self.next_link()
        yield None


class Lagging(Chain):
    """Ends long after the next ones."""

    in_circles = True

    def link(self) -> Iterator[Any]:
        self.next_link()
        for _ in range(self.left % 4):
            yield None


class Coroutine(Chain):
    in_circles = True

    async def link(self) -> None:
        self.next_link()


class Failing(Chain):
    in_circles = True

    def link(self) -> None:
        self.next_link()
        raise ValueError

    def error(self, *args: Any) -> None:
        pass


class Heard(Chain):
    """Somebody hears of other things about links, and of their ``complete`` elsewhere."""

    def link(self) -> None:
        self.next_link()

    def link_success(self, *args: Any) -> None:
        self.log.append("success")

    def link_done(self, *args: Any) -> None:
        self.log.append("done")


@pytest.fixture
def no_collection() -> Iterator[None]:
    """What is alive is held by something, and be it a circle."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize(
    "kind", [Plain, Through, Stepwise, Looking, Lagging, Coroutine, Failing, Heard]
)
@pytest.mark.parametrize("counted", [True, False], ids=["counted", "by itself"])
def test_a_chain_keeps_its_last_links(
    kind: type[Chain], counted: bool, no_collection: None, virtual_clock: VirtualClock
) -> None:
    app = kind()
    with app.running():
        app.stop_timeout = 0
        settle(app)
        if counted:
            app.fire(go())
        else:
            app.next_link()
        last = "go complete" if counted else "end of the chain"
        settle(app, until=lambda: last in app.log, turns=200_000)
    assert app.left == 0
    assert 0 < app.most <= _ALIVE
    assert app.log == ["end of the chain", "go complete"][: 1 + counted]


def test_no_cause_is_kept_for_a_link_that_nobody_hears(no_collection: None) -> None:
    def alive() -> int:
        return sum(type(thing) is Cause for thing in gc.get_objects())

    before = alive()  # what other tests have left
    app = Plain(5000)
    app.fire(go())
    while app.left > 2500:
        app.flush()
    assert alive() - before <= _ALIVE
    settle(app)
    assert app.log == ["end of the chain", "go complete"]


@pytest.mark.parametrize("kind", [Plain, Through, Stepwise])
def test_a_chain_that_is_heard_ends_from_its_end(
    kind: type[Chain], virtual_clock: VirtualClock
) -> None:
    """Each link is told of, so each is kept until then."""
    links: list[Event] = []

    class App(kind):  # type: ignore[misc, valid-type]
        def make(self) -> Event | None:
            made: Event | None = super().make()
            if made is not None:
                links.append(made)
            return made

        def link_complete(self, source: Event, value: Any) -> None:
            assert source is links.pop()
            self.log.append("link complete")

    app = App(3000)
    app.fire(go())
    settle(app, until=lambda: "go complete" in app.log, turns=50_000)
    assert app.log == ["end of the chain", *["link complete"] * 3000, "go complete"]


def test_what_is_told_of_a_chain_is_kept_no_longer(no_collection: None) -> None:
    class App(Plain):
        def link_complete(self, *args: Any) -> None:
            pass

    app = App(2000)
    app.fire(go())
    settle(app)
    assert app.log == ["end of the chain", "go complete"]
    assert len(app.links) <= _ALIVE


def test_a_link_that_fires_two_is_kept_until_one_of_them_is_over(
    virtual_clock: VirtualClock,
) -> None:
    class App(Chain):
        def between(self) -> Iterator[Any]:
            yield sleep(1)
            self.log.append("between")

        def link(self) -> None:
            if self.left == 50:
                self.fire(between())
            self.next_link()

    app = App(100)
    app.fire(go())
    settle(app, until=virtual_clock.now + 0.5)
    assert app.log == ["end of the chain"]
    settle(app, until=virtual_clock.now + 1)
    assert app.log == ["end of the chain", "between", "go complete"]


def test_what_leaves_unobserved_counts_for_what_made_it_leave(drive: Any) -> None:
    class App(Log):
        def go(self) -> None:
            leaver.unregister()

    app = App()
    leaver = Component(channel="leaver").register(app)
    drive(app)
    assert app.log == ["go complete"]
    assert leaver.parent is leaver


def test_a_component_that_takes_another_one_along_leaves(drive: Any) -> None:
    class Outer(Component):
        channel = "outer"

        def prepare_unregister(self, component: Component) -> None:
            if component is self:
                inmate.unregister()

    class App(Log):
        def go(self) -> None:
            outer.unregister()

    app = App()
    outer = Outer().register(app)
    inmate = Component(channel="inmate").register(app)
    drive(app)
    assert app.log == ["go complete"]
    assert outer.parent is outer
    assert inmate.parent is inmate


def test_an_event_that_sees_to_everything_itself_is_over_for_others() -> None:
    class alone(Event):
        success = True

        def _choose_routes(self, routes: Any) -> None:
            return None

    class App(Log):
        def go(self) -> None:
            self.fire(alone())

        def wants(self) -> Iterator[Any]:
            yield self.call(alone())
            self.log.append("called")

        def alone_success(self, *args: Any) -> None:
            self.log.append("told")

    app = App()
    with app.running():
        app.fire(go())
        app.fire(Event.create("wants"))
        settle(app)
    assert sorted(app.log) == ["called", "go complete"]
