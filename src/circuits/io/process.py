"""Child processes as components: their streams, their signals, their end.

Theory of operation. The end of a child is a descriptor, too, where the system has ``pidfd_open``;
elsewhere the child is looked at ten times a second while it runs. SIGCHLD is left alone, so that
whoever else starts children is not disturbed. The output pipes are files on channels of their own,
and a process is over when the child has ended and both are at their ends.
"""

from __future__ import annotations

import errno
import io
import os
import signal as signals
import subprocess
from typing import TYPE_CHECKING, Any

from circuits.core import _clock
from circuits.core import events as core_events
from circuits.core._descriptor import Descriptor, DescriptorOwner
from circuits.core._grace import GRACE_PART
from circuits.core._sleep import sleep
from circuits.core.handlers import handler

from ._child import ChildPipe, Ending
from ._writer import MAX_PENDING
from .events import (
    Kill,
    Signal,
    Start,
    Started,
    Stop,
    Stopped,
    Terminated,
    Wait,
    Write,
    report,
    terminated,  # noqa: F401 - for programs of the 3.x line
)

if TYPE_CHECKING:
    from collections.abc import Generator

    from circuits.core._clock import Appointment
    from circuits.core.events import Event

__all__ = [
    "Kill",
    "Process",
    "Signal",
    "Start",
    "Started",
    "Stop",
    "Stopped",
    "Terminated",
    "Wait",
    "Write",
]

#: How much of each output stream is collected, in bytes.
MAX_OUTPUT = 64 * 1024 * 1024

#: Seconds between asking a child to end and killing it.
GRACE = 5.0

#: The status of a child whose own has been taken by somebody else, as asyncio has it.
UNKNOWN_STATUS = 255

#: How often a child is looked at where the system cannot tell of its end, in seconds.
_INTERVAL = 0.1

#: How often a child is looked at that was asked to end because its component leaves, in seconds.
#: Nothing else reaches a component then.
_FAREWELL_INTERVAL = 0.01


class Process(DescriptorOwner):
    """A child process.

    Handles ``start``, ``stop``, ``kill``, ``signal(number)``, ``wait`` and ``write(data)``; there are
    methods of the same names. Fires ``started(process)``, and ``stopped(process)`` and
    ``terminated(process)`` when the child has ended *and* all its output was read; what fails is
    told by ``error(exception)`` and ``io_error(exception)``.

    The pipes are files on the channels ``"<pid>.stdin"``, ``"<pid>.stdout"`` and
    ``"<pid>.stderr"``, with their ``read``, ``eof`` and ``closed``. ``Close()`` on the first one
    ends the input of the child, after what is pending.

    A child that still runs when the application ends, or when the component leaves, is asked to
    end, killed if it does not, and waited for.

    Args:
        args: Program and arguments; a command line as text with ``shell``.
        cwd: Where to run it.
        shell: Whether a shell reads the command line.
        channel: Where to listen and to fire.
        env: The environment of the child; ``None``: that of this process.
        max_output: How much of each output stream to collect, in bytes; 0 is nothing, ``None`` no
            limit. What is beyond is still fired as ``read``, and an error tells.
        max_pending: How much input may be pending that the child does not read, in bytes.
        grace: Seconds between asking a child to end and killing it.
        output_grace: Seconds after its end that others, whom the child has left its output to, may
            hold ``stopped`` up; ``None`` is no limit.

    Attributes:
        args, cwd, shell: As given.
        p: The ``subprocess.Popen``, or ``None`` before the first start.
        stdout, stderr: What was collected, as ``io.BytesIO``; empty again at each start.

    Raises:
        RuntimeError: This system has no pipes that can be waited for.

    .. versionchanged:: 2.1
       ``wait`` does not block, and ``max_output`` and ``max_pending`` limit the memory.
    """

    channel = "process"

    def __init__(
        self,
        args: Any,
        cwd: Any = None,
        shell: bool = False,
        *,
        channel: Any = "process",
        env: dict[str, str] | None = None,
        max_output: int | None = MAX_OUTPUT,
        max_pending: int = MAX_PENDING,
        grace: float = GRACE,
        output_grace: float | None = None,
    ) -> None:
        if os.name == "nt":  # pragma: no cover - not on this system
            raise RuntimeError("Process needs the pipes of POSIX: Windows cannot wait for its own")
        self.args, self.cwd, self.shell = args, cwd, shell
        self._env = env
        self._max_output = max_output
        self._max_pending = max_pending
        self._grace = grace
        self._output_grace = output_grace
        self.p: subprocess.Popen[bytes] | None = None
        self.stdout, self.stderr = io.BytesIO(), io.BytesIO()
        self._full: set[str] = set()
        self._pipes: dict[str, Any] = {}
        self._is_busy = False  # started, and not yet over
        self._waiting: list[Ending] = []
        self._appointments: list[Appointment] = []
        super().__init__(channel=channel)

    @property
    def status(self) -> int | None:
        """Exit status, negative after a signal; ``None`` before the end. Does not wait.

        255 if somebody else has taken it, so that it is not known: where SIGCHLD is ignored, or
        something waits for every child.
        """
        if self.p is None:
            return None
        if self.p.returncode is None:
            # Not by its own poll, which takes a child that is not there for one with status 0.
            try:
                ended, status = os.waitpid(self.p.pid, os.WNOHANG)
            except ChildProcessError as problem:
                self.p.returncode = UNKNOWN_STATUS
                report(self, problem)
            else:
                if ended:
                    self.p.returncode = os.waitstatus_to_exitcode(status)
        return self.p.returncode

    # -- starting --

    @handler("start")
    def _on_start(self) -> None:
        self.start()

    def start(self) -> None:  # type: ignore[override]  # documented; hides that of Manager
        """Start the child. It may be started again when it is over."""
        if self._is_busy:
            report(self, RuntimeError(f"process {self.p and self.p.pid} is already running"))
            return
        for stream in (self.stdout, self.stderr):
            stream.seek(0)
            stream.truncate()
        self._full.clear()
        ours: list[int] = []
        theirs: list[int] = []
        try:
            for is_input in (True, False, False):
                reader, writer = os.pipe()
                ours.append(writer if is_input else reader)
                theirs.append(reader if is_input else writer)
            stdin, stdout, stderr = theirs
            self.p = subprocess.Popen(
                self.args,
                cwd=self.cwd,
                shell=self.shell,
                env=self._env,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
            )
        except (OSError, ValueError, TypeError, subprocess.SubprocessError) as problem:
            self.p = None
            for number in ours:
                os.close(number)
            report(self, problem)
            return
        finally:
            for number in theirs:
                os.close(number)
        self._is_busy = True
        self.fire(Started(self))
        for name, number in zip(("stdin", "stdout", "stderr"), ours, strict=True):
            pipe = self._pipes[name] = ChildPipe(self, self.p.pid, number, name)
            pipe.register(self)
        self._watch_child(self.p.pid)

    def _watch_child(self, pid: int) -> None:
        try:
            number = os.pidfd_open(pid)
        except (AttributeError, OSError):
            self._look_later()
        else:
            self._adopt(Descriptor(self, number))

    def _look_later(self) -> None:
        self._at(_INTERVAL, self._look)

    def _at(self, seconds: float, what: Any) -> None:
        self._appointments.append(self._tree_engine.schedule.call_in(seconds, what))

    # -- its end --

    def _descriptor_readable(self, descriptor: Descriptor) -> None:
        descriptor.finish()
        self._look()

    def _look(self) -> None:
        """See whether the child has ended."""
        if not self._is_busy:
            return
        if self.status is None:
            self._look_later()
            return
        self._pipes["stdin"].end() if "stdin" in self._pipes else None
        if self._output_grace is not None and self._pipes:
            self._at(self._output_grace, self._end_pipes)
        self._check_over()

    def _end_pipes(self) -> None:
        for pipe in list(self._pipes.values()):
            pipe.end()

    def _pipe_over(self, pipe: ChildPipe) -> None:
        if self._pipes.get(pipe._stream_name) is pipe:
            del self._pipes[pipe._stream_name]
            self._check_over()

    def _check_over(self) -> None:
        if not self._is_busy or self._pipes.keys() - {"stdin"} or self.status is None:
            return
        self._is_busy = False
        for appointment in self._appointments:
            appointment.cancel()
        self._appointments.clear()
        self._finish_all()
        self.fire(Stopped(self))
        self.fire(Terminated(self))
        waiting, self._waiting = self._waiting, []
        for ending in waiting:
            ending.wake()
        self._release_end()

    @handler("wait")
    def _on_wait(self) -> Generator[Any, Any, int | None]:
        status: int | None = yield self.wait()
        return status

    def wait(self) -> Ending:  # type: ignore[override]  # documented; hides that of Manager
        """The end of the child, to be yielded or awaited; gives the exit status.

        ``None`` if it was never started. It comes with ``stopped``, when all output was read.
        """
        return Ending(self)

    # -- signals --

    @handler("stop")
    def _on_stop(self) -> None:
        self._send(signals.SIGTERM)

    def stop(self, code: Any = None) -> None:
        """Ask the child to end (SIGTERM); nothing happens if it does not run.

        Of a process that is run as an application itself, ends the application, as always.
        """
        if self._running:
            super().stop(code)
        else:
            self._send(signals.SIGTERM)

    @handler("kill")
    def _on_kill(self) -> None:
        self.kill()

    def kill(self) -> None:
        """End the child at once (SIGKILL); nothing happens if it does not run."""
        self._send(signals.SIGKILL)

    @handler("signal")
    def _on_signal(self, event: Event, number: int, *rest: Any) -> None:
        if not isinstance(event, core_events.Signal):  # which is one that this process got
            self.signal(number)

    def signal(self, number: int) -> None:
        """Send the child a signal; nothing happens if it does not run.

        Args:
            number: Which one.
        """
        self._send(number)

    def _send(self, number: int) -> None:
        if self.p is None or self.status is not None:
            return
        try:
            self.p.send_signal(number)  # which sees first that the number is still of our child
        except OSError as problem:  # it has become somebody else, who does not listen to us
            report(self, problem)

    # -- its streams --

    @handler("write")
    def _on_write(self, data: bytes | str) -> None:
        self.write(data)

    def write(self, data: bytes | str) -> None:
        """Write to the input of the child.

        Args:
            data: Bytes, or text, which is encoded.
        """
        pipe = self._pipes.get("stdin")
        if not self._tree_engine.thread_is_ours():
            self.fire(Write(data), self)
        elif pipe is None:
            report(
                self, BrokenPipeError(errno.EPIPE, "the process does not run, or takes no input")
            )
        else:
            pipe.write(data)

    def pause_reading(self) -> None:
        """Read no output until :meth:`resume_reading`: the child waits when its pipes are full.

        .. versionadded:: 2.1
        """
        for name in self._pipes.keys() - {"stdin"}:
            self._pipes[name].pause_reading()

    def resume_reading(self) -> None:
        """Read output again.

        .. versionadded:: 2.1
        """
        for name in self._pipes.keys() - {"stdin"}:
            self._pipes[name].resume_reading()

    def _collect(self, name: str, data: bytes) -> None:
        limit = self._max_output
        stream = self.stdout if name == "stdout" else self.stderr
        if limit is None:
            stream.write(data)
        elif limit:
            stream.write(data[: limit - stream.tell()])
            if stream.tell() >= limit and name not in self._full:
                self._full.add(name)
                text = f"no more than {limit} bytes of {name} are collected"
                report(self, OSError(errno.ENOBUFS, text))

    # -- the application and the tree --

    def _application_stopped(self) -> None:
        if self._is_busy:
            self._hold_end()
            self._send(signals.SIGTERM)
            limit = self.root.stop_timeout * GRACE_PART
            seconds = min(self._grace, limit / 2)
            self._at(seconds, self.kill)
            self._at((seconds + limit) / 2, self._end_pipes)

    def _leave(self) -> Any:
        super()._leave()
        return self._farewell() if self._is_busy else None

    def _farewell(self) -> Generator[Any, Any, None]:
        """Wait for the end of the child before the component leaves."""
        try:
            for number in (signals.SIGTERM, signals.SIGKILL):
                self._send(number)
                deadline = _clock.now() + self._grace
                while self.status is None and _clock.now() < deadline:
                    yield sleep(_FAREWELL_INTERVAL)
                if self.status is not None:
                    break
        finally:
            self.kill()
            if self.p is not None and self.status is None:
                try:
                    self.p.wait(1.0)
                except subprocess.TimeoutExpired as problem:  # it hangs in the kernel
                    report(self, problem)
            self._end_pipes()
            self._check_over()
