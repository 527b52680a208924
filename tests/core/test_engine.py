"""The queue and the dispatch of events: order, filters, results, failures, feedback."""

from __future__ import annotations

import gc
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from circuits import BaseComponent, Component, Event, Manager, handler
from circuits.core.events import Complete, Error, Failure, LiteralEvent, Success
from circuits.testing import Recorder, VirtualClock, settle


class foo(Event):
    pass


class bar(Event):
    pass


class Log(Component):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.log: list[Any] = []


# -- queue --


def test_events_are_dispatched_first_in_first_out() -> None:
    class App(Log):
        def foo(self, number: int) -> None:
            self.log.append(number)

    app = App()
    for number in range(10):
        app.fire(foo(number))
    app.flush()
    assert app.log == list(range(10))


def test_a_flush_takes_what_was_there_when_it_began() -> None:
    class App(Log):
        def foo(self, depth: int) -> None:
            self.log.append(depth)
            self.fire(foo(depth + 1))

    app = App()
    app.fire(foo(0))
    app.flush()
    assert app.log == [0]
    assert len(app) == 1
    app.flushEvents()
    assert app.log == [0, 1]


def test_a_child_flushes_the_root() -> None:
    class App(Log):
        def foo(self) -> None:
            self.log.append("foo")

    app = App()
    child = Component().register(app)
    app.fire(foo())
    child.flush()
    assert app.log == ["foo"]


def test_a_flush_within_a_flush_goes_on_with_the_batch() -> None:
    class App(Log):
        def foo(self, number: int) -> None:
            self.log.append(number)
            if number == 0:
                self.fire(foo(100))
                self.flush()
                self.log.append("back")

    app = App()
    for number in range(3):
        app.fire(foo(number))
    app.flush()
    assert app.log == [0, 1, 2, "back"]
    app.flush()
    assert app.log == [0, 1, 2, "back", 100]


def test_a_flush_within_late_events_goes_on_with_the_batch() -> None:
    class App(Log):
        def foo(self, number: int) -> None:
            self.log.append(number)
            if number == 1:
                self.fire(foo(100))
                self.flush()
                self.log.append("back")

    app = App()
    app.fire(foo(0))
    app.fire(foo(1), priority=1)
    app.fire(foo(2), priority=2)
    app.flush()
    assert app.log == [0, 1, 2, "back"]


def test_a_flush_within_early_events_goes_on_with_the_batch() -> None:
    class App(Log):
        def foo(self, number: int) -> None:
            self.log.append(number)
            if number == 0:
                self.flush()
                self.log.append("back")

    app = App()
    app.fire(foo(2))
    app.fire(foo(0), priority=-2)
    app.fire(foo(1), priority=-1)
    app.flush()
    assert app.log == [0, 1, 2, "back"]


@pytest.mark.parametrize(
    ("fired", "dispatched"),
    [
        ([0, 0, 0], [0, 1, 2]),
        ([2, 1, 0], [2, 1, 0]),
        ([0, 2, 0], [0, 2, 1]),
        ([0, -1, 0], [1, 0, 2]),
        ([1, 1, -1, -1], [2, 3, 0, 1]),
        ([0.5, 0.25], [1, 0]),
    ],
)
def test_smaller_priorities_go_first_within_a_batch(
    fired: list[float], dispatched: list[int]
) -> None:
    class App(Log):
        def foo(self, number: int) -> None:
            self.log.append(number)

    app = App()
    for number, priority in enumerate(fired):
        app.fire(foo(number), priority=priority)
    assert len(app) == len(fired)
    app.flush()
    assert app.log == dispatched
    assert len(app) == 0


# -- arguments --


def test_handlers_get_the_arguments_and_those_who_ask_the_event() -> None:
    class App(Log):
        @handler("foo")
        def plain(self, a: int, b: int = 0, *, key: str = "") -> None:
            self.log.append((a, b, key))

        @handler("foo")
        def with_event(self, event: Event, *args: int, **kwargs: str) -> None:
            self.log.append((event.name, args, kwargs, event.handler == self.with_event))

    app = App()
    event = foo(1, 2, key="x")
    app.fire(event)
    settle(app)
    assert app.log == [(1, 2, "x"), ("foo", (1, 2), {"key": "x"}, True)]
    assert event.handler is None


def test_arguments_changed_by_a_handler_in_place_are_seen_by_the_next() -> None:
    class App(Log):
        @handler("foo", priority=1)
        def first(self, event: Event, x: int) -> None:
            event[0] = x + 1

        def foo(self, x: int) -> None:
            self.log.append(x)

    app = App()
    app.fire(foo(1))
    settle(app)
    assert app.log == [2]


def test_a_misfit_is_an_ordinary_failure() -> None:
    class App(Log):
        def foo(self) -> None: ...

        def error(self, etype: Any, *args: Any) -> None:
            self.log.append(etype)

    app = App()
    value = app.fire(foo(1))
    settle(app)
    assert app.log == [TypeError]
    assert value.errors


# -- filters --


@pytest.mark.parametrize("result", [True, False, 0, "", [], "text"])
def test_a_filter_that_returns_something_ends_the_event(result: Any) -> None:
    class App(Log):
        @handler("foo", filter=True)
        def stop_it(self) -> Any:
            return result

        def foo(self) -> None:
            self.log.append("never")

    app = App()
    event = foo()
    event.success = True
    recorder = Recorder("foo_success").register(app)
    value = app.fire(event)
    settle(app)
    assert app.log == []
    assert value.value == result
    assert value.result is True
    assert recorder.names == ["foo_success"]


def test_a_filter_that_returns_nothing_lets_pass() -> None:
    class App(Log):
        @handler("foo", filter=True)
        def look(self) -> None: ...

        def foo(self) -> None:
            self.log.append("ran")

    app = App()
    app.fire(foo())
    settle(app)
    assert app.log == ["ran"]


def test_a_filter_that_suspends_ends_the_event() -> None:
    class App(Log):
        @handler("foo", filter=True)
        def slow(self) -> Iterator[Any]:
            yield "slow"

        def foo(self) -> None:
            self.log.append("never")

    app = App()
    value = app.fire(foo())
    settle(app)
    assert app.log == []
    assert value.value == "slow"


def test_a_filter_that_raises_ends_the_event_without_success() -> None:
    class App(Log):
        @handler("foo", filter=True)
        def broken(self) -> None:
            raise ValueError

        def foo(self) -> None:
            self.log.append("never")

        def error(self, *args: Any) -> None: ...

    app = App()
    event = foo()
    event.success = event.failure = event.complete = True
    recorder = Recorder("foo_success", "foo_failure", "foo_complete").register(app)
    app.fire(event)
    settle(app)
    assert app.log == []
    assert recorder.names == ["foo_failure", "foo_complete"]


# -- stop and cancel --


def test_stop_keeps_the_event_from_further_handlers() -> None:
    class App(Log):
        @handler("foo", priority=1)
        def first(self, event: Event) -> str:
            event.stop()
            return "stored"

        def foo(self) -> None:
            self.log.append("never")

    app = App()
    recorder = Recorder("foo_success", "foo_complete").register(app)
    event = foo()
    event.success = event.complete = True
    value = app.fire(event)
    settle(app)
    assert app.log == []
    assert value.value == "stored"
    assert recorder.names == ["foo_success", "foo_complete"]


def test_stop_counts_for_one_firing() -> None:
    class App(Log):
        @handler("foo", priority=1)
        def first(self, event: Event) -> None:
            if not self.log:
                event.stop()
                self.log.append("stopped")

        def foo(self) -> None:
            self.log.append("ran")

    app = App()
    event = foo()
    app.fire(event)
    settle(app)
    app.fire(event)
    settle(app)
    assert app.log == ["stopped", "ran"]


def test_a_cancelled_event_is_discarded_without_feedback() -> None:
    class App(Log):
        def foo(self) -> None:
            self.log.append("never")

    app = App()
    recorder = Recorder().register(app)
    settle(app)
    recorder.clear()
    event = foo()
    event.success = event.complete = event.alert_done = event.failure = True
    value = app.fire(event)
    event.cancel()
    settle(app)
    assert app.log == []
    assert recorder.names == []
    assert value.result is False


def test_who_calls_a_cancelled_event_goes_on() -> None:
    class App(Log):
        def go(self) -> Iterator[Any]:
            event = foo()
            self.event = event
            value = yield self.call(event)
            self.log.append((value.result, value.value))  # type: ignore[attr-defined]

        @handler("bar", priority=5)
        def cancels(self) -> None:
            self.event.cancel()

    app = App()
    app.fire(Event.create("go"))
    app.flush()
    app.fire(bar())
    settle(app)
    assert app.log == [(False, None)]


def test_a_cancelled_effect_does_not_hold_up_what_caused_it() -> None:
    class App(Log):
        def foo(self) -> None:
            event = bar()
            self.fire(event)
            event.cancel()

    app = App()
    recorder = Recorder("foo_complete").register(app)
    event = foo()
    event.complete = True
    app.fire(event)
    settle(app)
    assert recorder.names == ["foo_complete"]


def test_cancelling_during_dispatch_is_too_late() -> None:
    class App(Log):
        @handler("foo", priority=1)
        def first(self, event: Event) -> None:
            event.cancel()

        def foo(self) -> None:
            self.log.append("ran")

    app = App()
    app.fire(foo())
    settle(app)
    assert app.log == ["ran"]


# -- results --


@pytest.mark.parametrize(
    ("results", "outcome"),
    [
        ([None], None),
        (["a"], "a"),
        ([None, "a"], "a"),
        (["a", "b"], ["a", "b"]),
        ([False, 0], [False, 0]),
        ([["x"], "y"], [["x"], "y"]),
    ],
)
def test_results_of_handlers(results: list[Any], outcome: Any) -> None:
    class One(BaseComponent):
        def __init__(self, result: Any) -> None:
            super().__init__()
            self.result = result

        @handler("foo")
        def _foo(self) -> Any:
            return self.result

    app = Manager()
    for result in results:
        One(result).register(app)
    value = app.fire(foo())
    settle(app)
    assert value.value == outcome
    assert value.errors is False


# -- failures --


class Failing(Log):
    def foo(self) -> None:
        raise ValueError("broken")

    @handler("foo", priority=-1)
    def after(self) -> str:
        self.log.append("after")
        return "result"


class Quiet(Component):
    def error(self, *args: Any) -> None: ...


def test_a_failure_is_one_error_and_stops_nobody() -> None:
    app = Failing()
    recorder = Recorder("error").register(app)
    event = foo()
    value = app.fire(event)
    settle(app)
    assert app.log == ["after"]
    (record,) = recorder
    etype, evalue, lines, method = record.args
    assert etype is ValueError
    assert str(evalue) == "broken"
    assert isinstance(lines, list)
    assert all(isinstance(line, str) for line in lines)
    assert 'raise ValueError("broken")' in lines[-1]
    assert method == app.foo
    assert isinstance(record.event, Error)
    assert record.event.fevent is event
    assert value.errors
    assert value.result
    assert value.value == [(etype, evalue, lines), "result"]


def test_a_handler_of_error_takes_four_arguments() -> None:
    class App(Failing):
        def error(self, etype: Any, evalue: Any, tb: Any, handler: Any = None) -> None:
            self.log.append((etype, handler == self.foo))

    app = App()
    app.fire(foo())
    settle(app)
    assert app.log == ["after", (ValueError, True)]


def test_the_error_goes_to_the_channel_of_the_root() -> None:
    app = Failing(channel="root")
    child = Component(channel="child").register(app)
    recorder = Recorder("error").register(app)
    settle(app)
    child.fire(foo(), "root")
    settle(app)
    assert recorder.expect("error").channels == ("root",)


def test_without_a_handler_of_error_it_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    app = Failing()
    app.fire(foo())
    settle(app)
    (record,) = caplog.records
    assert record.name == "circuits"
    assert record.levelno == logging.ERROR
    first = (
        "ERROR <listener[*.foo] (Failing.foo)> (<foo[*.foo] ( )>) (<class 'ValueError'>): broken"
    )
    assert record.getMessage() == first
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], ValueError)
    assert 'raise ValueError("broken")' in logging.Formatter().format(record)


@pytest.mark.parametrize("on", ["error", "everything"])
def test_with_one_it_is_not(on: str, caplog: pytest.LogCaptureFixture) -> None:
    app = Failing()
    names = ("error",) if on == "error" else ()
    app.addHandler(handler(*names, channel="*")(lambda self, *args: None))
    app.fire(foo(), "*")
    settle(app)
    assert caplog.records == []


@pytest.mark.parametrize("kind", ["plain", "generator"])
def test_a_handler_of_error_that_raises_is_logged_and_no_more(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    class App(Failing):
        def error(self, *args: Any) -> Any:
            if kind == "plain":
                raise KeyError("worse")
            return self.later()

        @handler(False)
        def later(self) -> Iterator[Any]:
            yield
            raise KeyError("worse")

    app = App()
    recorder = Recorder("error").register(app)
    app.fire(foo())
    settle(app)
    assert recorder.names == ["error"]
    assert ["worse" in record.getMessage() for record in caplog.records] == [True]


def test_python_groups_and_base_exceptions_are_failures_too() -> None:
    class Odd(BaseException):
        pass

    class App(Component):
        def foo(self) -> None:
            raise Odd

    app = App() + Quiet()
    recorder = Recorder("error").register(app)
    app.fire(foo())
    settle(app)
    assert recorder.expect("error").args[0] is Odd


@pytest.mark.parametrize("problem", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("suspended", [False, True])
def test_some_exceptions_stop_the_root_and_are_no_errors(
    problem: type[BaseException], suspended: bool
) -> None:
    class App(Log):
        @handler("foo", priority=1)
        def first(self) -> str:
            return "first"

        @handler("foo")
        def ends(self) -> Any:
            if suspended:
                return self.later()
            raise problem

        @handler(False)
        def later(self) -> Iterator[Any]:
            yield
            raise problem

        @handler("foo", priority=-1)
        def last(self) -> None:
            self.log.append("last")

    app = App()
    recorder = Recorder("error", "foo_failure", "stopped").register(app)
    event = foo()
    event.failure = True
    with app.running():
        value = app.fire(event)
        settle(app)
        assert not app.running
    assert recorder.names == ["stopped"]
    assert app.log == ["last"]
    assert value.value == "first"
    assert value.errors is False


# -- feedback --


class Feedback(Log):
    """Notes feedback and what was fired in between."""

    raises = False

    def foo(self) -> str:
        self.fire(Event.create("direct"))
        if self.raises:
            raise ValueError
        return "result"

    def direct(self) -> None:
        self.log.append("direct")
        self.fire(Event.create("indirect"))

    def indirect(self) -> None:
        self.log.append("indirect")

    def foo_done(self, evt: Event, value: Any) -> None:
        self.log.append("done")

    def foo_success(self, evt: Event, value: Any) -> None:
        self.log.append(("success", type(evt).__name__, value))

    def foo_failure(self, evt: Event, error: Any) -> None:
        self.log.append(("failure", error[0], str(error[1]), type(error[2])))

    def foo_complete(self, evt: Event, value: Any) -> None:
        self.log.append("complete")

    def error(self, *args: Any) -> None:
        self.log.append("error")


FLAGS = ("alert_done", "success", "failure", "complete")


@pytest.mark.parametrize("by", ["class", "instance"])
def test_the_order_of_feedback(by: str) -> None:
    app = Feedback()
    if by == "class":
        event: Event = type("foo", (Event,), dict.fromkeys(FLAGS, True))()
    else:
        event = foo()
        for flag in FLAGS:
            setattr(event, flag, True)
    app.fire(event)
    settle(app)
    # What the handlers fired comes before success; what that fired, after it.
    assert app.log == ["direct", "done", ("success", "foo", "result"), "indirect", "complete"]


def test_the_order_of_feedback_of_a_failure() -> None:
    app = Feedback()
    app.raises = True
    event = foo()
    for flag in FLAGS:
        setattr(event, flag, True)
    app.fire(event)
    settle(app)
    failure = ("failure", ValueError, "", list)
    assert app.log == ["direct", failure, "error", "done", "indirect", "complete"]


@pytest.mark.parametrize("flag", FLAGS)
def test_feedback_comes_only_when_asked_for(flag: str) -> None:
    app = Feedback()
    app.fire(foo())
    settle(app)
    assert app.log == ["direct", "indirect"]


@pytest.mark.parametrize(
    ("fails", "names"),
    [
        ([], ["foo_success", "foo_complete"]),
        ([False], ["foo_success", "foo_complete"]),
        ([True], ["foo_failure", "error", "foo_complete"]),
        ([True, False], ["foo_failure", "error", "foo_complete"]),
        ([False, True], ["foo_failure", "error", "foo_complete"]),
        ([True, True], ["foo_failure", "error", "foo_failure", "error", "foo_complete"]),
    ],
)
@pytest.mark.parametrize("suspended", [False, True])
def test_success_and_failure_and_complete(
    fails: list[bool], names: list[str], suspended: bool
) -> None:
    class One(BaseComponent):
        def __init__(self, fail: bool) -> None:
            super().__init__()
            self.fail = fail

        @handler("foo")
        def _foo(self) -> Any:
            if suspended:
                return self._later()
            if self.fail:
                raise ValueError
            return None

        def _later(self) -> Iterator[Any]:
            yield
            if self.fail:
                raise ValueError

    app = Manager()
    for fail in fails:
        One(fail).register(app)
    recorder = Recorder("foo_success", "foo_failure", "foo_complete", "error").register(app)
    event = foo()
    event.success = event.failure = event.complete = True
    app.fire(event)
    settle(app)
    assert recorder.names == names


@pytest.mark.parametrize(
    ("flag", "suffix", "kind"),
    [
        ("success", "success", Success),
        ("failure", "failure", Failure),
        ("complete", "complete", Complete),
    ],
)
@pytest.mark.parametrize(
    ("redirect", "expected"),
    [(None, ("a", "b")), (("x",), ("x",)), (["x", "y"], ("x", "y"))],
)
def test_where_feedback_goes(
    flag: str, suffix: str, kind: type[Event], redirect: Any, expected: Any
) -> None:
    class App(Log):
        @handler("foo", channel="a")
        def _foo(self) -> None:
            if flag == "failure":
                raise ValueError

    app = App() + Quiet()
    recorder = Recorder(f"foo_{suffix}").register(app)
    event = foo()
    setattr(event, flag, True)
    if redirect is not None:
        setattr(event, f"{flag}_channels", redirect)
    app.fire(event, "a", "b")
    settle(app)
    record = recorder.expect(f"foo_{suffix}")
    assert record.channels == expected
    assert record.args[0] is event
    assert isinstance(record.event, kind)
    assert record.event.parent is event


def test_an_event_without_handlers_is_handled() -> None:
    app = Manager()
    recorder = Recorder("foo_success", "foo_complete").register(app)
    event = foo()
    event.success = event.complete = True
    app.fire(event)
    settle(app)
    assert recorder.names == ["foo_success", "foo_complete"]
    assert recorder.records[0].args == (event, None)


def test_a_suspended_handler_does_not_hide_the_failure_of_another() -> None:
    class App(Log):
        @handler("foo")
        def fails(self) -> None:
            raise ValueError

        @handler("foo")
        def slow(self) -> Iterator[Any]:
            yield

    app = App() + Quiet()
    recorder = Recorder("foo_success", "foo_failure").register(app)
    event = foo()
    event.success = event.failure = True
    app.fire(event)
    settle(app)
    assert recorder.names == ["foo_failure"]


@pytest.mark.parametrize("name", ["GET", "_read", "helloWorld"])
def test_feedback_is_named_after_the_event(name: str) -> None:
    app = Component()
    recorder = Recorder(f"{name}_success").register(app)
    event = LiteralEvent.create(Event, name)
    event.success = True
    app.fire(event)
    settle(app)
    assert recorder.names == [f"{name}_success"]


def test_a_failure_of_an_earlier_firing_is_forgotten() -> None:
    class App(Log):
        def foo(self) -> None:
            self.log.append(1)
            if len(self.log) == 1:
                raise ValueError

    app = App() + Quiet()
    recorder = Recorder("foo_success").register(app)
    event = foo()
    event.success = True
    app.fire(event)
    settle(app)
    assert recorder.names == []
    app.fire(event)
    settle(app)
    assert recorder.names == ["foo_success"]


# -- nobody can tell that feedback nobody sees is not built --


@pytest.mark.parametrize("how", ["wait after call", "wait after a bare yield", "wait at once"])
def test_feedback_that_somebody_is_about_to_wait_for_is_built(how: str) -> None:
    class App(Log):
        def go(self) -> Iterator[Any]:
            event = foo()
            event.success = True
            if how == "wait after call":
                yield self.call(event)
            else:
                self.fire(event)
                if how == "wait after a bare yield":
                    yield
            yield self.wait("foo_success")
            self.log.append("seen")

    app = App()
    with app.running():
        settle(app)
        app.fire(Event.create("go"))
        settle(app)
        assert app.log == ["seen"]


# -- threads --


def test_events_of_one_thread_keep_their_order_and_none_is_lost() -> None:
    class App(Log):
        def foo(self, thread: int, number: int) -> None:
            self.log.append((thread, number))

    app = App()

    def fire(thread: int) -> None:
        for number in range(1000):
            app.fire(foo(thread, number))

    threads = [threading.Thread(target=fire, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    settle(app)
    assert len(app.log) == 4000
    for number in range(4):
        assert [n for t, n in app.log if t == number] == list(range(1000))


def test_who_fires_into_an_idle_loop_wakes_it(app_thread: Callable[[Any], Any]) -> None:
    app = Log()
    recorder = Recorder("foo").register(app)
    app_thread(app)
    for number in range(100):
        app.fire(foo(number))
        recorder.wait_for("foo", number)


# -- what is set at the last moment --


def _turns(app: Manager) -> None:
    for _ in range(4):
        app.flush()


class Watched(Log):
    """Does with its event what the test says, in the first of three handlers."""

    def __init__(self, act: Callable[[Event[Any]], object]) -> None:
        super().__init__()
        self.act = act
        self.made = foo()

    @handler("foo", priority=1)
    def _on_foo_first(self, *args: Any, **kwargs: Any) -> object:
        return self.act(self.made)

    @handler("foo")
    def _on_foo(self, *args: Any, **kwargs: Any) -> None:
        self.log.append((args, kwargs))

    @handler("foo", priority=-1)
    def _on_foo_last(self, *args: Any, **kwargs: Any) -> None:
        self.log.append((args, kwargs))

    @handler("foo_success", "foo_failure", "foo_value_changed", "error", channel="*")
    def _on_feedback(self, event: Event[Any], *args: Any) -> None:
        self.log.append(event.name)


@pytest.mark.parametrize("debugged", [False, True])
@pytest.mark.parametrize(
    ("act", "seen"),
    [
        (lambda event: setattr(event, "success", True), [((), {})] * 2 + ["foo_success"]),
        (lambda event: setattr(event, "kwargs", {"x": 1}), [((), {"x": 1})] * 2),
        (lambda event: event.kwargs.update(x=1), [((), {"x": 1})] * 2),
        (lambda event: setattr(event, "args", [1]), [((1,), {})] * 2),
        (lambda event: event.args.append(1), [((1,), {})] * 2),
        (lambda event: setattr(event, "stopped", True), []),
        (lambda event: event.stop(), []),
        (lambda event: event.cancel(), [((), {})] * 2),
    ],
)
def test_what_a_handler_sets_counts_at_once(
    act: Callable[[Event[Any]], object], seen: list[Any], debugged: bool
) -> None:
    app = Watched(act)
    if debugged:
        _Global().register(app)
        settle(app)
    app.fire(app.made)
    _turns(app)
    assert app.log == seen


class _Global(BaseComponent):
    """Sees everything, and so takes every event the long way."""

    @handler(channel="*", priority=101)
    def _on_event(self, event: Event[Any], *args: Any, **kwargs: Any) -> None:
        pass


def test_a_result_is_told_if_its_handler_asked_for_that() -> None:
    def act(event: Event[Any]) -> int:
        event.notify = True
        return 5

    app = Watched(act)
    app.fire(app.made)
    _turns(app)
    assert app.log[2:] == ["foo_value_changed"]


def test_a_flag_that_a_handler_sets_on_the_class_counts_at_once() -> None:
    class Late(Event[Any]):
        pass

    class App(Log):
        def late(self) -> None:
            Late.success = True

        def late_success(self, *args: Any) -> None:
            self.log.append("success")

    app = App()
    app.fire(Late())
    _turns(app)
    assert app.log == ["success"]


def test_an_earlier_failure_of_the_same_event_is_forgotten() -> None:
    class App(Log):
        @handler("foo", priority=1)
        def _on_foo(self) -> None:
            if not self.log:
                raise ValueError

        @handler("foo")
        def _on_foo_too(self) -> None:
            if self.log:
                made.success = True

        @handler("foo_success", "error")
        def _on_feedback(self, event: Event[Any], *args: Any) -> None:
            self.log.append(event.name)

    app, made = App(), foo()
    for _ in range(2):
        app.fire(made)
        _turns(app)
    assert app.log == ["error", "foo_success"]


def test_an_event_leads_to_its_value_and_back() -> None:
    class App(Log):
        def foo(self) -> int:
            return 1

    app, made = App(), foo()
    app.fire(made)
    app.flush()
    assert made.value.event is made
    assert made.value.value == 1


# -- feedback that somebody begins to listen for --


class _Late(Log):
    """Runs, and lets a listener in between an event and the feedback of that."""

    @handler("started")
    def _on_started(self, component: object) -> None:
        self.begin()

    @handler(False)
    def begin(self) -> None:
        raise NotImplementedError

    @handler(False)
    def listen(self) -> None:
        log = self.log

        class Listener(Component):
            @handler("foo_success", "foo_failure", channel="*")
            def _on_feedback(self, event: Event[Any], *args: Any) -> None:
                log.append(event.name)

        Listener().register(self)
        self.stop()


def test_a_listener_added_by_the_handler_that_flushed_hears_of_success() -> None:
    class App(_Late):
        def begin(self) -> None:
            self.fire(bar())
            made = foo()
            made.success = True
            self.fire(made)

        def bar(self) -> None:
            self.flush()
            self.listen()

    app = App()
    app.run()
    assert app.log == ["foo_success"]


def test_a_listener_added_by_an_event_with_precedence_hears_of_success() -> None:
    class App(_Late):
        def begin(self) -> None:
            made = foo()
            made.success = True
            self.fire(made)

        def foo(self) -> None:
            self.fire(bar(), priority=-1)

        def bar(self) -> None:
            self.listen()

    app = App()
    app.run()
    assert app.log == ["foo_success"]


def test_a_listener_added_by_the_next_handler_hears_of_failure() -> None:
    class App(_Late):
        def begin(self) -> None:
            made = foo()
            made.failure = True
            self.fire(made)

        @handler("foo", priority=1)
        def _on_foo(self) -> None:
            raise ValueError

        @handler("foo")
        def _on_foo_too(self) -> None:
            self.listen()

        @handler("error")
        def _on_error(self, *args: Any) -> None:
            pass

    app = App()
    app.run()
    assert app.log == ["foo_failure"]


# -- the end --


def test_the_end_comes_as_soon_as_nothing_holds_it_up() -> None:
    """Also when a timer releases it: no wait begins after that."""
    waits = []

    class App(Component):
        def started(self, component: Manager) -> None:
            self.stop()

        def stopped(self, component: Manager) -> None:
            engine = self._tree_engine
            engine.hold(self)
            engine.schedule.call_at(clock.now + 0.25, lambda: engine.release(self))

        @handler("generate_events", filter=True)
        def _on_generate_events(self, event: Any) -> bool:
            waits.append(event.time_left)
            clock.advance(event.time_left)
            return True

    with VirtualClock() as clock:
        App().run()
    assert sum(waits) == pytest.approx(0.25, abs=0.01)


def test_a_tree_wants_a_loop_of_asyncio_as_soon_as_a_handler_is_a_coroutine_function() -> None:
    class Plain(Component):
        def foo(self) -> None: ...

    class Async(Component):
        async def foo(self) -> None: ...

    app = Plain()
    Plain().register(app)
    settle(app)
    assert not app._tree_engine.loop.wants_host
    Async().register(app)
    assert app._tree_engine.loop.wants_host
    assert Async()._tree_engine.loop.wants_host


@pytest.mark.parametrize("kind", ["plain", "generator", "coroutine"])
@pytest.mark.parametrize("watched", [False, True])
def test_a_failure_does_not_keep_those_before(kind: str, watched: bool) -> None:
    """The traceback of each holds frames of ours, in which others must not be left."""

    class Again(Component):
        begun = 0

        def error(self, *args: Any) -> None:
            pass

        def go_on(self) -> None:
            self.begun += 1
            if self.begun < 200:
                self.fire(foo())

    class Plain(Again):
        def foo(self) -> None:
            self.go_on()
            raise LookupError

    class Generator(Again):
        def foo(self) -> Iterator[None]:
            self.go_on()
            yield None
            raise LookupError

    class Coroutine(Again):
        async def foo(self) -> None:
            self.go_on()
            raise LookupError

    app: Again = {"plain": Plain, "generator": Generator, "coroutine": Coroutine}[kind]()
    if watched:
        _Global().register(app)
    with app.running():
        app.fire(foo())
        while app.begun < 100:
            app.tick(0)
        gc.collect()
        kept = sum(type(thing) is LookupError for thing in gc.get_objects())
        settle(app)
    assert kept < 10
