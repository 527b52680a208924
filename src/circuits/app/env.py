"""Environments: a folder with the configuration and the log of an application (manual: app.env)."""

from __future__ import annotations

import os
import shutil
import signal
from typing import TYPE_CHECKING, Any, ClassVar

from circuits.core.components import BaseComponent
from circuits.core.errors import CircuitsError
from circuits.core.events import Event
from circuits.core.handlers import handler

from . import config, log

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import FrameType

    from circuits.core._engine import Engine
    from circuits.core.values import Value

__all__ = [
    "CONFIG",
    "ERRORS",
    "VERSION",
    "BaseEnvironment",
    "Create",
    "Environment",
    "EnvironmentError",
    "EnvironmentEvent",
    "Load",
    "Ready",
    "Upgrade",
    "Verify",
]

#: Version of the layout of an environment.
VERSION = 1

#: What :class:`EnvironmentError` tells: a code, and what it means.
ERRORS = (
    (0, "This is not an environment: it does not say which version it is"),
    (1, "This environment needs an upgrade"),
)

#: What a new environment is configured with. ``%(path)s`` and ``%(name)s`` are replaced.
CONFIG: Mapping[str, Mapping[str, str]] = {
    "general": {"pidfile": os.path.join("%(path)s", "log", "%(name)s.pid")},
    "logging": {
        "debug": "True",
        "type": "file",
        "verbose": "True",
        "level": "DEBUG",
        "file": os.path.join("%(path)s", "log", "%(name)s.log"),
    },
}


class EnvironmentError(CircuitsError):
    """A folder is no environment, or one of another version; ``args`` are one of :data:`ERRORS`."""


class EnvironmentEvent(Event):
    """Base of what an :class:`Environment` is asked and tells."""

    channels: ClassVar[tuple[str, ...]] = ("env",)  # type: ignore[misc]


class Ready(EnvironmentEvent):
    """The environment is loaded: ``config`` and ``log`` are there.

    Fired by the environment on its own channel, after each load.
    """


class _Request(EnvironmentEvent):
    success: ClassVar[bool] = True  # type: ignore[misc]
    failure: ClassVar[bool] = True  # type: ignore[misc]


class Create(_Request):
    """Make the folder and what belongs into it.

    Fired by anyone, on the channel of the environment. ``create_success`` or ``create_failure``
    follows; after a failure there is no folder.
    """


class Load(_Request):
    """Read the configuration, and begin to log.

    Fired by anyone, on the channel of the environment. ``load_success`` says that it has
    begun, :class:`Ready` that it is done.

    Args:
        verify: Look at the version first.
    """

    def __init__(self, verify: bool = False, *args: Any, **kwargs: Any) -> None:
        super().__init__(verify, *args, **kwargs)


class Verify(_Request):
    """Look whether the environment has the right version.

    Fired by anyone, on the channel of the environment. ``verify_success`` or
    ``verify_failure`` follows.
    """


class Upgrade(_Request):
    """Bring the environment to the version of the program.

    Fired by anyone, on the channel of the environment. Handled by environments that have
    changed, not by the base class.
    """


class Environment(BaseComponent):
    """A folder with a configuration, a log and a version.

    Handles ``create``, ``load``, ``verify``, and ``signal``: SIGHUP loads it again. When
    loading again fails, what was loaded before stays.

    Args:
        path: The folder; relative to the working directory of this moment. ``~`` is your home.
        envname: Name of the environment, of its configuration file and its log.
        channel: Channel of the component.

    Attributes:
        path: The folder, absolute.
        envname: The name.
        version: Which version of the layout this class makes and expects.
        config: The :class:`~circuits.app.config.Config`, once created or loaded.
        log: The :class:`~circuits.app.log.Logger`, once loaded.
    """

    channel = "env"
    version: int = VERSION

    def __init__(self, path: str | os.PathLike[str], envname: str, channel: Any = "env") -> None:
        super().__init__(channel=channel)
        self.path = os.path.abspath(os.path.expanduser(path))
        self.envname = envname
        self.config: config.Config | None = None
        self.log: log.Logger | None = None
        self._verifying: Event | None = None
        self._loading: Event | None = None

    def _file(self, *parts: str) -> str:
        return os.path.join(self.path, *parts)

    def _require_config(self) -> config.Config:
        if self.config is None:
            filename = self._file("conf", f"{self.envname}.ini")
            self.config = config.Config(filename).register(self)
        return self.config

    # -- making --

    @handler("create")
    def _on_create(self, *args: Any, **kwargs: Any) -> None:
        os.makedirs(self.path)  # raises FileExistsError: what is there may be somebody's
        try:
            self._fill()
        except BaseException:
            shutil.rmtree(self.path, ignore_errors=True)
            raise

    def _fill(self) -> None:
        for folder in ("log", "conf"):
            os.mkdir(self._file(folder))
        _write(self._file("VERSION"), str(self.version))
        _write(self._file("README"), f"This folder is the environment {self.envname!r}.\n")
        made = config.Config(self._file("conf", f"{self.envname}.ini"))
        for section, option, value in self._defaults():
            if not made.has_section(section):
                made.add_section(section)
            made.set(section, option, value)
        made.save()
        if self.config is not None:  # of a folder that somebody has removed
            self.config.unregister()
        self.config = made.register(self)

    def _defaults(self) -> Iterator[tuple[str, str, str]]:
        # In the file, a per cent sign of a path must not stand for another option.
        names = {"path": self.path.replace("%", "%%"), "name": self.envname.replace("%", "%%")}
        for section, options in CONFIG.items():
            for option, value in options.items():
                yield section, option, value % names

    # -- loading --

    @handler("load")
    def _on_load(self, verify: bool = False, *args: Any, **kwargs: Any) -> Value | None:
        if verify:
            self._verifying = Verify()
            return self.fire(self._verifying, self.channel)
        self._load()
        return None

    @handler("verify")
    def _on_verify(self, *args: Any, **kwargs: Any) -> None:
        try:
            with open(self._file("VERSION"), encoding="ascii") as file:
                text = file.read().strip()
        except FileNotFoundError:
            text = ""
        if not (text.isascii() and text.isdigit()):
            raise EnvironmentError(*ERRORS[0])
        if int(text) < self.version:
            raise EnvironmentError(*ERRORS[1])

    @handler("verify_success")
    def _on_verify_success(self, source: Event, value: Any) -> None:
        if source is self._verifying:
            self._verifying = None
            self._load()

    @handler("verify_failure")
    def _on_verify_failure(self, source: Event, problem: Any) -> None:
        if source is self._verifying:
            self._verifying = None

    def _load(self) -> None:
        component = self._require_config()
        self._loading = config.Load()
        self.fire(self._loading, component.channel)

    @handler("load_success", channel="*")
    def _on_load_success(self, source: Event, value: Any) -> None:
        if source is not self._loading:
            return
        self._loading = None
        made = self._make_logger()
        if self.log is not None:
            self.log.close()  # at once: while it leaves, every line would be written twice
            self.log.unregister()
        self.log = made.register(self)
        self.fire(Ready(), self.channel)

    def _tree_joined(self) -> None:
        self._tree_engine.want_hang_up(self, True)

    def _tree_left(self, engine: Engine) -> None:
        engine.want_hang_up(self, False)
        if self.parent is not self:  # it left together with one above, and stays below that
            self._tree_engine.want_hang_up(self, True)

    def _make_logger(self) -> log.Logger:
        component = self._require_config()
        filename = component.get("logging", "file", os.devnull)
        return log.Logger(
            os.path.join(self.path, os.path.expanduser(filename)),
            self.envname,
            component.get("logging", "type", "file"),
            component.get("logging", "level", "INFO"),
        )

    @handler("signal", channel="*")
    def _on_signal(self, signo: int, stack: FrameType | None) -> None:
        if signo == getattr(signal, "SIGHUP", None):
            self.fire(Load(), self.channel)


BaseEnvironment = Environment


def _write(filename: str, text: str) -> None:
    with open(filename, "x", encoding="utf-8") as file:
        file.write(text)
