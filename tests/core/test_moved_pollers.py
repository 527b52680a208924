"""Pollers that join and leave with the components that have made them, whoever moves these."""

from __future__ import annotations

import gc
import os
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from circuits import Component, Event, Manager, handler
from circuits.core._routing import TREE_LOCK
from circuits.core.pollers import BasePoller, Poller, Select
from circuits.core.utils import findtype
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


def _pollers(app: Manager) -> list[BasePoller]:
    found: list[BasePoller] = findtype(app, BasePoller, all=True)
    return found


def _joins_with_a_poller(app: Manager, name: str) -> Linked:
    linked = Linked(name)
    linked.flush()
    assert _pollers(linked)
    return linked.register(app)


def test_a_tree_is_left_with_one_poller_however_many_join_it(running: App) -> None:
    gc.collect()
    before = len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0
    there = [_joins_with_a_poller(running, f"part{i}") for i in range(5)]
    settle(running)
    (poller,) = _pollers(running)
    assert running._tree_engine.loop._poller is poller
    assert all(part.is_alive() for part in there)
    if before:
        # One poller, which has two descriptors, and a pair of sockets each.
        assert len(os.listdir("/proc/self/fd")) - before == 2 + 5 * 2


def test_it_may_be_the_poller_of_who_was_there_first(running: App) -> None:
    first = Component().register(running)
    there = Linked("there").register(running)
    settle(running)
    joined = _joins_with_a_poller(first, "joined")
    own = joined.near._poller
    settle(running)
    assert _pollers(running) == [own]
    assert there.is_alive()
    assert joined.is_alive()


def test_who_goes_on_has_a_poller_again(running: App) -> None:
    joined = _joins_with_a_poller(running, "joined")
    other = _joins_with_a_poller(running, "other")
    settle(running)
    assert len(_pollers(running)) == 1
    target = App()
    with target.running():
        for home in (target, running, target):
            other.register(home)
            assert other.is_alive()
            assert joined.is_alive()
            assert len(_pollers(running)) == len(_pollers(joined)) == 1
        assert len(_pollers(target)) == 1


def test_pollers_stay_that_the_application_has_registered(running: App) -> None:
    chosen = Select().register(running)
    joined = Linked("joined")
    own = Select().register(joined)
    joined.flush()
    joined.register(running)
    settle(running)
    assert _pollers(running) == [chosen, own]
    assert joined.near._poller is chosen


class Watcher(Component):
    """Uses the poller by itself, as components of an application may."""

    channel = "watcher"

    def init(self) -> None:
        self.heard = 0
        self.ours, self.theirs = socket.socketpair()
        self._poller: Any = None

    def watch(self) -> None:
        self._poller = findtype(self.root, BasePoller)
        self._poller.addReader(self, self.ours)

    @handler("_read")
    def _on_read(self, sock: Any) -> None:
        self.heard += len(sock.recv(10))


@pytest.fixture
def watcher() -> Iterator[Watcher]:
    found = Watcher()
    yield found
    found.ours.close()
    found.theirs.close()


def test_a_poller_stays_that_somebody_uses_by_himself(running: App, watcher: Watcher) -> None:
    there = Linked("there").register(running)
    settle(running)
    linked = Linked("linked")
    linked.flush()
    watcher.register(linked).watch()
    linked.register(running)
    settle(running)
    assert len(_pollers(running)) == 2
    assert linked.near._poller is there.near._poller
    watcher._poller.discard(watcher.ours)
    Component().register(running)
    running.fire(foo())
    App().register(running)  # whatever makes the loop look again
    settle(running)
    assert len(_pollers(running)) == 1


def test_a_poller_may_leave_that_a_component_calls_its_own(running: App, watcher: Watcher) -> None:
    poller = Poller().register(running)
    watcher.register(running).watch()
    watcher.theirs.send(b"x")
    running.tick(0.1)
    assert watcher.heard == 1
    poller.unregister()
    settle(running)
    running.fire(foo())
    running.tick(0)
    assert running.heard.is_set()


def test_what_has_left_is_not_watched_by_the_old_tree(running: App) -> None:
    keeper = Linked("keeper").register(running)
    moved = Linked("moved").register(running)
    assert moved.is_alive()
    poller = keeper.near._poller
    assert poller is not None
    target = Manager()
    moved.register(target)  # which nobody turns
    moved.near.write(b"unread")
    assert not set(poller._watches) & {moved.near._sock.fileno()}
    assert not poller.block(0.0)
    moved.register(running)  # and back, to the poller that it has never left
    assert moved.is_alive()
    assert moved.near._poller is poller


def test_a_tree_that_has_not_looked_yet_need_not_let_go(app_thread: Any) -> None:
    app, busy, target = App(), App(), App()
    entered, release = threading.Event(), threading.Event()

    def hold_up(self: App) -> None:
        entered.set()
        release.wait(10)

    busy.addHandler(handler("hold_up")(hold_up))
    linked = Linked("linked").register(app)
    for each in (app, busy, target):
        app_thread(each)
        assert _hears(each)
    poller: Any = linked.near._poller
    busy.fire(Event.create("hold_up"))
    assert entered.wait(10)
    linked.register(busy)
    assert _hears(app)
    for _ in range(100):  # turns of the loop that lets go
        if not poller._polls:
            assert _hears(app)
    linked.register(target)
    assert poller._polls
    release.set()
    assert _hears(target)
    assert _hears(busy)


def test_a_tree_that_had_a_poller_before_does_not_let_go_for_another_one(
    running: App, app_thread: Any
) -> None:
    other = app_thread(App())
    linked = Linked("linked").register(running)
    assert linked.is_alive()
    poller: Any = linked.near._poller
    linked.register(other)
    assert _hears(other)  # and waits in the poller
    with TREE_LOCK:  # which the other loop needs to let go
        linked.register(running)
        running.tick(0)
        assert not poller._polls
    assert _hears(other)
    assert linked.is_alive()
    assert poller._polls
