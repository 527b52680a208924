"""One run of a tree: run, start to end, with the signals; ``with app.running()``; the orderly end."""

from __future__ import annotations

import atexit
import signal
import threading
from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest

from circuits import Component, Event, Manager, Timer, handler
from circuits.testing import Recorder, VirtualClock, settle


class foo(Event):
    pass


class App(Component):
    channel = "app"

    def __init__(self, at_start: Callable[[App], object] = lambda app: app.stop()) -> None:
        super().__init__()
        self.at_start = at_start
        self.log: list[str] = []

    @handler("started", channel="*")
    def _on_started(self, component: Any) -> None:
        self.at_start(self)


# -- run --


def test_run_fires_started_and_stopped_and_returns() -> None:
    app = App()
    recorder = Recorder().register(app)
    settle(app)
    recorder.clear()
    app.run()
    assert recorder.names == ["started", "stopped"]
    assert app.running == False  # noqa: E712
    assert len(app) == 0


def test_it_can_be_run_again() -> None:
    app = App()
    recorder = Recorder("started", "stopped").register(app)
    app.run()
    app.run()
    assert recorder.names == ["started", "stopped"] * 2


def test_what_is_queued_when_it_stops_is_dispatched_with_what_it_fires() -> None:
    class Chain(App):
        def foo(self, depth: int) -> None:
            self.log.append(str(depth))
            if depth:
                self.fire(foo(depth - 1))

        def stopped(self, component: Any) -> None:
            self.log.append("stopped")
            self.fire(foo(1))

    def at_start(app: App) -> None:
        app.fire(foo(10))
        app.stop()

    app = Chain(at_start)
    app.run()
    assert sorted(app.log) == sorted([*map(str, range(11)), "stopped", "1", "0"])
    assert len(app) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_an_event_and_stops(number: int) -> None:
    app = App(lambda app: signal.raise_signal(number))
    recorder = Recorder("signal", "stopped").register(app)
    app.run()
    assert recorder.names == ["signal", "stopped"]
    record = recorder.expect("signal", number)
    assert record.channels == ("app",)
    assert len(record.args) == 2


def test_signal_handlers_are_put_back() -> None:
    before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    during: list[Any] = []

    def at_start(app: App) -> None:
        during.extend(signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM))
        app.stop()

    App(at_start).run()
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == before
    assert during[0] not in before


def test_a_second_signal_ends_at_once() -> None:
    class Endless(App):
        def foo(self) -> None:
            self.log.append("foo")
            self.fire(foo())
            if len(self.log) == 50:
                signal.raise_signal(signal.SIGINT)

    def at_start(app: App) -> None:
        app.fire(foo())
        signal.raise_signal(signal.SIGINT)

    app = Endless(at_start)
    app.run()
    assert 50 <= len(app.log) < 100


@pytest.mark.parametrize("code", [0, None])
@pytest.mark.parametrize("how", ["stop", "exit"])
def test_no_code_is_a_plain_return(code: Any, how: str) -> None:
    def at_start(app: App) -> None:
        if how == "exit":
            raise SystemExit(code)
        app.stop(code)

    App(at_start).run()


@pytest.mark.parametrize("code", [3, "message", 1])
@pytest.mark.parametrize("how", ["stop", "exit"])
def test_a_code_becomes_that_of_the_process_after_an_orderly_end(code: Any, how: str) -> None:
    def at_start(app: App) -> None:
        if how == "exit":
            raise SystemExit(code)
        app.stop(code)

    app = App(at_start)
    recorder = Recorder("stopped").register(app)
    with pytest.raises(SystemExit) as caught:
        app.run()
    assert caught.value.code == code
    assert recorder.names == ["stopped"]
    app.at_start = lambda app: app.stop()
    app.run()


@pytest.mark.usefixtures("looks_often")
@pytest.mark.parametrize("first", [None, 0, 4])
@pytest.mark.parametrize("suspends", [False, True])
def test_a_code_of_a_handler_of_the_end_counts_if_there_is_no_other(
    first: int | None, suspends: bool
) -> None:
    class Fails(App):
        @handler("stopped", channel="*")
        def _on_stopped(self, component: Any) -> Any:
            return self.fails() if suspends else next(self.fails())

        @handler(False)
        def fails(self) -> Iterator[None]:
            if suspends:
                yield
            raise SystemExit(3)

    with pytest.raises(SystemExit) as caught:
        Fails(lambda app: app.stop(first)).run()
    assert caught.value.code == (first or 3)


def test_a_handler_called_stop_keeps_no_exit_from_ending_it() -> None:
    with pytest.warns(UserWarning, match="stop"):

        class Hides(App):
            def stop(self, other: int) -> None:  # type: ignore[override]
                self.log.append("stop")

    def at_start(app: App) -> None:
        raise SystemExit(3)

    app = Hides(at_start)
    with pytest.raises(SystemExit) as caught:
        app.run()
    assert (caught.value.code, app.log) == (3, [])


def test_a_fault_of_the_loop_is_printed_and_ends_the_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(timeout: float, stays: bool) -> None:
        raise OSError("kernel trouble")

    class Waits(App):
        def foo(self) -> Iterator[Any]:
            try:
                yield self.wait("never")
            finally:
                self.log.append("closed")

    app = Waits(lambda app: app.fire(foo()))
    recorder = Recorder("stopped").register(app)
    monkeypatch.setattr(app._tree_engine.loop, "idle", broken)
    app.run()
    assert "kernel trouble" in capsys.readouterr().err
    assert recorder.names == ["stopped"]
    assert not app.running


def test_a_running_tree_cannot_be_run_once_more() -> None:
    app = App(lambda app: None)
    child = Component().register(app)
    with app.running():
        with pytest.raises(RuntimeError, match="already running"), app.running():
            pass
        with pytest.raises(RuntimeError, match="already running"):
            child.run()
        assert app.running


def test_stop_is_called_at_the_end_of_the_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    entered: list[Any] = []
    monkeypatch.setattr(atexit, "register", entered.append)
    monkeypatch.setattr(atexit, "unregister", entered.remove)
    app = App(lambda app: None)
    with app.running():
        (at_exit,) = entered
        at_exit()
        assert not app._running
    assert entered == []


def test_the_thread_is_known_while_it_runs(app_thread: Any) -> None:
    app = app_thread(App(lambda app: None))
    assert app._tree_engine.loop.thread == app._Manager__thread.ident
    app.stop()
    app.join()
    assert app._tree_engine.loop.thread is None


def test_a_stop_from_another_thread_ends_an_idle_run() -> None:
    ready = threading.Event()
    app = App(lambda app: ready.set())
    thread = threading.Thread(target=app.run)
    thread.start()
    assert ready.wait(10)
    app.stop()
    thread.join(10)
    assert not thread.is_alive()


def test_a_fire_from_another_thread_wakes_an_idle_run() -> None:
    ready = threading.Event()

    class Ends(App):
        def foo(self) -> None:
            self.stop()

    app = Ends(lambda app: ready.set())
    thread = threading.Thread(target=app.run)
    thread.start()
    assert ready.wait(10)
    app.fire(foo())
    thread.join(10)
    assert not thread.is_alive()


# -- with app.running() --


def test_a_loop_of_ones_own(virtual_clock: VirtualClock) -> None:
    app = App(lambda app: None)
    recorder = Recorder("started", "stopped", "foo").register(app)
    Timer(5, foo()).register(app)
    before = signal.getsignal(signal.SIGINT)
    with app.running() as entered:
        assert entered is app
        assert app.running
        assert signal.getsignal(signal.SIGINT) is before
        for _ in range(10):
            app.tick(0)
            virtual_clock.advance(1)
    assert not app.running
    assert recorder.names == ["started", "foo", "stopped"]


def test_the_body_may_raise() -> None:
    app = App(lambda app: None)
    recorder = Recorder("stopped").register(app)
    with pytest.raises(ValueError, match="mine"), app.running():
        raise ValueError("mine")
    assert recorder.names == ["stopped"]
    assert not app.running


def test_running_reads_like_a_truth_value() -> None:
    app = App(lambda app: None)
    assert repr(app.running) == "False"
    assert bool(app.running) is False
    with app.running():
        assert repr(app.running) == str(app.running) == "True"
        assert app.running == 1


# -- the orderly end --


def test_what_holds_the_end_up_is_waited_for() -> None:
    class Holds(App):
        def stopped(self, component: Any) -> None:
            engine = self._tree_engine
            engine.hold(self)
            self.fire(foo(engine))

        def foo(self, engine: Any) -> None:
            self.log.append("released")
            engine.release(self)

    app = Holds()
    app.run()
    assert app.log == ["released"]


def test_but_not_for_ever(virtual_clock: VirtualClock) -> None:
    class Holds(App):
        stop_timeout = 3.0

        @handler("generate_events", channel="*")
        def _generate(self, event: Any) -> None:
            virtual_clock.advance(1)
            event.reduce_time_left(0)

        def stopped(self, component: Any) -> None:
            self._tree_engine.hold(self)

    app = Holds()
    app.run()
    assert 1003 <= virtual_clock.now < 1020


def test_suspended_handlers_are_closed() -> None:
    class Waits(App):
        def foo(self) -> Iterator[Any]:
            try:
                while True:
                    yield
            finally:
                self.log.append("closed")

    def at_start(app: App) -> None:
        app.fire(foo())
        app.fire(Event.create("end"), app)

    app = Waits(at_start)
    app.addHandler(handler("end")(lambda self: self.stop()))
    app.run()
    assert app.log == ["closed"]


def test_an_application_that_always_fires_ends_all_the_same(virtual_clock: VirtualClock) -> None:
    class Endless(App):
        def init(self) -> None:
            self.count = 0

        def started(self, component: Any) -> None:
            self.fire(foo())
            self.stop()

        def foo(self) -> None:
            self.count += 1
            virtual_clock.advance(1)
            self.fire(foo())

    app = Endless()
    app.run()
    assert app.stop_timeout < app.count < 2000


@pytest.mark.usefixtures("looks_often")
def test_a_suspended_handler_of_stopped_has_its_say() -> None:
    log: list[Any] = []

    class App(Component):
        def started(self, component: Manager) -> None:
            self.stop()

        def stopped(self, component: Manager) -> Generator[Any, Any, None]:
            log.append("begun")
            yield None
            value = yield self.call(Event.create("farewell"))
            log.append(value.value)

        def farewell(self) -> str:
            return "done"

    App().run()
    assert log == ["begun", "done"]


def test_a_handler_that_yields_for_ever_is_closed_at_the_end() -> None:
    log = []

    class App(Component):
        def started(self, component: Manager) -> Iterator[Any]:
            self.stop()
            try:
                while True:
                    log.append("turn")
                    yield None
            finally:
                log.append("closed")

    App().run()
    assert log[-1] == "closed"
    assert len(log) < 10
