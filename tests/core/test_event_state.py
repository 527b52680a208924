"""What the kernel keeps with an event, and what travels with it."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from circuits import Component, Event, LiteralEvent, handler
from circuits.core._causes import Cause
from circuits.core._event_state import RUNTIME_ATTRIBUTES
from circuits.core._flags import COUNTED, WAITED
from circuits.testing import settle


class FooBar(Event):
    pass


def fired() -> FooBar:
    app = Component()
    event = FooBar(1, key="x")
    event.success = True
    event.uid = 7
    app.fire(event, "a", "b")
    app.flush()
    return event


@pytest.mark.parametrize("how", [copy.copy, lambda e: pickle.loads(pickle.dumps(e))])
def test_copies_keep_the_message_and_leave_out_the_run(how: Any) -> None:
    event = fired()
    event.handler = print
    other = how(event)
    assert type(other) is FooBar
    assert (other.args, other.kwargs) == ([1], {"key": "x"})
    assert other.channels == ("a", "b")
    assert other.success is True
    assert other.uid == 7
    assert other.handler is None
    assert other.value is None


@pytest.mark.parametrize(
    "event", [FooBar.create("made_up", 5), LiteralEvent.create(FooBar, "madeUp", 5)]
)
def test_classes_made_at_run_time_can_be_pickled(event: Any) -> None:
    other = pickle.loads(pickle.dumps(event))
    assert type(other) is type(event)
    assert other.name == event.name
    assert other.args == [5]


# -- who is told of the end --


class Waiter:
    """Remembers what it is told."""

    is_awaited = False

    def __init__(self) -> None:
        self.told: list[Any] = []

    def resolve(self, event: Event, value: Any) -> None:
        self.told.append(value.value)


class Slow(Component):
    """Ends each firing when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = 0

    @handler("foo_bar")
    def _on_foo_bar(self, number: int) -> Any:
        while self.go_on < number:
            yield None
        return number


def test_who_waits_is_told_once_with_the_value_of_that_firing() -> None:
    app, event, waiter = Slow(), FooBar(1), Waiter()
    event._when_over(waiter)
    app.go_on = 2
    for _ in range(2):
        app.fire(event)
        settle(app)
    assert waiter.told == [1]


def test_who_comes_while_a_firing_goes_on_waits_for_that_one() -> None:
    app, event, waiter = Slow(), FooBar(1), Waiter()
    app.fire(event)
    app.tick(0)
    event._when_over(waiter)
    app.go_on = 1
    settle(app)
    assert waiter.told == [1]
    assert event._event_waiters is None


def test_who_is_about_to_fire_it_again_waits_for_that_firing() -> None:
    app, event, early, late = Slow(), FooBar(1), Waiter(), Waiter()
    app.fire(event)
    app.tick(0)
    event._when_over(early)
    event._when_over(late, refired=True)
    event.args[0] = 2
    app.fire(event)
    app.tick(0)
    app.go_on = 1
    settle(app)
    assert (early.told, late.told) == ([1], [])
    app.go_on = 2
    settle(app)
    assert (early.told, late.told) == ([1], [2])


@pytest.mark.parametrize("when", ["before", "while it goes on"])
def test_who_gives_up_is_not_told(when: str) -> None:
    app, event, waiter, other = Slow(), FooBar(1), Waiter(), Waiter()
    if when == "before":
        event._when_over(waiter)
        event._when_over(other)
    app.fire(event)
    app.tick(0)
    if when != "before":
        event._when_over(waiter)
        event._when_over(other)
    event._forget_waiter(waiter)
    event._forget_waiter(waiter)  # once is enough, and twice no error
    app.go_on = 1
    settle(app)
    assert (waiter.told, other.told) == ([], [1])


def test_the_state_that_travels_has_nothing_of_this_process() -> None:
    event, app = FooBar(), Component()
    event.success = True
    app._tree_engine.queue.set_cause(Cause(FooBar(), None))
    app.fire(event)
    event._when_over(Waiter())
    state = event._event_lasting_state()
    assert not state.keys() & RUNTIME_ATTRIBUTES
    assert not state["_event_flags"] & (COUNTED | WAITED)
    assert copy.copy(event).success
