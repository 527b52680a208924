"""circuits.app.env: a folder with configuration and log."""

from __future__ import annotations

import logging
import os
import signal
from typing import TYPE_CHECKING

import pytest

from circuits import Component
from circuits.app import env
from circuits.app.config import Config
from circuits.app.log import Logger
from circuits.core.events import Signal
from circuits.testing import settle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from circuits.testing import Recorder

    Run = Callable[[Component], Component]
    Record = Callable[..., Recorder]


class Running:
    """An environment in an application, and what happened there."""

    def __init__(self, app: Component, seen: Recorder, path: Path) -> None:
        self.app = app
        self.seen = seen
        self.path = path
        self.env = env.Environment(path, "test").register(app)

    def do(self, event: env.EnvironmentEvent) -> None:
        self.value = self.app.fire(event)
        settle(self.app)

    def children(self, kind: type) -> list[object]:
        return [child for child in self.env.components if isinstance(child, kind)]


@pytest.fixture
def running(tmp_path: Path, app_runner: Run, recorder: Record) -> Iterator[Running]:
    """An environment that does not exist yet, in a path with a per cent sign."""
    app = app_runner(Component())
    made = Running(app, recorder(app), tmp_path / "100 %" / "env")
    yield made
    if made.env.log is not None:
        made.env.log.close()


def test_create_makes_the_folder(running: Running) -> None:
    running.do(env.Create())
    running.seen.expect("create_success", on="env")
    path = running.path
    assert sorted(os.listdir(path)) == ["README", "VERSION", "conf", "log"]
    assert (path / "VERSION").read_text() == "1"
    assert "test" in (path / "README").read_text()
    config = running.env.config
    assert config is not None
    assert config.get("general", "pidfile") == os.fspath(path / "log" / "test.pid")
    assert dict(config.items("logging")) == {
        "debug": "True",
        "type": "file",
        "verbose": "True",
        "level": "DEBUG",
        "file": os.fspath(path / "log" / "test.log"),
    }
    again = Config(path / "conf" / "test.ini")
    again.load()
    assert again.items("logging") == config.items("logging")


def test_what_is_there_is_left_alone(running: Running) -> None:
    running.path.mkdir(parents=True)
    (running.path / "mine").write_text("x")
    running.do(env.Create())
    running.seen.expect("create_failure", on="env")
    running.seen.expect("error", FileExistsError)
    assert os.listdir(running.path) == ["mine"]


def test_half_an_environment_does_not_stay(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Config, filename: object = None) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Config, "save", refuse)
    running.do(env.Create())
    running.seen.expect("create_failure")
    assert not running.path.exists()


def test_load_brings_the_configuration_and_the_log(running: Running) -> None:
    running.do(env.Create())
    running.do(env.Load())
    running.seen.expect("load_success", on="env")
    running.seen.expect("ready", on="env")
    names = running.seen.names
    assert names.index("load_success") < names.index("ready")
    assert running.env.log is not None
    running.env.log.info("hello")
    assert "test[log] INFO: hello" in (running.path / "log" / "test.log").read_text()


def test_loading_again_replaces(running: Running) -> None:
    running.do(env.Create())
    running.do(env.Load())
    running.do(env.Load())
    assert len(running.children(Config)) == 1
    assert running.children(Logger) == [running.env.log]
    assert running.env.log is not None
    places = running.env.log.logger.handlers
    assert len([place for place in places if isinstance(place, logging.FileHandler)]) == 1


def test_a_load_that_fails_keeps_what_was_there(running: Running) -> None:
    running.do(env.Create())
    running.do(env.Load())
    before = running.env.log
    (running.path / "conf" / "test.ini").write_text("[logging]\ntype = pigeon\n")
    running.do(env.Load())
    running.seen.expect("error", ValueError)
    (running.path / "conf" / "test.ini").write_text("[broken\n")
    running.do(env.Load())
    running.seen.expect("load_failure", on="config")
    assert running.seen.names.count("ready") == 1
    assert running.env.log is before
    assert before is not None
    before.info("still there")
    assert "still there" in (running.path / "log" / "test.log").read_text()


def test_relative_log_files_are_in_the_folder(running: Running) -> None:
    running.do(env.Create())
    (running.path / "conf" / "test.ini").write_text("[logging]\nfile = log/other.log\n")
    running.do(env.Load())
    assert (running.path / "log" / "other.log").exists()


def test_without_a_configuration_nothing_is_logged(running: Running) -> None:
    running.do(env.Load())
    running.seen.expect("ready")


def test_verify_then_load(running: Running) -> None:
    running.do(env.Create())
    running.do(env.Load(verify=True))
    running.seen.expect("verify_success", on="env")
    running.seen.expect("ready")
    assert not running.value.errors


def test_verify_alone_loads_nothing(running: Running) -> None:
    running.do(env.Create())
    running.do(env.Verify())
    running.seen.expect("verify_success")
    running.seen.expect_none("ready")


@pytest.mark.parametrize(
    ("version", "error"), [("", 0), (None, 0), ("rubbish", 0), ("0", 1), ("1\n", None), ("2", None)]
)
def test_the_version_is_verified(running: Running, version: str | None, error: int | None) -> None:
    running.do(env.Create())
    (running.path / "VERSION").unlink()
    if version is not None:
        (running.path / "VERSION").write_text(version)
    running.do(env.Load(verify=True))
    if error is None:
        running.seen.expect("ready")
        return
    running.seen.expect("verify_failure", on="env")
    running.seen.expect_none("ready")
    kind, problem, _ = running.value.value
    assert running.value.errors
    assert kind is env.EnvironmentError
    assert problem.args == env.ERRORS[error]


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no SIGHUP")
def test_hang_up_loads_again(running: Running) -> None:
    running.do(env.Create())
    running.app.fire(Signal(signal.SIGTERM, None))
    settle(running.app)
    running.seen.expect_none("ready")
    running.app.fire(Signal(signal.SIGHUP, None))
    settle(running.app)
    running.seen.expect("ready")


def test_the_path_is_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert env.Environment("a", "x").path == os.fspath(tmp_path / "a")
