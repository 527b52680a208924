"""What is said of mistakes that are often made: with which value, where, and what to write instead."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from datetime import datetime
from typing import Any

import pytest

import circuits
from circuits import Component, Event, Timer, Worker, handler, sleep, task
from circuits.core import Manager
from circuits.testing import settle
from tests.tools.checks_support import hide_other_tests


class ping(Event):
    pass


class Move(Event):
    x: int
    y: int


class Part(Component):
    pass


class Silent(Event):
    def __init__(self) -> None:
        pass


part: Any = Part
event: Any = ping
timer: Any = Timer
on: Any = handler


def listed() -> object:
    class Listed(Component):
        channel = ["a", "b"]

    return Listed()


def shadowed() -> object:
    node = part()
    node.parent = "window"
    return node.root


def no_generator() -> object:
    class Asks(Component):
        async def started(self, component: object) -> Any:
            yield 1

    return Asks


def hidden_field() -> object:
    class Named(Event):
        name: str  # type: ignore[misc]

    return Named


def circle() -> object:
    upper, lower = part(channel="u"), part(channel="l")
    lower.register(upper)
    return upper.register(lower)


#: What is done, and the whole text, or the beginning of one that is followed by an address.
RAISED: dict[str, tuple[Callable[[], object], type[Exception], str]] = {
    "fires a class": (
        lambda: part().fire(event),
        TypeError,
        "an event is needed, not its class: write ping(...)",
    ),
    "fires a name": (
        lambda: part().fire("ping"),
        TypeError,
        "an event is needed, not its name: write Event.create('ping')",
    ),
    "fires something else": (
        lambda: part().fire(5),
        TypeError,
        "an event is needed, not 5",
    ),
    "calls a class": (
        lambda: part().call(event),
        TypeError,
        "an event is needed, not its class: write ping(...)",
    ),
    "waits for something else": (
        lambda: part().wait(None),
        TypeError,
        "wait() takes an event, its class or its name, not None",
    ),
    "an event without its base's constructor": (
        lambda: part().fire(Silent()),
        TypeError,
        "Silent.__init__ does not call super().__init__(...)",
    ),
    "a list of channels": (
        lambda: part().fire(ping(), ["a", "b"]),
        TypeError,
        "['a', 'b'] is no channel: unhashable type: 'list'; several are given one by one: 'a', 'b'",
    ),
    "a dictionary as a channel": (
        lambda: part().fire(ping(), "a", {}),
        TypeError,
        "'a', {} is no channel: unhashable type: 'dict'",
    ),
    "a priority that is none": (
        lambda: part().fire(ping(), priority="high"),
        TypeError,
        "priority must be a number, not 'high'",
    ),
    "a component on several channels": (
        listed,
        TypeError,
        "['a', 'b'] is no channel: unhashable type: 'list'; Listed has one, such as a name",
    ),
    "a component that is given several channels": (
        lambda: part(channel=["a"]),
        TypeError,
        "['a'] is no channel: unhashable type: 'list'; Part has one, such as a name",
    ),
    "a handler on several channels": (
        lambda: on("ping", channel=["a"]),
        TypeError,
        "['a'] is no channel: unhashable type: 'list'; a handler has one, such as a name",
    ),
    "the option channels of a handler": (
        lambda: on("ping", channels="a"),
        TypeError,
        "handler() has no option channels; there are channel, filter, override, priority, stream",
    ),
    "a handler that is bound to an event": (
        lambda: on(Event.create("ping")),
        TypeError,
        (
            "a handler is bound to names or classes of events, not <ping[.ping] ( )>: "
            "write @handler(ping)"
        ),
    ),
    "a handler of a number": (
        lambda: on(5),
        TypeError,
        "a handler is bound to names or classes of events, not 5",
    ),
    "an asynchronous generator": (
        no_generator,
        TypeError,
        (
            "no_generator.<locals>.Asks.started cannot be a handler: with async and yield it is an "
            "asynchronous generator; write await where it yields, or def without async"
        ),
    ),
    "a timer of a class": (
        lambda: timer(1, event),
        TypeError,
        "a timer is made as Timer(seconds, event): an event is needed, not its class: write ping(...)",
    ),
    "a timer the other way round": (
        lambda: timer(ping(), 1),
        TypeError,
        "a timer is made as Timer(seconds, event): an event is needed, not 1",
    ),
    "a timer of a text": (
        lambda: timer("5", ping()),
        TypeError,
        "interval must be seconds or a datetime, not '5'",
    ),
    "a timer in the past": (
        lambda: timer(-1, ping()),
        ValueError,
        "interval must be 0 or more seconds, not -1",
    ),
    "a sleep of a text": (
        lambda: sleep("1"),  # type: ignore[arg-type]
        TypeError,
        "sleep must be a number of seconds, not '1'",
    ),
    "a sleep in the past": (
        lambda: sleep(-1),
        ValueError,
        "cannot sleep -1 seconds: the time must not be negative",
    ),
    "adds a class": (
        lambda: part() + part,
        TypeError,
        "a component is added, not its class: write Part(...)",
    ),
    "adds nothing": (lambda: part() + None, TypeError, "a component is added, not None"),
    "registers to a class": (
        lambda: part().register(part),
        TypeError,
        (
            "a component is registered to a manager, not to "
            "<class 'tests.core.test_mistake_texts.Part'>, which is a class: make one"
        ),
    ),
    "registers to a name": (
        lambda: part().register("app"),
        TypeError,
        "a component is registered to a manager, not to 'app'",
    ),
    "uses the attribute parent": (
        shadowed,
        TypeError,
        (
            "the attribute parent of a component is the one above it, not 'window': "
            "use another name for that"
        ),
    ),
    "a field that hides an attribute": (
        hidden_field,
        TypeError,
        (
            "field 'name' of event Named would hide an attribute of Event; rename it, or annotate it "
            "as ClassVar to set that attribute"
        ),
    ),
    "an event without one of its fields": (
        lambda: Move(1),  # type: ignore[call-arg]
        TypeError,
        "Move.__init__() missing 1 required positional argument: 'y'",
    ),
    "a task that is called": (
        lambda: task(datetime.now()),  # type: ignore[arg-type]
        TypeError,
        "a task is of a function, not datetime.datetime(",
    ),
}


@pytest.mark.parametrize("what", RAISED)
def test_a_mistake_is_refused_with_its_cure(what: str) -> None:
    act, kind, text = RAISED[what]
    with pytest.raises(kind) as caught:
        act()
    told = str(caught.value)
    assert told.startswith(text) if text.endswith("(") else told == text


def test_a_task_says_what_to_give() -> None:
    with pytest.raises(TypeError, match="not 3: give the function, and its arguments behind it"):
        task(3)  # type: ignore[arg-type]


def test_a_handler_without_brackets_is_told_how_to_write_it() -> None:
    def ring() -> None: ...

    with pytest.raises(TypeError, match=r'not <function .*>: write @handler\("ring"\)$'):
        on(ring)


def test_what_is_below_cannot_be_above() -> None:
    with pytest.raises(circuits.core.errors.UnregistrableError) as caught:
        circle()
    assert ", which is below it" in str(caught.value)


# -- what fails when it runs ------------------------------------------------------------------


class App(Component):
    def init(self) -> None:
        self.notes: list[str] = []

    @handler("error")
    def _on_error(self, kind: object, problem: BaseException, *args: Any) -> None:
        self.notes += getattr(problem, "__notes__", ())

    def ping(self) -> int:
        return 1


async def awaits_a_value(app: App) -> None:
    await app.fire(ping())  # type: ignore[misc]


async def awaits_an_event(app: App) -> None:
    await ping()  # type: ignore[misc]


async def adds_to_a_value(app: App) -> None:
    value: Any = app.fire(ping())
    print(value + 1)


async def adds_others(app: App) -> None:
    value: Any = type("Value", (), {})()
    print(value + 1)


#: How a handler fails, and the note that is added.
NOTED: dict[Callable[[App], Any], list[str]] = {
    awaits_a_value: ["fire() gives a Value, which is filled later: write await self.call(...)"],
    awaits_an_event: ["an event is waited for by a call: write await self.call(ping(...))"],
    adds_to_a_value: [
        (
            "fire() gives a Value, which is filled later: write (yield self.call(...)).value, or "
            "await self.call(...)"
        )
    ],
    adds_others: [],
}


@pytest.mark.parametrize("body", NOTED)
def test_a_note_says_what_to_write_instead(body: Callable[[App], Any]) -> None:
    class Fails(App):
        async def go(self) -> None:
            await body(self)

    app = Fails()
    with app.running():
        app.fire(Event.create("go"))
        settle(app)
    assert app.notes == NOTED[body]


def notes_of(app: App, fired: Event) -> list[str]:
    with app.running():
        app.fire(fired)
        settle(app)
    return app.notes


def line_of(function: Any) -> str:
    code = function.__code__
    return f"{code.co_filename}:{code.co_firstlineno}"


def test_a_handler_without_self_is_told_to_take_it() -> None:
    class Selfless(App):
        def ring() -> None:  # type: ignore[misc]
            raise AssertionError

    place = line_of(Selfless.ring)
    name = Selfless.ring.__qualname__
    assert notes_of(Selfless(), Event.create("ring")) == [
        f"{name}() at {place} takes nothing, not even self: write def ring(self, ...)"
    ]


def test_a_handler_that_takes_too_little_is_shown_with_its_event() -> None:
    class Short(App):
        def ring(self, bell: object) -> None:
            raise AssertionError

    place = line_of(Short.ring)
    name = Short.ring.__qualname__
    assert notes_of(Short(), Event.create("ring", 1, b="x")) == [
        f"{name}(bell: 'object') -> 'None' at {place} cannot handle ring(1, b='x')"
    ]


def test_nothing_is_noted_where_the_traceback_tells() -> None:
    class Plain(App):
        def ring(self) -> None:
            raise TypeError("its own")

    assert notes_of(Plain(), Event.create("ring")) == []


def test_a_note_is_made_once() -> None:
    problem: list[BaseException] = []

    class Twice(App):
        async def ring(self) -> None:
            if problem:
                raise problem[0]
            try:
                await self.fire(ping())  # type: ignore[misc]
            except TypeError as caught:
                problem.append(caught)
                raise

    app = Twice()
    with app.running():
        for _ in range(2):
            app.fire(Event.create("ring"))
            settle(app)
    assert len(problem[0].__notes__) == 1
    assert len(app.notes) == 2


# -- what nothing fails of: told on request ----------------------------------------------------


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Callable[[], str]:
    monkeypatch.setenv("CIRCUITS_DEBUG", "1")
    hide_other_tests(monkeypatch, besides=__name__)

    def texts() -> str:
        return "\n".join(r.getMessage() for r in caplog.records if r.name == "circuits.debug")

    return texts


def run(app: Component, name: str = "go") -> None:
    with app.running():
        app.fire(Event.create(name))
        settle(app)


def test_a_yielded_event_is_told_of(told: Callable[[], str]) -> None:
    class Yields(App):
        def go(self) -> Generator[Any, Any, None]:
            yield ping()

    run(Yields())
    where = f"{Yields.go.__qualname__} ({__file__}:{Yields.go.__code__.co_firstlineno + 1})"
    text = f"{where} yields an event, which is a result: write yield self.call(ping(...))"
    assert text in told()


def test_a_result_that_is_yielded_is_not_told_of(told: Callable[[], str]) -> None:
    class Yields(App):
        def go(self) -> Generator[Any, Any, None]:
            yield 1
            yield self.fire(ping())

    run(Yields())
    assert "yields" not in told()


def test_arguments_that_nobody_takes_are_told_of(told: Callable[[], str]) -> None:
    Part(1, chanel="x")
    assert told() == (
        "Part takes no arguments, and ignores 1, chanel='x'; write a method init that takes them"
    )


def test_a_channel_is_taken(told: Callable[[], str]) -> None:
    Part(channel="x")
    assert not told()


class Has(App):
    def init(self) -> None:
        super().init()
        self.other = Worked()

    def go(self) -> None: ...


class Worked(Component):
    def ping(self) -> None: ...


def test_a_part_that_was_never_registered_is_told_of_once(told: Callable[[], str]) -> None:
    run(Has())
    text = (
        "Has.other is a component that was never registered, and hears nothing: write "
        "Worked(...).register(self)"
    )
    assert told().count(text) == 1


def test_a_part_that_is_made_later_is_told_of_at_the_end(told: Callable[[], str]) -> None:
    class Makes(App):
        def go(self) -> None:
            self.other = Worked()

    run(Makes())
    assert "Makes.other is a component that was never registered" in told()


def test_parts_that_are_or_were_in_a_tree_are_not_told_of(told: Callable[[], str]) -> None:
    class Tidy(App):
        def init(self) -> None:
            super().init()
            self.part = Worked().register(self)
            self.left = Worked().register(self)

        def go(self) -> None:
            self.left.unregister()

    run(Tidy())
    assert "never registered" not in told()


def test_a_task_without_a_worker_is_told_of(told: Callable[[], str]) -> None:
    class Asks(App):
        def go(self) -> None:
            self.fire(task(len, "abc"))

    run(Asks())
    assert "nobody handles 'task' on '*'" in told()


def test_nothing_is_told_unless_it_is_wanted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("CIRCUITS_DEBUG", raising=False)
    caplog.set_level(logging.DEBUG)
    Part(1)
    run(Has())
    assert not [record for record in caplog.records if record.name == "circuits.debug"]


def test_a_manager_is_no_part_of_another() -> None:
    with pytest.raises(TypeError, match="a component is added, not <Manager"):
        Manager() + Manager()


def test_a_worker_takes_a_function() -> None:
    assert task(len, "abc").args == [len, "abc"]
    assert Worker.handles("task")
