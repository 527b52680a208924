"""circuits.app.startup: the commands that need no other process."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from circuits import Component, handler
from circuits.app.env import Environment, Upgrade
from circuits.app.startup import COMMANDS, Startup

if TYPE_CHECKING:
    from pathlib import Path


class App(Component):
    """Notes which commands come, and ends."""

    channel = "startup"

    def init(self) -> None:
        self.seen: list[str] = []

    @handler("start")
    def _on_start(self) -> None:
        self.seen.append("start")
        self.root.stop()


def run(path: Path, command: str, app: Component | None = None) -> int:
    root = Component() if app is None else app
    startup = Startup(path, SimpleNamespace(), command).register(root)
    try:
        root.run()
    except SystemExit as end:
        return int(end.code or 0)
    finally:
        if startup.env.log is not None:
            startup.env.log.close()
    return 0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the environment is to be."""
    return tmp_path / "site"


def test_init_makes_the_environment(path: Path) -> None:
    assert run(path, "init") == 0
    assert (path / "conf" / "site.ini").exists()


def test_init_twice(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path.mkdir()
    assert run(path, "init") == 1
    assert capsys.readouterr().err == f"cannot init: {path} exists already\n"


@pytest.mark.parametrize("command", [c for c in COMMANDS if c != "init"])
def test_all_others_need_the_environment(
    path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert run(path, command) == 1
    assert f"cannot {command}: there is no environment {path}" in capsys.readouterr().err


def test_start_leaves_the_rest_to_the_application(path: Path) -> None:
    run(path, "init")
    app = App()
    assert run(path, "start", app) == 0
    assert app.seen == ["start"]


@pytest.mark.parametrize("command", ["stop", "rehash", "restart"])
def test_nothing_runs(path: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    run(path, "init")
    assert run(path, command) == 1
    assert f"cannot {command}: no process is running for " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("VERSION", "0", "needs an upgrade"),
        ("VERSION", "", "is not an environment"),
        ("conf/site.ini", "[broken\n", "site.ini"),
        ("conf/site.ini", "[logging]\ntype=pigeon\n", "not 'pigeon'"),
    ],
)
def test_an_environment_that_cannot_be_loaded(
    path: Path, capsys: pytest.CaptureFixture[str], name: str, text: str, reason: str
) -> None:
    run(path, "init")
    (path / name).write_text(text)
    app = App()
    assert run(path, "start", app) == 1
    error = capsys.readouterr().err
    assert error.startswith("cannot start: ")
    assert reason in error
    assert error.count("cannot start") == 1
    assert app.seen == []


def test_errors_of_the_application_are_its_own(
    path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    class Broken(Component):
        channel = "startup"

        @handler("start")
        def _on_start(self) -> None:
            self.root.stop()
            raise ValueError("later")

    run(path, "init")
    assert run(path, "start", Broken()) == 0
    assert "later" in caplog.text
    assert "cannot" not in capsys.readouterr().err


def test_upgrade_is_up_to_the_environment(path: Path) -> None:
    class Newer(Environment):
        version = 2

        @handler("upgrade")
        def _on_upgrade(self) -> None:
            with open(os.path.join(self.path, "VERSION"), "w", encoding="ascii") as file:
                file.write("2")

    run(path, "init")
    root = Component()
    startup = Startup(path, None, "upgrade", env=Newer).register(root)
    root.run()
    assert (path / "VERSION").read_text() == "2"
    assert startup.env.log is not None
    startup.env.log.close()
    assert Upgrade().success


def test_there_is_no_other_command(path: Path) -> None:
    with pytest.raises(ValueError, match=r"command must be one of .*, not 'dance'"):
        Startup(path, None, "dance")
