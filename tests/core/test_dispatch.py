"""What follows a step that was a call: the same as in a turn, whatever the step has left behind."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any
from weakref import ref

import pytest

from circuits import Component, Event, Value, handler
from circuits.core._dispatch import Dispatch
from circuits.core._running import running
from circuits.core._traced_parts import TracedDispatch
from circuits.testing import settle


class foo(Event):
    pass


class bar(Event):
    pass


class Asked(Event):
    success = failure = complete = True


class App(Component):
    """Notes what it handles, and what was the state of the event then."""

    channel = "app"

    def __init__(self) -> None:
        super().__init__()
        self.log: list[Any] = []
        self.kept: list[Any] = []

    def foo(self, *args: Any) -> Any:
        event, component = running()
        self.log.append(("foo", args, event and event.name, component is self))
        if args == ("raise",):
            raise ValueError("a mistake")
        if args == ("generator",):
            return self._steps()
        if args == ("flush",):
            self.fire(bar(3))
            self.flush()
        if args == ("again",):
            self.fire(self.kept[0])
            self.kept[0].args[:] = ["once more"]
        if args == ("fire",):
            self.fire(bar(1))
            self.fire(bar(2))
        if len(args) == 2 and args[1]:
            self.fire(foo("next", args[1] - 1))
        if args == ("ask",) and event is not None:
            event.success = True
        return args[0] if args else None

    def _steps(self) -> Iterator[Any]:
        self.log.append("step")
        yield None
        self.log.append("end")
        yield "result"

    @handler("bar")
    def _on_bar(self, *args: Any) -> None:
        self.log.append(("bar", args))

    @handler("bar", priority=1)
    def _on_bar_first(self, *args: Any) -> None:
        self.log.append(("first", args))

    def asked(self) -> str:
        self.log.append("asked")
        return "answer"

    @handler("seen")
    def _on_seen(self, event: Event, *args: Any) -> None:
        self.log.append((event.name, args))

    @handler("foo_success", "asked_success", "asked_complete", "error", channel="*")
    def _on_feedback(self, event: Event, *args: Any) -> None:
        self.log.append((event.name, event.value is not None))


class seen(Event):
    pass


def fire_again(app: App) -> None:
    event = foo("again")
    app.kept.append(event)
    app.kept.append(app.fire(event))


def fire_twice(app: App) -> None:
    event = bar(1)
    app.kept += [app.fire(event), app.fire(event)]


def keep_event(app: App) -> None:
    event = foo("kept")
    app.fire(event)
    app.kept.append(event)


def rank(app: App) -> None:
    app.kept.append(app.fire(foo("late"), priority=1))
    app.kept.append(app.fire(foo("soon"), priority=-1))


def cancel(app: App) -> None:
    event = foo("never")
    app.kept.append(app.fire(event))
    event.cancel()


STEPS: dict[str, Callable[[App], Any]] = {
    "plain": lambda app: app.fire(foo("data")),
    "no result": lambda app: app.fire(foo()),
    "raises": lambda app: app.fire(foo("raise")),
    "suspends": lambda app: app.fire(foo("generator")),
    "fires more": lambda app: app.fire(foo("fire")),
    "goes on for long": lambda app: app.fire(foo("next", 20)),
    "flushes": lambda app: app.fire(foo("flush")),
    "asks late": lambda app: app.fire(foo("ask")),
    "several handlers": lambda app: app.fire(bar(1)),
    "no handler": lambda app: app.fire(Event.create("unheard")),
    "wants the event": lambda app: app.fire(seen("it")),
    "flagged": lambda app: app.fire(Asked()),
    "several events": lambda app: [app.fire(foo("one")), app.fire(bar("two"))],
    "one rank": lambda app: app.fire(foo("soon"), priority=-1),
    "ranks": rank,
    "fired again": fire_again,
    "fired twice": fire_twice,
    "kept": keep_event,
    "cancelled": cancel,
}


def follow(app: App, step: Callable[[App], Any], name: str) -> list[Any]:
    """What becomes of a step; done twice, as routes are found out the first time."""
    for _ in range(2):
        app.kept.clear()
        values = step(app)
        assert app._tree_engine.queue
        engine = app._tree_engine
        (engine.dispatch.follow_up if name == "follow_up" else engine.loop.drain)()
        app.log.append(len(app))
        settle(app)
    values = values if isinstance(values, list) else [values]
    for kept in app.kept + values:
        event = kept.event if isinstance(kept, Value) else kept
        if event is not None:
            value = event.value
            app.log.append(
                (event.name, value.value if not value.errors else "failed", event.handler)
            )
    return app.log


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS.keys())
@pytest.mark.parametrize("kind", [Dispatch, TracedDispatch])
def test_it_is_what_the_next_turns_would_do(
    step: Callable[[App], Any], kind: type[Dispatch]
) -> None:
    logs = []
    for name in ("follow_up", "drain"):
        app = App()
        with app.running():
            settle(app)
            if kind is TracedDispatch:
                app._tree_engine.dispatch._tracing = _Nobody()  # type: ignore[attr-defined]
            app._tree_engine.dispatch.__class__ = kind
            logs.append(follow(app, step, name))
            app._tree_engine.dispatch.__class__ = Dispatch
    assert logs[0] == logs[1]


class _Nobody:
    """A tracing that traces nothing."""

    deepest = 0
    running = _via = None
    events: dict[str, dict[Any, int]] = {}

    def count(self, name: str, channels: tuple[Any, ...]) -> None:
        pass


@pytest.mark.parametrize("keeps_value", [False, True])
def test_nothing_is_left_for_the_garbage_collector(keeps_value: bool) -> None:
    app = App()
    with app.running():
        settle(app)
        gc.collect()
        gc.disable()
        try:
            value = app.fire(seen("it" if keeps_value else "that"))
            holder = ref(value) if keeps_value else ref(app._tree_engine.queue[0])
            if not keeps_value:
                del value
            app._tree_engine.dispatch.follow_up()
            if keeps_value:
                del value
            assert holder() is None
        finally:
            gc.enable()


def test_who_diagnoses_is_told_of_an_event_that_was_never_fired_there() -> None:
    told: list[Any] = []
    app = App()
    with app.running():
        settle(app)
        app._tree_engine.routes.watch_unheard = told.append
        for _ in range(2):
            app.fire(Event.create("unheard"))
            app._tree_engine.dispatch.follow_up()
        assert [event.name for event in told] == ["unheard"]


def test_a_mistake_of_an_event_ends_that_event_alone() -> None:
    class Broken(Event):
        def _choose_routes(self, routes: Any) -> Any:
            raise ValueError("no routes")

    app = App()
    with app.running():
        settle(app)
        app.fire(Broken())
        app._tree_engine.dispatch.follow_up()
        app.fire(foo())
        app._tree_engine.dispatch.follow_up()
        settle(app)
    assert [entry[0] for entry in app.log] == ["error", "foo"]


@pytest.mark.parametrize("is_late", [False, True])
def test_nothing_is_lost_when_the_tree_joins_another_meanwhile(is_late: bool) -> None:
    app, other = App(), App()
    app.fire(foo("one"))
    app.fire(foo("two"))
    engine = app._tree_engine

    class Joining:
        """The queue while another thread has the tree join just when an event is taken out."""

        reasons_to_queue, cause, ranked = 0, None, ()

        def popleft(self) -> Any:
            if is_late:  # what is taken out is put back
                event = engine.queue.popleft()
                app.register(other)
                return event
            app.register(other)
            return engine.queue.popleft()

        def __bool__(self) -> bool:
            return True

        def __getattr__(self, name: str) -> Any:
            return getattr(engine.queue, name)

    engine.dispatch._queue = Joining()  # type: ignore[assignment]
    engine.dispatch.follow_up()
    assert not engine.queue
    while len(other):
        other.flush()
    order = ["two", "one"] if is_late else ["one", "two"]
    assert [entry[1] for entry in app.log] == [(text,) for text in order]
