"""Something that is going to have one result: awaited by a coroutine, yielded by a generator."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from circuits.core._tasks import Suspension

if TYPE_CHECKING:
    from circuits.core._tasks import Task


class Outcome(Suspension):
    """A result, or a problem, that may be there already.

    Args:
        given_up: Called when whoever waited is cancelled before that.

    Attributes:
        is_done: Whether it is there.
    """

    __slots__ = ("_future", "_given_up", "_problem", "_result", "_task", "is_done")

    def __init__(self, given_up: Callable[[], object]) -> None:
        self._given_up = given_up
        self._result: Any = None
        self._problem: BaseException | None = None
        self._task: Task | None = None
        self._future: Any = None
        self.is_done = False

    def settle(self, result: Any, problem: BaseException | None = None) -> None:
        """Here it is."""
        self.is_done = True
        self._result, self._problem = result, problem
        task, self._task = self._task, None
        if task is not None:
            task.resume(result, problem)
        elif self._future is not None and not self._future.done():
            self._future.set_result(None)

    def take(self) -> Any:
        """The result, when it is there.

        Raises:
            BaseException: The problem.
        """
        if self._problem is not None:
            raise self._problem
        return self._result

    def attach(self, task: Task) -> None:
        if self.is_done:
            task.resume(self._result, self._problem)
        else:
            self._task = task

    def detach(self) -> None:
        self._task = None
        if not self.is_done:
            self._given_up()

    def __iter__(self) -> Generator[Any, Any, Any]:
        return (yield self)

    def __await__(self) -> Generator[Any, Any, Any]:
        if not self.is_done:
            import asyncio  # whoever awaits has it loaded

            self._future = asyncio.get_running_loop().create_future()
            try:
                yield from self._future.__await__()
            finally:
                if not self.is_done:
                    self._given_up()
        return self.take()
