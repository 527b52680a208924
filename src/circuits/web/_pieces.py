"""Pieces of a body that are not there yet: from asynchronous iterators, applications and threads.

What takes them is told ``NOT_YET``, and called when there is more.
"""

from __future__ import annotations

import threading
from collections import deque
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any

from circuits.core import _clock

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Callable

    from circuits.core._clock import Appointment, Schedule

__all__ = ["NOT_YET", "AsyncPieces", "Feed", "Pieces"]

#: What a source gives that has to wait for its next piece, as it comes from another thread or a
#: task. It is asked again when it calls what was given to its ``attach``.
NOT_YET: Any = object()

#: With more than this waiting for the client, a thread waits, too, in bytes.
_FEED_BYTES = 256 * 1024

#: With more than this, what is pushed by events breaks off, as a connection of ours would.
_MAX_BYTES = 64 * 1024 * 1024

#: With more than this that the client has not taken, an application waits, in bytes.
_AHEAD_BYTES = 65536


class AsyncPieces:
    """An iterator over what an asynchronous one gives, with ``NOT_YET`` where it is not there yet.

    One task runs the iterator, and only as far as the client wants: it is asked for a piece, waits
    for it, and waits to be asked again.

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
        except BaseException as problem:
            self._problem = problem  # also when it is cancelled: what has come is not all
            if not isinstance(problem, Exception):
                raise
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


class Pieces:
    """The body of a response, from the task of an application to the loop, both in one thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._pieces: deque[bytes] = deque()
        self._held_bytes = 0
        self._is_over = False
        self._is_awaited = False
        self._problem: BaseException | None = None
        self._resume: Callable[[], object] | None = None
        self._room: asyncio.Future[None] | None = None
        # What the loop does with a piece must not see what belongs to the task.
        self._context = copy_context()

    # -- for the application --

    def add(self, data: bytes) -> None:
        """Add a piece."""
        if data:
            self._pieces.append(data)
            self._held_bytes += len(data)
            self._tell()

    async def drain(self) -> None:
        """Wait while the client does not keep up."""
        while self._held_bytes > _AHEAD_BYTES and not self._is_over:
            self._room = self._loop.create_future()
            await self._room

    def end(self, problem: BaseException | None = None) -> None:
        """Nothing else will come; with a ``problem``, what should have."""
        self._is_over = True
        self._problem = problem
        self._tell()

    def _tell(self) -> None:
        if self._is_awaited and self._resume is not None:
            self._is_awaited = False
            self._loop.call_soon(self._resume, context=self._context)

    # -- for the loop --

    def attach(self, resume: Callable[[], object]) -> None:
        """Have a function called when there is something after ``NOT_YET``."""
        self._resume = resume

    def __iter__(self) -> Pieces:
        return self

    def __next__(self) -> Any:
        if self._pieces:
            data = b"".join(self._pieces)
            self._forget()
            return data
        if self._problem is not None:
            raise self._problem
        if self._is_over:
            raise StopIteration
        self._is_awaited = True
        return NOT_YET

    def _forget(self) -> None:
        self._pieces.clear()
        self._held_bytes = 0
        if self._room is not None and not self._room.done():
            self._room.set_result(None)

    def close(self) -> None:
        """Nobody wants the rest."""
        self._is_over = True
        self._resume = None
        self._forget()


class Feed:
    """Pieces of a body from a thread to the loop, or the other way; at most so many bytes.

    Who iterates waits for pieces, unless it has attached a function to be called instead.

    Args:
        limit_bytes: With more than this, who puts waits.
        call: Calls a function in the loop.

    Attributes:
        held_bytes: How much waits to be taken.
        is_closed: Nobody takes any more.
    """

    def __init__(
        self,
        limit_bytes: int = _FEED_BYTES,
        call: Callable[[Callable[[], object]], object] | None = None,
    ) -> None:
        self._limit_bytes = limit_bytes
        self._condition = threading.Condition()
        self._pieces: deque[bytes] = deque()
        self.held_bytes = 0
        self._is_over = False
        self._problem: BaseException | None = None
        self._resume: Callable[[], object] | None = None
        self._call = call
        self._is_awaited = False
        self._tell_room: Callable[[], object] | None = None  # the task of ``fill`` waits for it
        self.is_closed = False

    # -- who has the pieces --

    def put(self, data: bytes, wait: bool = True) -> None:
        """Add a piece; with ``wait``, when there is room.

        Raises:
            ConnectionResetError: Nobody wants it any more.
        """
        with self._condition:
            while wait and self.held_bytes > self._limit_bytes and not self.is_closed:
                self._condition.wait()
            if self.is_closed:
                raise ConnectionResetError("the client has gone in the middle of its response")
            self._pieces.append(data)
            self.held_bytes += len(data)
            self._tell()

    def push(self, data: bytes) -> None:
        """Add a piece of who cannot wait; it breaks off if far too much is there."""
        with self._condition:
            if self.held_bytes > _MAX_BYTES:
                self._pieces.clear()
                self.held_bytes = 0
                self.end(BufferError("the response breaks off: too much of it was not taken"))
            elif not self._is_over:
                self.put(data, wait=False)

    def end(self, problem: BaseException | None = None) -> None:
        """Nothing else will come; with a ``problem``, what should have."""
        with self._condition:
            self._is_over = True
            self._problem = problem
            self._tell()

    async def fill(self, source: Any, encode: Callable[[Any], bytes]) -> None:
        """Put what an asynchronous iterator gives, as far as there is room."""
        iterator = aiter(source)
        problem: BaseException | None = None
        try:
            async for piece in iterator:
                await self._room()
                self.put(encode(piece), wait=False)
        except ConnectionResetError:
            pass
        except BaseException as found:
            problem = found  # also when it is cancelled: what has come is not all
            if not isinstance(found, Exception):
                raise
        finally:
            self.end(problem)
            close = getattr(iterator, "aclose", None)
            if close is not None:
                await close()

    async def _room(self) -> None:
        """Wait until who takes the pieces, in another thread, has taken enough of them."""
        if self.held_bytes <= self._limit_bytes:
            return
        import asyncio  # whoever has an asynchronous iterator has it loaded

        has_room = asyncio.Event()
        loop = asyncio.get_running_loop()
        with self._condition:
            if self._has_no_room():
                self._tell_room = lambda: loop.call_soon_threadsafe(has_room.set)
            else:
                has_room.set()
        try:
            await has_room.wait()
        finally:
            with self._condition:
                self._tell_room = None

    def _has_no_room(self) -> bool:
        # Not before half of it is taken: each time, threads take turns.
        return self.held_bytes > self._limit_bytes // 2 and not self.is_closed

    def _tell(self) -> None:
        self._condition.notify_all()
        if self._is_awaited and self._call is not None and self._resume is not None:
            self._is_awaited = False
            self._call(self._resume)

    # -- who takes them --

    def attach(self, resume: Callable[[], object]) -> None:
        """Have a function called when there is something after ``NOT_YET``."""
        if self._call is not None:
            self._resume = resume

    def __iter__(self) -> Feed:
        return self

    def __next__(self) -> bytes:
        with self._condition:
            while not self._pieces:
                if self.is_closed:
                    raise StopIteration
                if self._is_over:
                    if self._problem is not None:
                        raise self._problem
                    raise StopIteration
                if self._resume is not None:
                    self._is_awaited = True
                    return NOT_YET  # type: ignore[no-any-return]
                self._condition.wait()
            data = self._pieces.popleft()
            self.held_bytes -= len(data)
            self._taken()
            return data

    def close(self) -> None:
        """Nobody wants the rest."""
        with self._condition:
            self.is_closed = True
            self._pieces.clear()
            self.held_bytes = 0
            self._taken()

    def _taken(self) -> None:
        self._condition.notify_all()
        if self._tell_room is not None and not self._has_no_room():
            self._tell_room()
            self._tell_room = None
