from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from circuits import Component, Event, Timer
from circuits.testing import Recorder, VirtualClock, settle


class hello(Event):
    pass


class world(Event):
    pass


def test_it_records_name_channels_and_arguments_in_order() -> None:
    app = Component()
    recorder = Recorder().register(app)
    app.fire(hello(1, 2, key=3), "a", "b")
    app.fire(world())
    settle(app)
    assert recorder.names == ["registered", "hello", "world"]
    first = recorder.named(hello)[0]
    assert first[:4] == ("hello", ("a", "b"), (1, 2), {"key": 3})
    assert isinstance(first.event, hello)
    assert [r.name for r in recorder] == recorder.names


def test_arguments_are_those_before_any_handler_ran() -> None:
    class Changer(Component):
        def hello(self, event: hello, *args: Any) -> None:
            event.args[0] = "changed"

    app = Changer()
    recorder = Recorder().register(app)
    event = hello("original")
    app.fire(event)
    settle(app)
    assert event.args == ["changed"]
    assert recorder.expect("hello").args == ("original",)


def test_it_records_only_the_names_asked_for() -> None:
    app = Component()
    recorder = Recorder("hello").register(app)
    app.fire(hello())
    app.fire(world())
    settle(app)
    assert recorder.names == ["hello"]
    assert recorder._globals == set()


def test_it_records_only_the_channel_asked_for() -> None:
    app = Component()
    recorder = Recorder("hello", on="a").register(app)
    app.fire(hello(1), "a")
    app.fire(hello(2), "b")
    settle(app)
    assert [r.args for r in recorder] == [(1,)]


def test_it_ignores_what_it_is_told_to() -> None:
    app = Component()
    recorder = Recorder(ignore=("registered",)).register(app)
    app.fire(hello())
    settle(app)
    assert recorder.names == ["hello"]
    recorder.clear()
    assert recorder.names == []


def test_expectations() -> None:
    app = Component()
    recorder = Recorder(hello, world).register(app)
    app.fire(hello(1, "x"), "a")
    app.fire(hello(2, "y"), "b")
    settle(app)
    assert recorder.expect("hello").args == (1, "x")
    assert recorder.expect("hello", 2).channels == ("b",)
    assert recorder.expect("hello", on="b").args == (2, "y")
    assert recorder.find("hello", 1, on="b") is None
    recorder.expect_none("hello", 3)
    with pytest.raises(
        AssertionError, match=r"no event world\(5,\) on 'a' was recorded, but:\n  <h"
    ):
        recorder.expect("world", 5, on="a")
    with pytest.raises(AssertionError, match=r"did not expect <hello\[a.hello\] \(1, 'x' \)>"):
        recorder.expect_none("hello", 1)


def test_waiting_turns_the_tree_and_the_clock(virtual_clock: VirtualClock) -> None:
    app = Component()
    recorder = Recorder(hello).register(app)
    Timer(60, hello("late")).register(app)
    with app.running():
        assert recorder.wait_for("hello").args == ("late",)
    assert virtual_clock.now == 1060


def test_waiting_for_what_never_comes_says_what_came() -> None:
    app = Component()
    recorder = Recorder(hello, world).register(app)
    app.fire(hello())
    with pytest.raises(AssertionError, match=r"(?s)no event world.*<hello.*nothing is left"):
        recorder.wait_for("world")


def test_waiting_for_another_thread(app_thread: Callable[[Any], Any]) -> None:
    app = app_thread(Component())
    recorder = Recorder(hello).register(app)
    app.fire(hello(7))
    assert recorder.wait_for("hello", 7).args == (7,)
    with pytest.raises(AssertionError, match="no event world"):
        recorder.wait_for("world", timeout=0.0)
