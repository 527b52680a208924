"""Mistakes in one event, handler or timer: they are errors of that one, and the loop goes on."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import pytest

from circuits import Component, Event, Timer, handler, sleep
from circuits.core.manager import CallValue
from circuits.testing import VirtualClock, settle

Steps = Generator[Any, Any, Any]


class go(Event):
    pass


class foo(Event):
    pass


class wants(Event):
    success = failure = complete = True


class BadEq:
    def __hash__(self) -> int:
        return 7

    def __eq__(self, other: object) -> bool:
        raise ZeroDivisionError


class BadHash:
    """Can be hashed so many times."""

    def __init__(self, times: int) -> None:
        self.times = times

    def __hash__(self) -> int:
        self.times -= 1
        if self.times < 0:
            raise ZeroDivisionError
        return 7


class BadRepr:
    def __repr__(self) -> str:
        raise ZeroDivisionError


class BadClass:
    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        raise ZeroDivisionError


class App(Component):
    def init(self) -> None:
        self.log: list[Any] = []

    def foo(self) -> str:
        self.log.append("foo")
        return "foo"

    @handler("error")
    def on_error(self, kind: type[BaseException], *args: Any) -> None:
        self.log.append(kind)


def with_channels(event: Event, *channels: Any, **attributes: Any) -> Event:
    event.channels = channels
    for name, value in attributes.items():
        setattr(event, name, value)
    return event


#: What makes an event, and what is raised in its dispatch.
FIRED: dict[str, tuple[Callable[[], Event], type[Exception]]] = {
    "a channel without hash": (lambda: with_channels(foo(), []), TypeError),
    "a channel without hash, flagged": (lambda: with_channels(wants(), []), TypeError),
    "channels of success": (lambda: with_channels(wants(), success_channels=5), TypeError),
    "a channel of success": (lambda: with_channels(wants(), success_channels=([],)), TypeError),
    "channels of complete": (lambda: with_channels(wants(), complete_channels=5), TypeError),
    "a name of notice": (lambda: with_channels(foo(), notify="a\0b"), ValueError),
    "no name": (lambda: with_channels(foo(), name=[]), TypeError),
    "no arguments": (lambda: with_channels(foo(), args=5), TypeError),
    "a hash": (lambda: with_channels(foo(), BadHash(0)), ZeroDivisionError),
    "a late hash": (lambda: with_channels(foo(), BadHash(1)), ZeroDivisionError),
}


@pytest.mark.parametrize("what", FIRED)
def test_a_mistake_in_an_event_is_an_error_of_that_event(what: str) -> None:
    make, expected = FIRED[what]
    app = App()
    with app.running():
        settle(app)
        for _ in range(3):
            app.fire(make())
            app.fire(foo())
        last = app.fire(foo())
        settle(app)
        assert app._tree_engine.is_quiet()
    assert last.value == "foo"
    assert {entry for entry in app.log if entry != "foo"} == {expected}


def test_a_channel_whose_comparison_raises_equals_no_other() -> None:
    app = App()
    with app.running():
        settle(app)
        for _ in range(3):
            app.fire(foo(), BadEq())
            settle(app)
    assert app.log == ["foo", "foo", "foo"]  # by a handler of every channel


def test_whoever_waits_for_a_broken_event_goes_on() -> None:
    class Asks(App):
        def go(self) -> Steps:
            value = yield self.call(with_channels(foo(), BadHash(0)))
            self.log.append(value.errors)

    app = Asks()
    with app.running():
        app.fire(go())
        settle(app)
    assert app.log == [True, ZeroDivisionError]


def test_what_counts_a_broken_event_is_complete() -> None:
    class Counts(App):
        def wants(self) -> None:
            self.fire(with_channels(foo(), BadHash(0)))

        def wants_complete(self, *args: Any) -> None:
            self.log.append("complete")

    app = Counts()
    with app.running():
        app.fire(wants())
        settle(app)
    assert app.log == [ZeroDivisionError, "complete"]


def test_a_call_that_cannot_be_made_fails_at_its_yield() -> None:
    class Calls(App):
        def go(self) -> Steps:
            call = self.call(foo(), [])
            for _ in range(2):
                try:
                    yield call
                except TypeError as problem:
                    self.log.append(str(problem))
            yield self.call(foo(), [])

    app = Calls()
    with app.running():
        app.fire(go())
        settle(app)
        assert not app._tasks
    assert app.log == ["[] is no channel: unhashable type: 'list'"] * 2 + [TypeError]


@pytest.mark.parametrize("nested", [False, True])
def test_a_generator_that_resists_its_last_value_fails(nested: bool) -> None:
    class Ends(App):
        def go(self) -> Steps:
            if not nested:
                yield from self.end()
            try:
                yield self.end()
            except ZeroDivisionError:
                self.log.append("caught")

        def end(self) -> Steps:
            try:
                yield CallValue(1)
            finally:
                raise ZeroDivisionError

    app = Ends()
    with app.running():
        value = app.fire(go())
        settle(app)
    assert app.log == (["caught"] if nested else [ZeroDivisionError])
    assert value.errors is not nested


def test_a_result_that_cannot_be_looked_at_is_a_failure_of_its_handler() -> None:
    class Odd(App):
        def go(self) -> Any:
            return BadClass()

        @handler("go")
        def on_go(self) -> Steps:
            try:
                yield BadClass()
            except ZeroDivisionError:
                self.log.append("caught")
            return BadClass()

        @handler("go")
        async def later(self) -> Any:
            return BadClass()

        @handler("go")
        def last(self) -> str:
            return "last"

    app = Odd()
    with app.running():
        value = app.fire(go())
        settle(app)
    assert sorted(map(str, app.log)) == [*[str(ZeroDivisionError)] * 3, "caught"]
    assert value.errors
    assert "last" in value


@pytest.mark.parametrize("priority", ["high", [1], 1j])
def test_a_priority_is_a_number(priority: Any) -> None:
    app = App()
    event = foo()
    with pytest.raises(TypeError, match="priority must be a number"):
        app.fire(event, priority=priority)
    app.fire(event)
    with pytest.raises(TypeError, match="priority must be a number"):
        app.fire(event, priority=priority)  # which is queued now
    value = app.fire(event, priority=2)
    while len(app):
        app.flush()
    assert value.value == "foo"
    assert app.log == ["foo"] * 2


def test_channels_of_a_timer_are_looked_at_when_it_is_made() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        Timer(1, foo(), [])


def test_what_is_due_and_raises_keeps_nothing_else_from_being_done() -> None:
    app = App()
    with VirtualClock() as clock, app.running():
        broken = Timer(1, foo()).register(app)
        broken.channels = ([],)
        Timer(1, foo()).register(app)
        settle(app)
        clock.advance(1)
        settle(app)
    assert app.log == [TypeError, "foo"]


def test_a_call_of_what_cannot_be_shown_expires() -> None:
    class Calls(App):
        channel = BadRepr()

        def slow(self, *args: Any) -> Steps:
            yield sleep(100)

        def go(self) -> Steps:
            try:
                yield self.call(Event.create("slow", BadRepr()), timeout=1)
            except TimeoutError as problem:
                self.log.append(str(problem))

    app = Calls()
    with VirtualClock() as clock, app.running():
        app.fire(go())
        settle(app)
        clock.advance(1)
        settle(app)
    (text,) = app.log
    assert "whose repr raised ZeroDivisionError" in text
