"""Daemon: an application that goes on in the background (manual: circuits.app.daemon).

Whatever can fail is done before the process forks, while there is still somebody to tell: the
pid file is opened and locked, the folder entered, the files of the standard streams opened.

The names in lower case are the same classes, as the 3.x line has them.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import warnings
from typing import TYPE_CHECKING, Any

from circuits.core._process.forking import fork
from circuits.core.components import BaseComponent
from circuits.core.errors import CircuitsError
from circuits.core.events import Event, Started, Stopped
from circuits.core.handlers import handler

from ._pidfile import PidFile, PidFileError, above_streams, open_own

if TYPE_CHECKING:
    from typing import NoReturn

    from circuits.core.manager import Manager

__all__ = ["Daemon", "Daemonize", "Daemonized", "DeletePID", "PidFileError", "WritePID"]

_UMASK = 0o077


class Daemonize(Event):
    """Go on in the background.

    Fired by a :class:`Daemon` on its own channel when the application starts, or when it joins
    one that runs. Its own handler leaves the process that the user started, and goes on in
    another one.
    """


daemonize = Daemonize


class Daemonized(Event):
    """The application is in the background, and its pid file is written.

    Fired by a :class:`Daemon` on its own channel.

    Args:
        daemon: That component.
    """

    def __init__(self, daemon: Daemon) -> None:
        super().__init__(daemon)


daemonized = Daemonized


class WritePID(Event):
    """Write the id of the process to the pid file.

    Fired by a :class:`Daemon` on its own channel, once in the background. An application in the
    foreground may fire it, too, to have a pid file.
    """


writepid = WritePID


class DeletePID(Event):
    """Remove the pid file, if this process has written it.

    Fired by a :class:`Daemon` on its own channel when the application stops.
    """


deletepid = DeletePID


class Daemon(BaseComponent):
    """Puts the application into the background when it starts.

    The process that the user started ends with status 0, and the application goes on in another
    one, without a terminal, in the folder ``path``. If that cannot be, the reason is on standard
    error and the status is 1: a pid file that another living process has, a file or folder that
    cannot be used. That the application runs already is found out before any other handler of
    ``started`` is called. What a dead process has left behind in the pid file is replaced. Files
    are never written through symbolic links, and new ones can be read by their owner alone.

    What has been opened before goes along: sockets that listen, files, the poller. Threads and
    processes do not, so begin none before ``daemonized``; of threads, a warning tells. The loop
    must be that of the main thread.

    Handles ``started``, ``registered``, ``daemonize``, ``write_pid``, ``delete_pid``, ``stopped``.
    Fires ``Daemonize``, ``WritePID``, ``Daemonized``, ``DeletePID``.

    Args:
        pidfile: The pid file; relative to ``path``.
        path: The folder to be in; absolute.
        stdin: File that standard input reads; relative to ``path``. The null device by default.
        stdout: File that standard output is appended to, likewise.
        stderr: File that standard error is appended to, likewise.
        channel: Channel of the component.
        umask: Which permissions the files of the application do not get; ``None`` leaves it.

    Raises:
        ValueError: ``path`` is not absolute.
    """

    channel = "daemon"

    def __init__(
        self,
        pidfile: str | os.PathLike[str],
        path: str | os.PathLike[str] = "/",
        stdin: str | os.PathLike[str] | None = None,
        stdout: str | os.PathLike[str] | None = None,
        stderr: str | os.PathLike[str] | None = None,
        channel: Any = "daemon",
        *,
        umask: int | None = _UMASK,
    ) -> None:
        super().__init__(channel=channel)
        self.path = os.fspath(path)
        if not os.path.isabs(self.path):
            raise ValueError(f"the path of a daemon must be absolute, not {self.path!r}")
        self.pidfile = os.path.join(self.path, os.path.expanduser(pidfile))
        self.stdin, self.stdout, self.stderr = (
            os.devnull if name is None else os.path.join(self.path, os.path.expanduser(name))
            for name in (stdin, stdout, stderr)
        )
        self.umask = umask
        self._file = PidFile(self.pidfile)
        self._is_daemon = False

    # -- when --

    @handler("started", channel="*", priority=1e9)
    def _on_started(self, event: Event, *args: Any) -> None:
        # Processes and threads of components start, too, and say so by the same name.
        if isinstance(event, Started) and not self._is_daemon:
            try:
                self._file.acquire()
            except (OSError, CircuitsError) as problem:
                event.stop()  # nobody else begins
                self._refuse(str(problem))
            # Behind the ``ready`` of servers: what they say is still seen where it was started.
            self.fire(Daemonize(), self.channel, priority=1)

    @handler("registered")
    def _on_registered(self, component: Manager, parent: Manager) -> None:
        if component is not self or self._is_daemon or self._tree_engine.runner is None:
            return
        # At the beginning of a run ``started`` is still to come, and will be heard.
        if not any(isinstance(event, Started) for event in self._tree_engine.queue.events()):
            self.fire(Daemonize(), self.channel)

    @handler("stopped", channel="*", priority=-100)
    def _on_stopped(self, event: Event, *args: Any) -> None:
        if isinstance(event, Stopped):
            self.fire(DeletePID(), self.channel)

    # -- what --

    @handler("daemonize")
    def _on_daemonize(self, *args: Any, **kwargs: Any) -> None:
        if self._is_daemon:
            return
        if threading.current_thread() is not threading.main_thread():
            self._refuse("the application does not run in the main thread")
        _warn_of_threads()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(AttributeError, OSError, ValueError):
                stream.flush()
        targets = _reserve_streams()
        streams: list[int] = []
        try:
            self._file.acquire()
            streams.append(above_streams(os.open(self.stdin, os.O_RDONLY | os.O_CLOEXEC)))
            for name in (self.stdout, self.stderr):
                streams.append(open_own(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND))
            os.chdir(self.path)
            self._leave_parent()
        except (OSError, CircuitsError) as problem:
            for number in streams:
                os.close(number)
            self._file.remove()
            self._refuse(str(problem))
        os.setsid()
        if self.umask is not None:
            os.umask(self.umask)
        self._leave_session()
        for target, number in enumerate(streams):
            if target in targets:
                os.dup2(number, target)
            os.close(number)
        self._is_daemon = True
        self.fire(WritePID(), self.channel)
        self.fire(Daemonized(self), self.channel)

    def _leave_parent(self) -> None:
        """Go on in a child; the process of the user ends when that has got on, or failed."""
        child = fork(self)
        if child:
            _, status = os.waitpid(child, 0)
            os._exit(os.waitstatus_to_exitcode(status) and 1)

    def _leave_session(self) -> None:
        """Fork again: who does not lead its session never gets a terminal."""
        try:
            child = fork(self)
        except OSError as problem:
            self._complain(str(problem))
            os._exit(1)
        if child:
            os._exit(0)

    def _refuse(self, reason: str) -> NoReturn:
        self._complain(reason)
        raise SystemExit(1)

    def _complain(self, reason: str) -> None:
        if sys.stderr is not None:
            sys.stderr.write(f"cannot become a daemon: {reason}\n")
            sys.stderr.flush()

    @handler("write_pid")
    def _on_write_pid(self, *args: Any, **kwargs: Any) -> None:
        self._file.write()

    @handler("delete_pid")
    def _on_delete_pid(self, *args: Any, **kwargs: Any) -> None:
        self._file.remove()


def _warn_of_threads() -> None:
    ours = threading.current_thread()
    names = [thread.name for thread in threading.enumerate() if thread is not ours]
    names = [name for name in names if name != "circuits-debug"]  # which is begun anew
    if names:
        warnings.warn(
            f"threads do not go along into the background: {', '.join(names)}; begin them when "
            "the application is told that it is there, by the event daemonized",
            RuntimeWarning,
            stacklevel=2,
        )


def _reserve_streams() -> set[int]:
    """Fill gaps among the descriptors 0 to 2, and tell which of these are standard streams.

    A program that was started with one of them closed may have got a socket in its place.
    """
    found = set()
    for number, stream in enumerate((sys.__stdin__, sys.__stdout__, sys.__stderr__)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one
            found.add(number)
        else:
            if stream is not None:
                found.add(number)
    return found
