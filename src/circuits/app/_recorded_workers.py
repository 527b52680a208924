"""The results of workers while they are recorded."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any, Final

from circuits.core._shown import describe
from circuits.core.errors import TaskCancelledError, TaskTimeoutError, WorkerStoppedError

from ._recording_file import pack_number
from ._recording_values import component_path
from ._records import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._records import Records

__all__ = ["RecordedWorkers"]

#: What a worker says by itself, in a replay as well.
_OWN_FAILURES: Final = (TaskCancelledError, TaskTimeoutError, WorkerStoppedError)


class RecordedWorkers:
    """Writes down what the jobs of workers come to.

    Args:
        records: Where to.
        bring: Has the loop's thread call a function with arguments, in its order with all else that
            other threads bring. From any thread.
    """

    def __init__(self, records: Records, bring: Callable[..., None]) -> None:
        self._records = records
        self._bring = bring
        self._workers: dict[Any, None] = {}

    def meet(self, worker: Any) -> None:
        """Watch a worker from now on, unless that is done already. In the loop's thread."""
        if worker in self._workers:
            return
        self._workers[worker] = None
        path = component_path(worker).encode()
        numbers: dict[Any, int] = {}  # of the jobs that are not over
        new_number = count().__next__
        submit, executed, settle = worker._submit, worker._executed, worker._settle

        def numbered(job: Any) -> None:
            numbers[job] = new_number()
            submit(job)

        def record(job: Any, number: int) -> None:
            head = pack_number(len(path)) + path + pack_number(number)
            about = (job.result, job.problem, job.lines)
            self._records.add_value(
                Kind.JOB, head, about, f"the result of {describe(job.function)}"
            )

        def arrived(job: Any) -> None:
            job.is_done = True
            self._bring(take, job)

        def take(job: Any) -> None:
            number = numbers.get(job)
            if number is not None:
                record(job, number)
            executed(job)

        def settled(job: Any) -> None:
            settle(job)
            number = numbers.pop(job, None)
            is_its_own = worker.process and not isinstance(job.problem, _OWN_FAILURES)
            if is_its_own and number is not None:
                record(job, number)

        worker._submit, worker._settle = numbered, settled
        if not worker.process:
            worker._executed = arrived

    def stop(self) -> None:
        """Let go of all of them."""
        for worker in self._workers:
            for name in ("_submit", "_executed", "_settle"):
                vars(worker).pop(name, None)
