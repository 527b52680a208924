from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from circuits import Component, Event, Timer, handler, sleep
from circuits.core.pollers import EPoll, Poll, Select
from circuits.testing import MemoryConnection, NotSettledError, VirtualClock, settle


class go(Event):
    pass


class Chain(Component):
    def __init__(self, length: int) -> None:
        super().__init__()
        self.left = length

    def go(self) -> None:
        self.left -= 1
        if self.left > 0:
            self.fire(go())


def test_it_turns_until_nothing_is_queued() -> None:
    app = Chain(50)
    app.fire(go())
    assert settle(app) >= 50
    assert app.left == 0
    assert len(app) == 0


def test_a_fire_without_end_is_an_error_that_names_the_event() -> None:
    app = Chain(10**9)
    app.fire(go())
    with pytest.raises(NotSettledError, match=r"1 events are queued \(<go.*after 30 turns"):
        settle(app, turns=30)


def test_a_child_settles_its_tree() -> None:
    app = Chain(3)
    child = Component().register(app)
    app.fire(go())
    settle(child)
    assert app.left == 0


def test_handlers_that_wait_by_a_bare_yield_get_their_turns() -> None:
    class App(Component):
        steps = 0

        def go(self) -> Iterator[None]:
            for _ in range(5):
                self.steps += 1
                yield

    app = App()
    app.fire(go())
    settle(app)
    assert app.steps == 5


def test_what_asyncio_goes_on_with_gets_its_turns() -> None:
    import asyncio

    class App(Component):
        steps = 0

        async def go(self) -> None:
            for _ in range(15):
                await asyncio.sleep(0)
                self.steps += 1

    app = App()
    with app.running():
        app.fire(go())
        settle(app)
        assert app.steps == 15


def test_what_asyncio_has_nothing_to_do_for_takes_few_turns() -> None:
    import asyncio

    class App(Component):
        async def go(self) -> None:
            await asyncio.Event().wait()

    app = App()
    with app.running():
        app.fire(go())
        settle(app)
        assert settle(app) <= 3


def test_a_handler_that_waits_for_ever_does_not_keep_it_from_settling() -> None:
    class App(Component):
        def go(self) -> Iterator[Any]:
            while True:
                yield

        def other(self) -> Iterator[Any]:
            yield self.wait("never")

    app = App()
    app.fire(go())
    app.fire(Event.create("other"))
    settle(app, turns=100)


def test_time_jumps_to_the_moment(virtual_clock: VirtualClock) -> None:
    class App(Component):
        def __init__(self) -> None:
            super().__init__()
            self.seen: list[float] = []

        def go(self) -> None:
            self.seen.append(virtual_clock.now - 1000)

    app = App()
    Timer(3600, go(), persist=True).register(app)
    with app.running():
        settle(app)
        assert app.seen == []
        settle(app, until=virtual_clock.now + 3 * 3600 + 1)
    assert app.seen == [3600, 7200, 10800]
    assert virtual_clock.now == 1000 + 3 * 3600 + 1


def test_time_goes_on_until_a_condition_holds(virtual_clock: VirtualClock) -> None:
    class App(Component):
        woken = False

        def go(self) -> Iterator[Any]:
            yield sleep(60)
            self.woken = True

    app = App()
    app.fire(go())
    settle(app, until=lambda: app.woken)
    assert virtual_clock.now == 1060


def test_a_condition_that_nothing_can_fulfil_is_an_error() -> None:
    class App(Component):
        def go(self) -> Iterator[Any]:
            yield self.wait("never")

    app = App()
    app.fire(go())
    with pytest.raises(NotSettledError, match=r"1 handlers are suspended \(<bound method"):
        settle(app, until=lambda: False)


def test_a_moment_needs_virtual_time() -> None:
    with pytest.raises(RuntimeError, match="VirtualClock"):
        settle(Component(), until=5.0)


@pytest.mark.parametrize("poller", [Select, Poll, EPoll])
def test_what_descriptors_have_to_say_counts(
    poller: Callable[[], Any],
    connections: Callable[[], tuple[MemoryConnection, MemoryConnection]],
) -> None:
    class Echo(Component):
        channel = "echo"
        got = b""

        @handler("_read")
        def _on_read(self, fd: MemoryConnection) -> None:
            self.got += fd.recv(3)

    app = Echo()
    watch = poller().register(app)
    here, there = connections()
    there.send(b"hello world")
    with app.running():
        watch.addReader(app, here)
        settle(app)
        assert app.got == b"hello world"
        watch.discard(here)


def test_sleeping_coroutines_follow_virtual_time(virtual_clock: VirtualClock) -> None:
    import asyncio

    class App(Component):
        woken = 0.0

        async def go(self) -> None:
            await asyncio.sleep(30)
            await sleep(30)
            self.woken = virtual_clock.now

    app = App()
    app.fire(go())
    with app.running():
        settle(app, until=virtual_clock.now + 100)
    assert app.woken == pytest.approx(1060, abs=0.01)


def test_a_tree_of_another_thread_is_refused(app_thread: Callable[[Any], Any]) -> None:
    app = app_thread(Component())
    with pytest.raises(RuntimeError, match="another thread"):
        settle(app)
