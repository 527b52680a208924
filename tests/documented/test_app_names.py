"""The documented names of circuits.app: where they are, and how they may be called."""

from __future__ import annotations

import importlib
import inspect
import os
import re
from typing import TYPE_CHECKING, Any

import pytest

from circuits import Component
from circuits.app import config, daemon, dropprivileges, env, log, startup
from circuits.core.components import BaseComponent
from circuits.core.events import Event
from circuits.testing import settle

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from circuits.testing import Recorder

    Run = Callable[[Component], Component]
    Record = Callable[..., Recorder]

_NAMES = {
    "circuits.app": ["Logger", "Config", "Daemon", "Environment", "Startup"],
    "circuits.app.config": ["Config", "ConfigEvent", "Load", "Save"],
    "circuits.app.daemon": ["Daemon", "Daemonize", "WritePID", "Daemonized", "DeletePID"],
    "circuits.app.env": [
        "Environment",
        "BaseEnvironment",
        "EnvironmentEvent",
        "EnvironmentError",
        "Ready",
        "Create",
        "Load",
        "Verify",
        "Upgrade",
        "VERSION",
        "ERRORS",
        "CONFIG",
    ],
    "circuits.app.log": ["Log", "Logger", "LEVELS"],
    "circuits.app.startup": ["Startup", "Command", "Terminate", "Error"],
    "circuits.app.dropprivileges": ["DropPrivileges"],
}


@pytest.mark.parametrize(
    ("module", "name"), [(module, name) for module, names in _NAMES.items() for name in names]
)
def test_the_name_is_where_it_is_documented(module: str, name: str) -> None:
    assert hasattr(importlib.import_module(module), name)


def signature_of(thing: Any) -> str:
    shown = []
    for parameter in inspect.signature(thing).parameters.values():
        if parameter.name == "self" or parameter.kind is parameter.KEYWORD_ONLY:
            continue
        shown.append(str(parameter.replace(annotation=parameter.empty)))
    return f"({', '.join(shown)})"


@pytest.mark.parametrize(
    ("thing", "documented"),
    [
        (config.Config, "(filename, defaults=None, channel='config')"),
        (config.Config.load, "(filename=None)"),
        (config.Config.save, "(filename=None)"),
        (config.Config.add_section, "(section)"),
        (config.Config.has_section, "(section)"),
        (config.Config.has_option, "(section, option)"),
        (config.Config.set, "(section, option, value)"),
        (config.Config.items, "(section, raw=False, vars=None)"),
        (config.Config.get, "(section, option, default=None, raw=False, vars=None)"),
        (config.Config.getint, "(section, option, default=0)"),
        (config.Config.getfloat, "(section, option, default=0.0)"),
        (config.Config.getboolean, "(section, option, default=False)"),
        (
            daemon.Daemon,
            "(pidfile, path='/', stdin=None, stdout=None, stderr=None, channel='daemon')",
        ),
        (env.Environment, "(path, envname, channel='env')"),
        (log.Logger, "(filename, name, type, level, channel='logger')"),
        (log.Logger.debug, "(msg, *args, **kwargs)"),
        (log.Logger.exception, "(msg, *args, **kwargs)"),
        (
            dropprivileges.DropPrivileges,
            f"(user='nobody', group='nobody', umask={0o077}, channel='dropprivileges')",
        ),
    ],
)
def test_signatures(thing: Any, documented: str) -> None:
    assert signature_of(thing) == documented


def test_startup_takes_the_kind_of_environment() -> None:
    parameters = inspect.signature(startup.Startup).parameters
    assert list(parameters) == ["path", "opts", "command", "env", "channel"]
    assert parameters["env"].default is env.Environment
    assert parameters["channel"].default == "startup"


@pytest.mark.parametrize(
    ("event", "name", "args", "channels"),
    [
        (config.Load(), "load", [None], ("config",)),
        (config.Load("x"), "load", ["x"], ("config",)),
        (config.Save(), "save", [None], ("config",)),
        (daemon.Daemonize(), "daemonize", [], ()),
        (daemon.WritePID(), "write_pid", [], ()),
        (daemon.DeletePID(), "delete_pid", [], ()),
        (env.Ready(), "ready", [], ("env",)),
        (env.Create(), "create", [], ("env",)),
        (env.Load(), "load", [False], ("env",)),
        (env.Load(verify=True), "load", [True], ("env",)),
        (env.Verify(), "verify", [], ("env",)),
        (env.Upgrade(), "upgrade", [], ("env",)),
        (log.Log("info", "x %s", 1), "log", ["info", "x %s", 1], ("logger",)),
        (startup.Command("stop"), "command", ["stop"], ()),
    ],
)
def test_events_carry_what_they_are_given(
    event: Event, name: str, args: list[Any], channels: tuple[str, ...]
) -> None:
    assert (event.name, list(event.args), tuple(event.channels)) == (name, args, channels)


@pytest.mark.parametrize("event", [config.Load, config.Save])
def test_configuration_events_tell_how_it_went(event: type[Event]) -> None:
    assert issubclass(event, config.ConfigEvent)
    assert (event.success, event.failure) == (True, True)


@pytest.mark.parametrize("event", [env.Create, env.Load, env.Verify, env.Upgrade])
def test_environment_events_tell_how_it_went(event: type[Event]) -> None:
    assert issubclass(event, env.EnvironmentEvent)
    assert (event.success, event.failure) == (True, True)


def test_bases() -> None:
    for component in (
        config.Config,
        daemon.Daemon,
        env.Environment,
        log.Logger,
        startup.Startup,
    ):
        assert issubclass(component, BaseComponent)
    assert issubclass(daemon.Daemonize, Event)
    assert issubclass(daemon.WritePID, Event)
    assert issubclass(log.Log, Event)


def test_what_an_environment_is(tmp_path: Path, app_runner: Run, recorder: Record) -> None:
    """It holds a configuration and a logger, and says when it is ready."""
    app = app_runner(Component())
    seen = recorder(app)
    environment = env.Environment(os.fspath(tmp_path / "e"), "e").register(app)
    assert (environment.version, env.VERSION) == (1, 1)
    assert [code for code, _ in env.ERRORS] == [0, 1]
    app.fire(env.Create())
    settle(app)
    app.fire(env.Load())
    settle(app)
    seen.expect("ready", on="env")
    assert isinstance(environment.config, config.Config)
    assert isinstance(environment.log, log.Logger)
    environment.log.close()


def test_environments_listen_to_signals() -> None:
    """The method that the list of changes names."""
    assert "signal" in env.BaseEnvironment._on_signal.names  # type: ignore[attr-defined]


def test_a_log_event_becomes_a_line(tmp_path: Path, app_runner: Run) -> None:
    path = tmp_path / "a.log"
    app = app_runner(Component())
    logger = log.Logger(os.fspath(path), "test", "file", "DEBUG").register(app)
    app.fire(log.Log("debug", "Hello World!"))
    settle(app)
    logger.close()
    assert re.fullmatch(r"\d\d:\d\d:\d\d test\[log\] DEBUG: Hello World!\n", path.read_text())
