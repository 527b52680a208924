from __future__ import annotations

import os
import threading
import time
from typing import Any

import pytest

from circuits import BaseComponent, Component, Event, Manager, Value, handler
from circuits.core import _session
from circuits.core.errors import UnregistrableError
from circuits.core.events import Started, Stopped
from circuits.core.manager import TIMEOUT
from circuits.testing import Recorder, settle


class foo(Event):
    pass


class App(Component):
    channel = "app"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seen: list[Any] = []

    def foo(self, *args: Any, **kwargs: Any) -> None:
        self.seen.append((args, kwargs) if kwargs else args)


# -- what it is --


def test_the_constructor_accepts_anything() -> None:
    manager = Manager(1, 2, three=3)
    assert manager.parent is manager.root is manager
    assert list(manager.components) == []
    assert manager.name == "Manager"
    assert manager.running == False  # noqa: E712 - compared, as programs do
    assert manager.pid == os.getpid()


@pytest.mark.parametrize("attribute", ["name", "running", "pid"])
def test_some_attributes_are_read_only(attribute: str) -> None:
    with pytest.raises(AttributeError):
        setattr(Manager(), attribute, 1)


def test_components_read_like_a_set_in_order_of_registration() -> None:
    root = Manager()
    parts = [Component().register(root) for _ in range(5)]
    assert list(root.components) == parts
    assert len(root.components) == 5
    assert parts[2] in root.components
    copy = root.components.copy()
    parts[2].register(parts[2])
    assert len(copy) == 5
    assert list(root.components) == parts[:2] + parts[3:]
    assert root.components == set(root.components)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("_running", bool),
        ("_handlers", dict),
        ("_globals", set),
        ("_tasks", set),
        ("_queue", list),
    ],
)
def test_attributes_that_other_code_looks_at(name: str, kind: type) -> None:
    assert isinstance(getattr(Manager(), name), kind)


def test_the_lock_is_re_entrant() -> None:
    with Manager()._lock, Manager()._lock:
        pass


def test_the_thread_is_none_unless_started() -> None:
    manager: Any = Manager()
    assert manager._Manager__thread is None


def test_the_queue_shows_what_is_queued() -> None:
    manager = Manager()
    event = foo()
    manager.fire(event)
    assert list(manager._queue) == [event]
    manager.flush()
    assert list(manager._queue) == []


def test_the_interval_is_documented() -> None:
    assert TIMEOUT == 0.1


# -- protocol --


def test_length_and_truth_follow_the_queue_of_a_root() -> None:
    root = Manager()
    child = Component()
    child.register(root)
    settle(root)
    assert (len(root), bool(root)) == (0, False)
    child.fire(foo())
    assert (len(root), bool(root)) == (1, True)
    assert (len(child), bool(child)) == (0, False)
    while root:
        root.flush()
    assert len(root) == 0


def test_contains_a_child_or_the_very_class_of_one() -> None:
    class Sub(App):
        pass

    root = Manager()
    child = Sub().register(root)
    below = App().register(child)
    assert child in root
    assert below not in root
    assert Sub in root
    assert App not in root
    assert root not in root
    assert 3 not in root


def test_a_manager_is_not_iterable_by_accident() -> None:
    with pytest.raises(TypeError, match="components"):
        iter(Manager())


@pytest.mark.parametrize(
    ("make", "start"),
    [
        (Manager, "<Manager/ "),
        (Component, "<Component/* "),
        (lambda: App(), "<App/app "),
        (lambda: App(channel=(1, 1)), "<App/(1, 1) "),
    ],
)
def test_repr(make: Any, start: str) -> None:
    manager = make()
    where = f"{os.getpid()}:{threading.current_thread().name}"
    assert repr(manager) == f"{start}{where} (queued=0) [S]>"
    manager.fire(foo())
    assert repr(manager) == f"{start}{where} (queued=1) [S]>"
    with manager.running():
        assert repr(manager).endswith(" [R]>")


def test_repr_names_the_calling_thread() -> None:
    shown: list[str] = []
    manager = Manager()
    thread = threading.Thread(target=lambda: shown.append(repr(manager)), name="caller")
    thread.start()
    thread.join()
    assert ":caller " in shown[0]


# -- fire --


@pytest.mark.parametrize("method", ["fire", "fireEvent"])
def test_fire_queues_and_returns_the_value(method: str) -> None:
    app = App()
    event = foo(1)
    value = getattr(app, method)(event)
    assert isinstance(value, Value)
    assert event.value is value
    assert value.manager is app
    assert app.seen == []
    assert len(app) == 1
    app.flush()
    assert app.seen == [(1,)]


class Channelled(Event):
    channels = ("c", "d")


class OneString(Event):
    channels = "single"  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("manager", "event", "given", "expected"),
    [
        (Manager, foo, (), ("*",)),
        (Component, foo, (), ("*",)),
        (App, foo, (), ("app",)),
        (App, foo, ("x",), ("x",)),
        (App, foo, ("x", "y"), ("x", "y")),
        (App, Channelled, (), ("c", "d")),
        (App, Channelled, ("x",), ("x",)),
        (App, OneString, (), ("single",)),
    ],
)
def test_the_channels_of_a_firing(manager: Any, event: Any, given: Any, expected: Any) -> None:
    fired = event()
    manager().fire(fired, *given)
    assert fired.channels == expected
    assert event.channels == (event().channels)


@pytest.mark.parametrize("topic", ["success", "failure", "complete"])
@pytest.mark.parametrize("channels", ["abc", ("abc",), ["abc"]])
def test_one_channel_of_feedback_may_be_its_name(topic: str, channels: Any) -> None:
    class asked(Event):
        success = failure = complete = True

    class App(Component):
        def asked(self) -> None:
            if topic == "failure":
                raise ValueError

        def error(self, *args: Any) -> None: ...

    app = App()
    recorder = Recorder(f"asked_{topic}").register(app)
    event = asked()
    setattr(event, f"{topic}_channels", channels)
    app.fire(event)
    while len(app):
        app.flush()
    assert [record.event.channels for record in recorder] == [("abc",)]


def test_channels_set_as_a_list_become_a_tuple() -> None:
    event = foo()
    event.channels = ["a", "b"]  # type: ignore[assignment]
    App().fire(event)
    assert event.channels == ("a", "b")


def test_an_event_may_be_fired_again_and_goes_where_it_went() -> None:
    app = App()
    event = foo()
    first = app.fire(event, "app", "other")
    second = app.fire(event)
    assert second is not first
    assert event.channels == ("app", "other")
    settle(app)
    assert len(app.seen) == 2


def test_arguments_reach_the_handler() -> None:
    app = App()
    app.fire(foo(1, 2, key=3))
    settle(app)
    assert app.seen == [((1, 2), {"key": 3})]


@pytest.mark.parametrize(
    ("thing", "message"),
    [
        (foo, "not its class: write foo"),
        ("foo", r"an event is needed, not its name: write Event.create\('foo'\)"),
        (None, "an event is needed"),
    ],
)
def test_only_events_can_be_fired(thing: Any, message: str) -> None:
    app = App()
    with pytest.raises(TypeError, match=message):
        app.fire(thing)
    with pytest.raises(TypeError, match="event"):
        app.call(thing)
    assert len(app) == 0


def test_an_event_without_its_base_constructor_is_explained() -> None:
    class Broken(Event):
        def __init__(self) -> None:
            pass

    with pytest.raises(TypeError, match=r"Broken.__init__ does not call super"):
        App().fire(Broken())


def test_an_unhashable_channel_is_refused() -> None:
    app = App()
    with pytest.raises(TypeError, match="unhashable"):
        app.fire(foo(), [1])
    assert len(app) == 0


# -- dynamic handlers --


def test_adding_a_function_binds_it() -> None:
    app = App()

    @handler("bar")
    def on_bar(self: App, x: int) -> None:
        self.seen.append(x)

    method = app.addHandler(on_bar)
    assert method.__self__ is app  # type: ignore[attr-defined]
    assert app.on_bar is method
    assert "bar" in app._handlers
    app.fire(Event.create("bar", 5))
    settle(app)
    assert app.seen == [5]


def test_adding_a_bound_method() -> None:
    app, other = App(), App()
    app.addHandler(other.foo)
    app.fire(foo(), "app")
    settle(app)
    assert len(other.seen) == 1


def test_a_function_that_wants_the_event_gets_it() -> None:
    app = App()

    @handler("bar")
    def on_bar(self: App, event: Event, x: int) -> None:
        self.seen.append((event.name, x))

    app.addHandler(on_bar)
    app.fire(Event.create("bar", 5))
    settle(app)
    assert app.seen == [("bar", 5)]


def test_what_is_not_marked_is_refused() -> None:
    with pytest.raises(TypeError, match="mark it"):
        App().addHandler(lambda self: None)


def on_names(self: Any, *args: Any) -> None:
    self.seen.append("ran")


@pytest.mark.parametrize(
    ("names", "options", "key"),
    [
        (("bar",), {}, "bar"),
        (("bar", "baz"), {}, "bar"),
        (("*",), {}, "*"),
        ((), {}, "*"),
        ((), {"channel": "*"}, None),
        (("bar",), {"channel": "*"}, "bar"),
    ],
)
def test_removing_what_was_added(names: Any, options: Any, key: str | None) -> None:
    app = App()
    function: Any = lambda self, *args: on_names(self, *args)  # noqa: E731
    function.__name__ = "on_names"
    method = app.addHandler(handler(*names, **options)(function))
    if key is None:
        assert method in app._globals
    else:
        assert method in app._handlers[key]
    app.fire(Event.create("bar"), "app")
    settle(app)
    assert app.seen == ["ran"]
    app.removeHandler(method)
    app.fire(Event.create("bar"), "app")
    settle(app)
    assert app.seen == ["ran"]
    assert app._globals == set()
    assert key not in app._handlers
    assert not hasattr(app, "on_names")


def test_removing_one_name_of_several() -> None:
    app = App()
    method = app.addHandler(handler("bar", "baz")(on_names))
    app.removeHandler(method, "bar")
    assert "bar" not in app._handlers
    assert "baz" in app._handlers
    assert hasattr(app, "on_names")
    app.fire(Event.create("bar"))
    app.fire(Event.create("baz"))
    settle(app)
    assert app.seen == ["ran"]
    app.removeHandler(method, "baz")
    assert not hasattr(app, "on_names")


@pytest.mark.parametrize("event", [None, "foo", "nothing"])
def test_removing_something_unknown(event: str | None) -> None:
    app = App()
    method = app.addHandler(handler("bar")(on_names))
    app.removeHandler(method)
    with pytest.raises(KeyError):
        app.removeHandler(method, event)


def test_a_method_of_the_class_can_be_removed_from_one_instance() -> None:
    one, other = App(), App()
    one.removeHandler(one.foo)
    for app in (one, other):
        app.fire(foo())
        settle(app)
    assert (one.seen, other.seen) == ([], [()])
    assert "foo" not in one._handlers


def test_changes_made_by_a_handler_count_from_the_next_event_on() -> None:
    class Changer(BaseComponent):
        def __init__(self) -> None:
            super().__init__()
            self.log: list[str] = []

        @handler("foo", priority=1)
        def _first(self) -> None:
            self.log.append("first")
            if not hasattr(self, "late"):
                self.addHandler(handler("foo")(late))
                self.removeHandler(self._second)

        @handler("foo")
        def _second(self) -> None:
            self.log.append("second")

    def late(self: Changer) -> None:
        self.log.append("late")

    app = Changer()
    app.fire(foo())
    app.fire(foo())
    settle(app)
    assert app.log == ["first", "second", "first", "late"]


# -- getHandlers --


def test_get_handlers_of_a_subtree() -> None:
    class Watch(BaseComponent):
        @handler(channel="*")
        def _everything(self, *args: Any) -> None: ...

        @handler("foo", channel="x")
        def _on_foo(self) -> None: ...

    root = App()
    child = Watch().register(root)
    assert root.getHandlers(foo(), "app") == {root.foo, child._everything}
    assert root.getHandlers(foo(), "app", exclude_globals=True) == {root.foo}
    assert root.getHandlers(foo(), "x", exclude_globals=True) == {child._on_foo}
    assert root.getHandlers(foo(), "*", exclude_globals=True) == {root.foo, child._on_foo}
    assert root.getHandlers(foo(), child, exclude_globals=True) == {child._on_foo}
    assert child.getHandlers(foo(), "app", exclude_globals=True) == set()
    assert root.getHandlers(Event.create("other"), "app", exclude_globals=True) == set()


# -- stop, start, join --


def test_stopping_what_does_not_run_does_nothing() -> None:
    app = App()
    app.stop()
    assert len(app) == 0


def test_stopping_a_child_does_nothing() -> None:
    app = App()
    child = App().register(app)
    with app.running():
        child.stop()
        assert app.running
        app.stop()
        assert not app.running


def test_only_the_node_that_was_run_is_running() -> None:
    app = App()
    child = App().register(app)
    with app.running():
        assert app.running == True  # noqa: E712
        assert app._running is True
        assert not child.running
    assert not app.running


def test_join_without_a_thread_returns() -> None:
    App().join()


def test_start_runs_in_a_daemon_thread_named_like_the_component(app_thread: Any) -> None:
    app = App()
    recorder = Recorder("foo").register(app)
    app_thread(app)
    thread = app._Manager__thread  # type: ignore[attr-defined]
    assert thread.daemon
    assert thread.name == "App"
    app.fire(foo())
    recorder.wait_for("foo")
    app.stop()
    app.join()
    assert app._Manager__thread is None  # type: ignore[attr-defined]
    assert not thread.is_alive()


def test_start_returns_the_thread_and_no_bridge() -> None:
    app = App()
    thread, bridge = app.start()
    assert isinstance(thread, threading.Thread)
    assert bridge is None
    app.stop()
    app.join()


def test_stop_right_after_start_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    def late(manager: Any) -> None:
        for _ in range(200):
            time.sleep(0)  # lets go of the interpreter: the thread that started us is ahead
        run(manager)

    run = _session.run
    monkeypatch.setattr(_session, "run", late)
    app = App()
    thread, _ = app.start()
    app.stop()
    thread.join(10)
    assert not thread.is_alive()


def test_what_runs_already_is_not_started(app_thread: Any) -> None:
    app = App()
    child = Component().register(app)
    with app.running():
        for node in (app, child):
            with pytest.raises(UnregistrableError, match="is already running"):
                node.start()
        assert app._Manager__thread is None  # type: ignore[attr-defined]
    app_thread(app)
    for node in (app, child):
        with pytest.raises(UnregistrableError, match="is already running"):
            node.start()


def test_of_several_threads_that_start_it_one_does() -> None:
    outcomes: list[Any] = []
    app = App()
    together = threading.Barrier(4)

    def start() -> None:
        together.wait(10)
        try:
            outcomes.append(app.start()[0])
        except UnregistrableError:
            outcomes.append(None)

    for _ in range(20):
        threads = [threading.Thread(target=start) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        (started,) = filter(None, outcomes)
        assert outcomes.count(None) == 3
        assert started is app._Manager__thread  # type: ignore[attr-defined]
        assert app._running
        app.stop()
        app.join()
        outcomes.clear()


def test_a_start_without_room_for_a_thread_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: Any) -> None:
        raise RuntimeError("can't start new thread")

    app = App()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="new thread"):
            app.start()
    app.join()
    app.start()
    app.stop()
    app.join()


def test_starting_what_fails_to_run_does_not_block() -> None:
    class Broken(App):
        @handler(False)
        def run(self, socket: Any = None) -> None:
            self.ran = True

    app = Broken()
    thread, _ = app.start()
    thread.join(10)
    assert app.ran


@pytest.mark.parametrize("link", [True, "x", 3])
def test_a_link_is_a_manager(link: Any) -> None:
    with pytest.raises(TypeError, match="link must be a manager"):
        App().start(link=link)


def test_started_and_stopped_come_once_per_run_on_the_managers_channel() -> None:
    app = App()
    recorder = Recorder("started", "stopped").register(app)
    for _ in range(2):
        with app.running():
            settle(app)
    assert recorder.names == ["started", "stopped"] * 2
    for record in recorder:
        assert record.args == (app,)
        assert record.channels == ("app",)
    assert isinstance(recorder.records[0].event, Started)
    assert isinstance(recorder.records[1].event, Stopped)


def test_a_plain_manager_starts_on_every_channel() -> None:
    manager = Manager()
    recorder = Recorder("started").register(manager)
    with manager.running():
        settle(manager)
    assert recorder.expect("started").channels == ("*",)


@pytest.mark.parametrize("name", ["_handlers", "_globals", "_tasks", "_queue", "_lock"])
def test_a_component_may_use_old_names_for_itself(name: str) -> None:
    class App(Component):
        def init(self) -> None:
            setattr(self, name, "mine")

    app = App()
    settle(app)
    assert getattr(app, name) == "mine"
