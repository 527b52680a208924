"""Something that is going to have one result: awaited by a coroutine, yielded by a generator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from circuits.core._suspension import Awaited

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Outcome"]


class Outcome(Awaited):
    """A result, or a problem, that may be there already.

    Args:
        given_up: Called when whoever waited is cancelled before that.

    Attributes:
        is_done: Whether it is there.
    """

    __slots__ = ("_given_up", "_problem", "_result", "is_done")

    def __init__(self, given_up: Callable[[], object]) -> None:
        self._given_up = given_up
        self._result: Any = None
        self._problem: BaseException | None = None
        self.is_done = False
        super().__init__()

    def settle(self, result: Any, problem: BaseException | None = None) -> None:
        """Here it is."""
        self.is_done = True
        self._result, self._problem = result, problem
        self.wake()

    def take(self) -> Any:
        """The result, when it is there.

        Raises:
            BaseException: The problem.
        """
        if self._problem is not None:
            raise self._problem
        return self._result

    def is_ready(self) -> bool:
        return self.is_done

    def leave(self) -> None:
        if not self.is_done:
            self._given_up()
