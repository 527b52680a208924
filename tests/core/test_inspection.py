"""What an inspection tells of a tree: plain data, cut, and no more than its limits."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from typing import Any

import pytest

from circuits import Component, Event, Timer, handler, sleep
from circuits.core._tree_data import COMPONENTS
from circuits.core.inspection import (
    KEPT_ERRORS,
    KEPT_TRACES,
    KINDS,
    TEXT,
    Inspection,
    brief,
)
from circuits.testing import VirtualClock, settle


class Ping(Event):
    """The first event."""


class Pong(Event):
    """What that causes."""


class App(Component):
    channel = "app"

    def ping(self, *args: Any, **kwargs: Any) -> None:
        self.fire(Pong())

    def pong(self) -> None: ...


@pytest.fixture
def clock() -> Iterator[VirtualClock]:
    with VirtualClock() as clock:
        yield clock


def opened(app: Component, **options: Any) -> Inspection:
    settle(app)
    inspection = Inspection(**options)
    inspection.open(app)
    return inspection


def told(inspection: Inspection) -> dict[str, Any]:
    """What JSON makes of the news."""
    found: dict[str, Any] = json.loads(json.dumps(inspection.collect()))
    return found


# -- texts --


class Unshowable:
    def __repr__(self) -> str:
        raise AssertionError("nobody may call this")

    __str__ = __repr__


class Sneaky(list[Any]):
    def __iter__(self) -> Iterator[Any]:
        raise AssertionError("nobody may call this")


@pytest.mark.parametrize(
    ("thing", "text"),
    [
        ("text", "'text'"),
        (b"\x00\x1b[2J", "b'\\x00\\x1b[2J'"),
        (None, "None"),
        (1.5, "1.5"),
        ([1, (2, {3: "x"})], "[1, (2, {1})]"),
        ({"key": b"value"}, "{'key': b'value'}"),
        (Ping(1), "<event ping>"),
        (App(), "App/app"),
        (App, "<class tests.core.test_inspection.App>"),
        (ValueError("secret"), "<ValueError>"),
        (Unshowable(), "<tests.core.test_inspection.Unshowable>"),
        (Sneaky(), "<tests.core.test_inspection.Sneaky>"),
    ],
)
def test_anything_has_a_short_text(thing: Any, text: str) -> None:
    assert brief(thing) == text


@pytest.mark.parametrize("kind", ["text", "bytes", "list", "number"])
def test_a_text_is_cut(kind: str) -> None:
    things = {
        "text": "x" * 10**6,
        "bytes": b"x" * 10**6,
        "list": ["x" * 100] * 10**5,
        "number": 1 << 10**5,
    }
    assert len(brief(things[kind])) <= TEXT


# -- events --


def test_events_are_told_with_what_caused_them(clock: VirtualClock) -> None:
    app = App()
    inspection = opened(app)
    app.fire(Ping("x", key=b"y"))
    settle(app)
    clock.advance(1)
    tick = told(inspection)
    ping, pong = tick["traces"]
    assert (ping["name"], ping["channels"], ping["args"]) == ("ping", ["app"], "'x', key=b'y'")
    assert ping["handlers"] == [["App.ping", 0.0]]
    assert (pong["parent"], pong["cause"]) == (ping["id"], "ping")
    assert tick["seconds"] == 1
    assert tick["events"] == 2
    assert sorted(tick["kinds"]) == [["ping", ["app"], 1, 0], ["pong", ["app"], 1, 0]]
    assert [row[:2] for row in sorted(tick["handlers"])] == [["App.ping", 1], ["App.pong", 1]]
    assert told(inspection)["traces"] == []


def test_times_of_handlers(clock: VirtualClock) -> None:
    class Slow(Component):
        channel = "slow"

        def ping(self, number: int) -> None:
            clock.advance(number / 1000)

    app = Slow()
    inspection = opened(app)
    for number in range(1, 101):
        app.fire(Ping(number))
    settle(app)
    [[label, runs, p50, p99, longest, samples]] = told(inspection)["handlers"]
    assert (label, runs, samples) == ("Slow.ping", 100, 100)
    assert (p50, p99, longest) == tuple(map(pytest.approx, (0.050, 0.099, 0.100)))


def test_a_suspended_event_is_told_once_and_again_at_its_end(clock: VirtualClock) -> None:
    class Later(Component):
        channel = "later"

        def ping(self) -> Generator[Any, Any, None]:
            yield sleep(10)

    app = Later()
    inspection = opened(app)
    app.fire(Ping())
    settle(app, until=clock.now + 1)
    assert [trace["took"] for trace in told(inspection)["traces"]] == [None]
    assert told(inspection)["traces"] == []
    [[handler_text, event, waits_for, places]] = inspection.state()["tasks"]
    assert "Later.ping" in handler_text
    assert event == "ping()"
    assert waits_for.startswith("the end of 10 s")
    assert "in Later.ping" in places[0] or "Later.ping" in places[0]
    settle(app, until=clock.now + 10)
    [trace] = told(inspection)["traces"]
    assert trace["took"] == pytest.approx(10)


def test_payloads_may_stay_secret(clock: VirtualClock) -> None:
    app = App()
    inspection = opened(app, payloads=False)
    app.fire(Ping("secret"))
    settle(app)
    assert "secret" not in json.dumps(told(inspection))


def test_filters_choose(clock: VirtualClock) -> None:
    class Other(Component):
        channel = "other"

        def look(self) -> None: ...

    app = App() + Other()
    expected = {"names": ["lo*"], "channels": ["oth*"], "components": ["Othe?"]}
    for option, patterns in expected.items():
        inspection = opened(app, **{option: patterns})
        app.fire(Ping())
        app.fire(Event.create("look"), "other")
        settle(app)
        assert [trace["name"] for trace in told(inspection)["traces"]] == ["look"], option
        inspection.leave()


def test_hidden_channels_are_not_told(clock: VirtualClock) -> None:
    app = App()
    inspection = opened(app, hidden=["app"])
    app.fire(Ping())
    settle(app)
    tick = told(inspection)
    assert (tick["traces"], tick["kinds"]) == ([], [])


def test_what_is_not_fetched_has_a_limit(clock: VirtualClock) -> None:
    app = App()
    inspection = opened(app, limit=None)
    for _ in range(KEPT_TRACES):
        app.fire(Ping())
    settle(app)
    tick = told(inspection)
    assert len(tick["traces"]) == KEPT_TRACES
    assert tick["dropped"] == KEPT_TRACES
    assert told(inspection)["dropped"] == 0


def test_many_kinds_are_told_up_to_a_limit(clock: VirtualClock) -> None:
    app = App()
    inspection = opened(app, limit=1)
    for number in range(2 * KINDS):
        app.fire(Ping(), f"channel {number}")
    settle(app)
    tick = told(inspection)
    assert len(tick["kinds"]) == KINDS
    assert tick["events"] == 2 * KINDS


# -- errors --


class Broken(Component):
    channel = "broken"

    def ping(self) -> None:
        raise ValueError("x" * 10_000)

    @handler("error", channel="*")
    def _on_error(self, *args: Any) -> None: ...


def test_errors_are_kept_before_anybody_looks(clock: VirtualClock) -> None:
    app = Broken()
    settle(app)
    inspection = Inspection()
    inspection.watch(app)
    for _ in range(KEPT_ERRORS + 3):
        app.fire(Ping())
    settle(app)
    assert len(inspection.errors) == KEPT_ERRORS
    error = inspection.greeting()[2]["errors"][0]
    assert error["exception"] == "ValueError"
    assert error["handler"] == "Broken.ping"
    assert len(error["text"]) <= 2 * TEXT
    assert "raise ValueError" in error["traceback"]
    inspection.open(app)
    app.fire(Ping())
    settle(app)
    tick = told(inspection)
    [trace] = [trace for trace in tick["traces"] if trace["name"] == "ping"]
    assert [error["trace"] for error in tick["errors"]] == [trace["id"]]
    assert trace["errors"][0].startswith("ValueError: xxx")


def test_an_error_that_cannot_be_shown(clock: VirtualClock) -> None:
    class Silent(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    class Raising(Broken):
        def ping(self) -> None:
            raise Silent

    app = Raising()
    app._tree_specs = tuple(s for s in app._tree_specs if s.function is not Broken.ping)
    inspection = opened(app)
    app.fire(Ping())
    settle(app)
    assert {error["exception"] for error in inspection.errors} >= {"Silent"}


# -- the tree --


def test_the_tree_is_told_when_it_changes() -> None:
    class Child(Component):
        channel = "child"

        @handler("ping", priority=2, filter=True)
        def _on_ping(self) -> None: ...

    app = App()
    inspection = opened(app)
    assert inspection.has_changed()
    assert not inspection.has_changed()
    timer = Timer(60, Event.create("ring")).register(app)
    settle(app)
    assert inspection.has_changed()
    timer.unregister()
    settle(app)
    assert inspection.has_changed()
    assert not inspection.has_changed()
    Child().register(app)
    settle(app)
    [tree, state, tick] = inspection.news()
    assert [message["type"] for message in (tree, state, tick)] == ["tree", "state", "tick"]
    assert [(one["class"], one["parent"]) for one in tree["components"]] == [
        ("App", None),
        ("Child", 0),
    ]
    assert ["child", "ping", "Child._on_ping", 2, True, 1] in tree["handlers"]
    assert [message["type"] for message in inspection.news()] == ["state", "tick"]


def test_a_large_tree_is_cut() -> None:
    app = App()
    for _ in range(COMPONENTS):
        Component().register(app)
    inspection = opened(app)
    tree = inspection.tree()
    assert len(tree["components"]) == COMPONENTS
    assert tree["total"] == COMPONENTS + 1


def test_it_follows_a_tree_that_joins_another(clock: VirtualClock) -> None:
    app, part = App(), App()
    inspection = opened(part)
    part.register(app)
    settle(app)
    inspection.open(part)
    app.fire(Ping(), part)
    settle(app)
    assert "ping" in [trace["name"] for trace in told(inspection)["traces"]]


def test_asking_too_early_is_refused() -> None:
    inspection = Inspection()
    for ask in (inspection.tree, inspection.state, inspection.collect):
        with pytest.raises(RuntimeError, match="an inspection"):
            ask()
