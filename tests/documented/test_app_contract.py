"""Configurations, environments, logs and the tools, as programs of 2.1 use them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from circuits import Component, Event, Manager, handler
from circuits.app import Config, Environment, config, daemon, env, log
from circuits.testing import settle
from circuits.tools import inspect

Run = Callable[[Manager], Manager]


class Seen(Component):
    def init(self) -> None:
        self.names: list[str] = []

    @handler(channel="*", priority=10)
    def _on_event(self, event: Event, *args: Any) -> None:
        self.names.append(event.name)

    def error(self, *args: Any) -> None:
        """Nothing is to be logged."""


@pytest.fixture
def seen(app_runner: Run) -> Seen:
    seen = Seen()
    app_runner(seen)
    return seen


@pytest.fixture
def made(seen: Seen, tmp_path: Path) -> Environment:
    """An environment in a folder with a name that is hard on formats."""
    made = Environment(str(tmp_path / "100%s" / "deep"), "a%b").register(seen)
    seen.fire(env.Create())
    settle(seen)
    seen.names.clear()
    return made


def test_an_environment_has_its_own_paths_in_its_configuration(made: Environment) -> None:
    assert made.config is not None
    folder = Path(made.path)
    assert made.config.get("general", "pidfile") == str(folder / "log" / "a%b.pid")
    assert made.config.get("logging", "file") == str(folder / "log" / "a%b.log")
    assert (folder / "conf" / "a%b.ini").is_file()
    assert (folder / "VERSION").read_text().strip() == str(env.VERSION)
    assert "a%b" in (folder / "README").read_text()


def test_loading_is_begun_and_then_done(seen: Seen, made: Environment) -> None:
    seen.fire(env.Load(verify=True))
    settle(seen)
    order = [seen.names.index(name) for name in ("verify", "verify_success", "ready")]
    assert order == sorted(order)
    assert "load_success" in seen.names
    seen.fire(log.Log("info", "it is %s", "on"))
    settle(seen)
    line = (Path(made.path) / "log" / "a%b.log").read_text()
    assert re.fullmatch(r"\S.* a%b\[log\] INFO: it is on\n", line)


@pytest.mark.parametrize(("version", "number"), [("", 0), ("0", 1)])
def test_the_wrong_version_is_the_value_of_the_load(
    seen: Seen, made: Environment, version: str, number: int
) -> None:
    (Path(made.path) / "VERSION").write_text(version)
    value = seen.fire(env.Load(verify=True))
    settle(seen)
    assert value.errors
    assert value.value[0] is env.EnvironmentError
    assert value.value[1].args == env.ERRORS[number]
    assert "verify_failure" in seen.names
    assert "ready" not in seen.names


def test_the_base_class_upgrades_nothing(seen: Seen, made: Environment) -> None:
    value = seen.fire(env.Upgrade())
    settle(seen)
    assert not value.result
    assert (Path(made.path) / "VERSION").read_text().strip() == str(env.VERSION)


def test_the_file_that_an_event_names_is_the_one_from_now_on(seen: Seen, tmp_path: Path) -> None:
    first, second = tmp_path / "first.ini", tmp_path / "second.ini"
    stored = Config(str(first)).register(seen)
    stored.add_section("s")
    stored.set("s", "o", "yes")
    for event in (config.Save(), config.Save(str(second)), config.Load(str(first))):
        seen.fire(event)
        settle(seen)
    assert [name for name in seen.names if name.endswith("_success")] == [
        "save_success",
        "save_success",
        "load_success",
    ]
    assert first.read_bytes() == second.read_bytes()
    assert stored.filename == str(first)
    assert stored.getboolean("s", "o") is True


def test_names_of_the_3x_line() -> None:
    assert daemon.daemonize is daemon.Daemonize
    assert daemon.daemonized is daemon.Daemonized
    assert daemon.deletepid is daemon.DeletePID
    assert daemon.writepid is daemon.WritePID


def test_the_handlers_of_a_component_in_their_order() -> None:
    class App(Component):
        def foo(self) -> None: ...

    class Nameless(Component):
        @handler(channel="*")
        def _on_event(self, *args: Any) -> None: ...

    names = re.findall(r"^  (\S+); \d+$", inspect(App()), re.MULTILINE)
    assert names == ["unregister", "foo", "prepare_unregister_complete"]
    assert "\n  *; 1\n" in inspect(Nameless())
    assert inspect(App()).endswith("\n")
