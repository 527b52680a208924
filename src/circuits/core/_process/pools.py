"""A pool of worker processes whose deaths are survived (see docs/decisions: 0007).

Each process has a socket pair of its own, which the loop watches like any other descriptor. It is
given one job at a time, so that its death costs that one job, and everybody knows which. Nothing
here needs a thread.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import socket
import threading
from collections import deque
from multiprocessing import connection
from traceback import format_exception, format_tb

from circuits.core._descriptor import Descriptor, DescriptorOwner
from circuits.core._shown import describe
from circuits.core.errors import NotSendableError, RemoteError, WorkerLostError

from .frames import LIMIT_BYTES, Frames, pack, sendable, unpack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    class Job(Protocol):
        """What a pool executes."""

        function: Callable[..., Any]
        args: tuple[Any, ...]
        kwargs: dict[str, Any]

        def succeed(self, result: Any) -> None: ...
        def fail(self, problem: BaseException, lines: list[str] | None = None) -> None: ...


__all__ = ["ProcessPool"]

#: Seconds that a process which was told to end is waited for before it is killed.
_GRACE = 1.0

#: How much of one answer is read before others get their turn.
_READ_BYTES = 1024 * 1024

#: How much of the traceback of a worker process is kept, in characters.
_TRACEBACK_LIMIT = 100_000

#: How many frames of it are in the ``error`` event, the innermost ones.
_FRAMES_LIMIT = 100

_NO_GUARD = "does the main module start things only under if __name__ == '__main__'?"


class _Slot:
    """One process, its pipe, and what it is doing."""

    __slots__ = ("descriptor", "frames", "is_ready", "job", "process")

    def __init__(self, process: Any, limit: int) -> None:
        self.process = process
        self.frames = Frames(limit)
        self.descriptor: Descriptor
        self.job: Job | None = None
        self.is_ready = False  # it has said hello


class ProcessPool(DescriptorOwner):
    """Worker processes, as a component below the worker that uses them.

    Args:
        size: How many processes there are at most. Each is started when it is needed first, and
            again when it is needed after it died.
        limit_bytes: The largest task and the largest result, pickled.
        name: For the processes.
    """

    def __init__(
        self, size: int, channel: Any, limit_bytes: int = LIMIT_BYTES, name: str = "worker"
    ) -> None:
        super().__init__(channel=channel)
        self.size = size
        self._limit_bytes = limit_bytes
        self._name = name
        self._slots: dict[Any, _Slot] = {}
        self._idle: list[_Slot] = []
        self._waiting: deque[tuple[Job, bytes]] = deque()
        # Forking a process that has threads may deadlock the child, so the child comes from a
        # server that has none, or from a fresh interpreter.
        methods = multiprocessing.get_all_start_methods()
        method = "forkserver" if "forkserver" in methods else "spawn"
        self._context: Any = multiprocessing.get_context(method)

    @property
    def pids(self) -> list[int]:
        """The ids of the processes that are alive."""
        return [slot.process.pid for slot in self._slots.values()]

    # -- jobs --

    def submit(self, job: Job) -> None:
        """Execute a job, or keep it until a process is free.

        Raises:
            NotSendableError: The function or its arguments cannot be pickled.
        """
        name = describe(job.function)
        frame = pack((job.function, job.args, job.kwargs), f"task {name}", self._limit_bytes)
        self._place(job, frame)

    def _place(self, job: Job, frame: bytes) -> None:
        while self._idle:
            if self._give(self._idle.pop(), job, frame):
                return
        if len(self._slots) < self.size:
            self._give_new(job, frame)
        else:
            self._waiting.append((job, frame))

    def cancel(self, job: Job) -> bool:
        """Forget a job. A process that executes it is killed.

        Returns:
            Whether it was there.
        """
        for entry in self._waiting:
            if entry[0] is job:
                self._waiting.remove(entry)
                return True
        for slot in list(self._slots.values()):
            if slot.job is job:
                slot.job = None
                slot.process.kill()
                slot.descriptor.finish()
                return True
        return False

    def _give(self, slot: _Slot, job: Job, frame: bytes) -> bool:
        """Send a job to a process; whether that was possible.

        One that has died meanwhile cannot. The job was not executed then, not even in part.
        """
        slot.descriptor.write(frame)
        if not slot.descriptor.is_open:
            return False
        slot.job = job
        return True

    def _give_new(self, job: Job, frame: bytes) -> None:
        slot = self._start()
        slot.job = job  # at once: if it dies before it can be told, the next one would, too
        slot.descriptor.write(frame)

    def _next(self, slot: _Slot) -> None:
        slot.job = None
        if not self._waiting:
            self._idle.append(slot)
            return
        job, frame = self._waiting.popleft()
        if not self._give(slot, job, frame):
            try:
                self._place(job, frame)
            except OSError as problem:  # the system has no room for another process
                job.fail(problem)

    # -- processes --

    def _start(self) -> _Slot:
        if getattr(multiprocessing.current_process(), "_inheriting", False):
            # A worker process of the application that is importing its main module, which runs
            # the application all over again. Let this one end, so that the real one is told.
            raise SystemExit(_NO_GUARD)
        near, far = socket.socketpair()
        try:
            process = self._context.Process(
                target=_serve, args=(far, self._limit_bytes), name=self._name, daemon=True
            )
            process.start()
        except BaseException:
            near.close()
            raise
        finally:
            far.close()
        slot = _Slot(process, self._limit_bytes)
        slot.descriptor = Descriptor(self, near, max_pending=self._limit_bytes + 4)
        self._slots[near] = slot
        self._find_poller()
        self._adopt(slot.descriptor)
        return slot

    def _descriptor_readable(self, descriptor: Descriptor) -> None:
        slot = self._slots[descriptor.file]
        data = descriptor.read(_READ_BYTES)
        if data is None:
            return
        if not data:
            descriptor.finish()
            return
        try:
            answers = slot.frames.receive(data)
        except ValueError:  # out of step: something in the job wrote to our pipe
            slot.process.kill()
            descriptor.finish()
            return
        for answer in answers:
            if not slot.is_ready:
                slot.is_ready = True
                continue
            job = slot.job
            self._next(slot)
            if job is not None:
                self._deliver(job, answer)

    def _deliver(self, job: Job, answer: bytes) -> None:
        try:
            result, problem, (text, lines) = unpack(answer)
        except Exception as reason:
            name = describe(job.function)
            job.fail(RemoteError(f"the result of {name} cannot be read: {reason!r}"))
            return
        if problem is None:
            job.succeed(result)
        else:
            problem.__cause__ = RemoteError(f"in the worker process:\n{text}")
            job.fail(problem, lines)

    def _descriptor_closed(self, descriptor: Descriptor) -> None:
        slot = self._slots.pop(descriptor.file)
        if slot in self._idle:
            self._idle.remove(slot)
        job, slot.job = slot.job, None
        status = reap(slot.process)
        if job is not None:
            why = f"worker process ended (exit status {status}) while it executed"
            if not slot.is_ready:
                why = (
                    f"worker process could not start (exit status {status}; {_NO_GUARD}) to execute"
                )
            job.fail(WorkerLostError(f"{why} {describe(job.function)}"))
        while self._waiting and len(self._slots) < self.size and not self._tree_leaving:
            following, frame = self._waiting.popleft()
            try:
                self._give_new(following, frame)
            except OSError as problem:  # the system has no room for another process
                following.fail(problem)

    # -- ending --

    def _leave(self) -> Any:
        self.shutdown()
        super()._leave()

    def shutdown(self, wait: bool = True) -> None:
        """End the processes. Those at work are killed, and their jobs and the waiting ones fail.

        Args:
            wait: As of ``concurrent.futures``; the processes are always waited for.
        """
        waiting, self._waiting = self._waiting, deque()
        for slot in list(self._slots.values()):
            if slot.job is not None or not slot.is_ready:
                slot.process.kill()
            else:
                # All at once, so that they end beside each other.
                slot.descriptor.file.shutdown(socket.SHUT_RDWR)
        for slot in list(self._slots.values()):
            slot.descriptor.finish()
        for job, _ in waiting:
            job.fail(WorkerLostError(f"{describe(job.function)} was not executed"))

    def _tree_forked(self) -> None:
        """In a child: the processes are the parent's."""
        for slot in self._slots.values():
            slot.descriptor.abandon()
        self._slots.clear()
        self._idle.clear()
        self._waiting.clear()
        self._descriptors = {}


def reap(process: Any) -> int | None:
    """Wait for a process that is about to end; kill it if it does not.

    Returns:
        Its exit status; negative for a signal, ``None`` if somebody else has taken it.
    """
    process.join(_GRACE)
    if process.exitcode is None:
        process.kill()
        process.join()
    status: int | None = process.exitcode
    with contextlib.suppress(ValueError):  # somebody else has taken its status: it is not known
        process.close()
    return status


# -- in the worker process -----------------------------------------------------------------------


def _serve(pipe: socket.socket, limit: int) -> None:
    """Execute what comes, until the pipe is closed."""
    pipe.set_inheritable(False)
    # ^C at a terminal reaches every process. The application decides what becomes of the tasks.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    end_with_parent(lambda: os._exit(1))
    pipe.setblocking(True)
    frames = Frames(limit)
    try:
        pipe.sendall(pack(None, "hello"))
        while data := pipe.recv(_READ_BYTES):
            for payload in frames.receive(data):
                pipe.sendall(_execute(payload, limit))
    except OSError:
        return  # the application is gone, or wants nothing from us any more


def _execute(payload: bytes, limit: int) -> bytes:
    function: Any = None
    try:
        function, args, kwargs = unpack(payload)
        result = function(*args, **kwargs)
    except BaseException as problem:
        return _pack_problem(problem, limit)
    try:
        return pack((result, None, ("", [])), f"result of {describe(function)}", limit)
    except NotSendableError as problem:
        return _pack_problem(problem, limit)


def _pack_problem(problem: BaseException, limit: int) -> bytes:
    text = "".join(format_exception(problem))[-_TRACEBACK_LIMIT:]
    frames = problem.__traceback__
    # Without the frame of ours that called the function; a recursion without end shows its end.
    lines = format_tb(frames.tb_next if frames is not None else None, -_FRAMES_LIMIT)
    stand_in = sendable(problem)
    try:
        return pack((None, stand_in, (text, lines)), "exception", limit)
    except NotSendableError:  # too large
        stand_in = RemoteError(type(problem).__qualname__)
        return pack((None, stand_in, (text, lines)), "exception")


def end_with_parent(end: Callable[[], object]) -> None:
    """Call a function, from a thread, when the parent process ends without having ended us."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    sentinel = parent.sentinel

    def watch() -> None:
        connection.wait([sentinel])
        end()

    threading.Thread(target=watch, name="circuits-parent", daemon=True).start()
