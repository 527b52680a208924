from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest

from circuits import BaseComponent, Component, Event, Manager, handler
from circuits.core._routing import CHANNELS_LIMIT, same_channel
from circuits.testing import settle

LOG: list[str] = []


@pytest.fixture(autouse=True)
def log() -> list[str]:
    LOG.clear()
    return LOG


class foo(Event):
    pass


# -- the table of what a handler hears --


class Named(BaseComponent):
    channel = "w"

    @handler("foo")
    def _h(self, *args: Any) -> None:
        LOG.append("hit")


class Star(BaseComponent):
    channel = "w"

    @handler("*")
    def _h(self, event: Event, *args: Any) -> None:
        if event.name == "foo":
            LOG.append("hit")


class Nameless(BaseComponent):
    channel = "w"

    @handler()
    def _h(self, event: Event, *args: Any) -> None:
        if event.name == "foo":
            LOG.append("hit")


class OnX(BaseComponent):
    channel = "w"

    @handler("foo", channel="x")
    def _h(self, *args: Any) -> None:
        LOG.append("hit")


class OnStar(BaseComponent):
    channel = "w"

    @handler("foo", channel="*")
    def _h(self, *args: Any) -> None:
        LOG.append("hit")


class Global(BaseComponent):
    channel = "w"

    @handler(channel="*")
    def _h(self, event: Event, *args: Any) -> None:
        if event.name == "foo":
            LOG.append("hit")


@pytest.mark.parametrize(
    ("cls", "on_w", "on_x", "on_star", "on_instance"),
    [
        (Named, True, False, True, True),
        (Star, True, False, True, True),
        (Nameless, True, False, True, True),
        (OnX, False, True, True, True),
        (OnStar, True, True, True, True),
        (Global, True, True, True, True),
    ],
)
@pytest.mark.parametrize("place", ["root", "child"])
def test_the_table(
    cls: Any, on_w: bool, on_x: bool, on_star: bool, on_instance: bool, place: str
) -> None:
    root = Manager() if place == "child" else None
    component = cls()
    if root is not None:
        component.register(root)
    app = root if root is not None else component
    settle(app)
    for channel, expected in (
        ("w", on_w),
        ("x", on_x),
        ("*", on_star),
        (component, on_instance),
        ("none", cls in (OnStar, Global)),
    ):
        LOG.clear()
        app.fire(foo(), channel)
        settle(app)
        assert (["hit"] if expected else []) == LOG, channel


def test_a_target_reaches_that_component_and_those_on_every_channel_only() -> None:
    class Said(BaseComponent):
        def __init__(self, title: str, channel: Any = "*") -> None:
            super().__init__(channel=channel)
            self.title = title

        @handler("foo")
        def _h(self) -> None:
            LOG.append(self.title)

    root = Manager()
    target = Said("target", "t").register(root)
    Said("child", "t").register(target)
    Said("child on star").register(target)
    Said("same channel", "t").register(root)
    Said("star").register(root)
    Said("on instance", target).register(root)
    settle(root)
    root.fire(foo(), target)
    settle(root)
    assert sorted(LOG) == ["child on star", "on instance", "star", "target"]


def test_a_target_elsewhere_is_not_reached() -> None:
    component = Named()
    other = Manager()
    other.fire(foo(), component)
    settle(other)
    assert LOG == []


@pytest.mark.parametrize("channel", [("a", 1), 5, frozenset({1}), 2.5])
def test_any_hashable_object_is_a_channel(channel: Any) -> None:
    component = Named(channel=channel)
    component.fire(foo(), channel)
    settle(component)
    component.fire(foo(), "w")
    settle(component)
    assert LOG == ["hit"]


# -- order --


class Ordered(BaseComponent):
    def __init__(self, title: str, channel: Any = "*") -> None:
        super().__init__(channel=channel)
        self.title = title

    @handler("foo")
    def _plain(self) -> None:
        LOG.append(f"{self.title} plain")

    @handler("foo", filter=True)
    def _filter(self) -> None:
        LOG.append(f"{self.title} filter")

    @handler("foo", priority=1)
    def _high(self) -> None:
        LOG.append(f"{self.title} high")

    @handler("foo", priority=-1.5)
    def _low(self) -> None:
        LOG.append(f"{self.title} low")


def test_priority_then_filters_then_the_tree_in_pre_order() -> None:
    root = Ordered("root")
    one = Ordered("one").register(root)
    Ordered("two").register(root)
    Ordered("one.one").register(one)
    settle(root)
    root.fire(foo())
    settle(root)
    walk = ["root", "one", "one.one", "two"]
    kinds = ["high", "filter", "plain", "low"]
    assert [entry for entry in LOG if entry in {f"{w} {k}" for w in walk for k in kinds}] == [
        f"{title} {kind}" for kind in kinds for title in walk
    ]


def test_within_a_component_definition_order_then_those_added() -> None:
    class App(BaseComponent):
        @handler("foo")
        def _b(self) -> None:
            LOG.append("b")

        @handler("foo")
        def _a(self) -> None:
            LOG.append("a")

    app = App()
    app.addHandler(handler("foo")(lambda self: LOG.append("added")))
    app.fire(foo())
    settle(app)
    assert LOG == ["b", "a", "added"]


def test_the_order_of_channels_breaks_ties_before_the_tree() -> None:
    root = Manager()
    Ordered("a", "a").register(root)
    Ordered("b", "b").register(root)
    settle(root)
    root.fire(foo(), "b", "a")
    settle(root)
    assert [e for e in LOG if e.endswith("plain")] == ["b plain", "a plain"]
    assert [e for e in LOG if e.endswith("high")] == ["b high", "a high"]


def test_a_component_that_comes_again_goes_to_the_end() -> None:
    root = Manager()
    first = Ordered("first").register(root)
    Ordered("second").register(root)
    first.register(first)
    first.register(root)
    root.fire(foo())
    settle(root)
    assert [e for e in LOG if e.endswith("plain")] == ["second plain", "first plain"]


@pytest.mark.parametrize(
    "channels", [("w", "w"), ("w", "*"), ("*", "w"), ("w", "x", "*"), ("x", "w", "w")]
)
def test_a_handler_runs_at_most_once_per_event(channels: tuple[str, ...]) -> None:
    root = Named()
    OnStar().register(root)
    settle(root)
    root.fire(foo(), *channels)
    settle(root)
    assert LOG == ["hit", "hit"]


def test_one_handler_of_two_names_runs_once() -> None:
    class App(BaseComponent):
        @handler("foo", "*", "foo")
        def _h(self, event: Event, *args: Any) -> None:
            LOG.append(event.name)

    app = App()
    app.fire(foo())
    settle(app)
    assert LOG == ["foo"]


# -- the cache follows the tree --


def test_what_is_cached_follows_every_change() -> None:
    root = Manager()

    def hits() -> int:
        LOG.clear()
        root.fire(foo(), "w")
        settle(root)
        return len(LOG)

    assert hits() == 0
    one = Named().register(root)
    assert hits() == 1
    two = Named().register(one)
    assert hits() == 2
    two.channel = "else"
    assert hits() == 1
    two.channel = "w"
    method = two.addHandler(handler("foo")(lambda self: LOG.append("added")))
    assert hits() == 3
    two.removeHandler(method)
    assert hits() == 2
    star = Nameless().register(root)
    assert hits() == 3
    star.unregister()
    settle(root)
    assert hits() == 2
    one.unregister()
    settle(root)
    assert hits() == 0


def test_other_names_stay_cached_when_a_component_comes() -> None:
    root = Named()
    root.fire(foo(), "w")
    settle(root)
    cached = root._tree_engine.routes.cache["foo"]

    class Other(Component):
        def bar(self) -> None: ...

    Other().register(root)
    settle(root)
    assert root._tree_engine.routes.cache["foo"] is cached


def test_the_cache_of_channels_is_bounded() -> None:
    app = Manager()
    routes = app._tree_engine.routes
    for number in range(CHANNELS_LIMIT + 10):
        routes.resolve("foo", (number,))
    assert len(routes.cache["foo"]) <= CHANNELS_LIMIT


# -- traverse_children_handlers --


def test_children_can_be_left_out() -> None:
    root = Named()
    child = Named().register(root)
    watcher = Global().register(root)
    settle(root)
    assert root.traverse_children_handlers is True
    root.fire(foo(), "w")
    settle(root)
    assert len(LOG) == 3
    root.traverse_children_handlers = False
    LOG.clear()
    root.fire(foo(), "w")
    settle(root)
    assert len(LOG) == 2  # itself, and the global handler below
    LOG.clear()
    root.fire(foo(), child)
    settle(root)
    assert len(LOG) == 2  # the child, and the global handler
    root.traverse_children_handlers = True
    watcher.unregister()
    settle(root)
    LOG.clear()
    root.fire(foo(), "w")
    settle(root)
    assert len(LOG) == 2


# -- channels that misbehave --


class Rude:
    """Hashable, and raises when compared."""

    def __hash__(self) -> int:
        return 1

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no comparing")

    def __repr__(self) -> str:
        raise RuntimeError("no showing")


def test_a_channel_whose_comparison_raises_equals_itself() -> None:
    rude = Rude()
    assert same_channel(rude, rude)
    assert not same_channel(rude, "x")
    assert not same_channel("x", rude)


def test_rude_channels_do_not_stop_the_loop() -> None:
    rude = Rude()
    root = Manager()
    Named(channel=rude).register(root)
    Named().register(root)
    root.fire(foo(), rude)
    root.fire(foo(), "w")
    settle(root)
    assert LOG == ["hit", "hit"]


def test_who_handles_a_name_is_known_whatever_the_channel() -> None:
    app = Manager()
    parts = [part().register(app) for part in (Named, OnX, Star, Nameless)]
    settle(app)
    routes = app._tree_engine.routes
    assert sorted(routes.handling("foo"), key=id) == sorted(parts[:2], key=id)
    assert routes.handling("bar") == []
    parts[0].unregister()
    settle(app)
    assert routes.handling("foo") == [parts[1]]
    assert "foo" not in routes.cache


def test_what_leaves_by_an_event_of_another_name_is_known_and_found_each_time() -> None:
    unregister = type("unregister", (Event,), {"name": "takes_leave"})
    root = Manager()
    routes = root._tree_engine.routes
    assert not routes.is_known("takes_leave")
    for _ in range(2):
        part = BaseComponent().register(root)
        assert routes.is_known("takes_leave")
        root.fire(unregister(part))
        settle(root)
        assert part.parent is part


@pytest.mark.parametrize("where", ["everywhere", "at the component"])
def test_names_are_remembered_up_to_a_limit(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class App(Component):
        heard = 0

        def known(self) -> None:
            self.heard += 1

    monkeypatch.setattr("circuits.core._routing.NAMES_LIMIT", 10)
    app = App()
    routes = app._tree_engine.routes
    for number in range(100):
        for event in (Event.create(f"name{number}"), Event.create("known")):
            app.fire(event, *([app] if where == "at the component" else []))
        app.flush()
        assert len(routes.cache) <= 10
        assert len(routes.plain) <= 10
        assert len(app._tree_targeted or ()) <= 10
    assert app.heard == 100


class Thing:
    """Anything that can be a channel, such as a socket."""


@pytest.mark.parametrize("inside", [False, True], ids=["alone", "in a tuple"])
@pytest.mark.parametrize("handled", [False, True])
def test_a_channel_is_not_kept_alive_by_what_is_remembered(inside: bool, handled: bool) -> None:
    app = OnStar() if handled else Manager()
    settle(app)
    thing = Thing()
    seen = weakref.ref(thing)
    for _ in range(2):
        app.fire(foo(), ("conn", thing) if inside else thing)
        settle(app)
    assert len(LOG) == 2 * handled
    del thing
    assert seen() is None


def test_the_channel_of_a_component_is_remembered_as_long_as_it_is_there() -> None:
    thing = Thing()
    seen = weakref.ref(thing)
    app = Manager()
    component = Named(channel=thing).register(app)
    settle(app)
    for _ in range(2):
        app.fire(foo(), thing)
        settle(app)
    assert LOG == ["hit", "hit"]
    assert (thing,) in app._tree_engine.routes.cache["foo"]
    component.unregister()
    settle(app)
    del thing, component
    gc.collect()
    assert seen() is None
