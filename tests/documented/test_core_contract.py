"""What the core promises, one small program for each promise, in the order of the manual."""

from __future__ import annotations

import copy
import gc
import logging
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Generator, Iterator
from typing import Any

import pytest

from circuits import (
    BaseComponent,
    Component,
    Debugger,
    DerivedEvent,
    Event,
    LiteralEvent,
    Manager,
    TimeoutError,
    Timer,
    Value,
    handler,
    reprhandler,
    sleep,
)
from circuits.core.components import PrepareUnregister, SingletonError
from circuits.core.events import (
    Complete,
    Failure,
    GenerateEvents,
    Registered,
    Success,
    Unregister,
)
from circuits.core.utils import findchannel, findtype, flatten, safeimport
from circuits.testing import Recorder, VirtualClock, settle


class ping(Event):
    pass


class pong(Event):
    pass


def drain(app: Manager) -> None:
    """The loop of a program that drives its tree by hand."""
    while len(app):
        app.flush()


class Log(Component):
    """Keeps a list of what happened."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.log: list[Any] = []
        super().__init__(*args, **kwargs)


# -- importing --


@pytest.mark.process
def test_importing_starts_nothing_and_loads_little() -> None:
    program = """
        import _signal, sys  # signal would bring much of what circuits is not to bring
        before = [_signal.getsignal(n) for n in (_signal.SIGINT, _signal.SIGTERM)]
        import circuits
        heavy = {
            "typing", "re", "inspect", "enum", "dataclasses", "logging", "asyncio",
            "collections", "functools", "threading",
        }
        print(sorted(heavy & set(sys.modules)))
        assert before == [_signal.getsignal(n) for n in (_signal.SIGINT, _signal.SIGTERM)]
        import threading
        assert threading.active_count() == 1
    """
    done = subprocess.run(
        [sys.executable, "-S", "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    assert (done.stderr, done.stdout) == ("", "[]\n")


# -- events --


def test_a_name_in_the_body_is_not_inherited() -> None:
    class Named(Event):
        name = "other"

    class Below(Named):
        pass

    assert (Named.name, Below.name) == ("other", "below")


@pytest.mark.parametrize("key", [None, 1.5, ("a",)])
def test_only_numbers_and_names_index_an_event(key: Any) -> None:
    event = ping("a", b="c")
    event[0] = "x"
    event["b"] = "y"
    assert (event[0], event["b"], event.args, event.kwargs) == ("x", "y", ["x"], {"b": "y"})
    with pytest.raises(TypeError):
        event[key]
    with pytest.raises(TypeError):
        event[key] = 1


def test_a_copy_has_no_handler() -> None:
    event = ping(1, k=2)
    event.handler = print
    for twin in (copy.copy(event), pickle.loads(pickle.dumps(event))):
        assert twin.handler is None
        assert (twin.args, twin.kwargs) == ([1], {"k": 2})


def test_derived_events_are_named_after_name_and_class() -> None:
    class Read(Event):
        name = "_read"

    literal = LiteralEvent.create(Event, "helloWorld")
    for source, topic, title, name in (
        (ping(), "Success", "pingSuccess", "ping_success"),
        (Read(), "Failure", "ReadFailure", "_read_failure"),
        (literal, "Success", "helloWorld_success", "helloWorld_success"),
        (ping(), "ValueChanged", "pingValueChanged", "ping_value_changed"),
    ):
        derived = DerivedEvent.create(topic, source, 1, k=2)
        assert (type(derived).__name__, derived.name) == (title, name)
        assert derived.args == [source, 1]
        assert derived.kwargs == {"k": 2}
        assert derived.parent is source


def test_feedback_comes_in_order_and_after_what_handlers_fired() -> None:
    class order(Event):
        success = failure = complete = True

    class App(Log):
        @handler("order", priority=1)
        def _on_order(self) -> str:
            self.fire(ping())
            return "result"

        @handler("ping")
        def _on_ping(self) -> None:
            self.fire(pong())

        @handler("ping", "pong", "order_success", "order_failure", "order_complete", priority=-1)
        def _on_any(self, event: Event[Any], *args: Any) -> None:
            self.log.append(event.name)

    app = App()
    app.fire(order())
    drain(app)
    assert app.log == ["ping", "order_success", "pong", "order_complete"]


def test_without_any_handler_an_event_succeeds() -> None:
    made = ping()
    made.success = made.complete = True
    recorder = Recorder()
    app = Component() + recorder
    recorder.clear()
    app.fire(made)
    drain(app)
    assert [n for n in recorder.names if n.startswith("ping")] == [
        "ping",
        "ping_success",
        "ping_complete",
    ]


def test_one_failing_handler_of_two_means_failure_and_no_success() -> None:
    class App(Log):
        @handler("ping", priority=1)
        def _on_ping(self) -> None:
            raise ValueError("no")

        @handler("ping")
        def _on_ping_too(self) -> str:
            return "yes"

        @handler("ping_success", "ping_failure", "ping_complete", "ping_done", "error")
        def _on_any(self, event: Event[Any], *args: Any) -> None:
            self.log.append(event.name)

    app, made = App(), ping()
    made.success = made.failure = made.complete = made.alert_done = True
    value = app.fire(made)
    drain(app)
    assert app.log == ["ping_failure", "error", "ping_done", "ping_complete"]
    assert value.errors
    assert value[1] == "yes"
    assert value[0][0] is ValueError


def test_feedback_goes_where_it_is_told() -> None:
    made = ping()
    made.success = made.complete = True
    made.success_channels = ("s",)
    made.complete_channels = ("c",)
    app, recorder = Component(channel="app"), Recorder()
    recorder.register(app)
    app.fire(made, "p")
    drain(app)
    recorder.expect("ping_success", on="s")
    recorder.expect("ping_complete", on="c")


@pytest.mark.usefixtures("looks_often")
def test_complete_waits_for_all_effects_under_run_too() -> None:
    class App(Log):
        def started(self, component: Manager) -> None:
            made = ping()
            made.complete = True
            self.fire(made)

        def ping(self) -> None:
            inner = pong()
            inner.complete = True
            self.fire(inner)

        def pong(self) -> Iterator[None]:
            yield None
            self.fire(Event.create("late"))

        def late(self) -> None:
            self.log.append("late")

        def pong_complete(self, source: Event[Any], value: Any) -> None:
            self.log.append("inner")

        def ping_complete(self, source: Event[Any], value: Any) -> None:
            self.log.append("outer")
            self.stop()

    app = App()
    app.run()
    assert app.log == ["late", "inner", "outer"]


def test_the_classes_of_feedback() -> None:
    for kind, topic in ((Success, "Success"), (Failure, "Failure"), (Complete, "Complete")):
        assert issubclass(kind, DerivedEvent)
        assert kind.create(topic, ping()).name == f"ping_{topic.lower()}"


def test_in_subtree_is_the_leaving_one_and_all_below() -> None:
    top, middle, leaf, beside = Component(), Component(), Component(), Component()
    top + middle + beside
    middle + leaf
    leaving = PrepareUnregister(middle)
    assert [leaving.in_subtree(c) for c in (top, middle, leaf, beside)] == [
        False,
        True,
        True,
        False,
    ]
    assert leaving.complete is True
    assert tuple(leaving.complete_channels) == (middle,)


# -- handlers --


def test_what_the_decorator_notes() -> None:
    @handler("a", "b", channel="c", priority=2, filter=True, override=True)
    def function(self: Any, event: Any, x: int) -> None:
        pass

    marked: Any = function
    assert marked.names == ("a", "b")
    assert (marked.handler, marked.channel, marked.priority) == (True, "c", 2)
    assert (marked.filter, marked.override, marked.event) == (True, True, True)
    with pytest.raises(TypeError):
        handler("a", chanel="c")


@pytest.mark.parametrize(
    ("names", "options", "heard"),
    [
        (("ping",), {}, "w * instance"),
        (("*",), {}, "w * instance"),
        ((), {}, "w * instance"),
        (("ping",), {"channel": "x"}, "x * instance"),
        (("ping",), {"channel": "*"}, "w x * instance"),
        ((), {"channel": "*"}, "w x * instance"),
    ],
)
def test_the_table_of_what_is_heard(
    names: tuple[str, ...], options: dict[str, str], heard: str
) -> None:
    log: list[str] = []

    class Node(BaseComponent):
        channel = "w"

        @handler(*names, **options)
        def _on_event(self, event: Event[Any], *args: Any) -> None:
            if event.name == "ping":
                log.append(event.args[0])

    app = Manager()
    node = Node().register(app)
    for where in ("w", "x", "*"):
        app.fire(ping(where), where)
    app.fire(ping("instance"), node)
    drain(app)
    assert log == heard.split()


def test_a_handler_runs_once_however_many_channels_match() -> None:
    class App(Log):
        channel = "a"

        @handler("ping", channel="*")
        def _on_ping(self) -> None:
            self.log.append(1)

    app = App()
    app.fire(ping(), "a", "b", app)
    drain(app)
    assert app.log == [1]


def test_public_functions_of_a_component_are_handlers_and_nothing_else() -> None:
    class Odd(Component):
        constant = 1

        class Nested:
            pass

        def method(self) -> None:
            pass

        def _private(self) -> None:
            pass

        def init(self) -> None:
            pass

        @handler(False)
        def helper(self) -> None:
            pass

        @staticmethod
        def static() -> None:
            pass

        @classmethod
        def klass(cls) -> None:
            pass

        @property
        def attribute(self) -> int:
            return 1

    assert set(Odd.handlers()) == {"method", "unregister"}
    assert Odd.handles("method", "unregister")
    assert not Odd.handles("method", "helper")


def test_redefining_adds_and_override_replaces_along_the_whole_order() -> None:
    class A(Log):
        def ping(self) -> None:
            self.log.append("A")

    class B(A):
        def ping(self) -> None:
            self.log.append("B")

    class C(B):
        def ping(self) -> None:
            self.log.append("C")

    class D(C):
        @handler("ping", override=True)
        def ping(self) -> None:
            self.log.append("D")

    class E(D):
        def ping(self) -> None:
            self.log.append("E")

    for cls, expected in ((C, "ABC"), (D, "D"), (E, "DE")):
        app = cls()
        app.fire(ping())
        drain(app)
        assert "".join(app.log) == expected
    assert C().A_ping  # type: ignore[attr-defined]


@pytest.mark.parametrize("result", [False, 0, "", 1, "x"])
def test_a_filter_ends_the_event_with_any_result(result: object) -> None:
    class App(Log):
        @handler("ping", filter=True)
        def _on_ping(self) -> object:
            return result

        @handler("ping")
        def _on_ping_too(self) -> None:
            self.log.append("too far")

    app = App()
    value = app.fire(ping())
    drain(app)
    assert app.log == []
    assert value.value == result


def test_a_filter_lets_pass_with_none_and_ends_with_a_generator_or_an_exception() -> None:
    class App(Log):
        def __init__(self, kind: str) -> None:
            super().__init__()
            self.kind = kind

        @handler("ping", filter=True)
        def _on_ping(self) -> Iterator[str] | None:
            if self.kind == "raise":
                raise ValueError
            return iter_of("x") if self.kind == "generator" else None

        @handler("ping")
        def _on_ping_too(self) -> None:
            self.log.append("passed")

        @handler("error")
        def _on_error(self, *args: Any) -> None:
            pass

    def iter_of(*items: str) -> Iterator[str]:
        yield from items

    for kind, expected in (("none", ["passed"]), ("raise", []), ("generator", [])):
        app = App(kind)
        app.fire(ping())
        settle(app)
        assert app.log == expected


def test_exits_are_no_errors_and_leave_no_result() -> None:
    class App(Log):
        def started(self, component: Manager) -> None:
            self.value = self.fire(ping())

        @handler("ping", priority=1)
        def _on_ping(self) -> str:
            return "first"

        @handler("ping")
        def _on_ping_exit(self) -> None:
            raise KeyboardInterrupt

        @handler("ping", priority=-1)
        def _on_ping_last(self) -> None:
            self.log.append("last")

        def error(self, *args: Any) -> None:
            self.log.append("error")

        def stopped(self, component: Manager) -> None:
            self.log.append("stopped")

    app = App()
    app.run()
    assert app.log == ["last", "stopped"]
    assert app.value.value == "first"


# -- managers and components --


def test_a_lone_manager() -> None:
    manager = Manager("ignored", also="ignored")
    assert manager.root is manager.parent is manager
    assert manager.name == "Manager"
    assert manager.running == False  # noqa: E712 - it reads as a bool
    assert manager.pid == os.getpid()
    assert not hasattr(manager, "channel")
    assert not manager
    manager.fire(ping())
    assert (bool(manager), len(manager)) == (True, 1)
    assert manager._running is False
    assert dict(manager._handlers) == {}
    assert vars(manager).get("_Manager__thread") is None


def test_construction_is_in_order() -> None:
    log = []

    class Part(Component):
        pass

    class Whole(Component):
        channel = "whole"
        part = Part()

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self.own = Part()
            super().__init__(*args, **kwargs)

        def init(self, *args: Any, **kwargs: Any) -> None:
            log.append((args, kwargs, self.channel, len(self.components)))

    Whole(1, channel="other", x=2)
    assert log == [((1,), {"channel": "other", "x": 2}, "other", 2)]
    assert Whole(channel="").channel == "*"
    assert Whole(channel=(1, 2)).channel == (1, 2)


def test_operators() -> None:
    class Kind(Component):
        pass

    class Below(Kind):
        pass

    app, child = Manager(), Below()
    assert app + child is app
    assert child in app
    assert Below in app
    assert Kind not in app
    same = app
    app -= child
    assert app is same
    drain(app)
    assert child not in app
    assert app - Component() is app


def test_channels_of_fire() -> None:
    class Own(Event):
        channels = ("own",)

    component, manager = Component(channel="mine"), Manager()
    for fired, given, expected in (
        (component, ("x", "y"), ("x", "y")),
        (component, (), ("mine",)),
        (manager, (), ("*",)),
    ):
        event = ping()
        value = fired.fire(event, *given)
        assert event.channels == expected
        assert event.value is value
        assert value.event is event
        assert value.manager is fired
    own = Own()
    component.fire(own)
    assert own.channels == ("own",)
    assert Own.channels == ("own",)
    component.fire(own, "else")
    first = own.value
    component.fire(own)
    assert own.channels == ("else",)
    assert own.value is not first


def test_a_component_as_channel_reaches_it_whatever_its_handlers_listen_to() -> None:
    class Node(Log):
        @handler("ping", channel="odd")
        def _on_ping(self) -> None:
            self.log.append("odd")

    class Everywhere(Log):
        @handler("ping", channel="*")
        def _on_ping(self) -> None:
            self.log.append("*")

    app = Manager()
    target, beside, below = Node(channel="t"), Node(channel="t"), Node(channel="t")
    everywhere = Everywhere()
    for node in (target, beside, everywhere):
        node.register(app)
    below.register(target)
    app.fire(ping(), target)
    drain(app)
    assert (target.log, beside.log, below.log, everywhere.log) == (["odd"], [], [], ["*"])


def test_a_tick_without_a_run_neither_waits_nor_generates() -> None:
    class App(Log):
        def generate_events(self, event: GenerateEvents) -> None:
            self.log.append("generate")

        def ping(self) -> Iterator[None]:
            self.log.append("ping")
            yield None
            self.log.append("on")

    app = App()
    app.fire(ping())
    app.tick()
    assert app.log == []
    app.tick()
    app.tick()
    app.tick()
    assert app.log == ["ping", "on"]


def test_time_left_only_shrinks_and_resumes_whoever_waits() -> None:
    resumed = []

    class Waiter(BaseComponent):
        def resume(self) -> None:
            resumed.append(True)

        @handler("generate_events")
        def _on_generate_events(self, event: GenerateEvents) -> None:
            pass

    event = GenerateEvents(threading.RLock(), -1)
    event.reduce_time_left(5)
    event.reduce_time_left(7)
    event.reduce_time_left(-1)
    assert event.time_left == 5
    event.handler = Waiter()._on_generate_events
    event.reduce_time_left(0)
    assert (event.time_left, resumed) == (0, [True])


def test_joining_is_done_before_registered_is_fired() -> None:
    class Child(Log):
        channel = "child"

        def registered(self, component: Any, manager: Any) -> None:
            self.log.append((component is self, manager is self.parent, self.root is app))

    app, child = Manager(), Child()
    child.fire(ping())
    app.fire(pong())
    assert child.register(app) is child
    assert [event.name for event in app._queue] == ["pong", "ping", "registered"]
    assert isinstance(app._queue[-1], Registered)
    drain(app)
    assert child.log == [(True, True, True)]


def test_leaving_is_announced_and_told() -> None:
    class Child(Log):
        channel = "child"

        def prepare_unregister(self, component: Any) -> None:
            self.log.append("prepare")
            self.fire(ping())

        def prepare_unregister_complete(self, source: Any, value: Any) -> None:
            self.log.append("complete")

        def unregistered(self, component: Any, manager: Any) -> None:
            self.log.append(("gone", component is self, manager is app))

        def ping(self) -> None:
            self.log.append("not while leaving")

    class Watch(Log):
        @handler("unregistered", channel="*")
        def _on_unregistered(self, component: Any, manager: Any) -> None:
            self.log.append("unregistered")

    app, child, watch, below = Component(channel="a"), Child(), Watch(), Component(channel="b")
    app + child + watch
    child + below
    drain(app)
    assert child.unregister() is child
    assert child.unregister_pending
    drain(app)
    assert child.log == ["prepare", "complete", ("gone", True, True)]
    assert watch.log == ["unregistered"]
    assert child.root is child.parent is child
    assert below.root is child
    assert not child.unregister_pending


@pytest.mark.parametrize("how", ["argument", "channel"])
def test_the_event_unregister_on_its_channel(how: str) -> None:
    app, child, beside = Component(channel="a"), Component(channel="c"), Component(channel="c")
    app + child + beside
    drain(app)
    if how == "argument":
        app.fire(Unregister(child), "c")
    else:
        app.fire(Unregister(), child)
    drain(app)
    assert list(app.components) == [beside]


def test_singletons() -> None:
    class One(Component):
        singleton = True

    class Other(One):
        pass

    app = One()
    Other().register(app)
    with pytest.raises(SingletonError):
        One().register(app)
    assert len(app.components) == 1


def test_handlers_added_and_removed_at_run_time() -> None:
    @handler("ping", "pong")
    def _on_both(self: Any) -> str:
        return str(self.channel)

    @handler(channel="*")
    def _on_all(self: Any, event: Event[Any], *args: Any) -> None:
        pass

    app = Component(channel="app")
    method: Any = app.addHandler(_on_both)
    assert (method(), app._on_both()) == ("app", "app")  # type: ignore[attr-defined]
    assert app.getHandlers(ping(), "app") == {method}
    app.removeHandler(method, "ping")
    assert "ping" not in app._handlers
    assert method in app._handlers["pong"]
    app.removeHandler(method)
    assert "pong" not in app._handlers
    assert not hasattr(app, "_on_both")
    everything = app.addHandler(_on_all)
    assert app._globals == {everything}
    assert app.getHandlers(ping(), "x", exclude_globals=True) == set()
    app.removeHandler(everything)
    assert app._globals == set()
    with pytest.raises(KeyError):
        app.removeHandler(everything)


def test_traversal_can_be_turned_off() -> None:
    class Node(Log):
        def ping(self) -> None:
            self.log.append(1)

    top, below = Node(channel="n"), Node(channel="n")
    top + below
    top.traverse_children_handlers = False
    top.fire(ping(), "n")
    top.fire(ping(), below)
    drain(top)
    assert (top.log, below.log) == ([1], [1])


def test_stop_is_delivered_once_with_all_that_follows() -> None:
    class App(Log):
        def started(self, component: Any) -> None:
            self.log.append("started")
            self.stop()
            self.stop()

        def stopped(self, component: Any) -> Iterator[None]:
            self.log.append("stopped")
            self.fire(ping())
            yield None

        def ping(self) -> None:
            self.log.append("ping")

    app = App()
    app.stop()
    app.run()
    app.run()
    assert app.log == ["started", "stopped", "ping"] * 2


def test_a_signal_is_told_before_the_end() -> None:
    class App(Log):
        def started(self, component: Any) -> None:
            signal.raise_signal(signal.SIGTERM)

        def signal(self, number: int, frame: Any) -> None:
            self.log.append(number)

        def stopped(self, component: Any) -> None:
            self.log.append("stopped")

    previous = signal.getsignal(signal.SIGTERM)
    app = App()
    app.run()
    assert app.log == [signal.SIGTERM, "stopped"]
    assert signal.getsignal(signal.SIGTERM) is previous


@pytest.mark.parametrize(("code", "raised"), [(3, 3), ("text", "text"), (0, None), (None, None)])
def test_an_exit_code_leaves_run(code: Any, raised: Any) -> None:
    class App(Log):
        def started(self, component: Any) -> None:
            raise SystemExit(code)

        def stopped(self, component: Any) -> None:
            self.log.append("stopped")

    app = App()
    if raised is None:
        app.run()
    else:
        with pytest.raises(SystemExit) as caught:
            app.run()
        assert caught.value.code == raised
    assert app.log == ["stopped"]


# -- values --


def test_values_alone() -> None:
    value = Value()
    assert (value.result, value.errors, value.promise, value.notify, value.handled) == (False,) * 5
    assert value.value is None
    assert value.parent is value
    first = [1]
    value.value = first
    assert (value.value, value.result, 1 in value, str(value)) == ([1], True, True, "[1]")
    value.value = 2
    assert value.value == [[1], 2]
    assert first == [1]


def test_a_nested_value_holds_its_place_and_follows() -> None:
    outer, inner, deep = Value(), Value(), Value()
    outer.value = inner
    inner.value = deep
    assert (outer.result, inner.parent is outer, outer.value) == (False, True, None)
    outer.value = "second"
    deep.value = "x"
    assert outer.result
    assert list(outer) == ["x", "second"]
    assert outer[0] == "x"
    assert isinstance(outer.value[0], Value)


@pytest.mark.parametrize(("notify", "name"), [(True, "ping_value_changed"), ("told", "told")])
def test_notification_goes_to_the_component_that_fired(notify: Any, name: str) -> None:
    class App(Log):
        channel = "app"

        def ping(self) -> Iterator[int]:
            yield 1
            yield 2

        @handler(name, channel="never")
        def _on_change(self, value: Value) -> None:
            self.log.append(value.value)

    app = App()
    made = ping()
    made.notify = notify
    app.fire(made)
    settle(app)
    assert app.log == [[1, 2]]


# -- generator handlers --


def test_what_may_be_yielded() -> None:
    class App(Log):
        def ping(self) -> Generator[Any, Any, Any]:
            yield None
            yield 1
            self.log.append((yield self.sub()))
            yield self.fire(pong())
            return 3

        @handler(False)
        def sub(self) -> Generator[Any, Any, Any]:
            yield 2
            return "sub"

        def pong(self) -> str:
            return "pong"

    app = App()
    value = app.fire(ping())
    app.flush()
    assert value.promise
    settle(app)
    assert app.log == ["sub"]
    assert list(value) == [1, 2, "pong", 3]


def test_a_failing_generator_finishes_its_event() -> None:
    class App(Log):
        @handler("ping")
        def _on_ping(self) -> Iterator[None]:
            yield None
            raise ValueError("step")

        @handler("pong")
        def _on_pong(self) -> Generator[Any, Any, Any]:
            value: Value = yield self.call(ping())
            self.log.append(value.errors)

        @handler("ping_failure", "ping_complete", "ping_success", "error")
        def _on_any(self, event: Event[Any], *args: Any) -> None:
            self.log.append(event.name)

    app = App()
    app.fire(pong())
    settle(app)
    assert app.log == ["error", True]
    made = ping()
    made.success = made.failure = made.complete = True
    app.fire(made)
    settle(app)
    assert app.log[2:] == ["ping_failure", "error", "ping_complete"]


def test_an_exception_of_a_sub_task_can_be_caught() -> None:
    class App(Log):
        def ping(self) -> Generator[Any, Any, Any]:
            try:
                yield self.broken()
            except ValueError:
                self.log.append("caught")

        def _broken(self) -> Iterator[None]:
            yield None
            raise ValueError

        broken = handler(False)(_broken)

    app = App()
    app.fire(ping())
    settle(app)
    assert app.log == ["caught"]


@pytest.mark.parametrize("where", [(), ("other",), ("*",), ("other", "more"), "instance"])
def test_call_works_on_every_kind_of_channel_and_leaves_no_handler(where: Any) -> None:
    class Other(Component):
        channel = "other"

        @handler("ping", channel="*")
        def _on_ping(self) -> Generator[Any, Any, Any]:
            yield None
            yield "result"

    class App(Log):
        channel = "app"

        def pong(self) -> Generator[Any, Any, Any]:
            channels = (other,) if where == "instance" else where
            value: Value = yield self.call(ping(), *channels)
            self.log.append(value.value)

    app, other = App(), Other()
    app + other
    app.fire(pong())
    settle(app)
    assert app.log == ["result"]
    assert not any(name.endswith("_done") for name in app._handlers)


def test_wait_gives_the_value_of_the_next_one_only() -> None:
    class App(Log):
        channel = "app"

        def pong(self) -> Generator[Any, Any, Any]:
            self.fire(ping(1))
            value: Value = yield self.wait("ping")
            self.log.append(value.value)

        def ping(self, number: int) -> int:
            return number

    app = App()
    app.fire(pong())
    app.fire(ping(0), "elsewhere")
    settle(app)
    app.fire(ping(2))
    settle(app)
    assert app.log == [1]


def test_waiting_by_hand() -> None:
    app = Component()
    waiting = app.wait("ping")
    assert next(waiting) is None
    app.fire(ping())
    assert next(waiting) is None
    app.flush()
    assert list(waiting) == []


def test_timeouts_are_seconds_and_zero_is_the_next_turn() -> None:
    class App(Log):
        def ping(self, seconds: float) -> Generator[Any, Any, Any]:
            try:
                yield self.wait("never", timeout=seconds)
            except TimeoutError:
                self.log.append(seconds)

        def pong(self) -> Generator[Any, Any, Any]:
            try:
                yield self.call(Event.create("quick"), timeout=0)
            except TimeoutError:
                self.log.append("call")

        def quick(self) -> str:
            return "quick"

    with VirtualClock() as clock:
        app = App()
        for seconds in (0, 2, -1):
            app.fire(ping(seconds))
        app.fire(pong())
        settle(app)
        assert sorted(app.log, key=str) == [0, "call"]
        clock.advance(2)
        settle(app)
        assert app.log[2:] == [2]
    assert issubclass(TimeoutError, __builtins__["TimeoutError"])  # type: ignore[index]


def test_sleeping_takes_numbers() -> None:
    with pytest.raises(TypeError):
        sleep("1")  # type: ignore[arg-type]


# -- timers, utilities, debugger --


def test_a_timer_fires_the_same_event_each_time() -> None:
    class App(Log):
        @handler("ping")
        def _on_ping(self, event: Event[Any]) -> None:
            self.log.append(event is made)

    with VirtualClock() as clock:
        app, made = App(), ping()
        timer = Timer(1, made, persist=True).register(app)
        with app.running():
            settle(app)
            for _ in range(3):
                clock.advance(1)
                settle(app)
            timer.unregister()
            settle(app)
            clock.advance(1)
            settle(app)
        assert app.log == [True] * 3
        assert timer not in app


def test_looking_for_components() -> None:
    class Kind(Component):
        channel = "kind"

    class Below(Kind):
        pass

    app, one, two = Manager(), Kind(), Below()
    app + one
    one + two
    assert list(flatten(app)) == [app, one, two]
    assert findchannel(app, "kind") is one
    assert findchannel(app, "none") is None
    assert findchannel(app, "kind", all=True) == [one, two]
    assert findtype(app, Below) is two
    assert findtype(app, Kind, all=True) == [one, two]
    assert safeimport("no.such.module.anywhere") is None


class _Lines:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def write(self, text: str) -> None:
        self.lines.append(text)


def test_what_a_debugger_prints() -> None:
    class App(Component):
        channel = "app"

        def ping(self) -> None:
            raise ValueError("shown")

    out, app = _Lines(), App()
    debugger = Debugger(file=out, prefix="p", trim=20, IgnoreEvents=["pong"])
    debugger.register(app)
    drain(app)
    out.lines.clear()
    app.fire(pong())
    app.fire(ping())
    drain(app)
    assert out.lines[0] == "p: <ping[app.ping] ( ...>\n"
    assert out.lines[2].startswith(
        "ERROR <listener[*.ping] (App.ping)> (<class 'ValueError'>): shown\n"
    )
    assert out.lines[2].endswith("\n\n")
    debugger.enabled = False
    app.fire(ping())
    drain(app)
    assert len(out.lines) == 3
    assert Debugger.IgnoreEvents == ["generate_events"]


def test_an_error_that_nobody_handles_is_written(caplog: pytest.LogCaptureFixture) -> None:
    class App(Component):
        def ping(self) -> None:
            raise ValueError("shown")

    app = App()
    app.fire(ping())
    with caplog.at_level(logging.DEBUG, logger="circuits"):
        drain(app)
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "ERROR <listener[*.ping] (App.ping)>" in caplog.text


# -- representations --


def test_forms() -> None:
    class Test(Event):
        pass

    class App(Component):
        channel = (1, 1)

        @handler("a", "b", filter=True)
        def _on_test(self) -> None:
            pass

    thread = threading.current_thread().name
    manager, app = Manager(), App()
    manager.fire(Test())
    assert repr(manager) == f"<Manager/ {os.getpid()}:{thread} (queued=1) [S]>"
    assert repr(app) == f"<App/(1, 1) {os.getpid()}:{thread} (queued=0) [S]>"
    assert repr(Test(1, "x", k=2)) == "<Test[.test] (1, 'x' k=2)>"
    event = Test()
    value = manager.fire(event, "a", "b")
    assert repr(event) == "<Test[('a', 'b').test] ( )>"
    assert repr(value) == f"<Value () result: False errors: False for {event!r}>"
    value.value = "x"
    assert repr(value) == f"<Value ('x') result: True errors: False for {event!r}>"
    assert reprhandler(app._on_test) == "<filter[*.a.b] (App._on_test)>"
    assert reprhandler(App._on_test) == "<filter[*.a.b] (Unknown._on_test)>"
    assert (
        reprhandler(app._on_prepare_unregister_complete)
        == "<listener[<instance of App>.prepare_unregister_complete] "
        "(App._on_prepare_unregister_complete)>"
    )
    with pytest.raises(AttributeError):
        reprhandler(print)


# -- what 3.x added --


def test_a_stopped_event_keeps_its_results_and_succeeds() -> None:
    class App(Log):
        @handler("ping", priority=1)
        def _on_ping(self, event: Event[Any]) -> str:
            event.stop()
            return "kept"

        @handler("ping")
        def _on_ping_too(self) -> None:
            self.log.append("too far")

        @handler("ping_success")
        def _on_success(self, source: Event[Any], result: Any) -> None:
            self.log.append(result)

    app, made = App(), ping()
    made.success = True
    app.fire(made)
    drain(app)
    assert app.log == ["kept"]
    assert made.stopped


def test_a_cancelled_event_is_discarded_and_nobody_waits_for_ever() -> None:
    class App(Log):
        def ping(self) -> None:
            self.log.append("ping")

        @handler("ping_success", "ping_complete")
        def _on_feedback(self, *args: Any) -> None:
            self.log.append("feedback")

        def pong(self) -> Generator[Any, Any, Any]:
            made = ping()
            made.success = made.complete = True
            call = self.call(made)
            self.fire(Event.create("cancel", made), priority=-1)
            yield call
            self.log.append("went on")

        def cancel(self, made: Event[Any]) -> None:
            made.cancel()

    app = App()
    app.fire(pong())
    settle(app)
    assert app.log == ["went on"]


def test_priorities_of_firing_go_from_small_to_large() -> None:
    class App(Log):
        def ping(self, number: int) -> None:
            self.log.append(number)

    app = App()
    for number, priority in enumerate((0, 2, -1, 0, 1)):
        app.fire(ping(number), priority=priority)
    app.flush()
    assert app.log == [2, 0, 3, 4, 1]


def test_an_error_knows_the_event_that_failed() -> None:
    class App(Log):
        def ping(self) -> None:
            raise ValueError

        @handler("error")
        def _on_error(
            self, event: Any, kind: Any, problem: Any, lines: list[str], method: Any = None
        ) -> None:
            self.log.append((event.fevent is made, kind, type(lines), method == self.ping))

    app, made = App(), ping()
    app.fire(made)
    drain(app)
    assert app.log == [(True, ValueError, list, True)]


def test_two_components_may_share_a_handler() -> None:
    def function(self: Log) -> None:
        self.log.append(1)

    class One(Log):
        ping = function

    class Two(Log):
        ping = function

    app = Manager()
    one, two = One().register(app), Two().register(app)
    app.fire(ping())
    drain(app)
    assert (one.log, two.log) == ([1], [1])


def test_a_component_that_left_is_freed() -> None:
    import weakref

    app, child = Component(channel="a"), Component(channel="c")
    app + child
    drain(app)
    app.fire(ping(), child)
    child.unregister()
    drain(app)
    reference = weakref.ref(child)
    del child
    gc.collect()
    assert reference() is None
