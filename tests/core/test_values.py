from __future__ import annotations

import gc
import pickle
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from circuits import Component, Event, Value, handler
from circuits.core.values import ValueChanged
from circuits.testing import Recorder, settle


class foo(Event):
    pass


class FooBar(Event):
    pass


# -- alone --


def test_defaults() -> None:
    value = Value()
    assert value.event is None
    assert value.manager is None
    assert value.notify is False
    assert value.promise is False
    assert value.result is False
    assert value.errors is False
    assert value.handled is False
    assert value.parent is value
    assert value.value is None
    assert value.getValue() is None


@pytest.mark.parametrize(
    ("results", "outcome"),
    [
        ([], None),
        (["x"], "x"),
        ([1, 2], [1, 2]),
        ([1, 2, 3], [1, 2, 3]),
        ([[1, 2]], [1, 2]),
        ([[1, 2], 3], [[1, 2], 3]),
        ([1, [2, 3]], [1, [2, 3]]),
        ([[], 1], [[], 1]),
        ([None, 1, None], 1),
        ([0, False, ""], [0, False, ""]),
        ([None], None),
    ],
)
def test_results_add_up(results: list[Any], outcome: Any) -> None:
    value = Value()
    for result in results:
        value.value = result
    assert value.value == outcome
    assert value.result is any(r is not None for r in results)


def test_a_list_that_was_a_result_is_not_changed_by_the_next() -> None:
    first = [1, 2]
    value = Value()
    value.setValue(first)
    assert value.value is first
    value.setValue(3)
    value.setValue(4)
    assert first == [1, 2]
    assert value.value == [[1, 2], 3, 4]


# -- nesting --


def test_a_nested_value_is_read_through() -> None:
    outer, middle, inner = Value(), Value(), Value()
    outer.value = middle
    middle.value = inner
    assert outer.result is False
    assert inner.parent is middle
    inner.value = "deep"
    assert outer.value == "deep"
    assert outer.getValue(recursive=False) is middle
    assert outer.result is True
    assert middle.result is True
    assert outer.errors is False


def test_flags_follow_the_inner_value_now_and_later() -> None:
    inner = Value()
    inner.fail((ValueError, ValueError("x"), []))
    outer = Value()
    outer.value = inner
    assert (outer.result, outer.errors) == (True, True)

    late, outer = Value(), Value()
    outer.value = late
    late.fail((ValueError, ValueError("x"), []))
    assert (outer.result, outer.errors) == (True, True)


def test_a_nested_value_without_result_keeps_its_place() -> None:
    outer, inner = Value(), Value()
    outer.value = inner
    outer.value = "second"
    assert isinstance(outer.value, list)
    assert outer.value[0] is inner
    assert list(outer) == [None, "second"]
    inner.value = "first"
    assert list(outer) == ["first", "second"]
    assert outer[0] == "first"


def test_a_value_is_never_nested_in_itself() -> None:
    value = Value()
    value.value = value
    assert value.value is None
    other = Value()
    other.value = value
    value.value = other
    assert other.value is None


# -- reading --


def test_membership_is_of_the_list_or_equality() -> None:
    value = Value()
    value.value = "abc"
    assert "abc" in value
    assert "a" not in value
    value.value = "def"
    assert "def" in value
    assert "abcdef" not in value


def test_index_and_iteration_unwrap() -> None:
    outer, inner = Value(), Value()
    inner.value = "x"
    outer.value = inner
    outer.value = 1
    assert outer[0] == "x"
    assert outer[1] == 1
    assert list(outer) == ["x", 1]
    assert str(outer) == str([inner, 1])


def test_str_is_that_of_the_value() -> None:
    value = Value()
    value.value = 42
    assert str(value) == "42"


def test_an_error_tuple_can_be_unpacked() -> None:
    value = Value()
    problem = ValueError("x")
    value.fail((ValueError, problem, ["line"]))
    etype, evalue, lines = value
    assert (etype, evalue, lines) == (ValueError, problem, ["line"])
    assert value[1] is problem
    assert value.errors is True
    assert value.result is True
    assert value.exceptions == [problem]


def test_exceptions_are_collected_in_order_through_nesting() -> None:
    one, other = ValueError("1"), KeyError("2")
    outer, inner = Value(), Value()
    outer.fail((ValueError, one, []))
    outer.value = inner
    inner.fail((KeyError, other, []))
    assert outer.exceptions == [one, other]


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (None, "<Value () result: False errors: False for <foo[*.foo] ( )>>"),
        ("x", "<Value ('x') result: True errors: False for <foo[*.foo] ( )>>"),
    ],
)
def test_repr(result: Any, text: str) -> None:
    app = Component()
    value = app.fire(foo())
    value.value = result
    assert repr(value) == text


def test_pickling_leaves_the_manager_out() -> None:
    value = Component().fire(foo())
    value.value = [1]
    copy = pickle.loads(pickle.dumps(value))
    assert copy.manager is None
    assert copy.value == [1]


# -- as the outcome of an event --


class App(Component):
    def foo(self) -> Any:
        return "first"


class Second(Component):
    def foo(self) -> Any:
        return "second"


def test_fire_gives_a_value_that_handlers_fill() -> None:
    app = App() + Second()
    value = app.fire(foo())
    assert isinstance(value, Value)
    assert value.manager is app
    assert value.event.value is value  # type: ignore[union-attr]
    assert value.result is False
    settle(app)
    assert value.value == ["first", "second"]


def test_a_handler_may_return_what_fire_gave_it() -> None:
    class Outer(Component):
        def outer(self) -> Any:
            return self.fire(foo())

        def foo(self) -> Any:
            return "inner"

    app = Outer()
    value = app.fire(Event.create("outer"))
    settle(app)
    assert value.value == "inner"
    assert value.result


# -- notification --


class Notified(Component):
    channel = "notified"
    result: Any = "x"

    def foo(self) -> Any:
        return self.result

    def foo_bar(self) -> Any:
        return self.result


def changes(app: Component, value: Value, name: str = "foo_value_changed") -> list[Any]:
    settle(app)
    return app.recorder.named(name)  # type: ignore[attr-defined, no-any-return]


@pytest.fixture
def app() -> Notified:
    app = Notified()
    app.recorder = Recorder().register(app)  # type: ignore[attr-defined]
    return app


@pytest.mark.parametrize(
    ("event", "title", "name"),
    [
        (foo(), "fooValueChanged", "foo_value_changed"),
        (FooBar(), "FooBarValueChanged", "foo_bar_value_changed"),
    ],
)
def test_true_fires_value_changed_on_the_firing_manager(
    app: Notified, event: Event, title: str, name: str
) -> None:
    event.notify = True
    value = app.fire(event)
    (record,) = changes(app, value, name)
    assert type(record.event).__name__ == title
    assert isinstance(record.event, ValueChanged)
    assert record.args == (value,)
    assert record.channels == (app,)


@pytest.mark.parametrize("where", ["event", "value"])
def test_a_string_names_the_event(app: Notified, where: str) -> None:
    event = foo()
    if where == "event":
        event.notify = "told"
    value = app.fire(event)
    if where == "value":
        value.notify = "told"
    (record,) = changes(app, value, "told")
    assert record.args == (value,)
    assert record.channels == (app,)


def test_nothing_is_told_unless_asked(app: Notified) -> None:
    assert changes(app, app.fire(foo())) == []


def test_none_is_no_change(app: Notified) -> None:
    app.result = None
    event = foo()
    event.notify = True
    assert changes(app, app.fire(event)) == []


def test_each_result_is_told(app: Notified) -> None:
    Notified().register(app)
    event = foo()
    event.notify = True
    assert len(changes(app, app.fire(event))) == 2


def test_a_change_of_a_nested_value_is_told(app: Notified) -> None:
    class Nests(Component):
        def nest(self) -> Any:
            return self.fire(foo(), "notified")

    Nests().register(app)
    event = Event.create("nest")
    event.notify = True
    value = app.fire(event, "*")
    (record,) = changes(app, value, "nest_value_changed")
    assert record.args == (value,)
    assert value.value == "x"


def test_a_failure_is_told(app: Notified) -> None:
    class Fails(Component):
        def fail(self) -> None:
            raise ValueError

        def error(self, *args: Any) -> None: ...

    Fails().register(app)
    event = Event.create("fail")
    event.notify = True
    value = app.fire(event, "*")
    assert len(changes(app, value, "fail_value_changed")) == 1
    assert value.errors


def test_a_suspended_handler_is_told_once_at_its_end(app: Notified) -> None:
    class Slow(Component):
        def slow(self) -> Iterator[Any]:
            yield 1
            yield None
            yield 2

    Slow().register(app)
    event = Event.create("slow")
    event.notify = True
    value = app.fire(event, "*")
    app.flush()
    assert value.promise is True
    records = changes(app, value, "slow_value_changed")
    assert len(records) == 1
    assert value.value == [1, 2]


def test_only_the_firing_component_and_all_channels_see_it() -> None:
    class Listener(Component):
        told = 0

        def foo_value_changed(self, value: Value) -> None:
            self.told += 1

    class Source(Listener):
        channel = "source"

        def foo(self) -> int:
            return 1

    app = Source()
    everywhere = Listener().register(app)
    elsewhere = Listener(channel="else").register(app)
    event = foo()
    event.notify = True
    app.fire(event)
    settle(app)
    assert (app.told, everywhere.told, elsewhere.told) == (1, 1, 0)


def test_inform_without_manager_or_while_promised() -> None:
    value = Value()
    value.notify = True
    value.value = 1  # nobody to fire: no error
    app = Component()
    value = app.fire(foo())
    value.notify = True
    value.promise = True
    before = len(app)
    value.inform()
    assert len(app) == before
    value.inform(force=True)
    assert len(app) == before + 1


def test_a_chain_of_nested_values_may_be_of_any_length() -> None:
    class link(Event):
        pass

    class App(Component):
        fails = False

        def link(self, left: int) -> Any:
            if left:
                return self.fire(link(left - 1))
            if self.fails:
                raise ValueError(left)
            return "end"

        def error(self, *args: Any) -> None: ...

    app = App()
    for app.fails in (False, True):
        value = app.fire(link(20_000))
        while len(app):
            app.flush()
        assert value.result
        assert value.errors is app.fails
        assert len(value.exceptions) == app.fails
        assert app.fails or value.value == "end"


@pytest.mark.parametrize("is_seen", [False, True])
def test_a_value_that_is_kept_keeps_its_event_without_a_cycle(is_seen: bool) -> None:
    class Answers(Component):
        def foo(self) -> int:
            return 42

    class Sees(Component):
        @handler(channel="*", priority=1)
        def _on_any(self, event: Event, *args: Any) -> None: ...

    app = Answers()
    if is_seen:
        Sees().register(app)
    settle(app)
    gc.collect()
    gc.disable()
    try:
        value = app.fire(foo())
        settle(app)
        assert value._event is not None
        gone = weakref.ref(value._event)
        assert value.value == 42
        del value
        assert gone() is None
        value = app.fire(foo())
        settle(app)
    finally:
        gc.enable()
    event = value.event
    assert event is not None
    assert event.value is value
    again = app.fire(event)
    settle(app)
    assert event.value is again
    assert value.event is again.event is event


def test_an_event_that_is_known_by_a_weak_reference_keeps_its_value() -> None:
    app = Component()
    settle(app)
    event = foo()
    known = weakref.ref(event)
    value = app.fire(event)
    del event
    settle(app)
    found = known()
    assert found is not None
    assert found.value is value


def test_looking_at_the_event_of_a_value_does_not_fire_it() -> None:
    event = foo()
    for value in (Value(event), pickle.loads(pickle.dumps(Value(event)))):
        assert value.event is not None
        assert value.event.value is None
    value = Value()
    value.event = event
    assert value.event.value is None


def test_a_seen_event_that_nobody_keeps_is_gone_at_once() -> None:
    gone = []

    class Sees(Component):
        @handler(channel="*")
        def _on_any(self, event: Event, *args: Any) -> None:
            gone.append(weakref.ref(event))

    class asks(Event):
        success = complete = True

    app = Sees()
    settle(app)
    gc.collect()
    gc.disable()
    try:
        for event in (foo(), asks()):
            app.fire(event)
        del event
        settle(app)
        assert len(gone) == 4
        assert [what() for what in gone] == [None] * len(gone)
    finally:
        gc.enable()
