"""Pieces of a body from an asynchronous iterator.

One task runs the iterator, and only as far as the client wants: it is asked for a piece, waits for
it, and waits to be asked again.
"""

from __future__ import annotations

from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any

from circuits.core import _clock

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Callable

    from circuits.core._clock import Appointment, Schedule

__all__ = ["NOT_YET", "AsyncPieces"]

#: What a source gives that has to wait for its next piece, as it comes from another thread or a
#: task. It is asked again when it calls what was given to its ``attach``.
NOT_YET: Any = object()


class AsyncPieces:
    """An iterator over what an asynchronous one gives, with ``NOT_YET`` where it is not there yet.

    Args:
        source: The asynchronous iterable. An attribute ``idle``, of seconds and a piece (or
            what makes it), says what is sent while it gives nothing.
        run: Runs a coroutine.
        schedule: The timers of the tree.
    """

    def __init__(self, source: Any, run: Callable[[Any], object], schedule: Schedule) -> None:
        self._source = source
        self._run = run
        self._schedule = schedule
        self._idle: tuple[float, Any] | None = getattr(source, "idle", None)
        self._timer: Appointment | None = None
        self._resume: Callable[[], object] | None = None
        # What is done when there is a piece must not see what belongs to the task.
        self._context: Context = copy_context()
        self._pieces: list[Any] = []
        self._problem: BaseException | None = None
        self._is_over = False
        self._is_closed = False
        self._is_awaited = False
        self._has_begun = False
        self._wanted: asyncio.Future[None] | None = None
        self._task: asyncio.Task[Any] | None = None

    def attach(self, resume: Callable[[], object]) -> None:
        """Have a function called when there is something after ``NOT_YET``."""
        self._resume = resume

    def __iter__(self) -> AsyncPieces:
        return self

    def __next__(self) -> Any:
        if self._pieces:
            return self._pieces.pop()
        if self._problem is not None:
            raise self._problem
        if self._is_over or self._is_closed:
            raise StopIteration
        self._is_awaited = True
        if self._idle is not None and self._timer is None:
            self._timer = self._schedule.call_at(_clock.now() + self._idle[0], self._send_idle)
        if not self._has_begun:
            self._has_begun = True
            self._run(self._take())
        elif self._wanted is not None and not self._wanted.done():
            self._wanted.set_result(None)
        return NOT_YET

    def _send_idle(self) -> None:
        self._timer = None
        if self._is_awaited and self._idle is not None and self._resume is not None:
            self._is_awaited = False
            piece = self._idle[1]
            self._pieces.append(piece() if callable(piece) else piece)
            self._resume()

    async def _take(self) -> None:
        import asyncio  # whoever has an asynchronous iterator has it loaded

        loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        if self._is_closed:
            return
        iterator: AsyncIterator[Any] = aiter(self._source)
        try:
            async for piece in iterator:
                self._wanted = loop.create_future()
                self._pieces.append(piece)
                self._tell(loop)
                if not self._is_awaited:
                    await self._wanted
        except Exception as problem:
            self._problem = problem
        finally:
            self._is_over = True
            close = getattr(iterator, "aclose", None)
            if close is not None:
                await close()
            self._tell(loop)

    def _tell(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._is_awaited and self._resume is not None and not self._is_closed:
            self._is_awaited = False
            loop.call_soon(self._resume, context=self._context)

    def close(self) -> None:
        """Nobody wants the rest."""
        self._is_closed = True
        self._pieces.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._task is not None and not self._is_over:
            self._task.cancel()
