"""Pollers that join and leave with the components that have made them, whoever moves these."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from circuits import Component, Event, Manager, handler
from circuits.core.pollers import Poller
from circuits.net.events import Write
from circuits.net.sockets import Pipe
from circuits.testing import settle


class foo(Event): ...


class App(Component):
    def init(self) -> None:
        self.heard = threading.Event()

    def foo(self) -> None:
        self.heard.set()


def _on_read(self: Linked, data: bytes) -> None:
    self.seen += data


class Linked(Component):
    """Two ends of a pipe, and who hears what comes out at the far one."""

    channel = "linked"
    seen = b""

    def init(self, name: str) -> None:
        self.name_of_near = f"{name}-near"
        self.near, far = Pipe(self.name_of_near, f"{name}-far")
        self.near.register(self)
        far.register(self)
        self.addHandler(handler("read", channel=f"{name}-far")(_on_read))

    def is_alive(self) -> bool:
        """Whether something that is written comes out."""
        self.seen = b""
        self.fire(Write(b"x"), self.name_of_near)
        for _ in range(20):
            self.root.tick(0.01)
            if self.seen:
                return True
        return False


@pytest.fixture
def running() -> Iterator[App]:
    app = App()
    with app.running():
        settle(app)
        yield app


def test_who_joins_with_a_poller_goes_over_to_the_one_that_is_asked(running: App) -> None:
    there = Linked("there").register(running)
    assert there.is_alive()
    late = Linked("late")
    late.flush()
    own = late.near._poller
    assert own is not None
    assert own is not there.near._poller
    late.register(running)
    assert late.is_alive()
    assert late.near._poller is there.near._poller
    assert there.is_alive()


def test_who_stays_when_a_poller_is_moved_finds_another_one(running: App) -> None:
    one = Linked("one").register(running)
    assert one.is_alive()
    other = Linked("other").register(running)
    assert other.is_alive()
    assert other.near._poller is one.near._poller
    one.register(Manager())
    assert other.is_alive()
    assert other.near._poller is not None
    assert other.near._poller.root is running


def test_a_loop_does_not_wait_in_a_poller_that_is_not_open_yet(running: App) -> None:
    poller = Poller().register(running)
    settle(running)
    poller._close()  # as one is that joins, until it is told that it has
    running._tree_engine.routes.renew()
    assert running._tree_engine.loop.find_poller() is None
    running.fire(foo())
    running.tick(0.01)
    assert running.heard.is_set()
    poller._tree_joined()
    running.tick(0.01)
    assert running._tree_engine.loop.find_poller() is poller


def _hears(app: Any) -> bool:
    app.heard.clear()
    app.fire(foo())
    return bool(app.heard.wait(10))


@pytest.mark.parametrize("both", [False, True], ids=["to an idle tree", "to a running tree"])
def test_another_thread_may_take_away_what_the_loop_waits_in(app_thread: Any, both: bool) -> None:
    app, target = App(), App()
    linked = Linked("linked").register(app)
    app_thread(app)
    assert _hears(app)
    poller = linked.near._poller
    assert poller is not None
    assert poller.root is app
    if both:
        app_thread(target)
    for home in (target, app, target):
        linked.register(home)
        assert _hears(app)
        if both:
            assert _hears(target)
    app.stop()
    app.join()
    assert not app._running
    if not both:
        linked.unregister()
        target.flush()


def test_a_poller_is_closed_when_the_loop_lets_go_of_it(app_thread: Any) -> None:
    app = App()
    poller = Poller().register(app)
    app_thread(app)
    assert _hears(app)
    poller.register(poller)
    assert _hears(app)
    app.stop()
    app.join()
    assert poller._wake_up.number < 0
    poller.register(app)
    assert poller._polls
