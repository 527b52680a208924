"""The master of worker processes: it listens, they accept, and it replaces them.

Theory of operation. All workers accept at the one socket that the master has made and never closes,
so what waits there is lost by no worker's end. A supervisor forks them; each loads the application
by itself, and says through a pipe that it serves. Until the first one does, there is only that one,
so that what is wrong with the application is said once, and ends the program. A reload adds a
worker, and ends an old one when the new one serves: if it never does, the old ones go on.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from circuits.core import _clock
from circuits.core._descriptor import Descriptor, DescriptorOwner
from circuits.core.components import BaseComponent
from circuits.core.handlers import handler
from circuits.core.supervisor import Supervisor

from ._program import HANG_UP, REOPEN, ReopenLogs, say

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from circuits.core.manager import Manager

    #: Serves until it is stopped; told whom to tell that it does. The exit status.
    Serve = Callable[[Callable[[str], object]], int]

__all__ = ["Master", "Worker", "pause_before"]

#: A worker that ends sooner than this after it began to serve is no better than one that never did.
_SOON_SECONDS = 1.0

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 10.0

#: Seconds that a worker has beyond its own patience with requests in flight.
_GRACE_SECONDS = 5.0

#: The supervisor is not to give up: whether it is too bad is decided here.
_ANY_NUMBER = sys.maxsize


def pause_before(failures: int) -> float:
    """Seconds to wait before the next attempt, after as many failures in a row."""
    return min(_FIRST_PAUSE * 2 ** min(failures - 1, 20), _LONGEST_PAUSE) if failures > 0 else 0.0


class Worker(BaseComponent):
    """Stands for a worker process in the master, and serves in that process.

    Args:
        serve: What it does.
        name: Its name.
        pipe: Where to write that it serves.
        pause: Seconds to wait first.
    """

    channel = "worker"

    def __init__(self, serve: Serve, name: str, pipe: int, pause: float) -> None:
        super().__init__()
        self._serve = serve
        self._worker = name
        self._pipe = pipe
        self._pause = pause
        self._master = os.getpid()

    def run(self, socket: Any = None) -> None:
        """Serve; in the process."""
        time.sleep(self._pause)  # SIGTERM still ends it
        sys.exit(self._serve(self._tell))

    def _tell(self, greeting: str) -> None:
        os.write(self._pipe, f"{self._worker} {greeting}\n".encode(errors="replace"))

    def stop(self, code: Any = None) -> None:
        """End; in the process that is because the master has ended."""
        if os.getpid() == self._master:
            super().stop(code)
        else:
            os.kill(os.getpid(), signal.SIGTERM)


class Master(DescriptorOwner):
    """Keeps workers going.

    Args:
        serve: What a worker does.
        number: How many there are.
        stop_timeout: Seconds that a worker may take to end.
    """

    channel = "master"

    def init(self, serve: Serve, number: int, stop_timeout: float) -> None:
        """Take the arguments of the constructor."""
        self._serve = serve
        self._number = number
        self._worker_timeout = stop_timeout
        self.stop_timeout = stop_timeout + 2 * _GRACE_SECONDS
        self._workers: dict[str, Worker] = {}
        self._serving_since: dict[str, float] = {}
        self._has_served = False
        self._failures = 0
        self._next_name = 1
        #: Old workers that are still to be replaced, and those about to be, by the name of the new.
        self._outdated: deque[str] = deque()
        self._replaced: dict[str, str] = {}
        self._unread = b""
        reading, self._writing = os.pipe()
        os.set_blocking(reading, False)
        self._adopt(Descriptor(self, reading))
        self.supervisor = Supervisor(intensity=_ANY_NUMBER, channel="master").register(self)

    # -- workers --

    def _add(self) -> str:
        name = f"worker-{self._next_name}"
        self._next_name += 1

        def make() -> Worker:
            worker = Worker(self._serve, name, self._writing, pause_before(self._failures))
            worker.stop_timeout = self._worker_timeout
            self._workers[name] = worker
            return worker

        return self.supervisor.add(make, name, process=True, restart="always")

    def _remove(self, name: str) -> None:
        del self._workers[name]
        self._serving_since.pop(name, None)
        self.supervisor.remove(name)

    def _send(self, number: int) -> None:
        for name in self._workers:
            worker = self.supervisor.child(name)
            if worker is not None:
                os.kill(worker.pid, number)

    def _descriptor_readable(self, descriptor: Descriptor) -> None:
        *lines, self._unread = (self._unread + (descriptor.read() or b"")).split(b"\n")
        for line in lines:
            name, _, greeting = line.decode().partition(" ")
            if name in self._workers:
                self._serves(name, greeting)

    def _serves(self, name: str, greeting: str) -> None:
        self._serving_since[name] = _clock.now()
        if not self._has_served:
            self._has_served = True
            for _ in range(self._number - 1):
                self._add()
            say(f"{greeting}, {self._number} workers")
        old = self._replaced.pop(name, None)
        if old is not None:
            self._remove(old)
            self._replace_next()

    @handler("crashed")
    def _on_crashed(self, name: str, reason: BaseException) -> None:
        worker = self._workers.get(name)
        if worker is None:
            return
        since = self._serving_since.pop(name, None)
        lived = 0.0 if since is None else _clock.now() - since
        self._failures = 0 if lived >= _SOON_SECONDS else self._failures + 1
        process = worker._run_process
        status = 1 if process is None or (process.exitcode or 0) < 0 else process.exitcode
        if not self._has_served:
            self._remove(name)
            say("circuits.web: no worker could be started")
            self.stop(status or 1)
        elif name in self._replaced:
            self._remove(name)
            del self._replaced[name]
            self._outdated.clear()
            self._failures = 0
            say("circuits.web: the new worker has failed, the old ones go on")
        else:
            say(f"circuits.web: {reason}; another one is started")

    # -- signals --

    @handler("started", channel="*")
    def _on_started(self, component: Manager) -> None:
        if component is self:
            if HANG_UP is not None:
                self._tree_engine.want_hang_up(self, True)
            if REOPEN is not None:
                signal.signal(REOPEN, self._reopen)
            self._add()

    def _reopen(self, number: int, frame: FrameType | None) -> None:
        self.fire(ReopenLogs(), self)

    @handler("_reopen_logs")
    def _on_reopen_logs(self) -> None:
        for name in list(self._serving_since):
            if self.supervisor.child(name) is not None:
                os.kill(self._workers[name].pid, signal.SIGUSR1)

    @handler("signal")
    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if number == HANG_UP and self._has_served:
            leaving = self._replaced.values()
            self._outdated = deque(name for name in self._workers if name not in leaving)
            if not self._replaced:
                self._replace_next()

    def _replace_next(self) -> None:
        if self._outdated:
            old = self._outdated.popleft()
            self._replaced[self._add()] = old

    @handler("stopped", channel="*", priority=10)
    def _on_stopped(self, component: Manager) -> None:
        if component is self:
            # All at once: the supervisor tells one when the one before has ended.
            self._send(signal.SIGTERM)
