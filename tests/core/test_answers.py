"""What is asked gets an answer, and a mistake a word where it was made."""

from __future__ import annotations

import asyncio
import builtins
import gc
import logging
import warnings
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

import circuits
from circuits import BaseComponent, Component, Debugger, Event, handler, sleep
from circuits.core.errors import HandlerWarning, NoHandlerError
from circuits.testing import settle


class greet(Event):
    pass


# -- a call that nobody handles --


class Elsewhere(BaseComponent):
    channel = "elsewhere"

    @handler("greet")
    def _on_greet(self, *args: Any) -> str:
        return "hello"


class Asks(Component):
    channel = "app"

    def __init__(self, *where: Any) -> None:
        super().__init__()
        self.where = where
        self.log: list[Any] = []

    @handler("awaits")
    async def _on_awaits(self) -> None:
        try:
            self.log.append(await self.call(greet(), *self.where))
        except NoHandlerError as problem:
            self.log.append(str(problem))

    @handler("yields")
    def _on_yields(self) -> Iterator[Any]:
        value: Any = yield self.call(greet(), *self.where)
        self.log.append((value.value, value.unheard))


def ask(app: Asks, name: str) -> Any:
    with app.running():
        app.fire(Event.create(name), "app")
        settle(app)
    (found,) = app.log
    return found


@pytest.mark.parametrize("watched", [False, True])
def test_it_is_told_to_who_awaits_and_where_it_is_handled(watched: bool) -> None:
    app = Asks("typo")
    Elsewhere().register(app)
    if watched:  # who only looks on handles nothing
        Debugger(logger=logging.getLogger("nowhere")).register(app)
    assert ask(app, "awaits") == (
        "nobody handles 'greet' on 'typo'; it is handled on 'elsewhere' by Elsewhere"
    )


def test_where_nobody_knows_the_name_nothing_else_is_told() -> None:
    assert ask(Asks("a", "b"), "awaits") == "nobody handles 'greet' on 'a', 'b'"


def test_who_yields_gets_the_value_of_nothing() -> None:
    assert ask(Asks("typo"), "yields") == (None, True)


class Nothing(Component):
    channel = "elsewhere"

    def greet(self) -> None: ...


class Takes(BaseComponent):
    @handler(channel="elsewhere")
    def _on_any(self, event: Event, *args: Any) -> None: ...


class Leaves(BaseComponent):
    channel = "elsewhere"

    @handler("greet")
    def _on_greet(self) -> None:
        self.removeHandler(self._on_greet)


@pytest.mark.parametrize("cls", [Nothing, Takes, Leaves])
@pytest.mark.parametrize("name", ["awaits", "yields"])
def test_whoever_handles_it_answers_even_with_nothing(cls: Any, name: str) -> None:
    app = Asks("elsewhere")
    cls().register(app)
    assert ask(app, name) == (None if name == "awaits" else (None, False))


def test_a_call_that_is_cancelled_was_not_unheard() -> None:
    class App(Component):
        log: list[Any] = []

        async def go(self) -> None:
            event = greet()
            self.fire(Event.create("stops", event))
            self.log.append(await self.call(event, "typo"))

        def stops(self, other: Event) -> None:
            other.cancel()

    app = App()
    with app.running():
        app.fire(Event.create("go"))
        settle(app)
    assert app.log == [None]


# -- what is made and never used --


def waits(app: Component) -> list[tuple[str, Any]]:
    return [
        ("<call <greet[.greet] ( )>>", lambda: app.call(greet())),
        ("<wait 'greet'>", lambda: app.wait("greet")),
        ("<sleep 3>", lambda: sleep(3)),
    ]


@pytest.mark.parametrize("number", range(3))
def test_what_is_never_awaited_is_warned_of_where_it_was_made(number: int) -> None:
    shown, make = waits(Component())[number]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        made = make()
        del made
        gc.collect()
    (warning,) = caught
    assert warning.category is RuntimeWarning
    assert str(warning.message).startswith(f"{shown} in waits.")
    assert str(warning.message).endswith("was never yielded or awaited")
    assert (warning.filename, warning.lineno) == (__file__, make.__code__.co_firstlineno)


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("how", ["yield", "yield from", "await"])
def test_what_is_used_is_not(number: int, how: str) -> None:
    class App(Component):
        def by_yield(self) -> Iterator[Any]:
            yield waits(self)[number][1]()

        def by_yield_from(self) -> Iterator[Any]:
            yield from waits(self)[number][1]()

        async def by_await(self) -> None:
            await waits(self)[number][1]()

        def greet(self) -> None: ...

    app = App()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with app.running():
            app.fire(Event.create(f"by_{how.replace(' ', '_')}"))
            settle(app)
        del app
        gc.collect()
    assert caught == []


def test_one_that_is_refused_is_not_warned_of() -> None:
    with pytest.raises(TypeError):
        Component().wait("greet", timeout="long")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="negative"):
        sleep(-1)
    gc.collect()


# -- handlers that cannot be --


def test_an_asynchronous_generator_is_refused_with_the_cure() -> None:
    async def started(self: Any, component: Any) -> Any:
        yield 1

    for make in (
        lambda: type("App", (Component,), {"started": started}),
        lambda: handler("started")(started),
    ):
        with pytest.raises(TypeError, match=r"started cannot be a handler.*await where it yields"):
            make()  # type: ignore[no-untyped-call]


def test_one_whose_event_comes_later_fails(caplog: pytest.LogCaptureFixture) -> None:
    class App(Component):
        async def not_yet_known(self) -> Any:
            yield 1

    app = App()
    assert "not_yet_known" not in app.handlers()

    async def handles(self: Any) -> Any:
        yield 1

    handles.handler, handles.names = True, ("not_yet_known",)  # type: ignore[attr-defined]
    app.addHandler(completed(handles))
    value = app.fire(Event.create("not_yet_known"))
    settle(app)
    assert value.errors
    assert "cannot be a handler" in caplog.text


def test_one_that_is_fired_after_all_is_warned_of_once() -> None:
    class App(Component):
        async def known_too_late(self) -> Any:
            yield 1

    app = App()
    for _ in range(2):
        app.fire(Event.create("known_too_late"))
        app.fire(Event.create("known_too_late"), "elsewhere")
    with pytest.warns(HandlerWarning, match=r"known_too_late cannot be a handler") as caught:
        settle(app)
    assert [warning.filename for warning in caught] == [__file__]


def completed(function: Any) -> Any:
    """A function as somebody else's decorator might mark it."""
    for name, default in {"channel": None, "priority": 0, "filter": False, "event": False}.items():
        setattr(function, name, default)
    return function


def test_what_is_made_elsewhere_is_a_result() -> None:
    async def pieces() -> Any:
        yield 1

    class App(Component):
        def greet(self) -> Any:
            return pieces()

    app = App()
    value = app.fire(greet())
    settle(app)
    assert hasattr(value.value, "__anext__")


def test_a_public_method_that_is_none_is_left_alone() -> None:
    class App(Component):
        @handler(False)
        async def numbers(self) -> Any:
            yield 1

        async def _private(self) -> Any:
            yield 1

    assert App.handlers() == ["unregister"]


def test_warnings_stand_at_the_handler() -> None:
    with pytest.warns(HandlerWarning, match=r"App\.run becomes a handler") as caught:

        class App(Component):
            def run(self) -> None:  # type: ignore[override]
                pass

    (warning,) = caught
    assert warning.filename == __file__
    assert warning.lineno == App.run.__code__.co_firstlineno


# -- other mistakes --


def test_a_run_inside_of_asyncio_names_what_there_is() -> None:
    app = Component()

    async def main() -> None:
        app.run()

    with pytest.raises(RuntimeError, match=r"would block the asyncio loop.*run_async"):
        asyncio.run(main())
    assert not app.running


def test_a_class_in_place_of_a_component_is_named() -> None:
    class Part(Component):
        pass

    with pytest.raises(TypeError, match=r"not its class: write Part\(\.\.\.\)"):
        Component() + Part  # type: ignore[operator]
    with pytest.raises(TypeError, match="which is a class: make one"):
        Component().register(Part)  # type: ignore[arg-type]


@pytest.mark.parametrize("module", ["circuits", "circuits.core"])
def test_nothing_that_is_built_in_is_hidden_by_a_star(module: str) -> None:
    names: dict[str, Any] = {}
    exec(f"from {module} import *", names)
    assert not {name for name in names if hasattr(builtins, name)} - {"__builtins__", "__name__"}
    assert circuits.TimeoutError is circuits.core.errors.TimeoutError


def test_what_only_a_page_is_called_may_be_something_that_is_iterated_over() -> None:
    Event.create("only_made_at_run_time")

    class Fine(Component):
        async def only_made_at_run_time(self) -> AsyncIterator[int]:
            yield 1

    assert "only_made_at_run_time" not in Fine.handlers()
