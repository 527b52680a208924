"""circuits.app.daemon without a fork: when it forks, what it refuses, and the pid file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from circuits import Component, Event
from circuits.app.daemon import Daemon, Daemonize, DeletePID, PidFileError, WritePID
from circuits.testing import settle

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from circuits.testing import Recorder

    Run = Callable[[Component], Component]
    Record = Callable[..., Recorder]

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


def in_foreground(pidfile: str | os.PathLike[str], **options: Any) -> Daemon:
    """A daemon that does not fork, which would be the end of the tests."""
    made = Daemon(pidfile, **options)
    for method in list(made._handlers["daemonize"]):
        made.removeHandler(method)
    return made


@pytest.fixture
def daemon(tmp_path: Path) -> Daemon:
    """A daemon that stays in the foreground."""
    return in_foreground("app.pid", path=tmp_path)


def test_paths_are_in_the_folder(tmp_path: Path) -> None:
    daemon = Daemon("a.pid", path=tmp_path, stdout="out", stderr="/var/err")
    assert daemon.pidfile == os.fspath(tmp_path / "a.pid")
    assert daemon.stdin == os.devnull
    assert daemon.stdout == os.fspath(tmp_path / "out")
    assert daemon.stderr == "/var/err"
    assert Daemon("/run/a.pid").pidfile == "/run/a.pid"


def test_the_folder_must_be_absolute() -> None:
    with pytest.raises(ValueError, match="absolute"):
        Daemon("a.pid", path="here")


def test_it_begins_when_the_application_starts(
    daemon: Daemon, app_runner: Run, recorder: Record
) -> None:
    app = Component()
    daemon.register(app)
    seen = recorder(app)
    app_runner(app)
    assert seen.names.count("daemonize") == 1
    seen.expect(Daemonize, on="daemon")


def test_it_begins_when_it_joins_a_running_application(
    daemon: Daemon, app_runner: Run, recorder: Record
) -> None:
    app = app_runner(Component())
    seen = recorder(app)
    daemon.register(app)
    settle(app)
    assert seen.names.count("daemonize") == 1


def test_processes_and_threads_that_start_and_stop_are_none_of_its_business(
    daemon: Daemon, app_runner: Run, recorder: Record
) -> None:
    app = Component()
    daemon.register(app)
    app_runner(app)
    seen = recorder(app)
    app.fire(Event.create("started", app), "process")
    app.fire(Event.create("stopped", app), "process")
    settle(app)
    seen.expect_none("daemonize")
    seen.expect_none("delete_pid")


def test_the_pid_file_can_be_had_in_the_foreground(
    daemon: Daemon, app_runner: Run, recorder: Record
) -> None:
    app = app_runner(Component())
    daemon.register(app)
    seen = recorder(app)
    app.fire(WritePID(), "daemon")
    settle(app)
    with open(daemon.pidfile, encoding="ascii") as file:
        assert file.read() == str(os.getpid())
    other = in_foreground(daemon.pidfile, channel="other").register(app)
    app.fire(WritePID(), "other")
    settle(app)
    seen.expect("error", PidFileError)
    app.fire(DeletePID(), "other")
    settle(app)
    assert os.path.exists(other.pidfile)
    app.fire(DeletePID(), "daemon")
    settle(app)
    assert not os.path.exists(daemon.pidfile)


def test_the_pid_file_goes_when_the_application_stops(daemon: Daemon) -> None:
    app = Component()
    daemon.register(app)
    with app.running():
        app.fire(WritePID(), "daemon")
        settle(app)
        assert os.path.exists(daemon.pidfile)
    assert not os.path.exists(daemon.pidfile)
