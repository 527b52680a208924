"""Workers: functions that take long, in threads and processes (manual: circuits.core.workers)."""

from __future__ import annotations

import _thread
import os
from collections import deque

from ._clock import NEVER, check_seconds
from ._grace import Graceful
from ._shown import describe
from ._tasks import OutsideTask
from .errors import BacklogFullError, TaskCancelledError, TaskTimeoutError, WorkerStoppedError
from .events import Event
from .handlers import handler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, ClassVar

    from ._engine import Engine

__all__ = ["DEFAULT_WORKERS", "Task", "Worker", "task"]

#: How many threads a worker has, unless told otherwise.
DEFAULT_WORKERS = 10

#: The flag of the code of a function with ``async def``.
_CO_COROUTINE = 0x80

#: How many tasks may wait, unless told otherwise: some seconds of short ones, and a bound for
#: the memory that an application takes which asks for more than it can do.
DEFAULT_BACKLOG = 10_000


class Task(Event):
    """Execute a function in a worker, away from the loop.

    Fired by anyone, on the channel of the worker. The value is what the function returns; what
    it raises is a failure of the event.

    Args:
        f: The function. For a worker of processes it must be found by name in a module.
        *args: What it is called with.
        **kwargs: What it is called with.
    """

    def __init__(self, f: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        if not callable(f):
            raise TypeError(
                f"a task is of a function, not {f!r:.200}: give the function, and its arguments "
                "behind it"
            )
        super().__init__(f, *args, **kwargs)


class task(Task):  # noqa: N801 - the name of the 3.x line
    """A :class:`Task` that tells of its end, as those of the 3.x line do.

    ``task_success(event, value)`` or ``task_failure(event, error)`` follows.
    """

    name = "task"
    success: ClassVar[bool] = True  # type: ignore[misc]
    failure: ClassVar[bool] = True  # type: ignore[misc]


class _Finished(Event):
    """Threads have something to tell: fired by them, at the worker itself."""

    name = "_finished"


class _Job(OutsideTask):
    """One task that a worker has taken."""

    __slots__ = (
        "_appointment", "args", "function", "is_done", "kwargs", "lines", "problem", "result",
    )  # fmt: skip

    owner: Worker

    def __init__(
        self, worker: Worker, event: Event, function: Any, args: Any, kwargs: dict[str, Any]
    ) -> None:
        super().__init__(worker, event)
        self.function = function
        self.args = args
        self.kwargs = kwargs
        self.result: Any = None
        self.problem: BaseException | None = None
        self.lines: list[str] | None = None  # the traceback, if that is of another process
        self.is_done = False  # the function has returned or raised
        self._appointment = NEVER

    def expire_in(self, seconds: float) -> None:
        """Fail after some time, unless over by then."""
        self._appointment = self.engine.schedule.call_in(seconds, self._expire)

    def _expire(self) -> None:
        worker = self.owner
        worker._withdraw(self)
        name, seconds = describe(self.function), worker.timeout
        self.fail(TaskTimeoutError(f"{name} was not over after {seconds:g} s"))

    def succeed(self, result: Any) -> None:
        """The function has returned."""
        self.result = result
        self.resume()
        self._settle()

    def fail(self, problem: BaseException, lines: list[str] | None = None) -> None:
        """The function has raised, or something else went wrong."""
        self.problem = problem
        self.lines = lines
        self.resume()
        self._settle()

    def conclude(self) -> None:
        """The function has returned or raised in a thread, which has left the outcome here."""
        self.resume()
        self._settle()

    def finish(self) -> None:
        self.engine.tasks.end(self, self.result, self.problem, self.lines)

    def given_up(self) -> None:
        self.owner._withdraw(self)
        self._settle()

    def _settle(self) -> None:
        self._appointment.cancel()
        self.owner._settle(self)


class Worker(Graceful):
    """Executes functions in threads or processes, and tells what they return or raise.

    Handles ``task`` on its channel. The handler is suspended until the function is over, so
    ``yield self.call(Task(f, 1))`` and ``await self.call(Task(f, 1))`` wait for the result, and
    ``success`` and ``complete`` come after it.

    Threads and processes are started when there is something to do. A stop waits for what was
    taken, at most the ``stop_timeout`` of the root; a worker that is unregistered waits for
    nothing. Whatever is not over by then fails with
    :class:`~circuits.core.errors.WorkerStoppedError`. A process is killed then; a function that
    runs in a thread cannot be: it goes on, and nobody hears of its result.

    A process that dies takes the one task along that it was executing, which fails with
    :class:`~circuits.core.errors.WorkerLostError` and is not tried again: its effects may have
    happened. The process is replaced for the next one.

    Args:
        process: Use processes, not threads: functions and data are pickled.
        workers: How many. ``None`` or 0: 10 threads, or a process per processor.
        channel: Where tasks are fired.
        backlog: How many tasks may wait, beside those that are executed. One more fails at
            once with :class:`~circuits.core.errors.BacklogFullError`. ``None``: no limit.
        timeout: Seconds after which a task fails with
            :class:`~circuits.core.errors.TaskTimeoutError`, from the moment that it is taken. A
            process that executes it is killed. ``None``: no limit.

    Attributes:
        process: As above.
        workers: How many threads or processes there are at most.
        backlog: As above; may be changed.
        timeout: As above; may be changed.
        pool: The ``concurrent.futures.ThreadPoolExecutor``, or the component that has the
            processes; made when it is asked for first.
    """

    channel = "worker"

    def init(
        self,
        process: bool = False,
        workers: int | None = None,
        channel: Any = "worker",
        *,
        backlog: int | None = DEFAULT_BACKLOG,
        timeout: float | None = None,
    ) -> None:
        """Take the arguments of the constructor."""
        if workers is not None and (isinstance(workers, bool) or workers != int(workers)):
            raise TypeError(f"workers must be a whole number, not {workers!r}")
        if workers is not None and workers < 0:
            raise ValueError(f"workers must be 1 or more, or 0 for the default, not {workers}")
        if backlog is not None and backlog < 0:
            raise ValueError(f"backlog must be 0 or more, or None, not {backlog}")
        if channel != "worker":  # given by its place
            self.channel = channel
        self.process = bool(process)
        self.workers = workers or (_processors() if process else DEFAULT_WORKERS)
        self.backlog = backlog
        self.timeout = None if timeout is None else check_seconds(timeout, "timeout")
        self._pool: Any = None
        self._jobs: dict[_Job, None] = {}
        # The lock protects the making of the pool; of threads, also what waits, and how many
        # threads take from that.
        self._lock_of_waiting = _thread.allocate_lock()
        self._waiting: deque[_Job] = deque()
        self._takers = 0
        self._finished: deque[_Job] = deque()
        self._is_told = False
        self._strays: list[_Job] = []  # whose functions run on, unobserved

    @property
    def pool(self) -> Any:
        """What executes the functions."""
        if self._pool is None:
            with self._lock_of_waiting:  # other threads may ask, too
                if self._pool is None:
                    self._pool = self._make_pool()
        return self._pool

    def _make_pool(self) -> Any:
        if self.process:
            from ._process.pools import ProcessPool  # brings multiprocessing

            return ProcessPool(self.workers, self.channel, name=f"{self.name}/{self.channel}")
        from ._process.threads import ThreadPoolExecutor  # brings logging

        return ThreadPoolExecutor(self.workers, thread_name_prefix=f"{self.name}/{self.channel}")

    # -- tasks --

    @handler("task")
    def _on_task(self, event: Event, f: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        if getattr(getattr(f, "__code__", None), "co_flags", 0) & _CO_COROUTINE:
            raise TypeError(
                f"{describe(f)} is a coroutine, which needs no worker: await it in a handler with "
                "async def"
            )
        limit = self.backlog
        if limit is not None and len(self._jobs) >= self.workers + limit:
            raise BacklogFullError(
                f"{describe(f)} refused: {self!r} executes {self.workers} tasks at a time, "
                f"and {limit} are waiting"
            )
        job = _Job(self, event, f, args, kwargs)
        self._submit(job)
        if job.is_over and job.problem is not None:  # the process for it has died already
            raise job.problem
        job.suspend()
        self._jobs[job] = None
        if self.timeout is not None:
            job.expire_in(self.timeout)
        if self._is_stopping:
            self._hold_end()

    def _submit(self, job: _Job) -> None:
        pool = self.pool
        if self.process:
            if pool.parent is pool:
                pool.register(self)
            pool.submit(job)
            return
        with self._lock_of_waiting:
            self._waiting.append(job)
            if self._takers == self.workers:
                return
            self._takers += 1
        try:
            pool.submit(self._execute_waiting)
        except BaseException:
            with self._lock_of_waiting:
                self._takers -= 1
                if job in self._waiting:
                    self._waiting.remove(job)
            raise

    def cancel(self, task: Event) -> bool:
        """Take a task back, which then fails with ``TaskCancelledError``. In the loop's thread.

        A process that executes it is killed. A function that a thread executes already goes on,
        and so does its task.

        .. versionadded:: 2.1

        Returns:
            Whether it was taken back.
        """
        for job in self._jobs:
            if job.event is task:
                if not self.process and job not in self._waiting:
                    return False
                self._withdraw(job)
                job.fail(TaskCancelledError(f"{describe(job.function)} was cancelled"))
                return True
        return False

    def _withdraw(self, job: _Job) -> None:
        """Nobody wants the result of a job any more."""
        if self.process:
            self._pool.cancel(job)
            return
        with self._lock_of_waiting:
            if job in self._waiting:
                self._waiting.remove(job)
                return
        self._strays = [stray for stray in self._strays if not stray.is_done]
        self._strays.append(job)

    def _settle(self, job: _Job) -> None:
        """A job is over, one way or the other."""
        self._jobs.pop(job, None)
        if self._is_stopping and not self._jobs:
            self._dismiss()
            self._release_end()

    # -- in the threads of the pool --

    def _execute_waiting(self) -> None:
        """What is submitted to the executor: many tasks in one go, since each way there is long."""
        while True:
            with self._lock_of_waiting:
                if not self._waiting:
                    self._takers -= 1
                    return
                job = self._waiting.popleft()
            try:
                job.result = job.function(*job.args, **job.kwargs)
            except BaseException as problem:
                job.problem = problem
            self._executed(job)
            del job  # while it waits for the next one, nothing is to be kept alive

    def _executed(self, job: _Job) -> None:
        job.is_done = True
        # One event tells of everything that has finished until it is handled, so that many
        # short tasks do not become as many events.
        self._finished.append(job)
        if not self._is_told:
            self._is_told = True
            self.fire(_Finished(), self)

    # -- in the thread of the loop --

    @handler("_finished")
    def _on_finished(self) -> None:
        self._is_told = False  # first: who comes from now on tells again
        finished = self._finished
        while finished:
            finished.popleft().conclude()

    # -- ending --

    def _application_stopped(self) -> None:
        if self._jobs:
            self._hold_end()
        else:
            self._dismiss()

    def _grace_over(self) -> None:
        self._fail_all("the application stops")

    def _leave(self) -> None:
        self._fail_all("the worker leaves")
        self._dismiss()

    def _tree_left(self, engine: Engine) -> None:
        super()._tree_left(engine)
        if self.parent is self:  # else it left below another one, and may go on elsewhere
            self._fail_all("the worker left")
            self._dismiss()

    def _fail_all(self, why: str) -> None:
        for job in list(self._jobs):
            self._withdraw(job)
            job.fail(WorkerStoppedError(f"{describe(job.function)} was not over when {why}"))

    def _dismiss(self) -> None:
        """End the threads or processes; new ones are started if more tasks come."""
        pool = self._pool
        if pool is None:
            return
        if self.process:
            pool.shutdown()
            return
        self._pool = None
        # Threads that have nothing to do end at once. One that is still busy is left behind.
        is_busy = any(not stray.is_done for stray in self._strays)
        self._strays.clear()
        pool.shutdown(wait=not is_busy, cancel_futures=True)

    def _tree_forked(self) -> None:
        """In a child: the threads and processes are the parent's."""
        self._pool = None
        self._lock_of_waiting = _thread.allocate_lock()
        self._takers = 0
        self._jobs.clear()
        self._waiting.clear()
        self._finished.clear()
        self._strays.clear()
        self._is_told = False


def _processors() -> int:
    count = getattr(os, "process_cpu_count", os.cpu_count)()
    return count or 1
