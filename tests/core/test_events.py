from __future__ import annotations

from threading import RLock
from typing import Any

import pytest

from circuits import BaseEvent, Component, DerivedEvent, Event, LiteralEvent, Manager
from circuits.core import events
from circuits.core.components import PrepareUnregister
from circuits.core.events import (
    Complete,
    Done,
    Error,
    EventMetaClass,
    Failure,
    GenerateEvents,
    Registered,
    Signal,
    Started,
    Stopped,
    Success,
    Unregister,
    Unregistered,
)
from circuits.core.values import ValueChanged


class FooBar(Event):
    pass


class Explicit(Event):
    name = "_read"


class SubOfExplicit(Explicit):
    pass


class PlainBase(BaseEvent):
    pass


# -- names --


@pytest.mark.parametrize(
    ("event", "name"),
    [
        (FooBar, "foo_bar"),
        (Explicit, "_read"),
        (SubOfExplicit, "sub_of_explicit"),  # an explicit name is not inherited
        (PlainBase, "plain_base"),
        (Event, "event"),
    ],
)
def test_the_name_is_computed_with_the_class(event: type[BaseEvent], name: str) -> None:
    assert event.name == name
    assert event().name == name


@pytest.mark.parametrize("title", ["Foo", "foo"])
def test_create_names_the_class_exactly_and_the_event_uncamelled(title: str) -> None:
    event = FooBar.create(title, 1, key=2)
    assert type(event).__name__ == title
    assert event.name == "foo"
    assert isinstance(event, FooBar)
    assert (event.args, event.kwargs) == ([1], {"key": 2})


# -- state --


@pytest.mark.parametrize(
    ("attribute", "default"),
    [
        ("channels", ()),
        ("notify", False),
        ("success", False),
        ("failure", False),
        ("complete", False),
        ("alert_done", False),
        ("waitingHandlers", 0),
    ],
)
def test_defaults_are_those_of_the_class_and_of_the_instance(attribute: str, default: Any) -> None:
    assert getattr(Event, attribute) == default
    assert getattr(Event(), attribute) == default


def test_the_constructor_keeps_its_arguments() -> None:
    event = Event(1, "two", three=3)
    assert event.args == [1, "two"]
    assert isinstance(event.args, list)
    assert event.kwargs == {"three": 3}
    assert event.uid is None
    assert event.value is None
    assert event.handler is None


def test_items_are_arguments_by_position_and_by_name() -> None:
    event = Event(1, 2, a=3)
    assert (event[0], event[-1], event["a"]) == (1, 2, 3)
    event[0] = "x"
    event["b"] = "y"
    assert event.args == ["x", 2]
    assert event.kwargs == {"a": 3, "b": "y"}


@pytest.mark.parametrize("key", [None, 1.0, (0,), slice(0, 1)])
def test_other_keys_are_refused(key: Any) -> None:
    event = Event(1)
    with pytest.raises(TypeError, match="int or str"):
        event[key]
    with pytest.raises(TypeError, match="int or str"):
        event[key] = 1


def test_missing_items_raise_what_list_and_dict_raise() -> None:
    with pytest.raises(IndexError):
        Event()[0]
    with pytest.raises(KeyError):
        Event()["x"]


def test_equality_and_hash_are_identity() -> None:
    one, other = FooBar(1), FooBar(1)
    assert one != other
    assert len({one, other, one}) == 2


# -- literal events --


@pytest.mark.parametrize("name", ["GET", "helloWorld", "plain"])
@pytest.mark.parametrize("base", [Event, FooBar, LiteralEvent, BaseEvent])
def test_literal_create_takes_the_name_as_it_is(base: Any, name: str) -> None:
    event = LiteralEvent.create(base, name, 1, k=2)
    assert event.name == name
    assert type(event).__name__ == name
    assert isinstance(event, base)
    assert isinstance(event, LiteralEvent)
    assert (event.args, event.kwargs) == ([1], {"k": 2})


def test_a_subclass_of_literal_event_keeps_its_name() -> None:
    class helloWorld(LiteralEvent):
        pass

    assert helloWorld.name == "helloWorld"


# -- derived events --


class Identify(Event):
    pass


@pytest.mark.parametrize("kind", [Success, Failure, Complete, Done, ValueChanged])
def test_derived_events_are_named_after_their_source(kind: type[DerivedEvent]) -> None:
    topic = kind.__name__
    source = Identify("x")
    event = kind.create(topic, source, 1, k=2)
    assert type(event).__name__ == f"Identify{topic}"
    assert event.name == f"identify_{events.uncamel(topic)}"  # type: ignore[attr-defined]
    assert isinstance(event, kind)
    assert event.args == [source, 1]
    assert event.kwargs == {"k": 2}
    assert event.parent is source


@pytest.mark.parametrize(
    ("source", "title", "name"),
    [
        (Identify(), "IdentifySuccess", "identify_success"),
        (
            LiteralEvent.create(Event, "helloWorld"),
            "helloWorld_success",
            "helloWorld_success",
        ),
        (Explicit(), "ExplicitSuccess", "_read_success"),
    ],
)
def test_the_table_of_derived_names(source: Event, title: str, name: str) -> None:
    event = Success.create("Success", source)
    assert (type(event).__name__, event.name) == (title, name)


def test_a_name_set_on_the_instance_counts() -> None:
    source = Identify()
    source.name = "renamed"  # type: ignore[misc]
    assert Success.create("Success", source).name == "renamed_success"
    assert Success.create("Success", Identify()).name == "identify_success"


def test_child_makes_a_derived_event() -> None:
    source = Identify()
    event = source.child("done", 1)
    assert event.name == "identify_done"
    assert event.args == [source, 1]
    assert event.parent is source


def test_a_derived_event_can_be_derived_from() -> None:
    event = Success.create("Success", Complete.create("Complete", Identify()))
    assert event.name == "identify_complete_success"


# -- built-in events --

ONE, OTHER = Component(), Manager()


@pytest.mark.parametrize(
    ("event", "name", "args"),
    [
        (Started(ONE), "started", [ONE]),
        (Stopped(ONE), "stopped", [ONE]),
        (Signal(2, None), "signal", [2, None]),
        (Registered(ONE, OTHER), "registered", [ONE, OTHER]),
        (Unregister(), "unregister", [None]),
        (Unregister(ONE), "unregister", [ONE]),
        (Unregister(component=ONE), "unregister", [ONE]),
        (PrepareUnregister(ONE), "prepare_unregister", [ONE]),
        (Unregistered(ONE, OTHER), "unregistered", [ONE, OTHER]),
        (Error(ValueError, ValueError("x"), [], None), "error", None),
        (GenerateEvents(RLock(), -1), "generate_events", []),
    ],
)
def test_the_table_of_built_in_events(event: Event, name: str, args: list[Any] | None) -> None:
    assert event.name == name
    if args is not None:
        assert event.args == args
    assert event.kwargs == {}


def test_an_error_has_four_positional_arguments() -> None:
    problem = ValueError("x")
    assert Error(ValueError, problem, ["line"]).args == [ValueError, problem, ["line"], None]
    assert Error(ValueError, problem, ["line"], handler=print)[3] is print


def test_prepare_unregister_asks_for_complete_on_the_component() -> None:
    assert PrepareUnregister.complete is True
    assert PrepareUnregister(ONE).complete_channels == (ONE,)


def test_in_subtree() -> None:
    root = Component()
    middle = Component().register(root)
    leaf = Component().register(middle)
    beside = Component().register(root)
    event = PrepareUnregister(middle)
    inside = [event.in_subtree(node) for node in (root, middle, leaf, beside)]
    assert inside == [False, True, True, False]


# -- stop and cancel (see test_engine for what they do) --


def test_the_marks_are_off_at_first() -> None:
    event = Event()
    assert not event.stopped
    assert not event.cancelled
    event.stop()
    event.cancel()
    assert event.stopped
    assert event.cancelled


# -- repr --


class Test(Event):
    __test__ = False


class Foo(Event):
    pass


def on(event: Event, *channels: Any) -> Event:
    Manager().fire(event, *channels)
    return event


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (Test(), "<Test[.test] ( )>"),
        (on(Test()), "<Test[*.test] ( )>"),
        (on(Foo(1, "x", k=2), "a"), "<Foo[a.foo] (1, 'x' k=2)>"),
        (on(Foo(), "a", "b"), "<Foo[('a', 'b').foo] ( )>"),
        (on(Foo(a=1, b="c"), (1, 1)), "<Foo[(1, 1).foo] ( a=1, b='c')>"),
    ],
)
def test_repr(event: Event, text: str) -> None:
    assert repr(event) == text


# -- GenerateEvents --


def test_generate_events_has_its_lock_and_its_time() -> None:
    lock = RLock()
    event = GenerateEvents(lock, 5.0)
    assert event.lock is lock
    assert event.time_left == 5.0


@pytest.mark.parametrize(
    ("time_left", "reduction", "result"),
    [
        (-1, 5, 5),
        (-1, 0, 0),
        (5, 3, 3),
        (5, 7, 5),
        (5, -1, 5),
        (-1, -2, -1),
        (0, 0, 0),
        (0, 4, 0),
    ],
)
def test_time_can_only_be_reduced(time_left: float, reduction: float, result: float) -> None:
    event = GenerateEvents(RLock(), time_left)
    event.reduce_time_left(reduction)
    assert event.time_left == result


class Sleeper:
    resumed = 0

    def handle(self) -> None:
        pass

    def resume(self) -> None:
        self.resumed += 1


@pytest.mark.parametrize(("reduction", "resumed"), [(0, 1), (3, 0)])
def test_reducing_to_nothing_resumes_the_running_handler(reduction: float, resumed: int) -> None:
    sleeper = Sleeper()
    event = GenerateEvents(RLock(), -1)
    event.handler = sleeper.handle
    event.reduce_time_left(reduction)
    event.reduce_time_left(reduction)
    assert sleeper.resumed == resumed


def test_reducing_without_a_running_handler_or_resume_is_fine() -> None:
    event = GenerateEvents(RLock(), -1)
    event.reduce_time_left(0)
    event = GenerateEvents(RLock(), -1)
    event.handler = print
    event.reduce_time_left(0)
    assert event.time_left == 0


def test_event_classes_have_the_documented_metaclass() -> None:
    assert isinstance(Event, EventMetaClass)
    assert isinstance(BaseEvent, EventMetaClass)
    assert issubclass(Event, BaseEvent)


@pytest.mark.parametrize(
    ("old", "new"),
    [("started", "Started"), ("registered", "Registered"), ("exception", "Error")],
)
def test_the_names_of_the_3x_line_are_the_same_classes(old: str, new: str) -> None:
    from circuits.core import events

    assert getattr(events, old) is getattr(events, new)


def test_names_are_shown_in_one_line_whoever_has_chosen_them() -> None:
    event = Event.create("x\x1b[31m\nfailed", 1, **{"k\x07": "\n"})
    event.channels = ("c\r\n",)
    assert repr(event) == ("<x\\x1b[31m\\nfailed[c\\r\\n.x\\x1b[31m\\nfailed] (1 k\\x07='\\n')>")
