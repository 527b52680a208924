"""What a handler can wait for by ``yield`` or ``await``: the base of all, and of what others end.

Of our own there are ``_sleep``, for a time, and ``_waits``, for the end of an event.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

    from ._engine import Engine
    from ._tasks import Task

__all__ = ["Awaited", "Suspension", "running_loop", "warn_of_unused"]


def running_loop() -> Any:  # noqa: F811 - it puts what it has found in its own place
    """That of asyncio, which whoever awaits has loaded; found once, since an import costs."""
    global running_loop
    from asyncio import get_running_loop as running_loop

    return running_loop()


class Suspension:
    """Base of what a handler can wait for by ``yield`` or ``await``."""

    __slots__ = ()

    def attach(self, task: Task) -> None:
        """Begin, for a generator handler: call ``task.resume`` when it is over."""
        raise NotImplementedError

    def detach(self) -> None:
        """End the wait: nobody is interested any more."""

    def at_once(self, engine: Engine) -> Any:
        """What it gives, if that can be had here and now and nothing comes before; else ``None``."""
        return None


class Awaited(Suspension):
    """Something that is to come, and then has a result: yielded, or awaited.

    Whoever has it calls :meth:`wake`. One that is cancelled before that leaves.
    """

    __slots__ = ("_future", "_task")

    def __init__(self) -> None:
        self._task: Task | None = None
        self._future: Any = None

    def is_ready(self) -> bool:
        """Whether there is nothing to wait for."""
        raise NotImplementedError

    def take(self) -> Any:
        """The result; or raise why there is none."""
        return None

    def enter(self) -> None:
        """See to it that ``wake`` is called.

        Raises:
            RuntimeError: Somebody else waits, and there is room for one.
        """

    def leave(self) -> None:
        """Nobody waits any more; called in any case, also behind ``wake``."""

    def wake(self) -> None:
        """It has come."""
        if self._task is not None:
            self._resume(self._task)
        elif self._future is not None and not self._future.done():
            self._future.set_result(None)

    def _resume(self, task: Task) -> None:
        self._task = None
        self.leave()
        try:
            result = self.take()
        except BaseException as problem:
            task.resume(None, problem)
        else:
            task.resume(result)

    def attach(self, task: Task) -> None:
        if self.is_ready():
            self._resume(task)
            return
        self._task = task
        try:
            self.enter()
        except RuntimeError as problem:  # for the handler, not for whoever runs it
            self._task = None
            task.resume(None, problem)

    def detach(self) -> None:
        self._task = None
        self.leave()

    def __iter__(self) -> Generator[Any, Any, Any]:
        return (yield self)

    def __await__(self) -> Generator[Any, Any, Any]:
        if not self.is_ready():
            self._future = running_loop().create_future()
            self.enter()
            try:
                yield from self._future.__await__()
            finally:
                self.leave()
        return self.take()


def warn_of_unused(thing: Suspension, code: Any, place: int) -> None:
    """Warn of something that was made to be yielded or awaited, and never was.

    Args:
        thing: What it is.
        code: Where it was made.
        place: The instruction there; to look up the line each time would take too long.
    """
    import warnings  # for mistakes only

    at = [line for begin, end, line in code.co_lines() if begin <= place < end]
    line = at[0] if at and at[0] is not None else code.co_firstlineno
    warnings.warn_explicit(
        f"{thing!r} in {code.co_qualname} was never yielded or awaited",
        RuntimeWarning,
        code.co_filename,
        line,
    )
