from __future__ import annotations

import gc
import warnings
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from circuits import BaseComponent, Component, Debugger, Event, Manager, Timer, handler
from circuits.core.components import PrepareUnregister, SingletonError, check_singleton
from circuits.core.events import Unregister
from circuits.core.manager import UnregistrableError
from circuits.testing import Recorder, VirtualClock, settle


class foo(Event):
    pass


class App(Component):
    channel = "app"
    seen = 0

    def foo(self) -> None:
        self.seen += 1


# -- construction --


@pytest.mark.parametrize(
    ("kwargs", "channel"),
    [
        ({}, "app"),
        ({"channel": "other"}, "other"),
        ({"channel": ("a", 1)}, ("a", 1)),
        ({"channel": 5}, 5),
        ({"channel": None}, "*"),
        ({"channel": ""}, "*"),
        ({"channel": 0}, "*"),
    ],
)
def test_the_channel_is_the_keyword_or_that_of_the_class(kwargs: Any, channel: Any) -> None:
    assert App(**kwargs).channel == channel


def test_the_default_channel_is_every_channel() -> None:
    assert Component().channel == BaseComponent().channel == "*"
    assert Component.channel == "*"
    assert App.channel == "app"
    assert not hasattr(Manager(), "channel")


def test_a_component_can_be_a_channel_although_it_is_false() -> None:
    other = Component()
    assert not other
    assert App(channel=other).channel is other

    class OnOther(Component):
        channel = other

    assert OnOther().channel is other


def test_an_unhashable_channel_is_refused() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        App(channel=["x"])


def test_component_attributes_are_registered() -> None:
    shared = Component()

    class Whole(Component):
        part_of_class = shared

        def __init__(self) -> None:
            self.part = App()
            super().__init__()
            self.late = App()

    whole = Whole()
    assert list(whole.components) == [shared, whole.part]
    assert whole.late.parent is whole.late


def test_one_component_under_two_names_is_registered_once() -> None:
    class Whole(Component):
        def __init__(self) -> None:
            self.part = self.alias = App()
            super().__init__()

    assert len(Whole().components) == 1


def test_children_registered_before_the_constructor_are_kept() -> None:
    class Whole(Component):
        def __init__(self) -> None:
            self.part = App().register(self)
            super().__init__()

    whole = Whole()
    assert list(whole.components) == [whole.part]


def test_init_gets_exactly_the_arguments_when_everything_is_ready() -> None:
    class Inits(Component):
        def init(self, *args: Any, **kwargs: Any) -> None:
            self.got = args, kwargs, self.channel, set(self._handlers)

        def foo(self) -> None: ...

    made = Inits(1, 2, channel="c", key=3)
    args, kwargs, channel, names = made.got
    assert args == (1, 2)
    assert kwargs == {"channel": "c", "key": 3}
    assert channel == "c"
    assert {"foo", "unregister", "prepare_unregister_complete"} <= names


def test_init_is_no_handler() -> None:
    class Inits(Component):
        calls = 0

        def init(self, *args: Any, **kwargs: Any) -> None:
            self.calls += 1

    made = Inits()
    made.fire(Event.create("init"))
    settle(made)
    assert made.calls == 1


def test_a_component_works_before_its_constructor_ran() -> None:
    class Early(Component):
        def __init__(self) -> None:
            assert len(self) == 0
            assert self.root is self
            self.child = App().register(self)
            self.fire(foo(), "app")
            super().__init__()

    early = Early()
    settle(early)
    assert early.child.seen == 1


def test_handlers_and_events_name_what_is_handled() -> None:
    class Many(App):
        def foo(self) -> None: ...

        @handler("a", "b")
        def _on_more(self) -> None: ...

        @handler("_hidden")
        def _on_hidden(self) -> None: ...

    names = Many.handlers()
    assert sorted(names) == ["a", "b", "foo", "unregister"]
    assert Many().handlers() == names == Many.events()
    assert Many.handles("foo", "a", "unregister")
    assert not Many.handles("foo", "c")
    assert Many().handles("b")


# -- registering --


def test_register_returns_the_component_and_puts_it_into_the_tree() -> None:
    root, middle, leaf = Component(), Component(), Component()
    assert leaf.register(middle) is leaf
    assert middle.register(root) is middle
    assert (leaf.parent, leaf.root) == (middle, root)
    assert (middle.parent, middle.root) == (root, root)
    assert (root.parent, root.root) == (root, root)
    assert leaf in middle
    assert list(root.components) == [middle]


def test_registered_is_fired_by_the_child_on_its_channel_and_it_sees_it() -> None:
    class Child(Component):
        channel = "child"

        def registered(self, component: Any, manager: Any) -> None:
            self.got = component, manager, self.root is component.root

    root = Component()
    recorder = Recorder("registered").register(root)
    child = Child().register(root)
    settle(root)
    record = recorder.expect("registered", child, root)
    assert record.channels == ("child",)
    assert child.got == (child, root, True)


def test_queued_events_move_to_the_end_of_the_roots_queue_in_order() -> None:
    root, child = Component(), Component()
    recorder = Recorder().register(root)
    settle(root)
    recorder.clear()
    root.fire(Event.create("first"))
    child.fire(Event.create("second"))
    child.fire(Event.create("third"))
    child.register(root)
    settle(root)
    assert recorder.names == ["first", "second", "third", "registered"]
    assert len(child) == 0


def test_registering_with_itself_fires_nothing() -> None:
    app = Component()
    assert app.register(app) is app
    assert len(app) == 0
    assert app.parent is app


def test_registering_with_itself_makes_a_root() -> None:
    root = Component()
    child = Component().register(root)
    child.register(child)
    assert child.parent is child.root is child
    assert child not in root


def test_registering_elsewhere_leaves_the_old_parent_at_once() -> None:
    one, other = App(channel="*"), App(channel="*")
    child = App(channel="*").register(one)
    settle(one)
    child.register(other)
    assert child not in one
    assert child in other
    assert (child.parent, child.root) == (other, other)
    one.fire(foo())
    settle(one)
    assert (one.seen, child.seen) == (1, 0)
    other.fire(foo())
    settle(other)
    assert (other.seen, child.seen) == (1, 1)


def test_moving_within_a_tree() -> None:
    root = Component()
    one, other = Component().register(root), Component().register(root)
    child = App().register(one)
    settle(root)
    child.register(other)
    root.fire(foo(), "app")
    settle(root)
    assert child.seen == 1
    assert child.root is root


@pytest.mark.parametrize("parent", [None, 3, Component])
def test_only_managers_have_children(parent: Any) -> None:
    with pytest.raises(TypeError, match="to a manager"):
        Component().register(parent)


def test_a_tree_has_no_circles() -> None:
    root = Component()
    child = Component().register(root)
    with pytest.raises(UnregistrableError, match="below"):
        root.register(child)
    assert root.parent is root


def test_two_running_trees_cannot_be_joined() -> None:
    one, other = Component(), Component()
    with one.running(), other.running(), pytest.raises(UnregistrableError, match="runs too"):
        one.register(other)
    assert one.parent is one


def test_a_running_tree_may_join_an_idle_one() -> None:
    one, other = App(), Component()
    with one.running():
        one.register(other)
        other.fire(foo(), "app")
        settle(other)
        assert one.seen == 1


def test_a_component_that_left_may_come_back() -> None:
    root = Component()
    child = App().register(root)
    for turn in range(1, 4):
        child.unregister()
        settle(root)
        assert child.parent is child
        child.register(root)
        root.fire(foo(), "app")
        settle(root)
        assert child.seen == turn


# -- leaving --


class Watcher(Component):
    """Notes what it sees of the protocol."""

    def __init__(self, channel: Any = "*") -> None:
        super().__init__(channel=channel)
        self.log: list[str] = []

    def prepare_unregister(self, component: Any) -> None:
        self.log.append(f"prepare {component.unregister_pending} {component.parent is self.parent}")

    def unregistered(self, component: Any, manager: Any) -> None:
        self.log.append(f"unregistered {component.parent is component} {manager is not component}")


def test_leaving_takes_two_steps() -> None:
    root = Component()
    watcher = Watcher().register(root)
    child = App().register(root)
    settle(root)
    assert child.unregister_pending is False
    assert child.unregister() is child
    assert child.unregister_pending is True
    assert child in root
    settle(root)
    assert child.unregister_pending is False
    assert child not in root
    assert child.parent is child.root is child
    assert watcher.log == ["prepare True True", "unregistered True True"]


def test_the_events_of_leaving_and_their_channels() -> None:
    root = Component()
    recorder = Recorder().register(root)
    child = App().register(root)
    settle(root)
    recorder.clear()
    child.unregister()
    settle(root)
    assert recorder.names == ["prepare_unregister", "prepare_unregister_complete", "unregistered"]
    prepare, complete, gone = recorder.records
    assert (prepare.args, prepare.channels) == ((child,), ("app",))
    assert complete.channels == (child,)
    assert (gone.args, gone.channels) == ((child, root), ("app",))


def test_the_departed_component_sees_that_it_left_once() -> None:
    root = Component()
    child = Watcher("child").register(root)
    settle(root)
    child.unregister()
    settle(root)
    assert child.log == ["prepare True True", "unregistered True True"]


def test_it_stays_until_everything_that_its_going_causes_is_over() -> None:
    class Slow(Component):
        def prepare_unregister(self, component: Any) -> Iterator[Any]:
            yield
            self.fire(Event.create("cleanup"))

        def cleanup(self) -> Iterator[Any]:
            yield
            self.there = child.parent is self.parent

    root = Component()
    slow = Slow().register(root)
    child = App().register(root)
    settle(root)
    child.unregister()
    settle(root)
    assert slow.there is True
    assert child.parent is child


def test_a_leaving_component_hears_only_what_the_protocol_needs() -> None:
    class Leaving(Component):
        channel = "leaving"

        def __init__(self) -> None:
            super().__init__()
            self.heard: list[str] = []

        @handler(channel="*")
        def _all(self, event: Event, *args: Any) -> None:
            self.heard.append(f"global {event.name}")

        def foo(self) -> None:
            self.heard.append("foo")

        @handler("generate_events", channel="*")
        def _generate(self, event: Any) -> None:
            self.heard.append("generate")
            event.reduce_time_left(0)

        def prepare_unregister(self, component: Any) -> None:
            self.heard.append("prepare")
            self.fire(foo(), "leaving")
            self.fire(foo(), self)

    root = Component()
    child = Leaving().register(root)
    below = App(channel="leaving").register(child)
    settle(root)
    child.heard.clear()
    child.unregister()
    root.fire(foo(), "leaving")
    with root.running():
        root.flush()
        assert child.heard == [
            "global prepare_unregister",
            "prepare",
            "global foo",
            "global started",
        ]
        child.heard.clear()
        settle(root)
    # What was fired on the channel reaches only the global handler, what targets it, all.
    assert child.heard == [
        "global foo",
        "global foo",
        "foo",
        "global prepare_unregister_complete",
    ]
    assert below.seen == 0


def test_a_subtree_leaves_together_and_stays_together() -> None:
    root = Component()
    middle = Component().register(root)
    leaf = App().register(middle)
    settle(root)
    middle.unregister()
    settle(root)
    assert leaf.parent is middle
    assert leaf.root is middle
    assert list(root.components) == []
    middle.fire(foo(), "app")
    settle(middle)
    assert leaf.seen == 1
    root.fire(foo(), "app")
    settle(root)
    assert leaf.seen == 1


def test_what_is_queued_for_it_stays_in_the_old_queue() -> None:
    root = Component()
    recorder = Recorder("foo").register(root)
    child = App().register(root)
    settle(root)
    child.unregister()
    root.flush()
    root.fire(foo(), "app")
    settle(root)
    assert recorder.names == ["foo"]
    assert child.seen == 0
    assert len(child) == 0


@pytest.mark.parametrize("how", ["root", "twice"])
def test_leaving_does_nothing_for_a_root_and_while_leaving(how: str) -> None:
    root = Component()
    recorder = Recorder("prepare_unregister").register(root)
    child = Component().register(root)
    settle(root)
    if how == "root":
        assert root.unregister() is root
        settle(root)
        assert recorder.names == []
    else:
        child.unregister()
        child.unregister()
        settle(root)
        assert recorder.names == ["prepare_unregister"]


@pytest.mark.parametrize(
    ("make", "leaves"),
    [
        (lambda root, child, other: (Unregister(child), "app"), True),
        (lambda root, child, other: (Unregister(), child), True),
        (lambda root, child, other: (Unregister(other), "app"), False),
        (lambda root, child, other: (Unregister(), "app"), False),
        (lambda root, child, other: (Unregister(child), "elsewhere"), False),
    ],
)
def test_the_event_unregister(make: Any, leaves: bool) -> None:
    root = Component()
    child = App().register(root)
    other = Component(channel="other").register(root)
    settle(root)
    root.fire(*make(root, child, other))
    settle(root)
    assert (child.parent is child) is leaves
    assert other.parent is root


def test_suspended_handlers_of_what_leaves_are_closed() -> None:
    class Waits(Component):
        closed = False

        def foo(self) -> Iterator[Any]:
            try:
                yield self.wait("never")
            finally:
                self.closed = True

    root = Component()
    child = Waits().register(root)
    event = foo()
    event.complete = True
    recorder = Recorder("foo_complete").register(root)
    root.fire(event)
    settle(root)
    child.unregister()
    settle(root)
    assert child.closed
    assert recorder.names == ["foo_complete"]
    assert root._tasks == set()


def test_a_generator_that_moves_its_own_component_goes_on() -> None:
    class Moves(Component):
        went_on = False

        def foo(self) -> Iterator[Any]:
            self.register(other)
            yield
            self.went_on = True

    root, other = Component(), Component()
    child = Moves().register(root)
    recorder = Recorder("error").register(root)
    root.fire(foo())
    settle(root)
    assert child.went_on
    assert child.parent is other
    assert recorder.names == []


def test_one_that_is_back_already_hears_once_that_it_left() -> None:
    class Returns(Watcher):
        pass

    class Root(Component):
        @handler("prepare_unregister_complete", channel="*", priority=-1)
        def _fetch(self, source: Any, value: Any) -> None:
            child.register(self)

    root = Root()
    child = Returns("child").register(root)
    settle(root)
    child.unregister()
    settle(root)
    assert child.parent is root
    assert len([line for line in child.log if line.startswith("unregistered")]) == 1


def test_timers_below_what_leaves_fire_no_more(virtual_clock: VirtualClock) -> None:
    class Holds(Component):
        def prepare_unregister(self, component: Any) -> Iterator[Any]:
            virtual_clock.advance(10)
            for _ in range(5):
                yield

    root = Holds()
    recorder = Recorder("foo").register(root)
    middle = Component().register(root)
    Timer(5, foo()).register(middle)
    with root.running():
        settle(root)
        middle.unregister()
        settle(root)
    assert recorder.names == []


def test_timers_go_along_with_a_subtree(virtual_clock: VirtualClock) -> None:
    root, other = Component(), Component()
    middle = Component().register(root)
    Timer(5, foo()).register(middle)
    recorder = Recorder("foo").register(middle)
    settle(root)
    middle.unregister()
    settle(root)
    middle.register(other)
    with other.running():
        settle(other, until=virtual_clock.now + 4.9)
        assert recorder.names == []
        settle(other, until=virtual_clock.now + 0.1)
    assert recorder.names == ["foo"]


def test_handlers_of_a_component_that_left_are_not_kept_alive() -> None:
    root = Component()
    child = App().register(root)
    root.fire(foo(), "app")
    root.fire(foo(), child)
    settle(root)
    child.unregister()
    settle(root)
    gone = weakref.ref(child)
    del child
    gc.collect()
    assert gone() is None


# -- operators --


def test_plus_registers_and_gives_the_left_side() -> None:
    app, one, other = Component(), Component(), Component()
    assert app + one is app
    app += other
    assert list(app.components) == [one, other]


def test_minus_unregisters_and_gives_the_left_side() -> None:
    app, one, other = Component(), Component(), Component()
    app = app + one + other
    settle(app)
    assert app - one is app
    app -= other
    settle(app)
    assert list(app.components) == []
    assert app - one is app  # a root already


# -- singletons --


class Single(Component):
    singleton = True


class SubSingle(Single):
    pass


class Family(Component):
    pass


class Only(Family):
    singleton = Family


def test_a_singleton_excludes_its_very_class() -> None:
    root = Component() + Single()
    late = Single()
    with pytest.raises(SingletonError) as caught:
        late.register(root)
    assert caught.value.args == (late,)
    assert late.parent is late
    assert len(root.components) == 1
    SubSingle().register(root)


def test_the_root_counts() -> None:
    with pytest.raises(SingletonError):
        Single().register(Single())


def test_it_is_looked_for_in_the_whole_subtree_and_the_whole_tree() -> None:
    deep = Component() + (Component() + Single())
    tree = Component() + (Component() + Single())
    (branch,) = tree.components
    with pytest.raises(SingletonError):
        deep.register(branch)


@pytest.mark.parametrize(("other", "conflict"), [(Family, True), (Only, True), (Single, False)])
def test_a_class_excludes_all_of_its_kind(other: type[Component], conflict: bool) -> None:
    root = Component() + other()
    assert check_singleton(Only(), root) is conflict
    if conflict:
        with pytest.raises(SingletonError):
            Only().register(root)


def test_moving_a_singleton_within_its_tree_is_no_conflict() -> None:
    root = Component()
    branch = Component().register(root)
    single = Single().register(root)
    single.register(branch)
    assert single.parent is branch


# -- channels that change --


def test_a_new_channel_counts_from_then_on() -> None:
    app = App()
    app.fire(foo(), "app")
    settle(app)
    app.channel = "new"
    app.fire(foo(), "app")
    settle(app)
    assert app.seen == 1
    app.fire(foo(), "new")
    app.fire(foo())
    settle(app)
    assert app.seen == 3


def test_importing_the_kernel_gives_no_warning_for_its_own_classes() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        type("Fresh", (Component,), {"started": lambda self, *args: None})


def test_prepare_unregister_is_an_event_with_a_component() -> None:
    with pytest.raises(TypeError):
        PrepareUnregister()  # type: ignore[call-arg]


# -- leaving is the same whether anybody listens or not --


@pytest.mark.parametrize("debugged", [False, True])
@pytest.mark.parametrize("running", [False, True])
def test_what_is_fired_at_a_leaving_component_itself_reaches_it(
    debugged: bool, running: bool
) -> None:
    log = []

    class Child(Component):
        channel = "child"

        def ping(self) -> None:
            log.append(self.parent is app)

    class App(Component):
        channel = "app"

        def go(self) -> None:
            child.unregister()
            self.fire(Event.create("ping"), child)

    app = App()
    child = Child().register(app)
    if debugged:
        Debugger(events=False).register(app)
    settle(app)
    app.fire(Event.create("go"))
    if running:
        with app.running():
            settle(app)
    settle(app)
    assert log == [True]
    assert child.parent is child


def test_driven_by_hand_it_leaves_with_the_second_flush() -> None:
    app = Component(channel="app")
    child = Component(channel="child").register(app)
    settle(app)
    child.unregister()
    app.flush()
    assert child.unregister_pending
    assert child in app
    app.flush()
    assert child not in app


def test_one_that_is_leaving_may_be_registered_again() -> None:
    app = Component(channel="app")
    child = Component(channel="child").register(app)
    settle(app)
    child.unregister()
    child.register(app)
    settle(app)
    assert child in app
    assert not child.unregister_pending


@pytest.mark.parametrize("alone", [False, True])
def test_one_below_another_that_has_left_may_go_elsewhere(alone: bool) -> None:
    app, middle, below = Component(), Component(), Component()
    below.register(middle.register(app))
    settle(app)
    middle.unregister()
    settle(app)
    target = below if alone else Component()
    below.register(target)
    settle(target)
    assert below.parent is target
    assert not middle.components


def test_one_that_is_there_already_stays_and_says_so_again() -> None:
    app = Component(channel="app")
    first = Component(channel="first").register(app)
    second = Component(channel="second").register(app)
    recorder = Recorder().register(app)
    settle(app)
    recorder.clear()
    assert first.register(app) is first
    settle(app)
    assert list(app.components) == [first, second, recorder]
    assert recorder.names == ["registered"]


_PLAUSIBLE = [
    "_args",
    "_channels",
    "_children",
    "_created",
    "_engine",
    "_entered",
    "_events",
    "_exit_code",
    "_forked",
    "_handlers",
    "_joined",
    "_key",
    "_kwargs",
    "_leaving",
    "_left",
    "_live",
    "_lock",
    "_marks",
    "_name",
    "_notify",
    "_parent",
    "_parts",
    "_process",
    "_effect",
    "_failed",
    "_fields",
    "_waiters",
    "_queue",
    "_root",
    "_specs",
    "_stopped",
    "_tasks",
    "_value",
]


@pytest.mark.parametrize("name", _PLAUSIBLE)
def test_a_component_may_have_private_attributes_of_any_plausible_name(name: str) -> None:
    class Child(Component):
        def __init__(self) -> None:
            setattr(self, name, "early")
            super().__init__()
            setattr(self, name, "mine")
            self.count = 0

        def foo(self) -> None:
            self.count += 1
            assert getattr(self, name) == "mine"

    app = Component()
    child = Child().register(app)
    with app.running():
        app.fire(foo())
        settle(app)
        child.unregister()
        settle(app)
        app.fire(foo())
        settle(app)
    assert child.count == 1
    assert child.root is child
    assert getattr(child, name) == "mine"


@pytest.mark.parametrize("name", _PLAUSIBLE)
def test_an_event_may_have_private_attributes_of_any_plausible_name(name: str) -> None:
    class Own(Event):
        success = True

        def __init__(self) -> None:
            super().__init__(1, b=2)
            setattr(self, name, "mine")

    class App(Component):
        def init(self) -> None:
            self.seen: list[Any] = []

        def own(self, a: int, b: int) -> str:
            self.seen.append((a, b))
            return "result"

        def own_success(self, source: Event, value: Any) -> None:
            self.seen.append(value)

    app = App()
    value = app.fire(Own())
    settle(app)
    assert app.seen == [(1, 2), "result"]
    assert value.value == "result"
