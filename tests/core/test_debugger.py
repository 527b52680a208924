from __future__ import annotations

import copy
import io
import pickle
from pathlib import Path
from typing import Any

import pytest

from circuits import Component, Debugger, Event, handler
from circuits.core._direct import Direct
from circuits.testing import settle


class foo(Event):
    pass


class App(Component):
    def fails(self) -> None:
        raise ValueError("broken")


def shown(app: Component, out: io.StringIO) -> list[str]:
    settle(app)
    lines = [line for line in out.getvalue().splitlines() if not line.startswith("<Registered")]
    out.seek(0)
    out.truncate()
    return lines


def make(**options: Any) -> tuple[App, Debugger, io.StringIO]:
    app, out = App(), io.StringIO()
    debugger = Debugger(file=out, **options).register(app)
    settle(app)
    out.seek(0)
    out.truncate()
    return app, debugger, out


# -- events --


def test_a_line_for_each_event() -> None:
    app, _, out = make()
    app.fire(foo(1, key="x"), "a")
    app.fire(foo(), "a", "b")
    assert shown(app, out) == ["<foo[a.foo] (1 key='x')>", "<foo[('a', 'b').foo] ( )>"]


def test_events_can_be_left_out() -> None:
    app, _, out = make(events=False)
    app.fire(foo())
    assert shown(app, out) == []


def test_generate_events_is_ignored() -> None:
    app, debugger, out = make()
    assert debugger.IgnoreEvents == ["generate_events"]
    assert debugger.IgnoreChannels == []
    with app.running():
        settle(app)
        assert [line.split("[")[0] for line in shown(app, out)] == ["<Started"]


def test_names_can_be_ignored_beside_those_of_the_class() -> None:
    app, debugger, out = make(IgnoreEvents=["foo"])
    assert debugger.IgnoreEvents == ["generate_events", "foo"]
    app.fire(foo())
    app.fire(Event.create("bar"))
    assert shown(app, out) == ["<bar[*.bar] ( )>"]


@pytest.mark.parametrize(
    ("ignored", "channels", "visible"),
    [
        (["a"], ("a",), False),
        (["a"], ("b",), True),
        (["a"], ("a", "b"), True),
        (["a", "b"], ("a", "b"), False),
        ([("a", "foo")], ("a",), False),
        ([("a", "bar")], ("a",), True),
        ([("a", "foo"), "b"], ("a", "b"), False),
    ],
)
def test_channels_can_be_ignored(ignored: Any, channels: Any, visible: bool) -> None:
    app, _, out = make(IgnoreChannels=ignored)
    app.fire(foo(), *channels)
    assert len(shown(app, out)) == visible


def test_the_lists_belong_to_the_instance() -> None:
    one = Debugger(IgnoreEvents=["x"], IgnoreChannels=["y"])
    other = Debugger()
    one.IgnoreEvents.append("z")
    assert other.IgnoreEvents == ["generate_events"]
    assert other.IgnoreChannels == []
    assert Debugger.IgnoreEvents == ["generate_events"]


def test_prefix() -> None:
    app, _, out = make(prefix="here")
    app.fire(foo())
    assert shown(app, out) == ["here: <foo[*.foo] ( )>"]


def test_prefix_may_be_a_function() -> None:
    numbers = iter(range(10))
    app, debugger, out = make()
    debugger.prefix = lambda: f"{next(numbers)}"
    app.fire(foo())
    app.fire(foo())
    assert shown(app, out) == ["0: <foo[*.foo] ( )>", "1: <foo[*.foo] ( )>"]


def test_trim_counts_the_prefix() -> None:
    app, _, out = make(prefix="here", trim=10)
    app.fire(foo())
    assert shown(app, out) == ["here: <foo ...>"]


def test_disabled_it_says_nothing() -> None:
    app, debugger, out = make()
    assert debugger.enabled is True
    debugger.enabled = False
    app.fire(foo())
    app.fire(Event.create("fails"))
    assert shown(app, out) == []


def test_what_is_shown_may_change_at_any_time() -> None:
    app, debugger, out = make()

    def is_shown() -> bool:
        out.truncate(0)
        app.fire(foo(), "a")
        return bool(shown(app, out))

    assert is_shown()
    for name, item in (("IgnoreEvents", "foo"), ("IgnoreChannels", "a")):
        ignored = getattr(debugger, name)
        ignored.append(item)
        assert not is_shown()
        ignored.remove(item)
        assert is_shown()
        ignored += [item, "other"]
        assert not is_shown()
        del ignored[-2]
        assert is_shown()
        ignored[-1] = item
        assert not is_shown()
        setattr(debugger, name, [])
        assert is_shown()
        getattr(debugger, name).extend([item])
        assert not is_shown()
        getattr(debugger, name).clear()
        assert is_shown()
    for name in ("enabled", "events"):
        setattr(debugger, name, False)
        assert not is_shown()
        setattr(debugger, name, True)
        assert is_shown()


class Starting:
    """Has what begins with a letter, whatever it is."""

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.startswith("f")


def test_what_is_assigned_is_asked_for_each_event() -> None:
    app, debugger, out = make()
    names: list[Any] = []
    more: set[Any] = set()
    for ignored, add in ((names, names.append), (more, more.add)):
        debugger.IgnoreEvents = ignored  # type: ignore[assignment]
        app.fire(foo())
        assert shown(app, out) != []
        add("foo")
        app.fire(foo())
        assert shown(app, out) == []
        assert debugger.IgnoreEvents is ignored
    debugger.IgnoreEvents = Starting()  # type: ignore[assignment]
    app.fire(foo())
    assert shown(app, out) == []


def test_a_subclass_may_work_out_whether_it_is_enabled() -> None:
    class Asking(Debugger):
        is_asked_for = False

        @property
        def enabled(self) -> bool:
            return self.is_asked_for

        @enabled.setter
        def enabled(self, enabled: bool) -> None:
            pass

    app, out = Component(), io.StringIO()
    debugger = Asking(file=out).register(app)
    app.fire(foo())
    assert shown(app, out) == []
    debugger.is_asked_for = True
    app.fire(foo())
    assert shown(app, out) == ["<foo[*.foo] ( )>"]


def test_a_handler_of_a_subclass_is_called_for_what_is_ignored_and_may_pass_it_on() -> None:
    seen = []

    class Seeing(Debugger):
        @handler(channel="*", priority=101, override=True)
        def _on_event(self, event: Any, *args: Any, **kwargs: Any) -> None:
            seen.append(event.name)
            super()._on_event(event, *args, **kwargs)

    app, out = Component(), io.StringIO()
    Seeing(file=out, IgnoreEvents=["foo", "registered"]).register(app)
    app.fire(foo())
    assert shown(app, out) == []
    assert "foo" in seen


def test_what_a_handler_has_ignored_is_not_shown_of_the_event_that_it_handles() -> None:
    class Hiding(Component):
        @handler("foo", priority=200)
        def hide(self) -> None:
            debugger.IgnoreEvents.append("foo")

    app, debugger, out = make()
    Hiding().register(app)
    shown(app, out)
    app.fire(foo())
    assert shown(app, out) == []


def test_a_copy_of_what_it_ignores_is_a_list() -> None:
    _, debugger, _ = make(IgnoreEvents=["foo"])
    ignored = debugger.IgnoreEvents
    for copied in (copy.copy(ignored), copy.deepcopy(ignored), pickle.loads(pickle.dumps(ignored))):
        assert copied == ["generate_events", "foo"]
        assert type(copied) is list


def test_a_channel_that_cannot_be_compared_is_not_ignored() -> None:
    class Odd:
        def __eq__(self, other: object) -> bool:
            raise ValueError("no")

        def __hash__(self) -> int:
            return 1

        def __repr__(self) -> str:
            return "odd"

    app, _, out = make(IgnoreChannels=["a"])
    app.fire(foo(), Odd())
    assert shown(app, out) == ["<foo[odd.foo] ( )>"]


@pytest.mark.parametrize(
    "options", [{"events": False}, {"IgnoreEvents": ["seen"]}, {"IgnoreChannels": ["*"]}]
)
def test_what_it_does_not_show_goes_by_calls(options: dict[str, Any]) -> None:
    class seen(Event):
        pass

    class App(Component):
        def seen(self) -> None:
            pass

    app = App()
    debugger = Debugger(file=io.StringIO(), **options).register(app)
    door = Direct(app, seen)
    with app.running():
        settle(app)
        assert door.methods() == (app.seen,)
        debugger.events, debugger.IgnoreEvents, debugger.IgnoreChannels = True, [], []
        assert door.methods() is None


# -- errors --


def test_the_text_of_an_error(caplog: pytest.LogCaptureFixture) -> None:
    app, _, out = make(events=False)
    app.fire(Event.create("fails"))
    settle(app)
    text = out.getvalue()
    first, *trace = text.split("\n")
    assert first == "ERROR <listener[*.fails] (App.fails)> (<class 'ValueError'>): broken"
    assert 'raise ValueError("broken")' in text
    assert trace[-2:] == ["", ""]
    assert caplog.records == []  # who shows errors keeps them from being logged


def test_errors_can_be_left_out_and_still_count_as_handled(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app, _, out = make(errors=False, events=False)
    app.fire(Event.create("fails"))
    assert shown(app, out) == []
    assert caplog.records == []


def test_events_of_others_named_error_are_shown_as_events() -> None:
    app, _, out = make()
    app.fire(Event.create("error", OSError("io")))
    assert shown(app, out) == ["<error[*.error] (OSError('io') )>"]


# -- where to --


class Logger:
    def __init__(self) -> None:
        self.log: list[tuple[str, str]] = []

    def debug(self, text: str) -> None:
        self.log.append(("debug", text))

    def error(self, text: str) -> None:
        self.log.append(("error", text))


def test_a_logger_takes_precedence() -> None:
    logger = Logger()
    app, _, out = make(logger=logger)
    logger.log.clear()
    app.fire(Event.create("fails"))
    assert shown(app, out) == []
    assert [level for level, _ in logger.log] == ["debug", "debug", "error"]
    assert logger.log[0][1] == "<fails[*.fails] ( )>"
    assert logger.log[2][1].startswith("ERROR <listener[*.fails]")


def test_a_path_is_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("before\n")
    app = App()
    debugger = Debugger(file=str(path)).register(app)
    app.fire(foo())
    settle(app)
    debugger.file.close()
    lines = path.read_text().splitlines()
    assert lines[0] == "before"
    assert lines[-1] == "<foo[*.foo] ( )>"


def test_a_tilde_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    debugger = Debugger(file="~/log")
    debugger.file.close()
    assert (tmp_path / "log").exists()


def test_standard_error_is_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    app = App()
    Debugger().register(app)
    app.fire(foo())
    settle(app)
    assert "<foo[*.foo] ( )>\n" in capsys.readouterr().err


def test_other_things_are_refused() -> None:
    with pytest.raises(TypeError, match="file must be a path"):
        Debugger(file=3)  # type: ignore[arg-type]


# -- it never raises --


class Rude:
    def __repr__(self) -> str:
        raise RuntimeError("no showing")


@pytest.mark.parametrize("place", ["argument", "channel"])
def test_what_cannot_be_shown_is_reported(place: str) -> None:
    app, _, out = make()
    if place == "argument":
        app.fire(foo(Rude(), 5))
    else:
        app.fire(foo(5), Rude())
    (line,) = shown(app, out)
    assert "foo" in line
    assert "5" in line


def test_what_cannot_be_written_is_dropped() -> None:
    class Broken:
        def write(self, text: str) -> None:
            raise OSError("disk full")

    class Works(Component):
        seen = 0

        def foo(self) -> None:
            self.seen += 1

        def error(self, *args: Any) -> None:
            raise AssertionError(args)

    app = Works()
    Debugger(file=Broken()).register(app)
    app.fire(foo())
    settle(app)
    assert app.seen == 1


def test_its_handlers_come_before_others() -> None:
    events: Any = Debugger._on_event
    errors: Any = Debugger._on_error
    assert (events.priority, events.channel, events.names) == (101, "*", ())
    assert (errors.priority, errors.channel, errors.names) == (100, "*", ("error",))
