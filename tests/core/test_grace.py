"""The end of an application, and of being in a tree, for those that have something to finish."""

from __future__ import annotations

from typing import Any

import pytest

from circuits import BaseComponent, Event, Manager
from circuits.core._grace import Graceful
from circuits.io import events as io_events
from circuits.testing import VirtualClock, settle


class Busy(Graceful):
    """Has something to finish until it is told that it is done."""

    def init(self) -> None:
        self.told: list[Any] = []
        self.is_done = False

    def _application_started(self) -> None:
        self.told.append("started")

    def _application_stopped(self) -> None:
        self.told.append("stopped")
        if not self.is_done:
            self._hold_end()

    def _grace_over(self) -> None:
        self.told.append("over")
        self.done()

    def _leave(self) -> None:
        self.told.append("leaves")

    def done(self) -> None:
        self._release_end()


@pytest.fixture
def app() -> Manager:
    return Manager()


@pytest.fixture
def busy(app: Manager) -> Busy:
    return Busy().register(app)


def holds(app: Manager) -> list[Any]:
    return list(app._tree_engine.loop.holds.values())


def test_a_stop_is_told_once_and_held_up_for_nine_tenths(
    app: Manager, busy: Busy, virtual_clock: VirtualClock
) -> None:
    app.stop_timeout = 20.0
    with app.running():
        settle(app)
        app.stop()
        app.fire(Event.create("stopped", app))
        settle(app)
        assert (busy.told, holds(app)) == (["started", "stopped"], [busy])
        virtual_clock.advance(17.9)
        settle(app)
        assert holds(app) == [busy]
        virtual_clock.advance(0.2)
        settle(app)
        assert (busy.told, holds(app)) == (["started", "stopped", "over"], [])


def test_who_is_done_is_not_told_to_give_up(
    app: Manager, busy: Busy, virtual_clock: VirtualClock
) -> None:
    with app.running():
        settle(app)
        app.stop()
        settle(app)
        busy.done()
        assert holds(app) == []
    assert busy.told == ["started", "stopped"]


def test_a_second_run_has_all_of_its_time(
    app: Manager, busy: Busy, virtual_clock: VirtualClock
) -> None:
    for _ in range(2):
        with app.running():
            settle(app)
            virtual_clock.advance(5.0)  # when it stops again, 9 s after the first stop are near
            app.stop()
            settle(app)
            virtual_clock.advance(4.5)
            settle(app)
            assert holds(app) == [busy]
            busy.done()
    assert busy.told == ["started", "stopped"] * 2


def test_who_is_asked_for_more_while_it_stops_has_what_is_left_of_the_time(
    app: Manager, busy: Busy, virtual_clock: VirtualClock
) -> None:
    busy.is_done = True
    with app.running():
        settle(app)
        app.stop()
        settle(app)
        virtual_clock.advance(8.0)
        busy._hold_end()
        virtual_clock.advance(1.5)
        settle(app)
        assert busy.told == ["started", "stopped", "over"]


@pytest.mark.parametrize("kind", [io_events.Started, io_events.Stopped])
def test_other_events_of_those_names_are_not_meant(app: Manager, busy: Busy, kind: Any) -> None:
    # A process tells of its child like that, and may be the root.
    app.fire(kind(app), "*")
    app.fire(kind(), "*")
    settle(app)
    assert busy.told == []


def test_the_run_of_a_component_below_is_not_meant(app: Manager, busy: Busy) -> None:
    below = BaseComponent().register(app)
    with below.running():
        settle(app)
    assert busy.told == []


@pytest.mark.parametrize("is_above", [False, True])
def test_leaving_is_told_once(app: Manager, busy: Busy, is_above: bool) -> None:
    leaving: BaseComponent = busy
    if is_above:
        leaving = BaseComponent()
        busy.register(leaving)
        leaving.register(app)
    other = Busy().register(app)
    settle(app)
    busy.told.clear()
    leaving.unregister()
    settle(app)
    assert (busy.told, other.told) == (["leaves"], [])


def test_who_leaves_a_stopping_application_holds_it_up_no_more(
    app: Manager, busy: Busy, virtual_clock: VirtualClock
) -> None:
    other = Manager()
    with app.running():
        settle(app)
        app.stop()
        settle(app)
        busy.unregister()
        settle(app)
        assert holds(app) == []
    busy.told.clear()
    busy.register(other)
    with other.running():
        settle(other)
        other.stop()
        settle(other)
        assert holds(other) == [busy]
        busy.done()
    assert busy.told == ["started", "stopped"]
