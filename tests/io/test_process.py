"""Processes before they run, when they cannot run, and what goes past them."""

from __future__ import annotations

import errno
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from circuits import Event, Manager
from circuits.core import events as core_events
from circuits.io import Process
from circuits.io.process import Kill, Signal, Start, Stop, Wait, Write
from circuits.testing import settle

from .io_support import Seen


@pytest.fixture
def app(app_runner: Callable[[Manager], Manager]) -> Manager:
    return app_runner(Manager())


@pytest.fixture
def seen(app: Manager) -> Seen:
    return Seen("process").register(app)


def numbers() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_before_the_first_start(app: Manager, seen: Seen) -> None:
    process = Process(["true"], "/", True).register(app)
    assert (process.args, process.cwd, process.shell) == (["true"], "/", True)
    assert process.p is None
    assert process.status is None
    assert (process.stdout.getvalue(), process.stderr.getvalue()) == (b"", b"")
    for event in (Stop(), Kill(), Signal(signal.SIGTERM)):
        app.fire(event, "process")
    waited = app.fire(Wait(), "process")
    settle(app)
    assert waited.value is None
    assert seen.names == ["stop", "kill", "signal", "wait"]


def test_writing_to_nobody_is_told(app: Manager, seen: Seen) -> None:
    Process(["true"]).register(app)
    app.fire(Write(b"data"), "process")
    settle(app)
    assert isinstance(seen.problem, BrokenPipeError)


@pytest.mark.process
@pytest.mark.parametrize(
    ("args", "cwd", "kind"),
    [
        (["/nobody/here"], None, FileNotFoundError),
        (["true"], "/nobody/here", FileNotFoundError),
        (["/"], None, PermissionError),
        (["true", 5], None, TypeError),
        (["a\0b"], None, ValueError),
    ],
)
@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts descriptors in /proc")
def test_what_cannot_be_started_is_told(
    app: Manager, seen: Seen, args: Any, cwd: str | None, kind: type[Exception]
) -> None:
    process = Process(args, cwd).register(app)
    settle(app)
    before = numbers()
    app.fire(Start(), "process")
    settle(app)
    assert isinstance(seen.problem, kind)
    assert "started" not in seen.names
    assert process.p is None
    assert numbers() <= before  # the collector may have closed others


def test_a_signal_of_this_process_is_not_passed_on(
    app: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[int] = []
    process = Process(["true"]).register(app)
    monkeypatch.setattr(process, "_send", sent.append)
    app.fire(core_events.Signal(signal.SIGINT, None), "*")
    app.fire(Signal(signal.SIGHUP), "process")
    settle(app)
    assert sent == [signal.SIGHUP]


def test_who_has_become_somebody_else_is_told(
    app: Manager, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Child:
        pid = 1
        returncode = None

        def send_signal(self, number: int) -> None:
            raise PermissionError(errno.EPERM, "not yours")

    monkeypatch.setattr("os.waitpid", lambda pid, how: (0, 0))
    process = Process(["sudo"]).register(app)
    process.p = Child()  # type: ignore[assignment]
    process.kill()
    settle(app)
    assert isinstance(seen.problem, PermissionError)


def test_events_with_its_names_on_other_channels(app: Manager, seen: Seen) -> None:
    class start(Event):
        pass

    process = Process(["true"]).register(app)
    app.fire(start(), "elsewhere")
    settle(app)
    assert process.p is None


def test_a_process_that_is_run_as_an_application_ends_as_one() -> None:
    process = Process(["true"])
    with process.running():
        settle(process)
        process.stop()
        assert not process.running


def test_channels() -> None:
    class Mine(Process):
        channel = "mine"

    assert Mine(["true"]).channel == "mine"
    assert Mine(["true"], channel="other").channel == "other"


def test_output_is_collected_up_to_a_limit(app: Manager, seen: Seen) -> None:
    process = Process(["true"], max_output=5).register(app)
    for data in (b"012", b"345", b"678"):
        process._collect("stdout", data)
    process._collect("stderr", b"x")
    settle(app)
    assert process.stdout.getvalue() == b"01234"
    assert process.stderr.getvalue() == b"x"
    assert seen.problem.errno == errno.ENOBUFS


@pytest.mark.parametrize(("limit", "kept"), [(None, b"data"), (0, b"")])
def test_all_or_nothing(app: Manager, seen: Seen, limit: int | None, kept: bytes) -> None:
    process = Process(["true"], max_output=limit).register(app)
    process._collect("stdout", b"data")
    settle(app)
    assert process.stdout.getvalue() == kept
    assert seen.names == []


def test_nothing_is_started_by_making_or_joining(app: Manager, tmp_path: Path) -> None:
    file = tmp_path / "made"
    Process(["touch", str(file)]).register(app)
    settle(app)
    assert not file.exists()


def test_another_thread_may_write(app: Manager, seen: Seen) -> None:
    process = Process(["true"]).register(app)
    settle(app)
    thread = threading.Thread(target=process.write, args=(b"in",))
    thread.start()
    thread.join(10)
    assert [event.name for event in app._queue] == ["write"]
    settle(app)
    assert seen.names == ["error", "io_error"]  # it does not run
