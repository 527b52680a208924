"""Steps that are taken at once, where nothing else is to be done before: nobody can tell."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Iterator
from contextvars import ContextVar
from typing import Any

import pytest

from circuits import Component, Event, TimeoutError, Timer, handler, sleep
from circuits.testing import VirtualClock, settle


class go(Event):
    pass


class ask(Event):
    pass


class end(Event):
    pass


class Base(Component):
    channel = "app"

    def __init__(self) -> None:
        super().__init__()
        self.log: list[Any] = []


class Answers(Component):
    channel = "answers"

    def ask(self, number: int) -> int:
        return number + 1


def play(app: Any) -> list[Any]:
    with app.running():
        settle(app)
        app.fire(go())
        settle(app)
    log: list[Any] = app.log
    return log


@pytest.mark.parametrize("what", ["call", "value"])
def test_a_handler_that_always_goes_on_keeps_nobody_waiting(what: str) -> None:
    class App(Base):
        def started(self, component: Any) -> Generator[Any, Any, None]:
            Timer(0.01, end()).register(self)
            while True:
                yield self.call(ask(1), "answers") if what == "call" else 1

        def end(self) -> None:
            self.log.append("end")
            raise SystemExit(0)

    app = App() + Answers()
    app.run()
    assert app.log == ["end"]


def test_handlers_of_one_event_go_on_in_turns() -> None:
    class App(Base):
        @handler("go", priority=2)
        def _on_first(self) -> Generator[Any, Any, None]:
            for number in range(2):
                self.log.append(("first", number))
                yield self.call(ask(number), "answers")

        @handler("go", priority=1)
        def _on_second(self) -> Generator[Any, Any, None]:
            for number in range(2):
                self.log.append(("second", number))
                yield self.call(ask(number), "answers")

    log = play(App() + Answers())
    assert log == [("first", 0), ("second", 0), ("first", 1), ("second", 1)]


class note(Event):
    pass


@pytest.mark.parametrize("asked", ["generator", "coroutine"])
@pytest.mark.parametrize("asking", ["generator", "coroutine"])
@pytest.mark.parametrize("is_watched", [False, True], ids=["alone", "watched"])
def test_who_is_asked_goes_on_before_what_it_has_fired(
    asking: str, asked: str, is_watched: bool
) -> None:
    class Asked(Component):
        channel = "answers"

        def ask(self, app: Base) -> Any:
            self.fire(note(), app)
            return self._go_on(app) if asked == "generator" else self._go_on_awaiting(app)

        def _go_on(self, app: Base) -> Iterator[Any]:
            app.log.append("begins")
            yield sleep(0)

        async def _go_on_awaiting(self, app: Base) -> None:
            app.log.append("begins")
            await sleep(0)

        if asked == "coroutine":  # as such a handler, it has asyncio there from the start

            async def never(self) -> None:
                pass

    class App(Base):
        @handler("go")
        def _on_go(self) -> Any:
            return self._ask() if asking == "generator" else self._ask_awaiting()

        def _ask(self) -> Iterator[Any]:
            yield self.call(ask(self), "answers")
            self.log.append("answered")

        async def _ask_awaiting(self) -> None:
            await self.call(ask(self), "answers")
            self.log.append("answered")

        def note(self) -> None:
            self.log.append("note")

    app = App() + Asked()
    if is_watched:
        app._tree_engine.tap = lambda door: True  # nothing is done at once
    assert play(app) == ["begins", "note", "answered"]


def test_what_was_fired_before_comes_before_the_call() -> None:
    class App(Base):
        def go(self) -> Generator[Any, Any, None]:
            self.fire(Event.create("note", "before"))
            value: Any = yield self.call(Event.create("note", "called"))
            self.log.append(value.value)

        def note(self, text: str) -> str:
            self.log.append(text)
            self.fire(Event.create("later", text))
            return f"noted {text}"

        def later(self, text: str) -> None:
            self.log.append(f"later {text}")

    assert play(App()) == ["before", "called", "noted called", "later before", "later called"]


@pytest.mark.parametrize("awaits", [False, True])
def test_who_is_called_and_suspends_is_waited_for(awaits: bool) -> None:
    class App(Base):
        @handler("go")
        def _on_go(self) -> Any:
            return self._awaits() if awaits else self._yields()

        async def _awaits(self) -> None:
            self.log.append(await self.call(ask(1), timeout=10))

        def _yields(self) -> Iterator[Any]:
            value: Any = yield self.call(ask(1), timeout=10)
            self.log.append(value.value)

        def ask(self, number: int) -> Generator[Any, Any, int]:
            yield sleep(5)
            return number + 1

    with VirtualClock() as clock:
        app = App()
        with app.running():
            app.fire(go())
            settle(app)
            assert app.log == []
            clock.advance(5)
            settle(app)
            assert app.log == [2]


@pytest.mark.parametrize("awaits", [False, True])
def test_the_time_limit_holds(awaits: bool) -> None:
    class App(Base):
        @handler("go")
        def _on_go(self) -> Any:
            return self._awaits() if awaits else self._yields()

        async def _awaits(self) -> None:
            with pytest.raises(TimeoutError):
                await self.call(ask(), timeout=3)
            self.log.append("late")

        def _yields(self) -> Iterator[Any]:
            with pytest.raises(TimeoutError):
                yield self.call(ask(), timeout=3)
            self.log.append("late")

        def ask(self) -> Iterator[Any]:
            yield sleep(100)

    with VirtualClock() as clock:
        app = App()
        app.stop_timeout = 0
        with app.running():
            app.fire(go())
            settle(app)
            clock.advance(3)
            settle(app)
            assert app.log == ["late"]


def test_who_is_called_from_a_coroutine_runs_outside_of_it() -> None:
    place: ContextVar[str] = ContextVar("place", default="outside")

    class App(Base):
        async def go(self) -> None:
            place.set("inside")
            task = asyncio.current_task()
            self.log.append(await self.call(ask()))
            self.log.append(await self.call(ask()))
            self.log.append((place.get(), asyncio.current_task() is task))

        def ask(self) -> tuple[str, Any]:
            return place.get(), asyncio.current_task()

    assert play(App()) == [("outside", None), ("outside", None), ("inside", True)]


def test_what_a_called_handler_raises_is_raised_once(handler_errors: list[BaseException]) -> None:
    class App(Base):
        async def go(self) -> None:
            try:
                await self.call(ask())
            except LookupError as problem:
                self.log.append(str(problem))

        def ask(self) -> None:
            raise LookupError("once")

    assert play(App()) == ["once"]
    assert handler_errors == []


def test_a_channel_that_is_none_is_told_where_it_is_yielded() -> None:
    class App(Base):
        def go(self) -> Iterator[Any]:
            try:
                yield self.call(ask(), [])
            except TypeError as problem:
                self.log.append(type(problem))

    assert play(App()) == [TypeError]


def test_feedback_of_what_is_called_is_fired() -> None:
    class App(Base):
        def go(self) -> Iterator[Any]:
            event = ask()
            event.success = True
            yield self.call(event)
            yield self.wait("ask_success")
            self.log.append("seen")

        def ask(self) -> int:
            return 1

    assert play(App()) == ["seen"]


@pytest.mark.parametrize("is_first_step", [False, True])
def test_a_handler_whose_component_leaves_by_what_it_calls_is_cut(is_first_step: bool) -> None:
    class Leaves(Base):
        @handler("go")
        def _on_go(self) -> Generator[Any, Any, None]:
            try:
                yield self.call(ask(1), "answers")
                self.log.append("went on")
            finally:
                self.log.append("closed")

    class Mean(Component):
        channel = "answers"

        def ask(self, number: int) -> int:
            leaves.register(leaves)
            return number

    failures: list[Any] = []

    class App(Base):
        @handler("error", channel="*")
        def _on_error(self, kind: Any, problem: Any, *rest: Any) -> None:
            failures.append(problem)

    app, leaves = App(), Leaves()
    app += leaves
    app += Mean()
    with app.running():
        settle(app)
        event = go()
        if is_first_step:
            event.channels, event.value = ("app",), app.fire(ask(1), "nowhere")
            settle(app)
            method = leaves._on_go
            app._tree_engine.tasks.begin(method, method(), lambda: event)
        else:
            app.fire(event)
        settle(app)
        assert leaves.log == ["closed"]
        assert not failures
        assert event.waitingHandlers == 0
        assert not list(app._tree_engine.tasks)
