"""The diagnosis mode: what is logged with it, and that nothing else changes."""

from __future__ import annotations

import gc
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Generator
from types import SimpleNamespace
from typing import Any

import pytest

from circuits import Component, Event, Timer, handler
from circuits.core.events import LiteralEvent
from circuits.net.events import Read
from circuits.testing import settle
from circuits.tools import diagnosis


class foo(Event):
    pass


@pytest.fixture(autouse=True)
def wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIRCUITS_DEBUG", "1")


def texts(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged, but for timers without a tree: other tests may have left some as garbage."""
    return [text for text in all_texts(caplog) if "it counts in a tree only" not in text]


def all_texts(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.name == "circuits.debug"]


class App(Component):
    channel = "app"

    def __init__(self) -> None:
        super().__init__()
        self.fired = foo  # somebody fires it, as far as the sources tell

    def foo(self, *args: Any) -> None: ...

    @handler("blocks")
    def _on_blocks(self, release: threading.Event) -> None:
        release.wait(30)


def test_events_that_nobody_handles_are_told_once(caplog: pytest.LogCaptureFixture) -> None:
    app = App()
    with app.running():
        for _ in range(3):
            app.fire(foo(1), "typo")
            app.fire(foo(2), "app")
            settle(app)
    told = [text for text in texts(caplog) if text.startswith("nobody handles")]
    assert told == [
        "nobody handles 'foo' on 'typo'; it is handled on 'app' by App: <foo[typo.foo] (1 )>"
    ]


def test_events_of_ours_and_feedback_are_not(caplog: pytest.LogCaptureFixture) -> None:
    class wants(Event):
        success = failure = complete = True

    class Quiet(Component):
        def wants(self) -> None: ...

    app = Quiet()
    with app.running():
        Component().register(app)
        app.fire(wants())
        settle(app)
    assert [text for text in texts(caplog) if text.startswith("nobody handles")] == []


def test_a_handler_that_keeps_the_loop_is_named_while_it_does(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app, release = App(), threading.Event()

    class Sees(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "keeps the loop" in record.getMessage():
                release.set()

    sees = Sees()
    logging.getLogger("circuits.debug").addHandler(sees)
    try:
        with app.running():
            app.fire(Event.create("blocks", release))
            settle(app)
    finally:
        logging.getLogger("circuits.debug").removeHandler(sees)
    assert release.is_set()
    (told,) = [text for text in texts(caplog) if "keeps the loop" in text]
    assert told.startswith("App._on_blocks (")
    assert "release.wait(30)" in told


def test_the_sources_are_looked_through_at_the_start(caplog: pytest.LogCaptureFixture) -> None:
    class Forgotten(Component):
        def never_to_be_fired(self) -> None: ...

    with Forgotten().running():
        pass
    assert any("never_to_be_fired" in text and "nobody fires" in text for text in texts(caplog))


def test_sources_that_are_none_any_more_end_nothing(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(app: Component) -> None:
        raise SyntaxError("in the middle of being changed")

    monkeypatch.setattr(diagnosis, "check", check)
    app = App()
    with app.running():
        value = app.fire(foo(1), "app")
        settle(app)
    assert not value.errors
    assert [text for text in texts(caplog) if "in the middle of being changed" in text]


def test_a_timer_without_a_tree_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    gc.collect()  # those of other tests
    caplog.clear()
    timer = Timer(5, foo())
    del timer
    gc.collect()
    assert all_texts(caplog) == [
        "a timer of 5 seconds for <foo[.foo] ( )> was never registered: it counts in a tree only"
    ]


@pytest.mark.process
def test_a_timer_that_goes_with_the_interpreter_is_no_failure() -> None:
    program = "from circuits import Event, Timer\ntimer = Timer(5, Event.create('foo'))"
    command = [sys.executable, "-X", "dev", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "Exception ignored" not in done.stderr


def test_a_stop_of_what_does_not_run_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    class Part(Component):
        channel = "part"

    app = Component()
    part = Part().register(app)
    part.stop()  # nothing runs: there is nothing to be told
    with app.running():
        part.stop()
        assert app.running
    (told,) = [text for text in texts(caplog) if "told to stop" in text]
    assert told.startswith("<Part/part ")
    assert told.endswith("goes on; write self.root.stop() to end it")


def test_a_stop_of_the_root_while_a_part_runs_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    class Part(Component):
        channel = "part"

    app = Component()
    part = Part().register(app)
    with part.running():
        app.stop()
        assert part.running
        part.stop()
        app.stop()  # it is stopping: there is nothing to be told
    first, second = [text for text in texts(caplog) if "nobody fires" not in text]
    assert "<Part/part " in first
    assert first.endswith("run the root")
    assert "was told to stop" in second
    assert second.endswith("goes on; run the root in its place")


def test_events_made_by_name_are_told_of_likewise(caplog: pytest.LogCaptureFixture) -> None:
    app = App()
    with app.running():
        app.fire(Event.create("foo"), "typo")
        app.fire(LiteralEvent.create(Event, "Odd"), "app")
        app.fire(Read.create("Later", None, b""))  # of a kind that is the framework's
        settle(app)
    told = [text.partition(":")[0] for text in texts(caplog) if text.startswith("nobody handles")]
    assert told == [
        "nobody handles 'foo' on 'typo'; it is handled on 'app' by App",
        "nobody handles 'Odd' on 'app'",
    ]


def test_who_cannot_hear_the_beginning_or_the_end_is_told_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Part(Component):
        channel = "part"

        def started(self, component: Any) -> None: ...

        @handler("started", channel="*")
        def _hears(self, component: Any) -> None: ...

        @handler("stopped", channel="app")
        def _hears_too(self, component: Any) -> None: ...

        @handler("started", "stopped", channel="else")
        def _neither(self, component: Any) -> None: ...

    with (App() + Part()).running():
        pass
    assert [text.partition(", the")[0] for text in texts(caplog) if "never hears" in text] == [
        f"{__name__}.{Part.started.__qualname__} never hears 'started', which goes to 'app'",
        f"{__name__}.{Part._neither.__qualname__} never hears 'started', which goes to 'app'",
        f"{__name__}.{Part._neither.__qualname__} never hears 'stopped', which goes to 'app'",
    ]
    caplog.clear()
    with (Component() + Part()).running():  # without a channel, it goes everywhere
        pass
    with Part().running():
        pass
    assert [text for text in texts(caplog) if "Part.started never hears" in text] == []


def test_who_waits_for_an_event_hears_it(caplog: pytest.LogCaptureFixture) -> None:
    class Waits(Component):
        def started(self, component: Any) -> Generator[Any, Any, None]:
            yield self.wait("foo")

    with Waits().running() as app:
        settle(app)
        app.fire(foo(1))
        settle(app)
    assert texts(caplog) == []


def test_without_it_nothing_is_said(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for value in ("", "0"):
        monkeypatch.setenv("CIRCUITS_DEBUG", value)
        app = App()
        with app.running():
            app.fire(foo(1), "typo")
            settle(app)
            Timer(5, foo())
            assert not [t for t in threading.enumerate() if t.name == "circuits-debug"]
    if not sys.flags.dev_mode:
        assert all_texts(caplog) == []


def test_results_are_the_same_with_it() -> None:
    app = App()
    with app.running():
        value = app.fire(foo(1), "app")
        settle(app)
    assert value.value is None
    assert not value.errors
    assert app._tree_engine.routes.watch_unheard is None


def test_its_thread_ends_with_the_run() -> None:
    app = App()
    with app.running():
        accompanies = app._tree_engine.loop.session._diagnosis  # type: ignore[union-attr]
        assert isinstance(accompanies, diagnosis.Diagnosis)
    accompanies._watch.join(10)
    assert not accompanies._watch.is_alive()


@pytest.mark.parametrize(
    ("file", "is_told"),
    [("/app/page.py", True), (os.__file__, False), ("<frozen importlib._bootstrap>", False)],
)
def test_what_we_do_ourselves_is_no_handler(file: str, is_told: bool) -> None:
    def frame(file: str, back: Any) -> Any:
        return SimpleNamespace(f_code=SimpleNamespace(co_filename=file), f_back=back)

    callee = frame(file, frame(diagnosis.__file__, None))
    assert diagnosis._handler_frame(callee, None) is (callee if is_told else None)


@pytest.mark.process
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs to fork")
def test_what_a_handler_has_forked_is_not_taken_for_the_handler() -> None:
    program = """
import os, time
from circuits import Component, sleep
class Child(Component):
    def started(self, component):
        yield sleep(0.4)
        self.stop()
class App(Component):
    def started(self, component):
        process, _ = Child().start(process=True)
        yield sleep(0.01)
        while process.is_alive():
            yield sleep(0.01)
        self.stop()
App().run()
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "CIRCUITS_DEBUG": "1"},
    )
    # On a busy machine the handler itself may be told of, while it forks; what runs in the child is not.
    assert (done.returncode, "_run_child" in done.stderr) == (0, False)


@pytest.mark.process
@pytest.mark.skipif(os.name != "posix", reason="only POSIX has such signals")
@pytest.mark.parametrize("how", [["-X", "dev"], []])
def test_the_first_interrupt_says_how_to_end_at_once(how: list[str]) -> None:
    program = """
import time
from circuits import Component
class App(Component):
    def started(self, component):
        print("ready", flush=True)
        time.sleep(60)
App().run()
"""
    with subprocess.Popen(
        [sys.executable, *how, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "CIRCUITS_DEBUG": "" if how else "1"},
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        said = ""
        while "stopping" not in said:
            said = process.stderr.readline()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert "stopping when App.started (" in said
    assert said.endswith("ends; a second signal ends at once\n")
