"""Startup: what a program with commands such as start and stop does first (circuits.app.startup)."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, Any

from circuits.core._sleep import sleep
from circuits.core.components import BaseComponent
from circuits.core.errors import CircuitsError
from circuits.core.events import Event, Started
from circuits.core.handlers import handler

from . import env as env_module
from ._pidfile import read_pid
from .daemon import Daemon
from .systemd import Systemd

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from .env import Environment

__all__ = ["COMMANDS", "Command", "Error", "Startup", "Terminate"]

#: What a program may be told to do.
COMMANDS = ("start", "stop", "restart", "rehash", "init", "upgrade")

#: How often, in seconds, it is looked whether a process has ended, and for how long.
_LOOK_SECONDS = 0.05
_STOP_SECONDS = 30.0


class Error(CircuitsError):
    """A command cannot be carried out."""


class Command(Event):
    """Carry out a command.

    Fired by a :class:`Startup` on its own channel when the application has started. When the
    environment is there, an event with the name of the command follows, on the same channel.

    Args:
        command: One of :data:`COMMANDS`.
    """

    def __init__(self, command: str) -> None:
        super().__init__(command)


class Terminate(Event):
    """End the application.

    Fired by a :class:`Startup` on its own channel, after a command that starts nothing.

    Args:
        status: The exit status.
    """

    def __init__(self, status: int = 0) -> None:
        super().__init__(status)


class Startup(BaseComponent):
    """Carries out one command of a program, in its environment.

    ``init`` makes the environment. All others load it first: ``start`` goes into the background
    if ``opts.daemon`` is true, and lets the application run; ``stop`` and ``rehash`` send SIGTERM
    and SIGHUP to the process whose id is in the pid file; ``restart`` is both; ``upgrade`` is
    left to the environment. Commands other than ``start`` and ``restart`` end the program when
    they are done. If one fails, the reason is on standard error and the status is 1.

    Handles ``started``, ``command``, ``terminate``, and the commands.

    Args:
        path: Folder of the environment.
        opts: Object with an attribute ``daemon``, such as parsed arguments; it may lack.
        command: One of :data:`COMMANDS`.
        env: Called with path and name to make the environment.
        channel: Channel of the component.

    Attributes:
        env: The environment.

    Raises:
        ValueError: There is no such command.
    """

    channel = "startup"

    def __init__(
        self,
        path: str | os.PathLike[str],
        opts: Any,
        command: str,
        env: Callable[[str, str], Environment] = env_module.Environment,
        channel: Any = "startup",
    ) -> None:
        super().__init__(channel=channel)
        if command not in COMMANDS:
            raise ValueError(f"command must be one of {', '.join(COMMANDS)}, not {command!r}")
        self.path = os.path.abspath(os.path.expanduser(path))
        self.opts = opts
        self.command = command
        self.env = env(self.path, os.path.basename(self.path)).register(self)
        self._load_watch: Callable[..., Any] | None = None

    def _complain(self, reason: object) -> None:
        sys.stderr.write(f"cannot {self.command}: {reason}\n")
        self.fire(Terminate(1), self.channel)

    @handler("started", channel="*")
    def _on_started(self, event: Event, *args: Any) -> None:
        if isinstance(event, Started):
            self.fire(Command(self.command), self.channel)

    @handler("command")
    def _on_command(self, command: str) -> Generator[Any, Any, None]:
        exists = os.path.exists(self.path)
        if command == "init":
            if exists:
                self._complain(f"{self.path} exists already")
                return
            yield from self._finish(env_module.Create(), self.env.channel)
        elif not exists:
            self._complain(f"there is no environment {self.path}: use init to make one")
        else:
            self._watch_load()
            self.fire(env_module.Load(verify=command != "upgrade"), self.env.channel)

    @handler("ready", channel="*")
    def _on_ready(self, event: Event, *args: Any) -> None:
        if isinstance(event, env_module.Ready) and self._load_watch is not None:
            self._forget_load()
            self.fire(Event.create(self.command), self.channel)

    def _watch_load(self) -> None:
        """Take the next error for a failure to load, until the environment is ready."""

        # Only for as long: who handles errors for good keeps them from being logged.
        @handler("error", channel="*")
        def _on_load_error(_: Any, etype: Any, evalue: BaseException, *more: Any) -> None:
            self._forget_load()
            self._complain(evalue)

        self._load_watch = self.addHandler(_on_load_error)

    def _forget_load(self) -> None:
        if self._load_watch is not None:
            self.removeHandler(self._load_watch)
            self._load_watch = None

    def _finish(self, event: Event, channel: Any) -> Generator[Any, Any, None]:
        """Call an event of the environment, and end the application."""
        value = yield self.call(event, channel)
        if value.errors:
            self._complain(value.exceptions[0])
        else:
            self.fire(Terminate(), self.channel)

    @handler("terminate")
    def _on_terminate(self, status: int = 0) -> None:
        self._tree_engine.stop(status)

    # -- commands; those of applications come before --

    @property
    def pidfile(self) -> str:
        """The pid file that the environment names."""
        given = self.env.config.get("general", "pidfile") if self.env.config is not None else None
        return os.path.join(self.path, given or f"{os.path.basename(self.path)}.pid")

    @handler("start", priority=-1)
    def _on_start(self) -> None:
        if getattr(self.opts, "daemon", False):
            Daemon(self.pidfile, path=self.path).register(self)
        Systemd().register(self)

    @handler("stop", priority=-1)
    def _on_stop(self) -> None:
        if self._signal(signal.SIGTERM) is not None:
            self.fire(Terminate(), self.channel)

    @handler("rehash", priority=-1)
    def _on_rehash(self) -> None:
        if self._signal(signal.SIGHUP) is not None:
            self.fire(Terminate(), self.channel)

    @handler("restart", priority=-1)
    def _on_restart(self) -> Generator[Any, Any, None]:
        pid = self._signal(signal.SIGTERM)
        if pid is None:
            return
        left = _STOP_SECONDS
        while read_pid(self.pidfile) == pid:
            if left <= 0:
                self._complain(f"process {pid} does not end")
                return
            yield sleep(_LOOK_SECONDS)
            left -= _LOOK_SECONDS
        self.fire(Event.create("start"), self.channel)

    @handler("upgrade", priority=-1)
    def _on_upgrade(self) -> Generator[Any, Any, None]:
        yield from self._finish(env_module.Upgrade(), self.env.channel)

    def _signal(self, number: int) -> int | None:
        try:
            pid = read_pid(self.pidfile)
            if pid is None:
                raise Error(f"no process is running for {self.pidfile}")
            os.kill(pid, number)
        except (OSError, Error) as problem:
            self._complain(problem)
            return None
        return pid
