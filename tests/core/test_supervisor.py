"""Supervisors of components: who is started again, when, and when no more. No processes."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable
from typing import Any

import pytest

from circuits import BaseComponent, Component, Event, Manager, Supervisor, Timer, handler, sleep
from circuits.core.errors import FatalError, GaveUpError
from circuits.core.supervisor import Crashed, GaveUp, Restarted
from circuits.testing import Recorder, VirtualClock, settle


class Crash(Event):
    """``Crash(kind)`` on the channel of a child."""


class Child(Component):
    """Tells of its life in ``Child.log``."""

    log: list[str] = []
    fatal = (ZeroDivisionError,)

    def crash(self, kind: type[Exception]) -> None:
        raise kind("on request")

    @handler("registered")
    def _on_birth(self, component: Any, parent: Any) -> None:
        if component is self:
            self.log.append(f"+{self.channel}")

    @handler("unregistered")
    def _on_death(self, component: Any, parent: Any) -> None:
        if component is self:
            self.log.append(f"-{self.channel}")


def child(channel: str) -> Callable[[], Child]:
    def make() -> Child:
        return Child(channel=channel)

    make.__name__ = channel
    return make


App = tuple[Manager, Recorder]


@pytest.fixture
def app(app_runner: Callable[[Manager], Manager]) -> App:
    Child.log = []
    root = app_runner(Manager())

    class Quiet(BaseComponent):
        """Handles ``error``, so that nothing is logged."""

        @handler("error", channel="*")
        def _on_error(self, *args: Any) -> None: ...

    Quiet().register(root)
    return root, Recorder("crashed", "restarted", "gave_up", "error").register(root)


def supervise(root: Manager, *channels: str, **options: Any) -> Supervisor:
    supervisor = Supervisor(**options).register(root)
    for channel in channels:
        supervisor.add(child(channel))
    settle(root)
    Child.log.clear()
    return supervisor


def crash(root: Manager, channel: str, kind: type[Exception] = FatalError) -> None:
    root.fire(Crash(kind), channel)
    settle(root)


def test_children_are_started_in_order(app: App) -> None:
    root, _ = app
    supervisor = Supervisor().register(root)
    assert supervisor.add(child("a")) == "a"
    assert supervisor.add(child("b")) == "b"
    assert supervisor.add(child("a")) == "a-2"
    settle(root)
    assert Child.log == ["+a", "+b", "+a"]
    assert supervisor.names == ["a", "b", "a-2"]
    assert supervisor.child("b").channel == "b"
    assert supervisor.child("b").parent is supervisor


def test_what_crashes_is_made_anew(app: App) -> None:
    root, seen = app
    supervisor = supervise(root, "a", "b")
    before = supervisor.child("a")
    crash(root, "a")
    assert Child.log == ["-a", "+a"]
    after = supervisor.child("a")
    assert after is not before
    assert before.root is before
    assert [r.name for r in seen] == ["error", "crashed", "restarted"]
    name, reason = seen.named("crashed")[0].args
    assert name == "a"
    assert isinstance(reason, FatalError)
    assert seen.named("restarted")[0].args == ("a", after)


@pytest.mark.parametrize(
    ("kind", "is_fatal"),
    [(FatalError, True), (ZeroDivisionError, True), (KeyError, True), (ValueError, False)],
)
def test_only_declared_exceptions_are_fatal(
    app: App, kind: type[Exception], is_fatal: bool
) -> None:
    root, seen = app
    supervisor = Supervisor().register(root)
    supervisor.add(child("a"), fatal=LookupError)
    settle(root)
    crash(root, "a", kind)
    assert bool(seen.named("crashed")) is is_fatal


def test_a_component_below_a_child_crashes_the_child(app: App) -> None:
    root, seen = app
    supervisor = supervise(root, "a")
    Child(channel="below").register(supervisor.child("a"))
    settle(root)
    crash(root, "below", ZeroDivisionError)
    assert seen.named("crashed")[0].args[0] == "a"


def test_others_do_not_crash_a_child(app: App) -> None:
    root, seen = app
    supervise(root, "a")
    Child(channel="beside").register(root)
    crash(root, "beside")
    root._tree_engine.report(FatalError(), None, None)
    root.fire(Event.create("Error", OSError("of io")), "a")
    settle(root)
    assert not seen.named("crashed")


@pytest.mark.parametrize(
    ("strategy", "log"),
    [
        ("one_for_one", ["-b", "+b"]),
        ("one_for_all", ["-c", "-b", "-a", "+a", "+b", "+c"]),
        ("rest_for_one", ["-c", "-b", "+b", "+c"]),
    ],
)
def test_strategies(app: App, strategy: str, log: list[str]) -> None:
    root, seen = app
    supervise(root, "a", "b", "c", strategy=strategy)
    crash(root, "b")
    assert Child.log == log
    assert [r.args[0] for r in seen.named("restarted")] == [e[1] for e in log if e[0] == "+"]


def test_crashes_in_one_go_are_dealt_with_once_each(app: App) -> None:
    root, seen = app
    supervise(root, "a", "b", strategy="one_for_all")
    root.fire(Crash(FatalError), "a")
    root.fire(Crash(FatalError), "b")
    settle(root)
    assert [r.args[0] for r in seen.named("crashed")] == ["a", "b"]
    assert Child.log == ["-b", "-a", "+a", "+b"]


def test_too_many_crashes_end_the_application(virtual_clock: VirtualClock) -> None:
    root = Manager()
    seen = Recorder("crashed", "restarted", "gave_up", "error").register(root)
    Child.log = []
    supervisor = Supervisor(intensity=2, period=10).register(root)
    supervisor.add(child("a"))
    supervisor.add(child("b"))
    with pytest.raises(SystemExit) as caught, root.running():
        for _ in range(3):
            crash(root, "a")
        assert not root.running
    assert caught.value.code == 1
    assert len(seen.named("crashed")) == 3
    assert len(seen.named("restarted")) == 2
    gave_up = seen.named("gave_up")
    assert [r.args[:2] for r in gave_up] == [(supervisor, "a")]
    assert Child.log[-2:] == ["-b", "-a"]
    problem = seen.named("error")[-1].args[1]
    assert isinstance(problem, GaveUpError)
    assert "3 crashes in 10 s, the last one of a" in str(problem)
    assert isinstance(problem.__cause__, FatalError)


def test_crashes_far_apart_are_not_too_many(app: App, virtual_clock: VirtualClock) -> None:
    root, seen = app
    supervise(root, "a", intensity=1, period=5)
    for _ in range(4):
        crash(root, "a")
        virtual_clock.advance(6)
    assert len(seen.named("restarted")) == 4
    assert not seen.named("gave_up")


def test_a_supervisor_may_give_up_quietly(app: App) -> None:
    root, seen = app
    supervisor = supervise(root, "a", intensity=0, escalate=False)
    crash(root, "a")
    assert len(seen.named("gave_up")) == 1
    assert root.running
    assert supervisor.child("a") is None
    assert supervisor.names == ["a"]


def test_a_supervisor_that_gives_up_crashes_in_the_one_above(app: App) -> None:
    root, seen = app
    made: list[Supervisor] = []

    def team() -> Supervisor:
        inner = Supervisor(intensity=1, channel="inner")
        inner.add(child("a"))
        inner.add(child("b"))
        made.append(inner)
        return inner

    outer = Supervisor(intensity=1, channel="outer", escalate=False).register(root)
    outer.add(team)
    settle(root)
    Child.log.clear()
    crash(root, "a")
    assert len(made) == 1  # the nearest one deals with it
    crash(root, "a")
    assert len(made) == 2
    assert Child.log == ["-a", "+a", "-b", "-a", "+a", "+b"]
    assert outer.child("team") is made[1]
    assert root.running
    reasons = [r.args for r in seen.named("crashed")]
    assert reasons[-1][0] == "team"
    assert isinstance(reasons[-1][1], GaveUpError)
    for _ in range(2):
        crash(root, "a")
    assert [r.args[0] for r in seen.named("gave_up")] == [made[0], made[1], outer]


def test_what_cannot_be_made_has_crashed(app: App) -> None:
    root, seen = app
    attempts: list[int] = []

    def unlucky() -> Child:
        attempts.append(1)
        if len(attempts) < 3:
            raise OSError("no luck")
        return Child(channel="unlucky")

    supervisor = Supervisor().register(root)
    supervisor.add(unlucky)
    settle(root)
    assert len(attempts) == 3
    assert [str(r.args[1]) for r in seen.named("error")] == ["no luck", "no luck"]
    assert supervisor.child("unlucky").channel == "unlucky"


def test_a_failed_restart_starts_the_others_later(app: App) -> None:
    root, _ = app
    fails = [False, True, False]

    def unlucky() -> Child:
        if fails.pop(0):
            raise OSError("no luck")
        return Child(channel="unlucky")

    supervisor = Supervisor("one_for_all").register(root)
    supervisor.add(child("a"))
    supervisor.add(unlucky)
    supervisor.add(child("c"))
    settle(root)
    crash(root, "c")
    assert [supervisor.child(n) is None for n in supervisor.names] == [False] * 3
    assert sum(isinstance(c, Child) for c in supervisor.components) == 3


def test_only_components_can_be_made(app: App) -> None:
    root, seen = app
    supervisor = Supervisor(intensity=0, escalate=False).register(root)
    supervisor.add(lambda: "no component")
    settle(root)
    assert isinstance(seen.named("error")[0].args[1], TypeError)


def test_handlers_of_the_beginning_may_crash(app: App) -> None:
    root, seen = app

    class Broken(Component):
        channel = "broken"

        @handler("registered")
        def _on_registered(self, component: Any, parent: Any) -> None:
            raise FatalError("cannot begin")

    supervisor = Supervisor(intensity=2, escalate=False).register(root)
    supervisor.add(Broken)
    settle(root)
    assert len(seen.named("crashed")) == 3
    assert len(seen.named("gave_up")) == 1
    assert supervisor.child("Broken") is None


@pytest.mark.parametrize("name", ["started", "stopped"])
def test_handlers_of_started_and_stopped_may_crash(name: str) -> None:
    root = Manager()
    seen = Recorder("crashed", "restarted", "error").register(root)

    class Broken(Component):
        channel = "broken"

        @handler(name, channel="*")
        def _break(self, component: Any) -> None:
            raise FatalError(name)

    supervisor = Supervisor().register(root)
    supervisor.add(Broken)
    with root.running():
        settle(root)
        if name == "started":
            assert len(seen.named("restarted")) == 1
        root.stop()
    assert len(seen.named("error")) == 1
    # A crash at the end is an error, and nothing is started again.
    assert len(seen.named("crashed")) == (name == "started")


def test_what_has_ended_in_good_order_stays_so(app: App) -> None:
    root, _ = app
    supervisor = supervise(root, "a", "b", strategy="one_for_all")
    supervisor.child("a").unregister()
    settle(root)
    crash(root, "b")
    assert Child.log == ["-a", "-b", "+b"]


@pytest.mark.parametrize("restart", ["failure", "always", "never"])
def test_a_child_that_leaves_by_itself(app: App, restart: str) -> None:
    root, seen = app
    supervisor = Supervisor().register(root)
    supervisor.add(child("a"), restart=restart)
    settle(root)
    supervisor.child("a").unregister()
    settle(root)
    assert bool(seen.named("restarted")) is (restart == "always")
    assert (supervisor.child("a") is None) is (restart != "always")


def test_never_means_that_it_is_taken_out(app: App) -> None:
    root, seen = app
    supervisor = Supervisor().register(root)
    supervisor.add(child("a"), restart="never")
    settle(root)
    crash(root, "a")
    assert len(seen.named("crashed")) == 1
    assert supervisor.names == []
    assert Child.log == ["+a", "-a"]


def test_a_child_can_be_removed(app: App) -> None:
    root, seen = app
    supervisor = supervise(root, "a", "b")
    supervisor.remove("a")
    settle(root)
    assert Child.log == ["-a"]
    assert supervisor.names == ["b"]
    assert not seen.named("crashed")
    with pytest.raises(KeyError):
        supervisor.remove("a")
    with pytest.raises(KeyError):
        supervisor.child("a")


def test_a_child_that_crashed_and_was_removed_stays_away(app: App) -> None:
    root, seen = app
    supervisor = supervise(root, "a")
    root.fire(Crash(FatalError), "a")
    root.flush()
    supervisor.remove("a")
    settle(root)
    assert Child.log == ["-a"]
    assert not seen.named("restarted")


def test_children_leave_in_reverse_order(app: App) -> None:
    root, seen = app
    supervisor = supervise(root, "a", "b", "c")
    supervisor.unregister()
    settle(root)
    assert Child.log == ["-c", "-b", "-a"]
    assert supervisor.root is supervisor
    assert not seen.named("crashed")


def test_a_farewell_that_does_not_end_is_cut_short(app: App, virtual_clock: VirtualClock) -> None:
    root, seen = app

    class Clinging(Child):
        @handler("prepare_unregister")
        def _cling(self, component: Any) -> Any:
            yield sleep(10_000)

    supervisor = Supervisor().register(root)
    supervisor.add(lambda: Clinging(channel="a"), "a")
    settle(root)
    first = supervisor.child("a")
    root.fire(Crash(FatalError), "a")
    settle(root, until=virtual_clock() + root.stop_timeout + 1)
    assert first.root is first
    assert supervisor.child("a") not in (None, first)
    assert len(seen.named("restarted")) == 1


def test_errors_are_logged_as_without_supervisors(
    app_runner: Callable[[Manager], Manager], caplog: pytest.LogCaptureFixture
) -> None:
    root = app_runner(Manager())
    outer = Supervisor(channel="outer").register(root)
    outer.add(Supervisor, "inner")
    outer.add(child("a"))
    settle(root)
    crash(root, "a", ValueError)
    assert caplog.text.count("): on request") == 1


def test_errors_that_others_handle_are_not_logged(
    app: App, caplog: pytest.LogCaptureFixture
) -> None:
    root, _ = app
    supervise(root, "a")
    crash(root, "a", ValueError)
    assert caplog.text == ""


def test_a_child_keeps_its_place_when_it_fires_later(app: App) -> None:
    root, seen = app
    supervisor = supervise(root, "a")
    Timer(0, Crash(FatalError), "a").register(supervisor.child("a"))
    settle(root)
    assert len(seen.named("restarted")) == 1


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        (("all_for_none",), {}),
        ((), {"intensity": -1}),
        ((), {"intensity": True}),
        ((), {"intensity": "3"}),
    ],
)
def test_arguments_are_checked(args: Any, kwargs: Any) -> None:
    with pytest.raises(ValueError):
        Supervisor(*args, **kwargs)


def test_arguments_of_add_are_checked() -> None:
    supervisor = Supervisor()
    with pytest.raises(ValueError, match="restart must be one of"):
        supervisor.add(Child, restart="sometimes")
    supervisor.add(Child, "a")
    with pytest.raises(ValueError, match="has a child 'a' already"):
        supervisor.add(Child, "a")


def test_the_channel_is_that_of_the_constructor() -> None:
    assert Supervisor("one_for_one", 3, 5.0, "mine").channel == "mine"
    assert Supervisor().channel == "supervisor"


def test_the_events_tell_what_happened() -> None:
    reason = OSError()
    supervisor = Supervisor()
    assert Crashed("a", reason).args == ["a", reason]
    assert Restarted("a", supervisor).args == ["a", supervisor]
    assert GaveUp(supervisor, "a", reason).args == [supervisor, "a", reason]
    assert [e.name for e in (Crashed, Restarted, GaveUp)] == ["crashed", "restarted", "gave_up"]


@pytest.mark.usefixtures("handler_errors")
def test_who_crashes_again_and_again_is_started_ever_more_slowly(
    virtual_clock: VirtualClock,
) -> None:
    root = Manager()
    seen = Recorder("crashed").register(root)
    made: list[float] = []

    class Broken(Component):
        def __init__(self) -> None:
            made.append(virtual_clock.now)
            raise ValueError("cannot be made")

    logging.getLogger("circuits").setLevel(logging.CRITICAL)
    supervisor = Supervisor(intensity=10**6, delay=1, max_delay=10).register(root)
    supervisor.add(Broken)
    with root.running():
        settle(root, until=virtual_clock.now + 1000)
        settle(root)
    logging.getLogger("circuits").setLevel(logging.NOTSET)
    waits = [later - earlier for earlier, later in itertools.pairwise(made)]
    assert waits[:3] == [0, 0, 0]
    for wait, longest in zip(waits[3:], [1, 2, 4, 8, *[10] * 1000], strict=False):
        assert longest / 2 <= wait <= longest
    assert len(set(waits[7:])) > 3  # at random
    assert 100 <= len(seen.names) <= 210


def patient(*channels: str, **options: Any) -> tuple[Manager, Recorder, Supervisor]:
    """A root, who sees restarts in it, and a supervisor of children that does not give up."""
    root = Manager()
    Recorder("error").register(root)
    seen = Recorder("restarted").register(root)
    supervisor = Supervisor(intensity=10**6, **options).register(root)
    for channel in channels:
        supervisor.add(child(channel))
    return root, seen, supervisor


def test_who_has_stood_for_a_while_is_started_at_once(virtual_clock: VirtualClock) -> None:
    root, seen, _ = patient("a", period=5, delay=1)
    with root.running():
        settle(root)
        for number in range(20):
            root.fire(Crash(ZeroDivisionError), "a")
            settle(root)
            assert len(seen.names) == number + 1
            virtual_clock.advance(6)


def test_one_that_waits_keeps_no_other_waiting(virtual_clock: VirtualClock) -> None:
    root, seen, supervisor = patient("a", "b", delay=100, max_delay=100)
    with root.running():
        settle(root)
        for _ in range(4):
            root.fire(Crash(ZeroDivisionError), "a")
            settle(root)
        assert supervisor.child("a") is None
        assert len(seen.names) == 3
        root.fire(Crash(ZeroDivisionError), "b")
        settle(root)
        assert supervisor.child("b") is not None
        settle(root, until=virtual_clock.now + 101)
        assert supervisor.child("a") is not None


@pytest.mark.parametrize("how", ["unregister", "stop"])
def test_nobody_is_started_who_waits_when_it_ends(virtual_clock: VirtualClock, how: str) -> None:
    root, _, supervisor = patient("a", delay=100, max_delay=100)
    with root.running():
        settle(root)
        for _ in range(4):
            root.fire(Crash(ZeroDivisionError), "a")
            settle(root)
        getattr(supervisor if how == "unregister" else root, how)()
        settle(root)
        virtual_clock.advance(200)
        settle(root)
        assert supervisor.child("a") is None
